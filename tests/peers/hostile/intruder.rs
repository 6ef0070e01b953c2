//! An OMEMO device in the attacker's hands: it speaks the protocol well and is nobody's.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use minidom::Element;
use omemo::{Address, Bundle, DeviceId, MemoryStore, Namespace, Store as _, machine};
use rand_core::UnwrapErr;
use strongroom::xmpp::outgoing::{Wrapping, encrypted_message};

use crate::{home::VAULT, prosody::jid};

const AXOLOTL: &str = "eu.siacs.conversations.axolotl";

/// The device, which has a session with the vault.
pub(crate) struct Intruder {
    store: MemoryStore,
    vault: Option<Address>,
}

impl Intruder {
    /// Makes a device without a session.
    pub(crate) fn alone() -> Self {
        let mut store = MemoryStore::new();
        let (_, changes) = machine::enrol(&mut rng(), now());
        store.apply(changes).unwrap();
        Self { store, vault: None }
    }

    /// Makes a device that has read how the vault has published its bundle.
    pub(crate) fn new(published: &str) -> Self {
        let mut intruder = Self::alone();
        let (device, bundle) = read_bundle(published);
        let vault = Address::new(jid(VAULT), device);
        let changes =
            machine::start_session(&intruder.store, &vault, &bundle, &mut rng(), now()).unwrap();
        intruder.store.apply(changes).unwrap();
        intruder.vault = Some(vault);
        intruder
    }

    /// Encrypts a text for the vault, as from some address and, if told, some device number.
    pub(crate) fn write(&mut self, from: &str, device: Option<u32>, text: &str) -> String {
        let to = [self.vault.clone().unwrap()];
        let (mut envelope, changes) = machine::encrypt(
            &self.store,
            Namespace::Legacy,
            &to,
            Some(text.as_bytes()),
            &mut rng(),
            now(),
        )
        .unwrap();
        self.store.apply(changes).unwrap();
        if let Some(device) = device {
            envelope.sender = DeviceId(device);
        }
        let stanza = encrypted_message(&jid(VAULT), "1", &envelope, Wrapping::default());
        stanza.replacen("<message", &format!("<message from='{from}'"), 1)
    }

    /// The bundle that it would publish, as XML.
    pub(crate) fn bundle(&self) -> String {
        let bundle = machine::own_bundle(&self.store, Namespace::Legacy)
            .unwrap()
            .unwrap();
        let base64 = |bytes: &[u8]| STANDARD.encode(bytes);
        let prekeys: String = bundle
            .prekeys
            .iter()
            .map(|(id, key)| {
                format!(
                    "<preKeyPublic preKeyId='{id}'>{}</preKeyPublic>",
                    base64(key)
                )
            })
            .collect();
        format!(
            "<bundle xmlns='{AXOLOTL}'>\
             <signedPreKeyPublic signedPreKeyId='{}'>{}</signedPreKeyPublic>\
             <signedPreKeySignature>{}</signedPreKeySignature>\
             <identityKey>{}</identityKey><prekeys>{prekeys}</prekeys></bundle>",
            bundle.signed_prekey_id,
            base64(&bundle.signed_prekey),
            base64(&bundle.signed_prekey_signature),
            base64(&bundle.identity_key),
        )
    }
}

fn read_bundle(published: &str) -> (DeviceId, Bundle) {
    let at = published.find(".bundles:").unwrap() + ".bundles:".len();
    let digits = published[at..].split(['\'', '"']).next().unwrap();
    let start = published.find("<bundle").unwrap();
    let end = published.find("</bundle>").unwrap() + "</bundle>".len();
    let bundle: Element = published[start..end].parse().unwrap();
    let part = |name: &str| bundle.get_child(name, AXOLOTL).unwrap();
    let bytes = |element: &Element| STANDARD.decode(element.text()).unwrap();
    let number = |element: &Element, name: &str| element.attr(name).unwrap().parse().unwrap();
    let prekeys = part("prekeys").children();
    let prekeys = prekeys.map(|it| (number(it, "preKeyId"), bytes(it)));
    let bundle = Bundle {
        namespace: Namespace::Legacy,
        identity_key: bytes(part("identityKey")),
        signed_prekey_id: number(part("signedPreKeyPublic"), "signedPreKeyId"),
        signed_prekey: bytes(part("signedPreKeyPublic")),
        signed_prekey_signature: bytes(part("signedPreKeySignature")),
        prekeys: prekeys.collect(),
    };
    (DeviceId(digits.parse().unwrap()), bundle)
}

fn rng() -> impl rand_core::CryptoRng {
    UnwrapErr(getrandom::SysRng)
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
