//! Other people, to whom the owner has files sent: which devices of theirs the owner has confirmed,
//! and what is sent to those alone.
//!
//! A confirmed device may be written to and nothing else: what it writes is silence, as of any
//! stranger. Knows no network and no keys: fingerprints are text here.

use std::collections::{BTreeMap, VecDeque};

use omemo::Namespace;

use super::{
    Asker, Effect, JobId, Keeper, Told,
    command::{Command, Pick},
    confirm::Task,
    devices::tail,
    moment::Moment,
    reply::{ContactLine, ContactReply, Reply, WayIn},
};

mod ends;

/// Most people whose devices are remembered.
pub const MAX_CONTACTS: usize = 100;
/// Most devices of one account that anybody is asked to compare.
pub const MAX_DEVICES: usize = 12;
/// Most wishes that wait for somebody's device list.
const MAX_PENDING: usize = 8;

/// What the owner wants of other people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Send files to somebody.
    Send {
        /// Which entries.
        picks: Vec<Pick>,
        /// The bare address.
        jid: String,
    },
    /// Send files to somebody whose devices were just looked up; never read from a line.
    Deliver {
        /// Which entries.
        picks: Vec<Pick>,
        /// The bare address.
        jid: String,
    },
    /// Say whose devices are confirmed.
    List,
    /// Forget the devices of somebody.
    Forget {
        /// The bare address.
        jid: String,
    },
}

/// A device as its account shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// OMEMO device id.
    pub id: u32,
    /// Fingerprint: 64 lower-case hex digits.
    pub fingerprint: String,
    /// The namespace it is written to in.
    pub namespace: Namespace,
}

/// Files that go to devices which are confirmed, once a number is sent back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// The bare address.
    pub jid: String,
    /// Which entries.
    pub picks: Vec<Pick>,
    /// Devices that nobody has confirmed; they are asked about afterwards.
    pub fresh: Vec<Shown>,
    /// How many devices showed no key.
    pub without_key: usize,
}

/// A device that the owner has confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// OMEMO device id.
    pub id: u32,
    /// Fingerprint: 64 lower-case hex digits.
    pub fingerprint: String,
    /// The namespace it is written to in; `None` while its account does not list it.
    pub namespace: Option<Namespace>,
    /// When it was confirmed, in seconds since 1970.
    pub since: i64,
}

/// Something the event loop is to do for other people's sake.
///
/// Not `Debug`: a file comes with its key.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Find out which devices an account has; [`News::Found`] tells them.
    LookUp {
        /// Its bare address.
        jid: String,
    },
    /// Write which devices of somebody are confirmed, and begin sessions with those that are listed.
    Save {
        /// The bare address.
        jid: String,
        /// All of them.
        devices: Vec<Recipient>,
    },
    /// Forget all that is known of somebody's devices, and what is not sent yet.
    Forget {
        /// The bare address.
        jid: String,
    },
    /// Send a file to the confirmed devices of somebody; [`News::Handed`] tells when it is on its way.
    Send {
        /// The bare address.
        jid: String,
        /// The entries in it.
        numbers: Vec<u64>,
        /// The file, as a phone is told of it.
        file: Box<Reply>,
    },
}

impl Act {
    /// Returns whether it belongs to the step's own transaction.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        match self {
            Self::LookUp { .. } => false,
            Self::Save { .. } | Self::Forget { .. } | Self::Send { .. } => true,
        }
    }
}

/// What was heard of other people's accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// The devices of an account.
    Found {
        /// Its bare address.
        jid: String,
        /// Those whose key could be had.
        devices: Vec<Shown>,
        /// Those whose key could not be had.
        without_key: Vec<u32>,
    },
    /// An account lists more devices than anybody would compare.
    TooMany {
        /// Its bare address.
        jid: String,
        /// How many.
        devices: usize,
    },
    /// The account's server did not answer, or refused.
    NotFound {
        /// The bare address.
        jid: String,
    },
    /// Our server has taken what was sent.
    Handed {
        /// The bare address.
        jid: String,
        /// The entries in it.
        numbers: Vec<u64>,
    },
    /// A server gave back what was sent.
    Bounced {
        /// The bare address.
        jid: String,
        /// The entries in it.
        numbers: Vec<u64>,
    },
}

/// A wish that waits for a device list.
struct Pending {
    job: JobId,
    jid: String,
    picks: Vec<Pick>,
    asker: Option<Asker>,
}

/// All that is known of other people.
#[derive(Default)]
pub(super) struct Contacts {
    known: BTreeMap<String, Vec<Recipient>>,
    pending: VecDeque<Pending>,
}

/// What a device list means beside what was confirmed.
struct Judged {
    /// The confirmed device that shows another key now: its id, what was confirmed, what is shown.
    swapped: Option<(u32, String, String)>,
    /// Those that nobody has confirmed.
    fresh: Vec<Shown>,
    /// Whether any confirmed one is listed.
    is_any_confirmed: bool,
}

impl Contacts {
    fn judge(&self, jid: &str, shown: Vec<Shown>, without_key: &[u32]) -> Judged {
        let known = self.known.get(jid).map(Vec::as_slice).unwrap_or_default();
        let of = |id: u32| known.iter().find(|it| it.id == id);
        let swapped = shown.iter().find_map(|it| {
            let known = of(it.id).filter(|known| known.fingerprint != it.fingerprint)?;
            Some((it.id, known.fingerprint.clone(), it.fingerprint.clone()))
        });
        let listed = shown.iter().map(|it| &it.id).chain(without_key);
        let is_any_confirmed = listed.into_iter().any(|id| of(*id).is_some());
        let fresh = shown.into_iter().filter(|it| of(it.id).is_none());
        Judged {
            swapped,
            fresh: fresh.collect(),
            is_any_confirmed,
        }
    }

    /// Takes note of what an account lists of the devices that were confirmed. One whose key could
    /// not be had is written to as before: nobody else can read that.
    fn refresh(&mut self, jid: &str, shown: &[Shown], without_key: &[u32]) -> Option<Effect> {
        let known = self.known.get_mut(jid)?;
        for device in known.iter_mut() {
            let listed = shown.iter().find(|it| it.id == device.id);
            if !without_key.contains(&device.id) {
                device.namespace = listed.map(|it| it.namespace);
            }
        }
        Some(save(jid, known))
    }

    /// Adds devices to those that are confirmed; `None` where there are too many people already.
    fn confirm(&mut self, jid: &str, fresh: Vec<Shown>, now: i64) -> Option<Effect> {
        if !self.known.contains_key(jid) && self.known.len() >= MAX_CONTACTS {
            return None;
        }
        let known = self.known.entry(jid.to_owned()).or_default();
        for device in fresh {
            known.retain(|it| it.id != device.id);
            known.push(Recipient {
                id: device.id,
                fingerprint: device.fingerprint,
                namespace: Some(device.namespace),
                since: now,
            });
        }
        Some(save(jid, known))
    }

    /// Returns how many confirmed devices of somebody are listed.
    fn listed(&self, jid: &str) -> usize {
        let known = self.known.get(jid).map(Vec::as_slice).unwrap_or_default();
        known.iter().filter(|it| it.namespace.is_some()).count()
    }

    /// Returns whether every device of somebody that is listed reads descriptions of files.
    pub(super) fn read_descriptions(&self, jid: &str) -> bool {
        let known = self.known.get(jid).map(Vec::as_slice).unwrap_or_default();
        let mut listed = known.iter().filter_map(|it| it.namespace).peekable();
        listed.peek().is_some() && listed.all(|it| it == Namespace::Omemo2)
    }

    fn take_pending(&mut self, jid: &str) -> Vec<Pending> {
        let pending = std::mem::take(&mut self.pending).into_iter();
        let (taken, left): (Vec<_>, Vec<_>) = pending.partition(|it| it.jid == jid);
        self.pending = left.into();
        taken
    }
}

fn save(jid: &str, devices: &[Recipient]) -> Effect {
    Effect::Contact(Act::Save {
        jid: jid.to_owned(),
        devices: devices.to_vec(),
    })
}

fn say(reply: ContactReply) -> Effect {
    Effect::Say(Reply::Contact(reply))
}

impl Keeper {
    /// Takes up which devices of other people are confirmed.
    #[must_use]
    pub fn with_contacts(mut self, known: impl IntoIterator<Item = (String, Recipient)>) -> Self {
        for (jid, device) in known {
            self.contacts.known.entry(jid).or_default().push(device);
        }
        self
    }

    /// Obeys a wish about other people.
    pub(super) fn contact(&mut self, job: JobId, wish: Wish, at: Moment) -> Vec<Effect> {
        match wish {
            Wish::Send { picks, jid } => self.look_up_contact(job, picks, jid),
            Wish::Deliver { .. } => {
                let command = Command::Contact(wish);
                // While it is being opened the question waits.
                if self.custody.way_in() == WayIn::Wait {
                    self.deliveries.ask(job, command)
                } else {
                    self.need(job, &command, at)
                }
            }
            Wish::List => vec![say(ContactReply::List(self.contact_lines()))],
            Wish::Forget { jid } => self.forget_contact(jid),
        }
    }

    fn look_up_contact(&mut self, job: JobId, picks: Vec<Pick>, jid: String) -> Vec<Effect> {
        if self.owner.is(&jid) {
            return vec![say(ContactReply::ThatIsYou)];
        }
        if self.owner.own.jid == jid {
            return vec![say(ContactReply::ThatIsMe)];
        }
        let pending = &mut self.contacts.pending;
        if pending.len() >= MAX_PENDING {
            pending.pop_front();
        }
        pending.push_back(Pending {
            job,
            jid: jid.clone(),
            picks,
            asker: self.deliveries.last_asker(),
        });
        vec![Effect::Contact(Act::LookUp { jid })]
    }

    fn contact_lines(&self) -> Vec<ContactLine> {
        let known = self.contacts.known.iter();
        let lines = known.map(|(jid, devices)| ContactLine {
            jid: jid.clone(),
            tails: devices.iter().map(|it| tail(&it.fingerprint)).collect(),
            since: devices.iter().map(|it| it.since).min().unwrap_or_default(),
        });
        lines.collect()
    }

    pub(super) fn heard_of_contact(&mut self, news: News, at: Moment) -> Vec<Effect> {
        match news {
            News::Found {
                jid,
                devices,
                without_key,
            } => self.contact_found(&jid, &devices, &without_key, at),
            News::TooMany { jid, devices } => {
                self.pending_end(&jid, |jid| ContactReply::TooManyDevices { jid, devices })
            }
            News::NotFound { jid } => self.pending_end(&jid, |jid| ContactReply::NotFound { jid }),
            News::Handed { jid, numbers } => vec![say(ContactReply::Sent { jid, numbers })],
            News::Bounced { jid, numbers } => vec![say(ContactReply::Bounced { jid, numbers })],
        }
    }

    fn pending_end(&mut self, jid: &str, reply: impl Fn(String) -> ContactReply) -> Vec<Effect> {
        let ended = !self.contacts.take_pending(jid).is_empty();
        let said = ended.then(|| say(reply(jid.to_owned())));
        said.into_iter().collect()
    }

    fn contact_found(
        &mut self,
        jid: &str,
        shown: &[Shown],
        without_key: &[u32],
        at: Moment,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        for pending in self.contacts.take_pending(jid) {
            let more = self.send_to_found(pending, shown, without_key, at);
            effects.extend(more);
        }
        effects
    }

    /// Sends to the devices that are confirmed, and asks about the others.
    fn send_to_found(
        &mut self,
        pending: Pending,
        shown: &[Shown],
        without_key: &[u32],
        at: Moment,
    ) -> Vec<Effect> {
        let Pending {
            job,
            jid,
            picks,
            asker,
        } = pending;
        let judged = self.contacts.judge(&jid, shown.to_vec(), without_key);
        if let Some((device, was, is)) = judged.swapped {
            let (was, is) = (tail(&was), tail(&is));
            return vec![say(ContactReply::Swapped {
                jid,
                device,
                was,
                is,
            })];
        }
        let mut effects = Vec::new();
        if judged.is_any_confirmed {
            effects.extend(self.contacts.refresh(&jid, shown, without_key));
            // There, any device that the phone writes to can forge words.
            if asker.is_none_or(|it| it.namespace == Namespace::Legacy) {
                let unsent = Unsent {
                    jid,
                    picks,
                    fresh: judged.fresh,
                    without_key: without_key.len(),
                };
                effects.push(self.ask_to_send(job, unsent, at.wall));
                return effects;
            }
            if let Some(asker) = asker {
                self.deliveries.hear(asker);
            }
            let (picks, jid) = (picks.clone(), jid.clone());
            effects.extend(self.contact(job, Wish::Deliver { picks, jid }, at));
        }
        if judged.fresh.is_empty() {
            if !judged.is_any_confirmed && without_key.is_empty() {
                effects.push(say(ContactReply::NoDevices { jid }));
            } else if !judged.is_any_confirmed {
                effects.push(say(ContactReply::NotFound { jid }));
            }
            return effects;
        }
        // What waits for nobody is sent to the others already.
        let picks = (!judged.is_any_confirmed).then_some(picks);
        let fresh = (judged.fresh, without_key.len());
        effects.push(self.ask_to_compare(job, jid, picks, fresh, at.wall));
        effects
    }

    fn ask_to_send(&mut self, job: JobId, unsent: Unsent, now: i64) -> Effect {
        let (jid, picks) = (unsent.jid.clone(), unsent.picks.clone());
        let devices = self.contacts.listed(&jid);
        match self.confirmations.ask(job, Task::Send(unsent), now) {
            Some(number) => say(ContactReply::SendAsk {
                jid,
                picks,
                devices,
                number,
            }),
            None => Effect::Say(Reply::NotConfirmed),
        }
    }

    /// Asks whether devices are what they seem; besides, some showed no key.
    fn ask_to_compare(
        &mut self,
        job: JobId,
        jid: String,
        picks: Option<Vec<Pick>>,
        (fresh, without_key): (Vec<Shown>, usize),
        now: i64,
    ) -> Effect {
        let fingerprints = fresh.iter().map(|it| it.fingerprint.clone());
        let fingerprints = fingerprints.collect();
        let task = Task::Befriend {
            jid: jid.clone(),
            devices: fresh,
            picks: picks.clone().unwrap_or_default(),
        };
        match self.confirmations.ask(job, task, now) {
            Some(number) => say(ContactReply::Compare {
                jid,
                fingerprints,
                picks,
                without_key,
                number,
            }),
            None => Effect::Say(Reply::NotConfirmed),
        }
    }

    /// The number was right: these files go to the devices that are confirmed, and only then is
    /// asked about others.
    pub(super) fn send_confirmed(
        &mut self,
        told: &Told,
        unsent: Unsent,
        at: Moment,
    ) -> Vec<Effect> {
        let Unsent {
            jid,
            picks,
            fresh,
            without_key,
        } = unsent;
        let deliver = Wish::Deliver {
            picks,
            jid: jid.clone(),
        };
        let mut effects = self.contact(told.job, deliver, at);
        if !fresh.is_empty() {
            self.confirmations.draw(told.job, &told.from, &told.blob);
            let fresh = (fresh, without_key);
            effects.push(self.ask_to_compare(told.job, jid, None, fresh, at.wall));
        }
        effects
    }

    /// The number was right: these devices are what they seem.
    pub(super) fn befriend(
        &mut self,
        told: &Told,
        jid: String,
        devices: Vec<Shown>,
        picks: Vec<Pick>,
        at: Moment,
    ) -> Vec<Effect> {
        let count = devices.len();
        let Some(saved) = self.contacts.confirm(&jid, devices, at.wall) else {
            return vec![say(ContactReply::Full)];
        };
        let mut effects = vec![saved];
        effects.push(say(ContactReply::Befriended {
            jid: jid.clone(),
            devices: count,
        }));
        if !picks.is_empty() {
            effects.extend(self.contact(told.job, Wish::Deliver { picks, jid }, at));
        }
        effects
    }
}
