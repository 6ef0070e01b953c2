//! Contact sheets, previews, and whether a phone sends what its camera made.
//!
//! It knows no pixels: what is made is made elsewhere, and what a picture says of itself comes as
//! an [`Input`](super::Input).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{
    Effect, JobId, Keeper, Placed,
    command::{Command, Filter, Pick},
    moment::Moment,
    reply::{DeliveryFailure, Line, PictureReply, Reply, Shrunk, WayIn},
};

mod originals;

pub(super) use originals::Originals;
pub use originals::{Client, Record};

/// Files on one contact sheet.
pub const SHEET_FILES: usize = 20;

/// What the owner asks about pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pictures {
    /// Contact sheets of these.
    Sheet {
        /// Which entries.
        picks: Vec<Pick>,
    },
    /// One contact sheet of those that are as is said, newest first.
    SheetOf {
        /// Which.
        what: Filter,
        /// Only those before this number; never read from a line.
        before: Option<u64>,
    },
    /// Previews of these.
    Small {
        /// Which entries.
        picks: Vec<Pick>,
    },
    /// Say, or say no more, when a phone does not send originals.
    Originals(bool),
}

impl Pictures {
    /// One sheet of what came last.
    #[must_use]
    pub fn newest_sheet() -> Self {
        Self::SheetOf {
            what: Filter::default(),
            before: None,
        }
    }
}

/// What is asked about pictures in the form it is kept in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Look {
    /// Contact sheets.
    Sheet {
        /// Ranges of numbers, or (0, n) for the newest n.
        picks: Vec<(u64, u64)>,
    },
    /// Previews.
    Small {
        /// Ranges of numbers, or (0, n) for the newest n.
        picks: Vec<(u64, u64)>,
    },
    /// One contact sheet of those that are as is said.
    SheetOf {
        /// Which.
        what: Filter,
        /// Only those before this number.
        before: Option<u64>,
        /// Whether there are more than it shows, once that is known.
        more: bool,
    },
}

impl Look {
    /// Returns the form it is kept in; `None` for what nobody has to be asked.
    #[must_use]
    pub fn new(asked: &Pictures) -> Option<Self> {
        let kept = |picks: &[Pick]| {
            let pair = |pick: &Pick| match *pick {
                Pick::Range { first, last } => (first, last),
                Pick::Last { count } => (0, count),
            };
            picks.iter().map(pair).collect()
        };
        match asked {
            Pictures::Sheet { picks } => Some(Self::Sheet { picks: kept(picks) }),
            Pictures::Small { picks } => Some(Self::Small { picks: kept(picks) }),
            Pictures::SheetOf { what, before } => Some(Self::SheetOf {
                what: what.clone(),
                before: *before,
                more: false,
            }),
            Pictures::Originals(_) => None,
        }
    }

    /// Returns what was asked.
    #[must_use]
    pub fn asked(&self) -> Pictures {
        let picks = |kept: &[(u64, u64)]| {
            let pick = |&(first, last): &(u64, u64)| match first {
                0 => Pick::Last { count: last },
                first => Pick::Range { first, last },
            };
            kept.iter().map(pick).collect()
        };
        match self {
            Self::Sheet { picks: kept } => Pictures::Sheet { picks: picks(kept) },
            Self::Small { picks: kept } => Pictures::Small { picks: picks(kept) },
            Self::SheetOf { what, before, .. } => Pictures::SheetOf {
                what: what.clone(),
                before: *before,
            },
        }
    }

    /// Returns how many of the entries that are left go with one delivery.
    pub(super) fn at_a_time(&self) -> usize {
        match self {
            Self::Sheet { .. } | Self::SheetOf { .. } => SHEET_FILES,
            Self::Small { .. } => 1,
        }
    }

    /// Returns what is said before the file.
    pub(super) fn caption(&self, line: Line, shown: &[u64]) -> Reply {
        match self {
            Self::Sheet { .. } | Self::SheetOf { .. } => Reply::Picture(PictureReply::Sheet {
                first: shown.first().copied().unwrap_or(line.number),
                last: shown.last().copied().unwrap_or(line.number),
                files: shown.len() as u64,
                more: matches!(self, Self::SheetOf { more: true, .. }),
            }),
            Self::Small { .. } => Reply::Caption { line },
        }
    }

    /// Returns what is said where nothing was sent.
    pub(super) fn not_sent(&self, number: u64, why: DeliveryFailure) -> Reply {
        match self {
            Self::Sheet { .. } | Self::SheetOf { .. } => {
                Reply::Picture(PictureReply::SheetNotSent(why))
            }
            Self::Small { .. } => Reply::NotSent { number, why },
        }
    }
}

/// What is to be made for a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// A preview of this entry.
    Small(u64),
    /// A contact sheet of these.
    Sheet(Vec<u64>),
}

/// A picture that came in was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its number.
    pub number: u64,
    /// The name that it came under.
    pub name: String,
    /// Size of the content, in bytes.
    pub bytes: u64,
    /// How wide it is, in pixels.
    pub width: u32,
    /// How high it is, in pixels.
    pub height: u32,
    /// Whether it carries a camera's notes; for a film, whether it may be as a camera made it.
    pub is_described: bool,
    /// Whether it is a film.
    pub is_film: bool,
}

/// News about pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PictureNews {
    /// A picture that came in was looked at.
    Seen(Seen),
    /// Which program a device writes with; `None` where it does not say.
    Client {
        /// Its OMEMO device id.
        device: u32,
        /// What it says it is.
        name: Option<String>,
    },
}

impl Keeper {
    /// Takes up what is remembered of originals.
    #[must_use]
    pub fn with_originals(mut self, record: Record) -> Self {
        self.originals = Originals::new(record);
        self
    }

    /// Returns what is to be made for a delivery; `None` for one that sends a file as it is.
    #[must_use]
    pub fn made(&self, job: &JobId) -> Option<Made> {
        let (look, shown) = self.deliveries.looking(job)?;
        match look {
            Look::Small { .. } => shown.first().copied().map(Made::Small),
            Look::Sheet { .. } | Look::SheetOf { .. } => Some(Made::Sheet(shown.to_vec())),
        }
    }

    /// Obeys a command about pictures.
    pub(super) fn ask_pictures(&mut self, job: JobId, asked: Pictures, at: Moment) -> Vec<Effect> {
        if let Pictures::Originals(on) = asked {
            let saved = Effect::SaveOriginals(self.originals.switch(on).clone());
            let said = Reply::Picture(PictureReply::Originals(on));
            return vec![saved, Effect::Say(said)];
        }
        let command = Command::Picture(asked);
        // While it is being opened the question waits.
        if self.custody.way_in() == WayIn::Wait {
            self.deliveries.ask(job, command)
        } else {
            self.need(job, &command, at)
        }
    }

    /// Notes which device a file came from, until it is looked at.
    pub(super) fn came(&mut self, job: &JobId, placed: &Placed) {
        if let Placed::Entry(line) = placed
            && let Some(asker) = self.intakes.asker(job)
        {
            self.originals.came(line.number, asker.device);
        }
    }

    pub(super) fn picture_news(&mut self, news: PictureNews) -> Vec<Effect> {
        match news {
            PictureNews::Seen(seen) => match self.originals.seen(&seen) {
                Some(device) => vec![Effect::AskClient(device)],
                None => Vec::new(),
            },
            PictureNews::Client { device, name } => {
                let Some((shrunk, record)) = self.originals.client(device, name.as_deref()) else {
                    return Vec::new();
                };
                let saved = Effect::SaveOriginals(record.clone());
                vec![
                    saved,
                    Effect::Say(Reply::Picture(PictureReply::Shrunk(shrunk))),
                ]
            }
        }
    }
}

/// The newest things, of which only so many are remembered.
fn remember<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() >= most {
        queue.pop_front();
    }
    queue.push_back(item);
}

/// Returns the sentence's facts about a picture.
fn shrunk(seen: &Seen, client: Client) -> Shrunk {
    Shrunk {
        number: seen.number,
        size: (seen.width, seen.height),
        bytes: seen.bytes,
        client,
        is_film: seen.is_film,
    }
}
