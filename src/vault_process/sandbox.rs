//! The walls around the vault process: what it may still ask of the kernel once it holds secrets.
//!
//! Everything is refused that is not on the list below: no new socket, no program, no other
//! process, no file outside of the vault folder, no memory that can be written and executed.
//! Knows nothing of orders, keys or the index.
//!
//! ```text
//! at the start      dies with the daemon; stray descriptors closed; pages locked
//! before the key    landlock: the vault folder, no TCP, no foreign signal   (where the kernel has it)
//!                   seccomp:  the system calls of `filter`, the rest is EPERM
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, RestrictionStatus, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use rustix::{
    mm::MlockAllFlags,
    process::{Resource, Rlimit, Signal, geteuid, getrlimit, setrlimit},
};

mod filter;
#[cfg(feature = "peers")]
pub mod probe;

/// The newest landlock whose rules fit. The ninth would keep log lines from the journal's socket.
const NEWEST: ABI = ABI::V6;
/// The flag of a descriptor that no other program inherits, as fdinfo shows it. proc(5)
const CLOEXEC: u32 = 0o2_000_000;

/// Why the walls could not be put up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The vault folder could not be opened.
    #[error("the vault folder could not be opened")]
    Folder(#[from] landlock::PathFdError),
    /// Landlock is there and refused the rules.
    #[error("landlock refused the rules")]
    Landlock(#[from] landlock::RulesetError),
    /// The system call filter could not be made.
    #[error("the system call filter could not be made")]
    Filter(#[from] seccompiler::BackendError),
    /// The kernel did not take the system call filter.
    #[error("the kernel did not take the system call filter")]
    Seccomp(#[from] seccompiler::Error),
}

/// Does what can be done before anything is known about the vault.
///
/// # Errors
///
/// The operating system's.
pub fn prepare() -> io::Result<()> {
    // A daemon that died before this line has closed the control socket as well. prctl(2)
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    close_strays()?;
    lock_pages();
    Ok(())
}

/// Leaves the process nothing but its open descriptors and what is below `folder`, for good.
///
/// # Errors
///
/// [`SandboxError`]; the process must not go on then. A kernel without landlock is no error.
pub fn confine(folder: &Path) -> Result<(), SandboxError> {
    let status = restrict_files(folder)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => {}
        RulesetStatus::PartiallyEnforced => {
            log::info!("this kernel's landlock is older: the vault process is confined in part");
        }
        RulesetStatus::NotEnforced => log::warn!(
            "this kernel has no landlock: the vault process could open files of this user outside \
             of the vault folder"
        ),
    }
    filter::apply()
}

fn restrict_files(folder: &Path) -> Result<RestrictionStatus, SandboxError> {
    let all = AccessFs::from_all(NEWEST);
    let needed = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    Ok(Ruleset::default()
        .handle_access(all)?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rule(PathBeneath::new(PathFd::new(folder)?, needed))?
        .restrict_self()?)
}

/// Closes what the daemon did not mean to hand down: descriptors that it had inherited itself.
fn close_strays() -> io::Result<()> {
    let numbers: Vec<PathBuf> = fs::read_dir("/proc/self/fdinfo")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    for info in numbers {
        let number = info
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        let Some(number @ 3..) = number else {
            continue;
        };
        let number: i32 = number;
        // The folder just listed is closed by now.
        let Ok(info) = fs::read_to_string(&info) else {
            continue;
        };
        if !closes_on_exec(&info) {
            log::debug!("a descriptor that the daemon had inherited is closed");
            nix::unistd::close(number)?;
        }
    }
    Ok(())
}

fn closes_on_exec(info: &str) -> bool {
    let flags = info
        .lines()
        .find_map(|line| line.strip_prefix("flags:"))
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
    flags.is_none_or(|flags| flags & CLOEXEC != 0)
}

/// Keeps the process's memory out of swap, where the system lets it.
fn lock_pages() {
    let limit = getrlimit(Resource::Memlock);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // With a limit that is too low an allocation would fail one day: all or nothing.
    if limit.maximum.is_some() && !geteuid().is_root() {
        return not_locked(&format!(
            "it may lock {} bytes only",
            limit.maximum.unwrap_or_default()
        ));
    }
    let locked = setrlimit(Resource::Memlock, raised).and_then(|()| {
        // On fault: an untouched stack of 8 MiB shall not take 8 MiB. mlockall(2)
        rustix::mm::mlockall(
            MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT,
        )
    });
    if let Err(error) = locked {
        not_locked(&error.to_string());
    }
}

fn not_locked(why: &str) {
    log::warn!(
        "the vault process's memory is not locked ({why}): set LimitMEMLOCK=infinity in its unit, \
         or have no swap"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_that_programs_inherit_is_told_from_others() {
        assert!(closes_on_exec("pos:\t0\nflags:\t02100002\nmnt_id:\t9\n"));
        assert!(!closes_on_exec("pos:\t0\nflags:\t0100002\nmnt_id:\t9\n"));
        assert!(closes_on_exec("what a later kernel may say"));
    }
}
