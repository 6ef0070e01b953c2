//! Other people's devices that the owner has confirmed, and what is on its way to them, as rows.
//!
//! Nothing here lets a device command: that is the business of the device table, which calls each
//! of these devices undecided.

use omemo::Namespace;
use rusqlite::{OptionalExtension as _, params};

use super::{StateError, Step, read, write};

/// Letters that are remembered after the server has taken them.
const KEPT_LETTERS: i64 = 200;

/// A device that files may be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactDevice {
    /// The bare address of its account.
    pub jid: String,
    /// OMEMO device id.
    pub device: u32,
    /// Fingerprint: 64 lower-case hex digits.
    pub fingerprint: String,
    /// The namespace it is written to in; `None` while its account does not list it.
    pub namespace: Option<Namespace>,
    /// When it was confirmed, in seconds since 1970.
    pub since: i64,
}

/// What is on its way to somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactLetter {
    /// The bare address.
    pub jid: String,
    /// The entries in it.
    pub numbers: Vec<u64>,
}

impl Step<'_> {
    /// Returns the confirmed devices of everybody.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn contact_devices(&self) -> Result<Vec<ContactDevice>, StateError> {
        let mut rows = self.transaction.prepare_cached(
            "SELECT jid, device, fingerprint, namespace, since FROM contact_device
             ORDER BY jid, since, device",
        )?;
        let rows = rows.query_map([], |row| {
            let namespace: Option<String> = row.get(3)?;
            Ok((
                namespace,
                ContactDevice {
                    jid: row.get(0)?,
                    device: row.get(1)?,
                    fingerprint: row.get(2)?,
                    namespace: None,
                    since: row.get(4)?,
                },
            ))
        })?;
        rows.map(|row| {
            let (uri, device) = row?;
            let known = uri.map(|uri| Namespace::from_uri(&uri).ok_or(StateError::Damaged));
            Ok(ContactDevice {
                namespace: known.transpose()?,
                ..device
            })
        })
        .collect()
    }

    /// Writes which devices of an account are confirmed, in place of what was known of it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn save_contact(&self, jid: &str, devices: &[ContactDevice]) -> Result<(), StateError> {
        self.transaction
            .prepare_cached("DELETE FROM contact_device WHERE jid = ?1")?
            .execute([jid])?;
        for device in devices {
            self.transaction
                .prepare_cached(
                    "INSERT INTO contact_device (jid, device, fingerprint, namespace, since)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    jid,
                    device.device,
                    device.fingerprint,
                    device.namespace.map(Namespace::uri),
                    device.since
                ])?;
        }
        Ok(())
    }

    /// Forgets everything about an account: its devices, the sessions with them, and what is not
    /// sent yet.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn forget_contact(&self, jid: &str) -> Result<(), StateError> {
        let step = &self.transaction;
        for sql in [
            "DELETE FROM outbox WHERE token IN
             (SELECT token FROM contact_letter WHERE jid = ?1 AND NOT acked)",
            "DELETE FROM contact_letter WHERE jid = ?1",
            "DELETE FROM contact_device WHERE jid = ?1",
            "DELETE FROM session WHERE jid = ?1",
            "DELETE FROM device WHERE jid = ?1",
        ] {
            step.prepare_cached(sql)?.execute([jid])?;
        }
        Ok(())
    }

    /// Notes that the outbox's row `token`, the stanza `id`, brings somebody these entries; letters
    /// with the same topic bring the same.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn note_contact_letter(
        &self,
        (token, id, topic): (i64, &str, &str),
        letter: &ContactLetter,
    ) -> Result<(), StateError> {
        let numbers = write(&letter.numbers)?;
        self.transaction
            .prepare_cached(
                "INSERT INTO contact_letter (id, token, topic, jid, numbers)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![id, token, topic, letter.jid, numbers.as_slice()])?;
        self.transaction
            .prepare_cached(
                "DELETE FROM contact_letter WHERE acked AND seq <=
                 (SELECT max(seq) FROM contact_letter) - ?1",
            )?
            .execute([KEPT_LETTERS])?;
        Ok(())
    }

    /// Notes that the server has taken a row of the outbox; returns what it brought, once every
    /// letter with the same topic is taken.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn contact_letter_acked(&self, token: i64) -> Result<Option<ContactLetter>, StateError> {
        let found = self.contact_letter("token = ?1 AND NOT acked", params![token])?;
        let Some((topic, letter)) = found else {
            return Ok(None);
        };
        self.transaction
            .prepare_cached("UPDATE contact_letter SET acked = 1 WHERE token = ?1")?
            .execute([token])?;
        let waits = self
            .transaction
            .prepare_cached("SELECT 1 FROM contact_letter WHERE topic = ?1 AND NOT acked")?
            .exists([topic])?;
        Ok((!waits).then_some(letter))
    }

    /// Notes that a stanza to `jid` came back; returns what it would have brought, once.
    ///
    /// # Errors
    ///
    /// The database's; [`StateError::Damaged`].
    pub fn contact_letter_bounced(
        &self,
        id: &str,
        jid: &str,
    ) -> Result<Option<ContactLetter>, StateError> {
        let found = self.contact_letter("id = ?1 AND jid = ?2", params![id, jid])?;
        let Some((topic, letter)) = found else {
            return Ok(None);
        };
        self.transaction
            .prepare_cached("DELETE FROM contact_letter WHERE topic = ?1")?
            .execute([topic])?;
        Ok(Some(letter))
    }

    /// Returns the ids of the stanzas that may come back.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn contact_letter_ids(&self) -> Result<Vec<String>, StateError> {
        let mut rows = self
            .transaction
            .prepare_cached("SELECT id FROM contact_letter")?;
        let rows = rows.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn contact_letter(
        &self,
        which: &str,
        values: &[&dyn rusqlite::ToSql],
    ) -> Result<Option<(String, ContactLetter)>, StateError> {
        let sql = format!("SELECT topic, jid, numbers FROM contact_letter WHERE {which}");
        let found: Option<(String, String, Vec<u8>)> = self
            .transaction
            .prepare_cached(&sql)?
            .query_row(values, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let Some((topic, jid, numbers)) = found else {
            return Ok(None);
        };
        let numbers = read(&numbers)?;
        Ok(Some((topic, ContactLetter { jid, numbers })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{LetterContent, State};

    const BOB: &str = "bob@other.example";

    fn device(device: u32, namespace: Option<Namespace>) -> ContactDevice {
        ContactDevice {
            jid: BOB.to_owned(),
            device,
            fingerprint: "ab".repeat(32),
            namespace,
            since: 7,
        }
    }

    fn letter() -> ContactLetter {
        ContactLetter {
            jid: BOB.to_owned(),
            numbers: vec![7, 9],
        }
    }

    #[test]
    fn confirmed_devices_are_read_back_and_written_anew_as_a_whole() {
        let place = tempfile::tempdir().unwrap();
        let mut state = State::open(place.path()).unwrap();
        let first = [device(1, Some(Namespace::Legacy)), device(2, None)];
        let second = [device(2, Some(Namespace::Omemo2))];
        let step = state.begin().unwrap();

        step.save_contact(BOB, &first).unwrap();
        let before = step.contact_devices().unwrap();
        step.save_contact(BOB, &second).unwrap();

        assert_eq!(before, first);
        assert_eq!(step.contact_devices().unwrap(), second);
        step.forget_contact(BOB).unwrap();
        assert_eq!(step.contact_devices().unwrap(), []);
    }

    #[test]
    fn a_file_in_two_namespaces_is_taken_with_the_second_letter_and_told_once() {
        let place = tempfile::tempdir().unwrap();
        let mut state = State::open(place.path()).unwrap();
        let step = state.begin().unwrap();
        step.note_contact_letter((1, "a", "t"), &letter()).unwrap();
        step.note_contact_letter((2, "b", "t"), &letter()).unwrap();

        assert_eq!(step.contact_letter_acked(3).unwrap(), None, "no letter");
        assert_eq!(step.contact_letter_acked(1).unwrap(), None);
        assert_eq!(step.contact_letter_acked(2).unwrap(), Some(letter()));
        assert_eq!(step.contact_letter_acked(2).unwrap(), None, "again");
        let by_another = step.contact_letter_bounced("a", "eve@other.example");
        assert_eq!(by_another.unwrap(), None);
        let bounced = step.contact_letter_bounced("a", BOB).unwrap();
        assert_eq!(bounced, Some(letter()));
        assert_eq!(step.contact_letter_bounced("b", BOB).unwrap(), None);
    }

    #[test]
    fn who_is_forgotten_gets_nothing_of_what_waits_and_others_do() {
        let place = tempfile::tempdir().unwrap();
        let mut state = State::open(place.path()).unwrap();
        let step = state.begin().unwrap();
        let stanza = || LetterContent::Stanza("<message/>".to_owned());
        let bobs = step.post("a", &stanza()).unwrap();
        step.post("mine", &stanza()).unwrap();
        step.note_contact_letter((bobs, "a", "t"), &letter())
            .unwrap();

        step.forget_contact(BOB).unwrap();

        let left: Vec<_> = step.outbox().unwrap().into_iter().map(|it| it.id).collect();
        assert_eq!(left, ["mine"]);
        assert!(step.contact_letter_ids().unwrap().is_empty());
    }

    #[test]
    fn no_more_letters_are_remembered_than_are_of_use() {
        let place = tempfile::tempdir().unwrap();
        let mut state = State::open(place.path()).unwrap();
        let step = state.begin().unwrap();
        for token in 0..=KEPT_LETTERS + 5 {
            let id = token.to_string();
            step.note_contact_letter((token, &id, &id), &letter())
                .unwrap();
            step.contact_letter_acked(token).unwrap();
        }

        let kept = step.contact_letter_ids().unwrap().len();

        assert_eq!(i64::try_from(kept).unwrap(), KEPT_LETTERS);
    }
}
