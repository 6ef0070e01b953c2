//! Words become stanzas, stanzas leave, and are kept until the server has them.

use anyhow::Context as _;
use omemo::{Address, EncryptError, Namespace, Store as _, machine};

use super::{
    Daemon,
    effects::{After, Desk},
    inbox::rng,
    omemo_now,
};
use crate::{
    state::{LetterContent, Step},
    xmpp::{
        Stage,
        outgoing::{self, ChatState, Wrapping},
    },
};

impl Desk<'_> {
    /// Returns the owner's trusted devices that the device list names; all trusted ones when it
    /// names none of them.
    pub(super) fn recipients(&self, step: &Step<'_>) -> anyhow::Result<Vec<Address>> {
        let mut trusted = step.known_devices(&self.config.owner.jid)?;
        trusted.retain(|device| device.trust.is_trusted());
        if trusted.iter().any(|device| device.active) {
            trusted.retain(|device| device.active);
        }
        Ok(trusted.into_iter().map(|device| device.address).collect())
    }

    /// Encrypts `words` and puts the finished stanza into the outbox, in the ratchet step's own
    /// transaction. Where no device has a session yet, the words wait there.
    pub(super) fn post(
        &self,
        step: &mut Step<'_>,
        recipients: &[Address],
        words: &str,
        after: &mut After,
    ) -> anyhow::Result<()> {
        if recipients.is_empty() {
            // Nobody may read it, and it would be old news to whoever is trusted later.
            return Ok(());
        }
        let id = stanza_id()?;
        let content = match self.encrypt(step, recipients, &id, words, after)? {
            Some(stanza) => LetterContent::Stanza(stanza),
            None => LetterContent::Words(words.to_owned()),
        };
        let token = step.post(&id, &content)?;
        if let LetterContent::Stanza(stanza) = content {
            after.letters.push((token, stanza));
        }
        Ok(())
    }

    /// Posts words for the owner's trusted devices. Where the list of them may have changed
    /// unheard, the words wait until it was fetched.
    pub(super) fn say(
        &self,
        step: &mut Step<'_>,
        words: &str,
        after: &mut After,
    ) -> anyhow::Result<()> {
        let recipients = self.recipients(step)?;
        if !self.list_is_old || recipients.is_empty() {
            return self.post(step, &recipients, words, after);
        }
        step.post(&stanza_id()?, &LetterContent::Words(words.to_owned()))?;
        after.list_wanted = true;
        Ok(())
    }

    /// Posts an empty message, which only turns or begins a ratchet.
    pub(super) fn post_empty(
        &self,
        step: &mut Step<'_>,
        to: &Address,
        namespace: Namespace,
        after: &mut After,
    ) -> anyhow::Result<()> {
        let to_one = std::slice::from_ref(to);
        let encrypted = machine::encrypt(step, namespace, to_one, None, &mut rng(), omemo_now());
        let (envelope, changes) = encrypted.context("while encrypting an empty message")?;
        step.apply(changes).context("while saving a ratchet step")?;
        let id = stanza_id()?;
        let stanza = outgoing::encrypted_message(&to.jid, &id, &envelope, Wrapping::default());
        let token = step.post(&id, &LetterContent::Stanza(stanza.clone()))?;
        after.letters.push((token, stanza));
        Ok(())
    }

    fn encrypt(
        &self,
        step: &mut Step<'_>,
        recipients: &[Address],
        id: &str,
        words: &str,
        after: &mut After,
    ) -> anyhow::Result<Option<String>> {
        let mut recipients = recipients.to_vec();
        let body = words.as_bytes();
        loop {
            let encrypted = machine::encrypt(
                step,
                Namespace::Legacy,
                &recipients,
                Some(body),
                &mut rng(),
                omemo_now(),
            );
            match encrypted {
                Ok((envelope, changes)) => {
                    step.apply(changes).context("while saving a ratchet step")?;
                    let wrapping = Wrapping {
                        ask_receipt: true,
                        chat_state: Some(ChatState::Active),
                        ..Wrapping::default()
                    };
                    let to = &self.config.owner.jid;
                    return Ok(Some(outgoing::encrypted_message(
                        to, id, &envelope, wrapping,
                    )));
                }
                Err(EncryptError::NoSession { addresses }) if !addresses.is_empty() => {
                    recipients.retain(|address| !addresses.contains(address));
                    after.without_session.extend(addresses);
                    if recipients.is_empty() {
                        return Ok(None);
                    }
                }
                Err(EncryptError::NoRecipient) => return Ok(None),
                Err(error) => return Err(error).context("while encrypting a reply"),
            }
        }
    }
}

impl Daemon {
    /// Gives a finished stanza to the stream, unless it is there already or we are offline.
    pub(super) fn dispatch(&mut self, token: i64, stanza: String) {
        let Ok(number) = u64::try_from(token) else {
            return;
        };
        if self.online && self.under_way.insert(token) {
            self.life.moved_on = true;
            self.link.send(number, stanza);
        }
    }

    /// Sends what the outbox holds, oldest first, and encrypts what can be encrypted by now.
    pub(super) fn send_outbox(&mut self) -> anyhow::Result<()> {
        let Self {
            state,
            keeper,
            config,
            ..
        } = self;
        let desk = Desk {
            keeper,
            config,
            list_is_old: false,
        };
        let mut after = After::default();
        let mut step = state.begin().context("while beginning a step")?;
        for letter in step.outbox()? {
            match letter.content {
                LetterContent::Stanza(stanza) => after.letters.push((letter.token, stanza)),
                LetterContent::Words(words) => {
                    let to = desk.recipients(&step)?;
                    if let Some(stanza) =
                        desk.encrypt(&mut step, &to, &letter.id, &words, &mut after)?
                    {
                        step.finish_letter(letter.token, &stanza)?;
                        after.letters.push((letter.token, stanza));
                    }
                }
            }
        }
        step.commit().context("while saving the outbox")?;
        self.after(after)
    }

    pub(super) fn stage(&mut self, token: u64, stage: Stage) -> anyhow::Result<()> {
        let Ok(token) = i64::try_from(token) else {
            return Ok(());
        };
        match stage {
            Stage::Sent => Ok(()),
            Stage::Acked => self.forget_letter(token),
            Stage::Lost => {
                self.under_way.remove(&token);
                Ok(())
            }
            Stage::Refused => {
                log::error!("a stanza of the outbox cannot be sent and was dropped");
                self.forget_letter(token)
            }
        }
    }

    fn forget_letter(&mut self, token: i64) -> anyhow::Result<()> {
        crate::crash::point("letter acknowledged");
        self.under_way.remove(&token);
        let step = self.state.begin().context("while beginning a step")?;
        step.delivered(token)?;
        step.commit().context("while saving the outbox")
    }
}

/// Draws the id of a stanza, which is its origin-id too.
pub(super) fn stanza_id() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("while drawing a stanza id")?;
    Ok(hex::encode(bytes))
}
