//! Requests to whoever may mount and format, and their answers: two small files.
//!
//! The request lies in the folder of requests, where a unit waits for it; the answer comes on the system
//! card, where it outlives the restart that a new drive needs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

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
    /// What is asked for.
    pub request: Request,
}

/// An answer as it is written.
#[derive(Debug, Serialize, Deserialize)]
pub struct Answered {
    /// What came of it.
    pub outcome: Outcome,
}

/// Reads a request, and takes it away: it is carried out once.
///
/// # Errors
///
/// The folder's; `None` where there is no request that makes sense.
pub fn take_request(folder: &Path) -> io::Result<Option<Request>> {
    Ok(take(&folder.join(REQUEST_FILE))?
        .and_then(|text| toml::from_str(&text).ok())
        .map(|asked: Asked| asked.request))
}

fn take(path: &Path) -> io::Result<Option<String>> {
    let mut text = String::new();
    match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => io::Read::read_to_string(&mut io::Read::take(file?, MAX_BYTES), &mut text)?,
    };
    fs::remove_file(path)?;
    Ok(Some(text))
}

fn take_answer(path: &Path) -> Option<Outcome> {
    let text = take(path)
        .map_err(|error| log::warn!("an answer could not be read: {error}"))
        .ok()??;
    let answered: Result<Answered, _> = toml::from_str(&text);
    Some(answered.map_or(Outcome::Refused(Refused::Failed), |it| it.outcome))
}

fn ask(config: &Config, request: Request) -> io::Result<PathBuf> {
    let folder = config.commands.requests.as_ref();
    let folder = folder.ok_or(io::ErrorKind::NotFound)?;
    let answer = config.vault.system.join(ANSWER_FILE);
    // One that nobody took is of another request.
    match fs::remove_file(&answer) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let text = toml::to_string(&Asked { request }).map_err(io::Error::other)?;
    write_private(&folder.join(REQUEST_FILE), text.as_bytes())?;
    Ok(answer)
}

impl Daemon {
    /// Lays a request down and waits for its answer beside everything else.
    pub(super) fn ask_to_prepare(&mut self, request: Request) {
        let answer = match ask(&self.config, request) {
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
                if let Some(found) = take_answer(&answer) {
                    outcome = found;
                    break;
                }
            }
            // The loop is gone only when the daemon stops; then the next one reads the answer.
            let _ = tell.send(Happening::Input(Input::Prepared(outcome)));
        });
    }

    /// Takes the answer to a request of the run before this one.
    pub(super) fn read_answer(&mut self) {
        let answer = self.config.vault.system.join(ANSWER_FILE);
        if let Some(outcome) = take_answer(&answer) {
            self.report(Happening::Input(Input::Prepared(outcome)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::evening::{Holds, Home, Offer};

    #[test]
    fn requests_and_answers_are_read_as_they_were_written_and_once() {
        let folder = tempfile::TempDir::new().unwrap();
        for request in [
            Request::Look,
            Request::Make {
                drive: "T7".to_owned(),
                stick: "SanDisk".to_owned(),
            },
            Request::Live(Home::Pi),
        ] {
            let text = toml::to_string(&Asked {
                request: request.clone(),
            });
            fs::write(folder.path().join(REQUEST_FILE), text.unwrap()).unwrap();

            assert_eq!(take_request(folder.path()).unwrap(), Some(request));
            assert_eq!(take_request(folder.path()).unwrap(), None);
        }
        let offer = Offer {
            name: "T7".to_owned(),
            model: "Samsung T7".to_owned(),
            bytes: 1 << 40,
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
                outcome: outcome.clone(),
            };
            let path = folder.path().join(ANSWER_FILE);
            fs::write(&path, toml::to_string(&answered).unwrap()).unwrap();

            assert_eq!(take_answer(&path), Some(outcome));
        }
    }

    #[test]
    fn what_makes_no_sense_is_no_request_and_a_failed_answer() {
        let folder = tempfile::TempDir::new().unwrap();
        fs::write(
            folder.path().join(REQUEST_FILE),
            "request = \"format everything\"",
        )
        .unwrap();
        fs::write(folder.path().join(ANSWER_FILE), "\0").unwrap();

        assert_eq!(take_request(folder.path()).unwrap(), None);
        let answer = take_answer(&folder.path().join(ANSWER_FILE));
        assert_eq!(answer, Some(Outcome::Refused(Refused::Failed)));
    }
}
