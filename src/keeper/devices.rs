//! The owner's devices: how far each is let in, since when, and who was shut out for good.
//!
//! Fingerprints are text here, and trust is a word: OMEMO has authenticated the device before, and
//! `state` keeps what was decided about it. Knows no sentences.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{Device, Standing, is_due};

/// Devices that may wait to be let in; more are not even noted.
pub const MAX_WAITING: usize = 16;
/// Fewest digits that name a device.
pub const MIN_DIGITS: usize = 4;
/// Digits of a whole fingerprint.
const ALL_DIGITS: usize = 64;
/// Fingerprints that may be shut out; each takes a confirmed number, or a line on the stick.
const MAX_REVOKED: usize = 1_000;
/// Ids that are remembered of devices that the owner's phones also encrypt to.
const MAX_READERS: usize = 64;
/// Of these, as many are looked up in a day: a server can put any number into a message.
pub const MAX_LOOKED_UP: usize = 8;
/// Least time between two sentences about the same thing, in seconds.
const DAY_SECONDS: i64 = 24 * 60 * 60;
/// How exactly it is remembered when a device was last heard, in seconds.
const HEARD_SECONDS: i64 = 60 * 60;

/// The vault's own OMEMO device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// Bare address.
    pub jid: String,
    /// OMEMO device id.
    pub device: u32,
    /// Fingerprint of its identity key: 64 lower-case hex digits.
    pub fingerprint: String,
}

impl Own {
    /// Returns the last 8 hex digits of the fingerprint.
    #[must_use]
    pub fn tail(&self) -> String {
        tail(&self.fingerprint)
    }
}

/// Writes the address that apps scan, which carries the fingerprint.
impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            jid,
            device,
            fingerprint,
        } = self;
        write!(f, "xmpp:{jid}?omemo-sid-{device}={fingerprint}")
    }
}

/// Returns the last 8 hex digits, which people compare.
#[must_use]
pub fn tail(fingerprint: &str) -> String {
    fingerprint.get(56..).unwrap_or_default().to_owned()
}

/// How far a device is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// In quarantine: nobody has decided.
    New,
    /// By a one-time code.
    Paired,
    /// By a device that was trusted before.
    Vouched,
    /// By the settings.
    Pinned,
    /// Shut out for good.
    Revoked,
}

impl Level {
    /// Returns whether the device may command.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        match self {
            Self::Paired | Self::Vouched | Self::Pinned => true,
            Self::New | Self::Revoked => false,
        }
    }
}

/// A device about which something was decided, as `state` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// OMEMO device id.
    pub id: u32,
    /// Fingerprint: 64 lower-case hex digits.
    pub fingerprint: String,
    /// What was decided.
    pub level: Level,
    /// When it was first seen, in seconds since 1970.
    pub since: i64,
}

/// What is remembered of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// OMEMO device id.
    pub id: u32,
    /// Fingerprint: 64 lower-case hex digits.
    pub fingerprint: String,
    /// How far it is let in.
    pub level: Level,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// When it last wrote, to the hour, in seconds since 1970.
    pub heard_at: Option<i64>,
    /// Whether both fingerprints were shown to it.
    pub is_met: bool,
    /// When it was last told that it is not let in, in seconds since 1970.
    pub told_at: Option<i64>,
    /// Files it sent while it was new, and that were not kept.
    pub lost: u32,
}

/// Where a device stands that the owner's phone also encrypts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// On the vault's own device list, and it is not the vault.
    AsOurs,
    /// On the owner's device list.
    AsOwners,
    /// On neither.
    Nowhere,
}

/// News of the owner's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A device with a fingerprint of the settings is spoken to before it ever wrote.
    Pinned(Device),
    /// On whose device list the ids of [`Effect::LookUp`](super::Effect::LookUp) are.
    LookedUp(Vec<(u32, Listed)>),
    /// The key device that opens the vault lists devices to be shut out.
    StickRevokes {
        /// Their fingerprints: 64 lower-case hex digits each.
        fingerprints: Vec<String>,
        /// Lines that are no fingerprint.
        unread: usize,
    },
}

/// When a device that the owner's phone also encrypts to was last looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reader {
    at: i64,
    /// It is one of the owner's account: said once.
    is_owners: bool,
}

/// What outlives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    phones: Vec<Phone>,
    /// Fingerprints that are shut out for good.
    revoked: BTreeSet<String>,
    /// Fingerprints that the settings had at the last start.
    pins: Vec<String>,
    readers: BTreeMap<u32, Reader>,
}

/// What digits name.
pub(super) enum Named {
    /// Exactly this fingerprint.
    One(String, Level),
    /// More than one.
    Several,
    /// None.
    Nobody,
}

/// What is to be told of a device that nobody has decided about.
pub(super) enum Newcomer {
    /// It is seen for the first time: the owner has to know.
    First,
    /// It was seen before, and is told so if it is due.
    Again { tell: bool },
    /// Too many wait already.
    TooMany,
}

/// All devices of the owner.
pub(super) struct Devices {
    record: Record,
    known: Vec<Known>,
    pins: Vec<String>,
}

impl Devices {
    pub(super) fn new(known: Vec<Known>, pins: Vec<String>) -> Self {
        let mut devices = Self {
            record: Record::default(),
            known,
            pins,
        };
        devices.restore(Record::default());
        devices
    }

    /// Takes up what the last run remembered. What `state` has of a device goes before it.
    pub(super) fn restore(&mut self, record: Record) {
        self.record = record;
        for known in std::mem::take(&mut self.known) {
            let found = self.record.phones.iter_mut().find(|it| it.id == known.id);
            match found {
                Some(phone) if phone.fingerprint == known.fingerprint => phone.level = known.level,
                _ => self.record.phones.push(Phone {
                    id: known.id,
                    level: known.level,
                    since: known.since,
                    heard_at: None,
                    is_met: true,
                    told_at: None,
                    lost: 0,
                    fingerprint: known.fingerprint.clone(),
                }),
            }
            if known.level == Level::Revoked {
                self.record.revoked.insert(known.fingerprint.clone());
            }
            self.known.push(known);
        }
        // A line that was there when the device was revoked does not bring it back; a new one does.
        let before = std::mem::replace(&mut self.record.pins, self.pins.clone());
        for pin in self.pins.iter().filter(|pin| !before.contains(pin)) {
            self.record.revoked.remove(pin);
        }
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    pub(super) fn phones(&self) -> &[Phone] {
        &self.record.phones
    }

    pub(super) fn is_pinned(&self, fingerprint: &str) -> bool {
        self.pins.iter().any(|pin| pin == fingerprint)
    }

    /// Returns whether this fingerprint was shut out for good.
    pub(super) fn is_shut_out(&self, fingerprint: &str) -> bool {
        self.record.revoked.contains(fingerprint)
    }

    pub(super) fn has_trusted(&self) -> bool {
        self.record.phones.iter().any(|it| it.level.is_trusted())
    }

    /// Returns whether this is the only fingerprint that may command.
    pub(super) fn is_last(&self, fingerprint: &str) -> bool {
        let mut trusted = self.record.phones.iter().filter(|it| it.level.is_trusted());
        trusted.all(|it| it.fingerprint == fingerprint)
    }

    pub(super) fn is_trusted(&self, id: u32) -> bool {
        let found = self.record.phones.iter().find(|it| it.id == id);
        found.is_some_and(|it| it.level.is_trusted())
    }

    /// Returns the ids under which a fingerprint is known.
    pub(super) fn ids(&self, fingerprint: &str) -> Vec<u32> {
        let phones = self.record.phones.iter();
        let same = phones.filter(|it| it.fingerprint == fingerprint);
        same.map(|it| it.id).collect()
    }

    /// Takes note that a device is let in, or shut out.
    pub(super) fn set(&mut self, device: (u32, &str), level: Level, now: i64) {
        let (id, fingerprint) = device;
        let phones = &mut self.record.phones;
        phones.retain(|it| it.id != id || it.fingerprint == fingerprint);
        if let Some(phone) = phones.iter_mut().find(|it| it.id == id) {
            if phone.level != level {
                phone.level = level;
                phone.since = now;
            }
        } else {
            phones.push(Phone {
                id,
                fingerprint: fingerprint.to_owned(),
                level,
                since: now,
                heard_at: None,
                is_met: false,
                told_at: None,
                lost: 0,
            });
        }
        if level == Level::Revoked {
            self.shut_out(fingerprint);
        }
    }

    /// Shuts a fingerprint out, known or not. Returns whether that is new.
    pub(super) fn shut_out(&mut self, fingerprint: &str) -> bool {
        let is_full = self.record.revoked.len() >= MAX_REVOKED;
        !is_full && self.record.revoked.insert(fingerprint.to_owned())
    }

    /// Takes note that a trusted device wrote. Returns whether both fingerprints are still to be
    /// shown to it.
    pub(super) fn heard(&mut self, device: &Device, now: i64) -> bool {
        if !self.record.phones.iter().any(|it| it.id == device.id) {
            // Trusted before there was a record of it.
            self.set((device.id, &device.fingerprint), Level::Paired, now);
            self.meet(device.id);
        }
        let phones = &mut self.record.phones;
        let Some(phone) = phones.iter_mut().find(|it| it.id == device.id) else {
            return false;
        };
        is_due(&mut phone.heard_at, HEARD_SECONDS, now);
        !std::mem::replace(&mut phone.is_met, true)
    }

    /// Takes note that both fingerprints were shown to a device.
    pub(super) fn meet(&mut self, id: u32) {
        for phone in self.record.phones.iter_mut().filter(|it| it.id == id) {
            phone.is_met = true;
        }
    }

    /// Takes note that a device wrote about which nothing was decided.
    pub(super) fn came(&mut self, device: &Device, now: i64) -> Newcomer {
        let phones = &mut self.record.phones;
        if let Some(phone) = phones.iter_mut().find(|it| it.id == device.id)
            && phone.fingerprint == device.fingerprint
        {
            is_due(&mut phone.heard_at, HEARD_SECONDS, now);
            let tell = is_due(&mut phone.told_at, DAY_SECONDS, now);
            return Newcomer::Again { tell };
        }
        let waiting = phones.iter().filter(|it| it.level == Level::New).count();
        if waiting >= MAX_WAITING {
            return Newcomer::TooMany;
        }
        self.set((device.id, &device.fingerprint), Level::New, now);
        let Some(phone) = self.record.phones.last_mut() else {
            return Newcomer::TooMany;
        };
        (phone.heard_at, phone.told_at) = (Some(now), Some(now));
        Newcomer::First
    }

    /// Returns how many files of a device were not kept.
    pub(super) fn lost_of(&self, id: u32) -> u32 {
        let found = self.record.phones.iter().find(|it| it.id == id);
        found.map_or(0, |it| it.lost)
    }

    /// Counts a file of a new device that was not kept.
    pub(super) fn lost(&mut self, id: u32) {
        for phone in self.record.phones.iter_mut().filter(|it| it.id == id) {
            phone.lost = phone.lost.saturating_add(1);
        }
    }

    /// Returns which fingerprint ends in these digits, among those that `wanted` takes.
    pub(super) fn named(&self, digits: &str, wanted: impl Fn(Level) -> bool) -> Named {
        let mut found = self
            .record
            .phones
            .iter()
            .filter(|it| wanted(it.level) && it.fingerprint.ends_with(digits));
        let Some(first) = found.next() else {
            return Named::Nobody;
        };
        if found.any(|it| it.fingerprint != first.fingerprint) {
            return Named::Several;
        }
        Named::One(first.fingerprint.clone(), first.level)
    }

    /// Returns the fewest last digits that name this device among those that wait.
    pub(super) fn digits(&self, fingerprint: &str) -> String {
        let is_new = |level| level == Level::New;
        let suffixes = (MIN_DIGITS..ALL_DIGITS)
            .filter_map(|length| fingerprint.get(ALL_DIGITS.saturating_sub(length)..));
        let mut unique =
            suffixes.filter(|digits| !matches!(self.named(digits, is_new), Named::Several));
        unique.next().unwrap_or(fingerprint).to_owned()
    }

    /// Returns which of the devices that a message was also encrypted for are to be looked up:
    /// those that nobody knows, once a day.
    pub(super) fn unknown_readers(&mut self, readers: &[u32], now: i64) -> Vec<u32> {
        let mut wanted = Vec::new();
        let is_recent = |it: &&Reader| (0..DAY_SECONDS).contains(&now.saturating_sub(it.at));
        let recent = self.record.readers.values().filter(is_recent).count();
        let most = MAX_LOOKED_UP.saturating_sub(recent);
        for id in readers {
            if wanted.len() >= most || self.record.phones.iter().any(|it| it.id == *id) {
                continue;
            }
            let known = self.record.readers.get(id);
            let mut last = known.map(|it| it.at);
            if known.is_some_and(|it| it.is_owners) || !is_due(&mut last, DAY_SECONDS, now) {
                continue;
            }
            self.note_reader(*id, now, false);
            wanted.push(*id);
        }
        wanted
    }

    /// Takes note that a device is one of the owner's account, of which is spoken once.
    pub(super) fn is_owners(&mut self, id: u32, now: i64) {
        self.note_reader(id, now, true);
    }

    fn note_reader(&mut self, id: u32, at: i64, is_owners: bool) {
        let readers = &mut self.record.readers;
        if readers.len() >= MAX_READERS && !readers.contains_key(&id) {
            let oldest = readers.iter().min_by_key(|(_, it)| it.at);
            if let Some(oldest) = oldest.map(|(id, _)| *id) {
                readers.remove(&oldest);
            }
        }
        readers.insert(id, Reader { at, is_owners });
    }
}

/// Makes a device again of what is remembered of it.
pub(super) fn device(jid: &str, id: u32, fingerprint: &str, standing: Standing) -> Device {
    Device {
        jid: jid.to_owned(),
        id,
        fingerprint: fingerprint.to_owned(),
        standing,
    }
}

/// Reads the last digits of a fingerprint as people type them: `8c1f`, `…8c1f`, `8C1F 0A2B`.
pub(super) fn read_digits(typed: &str) -> Option<String> {
    let mut digits = String::new();
    for character in typed.trim().trim_start_matches(['…', '.']).chars() {
        match character {
            '0'..='9' | 'a'..='f' | 'A'..='F' => digits.push(character.to_ascii_lowercase()),
            ' ' | ':' | '-' => {}
            _ => return None,
        }
    }
    (MIN_DIGITS..=ALL_DIGITS)
        .contains(&digits.len())
        .then_some(digits)
}
