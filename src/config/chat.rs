//! The settings of how the vault behaves in a chat. Their doc comments are their manual, as in the
//! file above.

use serde::{Deserialize, Serialize};

/// How the vault behaves in the chat.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chat {
    /// Whether a stored file is told by a ✅ at its message, where the app shows such reactions, and
    /// not by words. With OMEMO 0.3 a reaction is not encrypted: a server could forge one.
    ///
    /// Default: true
    #[serde(default = "default_reactions")]
    pub reactions: bool,
    /// Seconds after a file in which the next one is told in the same message, which is corrected;
    /// 0 for a message of its own for each file that comes alone.
    ///
    /// Default: 10
    #[serde(default = "default_gather")]
    pub gather_seconds: u32,
    /// Whether the vault publishes a picture of itself.
    ///
    /// Default: true
    #[serde(default = "default_avatar")]
    pub avatar: bool,
    /// Whether the vault's presence says if it is open or locked, which your server and whoever may
    /// see the vault's presence then learn.
    ///
    /// Default: false
    #[serde(default)]
    pub show_lock_state: bool,
}

impl Default for Chat {
    fn default() -> Self {
        Self {
            reactions: default_reactions(),
            gather_seconds: default_gather(),
            avatar: default_avatar(),
            show_lock_state: false,
        }
    }
}

fn default_reactions() -> bool {
    true
}

fn default_gather() -> u32 {
    10
}

fn default_avatar() -> bool {
    true
}
