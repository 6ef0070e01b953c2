//! Sources of a file that come in a message of their own (XEP-0447).
//!
//! A phone may describe a file before it has uploaded it, or name a further place later. Only the
//! device that described a file says where it is; which message it means stands in clear, so that
//! nothing but the hash in the description ties the two together. What comes in the other order is
//! joined as well.

use omemo::media::{FileSource, MAX_SOURCES, SharedFile, SharedFileError};
use serde::{Deserialize, Serialize};

use super::{Effect, Intake, Intakes, JobId, Stage};
use crate::keeper::{
    Keeper, Told,
    described::{Described, refusal},
    reply::{FileFault, IntakeFailure, Reply},
};

/// Files at most that wait for their sources.
const MAX_AHEAD: usize = 100;
/// Sources at most that are kept until their file is described.
const MAX_EARLY: usize = 16;
/// Seconds that these are kept.
const EARLY_SECONDS: i64 = 60 * 60;
/// Seconds after which the owner is told that nothing says yet where a file is.
const REMIND_SECONDS: i64 = 60 * 60;
/// Seconds after which a file is given up that nothing says of where it is.
const END_SECONDS: i64 = 24 * 60 * 60;
/// Seconds after a login in which what was missed may still come.
const CATCH_UP_SECONDS: i64 = 10 * 60;

/// What a later message names that brings sources for a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedAs {
    /// The message that described it.
    pub message: String,
    /// Which of its files.
    pub part: Option<String>,
}

/// Sources for a file that an earlier message described.
#[derive(Debug, Clone)]
pub struct Attached {
    to: SharedAs,
    sources: Result<Described, SharedFileError>,
}

impl Attached {
    /// Takes them as a message gives them.
    #[must_use]
    pub fn new(to: SharedAs, sources: Result<Vec<FileSource>, SharedFileError>) -> Self {
        let described = |sources| {
            Described::new(&SharedFile {
                sources,
                ..SharedFile::default()
            })
        };
        Self {
            to,
            sources: sources.map(described),
        }
    }
}

/// Sources whose file nobody has described yet; in memory only.
#[derive(Default)]
pub(super) struct Early(Vec<Came>);

struct Came {
    from: (String, u32),
    at: i64,
    attached: Attached,
}

impl Intake {
    /// Notes what a later message names that brings sources for it.
    #[must_use]
    pub fn shared_as(self, message: Option<&str>, part: Option<&str>) -> Self {
        let mut stage = self.stage;
        if self.is_ahead() {
            stage = Stage::Announced {
                attempts: 0,
                retry_at: self.received_at.saturating_add(REMIND_SECONDS),
            };
        }
        let shared = message.map(|message| SharedAs {
            message: message.to_owned(),
            part: part.map(str::to_owned),
        });
        Self {
            shared,
            stage,
            ..self
        }
    }

    /// Returns whether it is described, and nothing says yet where it is.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        let is_ahead = self.described.as_ref().is_some_and(Described::is_ahead);
        is_ahead && matches!(self.stage, Stage::Announced { .. })
    }

    /// Says that nothing says where it is.
    pub(in crate::keeper) fn never_came(&self) -> Effect {
        self.tell(Reply::NotStored {
            name: self.shown_name(),
            why: IntakeFailure::Described(FileFault::NoSource),
            retrying: false,
        })
    }

    fn shown_name(&self) -> String {
        let name = Some(&self.name).filter(|it| !it.is_empty());
        name.map_or_else(|| "The file".to_owned(), String::clone)
    }

    fn is_from(&self, from: &(String, u32)) -> bool {
        let device = self.asker.map(|it| it.device);
        self.sender == from.0 && device == Some(from.1)
    }

    /// Adds places where it is; returns whether any is new.
    fn take_up(&mut self, sources: &Described) -> Result<bool, SharedFileError> {
        let Some(described) = &self.described else {
            return Ok(false);
        };
        let mut file = SharedFile {
            name: Some(self.name.clone()),
            ..described.file()
        };
        let had = file.sources.len();
        for source in sources.file().sources {
            let is_known = file.sources.iter().any(|it| it.url == source.url);
            if !is_known && file.sources.len() < MAX_SOURCES {
                file.sources.push(source);
            }
        }
        let file = file.checked()?;
        let is_more = file.sources.len() > had;
        if is_more {
            self.described = Some(Described::new(&file));
            self.name = file.name.unwrap_or_default();
        }
        Ok(is_more)
    }
}

impl Intakes {
    /// Returns how many more files may wait for their sources.
    pub(in crate::keeper) fn room_ahead(&self) -> usize {
        let ahead = self.open.values().filter(|it| it.is_ahead()).count();
        MAX_AHEAD.saturating_sub(ahead)
    }

    /// Takes sources in for a file of the same device; those of none are kept for a while, since
    /// messages may come in another order than they were sent.
    pub(in crate::keeper) fn attach(
        &mut self,
        from: (String, u32),
        attached: Attached,
        now: i64,
    ) -> Vec<Effect> {
        let is_meant = |it: &&Intake| {
            let stage = matches!(it.stage, Stage::Announced { .. });
            stage && it.is_from(&from) && it.shared.as_ref() == Some(&attached.to)
        };
        let meant = self.open.values().filter(is_meant);
        // Whoever runs the server can give two messages one id.
        let Some(job) = meant
            .min_by_key(|it| (!it.is_ahead(), it.order))
            .map(|it| it.job)
        else {
            let kept = &mut self.early.0;
            kept.retain(|it| (0..EARLY_SECONDS).contains(&now.saturating_sub(it.at)));
            if kept.len() >= MAX_EARLY {
                kept.remove(0);
            }
            kept.push(Came {
                from,
                at: now,
                attached,
            });
            return Vec::new();
        };
        self.attach_to(job, &attached, now)
    }

    fn attach_to(&mut self, job: JobId, attached: &Attached, now: i64) -> Vec<Effect> {
        let Some(intake) = self.open.get_mut(&job) else {
            return Vec::new();
        };
        let was_ahead = intake.is_ahead();
        let taken = match &attached.sources {
            Ok(sources) => intake.take_up(sources),
            Err(why) => Err(*why),
        };
        match taken {
            Ok(true) => {}
            Err(why) if was_ahead => {
                intake.name = intake.shown_name();
                return self.end(job, refusal(why));
            }
            Ok(false) | Err(_) => return Vec::new(),
        }
        if let Stage::Announced { attempts, .. } = intake.stage {
            intake.stage = Stage::Announced {
                attempts: if was_ahead { 0 } else { attempts },
                retry_at: 0,
            };
        }
        let mut effects = vec![Effect::SaveIntake(intake.clone())];
        effects.extend(self.start_due(now));
        effects
    }

    /// Joins a file with sources that came before it.
    pub(super) fn came_early(&mut self, job: JobId, now: i64) -> Vec<Effect> {
        let Some(intake) = self.open.get(&job).filter(|it| it.is_ahead()) else {
            return Vec::new();
        };
        let early = &mut self.early.0;
        let found = early.iter().position(|it| {
            let is_fresh = (0..EARLY_SECONDS).contains(&now.saturating_sub(it.at));
            is_fresh && intake.is_from(&it.from) && intake.shared.as_ref() == Some(&it.attached.to)
        });
        let Some(came) = found.map(|at| early.remove(at)) else {
            return Vec::new();
        };
        self.attach_to(job, &came.attached, now)
    }

    /// Returns when the owner is to be told that nothing says yet where this file is.
    pub(super) fn reminded_at(&self, intake: &Intake) -> Option<i64> {
        let Stage::Announced { retry_at, .. } = intake.stage else {
            return None;
        };
        Some(retry_at.max(self.online_at.saturating_add(CATCH_UP_SECONDS)))
    }

    /// Tells, once, of what waits long for its sources, and gives up what waited a day.
    pub(super) fn remind(&mut self, now: i64) -> Vec<Effect> {
        if !self.online {
            return Vec::new();
        }
        let is_due = |it: &&Intake| {
            let at = self.reminded_at(it).filter(|_| it.is_ahead());
            // One that lies further ahead was set by a clock that has been put back since.
            at.is_some_and(|at| at <= now || at > now.saturating_add(END_SECONDS))
        };
        let due = self.open.values().filter(is_due);
        let mut due: Vec<(u64, JobId)> = due.map(|it| (it.order, it.job)).collect();
        due.sort_unstable();
        let no_source = IntakeFailure::Described(FileFault::NoSource);
        let mut effects = Vec::new();
        for (_, job) in due {
            let Some(intake) = self.open.get_mut(&job) else {
                continue;
            };
            intake.name = intake.shown_name();
            let Stage::Announced { attempts: 0, .. } = intake.stage else {
                effects.extend(self.end(job, no_source));
                continue;
            };
            intake.stage = Stage::Announced {
                attempts: 1,
                retry_at: intake.received_at.saturating_add(END_SECONDS),
            };
            effects.push(Effect::SaveIntake(intake.clone()));
            if intake.held.is_none() {
                effects.push(intake.not_yet(no_source));
            }
        }
        effects
    }
}

impl Keeper {
    /// Takes in the sources that a message brings for a file of an earlier one.
    pub(in crate::keeper) fn attached(&mut self, told: &Told, now: i64) -> Vec<Effect> {
        let Some(attached) = told.attached.clone() else {
            return Vec::new();
        };
        let from = (told.from.jid.clone(), told.from.id);
        self.intakes.attach(from, *attached, now)
    }
}
