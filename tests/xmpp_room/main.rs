//! The XMPP room against a real Prosody on loopback.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test"
)]
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test"
)]

mod archive;
mod login;
mod nodes;
mod peer;
mod prosody;
mod proxy;
mod strange;
mod stream;
