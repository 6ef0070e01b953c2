//! End-to-end tests: the daemon between a real Prosody and phones that run foreign OMEMO code.
//!
//! `scripts/setup.sh` installs what they need. Every test starts its own server with its own
//! folder, ports and accounts, and stops it by its process id.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test"
)]

mod address;
mod arrivals;
mod bad_input;
mod canary;
mod check;
mod client;
mod contacts;
mod crash;
mod custody;
mod daemon;
mod described;
mod devices;
mod dns;
mod federation;
mod first_boot;
mod first_evening;
mod home;
mod host;
mod hostile;
mod journal;
mod keeping;
mod keydevice;
mod large;
mod life;
mod lines;
mod main_path;
mod memory;
mod middle;
mod mock;
mod modes;
mod needles;
mod omemo2;
mod origin;
mod phone;
mod photo;
mod pictures;
mod power;
mod prosody;
mod register;
mod rescue;
mod sandbox;
mod scene;
mod selftest;
mod server;
mod servers;
mod service;
mod slots;
mod socks;
mod sticks;
mod storage;
mod trust;
mod upgrade;
mod verify;
