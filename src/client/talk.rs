//! The conversation with the vault: a stream that comes back by itself, lines out through the
//! outbox, lines in.

use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::bail;
use omemo::{Bundle, DeviceId};
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{
    account::Given,
    desk::{Desk, Heard, Letter, Met},
    settle::{Found, Settling},
};
use crate::{
    keeper::client::lines::{Request, RequestId, Response},
    state::{State, Step},
    transfer,
    xmpp::{self, Arrival, Link, Message, Page, Stage},
};

/// Reports on their way to the loop.
const ARRIVALS: usize = 16;
/// How long the end may wait for the server to take what was said last.
const FLUSH: Duration = Duration::from_secs(10);
/// Least time between two sessions begun anew because the last one broke.
const REPAIR_PAUSE: Duration = Duration::from_secs(60);

/// Something that happened.
pub(super) enum Event {
    /// The vault can be spoken to.
    Ready,
    /// The stream is down; it comes back by itself.
    Offline(String),
    /// The vault answered a request.
    Answer(RequestId, Response),
    /// The vault said something to people.
    Words(String),
}

/// The conversation.
pub(super) struct Talk {
    pub(super) desk: Desk,
    pub(super) link: Link,
    pub(super) transfer: transfer::Client,
    given: Given,
    arrivals: mpsc::Receiver<Arrival>,
    tell: mpsc::UnboundedSender<Found>,
    found: mpsc::UnboundedReceiver<Found>,
    settling: Option<AbortHandle>,
    under_way: HashSet<i64>,
    /// Whether there is a stream.
    pub(super) online: bool,
    /// Whether the new stream was settled.
    pub(super) ready: bool,
    repaired_at: Option<Instant>,
    repair: bool,
    /// What the archive brought, one after another.
    pending: VecDeque<Event>,
}

impl Talk {
    /// Logs in; [`Event::Ready`] follows.
    pub(super) fn start(state: State, given: Given) -> anyhow::Result<Self> {
        let desk = Desk::open(state, &given.vault, &given.fingerprint)?;
        given.ask_name_servers()?;
        let account = given.account(desk.device.0)?;
        let transfer = given.transfer()?;
        let (arrivals_tell, arrivals) = mpsc::channel(ARRIVALS);
        let (tell, found) = mpsc::unbounded_channel();
        let link = xmpp::start(account, arrivals_tell);
        Ok(Self {
            desk,
            link,
            transfer,
            given,
            arrivals,
            tell,
            found,
            settling: None,
            under_way: HashSet::new(),
            online: false,
            ready: false,
            repaired_at: None,
            repair: false,
            pending: VecDeque::new(),
        })
    }

    /// Waits for the next event. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> anyhow::Result<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            let event = tokio::select! {
                Some(arrival) = self.arrivals.recv() => self.arrival(arrival)?,
                Some(found) = self.found.recv() => self.found(found)?,
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    /// Asks the vault, and saves with it what `save` writes.
    pub(super) fn say(
        &mut self,
        id: RequestId,
        request: &Request,
        save: impl FnOnce(&Step<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.write(&request.line(id), save)
    }

    /// Sends the vault a text.
    pub(super) fn write(
        &mut self,
        text: &str,
        save: impl FnOnce(&Step<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let letter = self.desk.write(text, save)?;
        self.dispatch(letter);
        Ok(())
    }

    fn dispatch(&mut self, (token, stanza): Letter) {
        let Ok(number) = u64::try_from(token) else {
            return;
        };
        if self.ready && self.under_way.insert(token) {
            self.link.send(number, stanza);
        }
    }

    fn arrival(&mut self, arrival: Arrival) -> anyhow::Result<Option<Event>> {
        match arrival {
            Arrival::Online {
                fresh,
                peer_address,
            } => {
                self.online = true;
                self.transfer
                    .set_live_server(peer_address.map(|address| address.ip()));
                if fresh || !self.ready {
                    self.ready = false;
                    self.under_way.clear();
                    self.settle()?;
                    return Ok(None);
                }
                self.send_outbox()?;
                Ok(Some(Event::Ready))
            }
            Arrival::Offline { reason } => {
                self.online = false;
                Ok(Some(Event::Offline(reason)))
            }
            Arrival::Fatal(reason) => Err(reason.into()),
            Arrival::Message(message) => {
                if message.from_bare == self.given.vault {
                    self.link.note_use();
                }
                self.message(*message)
            }
            Arrival::Stage { token, stage } => {
                let Ok(token) = i64::try_from(token) else {
                    return Ok(None);
                };
                match stage {
                    Stage::Sent => {}
                    Stage::Acked | Stage::Refused => {
                        self.under_way.remove(&token);
                        self.desk.delivered(token)?;
                    }
                    Stage::Lost => {
                        self.under_way.remove(&token);
                    }
                }
                Ok(None)
            }
            // The owner's phone decides about contacts.
            Arrival::DeviceList { .. }
            | Arrival::SubscriptionAsked { .. }
            | Arrival::Client { .. } => Ok(None),
        }
    }

    fn settle(&mut self) -> anyhow::Result<()> {
        if let Some(earlier) = self.settling.take() {
            earlier.abort();
        }
        let settling = Settling {
            link: self.link.clone(),
            tell: self.tell.clone(),
            vault: self.given.vault.clone(),
            device: self.desk.device,
            known: self.desk.vault_device()?.filter(|_| !self.repair),
            read_until: self.desk.read_until()?,
        };
        self.settling = Some(tokio::spawn(settling.run()).abort_handle());
        Ok(())
    }

    fn found(&mut self, found: Found) -> anyhow::Result<Option<Event>> {
        match found {
            Found::Own(there, seen) => {
                if let Some(there) = there {
                    self.desk.check_published(&there)?;
                }
                self.desk.rotate()?;
                // A task that was ended meanwhile does not go on.
                let _ = seen.send(self.desk.bundle()?);
                Ok(None)
            }
            Found::Vault(devices) => {
                self.meet(&devices)?;
                Ok(None)
            }
            Found::Page(page, read) => {
                self.page(page)?;
                let _ = read.send(());
                Ok(None)
            }
            Found::Settled => {
                self.ready = true;
                self.send_outbox()?;
                Ok(Some(Event::Ready))
            }
        }
    }

    /// Finds the vault among the devices of its account.
    fn meet(&mut self, devices: &[(DeviceId, Option<Bundle>)]) -> anyhow::Result<()> {
        let vault = &self.given.vault;
        let known = self.desk.vault_device()?;
        if !self.repair && known.is_some_and(|it| devices.iter().any(|(id, _)| *id == it)) {
            return Ok(());
        }
        let mut others = Vec::new();
        for (device, bundle) in devices {
            let Some(bundle) = bundle else { continue };
            match self.desk.meet(*device, bundle)? {
                Met::Vault => {
                    self.repair = false;
                    return Ok(());
                }
                Met::Other(fingerprint) => others.push(fingerprint),
                Met::Unusable => {}
            }
        }
        if others.is_empty() {
            bail!(
                "{vault} shows no keys to encrypt with. Check the address, and that the vault runs \
                 and has you as its owner"
            );
        }
        let shown = others.join("\n  ");
        if self.desk.has_fingerprint() {
            bail!(
                "{vault} has not the fingerprint that it should have, but:\n  {shown}\nIf the vault \
                 was set up anew, compare this with what \"fingerprints\" says in the chat, and give \
                 it with --fingerprint. Nothing was sent"
            );
        }
        bail!(
            "{vault} has the fingerprint\n  {shown}\nCompare it with what \"fingerprints\" says in \
             the chat, or \"strongroom address\" on the Pi. If it is the same, run this once more \
             with --fingerprint and these digits"
        )
    }

    fn page(&mut self, page: Page) -> anyhow::Result<()> {
        let mut newest = None;
        for message in page.messages {
            let since = message
                .stamp
                .and_then(|it| it.duration_since(UNIX_EPOCH).ok());
            newest = since.map(|it| it.as_secs()).or(newest);
            if let Some(event) = self.message(message)? {
                self.pending.push_back(event);
            }
        }
        if let Some(newest) = newest {
            self.desk.set_read_until(newest)?;
        }
        Ok(())
    }

    fn message(&mut self, message: Message) -> anyhow::Result<Option<Event>> {
        let (heard, letter) = self.desk.hear(&message)?;
        // Only now may the server be told that the stanza is handled.
        drop(message);
        if let Some(letter) = letter {
            self.dispatch(letter);
        }
        Ok(match heard {
            Heard::Nothing => None,
            Heard::Broken => {
                self.begin_anew()?;
                None
            }
            Heard::Text(text) => match Response::read(&text) {
                Some(Ok((id, response))) => Some(Event::Answer(id, response)),
                Some(Err(_)) => {
                    log::warn!(
                        "the vault said what this program does not understand; bring both to the \
                         same version"
                    );
                    None
                }
                None => Some(Event::Words(text)),
            },
        })
    }

    /// Begins a new session with the vault, whose last one broke. What it says in it is heard again
    /// when it is asked again.
    fn begin_anew(&mut self) -> anyhow::Result<()> {
        let is_due = self
            .repaired_at
            .is_none_or(|at| at.elapsed() > REPAIR_PAUSE);
        if !is_due || !self.ready {
            return Ok(());
        }
        self.repaired_at = Some(Instant::now());
        self.repair = true;
        self.ready = false;
        self.settle()
    }

    fn send_outbox(&mut self) -> anyhow::Result<()> {
        for letter in self.desk.outbox()? {
            self.dispatch(letter);
        }
        Ok(())
    }

    /// Goes offline once the server has what was said, or after a while.
    pub(super) async fn end(mut self) {
        let flushed = async {
            while self.online && !self.under_way.is_empty() {
                if self.next().await.is_err() {
                    break;
                }
            }
        };
        let _ = timeout(FLUSH, flushed).await;
        self.link.stop().await;
    }
}
