//! The frozen vectors: whatever opens one day opens for ever.

use std::{fs, io::Read as _, path::Path, time::UNIX_EPOCH};

use sha2::{Digest as _, Sha256};
use vault::{
    BlobId, KeyFile, OpenVault, Passphrase, PassphraseError, Pepper, PublicHalf, SlotSecret,
    UnlockCode, UnsealError, VaultFolder, VaultId, folder::MARK_NAME, header::HeaderError,
};

use crate::oracle;

fn vectors() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn field(text: &str, name: &str) -> String {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("no {name}")).to_owned()
}

fn bytes(text: &str, name: &str) -> Vec<u8> {
    hex::decode(field(text, name)).unwrap()
}

struct Vault {
    place: tempfile::TempDir,
    secret: SlotSecret,
    text: String,
}

/// Lays the vault of the vectors out as a folder.
fn vault() -> Vault {
    let text = fs::read_to_string(vectors().join("vault.txt")).unwrap();
    let place = tempfile::tempdir().unwrap();
    let secret = SlotSecret::from_key_file(&bytes(&text, "key-file"))
        .unwrap()
        .secret;
    let epoch = place.path().join("epochs/0000000001");
    fs::create_dir_all(&epoch).unwrap();
    fs::create_dir_all(place.path().join("blobs")).unwrap();
    fs::write(place.path().join(MARK_NAME), bytes(&text, "mark")).unwrap();
    let record = epoch.join(format!("{}.slot", secret.slot_id()));
    fs::write(record, bytes(&text, "slot-record")).unwrap();
    Vault {
        place,
        secret,
        text,
    }
}

#[test]
fn the_vault_of_the_vectors_opens_by_key_file_and_by_words() {
    let vault = vault();
    let by_words = SlotSecret::from_words(&field(&vault.text, "words")).unwrap();

    for secret in [&vault.secret, &by_words] {
        let open = OpenVault::open(vault.place.path(), secret, UNIX_EPOCH).unwrap();
        assert_eq!(
            open.public_half().to_bytes(),
            bytes(&vault.text, "public-half")
        );
        assert_eq!(open.opened_by().1.name, "the stick of the vectors");
    }
    let id: VaultId = field(&vault.text, "vault-id").parse().unwrap();
    assert_eq!(
        VaultFolder::open(vault.place.path()).unwrap().vault_id(),
        &id
    );
    assert_eq!(
        vault.secret.expose_to_cipher().to_vec(),
        bytes(&vault.text, "slot-secret")
    );
    assert_eq!(
        vault.secret.to_key_file(&id).to_vec(),
        bytes(&vault.text, "key-file")
    );
    let public = PublicHalf::from_bytes(&bytes(&vault.text, "public-half")).unwrap();
    assert_eq!((public.vault, public.epoch), (id, 1));
    let (epoch_secret, _) = oracle::open_slot(
        vault.secret.expose_to_cipher(),
        &bytes(&vault.text, "slot-record"),
    )
    .unwrap();
    assert_eq!(epoch_secret, bytes(&vault.text, "epoch-secret"));
}

#[test]
fn another_program_makes_the_same_of_a_passphrase_and_of_a_code() {
    let text = fs::read_to_string(vectors().join("passphrase_and_code.txt")).unwrap();
    let vault: VaultId = field(&text, "vault-id").parse().unwrap();
    let file = bytes(&text, "key-file-with-passphrase");
    let KeyFile::WithPassphrase(locked) = KeyFile::parse(&file).unwrap() else {
        panic!("the key file has a passphrase");
    };

    let right = locked.unlock(&Passphrase::new(&field(&text, "passphrase")));
    let wrong = locked.unlock(&Passphrase::new(&field(&text, "wrong-passphrase")));
    let pepper = bytes(&text, "pepper");
    let by_code = SlotSecret::from_code(
        &UnlockCode::parse(&field(&text, "code")).unwrap(),
        &Pepper::init_with(|place| place.copy_from_slice(&pepper)),
        &vault,
    );

    let right = right.unwrap();
    assert_eq!(right.vault, vault);
    let secret = right.secret.expose_to_cipher().to_vec();
    assert_eq!(secret, bytes(&text, "slot-secret"));
    assert_eq!(wrong.unwrap_err(), PassphraseError::Wrong);
    assert_eq!(
        by_code.unwrap().expose_to_cipher().to_vec(),
        bytes(&text, "code-slot-secret")
    );
}

#[test]
fn every_blob_of_the_vectors_opens_or_is_refused_as_it_says() {
    let vault = vault();
    let open = OpenVault::open(vault.place.path(), &vault.secret, UNIX_EPOCH).unwrap();
    let (mut right, mut wrong) = (0, 0);
    for entry in fs::read_dir(vectors()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.starts_with("blob_") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        let blob: BlobId = field(head, "blob-id").parse().unwrap();
        let id = blob.to_string();
        let folder = vault.place.path().join("blobs").join(&id[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join(format!("{id}.blob")),
            hex::decode(body.replace('\n', "")).unwrap(),
        )
        .unwrap();

        let read = open.reader(&blob).and_then(|mut reader| {
            reader.verify()?;
            let mut content = Vec::new();
            reader.read_to_end(&mut content)?;
            assert_eq!(reader.metadata().name.as_deref(), Some("photo ü.jpg"));
            Ok(content)
        });

        let found = match &read {
            Ok(content) => {
                assert_eq!(
                    hex::encode(Sha256::digest(content)),
                    field(head, "sha256"),
                    "{name}"
                );
                assert_eq!(content.len().to_string(), field(head, "size"), "{name}");
                "success"
            }
            Err(UnsealError::NotAuthentic) => "not authentic",
            Err(UnsealError::Malformed) => "malformed",
            Err(UnsealError::UnknownEpoch { .. }) => "unknown epoch",
            Err(UnsealError::Header(HeaderError::NotABlob)) => "not a blob",
            Err(UnsealError::Header(HeaderError::TooNew { .. })) => "too new",
            Err(UnsealError::Header(HeaderError::UnknownSuite { .. })) => "unknown suite",
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!(found, field(head, "expect"), "{name}");
        if found == "success" {
            right += 1
        } else {
            wrong += 1
        }
    }
    assert_eq!((right, wrong), (7, 24));
}

/// The parts of a vector of the change log: what it was made of, and its bytes.
fn log_vector(file: &str) -> (Vec<Vec<u8>>, Vec<u8>) {
    let text = fs::read_to_string(vectors().join(file)).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap();
    let changes = head.lines().filter_map(|it| it.strip_prefix("change: "));
    let changes = changes.map(|it| hex::decode(it).unwrap()).collect();
    (changes, hex::decode(body.replace('\n', "")).unwrap())
}

/// Opens the records of a segment or snapshot by docs/formats/index.md alone: each one's number and
/// plaintext.
fn log_records(bytes: &[u8], magic: &[u8; 8], label: &str) -> Vec<(u64, Vec<u8>)> {
    let text = fs::read_to_string(vectors().join("vault.txt")).unwrap();
    let id: VaultId = field(&text, "vault-id").parse().unwrap();
    let (head, mut rest) = bytes.split_at(36);
    let numbers = [0, 0, 0, 1, 0, 0, 0, 1];
    let wanted = [&magic[..], &[0, 0, 0, 1], id.as_bytes(), &numbers].concat();
    assert_eq!(head, wanted);
    let key = oracle::expand(&self::bytes(&text, "epoch-secret"), label);
    let mut records = Vec::new();
    let mut last_tag = [0; 16].to_vec();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let number: [u8; 8] = rest[4..12].try_into().unwrap();
        let sealed = &rest[12..12 + length];
        let aad = [head, &number, &last_tag].concat();
        let plain = oracle::open_record(&key, &aad, sealed).unwrap();
        records.push((u64::from_be_bytes(number), plain));
        last_tag = sealed[length - 16..].to_vec();
        rest = &rest[12 + length..];
    }
    records
}

#[test]
fn the_segment_of_the_vectors_says_what_it_was_made_of_by_the_documents_alone() {
    let (changes, bytes) = log_vector("change_log_segment.txt");

    let records = log_records(&bytes, b"SRLOG\0\0\0", "change-log");

    assert_eq!(records.len(), changes.len());
    for ((change, (number, plain)), place) in changes.iter().zip(&records).zip(1..) {
        assert_eq!(*number, place);
        assert_eq!(plain.len(), change.len().next_multiple_of(256));
        assert!(plain.starts_with(change), "change {place}");
        assert!(plain[change.len()..].iter().all(|it| *it == 0));
    }
    let mut kinds: Vec<u8> = changes.iter().map(|it| it[0]).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, (1..=11).collect::<Vec<u8>>());
}

#[test]
fn the_snapshot_of_the_vectors_says_what_it_was_made_of_by_the_documents_alone() {
    let (changes, bytes) = log_vector("change_log_snapshot.txt");
    let in_the_log = log_vector("change_log_segment.txt").0.len() as u64;

    let records = log_records(&bytes, b"SRSNAP\0\0", "snapshot");

    let padded = |parts: &[&[u8]]| {
        let mut plain = parts.concat();
        plain.resize(plain.len().next_multiple_of(4096), 0);
        plain
    };
    let begin = padded(&[&[1], &in_the_log.to_be_bytes(), &3_u64.to_be_bytes()]);
    let each = changes
        .iter()
        .map(|it| [&(it.len() as u16).to_be_bytes(), &it[..]].concat());
    let list = padded(&[&[2], &each.collect::<Vec<_>>().concat()]);
    let end = padded(&[&[3], &(changes.len() as u64).to_be_bytes()]);
    assert!(records == [(1, begin), (2, list), (3, end)]);
}
