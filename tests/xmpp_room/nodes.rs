//! Device lists, bundles and upload slots.

use omemo::{Bundle, DeviceId, DeviceList, Namespace};
use strongroom::xmpp::{Arrival, SlotError};

use crate::peer::{Peer, account};
use crate::prosody::Prosody;

const LEGACY: Namespace = Namespace::Legacy;
const OMEMO2: Namespace = Namespace::Omemo2;

fn bundle() -> Bundle {
    Bundle {
        namespace: LEGACY,
        identity_key: vec![5; 33],
        signed_prekey_id: 7,
        signed_prekey: vec![6; 33],
        signed_prekey_signature: vec![8; 64],
        prekeys: (1..=100).map(|id| (id, vec![9; 33])).collect(),
    }
}

fn list(ids: &[u32]) -> DeviceList {
    DeviceList {
        devices: ids.iter().copied().map(DeviceId).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_can_be_fetched_by_a_stranger() {
    let server = Prosody::start();
    let vault = Peer::online(account(&server, "vault")).await;
    let stranger = Peer::online(account(&server, "mallory")).await;

    let nothing = vault
        .link
        .fetch_device_list(LEGACY, "vault@localhost")
        .await;
    let no_bundle = vault
        .link
        .fetch_bundle(LEGACY, "vault@localhost", DeviceId(27))
        .await;
    vault
        .link
        .publish_device_list(LEGACY, &list(&[27, 28]))
        .await
        .unwrap();
    vault
        .link
        .publish_bundle(DeviceId(27), &bundle())
        .await
        .unwrap();
    vault
        .link
        .publish_bundle(DeviceId(27), &bundle())
        .await
        .unwrap();

    let found = stranger
        .link
        .fetch_device_list(LEGACY, "vault@localhost")
        .await;
    let fetched = stranger
        .link
        .fetch_bundle(LEGACY, "vault@localhost", DeviceId(27))
        .await;
    vault
        .link
        .delete_bundle(LEGACY, DeviceId(27))
        .await
        .unwrap();
    let deleted = vault
        .link
        .fetch_bundle(LEGACY, "vault@localhost", DeviceId(27))
        .await;
    assert_eq!(nothing, Ok(list(&[])));
    assert_eq!(no_bundle, Ok(None));
    assert_eq!(found, Ok(list(&[27, 28])));
    assert_eq!(fetched, Ok(Some(bundle())));
    assert_eq!(deleted, Ok(None));
    vault.link.stop().await;
    stranger.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_only_contacts_can_read_is_opened_when_publishing() {
    let server = Prosody::start();
    let vault = Peer::online(account(&server, "vault")).await;
    let stranger = Peer::online(account(&server, "mallory")).await;
    let node = "eu.siacs.conversations.axolotl.devicelist";
    // As a client without publish options creates it: for contacts only.
    vault.link.send(
        1,
        format!(
            "<iq xmlns='jabber:client' type='set' id='closed'>\
             <pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{node}'>\
             <item id='current'><list xmlns='eu.siacs.conversations.axolotl'>\
             <device id='1'/></list></item></publish></pubsub></iq>"
        ),
    );
    // The server answers in order: now it is there.
    let before = vault
        .link
        .fetch_device_list(LEGACY, "vault@localhost")
        .await;
    let closed = stranger
        .link
        .fetch_device_list(LEGACY, "vault@localhost")
        .await;

    vault
        .link
        .publish_device_list(LEGACY, &list(&[2]))
        .await
        .unwrap();

    let opened = stranger
        .link
        .fetch_device_list(LEGACY, "vault@localhost")
        .await;
    assert_eq!(before, Ok(list(&[1])));
    assert!(closed.is_err(), "{closed:?}");
    assert_eq!(opened, Ok(list(&[2])));
    assert!(
        server.log().contains("precondition-not-met"),
        "the repair was needed"
    );
    vault.link.stop().await;
    stranger.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_device_list_is_pushed_to_us_when_it_changes() {
    let server = Prosody::start();
    let mut vault = Peer::online(account(&server, "vault")).await;
    let link = vault.link.clone();

    link.publish_device_list(LEGACY, &list(&[3, 4]))
        .await
        .unwrap();
    let mut pushed = async || {
        vault
            .next(|arrival| match arrival {
                Arrival::DeviceList {
                    namespace,
                    jid,
                    devices,
                } => Some((namespace, jid, devices)),
                _ => None,
            })
            .await
    };
    let first = pushed().await;
    link.publish_device_list(OMEMO2, &list(&[5])).await.unwrap();
    let second = pushed().await;

    let of = |namespace, ids: &[u32]| (namespace, "vault@localhost".to_owned(), list(ids));
    assert_eq!(first, of(LEGACY, &[3, 4]));
    assert_eq!(second, of(OMEMO2, &[5]));
    vault.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_omemo2_the_bundles_of_several_devices_lie_side_by_side() {
    let server = Prosody::start();
    let vault = Peer::online(account(&server, "vault")).await;
    let stranger = Peer::online(account(&server, "mallory")).await;
    let of = |device: u8| Bundle {
        namespace: OMEMO2,
        identity_key: vec![device; 32],
        ..bundle()
    };
    let fetch = |device| {
        stranger
            .link
            .fetch_bundle(OMEMO2, "vault@localhost", DeviceId(device))
    };
    // A stranger may not even hear that there is none.
    let none = vault
        .link
        .fetch_bundle(OMEMO2, "vault@localhost", DeviceId(27))
        .await;

    for device in [27, 28] {
        let id = DeviceId(device.into());
        vault.link.publish_bundle(id, &of(device)).await.unwrap();
    }
    vault
        .link
        .publish_device_list(OMEMO2, &list(&[27, 28]))
        .await
        .unwrap();
    let both = [fetch(27).await, fetch(28).await];
    let missing = fetch(29).await;
    let listed = stranger
        .link
        .fetch_device_list(OMEMO2, "vault@localhost")
        .await;
    let legacy = vault
        .link
        .fetch_device_list(LEGACY, "vault@localhost")
        .await;
    vault
        .link
        .delete_bundle(OMEMO2, DeviceId(27))
        .await
        .unwrap();
    let after = [fetch(27).await, fetch(28).await];

    assert_eq!(none, Ok(None));
    assert_eq!(both, [Ok(Some(of(27))), Ok(Some(of(28)))]);
    assert_eq!(missing, Ok(None));
    assert_eq!(listed, Ok(list(&[27, 28])));
    assert_eq!(legacy, Ok(list(&[])));
    assert_eq!(after, [Ok(None), Ok(Some(of(28)))]);
    vault.link.stop().await;
    stranger.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_holds_one_bundle_is_made_to_hold_more_when_publishing() {
    let server = Prosody::start();
    let vault = Peer::online(account(&server, "vault")).await;
    let stranger = Peer::online(account(&server, "mallory")).await;
    let of = |device: u8| Bundle {
        namespace: OMEMO2,
        identity_key: vec![device; 32],
        ..bundle()
    };
    // As a client without publish options creates it: one item, for contacts only.
    vault.link.send(
        1,
        "<iq xmlns='jabber:client' type='set' id='narrow'>\
         <pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <publish node='urn:xmpp:omemo:2:bundles'><item id='1'>\
         <bundle xmlns='urn:xmpp:omemo:2'/></item></publish></pubsub></iq>"
            .to_owned(),
    );

    for device in [27, 28] {
        let id = DeviceId(device.into());
        vault.link.publish_bundle(id, &of(device)).await.unwrap();
    }

    for device in [27, 28] {
        let found = stranger
            .link
            .fetch_bundle(OMEMO2, "vault@localhost", DeviceId(device.into()))
            .await;
        assert_eq!(found, Ok(Some(of(device))));
    }
    assert!(
        server.log().contains("precondition-not-met"),
        "the repair was needed"
    );
    vault.link.stop().await;
    stranger.link.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_given_and_a_file_too_large_is_refused_with_the_limit() {
    let server = Prosody::start();
    let vault = Peer::online(account(&server, "vault")).await;

    let service = vault.link.upload_service().await.unwrap().unwrap();
    let slot = vault
        .link
        .request_slot("a b.bin", 1_000, "application/octet-stream")
        .await;
    let too_large = vault
        .link
        .request_slot("c.bin", 1024 * 1024 + 1, "image/jpeg")
        .await;

    let slot = slot.unwrap();
    assert_eq!(service.jid, "upload.localhost");
    assert_eq!(service.max_bytes, Some(1024 * 1024));
    assert!(
        slot.put_url.starts_with("https://localhost:"),
        "{}",
        slot.put_url
    );
    assert!(
        slot.get_url.starts_with("https://localhost:"),
        "{}",
        slot.get_url
    );
    assert_eq!(
        slot.headers
            .iter()
            .filter(|(name, _)| name == "Authorization")
            .count(),
        1
    );
    assert_eq!(
        too_large,
        Err(SlotError::TooLarge {
            max_bytes: Some(1024 * 1024)
        })
    );
    vault.link.stop().await;
}
