//! One chat line in, one [`Command`] out, or what was wrong with it.
//!
//! Knows the grammar and nothing else: not who wrote the line, not what is in the vault.

use super::{
    devices::read_digits,
    keeping::Keeping,
    machine::Errand,
    notices::Wish,
    verify::{Asked, SAMPLE},
};

mod keeping;
mod machine;
mod notices;

pub use keeping::KeepWord;

/// Most files one `verify sample` draws.
pub const MAX_SAMPLE: u32 = 10_000;

/// Most files one `get` may name, so that a typing slip like `get 1-99999` asks for nothing.
pub const MAX_PICKED: u64 = 100;

/// Lines a `list` or `find` shows when no count is given.
pub const DEFAULT_LINES: u32 = 10;

/// Most lines one answer shows; more would not be read on a phone.
pub const MAX_LINES: u32 = 50;

/// Longest name of a key that is looked for, in bytes.
const MAX_KEY_NAME_BYTES: usize = 200;

/// Words that may stand before the digits of a device.
const DEVICE_WORDS: &[&str] = &["device", "phone"];

/// Longest command line, in bytes. Longer text is prose, not a command.
const MAX_COMMAND_BYTES: usize = 1_000;

/// What the owner asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What can be asked.
    Help,
    /// Open or locked, how much is kept, how full the drive is.
    Status,
    /// The newest entries.
    List {
        /// How many lines.
        lines: u32,
    },
    /// Entries whose name holds all the words.
    Find {
        /// The words, as typed, joined by single spaces.
        words: String,
    },
    /// Files back to the phone.
    Get {
        /// Which entries, in the order asked for.
        picks: Vec<Pick>,
    },
    /// Check files.
    Verify(Asked),
    /// Change kept files.
    Keep(Keeping),
    /// Say what is told without being asked.
    Notices(Wish),
    /// Do something to the machine.
    Machine(Errand),
    /// End the vault process at once.
    Lock,
    /// Who has a way in.
    Keys,
    /// Give a key of the vault another name.
    RenameKey {
        /// Its name.
        name: String,
        /// The name it gets.
        to: String,
    },
    /// Revoke a key of the vault.
    RevokeKey {
        /// Its name.
        name: String,
    },
    /// Revoke exactly the key of this slot; follows a confirmed number and is never read from a
    /// line.
    DropKey {
        /// Names the slot.
        slot: [u8; 16],
    },
    /// How a spare stick is made.
    AddKey,
    /// The owner's devices, and how far each is let in.
    Devices,
    /// The fingerprints of the vault and of its trusted devices.
    Fingerprints,
    /// Let a new device in.
    Trust {
        /// Last digits of its fingerprint, lower-case.
        digits: String,
    },
    /// Shut a device out for good.
    RevokeDevice {
        /// Last digits of its fingerprint, lower-case.
        digits: String,
    },
    /// Blobs on the drive that neither index nor change log know.
    Unproven,
    /// Enter exactly those of them that this digest names; follows a confirmed number and is
    /// never read from a line.
    TakeUnproven {
        /// The digest.
        seen: [u8; 32],
    },
}

/// One part of a `get`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// The entries from one number to another, both included.
    Range {
        /// The lower number.
        first: u64,
        /// The higher number; equal for a single entry.
        last: u64,
    },
    /// The newest so many entries.
    Last {
        /// How many.
        count: u64,
    },
}

/// Why a line is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotACommand {
    /// The first word is none of ours.
    Unknown,
    /// `get` without a number, or with something that is none.
    BadNumber {
        /// The word that is no number; empty when nothing followed.
        word: String,
    },
    /// More files than [`MAX_PICKED`] in one `get`.
    TooMany,
    /// `find` without words.
    NothingToFind,
    /// `trust` with what are no digits of a fingerprint.
    TrustWhom {
        /// What stood there.
        word: String,
    },
    /// `revoke` that names neither a device nor a key.
    RevokeWhat {
        /// What stood there.
        word: String,
    },
    /// `rename` without a key and two names.
    RenameHow,
    /// `revoke key` without a name.
    RevokeHow,
    /// A word about kept files without what it needs.
    Keep(KeepWord),
    /// `notices` with a kind that there is not.
    WhichNotice {
        /// What stood there.
        word: String,
    },
    /// `quiet` with what are no hours.
    QuietHow,
    /// A word about the machine with something behind it.
    Machine(Errand),
    /// `verify` with something that names no files.
    VerifyWhat {
        /// What stood there.
        word: String,
    },
}

/// Reads one chat line.
///
/// # Errors
///
/// Says what was wrong, so that the answer can name it.
pub fn parse(line: &str) -> Result<Command, NotACommand> {
    let line = line.trim();
    if line.len() > MAX_COMMAND_BYTES || line.contains(['\n', '\r', '\t']) {
        return Err(NotACommand::Unknown);
    }
    let line = line.strip_prefix('/').unwrap_or(line);
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match verb.to_lowercase().as_str() {
        "help" | "?" if rest.is_empty() => Ok(Command::Help),
        "status" if rest.is_empty() => Ok(Command::Status),
        "lock" if rest.is_empty() => Ok(Command::Lock),
        "keys" if rest.is_empty() => Ok(Command::Keys),
        "devices" if rest.is_empty() => Ok(Command::Devices),
        "fingerprints" | "fingerprint" if rest.is_empty() => Ok(Command::Fingerprints),
        "add" if rest.eq_ignore_ascii_case("key") => Ok(Command::AddKey),
        "rename" if !keeping::names_a_file(rest) => rename(rest),
        "trust" => trust(rest),
        "revoke" => revoke(rest),
        "verify" => verify(rest),
        "unproven" if rest.is_empty() => Ok(Command::Unproven),
        "list" => list(rest),
        "find" | "search" => find(rest),
        "get" => get(rest),
        "last" => get(line),
        word if word.starts_with(|first: char| first.is_ascii_digit()) => match get(line) {
            Err(NotACommand::BadNumber { .. }) => Err(NotACommand::Unknown),
            picked => picked,
        },
        verb => keeping::parse(verb, rest)
            .or_else(|| notices::parse(verb, rest))
            .or_else(|| machine::parse(verb, rest))
            .unwrap_or(Err(NotACommand::Unknown)),
    }
}

fn trust(rest: &str) -> Result<Command, NotACommand> {
    let word = rest.to_owned();
    match read_digits(after_word(rest, DEVICE_WORDS).unwrap_or(rest)) {
        Some(digits) => Ok(Command::Trust { digits }),
        None => Err(NotACommand::TrustWhom { word }),
    }
}

/// Reads `revoke 8c1f`, `revoke device 8c1f`, `revoke phone 8c1f`, `revoke key bank safe`.
fn revoke(rest: &str) -> Result<Command, NotACommand> {
    if rest.eq_ignore_ascii_case("key") {
        return Err(NotACommand::RevokeHow);
    }
    if let Some(name) = after_word(rest, &["key"]) {
        let name = key_name(name).ok_or(NotACommand::RevokeHow)?;
        return Ok(Command::RevokeKey { name });
    }
    match read_digits(after_word(rest, DEVICE_WORDS).unwrap_or(rest)) {
        Some(digits) => Ok(Command::RevokeDevice { digits }),
        None => Err(NotACommand::RevokeWhat {
            word: rest.to_owned(),
        }),
    }
}

/// Reads `rename key key device to bank safe`. Where more than one "to" stands, quotes tell which
/// is meant: nothing is guessed.
fn rename(rest: &str) -> Result<Command, NotACommand> {
    let names = after_word(rest, &["key"]).ok_or(NotACommand::RenameHow)?;
    let mut parts = names.split(" to ").map(str::trim);
    let plain = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), Some(to), None) => Some((name, to)),
        _ => names.split_once("\" to \""),
    };
    match plain.map(|(name, to)| (key_name(name), key_name(to))) {
        Some((Some(name), Some(to))) => Ok(Command::RenameKey { name, to }),
        _ => Err(NotACommand::RenameHow),
    }
}

/// Reads the name of a key, without the quotes that people copy from the answers.
fn key_name(typed: &str) -> Option<String> {
    let name = typed.trim_matches(['"', ' ']);
    (1..=MAX_KEY_NAME_BYTES)
        .contains(&name.len())
        .then(|| name.to_owned())
}

/// Returns what follows if `rest` begins with one of these words.
fn after_word<'a>(rest: &'a str, words: &[&str]) -> Option<&'a str> {
    let (first, rest) = rest.split_once(' ')?;
    let is_it = words.iter().any(|word| first.eq_ignore_ascii_case(word));
    is_it.then_some(rest.trim())
}

fn list(rest: &str) -> Result<Command, NotACommand> {
    if rest.is_empty() {
        return Ok(Command::List {
            lines: DEFAULT_LINES,
        });
    }
    match rest.parse::<u32>() {
        Ok(lines) if lines > 0 => Ok(Command::List {
            lines: lines.min(MAX_LINES),
        }),
        _ => Err(NotACommand::BadNumber {
            word: rest.to_owned(),
        }),
    }
}

fn find(rest: &str) -> Result<Command, NotACommand> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    if words.is_empty() {
        return Err(NotACommand::NothingToFind);
    }
    Ok(Command::Find {
        words: words.join(" "),
    })
}

/// Reads `verify`, `verify sample`, `verify sample 50`, `verify 7`, `verify #7`, `verify stop`.
fn verify(rest: &str) -> Result<Command, NotACommand> {
    let lower = rest.to_lowercase();
    let words: Vec<&str> = lower.split_whitespace().collect();
    let wrong = || NotACommand::VerifyWhat {
        word: rest.to_owned(),
    };
    let asked = match words.as_slice() {
        [] | ["all"] => Asked::All,
        ["stop"] => Asked::Stop,
        ["sample"] => Asked::Sample(SAMPLE),
        ["sample", count] => match count.parse::<u32>() {
            Ok(count @ 1..=MAX_SAMPLE) => Asked::Sample(count),
            _ => return Err(wrong()),
        },
        [one] => match range(one) {
            Ok((first, last)) if first == last => Asked::One(first),
            _ => return Err(wrong()),
        },
        _ => return Err(wrong()),
    };
    Ok(Command::Verify(asked))
}

fn get(rest: &str) -> Result<Command, NotACommand> {
    let mut words = rest
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|word| !word.is_empty());
    let mut picks = Vec::new();
    let mut picked = 0_u64;
    let mut next = words.next();
    while let Some(word) = next {
        next = words.next();
        let (pick, count) = if word.eq_ignore_ascii_case("last") {
            let count = next.and_then(|count| count.parse::<u64>().ok());
            if count.is_some() {
                next = words.next();
            }
            let count = count.unwrap_or(1);
            (Pick::Last { count }, count)
        } else {
            let (first, last) = range(word)?;
            (Pick::Range { first, last }, last - first + 1)
        };
        if count == 0 {
            return Err(NotACommand::BadNumber {
                word: "0".to_owned(),
            });
        }
        picked = picked.saturating_add(count);
        if picked > MAX_PICKED {
            return Err(NotACommand::TooMany);
        }
        picks.push(pick);
    }
    if picks.is_empty() {
        return Err(NotACommand::BadNumber {
            word: String::new(),
        });
    }
    Ok(Command::Get { picks })
}

/// Reads `7`, `#7` or `7-12` (also with an en dash, which phones put in by themselves).
fn range(word: &str) -> Result<(u64, u64), NotACommand> {
    let number = |text: &str| {
        let text = text.strip_prefix('#').unwrap_or(text);
        text.parse::<u64>()
            .ok()
            .filter(|number| (1..=u64::from(u32::MAX)).contains(number))
            .ok_or_else(|| NotACommand::BadNumber {
                word: word.to_owned(),
            })
    };
    let Some((first, last)) = word.split_once(['-', '–']) else {
        return number(word).map(|it| (it, it));
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(NotACommand::BadNumber {
            word: word.to_owned(),
        });
    }
    Ok((first, last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        assert_eq!(parse("list many"), wrong("many"));
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
            "lock now",
            "help\nlock",
            "status\u{0}",
            "2nd try",
            "💙",
        ] {
            assert_eq!(parse(line), Err(NotACommand::Unknown), "{line:?}");
        }
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
            Ok(Command::Find {
                words: "Summer in Köln".into()
            })
        );
        assert_eq!(parse("find "), Err(NotACommand::NothingToFind));
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
}
