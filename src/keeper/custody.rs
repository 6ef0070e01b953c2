//! Locked or open, and why: when the vault process starts and when it ends.
//!
//! Holds no key and starts no process; it only says when.

use super::{
    Effect,
    reply::{OpenFailure, Reply, WayIn},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Locked,
    Opening,
    Open,
}

/// Where the vault stands between locked and open.
#[derive(Debug)]
pub struct Custody {
    state: State,
    /// `lock` was said while the key device was in: only taking it out and putting it in again
    /// opens the vault.
    locked_by_owner: bool,
    key_is_in: bool,
    /// The first opening after a start is no news.
    was_without_key: bool,
    restarts: u8,
}

/// How often a vault process that ends by itself is started again before the key has to be put
/// in anew.
const MAX_RESTARTS: u8 = 2;

impl Custody {
    /// Starts locked.
    #[must_use]
    pub fn new(locked_by_owner: bool) -> Self {
        Self {
            state: State::Locked,
            locked_by_owner,
            key_is_in: false,
            was_without_key: false,
            restarts: 0,
        }
    }

    /// Returns whether the vault process is up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Returns what opens the vault.
    pub(super) fn way_in(&self) -> WayIn {
        match self.state {
            State::Opening | State::Open => WayIn::Wait,
            State::Locked if self.key_is_in => WayIn::PutInAgain,
            State::Locked => WayIn::PutIn,
        }
    }

    /// Tries once more with a key that is in: the data drive was not there before.
    pub(super) fn drive_came(&mut self) -> Vec<Effect> {
        if self.key_is_in {
            self.key_came()
        } else {
            Vec::new()
        }
    }

    pub(super) fn key_came(&mut self) -> Vec<Effect> {
        self.key_is_in = true;
        if self.state != State::Locked || self.locked_by_owner {
            return Vec::new();
        }
        self.state = State::Opening;
        vec![Effect::Open]
    }

    pub(super) fn key_gone(&mut self) -> Vec<Effect> {
        self.key_is_in = false;
        self.was_without_key = true;
        self.restarts = 0;
        let was = self.state;
        self.state = State::Locked;
        let mut effects = Vec::new();
        if was != State::Locked {
            effects.push(Effect::Lock);
            effects.push(Effect::Say(Reply::LockedByRemoval));
        }
        if self.locked_by_owner {
            self.locked_by_owner = false;
            effects.push(Effect::SaveLockedByOwner(false));
        }
        effects
    }

    pub(super) fn lock(&mut self) -> Vec<Effect> {
        if self.state == State::Locked {
            return vec![Effect::Say(Reply::AlreadyLocked(self.way_in()))];
        }
        self.state = State::Locked;
        self.locked_by_owner = true;
        vec![
            Effect::Lock,
            Effect::SaveLockedByOwner(true),
            Effect::Say(Reply::LockedByCommand),
        ]
    }

    /// Notes that the vault is open. Returns whether that is news for the owner.
    pub(super) fn opened(&mut self) -> bool {
        if self.state != State::Opening {
            return false;
        }
        self.state = State::Open;
        self.was_without_key
    }

    pub(super) fn not_opened(&mut self, why: OpenFailure) -> Vec<Effect> {
        if self.state != State::Opening {
            return Vec::new();
        }
        self.state = State::Locked;
        vec![Effect::Say(Reply::NotOpened(why))]
    }

    pub(super) fn ended(&mut self) -> Vec<Effect> {
        if self.state == State::Locked {
            return Vec::new();
        }
        self.state = State::Locked;
        if self.restarts < MAX_RESTARTS && self.key_is_in {
            self.restarts += 1;
            self.state = State::Opening;
            return vec![Effect::Lock, Effect::Open];
        }
        vec![Effect::Lock, Effect::Say(Reply::LockedByTrouble)]
    }
}
