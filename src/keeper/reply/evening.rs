//! What the owner is told while drive and stick become a vault; the words are in `words::evening`.

use crate::keeper::evening::{Home, Offer, Refused};

/// What is said on the first evening.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EveningReply {
    /// There is no vault yet, and this is how to get one.
    Invite,
    /// What is plugged in.
    Found {
        /// The drives and sticks.
        offers: Vec<Offer>,
        /// Whether there is a vault already.
        has_vault: bool,
    },
    /// Shall a vault be made of these?
    AskMake {
        /// What is formatted.
        drive: Option<Box<Offer>>,
        /// What gets the key.
        stick: Option<Box<Offer>>,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// Shall this stick be the spare?
    AskSpare {
        /// What gets the key.
        stick: Option<Box<Offer>>,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// Shall the stick live there?
    AskLive {
        /// Where.
        home: Home,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// It is being done.
    Working,
    /// The vault is made.
    Made,
    /// The vault is made, but what comes after that did not all work.
    MadeBut,
    /// A second stick opens it.
    SpareMade,
    /// Where the stick lives from now on.
    Lives(Home),
    /// There is no vault yet.
    NoVault,
    /// Nothing of that name was shown.
    NotShown {
        /// What stood there.
        name: String,
    },
    /// Nothing was done.
    Refused(Refused),
    /// This machine prepares nothing.
    NotHere,
    /// `prepare` with something behind it that is not enough or too much.
    PrepareHow,
}
