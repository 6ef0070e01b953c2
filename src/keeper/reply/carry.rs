//! What the owner is told of files that go onto a stick or come from one; the words are in
//! `words::carry`.

use crate::keeper::carry::{Amount, Ended, Refused, Stick};

/// What became of the files of a stick.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StickTally {
    /// Numbers of new entries.
    pub numbers: Vec<u64>,
    /// Files whose content was in the vault before.
    pub doubles: u64,
    /// Files that wait for the key.
    pub waiting: u64,
    /// Files that were sealed and then not kept.
    pub lost: u64,
}

/// What is said about files on a stick.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CarryReply {
    /// Shall these go onto that stick?
    AskExport {
        /// The stick.
        stick: Stick,
        /// How much it is.
        amount: Amount,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// Shall the files of that stick be taken in?
    AskImport {
        /// The stick.
        stick: Stick,
        /// How much it is.
        amount: Amount,
        /// The album that new files go into.
        album: Option<String>,
        /// Whether they will wait for the key.
        is_locked: bool,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// How far it has come.
    Going {
        /// Whether files go onto the stick.
        is_export: bool,
        /// The stick's name.
        name: String,
        /// Files so far.
        files: u64,
        /// Their bytes.
        bytes: u64,
        /// All files.
        of: u64,
    },
    /// Files were written onto a stick.
    Exported {
        /// The stick's name.
        name: String,
        /// How many were to be written.
        of: u64,
        /// What became of it.
        ended: Ended,
    },
    /// The files of a stick were taken in.
    Imported {
        /// The stick's name.
        name: String,
        /// How many there are on it.
        of: u64,
        /// What became of it.
        ended: Ended,
        /// What became of the files.
        tally: StickTally,
    },
    /// A restart ended it.
    CutShort {
        /// Whether files went onto the stick.
        is_export: bool,
        /// The stick's name.
        name: String,
    },
    /// Nothing was begun.
    Refused(Box<Refused>),
    /// Another one is being carried out.
    Busy,
    /// This machine mounts no sticks for us.
    NotHere,
    /// `export` without saying what.
    ExportWhat,
    /// `import` with something behind it that names no stick.
    ImportHow,
}
