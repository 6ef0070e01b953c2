//! What the owner is told about pictures.

use super::DeliveryFailure;
use crate::keeper::pictures::Client;

/// About pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureReply {
    /// Says which contact sheet comes next.
    Sheet {
        /// The number of its first tile.
        first: u64,
        /// The number of its last tile.
        last: u64,
        /// How many tiles it has.
        files: u64,
        /// Whether `next` shows more.
        more: bool,
    },
    /// A contact sheet was not sent.
    SheetNotSent(DeliveryFailure),
    /// `sheet` with something that names no files.
    SheetOfWhat,
    /// A phone sent a smaller picture than its camera made.
    Shrunk(Shrunk),
    /// From now on it is said, or not, when a phone sends no originals.
    Originals(bool),
    /// `originals` without on or off.
    OriginalsHow,
}

/// A picture that a phone made smaller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shrunk {
    /// Its number.
    pub number: u64,
    /// Its width and height, in pixels.
    pub size: (u32, u32),
    /// Its size, in bytes.
    pub bytes: u64,
    /// The program that sent it.
    pub client: Client,
    /// Whether it is a film, of which less is sure.
    pub is_film: bool,
}
