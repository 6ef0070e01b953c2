//! The list of system calls that the vault process may make, for seccomp(2).
//!
//! What is not on it is answered with EPERM. The numbers come from `libc`, so that the list is
//! right for the processor it is compiled for; calls that only some processors have stand apart.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::SandboxError;

/// Files, below what landlock leaves.
const FILES: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_copy_file_range,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_utimensat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_umask,
    libc::SYS_dup,
    libc::SYS_dup3,
];

/// The two sockets it was given, and the log. None of these makes a new socket.
const TALK: &[i64] = &[
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_ppoll,
];

/// Calls that are answered as done, and are not done. SQLCipher makes them for every piece of memory:
/// all pages are locked already, and it would unlock what else lies in those of a piece it frees.
const SKIPPED: &[i64] = &[libc::SYS_mlock, libc::SYS_munlock];

/// Memory, threads, time, randomness.
const SELF: &[i64] = &[
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_clone3,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_getpriority,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// What newer processors were never given: the older names of calls above.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_chmod,
    libc::SYS_poll,
    libc::SYS_dup2,
    libc::SYS_time,
];
/// glibc renames by renameat here. arm64 has none of the others.
#[cfg(target_arch = "aarch64")]
const OLDER: &[i64] = &[libc::SYS_renameat];

/// Installs the filter in every thread.
pub(super) fn apply() -> Result<(), SandboxError> {
    // A new process is told from a new thread by clone's flags, which clone3 keeps where no filter
    // can look: it does not exist, and the C library falls back to clone. clone(2)
    let no_clone3: BpfProgram = SeccompFilter::new(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        arch()?,
    )?
    .try_into()?;
    let skipped: BpfProgram = SeccompFilter::new(
        SKIPPED.iter().map(|call| (*call, Vec::new())).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(0),
        arch()?,
    )?
    .try_into()?;
    let list: BpfProgram = SeccompFilter::new(
        rules()?,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        arch()?,
    )?
    .try_into()?;
    seccompiler::apply_filter_all_threads(&no_clone3)?;
    seccompiler::apply_filter_all_threads(&skipped)?;
    seccompiler::apply_filter_all_threads(&list)?;
    Ok(())
}

fn arch() -> Result<TargetArch, seccompiler::BackendError> {
    std::env::consts::ARCH.try_into()
}

fn rules() -> Result<BTreeMap<i64, Vec<SeccompRule>>, seccompiler::BackendError> {
    // Without a condition a call is always allowed.
    let plain = [FILES, TALK, SELF, SKIPPED, OLDER].into_iter().flatten();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        plain.map(|call| (*call, Vec::new())).collect();
    let only = |argument, operator, value| {
        let length = SeccompCmpArgLen::Dword;
        SeccompRule::new(vec![SeccompCondition::new(
            argument, length, operator, value,
        )?])
    };
    let bits = |bits: i32| u64::from(bits.unsigned_abs());
    let executable = SeccompCmpOp::MaskedEq(bits(libc::PROT_EXEC));
    let own = u64::from(std::process::id());
    rules.extend([
        // Threads, no processes.
        (
            libc::SYS_clone,
            vec![only(
                0,
                SeccompCmpOp::MaskedEq(bits(libc::CLONE_THREAD)),
                bits(libc::CLONE_THREAD),
            )?],
        ),
        // No memory that can be executed.
        (libc::SYS_mmap, vec![only(2, executable.clone(), 0)?]),
        (libc::SYS_mprotect, vec![only(2, executable, 0)?]),
        (
            libc::SYS_prctl,
            vec![only(0, SeccompCmpOp::Eq, bits(libc::PR_SET_NAME))?],
        ),
        // A check steps back behind all else; nobody else's place is changed.
        (libc::SYS_setpriority, vec![only(1, SeccompCmpOp::Eq, 0)?]),
        // Limits are read, not set.
        (
            libc::SYS_prlimit64,
            vec![SeccompRule::new(vec![SeccompCondition::new(
                2,
                SeccompCmpArgLen::Qword,
                SeccompCmpOp::Eq,
                0,
            )?])?],
        ),
        // How a panic in a panic ends the process, and nobody else.
        (libc::SYS_tgkill, vec![only(0, SeccompCmpOp::Eq, own)?]),
    ]);
    if cfg!(feature = "peers") {
        // The crash points of tests.
        rules.insert(libc::SYS_kill, vec![only(0, SeccompCmpOp::Eq, own)?]);
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_the_list_reaches_another_process_a_network_or_the_system() {
        let rules = rules().unwrap();
        let forbidden = [
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_connect,
            libc::SYS_bind,
            libc::SYS_listen,
            libc::SYS_accept4,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_pidfd_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_mount,
            libc::SYS_fsopen,
            libc::SYS_open_tree,
            libc::SYS_move_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_chroot,
            libc::SYS_bpf,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_keyctl,
            libc::SYS_add_key,
            libc::SYS_memfd_create,
            libc::SYS_mknodat,
            libc::SYS_symlinkat,
            libc::SYS_linkat,
            libc::SYS_setuid,
            libc::SYS_capset,
            libc::SYS_ioctl,
            libc::SYS_seccomp,
            libc::SYS_munlockall,
        ];
        for call in forbidden {
            assert!(!rules.contains_key(&call), "call {call}");
        }
    }

    #[test]
    fn threads_limits_and_memory_are_allowed_under_a_condition_only() {
        let rules = rules().unwrap();

        for call in [
            libc::SYS_clone,
            libc::SYS_mmap,
            libc::SYS_mprotect,
            libc::SYS_prctl,
            libc::SYS_prlimit64,
            libc::SYS_tgkill,
        ] {
            assert!(!rules[&call].is_empty(), "call {call}");
        }
    }

    #[test]
    fn the_filter_can_be_made_for_this_processor() {
        let filter = SeccompFilter::new(
            rules().unwrap(),
            SeccompAction::Errno(1),
            SeccompAction::Allow,
            arch().unwrap(),
        );

        let program: BpfProgram = filter.unwrap().try_into().unwrap();

        assert!(program.len() > 100);
    }
}
