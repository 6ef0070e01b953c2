//! What the owner says about files that just came: captions, tags, albums; and that a message was
//! taken back.
//!
//! A *run* is what one device sent with less than a minute between one file and the next. What is
//! written within a minute after it, and is no command, belongs to all of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::{
    Effect, JobId, Keeper, Placed, Told,
    chat::{Beside, Brought, Chat, News},
    command::Command,
    intake::Labelling,
    keeping,
    labels::Labels,
    moment::Moment,
    reply::{ArrivalReply, Reply},
};

/// Seconds after a file in which words belong to it.
const RUN_SECONDS: i64 = 60;
/// Most files of one run that words are noted with.
const MAX_RUN: usize = 500;
/// Most devices whose runs are known.
const MAX_RUNS: usize = 16;
/// Most programs that are known.
const MAX_PROGRAMS: usize = 64;
/// Seconds before the same entry is asked about again that was taken back.
const ASKED_SECONDS: i64 = 60 * 60;
/// Most entries that are asked about in one such pause: whoever runs a server can forge it.
const MAX_ASKED: usize = 20;

/// What is remembered of arrivals over a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The album that new files go into.
    pub album: Option<String>,
}

/// How arrivals are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    /// Whether ✅ is shown at a message whose program shows it, in place of words.
    pub reactions: bool,
    /// Seconds after the last file in which another one is told in the same message.
    pub gather_seconds: i64,
}

/// Files that one device sent in a row.
#[derive(Default)]
struct Run {
    /// Each with its number, once it is an entry.
    files: Vec<(JobId, Option<u64>)>,
    last_at: i64,
    /// What is noted with all of them so far.
    labels: Labels,
    /// The album that those go into which still come.
    album: Option<String>,
    /// The last words that were said of them, and what held before: labels and album.
    words: Option<(JobId, Labels, Option<String>)>,
}

impl Run {
    /// Takes note of the message that says words of it, before they hold.
    fn hear(&mut self, words: JobId) {
        self.words = Some((words, self.labels.clone(), self.album.clone()));
    }
}

/// What is known of files that came lately.
#[derive(Default)]
pub(super) struct Arrivals {
    record: Record,
    runs: BTreeMap<u32, Run>,
    /// Programs of the owner's that show reactions, by their full addresses.
    reacting: BTreeSet<String>,
    /// Whether ✅ may be shown at a message at all.
    reactions: bool,
    /// Entries that were asked about since they were taken back, and when.
    asked: HashMap<u64, i64>,
}

impl Arrivals {
    pub(super) fn new(record: Record, manners: Manners) -> Self {
        Self {
            record,
            reactions: manners.reactions,
            ..Self::default()
        }
    }

    /// Returns the album that new files go into.
    pub(super) fn album(&self) -> Option<&str> {
        self.record.album.as_deref()
    }

    /// Takes note of a file that a device announced; returns what is noted with it already.
    fn announced(&mut self, device: u32, job: JobId, sent_at: i64) -> Labels {
        if self.runs.len() >= MAX_RUNS && !self.runs.contains_key(&device) {
            let oldest = self.runs.iter().min_by_key(|(_, run)| run.last_at);
            let oldest = oldest.map(|(device, _)| *device);
            self.runs.retain(|device, _| Some(*device) != oldest);
        }
        let run = self.runs.entry(device).or_default();
        // Words close a run: what comes after them is not what they were said of.
        let is_over = run.labels.caption.is_some() || !run.labels.tags.is_empty();
        if is_over || !is_near(run.last_at, sent_at) {
            *run = Run::default();
        }
        run.last_at = sent_at;
        if run.files.len() < MAX_RUN && !run.files.iter().any(|(it, _)| *it == job) {
            run.files.push((job, None));
        }
        Labels {
            album: run.album.clone().or_else(|| self.record.album.clone()),
            ..Labels::default()
        }
    }

    /// Takes note of what a program can do.
    fn program(&mut self, jid: String, shows_reactions: bool) {
        if !shows_reactions {
            self.reacting.remove(&jid);
        } else if self.reacting.len() < MAX_PROGRAMS {
            self.reacting.insert(jid);
        }
    }

    /// Lets what this device sends from here on be a run of its own.
    pub(super) fn end_run(&mut self, device: u32) {
        self.runs.remove(&device);
    }

    /// Words that this device said of files were taken back: what comes after them goes by what held
    /// before.
    pub(super) fn took_back(&mut self, device: u32, words: Option<JobId>) {
        let run = self.runs.get_mut(&device);
        let said = run.filter(|run| run.words.as_ref().map(|it| it.0) == words);
        if let Some(run) = said
            && let Some((_, labels, album)) = run.words.take()
        {
            (run.labels, run.album) = (labels, album);
        }
    }

    /// Takes note that a file is an entry.
    pub(super) fn numbered(&mut self, job: &JobId, number: u64) {
        let files = self.runs.values_mut().flat_map(|run| &mut run.files);
        for file in files.filter(|(it, _)| it == job) {
            file.1 = Some(number);
        }
    }

    /// Returns the run that words of this device belong to.
    fn run(&mut self, device: u32, sent_at: i64) -> Option<&mut Run> {
        let run = self.runs.get_mut(&device)?;
        is_near(run.last_at, sent_at).then_some(run)
    }

    /// Picks the entries that the owner is to be asked about.
    fn pick_unasked(&mut self, numbers: &[u64], now: i64) -> Vec<u64> {
        self.asked
            .retain(|_, at| (0..ASKED_SECONDS).contains(&now.saturating_sub(*at)));
        let mut ask = Vec::new();
        for number in numbers {
            if self.asked.len() < MAX_ASKED && !self.asked.contains_key(number) {
                self.asked.insert(*number, now);
                ask.push(*number);
            }
        }
        ask
    }
}

fn is_near(earlier: i64, later: i64) -> bool {
    (0..=RUN_SECONDS).contains(&later.saturating_sub(earlier))
}

impl Told {
    /// Shows that a message was read, where its sender wants to hear of it.
    pub(super) fn displayed(&self) -> Option<Effect> {
        let message = self.beside.message.as_ref()?;
        let wanted = self.beside.is_markable;
        wanted.then(|| Effect::Chat(Chat::Displayed(message.clone())))
    }
}

impl Keeper {
    /// Takes up what is remembered of arrivals, and how they are told.
    #[must_use]
    pub fn with_manners(mut self, manners: Manners, record: Record) -> Self {
        self.arrivals = Arrivals::new(record, manners);
        self.intakes.gather(manners.gather_seconds);
        self
    }

    /// Notes which message brought a file, and whether ✅ is shown there in place of words.
    pub(super) fn brought(&self, beside: &Beside) -> Option<Brought> {
        let program = beside.program.as_ref();
        let shows = program.is_some_and(|it| self.arrivals.reacting.contains(it));
        Some(Brought {
            message: beside.message.clone()?,
            shows_reactions: shows && self.arrivals.reactions,
        })
    }

    /// Takes note of the files that a message announced, and gives them what holds for them.
    pub(super) fn arrived(&mut self, told: &Told, jobs: &[JobId]) -> Vec<Effect> {
        let mut effects = Vec::new();
        for job in jobs {
            let labels = self.arrivals.announced(told.from.id, *job, told.sent_at);
            if labels.is_empty() {
                continue;
            }
            if let Labelling::Saved(saved) = self.intakes.label(job, &labels) {
                effects.push(Effect::SaveIntake(*saved));
            }
        }
        effects
    }

    /// Takes words for a caption of the files that just came from the same device; `None` where
    /// none did.
    pub(super) fn caption(&mut self, told: &Told, text: &str, at: Moment) -> Option<Vec<Effect>> {
        let labels = Labels::read(text)?;
        let run = self.arrivals.run(told.from.id, told.sent_at)?;
        if run.files.is_empty() {
            return None;
        }
        run.hear(told.job);
        if told.beside.corrects {
            run.labels = labels;
        } else {
            run.labels.add(&labels);
        }
        let labels = run.labels.clone();
        let before = run.words.as_ref().map(|it| it.1.clone());
        Some(self.label_run(told, (before.unwrap_or_default(), labels), at))
    }

    /// Notes labels with all files of a device's run: on their job where they are on their way,
    /// in the index where they are entries.
    fn label_run(
        &mut self,
        told: &Told,
        (before, labels): (Labels, Labels),
        at: Moment,
    ) -> Vec<Effect> {
        let files = match self.arrivals.run(told.from.id, told.sent_at) {
            Some(run) => run.files.clone(),
            None => return Vec::new(),
        };
        let mut effects = Vec::new();
        let (mut numbers, mut coming) = (Vec::new(), BTreeSet::new());
        for (job, number) in files {
            match self.intakes.label(&job, &labels) {
                Labelling::Saved(intake) => {
                    coming.insert(job);
                    effects.push(Effect::SaveIntake(*intake));
                }
                Labelling::Entry(number) => numbers.push(number),
                Labelling::Unknown => numbers.extend(number),
            }
        }
        let said = (before, labels.clone());
        self.changes
            .said(told.from.id, told.job, coming.clone(), said);
        let coming = coming.len() as u64;
        if !numbers.is_empty() {
            let command = Command::Label {
                numbers,
                coming,
                labels,
            };
            effects.extend(self.command(told.job, command, at));
        } else if coming > 0 {
            let numbers = Vec::new();
            let noted = ArrivalReply::noted(numbers, coming, &labels);
            effects.push(Effect::Say(Reply::Arrival(noted)));
        }
        effects
    }

    /// Obeys `album`: for the files that just came from this device and those that follow them, or,
    /// where none did, for all that come from now on.
    pub(super) fn album(&mut self, told: &Told, name: Option<&str>, at: Moment) -> Vec<Effect> {
        let say = |reply| Effect::Say(Reply::Arrival(reply));
        let standing = self.arrivals.record.album.clone();
        let run = self.arrivals.run(told.from.id, told.sent_at);
        let run = run.filter(|run| !run.files.is_empty());
        match (name, run) {
            (Some(name), Some(run)) => {
                run.hear(told.job);
                let before = run.album.replace(name.to_owned());
                let before = before.or_else(|| standing.clone());
                let before = before.map(|it| Labels::of_album(&it));
                let said = (before.unwrap_or_default(), Labels::of_album(name));
                self.label_run(told, said, at)
            }
            (Some(name), None) => {
                self.arrivals.record.album = Some(name.to_owned());
                let saved = Chat::SaveArrivals(self.arrivals.record.clone());
                let album = name.to_owned();
                vec![Effect::Chat(saved), say(ArrivalReply::AlbumOn { album })]
            }
            (None, run) => {
                if let Some(run) = run {
                    run.album = None;
                }
                let ended = self.arrivals.record.album.take();
                let saved = Chat::SaveArrivals(self.arrivals.record.clone());
                vec![Effect::Chat(saved), say(ArrivalReply::AlbumOff { ended })]
            }
        }
    }

    /// Takes in what happened beside words.
    pub(super) fn chat_news(&mut self, news: News, now: i64) -> Vec<Effect> {
        match news {
            News::TookBack { jid, numbers } => {
                if !self.owner.is(&jid) {
                    return Vec::new();
                }
                let numbers = self.arrivals.pick_unasked(&numbers, now);
                if numbers.is_empty() {
                    return Vec::new();
                }
                // A server can forge it: it asks, and moves nothing.
                self.heard_of_files(keeping::Heard::Retracted { numbers })
            }
            News::Program {
                jid,
                shows_reactions,
            } => {
                self.arrivals.program(jid, shows_reactions);
                Vec::new()
            }
            News::Fetching { job, done, total } => self.intakes.fetching(job, (done, total), now),
        }
    }

    /// A file is in the index: it is told, or what belongs to it is noted first.
    pub(super) fn indexed(&mut self, job: JobId, placed: Placed, now: i64) -> Vec<Effect> {
        self.came(&job, &placed);
        let (effects, entry) = self.intakes.indexed(job, placed, now);
        self.number(entry);
        self.with_opening(effects)
    }

    /// Remembers the number that a file got, for what is said of it within a minute.
    pub(super) fn number(&mut self, entry: Option<(JobId, u64)>) {
        if let Some((job, number)) = entry {
            self.arrivals.numbered(&job, number);
        }
    }
}
