//! `strongroom key`, `kit` and `recover` from outside: what opens the vault before and after, and
//! what is left when a command is killed at any of its durable steps.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test"
)]

mod carry;
mod kit;
mod place;
mod prepare;
mod recover;
mod secrets;
mod slots;
mod sticks;
mod vfat;
