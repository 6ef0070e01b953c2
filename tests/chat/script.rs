//! Reads a transcript and plays it.
//!
//! What may stand after `!`:
//!
//! ```text
//! mode drawer | presence | memory      first of all; drawer unless it is said
//! the key is out                       first of all: the vault begins locked
//! key device inserted | removed        a second key device is inserted
//! the key does not fit                 the next opening fails
//! photo NAME SIZE arrives              the owner shares it; SIZE is "3.1 MB", "20 kB", "7 bytes"
//! picture NAME WIDTHxHEIGHT arrives    one that can be opened; it has no camera's notes
//! picture NAME 800x600 taken 2025-06-03 14:05 arrives
//!                                      the same with a camera's notes, from Rome
//! film NAME WIDTHxHEIGHT arrives       one that a phone's program wrote
//! the phone writes in OMEMO 0.8        or "0.3", as it does unless it is said
//! the phone is PROGRAM                 what it says of itself when it is asked
//! photo NAME arrives again as OTHER    the same content under another name
//! 12 photos of SIZE arrive             IMG_0001.jpg …, one after another
//! 12 photos of SIZE arrive together    the same, all announced before the first is fetched
//! the server forgets NAME              of the next photo: its server has it no longer
//! 6 minutes pass                       seconds, minutes, hours, days; the daemon wakes every minute
//! restart                              the daemon ends and begins again, the key as it was
//! the last version left 2 files and 1 command   which this one cannot read
//! the drive goes | comes | is full
//! plugged in: SanDisk Ultra, 32 GB, vfat, 3 files   or "empty", "unreadable"; unplugged: SanDisk
//! a stick is in: SanDisk Ultra, 32 GB, 20 GB free, vfat   "vfat, read-only"; the stick SanDisk goes
//! the stick SanDisk has a/b.jpg 2.0 MB on it    a file that nobody has shared
//! the stick takes its time             what is begun with it does not end by itself
//! the stick ends it after 1 file: gone    of what is begun next; "full", "locked", "drive full"
//! nobody mounts sticks here            first of all
//! the line goes down | comes up
//! the server takes files up to SIZE | offers no upload | fails
//! a new phone writes TEXT              device 27183, which nobody has let in
//! somebody writes in clear             the owner's address, without encryption
//! somebody puts NAME on the drive      a sealed file that the daemon did not seal
//! JID has the devices 5 0a2b8c1f, 6 ?  id and end of the fingerprint of each; one shows no key
//! JID has 40 devices                   more than anybody would compare
//! file 7 comes back from JID           the other server gives it back
//! file 7 is scratched                  one bit of its blob turns
//! the drive is looked through          the vault process tells what nobody vouches for
//! the machine can be switched off      first of all
//! the code is CODE                     first of all: the code that opens the vault
//! the pairing code is CODE             first of all: no phone is let in yet
//! ```

use omemo::Namespace;

use super::{
    camera,
    stage::{Stage, Start},
};
use strongroom::keeper::custody::Mode;

/// Plays a transcript; returns it with what the vault says now.
pub(crate) fn play(written: &str) -> Result<String, String> {
    let mut played = String::new();
    let mut start = Start::default();
    let mut stage: Option<Stage> = None;
    for (number, line) in (1..).zip(written.lines()) {
        let wrong = |why: &str| format!("line {number}: {why}: {line}");
        if line.starts_with("< ") || line == "<" {
            continue;
        }
        played.push_str(line);
        played.push('\n');
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if let Some(setting) = line.strip_prefix("! ")
            && stage.is_none()
            && set(&mut start, setting)
        {
            continue;
        }
        let stage = stage.get_or_insert_with(|| Stage::new(&start));
        if let Some(text) = line.strip_prefix("> ") {
            stage.owner_writes(&unescaped(text));
        } else if let Some(event) = line.strip_prefix("! ") {
            happen(stage, event).ok_or_else(|| wrong("nothing of the kind happens"))?;
        } else {
            return Err(wrong("neither # nor > nor < nor !"));
        }
        for said in stage.take_said() {
            for line in said.split('\n') {
                played.push_str(format!("< {line}").trim_end());
                played.push('\n');
            }
        }
    }
    if let Some(stage) = stage {
        stage.end();
    }
    Ok(played)
}

/// A message of several lines is written with `\n`.
fn unescaped(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\0", "\0")
}

/// Takes what is set before the play begins.
fn set(start: &mut Start, setting: &str) -> bool {
    match setting {
        "mode drawer" => start.mode = Mode::Drawer,
        "mode presence" => start.mode = Mode::Presence,
        "mode memory" => {
            start.mode = Mode::MemoryOnly;
            start.key_is_in = false;
        }
        "the key is out" => start.key_is_in = false,
        "the machine can be switched off" => start.switches_off = true,
        "there is no vault" => start.has_vault = false,
        "nobody mounts sticks here" => start.carries = false,
        other => {
            if let Some(code) = other.strip_prefix("the code is ") {
                start.code = Some(code.to_owned());
            } else if let Some(code) = other.strip_prefix("the pairing code is ") {
                start.pairing = Some(code.to_owned());
            } else {
                return false;
            }
        }
    }
    true
}

fn happen(stage: &mut Stage, event: &str) -> Option<()> {
    match event {
        "key device inserted" => stage.key_comes(),
        "key device removed" => stage.key_goes(),
        "a second key device is inserted" => stage.second_key(),
        "the key does not fit" => stage.key_will_not_fit(),
        "restart" => stage.restart(),
        "the drive goes" => stage.drive_goes(),
        "the drive comes" => stage.drive_comes(),
        "the drive is full" => stage.drive_fills(),
        "the line goes down" => stage.line_goes_down(),
        "the line comes up" => stage.line_comes_up(),
        "the server offers no upload" => stage.uploads_are_refused(None),
        "the server fails" => stage.uploads_fail(),
        "the phone writes in OMEMO 0.8" => stage.phone_writes_in(Namespace::Omemo2),
        "the phone writes in OMEMO 0.3" => stage.phone_writes_in(Namespace::Legacy),
        "somebody writes in clear" => stage.somebody_writes_in_clear(),
        "the drive is looked through" => stage.drive_is_looked_through(),
        "the stick takes its time" => stage.stick_takes_its_time(),
        _ => return happen_to(stage, event),
    }
    Some(())
}

/// What happens to something that is named.
fn happen_to(stage: &mut Stage, event: &str) -> Option<()> {
    if let Some(described) = event.strip_prefix("plugged in: ") {
        return stage.is_plugged_in(described);
    }
    if let Some(name) = event.strip_prefix("unplugged: ") {
        stage.is_unplugged(name);
        return Some(());
    }
    if event.starts_with("a stick ") || event.starts_with("the stick ") {
        return happen_to_a_stick(stage, event);
    }
    if let Some(left) = event.strip_prefix("the last version left ") {
        let (files, commands) = left.split_once(" files and ")?;
        let commands = commands.split_once(' ')?.0;
        stage.last_version_left(files.parse().ok()?, commands.parse().ok()?);
        return Some(());
    }
    if let Some((jid, devices)) = event.split_once(" has the devices") {
        stage.account_shows(jid, devices.trim())?;
    } else if let Some((jid, devices)) = event.split_once(" has ")
        && let Some(devices) = devices.strip_suffix(" devices")
    {
        stage.account_lists_too_many(jid, devices.parse().ok()?);
    } else if let Some(photo) = event.strip_prefix("photo ") {
        if let Some((name, other)) = photo.split_once(" arrives again as ") {
            return stage.photo_arrives_again(name, other);
        }
        let (name, size) = name_and_size(photo.strip_suffix(" arrives")?)?;
        stage.photo_arrives(name, size);
    } else if let Some(photos) = event.strip_suffix(" arrive together") {
        let (count, size) = photos.split_once(" photos of ")?;
        stage.photos_arrive_together(count.parse().ok()?, bytes(size)?);
    } else if let Some(picture) = event.strip_prefix("picture ") {
        let picture = picture.strip_suffix(" arrives")?;
        let (picture, taken) = match picture.split_once(" taken ") {
            Some((picture, taken)) => (picture, Some(taken)),
            None => (picture, None),
        };
        let (name, size) = picture.rsplit_once(' ')?;
        let (width, height) = size.split_once('x')?;
        let (width, height) = (width.parse().ok()?, height.parse().ok()?);
        let picture = match taken {
            Some(taken) => camera::photo(width, height, taken),
            None => camera::picture(width, height),
        };
        stage.picture_arrives(name, picture);
    } else if let Some(film) = event.strip_prefix("film ") {
        let (name, size) = film.strip_suffix(" arrives")?.rsplit_once(' ')?;
        let (width, height) = size.split_once('x')?;
        let film = camera::film(width.parse().ok()?, height.parse().ok()?);
        stage.picture_arrives(name, film);
    } else if let Some(program) = event.strip_prefix("the phone is ") {
        stage.phone_says_it_is(program);
    } else if let Some(photos) = event.strip_suffix(" arrive") {
        let (count, size) = photos.split_once(" photos of ")?;
        stage.photos_arrive(count.parse().ok()?, bytes(size)?);
    } else if let Some(name) = event.strip_prefix("the server forgets ") {
        stage.server_forgets(name);
    } else if let Some(size) = event.strip_prefix("the server takes files up to ") {
        stage.uploads_are_refused(Some(bytes(size)?));
    } else if let Some(text) = event.strip_prefix("a new phone writes ") {
        stage.new_phone_writes(text);
    } else if let Some(file) = event.strip_prefix("somebody puts ") {
        stage.somebody_plants(file.strip_suffix(" on the drive")?);
    } else if let Some(file) = event.strip_prefix("file ")
        && let Some((number, jid)) = file.split_once(" comes back from ")
    {
        stage.file_comes_back(number.parse().ok()?, jid);
    } else if let Some(file) = event.strip_prefix("file ") {
        stage.file_is_scratched(file.strip_suffix(" is scratched")?.parse().ok()?);
    } else {
        stage.time_passes(seconds(event.strip_suffix(" pass")?)?);
    }
    Some(())
}

/// What happens to a stick that files are carried by.
fn happen_to_a_stick(stage: &mut Stage, event: &str) -> Option<()> {
    if let Some(described) = event.strip_prefix("a stick is in: ") {
        return stage.stick_comes(described);
    }
    if let Some(ended) = event.strip_prefix("the stick ends it after ") {
        let (files, why) = ended.split_once(": ")?;
        return stage.stick_ends_it(files.split(' ').next()?.parse().ok()?, why);
    }
    let stick = event.strip_prefix("the stick ")?;
    if let Some(name) = stick.strip_suffix(" goes") {
        return stage.stick_goes(name);
    }
    let (name, file) = stick.split_once(" has ")?;
    let (file, size) = name_and_size(file.strip_suffix(" on it")?)?;
    stage.stick_has(name, file, size)
}

/// Reads `beach at noon.jpg 3.1 MB`.
fn name_and_size(text: &str) -> Option<(&str, u64)> {
    let (rest, unit) = text.rsplit_once(' ')?;
    let (name, number) = rest.rsplit_once(' ')?;
    Some((name, bytes(&format!("{number} {unit}"))?))
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_once(' ')?;
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let tenths: u64 = whole.parse::<u64>().ok()? * 10 + tenths.parse::<u64>().ok()?;
    match unit {
        "byte" | "bytes" => Some(tenths / 10),
        "kB" => Some(tenths * 100),
        "MB" => Some(tenths * 100_000),
        _ => None,
    }
}

fn seconds(text: &str) -> Option<i64> {
    let (number, unit) = text.split_once(' ')?;
    let unit = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    Some(number.parse::<i64>().ok()? * unit)
}
