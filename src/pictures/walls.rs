//! The walls around a decoder. It may read and write the one socket it has, take memory up to a
//! limit, and end: no file, no socket, no other process, no thread, no time to speak of.
//!
//! What is not on the list is answered with EPERM.

use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::{AsRawFd, RawFd},
};

use landlock::{ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, Scope};
use rustix::{
    mm::MlockAllFlags,
    process::{Resource, Rlimit, Signal, getrlimit, setrlimit},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::{MAX_CPU_SECONDS, MAX_MEMORY_BYTES};

/// How far a decoder steps back. nice(2)
const NICENESS: i32 = 10;

/// Why the walls could not be put up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WallError {
    /// The kernel refused a limit.
    #[error("the kernel refused a limit")]
    Limit(#[from] rustix::io::Errno),
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

/// The socket, memory, and the end.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_sendto,
    libc::SYS_close,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
];

/// Closes every descriptor but the three standard ones and the socket.
///
/// # Errors
///
/// The operating system's.
pub fn close_strays(socket: &impl AsRawFd) -> io::Result<()> {
    let listed: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for number in listed {
        if number > libc::STDERR_FILENO && number != socket.as_raw_fd() {
            // The folder that was listed is closed by now, and cannot be closed again.
            let _ = nix::unistd::close(number);
        }
    }
    Ok(())
}

/// Steps back behind what the owner waits for, and keeps what is looked at out of swap where the
/// system lets it. Neither can be insisted on.
pub fn step_back() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        log::debug!("a decoder runs as fast as all else: {error}");
    }
    // With a limit that is too low an allocation would fail one day: all or nothing.
    let may_lock = getrlimit(Resource::Memlock).current.is_none();
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if may_lock && let Err(error) = rustix::mm::mlockall(flags) {
        log::debug!("a decoder's memory is not locked: {error}");
    }
}

/// Leaves the process nothing but its open descriptors, for good.
///
/// # Errors
///
/// [`WallError`]; the process must not go on then. A kernel without landlock is no error: the
/// filter alone lets nothing be opened.
pub fn confine() -> Result<(), WallError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    for (resource, most) in [
        (Resource::Data, MAX_MEMORY_BYTES),
        (Resource::Cpu, MAX_CPU_SECONDS),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V6))?
        .handle_access(AccessNet::from_all(ABI::V6))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()?;
    let list: BpfProgram = SeccompFilter::new(
        rules()?,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?
    .try_into()?;
    Ok(seccompiler::apply_filter(&list)?)
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let only = |argument, operator, value| {
        let length = SeccompCmpArgLen::Dword;
        SeccompRule::new(vec![SeccompCondition::new(
            argument, length, operator, value,
        )?])
    };
    let executable = SeccompCmpOp::MaskedEq(u64::from(libc::PROT_EXEC.unsigned_abs()));
    let own = u64::from(std::process::id());
    rules.extend([
        // No memory that can be executed.
        (libc::SYS_mmap, vec![only(2, executable.clone(), 0)?]),
        (libc::SYS_mprotect, vec![only(2, executable, 0)?]),
        // How running out of memory ends the process, and nobody else.
        (libc::SYS_tgkill, vec![only(0, SeccompCmpOp::Eq, own)?]),
    ]);
    if cfg!(debug_assertions) {
        // The standard library looks at each descriptor before it closes it.
        let look = u64::from(libc::F_GETFD.unsigned_abs());
        rules.insert(libc::SYS_fcntl, vec![only(1, SeccompCmpOp::Eq, look)?]);
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_list_opens_starts_or_reaches_anything() {
        let rules = rules().unwrap();
        let forbidden = [
            libc::SYS_openat,
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_connect,
            libc::SYS_recvmsg,
            libc::SYS_sendmsg,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_ptrace,
            libc::SYS_kill,
            libc::SYS_pidfd_open,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_memfd_create,
            libc::SYS_io_uring_setup,
            libc::SYS_ioctl,
            libc::SYS_prctl,
            libc::SYS_prlimit64,
            libc::SYS_getdents64,
            libc::SYS_newfstatat,
            libc::SYS_unlinkat,
            libc::SYS_dup,
        ];
        for call in forbidden {
            assert!(!rules.contains_key(&call), "call {call}");
        }
        assert!(rules.contains_key(&libc::SYS_read));
    }
}
