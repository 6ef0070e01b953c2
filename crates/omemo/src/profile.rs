//! The namespaces as parameters: tags, infos, MAC length, key encodings.
//!
//! It has no code of its own: what differs between the namespaces is a value here.

/// An OMEMO namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Namespace {
    /// `eu.siacs.conversations.axolotl`, XEP-0384 up to 0.3.
    Legacy,
    /// `urn:xmpp:omemo:2`, XEP-0384 from 0.8 on. Its content is an envelope of XEP-0420.
    Omemo2,
}

impl Namespace {
    /// All namespaces that are spoken here.
    pub const ALL: [Self; 2] = [Self::Legacy, Self::Omemo2];

    /// Returns the XML namespace.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Legacy => "eu.siacs.conversations.axolotl",
            Self::Omemo2 => "urn:xmpp:omemo:2",
        }
    }

    /// Returns the namespace of an XML namespace; `None` for one that is not spoken here.
    #[must_use]
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.uri() == uri)
    }

    /// Returns the number that stands for the namespace in stored records.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Legacy => 1,
            Self::Omemo2 => 2,
        }
    }

    /// Returns the namespace that a stored record's number stands for.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.code() == code)
    }

    /// Returns the parameters of the protocol in this namespace.
    pub(crate) fn profile(self) -> &'static Profile {
        match self {
            Self::Legacy => &LEGACY,
            Self::Omemo2 => &OMEMO2,
        }
    }
}

/// A set of namespaces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Namespaces(u8);

impl Namespaces {
    /// Returns the set with `namespace` in it, or not.
    #[must_use]
    pub fn with(self, namespace: Namespace, is_in: bool) -> Self {
        if is_in {
            Self(self.0 | namespace.code())
        } else {
            Self(self.0 & !namespace.code())
        }
    }

    /// Tells whether `namespace` is in the set.
    #[must_use]
    pub fn contains(self, namespace: Namespace) -> bool {
        self.0 & namespace.code() != 0
    }

    /// Tells whether the set has no member.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns what stands for the set in stored records.
    pub(crate) fn code(self) -> u8 {
        self.0
    }

    /// Returns the set that a stored record's number stands for.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        let all = Namespace::ALL
            .into_iter()
            .fold(0, |all, it| all | it.code());
        (code & !all == 0).then_some(Self(code))
    }
}

impl From<Namespace> for Namespaces {
    fn from(namespace: Namespace) -> Self {
        Self::default().with(namespace, true)
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
    pub(crate) version: Option<u8>,
    /// The byte before each public key, also inside signatures and associated data.
    pub(crate) key_prefix: Option<u8>,
    /// How identity keys are shown; all other keys are points on Curve25519.
    pub(crate) identity: IdentityForm,
    /// Whose identity key comes first in what the MAC binds.
    pub(crate) first: First,
    /// Field numbers of a ratchet message.
    pub(crate) message: MessageFields,
    /// Field numbers of the message around it that holds the MAC; where there is none, the MAC
    /// follows the ratchet message.
    pub(crate) authenticated: Option<AuthenticatedFields>,
    /// Field numbers of a key exchange.
    pub(crate) exchange: ExchangeFields,
    /// The cipher of the content.
    pub(crate) content: ContentCipher,
    /// Whether the header says which account a device belongs to.
    pub(crate) names_accounts: bool,
}

/// How an identity key is shown to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdentityForm {
    /// As the point on Curve25519 that it is.
    Montgomery,
    /// As one of the two points on Ed25519 that stand for it.
    Edwards,
}

/// Whose identity key comes first in what the MAC binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum First {
    /// The one of whoever sends this message.
    Sender,
    /// The one of whoever started the session.
    Starter,
}

/// How the content of an envelope is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentCipher {
    /// AES-128-GCM; key and tag go to each device.
    Gcm,
    /// AES-256-CBC and HMAC under keys derived with this HKDF info; key and MAC go to each device.
    CbcHmac(&'static [u8]),
}

/// Field numbers of a ratchet message.
pub(crate) struct MessageFields {
    pub(crate) ratchet_key: u32,
    pub(crate) counter: u32,
    pub(crate) previous: u32,
    pub(crate) ciphertext: u32,
}

/// Field numbers of the message that holds a ratchet message and its MAC.
pub(crate) struct AuthenticatedFields {
    pub(crate) mac: u32,
    pub(crate) message: u32,
}

/// Field numbers of a key exchange.
pub(crate) struct ExchangeFields {
    pub(crate) prekey_id: u32,
    pub(crate) base_key: u32,
    pub(crate) identity_key: u32,
    pub(crate) message: u32,
    pub(crate) registration_id: Option<u32>,
    pub(crate) signed_prekey_id: u32,
}

// XEP-0384 v0.3.0 4 (SignalProtocol version 3)
static LEGACY: Profile = Profile {
    agreement_info: b"WhisperText",
    root_info: b"WhisperRatchet",
    message_info: b"WhisperMessageKeys",
    mac_bytes: 8,
    version: Some(0x33),
    key_prefix: Some(0x05),
    identity: IdentityForm::Montgomery,
    first: First::Sender,
    message: MessageFields {
        ratchet_key: 1,
        counter: 2,
        previous: 3,
        ciphertext: 4,
    },
    authenticated: None,
    exchange: ExchangeFields {
        prekey_id: 1,
        base_key: 2,
        identity_key: 3,
        message: 4,
        registration_id: Some(5),
        signed_prekey_id: 6,
    },
    content: ContentCipher::Gcm,
    names_accounts: false,
};

// XEP-0384 v0.9.1 4
static OMEMO2: Profile = Profile {
    agreement_info: b"OMEMO X3DH",
    root_info: b"OMEMO Root Chain",
    message_info: b"OMEMO Message Key Material",
    mac_bytes: 16,
    version: None,
    key_prefix: None,
    identity: IdentityForm::Edwards,
    first: First::Starter,
    message: MessageFields {
        counter: 1,
        previous: 2,
        ratchet_key: 3,
        ciphertext: 4,
    },
    authenticated: Some(AuthenticatedFields { mac: 1, message: 2 }),
    exchange: ExchangeFields {
        prekey_id: 1,
        signed_prekey_id: 2,
        identity_key: 3,
        base_key: 4,
        message: 5,
        registration_id: None,
    },
    content: ContentCipher::CbcHmac(b"OMEMO Payload"),
    names_accounts: true,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_found_by_its_uri_and_its_code_and_no_other_is() {
        for namespace in Namespace::ALL {
            assert_eq!(Namespace::from_uri(namespace.uri()), Some(namespace));
            assert_eq!(Namespace::from_code(namespace.code()), Some(namespace));
        }
        assert_eq!(Namespace::from_uri("urn:xmpp:omemo:1"), None);
        assert_eq!(Namespace::from_code(0), None);
        assert_eq!(Namespace::from_code(3), None);
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_is_read_back() {
        let none = Namespaces::default();
        let one = Namespaces::from(Namespace::Omemo2);
        let both = one.with(Namespace::Legacy, true);

        assert!(none.is_empty() && !one.is_empty());
        assert!(one.contains(Namespace::Omemo2) && !one.contains(Namespace::Legacy));
        assert_eq!(both.with(Namespace::Legacy, false), one);
        for set in [none, one, both] {
            assert_eq!(Namespaces::from_code(set.code()), Some(set));
        }
        assert_eq!(Namespaces::from_code(4), None);
    }
}
