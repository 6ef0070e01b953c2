//! What the owner writes beside files: a caption, tags in it, an album.
//!
//! It reads words and knows no entry.

use serde::{Deserialize, Serialize};
use vault::Label;

/// Longest caption that is kept, in bytes.
const MAX_CAPTION_BYTES: usize = 4_096;
/// Longest name of a tag or an album, in bytes.
pub(super) const MAX_NAME_BYTES: usize = 255;
/// Most tags of one caption.
const MAX_TAGS: usize = 20;

/// What is noted with a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// What is to be seen on it.
    pub caption: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// The album it goes into.
    pub album: Option<String>,
}

impl Labels {
    /// Reads a caption: each `#word` in it is a tag, and tags alone are no caption. `None` for what
    /// cannot be kept: nothing, too much, or characters that nobody types.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_odd = |it: char| it.is_control() && !matches!(it, '\n' | '\r' | '\t');
        if text.is_empty() || text.len() > MAX_CAPTION_BYTES || text.contains(is_odd) {
            return None;
        }
        let mut tags: Vec<String> = Vec::new();
        let mut has_words = false;
        for word in text.split_whitespace() {
            match tag(word) {
                Some(tag) if tags.len() < MAX_TAGS => {
                    if !tags.iter().any(|it| it.eq_ignore_ascii_case(tag)) {
                        tags.push(tag.to_owned());
                    }
                }
                Some(_) | None => has_words = true,
            }
        }
        Some(Self {
            caption: has_words.then(|| text.to_owned()),
            tags,
            album: None,
        })
    }

    /// Makes the label of an album.
    #[must_use]
    pub fn of_album(name: &str) -> Self {
        Self {
            album: Some(name.to_owned()),
            ..Self::default()
        }
    }

    /// Returns whether there is nothing to note.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self {
            caption,
            tags,
            album,
        } = self;
        caption.is_none() && tags.is_empty() && album.is_none()
    }

    /// Returns what an entry is to be, one thing after the other.
    #[must_use]
    pub fn wanted(&self) -> Vec<Label> {
        let caption = self.caption.clone().map(|it| Label::Caption(Some(it)));
        let tags = self.tags.iter().cloned();
        let tags = tags.map(|tag| Label::Tag { tag, borne: true });
        let album = self.album.clone().map(|it| Label::Album(Some(it)));
        caption.into_iter().chain(tags).chain(album).collect()
    }

    /// Returns what of it is about the same thing as this.
    #[must_use]
    pub fn like(&self, other: &Label) -> Label {
        match other {
            Label::Caption(_) => Label::Caption(self.caption.clone()),
            Label::Album(_) => Label::Album(self.album.clone()),
            Label::Tag { tag, .. } => Label::Tag {
                tag: tag.clone(),
                borne: self.tags.iter().any(|it| it.eq_ignore_ascii_case(tag)),
            },
            Label::Name(_) | Label::Trashed(_) => other.clone(),
        }
    }

    /// Adds what was written later: captions line by line, tags once, the later album.
    pub fn add(&mut self, later: &Self) {
        if let Some(more) = &later.caption {
            match &mut self.caption {
                Some(caption) if caption.len() + more.len() < MAX_CAPTION_BYTES => {
                    caption.push('\n');
                    caption.push_str(more);
                }
                other => *other = Some(more.clone()),
            }
        }
        for tag in &later.tags {
            if !self.tags.contains(tag) {
                self.tags.push(tag.clone());
            }
        }
        if later.album.is_some() {
            self.album.clone_from(&later.album);
        }
    }
}

/// Reads `#norway`; `#17` is a number and no tag.
fn tag(word: &str) -> Option<&str> {
    let tag = word.strip_prefix('#')?;
    let tag = tag.trim_end_matches(|it: char| it.is_ascii_punctuation());
    let begins = tag.chars().next().is_some_and(char::is_alphabetic);
    (begins && tag.len() <= MAX_NAME_BYTES && !tag.contains('#')).then_some(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, Vec<String>) {
        let labels = Labels::read(text).unwrap();
        (labels.caption, labels.tags)
    }

    #[test]
    fn words_with_a_hash_are_tags_and_numbers_are_not() {
        let tags = |tags: &[&str]| tags.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        let said = |text: &str| Some(text.to_owned());

        assert_eq!(read("Beach"), (said("Beach"), vec![]));
        assert_eq!(
            read(" At #Oslo, with #anna. "),
            (said("At #Oslo, with #anna."), tags(&["Oslo", "anna"]))
        );
        assert_eq!(
            read("#norway #été #norway"),
            (None, tags(&["norway", "été"]))
        );
        assert_eq!(read("see #17 #"), (said("see #17 #"), vec![]));
    }

    #[test]
    fn what_cannot_be_kept_is_no_caption_and_the_longest_one_is() {
        let longest = "x".repeat(MAX_CAPTION_BYTES);

        assert!(Labels::read(&longest).is_some());
        assert!(Labels::read(&format!("{longest}x")).is_none());
        assert!(Labels::read(" \n").is_none());
        assert!(Labels::read("a\u{7}b").is_none());
        assert!(Labels::read("two\nlines").is_some());
    }

    #[test]
    fn what_is_written_later_is_added() {
        let mut labels = Labels::read("Beach #sea").unwrap();
        labels.add(&Labels::read("with Anna #sea #anna").unwrap());
        labels.add(&Labels::of_album("Norway"));

        assert_eq!(
            labels.caption.as_deref(),
            Some("Beach #sea\nwith Anna #sea #anna")
        );
        assert_eq!(labels.tags, ["sea", "anna"]);
        assert_eq!(labels.album.as_deref(), Some("Norway"));
    }
}
