//! Moments as the clock on the wall shows them: turned once, on the way out.

use super::{
    About, ContactReply, CustodyReply, DeviceReply, FindingReply, KeepReply, LifeReply, Line,
    NoticeReply, Reply, StorageReply, VerifyReply,
};
use crate::keeper::{Effect, Keeper, zone::Zone};

impl Keeper {
    /// Lets all that is told name days and hours as the wall shows them where the vault stands.
    pub(in crate::keeper) fn on_the_wall(&self, mut effects: Vec<Effect>) -> Vec<Effect> {
        let told = effects.iter_mut().filter_map(Effect::words_mut);
        told.for_each(|reply| reply.show_in(&self.zone));
        effects
    }
}

impl Reply {
    /// Turns every moment that is told into what a clock of universal time shows when the wall
    /// shows this one; when a picture was taken is as its camera showed it. Our own client has a
    /// clock of its own.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "most of what is said names no moment"
    )]
    pub(in crate::keeper) fn show_in(&mut self, zone: &Zone) {
        let turn = |at: &mut i64| *at = zone.shown(*at);
        match self {
            Self::Listing { lines, .. } => turn_all(lines, zone),
            Self::Caption { line } | Self::Stored { line } => turn_line(line, zone),
            Self::Finding(FindingReply::Page { lines, .. } | FindingReply::Found { lines, .. }) => {
                turn_all(lines, zone);
            }
            Self::Finding(FindingReply::About(about)) => turn_about(about, zone),
            Self::Keep(KeepReply::AskDelete { lines, .. }) => turn_all(lines, zone),
            Self::Keep(KeepReply::Trash { lines, .. }) => {
                for (line, since) in lines {
                    turn_line(line, zone);
                    turn(since);
                }
            }
            Self::Status { facts, .. } => {
                facts
                    .checks
                    .last_pass
                    .iter_mut()
                    .for_each(|it| turn(&mut it.0));
            }
            Self::Notice(NoticeReply::Weekly(report)) => {
                report.last_pass.iter_mut().for_each(|it| turn(&mut it.0));
            }
            Self::Verify(VerifyReply::Drill { last_pass, .. }) => {
                last_pass.iter_mut().for_each(|it| turn(&mut it.0));
            }
            Self::Verify(VerifyReply::Damage { files, .. }) => {
                files.iter_mut().for_each(|it| turn_line(&mut it.0, zone));
            }
            Self::Device(
                DeviceReply::List(lines) | DeviceReply::Fingerprints { devices: lines, .. },
            ) => {
                for line in lines {
                    turn(&mut line.since);
                    line.heard_at.iter_mut().for_each(turn);
                }
            }
            Self::Contact(ContactReply::List(lines)) => {
                lines.iter_mut().for_each(|it| turn(&mut it.since));
            }
            Self::Custody(CustodyReply::Keys { slots }) => {
                let since = slots.iter_mut().filter_map(|it| it.since.as_mut());
                since.for_each(turn);
            }
            Self::Custody(
                CustodyReply::WrongCode { again_at, .. } | CustodyReply::NoTriesLeft { again_at },
            ) => turn(again_at),
            Self::Life(LifeReply::Unreadable { sent_at, now, .. }) => {
                turn(sent_at);
                turn(now);
            }
            Self::Storage(StorageReply::Expired { files }) => {
                files.iter_mut().for_each(|it| turn(&mut it.1));
            }
            _ => {}
        }
    }
}

fn turn_line(line: &mut Line, zone: &Zone) {
    line.received_at = zone.shown(line.received_at);
}

fn turn_all(lines: &mut [Line], zone: &Zone) {
    lines.iter_mut().for_each(|line| turn_line(line, zone));
}

fn turn_about(about: &mut About, zone: &Zone) {
    turn_line(&mut about.line, zone);
    let moments = [
        &mut about.sent_at,
        &mut about.entered_at,
        &mut about.trashed_at,
    ];
    for at in moments.into_iter().flatten() {
        *at = zone.shown(*at);
    }
}
