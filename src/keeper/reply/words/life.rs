//! The sentences about sessions and devices that live and die.

use super::{custody::clock, day};
use crate::keeper::reply::LifeReply;

const DAY_SECONDS: i64 = 24 * 60 * 60;

impl LifeReply {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Unreadable {
                count: 1,
                sent_at,
                now,
            } => format!(
                "I could not read your message of {}. Please send it again.",
                moment(*sent_at, *now)
            ),
            Self::Unreadable {
                count,
                sent_at,
                now,
            } => format!(
                "I could not read {count} messages of yours, the first of {}. Please send them \
                 again.",
                moment(*sent_at, *now)
            ),
            Self::IdentityChanged { device } => format!(
                "A device of yours (number {device}) shows another key than before, so I refuse \
                 what it sends. If you set that phone up anew, have it take a new OMEMO device \
                 number; if not, somebody else may be in your account: change its password."
            ),
            Self::Unlisted => {
                "Something took me off the list of my own devices five times within an hour. I put \
                 myself back each time; if another program uses the vault's account, log it out, \
                 and change the account's password."
                    .to_owned()
            }
            Self::Reborn { ours } => format!(
                "An old copy of my memory was put back, so I go on as a new device whose \
                 fingerprint ends in {ours}. Compare it (\"strongroom address\" shows it on the \
                 Pi), send again what I did not acknowledge, and revoke again what you revoked \
                 since that copy."
            ),
        }
    }
}

/// The time of a message, with its day if that is not today.
fn moment(at: i64, now: i64) -> String {
    if at.div_euclid(DAY_SECONDS) == now.div_euclid(DAY_SECONDS) {
        clock(at)
    } else {
        format!("{}, {}", day(at), clock(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_named_by_its_time_and_on_another_day_by_that_too() {
        let now = 1_800_000_000;
        let text = |count, sent_at| {
            LifeReply::Unreadable {
                count,
                sent_at,
                now,
            }
            .text()
        };

        assert_eq!(
            text(1, now - 60),
            "I could not read your message of 07:59. Please send it again."
        );
        assert_eq!(
            text(3, now - DAY_SECONDS),
            "I could not read 3 messages of yours, the first of 14 Jan 2027, 08:00. Please \
             send them again."
        );
    }
}
