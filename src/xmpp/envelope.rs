//! Between the encrypted element's XML and the plain data that the OMEMO crate takes.
//!
//! It decrypts nothing. Base64 is read as people's programs write it, and one key that cannot be
//! read does not spoil the others.

use minidom::Element;
use omemo::{Bundle, DeviceId, DeviceList, Envelope, HeaderKey, Namespace};

use super::arrival::Content;
use super::xml::{self, Xml, lenient_base64, ns};

/// All namespaces that we speak.
const SPOKEN: [Namespace; 1] = [Namespace::Legacy];
/// Most keys read from one element: more devices than any account has.
const MAX_KEYS: usize = 1_000;
/// Most prekeys read from one bundle.
const MAX_PREKEYS: usize = 1_000;
/// XEP-0380
const EME: &str = "urn:xmpp:eme:0";

/// Returns the namespace that is spoken under this name.
pub(crate) fn namespace(uri: &str) -> Option<Namespace> {
    SPOKEN.into_iter().find(|namespace| namespace.uri() == uri)
}

/// Reads what a message is for us.
pub(crate) fn read_content(stanza: &Element) -> Content {
    let encrypted = |child: &&Element| child.name() == "encrypted";
    for element in stanza.children().filter(encrypted) {
        if let Some(namespace) = namespace(&element.ns()) {
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
    let mut bodies = stanza
        .children()
        .filter(|child| child.is("body", ns::CLIENT));
    match bodies.next() {
        Some(body) => Content::Plain(body.text()),
        None => Content::Other,
    }
}

/// XEP-0384 v0.3.0 4.4
fn read_envelope(namespace: Namespace, element: &Element) -> Option<Envelope> {
    let part = |name| xml::child(element, name, namespace.uri());
    let header = part("header")?;
    let keys = header
        .children()
        .filter(|child| child.is("key", namespace.uri()));
    let keys = keys.take(MAX_KEYS).filter_map(|key| {
        Some(HeaderKey {
            jid: None,
            device: read_device_id(key.attr("rid")?)?,
            key_exchange: matches!(key.attr("prekey"), Some("true" | "1")),
            data: lenient_base64(&key.text())?,
        })
    });
    let iv = xml::child(header, "iv", namespace.uri());
    let payload = match part("payload") {
        Some(payload) => Some(lenient_base64(&payload.text())?),
        None => None,
    };
    Some(Envelope {
        namespace,
        sender: read_device_id(header.attr("sid")?)?,
        keys: keys.collect(),
        iv: iv
            .and_then(|iv| lenient_base64(&iv.text()))
            .unwrap_or_default(),
        payload,
    })
}

/// Writes the encrypted element.
pub(crate) fn write_envelope(envelope: &Envelope) -> Xml {
    let keys = envelope.keys.iter().map(|key| {
        let prekey = key.key_exchange.then_some("true");
        Xml::new("key")
            .attr("rid", key.device)
            .attr_if("prekey", prekey)
            .base64(&key.data)
    });
    let header = Xml::new("header")
        .attr("sid", envelope.sender)
        .children(keys)
        .child(Xml::new("iv").base64(&envelope.iv));
    let payload = envelope
        .payload
        .as_ref()
        .map(|bytes| Xml::new("payload").base64(bytes));
    Xml::in_ns("encrypted", envelope.namespace.uri())
        .child(header)
        .child_if(payload)
}

/// XEP-0384 v0.3.0 4.2: a number from 1 to 2^31 - 1; some older ones are larger.
fn read_device_id(text: &str) -> Option<DeviceId> {
    text.trim().parse().ok().filter(|id| *id != 0).map(DeviceId)
}

/// Reads a device list out of its pubsub item; entries that are no device are passed over.
pub(crate) fn read_device_list(namespace: Namespace, item: &Element) -> Option<DeviceList> {
    let list = xml::child(item, "list", namespace.uri())?;
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
    Xml::in_ns("list", namespace.uri()).children(devices)
}

/// Reads a bundle out of its pubsub item.
pub(crate) fn read_bundle(namespace: Namespace, item: &Element) -> Option<Bundle> {
    let bundle = xml::child(item, "bundle", namespace.uri())?;
    let part = |name| xml::child(bundle, name, namespace.uri());
    let bytes = |name| part(name).and_then(|element| lenient_base64(&element.text()));
    let prekeys = part("prekeys").into_iter().flat_map(Element::children);
    let prekeys = prekeys.filter(|child| child.is("preKeyPublic", namespace.uri()));
    let prekeys = prekeys.take(MAX_PREKEYS).filter_map(|key| {
        let id = key.attr("preKeyId")?.trim().parse().ok()?;
        Some((id, lenient_base64(&key.text())?))
    });
    Some(Bundle {
        namespace,
        identity_key: bytes("identityKey")?,
        signed_prekey_id: part("signedPreKeyPublic")?
            .attr("signedPreKeyId")?
            .trim()
            .parse()
            .ok()?,
        signed_prekey: bytes("signedPreKeyPublic")?,
        signed_prekey_signature: bytes("signedPreKeySignature")?,
        prekeys: prekeys.collect(),
    })
}

/// Writes a bundle.
pub(crate) fn write_bundle(bundle: &Bundle) -> Xml {
    let prekeys = bundle
        .prekeys
        .iter()
        .map(|(id, key)| Xml::new("preKeyPublic").attr("preKeyId", id).base64(key));
    Xml::in_ns("bundle", bundle.namespace.uri())
        .child(
            Xml::new("signedPreKeyPublic")
                .attr("signedPreKeyId", bundle.signed_prekey_id)
                .base64(&bundle.signed_prekey),
        )
        .child(Xml::new("signedPreKeySignature").base64(&bundle.signed_prekey_signature))
        .child(Xml::new("identityKey").base64(&bundle.identity_key))
        .child(Xml::new("prekeys").children(prekeys))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEGACY: &str = "eu.siacs.conversations.axolotl";

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
        let foreign = "<body>OMEMO is needed</body><encrypted xmlns='urn:xmpp:omemo:2'/>";
        let hinted = "<body>PGP is needed</body>\
                      <encryption xmlns='urn:xmpp:eme:0' namespace='jabber:x:encrypted'/>";

        let undecipherable = |namespace: &str| Content::Undecipherable {
            namespace: namespace.to_owned(),
        };
        assert!(content(&beside) == undecipherable(LEGACY));
        assert!(content(foreign) == undecipherable("urn:xmpp:omemo:2"));
        assert!(content(hinted) == undecipherable("jabber:x:encrypted"));
        assert!(content("<body>list</body>") == Content::Plain("list".to_owned()));
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
}
