//! Who has a way in, changed while the vault is open.

use std::io;

use vault::open::custody::CustodyError;

use super::{Clerk, Word};
use crate::vault_process::{SlotAnswer, SlotAsk};

impl Clerk {
    /// Changes who has a way in. After a revocation nothing may be written under the old epoch, so
    /// the process is over then.
    pub(super) fn custody(&mut self, job: [u8; 32], ask: SlotAsk) -> io::Result<()> {
        let answer = match ask {
            SlotAsk::Find { name } => self.slots.look_for(&name).map_err(CustodyError::from),
            SlotAsk::Rename { name, to } => self.slots.rename(&name, &to),
            SlotAsk::Revoke { slot } => self.slots.revoke(slot),
        };
        crate::crash::point("custody changed");
        match answer {
            Ok(answer @ SlotAnswer::Revoked { .. }) => {
                self.is_over = true;
                let half = self.slots.public_half();
                self.mouth.say(&Word::NewPublicHalf(half))?;
                self.mouth.say(&Word::Slot { job, answer })
            }
            Ok(answer) => self.mouth.say(&Word::Slot { job, answer }),
            Err(CustodyError::NoSuchSlot) => {
                let name = String::new();
                let answer = SlotAnswer::NoSuch { name };
                self.mouth.say(&Word::Slot { job, answer })
            }
            Err(error) => {
                log::error!("the keys could not be changed: {error}");
                // Nobody knows whether the new epoch is there: the next opening will see.
                self.is_over = true;
                self.mouth.say(&Word::NoAnswer { job })
            }
        }
    }
}
