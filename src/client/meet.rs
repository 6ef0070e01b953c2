//! The first words: whether the vault has let this device in, and what is to be done where it has
//! not.

use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep_until};

use super::{
    show::Show,
    talk::{Event, Talk},
};
use crate::keeper::client::lines::{Request, RequestId, Response};

/// How long the first answer may take before something is said.
const FIRST: Duration = Duration::from_secs(5);
/// The longest pause between two questions.
const LONGEST: Duration = Duration::from_secs(60);
/// Digits of a fingerprint that name a device.
const DIGITS: usize = 4;

/// Draws the name of a request.
pub(super) fn request_id() -> anyhow::Result<RequestId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)?;
    Ok(RequestId(id))
}

/// Waits until the vault has let us in. Answers to earlier requests go to `answer`.
pub(super) async fn be_let_in(
    talk: &mut Talk,
    show: &Show,
    code: Option<&str>,
    patience: Duration,
    mut answer: impl FnMut(&mut Talk, RequestId, Response) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let was_let_in = talk.desk.is_let_in()?;
    let give_up = Instant::now() + patience;
    let (mut pause, mut ask_at) = (FIRST, None);
    let (mut told, mut code) = (false, code);
    loop {
        let wake = ask_at.unwrap_or(give_up).min(give_up);
        let event = tokio::select! {
            event = talk.next() => event?,
            () = sleep_until(wake) => {
                if Instant::now() >= give_up {
                    bail!("the vault did not answer; check that it runs, and try again");
                }
                if !std::mem::replace(&mut told, true) {
                    show.say(&how_to(talk));
                }
                pause = (pause * 2).min(LONGEST);
                ask_at = Some(Instant::now() + pause);
                hello(talk)?;
                continue;
            }
        };
        match event {
            // It was let in before: what is to be sent can be sent while the vault is away.
            Event::Ready if was_let_in => return Ok(()),
            Event::Ready => {
                if let Some(code) = code.take() {
                    talk.write(code, |_| Ok(()))?;
                }
                hello(talk)?;
                ask_at = Some(Instant::now() + pause);
            }
            Event::Offline(reason) => show.say(&format!("offline: {reason}; trying again")),
            Event::Answer(_, Response::Welcome { is_open }) => {
                talk.desk.set_let_in()?;
                show.say("The vault has let this device in.");
                if !is_open {
                    show.say("The vault is locked: files are kept, and get numbers once it opens.");
                }
                return Ok(());
            }
            Event::Answer(id, response) => answer(talk, id, response)?,
            Event::Words(words) => {
                show.say(&format!("The vault says: {words}"));
                // That may be how it lets us in.
                hello(talk)?;
            }
        }
    }
}

fn hello(talk: &mut Talk) -> anyhow::Result<()> {
    if talk.ready {
        talk.say(request_id()?, &Request::Hello, |_| Ok(()))?;
    }
    Ok(())
}

fn how_to(talk: &Talk) -> String {
    let own = &talk.desk.own_fingerprint;
    let digits = |count: usize| own.get(own.len().saturating_sub(count)..).unwrap_or(own);
    format!(
        "The vault has not let this device in. Its fingerprint ends in {}: on your phone send the \
         vault \"trust {}\", or give a code of \"strongroom pair\" with --code. Waiting.",
        digits(8),
        digits(DIGITS)
    )
}
