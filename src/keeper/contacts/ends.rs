//! What ends that goes to other people: the owner forgets them, shuts a device out that asked for it,
//! or the daemon ended in the middle.

use super::{Act, ContactReply, Effect, Keeper, Task, say};
use crate::keeper::{
    delivery::Delivery,
    devices::{Level, Named},
};

impl Keeper {
    /// Forgets somebody: devices, and whatever waits to be asked or sent.
    pub(super) fn forget_contact(&mut self, jid: String) -> Vec<Effect> {
        let was_looked_up = !self.contacts.take_pending(&jid).is_empty();
        let was_asked = self.confirmations.forget_task(|task| match task {
            Task::Befriend { jid: about, .. } => *about == jid,
            Task::Send(unsent) => unsent.jid == jid,
            Task::TakeUnproven { .. }
            | Task::DropKey { .. }
            | Task::Keep(_)
            | Task::Errand(_)
            | Task::Prepare(_)
            | Task::Carry(_)
            | Task::Vouch { .. }
            | Task::Revoke { .. } => false,
        });
        if self.contacts.known.remove(&jid).is_none() {
            return vec![say(if was_looked_up || was_asked {
                ContactReply::Dropped { jid }
            } else {
                ContactReply::NoSuch { jid }
            })];
        }
        let ended = self.end_sending(|it| it.contact() == Some(&jid));
        let mut effects = closed(&ended);
        let forget = Act::Forget { jid: jid.clone() };
        effects.push(Effect::Contact(forget));
        effects.push(say(ContactReply::Forgotten { jid }));
        effects
    }

    /// Ends what a device that is shut out has asked for.
    pub(in crate::keeper) fn end_sending_of(&mut self, device: u32) -> Vec<Effect> {
        let pending = &mut self.contacts.pending;
        pending.retain(|it| it.asker.is_none_or(|asker| asker.device != device));
        let is_its = |it: &Delivery| it.asker.is_some_and(|asker| asker.device == device);
        closed(&self.end_sending(is_its))
    }

    /// Returns whose devices a device that may still command may have confirmed.
    pub(in crate::keeper) fn perhaps_confirmed_by(&self, fingerprint: &str) -> Vec<String> {
        match self.owner.devices.named(fingerprint, Level::is_trusted) {
            Named::Nobody => Vec::new(),
            Named::One(..) | Named::Several => self.contacts.known.keys().cloned().collect(),
        }
    }

    /// The stream is up: files can go.
    pub(in crate::keeper) fn deliveries_online(&mut self) -> Vec<Effect> {
        let mut effects = self.end_left_over();
        effects.extend(self.deliveries.online());
        effects
    }

    /// Ends what the last run had not sent: nobody knows how old the device lists are that it would
    /// go by.
    pub(in crate::keeper) fn end_left_over(&mut self) -> Vec<Effect> {
        let left_over = self.deliveries.take_left_over();
        let ended = self.end_sending(|it| left_over.contains(&it.job));
        let mut effects = closed(&ended);
        for delivery in ended {
            if let Some(jid) = delivery.contact() {
                effects.push(say(ContactReply::LeftOver {
                    jid: jid.to_owned(),
                    numbers: delivery.remaining.clone().unwrap_or_default(),
                }));
            }
        }
        effects
    }

    fn end_sending(&mut self, is_it: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        let ended = self.deliveries.end_sending(is_it);
        for delivery in &ended {
            self.needs.remove(&delivery.job);
        }
        ended
    }
}

fn closed(ended: &[Delivery]) -> Vec<Effect> {
    ended.iter().map(|it| Effect::Close(it.job)).collect()
}
