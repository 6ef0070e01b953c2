use proptest::prelude::*;

use super::*;

const ID: RequestId = RequestId([0xa5; 16]);
const HEX: &str = "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

/// The lines of docs/formats/client.md.
#[test]
fn requests_are_written_as_the_format_says_and_read_back() {
    let link = "aesgcm://up.example/x.jpg#00".to_owned();
    let table = [
        (Request::Hello, format!("strongroom:1 hello {HEX}")),
        (
            Request::Put {
                link: link.clone(),
                name: "a b\n%é.jpg".to_owned(),
                time: 1_777_888_999,
            },
            format!("strongroom:1 put {HEX} 1777888999 a%20b%0A%25%C3%A9.jpg {link}"),
        ),
        (
            Request::Get {
                numbers: vec![7, 9, 10, 11],
            },
            format!("strongroom:1 get {HEX} 7,9-11"),
        ),
        (
            Request::Which {
                before: 0,
                what: Which::All,
            },
            format!("strongroom:1 which {HEX} 0 all -"),
        ),
        (
            Request::Which {
                before: 501,
                what: Which::Album("New York".to_owned()),
            },
            format!("strongroom:1 which {HEX} 501 album New%20York"),
        ),
    ];
    for (request, line) in table {
        assert_eq!(request.line(ID), line);
        assert!(Request::read(&line) == Some(Ok((ID, request))), "{line}");
    }
}

#[test]
fn responses_are_written_as_the_format_says_and_read_back() {
    let why = || "It is gone.".to_owned();
    let table = [
        (Response::Welcome { is_open: true }, "welcome ID open"),
        (Response::Stored { number: 12 }, "stored ID 12"),
        (Response::Same { number: 3 }, "same ID 3"),
        (Response::Kept, "kept ID"),
        (Response::Trying { why: why() }, "trying ID It%20is%20gone."),
        (Response::Failed { why: why() }, "failed ID It%20is%20gone."),
        (
            Response::File {
                number: 7,
                bytes: 5,
                time: 9,
                name: "a-b.jpg".to_owned(),
                link: "aesgcm://u/x#0".to_owned(),
            },
            "file ID 7 5 9 a%2Db.jpg aesgcm://u/x#0",
        ),
        (
            Response::Unsent {
                number: 7,
                why: why(),
            },
            "unsent ID 7 It%20is%20gone.",
        ),
        (Response::Missing { numbers: vec![9] }, "missing ID 9"),
        (
            Response::Numbers {
                numbers: vec![12, 11, 10, 7],
                more: true,
            },
            "numbers ID more 12-10,7",
        ),
        (
            Response::Numbers {
                numbers: Vec::new(),
                more: false,
            },
            "numbers ID all -",
        ),
        (Response::Said { text: why() }, "said ID It%20is%20gone."),
        (Response::Done, "done ID"),
    ];
    for (response, line) in table {
        let line = format!("strongroom:1 {}", line.replace("ID", HEX));
        assert_eq!(response.line(ID), line);
        assert!(Response::read(&line) == Some(Ok((ID, response))), "{line}");
    }
}

#[test]
fn what_people_write_is_no_line_and_what_is_not_whole_is_not_read() {
    for text in ["get 7", "strongroom", "strongroom:1", "strongroom:2 hello"] {
        assert!(Request::read(text).is_none(), "{text}");
    }
    let table = [
        ("strongroom:1 hello".to_owned(), None),
        (format!("strongroom:1 hello {}", &HEX[2..]), None),
        (format!("strongroom:1 hello {}", HEX.to_uppercase()), None),
        (format!("strongroom:1 hello {HEX} more"), Some(ID)),
        (format!("strongroom:1 jump {HEX}"), Some(ID)),
        (format!("strongroom:1 get {HEX} 0"), Some(ID)),
        (format!("strongroom:1 get {HEX} 1-5000"), Some(ID)),
        (format!("strongroom:1 get {HEX} 7\nget 8"), Some(ID)),
        (format!("strongroom:1 put {HEX} 1 %zz link"), Some(ID)),
        (
            format!("strongroom:1 put {HEX} 1 {} link", "n".repeat(1025)),
            Some(ID),
        ),
        (format!("strongroom:1 put {HEX} 1 %ff link"), Some(ID)),
    ];
    for (text, id) in table {
        assert!(Request::read(&text) == Some(Err(NotRead(id))), "{text}");
    }
}

proptest! {
    #[test]
    fn any_name_comes_through(name in "\\PC{0,200}", time in any::<i64>()) {
        let request = Request::Put { link: "aesgcm://u/x#0".to_owned(), name, time };

        prop_assert!(Request::read(&request.line(ID)) == Some(Ok((ID, request))));
    }

    #[test]
    fn no_text_makes_the_reader_fail(text in "(strongroom:1 )?\\PC{0,80}") {
        let _ = Request::read(&text);
        let _ = Response::read(&text);
    }
}
