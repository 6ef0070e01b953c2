//! Files between the vault and a stick, on a thread of their own: whoever may mount it is asked for the
//! stick, which stays in nobody's tree, and gets it back before the owner may pull it.
//!
//! What is written comes from the vault process, straight into files that are opened here; what is read
//! is sealed here, with the public half alone.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::sync::{mpsc, oneshot};
use vault::{IntakeKey, Sealer};

use super::{Daemon, Happening, dialogue};
use crate::{
    keeper::{
        Input, JobId,
        carry::{Act, Amount, Brought, End, Ended, News, Refused, Stick, Wanted, Wish},
        evening::Choice,
        storage::DriveTrouble,
    },
    vault_process::porter::{Lot, Porter},
};

pub mod export;
mod files;
pub mod held;
pub mod import;

use held::{Asked, Held};
use import::Kept;

impl Daemon {
    /// Begins or ends something with a stick.
    pub(super) fn carry(&mut self, act: Act) {
        if act == Act::Stop {
            return self.carrying.store(true, Ordering::SeqCst);
        }
        let is_import = matches!(act, Act::Import { .. } | Act::Look(Wish::Import { .. }));
        let sealer = match is_import.then(|| self.look_at_drive()).transpose() {
            Ok(sealer) => sealer,
            Err(trouble) => return self.not_carried(&act, trouble),
        };
        self.carrying = Arc::new(AtomicBool::new(false));
        let is_open = self.keeper.is_open();
        let vault = self.vault.as_ref().filter(|_| is_open);
        let work = Work {
            socket: self.config.commands.sticks.clone(),
            porter: vault.and_then(|it| it.process.porter().ok()),
            sealer,
            reserve: self.drive.seen.map_or(0, |seen| seen.reserve),
            key: Arc::clone(&self.intake_key),
            stop: Arc::clone(&self.carrying),
            tell: self.tell.clone(),
        };
        thread::spawn(move || work.act(act));
    }

    /// The data drive takes nothing.
    fn not_carried(&self, act: &Act, trouble: DriveTrouble) {
        let news = match act {
            Act::Look(_) => News::Refused(Box::new(Refused::Drive(trouble))),
            Act::Export { .. } | Act::Import { .. } | Act::Stop => News::Ended(Ended {
                done: 0,
                there: 0,
                failed: 0,
                end: End::Drive(trouble),
                is_free: true,
            }),
        };
        self.report(Happening::Input(Input::Carry(news)));
    }
}

/// What the thread has at hand.
struct Work {
    socket: Option<PathBuf>,
    porter: Option<Porter>,
    sealer: Option<Arc<Sealer>>,
    /// Bytes of the data drive that stay free.
    reserve: u64,
    key: Arc<IntakeKey>,
    stop: Arc<AtomicBool>,
    tell: mpsc::UnboundedSender<Happening>,
}

impl Work {
    fn act(mut self, act: Act) {
        let news = match act {
            Act::Look(wish) => self.look(wish).map_or_else(
                |why| News::Refused(Box::new(why)),
                |found| News::Looked(Box::new(found)),
            ),
            Act::Export {
                what,
                stick,
                amount,
            } => self.export(what, &stick, &amount),
            Act::Import {
                stick,
                amount,
                waiting,
            } => self.import(&stick, &amount, waiting),
            Act::Stop => return,
        };
        say(&self.tell, news);
    }

    fn hold(&self, asked: &Asked) -> Result<Held, Refused> {
        let hold = |socket: &Path| Held::ask(socket, asked);
        self.socket.as_deref().map_or(Err(Refused::Failed), hold)
    }

    fn look(&mut self, wish: Wish) -> Result<(Stick, Amount), Refused> {
        let name = match &wish {
            Wish::Export { onto: name, .. } | Wish::Import { from: name } => name.clone(),
        };
        let held = self.hold(&Asked::to_look(name, matches!(wish, Wish::Export { .. })))?;
        let looked = match wish {
            Wish::Export { what, .. } => match &mut self.porter {
                Some(porter) => {
                    let lot = dialogue::lot(what);
                    export::look(&held.folder, &held.stick, porter, &lot, &self.stop)
                }
                None => Err(Refused::Locked),
            },
            Wish::Import { .. } => import::look(&held.folder, &self.stop),
        };
        let stick = held.stick.clone();
        held.let_go();
        let amount = looked?;
        match self.stop.load(Ordering::SeqCst) {
            true => Err(Refused::Stopped),
            false => Ok((stick, amount)),
        }
    }

    fn export(&mut self, what: Wanted, stick: &Choice, amount: &Amount) -> News {
        let held = match self.hold(&Asked::very(stick, true)) {
            Ok(held) => held,
            Err(why) => return News::Refused(Box::new(why)),
        };
        let tell = self.tell.clone();
        let lot: Lot = dialogue::lot(what);
        let mut ended = match &mut self.porter {
            Some(porter) => {
                let mut progress = |news| say(&tell, news);
                export::run(
                    (&held.folder, &held.stick),
                    porter,
                    (&lot, amount.newest),
                    &self.stop,
                    &mut progress,
                )
            }
            None => export::nothing(End::Locked),
        };
        ended.is_free = held.let_go();
        News::Ended(ended)
    }

    fn import(&mut self, stick: &Choice, amount: &Amount, waiting: Vec<[u8; 32]>) -> News {
        let held = match self.hold(&Asked::very(stick, false)) {
            Ok(held) => held,
            Err(why) => return News::Refused(Box::new(why)),
        };
        let mut ended = match self.sealer.clone() {
            Some(sealer) => {
                let mut kept = Loop {
                    tell: self.tell.clone(),
                };
                let into = import::Into {
                    sealer: &sealer,
                    key: &self.key,
                    reserve: self.reserve,
                    now: crate::clock::now(),
                };
                let known = (self.porter.take(), waiting.into_iter().collect());
                import::run(&held.folder, &into, known, (&self.stop, amount), &mut kept)
            }
            None => export::nothing(End::Drive(DriveTrouble::Failing)),
        };
        ended.is_free = held.let_go();
        News::Ended(ended)
    }
}

fn say(tell: &mpsc::UnboundedSender<Happening>, news: News) {
    // The loop is gone only when the daemon stops.
    let _ = tell.send(Happening::Input(Input::Carry(news)));
}

/// Tells the event loop what is kept.
struct Loop {
    tell: mpsc::UnboundedSender<Happening>,
}

impl Kept for Loop {
    fn vouched(&mut self, brought: Brought) -> bool {
        let (saved, durable) = oneshot::channel();
        let brought = Box::new(brought);
        let told = self
            .tell
            .send(Happening::Brought { brought, saved })
            .is_ok();
        told && durable.blocking_recv().is_ok()
    }

    fn sealed(&mut self, job: JobId) {
        let _ = self.tell.send(Happening::Input(Input::Sealed { job }));
    }

    fn news(&mut self, news: News) {
        say(&self.tell, news);
    }

    fn not_durable(&mut self, error: &io::Error) {
        let what = format!("finishing a blob: {error}");
        let _ = self.tell.send(Happening::NotDurable(what));
    }
}
