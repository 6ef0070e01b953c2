//! What another version of the program left unfinished, and this one cannot read: it is closed at the
//! start and told once, so that no update can keep the vault from starting.
//!
//! It knows no form of a job but whether it reads.

use std::path::Path;

use anyhow::Context as _;

use super::Daemon;
use crate::{
    keeper::{Input, delivery::Delivery, intake::Intake, machine::Heard},
    state::{JobKind, State},
};

#[cfg(test)]
mod tests;

/// The note that holds how many files and questions were closed, until that is told.
const UNREAD: &str = "unread jobs";

/// Opens the state in the system folder, with jobs that all read.
pub(super) fn open_state(system: &Path) -> anyhow::Result<State> {
    let mut state = State::open(system).context("while opening the state")?;
    close_unread(&mut state)?;
    Ok(state)
}

/// Closes the jobs that do not read, and notes how many they were.
fn close_unread(state: &mut State) -> anyhow::Result<()> {
    let step = state.begin().context("while beginning a step")?;
    let files = step.close_unread_jobs::<Intake>(JobKind::Intake)?;
    let questions = step.close_unread_jobs::<Delivery>(JobKind::Delivery)?;
    if files == 0 && questions == 0 {
        return Ok(());
    }
    let (before, asked_before) = step.note::<(u32, u32)>(UNREAD)?.unwrap_or_default();
    let noted = (
        before.saturating_add(files),
        asked_before.saturating_add(questions),
    );
    step.set_note(UNREAD, Some(&noted))?;
    step.commit().context("while closing what cannot be read")?;
    state
        .truncate_log()
        .context("while overwriting what a closed job held")?;
    log::error!(
        "another version left {files} files and {questions} questions unfinished in a form that this \
         one cannot read; they are closed, and the owner is told"
    );
    Ok(())
}

impl Daemon {
    /// Tells what was closed, once.
    pub(super) fn tell_unread(&mut self) -> anyhow::Result<()> {
        let step = self.state.begin().context("while beginning a step")?;
        let Some((files, questions)) = step.note::<(u32, u32)>(UNREAD)? else {
            return Ok(());
        };
        drop(step);
        self.handle(Input::Machine(Heard::Unread { files, questions }))?;
        // Killed in between, it is told twice.
        let step = self.state.begin().context("while beginning a step")?;
        step.set_note(UNREAD, None::<&(u32, u32)>)?;
        step.commit().context("while saving a step")
    }
}
