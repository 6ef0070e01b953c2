//! Between the encrypted element's XML and the plain data that the OMEMO crate takes.
//!
//! It decrypts nothing. Base64 is read as people's programs write it, and one key that cannot be
//! read does not spoil the others.

use jid::Jid;
use minidom::Element;
use omemo::{Bundle, DeviceId, DeviceList, Envelope, HeaderKey, Namespace};

use super::arrival::Content;
use super::sfs;
use super::signs::Signs;
use super::xml::{self, Xml, lenient_base64, ns};

/// Most keys read from one element: more devices than any account has.
const MAX_KEYS: usize = 1_000;
/// Most prekeys read from one bundle.
const MAX_PREKEYS: usize = 1_000;
/// XEP-0380
const EME: &str = "urn:xmpp:eme:0";

/// What the namespaces call the same things.
struct Names {
    /// The mark of a key exchange.
    exchange: &'static str,
    /// The element around the keys for one account's devices.
    account: Option<&'static str>,
    has_iv: bool,
    device_list: &'static str,
    identity_key: &'static str,
    /// Element and attribute.
    signed_prekey: (&'static str, &'static str),
    signature: &'static str,
    /// Element and attribute.
    prekey: (&'static str, &'static str),
}

// XEP-0384 v0.3.0 4
const LEGACY: Names = Names {
    exchange: "prekey",
    account: None,
    has_iv: true,
    device_list: "list",
    identity_key: "identityKey",
    signed_prekey: ("signedPreKeyPublic", "signedPreKeyId"),
    signature: "signedPreKeySignature",
    prekey: ("preKeyPublic", "preKeyId"),
};

// XEP-0384 v0.9.1 5.3, 5.5.3
const OMEMO2: Names = Names {
    exchange: "kex",
    account: Some("keys"),
    has_iv: false,
    device_list: "devices",
    identity_key: "ik",
    signed_prekey: ("spk", "id"),
    signature: "spks",
    prekey: ("pk", "id"),
};

fn names(namespace: Namespace) -> &'static Names {
    if namespace == Namespace::Legacy {
        &LEGACY
    } else {
        &OMEMO2
    }
}

/// Reads what a message is for us.
pub(crate) fn read_content(stanza: &Element) -> Content {
    let encrypted = |child: &&Element| child.name() == "encrypted";
    for element in stanza.children().filter(encrypted) {
        if let Some(namespace) = Namespace::from_uri(&element.ns()) {
            return match read_envelope(namespace, element) {
                Some(envelope) => Content::Encrypted(envelope),
                None => Content::Undecipherable {
                    namespace: element.ns(),
                },
            };
        }
    }
    // Encrypted for somebody else's reader: the text beside it is only an apology.
    let foreign = stanza.children().find(encrypted).map(Element::ns);
    let named = || {
        let hint = xml::child(stanza, "encryption", EME)?;
        hint.attr("namespace").map(str::to_owned)
    };
    if let Some(namespace) = foreign.or_else(named) {
        return Content::Undecipherable { namespace };
    }
    if let Some(received) = xml::child(stanza, "received", ns::RECEIPTS) {
        return match received.attr("id") {
            Some(id) => Content::Received(id.to_owned()),
            None => Content::Other,
        };
    }
    // What was read came.
    if let Some(id) = Signs::read(stanza.children()).displayed {
        return Content::Received(id);
    }
    let mut bodies = stanza
        .children()
        .filter(|child| child.is("body", ns::CLIENT));
    match bodies.next() {
        Some(body) => Content::Plain(body.text()),
        // A file in clear need not have a text.
        None if sfs::is_in_clear(stanza) => Content::Plain(String::new()),
        None => Content::Other,
    }
}

/// XEP-0384 v0.3.0 4.4; v0.9.1 5.5.3
fn read_envelope(namespace: Namespace, element: &Element) -> Option<Envelope> {
    let names = names(namespace);
    let part = |name| xml::child(element, name, namespace.uri());
    let header = part("header")?;
    let keys: Vec<HeaderKey> = match names.account {
        None => read_keys(namespace, header, None).take(MAX_KEYS).collect(),
        Some(account) => header
            .children()
            .filter(|child| child.is(account, namespace.uri()))
            .filter_map(|keys| Some((keys, Jid::new(keys.attr("jid")?).ok()?)))
            .flat_map(|(keys, jid)| read_keys(namespace, keys, Some(jid.to_bare().to_string())))
            .take(MAX_KEYS)
            .collect(),
    };
    let iv = xml::child(header, "iv", namespace.uri()).filter(|_| names.has_iv);
    let payload = match part("payload") {
        Some(payload) => Some(lenient_base64(&payload.text())?),
        None => None,
    };
    Some(Envelope {
        namespace,
        sender: read_device_id(header.attr("sid")?)?,
        keys,
        iv: iv
            .and_then(|iv| lenient_base64(&iv.text()))
            .unwrap_or_default(),
        payload,
    })
}

/// Reads the keys in an element, which are for devices of `jid` where the namespace tells it.
fn read_keys(
    namespace: Namespace,
    parent: &Element,
    jid: Option<String>,
) -> impl Iterator<Item = HeaderKey> {
    let keys = parent
        .children()
        .filter(move |child| child.is("key", namespace.uri()));
    keys.filter_map(move |key| {
        Some(HeaderKey {
            jid: jid.clone(),
            device: read_device_id(key.attr("rid")?)?,
            key_exchange: matches!(key.attr(names(namespace).exchange), Some("true" | "1")),
            data: lenient_base64(&key.text())?,
        })
    })
}

/// Writes the encrypted element.
pub(crate) fn write_envelope(envelope: &Envelope) -> Xml {
    let names = names(envelope.namespace);
    let key = |key: &HeaderKey| {
        let exchange = key.key_exchange.then_some("true");
        Xml::new("key")
            .attr("rid", key.device)
            .attr_if(names.exchange, exchange)
            .base64(&key.data)
    };
    let header = Xml::new("header").attr("sid", envelope.sender);
    let header = match names.account {
        None => header.children(envelope.keys.iter().map(key)),
        Some(account) => {
            let accounts = envelope.keys.chunk_by(|a, b| a.jid == b.jid);
            header.children(accounts.map(|keys| {
                Xml::new(account)
                    .attr_if("jid", keys.first().and_then(|it| it.jid.as_deref()))
                    .children(keys.iter().map(key))
            }))
        }
    };
    let iv = names.has_iv.then(|| Xml::new("iv").base64(&envelope.iv));
    let payload = envelope
        .payload
        .as_ref()
        .map(|bytes| Xml::new("payload").base64(bytes));
    Xml::in_ns("encrypted", envelope.namespace.uri())
        .child(header.child_if(iv))
        .child_if(payload)
}

/// XEP-0384 v0.3.0 4.2: a number from 1 to 2^31 - 1; some older ones are larger.
fn read_device_id(text: &str) -> Option<DeviceId> {
    text.trim().parse().ok().filter(|id| *id != 0).map(DeviceId)
}

/// Reads a device list out of its pubsub item; entries that are no device are passed over.
pub(crate) fn read_device_list(namespace: Namespace, item: &Element) -> Option<DeviceList> {
    let list = xml::child(item, names(namespace).device_list, namespace.uri())?;
    let mut devices = DeviceList::default();
    for device in list
        .children()
        .filter(|child| child.is("device", namespace.uri()))
    {
        if let Some(id) = device.attr("id").and_then(read_device_id) {
            devices.announce(id);
        }
        if devices.devices.len() >= MAX_KEYS {
            break;
        }
    }
    Some(devices)
}

/// Writes a device list.
pub(crate) fn write_device_list(namespace: Namespace, list: &DeviceList) -> Xml {
    let devices = list
        .devices
        .iter()
        .map(|device| Xml::new("device").attr("id", device));
    Xml::in_ns(names(namespace).device_list, namespace.uri()).children(devices)
}

/// Reads a bundle out of its pubsub item.
pub(crate) fn read_bundle(namespace: Namespace, item: &Element) -> Option<Bundle> {
    let names = names(namespace);
    let bundle = xml::child(item, "bundle", namespace.uri())?;
    let part = |name| xml::child(bundle, name, namespace.uri());
    // Keys have 32 or 33 bytes and signatures 64; a bundle is kept while its owner is asked about.
    let is_short = |it: &Vec<u8>| it.len() <= 64;
    let bytes = |name| {
        let bytes = part(name).and_then(|element| lenient_base64(&element.text()));
        bytes.filter(is_short)
    };
    let prekeys = part("prekeys").into_iter().flat_map(Element::children);
    let prekeys = prekeys.filter(|child| child.is(names.prekey.0, namespace.uri()));
    let prekeys = prekeys.take(MAX_PREKEYS).filter_map(|key| {
        let id = key.attr(names.prekey.1)?.trim().parse().ok()?;
        Some((id, lenient_base64(&key.text()).filter(is_short)?))
    });
    let (signed_prekey, signed_prekey_id) = names.signed_prekey;
    Some(Bundle {
        namespace,
        identity_key: bytes(names.identity_key)?,
        signed_prekey_id: part(signed_prekey)?
            .attr(signed_prekey_id)?
            .trim()
            .parse()
            .ok()?,
        signed_prekey: bytes(signed_prekey)?,
        signed_prekey_signature: bytes(names.signature)?,
        prekeys: prekeys.collect(),
    })
}

/// Writes a bundle.
pub(crate) fn write_bundle(bundle: &Bundle) -> Xml {
    let names = names(bundle.namespace);
    let prekeys = bundle.prekeys.iter().map(|(id, key)| {
        Xml::new(names.prekey.0)
            .attr(names.prekey.1, id)
            .base64(key)
    });
    let (signed_prekey, signed_prekey_id) = names.signed_prekey;
    Xml::in_ns("bundle", bundle.namespace.uri())
        .child(
            Xml::new(signed_prekey)
                .attr(signed_prekey_id, bundle.signed_prekey_id)
                .base64(&bundle.signed_prekey),
        )
        .child(Xml::new(names.signature).base64(&bundle.signed_prekey_signature))
        .child(Xml::new(names.identity_key).base64(&bundle.identity_key))
        .child(Xml::new("prekeys").children(prekeys))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEGACY: &str = "eu.siacs.conversations.axolotl";
    const OMEMO2: &str = "urn:xmpp:omemo:2";

    fn content(inner: &str) -> Content {
        let stanza = format!("<message xmlns='jabber:client'>{inner}</message>");
        read_content(&stanza.parse().unwrap())
    }

    fn envelope() -> Envelope {
        Envelope {
            namespace: Namespace::Legacy,
            sender: DeviceId(27_183),
            keys: vec![
                HeaderKey {
                    jid: None,
                    device: DeviceId(31_415),
                    key_exchange: true,
                    data: vec![1, 2, 3],
                },
                HeaderKey {
                    jid: None,
                    device: DeviceId(5),
                    key_exchange: false,
                    data: vec![4],
                },
            ],
            iv: vec![9; 12],
            payload: Some(vec![7; 20]),
        }
    }

    #[test]
    fn an_envelope_is_read_as_it_was_written() {
        let text = write_envelope(&envelope()).into_text();

        let read = content(&text);

        assert!(read == Content::Encrypted(envelope()));
    }

    #[test]
    fn an_envelope_without_payload_and_body_is_a_message_like_any_other() {
        let mut empty = envelope();
        empty.payload = None;

        let read = content(&write_envelope(&empty).into_text());

        assert!(read == Content::Encrypted(empty));
    }

    #[test]
    fn base64_with_line_breaks_gives_the_same_envelope() {
        let broken = format!(
            "<encrypted xmlns='{LEGACY}'><header sid='27183'>\
             <key prekey='true' rid='31415'>AQ\nID\n</key><key rid='5'>\r\n BA</key>\
             <iv>CQkJCQkJ\nCQkJCQkJ</iv></header>\
             <payload>BwcHBwcHBwcH\nBwcHBwcHBwcHBwc=\n</payload></encrypted>"
        );

        assert!(content(&broken) == Content::Encrypted(envelope()));
    }

    #[test]
    fn a_key_that_cannot_be_read_does_not_spoil_the_others() {
        let text = format!(
            "<encrypted xmlns='{LEGACY}'><header sid='1'><key rid='x'>AA==</key>\
             <key rid='2'>***</key><key rid='3'>AA==</key><iv/></header></encrypted>"
        );

        let Content::Encrypted(envelope) = content(&text) else {
            panic!("not read")
        };

        assert_eq!(envelope.keys.len(), 1);
        assert_eq!(envelope.keys[0].device, DeviceId(3));
    }

    #[test]
    fn text_beside_an_encrypted_element_is_never_taken_as_text() {
        let beside = format!("<body>delete all</body><encrypted xmlns='{LEGACY}'/>");
        let foreign = "<body>OMEMO is needed</body><encrypted xmlns='urn:xmpp:omemo:1'/>";
        let hinted = "<body>PGP is needed</body>\
                      <encryption xmlns='urn:xmpp:eme:0' namespace='jabber:x:encrypted'/>";

        let undecipherable = |namespace: &str| Content::Undecipherable {
            namespace: namespace.to_owned(),
        };
        assert!(content(&beside) == undecipherable(LEGACY));
        assert!(content(foreign) == undecipherable("urn:xmpp:omemo:1"));
        assert!(content(hinted) == undecipherable("jabber:x:encrypted"));
        assert!(content("<body>list</body>") == Content::Plain("list".to_owned()));
    }

    fn of_omemo2() -> Envelope {
        let keys = [("a@x", 1), ("a@x", 2), ("b@x", 1), ("a@x", 3)];
        let keys = keys.map(|(jid, device)| HeaderKey {
            jid: Some(jid.to_owned()),
            device: DeviceId(device),
            key_exchange: device == 2,
            data: vec![1, 2, 3],
        });
        Envelope {
            namespace: Namespace::Omemo2,
            sender: DeviceId(27_183),
            keys: keys.into(),
            iv: Vec::new(),
            payload: Some(vec![7; 20]),
        }
    }

    #[test]
    fn an_envelope_of_omemo2_names_accounts_and_is_read_as_it_was_written() {
        let text = write_envelope(&of_omemo2()).into_text();

        let read = content(&text);

        assert!(read == Content::Encrypted(of_omemo2()));
        let head = "<encrypted xmlns='urn:xmpp:omemo:2'><header sid='27183'><keys jid='a@x'>\
                    <key rid='1'>AQID</key><key rid='2' kex='true'>AQID</key></keys>\
                    <keys jid='b@x'>";
        assert!(text.starts_with(head), "{text}");
    }

    #[test]
    fn keys_of_omemo2_count_only_where_the_account_is_named() {
        let text = format!(
            "<encrypted xmlns='{OMEMO2}'><header sid='1'><key rid='2'>AA==</key>\
             <keys><key rid='3'>AA==</key></keys><keys jid='@'><key rid='4'>AA==</key></keys>\
             <keys jid='Vault@X/r'><key rid='5' kex='1' prekey='true'>AA\n==</key></keys>\
             <iv>AAAA</iv></header></encrypted>"
        );

        let Content::Encrypted(envelope) = content(&text) else {
            panic!("not read")
        };

        let [key] = &envelope.keys[..] else {
            panic!("{:?}", envelope.keys)
        };
        assert_eq!(
            (key.device, key.jid.as_deref()),
            (DeviceId(5), Some("vault@x"))
        );
        assert!(key.key_exchange && envelope.iv.is_empty());
    }

    #[test]
    fn a_bundle_of_omemo2_is_read_as_it_was_written() {
        let bundle = Bundle {
            namespace: Namespace::Omemo2,
            identity_key: vec![5; 32],
            signed_prekey_id: 3,
            signed_prekey: vec![6; 32],
            signed_prekey_signature: vec![7; 64],
            prekeys: vec![(1, vec![8; 32]), (2, vec![9; 32])],
        };
        let item = Xml::in_ns("item", "x").child(write_bundle(&bundle));
        let item: Element = item.into_text().parse().unwrap();

        assert_eq!(read_bundle(Namespace::Omemo2, &item), Some(bundle));
        assert_eq!(read_bundle(Namespace::Legacy, &item), None);
    }

    #[test]
    fn a_bundle_is_read_as_it_was_written_and_with_line_breaks() {
        let bundle = Bundle {
            namespace: Namespace::Legacy,
            identity_key: vec![5; 33],
            signed_prekey_id: 3,
            signed_prekey: vec![6; 33],
            signed_prekey_signature: vec![7; 64],
            prekeys: vec![(1, vec![8; 33]), (2, vec![9; 33])],
        };
        let text = Xml::in_ns("item", "x")
            .child(write_bundle(&bundle))
            .into_text();
        let broken = text.replace("BgYG", "Bg\nYG\n ");

        let plain = read_bundle(Namespace::Legacy, &text.parse().unwrap());
        let with_breaks = read_bundle(Namespace::Legacy, &broken.parse().unwrap());

        assert_ne!(broken, text);
        assert_eq!(plain.as_ref(), Some(&bundle));
        assert_eq!(with_breaks.as_ref(), Some(&bundle));
    }

    #[test]
    fn a_device_list_keeps_what_are_devices_and_each_once() {
        let item = format!(
            "<item xmlns='x'><list xmlns='{LEGACY}'><device id='1'/><device id='0'/>\
             <device id='x'/><device/><device id='2'/><device id='1'/></list></item>"
        );

        let list = read_device_list(Namespace::Legacy, &item.parse().unwrap()).unwrap();

        assert_eq!(list.devices, [DeviceId(1), DeviceId(2)]);
    }

    #[test]
    fn a_device_list_of_omemo2_is_read_with_labels_and_as_it_was_written() {
        let item = format!(
            "<item xmlns='x'><devices xmlns='{OMEMO2}'><device id='12345'/>\
             <device id='4223' label='Pixel' labelsig='AAAA'/></devices></item>"
        );
        let list = read_device_list(Namespace::Omemo2, &item.parse().unwrap()).unwrap();
        let written = Xml::in_ns("item", "x").child(write_device_list(Namespace::Omemo2, &list));
        let written: Element = written.into_text().parse().unwrap();

        assert_eq!(list.devices, [DeviceId(12_345), DeviceId(4_223)]);
        assert_eq!(read_device_list(Namespace::Omemo2, &written), Some(list));
        assert_eq!(read_device_list(Namespace::Legacy, &written), None);
    }
}
