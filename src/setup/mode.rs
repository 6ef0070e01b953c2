//! The three ways to open a vault, as set-up explains and prepares them.

use std::path::Path;

use anyhow::Context as _;
use vault::{Pepper, PepperFile, SlotSecret, UnlockCode, VaultId};

use crate::{config::Mode, state::write_private};

/// Says what the chosen mode means, and what a thief gets by it.
pub(super) fn words(mode: Mode) -> &'static str {
    match mode {
        Mode::Drawer => {
            "HOW IT IS OPENED: drawer. Plug the key in when you want something back, and take it \
             out\nagain at once: keep it in a drawer, away from the Pi. The vault stays open until \
             you send\n\"lock\", or nobody used it for half an hour, or the power goes. Whoever \
             takes the Pi while it is\nlocked gets no file. Storing needs no key."
        }
        Mode::Presence => {
            "HOW IT IS OPENED: presence. The vault is open as long as the key is in, and locks at \
             once when\nyou pull it. A thief who takes the Pi with the key in it gets \
             everything: pull it when you\nleave. Storing needs no key."
        }
        Mode::Memory => {
            "HOW IT IS OPENED: from memory. No device holds a key. Send \"unlock\" and your code \
             in the chat,\nor type the recovery words at the Pi. The vault locks when you send \
             \"lock\", or nobody used it\nfor half an hour, or the power goes. The code works \
             with this system card only: if the card\nbreaks, only the words open the vault. \
             Storing needs no key."
        }
    }
}

/// The name of the first code's slot.
pub(super) const CODE_NAME: &str = "unlock code";

/// Draws an unlock code, and keeps the pepper that it needs on the system card.
pub(super) fn code_slot(
    vault: &VaultId,
    pepper_path: &Path,
) -> anyhow::Result<(SlotSecret, UnlockCode)> {
    let code = UnlockCode::generate(&mut getrandom::SysRng)?;
    let pepper = Pepper::generate(&mut getrandom::SysRng)?;
    let secret = SlotSecret::from_code(&code, &pepper, vault)?;
    let file = PepperFile {
        vault: *vault,
        slot: secret.slot_id(),
        pepper,
    };
    write_private(pepper_path, &file.to_bytes())
        .with_context(|| format!("while writing {}", pepper_path.display()))?;
    Ok((secret, code))
}
