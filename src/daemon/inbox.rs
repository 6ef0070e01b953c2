//! A message comes in: OMEMO opens it, the keeper decides, and one transaction saves both.

use anyhow::Context as _;
use omemo::{
    Address, Envelope, Namespace, Opened, ReceiveError, Store as _, Trust, machine,
    media::SharedFileError,
};
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::{
    CatchUp, Daemon,
    effects::{After, Desk},
    now, omemo_now, seconds,
};
use crate::{
    keeper::{
        Device, Effect, Input, JobId, Standing, Told,
        chat::Beside,
        described::Announced,
        intake::{Attached, SharedAs},
        life::{News, Unreadable},
    },
    state::{State, StateError, Step},
    xmpp::{Content, FoundFile, Message, Page, SceContent, SceError, Source},
};

/// The note that holds the archive id up to which everything is handled.
pub(super) const CURSOR: &str = "archive cursor";
/// The note that holds when the message at the cursor came, in seconds since 1970.
pub(super) const CURSOR_TIME: &str = "archive cursor time";

/// Devices of one message that are looked at; no account has so many.
const MAX_READERS: usize = 200;
/// One in so many messages of strangers saves the archive cursor.
const PASSED_OVER: u32 = 64;
/// How far the sender's clock and ours may be apart without a word.
const FAR_SECONDS: u64 = 24 * 60 * 60;

impl Daemon {
    pub(super) fn message(&mut self, message: Message) -> anyhow::Result<()> {
        // A stranger gets silence: nothing of theirs is even decrypted. Nor may a flood of them cost
        // a write each; what is passed over is passed over again after a restart.
        self.came_back(&message)?;
        let is_owners = message.from_bare == self.config.owner.jid && !message.is_error;
        if !is_owners {
            self.passed_over = self.passed_over.saturating_add(1) % PASSED_OVER;
            if self.passed_over != 0 {
                return Ok(());
            }
        }
        if is_owners {
            self.link.note_use();
        }
        self.programs.note(&message, is_owners);
        let cursor = match message.source {
            Source::Live if self.catch_up == CatchUp::Done => message.archive_id.clone(),
            Source::Live | Source::Offline | Source::Carbon | Source::Archive => None,
        };
        let catching_up = self.catch_up != CatchUp::Done;
        let list_is_old = self.list_is_old();
        self.life.moved_on = true;
        let Self {
            state,
            keeper,
            config,
            contacts,
            ..
        } = self;
        let mut desk = Desk {
            keeper,
            config,
            contacts,
            list_is_old,
            asker: None,
        };
        let after = {
            let mut step = state.begin().context("while beginning a step")?;
            let mut after = After::default();
            if is_owners {
                after = desk.open(&mut step, &message, catching_up)?;
            }
            if let Some(cursor) = cursor {
                let at = message.stamp.map_or_else(now, seconds);
                move_cursor(&step, &cursor, Some(at))?;
            }
            step.commit().context("while saving a message")?;
            after
        };
        crate::crash::point("message saved");
        // Only now may the server be told that the stanza is handled.
        drop(message);
        self.after(after)
    }

    /// Takes in one page of the archive, the messages first and then, with the last of them, the
    /// cursor: only whole pages move it.
    pub(super) fn page(&mut self, page: Page, handled: oneshot::Sender<()>) -> anyhow::Result<()> {
        let mut newest = None;
        for message in page.messages {
            newest = message.stamp.map(seconds).or(newest);
            self.message(message)?;
        }
        if let Some(last) = &page.last {
            let step = self.state.begin().context("while beginning a step")?;
            move_cursor(&step, last, newest)?;
            step.commit().context("while saving the archive cursor")?;
        }
        if page.skipped > 0 {
            log::warn!("{} messages of the archive could not be read", page.skipped);
        }
        // A task that was ended meanwhile does not read on.
        let _ = handled.send(());
        Ok(())
    }

    pub(super) fn first_cursor(&mut self, id: Option<String>) -> anyhow::Result<()> {
        let step = self.state.begin().context("while beginning a step")?;
        // An account without any message has no newest id: everything that follows is new.
        step.set_note(CURSOR, Some(&id.unwrap_or_default()))?;
        step.set_note(CURSOR_TIME, Some(&now()))?;
        step.commit().context("while saving the archive cursor")
    }
}

impl Desk<'_> {
    /// Opens one message of the owner's address and decides on it.
    fn open(
        &mut self,
        step: &mut Step<'_>,
        message: &Message,
        catching_up: bool,
    ) -> anyhow::Result<After> {
        if !matches!(message.content, Content::Encrypted(_))
            && let Some(input) = Self::taken_back(step, message, &message.signs, false)?
        {
            return self.decide(step, input);
        }
        match &message.content {
            Content::Encrypted(envelope) => {
                self.open_encrypted(step, message, envelope, catching_up)
            }
            Content::Plain(_) if message.source == Source::Archive => Ok(After::default()),
            Content::Plain(_) => {
                let jid = message.from_bare.clone();
                self.decide(step, Input::ToldPlain { jid })
            }
            Content::Undecipherable { namespace } => {
                log::warn!("a message is encrypted with what we do not speak: {namespace}");
                let what = Unreadable {
                    jid: message.from_bare.clone(),
                    device: None,
                    trusted: true,
                    had_content: true,
                    sent_at: message.stamp.map_or_else(now, seconds),
                    catching_up,
                };
                self.decide(step, Input::Life(News::Unreadable(what)))
            }
            Content::Received(id) => {
                step.received(id)?;
                Ok(After::default())
            }
            Content::Other => Ok(After::default()),
        }
    }

    fn open_encrypted(
        &mut self,
        step: &mut Step<'_>,
        message: &Message,
        envelope: &Envelope,
        catching_up: bool,
    ) -> anyhow::Result<After> {
        let sender = message.from_bare.as_str();
        let from = Address::new(sender, envelope.sender);
        if step
            .known_device(&from)?
            .is_some_and(|known| self.keeper.is_shut_out(&known.identity.fingerprint()))
        {
            return Ok(After::default());
        }
        let mut ours = envelope.clone();
        ours.keep_only_for(&self.config.account.jid);
        let (opened, mut changes) = match machine::receive(step, sender, &ours, omemo_now()) {
            Ok(opened) => opened,
            Err(ReceiveError::Store(error)) => return Err(error).context("while decrypting"),
            Err(ReceiveError::AlreadyReceived) => {
                return Self::received_again(step, message, envelope);
            }
            Err(why) => {
                return match not_opened(step, message, envelope, &why, catching_up)? {
                    Some(input) => self.decide(step, input),
                    None => Ok(After::default()),
                };
            }
        };
        let used_prekeys = changes.removed_prekeys.len();
        if catching_up {
            // Others may have picked the same one while nobody was there to take it away.
            changes.keep_prekeys();
        }
        step.apply(changes).context("while saving a session")?;
        let mut after = After {
            bundle_changed: used_prekeys > 0,
            used_prekeys,
            ..After::default()
        };
        if opened.heartbeat_due && opened.trust.is_trusted() {
            self.post_empty(step, &opened.from, envelope.namespace, &mut after)?;
        }
        match inside(message, &opened) {
            Ok(inside) => {
                let signs = inside
                    .as_ref()
                    .map_or_else(|| message.signs.clone(), SceContent::signs);
                let said = told(step, message, &opened, inside.as_ref())?;
                let is_empty = said.as_ref().is_none_or(Told::is_blank);
                let back = Self::taken_back(step, message, &signs, is_empty)?;
                if let (Some(input), true) = (back, opened.trust.is_trusted()) {
                    after.join(self.decide(step, input)?);
                } else if let Some(mut told) = said {
                    told.beside = Self::beside(step, message, &signs)?;
                    told.readers = readers(step, envelope)?;
                    after.join(self.decide(step, Input::Told(told))?);
                }
            }
            Err(why) => {
                let device = envelope.sender;
                log::warn!("what device {device} encrypted was not taken: {why}");
                let what = Unreadable {
                    jid: sender.to_owned(),
                    // The session is as it should be: nothing is to be repaired.
                    device: None,
                    trusted: opened.trust.is_trusted(),
                    had_content: true,
                    sent_at: message.stamp.map_or_else(now, seconds),
                    catching_up,
                };
                after.join(self.decide(step, Input::Life(News::Unreadable(what)))?);
            }
        }
        if let Some(refill) = machine::refill(step, &mut rng(), omemo_now())? {
            step.apply(refill).context("while saving prekeys")?;
            after.bundle_changed = true;
        }
        Ok(after)
    }

    /// Answers a repetition with nothing but the receipt, which a crash may have kept back.
    fn received_again(
        step: &Step<'_>,
        message: &Message,
        envelope: &Envelope,
    ) -> anyhow::Result<After> {
        let address = Address::new(message.from_bare.as_str(), envelope.sender);
        let mut after = After::default();
        // In the other namespace the receipt is in the outbox, and was saved with the message.
        if envelope.namespace != Namespace::Legacy {
            return Ok(after);
        }
        let known = step.known_device(&address)?;
        if let (true, Some(id)) = (message.asks_receipt, &message.id)
            && known.is_some_and(|device| device.trust.is_trusted())
        {
            after.effects.push(Effect::Receipt(id.clone()));
        }
        Ok(after)
    }
}

/// Returns what the keeper is told of a message that did not open, if anything.
fn not_opened(
    step: &Step<'_>,
    message: &Message,
    envelope: &Envelope,
    why: &ReceiveError<StateError>,
    catching_up: bool,
) -> anyhow::Result<Option<Input>> {
    let had_content = envelope.payload.is_some();
    let not_for_us = matches!(why, ReceiveError::NotForUs);
    // Sessions are begun with other devices of our account, and copies are for them.
    if not_for_us && (!had_content || message.source == Source::Carbon) {
        return Ok(None);
    }
    let device = envelope.sender;
    log::warn!("a message of device {device} was not opened: {why}");
    let address = Address::new(message.from_bare.as_str(), device);
    let known = step.known_device(&address)?;
    let trusted = known.is_some_and(|it| it.trust.is_trusted());
    if matches!(why, ReceiveError::IdentityChanged) {
        return Ok(trusted.then_some(Input::Life(News::IdentityChanged { device: device.0 })));
    }
    Ok(Some(Input::Life(News::Unreadable(Unreadable {
        jid: address.jid,
        device: Some(device.0),
        trusted,
        had_content,
        sent_at: message.stamp.map_or_else(now, seconds),
        catching_up,
    }))))
}

/// Reads the envelope inside of a message of `urn:xmpp:omemo:2`; `None` where there is none.
fn inside(message: &Message, opened: &Opened) -> Result<Option<SceContent>, SceError> {
    let (Namespace::Omemo2, Some(body)) = (opened.namespace, &opened.body) else {
        return Ok(None);
    };
    let inside = SceContent::read(body, &message.from_bare, &message.to_bare)?;
    Ok(Some(inside))
}

/// Returns when a message was sent: as its device says, which no server can change, unless that is
/// far from when it came.
// XEP-0420 v0.5.0 4.2
fn sent_at(message: &Message, opened: &Opened, inside: Option<&SceContent>) -> i64 {
    let came_at = message.stamp.map_or_else(now, seconds);
    let Some(said) = inside.and_then(SceContent::sent_at).map(seconds) else {
        return came_at;
    };
    // No reason to refuse it: the ratchet opens nothing twice, and either clock may be wrong.
    let off = came_at.abs_diff(said);
    if off > FAR_SECONDS {
        let device = opened.from.device;
        log::warn!("device {device} dates a message {off} s off");
        return came_at;
    }
    said
}

/// Turns what OMEMO opened into what the keeper is told; `None` for a message without a text.
fn told(
    step: &Step<'_>,
    message: &Message,
    opened: &Opened,
    inside: Option<&SceContent>,
) -> Result<Option<Told>, StateError> {
    let text = match (inside, &opened.body) {
        (Some(inside), _) => {
            if let (Some(id), true) = (inside.received(), opened.trust.is_trusted()) {
                step.received(&id)?;
            }
            inside.words().map(String::into_bytes)
        }
        (None, body) => body.as_ref().map(|it| it.to_vec()),
    };
    let files = announced(message, inside, opened)?;
    let attached = inside.and_then(SceContent::attached).map(|it| {
        let (message, part) = (it.to, it.part);
        Box::new(Attached::new(SharedAs { message, part }, it.sources))
    });
    let text = text.map(Zeroizing::new);
    if text.is_none() && files.is_empty() && attached.is_none() {
        return Ok(None);
    }
    let text = text.and_then(|text| machine::text(&text).ok().map(str::to_owned));
    let device = opened.from.device.0;
    let standing = if opened.trust == Trust::Revoked {
        Standing::Revoked
    } else if opened.trust.is_trusted() {
        Standing::Trusted
    } else if step.is_quarantined(&opened.from.jid, device)? {
        Standing::Quarantined
    } else {
        Standing::Undecided
    };
    let asks_receipt = message.asks_receipt || inside.is_some_and(SceContent::asks_receipt);
    Ok(Some(Told {
        from: Device {
            jid: opened.from.jid.clone(),
            id: device,
            fingerprint: opened.identity.fingerprint(),
            standing,
        },
        namespace: opened.namespace,
        job: job_id(opened, 0),
        blob: blob_id()?,
        text,
        files,
        attached,
        sent_at: sent_at(message, opened, inside),
        receipt: asks_receipt.then(|| message.id.clone()).flatten(),
        readers: Vec::new(),
        beside: Beside::default(),
    }))
}

/// Returns for which devices besides us and the sender a message was encrypted.
fn readers(step: &Step<'_>, envelope: &Envelope) -> Result<Vec<u32>, StateError> {
    let own = step.own_device()?.map(|own| own.device());
    let devices = envelope.keys.iter().map(|key| key.device);
    let others = devices.filter(|device| Some(*device) != own && *device != envelope.sender);
    let mut readers: Vec<u32> = others.take(MAX_READERS).map(|device| device.0).collect();
    readers.sort_unstable();
    readers.dedup();
    Ok(readers)
}

/// Returns the files that a message describes, each with a job of its own.
fn announced(
    message: &Message,
    inside: Option<&SceContent>,
    opened: &Opened,
) -> Result<Vec<Announced>, StateError> {
    let is_named = message.id.is_some() || message.origin_id.is_some();
    let found = inside.map(SceContent::files).unwrap_or_default();
    let numbered = (1..).zip(found);
    let announced = numbered.map(|(place, found)| {
        let FoundFile { name, part, file } = found;
        let file = file.and_then(|file| match file.sources.is_empty() && !is_named {
            // No later message could say that it is meant.
            true => Err(SharedFileError::NoSource),
            false => Ok(file),
        });
        Ok(Announced {
            job: job_id(opened, place),
            blob: blob_id()?,
            name,
            part,
            file,
        })
    });
    announced.collect()
}

fn blob_id() -> Result<[u8; 16], StateError> {
    let mut blob = [0; 16];
    getrandom::fill(&mut blob).map_err(std::io::Error::other)?;
    Ok(blob)
}

/// Names the job by what no two messages share, so that one message asked twice is one job. The
/// text is part 0 of a message, its files are the others.
fn job_id(opened: &Opened, part: u8) -> JobId {
    let mut hash = Sha256::new();
    hash.update(b"strongroom job v0");
    hash.update(opened.identity.as_bytes());
    hash.update(opened.id.ratchet_key);
    hash.update(opened.id.counter.to_be_bytes());
    hash.update([part]);
    JobId(hash.finalize().into())
}

fn move_cursor(step: &Step<'_>, id: &str, at: Option<i64>) -> anyhow::Result<()> {
    step.set_note(CURSOR, Some(&id.to_owned()))
        .context("while moving the archive cursor")?;
    if let Some(at) = at {
        step.set_note(CURSOR_TIME, Some(&at))
            .context("while moving the archive cursor")?;
    }
    Ok(())
}

/// The operating system's randomness; where it fails nothing can go on.
pub(super) fn rng() -> impl rand_core::CryptoRng {
    rand_core::UnwrapErr(getrandom::SysRng)
}

/// Reads the cursor: `None` before the first login.
pub(super) fn cursor(state: &mut State) -> Result<Option<(String, i64)>, StateError> {
    let step = state.begin()?;
    let Some(id) = step.note::<String>(CURSOR)? else {
        return Ok(None);
    };
    Ok(Some((
        id,
        step.note::<i64>(CURSOR_TIME)?.unwrap_or_default(),
    )))
}

#[cfg(test)]
mod tests;
