//! What the owner does to kept files: every order may come twice and does the same as once.

use std::{
    collections::HashSet,
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use vault::{Entry, EntryNumber, Index, IndexError, Label, Relabelled};

use super::{Clerk, MAX_ROWS, Word, finding::seconds, limit, row};
use crate::vault_process::{EditAsk, Edited};

/// Most entries that one purge takes: all of them, as far as memory goes.
const MAX_PURGED: usize = 1_000_000;

impl Clerk {
    /// Does what the owner wants done to entries.
    pub(super) fn edit(&mut self, job: [u8; 32], ask: EditAsk) -> io::Result<()> {
        let edited = edit(&mut self.index, ask);
        match &edited {
            Ok(Edited::Labelled { .. } | Edited::Reverted { .. }) => crate::crash::point("edited"),
            Ok(Edited::Purged { count: 1.., .. }) => crate::crash::point("purged"),
            _ => {}
        }
        match edited {
            Ok(edited) => self.mouth.say(&Word::Edited { job, edited }),
            Err(error) => {
                log::error!("entries could not be changed: {error}");
                self.mouth.say(&Word::NoAnswer { job })?;
                // After a failed write the index takes no more: a new process opens it.
                Err(io::Error::other(error))
            }
        }
    }
}

fn edit(index: &mut Index, ask: EditAsk) -> Result<Edited, IndexError> {
    match ask {
        EditAsk::Look { ranges } => {
            let picked = pick(index, &ranges)?;
            Ok(Edited::Found {
                rows: picked.kept.iter().map(row).collect(),
                in_trash: numbers(&picked.in_trash),
                missing: picked.missing,
            })
        }
        EditAsk::Label { ranges, labels, at } => relabel(index, &ranges, &labels, at),
        EditAsk::Revert { steps, at } => revert(index, &steps, at),
        EditAsk::Trash { lines, at } => {
            let entries = index.trashed(None, limit(lines))?;
            let totals = index.totals()?;
            // The clock may have lost some seconds at a restart: what is shown is never younger.
            let newest = index.last_trashed_at()?.and_then(seconds).unwrap_or(at);
            let at = at.max(newest);
            let rows = entries.iter().map(|entry| (row(entry), trashed_at(entry)));
            Ok(Edited::Trash {
                rows: rows.collect(),
                count: totals.trashed,
                bytes: totals.trashed_bytes,
                at,
            })
        }
        EditAsk::Purge { until, most } => purge(index, until, most),
    }
}

struct Picked {
    kept: Vec<Entry>,
    in_trash: Vec<Entry>,
    missing: Vec<u64>,
}

/// Finds entries, each once, in the order asked for.
fn pick(index: &Index, ranges: &[(u64, u64)]) -> Result<Picked, IndexError> {
    let mut picked = Picked {
        kept: Vec::new(),
        in_trash: Vec::new(),
        missing: Vec::new(),
    };
    let mut seen = HashSet::new();
    for &(first, last) in ranges {
        let found: Vec<(u64, Option<Entry>)> = if first == 0 {
            let newest = index.last(usize::try_from(last).unwrap_or(0).min(MAX_ROWS))?;
            let newest = newest.into_iter();
            newest.map(|it| (it.number.get(), Some(it))).collect()
        } else {
            let each = (first..=last).take(MAX_ROWS).map(|number| {
                let entry = EntryNumber::new(number).map(|it| index.get(it));
                Ok((number, entry.transpose()?.flatten()))
            });
            each.collect::<Result<_, IndexError>>()?
        };
        for (number, entry) in found {
            if !seen.insert(number) {
                continue;
            }
            match entry {
                Some(entry) if entry.labels.trashed_at.is_some() => picked.in_trash.push(entry),
                Some(entry) => picked.kept.push(entry),
                None => picked.missing.push(number),
            }
        }
    }
    Ok(picked)
}

/// What lies in the trash is only taken out of it; all else wants it taken out first.
fn relabel(
    index: &mut Index,
    ranges: &[(u64, u64)],
    labels: &[Label],
    at: i64,
) -> Result<Edited, IndexError> {
    let Picked {
        mut kept,
        mut in_trash,
        missing,
    } = pick(index, ranges)?;
    if labels.iter().all(|it| matches!(it, Label::Trashed(_))) {
        kept.append(&mut in_trash);
    }
    let wanted: Vec<(EntryNumber, Label)> = kept
        .iter()
        .flat_map(|entry| labels.iter().map(|label| (entry.number, label.clone())))
        .collect();
    let steps = index.relabel(&wanted, time(at))?;
    Ok(Edited::Labelled {
        steps,
        numbers: numbers(&kept),
        in_trash: numbers(&in_trash),
        missing,
    })
}

fn revert(index: &mut Index, steps: &[Relabelled], at: i64) -> Result<Edited, IndexError> {
    let (mut wanted, mut reverted) = (Vec::new(), Vec::new());
    let (mut changed, mut missing) = (Vec::new(), Vec::new());
    for step in steps {
        let number = step.number.get();
        let Some(entry) = index.get(step.number)? else {
            missing.push(number);
            continue;
        };
        let now = step.is.of(&entry);
        if now.is_like(&step.is) {
            wanted.push((step.number, step.was.clone()));
        }
        // The second time it is as it was already.
        if now.is_like(&step.is) || now.is_like(&step.was) {
            reverted.push(number);
        } else {
            changed.push(number);
        }
    }
    index.relabel(&wanted, time(at))?;
    for list in [&mut reverted, &mut changed, &mut missing] {
        list.sort_unstable();
        list.dedup();
    }
    Ok(Edited::Reverted {
        numbers: reverted,
        changed,
        missing,
    })
}

fn purge(index: &mut Index, until: i64, most: Option<u64>) -> Result<Edited, IndexError> {
    let entries = index.trashed_until(time(until), MAX_PURGED)?;
    if most.is_some_and(|most| entries.len() as u64 > most) {
        return Ok(Edited::MoreThanShown);
    }
    let numbers: Vec<EntryNumber> = entries.iter().map(|it| it.number).collect();
    let bytes = entries.iter().map(|it| it.size).sum();
    let purged = index.purge(&numbers, time(until))?;
    Ok(Edited::Purged {
        count: purged.len() as u64,
        bytes,
    })
}

fn numbers(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|it| it.number.get()).collect()
}

fn trashed_at(entry: &Entry) -> i64 {
    entry.labels.trashed_at.and_then(seconds).unwrap_or(0)
}

fn time(seconds: i64) -> SystemTime {
    let seconds = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    UNIX_EPOCH.checked_add(seconds).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
