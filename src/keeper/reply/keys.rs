//! What is said about the keys of the vault when they are changed from the chat.

/// What came of asking for a change of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyReply {
    /// Shall this key be revoked?
    Ask {
        /// Names its slot.
        slot: [u8; 16],
        /// Its name.
        name: String,
        /// Whether it opened the vault this time.
        opened: bool,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// It is revoked, and a new epoch has begun.
    Revoked {
        /// Its name.
        name: String,
        /// Whether it was the code.
        was_code: bool,
    },
    /// Without it neither a stick nor words would be left.
    Last {
        /// Its name.
        name: String,
    },
    /// No key has this name.
    NoSuch {
        /// The name that was asked for.
        name: String,
    },
    /// More than one has.
    Several {
        /// The name that was asked for.
        name: String,
    },
    /// It has another name now.
    Renamed {
        /// Its name before.
        from: String,
        /// Its name now.
        to: String,
    },
    /// Another key has this name.
    Taken {
        /// The name that was wished for.
        name: String,
    },
    /// No key can have this name.
    BadName {
        /// The name that was wished for.
        name: String,
    },
    /// How a spare stick is made.
    HowToAdd,
    /// `rename key` without two names.
    RenameHow,
    /// `revoke key` without a name.
    RevokeHow,
}

impl KeyReply {
    /// Puts the number into the question, if it is one.
    pub(in crate::keeper) fn with_number(mut self, drawn: Option<u32>) -> Self {
        if let Self::Ask { number, .. } = &mut self {
            *number = drawn;
        }
        self
    }
}
