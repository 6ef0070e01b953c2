//! What is written and read: OMEMO on the client's own state, with the outbox in the same
//! transaction.
//!
//! It speaks to one device only, the vault's, which the fingerprint names; whatever else is sent to
//! this account is not decrypted.

use anyhow::{Context as _, bail};
use omemo::{
    Address, Bundle, DeviceId, Envelope, Namespace, ReceiveError, Store as _, Trust, machine,
};

use super::{now, rng};
use crate::{
    state::{LetterContent, State, Step},
    xmpp::{
        Content, Message,
        outgoing::{self, Wrapping},
    },
};

/// Both ends are ours, and every vault speaks it.
pub(super) const NAMESPACE: Namespace = Namespace::Legacy;
/// The note that holds when the newest message of the vault in the archive came.
const READ_UNTIL: &str = "client read until";
/// The note that holds that the vault has let us in.
const LET_IN: &str = "client let in";

/// Our state, and who we speak with.
pub(super) struct Desk {
    pub(super) state: State,
    /// The vault's bare address.
    vault: String,
    /// The vault's fingerprint.
    fingerprint: String,
    /// Our own device.
    pub(super) device: DeviceId,
    /// Our own fingerprint.
    pub(super) own_fingerprint: String,
}

/// A stanza that is in the outbox, and where.
pub(super) type Letter = (i64, String);

/// What a message was.
pub(super) enum Heard {
    /// Nothing for us.
    Nothing,
    /// A text of the vault.
    Text(String),
    /// A message of the vault that does not open: the session is to be begun anew.
    Broken,
}

impl Desk {
    pub(super) fn open(mut state: State, vault: &str, fingerprint: &str) -> anyhow::Result<Self> {
        let mut step = state.begin()?;
        if step.own_device()?.is_none() {
            let (_, changes) = machine::enrol(&mut rng(), now());
            step.apply(changes)?;
        }
        let own = step
            .own_device()?
            .context("the OMEMO device was not kept")?;
        step.commit()?;
        Ok(Self {
            state,
            vault: vault.to_owned(),
            fingerprint: fingerprint.to_owned(),
            device: own.device(),
            own_fingerprint: own.identity().fingerprint(),
        })
    }

    /// Returns our bundle as it is published.
    pub(super) fn bundle(&mut self) -> anyhow::Result<Bundle> {
        let step = self.state.begin()?;
        machine::own_bundle(&step, NAMESPACE)?.context("the OMEMO device was not kept")
    }

    /// Refuses to go on with an old copy of our own state, which would use message keys twice.
    pub(super) fn check_published(&mut self, there: &Bundle) -> anyhow::Result<()> {
        let step = self.state.begin()?;
        if machine::is_from_a_later_state(&step, there, &[])? {
            bail!(
                "the keys in this state folder are an old copy: they were used elsewhere or later. \
                 Remove the folder, and pair anew"
            );
        }
        Ok(())
    }

    /// Exchanges signed prekeys when they are due.
    pub(super) fn rotate(&mut self) -> anyhow::Result<()> {
        let mut step = self.state.begin()?;
        if let Some(changes) = machine::rotate(&step, &mut rng(), now())? {
            step.apply(changes)?;
            step.commit()?;
        }
        Ok(())
    }

    /// Returns the vault's device, if there is a session with it.
    pub(super) fn vault_device(&mut self) -> anyhow::Result<Option<DeviceId>> {
        let vault = self.vault.clone();
        let step = self.state.begin()?;
        let device = trusted(&step, &vault)?;
        Ok(device.map(|it| it.device))
    }

    /// Begins a session with a device of the vault, if it is the one that the fingerprint names.
    /// Returns its fingerprint otherwise.
    pub(super) fn meet(&mut self, device: DeviceId, bundle: &Bundle) -> anyhow::Result<Met> {
        let address = Address::new(self.vault.clone(), device);
        let mut step = self.state.begin()?;
        let started = machine::start_session(&step, &address, bundle, &mut rng(), now());
        let changes = match started {
            Ok(changes) => changes,
            Err(why) => {
                log::warn!("no session with device {device} of the vault was started: {why}");
                return Ok(Met::Unusable);
            }
        };
        step.apply(changes)?;
        let Some(known) = step.known_device(&address)? else {
            return Ok(Met::Unusable);
        };
        let theirs = known.identity.fingerprint();
        if theirs != self.fingerprint {
            // Nothing is kept of it.
            return Ok(Met::Other(theirs));
        }
        // One vault, one device: an earlier one is no more.
        for earlier in step.known_devices(&self.vault)? {
            if earlier.address != address && earlier.trust.is_trusted() {
                let revoked =
                    machine::set_trust(&step, &earlier.address, &earlier.identity, Trust::Revoked);
                step.apply(revoked.context("while forgetting a device")?)?;
            }
        }
        let pinned = machine::set_trust(&step, &address, &known.identity, Trust::Pinned);
        step.apply(pinned.context("while trusting the vault")?)?;
        step.commit()?;
        Ok(Met::Vault)
    }

    /// Encrypts a text for the vault and puts it into the outbox, together with what `save` writes.
    pub(super) fn write(
        &mut self,
        text: &str,
        save: impl FnOnce(&Step<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<Letter> {
        let mut step = self.state.begin()?;
        save(&step)?;
        let letter = post(&mut step, &self.vault, Some(text))?;
        step.commit().context("while saving a message")?;
        Ok(letter)
    }

    /// Returns what the server does not have yet.
    pub(super) fn outbox(&mut self) -> anyhow::Result<Vec<Letter>> {
        let step = self.state.begin()?;
        let letters = step.outbox()?.into_iter();
        let finished = letters.filter_map(|it| match it.content {
            LetterContent::Stanza(stanza) => Some((it.token, stanza)),
            LetterContent::Words(_) => None,
        });
        Ok(finished.collect())
    }

    /// The server has this stanza.
    pub(super) fn delivered(&mut self, token: i64) -> anyhow::Result<()> {
        let step = self.state.begin()?;
        step.delivered(token)?;
        Ok(step.commit()?)
    }

    /// Opens a message. What it moved is saved before this returns; a letter is to be sent.
    pub(super) fn hear(&mut self, message: &Message) -> anyhow::Result<(Heard, Option<Letter>)> {
        let Content::Encrypted(envelope) = &message.content else {
            return Ok((Heard::Nothing, None));
        };
        if message.from_bare != self.vault || message.is_error {
            return Ok((Heard::Nothing, None));
        }
        let vault = self.vault.clone();
        let mut step = self.state.begin()?;
        let device = trusted(&step, &vault)?;
        if device.is_none_or(|it| it.device != envelope.sender) {
            return Ok((Heard::Nothing, None));
        }
        let (heard, letter) = open(&mut step, &vault, envelope)?;
        step.commit().context("while saving a message")?;
        Ok((heard, letter))
    }

    /// Returns from when on the archive is to be read, in seconds since 1970.
    pub(super) fn read_until(&mut self) -> anyhow::Result<Option<u64>> {
        Ok(self.state.begin()?.note(READ_UNTIL)?)
    }

    /// Notes that everything of the vault up to here was read.
    pub(super) fn set_read_until(&mut self, at: u64) -> anyhow::Result<()> {
        let step = self.state.begin()?;
        step.set_note(READ_UNTIL, Some(&at))?;
        Ok(step.commit()?)
    }

    /// Returns whether the vault has let us in.
    pub(super) fn is_let_in(&mut self) -> anyhow::Result<bool> {
        let noted = self.state.begin()?.note::<String>(LET_IN)?;
        Ok(noted.is_some_and(|it| it == self.fingerprint))
    }

    /// Notes that the vault has let us in.
    pub(super) fn set_let_in(&mut self) -> anyhow::Result<()> {
        let step = self.state.begin()?;
        step.set_note(LET_IN, Some(&self.fingerprint))?;
        Ok(step.commit()?)
    }

    /// Returns whether there is a vault's fingerprint to compare with.
    pub(super) fn has_fingerprint(&self) -> bool {
        !self.fingerprint.is_empty()
    }
}

/// What came of meeting a device.
pub(super) enum Met {
    /// It is the vault, and there is a session with it.
    Vault,
    /// It is another device, with this fingerprint.
    Other(String),
    /// Its bundle cannot be used.
    Unusable,
}

/// Returns the vault's device, if it was met.
fn trusted(step: &Step<'_>, vault: &str) -> anyhow::Result<Option<Address>> {
    let known = step.known_devices(vault)?.into_iter();
    let mut trusted = known.filter(|it| it.trust.is_trusted());
    Ok(trusted.next().map(|it| it.address))
}

fn post(step: &mut Step<'_>, vault: &str, text: Option<&str>) -> anyhow::Result<Letter> {
    let to = trusted(step, vault)?.context("there is no session with the vault")?;
    let body = text.map(str::as_bytes);
    let to = std::slice::from_ref(&to);
    let (envelope, changes) = machine::encrypt(step, NAMESPACE, to, body, &mut rng(), now())
        .context("while encrypting a message")?;
    step.apply(changes)?;
    let mut id = [0; 16];
    getrandom::fill(&mut id).context("while drawing a stanza id")?;
    let id = hex::encode(id);
    let stanza = outgoing::encrypted_message(vault, &id, &envelope, Wrapping::default());
    let token = step.post(&id, &LetterContent::Stanza(stanza.clone()))?;
    Ok((token, stanza))
}

fn open(
    step: &mut Step<'_>,
    vault: &str,
    envelope: &Envelope,
) -> anyhow::Result<(Heard, Option<Letter>)> {
    let (opened, changes) = match machine::receive(step, vault, envelope, now()) {
        Ok(opened) => opened,
        Err(ReceiveError::Store(error)) => return Err(error.into()),
        Err(ReceiveError::AlreadyReceived | ReceiveError::NotForUs) => {
            return Ok((Heard::Nothing, None));
        }
        Err(why) => {
            log::warn!("a message of the vault was not opened: {why}");
            return Ok((Heard::Broken, None));
        }
    };
    step.apply(changes)?;
    if let Some(refill) = machine::refill(step, &mut rng(), now())? {
        step.apply(refill)?;
    }
    let letter = match opened.heartbeat_due {
        true => Some(post(step, vault, None)?),
        false => None,
    };
    let text = opened.body.as_ref().and_then(|it| machine::text(it).ok());
    let heard = text.map_or(Heard::Nothing, |it| Heard::Text(it.to_owned()));
    Ok((heard, letter))
}
