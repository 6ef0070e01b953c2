//! What is said of proofs of origin.

use serde::{Deserialize, Serialize};

/// What the vault process says of proofs of origin.
#[derive(Serialize, Deserialize)]
pub enum OriginWord {
    /// The blob was not sealed by the daemon; it is as it was.
    Unvouched {
        /// Names the order.
        job: [u8; 32],
    },
    /// There are blobs on the drive that neither index nor change log know.
    Found {
        /// How many.
        count: u64,
    },
    /// Answer to [`Question::Unproven`](super::Question::Unproven).
    Unproven {
        /// Names the order.
        job: [u8; 32],
        /// How many there are.
        count: u64,
        /// Bytes of their content.
        bytes: u64,
        /// How many more do not open.
        unreadable: u64,
        /// Names and sizes of the oldest.
        oldest: Vec<(String, u64)>,
        /// Names exactly this set.
        seen: [u8; 32],
    },
    /// Answer to [`Order::TakeUnproven`](super::Order::TakeUnproven).
    Taken {
        /// Names the order.
        job: [u8; 32],
        /// The lowest number and how many there are; `None` where the set has changed.
        numbers: Option<(u64, u64)>,
    },
}
