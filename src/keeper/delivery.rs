//! The life of a question and of a file going out.
//!
//! ```text
//! Asked -> (answered) -> said, closed
//! Asked -> (picked) -> Sending [7, 9] -> (unsealing, uploading) -> link said, Sending [9] -> … closed
//! ```
//!
//! What stands in brackets lives in memory only: after a crash the step is done again, with a
//! new key and a new upload slot. Knows no network and no vault.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use self::packs::Packs;
use super::{
    Answer, Asker, Effect, JobId, Uploaded,
    client::lines::RequestId,
    command::Command,
    pictures::Look,
    reply::{CustodyReply, DeliveryFailure, DeliveryReply, Facts, Line, Reply, StorageReply},
};

mod address;
mod asked;
mod client;
mod contacts;
mod finding;
mod kept;
mod packs;

pub use asked::Asked;

/// One question, or files on their way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Names the job.
    pub job: JobId,
    /// What was asked.
    pub command: Asked,
    /// Entries still to be sent; `None` before the vault process has picked them.
    pub remaining: Option<Vec<u64>>,
    /// Who asked, and how the answer goes back.
    pub asker: Option<Asker>,
    /// The request, where our own client asked: then it alone is answered.
    pub client: Option<RequestId>,
}

/// All open deliveries, in the order asked.
pub(super) struct Deliveries {
    open: VecDeque<Delivery>,
    /// The delivery whose file is being unsealed and uploaded: one at a time.
    sending: Option<JobId>,
    online: bool,
    is_open: bool,
    /// When to try again after the stream went down in the middle, in seconds since 1970.
    retry_at: Option<i64>,
    /// Who wrote last: what is asked next is asked by them.
    asker: Option<Asker>,
    /// The request of our own client that what is asked next belongs to.
    client: Option<RequestId>,
    packs: Packs,
    /// What the last run had not sent to other people when it ended.
    left_over: Vec<JobId>,
}

/// Seconds before a delivery is tried again that ended with the stream.
const RETRY_SECONDS: i64 = 10;

impl Deliveries {
    pub(super) fn new(deliveries: Vec<Delivery>) -> Self {
        Self {
            left_over: contacts::jobs(&deliveries),
            open: deliveries.into(),
            sending: None,
            online: false,
            is_open: false,
            retry_at: None,
            asker: None,
            client: None,
            packs: Packs::default(),
        }
    }

    /// Notes who asks what comes next.
    pub(super) fn hear(&mut self, asker: Asker) {
        self.asker = Some(asker);
        self.client = None;
    }

    /// Returns the device that wrote last.
    pub(super) fn device(&self) -> Option<u32> {
        self.asker.map(|it| it.device)
    }

    /// Returns who asked this.
    pub(super) fn asker(&self, job: &JobId) -> Option<Asker> {
        self.get(job)?.asker
    }

    /// Returns an open delivery.
    pub(super) fn get(&self, job: &JobId) -> Option<&Delivery> {
        self.open.iter().find(|it| it.job == *job)
    }

    /// Returns what is asked about pictures by this job, and the entries of the delivery that is
    /// under way.
    pub(super) fn looking(&self, job: &JobId) -> Option<(&Look, &[u64])> {
        let delivery = self.get(job)?;
        let look = delivery.command.look()?;
        let remaining = delivery.remaining.as_deref()?;
        let shown = remaining.get(..look.at_a_time()).unwrap_or(remaining);
        Some((look, shown))
    }

    /// Begins again what was open when the last run ended.
    pub(super) fn resume(&mut self) -> Vec<Effect> {
        self.is_open = true;
        let mut effects = self.ask_again(|_| true);
        effects.extend(self.send_next());
        effects
    }

    fn ask_again(&self, wanted: impl Fn(&Asked) -> bool) -> Vec<Effect> {
        self.open
            .iter()
            .filter(|it| it.remaining.is_none() && wanted(&it.command))
            .map(|it| Effect::Ask(it.job, it.command.command()))
            .collect()
    }

    pub(super) fn ask(&mut self, job: JobId, command: Command) -> Vec<Effect> {
        let Some(asked) = Asked::new(&command) else {
            return Vec::new();
        };
        if self.open.iter().any(|it| it.job == job) {
            return Vec::new();
        }
        let delivery = Delivery {
            job,
            command: asked,
            remaining: None,
            asker: self.asker,
            client: self.client,
        };
        let mut effects = vec![Effect::SaveDelivery(delivery.clone())];
        if matches!(command, Command::Get { .. } | Command::Picture(_)) {
            effects.push(Effect::Typing(true));
        }
        if self.is_open || command == Command::Status {
            effects.push(Effect::Ask(job, command));
        }
        self.open.push_back(delivery);
        effects
    }

    /// Keeps what was asked while locked for the next opening. Empty when it is kept already.
    pub(super) fn hold(&mut self, job: JobId, command: &Command) -> Vec<Effect> {
        let Some(asked) = Asked::new(command) else {
            return Vec::new();
        };
        if self.open.iter().any(|it| it.job == job) {
            return Vec::new();
        }
        let delivery = Delivery {
            job,
            command: asked,
            remaining: None,
            asker: self.asker,
            client: self.client,
        };
        self.open.push_back(delivery.clone());
        vec![Effect::SaveDelivery(delivery)]
    }

    /// Forgets a delivery that was kept for nothing.
    pub(super) fn forget(&mut self, job: JobId) -> Vec<Effect> {
        self.open.retain(|it| it.job != job);
        vec![Effect::Close(job)]
    }

    /// Returns whether nothing was asked that is not answered.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Returns whether a file is on its way out, or the vault process owes an answer.
    pub(super) fn is_busy(&self) -> bool {
        self.sending.is_some() || self.open.iter().any(|it| it.remaining.is_none())
    }

    /// Turns the vault process's answer into words. `facts` are what is known without it, `number`
    /// is what is asked back.
    pub(super) fn answered(
        &mut self,
        job: JobId,
        answer: Answer,
        facts: Facts,
        number: Option<u32>,
    ) -> Vec<Effect> {
        let Some(delivery) = self.open.iter_mut().find(|it| it.job == job) else {
            return Vec::new();
        };
        let reply = match (answer, &delivery.command) {
            (
                Answer::Picked { found, missing },
                Asked::Get { .. } | Asked::SendTo { .. } | Asked::Picture(_),
            ) => {
                return self.picked(job, found, missing);
            }
            (Answer::Rows { lines, more, .. }, Asked::Picture(Look::SheetOf { .. })) => {
                return self.found_for_sheet(job, &lines, more);
            }
            (Answer::Numbers { numbers, more }, _) => delivery.tell_numbers(numbers, more),
            (answer @ (Answer::Rows { .. } | Answer::Find(_)), asked) => {
                finding::found(answer, &asked.command())
            }
            (Answer::Key(reply), _) => Reply::Key(reply.with_number(number)),
            (Answer::Slots(slots), _) => CustodyReply::Keys { slots }.into(),
            (
                Answer::Totals {
                    entries,
                    bytes,
                    unproven,
                },
                _,
            ) => Reply::Status {
                kept: Some((entries, bytes)),
                unproven,
                facts,
            },
            (Answer::Unproven(found), _) => {
                Reply::Storage(StorageReply::Unproven { found, number })
            }
            (Answer::Taken(Some((first, count))), _) => {
                Reply::Storage(StorageReply::UnprovenTaken { first, count })
            }
            (Answer::Taken(None), _) => Reply::Storage(StorageReply::UnprovenChanged),
            (Answer::Locked, Asked::Status) => Reply::Status {
                kept: None,
                unproven: 0,
                facts,
            },
            (Answer::Locked, _) => Reply::NeedsKey {
                waiting: facts.waiting,
                way: facts.way,
            },
            (Answer::Failed | Answer::Picked { .. } | Answer::Kept(_), _) => Reply::NoAnswer,
        };
        self.open.retain(|it| it.job != job);
        vec![Effect::Close(job), Effect::Say(reply)]
    }

    fn picked(&mut self, job: JobId, found: Vec<u64>, mut missing: Vec<u64>) -> Vec<Effect> {
        let Some(delivery) = self.open.iter_mut().find(|it| it.job == job) else {
            return Vec::new();
        };
        if delivery.remaining.is_some() {
            return Vec::new();
        }
        let mut effects = Vec::new();
        let nothing_asked = found.is_empty() && missing.is_empty();
        missing.sort_unstable();
        missing.dedup();
        if found.is_empty() {
            self.open.retain(|it| it.job != job);
            effects.push(Effect::Close(job));
        } else {
            let begun = match delivery.command.look() {
                Some(_) => None,
                None => self.packs.begin(job, found.len()),
            };
            delivery.remaining = Some(found);
            effects.push(Effect::SaveDelivery(delivery.clone()));
            effects.extend(begun.map(Effect::Say));
        }
        if nothing_asked {
            effects.push(Effect::Say(Reply::Empty));
        } else if !missing.is_empty() {
            effects.push(Effect::Say(Reply::NoSuch { numbers: missing }));
        }
        effects.extend(self.send_next());
        effects
    }

    /// The stream is up: files can go.
    pub(super) fn online(&mut self) -> Vec<Effect> {
        self.online = true;
        self.send_next()
    }

    pub(super) fn offline(&mut self) {
        self.online = false;
    }

    pub(super) fn next_wake(&self) -> Option<i64> {
        self.retry_at.filter(|_| self.online)
    }

    pub(super) fn woke(&mut self, now: i64) -> Vec<Effect> {
        // A retry further ahead than its pause was set by a clock that was put back since.
        let due = |at: i64| at <= now || at > now.saturating_add(RETRY_SECONDS);
        if self.retry_at.is_some_and(due) {
            self.retry_at = None;
            return self.send_next();
        }
        Vec::new()
    }

    /// While locked no entry is sent: what is open then waits for the vault that is being opened.
    fn send_next(&mut self) -> Vec<Effect> {
        if self.sending.is_some() || self.retry_at.is_some() || !self.online {
            return Vec::new();
        }
        let may_go = |it: &&Delivery| self.is_open || it.command.is_address();
        let next = self.open.iter().filter(may_go).find_map(|it| {
            let number = it.remaining.as_ref()?.first()?;
            Some((it.job, *number))
        });
        let Some((job, number)) = next else {
            return Vec::new();
        };
        self.sending = Some(job);
        let all = self.open.iter().find(|it| it.job == job);
        // Sheets and previews are made of files, not packed.
        let all = all
            .filter(|it| it.command.look().is_none() && !it.command.is_address())
            .and_then(|it| it.remaining.as_deref())
            .unwrap_or_default();
        let sent = self.packs.next(job, all);
        vec![
            Effect::Typing(true),
            sent.unwrap_or(Effect::Deliver(job, number)),
        ]
    }

    pub(super) fn uploaded(&mut self, job: JobId, line: Line, file: Uploaded) -> Vec<Effect> {
        let (number, name) = (line.number, line.name.clone());
        let file = match file {
            Uploaded::Link(link) => Reply::File { link },
            Uploaded::Described(file) => Reply::Described { name, file },
        };
        if let Some(numbers) = self.packs.take(job) {
            let bytes = line.bytes;
            let caption = DeliveryReply::Zip {
                numbers: numbers.clone(),
                bytes,
            };
            let said = self.hand_over(&job, &numbers, vec![Reply::Delivery(caption), file]);
            return self.finish(job, &numbers, said);
        }
        let (caption, shown) = match self.looking(&job) {
            _ if self.sends_address(&job) => (address::caption(), vec![number]),
            Some((look, shown)) => (look.caption(line, shown), shown.to_vec()),
            None => (Reply::Caption { line }, vec![number]),
        };
        let said = self.hand_over(&job, &shown, vec![caption, file]);
        self.finish(job, &shown, said)
    }

    pub(super) fn not_uploaded(
        &mut self,
        job: JobId,
        number: u64,
        why: DeliveryFailure,
        now: i64,
    ) -> Vec<Effect> {
        if why == DeliveryFailure::Offline && self.sending == Some(job) {
            self.sending = None;
            self.packs.interrupted();
            self.retry_at = Some(now.saturating_add(RETRY_SECONDS));
            return Vec::new();
        }
        if let Some(numbers) = self.packs.take(job) {
            if self.packs.smaller(&numbers, why) {
                self.sending = None;
                return self.send_next();
            }
            let failed = DeliveryReply::ZipNotSent {
                numbers: numbers.clone(),
                why,
            };
            return self.finish(job, &numbers, vec![Effect::Say(Reply::Delivery(failed))]);
        }
        let (reply, shown) = match self.looking(&job) {
            _ if self.sends_address(&job) => (address::not_sent(why), vec![number]),
            Some((look, shown)) => (look.not_sent(number, why), shown.to_vec()),
            None => (Reply::NotSent { number, why }, vec![number]),
        };
        self.finish(job, &shown, vec![Effect::Say(reply)])
    }

    fn finish(&mut self, job: JobId, numbers: &[u64], said: Vec<Effect>) -> Vec<Effect> {
        if self.sending == Some(job) {
            self.sending = None;
        }
        let mut effects = Vec::new();
        if let Some(at) = self.open.iter().position(|it| it.job == job)
            && let Some(delivery) = self.open.get_mut(at)
            && let Some(remaining) = &mut delivery.remaining
            && remaining.starts_with(numbers)
        {
            remaining.drain(..numbers.len());
            if remaining.is_empty() {
                self.open.remove(at);
                effects.push(Effect::Close(job));
            } else {
                effects.push(Effect::SaveDelivery(delivery.clone()));
            }
            effects.extend(said);
        }
        let next = self.send_next();
        if next.is_empty() {
            effects.push(Effect::Typing(false));
        }
        effects.extend(next);
        effects
    }

    /// The vault process is gone: what it was about to do is asked for again when there is one.
    pub(super) fn interrupted(&mut self) {
        self.is_open = false;
        // Our address is sent without it.
        self.sending = self.sending.filter(|job| self.sends_address(job));
        self.packs.interrupted();
    }

    /// The vault was locked: every open delivery ends with one sentence, unless it is `held` for
    /// the next opening; a `status` is still answered.
    pub(super) fn locked(
        &mut self,
        needs_key: Reply,
        held: impl Fn(&JobId) -> bool,
    ) -> Vec<Effect> {
        self.interrupted();
        let mut effects = self.ask_again(|asked| *asked == Asked::Status);
        let mut ended = false;
        self.open.retain(|delivery| {
            if delivery.command.needs_no_key() || held(&delivery.job) {
                return true;
            }
            effects.push(Effect::Close(delivery.job));
            match delivery.remaining.as_ref().and_then(|it| it.first()) {
                Some(&number) => {
                    let why = DeliveryFailure::Locked;
                    let reply = match delivery.command.look() {
                        Some(look) => look.not_sent(number, why),
                        None => Reply::NotSent { number, why },
                    };
                    effects.push(Effect::Say(reply));
                }
                None => ended = true,
            }
            false
        });
        if ended {
            effects.push(Effect::Say(needs_key));
        }
        effects
    }
}
