//! Recovery: a new system card and a new stick for a drive that is there, from the words or from
//! another stick.
//!
//! Everything comes back but the OMEMO identity, which is made anew on purpose: whoever has the old
//! card must not be able to speak for the vault.

use std::{
    io::{self, Write as _},
    path::Path,
    time::SystemTime,
};

use anyhow::{Context as _, ensure};
use vault::{Index, OpenVault, SlotSecret, VaultFolder, key::file::KEY_FILE_NAME};
use zeroize::Zeroizing;

use super::{
    Init, KEY_NAME, Undo, check_card, check_disks, check_settings, check_stick, config, furnish,
    passphrase, register, report_way_in,
};
use crate::{
    config::Config,
    daemon::start::own_address,
    keys::{
        card,
        custodian::{self, Custodian},
        slots, stick,
    },
};

/// What `strongroom recover` is told.
#[derive(Debug, clap::Args)]
pub struct Recover {
    /// The account, the drive and the new stick, as for "init"
    #[command(flatten)]
    pub init: Init,
    /// Open the vault with the stick mounted here instead of asking for the recovery words; if it
    /// is the one given with --key, it stays the vault's key device
    #[arg(long, value_name = "FOLDER")]
    pub with: Option<std::path::PathBuf>,
    /// Take in files that waited on the lost card; nobody can prove where they came from
    #[arg(long)]
    pub take_unproven: bool,
}

/// What recovering did with the stick that is to be the key device.
enum KeyDevice {
    /// It was written, under this name.
    New(String),
    /// It opened the vault, and stays as it is.
    Kept,
}

/// Makes a vault's drive usable again with a new system card, and prints what its owner has to know.
///
/// # Errors
///
/// What is in the way, and what to do. The stored files are not touched, and a key file that was
/// made is removed again.
pub fn recover(path: &Path, recover: Recover) -> anyhow::Result<()> {
    let Recover {
        mut init,
        with,
        take_unproven,
    } = recover;
    let trial = init.trial;
    let new_passphrase = passphrase(&init)?;
    check_settings(path)?;
    let new = register::prepare(&mut init)?;
    let mut config = config(init)?;
    config.check()?;
    check_card(&config)?;
    check_stick(&config.vault.key)?;
    let folder = VaultFolder::open(&config.vault.folder).with_context(|| {
        format!(
            "there is no vault in {}; name the folder on the old drive with --data",
            config.vault.folder.display()
        )
    })?;
    check_disks(&config, trial)?;
    let custodian = Custodian {
        words: with.is_none(),
        with,
    };
    let there = key_in_the_way(&config, &folder, &custodian)?;
    let secret = custodian::secret(&config.vault.key, &custodian, folder.vault_id())?;
    let vault =
        OpenVault::open(folder.path(), &secret, SystemTime::now()).map_err(custodian::explain)?;
    vault
        .finish_revocation()
        .context("while removing slot records of older epochs")?;
    let own = own_address(&config)?;
    let unproven = count_unproven(&vault, take_unproven)?;
    if let Some(new) = new {
        register::register(new, &mut config)?;
    }
    let key_path = config.vault.key.join(KEY_FILE_NAME);
    let mut undo = Undo { made: Vec::new() };
    let code = furnish(path, &config, &mut undo.made)?;
    let key = if there {
        KeyDevice::Kept
    } else {
        let new = SlotSecret::generate(&mut getrandom::SysRng)?;
        undo.made.push(&key_path);
        stick::write(
            &config.vault.key,
            folder.vault_id(),
            &new,
            new_passphrase.as_ref(),
        )?;
        let name = slots::free_name(&vault, KEY_NAME)?;
        vault
            .add_slot(&new, &name, &mut getrandom::SysRng, SystemTime::now())
            .context("while giving the new stick its way in")?;
        KeyDevice::New(name)
    };
    card::keep(&config.vault.system, &vault)?;
    undo.made.clear();
    report(path, &config, &vault, &key, &unproven, code.as_ref(), &own)
}

/// Tells whether the stick that is to be the key device is the one that opens the vault. Refuses
/// one that is any other key.
fn key_in_the_way(
    config: &Config,
    folder: &VaultFolder,
    custodian: &Custodian,
) -> anyhow::Result<bool> {
    let key = &config.vault.key;
    let Some(there) = custodian::read_key_file(key)? else {
        return Ok(false);
    };
    ensure!(
        there.vault() == folder.vault_id(),
        "the stick at {} is the key of another vault; use another stick",
        key.display()
    );
    ensure!(
        custodian.with.as_deref() == Some(key),
        "the stick at {} holds a key of this vault already: add --with {} to open the vault with \
         it, or use an empty stick",
        key.display(),
        key.display()
    );
    Ok(true)
}

/// Files that waited on the lost card for their entry: nobody can vouch for them now.
struct Unproven {
    count: u64,
    taken_in: bool,
}

fn count_unproven(vault: &OpenVault, take_in: bool) -> anyhow::Result<Unproven> {
    let now = SystemTime::now();
    let (mut index, _) = Index::open(vault, now).context("while opening the index")?;
    let found = index
        .unlisted(&[])
        .context("while looking for files that waited")?;
    let taken = take_in && found.count > 0;
    if taken {
        index
            .take_unlisted(&[], &found.digest, now)
            .context("while taking in files that waited")?;
    }
    Ok(Unproven {
        count: found.count,
        taken_in: taken,
    })
}

fn report(
    path: &Path,
    config: &Config,
    vault: &OpenVault,
    key: &KeyDevice,
    unproven: &Unproven,
    code: Option<&Zeroizing<String>>,
    (device, fingerprint): &(u32, String),
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "The vault is back. Its settings are in {}.\n",
        path.display()
    )?;
    match key {
        KeyDevice::New(name) => {
            writeln!(out, "The new stick is \"{name}\". What opens the vault:")?
        }
        KeyDevice::Kept => writeln!(out, "The stick stays its key. What opens the vault:")?,
    }
    writeln!(out)?;
    slots::print_list(vault, &mut out)?;
    writeln!(
        out,
        "\nIf one of these is lost, take its way in: strongroom key revoke NAME\n\
         If somebody may have the old system card, change the password of {} as well.",
        config.account.jid
    )?;
    if unproven.count > 0 {
        let what = if unproven.taken_in {
            "They are in the vault now: look at them before you trust them."
        } else {
            "They lie on the drive, and are not in the vault until you say so."
        };
        writeln!(
            out,
            "\n{} files had not been taken in before the card was lost, and nobody can prove \
             where they came\nfrom. {what}",
            unproven.count
        )?;
    }
    writeln!(
        out,
        "\nThe vault has a new encryption identity, on purpose. Remove the old one on your phone."
    )?;
    report_way_in(&mut out, path, config, code, (*device, fingerprint))
}
