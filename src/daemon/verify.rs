//! Checks: what the keeper wants of the vault process, and what the vault process says of them;
//! and the look at a locked vault, which needs no vault process.

use vault::{BlobId, VaultFolder, check};

use super::{Daemon, Happening};
use crate::{
    keeper::{
        Input,
        verify::{self as keeper, Act, Heard, Outside},
    },
    vault_process::{
        Order, Row, Word,
        verify::{End, Fault, Scope, Tally},
    },
};

impl Daemon {
    /// Does what the keeper wants about checks. Without a vault process there is nothing to do: the
    /// keeper hears that the vault is locked.
    pub(super) fn verify(&mut self, act: Act) {
        let order = match act {
            Act::Begin { run, scope } => Order::Verify {
                run,
                scope: match scope {
                    keeper::Scope::All => Scope::All,
                    keeper::Scope::Sample(count) => Scope::Sample(count),
                    keeper::Scope::One(number) => Scope::One(number),
                },
                bytes_per_second: self.config.verify.bytes_per_second,
            },
            Act::Stop => Order::StopVerify,
            Act::Told { numbers, all } => Order::DamageTold { numbers, all },
            Act::LookOutside => return self.look_outside(),
        };
        if let Some(vault) = &self.vault {
            vault.process.order(order);
        }
    }

    /// Takes in what the vault process says of checks.
    pub(super) fn checked(&mut self, word: Word) -> anyhow::Result<()> {
        let heard = if let Word::Checking { run, tally } = word {
            progress(run, tally)
        } else if let Word::Checked { run, tally, end } = word {
            ended(run, tally, end)
        } else if let Word::Damage { rows, more, total } = word {
            damage(rows, more, total)
        } else {
            return Ok(());
        };
        self.handle(Input::Verify(heard))
    }

    /// Looks at what can be seen of a locked vault, on a thread where nothing waits for it.
    fn look_outside(&self) {
        let folder = self.config.vault.folder.clone();
        let waiting: Vec<BlobId> = self
            .keeper
            .waiting_blobs()
            .into_iter()
            .map(BlobId::from_bytes)
            .collect();
        let tell = self.tell.clone();
        tokio::task::spawn_blocking(move || {
            let seen = VaultFolder::open(&folder)
                .map_err(|error| error.to_string())
                .and_then(|folder| {
                    check::check_outside(&folder, &waiting, |_| true)
                        .map_err(|error| error.to_string())
                });
            let seen = match seen {
                Ok(seen) => Some(outside(&seen)),
                Err(error) => {
                    log::warn!("the locked vault could not be looked at: {error}");
                    None
                }
            };
            // The loop is gone only when the daemon stops.
            let _ = tell.send(Happening::Input(Input::Verify(Heard::Outside(seen))));
        });
    }
}

fn outside(seen: &check::Outside) -> Outside {
    for blob in seen.strange.iter().chain(&seen.unreadable) {
        log::warn!("blob {blob} does not look as it should");
    }
    let count = |list: &[BlobId]| list.len() as u64;
    Outside {
        files: seen.blobs,
        bytes: seen.bytes,
        strange: count(&seen.strange),
        unreadable: count(&seen.unreadable),
        missing: count(&seen.missing),
        set_aside: seen.set_aside,
        slots: seen.slots,
        damaged_records: seen.damaged_slots + seen.broken_epochs.len() as u64,
    }
}

fn progress(run: u64, counted: Tally) -> Heard {
    let tally = tally(counted);
    Heard::Progress { run, tally }
}

fn ended(run: u64, counted: Tally, end: End) -> Heard {
    log::info!(
        "a check ended ({end:?}): {} of {} files, {} damaged",
        counted.checked,
        counted.of,
        counted.damaged
    );
    Heard::Ended {
        run,
        tally: tally(counted),
        whole: end == End::Whole,
    }
}

fn damage(rows: Vec<(Row, Fault)>, more: u64, total: u64) -> Heard {
    let files = rows
        .into_iter()
        .map(|(row, fault)| {
            let fault = match fault {
                Fault::Missing => keeper::Fault::Missing,
                Fault::Unsound => keeper::Fault::Unsound,
                Fault::Unreadable => keeper::Fault::Unreadable,
                Fault::Differs => keeper::Fault::Differs,
            };
            (super::send::line(row), fault)
        })
        .collect();
    Heard::Damage { files, more, total }
}

fn tally(counted: Tally) -> keeper::Tally {
    let Tally {
        checked,
        of,
        bytes,
        damaged,
    } = counted;
    keeper::Tally {
        checked,
        of,
        bytes,
        damaged,
    }
}
