//! Named places where a test can have the process killed, to prove that a restart repairs it.
//!
//! In every build but a test build (feature `peers`) a place is nothing at all.

/// Kills the process without warning, like a power cut, if the test named this place in
/// `STRONGROOM_CRASH_AT`.
#[cfg(feature = "peers")]
pub fn point(name: &str) {
    if std::env::var_os(VARIABLE).is_some_and(|wanted| wanted == name) {
        // Nothing may run after this, so there is nothing to do about a failure either.
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// Does nothing.
#[cfg(not(feature = "peers"))]
#[inline]
pub fn point(_name: &str) {}

/// The variable that names the place.
pub const VARIABLE: &str = "STRONGROOM_CRASH_AT";
