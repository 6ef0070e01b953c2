//! The OMEMO store as tables of the state database.

use omemo::{
    Address, Changes, DeviceId, KnownDevice, Namespace, OwnDevice, Prekey, Session, SignedPrekey,
    Store,
};
use rusqlite::{OptionalExtension as _, params};
use zeroize::Zeroizing;

use super::{StateError, Step};

impl Step<'_> {
    fn bytes(&self, sql: &str, id: i64) -> Result<Option<Zeroizing<Vec<u8>>>, StateError> {
        let bytes: Option<Vec<u8>> = self
            .transaction
            .prepare_cached(sql)?
            .query_row([id], |row| row.get(0))
            .optional()?;
        Ok(bytes.map(Zeroizing::new))
    }

    fn all<T>(
        &self,
        sql: &str,
        read: impl Fn(&[u8]) -> Result<T, omemo::Damaged>,
    ) -> Result<Vec<T>, StateError> {
        let mut rows = self.transaction.prepare_cached(sql)?;
        let rows = rows.query_map([], |row| row.get::<_, Vec<u8>>(0))?;
        rows.map(|bytes| Ok(read(&Zeroizing::new(bytes?))?))
            .collect()
    }

    fn write_omemo(&self, changes: &Changes) -> Result<(), StateError> {
        let step = &self.transaction;
        if changes.starts_over {
            step.execute_batch(
                "DELETE FROM own_device; DELETE FROM signed_prekey; DELETE FROM prekey;
                 DELETE FROM session;",
            )?;
        }
        if let Some(own) = &changes.own_device {
            step.prepare_cached("INSERT OR REPLACE INTO own_device (one, bytes) VALUES (1, ?1)")?
                .execute([own.to_bytes().as_slice()])?;
        }
        for key in &changes.signed_prekeys {
            step.prepare_cached(
                "INSERT OR REPLACE INTO signed_prekey (id, bytes) VALUES (?1, ?2)",
            )?
            .execute(params![key.id(), key.to_bytes().as_slice()])?;
        }
        for id in &changes.removed_signed_prekeys {
            step.prepare_cached("DELETE FROM signed_prekey WHERE id = ?1")?
                .execute([id])?;
        }
        for key in &changes.prekeys {
            step.prepare_cached("INSERT OR REPLACE INTO prekey (id, bytes) VALUES (?1, ?2)")?
                .execute(params![key.id(), key.to_bytes().as_slice()])?;
        }
        for id in &changes.removed_prekeys {
            step.prepare_cached("DELETE FROM prekey WHERE id = ?1")?
                .execute([id])?;
        }
        for id in &changes.used_prekeys {
            step.prepare_cached("UPDATE prekey SET used = 1 WHERE id = ?1")?
                .execute([id])?;
        }
        for (address, id) in &changes.removed_sessions {
            step.prepare_cached("DELETE FROM session WHERE jid = ?1 AND device = ?2 AND id = ?3")?
                .execute(params![address.jid, address.device.0, id.0])?;
        }
        for (address, session) in &changes.sessions {
            // Ranks are counters from 0, far below 2^63.
            let rank = i64::try_from(session.rank()).map_err(|_| StateError::Damaged)?;
            step.prepare_cached(
                "INSERT OR REPLACE INTO session (jid, device, namespace, id, rank, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                address.jid,
                address.device.0,
                session.namespace().uri(),
                session.id().0,
                rank,
                session.to_bytes().as_slice()
            ])?;
        }
        for device in &changes.devices {
            step.prepare_cached(
                "INSERT OR REPLACE INTO device (jid, device, bytes) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![
                device.address.jid,
                device.address.device.0,
                device.to_bytes()
            ])?;
        }
        Ok(())
    }
}

impl Store for Step<'_> {
    type Error = StateError;

    fn own_device(&self) -> Result<Option<OwnDevice>, StateError> {
        let bytes = self.bytes("SELECT bytes FROM own_device WHERE one = ?1", 1)?;
        Ok(bytes
            .map(|bytes| OwnDevice::from_bytes(&bytes))
            .transpose()?)
    }

    fn signed_prekeys(&self) -> Result<Vec<SignedPrekey>, StateError> {
        self.all(
            "SELECT bytes FROM signed_prekey ORDER BY id DESC",
            SignedPrekey::from_bytes,
        )
    }

    fn prekey(&self, id: u32) -> Result<Option<Prekey>, StateError> {
        let bytes = self.bytes("SELECT bytes FROM prekey WHERE id = ?1", i64::from(id))?;
        Ok(bytes.map(|bytes| Prekey::from_bytes(&bytes)).transpose()?)
    }

    fn prekeys(&self) -> Result<Vec<Prekey>, StateError> {
        self.all(
            "SELECT bytes FROM prekey WHERE NOT used ORDER BY id",
            Prekey::from_bytes,
        )
    }

    fn prekey_count(&self) -> Result<usize, StateError> {
        let count: i64 = self.transaction.query_row(
            "SELECT count(*) FROM prekey WHERE NOT used",
            [],
            |row| row.get(0),
        )?;
        usize::try_from(count).map_err(|_| StateError::Damaged)
    }

    fn used_prekeys(&self) -> Result<Vec<u32>, StateError> {
        let mut rows = self
            .transaction
            .prepare_cached("SELECT id FROM prekey WHERE used ORDER BY id")?;
        let rows = rows.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn sessions(
        &self,
        namespace: Namespace,
        address: &Address,
    ) -> Result<Vec<Session>, StateError> {
        let mut rows = self.transaction.prepare_cached(
            "SELECT bytes FROM session WHERE jid = ?1 AND device = ?2 AND namespace = ?3
             ORDER BY rank DESC, id",
        )?;
        let rows = rows.query_map(
            params![address.jid, address.device.0, namespace.uri()],
            |row| row.get::<_, Vec<u8>>(0),
        )?;
        rows.map(|bytes| Ok(Session::from_bytes(&Zeroizing::new(bytes?))?))
            .collect()
    }

    fn known_device(&self, address: &Address) -> Result<Option<KnownDevice>, StateError> {
        let bytes: Option<Vec<u8>> = self
            .transaction
            .prepare_cached("SELECT bytes FROM device WHERE jid = ?1 AND device = ?2")?
            .query_row(params![address.jid, address.device.0], |row| row.get(0))
            .optional()?;
        Ok(bytes
            .map(|bytes| KnownDevice::from_bytes(address.clone(), &bytes))
            .transpose()?)
    }

    fn known_devices(&self, jid: &str) -> Result<Vec<KnownDevice>, StateError> {
        let mut rows = self
            .transaction
            .prepare_cached("SELECT device, bytes FROM device WHERE jid = ?1 ORDER BY device")?;
        let rows = rows.query_map([jid], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        rows.map(|row| {
            let (device, bytes) = row?;
            Ok(KnownDevice::from_bytes(
                Address::new(jid, DeviceId(device)),
                &bytes,
            )?)
        })
        .collect()
    }

    /// Belongs to the step: what is applied is durable once the step is committed.
    fn apply(&mut self, changes: Changes) -> Result<(), StateError> {
        self.write_omemo(&changes)
    }
}
