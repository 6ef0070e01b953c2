//! The plain form of commands about kept files, notices and the machine.

use strongroom::keeper::{
    carry::{Wanted, Wish as CarryWish},
    command::MAX_PICKED,
    contacts::Wish as ContactWish,
    evening::{Home, Request},
    keeping::Keeping,
    machine::Errand,
    notices::Wish,
};
use vault::Label;

/// Writes the line that a wish about kept files is read from.
pub(super) fn kept(keeping: &Keeping) -> (&'static str, String) {
    match keeping {
        Keeping::Delete { ranges } => ("delete", format!("delete {}", numbers(ranges))),
        Keeping::Trash => ("trash", "trash".to_owned()),
        Keeping::EmptyTrash => ("empty-trash", "trash empty".to_owned()),
        Keeping::Undo => ("undo", "undo".to_owned()),
        // No line says these: an empty one is not read as them.
        Keeping::Purge { .. } => ("purge", String::new()),
        Keeping::Revert { .. } => ("revert", String::new()),
        Keeping::Label { ranges, labels } => {
            let files = numbers(ranges);
            match labels.as_slice() {
                [Label::Trashed(false)] => ("restore", format!("restore {files}")),
                [Label::Name(Some(name))] => ("rename", format!("rename {files} to {name}")),
                [Label::Album(Some(name))] => ("move", format!("move {files} to {name}")),
                [Label::Album(None)] => ("move", format!("move {files} out")),
                [Label::Caption(text)] => {
                    let text = text.as_deref().unwrap_or("-");
                    ("note", format!("note {files} {text}"))
                }
                [Label::Tag { borne: true, .. }, ..] => {
                    ("tag", format!("tag {files}{}", tags(labels)))
                }
                [Label::Tag { borne: false, .. }, ..] => {
                    ("untag", format!("untag {files}{}", tags(labels)))
                }
                other => unreachable!("no line says {other:?}"),
            }
        }
    }
}

fn tags(labels: &[Label]) -> String {
    assert!(labels.len() <= 20);
    let tags = labels.iter().map(|label| {
        let Label::Tag { tag, .. } = label else {
            unreachable!("{label:?} among tags");
        };
        format!(" #{tag}")
    });
    tags.collect()
}

fn numbers(ranges: &[(u64, u64)]) -> String {
    let count = |(first, last): &(u64, u64)| match first {
        0 => *last,
        first => last - first + 1,
    };
    let picked: u64 = ranges.iter().map(count).sum();
    assert!((1..=MAX_PICKED).contains(&picked));
    let words = ranges.iter().map(|(first, last)| match first {
        0 => format!("last {last}"),
        first => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Writes the line that a wish about notices is read from.
pub(super) fn wished(wish: Wish) -> (&'static str, String) {
    match wish {
        Wish::Show => ("notices", "notices".to_owned()),
        Wish::Switch { kind, on } => {
            let state = if on { "on" } else { "off" };
            ("notices", format!("notices {} {state}", kind.word()))
        }
        Wish::Quiet(Some((from, to))) => {
            assert!(from < 24 && to < 24 && from != to);
            ("quiet", format!("quiet {from}-{to}"))
        }
        Wish::Quiet(None) => ("quiet", "quiet off".to_owned()),
    }
}

/// Writes the line that a wish about the machine is read from.
pub(super) fn errand(errand: Errand) -> (&'static str, String) {
    let word = match errand {
        Errand::Restart => "restart",
        Errand::Off => "off",
        Errand::Eject => "eject",
        Errand::TakeBack => "eject off",
    };
    ("machine", word.to_owned())
}

/// Writes the line that a wish about drives and sticks is read from.
pub(super) fn prepared(wanted: &Request) -> (&'static str, String) {
    let line = match wanted {
        Request::Look => "drives".to_owned(),
        Request::Make { drive, stick } => format!("prepare {} {}", drive.name, stick.name),
        Request::Spare { stick } => format!("prepare spare {}", stick.name),
        Request::Live(Home::Drawer) => "prepare drawer".to_owned(),
        Request::Live(Home::Pi) => "prepare pi".to_owned(),
    };
    ("prepare", line)
}

/// Writes the line that a wish about files on a stick is read from.
pub(super) fn carried(wish: &CarryWish) -> (&'static str, String) {
    let named = |word: &str, name: &Option<String>| {
        let named = name.iter().map(|it| format!(" {word} {it}"));
        named.collect::<String>()
    };
    match wish {
        CarryWish::Export { what, onto } => {
            let what = match what {
                // A line that begins with quotes names no numbers.
                Wanted::Like(filter) => format!(" \"\"{}", filter.plain()),
                Wanted::These(picks) => {
                    let picks = super::plain_picks(picks);
                    let mark = if picks.starts_with(" last") { "" } else { "#" };
                    format!(" {mark}{}", picks.trim_start())
                }
            };
            ("export", format!("export{what}{}", named("onto", onto)))
        }
        CarryWish::Import { from } => ("import", format!("import{}", named("from", from))),
    }
}

/// Writes the line that a wish about other people is read from.
pub(super) fn contact(wish: &ContactWish) -> (&'static str, String) {
    match wish {
        ContactWish::Send { picks, jid } => (
            "send-to",
            format!("send{} to {jid}", super::plain_picks(picks)),
        ),
        // No line says it.
        ContactWish::Deliver { .. } => ("deliver", String::new()),
        ContactWish::List => ("contacts", "contacts".to_owned()),
        ContactWish::Forget { jid } => ("forget", format!("forget {jid}")),
    }
}
