//! The data drive as the daemon finds it: looked at before every file that goes there.
//!
//! A mount point without its drive is an empty folder on the system card, and another drive may
//! stand in the place of the right one. So nothing is written before the mark of the very vault
//! was read, and nothing is ever written outside of the vault folder.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use vault::{FolderError, PublicHalf, Sealer, VaultFolder, folder::Drive};

use super::{Daemon, Happening, start};
use crate::{
    config::Config,
    keeper::{
        Input,
        storage::{DriveTrouble, Seen},
    },
};

/// The drive's last state, and what is promised of its room.
#[derive(Default)]
pub(super) struct DriveState {
    /// How it was found last.
    pub(super) seen: Option<Seen>,
    /// Bytes that running fetches were promised.
    pub(super) promised: Arc<AtomicU64>,
    /// Whether what a crash left half-written was removed.
    swept: bool,
    /// The epoch that was sealed to last: a revocation begins a new one.
    epoch: Option<u32>,
    /// The owner wants to pull it; whether it was seen gone since.
    ejected: Option<bool>,
}

impl DriveState {
    /// Uses the drive no more, until it was gone and is back.
    pub(super) fn eject(&mut self) {
        self.ejected = Some(false);
    }

    /// Uses it again at once.
    pub(super) fn take_back(&mut self) {
        self.ejected = None;
    }

    /// Returns what was found, unless the owner wants it left alone.
    fn unless_ejected<T>(&mut self, found: Result<T, DriveTrouble>) -> Result<T, DriveTrouble> {
        match (self.ejected, &found) {
            (None, _) => found,
            (Some(true), Ok(_)) => {
                self.ejected = None;
                found
            }
            (Some(_), Err(_)) => {
                self.ejected = Some(true);
                Err(DriveTrouble::Ejected)
            }
            (Some(false), Ok(_)) => Err(DriveTrouble::Ejected),
        }
    }
}

/// Room that a running fetch was promised; given back when dropped.
pub(super) struct Promise {
    all: Arc<AtomicU64>,
    bytes: u64,
}

impl Promise {
    pub(super) fn new(all: Arc<AtomicU64>, bytes: u64) -> Self {
        all.fetch_add(bytes, Ordering::SeqCst);
        Self { all, bytes }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

impl Daemon {
    /// Looks whether the vault's own drive is there and takes writes. What has changed is
    /// reported to the keeper.
    pub(super) fn look_at_drive(&mut self) -> Result<Arc<Sealer>, DriveTrouble> {
        let found = self.drive.unless_ejected(find(&self.config));
        let seen = seen(&self.config, &found);
        let before = self.drive.seen.replace(seen);
        if before != Some(seen) {
            self.report(Happening::Input(Input::Drive(seen)));
        }
        if before.map(|it| it.trouble) != Some(seen.trouble) {
            match seen.trouble {
                Some(trouble) => log::warn!("the data drive cannot be used: {trouble:?}"),
                None => log::info!("the data drive is there"),
            }
            if let Ok((sealer, _)) = &found {
                start::mend_slots(&self.config, sealer.folder());
                if !std::mem::replace(&mut self.drive.swept, true) {
                    start::sweep(sealer);
                }
            }
        }
        let (sealer, _) = found?;
        let before = self.drive.epoch.replace(sealer.epoch());
        if before.is_some_and(|epoch| epoch != sealer.epoch()) {
            log::info!("the public key of epoch {} is in use", sealer.epoch());
        }
        Ok(sealer)
    }

    /// Looks at the drive and tells the keeper how it is, changed or not.
    pub(super) fn watch_drive(&mut self) -> anyhow::Result<()> {
        // The outcome is told as well.
        let _ = self.look_at_drive();
        match self.drive.seen {
            Some(seen) => self.handle(Input::Drive(seen)),
            None => Ok(()),
        }
    }

    /// Returns the drive's free bytes as it was last seen.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        self.drive.seen.and_then(|seen| seen.free)
    }
}

fn seen(config: &Config, found: &Result<(Arc<Sealer>, Drive), DriveTrouble>) -> Seen {
    match found {
        Ok((_, drive)) => Seen {
            trouble: None,
            free: Some(drive.free),
            reserve: config.vault.reserve(drive.bytes),
        },
        Err(trouble) => Seen {
            trouble: Some(*trouble),
            free: None,
            reserve: 0,
        },
    }
}

fn find(config: &Config) -> Result<(Arc<Sealer>, Drive), DriveTrouble> {
    let path = start::public_half_path(config);
    let bytes = fs::read(&path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return DriveTrouble::NotSetUp;
        }
        log::error!("{} could not be read: {error}", path.display());
        DriveTrouble::Failing
    })?;
    let public_half = PublicHalf::from_bytes(&bytes).map_err(|error| {
        log::error!("{} cannot be used: {error}", path.display());
        DriveTrouble::Failing
    })?;
    let folder = VaultFolder::open(&config.vault.folder).map_err(|error| match error {
        FolderError::NotAVault => what_else(config),
        FolderError::TooNew { .. } => DriveTrouble::OtherVault,
        FolderError::Io(error) => io_trouble(&error),
        _ => DriveTrouble::Failing,
    })?;
    let sealer = Sealer::new(&public_half, folder).map_err(|_| DriveTrouble::OtherVault)?;
    let drive = sealer.folder().drive().map_err(|it| io_trouble(&it))?;
    if drive.is_read_only {
        return Err(DriveTrouble::ReadOnly);
    }
    Ok((Arc::new(sealer), drive))
}

/// Tells a place where nothing is mounted from one where something else is.
fn what_else(config: &Config) -> DriveTrouble {
    match fs::read_dir(&config.vault.folder).and_then(|mut inside| inside.next().transpose()) {
        Ok(Some(_)) => DriveTrouble::NoVault,
        Ok(None) => DriveTrouble::Missing,
        Err(error) => io_trouble(&error),
    }
}

/// Sorts what a drive answered by what its owner can do.
pub(super) fn io_trouble(error: &io::Error) -> DriveTrouble {
    let is = |kinds: &[io::ErrorKind]| kinds.contains(&error.kind());
    if is(&[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded]) {
        DriveTrouble::Full
    } else if is(&[io::ErrorKind::ReadOnlyFilesystem]) {
        DriveTrouble::ReadOnly
    } else if is(&[io::ErrorKind::NotFound, io::ErrorKind::NotADirectory]) {
        DriveTrouble::Missing
    } else {
        log::warn!("the data drive failed: {error}");
        DriveTrouble::Failing
    }
}
