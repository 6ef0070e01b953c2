//! The sealed change log.
