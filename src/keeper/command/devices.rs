//! The commands about the owner's devices, and `revoke`, which is for keys as well.

use super::{Command, Context, NotACommand, after_word, alone, keys::key_name};
use crate::keeper::devices::read_digits;

/// Words that may stand before the digits of a device.
const DEVICE_WORDS: &[&str] = &["device", "phone"];

/// Words after `fingerprints` that ask for a picture.
const PICTURE_WORDS: &[&str] = &["qr", "qr code", "code", "picture"];

/// Reads `fingerprints` and `fingerprints qr`.
pub(super) fn fingerprints(rest: &str) -> Result<Command, NotACommand> {
    let mut words = PICTURE_WORDS.iter();
    if words.any(|word| rest.eq_ignore_ascii_case(word)) {
        return Ok(Command::AddressPicture);
    }
    alone("fingerprints", rest, Command::Fingerprints)
}

pub(super) fn trust(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    let word = rest.to_owned();
    match read_digits(after_word(rest, DEVICE_WORDS).unwrap_or(rest)) {
        Some(digits) => Ok(Command::Trust { digits }),
        None => Err(NotACommand::TrustWhom { word }),
    }
}

/// Reads `revoke 8c1f`, `revoke device 8c1f`, `revoke phone 8c1f`, `revoke key bank safe`.
pub(super) fn revoke(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    if rest.eq_ignore_ascii_case("key") {
        return Err(NotACommand::RevokeHow);
    }
    if let Some(name) = after_word(rest, &["key"]) {
        let name = key_name(name).ok_or(NotACommand::RevokeHow)?;
        return Ok(Command::RevokeKey { name });
    }
    match read_digits(after_word(rest, DEVICE_WORDS).unwrap_or(rest)) {
        Some(digits) => Ok(Command::RevokeDevice { digits }),
        None => Err(NotACommand::RevokeWhat {
            word: rest.to_owned(),
        }),
    }
}
