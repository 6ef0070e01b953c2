//! What the tests of several rooms share: a repeatable source of randomness and a small vault.

use std::{
    convert::Infallible,
    io::{Read as _, Write as _},
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand_core::{TryCryptoRng, TryRng};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::{BlobId, Metadata, OpenVault, PublicHalf, Sealed, Sealer, SlotSecret, VaultFolder};

/// Repeatable bytes: SHA-256 of a seed and a counter.
pub(crate) struct TestRng(u64, u64);

impl TestRng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed, 0)
    }
}

impl TryRng for TestRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)
            .map(|()| u32::from_be_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)
            .map(|()| u64::from_be_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(32) {
            self.1 += 1;
            let block = Sha256::new()
                .chain_update(self.0.to_be_bytes())
                .chain_update(self.1.to_be_bytes())
                .finalize();
            part.copy_from_slice(&block[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for TestRng {}

/// A source that fails at once.
pub(crate) struct NoRng;

impl TryRng for NoRng {
    type Error = std::fmt::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Err(std::fmt::Error)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Err(std::fmt::Error)
    }

    fn try_fill_bytes(&mut self, _: &mut [u8]) -> Result<(), Self::Error> {
        Err(std::fmt::Error)
    }
}

impl TryCryptoRng for NoRng {}

/// A fixed time to test with.
pub(crate) fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000)
}

/// Bytes that look random and differ by seed.
pub(crate) fn content(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    TestRng::new(seed ^ 0xC0)
        .try_fill_bytes(&mut bytes)
        .unwrap();
    bytes
}

/// Metadata that bears a name.
pub(crate) fn named(name: &str) -> Metadata {
    Metadata {
        name: Some(name.to_owned()),
        received_at: Some(noon()),
        ..Metadata::default()
    }
}

/// A vault in a temporary folder, with one slot.
pub(crate) struct TestVault {
    _place: TempDir,
    pub(crate) path: PathBuf,
    pub(crate) secret: SlotSecret,
    pub(crate) public: PublicHalf,
    pub(crate) rng: TestRng,
}

impl TestVault {
    pub(crate) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// One on a drive of memory where there is one: for tests that seal very many blobs, each of
    /// which is made durable as always.
    pub(crate) fn in_memory() -> Self {
        let place = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self::in_folder(place.unwrap())
    }

    fn in_folder(place: TempDir) -> Self {
        let path = place.path().join("vault");
        let mut rng = TestRng::new(1);
        let secret = SlotSecret::generate(&mut rng).unwrap();
        let slots = [(&secret, "stick")];
        let public = VaultFolder::create(&path, None, &slots, &mut rng, noon()).unwrap();
        Self {
            _place: place,
            path,
            secret,
            public,
            rng,
        }
    }

    pub(crate) fn folder(&self) -> VaultFolder {
        VaultFolder::open(&self.path).unwrap()
    }

    pub(crate) fn sealer(&self) -> Sealer {
        Sealer::new(&self.public, self.folder()).unwrap()
    }

    pub(crate) fn open(&self) -> OpenVault {
        OpenVault::open(&self.path, &self.secret, noon()).unwrap()
    }

    pub(crate) fn keep(&mut self, content: &[u8], metadata: Metadata) -> Sealed {
        let blob = BlobId::random(&mut self.rng).unwrap();
        let mut writer = self.sealer().start(&blob, &mut self.rng).unwrap();
        writer.write_all(content).unwrap();
        writer.finish(metadata).unwrap()
    }

    pub(crate) fn content_of(&self, blob: &BlobId) -> Vec<u8> {
        let mut content = Vec::new();
        self.open()
            .reader(blob)
            .unwrap()
            .read_to_end(&mut content)
            .unwrap();
        content
    }

    pub(crate) fn blob_path(&self, blob: &BlobId) -> PathBuf {
        let name = blob.to_string();
        self.path
            .join("blobs")
            .join(&name[..2])
            .join(format!("{name}.blob"))
    }
}
