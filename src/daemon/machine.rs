//! What the owner wants of the machine is carried out: an end that begins anew, a request to switch
//! off, a data drive that is let go of; and what is shown of it.

use std::{fs, io, path::Path};

use super::{Daemon, Happening};
use crate::{
    config::Config,
    keeper::{
        Input,
        machine::{Errand, Heard},
        reply::{IntakeFailure, SHOWN_LOCKED, SHOWN_OPEN},
        storage::DriveTrouble,
    },
    lamp::Sign,
};

/// The file in the folder of requests that asks for the machine to be switched off.
const POWER_OFF: &str = "poweroff";

impl Daemon {
    pub(super) fn errand(&mut self, errand: Errand) {
        match errand {
            Errand::Restart => self.begins_anew = true,
            Errand::Off => {
                if let Err(error) = request(&self.config, POWER_OFF) {
                    log::error!("nobody could be asked to switch the machine off: {error}");
                    self.report(Happening::Input(Input::Machine(Heard::NotOff)));
                }
            }
            Errand::Eject => self.eject(),
            Errand::TakeBack => {
                self.drive.take_back();
                // What has changed is told.
                let _ = self.look_at_drive();
            }
        }
    }

    /// Returns what a lamp is to show.
    pub(super) fn sign(&self) -> Sign {
        let trouble = self.drive.seen.and_then(|seen| seen.trouble);
        let is_sending = |it: &super::Vault| it.sending.is_some();
        if trouble.is_some_and(|it| it != DriveTrouble::Ejected) {
            Sign::Trouble
        } else if self.receiving.iter().any(|(_, task)| !task.is_finished())
            || self.vault.as_ref().is_some_and(is_sending)
        {
            Sign::Busy
        } else if self.keeper.is_open() {
            Sign::Open
        } else {
            Sign::Locked
        }
    }

    /// Shows whoever may see our presence whether the vault is open, if the owner allows it.
    pub(super) fn show_state(&self) {
        if self.config.chat.show_lock_state && self.online {
            self.link.show(if self.keeper.is_open() {
                SHOWN_OPEN
            } else {
                SHOWN_LOCKED
            });
        }
    }

    /// Breaks off what is being sealed, and has the drive write everything.
    fn eject(&mut self) {
        self.drive.eject();
        for (job, task) in self.receiving.drain(..) {
            if task.is_finished() {
                continue;
            }
            task.abort();
            let _ = self.tell.send(Happening::Input(Input::NotSealed {
                job,
                why: IntakeFailure::Drive(DriveTrouble::Ejected),
                transient: true,
            }));
        }
        // The keeper hears that the drive takes nothing.
        let _ = self.look_at_drive();
        let (folder, tell) = (self.config.vault.folder.clone(), self.tell.clone());
        tokio::task::spawn_blocking(move || {
            let heard = match sync(&folder) {
                Ok(()) => Heard::Ejected,
                Err(error) => {
                    log::error!("the data drive could not be synced: {error}");
                    Heard::NotEjected
                }
            };
            // The loop is gone only when the daemon stops.
            let _ = tell.send(Happening::Input(Input::Machine(heard)));
        });
    }
}

/// Has everything written that the file system of this folder still holds in memory. syncfs(2)
fn sync(folder: &Path) -> io::Result<()> {
    let folder = match fs::File::open(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        folder => folder?,
    };
    Ok(rustix::fs::syncfs(&folder)?)
}

/// Lays down a request for whoever may do what we may not.
fn request(config: &Config, name: &str) -> io::Result<()> {
    let Some(folder) = &config.commands.requests else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let file = fs::File::create(folder.join(name))?;
    file.sync_all()
}
