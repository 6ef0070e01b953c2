//! The commands that the vault process has to answer, in the form they are kept in.
//!
//! New ones go to the end: what an earlier version kept is read by their order.

use serde::{Deserialize, Serialize};

use crate::keeper::{
    client::lines::Which,
    command::{Command, FOUND_LINES, Filter, Pick},
    contacts::Wish,
    keeping::Keeping,
    labels::Labels,
    pictures::Look,
};

/// The commands that the vault process has to answer, in the form they are kept in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// How much is kept.
    Status,
    /// The newest entries, as an earlier version kept it.
    List {
        /// How many lines.
        lines: u32,
    },
    /// Entries by words, as an earlier version kept it.
    Find {
        /// The words.
        words: String,
    },
    /// Files.
    Get {
        /// Ranges of numbers, or (0, n) for the newest n.
        picks: Vec<(u64, u64)>,
    },
    /// Who has a way in.
    Keys,
    /// Blobs of unproven origin.
    Unproven,
    /// Enter them.
    TakeUnproven {
        /// Names exactly those that were shown.
        seen: [u8; 32],
    },
    /// Give a key another name.
    RenameKey {
        /// Its name.
        name: String,
        /// The name it gets.
        to: String,
    },
    /// Which key is to be revoked.
    RevokeKey {
        /// Its name.
        name: String,
    },
    /// Revoke it.
    DropKey {
        /// Names its slot.
        slot: [u8; 16],
    },
    /// Change kept files.
    Keep(Keeping),
    /// Entries.
    Show {
        /// Which.
        what: Filter,
        /// How many lines.
        lines: u32,
        /// Only those before this number.
        before: Option<u64>,
    },
    /// One entry.
    Info {
        /// Its number.
        number: u64,
    },
    /// Albums.
    Albums {
        /// Only those after this one.
        after: String,
    },
    /// Tags.
    Tags {
        /// Only those after this one.
        after: String,
    },
    /// Note words with entries.
    Label {
        /// Their numbers.
        numbers: Vec<u64>,
        /// How many more files they are noted with.
        coming: u64,
        /// What is noted.
        labels: Labels,
    },
    /// Contact sheets and previews.
    Picture(Look),
    /// Which numbers there are: those below one (0 for all), and of which kind.
    Numbers(u64, Which),
    /// The vault's address as a picture.
    AddressPicture,
    /// Files for somebody else.
    SendTo {
        /// Ranges of numbers, or (0, n) for the newest n.
        picks: Vec<(u64, u64)>,
        /// The bare address.
        jid: String,
    },
}

impl Asked {
    /// Returns what is asked about pictures.
    pub(in crate::keeper) fn look(&self) -> Option<&Look> {
        match self {
            Self::Picture(look) => Some(look),
            Self::Status
            | Self::List { .. }
            | Self::Find { .. }
            | Self::Get { .. }
            | Self::Keys
            | Self::Unproven
            | Self::Numbers(..)
            | Self::AddressPicture
            | Self::SendTo { .. }
            | Self::TakeUnproven { .. }
            | Self::RenameKey { .. }
            | Self::RevokeKey { .. }
            | Self::DropKey { .. }
            | Self::Keep(_)
            | Self::Show { .. }
            | Self::Info { .. }
            | Self::Albums { .. }
            | Self::Tags { .. }
            | Self::Label { .. } => None,
        }
    }

    pub(super) fn new(command: &Command) -> Option<Self> {
        Some(match command {
            Command::Status => Self::Status,
            Command::AddressPicture => Self::AddressPicture,
            Command::Numbers { before, what } => Self::Numbers(*before, what.clone()),
            Command::Keys => Self::Keys,
            Command::List {
                what,
                lines,
                before,
            } => Self::Show {
                what: what.clone(),
                lines: *lines,
                before: *before,
            },
            Command::Info { number } => Self::Info { number: *number },
            Command::Albums { after } => Self::Albums {
                after: after.clone(),
            },
            Command::Tags { after } => Self::Tags {
                after: after.clone(),
            },
            Command::Get { picks } => Self::Get { picks: kept(picks) },
            Command::Contact(Wish::Deliver { picks, jid }) => Self::SendTo {
                picks: kept(picks),
                jid: jid.clone(),
            },
            Command::Unproven => Self::Unproven,
            Command::TakeUnproven { seen } => Self::TakeUnproven { seen: *seen },
            Command::RenameKey { name, to } => Self::RenameKey {
                name: name.clone(),
                to: to.clone(),
            },
            Command::RevokeKey { name } => Self::RevokeKey { name: name.clone() },
            Command::DropKey { slot } => Self::DropKey { slot: *slot },
            Command::Keep(keeping) => Self::Keep(keeping.clone()),
            Command::Picture(pictures) => Self::Picture(Look::new(pictures)?),
            Command::Label {
                numbers,
                coming,
                labels,
            } => Self::Label {
                numbers: numbers.clone(),
                coming: *coming,
                labels: labels.clone(),
            },
            Command::Album { .. }
            | Command::Contact(_)
            | Command::AddKey
            | Command::Help
            | Command::HelpOn { .. }
            | Command::Lock
            | Command::Next
            | Command::Notices(_)
            | Command::Machine(_)
            | Command::Prepare(_)
            | Command::Carry(_)
            | Command::Verify(_)
            | Command::Devices
            | Command::Fingerprints
            | Command::Trust { .. }
            | Command::RevokeDevice { .. } => return None,
        })
    }

    pub(super) fn command(&self) -> Command {
        match self {
            Self::Status => Command::Status,
            Self::AddressPicture => Command::AddressPicture,
            Self::Numbers(before, what) => Command::Numbers {
                before: *before,
                what: what.clone(),
            },
            Self::Keys => Command::Keys,
            Self::List { lines } => Command::List {
                what: Filter::default(),
                lines: *lines,
                before: None,
            },
            Self::Find { words } => Command::List {
                what: Filter {
                    words: words.clone(),
                    ..Filter::default()
                },
                lines: FOUND_LINES,
                before: None,
            },
            Self::Show {
                what,
                lines,
                before,
            } => Command::List {
                what: what.clone(),
                lines: *lines,
                before: *before,
            },
            Self::Info { number } => Command::Info { number: *number },
            Self::Albums { after } => Command::Albums {
                after: after.clone(),
            },
            Self::Tags { after } => Command::Tags {
                after: after.clone(),
            },
            Self::Get { picks } => Command::Get {
                picks: asked(picks),
            },
            Self::SendTo { picks, jid } => Command::Contact(Wish::Deliver {
                picks: asked(picks),
                jid: jid.clone(),
            }),
            Self::Unproven => Command::Unproven,
            Self::TakeUnproven { seen } => Command::TakeUnproven { seen: *seen },
            Self::RenameKey { name, to } => Command::RenameKey {
                name: name.clone(),
                to: to.clone(),
            },
            Self::RevokeKey { name } => Command::RevokeKey { name: name.clone() },
            Self::DropKey { slot } => Command::DropKey { slot: *slot },
            Self::Keep(keeping) => Command::Keep(keeping.clone()),
            Self::Label {
                numbers,
                coming,
                labels,
            } => Command::Label {
                numbers: numbers.clone(),
                coming: *coming,
                labels: labels.clone(),
            },
            Self::Picture(look) => Command::Picture(look.asked()),
        }
    }
}

fn kept(picks: &[Pick]) -> Vec<(u64, u64)> {
    let one = |pick: &Pick| match pick {
        Pick::Range { first, last } => (*first, *last),
        Pick::Last { count } => (0, *count),
    };
    picks.iter().map(one).collect()
}

fn asked(kept: &[(u64, u64)]) -> Vec<Pick> {
    let one = |&pick: &(u64, u64)| match pick {
        (0, count) => Pick::Last { count },
        (first, last) => Pick::Range { first, last },
    };
    kept.iter().map(one).collect()
}
