use super::*;

const MESSAGE: &str = "<message xmlns='jabber:client' type='chat' from='owner@example.org/phone' \
    to='vault@example.org' id='m1'><body>list</body></message>";

fn parties() -> Parties {
    Parties::new("vault@example.org", "vault@example.org/strongroom").unwrap()
}

fn read_with(text: &str, open: &[&str]) -> Result<Incoming, Dropped> {
    let element: Element = text.parse().unwrap();
    read_message(&element, &parties(), |query| open.contains(&query))
}

fn read(text: &str) -> Result<Incoming, Dropped> {
    read_with(text, &[])
}

fn message(text: &str) -> Box<Message> {
    match read(text) {
        Ok(Incoming::Message(message)) => message,
        Ok(_) => panic!("not a message"),
        Err(reason) => panic!("dropped: {reason:?}"),
    }
}

fn dropped(result: Result<Incoming, Dropped>) -> Option<Dropped> {
    result.err()
}

/// A message with these attributes and children from the owner's phone.
fn from_owner(attributes: &str, inner: &str) -> String {
    format!(
        "<message xmlns='jabber:client' from='owner@example.org/phone' id='m1' {attributes}>\
         {inner}</message>"
    )
}

fn carbon(from: &str) -> String {
    format!(
        "<message xmlns='jabber:client' from='{from}'><received xmlns='urn:xmpp:carbons:2'>\
         <forwarded xmlns='urn:xmpp:forward:0'>{MESSAGE}</forwarded></received></message>"
    )
}

fn archived(from: &str, query: &str) -> String {
    format!(
        "<message xmlns='jabber:client' from='{from}'>\
         <result xmlns='urn:xmpp:mam:2' queryid='{query}' id='a7'>\
         <forwarded xmlns='urn:xmpp:forward:0'>\
         <delay xmlns='urn:xmpp:delay' stamp='2026-01-02T03:04:05Z'/>{MESSAGE}\
         </forwarded></result></message>"
    )
}

#[test]
fn a_live_message_tells_who_sent_what() {
    let read = message(&from_owner(
        "type='chat' to='vault@example.org/x'",
        "<body>list</body><origin-id xmlns='urn:xmpp:sid:0' id='o1'/>\
         <request xmlns='urn:xmpp:receipts'/>",
    ));

    assert_eq!(read.from, "owner@example.org/phone");
    assert_eq!(read.from_bare, "owner@example.org");
    assert_eq!(read.to_bare, "vault@example.org");
    assert_eq!(read.id.as_deref(), Some("m1"));
    assert_eq!(read.origin_id.as_deref(), Some("o1"));
    assert_eq!(read.source, Source::Live);
    assert!(read.content == Content::Plain("list".to_owned()));
    assert!(read.asks_receipt && !read.is_error);
    assert_eq!(read.stamp, None);
}

#[test]
fn senders_are_compared_in_their_normal_form() {
    let read = message(
        "<message xmlns='jabber:client' from='OWNER@Example.ORG/Phone'><body>x</body></message>",
    );

    assert_eq!(read.from_bare, "owner@example.org");
    assert_eq!(read.from, "owner@example.org/Phone");
}

#[test]
fn a_message_from_no_address_is_dropped() {
    let broken = "<message xmlns='jabber:client' from='@@'><body>x</body></message>";

    assert_eq!(dropped(read(broken)), Some(Dropped::NoAddress));
    assert!(read(MESSAGE).is_ok());
}

#[test]
fn carbons_count_only_from_our_own_account() {
    for forger in [
        "mallory@evil.example/x",
        "owner@example.org",
        "example.org",
        "vault@example.org/other",
        "vault@example.org.evil.example",
    ] {
        assert_eq!(
            dropped(read(&carbon(forger))),
            Some(Dropped::ForgedCarbon),
            "{forger}"
        );
    }

    let honest = message(&carbon("vault@example.org"));
    assert_eq!(honest.source, Source::Carbon);
    assert_eq!(honest.from_bare, "owner@example.org");
}

#[test]
fn a_carbon_inside_a_carbon_carries_no_message() {
    let nested = carbon("vault@example.org").replace(MESSAGE, &carbon("mallory@evil.example"));

    let read = message(&nested);

    assert!(read.content == Content::Other);
    assert_eq!(read.from_bare, "mallory@evil.example");
}

#[test]
fn archive_results_count_only_from_ourselves_and_for_an_open_query() {
    let forged = read_with(&archived("mallory@evil.example/x", "q1"), &["q1"]);
    let from_a_client = read_with(&archived("vault@example.org/other", "q1"), &["q1"]);
    let unasked = read_with(&archived("vault@example.org", "q2"), &["q1"]);
    let honest = read_with(&archived("vault@example.org", "q1"), &["q1"]);

    assert_eq!(dropped(forged), Some(Dropped::ForgedArchive));
    assert_eq!(dropped(from_a_client), Some(Dropped::ForgedArchive));
    assert_eq!(dropped(unasked), Some(Dropped::ForgedArchive));
    let Ok(Incoming::Archived { query, message }) = honest else {
        panic!("not accepted")
    };
    assert_eq!(query, "q1");
    assert_eq!(message.source, Source::Archive);
    assert_eq!(message.archive_id.as_deref(), Some("a7"));
    let stamp = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_767_323_045);
    assert_eq!(message.stamp, Some(stamp));
}

#[test]
fn only_our_own_account_gives_archive_ids_and_only_one() {
    let id = |by: &str| format!("<stanza-id xmlns='urn:xmpp:sid:0' by='{by}' id='x'/>");
    let archive_id =
        |ids: &str| message(&from_owner("", &format!("<body>hi</body>{ids}"))).archive_id;

    let own = archive_id(&id("vault@example.org"));
    let written_otherwise = archive_id(&id("Vault@Example.org"));
    let foreign = archive_id(&id("owner@example.org"));
    let server = archive_id(&id("example.org"));
    let both = archive_id(&format!(
        "{}{}",
        id("owner@example.org"),
        id("vault@example.org")
    ));
    let twice = archive_id(&id("vault@example.org").repeat(2));

    assert_eq!(own.as_deref(), Some("x"));
    assert_eq!(written_otherwise.as_deref(), Some("x"));
    assert_eq!((foreign, server, twice), (None, None, None));
    assert_eq!(both.as_deref(), Some("x"));
}

#[test]
fn only_our_servers_delay_is_believed() {
    let delayed = |from: &str| {
        let delay = format!(
            "<body>x</body><delay xmlns='urn:xmpp:delay' {from} stamp='2026-01-02T03:04:05Z'/>"
        );
        message(&from_owner("", &delay))
    };

    let server = delayed("from='example.org'");
    let sender = delayed("from='owner@example.org/phone'");
    let nobody = delayed("");

    assert_eq!(server.source, Source::Offline);
    assert!(server.stamp.is_some());
    assert_eq!((sender.source, sender.stamp), (Source::Live, None));
    assert_eq!((nobody.source, nobody.stamp), (Source::Live, None));
}

#[test]
fn what_bounces_is_never_taken_as_words() {
    let bounce = message(&from_owner("type='error'", "<body>delete all</body>"));
    let honest = message(&from_owner("type='chat'", "<body>delete all</body>"));

    assert!(bounce.is_error && bounce.content == Content::Other && !bounce.asks_receipt);
    assert!(!honest.is_error && honest.content == Content::Plain("delete all".to_owned()));
}

#[test]
fn rooms_and_broadcasts_are_dropped() {
    let room = read(&from_owner("type='groupchat'", "<body>x</body>"));
    let headline = read(&from_owner("type='headline'", "<body>x</body>"));
    let normal = read(&from_owner("type='normal'", "<body>x</body>"));

    assert_eq!(dropped(room), Some(Dropped::NotForUs));
    assert_eq!(dropped(headline), Some(Dropped::NotForUs));
    assert!(normal.is_ok());
}

#[test]
fn a_typing_sign_is_dropped_unless_the_archive_counts_it() {
    let typing = "<composing xmlns='http://jabber.org/protocol/chatstates'/>";
    let id = "<stanza-id xmlns='urn:xmpp:sid:0' by='vault@example.org' id='a1'/>";

    let plain = read(&from_owner("", typing));
    let archived = message(&from_owner("", &format!("{typing}{id}")));

    assert_eq!(dropped(plain), Some(Dropped::Nothing));
    assert!(archived.content == Content::Other);
}

#[test]
fn a_receipt_names_what_was_received() {
    let read = message(&from_owner(
        "",
        "<received xmlns='urn:xmpp:receipts' id='our-7'/>",
    ));

    assert!(read.content == Content::Received("our-7".to_owned()));
}

fn push(from: &str, node: &str) -> String {
    format!(
        "<message xmlns='jabber:client' type='headline' from='{from}'>\
         <event xmlns='http://jabber.org/protocol/pubsub#event'><items node='{node}'>\
         <item id='current'><list xmlns='eu.siacs.conversations.axolotl'>\
         <device id='5'/></list></item></items></event></message>"
    )
}

#[test]
fn a_device_list_is_pushed_by_the_account_itself() {
    let node = "eu.siacs.conversations.axolotl.devicelist";

    let client = read(&push("owner@example.org/phone", node));
    let other_node = read(&push("owner@example.org", "urn:xmpp:avatar:metadata"));
    let honest = read(&push("owner@example.org", node));

    assert_eq!(dropped(client), Some(Dropped::BadDeviceList));
    assert_eq!(dropped(other_node), Some(Dropped::Nothing));
    let Ok(Incoming::DeviceList { jid, devices, .. }) = honest else {
        panic!("not accepted")
    };
    assert_eq!(jid, "owner@example.org");
    assert_eq!(devices.devices.len(), 1);
}

#[test]
fn an_address_with_a_resource_or_without_a_name_is_no_account() {
    assert!(Parties::new("vault@example.org/x", "vault@example.org/x").is_none());
    assert!(Parties::new("example.org", "example.org/x").is_none());
    assert!(Parties::new("vault@example.org", "vault@example.org/x").is_some());
}
