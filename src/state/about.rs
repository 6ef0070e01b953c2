//! Which entries the newest messages are about, by the messages' ids.

use rusqlite::{OptionalExtension as _, params};

use super::{StateError, Step, read, write};

/// Messages that are remembered.
const MAX_MESSAGES: i64 = 2_000;

impl Step<'_> {
    /// Notes that a message is about these entries, besides those it is about already.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn note_about(&self, message: &str, numbers: &[u64]) -> Result<(), StateError> {
        if numbers.is_empty() {
            return Ok(());
        }
        let mut all = self.about(message)?;
        for number in numbers {
            if !all.contains(number) {
                all.push(*number);
            }
        }
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO about (message, numbers) VALUES (?1, ?2)")?
            .execute(params![message, write(&all)?.as_slice()])?;
        self.transaction
            .prepare_cached("DELETE FROM about WHERE token <= ?1")?
            .execute([self.transaction.last_insert_rowid() - MAX_MESSAGES])?;
        Ok(())
    }

    /// Returns the entries that a message is about.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn about(&self, message: &str) -> Result<Vec<u64>, StateError> {
        let numbers: Option<Vec<u8>> = self
            .transaction
            .prepare_cached("SELECT numbers FROM about WHERE message = ?1")?
            .query_row([message], |row| row.get(0))
            .optional()?;
        numbers.map_or_else(|| Ok(Vec::new()), |numbers| read(&numbers))
    }
}

#[cfg(test)]
mod tests {
    use crate::state::State;

    #[test]
    fn a_message_is_about_all_that_was_noted_and_only_the_newest_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let step = state.begin().unwrap();

        step.note_about("old", &[1]).unwrap();
        for number in 0..1_999 {
            step.note_about(&format!("message {number}"), &[number])
                .unwrap();
        }
        let before = step.about("old").unwrap();
        step.note_about("message 7", &[7, 8]).unwrap();
        step.note_about("nothing", &[]).unwrap();

        assert_eq!(before, [1]);
        assert!(step.about("old").unwrap().is_empty());
        assert_eq!(step.about("message 7").unwrap(), [7, 8]);
        assert_eq!(step.about("message 0").unwrap(), [0]);
        assert!(step.about("nothing").unwrap().is_empty());
    }
}
