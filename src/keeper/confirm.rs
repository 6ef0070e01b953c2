//! A fresh number that has to be sent back before a command that should not be given by accident
//! or by a repeated message is carried out.
//!
//! Knows neither what is confirmed nor any words. Nothing here outlives the process: after a
//! restart the owner asks again.

use super::{
    Device, JobId,
    carry::Sure,
    command::{Command, Pick},
    contacts::{Shown, Unsent, Wish},
    evening::Request,
    keeping::Keeping,
    machine::Errand,
};

/// How long a number is good, in seconds.
pub const CONFIRM_SECONDS: i64 = 5 * 60;
/// The lowest number: six digits, so that it is not taken for that of a file.
const LOWEST: u32 = 100_000;
/// How many numbers there are.
const NUMBERS: u32 = 900_000;
/// Wrong numbers before the right one is no longer good.
const MAX_WRONG: u8 = 3;

/// What is carried out once it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Task {
    /// Enter exactly the blobs of unproven origin that this digest names.
    TakeUnproven {
        /// The digest.
        seen: [u8; 32],
    },
    /// Revoke the key of this slot.
    DropKey {
        /// Names the slot.
        slot: [u8; 16],
    },
    /// Change kept files.
    Keep(Keeping),
    /// Do something to the machine.
    Errand(Errand),
    /// Make a drive and sticks a vault.
    Prepare(Request),
    /// Carry files between the vault and a stick.
    Carry(Box<Sure>),
    /// Send to these devices of somebody from now on, and these files at once.
    Befriend {
        /// The bare address.
        jid: String,
        /// The devices.
        devices: Vec<Shown>,
        /// Which entries.
        picks: Vec<Pick>,
    },
    /// Send files to the devices of somebody that are confirmed.
    Send(Unsent),
    /// Let the device with this fingerprint in.
    Vouch {
        /// 64 hex digits.
        fingerprint: String,
    },
    /// Shut the device with this fingerprint out.
    Revoke {
        /// 64 hex digits.
        fingerprint: String,
    },
}

impl Command {
    /// Returns whether a number is asked back before the command is carried out.
    pub(super) fn asks_back(&self) -> bool {
        match self {
            Self::Unproven
            | Self::RevokeKey { .. }
            | Self::Trust { .. }
            | Self::Carry(_)
            | Self::RevokeDevice { .. } => true,
            Self::Keep(keeping) => keeping.asks_back(),
            Self::Contact(wish) => matches!(wish, Wish::Send { .. }),
            Self::Machine(errand) => errand.asks_back(),
            Self::Prepare(wanted) => wanted.asks_back(),
            Self::Help
            | Self::HelpOn { .. }
            | Self::Status
            | Self::List { .. }
            | Self::Next
            | Self::Info { .. }
            | Self::Albums { .. }
            | Self::Tags { .. }
            | Self::Get { .. }
            | Self::Album { .. }
            | Self::Label { .. }
            | Self::Picture(_)
            | Self::Verify(_)
            | Self::Lock
            | Self::Notices(_)
            | Self::Keys
            | Self::RenameKey { .. }
            | Self::DropKey { .. }
            | Self::AddKey
            | Self::Devices
            | Self::Fingerprints
            | Self::AddressPicture
            | Self::Numbers { .. }
            | Self::TakeUnproven { .. } => false,
        }
    }
}

/// What a line was, as far as a number was asked back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// No confirmation: a command, or prose.
    SomethingElse,
    /// The number, in time and from the device that had asked.
    Confirmed(Task),
    /// Meant as a confirmation, and none.
    NotConfirmed,
}

/// The one question that may wait for its number; a later one replaces it.
#[derive(Default)]
pub(super) struct Confirmations {
    /// Drawn when the command came, before what it would do is known.
    drawn: Option<(JobId, Asker, u32)>,
    waiting: Option<Waiting>,
}

/// The device that asked: only it may confirm.
#[derive(Clone, PartialEq, Eq)]
struct Asker {
    jid: String,
    device: u32,
}

impl Asker {
    fn new(device: &Device) -> Self {
        Self {
            jid: device.jid.clone(),
            device: device.id,
        }
    }
}

struct Waiting {
    asker: Asker,
    number: u32,
    task: Task,
    asked_at: i64,
    wrong: u8,
}

impl Confirmations {
    /// Draws the number for a command of `from` whose question is put later, with the message's
    /// own random bytes.
    pub(super) fn draw(&mut self, job: JobId, from: &Device, random: &[u8; 16]) {
        let (bytes, _) = random.split_at(8);
        let drawn = bytes
            .iter()
            .fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let number = u32::try_from(drawn % u64::from(NUMBERS)).unwrap_or_default();
        self.drawn = Some((job, Asker::new(from), LOWEST + number));
    }

    /// Puts the question: returns the number to show, or `None` where none was drawn for this job
    /// since the process began.
    pub(super) fn ask(&mut self, job: JobId, task: Task, now: i64) -> Option<u32> {
        let (_, asker, number) = self.drawn.take_if(|(drawn, ..)| *drawn == job)?;
        self.waiting = Some(Waiting {
            asker,
            number,
            task,
            asked_at: now,
            wrong: 0,
        });
        Some(number)
    }

    /// Returns the device that sent the command of this job.
    pub(super) fn asker(&self, job: JobId) -> Option<u32> {
        let drawn = self.drawn.as_ref().filter(|(drawn, ..)| *drawn == job);
        drawn.map(|(_, asker, _)| asker.device)
    }

    /// Makes the number void that this device was asked for, and the one that was drawn for it.
    pub(super) fn forget(&mut self, device: u32) {
        self.waiting.take_if(|it| it.asker.device == device);
        self.drawn.take_if(|(_, asker, _)| asker.device == device);
    }

    /// Makes the number of such a task void; returns whether one waited.
    pub(super) fn forget_task(&mut self, is_it: impl Fn(&Task) -> bool) -> bool {
        self.waiting.take_if(|it| is_it(&it.task)).is_some()
    }

    /// Reads a line of `from`: `483911` or `confirm 483911`. A bare number that is not the one
    /// asked for is left to the commands, which know files by number.
    pub(super) fn hear(&mut self, line: &str, from: &Device, now: i64) -> Heard {
        let line = line.trim();
        let line = line.strip_prefix('/').unwrap_or(line);
        let (is_bare, number) = match line.split_once(' ') {
            Some((verb, number)) if verb.eq_ignore_ascii_case("confirm") => (false, number.trim()),
            Some(_) => return Heard::SomethingElse,
            None => (true, line),
        };
        if number.len() != 6 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return if is_bare {
                Heard::SomethingElse
            } else {
                Heard::NotConfirmed
            };
        }
        match self.is_right(number, from, now) {
            Some(task) => {
                self.waiting = None;
                Heard::Confirmed(task)
            }
            None if is_bare => Heard::SomethingElse,
            None => {
                if let Some(waiting) = &mut self.waiting {
                    waiting.wrong += 1;
                }
                self.waiting.take_if(|it| it.wrong >= MAX_WRONG);
                Heard::NotConfirmed
            }
        }
    }

    fn is_right(&self, number: &str, from: &Device, now: i64) -> Option<Task> {
        let waiting = self.waiting.as_ref()?;
        // A clock that was set back does not make an old number good again.
        let in_time = (0..=CONFIRM_SECONDS).contains(&now.saturating_sub(waiting.asked_at));
        let right = number.parse() == Ok(waiting.number);
        (in_time && right && Asker::new(from) == waiting.asker).then(|| waiting.task.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::Standing;

    const NOW: i64 = 1_800_000_000;
    const TASK: Task = Task::TakeUnproven { seen: [7; 32] };

    fn device(id: u32) -> Device {
        Device {
            jid: "owner@example.org".to_owned(),
            id,
            fingerprint: "0".repeat(64),
            standing: Standing::Trusted,
        }
    }

    /// A question that was put, and its number.
    fn asked() -> (Confirmations, u32) {
        let mut confirmations = Confirmations::default();
        confirmations.draw(JobId([1; 32]), &device(1), &[9; 16]);
        let number = confirmations.ask(JobId([1; 32]), TASK, NOW).unwrap();
        (confirmations, number)
    }

    #[test]
    fn the_number_confirms_once_bare_or_with_the_word() {
        for write in [
            |number: u32| number.to_string(),
            |number: u32| format!(" Confirm  {number} "),
            |number: u32| format!("/confirm {number}"),
        ] {
            let (mut confirmations, number) = asked();
            let line = write(number);

            let heard = confirmations.hear(&line, &device(1), NOW + CONFIRM_SECONDS);
            let again = confirmations.hear(&line, &device(1), NOW + CONFIRM_SECONDS);

            assert_eq!(heard, Heard::Confirmed(TASK), "{line}");
            assert_ne!(again, Heard::Confirmed(TASK), "{line}");
        }
    }

    #[test]
    fn late_early_from_another_device_or_wrong_it_confirms_nothing() {
        let wrong = |line: &dyn Fn(u32) -> String, from: u32, at: i64| {
            let (mut confirmations, number) = asked();
            confirmations.hear(&line(number), &device(from), at)
        };
        let right = |number: u32| format!("confirm {number}");

        assert_eq!(wrong(&right, 1, NOW), Heard::Confirmed(TASK), "the twin");
        for heard in [
            wrong(&right, 1, NOW + CONFIRM_SECONDS + 1),
            wrong(&right, 1, NOW - 1),
            wrong(&right, 2, NOW),
            wrong(&|number| format!("confirm {}", number ^ 1), 1, NOW),
            wrong(&|_| "confirm it".to_owned(), 1, NOW),
        ] {
            assert_eq!(heard, Heard::NotConfirmed);
        }
        assert_eq!(
            wrong(&|number| (number ^ 1).to_string(), 1, NOW),
            Heard::SomethingElse,
            "a bare number may be a file's"
        );
    }

    #[test]
    fn after_three_wrong_numbers_the_right_one_is_void() {
        let (mut confirmations, number) = asked();
        for _ in 0..MAX_WRONG {
            let wrong = format!("confirm {}", number ^ 1);
            confirmations.hear(&wrong, &device(1), NOW);
        }

        let heard = confirmations.hear(&format!("confirm {number}"), &device(1), NOW);

        assert_eq!(heard, Heard::NotConfirmed);
    }

    #[test]
    fn a_later_question_makes_the_earlier_number_void() {
        let (mut confirmations, number) = asked();
        confirmations.draw(JobId([2; 32]), &device(1), &[8; 16]);
        let later = confirmations.ask(JobId([2; 32]), TASK, NOW).unwrap();

        let earlier = confirmations.hear(&format!("confirm {number}"), &device(1), NOW);
        let heard = confirmations.hear(&later.to_string(), &device(1), NOW);

        assert_ne!(number, later);
        assert_eq!(
            (earlier, heard),
            (Heard::NotConfirmed, Heard::Confirmed(TASK))
        );
    }

    #[test]
    fn a_device_that_is_shut_out_can_neither_confirm_nor_be_asked() {
        for (shut_out, is_asked) in [(2, true), (1, false)] {
            let (mut confirmations, number) = asked();
            confirmations.draw(JobId([2; 32]), &device(1), &[8; 16]);

            confirmations.forget(shut_out);

            let heard = confirmations.hear(&format!("confirm {number}"), &device(1), NOW);
            assert_eq!(heard == Heard::Confirmed(TASK), is_asked);
            let later = confirmations.ask(JobId([2; 32]), TASK, NOW);
            assert_eq!(later.is_some(), is_asked);
        }
    }

    #[test]
    fn without_a_drawn_number_nothing_can_be_asked() {
        let mut confirmations = Confirmations::default();
        confirmations.draw(JobId([1; 32]), &device(1), &[9; 16]);

        assert_eq!(confirmations.ask(JobId([2; 32]), TASK, NOW), None);
        assert!(confirmations.ask(JobId([1; 32]), TASK, NOW).is_some());
        assert_eq!(confirmations.ask(JobId([1; 32]), TASK, NOW), None);
    }
}
