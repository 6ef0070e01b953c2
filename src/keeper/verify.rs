//! When files are checked, and what is told of it: by command, every week as a restore drill, and
//! all of them every few weeks.
//!
//! Dates are kept in the state. The clock is not to be trusted: a Pi has none of its own, and
//! begins somewhere in the past until the network tells the time. So a clock that stands before
//! this program was written is no clock, one that was set back begins its count anew, and between
//! two drills at least a day is *watched* to pass, whatever the dates say.

use std::collections::HashSet;

use super::{
    Effect,
    reply::{Line, Reply, VerifyReply},
};

mod news;

pub use news::{Act, Asked, Facts, Fault, Heard, Outside, Plan, Record, Scope, Tally};

/// A week, in seconds.
pub const WEEK: i64 = 7 * DAY;
const DAY: i64 = 24 * 60 * 60;
/// Files in a drill, or in `verify sample` without a count.
pub const SAMPLE: u32 = 20;
/// 1 January 2026: no clock that is right stands before.
const EARLIEST: i64 = 1_767_225_600;
/// Time that passes unwatched counts as this much at most: the daemon wakes every minute.
const WATCHED: i64 = 120;
/// After a drive failed, nothing is begun by itself for this long.
const PAUSE: i64 = 60 * 60;
/// How long the vault is locked before a drill says that it waits: it may be about to open.
const PATIENCE: i64 = 10 * 60;
/// Least time between two messages that name damaged files.
const TELL_PAUSE: i64 = 10 * 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Asked(Scope),
    Drill,
    Pass,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    run: u64,
    why: Why,
    tally: Tally,
}

/// When files are checked, and what is told of it.
pub(super) struct Verify {
    plan: Plan,
    record: Record,
    is_open: bool,
    last_run: u64,
    running: Option<Running>,
    looking: bool,
    /// Damaged files that are still to be told.
    untold: Vec<(Line, Fault)>,
    /// How many more of them are only counted.
    untold_more: u64,
    /// Those that were told since the vault was opened.
    told: HashSet<u64>,
    told_at: Option<i64>,
    /// When the vault was first seen locked since it was open.
    locked_at: Option<i64>,
    not_before: Option<i64>,
    seen_at: Option<i64>,
    /// Seconds that were watched to pass since the last drill of this run.
    watched: i64,
}

impl Verify {
    pub(super) fn new(plan: Plan, record: Record) -> Self {
        Self {
            plan,
            record,
            is_open: false,
            last_run: 0,
            running: None,
            looking: false,
            untold: Vec::new(),
            untold_more: 0,
            told: HashSet::new(),
            told_at: None,
            locked_at: None,
            not_before: None,
            seen_at: None,
            watched: DAY,
        }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            damaged: self.record.damaged,
            running: self.running.map(|it| it.tally),
            last_pass: self.record.last_pass,
        }
    }

    /// Returns whether a drill is running or due.
    pub(super) fn drill_comes(&self, now: i64) -> bool {
        self.running.is_some_and(|it| it.why == Why::Drill) || self.drill_is_due(now)
    }

    /// The owner wrote `verify`. While the vault is being opened, what needs the key waits for it.
    pub(super) fn ask(&mut self, asked: Asked, is_opening: bool, needs_key: Reply) -> Vec<Effect> {
        let mut effects = Vec::new();
        match asked {
            Asked::Stop => return self.stop(),
            Asked::All if !self.is_open && !is_opening => {
                self.record.pass = Some(true);
                effects.push(self.save());
                if !std::mem::replace(&mut self.looking, true) {
                    effects.push(Effect::Verify(Act::LookOutside));
                }
                return effects;
            }
            Asked::Sample(_) | Asked::One(_) if !self.is_open && !is_opening => {
                return vec![Effect::Say(needs_key)];
            }
            Asked::All => {
                let running = self.running.filter(|it| it.why == Why::Pass);
                self.record.pass = Some(true);
                effects.push(self.save());
                effects.push(say(match running {
                    Some(running) => VerifyReply::Progress(running.tally),
                    None => VerifyReply::Begun,
                }));
            }
            Asked::Sample(_) | Asked::One(_) => {
                self.record.asked = Some(asked);
                effects.push(self.save());
            }
        }
        effects.extend(self.begin_next(None));
        effects
    }

    fn stop(&mut self) -> Vec<Effect> {
        let nothing =
            self.running.is_none() && self.record.pass.is_none() && self.record.asked.is_none();
        if nothing {
            return vec![say(VerifyReply::NothingRuns)];
        }
        let tally = self.running.map(|it| it.tally).unwrap_or_default();
        let drill = self.running.is_some_and(|it| it.why == Why::Drill);
        self.record.pass = None;
        self.record.asked = None;
        let mut effects = vec![self.save()];
        if self.running.is_some() && !drill {
            self.running = None;
            effects.push(Effect::Verify(Act::Stop));
        }
        effects.push(say(VerifyReply::Stopped(tally)));
        effects
    }

    /// The vault is open.
    pub(super) fn opened(&mut self, now: i64) -> Vec<Effect> {
        self.is_open = true;
        self.locked_at = None;
        self.told.clear();
        let mut effects = self.keep_dates(now);
        effects.extend(self.begin_next(Some(now)));
        effects
    }

    /// The vault is locked: what was running goes on at the next opening.
    pub(super) fn locked(&mut self) -> Vec<Effect> {
        self.is_open = false;
        self.running = None;
        self.tell_damage(None)
    }

    pub(super) fn woke(&mut self, now: i64) -> Vec<Effect> {
        let passed = self.seen_at.map_or(0, |at| now.saturating_sub(at));
        self.watched = self.watched.saturating_add(passed.clamp(0, WATCHED));
        self.seen_at = Some(now);
        let mut effects = self.tell_damage(Some(now));
        if self.is_open {
            effects.extend(self.keep_dates(now));
            effects.extend(self.begin_next(Some(now)));
            return effects;
        }
        let locked_at = *self.locked_at.get_or_insert(now);
        let waits = now.saturating_sub(locked_at) >= PATIENCE;
        if waits && self.drill_is_due(now) && !self.record.wait_told {
            self.record.wait_told = true;
            effects.push(self.save());
            effects.push(say(VerifyReply::DrillWaits));
        }
        effects
    }

    pub(super) fn heard(&mut self, heard: Heard, now: i64) -> Vec<Effect> {
        match heard {
            Heard::Progress { run, tally } => {
                if let Some(running) = self.running.as_mut().filter(|it| it.run == run) {
                    running.tally = tally;
                }
                Vec::new()
            }
            Heard::Ended { run, tally, whole } => self.ended(run, tally, whole, now),
            Heard::Damage { files, more, total } => self.damage(files, (more, total), now),
            Heard::Outside(seen) => {
                self.looking = false;
                vec![say(VerifyReply::Outside(seen))]
            }
        }
    }

    fn damage(
        &mut self,
        files: Vec<(Line, Fault)>,
        (more, total): (u64, u64),
        now: i64,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.record.damaged != total {
            self.record.damaged = total;
            effects.push(self.save());
        }
        // The vault process names all that were not told, each time.
        self.untold = files;
        self.untold_more = more;
        self.untold
            .retain(|(line, _)| !self.told.contains(&line.number));
        effects.extend(self.tell_damage(Some(now)));
        effects
    }

    /// Names damaged files: at once, and then for a while together. Without a time, now.
    fn tell_damage(&mut self, now: Option<i64>) -> Vec<Effect> {
        if self.untold.is_empty() {
            return Vec::new();
        }
        match now {
            Some(now) if !super::is_due(&mut self.told_at, TELL_PAUSE, now) => return Vec::new(),
            _ => {}
        }
        let files = std::mem::take(&mut self.untold);
        let numbers: Vec<u64> = files.iter().map(|(line, _)| line.number).collect();
        self.told.extend(&numbers);
        let more = std::mem::take(&mut self.untold_more);
        let all = more > 0;
        vec![
            say(VerifyReply::Damage { files, more }),
            Effect::Verify(Act::Told { numbers, all }),
        ]
    }

    fn ended(&mut self, run: u64, tally: Tally, whole: bool, now: i64) -> Vec<Effect> {
        let Some(Running { why, .. }) = self.running.filter(|it| it.run == run) else {
            return Vec::new();
        };
        self.running = None;
        if !whole {
            return self.failed(why, now);
        }
        // Damage is named before the sum that counts it.
        let mut effects = self.tell_damage(None);
        match why {
            Why::Asked(scope) => {
                self.record.asked = None;
                effects.push(self.save());
                effects.push(match scope {
                    Scope::One(number) if tally.checked == 0 => Effect::Say(Reply::NoSuch {
                        numbers: vec![number],
                    }),
                    Scope::One(number) => say(VerifyReply::One { number, tally }),
                    Scope::All | Scope::Sample(_) => say(VerifyReply::Sample(tally)),
                });
            }
            Why::Drill => {
                self.record.drill_at = Some(now);
                self.record.wait_told = false;
                self.watched = 0;
                effects.push(self.save());
                if tally.of > 0 {
                    let last_pass = self.record.last_pass;
                    effects.push(say(VerifyReply::Drill { tally, last_pass }));
                }
            }
            Why::Pass => {
                let asked = self.record.pass.take() == Some(true);
                self.record.pass_at = Some(now);
                self.record.last_pass = Some((now, tally));
                effects.push(self.save());
                if asked || tally.damaged > 0 {
                    effects.push(say(VerifyReply::Whole(tally)));
                }
            }
        }
        effects.extend(self.begin_next(Some(now)));
        effects
    }

    /// The drive or the index failed: tried again later, except what the owner waits for.
    fn failed(&mut self, why: Why, now: i64) -> Vec<Effect> {
        let mut effects = self.tell_damage(None);
        if let Why::Asked(_) = why {
            self.record.asked = None;
            effects.push(self.save());
        }
        if self.not_before.is_none() {
            effects.push(say(VerifyReply::Trouble));
        }
        self.not_before = Some(now.saturating_add(PAUSE));
        effects
    }

    /// Begins what comes next: what the owner waits for, then the drill, then the long check.
    fn begin_next(&mut self, now: Option<i64>) -> Vec<Effect> {
        if !self.is_open {
            return Vec::new();
        }
        let next = self.next(now);
        let Some(why) = next else { return Vec::new() };
        if self
            .running
            .is_some_and(|it| it.why == why || rank(it.why) < rank(why))
        {
            return Vec::new();
        }
        self.last_run += 1;
        let run = self.last_run;
        self.running = Some(Running {
            run,
            why,
            tally: Tally::default(),
        });
        let scope = match why {
            Why::Asked(scope) => scope,
            Why::Drill => Scope::Sample(SAMPLE),
            Why::Pass => Scope::All,
        };
        vec![Effect::Verify(Act::Begin { run, scope })]
    }

    fn next(&mut self, now: Option<i64>) -> Option<Why> {
        match self.record.asked {
            Some(Asked::One(number)) => return Some(Why::Asked(Scope::One(number))),
            Some(Asked::Sample(count)) => return Some(Why::Asked(Scope::Sample(count))),
            Some(Asked::All | Asked::Stop) | None => {}
        }
        if let (Some(until), Some(now)) = (self.not_before, now) {
            // A pause that is further ahead than it is long was set by a clock put back since.
            if (now..=now.saturating_add(PAUSE)).contains(&until) {
                return None;
            }
            self.not_before = None;
        }
        if now.is_some_and(|now| self.drill_is_due(now)) {
            return Some(Why::Drill);
        }
        let weeks = i64::from(self.plan.weeks);
        let due = now.is_some_and(|now| is_past(self.record.pass_at, weeks * WEEK, now));
        if self.record.pass.is_none() && weeks > 0 && due {
            // Not saved: if it is cut short, it is due again, and goes on where it was.
            self.record.pass = Some(false);
        }
        self.record.pass.map(|_| Why::Pass)
    }

    fn drill_is_due(&self, now: i64) -> bool {
        self.plan.drills && self.watched >= DAY && is_past(self.record.drill_at, WEEK, now)
    }

    /// Begins counts that have not begun, and begins those anew that a clock put back has left in
    /// the future.
    fn keep_dates(&mut self, now: i64) -> Vec<Effect> {
        if now < EARLIEST {
            return Vec::new();
        }
        let mut changed = false;
        for at in [&mut self.record.drill_at, &mut self.record.pass_at] {
            if at.is_none_or(|at| at > now) {
                *at = Some(now);
                changed = true;
            }
        }
        if changed {
            vec![self.save()]
        } else {
            Vec::new()
        }
    }

    fn save(&self) -> Effect {
        Effect::SaveVerify(self.record.clone())
    }
}

/// Tells whether a time span has passed since `at`, by a clock that may be right.
fn is_past(at: Option<i64>, span: i64, now: i64) -> bool {
    now >= EARLIEST && at.is_some_and(|at| now.saturating_sub(at) >= span)
}

/// What goes first.
fn rank(why: Why) -> u8 {
    match why {
        Why::Asked(_) => 0,
        Why::Drill => 1,
        Why::Pass => 2,
    }
}

fn say(reply: VerifyReply) -> Effect {
    Effect::Say(Reply::Verify(reply))
}

#[cfg(test)]
mod tests;
