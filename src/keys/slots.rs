//! `key add`, `list`, `rename` and `revoke`.

use std::{
    io::{self, Write as _},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context as _, bail, ensure};
use chrono::{DateTime, Utc};
use vault::{
    KeyFile, OpenVault, SlotId, SlotSecret, ask,
    slot::{MAX_SLOT_NAME_BYTES, SlotKind, SlotLabel},
};

use super::{
    Add, card,
    custodian::{self, Custodian},
    stick,
};
use crate::{config::Config, crash};

pub(super) fn add(config: &Config, add: &Add) -> anyhow::Result<()> {
    let folder = &add.folder;
    ensure!(
        folder.is_dir(),
        "there is no folder {}; mount the stick there first",
        folder.display()
    );
    if !add.trial {
        stick::check_disk(config, folder, "the key")?;
    }
    let there = custodian::read_key_file(folder).with_context(|| {
        format!(
            "the stick at {} holds a file that is no whole key; move it away first",
            folder.display()
        )
    })?;
    let opened = custodian::open(config, &add.custodian)?;
    let vault = &opened.vault;
    check_name(vault, &add.name)?;
    check_stick(vault, folder, there.as_ref())?;
    let passphrase = match add.passphrase {
        true => Some(ask::new_passphrase(stick::MIN_PASSPHRASE_LETTERS)?),
        false => None,
    };
    let mut rng = getrandom::SysRng;
    let secret = SlotSecret::generate(&mut rng)?;
    // The stick first: one that opens nothing yet can simply be written again.
    stick::write(
        folder,
        vault.folder().vault_id(),
        &secret,
        passphrase.as_ref(),
    )?;
    crash::point("stick written");
    vault
        .add_slot(&secret, &add.name, &mut rng, SystemTime::now())
        .context("while giving the stick its way in")?;
    crash::point("slot added");
    card::keep(&config.vault.system, vault)?;
    writeln!(
        io::stdout().lock(),
        "\"{}\" opens the vault from now on. Nothing else on the stick was touched. Keep it \
         elsewhere than the other one.",
        add.name
    )?;
    Ok(())
}

/// Refuses a stick that is a key already: of another vault, or of this one.
fn check_stick(vault: &OpenVault, folder: &Path, there: Option<&KeyFile>) -> anyhow::Result<()> {
    let Some(there) = there else {
        return Ok(());
    };
    ensure!(
        there.vault() == vault.folder().vault_id(),
        "the stick at {} is the key of another vault; use another stick",
        folder.display()
    );
    let slots = vault.slots().context("while reading the slot records")?;
    if let Some((_, label)) = slots.iter().find(|(slot, _)| slot == there.slot()) {
        bail!(
            "this stick opens the vault already, as \"{}\"",
            name_of(label.as_ref())
        );
    }
    // A key of this vault that opens nothing: revoked, or left by a command that was cut short.
    Ok(())
}

pub(super) fn list(config: &Config, custodian: &Custodian) -> anyhow::Result<()> {
    let opened = custodian::open(config, custodian)?;
    print_list(&opened.vault, &mut io::stdout().lock())
}

/// Prints all that opens the vault, the eldest first.
pub(crate) fn print_list(vault: &OpenVault, out: &mut impl io::Write) -> anyhow::Result<()> {
    let mut slots = vault.slots().context("while reading the slot records")?;
    // Set-up makes stick and words at one time.
    let place = |label: &SlotLabel| (label.created_at, label.kind != SlotKind::Stick);
    slots.sort_by_key(|(slot, label)| (label.as_ref().map(place), *slot));
    let width = slots
        .iter()
        .map(|(_, label)| name_of(label.as_ref()).chars().count())
        .max()
        .unwrap_or_default()
        .max(4);
    writeln!(out, "{:<width$}  kind   since", "name")?;
    for (slot, label) in &slots {
        let kind = label.as_ref().map_or("?", |label| kind_of(label.kind));
        let since = label.as_ref().and_then(|label| label.created_at);
        let since = since.map_or_else(
            || "?         ".to_owned(),
            |at| DateTime::<Utc>::from(at).format("%Y-%m-%d").to_string(),
        );
        let used = if slot == vault.opened_by().0 {
            "  (used just now)"
        } else {
            ""
        };
        let name = name_of(label.as_ref());
        writeln!(out, "{name:<width$}  {kind:<5}  {since}{used}")?;
    }
    Ok(())
}

fn name_of(label: Option<&SlotLabel>) -> String {
    label.map_or_else(
        || "not made by this vault".to_owned(),
        |label| label.name.chars().filter(|it| !it.is_control()).collect(),
    )
}

fn kind_of(kind: SlotKind) -> &'static str {
    match kind {
        SlotKind::Stick => "stick",
        SlotKind::Words => "words",
        SlotKind::Code => "code",
        SlotKind::Other | _ => "other",
    }
}

pub(super) fn rename(
    config: &Config,
    custodian: &Custodian,
    name: &str,
    new_name: &str,
) -> anyhow::Result<()> {
    let opened = custodian::open(config, custodian)?;
    let vault = &opened.vault;
    let (slot, _) = find(vault, name)?;
    check_name(vault, new_name)?;
    vault
        .rename_slot(&slot, new_name)
        .context("while renaming the key")?;
    crash::point("slot renamed");
    card::keep(&config.vault.system, vault)?;
    writeln!(
        io::stdout().lock(),
        "\"{name}\" is called \"{new_name}\" now."
    )?;
    Ok(())
}

/// Refuses a name that is taken, or that could not be shown or kept.
pub(crate) fn check_name(vault: &OpenVault, name: &str) -> anyhow::Result<()> {
    ensure!(
        !name.trim().is_empty() && name.trim() == name && !name.contains(char::is_control),
        "a key's name needs letters, and no spaces around them"
    );
    ensure!(
        name.len() <= MAX_SLOT_NAME_BYTES,
        "the name is too long: {MAX_SLOT_NAME_BYTES} bytes are kept"
    );
    let slots = vault.slots().context("while reading the slot records")?;
    ensure!(
        !slots
            .iter()
            .any(|(_, label)| label.as_ref().is_some_and(|label| label.name == name)),
        "there is a key called \"{name}\" already; choose another name"
    );
    Ok(())
}

/// Returns a name that no key has: the wished one, or one with a number behind.
pub(crate) fn free_name(vault: &OpenVault, wished: &str) -> anyhow::Result<String> {
    let slots = vault.slots().context("while reading the slot records")?;
    let taken: Vec<String> = slots
        .into_iter()
        .filter_map(|(_, label)| Some(label?.name))
        .collect();
    let mut names = (2..=taken.len() + 2).map(|number| format!("{wished} {number}"));
    if !taken.iter().any(|name| name == wished) {
        return Ok(wished.to_owned());
    }
    let free = names.find(|name| !taken.contains(name));
    free.context("every name is taken")
}

fn find(vault: &OpenVault, name: &str) -> anyhow::Result<(SlotId, SlotLabel)> {
    let slots = vault.slots().context("while reading the slot records")?;
    let mut found = slots
        .into_iter()
        .filter_map(|(slot, label)| Some((slot, label?)))
        .filter(|(_, label)| label.name == name);
    let first = found.next();
    ensure!(
        found.next().is_none(),
        "more than one key is called \"{name}\"; rename one of them first"
    );
    first.with_context(|| {
        format!("no key is called \"{name}\"; \"strongroom key list\" shows their names")
    })
}

pub(super) fn revoke_named(
    config: &Config,
    custodian: &Custodian,
    name: &str,
) -> anyhow::Result<()> {
    let mut opened = custodian::open(config, custodian)?;
    let (slot, label) = find(&opened.vault, name)?;
    let rest = opened
        .vault
        .slots()
        .context("while reading the slot records")?;
    let lasting = |kind| matches!(kind, SlotKind::Stick | SlotKind::Words);
    ensure!(
        rest.iter()
            .any(|(it, label)| *it != slot && label.as_ref().is_some_and(|it| lasting(it.kind))),
        "this is the last stick and there are no words; make a spare with \"strongroom key add\" \
         before you revoke it"
    );
    let code = label.kind == SlotKind::Code;
    revoke(config, &mut opened.vault, &slot)?;
    if code {
        super::code::forget_pepper(config)?;
    }
    report(&opened.vault, name)
}

/// Begins a new epoch without this slot, on the drive first and then on the card.
pub(super) fn revoke(config: &Config, vault: &mut OpenVault, slot: &SlotId) -> anyhow::Result<()> {
    // Held until the new epoch is there, so that nobody opens the vault in between.
    let index = custodian::open_index(vault)?;
    vault
        .revoke(slot, &mut getrandom::SysRng)
        .context("while revoking the key")?;
    crash::point("epoch begun");
    card::keep(&config.vault.system, vault)?;
    drop(index);
    // The index gets its new key now, and not when somebody waits for a file.
    custodian::open_index(vault).map(drop)?;
    crash::point("index made anew");
    Ok(())
}

fn report(vault: &OpenVault, name: &str) -> anyhow::Result<()> {
    let older = vault::reseal::survey_older(vault)?.of_blobs;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "\"{name}\" opens no file of this drive any more. The other keys open everything, as \
         before.\n\n\
         What it still opens: copies of the drive that were made until now, such as backups.\n\
         {older} stored files have the keys they had. Whoever copied both this key and the drive's \
         folder\n\"epochs\" before could open those on this drive too, until \"strongroom key \
         reseal\" gives them fresh keys.\n\n\
         A running daemon takes the change in when the vault is opened next, or at once with: \
         pkill -HUP -x strongroom"
    )?;
    Ok(())
}
