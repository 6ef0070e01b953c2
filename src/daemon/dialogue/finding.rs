//! Which entries are meant and what is known of them, in both rooms' words.

use chrono::{NaiveDate, NaiveTime};
use vault::index::{Kind, Search};

use super::line;
use crate::{
    keeper::{
        Found,
        command::{self, Filter},
        reply,
    },
    vault_process::{About, FindWord},
};

pub(super) fn search(what: Filter) -> Search {
    let Filter {
        words,
        tags,
        album,
        kind,
        sender,
        dates,
    } = what;
    Search {
        words,
        tags,
        album,
        kind: kind.map(|kind| match kind {
            command::Kind::Photo => Kind::Photo,
            command::Kind::Video => Kind::Video,
            command::Kind::Document => Kind::Document,
            command::Kind::Music => Kind::Music,
        }),
        sender,
        from: dates.as_ref().and_then(|it| it.from),
        until: dates.as_ref().and_then(|it| it.until),
        shown_from: dates.as_ref().and_then(|it| midnight(it.first_day?)),
        shown_until: dates
            .as_ref()
            .and_then(|it| midnight(it.last_day?.checked_add(1)?)),
    }
}

/// Returns when a day begins by a clock that knows no time zones, in seconds since 1970.
fn midnight(day: i32) -> Option<i64> {
    let day = NaiveDate::from_num_days_from_ce_opt(day)?;
    Some(day.and_time(NaiveTime::MIN).and_utc().timestamp())
}

pub(super) fn found(found: FindWord) -> Found {
    match found {
        FindWord::About(about) => Found::About(about.map(|it| Box::new(known(*it)))),
        FindWord::Used { used, more_after } => Found::Used { used, more_after },
    }
}

fn known(about: About) -> reply::About {
    let About {
        row,
        came_as,
        media_type,
        sender,
        member,
        sent_at,
        entered_at,
        is_proven,
        caption,
        tags,
        album,
        trashed_at,
        shot,
    } = about;
    reply::About {
        line: line(row),
        came_as,
        media_type,
        sender,
        member,
        sent_at,
        entered_at,
        is_proven,
        caption,
        tags,
        album,
        trashed_at,
        shot: shot.map(|it| reply::Shot {
            is_film: it.is_film,
            size: it.size,
            taken_at: it.taken_at,
            camera: it.camera,
            place: it.place,
        }),
    }
}
