//! Folders that are watched: tells of each file once nobody writes it any more.
//!
//! The kernel's events make it quick; a look through the folders now and then makes it sure, where
//! there are none (network drives) or some were lost. It sends nothing and remembers nothing.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

use super::upload::Seen;
use crate::place::{is_meant, look_into};

/// A file that is the same after this long is finished.
const SETTLED: Duration = Duration::from_millis(1_500);
/// How often what is being written is looked at.
const TICK: Duration = Duration::from_millis(250);
/// How often the folders are looked through.
const LOOK_THROUGH: Duration = Duration::from_secs(60);

/// A running watch.
pub(super) struct Watched {
    finished: mpsc::UnboundedReceiver<PathBuf>,
    _watcher: RecommendedWatcher,
}

/// Waits for the next finished file; for ever where nothing is watched.
pub(super) async fn next(watched: &mut Option<&mut Watched>) -> Option<PathBuf> {
    match watched {
        Some(watched) => watched.finished.recv().await,
        None => std::future::pending().await,
    }
}

/// Begins to watch folders. What is in them already is not told.
pub(super) fn start(folders: &[PathBuf]) -> anyhow::Result<Watched> {
    let (tell_event, events) = mpsc::unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Nobody listens any more at the end.
        let _ = tell_event.send(event);
    })?;
    let mut roots = Vec::new();
    for folder in folders {
        let folder = std::path::absolute(folder)?;
        anyhow::ensure!(folder.is_dir(), "{} is no folder", folder.display());
        watcher.watch(&folder, RecursiveMode::Recursive)?;
        roots.push(folder);
    }
    let (tell, finished) = mpsc::unbounded_channel();
    let mut watch = Watch {
        roots,
        tell,
        told: HashMap::new(),
        growing: HashMap::new(),
    };
    // Also what came in between the start of the watch and now.
    watch.look_through(Watch::note_told)?;
    tokio::spawn(watch.run(events));
    Ok(Watched {
        finished,
        _watcher: watcher,
    })
}

struct Watch {
    roots: Vec<PathBuf>,
    tell: mpsc::UnboundedSender<PathBuf>,
    /// What was told, or there at the start.
    told: HashMap<PathBuf, Seen>,
    /// What may still be written, as it was, since when.
    growing: HashMap<PathBuf, (Seen, Instant)>,
}

impl Watch {
    async fn run(mut self, mut events: mpsc::UnboundedReceiver<notify::Result<Event>>) {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked_at = Instant::now();
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(Ok(event)) => self.event(&event),
                    Some(Err(_)) => looked_at -= LOOK_THROUGH,
                    None => return,
                },
                _ = tick.tick() => self.look_at_growing(),
            }
            if looked_at.elapsed() >= LOOK_THROUGH {
                looked_at = Instant::now();
                if let Err(error) = self.look_through(Self::note) {
                    log::warn!("a watched folder could not be read: {error}");
                }
            }
            if self.tell.is_closed() {
                return;
            }
        }
    }

    fn event(&mut self, event: &Event) {
        let is_finished = matches!(
            event.kind,
            EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Modify(ModifyKind::Name(RenameMode::To))
        );
        for path in &event.paths {
            if path.is_dir() {
                // Files may have come into it before it was watched.
                let _ = look_into(path, &mut |path| self.note(path));
            } else if is_finished {
                self.finished(path);
            } else {
                self.note(path);
            }
        }
    }

    fn note_told(&mut self, path: &Path) {
        if let Ok(seen) = Seen::at(path) {
            self.told.insert(path.to_owned(), seen);
        }
    }

    /// A file is there, and may still be written.
    fn note(&mut self, path: &Path) {
        if !is_meant_below(&self.roots, path) {
            return;
        }
        let Ok(seen) = Seen::at(path) else {
            return;
        };
        if self.told.get(path) == Some(&seen) || self.growing.contains_key(path) {
            return;
        }
        self.growing.insert(path.to_owned(), (seen, Instant::now()));
    }

    /// A file was closed or moved here: it is whole.
    fn finished(&mut self, path: &Path) {
        if !is_meant_below(&self.roots, path) {
            return;
        }
        let Ok(seen) = Seen::at(path) else {
            return;
        };
        self.growing.remove(path);
        if self.told.get(path) != Some(&seen) {
            self.told.insert(path.to_owned(), seen);
            let _ = self.tell.send(path.to_owned());
        }
    }

    fn look_at_growing(&mut self) {
        let mut settled = Vec::new();
        self.growing.retain(|path, (seen, since)| {
            let Ok(now) = Seen::at(path) else {
                return false;
            };
            if now != *seen {
                (*seen, *since) = (now, Instant::now());
                return true;
            }
            if since.elapsed() < SETTLED {
                return true;
            }
            settled.push(path.clone());
            false
        });
        for path in settled {
            self.finished(&path);
        }
    }

    fn look_through(&mut self, mut each: impl FnMut(&mut Self, &Path)) -> io::Result<()> {
        for root in self.roots.clone() {
            look_into(&root, &mut |path| each(self, path))?;
        }
        Ok(())
    }
}

/// Returns whether a file below these folders is meant: no part of its way may be hidden.
fn is_meant_below(roots: &[PathBuf], path: &Path) -> bool {
    let mut below = roots.iter().filter_map(|root| path.strip_prefix(root).ok());
    below.next().is_some_and(|inside| {
        let parts = inside.components();
        parts.map(|it| Path::new(it.as_os_str())).all(is_meant)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn next_name(watched: &mut Watched) -> String {
        let next = timeout(PATIENCE, watched.finished.recv()).await;
        let path = next.expect("a file is told in time").unwrap();
        path.file_name().unwrap().to_string_lossy().into_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_is_told_once_when_it_is_whole_and_what_was_there_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old.jpg"), "old").unwrap();
        let mut watched = start(&[folder.path().to_owned()]).unwrap();

        fs::write(folder.path().join("new.jpg"), "new").unwrap();
        fs::write(folder.path().join("half.part"), "ha").unwrap();
        fs::write(folder.path().join(".pending-1-x.jpg"), "hidden").unwrap();
        let first = next_name(&mut watched).await;
        fs::rename(
            folder.path().join("half.part"),
            folder.path().join("whole.jpg"),
        )
        .unwrap();
        let second = next_name(&mut watched).await;
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/deep.jpg"), "deep").unwrap();
        let third = next_name(&mut watched).await;

        assert_eq!([first, second, third], ["new.jpg", "whole.jpg", "deep.jpg"]);
        assert!(
            watched.finished.try_recv().is_err(),
            "nothing is told twice"
        );
    }

    #[test]
    fn what_is_hidden_or_unfinished_is_not_meant() {
        let root = [PathBuf::from("/a/.camera")];

        for (path, meant) in [
            ("/a/.camera/x.jpg", true),
            ("/a/.camera/x.JPG.Part", false),
            ("/a/.camera/.trashed-1-x.jpg", false),
            ("/a/.camera/.thumbnails/x.jpg", false),
            ("/a/.camera/x.jpg~", false),
            ("/b/x.jpg", false),
        ] {
            assert_eq!(is_meant_below(&root, Path::new(path)), meant, "{path}");
        }
    }
}
