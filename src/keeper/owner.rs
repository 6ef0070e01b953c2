//! Who may command; pairing; what an unknown sender gets (silence).
//!
//! Trust is decided here and kept by `state`; OMEMO has authenticated the device before.

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use omemo::media::MediaLink;

use super::{
    Device, Effect, Standing,
    devices::{Devices, Level, Newcomer, Own},
    moment::Moment,
    reply::{DeviceReply, Reply},
};

/// Seconds a pairing code is good for, from the first login on.
pub const PAIRING_SECONDS: i64 = 30 * 60;
/// By how many seconds a clock may differ from what it showed before, and not count as set.
const CLOCK_SLACK: u64 = 60;
/// Wrong codes after which pairing is over.
pub const PAIRING_TRIES: u8 = 5;
/// Letters of a pairing code: 10 of 32, so 50 bits.
pub const CODE_LETTERS: usize = 10;
/// Crockford's base 32: no I, L, O, U.
pub const CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// How pairing stands.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pairing {
    /// The code, normalised by [`normal`].
    pub code: String,
    /// When the daemon was first online with it, in seconds since 1970.
    pub first_login_at: Option<i64>,
    /// Wrong codes still forgiven.
    pub tries_left: u8,
}

impl Pairing {
    /// Begins pairing with a code as set-up showed it.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Self {
            code: normal(code),
            first_login_at: None,
            tries_left: PAIRING_TRIES,
        }
    }

    /// Tells whether its time or its tries are up; `since` is when this run first counted them.
    fn is_over(&self, now: Moment, since: Option<Moment>) -> bool {
        let Some(at) = self.first_login_at else {
            return self.tries_left == 0;
        };
        // A clock that was set back does not keep a code good for longer. Within a run it is the steady
        // clock that counts: a machine without a clock chip is told the time soon after its first login.
        let used = since.map_or(now.wall.abs_diff(at), |since| {
            let here = now.steady.abs_diff(since.steady);
            since.wall.abs_diff(at).saturating_add(here)
        });
        self.tries_left == 0 || used > PAIRING_SECONDS.unsigned_abs()
    }
}

/// Reads a code the way people type it: without case, spaces or dashes, with O for 0 and I or L
/// for 1.
#[must_use]
pub fn normal(code: &str) -> String {
    code.chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

/// What a message is worth.
pub(super) enum Verdict {
    /// Nothing is said or done.
    Silence,
    /// It is answered, not obeyed.
    Answer(Vec<Effect>),
    /// It is obeyed; these effects come first.
    Obey(Vec<Effect>),
    /// It announces a file of a device that is not let in; these effects come first.
    Hold(Vec<Effect>),
}

/// The owner, as far as the keeper knows.
pub(super) struct Owner {
    pub(super) jid: String,
    pub(super) devices: Devices,
    has_trusted_device: bool,
    pairing: Option<Pairing>,
    /// Since when the code's time is counted in this run.
    pairing_since: Option<Moment>,
    pub(super) own: Own,
}

impl Owner {
    pub(super) fn new(
        jid: String,
        devices: Devices,
        has_trusted_device: bool,
        pairing: Option<Pairing>,
        own: Own,
    ) -> Self {
        Self {
            jid,
            has_trusted_device: has_trusted_device || devices.has_trusted(),
            devices,
            pairing,
            pairing_since: None,
            own,
        }
    }

    /// Takes note that devices were let in or shut out.
    pub(super) fn decided(&mut self) {
        self.has_trusted_device = self.devices.has_trusted();
    }

    /// What shows a device both fingerprints.
    pub(super) fn meet(&self, device: &Device) -> Effect {
        let reply = DeviceReply::Meet {
            theirs: device.tail(),
            ours: self.own.tail(),
        };
        Effect::SayTo(device.clone(), Reply::Device(reply))
    }

    pub(super) fn is(&self, jid: &str) -> bool {
        self.jid == jid
    }

    /// Returns the last 8 hex digits of the vault's own fingerprint.
    pub(super) fn own_tail(&self) -> String {
        self.own.tail()
    }

    pub(super) fn begin_pairing(
        &mut self,
        mut pairing: Pairing,
        online: bool,
        at: Moment,
    ) -> Vec<Effect> {
        pairing.first_login_at = online.then_some(at.wall);
        self.pairing_since = online.then_some(at);
        self.pairing = Some(pairing.clone());
        vec![Effect::SavePairing(Some(pairing))]
    }

    /// Moves the first login of this run with a wall clock that was set since: the next run has no other
    /// clock to count by.
    pub(super) fn follow_clock(&mut self, at: Moment) -> Vec<Effect> {
        let (Some(pairing), Some(since)) = (&mut self.pairing, &mut self.pairing_since) else {
            return Vec::new();
        };
        let passed = at.steady.saturating_sub(since.steady);
        let set_by = at.wall.saturating_sub(since.wall).saturating_sub(passed);
        if pairing.first_login_at != Some(since.wall) || set_by.unsigned_abs() < CLOCK_SLACK {
            return Vec::new();
        }
        since.wall = since.wall.saturating_add(set_by);
        pairing.first_login_at = Some(since.wall);
        vec![Effect::SavePairing(Some(pairing.clone()))]
    }

    /// Starts the code's 30 minutes at the first login.
    pub(super) fn login(&mut self, at: Moment) -> Vec<Effect> {
        self.pairing_since.get_or_insert(at);
        match &mut self.pairing {
            Some(pairing) if pairing.first_login_at.is_none() => {
                pairing.first_login_at = Some(at.wall);
                vec![Effect::SavePairing(Some(pairing.clone()))]
            }
            _ => Vec::new(),
        }
    }

    /// Judges a device by what it wrote; `has_files` says whether it describes any.
    pub(super) fn judge(
        &mut self,
        device: &Device,
        text: Option<&str>,
        has_files: bool,
        at: Moment,
    ) -> Verdict {
        let now = at.wall;
        if !self.is(&device.jid) || self.devices.is_shut_out(&device.fingerprint) {
            return Verdict::Silence;
        }
        let is_pinned = self.devices.is_pinned(&device.fingerprint);
        let mut effects = Vec::new();
        match device.standing {
            Standing::Trusted => {}
            // Also one that was shut out, if the settings name it anew since.
            Standing::Undecided | Standing::Quarantined | Standing::Revoked if is_pinned => {
                let id = (device.id, device.fingerprint.as_str());
                self.devices.set(id, Level::Pinned, now);
                effects.push(Effect::Trust(device.clone()));
            }
            Standing::Revoked => return Verdict::Silence,
            Standing::Undecided | Standing::Quarantined => {
                return self.judge_new(device, text, has_files, at);
            }
        }
        // A pinned device is trusted before it has ever written.
        self.has_trusted_device = true;
        if self.devices.heard(device, now) {
            effects.push(self.meet(device));
        }
        Verdict::Obey(effects)
    }

    fn judge_new(
        &mut self,
        device: &Device,
        text: Option<&str>,
        has_files: bool,
        at: Moment,
    ) -> Verdict {
        if self.pairing.is_some() {
            return self.pair(device, text.unwrap_or_default(), at);
        }
        if !self.has_trusted_device {
            return Verdict::Answer(vec![Effect::SayTo(
                device.clone(),
                Reply::Device(DeviceReply::PairingOver),
            )]);
        }
        let mut effects = Vec::new();
        let is_told = match self.devices.came(device, at.wall) {
            Newcomer::TooMany => return Verdict::Silence,
            Newcomer::Again { tell } => tell,
            Newcomer::First => {
                effects.push(Effect::Quarantine(device.clone()));
                effects.push(Effect::Say(Reply::Device(DeviceReply::New {
                    device: device.id,
                    fingerprint: device.fingerprint.clone(),
                    digits: self.devices.digits(&device.fingerprint),
                })));
                true
            }
        };
        if is_told {
            let reply = DeviceReply::NotLetIn {
                theirs: device.tail(),
                ours: self.own.tail(),
            };
            effects.push(Effect::SayTo(device.clone(), Reply::Device(reply)));
        }
        if has_files || text.is_some_and(|text| MediaLink::parse(text).is_ok()) {
            return Verdict::Hold(effects);
        }
        Verdict::Answer(effects)
    }

    fn pair(&mut self, device: &Device, text: &str, at: Moment) -> Verdict {
        let Some(pairing) = &mut self.pairing else {
            return Verdict::Silence;
        };
        let say = |reply| Effect::SayTo(device.clone(), Reply::Device(reply));
        if pairing.is_over(at, self.pairing_since) {
            self.pairing = None;
            return Verdict::Answer(vec![
                Effect::SavePairing(None),
                say(DeviceReply::PairingOver),
            ]);
        }
        let typed = normal(text);
        if bool::from(typed.as_bytes().ct_eq(pairing.code.as_bytes())) {
            self.pairing = None;
            self.has_trusted_device = true;
            let id = (device.id, device.fingerprint.as_str());
            self.devices.set(id, Level::Paired, at.wall);
            self.devices.meet(device.id);
            return Verdict::Answer(vec![
                Effect::Trust(device.clone()),
                Effect::SavePairing(None),
                Effect::Say(Reply::Device(DeviceReply::Paired {
                    theirs: device.tail(),
                    ours: self.own.tail(),
                })),
            ]);
        }
        // Only what could be a code costs a try; a "hello" tells an attacker nothing.
        if typed.len() != pairing.code.len() {
            return Verdict::Answer(vec![say(DeviceReply::PairingNeeded)]);
        }
        pairing.tries_left -= 1;
        let left = pairing.tries_left;
        if left == 0 {
            self.pairing = None;
            return Verdict::Answer(vec![
                Effect::SavePairing(None),
                say(DeviceReply::PairingOver),
            ]);
        }
        let saved = Effect::SavePairing(self.pairing.clone());
        Verdict::Answer(vec![saved, say(DeviceReply::PairingWrong { left })])
    }
}
