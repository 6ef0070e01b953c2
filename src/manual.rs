//! Manual pages and completions for shells, made from the command lines' own definitions.
//!
//! Knows nothing of what the commands do. The package is made with it.

use std::{io, path::Path};

use clap::CommandFactory as _;
use clap_complete::Shell;

/// Writes the pages and completions of `ours` and of the rescue tool to a folder.
///
/// # Errors
///
/// The folder's.
pub fn write(folder: &Path, ours: clap::Command) -> io::Result<()> {
    for mut line in [ours, vault::line::Line::command()] {
        let name = line.get_name().to_owned();
        // First: completions know of "help", which needs no page.
        clap_mangen::generate_to(line.clone(), folder)?;
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            clap_complete::generate_to(shell, &mut line, &name, folder)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn every_command_that_is_shown_has_a_page_and_a_hidden_one_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let ours = clap::Command::new("strongroom")
            .subcommand(clap::Command::new("init").about("Make a vault"))
            .subcommand(clap::Command::new("vault-process").hide(true));

        write(folder.path(), ours).unwrap();

        let has = |name: &str| folder.path().join(name).exists();
        assert!(has("strongroom.1") && has("strongroom-init.1"));
        assert!(has("strongroom-rescue.1") && has("strongroom-rescue-extract.1"));
        assert!(!has("strongroom-vault-process.1") && !has("strongroom-help.1"));
        for name in ["strongroom.bash", "strongroom.fish", "_strongroom-rescue"] {
            assert!(has(name), "{name}");
        }
        let page = fs::read_to_string(folder.path().join("strongroom-init.1")).unwrap();
        assert!(page.contains("Make a vault"), "{page}");
    }
}
