//! The protobuf messages of the protocol, and nothing else.
//!
//! It knows no keys but public ones and checks no MAC. Unknown fields are ignored, of repeated ones
//! the last counts, and what a MAC covers is handed out as received, never encoded again.
//!
//! ```text
//! legacy
//!   message      = version ‖ protobuf{ratchet key, counter, previous, ciphertext} ‖ MAC
//!   key exchange = version ‖ protobuf{prekey id, base key, identity key, message, …}
//! urn:xmpp:omemo:2
//!   message      = protobuf{MAC, protobuf{counter, previous, ratchet key, ciphertext}}
//!   key exchange = protobuf{prekey id, signed prekey id, identity key, base key, message}
//! ```

use curve25519_dalek::{MontgomeryPoint, edwards::CompressedEdwardsY};

use crate::{
    key::PublicKey,
    profile::{IdentityForm, Profile},
};

/// Bytes that are no message of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A ratchet message, parsed and not yet authenticated.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) ratchet_key: PublicKey,
    pub(crate) counter: u32,
    pub(crate) previous: u32,
    pub(crate) ciphertext: &'a [u8],
    /// The bytes the MAC covers.
    pub(crate) authenticated: &'a [u8],
    pub(crate) mac: &'a [u8],
}

/// A key exchange, parsed; only the message inside it can authenticate it.
#[derive(Debug)]
pub(crate) struct Exchange<'a> {
    pub(crate) prekey_id: Option<u32>,
    pub(crate) signed_prekey_id: u32,
    pub(crate) base_key: PublicKey,
    pub(crate) identity: Shown,
    pub(crate) message: Message<'a>,
}

/// An identity key as it was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) key: PublicKey,
    /// Which of the two points on Ed25519 it was, where the namespace shows one.
    pub(crate) is_negative: bool,
}

/// What the key element of an envelope can hold.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    Message(Message<'a>),
    Exchange(Exchange<'a>),
}

/// Parses a key element; `exchange_first` is what the element says about itself.
pub(crate) fn parse<'a>(
    profile: &Profile,
    data: &'a [u8],
    exchange_first: bool,
) -> Result<Parsed<'a>, Malformed> {
    // clients forget the mark, so the bytes decide where the mark does not fit
    let as_message = || parse_message(profile, data).map(Parsed::Message);
    let as_exchange = || parse_exchange(profile, data).map(Parsed::Exchange);
    if exchange_first {
        as_exchange().or_else(|_| as_message())
    } else {
        as_message().or_else(|_| as_exchange())
    }
}

fn parse_message<'a>(profile: &Profile, data: &'a [u8]) -> Result<Message<'a>, Malformed> {
    let (authenticated, mac) = split_mac(profile, data)?;
    let mut ratchet_key = None;
    let mut counter = None;
    let mut previous = 0;
    let mut ciphertext = None;
    for field in Fields::after_version(profile, authenticated)? {
        let (number, value) = field?;
        let fields = &profile.message;
        if number == fields.ratchet_key {
            ratchet_key = Some(decode_key(profile, value.bytes()?)?);
        } else if number == fields.counter {
            counter = Some(value.u32()?);
        } else if number == fields.previous {
            previous = value.u32()?;
        } else if number == fields.ciphertext {
            ciphertext = Some(value.bytes()?);
        }
    }
    Ok(Message {
        ratchet_key: ratchet_key.ok_or(Malformed)?,
        counter: counter.ok_or(Malformed)?,
        previous,
        ciphertext: ciphertext.ok_or(Malformed)?,
        authenticated,
        mac,
    })
}

/// Parts what the MAC covers from the MAC.
fn split_mac<'a>(profile: &Profile, data: &'a [u8]) -> Result<(&'a [u8], &'a [u8]), Malformed> {
    let Some(fields) = &profile.authenticated else {
        let split = data.len().checked_sub(profile.mac_bytes).ok_or(Malformed)?;
        return Ok(data.split_at(split));
    };
    let (mut message, mut mac) = (None, None);
    for field in Fields(data) {
        let (number, value) = field?;
        if number == fields.message {
            message = Some(value.bytes()?);
        } else if number == fields.mac {
            mac = Some(value.bytes()?);
        }
    }
    Ok((message.ok_or(Malformed)?, mac.ok_or(Malformed)?))
}

fn parse_exchange<'a>(profile: &Profile, data: &'a [u8]) -> Result<Exchange<'a>, Malformed> {
    let mut prekey_id = None;
    let mut signed_prekey_id = None;
    let mut base_key = None;
    let mut identity = None;
    let mut message = None;
    for field in Fields::after_version(profile, data)? {
        let (number, value) = field?;
        let fields = &profile.exchange;
        if number == fields.prekey_id {
            prekey_id = Some(value.u32()?);
        } else if number == fields.signed_prekey_id {
            signed_prekey_id = Some(value.u32()?);
        } else if number == fields.base_key {
            base_key = Some(decode_key(profile, value.bytes()?)?);
        } else if number == fields.identity_key {
            identity = Some(decode_identity(profile, value.bytes()?)?);
        } else if number == fields.message {
            message = Some(value.bytes()?);
        }
    }
    Ok(Exchange {
        prekey_id,
        signed_prekey_id: signed_prekey_id.ok_or(Malformed)?,
        base_key: base_key.ok_or(Malformed)?,
        identity: identity.ok_or(Malformed)?,
        message: parse_message(profile, message.ok_or(Malformed)?)?,
    })
}

/// Writes a ratchet message, which the caller's MAC is to cover.
pub(crate) fn write_message(
    profile: &Profile,
    ratchet_key: &PublicKey,
    counter: u32,
    previous: u32,
    ciphertext: &[u8],
) -> Vec<u8> {
    let fields = &profile.message;
    let ratchet_key = encode_key(profile, ratchet_key);
    let parts = [
        (fields.ratchet_key, Part::Bytes(&ratchet_key)),
        (fields.counter, Part::Number(counter)),
        (fields.previous, Part::Number(previous)),
        (fields.ciphertext, Part::Bytes(ciphertext)),
    ];
    write(profile.version, parts)
}

/// Joins a ratchet message and its MAC.
pub(crate) fn write_authenticated(profile: &Profile, message: Vec<u8>, mac: &[u8]) -> Vec<u8> {
    match &profile.authenticated {
        None => [message.as_slice(), mac].concat(),
        Some(fields) => {
            let parts = [
                (fields.mac, Part::Bytes(mac)),
                (fields.message, Part::Bytes(&message)),
            ];
            write(None, parts)
        }
    }
}

/// What a key exchange says besides the message in it.
#[derive(Debug)]
pub(crate) struct ExchangeHead<'a> {
    pub(crate) prekey_id: u32,
    pub(crate) signed_prekey_id: u32,
    pub(crate) base_key: &'a PublicKey,
    pub(crate) identity: Shown,
    pub(crate) registration_id: u32,
}

/// Writes a key exchange around a finished ratchet message.
pub(crate) fn write_exchange(
    profile: &Profile,
    head: &ExchangeHead<'_>,
    message: &[u8],
) -> Vec<u8> {
    let fields = &profile.exchange;
    let base_key = encode_key(profile, head.base_key);
    let identity = encode_identity(profile, head.identity);
    let parts = [
        (fields.prekey_id, Part::Number(head.prekey_id)),
        (fields.base_key, Part::Bytes(&base_key)),
        (fields.identity_key, Part::Bytes(&identity)),
        (fields.message, Part::Bytes(message)),
        (fields.signed_prekey_id, Part::Number(head.signed_prekey_id)),
    ];
    let registration = Part::Number(head.registration_id);
    let registration = fields.registration_id.map(|it| (it, registration));
    write(profile.version, parts.into_iter().chain(registration))
}

/// Writes a public key as the namespace has it.
pub(crate) fn encode_key(profile: &Profile, key: &PublicKey) -> Vec<u8> {
    profile.key_prefix.into_iter().chain(key.0).collect()
}

/// Reads a public key, with its prefix or bare.
pub(crate) fn decode_key(profile: &Profile, bytes: &[u8]) -> Result<PublicKey, Malformed> {
    let bare = match bytes {
        [prefix, bare @ ..] if bytes.len() == 33 && Some(*prefix) == profile.key_prefix => bare,
        bare => bare,
    };
    bare.try_into().map(PublicKey).map_err(|_| Malformed)
}

/// Writes an identity key as the namespace shows it.
pub(crate) fn encode_identity(profile: &Profile, identity: Shown) -> Vec<u8> {
    match profile.identity {
        IdentityForm::Montgomery => encode_key(profile, &identity.key),
        // XEP-0384 v0.9.1 4.2, RFC 7748 4.1
        IdentityForm::Edwards => MontgomeryPoint(identity.key.0)
            .to_edwards(identity.is_negative.into())
            // only what is no identity key has no such point
            .map_or_else(Vec::new, |it| it.compress().to_bytes().to_vec()),
    }
}

/// Reads an identity key as the namespace shows it; its worth is not checked.
pub(crate) fn decode_identity(profile: &Profile, bytes: &[u8]) -> Result<Shown, Malformed> {
    match profile.identity {
        IdentityForm::Montgomery => Ok(Shown {
            key: decode_key(profile, bytes)?,
            is_negative: false,
        }),
        IdentityForm::Edwards => {
            let point = CompressedEdwardsY::from_slice(bytes).map_err(|_| Malformed)?;
            let is_negative = point.as_bytes()[31] >> 7 == 1;
            let point = point.decompress().ok_or(Malformed)?;
            Ok(Shown {
                key: PublicKey(point.to_montgomery().to_bytes()),
                is_negative,
            })
        }
    }
}

/// The value of a field to be written.
#[derive(Clone, Copy)]
enum Part<'a> {
    Number(u32),
    Bytes(&'a [u8]),
}

/// Writes fields in the order of their numbers.
fn write<'a>(version: Option<u8>, parts: impl IntoIterator<Item = (u32, Part<'a>)>) -> Vec<u8> {
    let mut parts: Vec<_> = parts.into_iter().collect();
    parts.sort_by_key(|(number, _)| *number);
    let length: usize = parts
        .iter()
        .map(|(_, part)| match part {
            Part::Number(_) => 6,
            Part::Bytes(bytes) => bytes.len() + 6,
        })
        .sum();
    let mut out = Vec::with_capacity(length + 1);
    out.extend(version);
    for (number, part) in parts {
        match part {
            Part::Number(value) => put_u32(&mut out, number, value),
            Part::Bytes(value) => put_bytes(&mut out, number, value),
        }
    }
    out
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_u32(out: &mut Vec<u8>, field: u32, value: u32) {
    put_varint(out, u64::from(field << 3));
    put_varint(out, u64::from(value));
}

fn put_bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    put_varint(out, u64::from((field << 3) | 2));
    put_varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// The fields of a protobuf message, in the order in which they come.
struct Fields<'a>(&'a [u8]);

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A number of fixed width, which no field of the protocol has.
    Other,
}

impl<'a> Fields<'a> {
    fn after_version(profile: &Profile, data: &'a [u8]) -> Result<Self, Malformed> {
        match (profile.version, data) {
            (None, fields) => Ok(Self(fields)),
            (Some(ours), [version, fields @ ..]) if version >> 4 == ours >> 4 => Ok(Self(fields)),
            (Some(_), _) => Err(Malformed),
        }
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Malformed)?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(length).map_err(|_| Malformed)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), Malformed> {
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).map_err(|_| Malformed)?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Other)?,
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Other)?,
            _ => return Err(Malformed),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'a> Value<'a> {
    fn u32(self) -> Result<u32, Malformed> {
        match self {
            Self::Number(number) => u32::try_from(number).map_err(|_| Malformed),
            Self::Bytes(_) | Self::Other => Err(Malformed),
        }
    }

    fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) | Self::Other => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests;
