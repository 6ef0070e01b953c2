//! x
pub mod transfer;
