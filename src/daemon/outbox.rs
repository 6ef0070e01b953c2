//! Words become stanzas, stanzas leave, and are kept until the server has them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use omemo::{Address, DeviceId, EncryptError, Namespace, Store as _, machine, media::SharedFile};

use super::{
    Daemon,
    effects::{After, Desk},
    inbox::rng,
    omemo_now,
};
use crate::{
    keeper::{Asker, Input, contacts::News},
    state::{ContactLetter, LetterContent, Step},
    xmpp::{
        SceDraft, Sign, Stage,
        outgoing::{self, ChatState, Wrapping},
    },
};

/// What is to be said, before it is known in which namespace.
pub(super) enum Saying<'a> {
    /// A text.
    Words(&'a str),
    /// The address of a file, for somebody who is not listened to.
    Link(&'a str),
    /// A file, and the text for those who cannot read its description.
    File(&'a SharedFile, &'a str),
    /// A text in the place of these messages, as far as there are any.
    Corrected(&'a str, &'a BTreeMap<Namespace, String>),
    /// Something about a message; only ever said in `urn:xmpp:omemo:2`.
    Sign(Sign<'a>),
}

impl Saying<'_> {
    /// Returns the text, as the legacy namespace has it.
    fn words(&self) -> Option<&str> {
        match self {
            Self::Words(words)
            | Self::Link(words)
            | Self::Corrected(words, _)
            | Self::File(_, words) => Some(words),
            Self::Sign(_) => None,
        }
    }
}

impl Saying<'_> {
    /// Returns the message whose place it takes in this namespace.
    fn replaces(&self, namespace: Namespace) -> Option<&str> {
        if let Self::Corrected(_, first) = self {
            first.get(&namespace).map(String::as_str)
        } else {
            None
        }
    }
}

/// Who is written to in each namespace.
pub(super) type Recipients = BTreeMap<Namespace, Vec<Address>>;

impl Desk<'_> {
    /// Returns the owner's trusted devices that a device list names; all trusted ones when none
    /// names any of them.
    pub(super) fn recipients(&self, step: &Step<'_>) -> anyhow::Result<Recipients> {
        let mut trusted = step.known_devices(&self.config.owner.jid)?;
        trusted.retain(|device| device.trust.is_trusted());
        if trusted.iter().any(|device| !device.active.is_empty()) {
            trusted.retain(|device| !device.active.is_empty());
        }
        self.in_its_namespace(step, trusted.into_iter().map(|device| device.address))
    }

    /// Returns whether what is decided was asked in this namespace.
    pub(super) fn asked_in(&self, namespace: Namespace) -> bool {
        self.asker.is_some_and(|it| it.namespace == namespace)
    }

    /// Puts each device to a namespace: who asked gets the answer in the one it asked in, others
    /// get it in the one they last wrote in, or one in which they are known.
    pub(super) fn in_its_namespace(
        &self,
        step: &Step<'_>,
        devices: impl IntoIterator<Item = Address>,
    ) -> anyhow::Result<Recipients> {
        let mut recipients = Recipients::new();
        for address in devices {
            let asked = self.asker.filter(|it| it.device == address.device.0);
            let known = step.known_device(&address)?;
            let wrote = known.as_ref().and_then(|it| it.wrote_in);
            let preferred = asked.map(|it| it.namespace).into_iter().chain(wrote);
            let mut namespace = Namespace::Legacy;
            for candidate in preferred.chain(Namespace::ALL) {
                let listed = known
                    .as_ref()
                    .is_some_and(|it| it.active.contains(candidate));
                if listed || !step.sessions(candidate, &address)?.is_empty() {
                    namespace = candidate;
                    break;
                }
            }
            recipients.entry(namespace).or_default().push(address);
        }
        Ok(recipients)
    }

    /// Encrypts what is said and puts the finished stanzas, one for each namespace, into the
    /// outbox, in the ratchet step's own transaction. Where no device has a session yet, words
    /// wait there. Returns the messages' ids.
    pub(super) fn post(
        &self,
        step: &mut Step<'_>,
        recipients: &Recipients,
        saying: &Saying<'_>,
        after: &mut After,
    ) -> anyhow::Result<Vec<(Namespace, String)>> {
        let mut ids = Vec::new();
        if recipients.is_empty() {
            // Nobody may read it, and it would be old news to whoever is trusted later.
            return Ok(ids);
        }
        let id = stanza_id()?;
        let stanzas = self.encrypt_for_all(step, recipients, id.clone(), saying, after)?;
        if let (true, Some(words)) = (stanzas.is_empty(), saying.words()) {
            step.post(&id, &LetterContent::Words(words.to_owned()))?;
            ids.extend(recipients.keys().next().map(|it| (*it, id)));
        }
        for (namespace, id, stanza) in stanzas {
            let token = step.post(&id, &LetterContent::Stanza(stanza.clone()))?;
            after.letters.push((token, stanza));
            ids.push((namespace, id));
        }
        Ok(ids)
    }

    /// Posts words for the owner's trusted devices. Where the list of them may have changed
    /// unheard, the words wait until it was fetched.
    pub(super) fn say(
        &self,
        step: &mut Step<'_>,
        words: &str,
        after: &mut After,
    ) -> anyhow::Result<Vec<(Namespace, String)>> {
        let recipients = self.recipients(step)?;
        if !self.list_is_old || recipients.is_empty() {
            return self.post(step, &recipients, &Saying::Words(words), after);
        }
        let id = stanza_id()?;
        step.post(&id, &LetterContent::Words(words.to_owned()))?;
        after.list_wanted = true;
        Ok(recipients
            .keys()
            .next()
            .map(|it| (*it, id))
            .into_iter()
            .collect())
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

    /// Makes a stanza for each namespace in which somebody can be written to; the first one gets
    /// the id `first`.
    pub(super) fn encrypt_for_all(
        &self,
        step: &mut Step<'_>,
        recipients: &Recipients,
        first: String,
        saying: &Saying<'_>,
        after: &mut After,
    ) -> anyhow::Result<Vec<(Namespace, String, String)>> {
        let mut stanzas = Vec::new();
        let mut first = Some(first);
        for (namespace, addresses) in recipients {
            let id = match first.take() {
                Some(id) => id,
                None => stanza_id()?,
            };
            match self.encrypt(step, (*namespace, addresses), &id, saying, after)? {
                Some(stanza) => stanzas.push((*namespace, id, stanza)),
                None if stanzas.is_empty() => first = Some(id),
                None => {}
            }
        }
        Ok(stanzas)
    }

    /// Tells the device that asked, in the namespace it asked in, that its message came.
    pub(super) fn post_receipt(
        &self,
        step: &mut Step<'_>,
        received: &str,
        after: &mut After,
    ) -> anyhow::Result<()> {
        let Some(Asker { device, namespace }) = self.asker else {
            return Ok(());
        };
        let to = Address::new(self.config.owner.jid.clone(), DeviceId(device));
        let to = Recipients::from([(namespace, vec![to])]);
        let saying = Saying::Sign(Sign::Received(received));
        self.post(step, &to, &saying, after).map(|_| ())
    }

    fn encrypt(
        &self,
        step: &mut Step<'_>,
        (namespace, recipients): (Namespace, &[Address]),
        id: &str,
        saying: &Saying<'_>,
        after: &mut After,
    ) -> anyhow::Result<Option<String>> {
        let mut recipients = recipients.to_vec();
        // One stanza goes to one account.
        let Some(to) = recipients.first().map(|it| it.jid.clone()) else {
            return Ok(None);
        };
        let Some((body, wrapping)) = self.put(namespace, &to, saying) else {
            return Ok(None);
        };
        loop {
            let encrypted = machine::encrypt(
                step,
                namespace,
                &recipients,
                Some(&body),
                &mut rng(),
                omemo_now(),
            );
            match encrypted {
                Ok((envelope, changes)) => {
                    step.apply(changes).context("while saving a ratchet step")?;
                    return Ok(Some(outgoing::encrypted_message(
                        &to, id, &envelope, wrapping,
                    )));
                }
                Err(EncryptError::NoSession { addresses }) if !addresses.is_empty() => {
                    recipients.retain(|address| !addresses.contains(address));
                    let missing = addresses.into_iter().map(|it| (namespace, it));
                    after.without_session.extend(missing);
                    if recipients.is_empty() {
                        return Ok(None);
                    }
                }
                Err(EncryptError::NoRecipient) => return Ok(None),
                Err(error) => return Err(error).context("while encrypting a reply"),
            }
        }
    }

    /// Writes what is encrypted, and what goes around it: in the legacy namespace only the text is
    /// encrypted, in the other all that a message can say.
    fn put(
        &self,
        namespace: Namespace,
        to: &str,
        saying: &Saying<'_>,
    ) -> Option<(Vec<u8>, Wrapping)> {
        if namespace == Namespace::Legacy {
            let words = saying.words()?;
            if let Saying::Link(_) = saying {
                return Some((words.as_bytes().to_vec(), Wrapping::default()));
            }
            let wrapping = Wrapping {
                ask_receipt: true,
                chat_state: Some(ChatState::Active),
                replaces: saying.replaces(namespace).map(str::to_owned),
                ..Wrapping::default()
            };
            return Some((words.as_bytes().to_vec(), wrapping));
        }
        let draft = match saying {
            Saying::Words(words) | Saying::Corrected(words, _) => SceDraft::default()
                .body(words)
                .replace(saying.replaces(namespace))
                .ask_receipt()
                .chat_state(ChatState::Active),
            Saying::Link(link) => SceDraft::default().body(link),
            // XEP-0447 v0.3.1 3.1: a text beside it is not needed
            Saying::File(file, _) => SceDraft::default().file(file).ask_receipt(),
            Saying::Sign(sign) => SceDraft::default().sign(*sign),
        };
        let from = &self.config.account.jid;
        let inside = draft.write(from, to, crate::clock::now(), &mut rng());
        Some((inside, Wrapping::default()))
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
            contacts,
            ..
        } = self;
        let desk = Desk {
            keeper,
            config,
            contacts,
            list_is_old: false,
            asker: None,
        };
        let mut after = After::default();
        let mut step = state.begin().context("while beginning a step")?;
        for letter in step.outbox()? {
            match letter.content {
                LetterContent::Stanza(stanza) => after.letters.push((letter.token, stanza)),
                LetterContent::Words(words) => {
                    let to = desk.recipients(&step)?;
                    let saying = Saying::Words(&words);
                    let stanzas = desk.encrypt_for_all(
                        &mut step,
                        &to,
                        letter.id.clone(),
                        &saying,
                        &mut after,
                    )?;
                    for (_, id, stanza) in stanzas {
                        let token = if id == letter.id {
                            step.finish_letter(letter.token, &stanza)?;
                            letter.token
                        } else {
                            step.post(&id, &LetterContent::Stanza(stanza.clone()))?
                        };
                        after.letters.push((token, stanza));
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
            Stage::Acked => self.forget_letter(token, true),
            Stage::Lost => {
                self.under_way.remove(&token);
                Ok(())
            }
            Stage::Refused => {
                log::error!("a stanza of the outbox cannot be sent and was dropped");
                self.forget_letter(token, false)
            }
        }
    }

    fn forget_letter(&mut self, token: i64, is_taken: bool) -> anyhow::Result<()> {
        crate::crash::point("letter acknowledged");
        self.under_way.remove(&token);
        let list_is_old = self.list_is_old();
        let Self {
            state,
            keeper,
            config,
            contacts,
            ..
        } = self;
        let mut step = state.begin().context("while beginning a step")?;
        let handed = step.contact_letter_acked(token)?;
        step.delivered(token)?;
        let mut after = After::default();
        if let Some(ContactLetter { jid, numbers }) = handed {
            let mut desk = Desk {
                keeper,
                config,
                contacts,
                list_is_old,
                asker: None,
            };
            let news = if is_taken {
                News::Handed { jid, numbers }
            } else {
                News::Bounced { jid, numbers }
            };
            after = desk.decide(&mut step, Input::Contact(news))?;
        }
        step.commit().context("while saving the outbox")?;
        self.after(after)
    }
}

/// Draws the id of a stanza, which is its origin-id too.
pub(super) fn stanza_id() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).context("while drawing a stanza id")?;
    Ok(hex::encode(bytes))
}
