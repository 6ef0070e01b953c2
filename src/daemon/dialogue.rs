//! What the keeper and the vault process say to each other, each in the other's words.
//!
//! Knows neither sockets nor state: the event loop carries the orders, and the words back.

use std::time::{Duration, UNIX_EPOCH};

use vault::Metadata;

use super::keeping;
pub use super::keeping::purge_old;
use crate::{
    keeper::{
        Answer, Input, JobId, Packed, Placed,
        carry::Wanted,
        command::{Command, Pick},
        contacts::Wish,
        described::Described,
        intake::Intake,
        labels::Labels,
        pictures::{Made, PictureNews, Pictures, SHEET_FILES, Seen},
        reply::{DeliveryFailure, KeyReply, Line, Slot, Unproven},
        verify::{self as keeper, Act},
    },
    vault_process::{
        FindAsk, Make, Numbers, NumbersAsk, Order, OriginWord, PictureWord, Question, Row, Shut,
        SlotAnswer, SlotAsk, SlotRow, Word,
        porter::Lot,
        verify::{End, Fault, Scope, Tally},
    },
};

mod finding;

/// What a word of the vault process means.
pub enum Heard {
    /// News for the keeper.
    Input(Box<Input>),
    /// The vault is open.
    Opened,
    /// It is not.
    NotOpened(Shut),
    /// The list of lost devices on the key device.
    Revoked(String),
    /// The newest epoch's public half.
    NewPublicHalf(Vec<u8>),
    /// A delivery begins; [`Word::Prepared`].
    Prepared(Box<Word>),
}

/// Returns the order that a command becomes; `at` is by the clock that never goes back, `waiting` are
/// the blobs on their way into the index.
pub fn order(job: JobId, command: Command, at: i64, waiting: impl Fn() -> Vec<[u8; 16]>) -> Order {
    if let Command::Keep(keeping) = command {
        return keeping::order(job, keeping, at);
    }
    let job = job.0;
    let question = match command {
        Command::List {
            what,
            lines,
            before,
        } => Question::Find(FindAsk::Show {
            search: finding::search(what),
            before,
            lines,
        }),
        Command::Picture(Pictures::SheetOf { what, before }) => Question::Find(FindAsk::Show {
            search: finding::search(what),
            before,
            lines: u32::try_from(SHEET_FILES).unwrap_or(u32::MAX),
        }),
        Command::Info { number } => Question::Find(FindAsk::About { number }),
        Command::Albums { after } => Question::Find(FindAsk::Albums { after }),
        Command::Tags { after } => Question::Find(FindAsk::Tags { after }),
        Command::Get { picks }
        | Command::Contact(Wish::Send { picks, .. } | Wish::Deliver { picks, .. })
        | Command::Picture(Pictures::Sheet { picks } | Pictures::Small { picks }) => {
            let ranges = picks.into_iter().map(range).collect();
            Question::Pick { ranges }
        }
        Command::RenameKey { name, to } => {
            let ask = SlotAsk::Rename { name, to };
            return Order::Slot { job, ask };
        }
        Command::RevokeKey { name } => {
            let ask = SlotAsk::Find { name };
            return Order::Slot { job, ask };
        }
        Command::DropKey { slot } => {
            let ask = SlotAsk::Revoke { slot };
            return Order::Slot { job, ask };
        }
        Command::Numbers { before, what } => Question::Numbers(NumbersAsk {
            before,
            what: super::client::which(what),
        }),
        Command::Label {
            numbers, labels, ..
        } => {
            return keeping::label(job, &numbers, &labels, at);
        }
        Command::Keys => Question::Slots,
        Command::Unproven => Question::Unproven { waiting: waiting() },
        Command::TakeUnproven { seen } => {
            let waiting = waiting();
            return Order::TakeUnproven { job, seen, waiting };
        }
        Command::Status
        | Command::Help
        | Command::HelpOn { .. }
        | Command::Lock
        | Command::Album { .. }
        | Command::Keep(_)
        | Command::Notices(_)
        | Command::Machine(_)
        | Command::Prepare(_)
        | Command::Carry(_)
        | Command::Contact(Wish::List | Wish::Forget { .. })
        | Command::Next
        | Command::Verify(_)
        | Command::Picture(Pictures::Originals(_))
        | Command::AddKey
        | Command::Devices
        | Command::Fingerprints
        | Command::AddressPicture
        | Command::Trust { .. }
        | Command::RevokeDevice { .. } => Question::Totals,
    };
    Order::Ask { job, question }
}

/// Returns which entries are meant, in the vault process's words.
#[must_use]
pub fn lot(what: Wanted) -> Lot {
    match what {
        Wanted::Like(filter) => Lot::Like(finding::search(filter)),
        Wanted::These(picks) => Lot::These(picks.into_iter().map(range).collect()),
    }
}

fn range(pick: Pick) -> (u64, u64) {
    match pick {
        Pick::Range { first, last } => (first, last),
        Pick::Last { count } => (0, count),
    }
}

/// Returns the order that notes labels with a file on its way in; `at` as in [`order`].
#[must_use]
pub fn label(job: JobId, number: u64, labels: &Labels, at: i64) -> Order {
    keeping::label(job.0, &[number], labels, at)
}

/// Returns the order that a check becomes; `None` for the look from outside, which needs none.
#[must_use]
pub fn check(act: Act, bytes_per_second: u64) -> Option<Order> {
    Some(match act {
        Act::Begin { run, scope } => Order::Verify {
            run,
            scope: match scope {
                keeper::Scope::All => Scope::All,
                keeper::Scope::Sample(count) => Scope::Sample(count),
                keeper::Scope::One(number) => Scope::One(number),
            },
            bytes_per_second,
        },
        Act::Stop => Order::StopVerify,
        Act::Told { numbers, all } => Order::DamageTold { numbers, all },
        Act::LookOutside => return None,
    })
}

/// Returns what a word means; `free` are the free bytes on the data drive.
#[must_use]
pub fn input(word: Word, free: Option<u64>) -> Heard {
    let answered = |job, answer| Input::Answered {
        job: JobId(job),
        answer,
        free,
    };
    let input = match word {
        Word::Opened => return Heard::Opened,
        Word::NotOpened(why) => return Heard::NotOpened(why),
        Word::Revoked(list) => return Heard::Revoked(list),
        Word::NewPublicHalf(public_half) => return Heard::NewPublicHalf(public_half),
        word @ Word::Prepared { .. } => return Heard::Prepared(Box::new(word)),
        Word::Adopted { job, row } => indexed(job, Placed::Entry(line(row))),
        Word::SameAs { job, number } => indexed(job, Placed::SameAs(number)),
        Word::NotAdopted { job } => not_indexed(job, false),
        Word::Damaged { job } => not_indexed(job, true),
        Word::Origin(word) => origin(word, free),
        Word::Picture(word) => picture(word),
        Word::Rows {
            job,
            rows,
            total,
            more,
        } => {
            let lines = rows.into_iter().map(line).collect();
            answered(job, Answer::Rows { lines, total, more })
        }
        Word::Find { job, find } => answered(job, Answer::Find(finding::found(find))),
        Word::Picked {
            job,
            found,
            missing,
        } => answered(job, Answer::Picked { found, missing }),
        Word::Totals {
            job,
            entries,
            bytes,
            unproven,
        } => answered(
            job,
            Answer::Totals {
                entries,
                bytes,
                unproven,
            },
        ),
        Word::Slots { job, slots } => {
            let slots = slots.into_iter().map(slot).collect();
            answered(job, Answer::Slots(slots))
        }
        Word::Slot { job, answer } => answered(job, Answer::Key(key_reply(answer))),
        Word::Numbers(Numbers { job, numbers, more }) => {
            answered(job, Answer::Numbers { numbers, more })
        }
        Word::Edited { job, edited } => keeping::heard(job, edited, free, line),
        Word::NoAnswer { job } => answered(job, Answer::Failed),
        Word::Checking { run, tally } => Input::Verify(progress(run, tally)),
        Word::Checked { run, tally, end } => Input::Verify(ended(run, tally, end)),
        Word::Damage { rows, more, total } => Input::Verify(damage(rows, more, total)),
        Word::Packed {
            job,
            numbers,
            damaged,
        } => Input::Packed(Packed {
            job: JobId(job),
            numbers,
            damaged,
        }),
        Word::NotPrepared { job, number } => Input::NotUploaded {
            job: JobId(job),
            number,
            why: DeliveryFailure::Damaged,
        },
    };
    Heard::Input(Box::new(input))
}

/// What the vault process says of proofs of origin.
fn origin(word: OriginWord, free: Option<u64>) -> Input {
    let (job, answer) = match word {
        OriginWord::Unvouched { job } => return Input::NotVouched { job: JobId(job) },
        OriginWord::Found { count } => return Input::UnprovenFound { count },
        OriginWord::Unproven {
            job,
            count,
            bytes,
            unreadable,
            oldest,
            seen,
        } => {
            let found = Unproven {
                count,
                bytes,
                unreadable,
                oldest,
                seen,
            };
            (job, Answer::Unproven(found))
        }
        OriginWord::Taken { job, numbers } => (job, Answer::Taken(numbers)),
    };
    Input::Answered {
        job: JobId(job),
        answer,
        free,
    }
}

/// What the vault process says about pictures.
fn picture(word: PictureWord) -> Input {
    match word {
        PictureWord::Seen {
            number,
            name,
            bytes,
            picture,
            is_film,
        } => Input::Picture(PictureNews::Seen(Seen {
            number,
            name,
            bytes,
            width: picture.width,
            height: picture.height,
            is_described: picture.is_described,
            is_film,
        })),
        PictureWord::NotMade { job, number } => Input::NotUploaded {
            job: JobId(job),
            number,
            why: DeliveryFailure::NothingToShow,
        },
    }
}

/// Returns what is to be made for a delivery, in the vault process's words.
#[must_use]
pub fn make(made: Made) -> Make {
    match made {
        Made::Small(number) => Make::Small(number),
        Made::Sheet(numbers) => Make::Sheet(numbers),
    }
}

fn key_reply(answer: SlotAnswer) -> KeyReply {
    match answer {
        SlotAnswer::NoSuch { name } => KeyReply::NoSuch { name },
        SlotAnswer::Several { name } => KeyReply::Several { name },
        SlotAnswer::Last { name } => KeyReply::Last { name },
        SlotAnswer::Found { slot, name, opened } => KeyReply::Ask {
            slot,
            name,
            opened,
            number: None,
        },
        SlotAnswer::Renamed { name, to } => KeyReply::Renamed { from: name, to },
        SlotAnswer::Taken { name } => KeyReply::Taken { name },
        SlotAnswer::BadName { name } => KeyReply::BadName { name },
        SlotAnswer::Revoked { name, was_code } => KeyReply::Revoked { name, was_code },
    }
}

fn indexed(job: [u8; 32], placed: Placed) -> Input {
    let job = JobId(job);
    Input::Indexed { job, placed }
}

fn not_indexed(job: [u8; 32], damaged: bool) -> Input {
    let job = JobId(job);
    Input::NotIndexed { job, damaged }
}

/// Describes an entry as the owner sees it.
#[must_use]
pub fn line(row: Row) -> Line {
    Line {
        number: row.number,
        name: row.name,
        bytes: row.bytes,
        received_at: row.received_at,
        damaged: row.damaged,
        taken_at: row.taken_at,
    }
}

/// Returns what is sealed with a file that came in.
#[must_use]
pub fn metadata(intake: &Intake) -> Metadata {
    let at = |seconds: i64| {
        let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        UNIX_EPOCH.checked_add(since)
    };
    Metadata {
        name: Some(intake.name.clone()),
        mime: intake
            .described
            .as_ref()
            .and_then(|it| it.media_type.clone()),
        sender: Some(intake.sender.clone()),
        member: None,
        sent_at: at(intake.sent_at),
        received_at: at(intake.received_at),
        dated: intake
            .described
            .as_ref()
            .and_then(Described::dated)
            .and_then(at),
    }
}

fn slot(row: SlotRow) -> Slot {
    let SlotRow {
        name,
        since,
        opened,
    } = row;
    Slot {
        name,
        since,
        opened,
    }
}

fn progress(run: u64, counted: Tally) -> keeper::Heard {
    let tally = tally(counted);
    keeper::Heard::Progress { run, tally }
}

fn ended(run: u64, counted: Tally, end: End) -> keeper::Heard {
    log::info!(
        "a check ended ({end:?}): {} of {} files, {} damaged",
        counted.checked,
        counted.of,
        counted.damaged
    );
    keeper::Heard::Ended {
        run,
        tally: tally(counted),
        whole: end == End::Whole,
    }
}

fn damage(rows: Vec<(Row, Fault)>, more: u64, total: u64) -> keeper::Heard {
    let files = rows
        .into_iter()
        .map(|(row, fault)| {
            let fault = match fault {
                Fault::Missing => keeper::Fault::Missing,
                Fault::Unsound => keeper::Fault::Unsound,
                Fault::Unreadable => keeper::Fault::Unreadable,
                Fault::Differs => keeper::Fault::Differs,
            };
            (line(row), fault)
        })
        .collect();
    keeper::Heard::Damage { files, more, total }
}

fn tally(counted: Tally) -> keeper::Tally {
    let Tally {
        checked,
        of,
        bytes,
        damaged,
    } = counted;
    keeper::Tally {
        checked,
        of,
        bytes,
        damaged,
    }
}
