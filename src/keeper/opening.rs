//! The keeper's part in opening and locking: what is asked for while locked, codes, what was
//! typed at the console, and what time alone brings about.

use super::{
    Effect, JobId, Keeper,
    command::Command,
    custody::OpenedBy,
    moment::Moment,
    reply::{CustodyReply, OpenFailure, Reply, StorageReply},
    unlock::Typed,
};

impl Keeper {
    /// Brings what waits up to date before anything is decided.
    pub(super) fn settle(&mut self, at: Moment) {
        self.custody.settle(at.wall);
        self.tries.settle(at);
        self.needs.settle(at);
    }

    /// Does what is due after anything happened: locks a vault that nobody uses or whose errand is
    /// done, ends what waited too long, and warns.
    pub(super) fn follow_up(&mut self, at: Moment) -> Vec<Effect> {
        if self.deliveries.is_busy() {
            self.custody.used(at);
        }
        let mut effects = self.owner.follow_clock(at);
        let errand = self.needs.is_errand();
        let idle_at = self.custody.idle_at(errand);
        let done = self.deliveries.is_empty() && !self.intakes.is_adopting();
        if self.custody.is_open() && errand && done {
            let locked = self.custody.errand_done(at.wall);
            effects.extend(self.after_lock(locked));
        } else if idle_at.is_some_and(|idle_at| idle_at <= at.steady) {
            let locked = self.custody.idle(at);
            effects.extend(self.after_lock(locked));
        }
        if self.custody.is_locked() {
            effects.extend(self.end_needs(at));
        }
        effects.extend(self.tend_trash(at));
        effects.extend(self.follow_life(at));
        effects
    }

    /// Adds the summary once the last waiting file is adopted.
    pub(super) fn with_opening(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        effects.extend(self.intakes.summary());
        effects
    }

    pub(super) fn spare_known(&mut self, has_spare: bool) -> Vec<Effect> {
        self.weekly.learned(has_spare);
        Vec::new()
    }

    /// Adds what follows from a vault that is locked: sealed files that were about to be indexed
    /// wait, and deliveries end, unless it is being opened or they wait for it.
    pub(super) fn after_lock(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        if !self.custody.is_open() {
            effects.extend(self.intakes.locked());
            self.deliveries.interrupted();
            effects.extend(self.verify.locked());
        }
        if self.custody.is_locked() {
            self.needs.end_errand();
            self.changes.locked();
            let needs_key = self.needs_key();
            let needs = &self.needs;
            effects.extend(self.deliveries.locked(needs_key, |job| needs.has(job)));
        }
        effects
    }

    pub(super) fn needs_key(&self) -> Reply {
        Reply::NeedsKey {
            waiting: self.intakes.waiting(),
            way: self.custody.way_in(),
        }
    }

    /// Keeps what was asked for while locked until the key comes, or for ten minutes.
    pub(super) fn need(&mut self, job: JobId, command: &Command, at: Moment) -> Vec<Effect> {
        let mut effects = self.deliveries.hold(job, command);
        if !effects.is_empty() {
            self.needs.add(job, at);
            let reply = CustodyReply::PutKeyIn {
                waiting: self.intakes.waiting(),
                way: self.custody.way_in(),
            };
            effects.push(Effect::Say(reply.into()));
        }
        effects
    }

    fn end_needs(&mut self, at: Moment) -> Vec<Effect> {
        let ended = self.needs.take_ended(at);
        let mut effects = Vec::new();
        for job in &ended {
            effects.extend(self.deliveries.forget(*job));
        }
        if !ended.is_empty() {
            let reply = CustodyReply::NeedOver(self.custody.way_in());
            effects.push(Effect::Say(reply.into()));
        }
        effects
    }

    /// Tries a code, if this vault opens by one and tries are left.
    pub(super) fn unlock(&mut self, typed: Typed, at: Moment) -> Vec<Effect> {
        let say = |reply: CustodyReply| vec![Effect::Say(reply.into())];
        if !self.custody.takes_codes() {
            return say(CustodyReply::NoCodeHere(self.custody.way_in()));
        }
        if !self.custody.is_locked() {
            return say(CustodyReply::AlreadyOpen);
        }
        let Typed::Code(code) = typed else {
            return say(CustodyReply::WhichCode);
        };
        // Counted before it is made: a crash in between forgives nothing.
        if !self.tries.take() {
            let again_at = self.tries.again_at(at);
            return say(CustodyReply::NoTriesLeft { again_at });
        }
        self.code = Some(code);
        self.custody.opening(OpenedBy::Code);
        vec![Effect::OpenByCode]
    }

    pub(super) fn console_unlock(&mut self) -> Vec<Effect> {
        if !self.custody.is_locked() {
            return Vec::new();
        }
        self.custody.opening(OpenedBy::Console);
        vec![Effect::OpenByConsole]
    }

    pub(super) fn opened(&mut self, at: Moment) -> Vec<Effect> {
        let announce = self.custody.opened(at);
        if !self.custody.is_open() {
            return Vec::new();
        }
        let mut effects = self.end_left_over();
        self.needs.opened();
        effects.extend(self.end_alarm(at.wall));
        effects.extend(self.intakes.adopt(announce));
        effects.extend(self.deliveries.resume());
        effects.extend(self.verify.opened(at.wall));
        let mut effects = self.with_opening(effects);
        if self.custody.opened_by() == Some(OpenedBy::Code) {
            self.tries.give_back(true);
            effects.push(Effect::Say(CustodyReply::CodeInHistory.into()));
        }
        if announce && !self.needs.is_errand() {
            effects.extend(self.custody.drawer_hint());
        }
        effects
    }

    pub(super) fn not_opened(&mut self, why: OpenFailure, at: Moment) -> Vec<Effect> {
        let mut effects = match self.custody.not_opened(at.wall) {
            None => return Vec::new(),
            // Whoever types there is told there.
            Some(OpenedBy::Console) => Vec::new(),
            Some(OpenedBy::Code) if why == OpenFailure::WrongKey => {
                let left = self.tries.left();
                let again_at = self.tries.again_at(at);
                vec![Effect::Say(
                    CustodyReply::WrongCode { left, again_at }.into(),
                )]
            }
            Some(OpenedBy::Code) => {
                self.tries.give_back(false);
                vec![Effect::Say(Reply::NotOpened(why))]
            }
            Some(OpenedBy::Key) => vec![Effect::Say(Reply::NotOpened(why))],
        };
        if why == OpenFailure::ForeignPublicHalf {
            effects.extend(self.raise_alarm());
        }
        self.after_lock(effects)
    }

    /// What was sealed since the last opening, and would be sealed from now on, nobody could open.
    fn raise_alarm(&mut self) -> Vec<Effect> {
        self.alarm = true;
        self.intakes.halt();
        let mut effects = vec![Effect::SaveAlarm(true), Effect::StopFetching];
        let files = self.intakes.waiting();
        if files > 0 {
            effects.push(Effect::Say(Reply::Storage(StorageReply::KeptInVain {
                files,
            })));
        }
        effects
    }

    fn end_alarm(&mut self, now: i64) -> Vec<Effect> {
        if !std::mem::take(&mut self.alarm) {
            return Vec::new();
        }
        let mut effects = vec![Effect::SaveAlarm(false)];
        effects.extend(self.intakes.go_on(now));
        effects
    }
}
