//! What the owner is told about the machine; the words are in `words::machine`.

use crate::keeper::machine::Errand;

/// What is said about the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MachineReply {
    /// Shall it really?
    Ask {
        /// What.
        errand: Errand,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// The daemon ends and begins anew.
    Restarting,
    /// It has begun anew.
    Back,
    /// The machine is being switched off.
    SwitchingOff,
    /// It is up after starts that came to nothing.
    Recovered {
        /// How many.
        starts: u32,
    },
    /// Another version left what this one cannot read; it is closed.
    Unread {
        /// Files on their way in.
        files: u32,
        /// Questions, and files on their way out.
        questions: u32,
    },
    /// Nobody could be asked to switch it off.
    NotOff,
    /// Switching it off is not set up.
    NoSwitch,
    /// The data drive may be pulled.
    Ejected,
    /// What was written may not have reached it.
    NotEjected,
    /// The data drive is used again.
    TakenBack,
    /// It was not let go of.
    NotOut,
    /// `eject` with something behind it that does not belong there.
    EjectHow,
}
