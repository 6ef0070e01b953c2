//! What the service manager has run when the daemon does not start: the card and the lamp say so.

use std::{io::Read, path::PathBuf};

use super::first_boot::partition;
use crate::lamp::{self, Sign};

/// The most that is read of what the daemon said.
const MAX_BYTES: u64 = 4096;
/// The exit status of a daemon whose settings or password a person has to mend.
const TO_BE_MENDED: &str = "78";
/// What stands in the error of a state that a newer program wrote ([`crate::state::StateError`]).
const OF_NEWER: &str = "written by a newer Strongroom";

/// What `strongroom trouble` is told.
#[derive(Debug, clap::Args)]
pub struct Trouble {
    /// The card's small partition, mounted
    #[arg(long, value_name = "FOLDER", default_value = "/boot/firmware")]
    pub boot: PathBuf,
    /// The pipe to the lamp
    #[arg(long, value_name = "PIPE")]
    pub lamp: Option<PathBuf>,
    /// The exit status that the daemon ended with
    #[arg(long, value_name = "NUMBER", default_value = "")]
    pub status: String,
}

/// Writes the status file, with what the daemon `said` last.
///
/// # Errors
///
/// The partition's. A machine without one, or without a lamp, is none.
pub fn trouble(told: &Trouble, said: impl Read) -> anyhow::Result<()> {
    if let Some(pipe) = &told.lamp
        && let Err(error) = lamp::say(pipe, Sign::Trouble)
    {
        log::debug!("the lamp was not told: {error}");
    }
    let mut bytes = Vec::new();
    said.take(MAX_BYTES).read_to_end(&mut bytes)?;
    if !told.boot.is_dir() {
        log::info!("there is no {} to write to", told.boot.display());
        return Ok(());
    }
    partition::tell(
        &told.boot,
        &words(&told.status, &String::from_utf8_lossy(&bytes)),
    )
}

fn words(status: &str, said: &str) -> String {
    let (happened, next) = if status == TO_BE_MENDED && said.contains(OF_NEWER) {
        (
            "The vault does not start: a newer Strongroom was here before this one. Nothing was changed.",
            "Put the newer package (strongroom_NEW_arm64.deb) back onto this partition and switch on \
             again. Settings, password and card are in order: set nothing up anew.",
        )
    } else if status == TO_BE_MENDED {
        (
            "The vault does not start: its settings or its password cannot be used.",
            "It does not try again by itself. Put a new strongroom.toml here with what is right, and \
             switch on again.",
        )
    } else {
        (
            "The vault did not start three times in a row.",
            "It goes on trying. If it answers you in the chat, this is over. If not, \
             switch it off and on; if the card is damaged, flash a new one and use \"strongroom \
             recover\": your files are on the drive.",
        )
    };
    let said = match said.trim() {
        "" => "Nothing.",
        said => said,
    };
    format!("Strongroom: IN TROUBLE\n\n{happened} What it said last:\n\n{said}\n\n{next}\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_card_says_what_happened_and_what_to_do() {
        let boot = tempfile::TempDir::new().unwrap();
        let mut told = Trouble {
            boot: boot.path().to_owned(),
            lamp: Some(boot.path().join("no pipe")),
            status: "1".to_owned(),
        };
        let read = || fs::read_to_string(boot.path().join(partition::STATUS)).unwrap();

        trouble(&told, "the state could not be read\n".as_bytes()).unwrap();
        let crashed = read();
        told.status = "78".to_owned();
        trouble(&told, "not-authorized".repeat(1000).as_bytes()).unwrap();
        let refused = read();

        assert!(crashed.contains("three times") && crashed.contains("the state could not be read"));
        assert!(refused.contains("password") && refused.contains("a new strongroom.toml"));
        assert!(refused.len() < 5000);
    }

    #[test]
    fn after_a_newer_program_the_card_asks_for_that_one_and_not_for_settings() {
        let refusal = crate::state::StateError::TooNew {
            found: 900,
            newest: 1,
        };

        let newer = words(TO_BE_MENDED, &refusal.to_string());
        let settings = words(TO_BE_MENDED, "not-authorized");

        assert!(newer.contains("newer package") && newer.contains("Nothing was changed"));
        assert!(!newer.contains("strongroom.toml") && !newer.contains("password cannot"));
        assert!(settings.contains("a new strongroom.toml") && !settings.contains("newer"));
    }

    #[test]
    fn a_machine_without_such_a_card_is_no_mistake() {
        let told = Trouble {
            boot: PathBuf::from("/nowhere/at all"),
            lamp: None,
            status: String::new(),
        };

        assert!(trouble(&told, "".as_bytes()).is_ok());
    }
}
