//! What is said of many files on their way out.

use crate::keeper::reply::{DeliveryFailure, DeliveryReply};

use super::{bytes, spans};

impl DeliveryReply {
    /// Returns what happened, then what the owner can do about it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Packing { files } => format!(
                "{files} files come as one zip, or as several if my server takes none so large. \
                 That may take a while."
            ),
            Self::Zip {
                numbers,
                bytes: size,
            } => {
                let files = match numbers.len() {
                    1 => "1 file".to_owned(),
                    count => format!("{count} files"),
                };
                format!("{} in a zip, {files}, {}:", sorted(numbers), bytes(*size))
            }
            Self::ZipNotSent { numbers, why } => {
                let were = if numbers.len() == 1 { "was" } else { "were" };
                let (what, advice) = reason(*why);
                format!(
                    "{} {were} not sent because {what}. {advice}",
                    sorted(numbers)
                )
            }
        }
    }
}

fn sorted(numbers: &[u64]) -> String {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    spans(&numbers)
}

fn reason(why: DeliveryFailure) -> (&'static str, &'static str) {
    match why {
        DeliveryFailure::Locked => ("the vault is locked", "Put the key in and ask again."),
        DeliveryFailure::Damaged | DeliveryFailure::NothingToShow => (
            "a file in the zip did not open to its end",
            "Ask for fewer at a time to see which, and check the drive.",
        ),
        DeliveryFailure::NoUpload => (
            "my server offers no file upload",
            "Ask its operator, or move the vault to another server.",
        ),
        DeliveryFailure::TooLarge { .. } => (
            "my server takes no file so large",
            "Take it from the drive with strongroom-rescue, or ask the server's operator.",
        ),
        DeliveryFailure::ServerTrouble | DeliveryFailure::Offline => {
            ("the upload failed", "Please ask again later.")
        }
    }
}
