//! Locked or open, and why: when the vault process starts and when it ends.
//!
//! Holds no key and starts no process; it only says when.

use serde::{Deserialize, Serialize};

use super::{
    Effect,
    moment::Moment,
    reply::{CustodyReply, Reply, WayIn},
};

/// What the key's presence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The key device opens the vault and may be taken out again at once.
    Drawer,
    /// The key device stays in while the vault is open; pulling it locks.
    Presence,
    /// No device: a code in the chat, or words at the console.
    MemoryOnly,
}

/// What the settings say about opening and locking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What the key's presence means.
    pub mode: Mode,
    /// Whether there is a code that opens the vault from the chat.
    pub takes_codes: bool,
    /// Seconds without a command after which an open vault locks itself; 0 for never.
    pub idle_seconds: i64,
}

/// What opened the vault, or is about to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedBy {
    /// The key file on the key device.
    Key,
    /// A code in the chat.
    Code,
    /// Words or a passphrase at the console.
    Console,
}

/// What has to outlive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Since when the vault is locked, in seconds since 1970; `None` while it is open.
    pub locked_since: Option<i64>,
    /// Since when the key device is in, in seconds since 1970.
    pub key_in_since: Option<i64>,
    /// How often a vault process that ended by itself was started again since the key came.
    pub restarts: u8,
}

/// What `status` tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How the vault is opened.
    pub mode: Mode,
    /// Seconds for which it has been open or locked, when known.
    pub for_seconds: Option<i64>,
    /// Seconds for which the key device has been in, when it is.
    pub key_in_seconds: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Locked,
    Opening(OpenedBy),
    Open(OpenedBy),
}

/// Where the vault stands between locked and open.
#[derive(Debug)]
pub struct Custody {
    rules: Rules,
    record: Record,
    state: State,
    open_since: Option<i64>,
    /// When the vault was last used, on the steady clock.
    used_at: i64,
    /// The vault was locked while the key device was in: only taking it out and putting it in
    /// again opens the vault.
    locked_by_owner: bool,
    key_is_in: bool,
    /// The first opening after a start is no news.
    was_without_key: bool,
}

/// How often a vault process that ends by itself is started again before the key has to be put
/// in anew.
const MAX_RESTARTS: u8 = 2;
/// Idle time of an opening that the settings do not limit and that was for one errand.
const ERRAND_IDLE_SECONDS: i64 = 30 * 60;

impl Custody {
    /// Starts locked.
    #[must_use]
    pub fn new(rules: Rules, record: Record, locked_by_owner: bool) -> Self {
        Self {
            rules,
            record,
            state: State::Locked,
            open_since: None,
            used_at: 0,
            locked_by_owner,
            key_is_in: false,
            was_without_key: false,
        }
    }

    /// Returns whether the vault process is up.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Returns whether only taking the key out and putting it in again opens the vault.
    pub(super) fn is_held(&self) -> bool {
        self.locked_by_owner
    }

    pub(super) fn is_locked(&self) -> bool {
        self.state == State::Locked
    }

    pub(super) fn takes_codes(&self) -> bool {
        self.rules.takes_codes
    }

    pub(super) fn mode(&self) -> Mode {
        self.rules.mode
    }

    /// Returns what opened the vault, or is opening it.
    pub(super) fn opened_by(&self) -> Option<OpenedBy> {
        match self.state {
            State::Locked => None,
            State::Opening(by) | State::Open(by) => Some(by),
        }
    }

    /// Returns what has to outlive a restart.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Returns what opens the vault.
    pub(super) fn way_in(&self) -> WayIn {
        match self.state {
            State::Opening(_) | State::Open(_) => WayIn::Wait,
            State::Locked if self.rules.mode == Mode::MemoryOnly => WayIn::SendCode,
            State::Locked if self.key_is_in => WayIn::PutInAgain,
            State::Locked => WayIn::PutIn,
        }
    }

    pub(super) fn standing(&self, now: i64) -> Standing {
        let since = |at: i64| now.saturating_sub(at).max(0);
        let began = if self.is_open() {
            self.open_since
        } else {
            self.record.locked_since
        };
        Standing {
            mode: self.rules.mode,
            for_seconds: began.map(since),
            key_in_seconds: self.record.key_in_since.map(since),
        }
    }

    /// Notes since when it is locked, after a start that does not know better.
    pub(super) fn settle(&mut self, now: i64) {
        if !self.is_open() && self.record.locked_since.is_none() {
            self.record.locked_since = Some(now);
        }
    }

    /// Tries once more with a key that is in: the data drive was not there before.
    pub(super) fn drive_came(&mut self) -> Vec<Effect> {
        if self.key_is_in {
            self.open_by_key()
        } else {
            Vec::new()
        }
    }

    pub(super) fn key_came(&mut self, now: i64) -> Vec<Effect> {
        if self.rules.mode == Mode::MemoryOnly {
            return Vec::new();
        }
        self.key_is_in = true;
        self.record.key_in_since.get_or_insert(now);
        self.open_by_key()
    }

    fn open_by_key(&mut self) -> Vec<Effect> {
        if !self.is_locked() || self.locked_by_owner {
            return Vec::new();
        }
        self.state = State::Opening(OpenedBy::Key);
        vec![Effect::Open]
    }

    /// Notes that the vault is being opened by what was typed.
    pub(super) fn opening(&mut self, by: OpenedBy) {
        self.state = State::Opening(by);
        self.was_without_key = true;
    }

    pub(super) fn key_gone(&mut self, now: i64) -> Vec<Effect> {
        self.key_is_in = false;
        self.record.key_in_since = None;
        self.was_without_key = true;
        self.record.restarts = 0;
        let mut effects = Vec::new();
        // A vault in a drawer stays open, and one that words opened never needed the key.
        if self.rules.mode == Mode::Presence && self.opened_by() == Some(OpenedBy::Key) {
            self.shut(now);
            effects.push(Effect::Lock);
            effects.push(Effect::Say(Reply::LockedByRemoval));
        }
        if self.locked_by_owner {
            self.locked_by_owner = false;
            effects.push(Effect::SaveLockedByOwner(false));
        }
        effects
    }

    fn shut(&mut self, now: i64) {
        self.state = State::Locked;
        self.open_since = None;
        self.record.locked_since = Some(now);
    }

    pub(super) fn lock(&mut self, now: i64) -> Vec<Effect> {
        if self.is_locked() {
            return vec![Effect::Say(Reply::AlreadyLocked(self.way_in()))];
        }
        self.lock_for(now, Reply::LockedByCommand)
    }

    /// Locks for good: with the key still in, only putting it in anew opens the vault again.
    fn lock_for(&mut self, now: i64, reply: impl FnOnce(WayIn) -> Reply) -> Vec<Effect> {
        self.shut(now);
        let mut effects = vec![Effect::Lock];
        if self.key_is_in {
            self.locked_by_owner = true;
            effects.push(Effect::SaveLockedByOwner(true));
        }
        effects.push(Effect::Say(reply(self.way_in())));
        effects
    }

    /// Locks without a word, if it is not locked; only putting the key in anew opens it again.
    pub(super) fn shut_for_good(&mut self, now: i64) -> Vec<Effect> {
        if self.is_locked() {
            return Vec::new();
        }
        let mut effects = self.lock_for(now, Reply::LockedByCommand);
        effects.pop();
        effects
    }

    /// The errand that the vault was opened for is done.
    pub(super) fn errand_done(&mut self, now: i64) -> Vec<Effect> {
        self.lock_for(now, |way| CustodyReply::LockedAfterErrand(way).into())
    }

    /// Notes that the owner or a delivery used the vault.
    pub(super) fn used(&mut self, at: Moment) {
        self.used_at = at.steady;
    }

    /// Returns when an unused vault locks itself, on the steady clock.
    pub(super) fn idle_at(&self, errand: bool) -> Option<i64> {
        let State::Open(by) = self.state else {
            return None;
        };
        let seconds = match self.rules.idle_seconds {
            0 if errand => ERRAND_IDLE_SECONDS,
            0 => return None,
            seconds => seconds,
        };
        // While the key has to stay in, pulling it is the sign.
        if self.rules.mode == Mode::Presence && by == OpenedBy::Key && !errand {
            return None;
        }
        Some(self.used_at.saturating_add(seconds))
    }

    pub(super) fn idle(&mut self, at: Moment) -> Vec<Effect> {
        let seconds = at.steady.saturating_sub(self.used_at);
        self.lock_for(at.wall, |way| {
            CustodyReply::LockedByIdle { seconds, way }.into()
        })
    }

    /// Notes that the vault is open. Returns whether that is news for the owner.
    pub(super) fn opened(&mut self, at: Moment) -> bool {
        let State::Opening(by) = self.state else {
            return false;
        };
        self.state = State::Open(by);
        self.open_since = Some(at.wall);
        self.record.locked_since = None;
        self.used_at = at.steady;
        self.was_without_key
    }

    /// Returns what to say once it is open: how it locks again, where the key may leave.
    pub(super) fn drawer_hint(&self) -> Option<Effect> {
        let by_key = self.opened_by() == Some(OpenedBy::Key);
        let may_leave = self.rules.mode == Mode::Drawer && by_key && self.key_is_in;
        let idle_seconds = self.rules.idle_seconds;
        may_leave.then(|| Effect::Say(CustodyReply::MayTakeOut { idle_seconds }.into()))
    }

    /// Notes that it did not open. Returns what it was tried with.
    pub(super) fn not_opened(&mut self, now: i64) -> Option<OpenedBy> {
        let State::Opening(by) = self.state else {
            return None;
        };
        self.shut(now);
        Some(by)
    }

    pub(super) fn ended(&mut self, now: i64) -> Vec<Effect> {
        let Some(by) = self.opened_by() else {
            return Vec::new();
        };
        self.shut(now);
        if self.record.restarts < MAX_RESTARTS && self.key_is_in && by == OpenedBy::Key {
            self.record.restarts += 1;
            self.state = State::Opening(by);
            return vec![Effect::Lock, Effect::Open];
        }
        let trouble = Reply::LockedByTrouble(self.way_in());
        vec![Effect::Lock, Effect::Say(trouble)]
    }

    /// A key was revoked, and the vault is to be opened anew under the new epoch.
    pub(super) fn begin_epoch(&mut self, was_code: bool, now: i64) -> Vec<Effect> {
        if was_code {
            self.rules.takes_codes = false;
        }
        let by = self.opened_by();
        self.shut(now);
        if self.key_is_in && by == Some(OpenedBy::Key) {
            self.state = State::Opening(OpenedBy::Key);
            return vec![Effect::Lock, Effect::Open];
        }
        let locked = Reply::LockedByCommand(self.way_in());
        vec![Effect::Lock, Effect::Say(locked)]
    }
}
