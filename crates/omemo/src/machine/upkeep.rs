//! What our own device needs over time: fresh signed prekeys, used prekeys forgotten, and a new
//! life where an old copy of the state was put back.
//!
//! It knows no clock and no timetable: the caller looks now and then, with a time that should
//! not jump.

use rand_core::CryptoRng;

use super::{enrol, new_signed_prekey};
use crate::{
    Bundle, Changes, OwnDevice, Store,
    prekey::{KEEP_SIGNED, ROTATE_AFTER},
};

/// Makes a new signed prekey where the newest is a week old, and forgets those older than 30 days;
/// `None` where nothing is due. The bundle is then to be published again.
///
/// `now` decides on keys that other devices have in hand: a clock that was wrong for a while
/// must not pass through to it.
///
/// # Errors
/// The store's.
pub fn rotate<S: Store>(
    store: &S,
    rng: &mut impl CryptoRng,
    now: u64,
) -> Result<Option<Changes>, S::Error> {
    let Some(mut own) = store.own_device()? else {
        return Ok(None);
    };
    let all = store.signed_prekeys()?;
    let age = |made: u64| now.saturating_sub(made);
    let mut changes = Changes::default();
    if all
        .first()
        .is_none_or(|it| age(it.created_at) >= ROTATE_AFTER)
    {
        changes
            .signed_prekeys
            .push(new_signed_prekey(&mut own, rng, now));
        changes.own_device = Some(own);
    }
    // the newest is what the bundle shows until another one is published
    let older = all.iter().skip(1);
    let expired = older.filter(|it| age(it.created_at) > KEEP_SIGNED);
    changes
        .removed_signed_prekeys
        .extend(expired.map(|it| it.id));
    Ok((!changes.is_empty()).then_some(changes))
}

/// Forgets the prekeys that were set aside by [`Changes::keep_prekeys`], once the archive is read
/// to its end, or before it is begun anew; `None` where there are none.
///
/// # Errors
/// The store's.
pub fn forget_used_prekeys<S: Store>(store: &S) -> Result<Option<Changes>, S::Error> {
    let removed_prekeys = store.used_prekeys()?;
    Ok((!removed_prekeys.is_empty()).then(|| Changes {
        removed_prekeys,
        ..Changes::default()
    }))
}

/// Makes another device in place of ours, which must not be used any more: its state is an old
/// copy, so that sending would use message keys a second time. What is known of others stays.
pub fn enrol_anew(rng: &mut impl CryptoRng, now: u64) -> (OwnDevice, Changes) {
    let (own, changes) = enrol(rng, now);
    let changes = Changes {
        starts_over: true,
        ..changes
    };
    (own, changes)
}

/// Tells whether `published`, as our own bundle, was made by this very device later than the
/// store was written: the store is then an old copy.
///
/// Nobody without our identity key can make such a bundle. What the server could do is to show
/// a signed prekey of ours again that the store has forgotten: `forgotten` names their public
/// halves.
///
/// # Errors
/// The store's.
pub fn is_from_a_later_state<S: Store>(
    store: &S,
    published: &Bundle,
    forgotten: &[[u8; 32]],
) -> Result<bool, S::Error> {
    let Some(own) = store.own_device()? else {
        return Ok(false);
    };
    let Ok((identity, _, signed_prekey)) = published.authenticate() else {
        return Ok(false);
    };
    let known = store.signed_prekeys()?;
    let is_known = known.iter().any(|it| it.public == signed_prekey);
    Ok(identity == own.identity && !is_known && !forgotten.contains(&signed_prekey.0))
}
