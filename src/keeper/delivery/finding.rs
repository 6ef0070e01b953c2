//! What is said of entries that were asked for, and where a list goes on.

use super::{Asked, Deliveries};
use crate::keeper::{
    Answer, Effect, JobId,
    command::Command,
    input::Found,
    pictures::{Look, Pictures},
    reply::{FindingReply, Line, Reply},
};

impl Deliveries {
    /// Returns who asked for a list, and what shows its next page; nothing of that is `None` at
    /// its end. `None` where no list is answered.
    pub(in crate::keeper) fn next_page(
        &self,
        job: &JobId,
        answer: &Answer,
    ) -> Option<(u32, Option<Command>)> {
        let delivery = self.open.iter().find(|it| it.job == *job)?;
        let device = delivery.asker?.device;
        let next = match (answer, delivery.command.command()) {
            (
                Answer::Rows { lines, more, .. },
                Command::List {
                    what, lines: count, ..
                },
            ) => {
                let last = lines.last().filter(|_| *more);
                last.map(|line| Command::List {
                    what,
                    lines: count,
                    before: Some(line.number),
                })
            }
            (Answer::Find(Found::Used { more_after, .. }), Command::Albums { .. }) => {
                let after = more_after.clone();
                after.map(|after| Command::Albums { after })
            }
            (Answer::Find(Found::Used { more_after, .. }), Command::Tags { .. }) => {
                let after = more_after.clone();
                after.map(|after| Command::Tags { after })
            }
            (
                Answer::Rows { lines, more, .. },
                Command::Picture(Pictures::SheetOf { what, .. }),
            ) => {
                let last = lines.last().filter(|_| *more);
                last.map(|line| {
                    let before = Some(line.number);
                    Command::Picture(Pictures::SheetOf { what, before })
                })
            }
            _ => return None,
        };
        Some((device, next))
    }

    /// Begins the sheet of what was found, or says that there is nothing.
    pub(super) fn found_for_sheet(
        &mut self,
        job: JobId,
        lines: &[Line],
        more: bool,
    ) -> Vec<Effect> {
        let open = self.open.iter_mut().find(|it| it.job == job);
        let Some(delivery) = open.filter(|it| it.remaining.is_none()) else {
            return Vec::new();
        };
        let Asked::Picture(Look::SheetOf {
            what,
            before,
            more: has_more,
        }) = &mut delivery.command
        else {
            return Vec::new();
        };
        *has_more = more;
        if lines.is_empty() {
            let reply = match (what.is_everything(), before.is_some()) {
                (true, false) => Reply::Empty,
                (_, true) => Reply::Finding(FindingReply::NothingMore),
                (false, false) => Reply::Finding(FindingReply::Found {
                    filter: what.clone(),
                    lines: Vec::new(),
                    more: false,
                    is_further: false,
                }),
            };
            return self.close_with(job, reply);
        }
        let found = lines.iter().map(|line| line.number).collect();
        self.picked(job, found, Vec::new())
    }
}

/// Turns what was found into words.
pub(super) fn found(answer: Answer, asked: &Command) -> Reply {
    match (answer, asked) {
        (
            Answer::Rows { lines, total, .. },
            Command::List {
                what, before: None, ..
            },
        ) if what.is_everything() => {
            if lines.is_empty() {
                Reply::Empty
            } else {
                Reply::Listing { lines, total }
            }
        }
        (Answer::Rows { lines, more, .. }, Command::List { what, .. }) if what.is_everything() => {
            Reply::Finding(FindingReply::Page { lines, more })
        }
        (Answer::Rows { lines, more, .. }, Command::List { what, before, .. }) => {
            Reply::Finding(FindingReply::Found {
                filter: what.clone(),
                lines,
                more,
                is_further: before.is_some(),
            })
        }
        (Answer::Find(Found::About(Some(about))), _) => Reply::Finding(FindingReply::About(about)),
        (Answer::Find(Found::About(None)), Command::Info { number }) => Reply::NoSuch {
            numbers: vec![*number],
        },
        (Answer::Find(Found::Used { used, more_after }), Command::Albums { .. }) => {
            let more = more_after.is_some();
            Reply::Finding(FindingReply::Albums { used, more })
        }
        (Answer::Find(Found::Used { used, more_after }), Command::Tags { .. }) => {
            let more = more_after.is_some();
            Reply::Finding(FindingReply::Tags { used, more })
        }
        _ => Reply::NoAnswer,
    }
}
