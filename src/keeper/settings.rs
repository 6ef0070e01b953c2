//! What the settings say that is nobody's in particular.

/// What the keeper is told of the settings beside the rules of opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Days after which what lies in the trash is removed for good; 0 for never.
    pub trash_days: u32,
    /// Whether somebody can be asked to switch the machine off.
    pub switches_off: bool,
    /// Whether somebody can be asked to look at drives and prepare them.
    pub prepares: bool,
    /// Whether somebody can be asked to mount sticks.
    pub carries: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trash_days: 30,
            switches_off: false,
            prepares: false,
            carries: false,
        }
    }
}

impl super::Keeper {
    /// Obeys these settings. Without it the defaults hold.
    #[must_use]
    pub fn set_up(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}
