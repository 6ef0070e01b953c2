//! Whether a phone sends the pictures that its camera made, or smaller ones of its own: told once
//! for each device, with the setting of its program.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Seen, remember, shrunk};
use crate::keeper::reply::Shrunk;

/// Longest side that Conversations and its relatives make a picture, in pixels.
const SHRUNK_EDGE: u32 = 1920;
/// Most bytes that Conversations makes a picture of.
const SHRUNK_BYTES: u64 = 512 * 1024;
/// Shorter pictures may well have been made like this.
const SMALL_EDGE: u32 = 1280;
/// Shorter sides that Conversations and its relatives make of a film, in pixels.
const FILM_EDGES: [u32; 2] = [360, 720];
/// Files whose device is remembered until they are looked at.
const MAX_RECENT: usize = 500;
/// Questions about programs that are open at a time.
const MAX_ASKED: usize = 16;

/// A program that people write with, as far as its settings are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// Conversations, or a program made of it.
    Conversations,
    /// Cheogram.
    Cheogram,
    /// Monal.
    Monal,
    /// Dino.
    Dino,
    /// Another one.
    Other,
}

impl Client {
    /// Knows a program by the name it gives itself.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let name = name.to_lowercase();
        let known = [
            ("cheogram", Self::Cheogram),
            ("conversations", Self::Conversations),
            ("quicksy", Self::Conversations),
            ("blabber", Self::Conversations),
            ("monocles", Self::Conversations),
            ("monal", Self::Monal),
            ("dino", Self::Dino),
        ];
        let found = known.into_iter().find(|(word, _)| name.contains(word));
        found.map_or(Self::Other, |(_, client)| client)
    }
}

/// What has to outlive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Devices that it was told of.
    told: BTreeSet<u32>,
    /// The owner wants to hear nothing of it.
    is_silenced: bool,
}

/// What is known of devices and their pictures.
#[derive(Default)]
pub(in crate::keeper) struct Originals {
    record: Record,
    /// Numbers of files that were not looked at yet, and the devices that sent them.
    recent: VecDeque<(u64, u32)>,
    /// Devices whose program was asked for, and the picture that it is about.
    asked: VecDeque<(u32, Seen)>,
}

impl Originals {
    pub(super) fn new(record: Record) -> Self {
        Self {
            record,
            ..Self::default()
        }
    }

    pub(super) fn switch(&mut self, on: bool) -> &Record {
        self.record.is_silenced = !on;
        if on {
            self.record.told.clear();
        }
        &self.record
    }

    /// Notes which device a file came from.
    pub(super) fn came(&mut self, number: u64, device: u32) {
        remember(&mut self.recent, (number, device), MAX_RECENT);
    }

    /// Returns the device whose program is to be asked for: its owner is to be told.
    pub(super) fn seen(&mut self, seen: &Seen) -> Option<u32> {
        let at = self.recent.iter().position(|(it, _)| *it == seen.number)?;
        let (_, device) = self.recent.remove(at)?;
        let is_known =
            self.record.told.contains(&device) || self.asked.iter().any(|(it, _)| *it == device);
        if self.record.is_silenced || is_known || !is_shrunk(seen) {
            return None;
        }
        remember(&mut self.asked, (device, seen.clone()), MAX_ASKED);
        Some(device)
    }

    /// Returns what is to be told now that the program is known, and what is to be remembered.
    pub(super) fn client(&mut self, device: u32, name: Option<&str>) -> Option<(Shrunk, &Record)> {
        let at = self.asked.iter().position(|(it, _)| *it == device)?;
        let (_, seen) = self.asked.remove(at)?;
        if self.record.is_silenced {
            return None;
        }
        let client = name.map_or(Client::Other, Client::named);
        // Of other programs it is not known what films they make.
        if seen.is_film && !matches!(client, Client::Conversations | Client::Cheogram) {
            return None;
        }
        self.record.told.insert(device);
        Some((shrunk(&seen, client), &self.record))
    }
}

/// Tells whether a picture is one that a phone made of another.
fn is_shrunk(seen: &Seen) -> bool {
    let lower = seen.name.to_lowercase();
    if seen.is_film {
        let is_theirs = FILM_EDGES.contains(&seen.width.min(seen.height));
        let stem = lower.strip_suffix(".mp4");
        return is_theirs && !seen.is_described && stem.is_some_and(is_uuid);
    }
    let stem = lower
        .strip_suffix(".jpg")
        .or_else(|| lower.strip_suffix(".jpeg"));
    let (Some(stem), false) = (stem, seen.is_described) else {
        return false;
    };
    let longest = seen.width.max(seen.height);
    let is_small = seen.bytes <= SHRUNK_BYTES && longest >= SMALL_EDGE;
    longest == SHRUNK_EDGE || (is_uuid(stem) && is_small)
}

/// Tells a name that a program drew from one that somebody gave.
fn is_uuid(stem: &str) -> bool {
    let mut parts = stem.split('-');
    let fits = [8, 4, 4, 4, 12].into_iter().all(|length| {
        let hex = |it: &str| it.len() == length && it.bytes().all(|it| it.is_ascii_hexdigit());
        parts.next().is_some_and(hex)
    });
    fits && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "2f1c9e0a-7f39-4b52-9a3c-0d1e2f3a4b5c.jpg";

    fn seen(number: u64) -> Seen {
        Seen {
            number,
            name: UUID.to_owned(),
            bytes: 400_000,
            width: 1440,
            height: 1920,
            is_described: false,
            is_film: false,
        }
    }

    fn film(number: u64) -> Seen {
        Seen {
            name: UUID.replace(".jpg", ".mp4"),
            bytes: 9_000_000,
            width: 1280,
            height: 720,
            is_film: true,
            ..seen(number)
        }
    }

    #[test]
    fn a_film_is_told_of_where_all_signs_agree_and_only_for_programs_that_are_known() {
        let is = |change: fn(&mut Seen)| {
            let mut film = film(1);
            change(&mut film);
            is_shrunk(&film)
        };
        let told = |program| {
            let mut originals = Originals::default();
            originals.came(1, 7);
            assert_eq!(originals.seen(&film(1)), Some(7));
            originals.client(7, Some(program)).is_some()
        };

        assert!(is(|_| ()));
        assert!(is(|it| (it.width, it.height) = (360, 640)));
        assert!(!is(|it| it.is_described = true));
        assert!(!is(|it| (it.width, it.height) = (1920, 1080)));
        assert!(!is(|it| it.name = "VID_2041.mp4".to_owned()));
        assert!(told("Conversations") && told("Cheogram"));
        assert!(!told("Monal") && !told("Dino"));
    }

    #[test]
    fn a_shrunk_picture_is_told_by_its_measure_and_an_original_is_not() {
        let is = |change: fn(&mut Seen)| {
            let mut seen = seen(1);
            change(&mut seen);
            is_shrunk(&seen)
        };

        assert!(is(|_| ()));
        assert!(is(|it| it.name = "IMG_2041.JPG".to_owned()));
        assert!(is(|it| (it.width, it.height) = (1300, 900)));
        assert!(is(|it| it.bytes = 900_000), "1920 pixels tell enough");
        assert!(!is(|it| it.is_described = true));
        assert!(!is(|it| {
            (it.width, it.height) = (4032, 3024);
            it.bytes = 3_000_000;
        }));
        assert!(!is(|it| it.name = "screenshot.png".to_owned()));
        assert!(!is(|it| {
            (it.width, it.height) = (1300, 900);
            it.name = "from the web.jpg".to_owned();
        }));
        assert!(!is(|it| (it.width, it.height) = (800, 600)));
    }

    #[test]
    fn each_device_is_told_once_and_none_that_silenced_it() {
        let mut originals = Originals::default();
        for (number, device) in [(1, 7), (2, 7), (3, 8), (4, 7)] {
            originals.came(number, device);
        }

        assert_eq!(originals.seen(&seen(1)), Some(7));
        assert_eq!(originals.seen(&seen(2)), None, "the question is open");
        let (told, record) = originals.client(7, Some("Conversations")).unwrap();
        assert_eq!((told.number, told.client), (1, Client::Conversations));
        let record = record.clone();
        let mut later = Originals::new(record);
        later.came(4, 7);
        later.came(3, 8);
        assert_eq!(later.seen(&seen(4)), None, "told before the restart");
        assert_eq!(later.seen(&seen(3)), Some(8));
        let _ = later.switch(false);
        assert!(later.client(8, None).is_none());
        later.came(5, 9);
        assert_eq!(later.seen(&seen(5)), None);
        let _ = later.switch(true);
        later.came(6, 7);
        assert_eq!(later.seen(&seen(6)), Some(7), "on again begins anew");
    }

    #[test]
    fn a_file_that_nobody_sent_lately_is_no_news() {
        let mut originals = Originals::default();

        assert_eq!(originals.seen(&seen(1)), None);
        for number in 0..600 {
            originals.came(number, 7);
        }
        assert_eq!(originals.seen(&seen(1)), None);
        assert_eq!(originals.seen(&seen(599)), Some(7));
    }

    #[test]
    fn programs_are_known_by_the_names_they_give_themselves() {
        for (name, client) in [
            ("Conversations", Client::Conversations),
            ("Cheogram Android", Client::Cheogram),
            ("Monal", Client::Monal),
            ("Dino", Client::Dino),
            ("monocles chat", Client::Conversations),
            ("Gajim", Client::Other),
        ] {
            assert_eq!(Client::named(name), client, "{name}");
        }
    }
}
