//! The keeper's part in trust: what lets a device in, what shuts it out, and what is told of it.
//!
//! Letting in and shutting out both ask a number back: a text alone may be forged by any device
//! that a phone encrypts to.

use super::{
    Effect, JobId, Keeper, Standing, Told,
    confirm::Task,
    devices::{self, Level, Listed, Named, News, tail},
    intake::Intake,
    moment::Moment,
    reply::{DeviceLine, DeviceReply, Reply, Revocation},
};

fn say(reply: DeviceReply) -> Effect {
    Effect::Say(Reply::Device(reply))
}

impl Keeper {
    pub(super) fn device_news(&mut self, news: News, now: i64) -> Vec<Effect> {
        match news {
            News::Pinned(device) => {
                let device = (device.id, device.fingerprint.as_str());
                self.owner.devices.set(device, Level::Pinned, now);
                self.owner.decided();
                Vec::new()
            }
            News::LookedUp(found) => self.looked_up(found, now),
            News::StickRevokes {
                fingerprints,
                unread,
            } => self.stick_revokes(&fingerprints, unread, now),
        }
    }

    /// Returns whether this fingerprint was shut out for good.
    #[must_use]
    pub fn is_shut_out(&self, fingerprint: &str) -> bool {
        self.owner.devices.is_shut_out(fingerprint)
    }

    /// Puts the files of a new device into the box.
    pub(super) fn hold_apart(&mut self, told: &Told, text: &str, now: i64) -> Vec<Effect> {
        let mut intakes = told.described(&self.zone, now);
        if let (Ok(link), true) = (omemo::media::MediaLink::parse(text), intakes.is_empty()) {
            let file = (text, link.name.as_str());
            let times = (told.sent_at, now);
            let intake = Intake::announced(&told.from.jid, told.job, told.blob, file, times);
            intakes.push(intake.asked_by(told.asker()));
        }
        let held = intakes.into_iter().map(|it| self.hold_one(told, it));
        let mut effects = held.collect::<Vec<_>>().concat();
        effects.extend(self.attached(told, now));
        effects
    }

    fn hold_one(&mut self, told: &Told, intake: Intake) -> Vec<Effect> {
        let device = told.from.id;
        // One that failed before was told already.
        let is_first =
            self.intakes.held_of(device).0 == 0 && self.owner.devices.lost_of(device) == 0;
        let tail = told.from.tail();
        let Some(mut effects) = self.intakes.hold_apart(device, intake) else {
            self.owner.devices.lost(device);
            let is_told = std::mem::replace(&mut self.box_full_told, true);
            let full = (!is_told).then(|| say(DeviceReply::BoxFull { tail }));
            return full.into_iter().collect();
        };
        if is_first {
            effects.push(say(DeviceReply::Held { tail }));
        }
        effects
    }

    /// Takes in what a device sent before it was let in.
    pub(super) fn release(&mut self, device: u32) -> Vec<Effect> {
        if !self.owner.devices.is_trusted(device) || self.intakes.held_of(device).0 == 0 {
            return Vec::new();
        }
        self.intakes.release(device, self.custody.is_open())
    }

    /// Counts the files of new devices that were given up.
    pub(super) fn count_lost(&mut self) {
        for device in self.intakes.take_lost() {
            self.owner.devices.lost(device);
        }
    }

    pub(super) fn list_devices(&self) -> Vec<Effect> {
        vec![say(DeviceReply::List(self.lines(|_| true)))]
    }

    pub(super) fn list_fingerprints(&self) -> Vec<Effect> {
        vec![say(DeviceReply::Fingerprints {
            own: self.owner.own.clone(),
            devices: self.lines(Level::is_trusted),
        })]
    }

    fn lines(&self, wanted: impl Fn(Level) -> bool) -> Vec<DeviceLine> {
        let phones = self.owner.devices.phones().iter();
        let phones = phones.filter(|phone| wanted(phone.level));
        let lines = phones.map(|phone| DeviceLine {
            id: phone.id,
            fingerprint: phone.fingerprint.clone(),
            level: phone.level,
            since: phone.since,
            heard_at: phone.heard_at,
            held: self.intakes.held_of(phone.id),
            lost: phone.lost,
        });
        lines.collect()
    }

    /// Asks whether a new device is to be let in.
    pub(super) fn ask_trust(&mut self, job: JobId, digits: &str, now: i64) -> Vec<Effect> {
        let devices = &self.owner.devices;
        let digits = digits.to_owned();
        let reply = match devices.named(&digits, |level| level == Level::New) {
            Named::One(fingerprint, _) => {
                let task = Task::Vouch {
                    fingerprint: fingerprint.clone(),
                };
                let held = self.held_of(&fingerprint);
                match self.confirmations.ask(job, task, now) {
                    Some(number) => DeviceReply::TrustAsk {
                        fingerprint,
                        held,
                        number,
                    },
                    None => return vec![Effect::Say(Reply::NotConfirmed)],
                }
            }
            Named::Several => DeviceReply::MoreDigits { digits },
            Named::Nobody => match devices.named(&digits, |_| true) {
                Named::One(fingerprint, Level::Revoked) => DeviceReply::IsRevoked {
                    tail: tail(&fingerprint),
                },
                Named::One(fingerprint, _) => DeviceReply::AlreadyTrusted {
                    tail: tail(&fingerprint),
                },
                Named::Several | Named::Nobody => DeviceReply::NoSuch { digits },
            },
        };
        vec![say(reply)]
    }

    /// Asks whether a device is to be shut out.
    pub(super) fn ask_revoke(&mut self, job: JobId, digits: &str, now: i64) -> Vec<Effect> {
        let devices = &self.owner.devices;
        let digits = digits.to_owned();
        let (fingerprint, level) = match devices.named(&digits, |it| it != Level::Revoked) {
            Named::One(fingerprint, level) => (fingerprint, level),
            Named::Several => return vec![say(DeviceReply::MoreDigits { digits })],
            Named::Nobody => {
                return vec![say(match devices.named(&digits, |_| true) {
                    Named::One(fingerprint, _) => DeviceReply::IsRevoked {
                        tail: tail(&fingerprint),
                    },
                    Named::Several | Named::Nobody => DeviceReply::NoSuch { digits },
                })];
            }
        };
        let asker = self.confirmations.asker(job);
        let is_asker = asker.is_some_and(|asker| devices.ids(&fingerprint).contains(&asker));
        let is_last = level.is_trusted() && devices.is_last(&fingerprint);
        let held = self.held_of(&fingerprint);
        let task = Task::Revoke {
            fingerprint: fingerprint.clone(),
        };
        let Some(number) = self.confirmations.ask(job, task, now) else {
            return vec![Effect::Say(Reply::NotConfirmed)];
        };
        vec![say(DeviceReply::RevokeAsk(Revocation {
            fingerprint,
            is_trusted: level.is_trusted(),
            held,
            is_asker,
            is_last,
            number,
        }))]
    }

    fn held_of(&self, fingerprint: &str) -> u64 {
        let ids = self.owner.devices.ids(fingerprint).into_iter();
        ids.map(|id| self.intakes.held_of(id).0).sum()
    }

    /// Lets a device in.
    pub(super) fn vouch(&mut self, fingerprint: &str, at: Moment) -> Vec<Effect> {
        let named = self.owner.devices.named(fingerprint, |it| it == Level::New);
        if !matches!(named, Named::One(..)) {
            let digits = tail(fingerprint);
            return vec![say(DeviceReply::NoSuch { digits })];
        }
        let held = self.held_of(fingerprint);
        let tail = tail(fingerprint);
        // Told to those that are trusted already; the new one gets an answer of its own.
        let mut effects = vec![say(DeviceReply::LetIn { tail, held })];
        for id in self.owner.devices.ids(fingerprint) {
            let jid = &self.owner.jid;
            let device = devices::device(jid, id, fingerprint, Standing::Quarantined);
            let devices = &mut self.owner.devices;
            devices.set((id, fingerprint), Level::Vouched, at.wall);
            devices.meet(id);
            let met = self.owner.meet(&device);
            effects.extend([Effect::Vouch(device), met]);
            effects.extend(self.release(id));
        }
        self.owner.decided();
        effects
    }

    /// Shuts a device out, and everybody else hears of it; the device itself only where it asked.
    pub(super) fn revoke(&mut self, fingerprint: &str, asker: u32, now: i64) -> Vec<Effect> {
        let reply = DeviceReply::Revoked {
            tail: tail(fingerprint),
            held: self.held_of(fingerprint),
            is_pinned: self.owner.devices.is_pinned(fingerprint),
            contacts: self.perhaps_confirmed_by(fingerprint),
        };
        let is_asker = self.owner.devices.ids(fingerprint).contains(&asker);
        let mut effects = self.shut_out(fingerprint, now);
        let place = if is_asker { 0 } else { effects.len() };
        effects.insert(place, say(reply));
        effects
    }

    fn shut_out(&mut self, fingerprint: &str, now: i64) -> Vec<Effect> {
        self.owner.devices.shut_out(fingerprint);
        let mut effects = Vec::new();
        for id in self.owner.devices.ids(fingerprint) {
            let jid = &self.owner.jid;
            let device = devices::device(jid, id, fingerprint, Standing::Trusted);
            let devices = &mut self.owner.devices;
            devices.set((id, fingerprint), Level::Revoked, now);
            self.confirmations.forget(id);
            effects.push(Effect::Revoke(device));
            effects.extend(self.intakes.turn_away(id));
            effects.extend(self.end_sending_of(id));
        }
        self.owner.decided();
        effects
    }

    /// Shuts out what the key stick lists; a list that was read before is no news.
    fn stick_revokes(&mut self, fingerprints: &[String], unread: usize, now: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let (mut tails, mut unknown) = (Vec::new(), 0);
        let mut contacts = Vec::new();
        for fingerprint in fingerprints {
            if self.owner.devices.is_shut_out(fingerprint) {
                continue;
            }
            if self.owner.devices.ids(fingerprint).is_empty() {
                unknown += usize::from(self.owner.devices.shut_out(fingerprint));
                continue;
            }
            tails.push(tail(fingerprint));
            if contacts.is_empty() {
                contacts = self.perhaps_confirmed_by(fingerprint);
            }
            effects.extend(self.shut_out(fingerprint, now));
        }
        let is_news = !tails.is_empty() || unknown > 0;
        let is_unread_told = std::mem::replace(&mut self.stick_told, true);
        if is_news || (unread > 0 && !is_unread_told) {
            effects.push(say(DeviceReply::RevokedByStick {
                tails,
                unknown,
                unread,
                contacts,
            }));
        }
        effects
    }

    /// A phone also encrypts to these devices.
    pub(super) fn read_by(&mut self, readers: &[u32], now: i64) -> Option<Effect> {
        let unknown = self.owner.devices.unknown_readers(readers, now);
        (!unknown.is_empty()).then_some(Effect::LookUp(unknown))
    }

    fn looked_up(&mut self, found: Vec<(u32, Listed)>, now: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (device, listed) in found {
            if listed == Listed::AsOwners {
                self.owner.devices.is_owners(device, now);
            }
            effects.push(say(DeviceReply::Reader { device, listed }));
        }
        effects
    }
}
