//! What is said about other people; the words are in `words::contacts`.

use crate::keeper::command::Pick;

/// One of the people whose devices are confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactLine {
    /// The bare address.
    pub jid: String,
    /// The last 8 hex digits of each device's fingerprint.
    pub tails: Vec<String>,
    /// Since when, in seconds since 1970.
    pub since: i64,
}

/// What is said about other people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContactReply {
    /// Are these devices theirs?
    Compare {
        /// The bare address.
        jid: String,
        /// The fingerprints: 64 hex digits each.
        fingerprints: Vec<String>,
        /// What then goes to them; `None` where other devices of theirs are confirmed, and get it
        /// without these.
        picks: Option<Vec<Pick>>,
        /// Devices whose key could not be had.
        without_key: usize,
        /// The number to send back.
        number: u32,
    },
    /// Shall these files go to the devices that are confirmed?
    SendAsk {
        /// The bare address.
        jid: String,
        /// The files.
        picks: Vec<Pick>,
        /// How many devices.
        devices: usize,
        /// The number to send back.
        number: u32,
    },
    /// These devices are confirmed.
    Befriended {
        /// The bare address.
        jid: String,
        /// How many.
        devices: usize,
    },
    /// A confirmed device shows another key.
    Swapped {
        /// The bare address.
        jid: String,
        /// The device's id.
        device: u32,
        /// Last 8 hex digits of what was confirmed.
        was: String,
        /// Last 8 hex digits of what is shown.
        is: String,
    },
    /// The account has no device that can be written to.
    NoDevices {
        /// The bare address.
        jid: String,
    },
    /// It has too many.
    TooManyDevices {
        /// The bare address.
        jid: String,
        /// How many.
        devices: usize,
    },
    /// Its server does not answer, or refuses.
    NotFound {
        /// The bare address.
        jid: String,
    },
    /// The server has what was sent.
    Sent {
        /// The bare address.
        jid: String,
        /// The entries.
        numbers: Vec<u64>,
    },
    /// A server gave it back.
    Bounced {
        /// The bare address.
        jid: String,
        /// The entries.
        numbers: Vec<u64>,
    },
    /// The daemon ended before it went.
    LeftOver {
        /// The bare address.
        jid: String,
        /// The entries; none where they were not picked yet.
        numbers: Vec<u64>,
    },
    /// There was nobody left to send it to.
    NotHanded {
        /// The bare address.
        jid: String,
        /// The entries.
        numbers: Vec<u64>,
    },
    /// Whose devices are confirmed.
    List(Vec<ContactLine>),
    /// They are forgotten.
    Forgotten {
        /// The bare address.
        jid: String,
    },
    /// Nothing was known of them, and what was about to be asked is not asked.
    Dropped {
        /// The bare address.
        jid: String,
    },
    /// Nothing was known of them.
    NoSuch {
        /// The bare address.
        jid: String,
    },
    /// No more people are remembered.
    Full,
    /// The owner's own address.
    ThatIsYou,
    /// The vault's own address.
    ThatIsMe,
    /// That is no address.
    Whom {
        /// What stood there.
        word: String,
    },
    /// An address that may look like another.
    OddAddress,
}
