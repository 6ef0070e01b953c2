//! Vectors by another implementation, streams cut everywhere, links good and bad.

use aes_gcm::{AeadInOut, AesGcm, KeyInit, aead::consts::U16};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;
use crate::store::suite::FixedRng;

static_assertions::assert_not_impl_any!(MediaSecret: Clone, Copy, PartialEq);
static_assertions::assert_not_impl_any!(MediaLink: Clone, Copy, PartialEq);
static_assertions::assert_not_impl_any!(MediaDecryptor: Clone, fmt::Debug);
static_assertions::assert_not_impl_any!(MediaEncryptor: Clone, fmt::Debug);

const VECTORS: &str = include_str!("../../tests/vectors/media.txt");
const SHORT: &str = "000102030405060708090a0b";
const LONG: &str = "000102030405060708090a0b0c0d0e0f";

struct Vector {
    name: &'static str,
    secret: MediaSecret,
    content: Vec<u8>,
    digest: String,
}

fn vectors() -> Vec<Vector> {
    VECTORS
        .lines()
        .filter(|it| !it.starts_with('#'))
        .map(|line| {
            let [name, cipher, iv, key, length, digest] =
                line.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let length: usize = length.parse().unwrap();
            let cipher = match cipher {
                "aes-256-gcm" => MediaCipher::Aes256Gcm,
                "aes-128-gcm" => MediaCipher::Aes128Gcm,
                "aes-256-cbc" => MediaCipher::Aes256Cbc,
                other => panic!("{other}"),
            };
            let [key, iv] = [key, iv].map(|it| hex::decode(it).unwrap());
            Vector {
                name,
                secret: MediaSecret::new(cipher, &key, &iv).unwrap(),
                content: (0..length)
                    .map(|i| u8::try_from(7 * i % 251).unwrap())
                    .collect(),
                digest: digest.to_owned(),
            }
        })
        .collect()
}

fn encrypt(secret: &MediaSecret, content: &[u8], cut: usize) -> Vec<u8> {
    let mut encryptor = MediaEncryptor::new(secret);
    let mut out = Vec::new();
    for piece in content.chunks(cut) {
        encryptor.update(piece, &mut out).unwrap();
    }
    out.extend(encryptor.finish());
    out
}

fn decrypt(secret: &MediaSecret, sealed: &[u8], cut: usize) -> Result<Vec<u8>, MediaError> {
    let mut decryptor = MediaDecryptor::new(secret);
    let mut out = Vec::new();
    for piece in sealed.chunks(cut) {
        decryptor.update(piece, &mut out)?;
    }
    assert_eq!(decryptor.finish(&mut out)?, out.len() as u64);
    Ok(out)
}

#[test]
fn content_encrypts_and_decrypts_as_another_implementation_does() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 20);

    for Vector {
        name,
        secret,
        content,
        digest,
    } in vectors
    {
        for cut in [1, 7, 16, 17, 4096, 1 << 20] {
            let sealed = encrypt(&secret, &content, cut);
            assert_eq!(
                hex::encode(Sha256::digest(&sealed)),
                digest,
                "{name}, cut at {cut}"
            );
            let told = secret.cipher().ciphertext_bytes(content.len() as u64);
            assert_eq!(sealed.len() as u64, told, "{name}");
            assert_eq!(
                decrypt(&secret, &sealed, cut),
                Ok(content.clone()),
                "{name} {cut}"
            );
        }
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused_and_the_whole_is_accepted() {
    let secret = MediaSecret::random(&mut FixedRng::new(1));
    let content = b"forty bytes of a photo, more or less....";
    let sealed = encrypt(&secret, content, 9);

    for bit in 0..sealed.len() * 8 {
        let mut forged = sealed.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            decrypt(&secret, &forged, 11),
            Err(MediaError::NotAuthentic),
            "bit {bit}"
        );
    }
    for length in 0..sealed.len() {
        let cut = decrypt(&secret, &sealed[..length], 11);
        assert_eq!(cut, Err(MediaError::NotAuthentic), "cut at {length}");
    }
    let longer = [sealed.as_slice(), b"x"].concat();
    assert_eq!(decrypt(&secret, &longer, 11), Err(MediaError::NotAuthentic));
    assert_eq!(decrypt(&secret, &sealed, 11), Ok(content.to_vec()));
}

#[test]
fn the_memory_of_a_stream_does_not_grow_with_it() {
    for cipher in MediaCipher::ALL {
        let secret = MediaSecret::random_for(cipher, &mut FixedRng::new(1));
        let mut decryptor = MediaDecryptor::new(&secret);
        let mut encryptor = MediaEncryptor::new(&secret);
        let mut out = Vec::with_capacity(64 * 1024);

        for _ in 0..200 {
            out.clear();
            decryptor.update(&[0xA5; 60_001], &mut out).unwrap();
            out.clear();
            encryptor.update(&[0xA5; 60_001], &mut out).unwrap();
        }

        assert_eq!(out.capacity(), 64 * 1024);
    }
}

#[test]
fn without_a_tag_only_the_hash_tells_what_was_altered_and_it_always_does() {
    let secret = MediaSecret::random_for(MediaCipher::Aes256Cbc, &mut FixedRng::new(1));
    let content = b"forty bytes of a photo, more or less....";
    let sealed = encrypt(&secret, content, 9);
    let digest = Sha256::digest(content).to_vec();
    let hash = ContentHash::new(HashAlgorithm::Sha256, digest).unwrap();
    let accept = |ciphertext: &[u8]| {
        let content = decrypt(&secret, ciphertext, 11)?;
        let mut check = ContentCheck::new(None, std::slice::from_ref(&hash));
        check.update(&content);
        check.finish()
    };

    let mut unnoticed = 0;
    for bit in 0..sealed.len() * 8 {
        let mut forged = sealed.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        unnoticed += u32::from(decrypt(&secret, &forged, 11).is_ok());
        assert_eq!(accept(&forged), Err(MediaError::NotAuthentic), "bit {bit}");
    }
    assert!(
        unnoticed > 100,
        "the padding alone notices little: {unnoticed}"
    );
    for length in 0..sealed.len() {
        let cut = accept(&sealed[..length]);
        assert_eq!(cut, Err(MediaError::NotAuthentic), "cut at {length}");
    }
    for more in [1, 16] {
        let longer = [sealed.as_slice(), &vec![0; more]].concat();
        assert_eq!(accept(&longer), Err(MediaError::NotAuthentic));
    }
    assert_eq!(accept(&sealed), Ok(40));
}

#[test]
fn key_and_iv_have_the_lengths_of_their_cipher() {
    for cipher in MediaCipher::ALL {
        let long = cipher != MediaCipher::Aes128Gcm;
        let ivs = if cipher.is_authenticated() {
            [12, 16]
        } else {
            [16, 32]
        };
        for key in 0..70 {
            for iv in 0..70 {
                let made = MediaSecret::new(cipher, &vec![1; key], &vec![2; iv]);
                let good = key == if long { 32 } else { 16 } && ivs.contains(&iv);
                assert_eq!(made.is_ok(), good, "{cipher:?} {key} {iv}");
                if let Ok(made) = made {
                    let bytes = made.to_bytes();
                    let again = MediaSecret::from_bytes_for(cipher, &bytes).unwrap();
                    assert_eq!(again.expose_key_to_message(), vec![1; key]);
                    assert_eq!(again.iv(), vec![2; iv.min(16)]);
                }
            }
        }
        assert_eq!(MediaCipher::named(cipher.uri()), Some(cipher));
    }
    assert_eq!(MediaCipher::named("urn:xmpp:ciphers:none"), None);
}

#[test]
fn of_an_iv_of_32_bytes_cbc_uses_the_first_16() {
    let iv: Vec<u8> = (0..32).collect();
    let [long, short] = [&iv[..], &iv[..16]]
        .map(|iv| MediaSecret::new(MediaCipher::Aes256Cbc, &[9; 32], iv).unwrap());

    let sealed = encrypt(&long, b"photo", 2);

    assert_eq!(encrypt(&short, b"photo", 2), sealed);
    assert_eq!(decrypt(&short, &sealed, 3), Ok(b"photo".to_vec()));
}

#[test]
fn only_the_cipher_of_links_makes_a_link() {
    for cipher in MediaCipher::ALL {
        let secret = MediaSecret::random_for(cipher, &mut FixedRng::new(1));

        let link = secret.link("https://up.example/x");

        assert_eq!(link.is_ok(), cipher == MediaCipher::Aes256Gcm);
    }
}

proptest! {
    #[test]
    fn any_content_in_any_pieces_equals_the_whole_message_cipher(
        content in prop::collection::vec(any::<u8>(), 0..3000),
        iv in any::<[u8; 16]>(),
        key in any::<[u8; 32]>(),
        cut in 1_usize..700,
        cut_back in 1_usize..700,
    ) {
        let secret = MediaSecret::from_bytes(&[iv.as_slice(), &key].concat()).unwrap();
        let mut expected = content.clone();
        let tag = AesGcm::<aes::Aes256, U16>::new((&key).into())
            .encrypt_inout_detached((&iv).into(), b"", expected.as_mut_slice().into())
            .unwrap();
        expected.extend(tag);

        let sealed = encrypt(&secret, &content, cut);

        prop_assert_eq!(&sealed, &expected);
        prop_assert_eq!(decrypt(&secret, &sealed, cut_back), Ok(content));
    }

    #[test]
    fn no_text_makes_the_link_parser_panic(text in "(?s)(aesgcm://)?.{0,200}") {
        let _ = MediaLink::parse(&text);
    }

    #[test]
    fn a_link_that_was_built_is_read_back(path in "[a-zA-Z0-9/._~-]{0,80}", seed in any::<u64>()) {
        let secret = MediaSecret::random(&mut FixedRng::new(seed));
        let url = format!("https://up.example:5281/{path}");

        let link = secret.link(&url).unwrap();
        let read = MediaLink::parse(&link).unwrap();

        prop_assert_eq!(read.url, url);
        prop_assert_eq!(read.secret.to_bytes(), secret.to_bytes());
    }
}

#[test]
fn a_link_of_each_client_is_read() {
    let key = "ab".repeat(32);
    let cases = [
        (
            format!("aesgcm://up.example/x/photo.jpg#{SHORT}{key}"),
            "https://up.example/x/photo.jpg",
            "photo.jpg",
        ),
        (
            format!("aesgcm://up.example:5281/a/b%20c.png#{LONG}{key}"),
            "https://up.example:5281/a/b%20c.png",
            "b c.png",
        ),
        (
            format!(
                "AESGCM://up.example/x.jpg#{}",
                format!("{SHORT}{key}").to_uppercase()
            ),
            "https://up.example/x.jpg",
            "x.jpg",
        ),
        (
            format!("aesgcm://up.example/x.jpg#{SHORT}{key}\ndata:image/jpeg,AAAA"),
            "https://up.example/x.jpg",
            "x.jpg",
        ),
        (
            format!("aesgcm://up.example/x.jpg#{SHORT}{key}\r\n"),
            "https://up.example/x.jpg",
            "x.jpg",
        ),
        (
            format!("aesgcm://up.example/x.jpg?v=1&k=a/b#{SHORT}{key}"),
            "https://up.example/x.jpg?v=1&k=a/b",
            "x.jpg",
        ),
        (
            format!("aesgcm://up.example/gr\u{fc}\u{df}e.jpg#{SHORT}{key}"),
            "https://up.example/gr%C3%BC%C3%9Fe.jpg",
            "gr\u{fc}\u{df}e.jpg",
        ),
        (
            format!("aesgcm://up.example/%2e%2e%2fetc#{SHORT}{key}"),
            "https://up.example/%2e%2e%2fetc",
            "../etc",
        ),
        (
            format!("aesgcm://up.example/%ff%zz#{SHORT}{key}"),
            "https://up.example/%ff%zz",
            "\u{fffd}%zz",
        ),
        (
            format!("aesgcm://[2001:db8::1]:443/x#{SHORT}{key}"),
            "https://[2001:db8::1]:443/x",
            "x",
        ),
        (
            format!("aesgcm://up.example/folder/#{SHORT}{key}"),
            "https://up.example/folder/",
            "",
        ),
    ];

    for (body, url, name) in cases {
        let link = MediaLink::parse(&body).unwrap_or_else(|why| panic!("{body}: {why}"));
        assert_eq!(link.url, url);
        assert_eq!(link.name, name);
    }
}

#[test]
fn what_is_no_link_is_refused_and_why() {
    let key = "ab".repeat(32);
    let good = format!("#{SHORT}{key}");
    let cases = [
        ("hello".to_owned(), LinkError::NotALink),
        (format!("https://up.example/x{good}"), LinkError::NotALink),
        (format!(" aesgcm://up.example/x{good}"), LinkError::NotALink),
        (String::new(), LinkError::NotALink),
        (
            format!("aesgcm://up.example/x{good}\nand more"),
            LinkError::TrailingText,
        ),
        (
            format!("aesgcm://up.example/{}{good}", "x".repeat(9000)),
            LinkError::TooLong,
        ),
        ("aesgcm://up.example/x".to_owned(), LinkError::Secret),
        (format!("aesgcm://up.example/x#{SHORT}"), LinkError::Secret),
        (
            format!("aesgcm://up.example/x#{SHORT}{key}00"),
            LinkError::Secret,
        ),
        (
            format!("aesgcm://up.example/x#{SHORT}{key}0"),
            LinkError::Secret,
        ),
        (
            format!("aesgcm://up.example/x#{LONG}{key}{key}"),
            LinkError::Secret,
        ),
        (
            format!("aesgcm://up.example/x#{}{key}", SHORT.replace('0', "g")),
            LinkError::Secret,
        ),
        (format!("aesgcm://up.example/x#a{good}"), LinkError::Secret),
    ];

    for (body, why) in cases {
        assert_eq!(MediaLink::parse(&body).err(), Some(why), "{body}");
    }
}

#[test]
fn an_address_that_could_be_read_in_two_ways_is_refused() {
    let addresses = [
        "up.example",
        "/x",
        "me@up.example/x",
        "me:pw@up.example/x",
        "up..example/x",
        "up.example:/x",
        "up.example:0/x",
        "up.example:65536/x",
        "up.example:+44/x",
        "up.example:44:44/x",
        "up.example\\@evil/x",
        "up.example/a b",
        "up.example/a\tb",
        "up.example/a\u{85}b",
        "up.example/a\\b",
        "[::1/x",
        "[]/x",
        "[::1]x/x",
        "up.example /x",
        "üp.example/x",
    ];
    let long = format!("{}/x", "a".repeat(256));

    for address in addresses.into_iter().chain([long.as_str()]) {
        let body = format!("aesgcm://{address}#{SHORT}{}", "ab".repeat(32));
        assert_eq!(
            MediaLink::parse(&body).err(),
            Some(LinkError::Address),
            "{body}"
        );
    }
}

#[test]
fn a_link_is_built_only_for_an_https_address() {
    let secret = MediaSecret::random(&mut FixedRng::new(1));

    let link = secret.link("https://up.example/x.jpg").unwrap();

    assert_eq!(
        *link,
        format!(
            "aesgcm://up.example/x.jpg#{}",
            hex::encode(&*secret.to_bytes())
        )
    );
    for url in [
        "http://up.example/x",
        "up.example/x",
        "https://up.example",
        "https://u/x#y",
    ] {
        assert_eq!(secret.link(url).err(), Some(LinkError::Address), "{url}");
    }
}

#[test]
fn debug_shows_neither_key_nor_address() {
    let body = format!("aesgcm://up.example/x.jpg#{SHORT}{}", "ab".repeat(32));
    let link = MediaLink::parse(&body).unwrap();

    assert_eq!(format!("{link:?}"), "MediaLink(..)");
    assert_eq!(format!("{:?}", link.secret), "MediaSecret(..)");
}
