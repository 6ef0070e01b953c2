//! What otherwise needs somebody at the machine: beginning anew, switching off, taking the data
//! drive out.
//!
//! Knows no operating system: it says what is to be done and hears whether it was.

use super::{
    Effect, JobId, Keeper,
    confirm::Task,
    moment::Moment,
    reply::{MachineReply, Reply},
    storage::DriveTrouble,
};

/// What the owner wants of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Errand {
    /// End and begin anew.
    Restart,
    /// Switch the machine off.
    Off,
    /// Let go of the data drive, so that it can be pulled.
    Eject,
    /// Use the data drive again without its having been pulled.
    TakeBack,
}

impl Errand {
    /// Returns whether a number is asked back before it is carried out.
    pub(super) fn asks_back(self) -> bool {
        matches!(self, Self::Restart | Self::Off)
    }
}

/// What the event loop tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// Everything is on the drive, and nothing uses it any more.
    Ejected,
    /// What was written may not have reached the drive.
    NotEjected,
    /// Nobody could be asked to switch the machine off.
    NotOff,
    /// We are up after starts that came to nothing.
    Recovered {
        /// How many.
        starts: u32,
    },
    /// Another version left what this one cannot read; it is closed.
    Unread {
        /// Files on their way in.
        files: u32,
        /// Questions, and files on their way out.
        questions: u32,
    },
}

impl Keeper {
    /// The owner wants something of the machine.
    pub(super) fn errand(&mut self, job: JobId, errand: Errand, at: Moment) -> Vec<Effect> {
        if errand == Errand::Eject
            && let Some(effects) = self.eject_stick()
        {
            return effects;
        }
        let is_ejected = self.storage.trouble() == Some(DriveTrouble::Ejected);
        match errand {
            Errand::Off if !self.settings.switches_off => vec![say(MachineReply::NoSwitch)],
            Errand::Restart | Errand::Off => {
                let task = Task::Errand(errand);
                let number = self.confirmations.ask(job, task, at.wall);
                vec![say(MachineReply::Ask { errand, number })]
            }
            Errand::Eject if is_ejected => vec![say(MachineReply::Ejected)],
            Errand::Eject => {
                let mut effects = self.shut_quietly(at.wall);
                effects.push(Effect::Machine(Errand::Eject));
                effects
            }
            Errand::TakeBack if is_ejected => {
                self.notices.told_of_taking_back();
                vec![
                    Effect::Machine(Errand::TakeBack),
                    say(MachineReply::TakenBack),
                ]
            }
            Errand::TakeBack => vec![say(MachineReply::NotOut)],
        }
    }

    /// The number was right.
    pub(super) fn confirmed_errand(&mut self, errand: Errand, at: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        match errand {
            Errand::Restart => {
                self.notices.begins_anew();
                effects.push(say(MachineReply::Restarting));
            }
            Errand::Off => {
                effects.extend(self.shut_quietly(at.wall));
                effects.push(say(MachineReply::SwitchingOff));
            }
            Errand::Eject | Errand::TakeBack => return Vec::new(),
        }
        effects.push(Effect::Machine(errand));
        effects
    }

    /// Locks without a word of its own: the answer says it.
    fn shut_quietly(&mut self, now: i64) -> Vec<Effect> {
        let effects = self.custody.shut_for_good(now);
        self.after_lock(effects)
    }

    pub(super) fn heard_of_machine(&mut self, heard: Heard) -> Vec<Effect> {
        vec![say(match heard {
            Heard::Ejected => MachineReply::Ejected,
            Heard::NotEjected => MachineReply::NotEjected,
            Heard::NotOff => MachineReply::NotOff,
            Heard::Recovered { starts } => MachineReply::Recovered { starts },
            Heard::Unread { files, questions } => MachineReply::Unread { files, questions },
        })]
    }

    /// Says once that it is back, after a restart that the owner wanted.
    pub(super) fn greet(&mut self) -> Vec<Effect> {
        if self.notices.take_begun_anew() {
            return vec![say(MachineReply::Back)];
        }
        Vec::new()
    }
}

fn say(reply: MachineReply) -> Effect {
    Effect::Say(Reply::Machine(reply))
}
