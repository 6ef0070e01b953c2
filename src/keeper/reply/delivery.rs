//! What is said of many files on their way out; the words are in `words::delivery`.

use super::DeliveryFailure;

/// What is said of many files on their way out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryReply {
    /// So many files will come as zips.
    Packing {
        /// How many.
        files: u64,
    },
    /// Says what the zip holds that comes next.
    Zip {
        /// Numbers of its files.
        numbers: Vec<u64>,
        /// How long it is, in bytes.
        bytes: u64,
    },
    /// A zip could not be sent.
    ZipNotSent {
        /// Numbers of its files.
        numbers: Vec<u64>,
        /// Why.
        why: DeliveryFailure,
    },
}
