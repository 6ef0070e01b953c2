//! What the stream reports: connection changes, messages, device lists, progress of what was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use omemo::{DeviceList, Envelope, Namespace};

use super::handled::Handled;
use super::signs::Signs;

/// Something that the stream reports.
///
/// Not `Debug`: messages carry what people wrote.
#[non_exhaustive]
pub enum Arrival {
    /// The stream is up.
    Online {
        /// Whether it is a new stream. Then everything unacknowledged was reported as
        /// [`Stage::Lost`], and the caller publishes its bundle, calls [`announce`], catches up
        /// from the archive and sends its outbox, in this order. `false` means that the earlier
        /// stream goes on without a gap and nothing is to be done.
        ///
        /// [`announce`]: super::Link::announce
        fresh: bool,
        /// The server's address, as connected to.
        peer_address: Option<SocketAddr>,
    },
    /// The stream is down; it is being restored.
    Offline {
        /// Why, in words for the journal.
        reason: String,
    },
    /// The stream is down and will not come back by itself.
    Fatal(FatalReason),
    /// A message came.
    Message(Box<Message>),
    /// An account's device list was pushed (XEP-0163).
    DeviceList {
        /// The namespace of the list.
        namespace: Namespace,
        /// The bare address of the account.
        jid: String,
        /// The list, as the account published it.
        devices: DeviceList,
    },
    /// A contact whose presence we see came or went with one of its programs.
    Client {
        /// Its full address.
        jid: String,
        /// Its bare address.
        bare: String,
        /// What changes when it can do other things (XEP-0115), if it says so.
        caps: Option<String>,
        /// Whether it is there.
        is_available: bool,
    },
    /// Somebody asks to see our presence.
    SubscriptionAsked {
        /// The bare address of who asks.
        jid: String,
    },
    /// A stanza given to [`send`](super::Link::send) got on.
    Stage {
        /// The token it was sent with.
        token: u64,
        /// How far it got.
        stage: Stage,
    },
}

/// How far a sent stanza got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It was written to the stream.
    Sent,
    /// The server has it.
    Acked,
    /// It is unknown whether the server has it, and this stream will not send it again.
    Lost,
    /// It is no stanza that can be sent; sending it again would not help.
    Refused,
}

/// Why the stream cannot be restored without the owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FatalReason {
    /// The server refuses the name and password.
    #[error("the server refuses the account name or the password")]
    WrongPassword,
    /// The account is switched off at the server.
    #[error("the server says that the account is disabled")]
    AccountDisabled,
    /// The server's certificate is not believed.
    #[error("the server's certificate is not trusted: {0}")]
    CertificateNotTrusted(String),
    /// No acceptable way to log in is offered; the password was not sent.
    #[error("the server offers no acceptable way to log in (it offers: {offered})")]
    NoAcceptableLogin {
        /// What the server offers.
        offered: String,
    },
    /// The server could not prove that it knows the password.
    #[error("the server could not prove that it knows the account: {0}")]
    ServerNotAuthentic(&'static str),
    /// The server does not serve this domain or refuses it for good.
    #[error("the server refuses: {0}")]
    Policy(String),
    /// The settings cannot work.
    #[error("{0}")]
    Settings(String),
    /// The task that keeps the stream died.
    #[error("an error in this program ended the connection")]
    Internal,
}

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Sent to us just now.
    Live,
    /// Kept by our server while we were away, and sent to us when we announced ourselves.
    Offline,
    /// From the archive, for a query of ours.
    Archive,
    /// A copy of what another device of our own account received or sent.
    Carbon,
}

/// What is in a message.
///
/// Not `Debug`: it carries what people wrote.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// An OMEMO element, not yet decrypted.
    Encrypted(Envelope),
    /// Encrypted in a way that we do not speak, or a damaged OMEMO element. The text that may stand
    /// beside it is an apology by the sender's program and never passed on.
    Undecipherable {
        /// What it is encrypted with, as its namespace.
        namespace: String,
    },
    /// Text in clear.
    Plain(String),
    /// The other side received the message with this id (XEP-0184).
    Received(String),
    /// Nothing for us: typing, markers, unknown extensions.
    Other,
}

/// One message.
///
/// While it (or its [`Handled`]) lives, the server is told that it was not handled yet, and sends
/// it again should this process die: drop it only after what it says is stored.
///
/// Not `Debug`: it carries what people wrote.
pub struct Message {
    /// The sender's full address, checked by the server.
    pub from: String,
    /// The sender's bare address.
    pub from_bare: String,
    /// The address it was sent to, bare.
    pub to_bare: String,
    /// The stanza's id, chosen by the sender.
    pub id: Option<String>,
    /// The id the sender chose for the message (XEP-0359); never unique by itself.
    pub origin_id: Option<String>,
    /// The id in our own archive, only ever given by our own server.
    pub archive_id: Option<String>,
    /// When our server first had it, if it says so.
    pub stamp: Option<SystemTime>,
    /// Where it came from.
    pub source: Source,
    /// What is in it.
    pub content: Content,
    /// Whether the sender wants to hear that it came (XEP-0184).
    pub asks_receipt: bool,
    /// What stands beside its words, outside of what is encrypted.
    pub signs: Signs,
    /// Whether it reports that a message of ours, whose id is [`Self::id`], was not delivered.
    /// Its content is never the sender's word.
    pub is_error: bool,
    /// Keeps the stanza unacknowledged until dropped.
    pub handled: Arc<Handled>,
}
