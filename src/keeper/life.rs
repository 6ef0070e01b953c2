//! What becomes of messages that do not open, of devices that show another key, and of our own
//! place among the devices: told once, mended seldom, never left in silence.
//!
//! It knows no ciphers and no sessions; the event loop repairs and publishes.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::listing::Listing;
use super::{
    Effect, Keeper,
    moment::Moment,
    reply::{LifeReply, Reply},
};

mod listing;

/// Least seconds between two requests to send again.
const UNREAD_PAUSE_SECONDS: i64 = 10 * 60;
/// Least seconds between two repairs of the session with one device.
const REPAIR_PAUSE_SECONDS: i64 = 24 * 60 * 60;
/// Longest wait for a repair before the owner is asked without it, in seconds.
const REPAIR_WAIT_SECONDS: i64 = 60;
/// Most devices remembered for either reason.
const MAX_DEVICES: usize = 64;

/// What has to outlive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Messages of the owner that did not open and that the owner was not told of.
    unread: Option<Unread>,
    /// When the session with a device was last repaired, in seconds since 1970.
    repaired: Vec<(u32, i64)>,
    /// Devices whose other key was told.
    changed: Vec<u32>,
    /// Whether the owner is to be told that we are a new device.
    reborn: bool,
}

impl Record {
    /// Notes that an old copy of the state was put back and that we go on as a new device.
    #[must_use]
    pub fn reborn(self) -> Self {
        Self {
            reborn: true,
            unread: None,
            ..self
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Unread {
    count: u32,
    /// When the first of them was sent, in seconds since 1970.
    sent_at: i64,
}

/// A message that could not be decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Bare address of the sender.
    pub jid: String,
    /// The device that claims to have sent it, if it is one that we speak with.
    pub device: Option<u32>,
    /// Whether that device is trusted, or whether the owner is to be told whoever it is.
    pub trusted: bool,
    /// Whether it had content, which is now missing.
    pub had_content: bool,
    /// When it was sent, in seconds since 1970.
    pub sent_at: i64,
    /// Whether the archive is being read, or was not read yet.
    pub catching_up: bool,
}

/// What the keeper is told of these matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A message for us could not be decrypted.
    Unreadable(Unreadable),
    /// The archive is read to its end, or there is none.
    CaughtUp,
    /// A repair of the session with a device of the owner came to its end, well or not.
    Repaired {
        /// Its OMEMO device id.
        device: u32,
    },
    /// A trusted device of the owner shows another identity key than before.
    IdentityChanged {
        /// Its OMEMO device id.
        device: u32,
    },
    /// Our own device list does not name us.
    Unlisted,
}

/// The state of these matters.
#[derive(Debug, Default)]
pub(super) struct Life {
    record: Record,
    saved: Record,
    /// The archive is being read.
    is_behind: bool,
    /// Devices whose messages do not open.
    broken: BTreeSet<u32>,
    /// Devices that are being repaired, with when that began, on the steady clock.
    repairing: BTreeMap<u32, i64>,
    /// When this run began the last repair of a device, on the steady clock.
    repaired_here: BTreeMap<u32, i64>,
    /// When this run last asked to send again, on the steady clock.
    asked_here: Option<i64>,
    listing: Listing,
}

impl Life {
    pub(super) fn new(record: Record) -> Self {
        Self {
            saved: record.clone(),
            record,
            ..Self::default()
        }
    }

    fn note(&mut self, what: &Unreadable) {
        self.is_behind |= what.catching_up;
        if what.had_content {
            let unread = self.record.unread.get_or_insert(Unread {
                count: 0,
                sent_at: what.sent_at,
            });
            unread.count = unread.count.saturating_add(1);
        }
        if let Some(device) = what.device
            && self.broken.len() < MAX_DEVICES
        {
            self.broken.insert(device);
        }
    }

    /// Begins the repairs that are allowed.
    fn repair(&mut self, at: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        for device in std::mem::take(&mut self.broken) {
            if !self.may_repair(device, at) {
                continue;
            }
            self.repairing.insert(device, at.steady);
            self.repaired_here.insert(device, at.steady);
            self.record.repaired.retain(|(it, _)| *it != device);
            self.record.repaired.push((device, at.wall));
            if self.record.repaired.len() > MAX_DEVICES {
                self.record.repaired.remove(0);
            }
            effects.push(Effect::Repair(device));
        }
        effects
    }

    fn may_repair(&self, device: u32, at: Moment) -> bool {
        if let Some(then) = self.repaired_here.get(&device) {
            return at.steady.saturating_sub(*then) >= REPAIR_PAUSE_SECONDS;
        }
        let mut earlier = self.record.repaired.iter();
        let earlier = earlier.find(|(it, _)| *it == device);
        earlier.is_none_or(|(_, then)| is_over(*then, REPAIR_PAUSE_SECONDS, at.wall))
    }

    /// Returns the request to send again, if it is time for one. It waits for repairs, so that it
    /// goes out in the session that works.
    fn ask(&mut self, asked_at: &mut Option<i64>, at: Moment) -> Option<Reply> {
        self.repairing
            .retain(|_, began| at.steady.saturating_sub(*began) < REPAIR_WAIT_SECONDS);
        let is_due = match self.asked_here {
            Some(then) => at.steady.saturating_sub(then) >= UNREAD_PAUSE_SECONDS,
            None => asked_at.is_none_or(|then| is_over(then, UNREAD_PAUSE_SECONDS, at.wall)),
        };
        if self.is_behind || !self.repairing.is_empty() || !is_due {
            return None;
        }
        let Unread { count, sent_at } = self.record.unread.take()?;
        self.asked_here = Some(at.steady);
        *asked_at = Some(at.wall);
        Some(Reply::Life(LifeReply::Unreadable {
            count,
            sent_at,
            now: at.wall,
        }))
    }

    /// Returns what is to be written down, if anything of it changed.
    fn unsaved(&mut self) -> Option<Effect> {
        if self.record == self.saved {
            return None;
        }
        self.saved = self.record.clone();
        Some(Effect::SaveLife(self.record.clone()))
    }

    pub(super) fn next_tick(&self) -> Option<i64> {
        let waits = self.repairing.values().min();
        let waits = waits.map(|began| began.saturating_add(REPAIR_WAIT_SECONDS));
        [waits, self.listing.next()].into_iter().flatten().min()
    }
}

/// Returns whether a pause that began at `then` is over. A clock that was set back ends it.
fn is_over(then: i64, pause: i64, now: i64) -> bool {
    !(0..pause).contains(&now.saturating_sub(then))
}

impl Keeper {
    /// Takes up what the last run remembered of the lives of devices.
    #[must_use]
    pub fn with_life(mut self, record: Record) -> Self {
        self.life = Life::new(record);
        self
    }

    pub(super) fn heard_life(&mut self, news: &News, at: Moment) -> Vec<Effect> {
        match news {
            News::Unreadable(what) if what.trusted && self.owner.is(&what.jid) => {
                self.life.note(what);
                Vec::new()
            }
            News::Unreadable(_) => Vec::new(),
            News::CaughtUp => self.caught_up(),
            News::Repaired { device } => {
                self.life.repairing.remove(device);
                Vec::new()
            }
            News::IdentityChanged { device } => self.identity_changed(*device),
            News::Unlisted => {
                self.life.listing.lost(at);
                Vec::new()
            }
        }
    }

    /// Archive and lists are read to their ends.
    fn caught_up(&mut self) -> Vec<Effect> {
        self.life.is_behind = false;
        if !std::mem::take(&mut self.life.record.reborn) {
            return Vec::new();
        }
        let ours = self.owner.own_tail().to_owned();
        vec![Effect::Say(Reply::Life(LifeReply::Reborn { ours }))]
    }

    /// A device of the owner shows another key than before, and is refused.
    fn identity_changed(&mut self, device: u32) -> Vec<Effect> {
        let changed = &mut self.life.record.changed;
        if changed.contains(&device) {
            return Vec::new();
        }
        changed.push(device);
        if changed.len() > MAX_DEVICES {
            changed.remove(0);
        }
        vec![Effect::Say(Reply::Life(LifeReply::IdentityChanged {
            device,
        }))]
    }

    /// Does what is due after anything happened.
    pub(super) fn follow_life(&mut self, at: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        let due = self.life.listing.due(at);
        if due.alarm {
            effects.push(Effect::Say(Reply::Life(LifeReply::Unlisted)));
        }
        if due.announce {
            effects.push(Effect::Announce);
        }
        if !self.life.is_behind {
            effects.extend(self.life.repair(at));
        }
        let asked = self.life.ask(&mut self.unreadable_at, at);
        effects.extend(asked.map(Effect::Say));
        effects.extend(self.life.unsaved());
        effects
    }
}

#[cfg(test)]
mod tests;
