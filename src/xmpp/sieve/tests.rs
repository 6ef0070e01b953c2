use super::*;

const HEAD: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:client'>";

/// Passes `text` in pieces of `step` bytes and returns what came through, without the head.
fn pass_in_steps(text: &str, step: usize) -> String {
    let mut rules = Rules::new();
    let mut out = Vec::new();
    rules.pass(HEAD.as_bytes(), &mut out).unwrap();
    out.clear();
    for piece in text.as_bytes().chunks(step) {
        rules.pass(piece, &mut out).unwrap();
    }
    String::from_utf8(out).unwrap()
}

fn pass(text: &str) -> String {
    let whole = pass_in_steps(text, text.len());
    for step in [1, 7] {
        assert_eq!(
            pass_in_steps(text, step),
            whole,
            "cut differently in steps of {step}"
        );
    }
    whole
}

#[test]
fn an_ordinary_stanza_passes_unchanged() {
    let text = "<message from='a@b' id=\"x>y'\"><body>1 &lt; 2</body><x xmlns='y'/>\
                <![CDATA[<not><tags>]]]></message><r xmlns='urn:xmpp:sm:3'/>";

    assert_eq!(pass(text), text);
}

#[test]
fn an_overlong_attribute_is_replaced_and_the_stanza_stays() {
    let long = "x".repeat(MAX_VALUE_BYTES + 1);
    let fits = "x".repeat(MAX_VALUE_BYTES);

    let cut = pass(&format!(
        "<message a='1' b='{long}' c=\"2\"><body>hi</body></message>"
    ));
    let kept = pass(&format!("<message b='{fits}'/>"));

    assert_eq!(
        cut,
        "<message a='1' b='overlong.invalid' c=\"2\"><body>hi</body></message>"
    );
    assert_eq!(kept, format!("<message b='{fits}'/>"));
}

#[test]
fn what_is_nested_too_deep_is_cut_out_and_the_rest_stays() {
    let deep = format!("{}{}", "<a>".repeat(5_000), "</a>".repeat(5_000));
    let allowed = MAX_DEPTH - 2;
    let shallow = format!("{}{}", "<a>".repeat(allowed), "</a>".repeat(allowed));

    let cut = pass(&format!(
        "<message>{deep}<body>hi</body></message><presence/>"
    ));
    let kept = pass(&format!("<message>{shallow}</message>"));

    assert_eq!(
        cut,
        format!("<message>{shallow}<body>hi</body></message><presence/>")
    );
    assert_eq!(kept, format!("<message>{shallow}</message>"));
}

#[test]
fn an_element_with_an_overlong_name_is_cut_out() {
    let long = "n".repeat(9_000);

    let cut = pass(&format!(
        "<message><{long} a='b'><c>text</c></{long}><d/></message>"
    ));

    assert_eq!(cut, "<message><d/></message>");
}

#[test]
fn an_overlong_attribute_name_cuts_the_element() {
    let long = "n".repeat(9_000);

    let cut = pass(&format!("<message><x {long}='b'/><d/></message>"));

    assert_eq!(cut, "<message><d/></message>");
}

#[test]
fn a_stanza_with_an_overlong_head_is_still_one_stanza_from_nobody() {
    let many = "a='1' ".repeat(MAX_TAG_BYTES);

    let cut = pass_in_steps(
        &format!("<message {many}><body>hi</body></message><iq/>"),
        4_096,
    );

    assert_eq!(cut, "<message type='error' from='overlong.invalid'/><iq/>");
}

#[test]
fn a_restarted_stream_is_not_nesting() {
    let mut rules = Rules::new();
    let mut out = Vec::new();

    for _ in 0..100 {
        rules.pass(HEAD.as_bytes(), &mut out).unwrap();
    }

    assert_eq!(rules.depth, 1);
    assert_eq!(rules.cut, 0);
}

#[test]
fn a_stream_head_inside_a_stanza_does_not_reset_the_depth() {
    let nested = format!(
        "<message><x>{}</x></message>",
        "<stream:stream>".repeat(100)
    );

    let cut = pass(&nested);

    assert_eq!(cut.matches("<stream:stream>").count(), MAX_DEPTH - 3);
}

#[test]
fn what_is_too_much_to_hold_in_memory_is_cut_out_and_the_next_stanza_is_whole() {
    let many = format!("<message>{}<late/></message>", "<a/>".repeat(50_000));
    let attributes: String = (0..2_000).map(|it| format!(" a{it}=''")).collect();
    let wide = format!(
        "<message>{}</message>",
        format!("<a{attributes}/>").repeat(30)
    );
    let next = "<message><a/></message>";

    let many = pass(&format!("{HEAD}{many}{next}"));
    let wide = pass(&format!("{HEAD}{wide}{next}"));

    assert_eq!(many.matches("<a/>").count(), 40_000 - 1 + 1);
    assert!(!many.contains("<late/>"));
    assert_eq!(wide.matches(" a7=").count(), 19);
    assert!(many.ends_with(next) && wide.ends_with(next));
}

#[test]
fn an_endless_stanza_ends_in_an_error() {
    let mut rules = Rules::new();
    let mut out = Vec::new();
    rules.pass(HEAD.as_bytes(), &mut out).unwrap();
    rules.pass(b"<message><body>", &mut out).unwrap();

    let results: Vec<bool> = (0..6)
        .map(|_| rules.pass(&vec![b'x'; 1024 * 1024], &mut out).is_ok())
        .collect();

    assert_eq!(results, [true, true, true, true, false, false]);
}

#[test]
fn many_ordinary_stanzas_never_count_as_one() {
    let mut rules = Rules::new();
    let mut out = Vec::new();
    rules.pass(HEAD.as_bytes(), &mut out).unwrap();
    let stanza = format!("<message><body>{}</body></message>", "x".repeat(200_000));

    for _ in 0..50 {
        out.clear();
        rules.pass(stanza.as_bytes(), &mut out).unwrap();
    }

    assert_eq!(out, stanza.as_bytes());
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_grow(bytes in proptest::collection::vec(0_u8.., 0..4_000)) {
        let mut rules = Rules::new();
        let mut out = Vec::new();

        let _ = rules.pass(&bytes, &mut out);

        proptest::prop_assert!(out.len() <= bytes.len() + bytes.len() * CUT_STANZA.len());
    }
}
