//! A ratchet as it lies in the store, inside the record of its session.
//!
//! ```text
//! root 32 · own secret 32 · own public 32 · sending? 1 [chain key 32 · next 4] · previous 4
//! · receiving n 1 · n × [their 32 · chain key 32 · next 4]
//! · closed n 1 · n × [their 32 · next 4]
//! · skipped n 2 · n × [their 32 · counter 4 · message key 32 · past end 1]
//! ```

use std::collections::VecDeque;

use super::{
    ClosedChain, MAX_CLOSED_CHAINS, MAX_OLD_CHAINS, MAX_SKIP, Ratchet, ReceivingChain,
    SendingChain, SkippedKey,
};
use crate::{
    Damaged,
    encoding::{Reader, Writer},
    key::{ChainKey, MessageKey, PublicKey, RatchetSecret, RootKey},
};

impl Ratchet {
    /// Returns an upper bound of what [`Self::write`] adds.
    pub(crate) fn record_bytes(&self) -> usize {
        144 + 68 * self.receiving.len() + 36 * self.closed.len() + 69 * self.skipped.len()
    }

    /// Writes the ratchet at the end of a record.
    pub(crate) fn write(&self, out: &mut Writer) {
        let Self {
            root,
            own,
            own_public,
            sending,
            previous,
            receiving,
            closed,
            skipped,
        } = self;
        out.bytes(root.expose_to_cipher());
        out.bytes(own.expose_to_cipher());
        out.bytes(&own_public.0);
        out.bool(sending.is_some());
        if let Some(SendingChain { key, next }) = sending {
            out.bytes(key.expose_to_cipher());
            out.u32(*next);
        }
        out.u32(*previous);
        out.count8(receiving.len());
        for ReceivingChain { their, key, next } in receiving {
            out.bytes(&their.0);
            out.bytes(key.expose_to_cipher());
            out.u32(*next);
        }
        out.count8(closed.len());
        for ClosedChain { their, next } in closed {
            out.bytes(&their.0);
            out.u32(*next);
        }
        out.count16(skipped.len());
        for SkippedKey {
            their,
            counter,
            key,
            past_end,
        } in skipped
        {
            out.bytes(&their.0);
            out.u32(*counter);
            out.bytes(key.expose_to_cipher());
            out.bool(*past_end);
        }
    }

    /// Reads what [`Self::write`] wrote.
    pub(crate) fn read(from: &mut Reader<'_>) -> Result<Self, Damaged> {
        let root = RootKey::copy_from(from.array()?);
        let own = RatchetSecret::copy_from(from.array()?);
        let own_public = public(from)?;
        let sending = if from.bool()? {
            Some(SendingChain {
                key: ChainKey::copy_from(from.array()?),
                next: from.u32()?,
            })
        } else {
            None
        };
        let previous = from.u32()?;
        let count = from.u8()?.into();
        let receiving = list(from, count, 1 + MAX_OLD_CHAINS, |from| {
            Ok(ReceivingChain {
                their: public(from)?,
                key: ChainKey::copy_from(from.array()?),
                next: from.u32()?,
            })
        })?;
        let count = from.u8()?.into();
        let closed = list(from, count, MAX_CLOSED_CHAINS, |from| {
            Ok(ClosedChain {
                their: public(from)?,
                next: from.u32()?,
            })
        })?;
        let count = from.u16()?.into();
        let skipped = list(from, count, MAX_SKIP as usize, |from| {
            Ok(SkippedKey {
                their: public(from)?,
                counter: from.u32()?,
                key: MessageKey::copy_from(from.array()?),
                past_end: from.bool()?,
            })
        })?;
        Ok(Self {
            root,
            own,
            own_public,
            sending,
            previous,
            receiving,
            closed,
            skipped,
        })
    }
}

fn public(from: &mut Reader<'_>) -> Result<PublicKey, Damaged> {
    from.array().copied().map(PublicKey)
}

fn list<'a, T>(
    from: &mut Reader<'a>,
    count: usize,
    most: usize,
    read: impl Fn(&mut Reader<'a>) -> Result<T, Damaged>,
) -> Result<VecDeque<T>, Damaged> {
    if count > most {
        return Err(Damaged);
    }
    (0..count).map(|_| read(from)).collect()
}
