//! Why an operation of the [`crate::machine`] was refused.
//!
//! `E` is the error of the store. No text here contains a key, an address or a body.

use crate::Address;

/// Why a received envelope was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError<E> {
    /// This store has no device yet.
    #[error("this device is not enrolled")]
    NotEnrolled,
    /// The envelope carries no key for this device.
    #[error("the message was not encrypted for this device")]
    NotForUs,
    /// Its message key was used before: a repetition. (Or it is one of more than a thousand
    /// messages that were skipped, and its key had to go.)
    #[error("the message was received before")]
    AlreadyReceived,
    /// It was altered, forged, or made for a session that is gone.
    #[error("the message is not authentic")]
    NotAuthentic,
    /// There is no session with the sending device, and the message does not start one.
    #[error("there is no session with the sending device")]
    NoSession,
    /// The device shows another identity key than the one recorded for it.
    #[error("the device shows another identity key than before")]
    IdentityChanged,
    /// It does not have the form of an OMEMO message.
    #[error("the message is malformed")]
    Malformed,
    /// More messages would be skipped than a session may skip.
    #[error("the message is too far ahead of the last one received")]
    TooFarAhead,
    /// The key exchange names no prekey, or one that is unknown or used up.
    #[error("the key exchange names a prekey that does not exist")]
    UnknownPrekey,
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[source] E),
}

/// Why a message was not encrypted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptError<E> {
    /// This store has no device yet.
    #[error("this device is not enrolled")]
    NotEnrolled,
    /// There is nobody to encrypt for.
    #[error("the message has no recipient")]
    NoRecipient,
    /// These devices have no session: fetch their bundles and start one.
    #[error("{} devices have no session", addresses.len())]
    NoSession {
        /// The devices without a session.
        addresses: Vec<Address>,
    },
    /// These devices were revoked and must not be given a key.
    #[error("{} devices are revoked", addresses.len())]
    Revoked {
        /// The revoked devices.
        addresses: Vec<Address>,
    },
    /// The body is longer than the cipher allows.
    #[error("the message is too long")]
    TooLong,
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[source] E),
}

/// Why no session was started from a bundle.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError<E> {
    /// This store has no device yet.
    #[error("this device is not enrolled")]
    NotEnrolled,
    /// The identity key, the signed prekey or its signature does not have the right form.
    #[error("the bundle is malformed")]
    Malformed,
    /// The signature does not hold, or a key is one that keeps nothing secret.
    #[error("the bundle is not authentic")]
    NotAuthentic,
    /// The bundle has no usable prekey.
    #[error("the bundle has no usable prekey")]
    NoPrekey,
    /// The bundle has another identity key than the one recorded for the device.
    #[error("the device shows another identity key than before")]
    IdentityChanged,
    /// The device was revoked.
    #[error("the device is revoked")]
    Revoked,
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[source] E),
}

/// Why a trust decision was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError<E> {
    /// The device was never seen.
    #[error("the device is not known")]
    UnknownDevice,
    /// The device has another identity key than the one decided on.
    #[error("the device has another identity key")]
    IdentityChanged,
    /// The store failed.
    #[error("the store could not be read")]
    Store(#[source] E),
}
