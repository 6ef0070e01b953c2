//! The intake key as it lies on the system card: 64 hexadecimal digits and a line break. The MAC
//! made with it is in `docs/formats/blob.md`.

use zeroize::Zeroizing;

use super::{IntakeKey, KEY_BYTES};

impl IntakeKey {
    /// Reads the key as the card holds it; `None` if it is damaged.
    #[must_use]
    pub fn from_card(text: &[u8]) -> Option<Self> {
        let digits = text.trim_ascii_end();
        if digits.len() != 2 * KEY_BYTES {
            return None;
        }
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let mut whole = true;
        let key = Self::init_with(|key| {
            for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
                let value = pair
                    .iter()
                    .try_fold(0, |sum, it| Some(sum * 16 + digit(it)?));
                whole &= value.is_some();
                *byte = value.and_then(|it| u8::try_from(it).ok()).unwrap_or(0);
            }
        });
        whole.then_some(key)
    }

    /// Writes the key as the card holds it.
    #[must_use]
    pub fn to_card(&self) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(2 * KEY_BYTES + 1));
        for byte in self.expose_to_cipher() {
            for digit in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(digit), 16).unwrap_or_default();
                text.push(u8::try_from(digit).unwrap_or_default());
            }
        }
        text.push(b'\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_survives_the_card_and_a_damaged_one_is_noticed() {
        let key = IntakeKey::init_with(|bytes| {
            for (byte, value) in bytes.iter_mut().zip(0xF0..) {
                *byte = value;
            }
        });
        let text = key.to_card();

        let read = IntakeKey::from_card(&text).unwrap();

        assert_eq!(read.expose_to_cipher(), key.expose_to_cipher());
        assert!(IntakeKey::from_card(&text[..63]).is_none());
        assert!(IntakeKey::from_card(b"").is_none());
        let mut other = text.to_vec();
        other[5] = b'g';
        assert!(IntakeKey::from_card(&other).is_none());
    }
}
