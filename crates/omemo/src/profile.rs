//! The namespaces as parameters: tags, infos, MAC length, key encodings.
//!
//! It has no code of its own: what differs between the namespaces is a value here. A second
//! namespace is a second `Profile`; `urn:xmpp:omemo:2` also needs an outer MAC message instead of
//! a trailing MAC, Ed25519 identity keys on the wire, associated data by role instead of direction,
//! and the payload of XEP-0420 (whose XML is to be depth-checked before it is parsed).

/// An OMEMO namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Namespace {
    /// `eu.siacs.conversations.axolotl`, XEP-0384 up to 0.3.
    Legacy,
}

impl Namespace {
    /// Returns the XML namespace.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Legacy => "eu.siacs.conversations.axolotl",
        }
    }

    /// Returns the namespace of an XML namespace; `None` for one that is not spoken here.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        [Self::Legacy].into_iter().find(|it| it.uri() == uri)
    }

    /// Returns the number that stands for the namespace in stored records.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Legacy => 1,
        }
    }

    /// Returns the namespace that a stored record's number stands for.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Legacy),
            _ => None,
        }
    }

    /// Returns the parameters of the protocol in this namespace.
    pub(crate) fn profile(self) -> &'static Profile {
        match self {
            Self::Legacy => &LEGACY,
        }
    }
}

/// What differs between the namespaces below the XML.
pub(crate) struct Profile {
    /// HKDF info of the key agreement.
    pub(crate) agreement_info: &'static [u8],
    /// HKDF info of the root chain.
    pub(crate) root_info: &'static [u8],
    /// HKDF info that turns a message key into cipher key, MAC key and IV.
    pub(crate) message_info: &'static [u8],
    /// How many bytes of the MAC are sent.
    pub(crate) mac_bytes: usize,
    /// The byte before each protobuf message. Its high half is the version, its low half the
    /// newest version that the sender knows, which receivers ignore.
    pub(crate) version: u8,
    /// The byte before each public key, also inside signatures and associated data.
    pub(crate) key_prefix: u8,
    /// Field numbers of a ratchet message.
    pub(crate) message: MessageFields,
    /// Field numbers of a key exchange.
    pub(crate) exchange: ExchangeFields,
}

/// Field numbers of a ratchet message.
pub(crate) struct MessageFields {
    pub(crate) ratchet_key: u32,
    pub(crate) counter: u32,
    pub(crate) previous: u32,
    pub(crate) ciphertext: u32,
}

/// Field numbers of a key exchange.
pub(crate) struct ExchangeFields {
    pub(crate) prekey_id: u32,
    pub(crate) base_key: u32,
    pub(crate) identity_key: u32,
    pub(crate) message: u32,
    pub(crate) registration_id: u32,
    pub(crate) signed_prekey_id: u32,
}

// XEP-0384 v0.3.0 4 (SignalProtocol version 3)
static LEGACY: Profile = Profile {
    agreement_info: b"WhisperText",
    root_info: b"WhisperRatchet",
    message_info: b"WhisperMessageKeys",
    mac_bytes: 8,
    version: 0x33,
    key_prefix: 0x05,
    message: MessageFields {
        ratchet_key: 1,
        counter: 2,
        previous: 3,
        ciphertext: 4,
    },
    exchange: ExchangeFields {
        prekey_id: 1,
        base_key: 2,
        identity_key: 3,
        message: 4,
        registration_id: 5,
        signed_prekey_id: 6,
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_found_by_its_uri_and_its_code_and_no_other_is() {
        let legacy = Namespace::Legacy;

        assert_eq!(
            Namespace::from_uri("eu.siacs.conversations.axolotl"),
            Some(legacy)
        );
        assert_eq!(Namespace::from_code(legacy.code()), Some(legacy));
        assert_eq!(Namespace::from_uri("urn:xmpp:omemo:2"), None);
        assert_eq!(Namespace::from_code(0), None);
    }
}
