//! A store that lives in memory only, for tests and tools.
//!
//! It keeps the same bytes that a database would, so that every test also tests the records.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Bound::{Excluded, Included},
};

use zeroize::Zeroizing;

use crate::{
    Address, Changes, Damaged, DeviceId, KnownDevice, Namespace, OwnDevice, Prekey, Session,
    SessionId, SignedPrekey, Store,
};

type Record = Zeroizing<Vec<u8>>;

/// A store in memory.
#[derive(Default)]
pub struct MemoryStore {
    own: Option<Record>,
    signed_prekeys: BTreeMap<u32, Record>,
    prekeys: BTreeMap<u32, Record>,
    used_prekeys: BTreeSet<u32>,
    sessions: BTreeMap<(Address, SessionId), Record>,
    devices: BTreeMap<Address, Vec<u8>>,
}

impl MemoryStore {
    /// Makes an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryStore(..)")
    }
}

impl Store for MemoryStore {
    type Error = Damaged;

    fn own_device(&self) -> Result<Option<OwnDevice>, Damaged> {
        self.own
            .as_ref()
            .map(|it| OwnDevice::from_bytes(it))
            .transpose()
    }

    fn signed_prekeys(&self) -> Result<Vec<SignedPrekey>, Damaged> {
        self.signed_prekeys
            .values()
            .rev()
            .map(|it| SignedPrekey::from_bytes(it))
            .collect()
    }

    fn prekey(&self, id: u32) -> Result<Option<Prekey>, Damaged> {
        self.prekeys
            .get(&id)
            .map(|it| Prekey::from_bytes(it))
            .transpose()
    }

    fn prekeys(&self) -> Result<Vec<Prekey>, Damaged> {
        self.prekeys
            .iter()
            .filter(|(id, _)| !self.used_prekeys.contains(id))
            .map(|(_, it)| Prekey::from_bytes(it))
            .collect()
    }

    fn prekey_count(&self) -> Result<usize, Damaged> {
        Ok(self.prekeys.len() - self.used_prekeys.len())
    }

    fn used_prekeys(&self) -> Result<Vec<u32>, Damaged> {
        Ok(self.used_prekeys.iter().copied().collect())
    }

    fn sessions(&self, namespace: Namespace, address: &Address) -> Result<Vec<Session>, Damaged> {
        let first = (address.clone(), SessionId([0; 32]));
        let last = (address.clone(), SessionId([0xFF; 32]));
        let mut sessions = self
            .sessions
            .range((Included(first), Included(last)))
            .map(|(_, it)| Session::from_bytes(it))
            .collect::<Result<Vec<_>, _>>()?;
        sessions.retain(|it| it.namespace() == namespace);
        sessions.sort_by_key(|it| std::cmp::Reverse(it.rank()));
        Ok(sessions)
    }

    fn known_device(&self, address: &Address) -> Result<Option<KnownDevice>, Damaged> {
        self.devices
            .get(address)
            .map(|it| KnownDevice::from_bytes(address.clone(), it))
            .transpose()
    }

    fn known_devices(&self, jid: &str) -> Result<Vec<KnownDevice>, Damaged> {
        let first = Address::new(jid, DeviceId(0));
        self.devices
            .range((
                Included(first),
                Excluded(Address::new(format!("{jid}\0"), DeviceId(0))),
            ))
            .map(|(address, it)| KnownDevice::from_bytes(address.clone(), it))
            .collect()
    }

    fn apply(&mut self, changes: Changes) -> Result<(), Damaged> {
        let Changes {
            starts_over,
            own_device,
            signed_prekeys,
            removed_signed_prekeys,
            prekeys,
            removed_prekeys,
            used_prekeys,
            sessions,
            removed_sessions,
            devices,
        } = changes;
        if starts_over {
            let devices = std::mem::take(&mut self.devices);
            *self = Self {
                devices,
                ..Self::default()
            };
        }
        if let Some(own) = own_device {
            self.own = Some(own.to_bytes());
        }
        self.signed_prekeys
            .extend(signed_prekeys.iter().map(|it| (it.id(), it.to_bytes())));
        self.prekeys
            .extend(prekeys.iter().map(|it| (it.id(), it.to_bytes())));
        for (address, session) in sessions {
            self.sessions
                .insert((address, session.id()), session.to_bytes());
        }
        self.devices.extend(
            devices
                .into_iter()
                .map(|it| (it.address.clone(), it.to_bytes())),
        );
        self.signed_prekeys
            .retain(|id, _| !removed_signed_prekeys.contains(id));
        self.prekeys.retain(|id, _| !removed_prekeys.contains(id));
        self.used_prekeys.extend(used_prekeys);
        self.used_prekeys.retain(|id| self.prekeys.contains_key(id));
        for removed in removed_sessions {
            self.sessions.remove(&removed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::store_suite!(MemoryStore::new());

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", MemoryStore::new()), "MemoryStore(..)");
    }
}
