//! The event loop: waits for all sources, feeds the keeper, carries out effects.
//!
//! One task owns the state, the keeper and the vault process's handle; what takes long (fetching,
//! sealing, uploading, asking the server) runs in tasks of its own that report back as
//! `Happening`s. It decides nothing.

use std::{
    collections::HashSet,
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::Context as _;
use omemo::{Address, Bundle, DeviceId, DeviceList, Namespace};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::Instant,
};
use vault::IntakeKey;

use crate::{
    clock,
    config::Config,
    keeper::{Input, JobId, Keeper, Moment, carry::Brought, machine::Heard, storage::DriveTrouble},
    keydevice::{KeyDevice, Presence},
    lamp::Lamp,
    service,
    state::{State, StateError},
    transfer,
    vault_process::{Deliveries, VaultProcess, Word},
    xmpp::{Arrival, Client, FatalReason, Link, Page, RequestError},
};

mod address;
mod bundles;
pub mod carry;
mod chat;
mod client;
pub mod console;
mod contacts;
pub mod dialogue;
mod drive;
mod effects;
pub mod evening;
mod inbox;
mod keeping;
mod left_over;
mod life;
mod machine;
mod media_type;
mod misses;
mod outbox;
mod pictures;
mod portrait;
mod publication;
mod receive;
mod send;
mod settle;
pub mod start;
mod starts;
mod trust;
pub mod verify;
mod worked;

use console::Typing;
pub use start::run;

/// Longest wait for the stream to close at the end.
const STOP_SECONDS: u64 = 5;

/// Something that a task of ours reports.
enum Happening {
    /// For the keeper.
    Input(Input),
    /// A file is sealed and whole; it gets its final name once `saved` says that the proof of its
    /// origin is durable.
    Vouch {
        job: JobId,
        mac: [u8; 32],
        bytes: u64,
        saved: oneshot::Sender<()>,
    },
    /// The next file of a stick wants its place on the data drive.
    Place {
        found: oneshot::Sender<Result<carry::import::Place, DriveTrouble>>,
    },
    /// A file of a stick is sealed to this epoch; the same holds for it.
    Brought {
        brought: Box<Brought>,
        epoch: u32,
        saved: oneshot::Sender<()>,
    },
    /// A delivery ended and gives the data socket of vault process `generation` back.
    Delivered {
        generation: u64,
        deliveries: Deliveries,
        input: Input,
    },
    /// The vault process of this generation said something.
    Word { generation: u64, word: Word },
    /// The vault process of this generation is gone.
    VaultEnded { generation: u64 },
    /// A page of the archive; the sender reads on once it is answered.
    Page {
        page: Page,
        handled: oneshot::Sender<()>,
    },
    /// An account of somebody else was looked up.
    Contact(Box<contacts::Found>),
    /// Somebody typed at the console.
    Console(Typing),
    /// The archive is read to its end, or there is none.
    CaughtUp,
    /// The archive was asked for its newest id for the first time.
    FirstCursor(Option<String>),
    /// Our own lists are as they should be.
    Settled,
    /// A drive did not take what was written. Nobody knows what is on it: the process has to end.
    NotDurable(String),
    /// Our own bundle was fetched, or there is none; who waits may go on once it was looked at.
    OwnBundle {
        namespace: Namespace,
        there: Option<Bundle>,
        seen: Option<oneshot::Sender<()>>,
    },
    /// Our former devices are off the server.
    FormerGone,
    /// The owner's lists were fetched, as far as they could be.
    OwnerLists(Vec<(Namespace, DeviceList)>),
    /// Whether the server tells us of changes of the owner's list.
    Pushed(bool),
    /// One of the owner's programs said what it can do, or did not.
    Client {
        jid: String,
        client: Result<Client, RequestError>,
    },
    /// Our bundle was published, or not.
    Published { ok: bool },
    /// A bundle was fetched, or there is none.
    Bundle {
        namespace: Namespace,
        address: Address,
        bundle: Option<Bundle>,
    },
}

/// Where archive catch-up stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CatchUp {
    /// A live id must not move the cursor: there may be a gap before it.
    Behind,
    /// The cursor follows the live ids.
    Done,
}

/// The daemon and all that it owns.
struct Daemon {
    config: Config,
    state: State,
    keeper: Keeper,
    link: Link,
    transfer: transfer::Client,
    key_device: KeyDevice,
    drive: drive::DriveState,
    intake_key: Arc<IntakeKey>,
    vault: Option<Vault>,
    generation: u64,
    tell: mpsc::UnboundedSender<Happening>,
    online: bool,
    catch_up: CatchUp,
    settling: Option<AbortHandle>,
    /// Outbox rows given to the stream and not yet acknowledged.
    under_way: HashSet<i64>,
    /// Messages of strangers since one of them saved the archive cursor.
    passed_over: u32,
    /// Devices whose bundle is being fetched.
    fetching_bundles: HashSet<(Namespace, Address)>,
    own: Own,
    life: life::Life,
    receiving: Vec<(JobId, AbortHandle)>,
    /// Ends what is being done with a stick.
    carrying: Arc<AtomicBool>,
    programs: pictures::Programs,
    /// Whoever typed at the console, until the vault process has it.
    typing: Option<Typing>,
    contacts: contacts::Contacts,
    /// The owner's programs that are there.
    clients: chat::Clients,
    /// The owner wants a restart.
    begins_anew: bool,
    lamp: Lamp,
    starts: starts::Starts,
}

/// What we are to others.
#[derive(Debug, Clone)]
struct Own {
    device: DeviceId,
    fingerprint: String,
}

/// A running vault process.
struct Vault {
    generation: u64,
    process: VaultProcess,
    sending: Option<AbortHandle>,
}

/// How the daemon's run ended, if nothing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop.
    Stopped,
    /// It is to begin anew.
    Anew,
}

/// Why the daemon's run ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Only the owner can mend it: trying again would not help.
    #[error("the XMPP server cannot be used, so the daemon ends; mend this and start it again")]
    Fatal(#[from] FatalReason),
}

/// The version, for `--version`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Says the version, and how AES is computed on this machine: a Pi 4 lacks what a Pi 5 has.
#[must_use]
pub fn long_version() -> &'static str {
    if start::aes_path() == "in hardware" {
        concat!(env!("CARGO_PKG_VERSION"), "\nAES: in hardware")
    } else {
        concat!(env!("CARGO_PKG_VERSION"), "\nAES: in software")
    }
}

/// Returns the exit status for an error: 78 (EX_CONFIG, sysexits.h) where starting again would not
/// help before a person has changed something, else 1.
#[must_use]
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_of_newer = |cause: &StateError| matches!(cause, StateError::TooNew { .. });
    let fatal = error.chain().any(|cause| {
        cause.is::<RunError>()
            || cause.is::<crate::config::ConfigError>()
            || cause.downcast_ref().is_some_and(is_of_newer)
    });
    ExitCode::from(if fatal { 78 } else { 1 })
}

impl Daemon {
    /// Turns until told to stop. An error ends the process; the service manager starts it again.
    async fn turn(
        &mut self,
        mut arrivals: mpsc::Receiver<Arrival>,
        mut happenings: mpsc::UnboundedReceiver<Happening>,
        mut presence: mpsc::UnboundedReceiver<Presence>,
    ) -> anyhow::Result<Ended> {
        let mut terminate = signal(SignalKind::terminate()).context("while asking for signals")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("while asking for signals")?;
        let mut reload = signal(SignalKind::hangup()).context("while asking for signals")?;
        let mut watchdog = service::watchdog_period().map(tokio::time::interval);
        loop {
            let wake = self.wake_at();
            let was_open = self.vault.is_some();
            let was_shown = self.keeper.is_open();
            tokio::select! {
                _ = terminate.recv() => return Ok(Ended::Stopped),
                _ = interrupt.recv() => return Ok(Ended::Stopped),
                _ = reload.recv() => {
                    self.watch_drive()?;
                    self.look_after_device()?;
                    self.read_pairing_file()?;
                }
                Some(seen) = presence.recv() => self.key_device(seen)?,
                Some(arrival) = arrivals.recv() => self.arrival(arrival)?,
                Some(happening) = happenings.recv() => self.happening(happening)?,
                () = tokio::time::sleep_until(wake) => self.woke()?,
                () = tick(&mut watchdog) => service::alive(),
            }
            if self.begins_anew {
                return Ok(Ended::Anew);
            }
            self.lamp.show(self.sign());
            if was_shown != self.keeper.is_open() {
                self.show_state();
            }
            if was_open && self.vault.is_none() {
                let forgotten = self.state.forget_freed();
                forgotten.context("while opening the state anew after a lock")?;
            }
        }
    }

    fn key_device(&mut self, seen: Presence) -> anyhow::Result<()> {
        log::info!(
            "the key device {}",
            match seen {
                Presence::Came => "came",
                Presence::Gone => "is not there",
                Presence::Second => "is in already: a second one is not used",
            }
        );
        self.handle(match seen {
            Presence::Came => Input::KeyDeviceCame,
            Presence::Gone => Input::KeyDeviceGone,
            Presence::Second => Input::SecondKeyDevice,
        })
    }

    fn arrival(&mut self, arrival: Arrival) -> anyhow::Result<()> {
        match arrival {
            Arrival::Online {
                fresh,
                peer_address,
            } => self.came_online(fresh, peer_address),
            Arrival::Offline { reason } => {
                log::warn!("offline: {reason}");
                service::status(&format!("offline: {reason}"));
                self.went_offline();
                self.handle(Input::Offline)
            }
            Arrival::Fatal(reason) => Err(RunError::Fatal(reason).into()),
            Arrival::Message(message) => self.message(*message),
            Arrival::DeviceList {
                namespace,
                jid,
                devices,
            } => {
                self.life.is_pushed |= jid == self.config.owner.jid;
                self.device_list(namespace, &jid, &devices)
            }
            Arrival::SubscriptionAsked { jid } => {
                if jid == self.config.owner.jid {
                    self.link.approve(&jid);
                } else {
                    self.link.ignore(&jid);
                }
                Ok(())
            }
            Arrival::Client {
                jid,
                bare,
                caps,
                is_available,
            } => {
                if bare == self.config.owner.jid {
                    return self.client_seen(jid, caps, is_available);
                }
                Ok(())
            }
            Arrival::Stage { token, stage } => self.stage(token, stage),
        }
    }

    fn happening(&mut self, happening: Happening) -> anyhow::Result<()> {
        match happening {
            Happening::Input(input) => self.handle(input),
            Happening::Vouch {
                job,
                mac,
                bytes,
                saved,
            } => {
                self.handle(Input::Vouched { job, mac, bytes })?;
                crate::crash::point("vouched");
                if self.keeper.may_keep(&job) {
                    // Whoever broke the fetch off does not need to know.
                    let _ = saved.send(());
                }
                Ok(())
            }
            Happening::Place { found } => {
                // A thread that is gone does not need to know.
                let _ = found.send(self.place());
                Ok(())
            }
            Happening::Brought {
                brought,
                epoch,
                saved,
            } => self.brought(brought, epoch, saved),
            Happening::Delivered {
                generation,
                deliveries,
                input,
            } => {
                self.delivered(generation, deliveries);
                self.handle(input)
            }
            Happening::Word { generation, word } => self.word(generation, word),
            Happening::VaultEnded { generation } => self.vault_ended(generation),
            Happening::Page { page, handled } => self.page(page, handled),
            Happening::Console(typing) => self.console(typing),
            Happening::Contact(found) => self.contact_found(*found),
            Happening::CaughtUp => self.caught_up(),
            Happening::OwnBundle {
                namespace,
                there,
                seen,
            } => self.own_bundle_seen(namespace, there, seen),
            Happening::FormerGone => self.former_devices_gone(),
            Happening::OwnerLists(lists) => self.owner_lists(&lists),
            Happening::Pushed(is_pushed) => {
                self.life.is_pushed |= is_pushed;
                Ok(())
            }
            Happening::FirstCursor(id) => self.first_cursor(id),
            Happening::NotDurable(what) => Err(anyhow::anyhow!(
                "the data drive did not take what was written ({what})"
            )),
            Happening::Settled => {
                service::status("online");
                self.show_state();
                Ok(())
            }
            Happening::Client { jid, client } => self.client_known(jid, client),
            Happening::Published { ok } => {
                self.life.publication.ended(ok);
                Ok(())
            }
            Happening::Bundle {
                namespace,
                address,
                bundle,
            } => self.bundle(namespace, address, bundle),
        }
    }

    fn woke(&mut self) -> anyhow::Result<()> {
        self.keeper.set_local_time(clock::ahead_of_utc());
        self.publish_if_due();
        self.watch_drive()?;
        self.look_after_device()?;
        self.retry_bundles()?;
        self.handle(Input::Woke)
    }

    fn wake_at(&self) -> Instant {
        // Looked at anew at least this often, so that a changed clock delays nothing for long.
        const LONGEST: Duration = Duration::from_secs(60);
        const DRIVE: Duration = Duration::from_secs(5);
        let mut wait = if self.keeper.waits_for_the_drive() {
            DRIVE
        } else {
            LONGEST
        };
        if let Some(at) = self.keeper.next_tick() {
            let seconds = u64::try_from(at.saturating_sub(moment().steady)).unwrap_or(0);
            wait = wait.min(clock::span(seconds.max(1)));
        }
        if let Some(at) = self.keeper.next_wake() {
            let seconds = u64::try_from(at.saturating_sub(now())).unwrap_or(0);
            // A retry that is due and cannot be started (all fetches are busy) must not spin.
            wait = wait.min(Duration::from_secs(seconds.max(1)));
        }
        let mut at = Instant::now() + wait;
        let device = [self.life.publication.due_at(), self.retry_at()];
        if let Some(due) = device.into_iter().flatten().min()
            && self.online
        {
            let seconds = u64::try_from(due.saturating_sub(moment().steady)).unwrap_or(0);
            at = at.min(Instant::now() + clock::span(seconds.max(1)));
        }
        at
    }

    fn came_online(&mut self, fresh: bool, peer: Option<SocketAddr>) -> anyhow::Result<()> {
        self.online = true;
        self.transfer
            .set_live_server(peer.map(|address| address.ip()));
        log::info!(
            "online ({})",
            if fresh { "a new stream" } else { "resumed" }
        );
        worked::works(&mut self.state, &self.config.account)?;
        if fresh {
            self.catch_up = CatchUp::Behind;
            self.life.is_pushed = false;
            self.clients.clear();
            self.under_way.clear();
        }
        if self.catch_up == CatchUp::Behind {
            // Also where a stream broke before it was settled, and was resumed.
            self.settle()?;
        } else {
            self.send_outbox()?;
        }
        if let Some(starts) = self.starts.came_up() {
            self.handle(Input::Machine(Heard::Recovered { starts }))?;
        }
        self.tell_unread()?;
        self.handle(Input::Online)
    }

    fn went_offline(&mut self) {
        self.online = false;
        self.transfer.set_live_server(None);
        if let Some(settling) = self.settling.take() {
            settling.abort();
        }
    }

    /// Ends everything that runs, within [`STOP_SECONDS`].
    async fn stop(mut self) {
        service::stopping();
        self.starts.forget();
        for (_, task) in self.receiving.drain(..) {
            task.abort();
        }
        if let Some(settling) = self.settling.take() {
            settling.abort();
        }
        if let Some(vault) = self.vault.take() {
            vault.process.kill();
        }
        let stopped = tokio::time::timeout(Duration::from_secs(STOP_SECONDS), self.link.stop());
        if stopped.await.is_err() {
            log::warn!("the stream did not close in time");
        }
    }
}

async fn tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

/// Returns the seconds since 1970; 0 for a clock that stands before.
fn now() -> i64 {
    seconds(clock::now())
}

/// Returns what both clocks show.
fn moment() -> Moment {
    Moment {
        wall: now(),
        steady: clock::steady(),
    }
}

fn seconds(at: SystemTime) -> i64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

fn omemo_now() -> u64 {
    u64::try_from(now()).unwrap_or(0)
}
