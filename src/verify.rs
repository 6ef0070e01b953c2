//! `strongroom verify`: checks a vault that the daemon does not use, from the command line.
//!
//! The same checks as by chat, without their modesty: as fast as the drive goes, and with a bar.
//! What is found is noted in the index, so that the daemon tells the owner of it afterwards.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use vault::{
    Index, OpenVault,
    check::{Damage, Outcome, check_entry},
    index::{EntryNumber, Pass},
    safe_name,
};

use crate::{
    config::Config,
    keys::custodian::{self, Custodian},
};

/// Exit status: something is damaged or missing.
const DAMAGED: u8 = 1;
/// Exit status: the vault could not be checked.
const NOT_CHECKED: u8 = 3;
/// Why it is not checked while the daemon runs.
const RUNNING: &str = "the daemon is running and uses the vault; send it \"verify\" in the chat, or \
                       stop it";
/// How often progress is saved.
const PULSE: Duration = Duration::from_secs(5);
/// Entries asked of the index at once.
const PAGE: usize = 500;

/// What `strongroom verify` is told.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// Check so many files only, drawn at random
    #[arg(long, value_name = "COUNT", conflicts_with = "number")]
    pub sample: Option<u32>,
    /// Check one file only
    #[arg(long, value_name = "NUMBER")]
    pub number: Option<u64>,
    /// Begin anew, and not where an earlier check of all files was cut short
    #[arg(long, conflicts_with_all = ["number", "sample"])]
    pub anew: bool,
    /// What opens the vault.
    #[command(flatten)]
    pub custodian: Custodian,
}

/// What was found.
#[derive(Default)]
struct Found {
    pass: Pass,
    damaged: Vec<(EntryNumber, Damage)>,
}

/// Checks, and returns 0 when all holds, 1 when something is damaged, 3 when it could not be
/// checked.
///
/// # Errors
///
/// When the drive or the index fails in the middle.
pub fn run(config: &Config, options: &Verify) -> anyhow::Result<ExitCode> {
    let opened = custodian::keep_daemon_away(config, RUNNING).and_then(|state| {
        let opened = custodian::open(config, &options.custodian)?;
        let index = custodian::open_index(&opened.vault)?;
        Ok((state, opened, index))
    });
    let (_state, opened, mut index) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            log::error!("{error:#}");
            return Ok(ExitCode::from(NOT_CHECKED));
        }
    };
    let found = check(&opened.vault, &mut index, options)?;
    let mut out = io::stdout().lock();
    for (number, damage) in &found.damaged {
        let entry = index.get(*number)?;
        let name = safe_name(entry.and_then(|it| it.metadata.name).as_deref());
        writeln!(out, "#{number} {name}: {}", words(*damage))?;
    }
    let Pass {
        checked, damaged, ..
    } = found.pass;
    let sound = checked.saturating_sub(damaged);
    let bytes = found.pass.bytes;
    writeln!(
        out,
        "{sound} of {checked} files hold in every byte, {bytes} bytes in all."
    )?;
    let elsewhere = index.damaged_count()?;
    if damaged > 0 || elsewhere > 0 {
        writeln!(
            out,
            "Damaged or missing altogether: {elsewhere}. Nothing was deleted; look for other \
             copies of these files, and check the drive."
        )?;
        return Ok(ExitCode::from(DAMAGED));
    }
    Ok(ExitCode::SUCCESS)
}

fn words(damage: Damage) -> &'static str {
    match damage {
        Damage::Missing => "missing.",
        Damage::Unreadable => "the drive fails to read it.",
        Damage::Differs => "whole, but the index says other things of it.",
        Damage::Unsound | _ => "damaged; what is left of it is in the vault's quarantine folder.",
    }
}

fn check(vault: &OpenVault, index: &mut Index, options: &Verify) -> anyhow::Result<Found> {
    let mut found = Found::default();
    if let Some(number) = options.number {
        let number = EntryNumber::new(number)
            .filter(|it| index.get(*it).is_ok_and(|entry| entry.is_some()))
            .with_context(|| format!("there is no #{number} in the vault"))?;
        check_numbers(vault, index, &[number], &mut found, &ProgressBar::hidden())?;
        return Ok(found);
    }
    if let Some(count) = options.sample {
        let mut random = || {
            let mut bytes = [0; 8];
            // Without randomness it is the same sample each time, and still one.
            let _ = getrandom::fill(&mut bytes);
            u64::from_le_bytes(bytes)
        };
        let drawn = index.draw(usize::try_from(count)?, &mut random)?;
        let bar = bar(drawn.len() as u64);
        check_numbers(vault, index, &drawn, &mut found, &bar)?;
        bar.finish_and_clear();
        return Ok(found);
    }
    if options.anew {
        index.save_pass(None)?;
    }
    found.pass = index.pass()?.unwrap_or_default();
    let bar = bar(index.totals()?.entries);
    bar.set_position(found.pass.checked);
    let mut saved_at = Instant::now();
    loop {
        let page = index.to_verify(found.pass.after, PAGE)?;
        if page.is_empty() {
            break;
        }
        for number in page {
            check_numbers(vault, index, &[number], &mut found, &bar)?;
            found.pass.after = Some(number);
            if saved_at.elapsed() >= PULSE {
                index.save_pass(Some(&found.pass))?;
                saved_at = Instant::now();
            }
        }
    }
    bar.finish_and_clear();
    index.save_pass(None)?;
    Ok(found)
}

fn check_numbers(
    vault: &OpenVault,
    index: &mut Index,
    numbers: &[EntryNumber],
    found: &mut Found,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    for number in numbers {
        let Some(entry) = index.verifiable(*number)? else {
            continue;
        };
        match check_entry(vault, &entry, |_| true)? {
            Outcome::Sound {
                bytes,
                at_second_reading,
            } => {
                if at_second_reading {
                    log::warn!(
                        "#{number} held only when it was read again: check cable and memory"
                    );
                }
                found.pass.bytes = found.pass.bytes.saturating_add(bytes);
                index.note_sound(*number)?;
            }
            Outcome::Damaged(damage) => {
                found.pass.damaged += 1;
                found.damaged.push((*number, damage));
                // Noted first and moved then: after a crash in between, the next check moves.
                index.note_damage(*number, damage, SystemTime::now())?;
                if damage == Damage::Unsound
                    && let Err(error) = vault.folder().set_aside(&entry.entry.blob_id)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    log::error!("#{number} could not be set aside: {error}");
                }
            }
            Outcome::Stopped | _ => {}
        }
        found.pass.checked += 1;
        bar.inc(1);
    }
    Ok(())
}

fn bar(files: u64) -> ProgressBar {
    let template = "{bar:30} {pos:>6} of {len} files  {eta:>4} left";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(files).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
