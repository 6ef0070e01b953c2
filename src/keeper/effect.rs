//! What the event loop is to do, as plain data.

use super::{
    JobId, carry::Act as CarryAct, chat::Chat, command::Command, contacts::Act, delivery::Delivery,
    input::Device, intake::Intake, life, machine::Errand, notices, owner::Pairing, pictures,
    reply::Reply, storage::Pace, verify,
};

/// Something the event loop is to do.
///
/// Not `Debug`: jobs carry links.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// Write or rewrite an intake.
    SaveIntake(Intake),
    /// Write or rewrite a delivery or question.
    SaveDelivery(Delivery),
    /// Forget a job and overwrite what it held.
    Close(JobId),
    /// Trust this device from now on.
    Trust(Device),
    /// Trust this device from now on, because a trusted one vouched for it.
    Vouch(Device),
    /// Shut this device out for good, and forget the sessions with it.
    Revoke(Device),
    /// Hold this device in quarantine from now on.
    Quarantine(Device),
    /// Write how pairing stands; `None` when it is done or over.
    SavePairing(Option<Pairing>),
    /// Write whether the owner locked the vault while the key device is in.
    SaveLockedByOwner(bool),
    /// Write what is remembered of checks.
    SaveVerify(verify::Record),
    /// Write how much came in lately.
    SavePace(Pace),
    /// Write whether the system card seals to a key that is not this vault's.
    SaveAlarm(bool),
    /// Write what is remembered of messages that did not open and of devices.
    SaveLife(life::Record),
    /// Write what is remembered of notices.
    SaveNotices(notices::Record),
    /// Write which devices were told that they send no originals.
    SaveOriginals(pictures::Record),
    /// Send an encrypted message to all trusted devices of the owner.
    Say(Reply),
    /// Do what a chat program shows beside words, or in place of earlier ones.
    Chat(Chat),
    /// Send an encrypted message to one device only.
    SayTo(Device, Reply),
    /// Tell the owner's address, unencrypted, how to switch OMEMO on.
    SayPlainRefused,
    /// Send a receipt (XEP-0184) for this stanza id.
    Receipt(String),
    /// Show, or end showing, that the vault is at work (XEP-0085).
    Typing(bool),
    /// Fetch, decrypt and seal the file of this intake.
    Fetch(Intake),
    /// Break off all fetches.
    StopFetching,
    /// Put the sealed blob of this intake into the index.
    Index(Intake),
    /// Ask the vault process.
    Ask(JobId, Command),
    /// Encrypt this entry and put it on the server.
    Deliver(JobId, u64),
    /// Encrypt as many of these entries as fit into so many bytes as one zip, and put it on the
    /// server.
    Pack(JobId, Vec<u64>, Option<u64>),
    /// Start a new session with this device of the owner; [`News::Repaired`] tells its end.
    ///
    /// [`News::Repaired`]: life::News::Repaired
    Repair(u32),
    /// Put us on our own device list again.
    Announce,
    /// Remove a sealed blob that nobody wants, if it is there.
    Discard([u8; 16]),
    /// Find out on whose device list these ids are.
    LookUp(Vec<u32>),
    /// Find out which program this device of the owner writes with.
    AskClient(u32),
    /// Begin or end a check.
    Verify(verify::Act),
    /// Remove for good what has lain in the trash for so many days; [`Heard::Purged`] tells its end.
    ///
    /// [`Heard::Purged`]: super::keeping::Heard::Purged
    PurgeOld {
        /// How many.
        days: u32,
    },
    /// Do something for other people's sake.
    Contact(Act),
    /// Do something to the machine.
    Machine(Errand),
    /// Ask whoever may mount and format.
    Prepare(super::evening::Request),
    /// Carry files between the vault and a stick.
    Carry(CarryAct),
    /// Start the vault process with the key device that is there.
    Open,
    /// Start the vault process with the code that [`Keeper::take_code`](super::Keeper::take_code)
    /// gives.
    OpenByCode,
    /// Start the vault process with what is typed at the console that asked.
    OpenByConsole,
    /// End the vault process, and with it every secret.
    Lock,
}

impl Effect {
    /// Returns what the owner is told, if it is words.
    #[must_use]
    pub fn words(&self) -> Option<&Reply> {
        if let Self::Say(reply) | Self::SayTo(_, reply) = self {
            Some(reply)
        } else if let Self::Chat(chat) = self {
            chat.words()
        } else {
            None
        }
    }

    /// Returns what the owner is told, to be changed on its way.
    pub(super) fn words_mut(&mut self) -> Option<&mut Reply> {
        if let Self::Say(reply) | Self::SayTo(_, reply) | Self::Chat(Chat::Tell { reply, .. }) =
            self
        {
            Some(reply)
        } else {
            None
        }
    }

    /// Returns whether the effect belongs to the step's own transaction.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        match self {
            Self::Chat(chat) => chat.is_saved(),
            Self::Contact(act) => act.is_saved(),
            Self::SaveIntake(_)
            | Self::SaveDelivery(_)
            | Self::Close(_)
            | Self::Trust(_)
            | Self::Vouch(_)
            | Self::Revoke(_)
            | Self::Quarantine(_)
            | Self::SavePairing(_)
            | Self::SaveLockedByOwner(_)
            | Self::SaveVerify(_)
            | Self::SavePace(_)
            | Self::SaveAlarm(_)
            | Self::SaveLife(_)
            | Self::SaveNotices(_)
            | Self::SaveOriginals(_)
            | Self::Say(_)
            | Self::SayTo(..)
            | Self::SayPlainRefused => true,
            Self::Receipt(_)
            | Self::Typing(_)
            | Self::Fetch(_)
            | Self::StopFetching
            | Self::Index(_)
            | Self::Ask(..)
            | Self::Deliver(..)
            | Self::Pack(..)
            | Self::Repair(_)
            | Self::Announce
            | Self::Discard(_)
            | Self::LookUp(_)
            | Self::AskClient(_)
            | Self::Verify(_)
            | Self::PurgeOld { .. }
            | Self::Machine(_)
            | Self::Prepare(_)
            | Self::Carry(_)
            | Self::Open
            | Self::OpenByCode
            | Self::OpenByConsole
            | Self::Lock => false,
        }
    }
}
