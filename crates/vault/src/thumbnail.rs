//! Thumbnails: what is kept of a picture besides its blob, so that it need not be opened whole to
//! be shown. One small sealed file for each blob that was looked at, all of one length; losing
//! them loses nothing, since they can be made again. Knows no image format: the bytes were
//! measured by whoever made them. The layout is in `docs/formats/thumbnail.md`.

use std::{
    fs::{File, FileTimes},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    aead::{self, RECORD_OVERHEAD},
    blob_store::blob_date,
    disk,
    folder::VaultFolder,
    header::{FORMAT_VERSION, SUITE, joined},
    id::{BlobId, VaultId},
    metadata,
    open::OpenVault,
    parse::{Fields, TooShort},
};

/// Length of every thumbnail's file, in bytes, whatever is in it.
const FILE_BYTES: usize = 16 * 1024;
const MAGIC: &[u8; 8] = b"SRTHUMB\0";
const HEAD_BYTES: usize = 48;
const PLAIN_BYTES: usize = FILE_BYTES - HEAD_BYTES - RECORD_OVERHEAD;
/// What stands before the image in the sealed record, in bytes.
const FACTS_BYTES: usize = 93;
/// Longest name of a camera that is kept, in bytes.
pub const MAX_CAMERA_BYTES: usize = 64;
/// Longest image that fits, in bytes.
pub const MAX_IMAGE_BYTES: usize = PLAIN_BYTES - FACTS_BYTES;
const ENDING: &str = "thumb";
const UNFINISHED: &str = "new";

const NO_PICTURE: u8 = 0;
const PICTURE: u8 = 1;
const DESCRIBED: u8 = 1;
const UNKNOWN: i32 = i32::MIN;

/// Where a picture was taken, in millionths of a degree.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// North of the equator.
    pub latitude: i32,
    /// East of Greenwich.
    pub longitude: i32,
}

/// What a picture says of itself. No `Debug`: it tells where somebody was, and when.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// How wide it is shown, in pixels.
    pub width: u32,
    /// How high it is shown, in pixels.
    pub height: u32,
    /// What the clock of the camera showed when it was taken, as if that went by UTC: whoever took it
    /// remembers the day that it was there, in whatever time zone. Where the camera noted none, the
    /// day by which the sender dated the file.
    #[serde(with = "metadata::as_millis")]
    pub taken_at: Option<SystemTime>,
    /// What it was taken with; kept up to [`MAX_CAMERA_BYTES`].
    pub camera: Option<String>,
    /// Where it was taken.
    pub place: Option<Place>,
    /// Whether it carries notes of a camera at all.
    pub is_described: bool,
}

/// What is kept of a blob that was looked at.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Thumbnail {
    /// What it says of itself; `None` for what is no picture, or none that can be shown.
    pub picture: Option<Picture>,
    /// The small image; empty where there is none.
    pub image: Vec<u8>,
}

impl OpenVault {
    /// Keeps what was made of a blob, in place of what was kept of it before. It need not survive
    /// a power cut: what is lost is made again.
    ///
    /// # Errors
    /// When the drive fails, or the image is longer than [`MAX_IMAGE_BYTES`].
    pub fn keep_thumbnail(&self, blob: &BlobId, thumbnail: &Thumbnail) -> io::Result<()> {
        let sealed = self.seal_thumbnail(blob, thumbnail)?;
        let path = self.folder().thumbnail_path(blob);
        let fan = path.parent().unwrap_or(self.folder().path());
        disk::make_folder_in_passing(&self.folder().thumbnails_folder())?;
        disk::make_folder_in_passing(fan)?;
        let unfinished = path.with_extension(UNFINISHED);
        let mut file = disk::create_file(&unfinished)?;
        let written =
            write(&mut file, &sealed).and_then(|()| disk::rename_in_passing(&unfinished, &path));
        if written.is_err() {
            // The first error tells what is wrong; this one would only say it again.
            let _ = disk::remove_if_there(&unfinished);
        }
        written
    }

    fn seal_thumbnail(&self, blob: &BlobId, thumbnail: &Thumbnail) -> io::Result<Vec<u8>> {
        let newest = self.epochs().newest();
        let key = self.epochs().thumbnail_key(newest);
        let key = key.ok_or(io::ErrorKind::NotFound)?;
        let head = head(self.folder().vault_id(), newest, blob);
        let plain = thumbnail.to_plain().ok_or(io::ErrorKind::FileTooLarge)?;
        Ok([head.as_slice(), &aead::seal_record(&key, &head, &plain)].concat())
    }

    /// Returns what is kept of a blob; `None` where there is nothing that opens.
    #[must_use]
    pub fn thumbnail(&self, blob: &BlobId) -> Option<Thumbnail> {
        let path = self.folder().thumbnail_path(blob);
        let bytes = disk::read_small(&path, FILE_BYTES).ok()?;
        let (found, sealed) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let epoch = Fields::new(found.get(28..)?).u32().ok()?;
        if *found != head(self.folder().vault_id(), epoch, blob) {
            return None;
        }
        let key = self.epochs().thumbnail_key(epoch)?;
        let plain = aead::open_record(&key, found, sealed).ok()?;
        Thumbnail::from_plain(&plain).ok()
    }

    /// Seals what is kept of a blob under the newest epoch, if it is not yet.
    pub(crate) fn renew_thumbnail(&self, blob: &BlobId) -> io::Result<()> {
        match self.thumbnail(blob) {
            Some(thumbnail) => self.keep_thumbnail(blob, &thumbnail),
            None => self.folder().remove_thumbnail(blob),
        }
    }
}

impl VaultFolder {
    pub(crate) fn thumbnails_folder(&self) -> PathBuf {
        self.path().join("thumbnails")
    }

    fn thumbnail_path(&self, blob: &BlobId) -> PathBuf {
        let name = blob.to_string();
        let fan = name.get(..2).unwrap_or_default();
        let folder = self.thumbnails_folder().join(fan);
        folder.join(format!("{name}.{ENDING}"))
    }

    /// Removes what is kept of a blob besides it, if there is anything.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn remove_thumbnail(&self, blob: &BlobId) -> io::Result<()> {
        disk::remove_if_there(&self.thumbnail_path(blob))
    }

    /// Removes what is left of blobs that are gone, and what a crash left unfinished, and returns
    /// how many files there were.
    ///
    /// # Errors
    /// When the drive fails.
    pub fn sweep_thumbnails(&self) -> io::Result<usize> {
        let mut swept = 0;
        for fan in disk::list(&self.thumbnails_folder())? {
            for path in disk::list(&fan)? {
                let blob = blob_of(&path);
                if !blob.is_some_and(|blob| self.has_blob(&blob) || self.was_set_aside(&blob)) {
                    disk::remove_if_there(&path)?;
                    swept += 1;
                }
            }
        }
        Ok(swept)
    }

    /// What is damaged may have nothing else left to be shown.
    fn was_set_aside(&self, blob: &BlobId) -> bool {
        self.is_set_aside(blob).unwrap_or(true)
    }
}

fn blob_of(path: &Path) -> Option<BlobId> {
    let ours = path.extension().is_some_and(|it| it == ENDING);
    path.file_stem().filter(|_| ours)?.to_str()?.parse().ok()
}

fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    // They bear the date of all blobs: the drive need not tell when one was looked at.
    let times = FileTimes::new()
        .set_modified(blob_date())
        .set_accessed(blob_date());
    file.set_times(times)
}

fn head(vault: &VaultId, epoch: u32, blob: &BlobId) -> [u8; HEAD_BYTES] {
    joined(&[
        MAGIC,
        &FORMAT_VERSION.to_be_bytes(),
        &SUITE.to_be_bytes(),
        vault.as_bytes(),
        &epoch.to_be_bytes(),
        blob.as_bytes(),
    ])
}

impl Thumbnail {
    /// Lays out what is sealed; `None` if the image is too long.
    fn to_plain(&self) -> Option<Zeroizing<Vec<u8>>> {
        let length = u16::try_from(self.image.len()).ok()?;
        if self.image.len() > MAX_IMAGE_BYTES {
            return None;
        }
        let nothing = Picture::default();
        let picture = self.picture.as_ref().unwrap_or(&nothing);
        let kind = self.picture.as_ref().map_or(NO_PICTURE, |_| PICTURE);
        let camera = metadata::cut(
            picture.camera.as_deref().unwrap_or_default(),
            MAX_CAMERA_BYTES,
        );
        let place = picture.place.map(|it| (it.latitude, it.longitude));
        let (latitude, longitude) = place.unwrap_or((UNKNOWN, UNKNOWN));
        let mut plain = Zeroizing::new(Vec::with_capacity(PLAIN_BYTES));
        plain.push(kind);
        plain.extend(picture.width.to_be_bytes());
        plain.extend(picture.height.to_be_bytes());
        plain.extend(metadata::to_millis(picture.taken_at).to_be_bytes());
        plain.extend(latitude.to_be_bytes());
        plain.extend(longitude.to_be_bytes());
        plain.push(if picture.is_described { DESCRIBED } else { 0 });
        plain.push(u8::try_from(camera.len()).ok()?);
        plain.extend(camera.as_bytes());
        plain.resize(FACTS_BYTES - 2, 0);
        plain.extend(length.to_be_bytes());
        plain.extend(&self.image);
        plain.resize(PLAIN_BYTES, 0);
        Some(plain)
    }

    fn from_plain(plain: &[u8]) -> Result<Self, TooShort> {
        let mut fields = Fields::new(plain);
        let kind = fields.u8()?;
        let (width, height) = (fields.u32()?, fields.u32()?);
        let taken_at = metadata::from_millis(fields.i64()?);
        let latitude = i32::from_be_bytes(*fields.array()?);
        let longitude = i32::from_be_bytes(*fields.array()?);
        let is_described = fields.u8()? & DESCRIBED != 0;
        let camera_bytes = usize::from(fields.u8()?);
        let camera = fields.bytes(MAX_CAMERA_BYTES)?;
        let camera = camera.get(..camera_bytes).ok_or(TooShort)?;
        let camera = std::str::from_utf8(camera).map_err(|_| TooShort)?;
        let length = usize::from(fields.u16()?);
        let image = fields.bytes(length)?.to_vec();
        let picture = (kind == PICTURE).then(|| Picture {
            width,
            height,
            taken_at,
            camera: (!camera.is_empty()).then(|| camera.to_owned()),
            place: (latitude != UNKNOWN).then_some(Place {
                latitude,
                longitude,
            }),
            is_described,
        });
        Ok(Self { picture, image })
    }
}

#[cfg(test)]
mod tests;
