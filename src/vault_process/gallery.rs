//! What is asked and said about pictures: contact sheets, previews, and what was seen of a picture
//! that came in.

use serde::{Deserialize, Serialize};
use vault::Picture;

use super::Form;

/// A delivery whose content is made for it.
#[derive(Serialize, Deserialize)]
pub struct PictureAsk {
    /// Names the answer.
    pub job: [u8; 32],
    /// How it is encrypted.
    pub form: Form,
    /// What is made.
    pub make: Make,
}

/// What is made.
#[derive(Clone, Serialize, Deserialize)]
pub enum Make {
    /// A smaller picture of this entry.
    Small(u64),
    /// A contact sheet of these, in this order.
    Sheet(Vec<u64>),
}

impl Make {
    /// Returns the number that the delivery goes by: the first.
    #[must_use]
    pub fn number(&self) -> u64 {
        match self {
            Self::Small(number) => *number,
            Self::Sheet(numbers) => numbers.first().copied().unwrap_or_default(),
        }
    }
}

/// What the vault process says about pictures.
#[derive(Serialize, Deserialize)]
pub enum PictureWord {
    /// A file that came in lately was looked at, and is a picture.
    Seen {
        /// Its number.
        number: u64,
        /// The name that it came under.
        name: String,
        /// Size of the content, in bytes.
        bytes: u64,
        /// What it says of itself.
        picture: Picture,
        /// Whether it is a moving one.
        is_film: bool,
    },
    /// What was asked for cannot be made: nothing in it can be shown.
    NotMade {
        /// Names the order.
        job: [u8; 32],
        /// The number that the delivery goes by.
        number: u64,
    },
}
