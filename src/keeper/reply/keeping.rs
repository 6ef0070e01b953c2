//! What the owner is told of changes to kept files; the words are in `words::keeping`.

use vault::{Label, Relabelled};

use super::Line;
use crate::keeper::command::KeepWord;

/// What is said of changes to kept files.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeepReply {
    /// Shall these go to the trash?
    AskDelete {
        /// Which.
        lines: Vec<Line>,
        /// Those that lie there already.
        in_trash: Vec<u64>,
        /// Numbers that name none.
        missing: Vec<u64>,
        /// How long they stay there; 0 for always.
        days: u32,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// None of the files that were named can be deleted or changed.
    NoneOfThem {
        /// Those that lie in the trash.
        in_trash: Vec<u64>,
        /// Numbers that name none.
        missing: Vec<u64>,
    },
    /// Files are as was asked.
    Labelled {
        /// How.
        labels: Vec<Label>,
        /// Which, changed or not.
        numbers: Vec<u64>,
        /// Whether anything was changed.
        has_changed: bool,
        /// Those that were left alone because they lie in the trash.
        in_trash: Vec<u64>,
        /// Numbers that name none.
        missing: Vec<u64>,
        /// How long a file stays in the trash; 0 for always.
        days: u32,
    },
    /// A change was taken back.
    Undone {
        /// What it was.
        steps: Vec<Relabelled>,
        /// Files that are as they were.
        numbers: Vec<u64>,
        /// Files that were changed since, and left alone.
        changed: Vec<u64>,
        /// Files that are gone.
        missing: Vec<u64>,
    },
    /// There is no change that could be taken back.
    NothingToUndo,
    /// Files that the last change belongs to are still on their way in.
    UndoLater {
        /// How many.
        coming: usize,
    },
    /// What lies in the trash.
    Trash {
        /// The highest numbers first, each with when it was moved there, in seconds since 1970.
        lines: Vec<(Line, i64)>,
        /// All that lie there.
        count: u64,
        /// Bytes of their content.
        bytes: u64,
        /// How long they stay there; 0 for always.
        days: u32,
    },
    /// Shall the trash be emptied?
    AskEmpty {
        /// Files in it.
        count: u64,
        /// Bytes of their content.
        bytes: u64,
        /// The number to send back; `None` where the question has to be asked again.
        number: Option<u32>,
    },
    /// Files are gone for good.
    Purged {
        /// How many.
        count: u64,
        /// Bytes of their content.
        bytes: u64,
    },
    /// More lies in the trash than was shown, so nothing was removed.
    TrashChanged,
    /// Messages that had brought files were taken back; the files stay.
    Retracted {
        /// Their numbers, lowest first.
        numbers: Vec<u64>,
    },
    /// A word without what it needs.
    How(KeepWord),
}
