//! The grammar, verb by verb.

use proptest::prelude::*;

use super::{parse as parse_in, *};

/// Reads a line that answers to nothing.
fn parse(line: &str) -> Result<Command, NotACommand> {
    parse_in(line, &Context::default())
}

fn one(first: u64, last: u64) -> Pick {
    Pick::Range { first, last }
}

#[test]
fn case_slash_and_spaces_do_not_matter() {
    for line in ["help", "HELP", "/help", "  Help  ", "?"] {
        assert_eq!(parse(line), Ok(Command::Help), "{line}");
    }
}

#[test]
fn get_takes_numbers_ranges_and_last() {
    let picks = vec![one(7, 7), one(9, 12), Pick::Last { count: 1 }];

    assert_eq!(
        parse("get 7, 9-12 last"),
        Ok(Command::Get {
            picks: picks.clone()
        })
    );
    assert_eq!(
        parse("/GET #7 9–12 LAST"),
        Ok(Command::Get {
            picks: picks.clone()
        })
    );
    assert_eq!(parse("7 9-12 last"), Ok(Command::Get { picks }));
    assert_eq!(
        parse("last 3"),
        Ok(Command::Get {
            picks: vec![Pick::Last { count: 3 }]
        })
    );
}

#[test]
fn a_wrong_number_is_named() {
    let wrong = |word: &str| {
        Err(NotACommand::BadNumber {
            word: word.to_owned(),
        })
    };

    assert_eq!(parse("get"), wrong(""));
    assert_eq!(parse("get me"), wrong("me"));
    assert_eq!(parse("get 0"), wrong("0"));
    assert_eq!(parse("get 12-7"), wrong("12-7"));
    assert_eq!(parse("get 7-"), wrong("7-"));
    assert_eq!(
        parse("get 18446744073709551616"),
        wrong("18446744073709551616")
    );
    assert_eq!(parse("list 0"), wrong("0"));
    assert_eq!(parse("info 7-9"), wrong("7-9"));
}

#[test]
fn a_slip_does_not_ask_for_everything() {
    assert_eq!(parse("get 1-101"), Err(NotACommand::TooMany));
    assert_eq!(parse("get 1-99 last 2"), Err(NotACommand::TooMany));
    assert!(parse("get 1-100").is_ok());
}

#[test]
fn revoking_a_phone_and_revoking_a_key_are_never_mistaken_for_each_other() {
    let device = |digits: &str| {
        Ok(Command::RevokeDevice {
            digits: digits.to_owned(),
        })
    };
    let key = |name: &str| {
        Ok(Command::RevokeKey {
            name: name.to_owned(),
        })
    };

    assert_eq!(parse("revoke 8c1f"), device("8c1f"));
    assert_eq!(parse("Revoke PHONE …8C1F 0a2b"), device("8c1f0a2b"));
    assert_eq!(parse("revoke key beef"), key("beef"));
    assert_eq!(parse("revoke key \"bank safe\""), key("bank safe"));
    assert_eq!(parse("revoke key"), Err(NotACommand::RevokeHow));
    assert_eq!(
        parse("revoke bank safe"),
        Err(NotACommand::RevokeWhat {
            word: "bank safe".to_owned()
        })
    );
}

#[test]
fn a_key_is_renamed_only_where_both_names_are_clear() {
    let renamed = |name: &str, to: &str| {
        Ok(Command::RenameKey {
            name: name.to_owned(),
            to: to.to_owned(),
        })
    };
    let how = Err(NotACommand::RenameHow);

    assert_eq!(
        parse("rename key key device to bank safe"),
        renamed("key device", "bank safe")
    );
    assert_eq!(
        parse("rename key \"from A to B\" to \"safe\""),
        renamed("from A to B", "safe")
    );
    assert_eq!(parse("rename key a to b to c"), how);
    assert_eq!(parse("rename key a"), how);
}

#[test]
fn prose_and_many_lines_are_no_command() {
    for line in [
        "",
        "hello",
        "help\nlock",
        "2nd try",
        "💙",
        "lsit of what to buy today",
    ] {
        assert_eq!(parse(line), Err(NotACommand::Unknown), "{line:?}");
    }
}

#[test]
fn what_follows_a_verb_that_stands_alone_stops_it() {
    for (line, verb) in [
        ("lock now", "lock"),
        ("/Status of it", "status"),
        ("phones 7", "devices"),
    ] {
        assert_eq!(parse(line), Err(NotACommand::Alone { verb }), "{line}");
    }
    assert_eq!(parse("lock"), Ok(Command::Lock), "the twin");
}

#[test]
fn bytes_that_no_phone_types_refuse_the_whole_message() {
    for line in [
        "status\u{0}",
        "get 7\u{1b}[2J",
        "lo\u{7}ck",
        "> #7\u{0}\nget",
        "get\t7",
    ] {
        assert_eq!(parse(line), Err(NotACommand::NotPlain), "{line:?}");
    }
}

#[test]
fn a_slip_in_the_verb_is_asked_back_and_never_obeyed() {
    for (line, verb) in [
        ("lsit", "list"),
        ("stauts", "status"),
        ("gte 7", "get"),
        ("lokc", "lock"),
    ] {
        assert_eq!(parse(line), Err(NotACommand::DidYouMean { verb }), "{line}");
    }
}

#[test]
fn synonyms_are_the_same_command() {
    for (one, other) in [
        ("ls", "list"),
        ("show 30", "list 30"),
        ("search lake", "find lake"),
        ("send 7", "get 7"),
        ("fetch 7-9", "get 7-9"),
        ("download last", "get last"),
        ("check 7", "verify 7"),
        ("phones", "devices"),
    ] {
        assert_eq!(parse(one), parse(other), "{one}");
        assert!(parse(one).is_ok(), "{one}");
    }
}

#[test]
fn no_word_begins_two_commands() {
    let mut words: Vec<&str> = VERBS
        .iter()
        .flat_map(|it| it.also.iter().copied().chain([it.name]))
        .collect();
    words.sort_unstable();
    let count = words.len();
    words.dedup();
    assert_eq!(words.len(), count);
}

#[test]
fn a_get_that_answers_to_a_file_means_it() {
    let picks = vec![one(17, 17)];
    let get = Ok(Command::Get { picks });
    let context = Context {
        quoted: vec![17],
        ..Context::default()
    };

    assert_eq!(parse("> #17 beach.jpg, 3.1 MB, 4 May 2026\nget"), get);
    assert_eq!(parse_in("get", &context), get);
    let picks = vec![one(3, 3)];
    assert_eq!(
        parse_in("get 3", &context),
        Ok(Command::Get { picks }),
        "a number that is typed goes before"
    );
}

#[test]
fn help_is_for_every_verb_and_its_other_words() {
    assert_eq!(parse("help Find"), Ok(Command::HelpOn { verb: "find" }));
    assert_eq!(parse("help search"), Ok(Command::HelpOn { verb: "find" }));
    assert_eq!(parse("help unlock"), Ok(Command::HelpOn { verb: "unlock" }));
    let word = "me out".to_owned();
    assert_eq!(parse("help me out"), Err(NotACommand::NoTopic { word }));
}

#[test]
fn verify_tells_a_sample_from_a_number() {
    for (line, asked) in [
        ("verify", Asked::All),
        ("Verify all", Asked::All),
        ("verify sample", Asked::Sample(20)),
        ("/verify  SAMPLE 50", Asked::Sample(50)),
        ("verify 7", Asked::One(7)),
        ("verify #20", Asked::One(20)),
        ("verify stop", Asked::Stop),
    ] {
        assert_eq!(parse(line), Ok(Command::Verify(asked)), "{line}");
    }
    for rest in [
        "7-9",
        "sample 0",
        "sample x",
        "me",
        "7 8",
        "sample 10001",
        "0",
    ] {
        let word = rest.to_owned();
        let refused = Err(NotACommand::VerifyWhat { word });
        assert_eq!(parse(&format!("verify {rest}")), refused, "{rest}");
    }
}

#[test]
fn find_keeps_the_words() {
    assert_eq!(
        parse("find  Summer   in Köln"),
        Ok(Command::List {
            what: Filter {
                words: "Summer in Köln".into(),
                ..Filter::default()
            },
            lines: FOUND_LINES,
            before: None,
        })
    );
    assert_eq!(parse("find "), Err(NotACommand::NothingToFind));
    assert_eq!(parse("find \"\""), Err(NotACommand::NothingToFind));
}

#[test]
fn a_list_takes_how_many_and_what() {
    let listed = |lines, line: &str| {
        Ok(Command::List {
            what: filter(line, &Context::default()),
            lines,
            before: None,
        })
    };

    assert_eq!(parse("list"), listed(DEFAULT_LINES, ""));
    assert_eq!(parse("list 4000000000"), listed(MAX_LINES, ""));
    assert_eq!(parse("list 30 photos"), listed(30, "photos"));
    assert_eq!(parse("list 2025"), listed(DEFAULT_LINES, "2025"));
    assert_ne!(parse("list 2025"), parse("list"));
}

#[test]
fn info_is_of_one_file() {
    let of = |number| Ok(Command::Info { number });
    let context = Context {
        quoted: vec![17, 18],
        ..Context::default()
    };

    assert_eq!(parse("info #7"), of(7));
    assert_eq!(parse_in("about", &context), of(17));
    assert_eq!(parse("info"), Err(NotACommand::WhichFile));
}

proptest! {
    #[test]
    fn no_line_panics(line in "\\PC{0,200}") {
        let _ = parse(&line);
    }

    #[test]
    fn no_get_names_more_than_the_limit(line in "(get )?([0-9]{1,20}|last|[0-9]{1,3}-[0-9]{1,4}|,| ){1,20}") {
        if let Ok(Command::Get { picks }) = parse(&line) {
            let picked: u64 = picks
                .iter()
                .map(|pick| match pick {
                    Pick::Range { first, last } => last - first + 1,
                    Pick::Last { count } => *count,
                })
                .sum();
            prop_assert!((1..=MAX_PICKED).contains(&picked));
        }
    }
}
