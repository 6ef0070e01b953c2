//! `key reseal`: fresh keys for all stored files, with a bar that tells how far it is.

use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressStyle};
use vault::reseal;

use super::custodian::{self, Custodian};
use crate::{config::Config, crash};

pub(super) fn reseal(config: &Config, custodian: &Custodian) -> anyhow::Result<()> {
    let opened = custodian::open(config, custodian)?;
    let bar = ProgressBar::new(reseal::survey_older(&opened.vault)?.of_bytes);
    if let Ok(style) =
        ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} to go")
    {
        bar.set_style(style);
    }
    let done = reseal::reseal(&opened.vault, &mut getrandom::SysRng, |progress| {
        bar.set_position(progress.bytes);
        crash::point("resealing");
        true
    });
    bar.finish_and_clear();
    let done = done?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} files have fresh keys now.", done.blobs)?;
    if !done.left.is_empty() {
        writeln!(
            out,
            "{} files were left: they wait to be taken in. Open the vault once, and repeat this.",
            done.left.len()
        )?;
    }
    for (blob, error) in &done.unreadable {
        writeln!(out, "Not touched: {blob}: {error}.")?;
    }
    anyhow::ensure!(
        done.unreadable.is_empty(),
        "{} files do not open and were not touched; \"strongroom-rescue verify\" names them",
        done.unreadable.len()
    );
    Ok(())
}
