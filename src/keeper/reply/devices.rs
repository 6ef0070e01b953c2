//! What is said about the owner's devices: pairing, new ones, lost ones.

use super::DeliveryFailure;
use crate::keeper::devices::{Level, Listed, Own};

/// One device, as the owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceLine {
    /// Its OMEMO device id.
    pub id: u32,
    /// Its fingerprint: 64 hex digits.
    pub fingerprint: String,
    /// How far it is let in.
    pub level: Level,
    /// Since when, in seconds since 1970.
    pub since: i64,
    /// When it last wrote, in seconds since 1970.
    pub heard_at: Option<i64>,
    /// Files of it that are held apart, and their bytes.
    pub held: (u64, u64),
    /// Files of it that were not kept.
    pub lost: u32,
}

/// What it means to shut a device out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its fingerprint: 64 hex digits.
    pub fingerprint: String,
    /// Whether it is trusted now.
    pub is_trusted: bool,
    /// Files of it that are held apart.
    pub held: u64,
    /// Whether it is the device that asks.
    pub is_asker: bool,
    /// Whether no device may command afterwards.
    pub is_last: bool,
    /// The number to send back.
    pub number: u32,
}

/// What is said about the owner's devices and their pairing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceReply {
    /// This device is the owner's from now on.
    Paired {
        /// Last 8 hex digits of the phone's fingerprint.
        theirs: String,
        /// Last 8 hex digits of the vault's fingerprint.
        ours: String,
    },
    /// The first message has to be the code.
    PairingNeeded,
    /// The code was wrong.
    PairingWrong {
        /// Tries that are left.
        left: u8,
    },
    /// No code is valid any more.
    PairingOver,
    /// The first answer to a device that needed no code.
    Meet {
        /// Last 8 hex digits of its fingerprint.
        theirs: String,
        /// Last 8 hex digits of the vault's fingerprint.
        ours: String,
    },
    /// To a device that nobody has let in.
    NotLetIn {
        /// Last 8 hex digits of its fingerprint.
        theirs: String,
        /// Last 8 hex digits of the vault's fingerprint.
        ours: String,
    },
    /// A device of the owner that nobody has let in wrote.
    New {
        /// Its OMEMO device id.
        device: u32,
        /// Its fingerprint: 64 hex digits.
        fingerprint: String,
        /// As many of its last digits as name it.
        digits: String,
    },
    /// A new device sent the first file.
    Held {
        /// Last 8 hex digits of its fingerprint.
        tail: String,
    },
    /// The box for files of new devices is full.
    BoxFull {
        /// Last 8 hex digits of the device's fingerprint.
        tail: String,
    },
    /// Shall it be let in?
    TrustAsk {
        /// Its fingerprint: 64 hex digits.
        fingerprint: String,
        /// Files of it that are held apart.
        held: u64,
        /// The number to send back.
        number: u32,
    },
    /// It is let in.
    LetIn {
        /// Last 8 hex digits of its fingerprint.
        tail: String,
        /// Files of it that were held apart.
        held: u64,
    },
    /// Shall it be shut out?
    RevokeAsk(Revocation),
    /// It is shut out.
    Revoked {
        /// Last 8 hex digits of its fingerprint.
        tail: String,
        /// Files of it that were held apart.
        held: u64,
        /// Whether the settings name it.
        is_pinned: bool,
        /// Other people whose devices it may have confirmed.
        contacts: Vec<String>,
    },
    /// The key device listed devices to be shut out.
    RevokedByStick {
        /// Last 8 hex digits of those that were known.
        tails: Vec<String>,
        /// How many were not known.
        unknown: usize,
        /// Lines that are no fingerprint.
        unread: usize,
        /// Other people whose devices they may have confirmed.
        contacts: Vec<String>,
    },
    /// No device has these last digits.
    NoSuch {
        /// What was asked for.
        digits: String,
    },
    /// More than one has.
    MoreDigits {
        /// What was asked for.
        digits: String,
    },
    /// It may command already.
    AlreadyTrusted {
        /// Last 8 hex digits of its fingerprint.
        tail: String,
    },
    /// It was shut out.
    IsRevoked {
        /// Last 8 hex digits of its fingerprint.
        tail: String,
    },
    /// `trust` without digits.
    TrustWhom {
        /// What stood there.
        word: String,
    },
    /// `revoke` without anything that can be revoked.
    RevokeWhat {
        /// What stood there.
        word: String,
    },
    /// All devices.
    List(Vec<DeviceLine>),
    /// All fingerprints.
    Fingerprints {
        /// The vault's own.
        own: Own,
        /// Those of the devices that may command.
        devices: Vec<DeviceLine>,
    },
    /// The address comes next, as a picture.
    AddressPicture,
    /// The address could not be sent as a picture.
    AddressPictureNotSent(DeliveryFailure),
    /// A phone also encrypts to a device that nobody knows.
    Reader {
        /// Its OMEMO device id.
        device: u32,
        /// Where it stands.
        listed: Listed,
    },
}
