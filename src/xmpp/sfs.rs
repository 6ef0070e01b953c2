//! Files described inside an encrypted envelope (XEP-0446, XEP-0447, XEP-0448).
//!
//! It opens no address: what it reads is plain data, and what makes no sense is told as such. It
//! reads only what was encrypted; a description in clear is no file.
//!
//! ```text
//! <file-sharing xmlns='urn:xmpp:sfs:0'>
//!   <file xmlns='urn:xmpp:file:metadata:0'> <name/> <media-type/> <size/> <date/> <hash algo=''/> </file>
//!   <sources>
//!     <encrypted xmlns='urn:xmpp:esfs:0' cipher=''> <key/> <iv/> <hash algo=''/>
//!       <sources xmlns='urn:xmpp:sfs:0'> <url-data target='https://…'/> </sources>
//!     </encrypted>
//!   </sources>
//! </file-sharing>
//! ```
//!
//! The sources may come in a message of their own, which names the one with the description:
//!
//! ```text
//! <attach-to xmlns='urn:xmpp:message-attaching:1' id=''/>
//! <sources xmlns='urn:xmpp:sfs:0' id=''> … </sources>
//! ```

use std::time::{Duration, UNIX_EPOCH};

use minidom::Element;
use omemo::media::{
    ContentHash, FileSource, HashAlgorithm, MAX_HASHES, MAX_SOURCES, MediaCipher, MediaSecret,
    SharedFile, SharedFileError,
};
use zeroize::Zeroizing;

use super::archive::date_time;
use super::incoming::read_time;
use super::sce::{SceContent, SceDraft};
use super::signs;
use super::xml::{self, Xml, lenient_base64};

const SFS: &str = "urn:xmpp:sfs:0";
const METADATA: &str = "urn:xmpp:file:metadata:0";
const ESFS: &str = "urn:xmpp:esfs:0";
const HASHES: &str = "urn:xmpp:hashes:2";
const FALLBACK: &str = "urn:xmpp:fallback:0";
const ATTACHING: &str = "urn:xmpp:message-attaching:1";
/// XEP-0103
const URL_DATA: &str = "http://jabber.org/protocol/url-data";
/// Seconds from 1970 to the first year that XEP-0082 cannot write.
const YEAR_10_000: i64 = 253_402_300_800;
/// Most parts of a text that only stand for files, and most elements that name them.
const MAX_PARTS: usize = 8;
/// Kinds of content that people look at and do not save: shown in the chat.
const SHOWN: [&str; 3] = ["image/", "video/", "audio/"];

/// A file that a message describes.
///
/// Not `Debug`: it carries what people wrote.
pub struct FoundFile {
    /// The file's name, also where the rest makes no sense.
    pub name: Option<String>,
    /// What tells it from others of the same message, if anything does.
    pub part: Option<String>,
    /// The description. Without any source, a later message is to bring them.
    pub file: Result<SharedFile, SharedFileError>,
}

/// Sources for a file that an earlier message described.
///
/// Not `Debug`: it carries keys.
pub struct FoundSources {
    /// The message that described it.
    pub to: String,
    /// Which of its files.
    pub part: Option<String>,
    /// Where the file is.
    pub sources: Result<Vec<FileSource>, SharedFileError>,
}

impl SceContent {
    /// Returns the files that the message describes, in its order.
    #[must_use]
    pub fn files(&self) -> Vec<FoundFile> {
        self.all("file-sharing", SFS).map(read_file).collect()
    }

    /// Returns the sources that the message brings for a file of an earlier one.
    // XEP-0447 v0.3.1 3.3, XEP-0367 v0.3 3
    #[must_use]
    pub fn attached(&self) -> Option<FoundSources> {
        let to = self.element("attach-to", ATTACHING).and_then(signs::id)?;
        let sources = self.element("sources", SFS)?;
        Some(FoundSources {
            to,
            part: signs::id(sources),
            sources: read_sources(sources),
        })
    }

    /// Returns the text without what only stands for the files, for programs that cannot read
    /// descriptions.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let mut body = self.body()?;
        let fallbacks = self.all("fallback", FALLBACK);
        let fallbacks = fallbacks.filter(|it| it.attr("for") == Some(SFS));
        for fallback in fallbacks.take(MAX_PARTS) {
            // XEP-0428 v0.2.1 3: without a range it is the whole text
            let parts = fallback.children().filter(|it| it.is("body", FALLBACK));
            // Each part is a walk through the text.
            for part in parts.take(MAX_PARTS) {
                let number = |name| part.attr(name).map(str::parse::<usize>);
                body = match (number("start"), number("end")) {
                    (Some(Ok(start)), Some(Ok(end))) => without(&body, start, end),
                    _ => String::new(),
                };
            }
        }
        let is_address = |it: &str| {
            let lower = it.to_ascii_lowercase();
            lower.starts_with("https://") || lower.starts_with("aesgcm://")
        };
        let words = body.trim();
        let has_files = self.all("file-sharing", SFS).next().is_some() || self.attached().is_some();
        let only_stands_for_files = has_files
            && (words.is_empty() || is_address(words) && !words.contains(char::is_whitespace));
        (!only_stands_for_files).then_some(body)
    }
}

/// Returns `text` without the characters from `start` up to `end`.
fn without(text: &str, start: usize, end: usize) -> String {
    let characters = text.chars().enumerate();
    let kept = characters.filter(|(at, _)| !(start..end).contains(at));
    kept.map(|(_, character)| character).collect()
}

/// Tells whether a stanza describes a file in clear.
pub(crate) fn is_in_clear(stanza: &Element) -> bool {
    xml::child(stanza, "file-sharing", SFS).is_some()
}

// XEP-0447 v0.3.1 3.1
fn read_file(sharing: &Element) -> FoundFile {
    let metadata = xml::child(sharing, "file", METADATA);
    let name = metadata.and_then(|it| text_of(it, "name"));
    let part = signs::id(sharing);
    let file = read_metadata(metadata).and_then(|mut file| {
        let Some(sources) = xml::child(sharing, "sources", SFS) else {
            // XEP-0447 v0.3.1 3.2: they are to come.
            return file.checked_ahead();
        };
        file.sources = read_sources(sources)?;
        file.checked()
    });
    FoundFile { name, part, file }
}

fn text_of(metadata: &Element, name: &str) -> Option<String> {
    let element = xml::child(metadata, name, METADATA)?;
    Some(element.text().trim().to_owned())
}

/// XEP-0446 v0.2.0 2
fn read_metadata(metadata: Option<&Element>) -> Result<SharedFile, SharedFileError> {
    let Some(metadata) = metadata else {
        return Ok(SharedFile::default());
    };
    let size = match text_of(metadata, "size") {
        Some(size) => Some(size.parse().map_err(|_| SharedFileError::Malformed)?),
        None => None,
    };
    let changed_at = text_of(metadata, "date").and_then(|it| read_time(&it));
    Ok(SharedFile {
        name: text_of(metadata, "name"),
        media_type: text_of(metadata, "media-type"),
        size,
        changed_at: changed_at.filter(|it| (0..YEAR_10_000).contains(it)),
        hashes: read_hashes(metadata)?,
        sources: Vec::new(),
    })
}

/// Reads the hashes that are strong enough, of a content or of a ciphertext.
fn read_hashes(of: &Element) -> Result<Vec<ContentHash>, SharedFileError> {
    let mut hashes = Vec::new();
    for hash in of.children().filter(|it| it.is("hash", HASHES)) {
        // XEP-0300 v1.0.0 2; what is weak or unknown proves nothing
        if let Some(algorithm) = hash.attr("algo").and_then(HashAlgorithm::named) {
            let digest = lenient_base64(&hash.text());
            let hash = digest.and_then(|it| ContentHash::new(algorithm, it));
            // Every place of a file keeps them all: many of both would fill the memory.
            if hashes.len() >= MAX_HASHES {
                return Err(SharedFileError::Malformed);
            }
            hashes.push(hash.ok_or(SharedFileError::Malformed)?);
        }
    }
    Ok(hashes)
}

/// Reads the sources that can be used; where there is none, says what is wrong with the first.
fn read_sources(sources: &Element) -> Result<Vec<FileSource>, SharedFileError> {
    let mut found = Vec::new();
    let mut fault = None;
    for source in sources.children() {
        // One too many is refused as a whole; no more are read.
        if found.len() > MAX_SOURCES {
            break;
        }
        let read = if source.is("encrypted", ESFS) {
            read_encrypted(source, &mut found)
        } else if source.is("url-data", URL_DATA) {
            Err(SharedFileError::NotEncrypted)
        } else {
            continue;
        };
        fault = fault.or(read.err());
    }
    if found.is_empty() {
        return Err(fault.unwrap_or(SharedFileError::NoSource));
    }
    Ok(found)
}

/// XEP-0448 v0.2.0 3.1
fn read_encrypted(encrypted: &Element, found: &mut Vec<FileSource>) -> Result<(), SharedFileError> {
    let cipher = encrypted.attr("cipher").and_then(MediaCipher::named);
    let cipher = cipher.ok_or(SharedFileError::Cipher)?;
    let bytes = |name| {
        let text = xml::child(encrypted, name, ESFS).map(|it| Zeroizing::new(it.text()));
        let bytes = text.and_then(|it| lenient_base64(&it));
        bytes.map(Zeroizing::new).ok_or(SharedFileError::Malformed)
    };
    let (key, iv) = (bytes("key")?, bytes("iv")?);
    let hashes = read_hashes(encrypted)?;
    let places = xml::child(encrypted, "sources", SFS).ok_or(SharedFileError::NoSource)?;
    let mut fault = Err(SharedFileError::NoSource);
    let mut added = false;
    for place in places.children().filter(|it| it.is("url-data", URL_DATA)) {
        if found.len() > MAX_SOURCES {
            break;
        }
        let secret = MediaSecret::new(cipher, &key, &iv);
        let secret = secret.map_err(|_| SharedFileError::Malformed)?;
        match FileSource::new(place.attr("target").unwrap_or_default(), secret) {
            Ok(mut source) => {
                source.hashes.clone_from(&hashes);
                found.push(source);
                added = true;
            }
            Err(why) => fault = Err(why),
        }
    }
    if added { Ok(()) } else { fault }
}

impl SceDraft {
    /// Adds the description of a file.
    #[must_use]
    pub fn file(self, file: &SharedFile) -> Self {
        self.element(write_file(file))
    }
}

fn write_file(file: &SharedFile) -> Xml {
    let SharedFile {
        name,
        media_type,
        size,
        changed_at,
        hashes,
        sources,
    } = file;
    let text = |name, text: &Option<String>| text.as_ref().map(|it| Xml::new(name).text(it));
    let date = changed_at.and_then(|it| {
        let since = Duration::from_secs(u64::try_from(it).ok()?);
        Some(Xml::new("date").text(&date_time(UNIX_EPOCH.checked_add(since)?)))
    });
    let metadata = Xml::in_ns("file", METADATA)
        .child_if(text("media-type", media_type))
        .child_if(text("name", name))
        .child_if(size.map(|it| Xml::new("size").text(&it.to_string())))
        .child_if(date)
        .children(hashes.iter().map(write_hash));
    let sources = sources.iter().map(|it| {
        let place = Xml::in_ns("url-data", URL_DATA).attr("target", &it.url);
        Xml::in_ns("encrypted", ESFS)
            .attr("cipher", it.secret.cipher().uri())
            .child(Xml::new("key").base64(it.secret.expose_key_to_message()))
            .child(Xml::new("iv").base64(it.secret.iv()))
            .children(it.hashes.iter().map(write_hash))
            .child(Xml::in_ns("sources", SFS).child(place))
    });
    let is_shown = |it: &String| SHOWN.iter().any(|kind| it.starts_with(kind));
    let shown = media_type.as_ref().is_some_and(is_shown);
    let disposition = if shown { "inline" } else { "attachment" };
    Xml::in_ns("file-sharing", SFS)
        .attr("disposition", disposition)
        .child(metadata)
        .child(Xml::new("sources").children(sources))
}

fn write_hash(hash: &ContentHash) -> Xml {
    let element = Xml::in_ns("hash", HASHES).attr("algo", hash.algorithm().name());
    element.base64(hash.digest())
}

/// Tells whether a description is read as it was when it is written, for the fuzz target.
pub(crate) fn is_read_back(file: &SharedFile) -> bool {
    // A control character takes three bytes when it is written, which may be too many.
    if file.name.as_ref().is_some_and(|it| it.len() > 300) {
        return true;
    }
    let Some(written) = xml::read(&write_file(file).into_text()) else {
        return false;
    };
    let Ok(again) = read_file(&written).file else {
        return false;
    };
    let same = |(one, other): (&FileSource, &FileSource)| {
        one.url == other.url
            && one.hashes == other.hashes
            && one.secret.to_bytes() == other.secret.to_bytes()
    };
    again.media_type == file.media_type
        && again.size == file.size
        && again.changed_at == file.changed_at
        && again.hashes == file.hashes
        && again.sources.len() == file.sources.len()
        && again.sources.iter().zip(&file.sources).all(same)
}

#[cfg(test)]
mod tests;
