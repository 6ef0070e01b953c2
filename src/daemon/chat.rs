//! What is shown beside words, carried out: signs sent, words put in the place of earlier ones, and
//! what the owner's programs say they can do.

use std::collections::{BTreeMap, HashMap};

use anyhow::Context as _;
use omemo::{Address, DeviceId, Namespace};
use serde::{Deserialize, Serialize};

use super::{
    Daemon, Happening, dialogue,
    effects::{After, Desk},
    outbox::{Recipients, Saying, stanza_id},
};
use crate::{
    keeper::{
        Asker, Effect, Input, JobId,
        chat::{Beside, Chat, News},
        reply::Reply,
    },
    state::{LetterContent, StateError, Step},
    xmpp::{Client, Message, RequestError, Sign, Signs, outgoing},
};

/// The note that holds what is remembered of arrivals.
pub(super) const ARRIVED: &str = "arrivals";
/// The note that holds which messages were told about a topic last.
const SAID: &str = "said";
/// Most programs of the owner that are known.
const MAX_CLIENTS: usize = 32;

/// The messages that were told about a topic, whose place the next ones take.
#[derive(Serialize, Deserialize)]
struct Said {
    topic: JobId,
    /// The name of each namespace, and the first message's id in it.
    ids: Vec<(String, String)>,
}

/// The owner's programs that are there, each with what changes when it can do other things.
#[derive(Default)]
pub(super) struct Clients(HashMap<String, Option<String>>);

impl Clients {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Desk<'_> {
    /// Writes what belongs to the step; the rest is left to be begun.
    pub(super) fn save_chat(
        &self,
        step: &mut Step<'_>,
        chat: Chat,
        after: &mut After,
    ) -> anyhow::Result<()> {
        match chat {
            Chat::Tell { topic, reply } => self.tell_about(step, topic, &reply, after),
            Chat::React { message, to } => {
                self.post_sign(step, Some(to), Sign::Stored(&message), after)
            }
            // In this namespace it is part of what is encrypted.
            Chat::Displayed(message) if self.asked_in(Namespace::Omemo2) => {
                self.post_sign(step, self.asker, Sign::Displayed(&message), after)
            }
            later @ Chat::Displayed(_) => {
                after.effects.push(Effect::Chat(later));
                Ok(())
            }
            Chat::Brought { message, number } => {
                let noted = step.note_about(&message, &[number]);
                noted.context("while noting what a message brought")
            }
            Chat::SaveArrivals(record) => Ok(step.set_note(ARRIVED, Some(&record))?),
            Chat::Label { .. } => Ok(()),
        }
    }

    /// Notes that what was said is about these entries, and that the last words were no topic's.
    pub(super) fn said(
        &self,
        step: &Step<'_>,
        reply: &Reply,
        ids: &[(Namespace, String)],
    ) -> anyhow::Result<()> {
        step.set_note::<Said>(SAID, None)?;
        note_all(step, reply, ids.iter().map(|(_, id)| id))
    }

    /// Says something in place of what was said about the same topic, if those were the last words.
    // XEP-0308 v1.2.1 3: the id is the first message's, also for later corrections
    fn tell_about(
        &self,
        step: &mut Step<'_>,
        topic: JobId,
        reply: &Reply,
        after: &mut After,
    ) -> anyhow::Result<()> {
        let recipients = self.recipients(step)?;
        let words = reply.text();
        if self.list_is_old || recipients.is_empty() {
            let ids = self.say(step, &words, after)?;
            return self.said(step, reply, &ids);
        }
        let said = step.note::<Said>(SAID)?;
        let mut first = BTreeMap::new();
        for (namespace, id) in said
            .filter(|it| it.topic == topic)
            .into_iter()
            .flat_map(|it| it.ids)
        {
            first.extend(Namespace::from_uri(&namespace).map(|namespace| (namespace, id)));
        }
        let saying = Saying::Corrected(&words, &first);
        let ids = self.post(step, &recipients, &saying, after)?;
        note_all(
            step,
            reply,
            ids.iter().map(|(_, id)| id).chain(first.values()),
        )?;
        for (namespace, id) in ids {
            first.entry(namespace).or_insert(id);
        }
        let named = |(namespace, id): (Namespace, String)| (namespace.uri().to_owned(), id);
        let ids = first.into_iter().map(named).collect();
        Ok(step.set_note(SAID, Some(&Said { topic, ids }))?)
    }

    /// Posts a sign about a message of the device that is given, in its namespace: what it reads.
    fn post_sign(
        &self,
        step: &mut Step<'_>,
        of: Option<Asker>,
        sign: Sign<'_>,
        after: &mut After,
    ) -> anyhow::Result<()> {
        let Some(Asker { device, namespace }) = of else {
            return Ok(());
        };
        if namespace == Namespace::Legacy {
            // There only a text can be encrypted.
            let id = stanza_id()?;
            let stanza = outgoing::sign(&self.config.owner.jid, &id, sign);
            let token = step.post(&id, &LetterContent::Stanza(stanza.clone()))?;
            after.letters.push((token, stanza));
            return Ok(());
        }
        let to = Address::new(self.config.owner.jid.clone(), DeviceId(device));
        let to = Recipients::from([(namespace, vec![to])]);
        self.post(step, &to, &Saying::Sign(sign), after).map(|_| ())
    }

    /// Reads what the keeper is told beside the words.
    pub(super) fn beside(
        step: &Step<'_>,
        message: &Message,
        signs: &Signs,
    ) -> Result<Beside, StateError> {
        let about = match &signs.answers {
            Some(id) => step.about(id)?,
            None => Vec::new(),
        };
        Ok(Beside {
            message: message.id.clone().or_else(|| message.origin_id.clone()),
            program: Some(message.from.clone()),
            about,
            is_markable: signs.is_markable,
            corrects: signs.corrects.is_some(),
        })
    }

    /// Returns the news that a message was taken back that is about any entry.
    pub(super) fn taken_back(
        step: &Step<'_>,
        message: &Message,
        signs: &Signs,
        is_empty: bool,
    ) -> Result<Option<Input>, StateError> {
        let Some(id) = signs.took_back(is_empty) else {
            return Ok(None);
        };
        let (numbers, jid) = (step.about(id)?, message.from_bare.clone());
        let is_known = !numbers.is_empty();
        Ok(is_known.then_some(Input::Chat(News::TookBack { jid, numbers })))
    }
}

fn note_all<'a>(
    step: &Step<'_>,
    reply: &Reply,
    ids: impl Iterator<Item = &'a String>,
) -> anyhow::Result<()> {
    let numbers = reply.numbers();
    for id in ids {
        step.note_about(id, &numbers)
            .context("while noting what a message is about")?;
    }
    Ok(())
}

impl Daemon {
    /// Begins what no transaction holds.
    pub(super) fn begin_chat(&mut self, chat: Chat) {
        if let Chat::Displayed(message) = &chat {
            match stanza_id() {
                Ok(id) => {
                    let sign = Sign::Displayed(message);
                    let displayed = outgoing::sign(&self.config.owner.jid, &id, sign);
                    self.link.send_volatile(displayed);
                }
                Err(error) => log::error!("no mark was sent: {error}"),
            }
        }
        let at = self.calm_now();
        if let Chat::Label {
            job,
            number,
            labels,
        } = chat
            && let Some(vault) = &self.vault
        {
            // Without a vault process the file waits for the next one.
            let order = dialogue::label(job, number, &labels, at);
            vault.process.order(order);
        }
    }

    /// One of the owner's programs came or went: asks what it can do, if that is not known.
    pub(super) fn client_seen(
        &mut self,
        jid: String,
        caps: Option<String>,
        is_available: bool,
    ) -> anyhow::Result<()> {
        if !is_available {
            self.clients.0.remove(&jid);
            let shows_reactions = false;
            let news = News::Program {
                jid,
                shows_reactions,
            };
            return self.handle(Input::Chat(news));
        }
        let known = self.clients.0.get(&jid);
        let is_new = known.is_none_or(|known| *known != caps);
        if !is_new || known.is_none() && self.clients.0.len() >= MAX_CLIENTS {
            return Ok(());
        }
        self.clients.0.insert(jid.clone(), caps);
        let (link, tell) = (self.link.clone(), self.tell.clone());
        tokio::spawn(async move {
            let client = link.client(&jid).await;
            // The receiver lives as long as the loop; after it nobody needs to know.
            let _ = tell.send(Happening::Client { jid, client });
        });
        Ok(())
    }

    /// A program has said what it can do.
    pub(super) fn client_known(
        &mut self,
        jid: String,
        client: Result<Client, RequestError>,
    ) -> anyhow::Result<()> {
        let shows_reactions = match client {
            Ok(client) => client.shows_reactions,
            Err(error) => {
                log::debug!("one of the owner's programs did not say what it can do: {error}");
                self.clients.0.remove(&jid);
                false
            }
        };
        let news = News::Program {
            jid,
            shows_reactions,
        };
        self.handle(Input::Chat(news))
    }
}
