//! What kind of file a name promises, for phones that show a photo only if they are told it is one.
//!
//! It looks at no content: whoever receives the file decides what to do with it.

/// Endings of names with their media types, as IANA registers them.
const TYPES: &[(&str, &str)] = &[
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("heic", "image/heic"),
    ("svg", "image/svg+xml"),
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mkv", "video/matroska"),
    ("3gp", "video/3gpp"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("flac", "audio/flac"),
    ("wav", "audio/wav"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
];

/// Returns the media type that the ending of a name promises.
pub(super) fn of(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    let found = TYPES
        .iter()
        .find(|(known, _)| ending.eq_ignore_ascii_case(known));
    found.map(|(_, media_type)| *media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_tells_the_type_and_the_rest_of_the_name_does_not() {
        for (name, media_type) in [
            ("IMG_2041.JPG", Some("image/jpeg")),
            ("a.png.pdf", Some("application/pdf")),
            (".gif", Some("image/gif")),
            ("jpg", None),
            ("a.", None),
            ("a.jpg.x", None),
            ("", None),
        ] {
            assert_eq!(of(name), media_type, "{name}");
        }
    }
}
