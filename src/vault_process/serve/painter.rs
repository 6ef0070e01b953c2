//! Looks at what came in, one file after another, and keeps a thumbnail and what a picture says of
//! itself. A thread of its own, behind all else: nobody waits for it.
//!
//! The content goes to a decoder, which is another process ([`crate::pictures`]).

use std::{
    collections::HashSet,
    io::Read as _,
    sync::{Arc, mpsc},
    thread,
};

use vault::{BlobId, EntryNumber, Index, IndexError, OpenVault, Picture, Thumbnail, Unseen};

use super::{Errand, Mouth, UNNAMED, Word};
use crate::{
    pictures::{
        MAX_CONTENT_BYTES, Task, may_be_film, may_be_picture,
        studio::{DrawError, Studio},
    },
    vault_process::PictureWord,
};

/// Entries looked through at a time.
const PAGE: usize = 100;
/// How much of a content tells whether it may be a picture, in bytes.
const START_BYTES: usize = 16;

/// Wakes the painter: something is new.
pub(super) struct Painting(mpsc::Sender<()>);

impl Painting {
    /// Starts the thread. `errands` is where it asks the index; what is numbered above `newest` came
    /// in since the opening.
    pub(super) fn start(
        vault: OpenVault,
        mouth: Mouth,
        errands: mpsc::Sender<Errand>,
        studio: Arc<Studio>,
        newest: u64,
    ) -> Self {
        let (wake, woken) = mpsc::channel();
        let mut painter = Painter {
            vault,
            mouth,
            errands,
            studio,
            left: HashSet::new(),
            newest,
        };
        thread::spawn(move || painter.run(&woken));
        let painting = Self(wake);
        painting.wake();
        painting
    }

    /// Says that there is something new to look at.
    pub(super) fn wake(&self) {
        // Without its thread nothing is drawn any more, and all else goes on.
        let _ = self.0.send(());
    }
}

/// Returns the highest number there is; 0 where there is none.
pub(super) fn newest(index: &Index) -> u64 {
    let newest = index.last(1).unwrap_or_default();
    newest.first().map_or(0, |entry| entry.number.get())
}

/// Why the painter does not go on.
enum Stop {
    /// The index or the daemon is gone.
    Gone,
    /// There is no decoder now; there may be one later.
    Later,
}

struct Painter {
    vault: OpenVault,
    mouth: Mouth,
    errands: mpsc::Sender<Errand>,
    studio: Arc<Studio>,
    /// Entries that could not be looked at, until the next opening.
    left: HashSet<EntryNumber>,
    /// The highest number there was at the opening.
    newest: u64,
}

impl Painter {
    fn run(&mut self, woken: &mpsc::Receiver<()>) {
        // On Linux this is the thread's own. It cannot fail for going down.
        let _ = rustix::process::nice(19);
        let mut is_through = false;
        while woken.recv().is_ok() {
            while woken.try_recv().is_ok() {}
            match self.pass(is_through, woken) {
                Ok(()) => {}
                Err(Stop::Later) => continue,
                Err(Stop::Gone) => return,
            }
            if !std::mem::replace(&mut is_through, true) {
                match self.vault.folder().sweep_thumbnails() {
                    Ok(0) => {}
                    Ok(swept) => log::info!("{swept} thumbnails without a file were removed"),
                    Err(error) => log::warn!("the thumbnails were not looked through: {error}"),
                }
            }
        }
    }

    /// Looks at what was not looked at, newest first; once everything was, only at what is new.
    fn pass(&mut self, is_through: bool, woken: &mpsc::Receiver<()>) -> Result<(), Stop> {
        let mut before = None;
        loop {
            let page = self.ask(move |index| index.unseen(before, PAGE))?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            before = Some(last.number);
            let mut found = false;
            for unseen in page {
                if unseen.is_seen || self.left.contains(&unseen.number) {
                    continue;
                }
                found = true;
                if !self.look_at(&unseen)? {
                    self.left.insert(unseen.number);
                }
                if woken.try_recv().is_ok() {
                    // What came just now is what its owner may ask for next.
                    before = None;
                    break;
                }
            }
            if is_through && !found {
                return Ok(());
            }
        }
    }

    /// Looks at one entry, and says whether something is known of it now.
    fn look_at(&mut self, unseen: &Unseen) -> Result<bool, Stop> {
        let Unseen { number, blob, .. } = *unseen;
        let thumbnail = match self.vault.thumbnail(&blob) {
            Some(kept) => kept,
            None => match self.make(&blob) {
                Ok(made) => made,
                Err(DrawError::NoDecoder(error)) => {
                    log::debug!("no decoder: {error}");
                    return Err(Stop::Later);
                }
                Err(error) => {
                    log::warn!("a file was not looked at: {error}");
                    return Ok(false);
                }
            },
        };
        if let Err(error) = self.vault.keep_thumbnail(&blob, &thumbnail) {
            log::warn!("a thumbnail was not kept: {error}");
            return Ok(false);
        }
        let picture = thumbnail.picture.clone();
        let noted = self.ask(move |index| {
            let noted = index.note_picture(number, &blob, picture.as_ref())?;
            Ok(if noted { index.get(number)? } else { None })
        })?;
        let Some(entry) = noted else {
            // It was purged meanwhile, and must not be shown any more.
            if let Err(error) = self.vault.folder().remove_thumbnail(&blob) {
                log::warn!("a thumbnail was not removed: {error}");
            }
            return Ok(true);
        };
        let is_new = number.get() > self.newest;
        // Every picture has a thumbnail, and no film.
        let is_film = thumbnail.image.is_empty();
        if let Some(picture) = thumbnail.picture.filter(|_| is_new) {
            let word = Word::Picture(PictureWord::Seen {
                number: number.get(),
                name: entry.metadata.name.unwrap_or_else(|| UNNAMED.to_owned()),
                bytes: entry.size,
                picture,
                is_film,
            });
            self.mouth.say(&word).map_err(|_| Stop::Gone)?;
        }
        Ok(true)
    }

    /// Has a thumbnail made. What is no picture, or cannot be shown, gets an empty one.
    fn make(&self, blob: &BlobId) -> Result<Thumbnail, DrawError> {
        let content = |error: vault::UnsealError| DrawError::Content(error.into());
        let mut reader = self.vault.reader(blob).map_err(content)?;
        let bytes = reader.size();
        let dated = reader.metadata().dated;
        if bytes > MAX_CONTENT_BYTES {
            return Ok(Thumbnail::default());
        }
        let mut start = Vec::with_capacity(START_BYTES);
        (&mut reader)
            .take(START_BYTES as u64)
            .read_to_end(&mut start)
            .map_err(DrawError::Content)?;
        let task = if may_be_picture(&start) {
            Task::Thumbnail { bytes }
        } else if may_be_film(&start) {
            Task::Film { bytes }
        } else {
            return Ok(Thumbnail::default());
        };
        let drawn = self.studio.draw(&task, &mut start.chain(reader))?;
        Ok(drawn.map_or_else(Thumbnail::default, |drawn| Thumbnail {
            // What the camera noted goes before what the sender says.
            picture: drawn.picture.map(|picture| Picture {
                taken_at: picture.taken_at.or(dated),
                ..picture
            }),
            image: drawn.image,
        }))
    }

    /// Has the index's thread answer. A question that fails ends the pass: the next one may do
    /// better.
    fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Index) -> Result<T, IndexError> + Send + 'static,
    ) -> Result<T, Stop> {
        let (tell, answer) = mpsc::channel();
        let favour = Errand::Favour(Box::new(move |index| {
            // Who asked may have stopped; then nobody needs to know.
            let _ = tell.send(question(index));
        }));
        self.errands.send(favour).map_err(|_| Stop::Gone)?;
        match answer.recv() {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                log::warn!("the index did not say what there is to look at: {error}");
                Err(Stop::Later)
            }
            Err(_) => Err(Stop::Gone),
        }
    }
}
