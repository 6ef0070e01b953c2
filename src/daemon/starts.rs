//! Starts that came to nothing are counted on the card, so that the first that gets through can say so.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// File of the count in the system folder.
const STARTS_FILE: &str = "starts";
/// Fewer are no news: a server that was restarted, a cable that was out.
const WORTH_TELLING: u32 = 3;

/// Starts since the last that got through.
#[derive(Debug)]
pub(super) struct Starts {
    path: PathBuf,
    failed: u32,
}

impl Starts {
    /// Counts this start as one that has not got through yet.
    pub(super) fn begin(system: &Path) -> Self {
        let path = system.join(STARTS_FILE);
        let failed = fs::read_to_string(&path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0_u32);
        // Without the count the owner is not told; nothing else is lost.
        if let Err(error) = fs::write(&path, failed.saturating_add(1).to_string()) {
            log::warn!("this start was not counted: {error}");
        }
        Self { path, failed }
    }

    /// This start got through. Returns how many before it did not, if they are worth telling, once.
    pub(super) fn came_up(&mut self) -> Option<u32> {
        self.forget();
        let failed = std::mem::take(&mut self.failed);
        (failed >= WORTH_TELLING).then_some(failed)
    }

    /// Whoever stops the daemon means it.
    pub(super) fn forget(&self) {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("the count of starts was not removed: {error}");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_starts_in_a_row_that_came_to_nothing_are_told_once() {
        let system = tempfile::TempDir::new().unwrap();
        for _ in 0..3 {
            Starts::begin(system.path());
        }

        let mut fourth = Starts::begin(system.path());

        assert_eq!((fourth.came_up(), fourth.came_up()), (Some(3), None));
        assert_eq!(Starts::begin(system.path()).came_up(), None);
    }

    #[test]
    fn one_that_was_stopped_does_not_count() {
        let system = tempfile::TempDir::new().unwrap();
        for _ in 0..5 {
            Starts::begin(system.path()).forget();
        }

        assert_eq!(Starts::begin(system.path()).came_up(), None);
    }

    #[test]
    fn a_count_that_cannot_be_read_is_none() {
        let system = tempfile::TempDir::new().unwrap();
        fs::write(system.path().join(STARTS_FILE), "many").unwrap();

        assert_eq!(Starts::begin(system.path()).came_up(), None);
    }
}
