//! `key code`: a code that opens the vault from chat, with its other half on the system card.

use std::{
    fs,
    io::{self, Write as _},
    time::SystemTime,
};

use anyhow::{Context as _, bail};
use vault::{OpenVault, Pepper, PepperFile, SlotId, SlotSecret, UnlockCode, slot::SlotKind};

use super::{
    card::{self, PEPPER_FILE},
    custodian::{self, Custodian},
    slots,
};
use crate::{config::Config, crash, state::write_private};

/// The name of the code's slot.
const CODE_NAME: &str = "unlock code";

pub(super) fn make(config: &Config, custodian: &Custodian) -> anyhow::Result<()> {
    let opened = custodian::open(config, custodian)?;
    let vault = &opened.vault;
    if code_slot(vault)?.is_some() {
        bail!(
            "there is an unlock code already; remove it first with \"strongroom key code --remove\""
        );
    }
    let mut rng = getrandom::SysRng;
    let id = *vault.folder().vault_id();
    let code = UnlockCode::generate(&mut rng)?;
    let pepper = Pepper::generate(&mut rng)?;
    let secret = SlotSecret::from_code(&code, &pepper, &id)?;
    let file = PepperFile {
        vault: id,
        slot: secret.slot_id(),
        pepper,
    };
    let name = slots::free_name(vault, CODE_NAME)?;
    // The pepper first: without it the slot could not be opened.
    write_private(&config.vault.system.join(PEPPER_FILE), &file.to_bytes())
        .context("while writing the code's other half to the system card")?;
    crash::point("pepper kept");
    vault
        .add_slot_of(SlotKind::Code, &secret, &name, &mut rng, SystemTime::now())
        .context("while giving the code its way in")?;
    crash::point("slot added");
    card::keep(&config.vault.system, vault)?;
    writeln!(
        io::stdout().lock(),
        "UNLOCK CODE. It is shown this once:\n\n    {}\n\n\
         It opens the vault together with this system card, and nothing without it. Sent in chat, \
         it stays in\nthe phone's history: delete that message afterwards.",
        *code.expose_to_owner()
    )?;
    Ok(())
}

pub(super) fn remove(config: &Config, custodian: &Custodian) -> anyhow::Result<()> {
    let mut opened = custodian::open(config, custodian)?;
    let slot = code_slot(&opened.vault)?;
    if let Some(slot) = slot {
        slots::revoke(config, &mut opened.vault, &slot)?;
    }
    forget_pepper(config)?;
    let text = match slot {
        Some(_) => "The code opens nothing any more.",
        None => "There was no unlock code.",
    };
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

/// Removes the code's other half from the system card.
///
/// # Errors
///
/// The card's.
pub fn forget_pepper(config: &Config) -> anyhow::Result<()> {
    card::remove_for_good(&config.vault.system.join(PEPPER_FILE))
        .context("while removing the code's other half from the system card")
}

fn code_slot(vault: &OpenVault) -> anyhow::Result<Option<SlotId>> {
    let slots = vault.slots().context("while reading the slot records")?;
    let mut codes = slots.into_iter().filter(|(_, label)| {
        label
            .as_ref()
            .is_some_and(|label| label.kind == SlotKind::Code)
    });
    Ok(codes.next().map(|(slot, _)| slot))
}

/// Reads the code's other half from the system card; `None` if there is no code.
///
/// # Errors
///
/// When it is damaged, or the card fails.
pub fn pepper(config: &Config) -> anyhow::Result<Option<PepperFile>> {
    match fs::read(config.vault.system.join(PEPPER_FILE)) {
        Ok(bytes) => Ok(Some(PepperFile::from_bytes(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context("while reading the code's other half"),
    }
}
