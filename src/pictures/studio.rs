//! Has pictures drawn: asks for a decoder, hands it one task, and measures what comes back.

use std::{
    io::{self, IoSliceMut, Read, Write as _},
    mem::MaybeUninit,
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Mutex, PoisonError},
};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use vault::{Picture, thumbnail::MAX_CAMERA_BYTES};
use zeroize::Zeroizing;

use super::{Drawn, Task, frame, read_frame, starter};

/// Bytes of content handed on at a time.
const PIECE_BYTES: usize = 64 * 1024;
/// Longest side that a picture can have, in pixels.
const MAX_EDGE: u32 = 65_535;
const MAX_LATITUDE: i32 = 90_000_000;
const MAX_LONGITUDE: i32 = 180_000_000;

/// Why nothing is known of a picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// No decoder could be had; the picture may be a good one.
    #[error("no decoder could be had")]
    NoDecoder(#[source] io::Error),
    /// The content could not be read.
    #[error("the content could not be read")]
    Content(#[source] io::Error),
}

/// Where decoders are asked for.
pub struct Studio(Mutex<UnixStream>);

impl Studio {
    /// Asks on this socket, which the daemon serves.
    #[must_use]
    pub fn new(socket: UnixStream) -> Self {
        Self(Mutex::new(socket))
    }

    /// Has a task done, with the content that it is about. `None` where nothing could be drawn, or
    /// what came back is not what a decoder makes.
    ///
    /// # Errors
    ///
    /// [`DrawError`]; both say nothing of the picture.
    pub fn draw(&self, task: &Task, content: &mut impl Read) -> Result<Option<Drawn>, DrawError> {
        let mut decoder = self.decoder().map_err(DrawError::NoDecoder)?;
        let too_long = || DrawError::Content(io::ErrorKind::FileTooLarge.into());
        let order = frame(task).ok_or_else(too_long)?;
        if decoder.write_all(&order).is_err() {
            return Ok(None);
        }
        let mut piece = Zeroizing::new(vec![0; PIECE_BYTES]);
        let mut left = task.content_bytes();
        while left > 0 {
            let length = content.read(&mut piece).map_err(DrawError::Content)?;
            let read = piece.get(..length).unwrap_or_default();
            if read.is_empty() {
                return Err(DrawError::Content(io::ErrorKind::UnexpectedEof.into()));
            }
            left = left.saturating_sub(read.len() as u64);
            // One that is gone already may have said why nobody has to hear: nothing.
            if decoder.write_all(read).is_err() {
                return Ok(None);
            }
        }
        // It needs no more than it was told; the end only keeps it from waiting.
        let _ = decoder.shutdown(Shutdown::Write);
        let drawn = read_frame::<Drawn>(&mut decoder);
        Ok(drawn.filter(|drawn| is_sound(task, drawn)))
    }

    fn decoder(&self) -> io::Result<UnixStream> {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (&*socket).write_all(&[0])?;
        let mut byte = [starter::NONE];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut with = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut byte)];
        recvmsg(&*socket, &mut parts, &mut with, RecvFlags::CMSG_CLOEXEC)?;
        let passed: Option<OwnedFd> = with.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            RecvAncillaryMessage::ScmCredentials(_) | _ => None,
        });
        if byte != [starter::HERE] {
            return Err(io::ErrorKind::NotConnected.into());
        }
        passed
            .map(UnixStream::from)
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Tells whether what a decoder says can be what it was asked for. It may have been taken over by
/// the picture: no byte of the image is looked at beyond its ends.
fn is_sound(task: &Task, drawn: &Drawn) -> bool {
    let image = &drawn.image;
    let is_jpeg = image.starts_with(&[0xFF, 0xD8]) && image.ends_with(&[0xFF, 0xD9]);
    let described = match task {
        Task::Thumbnail { .. } | Task::Preview { .. } | Task::Film { .. } => {
            drawn.picture.as_ref().is_some_and(is_plausible)
        }
        Task::Sheet(_) => drawn.picture.is_none(),
    };
    let is_film = matches!(task, Task::Film { .. });
    is_jpeg != is_film && image.len() <= task.max_image_bytes() && described
}

fn is_plausible(picture: &Picture) -> bool {
    let edge = |length: u32| (1..=MAX_EDGE).contains(&length);
    let named = picture.camera.as_ref().is_none_or(|camera| {
        camera.len() <= MAX_CAMERA_BYTES && !camera.chars().any(char::is_control)
    });
    let placed = picture.place.is_none_or(|place| {
        (-MAX_LATITUDE..=MAX_LATITUDE).contains(&place.latitude)
            && (-MAX_LONGITUDE..=MAX_LONGITUDE).contains(&place.longitude)
    });
    edge(picture.width) && edge(picture.height) && named && placed
}

#[cfg(test)]
mod tests {
    use vault::Place;

    use super::*;

    fn drawn() -> Drawn {
        let picture = Picture {
            width: 4000,
            height: 3000,
            camera: Some("Pixel 8".to_owned()),
            place: Some(Place {
                latitude: 90_000_000,
                longitude: -180_000_000,
            }),
            ..Picture::default()
        };
        Drawn {
            picture: Some(picture),
            image: vec![0xFF, 0xD8, 0, 0xFF, 0xD9],
        }
    }

    fn is_taken(change: impl FnOnce(&mut Drawn, &mut Picture)) -> bool {
        let mut answer = drawn();
        let mut picture = answer.picture.take().unwrap();
        change(&mut answer, &mut picture);
        answer.picture = Some(picture);
        is_sound(&Task::Thumbnail { bytes: 1 }, &answer)
    }

    #[test]
    fn nothing_is_taken_that_a_decoder_would_not_make() {
        assert!(is_taken(|_, _| ()), "the control");

        assert!(!is_taken(|it, _| it.image.clear()));
        assert!(!is_taken(|it, _| it
            .image
            .splice(2..2, vec![0; 17_000])
            .for_each(drop)));
        assert!(!is_taken(|it, _| it.image.insert(0, b'<')));
        assert!(!is_taken(|_, it| it.width = 0));
        assert!(!is_taken(|_, it| it.height = 65_536));
        assert!(!is_taken(|_, it| it.camera = Some("x".repeat(65))));
        assert!(!is_taken(|_, it| it.camera = Some("a\nb".to_owned())));
        let nowhere = Place {
            latitude: 90_000_001,
            longitude: 0,
        };
        assert!(!is_taken(|_, it| it.place = Some(nowhere)));
        assert!(!is_sound(&Task::Sheet(Vec::new()), &drawn()));
        assert!(!is_sound(&Task::Film { bytes: 1 }, &drawn()));
        let film = Drawn {
            image: Vec::new(),
            ..drawn()
        };
        assert!(is_sound(&Task::Film { bytes: 1 }, &film));
    }

    #[test]
    fn without_a_daemon_no_picture_is_judged() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);

        let drawn = Studio::new(ours).draw(&Task::Thumbnail { bytes: 1 }, &mut &b"x"[..]);

        assert!(matches!(drawn, Err(DrawError::NoDecoder(_))));
    }
}
