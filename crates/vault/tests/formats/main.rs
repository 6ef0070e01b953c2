//! The formats against `docs/formats`: an independent reader and writer made of other authors'
//! parts, and frozen vectors.

#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::panic,
    reason = "a test"
)]

mod differential;
mod oracle;
mod vectors;
