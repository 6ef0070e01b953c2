//! Two devices enrol, and talk in both namespaces: what a client has to do, in one page.

#![allow(clippy::print_stdout, reason = "it shows something")]

use std::error::Error;

use getrandom::{SysRng, rand_core::UnwrapErr};
use omemo::{Address, MemoryStore, Namespace, Store, machine};

/// A device, and what its client keeps.
struct Party {
    address: Address,
    store: MemoryStore,
}

impl Party {
    /// Enrols a device. A client would now publish its device list, and `machine::own_bundle` of
    /// each namespace.
    fn enrol(jid: &str, now: u64) -> Result<Self, Box<dyn Error>> {
        let mut store = MemoryStore::new();
        let (own, changes) = machine::enrol(&mut UnwrapErr(SysRng), now);
        store.apply(changes)?;
        let address = Address::new(jid, own.device());
        Ok(Self { address, store })
    }

    /// Sends `body` to `other`, which opens it; returns what it read.
    fn tell(
        &mut self,
        other: &mut Self,
        namespace: Namespace,
        body: &str,
        now: u64,
    ) -> Result<String, Box<dyn Error>> {
        let mut rng = UnwrapErr(SysRng);
        let to = std::slice::from_ref(&other.address);
        if self.store.sessions(namespace, &other.address)?.is_empty() {
            // fetched from the server, by a client
            let bundle = machine::own_bundle(&other.store, namespace)?.ok_or("not enrolled")?;
            let changes =
                machine::start_session(&self.store, &other.address, &bundle, &mut rng, now)?;
            self.store.apply(changes)?;
        }
        let body = Some(body.as_bytes());
        let (mut envelope, changes) =
            machine::encrypt(&self.store, namespace, to, body, &mut rng, now)?;
        // saved before the envelope leaves: a crash uses no key twice
        self.store.apply(changes)?;

        // omemo:2 names the account each key is for; a device reads only its own account's
        envelope.keep_only_for(&other.address.jid);
        let (opened, changes) = machine::receive(&other.store, &self.address.jid, &envelope, now)?;
        // saved with whatever the message caused: a crash has it sent again, and loses nothing
        other.store.apply(changes)?;
        let body = opened.body.ok_or("an empty message")?;
        Ok(machine::text(&body)?.to_owned())
    }
}

/// Wraps a text as `urn:xmpp:omemo:2` wants it. // XEP-0420 v0.4.1 3
fn sce_envelope(text: &str, from: &str, padding: &str) -> String {
    format!(
        "<envelope xmlns='urn:xmpp:sce:1'><content><body xmlns='jabber:client'>{text}</body>\
         </content><rpad>{padding}</rpad><from jid='{from}'/></envelope>"
    )
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = 1_800_000_000;
    let mut phone = Party::enrol("phone@example.org", now)?;
    let mut vault = Party::enrol("vault@example.org", now)?;

    let read = phone.tell(&mut vault, Namespace::Legacy, "list", now)?;
    println!("legacy:  vault read {read:?}");
    let read = vault.tell(&mut phone, Namespace::Legacy, "Nothing yet.", now)?;
    println!("legacy:  phone read {read:?}");

    // the same two identity keys, sessions of their own
    let body = sce_envelope("list", "phone@example.org", "x7Kq");
    let read = phone.tell(&mut vault, Namespace::Omemo2, &body, now)?;
    println!("omemo:2: vault read {read:?}");
    assert_eq!(read, body);
    let body = sce_envelope("Nothing yet.", "vault@example.org", "p0");
    let read = vault.tell(&mut phone, Namespace::Omemo2, &body, now)?;
    println!("omemo:2: phone read {read:?}");
    assert_eq!(read, body);
    Ok(())
}
