//! A stick that somebody else has mounted for us, nowhere in the tree: its top folder comes through a
//! socket, and the mount ends when both ends have let go.
//!
//! ```text
//! daemon  -- a frame: Asked -->                     whoever mounts, started by this connection
//! daemon  <-- 1 byte, with the top folder for `Held`; a frame: Answer --
//! daemon  -- 1 byte: we have let go -->
//! daemon  <-- 1 byte: FREE once nothing uses it any more --
//! ```

use std::{
    io::{Read as _, Write as _},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    keeper::{
        carry::{Refused, Stick},
        evening::Choice,
    },
    vault_process::{
        porter::{read_frame, write_frame},
        typed::{hand_over, take_over},
    },
};

/// The last byte, when nothing uses the stick any more.
const FREE: u8 = 1;
const NOT_FREE: u8 = 0;
/// A stick that does not answer by then never does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which stick is wanted, and what for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Its name; `None` where it is the only one.
    pub name: Option<String>,
    /// Its size and mark, where it was shown before.
    pub seen: Option<(u64, String)>,
    /// Whether files go onto it some day: it must take some.
    pub is_for_writing: bool,
    /// Whether they do now; else it is mounted so that nothing is written.
    pub writes: bool,
}

impl Asked {
    /// Asks for a stick to look at.
    #[must_use]
    pub fn to_look(name: Option<String>, is_for_writing: bool) -> Self {
        Self {
            name,
            seen: None,
            is_for_writing,
            writes: false,
        }
    }

    /// Asks for the very stick that was shown.
    #[must_use]
    pub fn very(stick: &Choice, writes: bool) -> Self {
        Self {
            name: Some(stick.name.clone()),
            seen: stick.seen.clone(),
            is_for_writing: writes,
            writes,
        }
    }
}

/// A stick as it is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Shown {
    /// The word that names it.
    pub name: String,
    /// What its maker calls it.
    pub model: String,
    /// Its size.
    pub bytes: u64,
    /// Its free bytes, where it is held.
    pub free: u64,
    /// What tells it from another one of that name.
    pub mark: String,
    /// Its file system.
    pub file_system: String,
}

impl From<Shown> for Stick {
    fn from(shown: Shown) -> Self {
        Self {
            name: shown.name,
            model: shown.model,
            bytes: shown.bytes,
            free: shown.free,
            mark: shown.mark,
            file_system: shown.file_system,
        }
    }
}

/// What whoever mounts says.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// Its top folder comes with this.
    Held(Shown),
    /// There is none.
    NoStick,
    /// There are several, and none was named.
    Several(Vec<Shown>),
    /// None has this name, or it is another one.
    NotThere,
    /// It takes no files.
    ReadOnly,
    /// It did not work; the log says more.
    Failed,
}

/// A stick that is held.
pub struct Held {
    /// Which one.
    pub stick: Stick,
    /// Its top folder.
    pub folder: OwnedFd,
    line: UnixStream,
}

impl Held {
    /// Asks for a stick.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn ask(socket: &Path, asked: &Asked) -> Result<Self, Refused> {
        let failed = |error: std::io::Error| {
            log::error!("nobody could be asked to mount a stick: {error}");
            Refused::Failed
        };
        let line = UnixStream::connect(socket).map_err(failed)?;
        line.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
        write_frame(&mut &line, asked).map_err(failed)?;
        let handed = take_over(&line).map_err(failed)?;
        let answer = read_frame(&mut &line).map_err(failed)?;
        Err(match answer {
            Answer::Held(shown) => match handed.into_iter().next() {
                Some(folder) => {
                    return Ok(Self {
                        stick: shown.into(),
                        folder,
                        line,
                    });
                }
                None => Refused::Failed,
            },
            Answer::NoStick => Refused::NoStick,
            Answer::Several(sticks) => {
                Refused::Several(sticks.into_iter().map(Stick::from).collect())
            }
            Answer::NotThere => Refused::NotThere {
                name: asked.name.clone().unwrap_or_default(),
            },
            Answer::ReadOnly => Refused::ReadOnly,
            Answer::Failed => Refused::Failed,
        })
    }

    /// Lets go of it; returns whether nothing uses it any more.
    pub fn let_go(self) -> bool {
        let Self { folder, line, .. } = self;
        drop(folder);
        let mut line = line;
        let mut answer = [NOT_FREE];
        let told = line
            .write_all(&[0])
            .and_then(|()| line.read_exact(&mut answer));
        if let Err(error) = told {
            log::warn!("a stick was not let go of: {error}");
        }
        answer == [FREE]
    }
}

/// Reads what is asked, at the other end.
///
/// # Errors
///
/// The operating system's, or when it makes no sense.
pub fn read_asked(line: &UnixStream) -> std::io::Result<Asked> {
    read_frame(&mut &*line)
}

/// Answers, at the other end, with the top folder if it is held.
///
/// # Errors
///
/// The operating system's.
pub fn answer(line: &UnixStream, answer: &Answer, folder: Option<&OwnedFd>) -> std::io::Result<()> {
    let with: Vec<_> = folder.iter().map(|it| it.as_fd()).collect();
    hand_over(line, &with)?;
    write_frame(&mut &*line, answer)
}

/// Waits, at the other end, until the daemon has let go or is gone.
pub fn wait_until_let_go(mut line: &UnixStream) {
    // Its end is as good as the byte.
    let _ = line.read(&mut [0]);
}

/// Says, at the other end, whether nothing uses it any more.
///
/// # Errors
///
/// The operating system's.
pub fn say_free(mut line: &UnixStream, is_free: bool) -> std::io::Result<()> {
    line.write_all(&[if is_free { FREE } else { NOT_FREE }])
}
