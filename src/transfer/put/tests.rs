use super::*;

fn upload<'a>(headers: &'a [(String, String)], content_type: &'a str) -> Upload<'a> {
    Upload {
        url: "https://upload.example/slot",
        headers,
        length: 7,
        content_type,
    }
}

fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| (String::from(*name), String::from(*value)))
        .collect()
}

#[test]
fn only_the_three_headers_of_a_slot_are_taken_over_and_in_their_order() {
    let slot = pairs(&[
        ("Cookie", "first=1"),
        ("Host", "bank.example"),
        ("aUTHORIZATION", "Bearer t0ken"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("COOKIE", "second=2"),
        ("Expires", "Tue, 01 Dec 2026 00:00:00 GMT"),
        ("Content-Type", "text/html"),
        ("Authorization ", "blank in the name"),
    ]);

    let headers = headers(&upload(&slot, "application/octet-stream")).unwrap();

    let mut found: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    found.sort_by_key(|(name, _)| *name);
    assert_eq!(
        found,
        [
            ("authorization", "Bearer t0ken"),
            ("content-length", "7"),
            ("content-type", "application/octet-stream"),
            ("cookie", "first=1"),
            ("cookie", "second=2"),
            ("expires", "Tue, 01 Dec 2026 00:00:00 GMT"),
        ]
    );
}

#[test]
fn line_breaks_in_a_slot_header_smuggle_nothing_in() {
    let slot = pairs(&[
        (
            "Author\r\nization",
            "Bearer\r\n t0ken\r\nHost: bank.example",
        ),
        ("Cookie\n", "a=1\nb=2"),
    ]);

    let headers = headers(&upload(&slot, "image/jpeg")).unwrap();

    assert_eq!(headers[AUTHORIZATION], "Bearer t0kenHost: bank.example");
    assert_eq!(headers[COOKIE], "a=1b=2");
    assert!(!headers.contains_key("host"));
}

#[test]
fn control_characters_in_a_slot_header_refuse_the_slot() {
    for bad in ["a\0b", "a\x7fb", "a\x1bb"] {
        assert_eq!(
            headers(&upload(&pairs(&[("Cookie", bad)]), "image/jpeg")).unwrap_err(),
            Refusal::Header
        );
        assert_eq!(headers(&upload(&[], bad)).unwrap_err(), Refusal::Header);
        // An ignored header may hold what it likes.
        headers(&upload(&pairs(&[("X-Cookie", bad)]), "image/jpeg")).unwrap();
    }
    headers(&upload(&pairs(&[("Cookie", "a b")]), "image/jpeg")).unwrap();
}

#[test]
fn the_tokens_of_a_slot_are_not_shown_by_debug() {
    let headers = headers(&upload(&pairs(&[("Authorization", "t0ken")]), "image/jpeg")).unwrap();

    let shown = format!("{headers:?}");

    assert!(!shown.contains("t0ken"), "{shown}");
    assert!(shown.contains("authorization"), "{shown}");
}
