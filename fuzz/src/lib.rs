//! The bodies of the fuzz targets and the seeds of their corpus.
//!
//! The same files are part of `tests/fuzz_replay.rs`, which runs the committed corpus through them on
//! stable Rust.

pub mod seeds;
pub mod targets;
