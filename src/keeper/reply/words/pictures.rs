//! The sentences about pictures.

use super::{bytes, not_sent};
use crate::keeper::{
    pictures::Client,
    reply::{DeliveryFailure, PictureReply, Shrunk},
};

impl PictureReply {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Sheet {
                first,
                last,
                files,
                more,
            } => sheet((*first, *last), *files, *more),
            Self::SheetNotSent(why) => sheet_not_sent(*why),
            Self::SheetOfWhat => "I do not know which files you mean. Send \"sheet\" for the \
                                  newest 20, or for example \"sheet 7-30\" or \"sheet june \
                                  2025\"."
                .to_owned(),
            Self::Shrunk(shrunk) => told_shrunk(shrunk),
            Self::Originals(true) => "From now on I say it once for each phone when it sends \
                                      smaller pictures than its camera made."
                .to_owned(),
            Self::Originals(false) => "I keep quiet about pictures that a phone made smaller. \
                                       \"originals on\" brings it back."
                .to_owned(),
            Self::OriginalsHow => "Send \"originals off\" if I am to keep quiet about pictures \
                                   that a phone made smaller, or \"originals on\"."
                .to_owned(),
        }
    }
}

/// Tells from where to where a sheet goes, and how many files that are where numbers are left out.
fn sheet((first, last): (u64, u64), files: u64, more: bool) -> String {
    let next = if more { ". Send \"next\" for more" } else { "" };
    if first == last {
        return format!("Contact sheet of #{first}{next}:");
    }
    let of = if first.abs_diff(last) + 1 == files {
        String::new()
    } else {
        format!(" of {files} files")
    };
    format!("Contact sheet{of}, #{first} to #{last}{next}:")
}

pub(super) fn nothing_to_show(number: u64) -> String {
    format!(
        "#{number} is no picture that I can make smaller. Send \"get {number}\" for the file as it \
         is."
    )
}

fn sheet_not_sent(why: DeliveryFailure) -> String {
    match why {
        DeliveryFailure::Damaged | DeliveryFailure::NothingToShow => {
            "The contact sheet could not be drawn. Nothing is lost; ask once more, or for fewer \
             files."
                .to_owned()
        }
        DeliveryFailure::Locked
        | DeliveryFailure::NoUpload
        | DeliveryFailure::TooLarge { .. }
        | DeliveryFailure::ServerTrouble
        | DeliveryFailure::Offline => {
            let file = not_sent(0, why);
            format!("The contact sheet{}", file.trim_start_matches("#0"))
        }
    }
}

fn told_shrunk(shrunk: &Shrunk) -> String {
    let (width, height) = shrunk.size;
    if shrunk.is_film {
        return format!(
            "The video #{} came with {width} x {height} pixels, {}, and without a camera's notes, \
             which is how your app sends videos that it makes smaller. If your camera made a larger \
             one, this is not the original. {} I say this once for each phone; \"originals off\" \
             ends it.",
            shrunk.number,
            bytes(shrunk.bytes),
            setting(shrunk.client)
        );
    }
    format!(
        "Your phone made #{} smaller before it sent it: its longest side is {} pixels, it is {}, \
         and what the camera noted (when, where) is gone. {} I say this once for each phone; \
         \"originals off\" ends it.",
        shrunk.number,
        width.max(height),
        bytes(shrunk.bytes),
        setting(shrunk.client)
    )
}

/// Returns how a program is made to send originals.
fn setting(client: Client) -> &'static str {
    match client {
        Client::Conversations => {
            "To send originals from Conversations, set Settings > Attachments > Image Compression \
             to Never and Video Quality to Original, or share with \"Choose file\"."
        }
        Client::Cheogram => {
            "To send originals from Cheogram, set Settings > Attachments > Image Compression to \
             Never and Video Quality to Original, or share with \"Choose file\"."
        }
        Client::Monal => {
            "To send originals from Monal, switch on Settings > Privacy > Upload Original Images."
        }
        Client::Dino => {
            "To send originals from Dino, attach the file instead of pasting the picture."
        }
        Client::Other => {
            "To send originals, look for image compression in your app's settings and switch it \
             off, or share the picture as a file."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrunk(client: Client) -> String {
        let shrunk = Shrunk {
            number: 12,
            size: (1440, 1920),
            bytes: 412_000,
            client,
            is_film: false,
        };
        PictureReply::Shrunk(shrunk).text()
    }

    #[test]
    fn each_program_is_told_its_own_setting() {
        assert_eq!(
            shrunk(Client::Conversations),
            "Your phone made #12 smaller before it sent it: its longest side is 1920 pixels, it is \
             412.0 kB, and what the camera noted (when, where) is gone. To send originals from \
             Conversations, set Settings > Attachments > Image Compression to Never and Video \
             Quality to Original, or share with \"Choose file\". I say this once for each phone; \
             \"originals off\" ends it."
        );
        assert!(shrunk(Client::Monal).contains("Upload Original Images"));
        assert!(shrunk(Client::Cheogram).contains("Cheogram"));
        assert!(shrunk(Client::Dino).contains("pasting"));
        assert!(shrunk(Client::Other).contains("image compression"));
    }

    #[test]
    fn a_sheet_that_was_not_sent_is_called_a_sheet() {
        let text = |why| PictureReply::SheetNotSent(why).text();

        assert_eq!(
            text(DeliveryFailure::Locked),
            "The contact sheet was not sent because the vault is locked. Put the key in and ask \
             again."
        );
        assert!(text(DeliveryFailure::Damaged).contains("Nothing is lost"));
        assert!(!text(DeliveryFailure::ServerTrouble).contains('#'));
    }
}
