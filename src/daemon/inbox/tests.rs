//! Constructed stanzas, as real clients and less honest ones send them, up to what the phone reads
//! in answer.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a test names what it looks for"
)]

use base64::{Engine as _, engine::general_purpose::STANDARD};
use omemo::{
    Bundle, Changes, DeviceId, DeviceList, HeaderKey, MemoryStore, Namespace,
    store::suite::FixedRng,
};

use super::{super::contacts::Contacts, *};
use crate::{
    config::{Config, reference},
    keeper::{
        Keeper, Memory,
        reply::PLAIN_REFUSED,
        verify::{Plan, Record},
    },
    state::LetterContent,
    xmpp::testing::{OURS, content, is_nothing, message},
};

const OWNER: &str = "owner@example.org";
const LEGACY: &str = "eu.siacs.conversations.axolotl";
const OMEMO2: &str = "urn:xmpp:omemo:2";

/// The vault's card and keeper, and one phone that it trusts.
struct Bench {
    state: State,
    keeper: Keeper,
    config: Config,
    contacts: Contacts,
    own: Address,
    phone: Phone,
    _folder: tempfile::TempDir,
}

struct Phone {
    store: MemoryStore,
    rng: FixedRng,
    address: Address,
    namespace: Namespace,
}

impl Phone {
    fn new(seed: u64, namespace: Namespace) -> Self {
        let (mut store, mut rng) = (MemoryStore::new(), FixedRng::new(seed));
        let (own, changes) = machine::enrol(&mut rng, omemo_now());
        store.apply(changes).unwrap();
        Self {
            store,
            rng,
            address: Address::new(OWNER, own.device()),
            namespace,
        }
    }

    fn start(&mut self, vault: &Address, bundle: &Bundle) {
        let changes =
            machine::start_session(&self.store, vault, bundle, &mut self.rng, omemo_now());
        self.store.apply(changes.unwrap()).unwrap();
    }

    fn encrypt(&mut self, vault: &Address, body: Option<&str>) -> Envelope {
        let body = body.map(|words| match self.namespace {
            Namespace::Omemo2 => inside(words),
            _ => words.to_owned(),
        });
        self.encrypt_bytes(vault, body.as_deref().map(str::as_bytes))
    }

    /// Without an envelope of XEP-0420 around it.
    fn encrypt_as_it_is(&mut self, vault: &Address, text: &str) -> Envelope {
        self.encrypt_bytes(vault, Some(text.as_bytes()))
    }

    fn encrypt_bytes(&mut self, vault: &Address, body: Option<&[u8]>) -> Envelope {
        let to = [vault.clone()];
        let now = omemo_now();
        let encrypted =
            machine::encrypt(&self.store, self.namespace, &to, body, &mut self.rng, now);
        let (envelope, changes) = encrypted.unwrap();
        self.store.apply(changes).unwrap();
        envelope
    }
}

/// An envelope of XEP-0420, as bare as one may be.
fn inside(words: &str) -> String {
    format!(
        "<envelope xmlns='urn:xmpp:sce:1'><content><body xmlns='jabber:client'>{words}</body>\
         </content><from jid='{OWNER}'/></envelope>"
    )
}

/// What the vault has sent.
#[derive(Debug, PartialEq, Eq)]
enum Sent {
    Words(String),
    Empty,
    /// That a message came, which in `urn:xmpp:omemo:2` is encrypted too.
    Receipt(String),
    InClear(String),
}

impl Bench {
    fn new() -> Self {
        Self::new_in(Namespace::Legacy)
    }

    /// One for each namespace.
    fn in_each() -> [Self; 2] {
        Namespace::ALL.map(Self::new_in)
    }

    fn new_in(namespace: Namespace) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        let mut config: Config = toml::from_str(&reference()).unwrap();
        config.owner.jid = OWNER.to_owned();
        config.owner.fingerprints.clear();
        let mut step = state.begin().unwrap();
        let (own, changes) = machine::enrol(&mut FixedRng::new(1), omemo_now());
        step.apply(changes).unwrap();
        step.commit().unwrap();
        let keeper = Keeper::new(Memory {
            owner: OWNER.to_owned(),
            pins: Vec::new(),
            has_trusted_device: true,
            pairing: None,
            locked_by_owner: false,
            intakes: Vec::new(),
            deliveries: Vec::new(),
            checks: Record::default(),
            plan: Plan::default(),
            pace: None,
            alarm: false,
            devices: Vec::new(),
            own: crate::keeper::devices::Own {
                jid: OURS.to_owned(),
                device: own.device().0,
                fingerprint: format!("{}0badcafe", "0".repeat(56)),
            },
            aes: "in software",
        });
        let mut bench = Self {
            state,
            keeper,
            config,
            contacts: Contacts::default(),
            own: Address::new(OURS, own.device()),
            phone: Phone::new(2, namespace),
            _folder: folder,
        };
        bench.begin_session();
        let hello = bench.phone.encrypt(&bench.own, None);
        let _ = bench.hear(&stanza(&hello));
        bench.trust_phone();
        // From the answer on its messages are no key exchanges any more.
        let envelope = bench.ask_for_help();
        let _ = bench.hear(&stanza(&envelope));
        bench.says_help();
        bench
    }

    fn bundle(&mut self) -> Bundle {
        let step = self.state.begin().unwrap();
        machine::own_bundle(&step, self.phone.namespace)
            .unwrap()
            .unwrap()
    }

    fn begin_session(&mut self) {
        let bundle = self.bundle();
        self.phone.start(&self.own, &bundle);
    }

    fn trust_phone(&mut self) {
        let identity = self.phone.store.own_device().unwrap().unwrap().identity();
        self.apply(|step, phone| {
            machine::set_trust(step, phone, &identity, Trust::Paired).unwrap()
        });
    }

    fn apply(&mut self, change: impl FnOnce(&Step<'_>, &Address) -> Changes) {
        let mut step = self.state.begin().unwrap();
        let changes = change(&step, &self.phone.address);
        step.apply(changes).unwrap();
        step.commit().unwrap();
    }

    /// The owner's list names these devices.
    fn list(&mut self, devices: impl IntoIterator<Item = u32>) {
        let devices = devices.into_iter().map(DeviceId).collect();
        let namespace = self.phone.namespace;
        self.apply(|step, phone| {
            let list = DeviceList { devices };
            machine::update_device_list(step, namespace, &phone.jid, &list)
                .unwrap()
                .1
        });
    }

    fn hear(&mut self, text: &str) -> After {
        self.hear_while(text, false)
    }

    fn hear_while(&mut self, text: &str, catching_up: bool) -> After {
        let message = message(text);
        let mut step = self.state.begin().unwrap();
        let mut desk = Desk {
            keeper: &mut self.keeper,
            config: &self.config,
            contacts: &mut self.contacts,
            list_is_old: false,
            asker: None,
        };
        let after = desk.open(&mut step, &message, catching_up).unwrap();
        step.commit().unwrap();
        after
    }

    fn tell(&mut self, input: Input) -> After {
        let mut step = self.state.begin().unwrap();
        let mut desk = Desk {
            keeper: &mut self.keeper,
            config: &self.config,
            contacts: &mut self.contacts,
            list_is_old: false,
            asker: None,
        };
        let after = desk.decide(&mut step, input).unwrap();
        step.commit().unwrap();
        after
    }

    /// Takes the outbox, as the phone reads it.
    fn sent(&mut self) -> Vec<Sent> {
        let step = self.state.begin().unwrap();
        let letters = step.outbox().unwrap();
        for letter in &letters {
            step.delivered(letter.token).unwrap();
        }
        step.commit().unwrap();
        let stanzas = letters.into_iter().map(|letter| match letter.content {
            LetterContent::Stanza(stanza) => stanza,
            LetterContent::Words(words) => panic!("not encrypted: {words}"),
        });
        stanzas.map(|stanza| self.phone_reads(&stanza)).collect()
    }

    fn phone_reads(&mut self, stanza: &str) -> Sent {
        let envelope = match content(stanza) {
            Content::Encrypted(envelope) => envelope,
            Content::Plain(text) => return Sent::InClear(text),
            _ => panic!("strange: {stanza}"),
        };
        let phone = &mut self.phone;
        let (opened, changes) =
            machine::receive(&phone.store, OURS, &envelope, omemo_now()).unwrap();
        phone.store.apply(changes).unwrap();
        match (opened.body, opened.namespace) {
            (Some(body), Namespace::Omemo2) => {
                let inside = SceContent::read(&body, OURS, OWNER).unwrap();
                match (inside.body(), inside.received()) {
                    (Some(words), _) => Sent::Words(words),
                    (None, Some(id)) => Sent::Receipt(id),
                    (None, None) => panic!("nothing inside: {stanza}"),
                }
            }
            (Some(body), _) => Sent::Words(machine::text(&body).unwrap().to_owned()),
            (None, _) => Sent::Empty,
        }
    }

    fn says_help(&mut self) {
        let mut sent = self.sent();
        sent.retain(|it| !matches!(it, Sent::Receipt(_)));
        let [Sent::Words(words)] = sent.as_slice() else {
            panic!("not one answer: {sent:?}")
        };
        assert!(words.starts_with("Share a photo"), "{words}");
    }

    fn ask_for_help(&mut self) -> Envelope {
        self.phone.encrypt(&self.own, Some("help"))
    }
}

fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The barest stanza: no body, no hint, no name of the encryption, no mark of a key exchange.
fn stanza(envelope: &Envelope) -> String {
    stanza_with("", &element(envelope, base64))
}

fn stanza_with(attributes: &str, inner: &str) -> String {
    format!(
        "<message xmlns='jabber:client' type='chat' from='{OWNER}/phone' to='{OURS}' {attributes}>\
         {inner}</message>"
    )
}

fn element(envelope: &Envelope, base64: impl Fn(&[u8]) -> String) -> String {
    let keys: String = envelope
        .keys
        .iter()
        .map(|key| format!("<key rid='{}'>{}</key>", key.device, base64(&key.data)))
        .collect();
    let payload = envelope.payload.as_ref();
    let payload = payload.map_or_else(String::new, |payload| {
        format!("<payload>{}</payload>", base64(payload))
    });
    if envelope.namespace == Namespace::Omemo2 {
        return format!(
            "<encrypted xmlns='{OMEMO2}'><header sid='{}'><keys jid='{OURS}'>{keys}</keys></header>\
             {payload}</encrypted>",
            envelope.sender
        );
    }
    format!(
        "<encrypted xmlns='{LEGACY}'><header sid='{}'>{keys}<iv>{}</iv></header>{payload}</encrypted>",
        envelope.sender,
        base64(&envelope.iv)
    )
}

/// The same message as our server's archive returns it.
fn archived(stanza: &str) -> String {
    format!(
        "<message xmlns='jabber:client' from='{OURS}'><result xmlns='urn:xmpp:mam:2' queryid='q' \
         id='a7'><forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' \
         stamp='2026-01-02T03:04:05Z'/>{stanza}</forwarded></result></message>"
    )
}

fn delayed(from: &str, inner: &str) -> String {
    let delay =
        format!("<delay xmlns='urn:xmpp:delay' {from} stamp='2026-01-02T03:04:05Z'/>{inner}");
    stanza_with("", &delay)
}

fn broken(envelope: &Envelope) -> Envelope {
    let mut broken = envelope.clone();
    let last = broken.keys[0].data.last_mut().unwrap();
    *last ^= 1;
    broken
}

fn repairs(after: &After) -> Vec<u32> {
    let repairs = after.effects.iter().filter_map(|effect| {
        if let Effect::Repair(device) = effect {
            Some(*device)
        } else {
            None
        }
    });
    repairs.collect()
}

#[test]
fn the_barest_message_and_the_most_decorated_one_are_both_answered() {
    for mut bench in Bench::in_each() {
        let bare = bench.ask_for_help();
        let _ = bench.hear(&stanza(&bare));
        bench.says_help();

        let envelope = bench.ask_for_help();
        let decorated = format!(
            "<body>I sent you an OMEMO encrypted message</body>{}\
         <encryption xmlns='urn:xmpp:eme:0' namespace='{}' name='OMEMO'/>\
         <store xmlns='urn:xmpp:hints'/><markable xmlns='urn:xmpp:chat-markers:0'/>\
         <origin-id xmlns='urn:xmpp:sid:0' id='o1'/><request xmlns='urn:xmpp:receipts'/>\
         <active xmlns='http://jabber.org/protocol/chatstates'/>",
            element(&envelope, base64),
            envelope.namespace.uri()
        );
        let _ = bench.hear(&stanza_with("id='m1'", &decorated));
        bench.says_help();
    }
}

#[test]
fn a_key_exchange_that_does_not_say_so_is_one_and_so_is_every_one_until_the_answer() {
    for mut bench in Bench::in_each() {
        bench.begin_session();
        let first = bench.ask_for_help();
        let second = bench.ask_for_help();
        assert!(first.keys[0].key_exchange && second.keys[0].key_exchange);
        assert!(!stanza(&first).contains("prekey"));

        let after = bench.hear(&stanza(&first));
        assert!(after.bundle_changed && after.used_prekeys == 1);
        bench.says_help();
        let after = bench.hear(&stanza(&second));
        assert_eq!(after.used_prekeys, 0);
        bench.says_help();
    }
}

#[test]
fn line_breaks_in_base64_change_nothing() {
    for mut bench in Bench::in_each() {
        let envelope = bench.ask_for_help();
        let wrapped = |bytes: &[u8]| {
            let lines: Vec<String> = base64(bytes)
                .as_bytes()
                .chunks(20)
                .map(|line| String::from_utf8(line.to_vec()).unwrap())
                .collect();
            format!("\n  {}\r\n", lines.join("\r\n\t"))
        };

        let _ = bench.hear(&stanza_with("", &element(&envelope, wrapped)));

        bench.says_help();
    }
}

#[test]
fn keys_for_others_and_damaged_ones_beside_ours_do_no_harm() {
    for mut bench in Bench::in_each() {
        let mut envelope = bench.ask_for_help();
        let ours = envelope.keys[0].clone();
        let other = |device: DeviceId, data: Vec<u8>| HeaderKey {
            device,
            data,
            ..ours.clone()
        };
        // The phone encrypts for itself and for its owner's other devices; one of them has our number.
        envelope.keys = vec![
            other(bench.phone.address.device, ours.data.clone()),
            other(DeviceId(99), vec![]),
            other(bench.own.device, broken(&envelope).keys[0].data.clone()),
            ours.clone(),
            other(DeviceId(100), vec![0; 300]),
        ];

        let _ = bench.hear(&stanza(&envelope));

        bench.says_help();
    }
}

#[test]
fn an_empty_message_is_met_with_silence_and_the_next_question_is_answered() {
    for mut bench in Bench::in_each() {
        for _ in 0..3 {
            let empty = bench.phone.encrypt(&bench.own, None);
            let after = bench.hear(&stanza(&empty));
            assert!(after.effects.is_empty());
        }
        assert_eq!(bench.sent(), []);

        let envelope = bench.ask_for_help();
        let _ = bench.hear(&stanza(&envelope));
        bench.says_help();
    }
}

#[test]
fn one_message_live_from_offline_storage_and_from_the_archive_is_answered_once() {
    for mut bench in Bench::in_each() {
        let envelope = bench.ask_for_help();
        let live = stanza(&envelope);
        let offline = delayed("from='example.org'", &element(&envelope, base64));
        let read = message(&offline);
        assert_eq!((read.source, &read.archive_id), (Source::Offline, &None));

        let _ = bench.hear(&offline);
        bench.says_help();
        for again in [&offline, &live, &archived(&live)] {
            let after = bench.hear(again);
            assert!(after.effects.is_empty() && after.letters.is_empty());
        }
        assert_eq!(bench.sent(), []);

        let another = bench.ask_for_help();
        let _ = bench.hear(&archived(&stanza(&another)));
        bench.says_help();
    }
}

#[test]
fn of_all_delays_only_our_servers_says_when_a_message_was_sent() {
    for (from, believed) in [
        ("from='example.org'", true),
        ("from='vault@example.org'", true),
        ("", false),
        ("from='owner@example.org/phone'", false),
        ("from='owner@example.org'", false),
        ("from='mallory.example'", false),
    ] {
        let mut bench = Bench::new();
        let envelope = broken(&bench.ask_for_help());
        let _ = bench.hear(&delayed(from, &element(&envelope, base64)));
        let device = bench.phone.address.device.0;
        let _ = bench.tell(Input::Life(News::Repaired { device }));

        let sent = bench.sent();
        let [Sent::Words(words)] = sent.as_slice() else {
            panic!("not one answer: {sent:?}")
        };
        assert_eq!(
            words.contains("2 Jan 2026, 03:04."),
            believed,
            "{from}: {words}"
        );
    }
}

#[test]
fn a_message_that_does_not_open_is_answered_after_one_repair_and_a_storm_by_no_more() {
    for mut bench in Bench::in_each() {
        let envelope = bench.ask_for_help();
        let device = bench.phone.address.device.0;

        let first = bench.hear(&stanza(&broken(&envelope)));
        assert_eq!(repairs(&first), [device]);
        assert_eq!(bench.sent(), [], "it waits for the repair");
        let _ = bench.tell(Input::Life(News::Repaired { device }));
        let sent = bench.sent();
        assert!(
            matches!(sent.as_slice(), [Sent::Words(words)] if words.starts_with("I could not read your message of ")),
            "{sent:?}"
        );
        for _ in 0..200 {
            let after = bench.hear(&stanza(&broken(&envelope)));
            assert_eq!(repairs(&after), [] as [u32; 0]);
        }
        assert_eq!(bench.sent(), []);
        // The honest one still opens.
        let _ = bench.hear(&stanza(&envelope));
        bench.says_help();
    }
}

#[test]
fn a_message_that_was_not_encrypted_for_us_is_told_and_one_without_content_is_not() {
    for mut bench in Bench::in_each() {
        let mut envelope = bench.ask_for_help();
        envelope.keys[0].device = DeviceId(4_711);
        let mut empty = bench.phone.encrypt(&bench.own, None);
        empty.keys[0].device = DeviceId(4_711);
        let device = bench.phone.address.device.0;

        let nothing = bench.hear(&stanza(&empty));
        assert!(nothing.effects.is_empty());
        let after = bench.hear(&stanza(&envelope));
        let _ = bench.tell(Input::Life(News::Repaired { device }));

        assert_eq!(repairs(&after), [device]);
        assert_eq!(bench.sent().len(), 1);
    }
}

#[test]
fn a_broken_message_of_a_device_that_nobody_vouched_for_changes_and_says_nothing() {
    for mut bench in Bench::in_each() {
        let mut stranger = Phone::new(77, bench.phone.namespace);
        let bundle = bench.bundle();
        stranger.start(&bench.own, &bundle);
        let envelope = stranger.encrypt(&bench.own, Some("help"));

        let after = bench.hear(&stanza(&broken(&envelope)));

        assert!(after.effects.is_empty() && !after.bundle_changed);
        assert_eq!(bench.sent(), []);
    }
}

#[test]
fn another_identity_key_under_the_phones_number_is_refused_and_told_once() {
    for mut bench in Bench::in_each() {
        let mut impostor = Phone::new(66, bench.phone.namespace);
        let bundle = bench.bundle();
        impostor.start(&bench.own, &bundle);

        for round in 0..3 {
            let mut envelope = impostor.encrypt(&bench.own, Some("help"));
            envelope.sender = bench.phone.address.device;
            let after = bench.hear(&stanza(&envelope));
            assert_eq!(repairs(&after), [] as [u32; 0]);
            let sent = bench.sent();
            assert_eq!(sent.len(), usize::from(round == 0), "{sent:?}");
            if let [Sent::Words(words)] = sent.as_slice() {
                assert!(words.contains("shows another key than before"), "{words}");
            }
        }

        let envelope = bench.ask_for_help();
        let _ = bench.hear(&stanza(&envelope));
        bench.says_help();
    }
}

#[test]
fn where_no_device_list_is_published_or_it_names_only_dead_devices_the_phone_is_answered() {
    for mut bench in Bench::in_each() {
        for list in [vec![], (1..=500).collect::<Vec<u32>>()] {
            bench.list(list);
            let envelope = bench.ask_for_help();

            let after = bench.hear(&stanza(&envelope));

            // Nobody is asked for the bundles of the dead, and they get no keys.
            assert_eq!(after.without_session, []);
            let keys = after.letters[0].1.matches("<key ").count();
            assert_eq!(keys, 1);
            bench.says_help();
        }
        bench.list([bench.phone.address.device.0, 5]);
        let envelope = bench.ask_for_help();
        let _ = bench.hear(&stanza(&envelope));
        bench.says_help();
    }
}

#[test]
fn where_the_owners_list_is_not_pushed_the_answer_waits_until_it_was_fetched() {
    let mut bench = Bench::new();
    let envelope = bench.ask_for_help();
    let message = message(&stanza(&envelope));
    let mut step = bench.state.begin().unwrap();
    let mut desk = Desk {
        keeper: &mut bench.keeper,
        config: &bench.config,
        contacts: &mut bench.contacts,
        list_is_old: true,
        asker: None,
    };

    let after = desk.open(&mut step, &message, false).unwrap();

    assert!(after.list_wanted && after.letters.is_empty());
    let outbox = step.outbox().unwrap();
    assert!(
        matches!(outbox.as_slice(), [letter] if matches!(letter.content, LetterContent::Words(_)))
    );
}

#[test]
fn text_and_links_in_clear_are_refused_in_words_and_become_no_job() {
    let mut bench = Bench::new();
    let in_clear = |text: &str| {
        let inner = format!("<body>{text}</body><x xmlns='jabber:x:oob'><url>{text}</url></x>");
        stanza_with("id='m1'", &inner)
    };

    let _ = bench.hear(&in_clear("https://upload.example.org/photo.jpg"));
    for again in ["help", "aesgcm://example.org/p.jpg#00", "lock"] {
        let _ = bench.hear(&in_clear(again));
    }

    assert_eq!(bench.sent(), [Sent::InClear(PLAIN_REFUSED.to_owned())]);
    let step = bench.state.begin().unwrap();
    let jobs: Vec<crate::keeper::intake::Intake> =
        step.jobs(crate::state::JobKind::Intake).unwrap();
    assert!(jobs.is_empty());
    drop(step);
    let envelope = bench.ask_for_help();
    let _ = bench.hear(&stanza(&envelope));
    bench.says_help();
}

#[test]
fn what_an_envelope_says_in_clear_or_for_another_stanza_is_not_obeyed_and_its_honest_twin_is() {
    let mut bench = Bench::new_in(Namespace::Omemo2);
    // XEP-0420 v0.5.0 10: one that nobody encrypted is no message at all.
    assert!(is_nothing(&stanza_with("id='m1'", &inside("help"))));

    let honest = inside("help");
    let other = honest.replace(OWNER, "mallory@example.org");
    let to_other = honest.replace("<from", "<to jid='mallory@example.org'/><from");
    let twice = honest.replace("</content>", "</content><content/>");
    for bad in [&other, &to_other, &twice, "help"] {
        let envelope = bench.phone.encrypt_as_it_is(&bench.own, bad);
        let _ = bench.hear(&stanza(&envelope));
    }
    // One request to send it again, for all of them.
    let sent = bench.sent();
    assert!(
        matches!(sent.as_slice(), [Sent::Words(words)] if words.starts_with("I could not read")),
        "{sent:?}"
    );

    let envelope = bench.phone.encrypt_as_it_is(&bench.own, &honest);
    let _ = bench.hear(&stanza(&envelope));
    bench.says_help();
}

#[test]
fn a_file_is_dated_as_its_device_says_unless_that_is_far_from_when_it_came() {
    let link = format!("aesgcm://example.org/p.jpg#{}", "0".repeat(88));
    let came = now();
    for (dated, believed) in [
        (came - 3_600, true),
        (came + 3_600, true),
        (came - 2 * 86_400, false),
        (came + 2 * 86_400, false),
    ] {
        let mut bench = Bench::new_in(Namespace::Omemo2);
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(dated.unsigned_abs());
        let draft = crate::xmpp::SceDraft::default().body(&link);
        let written = draft.write(OWNER, OURS, at, &mut FixedRng::new(5));
        let envelope = bench
            .phone
            .encrypt_as_it_is(&bench.own, std::str::from_utf8(&written).unwrap());

        let _ = bench.hear(&stanza(&envelope));

        let step = bench.state.begin().unwrap();
        let jobs: Vec<crate::keeper::intake::Intake> =
            step.jobs(crate::state::JobKind::Intake).unwrap();
        let [job] = jobs.as_slice() else {
            panic!("{} jobs", jobs.len())
        };
        if believed {
            assert_eq!(job.sent_at, dated);
        } else {
            assert!(job.sent_at.abs_diff(came) < 600, "{dated}");
        }
    }
}

#[test]
fn a_phone_that_only_sends_gets_one_heartbeat_after_fifty_three_messages() {
    for mut bench in Bench::in_each() {
        let mut beats = Vec::new();
        for number in 0..150 {
            let empty = bench.phone.encrypt(&bench.own, None);
            let _ = bench.hear(&stanza(&empty));
            let sent = bench.sent();
            assert!(sent.iter().all(|it| *it == Sent::Empty), "{sent:?}");
            beats.extend(sent.iter().map(|_| number));
        }

        // Each heartbeat begins the phone's chain anew.
        assert_eq!(beats, [53, 107]);
    }
}

#[test]
fn a_prekey_used_while_the_archive_is_read_stays_aside_until_that_is_over() {
    for mut bench in Bench::in_each() {
        let bundle = bench.bundle();
        let mut only = bundle.clone();
        only.prekeys.truncate(1);
        bench.phone.start(&bench.own.clone(), &only);
        let (one, mut second) = (bench.ask_for_help(), Phone::new(9, bench.phone.namespace));
        second.start(&bench.own, &only);
        let other = second.encrypt(&bench.own, Some("hello"));

        let after = bench.hear_while(&archived(&stanza(&one)), true);
        let _ = bench.hear_while(&archived(&stanza(&other)), true);

        assert_eq!(after.used_prekeys, 1);
        let step = bench.state.begin().unwrap();
        assert_eq!(step.used_prekeys().unwrap(), [only.prekeys[0].0]);
        assert!(step.known_device(&second.address).unwrap().is_some());
        drop(step);
        let published = bench.bundle();
        assert!(!published.prekeys.contains(&only.prekeys[0]));
    }
}

/// What a phone writes that uploads a file after it has described it.
const AHEAD: &str = "<file-sharing xmlns='urn:xmpp:sfs:0' id='p'>\
     <file xmlns='urn:xmpp:file:metadata:0'><name>p.jpg</name>\
     <hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>2XarmwTlNxDAMkvymloX3S5+VbylNrJt/l5QyPa+YoU=</hash>\
     </file></file-sharing>";

/// What it writes once that is done.
const ATTACHED: &str = "<attach-to xmlns='urn:xmpp:message-attaching:1' id='m1'/>\
     <sources xmlns='urn:xmpp:sfs:0' id='p'><encrypted xmlns='urn:xmpp:esfs:0' \
     cipher='urn:xmpp:ciphers:aes-256-cbc-pkcs7:0'>\
     <key>SuRJ2agVm/pQbJQlPq/B23Xt1YOOJCcEGJA5HrcYOGQ=</key><iv>AAAAAAAAAAAAAAAAAAAAAA==</iv>\
     <sources xmlns='urn:xmpp:sfs:0'>\
     <url-data xmlns='http://jabber.org/protocol/url-data' target='https://up.example/p'/>\
     </sources></encrypted></sources>";

fn envelope_of(content: &str) -> String {
    inside("").replace("</content>", &format!("{content}</content>"))
}

fn jobs_of(bench: &mut Bench) -> Vec<crate::keeper::intake::Intake> {
    let step = bench.state.begin().unwrap();
    step.jobs(crate::state::JobKind::Intake).unwrap()
}

#[test]
fn sources_are_attached_inside_the_encryption_only_and_a_repetition_adds_nothing() {
    let mut bench = Bench::new_in(Namespace::Omemo2);
    let sealed = |bench: &mut Bench, content: &str| {
        let content = envelope_of(content).replace("<body xmlns='jabber:client'></body>", "");
        bench.phone.encrypt_as_it_is(&bench.own, &content)
    };
    let described = sealed(&mut bench, AHEAD);
    let _ = bench.hear(&stanza_with("id='m1'", &element(&described, base64)));
    assert!(jobs_of(&mut bench)[0].is_ahead());

    // Whoever passes a message on can write beside it.
    let help = bench.ask_for_help();
    let beside = format!("{}{ATTACHED}", element(&help, base64));
    let _ = bench.hear(&stanza_with("id='m2'", &beside));
    bench.says_help();
    assert!(jobs_of(&mut bench)[0].is_ahead());

    let attached = sealed(&mut bench, ATTACHED);
    let attached = stanza_with("id='m3'", &element(&attached, base64));
    let _ = bench.hear(&attached);
    let fetches = |effects: &[Effect]| {
        let fetches = effects.iter().filter(|it| matches!(it, Effect::Fetch(_)));
        fetches.count()
    };
    let effects = bench.tell(Input::Online).effects;
    let again = bench.hear(&attached).effects;
    assert_eq!((fetches(&effects), fetches(&again)), (1, 0));
    let jobs = jobs_of(&mut bench);
    assert!(jobs.len() == 1 && !jobs[0].is_ahead());
    let places = jobs[0].described.as_ref().unwrap().file().sources;
    assert_eq!(places[0].url, "https://up.example/p");
}

#[test]
fn beside_a_message_of_the_old_namespace_neither_description_nor_source_counts() {
    let mut bench = Bench::new();
    for beside in [AHEAD, ATTACHED] {
        let help = bench.ask_for_help();
        let inner = format!("{}{beside}", element(&help, base64));
        let _ = bench.hear(&stanza_with("id='m1'", &inner));
        bench.says_help();
        assert!(jobs_of(&mut bench).is_empty());
    }
    // There a file is the link that is the encrypted text.
    let link = format!("aesgcm://example.org/p.jpg#{}", "0".repeat(88));
    let envelope = bench.phone.encrypt(&bench.own, Some(&link));
    let inner = format!("{}{ATTACHED}", element(&envelope, base64));
    let _ = bench.hear(&stanza_with("id='m1'", &inner));
    let jobs = jobs_of(&mut bench);
    assert!(jobs.len() == 1 && jobs[0].described.is_none() && jobs[0].link == link);
}
