//! The words about files that come in together, and about what is noted with them.

use std::fmt::Write as _;

use crate::keeper::{labels::Labels, reply::ArrivalReply};

use super::{bytes, show, spans};

impl ArrivalReply {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Stored {
                numbers,
                bytes,
                doubles,
                others,
                so_far,
            } => stored(numbers, *bytes, doubles, (*others, *so_far)),
            Self::Receiving {
                name,
                percent,
                total,
            } => format!(
                "Receiving {}: {percent} % of {}.",
                show(name),
                bytes(*total)
            ),
            Self::Noted {
                numbers,
                coming,
                labels,
            } => noted(numbers, *coming, labels),
            Self::AlbumOn { album } => format!(
                "From now on, what comes in goes into the album \"{}\". Send \"album off\" to end \
                 that.",
                show(album)
            ),
            Self::AlbumOff { ended: Some(album) } => format!(
                "New files no longer go into the album \"{}\". What is in it stays there.",
                show(album)
            ),
            Self::AlbumOff { ended: None } => "New files go into no album.".to_owned(),
            Self::AlbumWhich { album: Some(album) } => format!(
                "New files go into the album \"{}\". Send \"album off\" to end that, or \"album \
                 NAME\" for another one.",
                show(album)
            ),
            Self::AlbumWhich { album: None } => "Which album? Send for example \"album Norway\": \
                right after photos for those, else for all that come from then on."
                .to_owned(),
        }
    }
}

fn stored(numbers: &[u64], size: u64, doubles: &[u64], (others, so_far): (u64, bool)) -> String {
    let (new, old) = (numbers.len() as u64, doubles.len() as u64);
    let of = new + old + others;
    let mut text = "✅ ".to_owned();
    if new > 0 {
        let _ = write!(text, "{new} of {of} stored");
        if so_far {
            text.push_str(" so far");
        }
        let _ = write!(text, ", {}, {}", bytes(size), spans(numbers));
    }
    if old > 0 {
        let mut doubles = doubles.to_vec();
        doubles.sort_unstable();
        doubles.dedup();
        let joint = if new > 0 { ", " } else { "" };
        let _ = write!(text, "{joint}{old}");
        if new == 0 {
            let _ = write!(text, " of {of}");
        }
        let _ = write!(text, " already kept as {}", spans(&doubles));
    }
    text.push('.');
    text
}

fn noted(numbers: &[u64], coming: u64, labels: &Labels) -> String {
    let Labels {
        caption,
        tags,
        album,
    } = labels;
    let mut what = Vec::new();
    if let Some(caption) = caption {
        what.push(format!("caption \"{}\"", show(caption)));
    }
    if !tags.is_empty() {
        let tags: Vec<String> = tags.iter().map(|tag| format!("#{}", show(tag))).collect();
        let one = if tags.len() == 1 { "tag" } else { "tags" };
        what.push(format!("{one} {}", tags.join(" ")));
    }
    if let Some(album) = album {
        what.push(format!("album \"{}\"", show(album)));
    }
    let to = match (numbers, coming) {
        (numbers, 0) => spans(numbers),
        ([], 1) => "the file that is being stored".to_owned(),
        ([], coming) => format!("the {coming} files that are being stored"),
        (numbers, coming) => format!("{} and {coming} that are being stored", spans(numbers)),
    };
    let mut text = format!("Noted with {to}: {}.", what.join(", "));
    if album.is_some() && caption.is_none() && tags.is_empty() {
        text.push_str(" What follows within a minute goes there, too.");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(numbers: &[u64], doubles: &[u64], others: u64, so_far: bool) -> String {
        let (numbers, doubles) = (numbers.to_vec(), doubles.to_vec());
        let bytes = 4_000_000 * numbers.len() as u64;
        let reply = ArrivalReply::Stored {
            numbers,
            bytes,
            doubles,
            others,
            so_far,
        };
        reply.text()
    }

    #[test]
    fn files_that_come_together_are_told_in_one_line() {
        let twelve: Vec<u64> = (231..=242).collect();

        assert_eq!(
            said(&twelve, &[], 0, false),
            "✅ 12 of 12 stored, 48.0 MB, #231-#242."
        );
        assert_eq!(
            said(&twelve[..11], &[17], 0, false),
            "✅ 11 of 12 stored, 44.0 MB, #231-#241, 1 already kept as #17."
        );
        assert_eq!(
            said(&twelve[..4], &[], 8, true),
            "✅ 4 of 12 stored so far, 16.0 MB, #231-#234."
        );
        assert_eq!(
            said(&[], &[17, 9], 0, false),
            "✅ 2 of 2 already kept as #9, #17."
        );
    }

    #[test]
    fn what_is_noted_is_said_back_on_one_line() {
        let labels = Labels {
            caption: Some("Beach\nwith Anna".to_owned()),
            tags: vec!["sea".to_owned(), "anna".to_owned()],
            album: None,
        };
        let noted = |numbers: &[u64], coming, labels: &Labels| {
            let reply = ArrivalReply::Noted {
                numbers: numbers.to_vec(),
                coming,
                labels: labels.clone(),
            };
            reply.text()
        };

        assert_eq!(
            noted(&[17], 0, &labels),
            "Noted with #17: caption \"Beach·with Anna\", tags #sea #anna."
        );
        assert_eq!(
            noted(&[], 2, &Labels::of_album("Norway")),
            "Noted with the 2 files that are being stored: album \"Norway\". What follows within a \
             minute goes there, too."
        );
    }
}
