//! What is said about the commands themselves; the words are in `words::help`.

/// What is said about commands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrammarReply {
    /// How one command is used.
    HelpOn {
        /// Its verb.
        verb: &'static str,
    },
    /// The first word is almost a verb.
    DidYouMean {
        /// The verb.
        verb: &'static str,
    },
    /// Something follows a verb that stands alone.
    Alone {
        /// The verb.
        verb: &'static str,
    },
    /// `help` on something that is no command.
    NoTopic {
        /// What stood there.
        word: String,
    },
}
