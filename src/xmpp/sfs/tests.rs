//! Descriptions as clients write them, and as they should not.

use super::*;

const CBC: &str = "urn:xmpp:ciphers:aes-256-cbc-pkcs7:0";
const GCM: &str = "urn:xmpp:ciphers:aes-256-gcm-nopadding:0";
const KEY: &str = "SuRJ2agVm/pQbJQlPq/B23Xt1YOOJCcEGJA5HrcYOGQ=";
const SHORT_IV: &str = "T8RDMBaiqn6Ci4Nw";
const HASH: &str = "2XarmwTlNxDAMkvymloX3S5+VbylNrJt/l5QyPa+YoU=";
const URL: &str = "https://up.example/4a77/encrypted.jpg";

fn content(inner: &str) -> SceContent {
    let text = format!(
        "<envelope xmlns='urn:xmpp:sce:1'><content>{inner}</content>\
         <from jid='a@x.example'/></envelope>"
    );
    SceContent::read(text.as_bytes(), "a@x.example", "b@x.example").unwrap()
}

fn hash(algorithm: &str, digest: &str) -> String {
    format!("<hash xmlns='urn:xmpp:hashes:2' algo='{algorithm}'>{digest}</hash>")
}

fn encrypted(cipher: &str, key: &str, iv: &str, targets: &[&str]) -> String {
    hashed(cipher, (key, iv), "", targets)
}

/// With hashes of the ciphertext.
fn hashed(cipher: &str, (key, iv): (&str, &str), hashes: &str, targets: &[&str]) -> String {
    let places = targets
        .iter()
        .map(|it| format!("<url-data xmlns='http://jabber.org/protocol/url-data' target='{it}'/>"));
    let places: String = places.collect();
    format!(
        "<encrypted xmlns='urn:xmpp:esfs:0' cipher='{cipher}'><key>{key}</key><iv>{iv}</iv>{hashes}\
         <sources xmlns='urn:xmpp:sfs:0'>{places}</sources></encrypted>"
    )
}

fn sharing(metadata: &str, sources: &str) -> String {
    format!(
        "<file-sharing xmlns='urn:xmpp:sfs:0'>\
         <file xmlns='urn:xmpp:file:metadata:0'>{metadata}</file>\
         <sources>{sources}</sources></file-sharing>"
    )
}

fn one(inner: &str) -> FoundFile {
    let mut files = content(inner).files();
    assert_eq!(files.len(), 1);
    files.remove(0)
}

fn refusal(metadata: &str, sources: &str) -> Option<SharedFileError> {
    one(&sharing(metadata, sources)).file.err()
}

fn iv(bytes: usize) -> String {
    use base64::Engine as _;
    let iv: Vec<u8> = (0..=255).take(bytes).collect();
    base64::engine::general_purpose::STANDARD.encode(iv)
}

#[test]
fn the_example_of_the_specification_is_read() {
    let inner = sharing(
        &format!(
            "<media-type>image/jpeg</media-type><name>summit.jpg</name><size>3032449</size>\
             <dimension>4096x2160</dimension><date>2015-07-26T21:46:00+01:00</date>{}{}<desc>Photo from the summit.</desc>\
             <thumbnail xmlns='urn:xmpp:thumbs:1' uri='cid:sha1+ff@bob.xmpp.org'/>",
            hash("sha3-256", HASH),
            hash("id-blake2b256", "2AfMGH8O7UNPTvUVAM9aK13mpCY="),
        ),
        &format!(
            "{}<jinglepub xmlns='urn:xmpp:jinglepub:1' from='r@x/y' id='9'/>",
            hashed(
                GCM,
                (KEY, SHORT_IV),
                &format!(
                    "{}{}",
                    hash("sha3-256", HASH),
                    hash("id-blake2b256", "id4cnqqy9/ssfCkM4vYSkiXXrlE=")
                ),
                &[URL]
            )
        ),
    );

    let file = one(&inner).file.unwrap();

    assert_eq!(file.name.as_deref(), Some("summit.jpg"));
    assert_eq!(file.media_type.as_deref(), Some("image/jpeg"));
    assert_eq!(file.size, Some(3_032_449));
    let algorithms: Vec<_> = file.hashes.iter().map(ContentHash::algorithm).collect();
    assert_eq!(algorithms, [HashAlgorithm::Sha3With256]);
    assert_eq!(file.sources[0].hashes, file.hashes);
    assert_eq!(file.changed_at, Some(1_437_943_560));
    assert_eq!(file.sources[0].url, URL);
    assert_eq!(file.sources[0].secret.cipher(), MediaCipher::Aes256Gcm);
    assert_eq!(file.sources[0].secret.iv().len(), 12);
}

#[test]
fn a_file_as_kaidan_sends_it_is_read() {
    // an IV of 32 bytes, line breaks in base64, no disposition, no body
    let broken = format!("\n  {}\n  {}\n", &KEY[..20], &KEY[20..]);
    let inner = sharing(
        &format!("<name>a.jpg</name><size>7</size>{}", hash("sha-256", HASH)),
        &encrypted(CBC, &broken, &iv(32), &[URL]),
    );

    let found = content(&inner);
    let file = one(&inner).file.unwrap();

    assert_eq!(file.sources[0].secret.cipher(), MediaCipher::Aes256Cbc);
    assert_eq!(file.sources[0].secret.iv(), (0..16).collect::<Vec<u8>>());
    assert_eq!(found.words(), None);
}

#[test]
fn what_is_written_is_read_back() {
    for (cipher, media_type, disposition) in [
        (MediaCipher::Aes256Cbc, "image/jpeg", "inline"),
        (MediaCipher::Aes256Gcm, "text/html", "attachment"),
        (MediaCipher::Aes128Gcm, "video/mp4", "inline"),
    ] {
        let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
        let secret = MediaSecret::random_for(cipher, &mut rng);
        let bytes = secret.to_bytes();
        let file = SharedFile {
            name: Some("a <b> & 'c'.jpg".to_owned()),
            media_type: Some(media_type.to_owned()),
            size: Some(17),
            changed_at: Some(1_437_943_560),
            hashes: vec![ContentHash::new(HashAlgorithm::Sha256, vec![9; 32]).unwrap()],
            sources: vec![FileSource {
                hashes: vec![ContentHash::new(HashAlgorithm::Sha512, vec![8; 64]).unwrap()],
                ..FileSource::new(URL, secret).unwrap()
            }],
        };

        let inner = write_file(&file).into_text();
        let again = one(&inner).file.unwrap();

        assert_eq!(again.name, file.name);
        assert_eq!(again.media_type, file.media_type);
        assert_eq!(again.size, file.size);
        assert_eq!(again.changed_at, file.changed_at);
        assert_eq!(again.hashes, file.hashes);
        assert_eq!(again.sources[0].url, URL);
        assert_eq!(again.sources[0].hashes, file.sources[0].hashes);
        assert_eq!(again.sources[0].secret.cipher(), cipher);
        assert_eq!(again.sources[0].secret.to_bytes(), bytes);
        assert!(inner.contains(&format!("disposition='{disposition}'")));
    }
}

fn assert_each(cases: Vec<(String, String, Option<SharedFileError>)>) {
    for (metadata, sources, expected) in cases {
        assert_eq!(
            refusal(&metadata, &sources),
            expected,
            "{metadata} {sources}"
        );
    }
}

#[test]
fn each_fault_of_the_sources_is_named_and_its_honest_twin_is_read() {
    use SharedFileError::{Address, Cipher, Malformed, NoSource, NotEncrypted};

    let sha = || hash("sha-256", HASH);
    let cbc = |key: &str, iv: &str, targets: &[&str]| encrypted(CBC, key, iv, targets);
    let outer = |hashes: &str| hashed(CBC, (KEY, &iv(16)), hashes, &[URL]);
    let plain = format!("<url-data xmlns='http://jabber.org/protocol/url-data' target='{URL}'/>");
    let both = format!("{plain}{}", cbc(KEY, &iv(16), &[URL]));
    let none = "<jinglepub xmlns='urn:xmpp:jinglepub:1' from='r@x/y' id='9'/>";
    let http = "http://up.example/x";
    let cases = [
        (cbc(KEY, &iv(16), &[URL]), None),
        (String::new(), Some(NoSource)),
        (none.to_owned(), Some(NoSource)),
        (cbc(KEY, &iv(16), &[]), Some(NoSource)),
        (plain, Some(NotEncrypted)),
        (both, None),
        (encrypted("urn:x", KEY, &iv(16), &[URL]), Some(Cipher)),
        (cbc(KEY, &iv(16), &[http]), Some(Address)),
        (cbc(KEY, &iv(16), &[""]), Some(Address)),
        (cbc(KEY, &iv(16), &[http, URL]), None),
        (cbc(KEY, &iv(12), &[URL]), Some(Malformed)),
        (cbc(KEY, "", &[URL]), Some(Malformed)),
        (cbc("AAAA", &iv(16), &[URL]), Some(Malformed)),
        (cbc("?", &iv(16), &[URL]), Some(Malformed)),
        (cbc(KEY, &iv(16), &[URL; 5]), Some(Malformed)),
        (cbc(KEY, &iv(16), &[URL; 4]), None),
        (outer(&hash("sha-256", "AAAA")), Some(Malformed)),
        (outer(&sha().repeat(9)), Some(Malformed)),
        (outer(&hash("sha-1", "2AfMGH8O7UNPTvUVAM9aK13mpCY=")), None),
        (outer(&sha()), None),
    ];
    assert_each(
        cases
            .into_iter()
            .map(|(it, why)| (sha(), it, why))
            .collect(),
    );
}

#[test]
fn each_fault_of_the_metadata_is_named_and_its_honest_twin_is_read() {
    use SharedFileError::{Malformed, NoHash};

    let sha = hash("sha-256", HASH);
    let good = || encrypted(CBC, KEY, &iv(16), &[URL]);
    let cases = [
        (String::new(), Some(NoHash)),
        (hash("sha-1", "2AfMGH8O7UNPTvUVAM9aK13mpCY="), Some(NoHash)),
        (hash("sha-256", "AAAA"), Some(Malformed)),
        (sha.repeat(9), Some(Malformed)),
        (sha.repeat(8), None),
        (format!("{sha}<size>many</size>"), Some(Malformed)),
        (format!("{sha}<size>-1</size>"), Some(Malformed)),
        (format!("{sha}<size> 17 </size>"), None),
        (
            format!("{sha}<name>{}</name>", "x".repeat(9_000)),
            Some(Malformed),
        ),
    ];
    assert_each(
        cases
            .into_iter()
            .map(|(it, why)| (it, good(), why))
            .collect(),
    );
    assert_eq!(refusal("", &encrypted(GCM, KEY, SHORT_IV, &[URL])), None);
    // A hash of the ciphertext proves CBC too, if it is a strong one.
    let outer = |hash: &str| refusal("", &hashed(CBC, (KEY, &iv(16)), hash, &[URL]));
    assert_eq!(outer(&sha), None);
    assert_eq!(
        outer(&hash("sha-1", "2AfMGH8O7UNPTvUVAM9aK13mpCY=")),
        Some(NoHash)
    );
}

#[test]
fn a_date_that_is_none_is_left_out_and_the_file_is_taken() {
    for (date, read) in [
        ("1970-01-01T00:00:07Z", Some(7)),
        (" 2015-07-26T21:46:00+01:00\n", Some(1_437_943_560)),
        ("1969-12-31T23:59:59Z", None),
        ("yesterday", None),
        ("", None),
    ] {
        let metadata = format!("<date>{date}</date>");
        let file = one(&sharing(&metadata, &encrypted(GCM, KEY, SHORT_IV, &[URL])));

        assert_eq!(file.file.unwrap().changed_at, read, "{date}");
    }
}

#[test]
fn the_name_is_known_also_of_what_is_refused() {
    let found = one(&sharing("<name>a.jpg</name>", ""));

    assert_eq!(found.name.as_deref(), Some("a.jpg"));
    assert_eq!(found.file.err(), Some(SharedFileError::NoSource));
}

#[test]
fn a_message_may_hold_several_files_and_words() {
    let files: String = (1..=3)
        .map(|it| {
            let name = format!("<name>{it}.jpg</name>");
            sharing(&name, &encrypted(GCM, KEY, SHORT_IV, &[URL]))
        })
        .collect();
    let found = content(&format!("<body xmlns='jabber:client'>Rome</body>{files}"));

    let names: Vec<_> = found.files().into_iter().map(|it| it.name).collect();

    assert_eq!(
        names,
        ["1.jpg", "2.jpg", "3.jpg"].map(|it| Some(it.to_owned()))
    );
    assert_eq!(found.words().as_deref(), Some("Rome"));
}

#[test]
fn what_only_stands_for_a_file_counts_for_no_words() {
    let file = sharing("", &encrypted(GCM, KEY, SHORT_IV, &[URL]));
    let body = |text: &str| format!("<body xmlns='jabber:client'>{text}</body>");
    let whole = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'><body/></fallback>";
    let part = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'>\
                <body start='5' end='9'/></fallback>";
    let other = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body/></fallback>";

    for (inner, words) in [
        (
            format!("{}{whole}{file}", body("get it at my server")),
            None,
        ),
        (format!("{}{file}", body(URL)), None),
        (format!("{}{file}", body(" \n ")), None),
        (format!("{}{file}", body("aesgcm://up.example/x#00")), None),
        (
            format!("{}{part}{file}", body("R\u{f6}me!FILE")),
            Some("R\u{f6}me!"),
        ),
        (format!("{}{other}{file}", body("Rome")), Some("Rome")),
        (
            format!("{}{file}", body(&format!("see {URL}"))),
            Some(&*format!("see {URL}")),
        ),
        (body(URL), Some(URL)),
        (body("lock"), Some("lock")),
        (file.clone(), None),
    ] {
        assert_eq!(content(&inner).words().as_deref(), words, "{inner}");
    }
}

#[test]
fn a_description_in_clear_is_noticed() {
    let stanza = |inner: &str| -> Element {
        let text = format!("<message xmlns='jabber:client'>{inner}</message>");
        text.parse().unwrap()
    };

    assert!(is_in_clear(&stanza(&sharing("", ""))));
    assert!(!is_in_clear(&stanza("<body>list</body>")));
}

#[test]
fn of_hashes_and_places_without_end_only_a_few_are_read() {
    let many = |hashes: usize, places: usize| {
        let hashes = hash("sha-256", HASH).repeat(hashes);
        let source = hashed(CBC, (KEY, &iv(16)), &hashes, &vec![URL; places]);
        let sharing = xml::read(&sharing("", &source)).unwrap();
        let sources = xml::child(&sharing, "sources", SFS).unwrap();
        read_sources(sources).map(|found| found.len())
    };

    assert_eq!(many(8, 4).ok(), Some(4));
    // One too many, so that the whole is refused.
    assert_eq!(many(8, 1_000).ok(), Some(MAX_SOURCES + 1));
    assert_eq!(many(1_000, 1_000).err(), Some(SharedFileError::Malformed));
}

const AHEAD: &str = "<name>summit.jpg</name><size>3032449</size>";

/// A description without sources.
fn ahead(id: &str, metadata: &str) -> String {
    format!(
        "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'{id}>\
         <file xmlns='urn:xmpp:file:metadata:0'>{metadata}</file></file-sharing>"
    )
}

fn attaching(to: &str, id: &str, sources: &str) -> String {
    format!(
        "<attach-to {to}xmlns='urn:xmpp:message-attaching:1'/>\
         <sources xmlns='urn:xmpp:sfs:0'{id}>{sources}</sources>"
    )
}

#[test]
fn a_description_whose_sources_are_to_come_is_read_as_the_specification_writes_it() {
    let hashed = format!("{AHEAD}{}", hash("sha3-256", HASH));

    let found = one(&ahead(" id='file-sharing-id'", &hashed));
    let none = one(&ahead("", AHEAD));
    let both = content(&format!(
        "{}{}",
        ahead(" id='photo1.jpg'", &hashed),
        ahead(" id='photo2.jpg'", &hashed)
    ));

    assert_eq!(found.part.as_deref(), Some("file-sharing-id"));
    assert_eq!(found.name.as_deref(), Some("summit.jpg"));
    assert!(found.file.unwrap().sources.is_empty());
    // Nothing would tie the sources to it.
    assert_eq!(none.file.err(), Some(SharedFileError::NoSource));
    let parts: Vec<_> = both.files().into_iter().map(|it| it.part).collect();
    let named = ["photo1.jpg", "photo2.jpg"].map(|it| Some(it.to_owned()));
    assert_eq!(parts, named);
}

#[test]
fn sources_that_are_attached_later_are_read_and_the_address_beside_them_is_no_text() {
    let cbc = encrypted(CBC, KEY, &iv(16), &[URL]);
    let attached = attaching("id='sharing-a-file' ", " id='file-sharing-id'", &cbc);
    let fallback = format!(
        "{attached}<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'><body/></fallback>\
         <body xmlns='jabber:client'>{URL}</body>\
         <x xmlns='jabber:x:oob'><url>{URL}</url></x>"
    );
    let bare = format!("{attached}<body xmlns='jabber:client'>{URL}</body>");
    let said = format!("{attached}<body xmlns='jabber:client'>Rome</body>");

    for (inner, words) in [(&attached, None), (&fallback, None), (&bare, None)] {
        let read = content(inner);
        let found = read.attached().unwrap();
        assert_eq!(found.to, "sharing-a-file");
        assert_eq!(found.part.as_deref(), Some("file-sharing-id"));
        assert_eq!(found.sources.unwrap()[0].url, URL);
        assert_eq!(read.words(), words, "{inner}");
        assert!(read.files().is_empty());
    }
    assert_eq!(content(&said).words().as_deref(), Some("Rome"));
}

#[test]
fn sources_that_are_attached_to_nothing_or_make_no_sense_are_not_taken() {
    let cbc = encrypted(CBC, KEY, &iv(16), &[URL]);
    let long = format!("id='{}' ", "x".repeat(513));
    let plain =
        "<url-data xmlns='http://jabber.org/protocol/url-data' target='https://up.example/x'/>";
    let why = |inner: &str| content(inner).attached().map(|it| it.sources.err());

    for to in ["", "id='' ", &long] {
        assert!(content(&attaching(to, "", &cbc)).attached().is_none());
    }
    let sources_only = attaching("id='m' ", "", &cbc).replace("attach-to", "other");
    assert!(content(&sources_only).attached().is_none());
    assert_eq!(why(&attaching("id='m' ", "", &cbc)), Some(None));
    for (sources, fault) in [
        ("", SharedFileError::NoSource),
        (plain, SharedFileError::NotEncrypted),
    ] {
        assert_eq!(why(&attaching("id='m' ", "", sources)), Some(Some(fault)));
    }
    let many = encrypted(CBC, KEY, &iv(16), &[URL; 50]);
    let found = content(&attaching("id='m' ", "", &many))
        .attached()
        .unwrap();
    assert_eq!(found.sources.unwrap().len(), MAX_SOURCES + 1);
}
