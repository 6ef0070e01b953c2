//! Requests to whoever may mount and format, and their answers: two small files.
//!
//! The request lies in the folder of requests, where a unit waits for it; the answer comes on the system
//! card, where it outlives the restart that a new drive needs.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use super::{Daemon, Happening};
use crate::{
    config::Config,
    keeper::{
        Input,
        evening::{Outcome, Refused, Request},
    },
    state::write_private,
};

/// The file in the folder of requests.
pub const REQUEST_FILE: &str = "prepare";
/// The file in the system folder.
pub const ANSWER_FILE: &str = "prepared";
/// How often it is looked for an answer, and how often at most: formatting a large drive takes a while.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: u32 = 20 * 60;
/// The longest answer that is read.
const MAX_BYTES: u64 = 64 << 10;

/// A request as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Tells its answer from another's.
    pub id: u32,
    /// What is asked for.
    pub request: Request,
}

/// An answer as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answered {
    /// The request's.
    pub id: u32,
    /// What came of it.
    pub outcome: Outcome,
}

/// Reads a request of this user, and takes it away: it is carried out once.
///
/// # Errors
///
/// The folder's; `None` where there is no request that makes sense.
pub fn take_request(folder: &Path, uid: u32) -> io::Result<Option<Asked>> {
    let text = take(&folder.join(REQUEST_FILE), Some(uid))?;
    Ok(text.and_then(|text| toml::from_str(&text).ok()))
}

/// Takes a small file away, whatever it is, and reads it if it is one: whoever laid it down may mean ill.
fn take(path: &Path, uid: Option<u32>) -> io::Result<Option<String>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(about) if about.is_dir() => fs::remove_dir_all(path)?,
        _ => fs::remove_file(path)?,
    }
    let Ok(file) = opened else {
        return Ok(None);
    };
    let about = file.metadata()?;
    if !about.is_file() || uid.is_some_and(|uid| uid != about.uid()) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, MAX_BYTES), &mut bytes)?;
    // What is no text makes no sense either.
    Ok(Some(String::from_utf8(bytes).unwrap_or_default()))
}

fn take_answer(path: &Path) -> Option<Answered> {
    let text = take(path, None)
        .map_err(|error| log::warn!("an answer could not be read: {error}"))
        .ok()??;
    toml::from_str(&text)
        .map_err(|error| log::warn!("an answer makes no sense: {error}"))
        .ok()
}

/// Takes what the owner of this request should hear: its answer, or that an earlier one was carried out.
fn take_answer_to(id: u32, path: &Path) -> Option<Heard> {
    let answered = take_answer(path)?;
    if answered.id == id {
        Some(Heard::Answer(answered.outcome))
    } else if answered.outcome.is_done() {
        Some(Heard::Late(answered.outcome))
    } else {
        None
    }
}

/// What lies in the place of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Answer(Outcome),
    Late(Outcome),
}

fn ask(config: &Config, request: Request) -> io::Result<(u32, PathBuf)> {
    let folder = config.commands.requests.as_ref();
    let folder = folder.ok_or(io::ErrorKind::NotFound)?;
    let id = getrandom::u32().map_err(io::Error::other)?;
    let text = toml::to_string(&Asked { id, request }).map_err(io::Error::other)?;
    write_private(&folder.join(REQUEST_FILE), text.as_bytes())?;
    Ok((id, config.vault.system.join(ANSWER_FILE)))
}

impl Daemon {
    /// Lays a request down and waits for its answer beside everything else.
    pub(super) fn ask_to_prepare(&mut self, request: Request) {
        let (id, answer) = match ask(&self.config, request) {
            Ok(answer) => answer,
            Err(error) => {
                log::error!("nobody could be asked to look at drives: {error}");
                let outcome = Outcome::Refused(Refused::NoAnswer);
                self.report(Happening::Input(Input::Prepared(outcome)));
                return;
            }
        };
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let mut outcome = Outcome::Refused(Refused::NoAnswer);
            for _ in 0..LOOKS {
                tokio::time::sleep(LOOK).await;
                match take_answer_to(id, &answer) {
                    Some(Heard::Answer(found)) => {
                        outcome = found;
                        break;
                    }
                    Some(Heard::Late(found)) => {
                        let _ = tell.send(Happening::Input(Input::Prepared(found)));
                    }
                    None => {}
                }
            }
            // The loop is gone only when the daemon stops; then the next one reads the answer.
            let _ = tell.send(Happening::Input(Input::Prepared(outcome)));
        });
    }

    /// Takes the answer to a request of the run before this one.
    pub(super) fn read_answer(&mut self) {
        let answer = self.config.vault.system.join(ANSWER_FILE);
        if let Some(answered) = take_answer(&answer) {
            self.report(Happening::Input(Input::Prepared(answered.outcome)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::evening::{Choice, Holds, Home, Offer};

    #[test]
    fn requests_and_answers_are_read_as_they_were_written_and_once() {
        let folder = tempfile::TempDir::new().unwrap();
        for request in [
            Request::Look,
            Request::Make {
                drive: Choice::named("T7"),
                stick: Choice::named("SanDisk"),
            },
            Request::Live(Home::Pi),
        ] {
            let asked = Asked {
                id: 7,
                request: request.clone(),
            };
            let text = toml::to_string(&asked).unwrap();
            fs::write(folder.path().join(REQUEST_FILE), text).unwrap();

            let taken = take_request(folder.path(), uid()).unwrap().unwrap();
            assert_eq!((taken.id, taken.request), (7, request));
            assert!(take_request(folder.path(), uid()).unwrap().is_none());
        }
        let offer = Offer {
            name: "T7".to_owned(),
            model: "Samsung T7".to_owned(),
            bytes: 1 << 40,
            mark: "S5-7".to_owned(),
            file_system: None,
            holds: Holds::Files { count: 3 },
        };
        for outcome in [
            Outcome::Found(vec![offer]),
            Outcome::Found(Vec::new()),
            Outcome::Made,
            Outcome::Refused(Refused::NotEmpty),
        ] {
            let answered = Answered {
                id: 7,
                outcome: outcome.clone(),
            };
            let path = folder.path().join(ANSWER_FILE);
            fs::write(&path, toml::to_string(&answered).unwrap()).unwrap();

            let heard = take_answer_to(7, &path);
            assert_eq!(heard, Some(Heard::Answer(outcome.clone())));
            // The same, where another answer is waited for.
            fs::write(&path, toml::to_string(&answered).unwrap()).unwrap();
            let late = outcome.is_done().then_some(Heard::Late(outcome));
            assert_eq!(take_answer_to(8, &path), late);
            assert!(!path.exists());
        }
    }

    fn uid() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    #[test]
    fn what_makes_no_sense_is_no_request_and_is_gone_after() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join(REQUEST_FILE);
        let other = folder.path().join("other");
        let good = toml::to_string(&Asked {
            id: 1,
            request: Request::Look,
        });
        let good = good.unwrap();
        fs::write(&other, &good).unwrap();
        let makes: [&dyn Fn(); 6] = [
            &|| fs::write(&path, "id = 1\nrequest = \"format everything\"").unwrap(),
            &|| fs::write(&path, b"\xFF\xFE").unwrap(),
            &|| std::os::unix::fs::symlink(&other, &path).unwrap(),
            &|| fs::create_dir_all(path.join("full")).unwrap(),
            &|| {
                let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
                rustix::fs::mkfifoat(rustix::fs::CWD, &path, mode).unwrap();
            },
            &|| drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
        ];
        for (number, make) in makes.iter().enumerate() {
            make();

            let taken = take_request(folder.path(), uid()).unwrap();

            assert!(taken.is_none(), "{number}");
            assert!(fs::symlink_metadata(&path).is_err(), "{number}");
        }
        assert_eq!(fs::read_to_string(&other).unwrap(), good);
        // Another user's; and the honest twin.
        fs::write(&path, &good).unwrap();
        assert!(take_request(folder.path(), uid() + 1).unwrap().is_none());
        fs::write(&path, &good).unwrap();
        assert!(take_request(folder.path(), uid()).unwrap().is_some());
        let answer = folder.path().join(ANSWER_FILE);
        fs::write(&answer, "\0").unwrap();
        assert_eq!(take_answer_to(1, &answer), None);
    }
}
