//! What another version of the program left unfinished, and this one cannot read: it is set
//! aside at the start and told once, so that no update can keep the vault from starting.
//!
//! It knows no form of a job but whether it reads.

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;

use super::Daemon;
use crate::{
    keeper::{Input, delivery::Delivery, intake::Intake, machine::Heard},
    state::{JobKind, State},
};

#[cfg(test)]
mod tests;

/// The note that holds how many files and questions were set aside, until that is told.
const UNREAD: &str = "unread jobs";

/// Opens the state in the system folder, with jobs that all read.
pub(super) fn open_state(system: &Path) -> anyhow::Result<State> {
    let mut state = State::open(system).context("while opening the state")?;
    sort_jobs(&mut state, crate::clock::now())?;
    Ok(state)
}

/// Takes up what an earlier start set aside and this version reads, sets the jobs aside that do not
/// read, and notes how many these were.
fn sort_jobs(state: &mut State, now: SystemTime) -> anyhow::Result<()> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let step = state.begin().context("while beginning a step")?;
    let back = step.take_up_read_jobs::<Intake>(JobKind::Intake, now)?
        + step.take_up_read_jobs::<Delivery>(JobKind::Delivery, now)?;
    let files = step.set_unread_jobs_aside::<Intake>(JobKind::Intake, now)?;
    let questions = step.set_unread_jobs_aside::<Delivery>(JobKind::Delivery, now)?;
    if back > 0 {
        log::info!(
            "{back} files and questions that another version could not read are taken up again"
        );
    }
    if files == 0 && questions == 0 {
        return step.commit().context("while saving a step");
    }
    let (before, asked_before) = step.note::<(u32, u32)>(UNREAD)?.unwrap_or_default();
    let noted = (
        before.saturating_add(files),
        asked_before.saturating_add(questions),
    );
    step.set_note(UNREAD, Some(&noted))?;
    step.commit()
        .context("while setting aside what cannot be read")?;
    state
        .truncate_log()
        .context("while overwriting where the jobs were")?;
    log::error!(
        "another version left {files} files and {questions} questions unfinished in a form that this \
         one cannot read; they are set aside for 30 days, and the owner is told"
    );
    Ok(())
}

impl Daemon {
    /// Tells what was set aside, once.
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
