//! What `next` shows: for each device, where its last list goes on.
//!
//! Kept in memory only: after a restart the owner lists anew.

use std::collections::BTreeMap;

use super::command::Command;

/// Devices whose list is remembered; the owner has few.
const MAX_DEVICES: usize = 32;

/// Where the last list of each device goes on.
#[derive(Default)]
pub(super) struct Pages(BTreeMap<u32, Command>);

impl Pages {
    /// Notes what shows the next page of the list that a device was shown; `None` at its end.
    pub(super) fn note(&mut self, device: u32, next: Option<Command>) {
        match next {
            Some(command) if self.0.len() < MAX_DEVICES || self.0.contains_key(&device) => {
                self.0.insert(device, command);
            }
            Some(_) | None => {
                self.0.remove(&device);
            }
        }
    }

    /// Returns what shows the next page of a device's last list.
    pub(super) fn next(&self, device: u32) -> Option<Command> {
        self.0.get(&device).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_device_goes_on_with_its_own_list() {
        let mut pages = Pages::default();
        let albums = |after: &str| Command::Albums {
            after: after.to_owned(),
        };
        pages.note(1, Some(albums("a")));
        pages.note(2, Some(albums("b")));
        pages.note(1, Some(albums("c")));
        pages.note(2, None);

        assert_eq!(pages.next(1), Some(albums("c")));
        assert_eq!(pages.next(2), None);
    }

    #[test]
    fn more_devices_than_anybody_has_are_not_remembered() {
        let mut pages = Pages::default();
        for device in 0..100 {
            pages.note(device, Some(Command::Help));
        }

        assert_eq!(pages.0.len(), MAX_DEVICES);
        assert_eq!(pages.next(0), Some(Command::Help));
    }
}
