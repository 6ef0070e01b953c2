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
use vault::IntakeKey;

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
use import::{Kept, Place};

impl Daemon {
    /// Begins or ends something with a stick.
    pub(super) fn carry(&mut self, act: Act) {
        if act == Act::Stop {
            return self.carrying.store(true, Ordering::SeqCst);
        }
        let is_import = matches!(act, Act::Import { .. } | Act::Look(Wish::Import { .. }));
        if let Err(trouble) = is_import.then(|| self.look_at_drive()).transpose() {
            return self.not_carried(&act, trouble);
        }
        self.carrying = Arc::new(AtomicBool::new(false));
        let is_open = self.keeper.is_open();
        let vault = self.vault.as_ref().filter(|_| is_open);
        let work = Work {
            socket: self.config.commands.sticks.clone(),
            porter: vault.and_then(|it| it.process.porter().ok()),
            key: Arc::clone(&self.intake_key),
            stop: Arc::clone(&self.carrying),
            tell: self.tell.clone(),
        };
        let over = Over {
            tell: self.tell.clone(),
            is_look: matches!(act, Act::Look(_)),
        };
        thread::spawn(move || {
            let _over = over;
            work.act(act);
        });
    }

    /// Looks at the data drive for the next file of a stick.
    pub(super) fn place(&mut self) -> Result<Place, DriveTrouble> {
        let sealer = self.look_at_drive()?;
        let reserve = self.drive.seen.map_or(0, |seen| seen.reserve);
        let promised = self.drive.promised.load(Ordering::SeqCst);
        Ok(Place {
            sealer,
            reserve: reserve.saturating_add(promised),
        })
    }

    /// A file of a stick is sealed to this epoch; `saved` hears of it only if it may be kept.
    pub(super) fn brought(
        &mut self,
        brought: Box<Brought>,
        epoch: u32,
        saved: oneshot::Sender<()>,
    ) -> anyhow::Result<()> {
        // After a revocation nothing is kept under the old epoch.
        if self.look_at_drive().map(|it| it.epoch()) != Ok(epoch) {
            return Ok(());
        }
        let job = brought.job;
        self.handle(Input::Carry(News::Brought(brought)))?;
        crate::crash::point("vouched");
        if self.keeper.may_keep(&job) {
            // A thread that is gone does not need to know.
            let _ = saved.send(());
        }
        Ok(())
    }

    /// The data drive takes nothing.
    fn not_carried(&self, act: &Act, trouble: DriveTrouble) {
        let news = match act {
            Act::Look(_) => News::Refused(Box::new(Refused::Drive(trouble))),
            Act::Export { .. } | Act::Import { .. } | Act::Stop => {
                News::Ended(Ended::nothing(End::Drive(trouble)))
            }
        };
        self.report(Happening::Input(Input::Carry(news)));
    }
}

/// Says that it is over when the thread fails, so that nobody waits for it.
struct Over {
    tell: mpsc::UnboundedSender<Happening>,
    is_look: bool,
}

impl Drop for Over {
    fn drop(&mut self) {
        if !thread::panicking() {
            return;
        }
        let news = match self.is_look {
            true => News::Refused(Box::new(Refused::Failed)),
            false => News::Ended(Ended::nothing(End::Gone)),
        };
        say(&self.tell, news);
    }
}

/// What the thread has at hand.
struct Work {
    socket: Option<PathBuf>,
    porter: Option<Porter>,
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

    fn look(&mut self, wish: Wish) -> Result<(Stick, Amount, Wish), Refused> {
        let name = match &wish {
            Wish::Export { onto: name, .. } | Wish::Import { from: name } => name.clone(),
        };
        let held = self.hold(&Asked::to_look(name, matches!(wish, Wish::Export { .. })))?;
        let looked = match wish {
            Wish::Export { what, onto } => self.look_for_export(&held, what, onto),
            Wish::Import { .. } => {
                import::look(&held.folder, &self.stop).map(|amount| (amount, wish))
            }
        };
        let stick = held.stick.clone();
        held.let_go();
        let (amount, wish) = looked?;
        match self.stop.load(Ordering::SeqCst) {
            true => Err(Refused::Stopped),
            false => Ok((stick, amount, wish)),
        }
    }

    fn look_for_export(
        &mut self,
        held: &Held,
        what: Wanted,
        onto: Option<String>,
    ) -> Result<(Amount, Wish), Refused> {
        let porter = self.porter.as_mut().ok_or(Refused::Locked)?;
        let what = export::exactly(what, porter)?;
        let lot = dialogue::lot(what.clone());
        let amount = export::look(&held.folder, &held.stick, porter, &lot, &self.stop)?;
        Ok((amount, Wish::Export { what, onto }))
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
            None => Ended::nothing(End::Locked),
        };
        ended.is_free = held.let_go();
        News::Ended(ended)
    }

    fn import(&mut self, stick: &Choice, amount: &Amount, waiting: Vec<[u8; 32]>) -> News {
        let held = match self.hold(&Asked::very(stick, false)) {
            Ok(held) => held,
            Err(why) => return News::Refused(Box::new(why)),
        };
        let mut kept = Loop {
            tell: self.tell.clone(),
        };
        let into = import::Into {
            key: &self.key,
            now: crate::clock::now(),
        };
        let known = (self.porter.take(), waiting.into_iter().collect());
        let mut ended = import::run(&held.folder, &into, known, (&self.stop, amount), &mut kept);
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
    fn place(&mut self) -> Result<Place, DriveTrouble> {
        let (found, place) = oneshot::channel();
        // The loop is gone only when the daemon stops.
        let _ = self.tell.send(Happening::Place { found });
        place.blocking_recv().unwrap_or(Err(DriveTrouble::Failing))
    }

    fn vouched(&mut self, brought: Brought, epoch: u32) -> bool {
        let (saved, durable) = oneshot::channel();
        let happening = Happening::Brought {
            brought: Box::new(brought),
            epoch,
            saved,
        };
        let told = self.tell.send(happening).is_ok();
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
