//! What we write, the independent reader reads, and the other way round.

use std::{
    fs,
    io::{Read as _, Write as _},
    time::{Duration, UNIX_EPOCH},
};

use getrandom::SysRng;
use vault::{
    BlobId, Metadata, OpenVault, PublicHalf, Sealer, SlotSecret, UnsealError, VaultFolder,
};

use crate::oracle;

const SIZES: [usize; 16] = [
    0, 1, 4095, 4096, 4097, 12_287, 12_288, 12_289, 16_383, 16_384, 16_385, 28_672, 32_768, 50_000,
    262_144, 1_000_003,
];

pub(crate) struct Made {
    pub(crate) place: tempfile::TempDir,
    pub(crate) secret: SlotSecret,
    pub(crate) public: PublicHalf,
}

pub(crate) fn made() -> Made {
    let place = tempfile::tempdir().unwrap();
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let slots = [(&secret, "stick")];
    let public = VaultFolder::create(place.path(), None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
    Made {
        place,
        secret,
        public,
    }
}

impl Made {
    fn epoch_secret(&self) -> Vec<u8> {
        let records = VaultFolder::open(self.place.path())
            .unwrap()
            .slot_records()
            .unwrap();
        let (secret, name) =
            oracle::open_slot(self.secret.expose_to_cipher(), &records[0]).unwrap();
        assert_eq!(name, "stick");
        secret
    }

    fn open(&self) -> OpenVault {
        OpenVault::open(self.place.path(), &self.secret, UNIX_EPOCH).unwrap()
    }

    /// Lays a blob into the vault as another program would.
    fn lay(&self, blob: &BlobId, bytes: &[u8]) {
        let name = blob.to_string();
        let folder = self.place.path().join("blobs").join(&name[..2]);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{name}.blob")), bytes).unwrap();
    }

    fn verify(&self, message: &[u8]) -> Result<Vec<u8>, UnsealError> {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let vault = *self.public.vault.as_bytes();
        self.lay(
            &blob,
            &oracle::seal_blob(&self.epoch_secret(), &vault, blob.as_bytes(), message),
        );
        let mut reader = self.open().reader(&blob)?;
        reader.verify()?;
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        Ok(content)
    }
}

fn content(size: usize) -> Vec<u8> {
    (0..size)
        .map(|place| u8::try_from(place * 7 % 251).unwrap())
        .collect()
}

#[test]
fn an_independent_reader_opens_what_we_seal() {
    let made = made();
    let sealer = Sealer::new(&made.public, VaultFolder::open(made.place.path()).unwrap()).unwrap();
    for size in SIZES {
        let blob = BlobId::random(&mut SysRng).unwrap();
        let mut writer = sealer.start(&blob, &mut SysRng).unwrap();
        writer.write_all(&content(size)).unwrap();
        let metadata = Metadata {
            name: Some("photo.jpg".to_owned()),
            sent_at: Some(UNIX_EPOCH + Duration::from_secs(1_790_000_000)),
            ..Metadata::default()
        };
        writer.finish(metadata).unwrap();
        let name = blob.to_string();
        let path = made
            .place
            .path()
            .join("blobs")
            .join(&name[..2])
            .join(format!("{name}.blob"));

        let found = oracle::open_blob(&made.epoch_secret(), &fs::read(path).unwrap()).unwrap();

        assert!(found.content == content(size), "{size}");
        assert!(found.padding.iter().all(|byte| *byte == 0));
        let expected = oracle::record(size as u64, &found.record[10..42], "photo.jpg");
        assert!(found.record == expected, "{size}");
    }
}

#[test]
fn we_open_what_an_independent_writer_seals() {
    let made = made();

    for size in SIZES {
        let read = made
            .verify(&oracle::message(&content(size), "from elsewhere"))
            .unwrap();
        assert!(read == content(size), "{size}");
    }
}

/// What is authentic and yet not as the format has it, each with its honest twin.
#[test]
fn messages_that_are_authentic_and_wrongly_formed_are_refused() {
    let made = made();
    let honest = oracle::message(&content(9000), "name");
    let with = |change: fn(&mut Vec<u8>)| {
        let mut message = honest.clone();
        change(&mut message);
        message
    };
    let wrong: [(&str, Vec<u8>); 9] = [
        ("padding that is not zero", with(|it| it[9001] = 1)),
        ("a content with another hash", with(|it| it[5] ^= 1)),
        (
            "a record with another hash",
            with(|it| {
                let place = it.len() - 4096 + 12;
                it[place] ^= 1;
            }),
        ),
        (
            "a size that leads to another length",
            with(|it| {
                let place = it.len() - 4096 + 2;
                it[place..place + 8].copy_from_slice(&100_u64.to_be_bytes());
            }),
        ),
        (
            "a size beyond all bounds",
            with(|it| {
                let place = it.len() - 4096 + 2;
                it[place..place + 8].fill(0xFF);
            }),
        ),
        (
            "a record version made up later",
            with(|it| {
                let place = it.len() - 4096 + 1;
                it[place] = 9;
            }),
        ),
        ("no record at all", vec![7; 4095]),
        ("an empty message", Vec::new()),
        (
            "a name that is no text",
            with(|it| {
                let place = it.len() - 4096 + 61;
                it[place] = 0xFF;
            }),
        ),
    ];

    assert!(made.verify(&honest).unwrap() == content(9000));
    for (what, message) in wrong {
        let refused = made.verify(&message).err();
        let formed = matches!(
            refused,
            Some(UnsealError::Malformed | UnsealError::NotAuthentic)
        );
        assert!(formed, "{what}: {refused:?}");
    }
}
