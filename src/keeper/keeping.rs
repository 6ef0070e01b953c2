//! What the owner does to kept files: into the trash and out of it, names, albums, tags, notes;
//! and what takes the last of it back.
//!
//! Knows no index: it says what is to be changed and hears what that has changed. What `undo` needs
//! is kept in memory only, each device's own.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use vault::{Label, Relabelled};

mod done;

use self::done::Done;
use super::{
    Effect, JobId, Keeper,
    command::Command,
    confirm::Task,
    moment::Moment,
    reply::{KeepReply, Line, Reply, WayIn},
};

/// Changes of each device that `undo` takes back.
const MAX_UNDO: usize = 20;
/// Devices whose changes are remembered.
const MAX_DEVICES: usize = 32;
/// Seconds between two looks for what has lain in the trash long enough.
const TEND_SECONDS: i64 = 24 * 60 * 60;

/// What the owner wants done to kept files, in the form it is kept in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keeping {
    /// Make files so. Ranges of numbers, both ends included, or (0, n) for the newest n.
    Label {
        /// Which files.
        ranges: Vec<(u64, u64)>,
        /// What each is to be.
        labels: Vec<Label>,
    },
    /// Move files to the trash, once that is confirmed.
    Delete {
        /// Which files.
        ranges: Vec<(u64, u64)>,
    },
    /// What lies in the trash.
    Trash,
    /// Remove it for good, once that is confirmed.
    EmptyTrash,
    /// Remove exactly what was shown; follows a confirmed number and is never read from a line.
    Purge {
        /// Since when it lies there, in seconds since 1970.
        until: i64,
        /// How many files that are.
        most: u64,
    },
    /// Take the last change back.
    Undo,
    /// Take exactly these changes back; follows `undo` and is never read from a line.
    Revert {
        /// The changes.
        steps: Vec<Relabelled>,
    },
}

impl Keeping {
    /// Returns whether a number is asked back before it is carried out.
    pub(super) fn asks_back(&self) -> bool {
        matches!(self, Self::Delete { .. } | Self::EmptyTrash)
    }

    /// Returns whether the files are to be looked up before anything is done: the newest may be
    /// others when it is done again.
    #[must_use]
    pub fn looks_first(&self) -> bool {
        match self {
            Self::Delete { .. } => true,
            Self::Label { ranges, .. } => ranges.iter().any(|(first, _)| *first == 0),
            Self::Trash
            | Self::EmptyTrash
            | Self::Purge { .. }
            | Self::Undo
            | Self::Revert { .. } => false,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The files that were looked up.
    Found {
        /// Those that exist and lie outside of the trash.
        lines: Vec<Line>,
        /// Those in the trash.
        in_trash: Vec<u64>,
        /// Numbers that name none.
        missing: Vec<u64>,
    },
    /// They are so now.
    Labelled {
        /// What that has changed.
        steps: Vec<Relabelled>,
        /// Those that are so now, changed or not.
        numbers: Vec<u64>,
        /// Those in the trash, which were left alone.
        in_trash: Vec<u64>,
        /// Numbers that name none.
        missing: Vec<u64>,
    },
    /// Changes are taken back.
    Reverted {
        /// Files that are as they were.
        numbers: Vec<u64>,
        /// Files that were changed since, which were left alone.
        changed: Vec<u64>,
        /// Files that are gone.
        missing: Vec<u64>,
    },
    /// What lies in the trash.
    Trash {
        /// The newest, each with when it was moved there.
        lines: Vec<(Line, i64)>,
        /// All that lie there.
        count: u64,
        /// Bytes of their content.
        bytes: u64,
        /// When this was looked up, by the same clock.
        at: i64,
    },
    /// They are gone for good.
    Purged {
        /// How many.
        count: u64,
        /// Bytes of their content.
        bytes: u64,
    },
    /// There are more in the trash than were shown, so nothing was removed.
    MoreThanShown,
}

/// News about kept files that nobody asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Files had lain in the trash long enough and are gone for good.
    Purged {
        /// How many.
        count: u64,
    },
    /// A device took back messages that had brought these files.
    Retracted {
        /// Their numbers, lowest first.
        numbers: Vec<u64>,
    },
}

/// When the trash was last looked after, and what each device did last.
#[derive(Default)]
pub(super) struct Changes {
    done: BTreeMap<u32, VecDeque<Done>>,
    /// Changes that are being taken back, with whose they are.
    undoing: BTreeMap<JobId, (u32, Done)>,
    /// When the trash was looked after, on the steady clock.
    tended_at: Option<i64>,
}

impl Changes {
    fn note(&mut self, device: u32, steps: Done) {
        if steps.is_empty() {
            return;
        }
        if !self.done.contains_key(&device) && self.done.len() >= MAX_DEVICES {
            self.done.pop_first();
        }
        let done = self.done.entry(device).or_default();
        done.push_back(steps);
        if done.len() > MAX_UNDO {
            done.pop_front();
        }
    }

    /// A change was not taken back: it is still the last one.
    pub(super) fn not_undone(&mut self, job: &JobId) {
        if let Some((device, done)) = self.undoing.remove(job) {
            self.note(device, done);
        }
    }

    /// The vault is locked: what was asked of it is not done.
    pub(super) fn locked(&mut self) {
        let jobs: Vec<JobId> = self.undoing.keys().copied().collect();
        for job in jobs {
            self.not_undone(&job);
        }
        self.tended_at = None;
    }

    /// Returns whether the trash is to be looked after.
    fn is_tending_due(&mut self, at: Moment) -> bool {
        let passed = |then: i64| at.steady.saturating_sub(then) >= TEND_SECONDS;
        let due = self.tended_at.is_none_or(passed);
        if due {
            self.tended_at = Some(at.steady);
        }
        due
    }
}

impl Keeper {
    /// The owner wants something done to kept files.
    pub(super) fn keep(&mut self, job: JobId, keeping: Keeping) -> Vec<Effect> {
        let way = self.custody.way_in();
        if !self.custody.is_open() && way != WayIn::Wait {
            return vec![Effect::Say(self.needs_key())];
        }
        if keeping != Keeping::Undo {
            return self.deliveries.ask(job, Command::Keep(keeping));
        }
        let Some(device) = self.deliveries.device() else {
            return vec![say(KeepReply::NothingToUndo)];
        };
        let coming = self.changes.coming(device, |job| self.intakes.has(job));
        if coming > 0 {
            return vec![say(KeepReply::UndoLater { coming })];
        }
        match self.changes.take(job, device) {
            Some(steps) => {
                let revert = Command::Keep(Keeping::Revert { steps });
                self.deliveries.ask(job, revert)
            }
            None => vec![say(KeepReply::NothingToUndo)],
        }
    }

    /// The vault process answered.
    pub(super) fn kept(&mut self, job: JobId, kept: Kept, now: i64) -> Vec<Effect> {
        let Some((asker, asked)) = self.deliveries.keeping(&job) else {
            return self.labels_kept(job, kept, now);
        };
        let reply = match (kept, asked) {
            (Kept::Found { lines, .. }, Keeping::Label { labels, .. }) if !lines.is_empty() => {
                let ranges = singly(&lines);
                let named = Keeping::Label { ranges, labels };
                return self.deliveries.ask_instead(job, named);
            }
            (
                Kept::Found {
                    lines,
                    in_trash,
                    missing,
                },
                Keeping::Delete { .. } | Keeping::Label { .. },
            ) => self.ask_delete(job, lines, in_trash, missing, now),
            (
                Kept::Labelled {
                    steps,
                    mut numbers,
                    in_trash,
                    missing,
                },
                Keeping::Label { labels, .. },
            ) => {
                numbers.sort_unstable();
                let has_changed = !steps.is_empty();
                if let Some(asker) = asker {
                    self.changes.note(asker.device, Done::of(steps));
                }
                KeepReply::Labelled {
                    labels,
                    numbers,
                    has_changed,
                    in_trash,
                    missing,
                    days: self.settings.trash_days,
                }
            }
            (
                Kept::Reverted {
                    numbers,
                    changed,
                    missing,
                },
                Keeping::Revert { steps },
            ) => {
                if let Some((device, done)) = self.changes.undoing.remove(&job) {
                    self.arrivals.took_back(device, done.words());
                }
                KeepReply::Undone {
                    steps,
                    numbers,
                    changed,
                    missing,
                }
            }
            (
                Kept::Trash {
                    lines,
                    count,
                    bytes,
                    at,
                },
                asked,
            ) => self.in_trash(job, asked, (lines, count, bytes), (at, now)),
            (Kept::Purged { count, bytes }, _) => KeepReply::Purged { count, bytes },
            (Kept::MoreThanShown, _) => KeepReply::TrashChanged,
            (Kept::Found { .. } | Kept::Labelled { .. } | Kept::Reverted { .. }, _) => {
                return self.deliveries.close_with(job, Reply::NoAnswer);
            }
        };
        self.deliveries.close_with(job, Reply::Keep(reply))
    }

    /// Tells what lies in the trash, or asks whether it is to go; `at` is when it was looked up, and
    /// what time it is.
    fn in_trash(
        &mut self,
        job: JobId,
        asked: Keeping,
        (lines, count, bytes): (Vec<(Line, i64)>, u64, u64),
        (at, now): (i64, i64),
    ) -> KeepReply {
        if asked == Keeping::EmptyTrash && count > 0 {
            let purge = Keeping::Purge {
                until: at,
                most: count,
            };
            let number = self.confirmations.ask(job, Task::Keep(purge), now);
            return KeepReply::AskEmpty {
                count,
                bytes,
                number,
            };
        }
        KeepReply::Trash {
            lines,
            count,
            bytes,
            days: self.settings.trash_days,
        }
    }

    /// Asks whether these are to go, or says why none of them can.
    fn ask_delete(
        &mut self,
        job: JobId,
        lines: Vec<Line>,
        in_trash: Vec<u64>,
        missing: Vec<u64>,
        now: i64,
    ) -> KeepReply {
        if lines.is_empty() {
            return KeepReply::NoneOfThem { in_trash, missing };
        }
        let task = Task::Keep(Keeping::Label {
            ranges: singly(&lines),
            labels: vec![Label::Trashed(true)],
        });
        let number = self.confirmations.ask(job, task, now);
        KeepReply::AskDelete {
            lines,
            in_trash,
            missing,
            days: self.settings.trash_days,
            number,
        }
    }

    pub(super) fn heard_of_files(&mut self, heard: Heard) -> Vec<Effect> {
        match heard {
            Heard::Purged { count } => {
                self.notices.purged(count);
                Vec::new()
            }
            Heard::Retracted { numbers } if numbers.is_empty() => Vec::new(),
            Heard::Retracted { numbers } => vec![say(KeepReply::Retracted { numbers })],
        }
    }

    /// Removes for good what has lain in the trash long enough, once a day while the vault is open.
    pub(super) fn tend_trash(&mut self, at: Moment) -> Vec<Effect> {
        let days = self.settings.trash_days;
        if !self.custody.is_open() || days == 0 || !self.changes.is_tending_due(at) {
            return Vec::new();
        }
        vec![Effect::PurgeOld { days }]
    }
}

/// Names each of these by its number.
fn singly(lines: &[Line]) -> Vec<(u64, u64)> {
    let numbers = lines.iter().map(|line| line.number);
    numbers.map(|number| (number, number)).collect()
}

fn say(reply: KeepReply) -> Effect {
    Effect::Say(Reply::Keep(reply))
}
