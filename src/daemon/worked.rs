//! Whether the account's settings have led to a login before: then a wrong certificate, or a server that
//! is none, is somebody on the way, and the attempts go on until they are gone.

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use crate::{config::Account, state::State};

/// The note that names the settings that worked.
const NOTE: &str = "account that worked";

/// Names the settings, so that changed ones have to prove themselves.
fn named(account: &Account) -> anyhow::Result<[u8; 32]> {
    let settings = toml::to_string(account).context("while naming the account's settings")?;
    Ok(Sha256::digest(settings).into())
}

/// Returns whether these settings have worked.
pub(super) fn has_worked(state: &mut State, account: &Account) -> anyhow::Result<bool> {
    let step = state.begin().context("while reading the state")?;
    Ok(step.note(NOTE)? == Some(named(account)?))
}

/// Notes that these settings work.
pub(super) fn works(state: &mut State, account: &Account) -> anyhow::Result<()> {
    if has_worked(state, account)? {
        return Ok(());
    }
    let step = state.begin().context("while beginning a step")?;
    step.set_note(NOTE, Some(&named(account)?))?;
    step.commit().context("while noting that the account works")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn account(server: Option<&str>) -> Account {
        Account {
            jid: "vault@example.org".to_owned(),
            password_file: PathBuf::from("password"),
            server: server.map(str::to_owned),
            direct_tls: false,
            ca_file: None,
            certificate_sha256: None,
            allow_plain: false,
        }
    }

    #[test]
    fn settings_have_worked_once_they_did_and_others_have_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = State::open(folder.path()).unwrap();
        assert!(!has_worked(&mut state, &account(None)).unwrap());

        works(&mut state, &account(None)).unwrap();
        works(&mut state, &account(None)).unwrap();

        assert!(has_worked(&mut state, &account(None)).unwrap());
        let moved = account(Some("192.0.2.7:5222"));
        assert!(!has_worked(&mut state, &moved).unwrap());
    }
}
