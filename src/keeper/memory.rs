//! What a keeper begins with.

use super::{
    delivery::Delivery,
    devices::{Known, Own},
    intake::Intake,
    owner::Pairing,
    storage::Pace,
    verify,
};

/// What the keeper knew when the daemon last ran, and what the settings say.
pub struct Memory {
    /// The owner's bare address.
    pub owner: String,
    /// Fingerprints that the settings pin.
    pub pins: Vec<String>,
    /// Whether any device of the owner is trusted already.
    pub has_trusted_device: bool,
    /// The owner's devices about which something was decided.
    pub devices: Vec<Known>,
    /// How pairing stands.
    pub pairing: Option<Pairing>,
    /// Whether the owner locked the vault while the key device was in.
    pub locked_by_owner: bool,
    /// Open intakes.
    pub intakes: Vec<Intake>,
    /// Open deliveries and questions.
    pub deliveries: Vec<Delivery>,
    /// What is remembered of checks.
    pub checks: verify::Record,
    /// When files are checked by themselves.
    pub plan: verify::Plan,
    /// The vault's own device.
    pub own: Own,
    /// How much came in lately.
    pub pace: Option<Pace>,
    /// Whether the system card seals to a key that is not this vault's.
    pub alarm: bool,
    /// How AES is computed here, for `status`.
    pub aes: &'static str,
}
