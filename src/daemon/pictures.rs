//! Contact sheets and previews on their way to the vault process, and which program a device of the
//! owner writes with. It sees no picture.

use std::collections::HashMap;

use super::{Daemon, Happening, dialogue};
use crate::{
    keeper::{Input, JobId, pictures::PictureNews},
    vault_process::{Form, Order, PictureAsk},
    xmpp::{Content, Message, Source},
};

/// Most devices whose address is remembered.
const MAX_PROGRAMS: usize = 64;

/// Where the owner's devices last wrote from. What a message says of its device is not proven by
/// then: it decides only which words a hint is given in.
#[derive(Default)]
pub(super) struct Programs(HashMap<u32, String>);

impl Programs {
    /// Notes who wrote a message.
    pub(super) fn note(&mut self, message: &Message, is_owners: bool) {
        let Content::Encrypted(envelope) = &message.content else {
            return;
        };
        let device = envelope.sender.0;
        let has_room = self.0.len() < MAX_PROGRAMS || self.0.contains_key(&device);
        if is_owners && message.source == Source::Live && has_room {
            self.0.insert(device, message.from.clone());
        }
    }
}

impl Daemon {
    /// Returns the order for a delivery whose content is made.
    pub(super) fn picture_order(&self, job: JobId, form: Form) -> Option<Order> {
        let make = dialogue::make(self.keeper.made(&job)?);
        let job = job.0;
        Some(Order::Picture(PictureAsk { job, form, make }))
    }

    /// Asks a device's program what it is. The answer is owed whatever comes of it.
    pub(super) fn ask_client(&mut self, device: u32) {
        let (link, tell) = (self.link.clone(), self.tell.clone());
        let jid = self.programs.0.get(&device).cloned();
        tokio::spawn(async move {
            let name = match jid {
                Some(jid) => link
                    .client(&jid)
                    .await
                    .map(|it| it.name)
                    .unwrap_or_else(|error| {
                        log::info!("a program did not say what it is: {error}");
                        None
                    }),
                None => None,
            };
            let news = PictureNews::Client { device, name };
            // The loop is gone only when the daemon stops.
            let _ = tell.send(Happening::Input(Input::Picture(news)));
        });
    }
}
