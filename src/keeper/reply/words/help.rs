//! How the vault is used: in short, and command by command.

use crate::keeper::reply::GrammarReply;

use super::show;

/// All that can be asked, by what the owner is about to do.
pub(super) const HELP: &str = "Share a photo or file here and I keep it.\n\
     See: list, next, find photos june 2025 rome, info 7, albums, tags, sheet\n\
     Get back: get 7, get 7 9-12, get last 3, get 7 small\n\
     By a stick: export album Rome, import\n\
     To others: send 7 to bob@example.org, contacts, forget bob@example.org\n\
     Albums: album Norway, album off\n\
     Keep in order: rename, move, tag, note, delete 7, undo, trash, restore 7\n\
     How it is: status, verify, unproven\n\
     Open and close: lock, unlock CODE\n\
     Keys: keys, rename key OLD to NEW, revoke key NAME, add key\n\
     Phones: devices, fingerprints, trust 8c1f, revoke 8c1f\n\
     What I say by myself: notices, quiet 22-7\n\
     The Pi: drives, prepare, eject, restart, off\n\
     \"help find\" tells more about find, and so on for each.";

/// Each verb with how it is used, one a row.
const TOPICS: &[(&str, &str)] = &[
    (
        "help",
        "\"help\" shows all commands, \"help find\" tells how one is used.",
    ),
    (
        "list",
        "\"list\" shows the ten newest files, \"list 30\" more, 50 at most, and \"next\" goes on. It \
         takes what find takes: \"list videos\".",
    ),
    (
        "find",
        "\"find\" and what you remember, in any order:\n\
         find summer lake: both words in name, note, tags or album; a part of a word is enough\n\
         find photos june 2025: also videos, documents, music; yesterday, last week, 4 may, since may. A \
         picture is of the day it was taken where it says so, everything else of the day it came\n\
         find #beach album Norway: with this tag in this album\n\
         find from ann: what ann sent\n\
         find \"may\": in quotes a word is only a word\n\
         \"next\" shows more.",
    ),
    (
        "get",
        "\"get 7\" sends file 7 back, \"get 7 9-12\" several, \"get last\" the newest and \"get last \
         3\" the three newest. Or answer to the line of a file with \"get\". 100 files at most; \
         more than ten come as a zip. \"get 7 small\" sends a preview of a picture, \"send 7 to \
         bob@example.org\" sends it to somebody else.",
    ),
    (
        "contacts",
        "\"contacts\" shows to whose devices I send, after you have compared them. I read nothing \
         that they write.",
    ),
    (
        "forget",
        "\"forget bob@example.org\" ends that: the next file goes there only after you have compared \
         anew.",
    ),
    (
        "next",
        "\"next\" goes on with the last list that this phone was shown.",
    ),
    (
        "info",
        "\"info 7\" tells all that is known of file 7. Or answer to the line of a file with \"info\".",
    ),
    (
        "albums",
        "\"albums\" shows all albums; \"find album Norway\" shows what is in one.",
    ),
    (
        "tags",
        "\"tags\" shows all tags; \"find #beach\" shows what bears one.",
    ),
    (
        "last",
        "\"last 3\" sends the three newest files back, as \"get last 3\".",
    ),
    (
        "album",
        "\"album Norway\" right after photos puts those into that album, and at any other time all \
         that come from then on, until \"album off\". Other words right after photos are their \
         caption, and #words in it are tags.",
    ),
    (
        "sheet",
        "\"sheet\" sends the newest 20 files as one picture with their numbers, and \"next\" the 20 \
         before. \"sheet photos june 2025\" takes all that \"find\" takes; \"sheet 7-30\" or \
         \"sheet last 40\" are also sheets of 20.",
    ),
    (
        "originals",
        "\"originals off\" keeps me quiet about pictures that a phone made smaller before it sent \
         them, \"originals on\" brings it back.",
    ),
    (
        "status",
        "\"status\" tells whether the vault is open, how much is kept, what waits, and how full the \
         drive is.",
    ),
    (
        "lock",
        "\"lock\" closes the vault at once. Photos still arrive.",
    ),
    (
        "unlock",
        "\"unlock ABCDE-12345\" opens a vault that has a code. Delete that message afterwards.",
    ),
    (
        "confirm",
        "\"confirm 483911\", or just the number, confirms what I asked back. A number is good once \
         and for 5 minutes.",
    ),
    (
        "keys",
        "\"keys\" shows what opens the vault. \"rename key OLD to NEW\" renames one, \"revoke key \
         NAME\" shuts a lost one out, \"add key\" tells how a spare is made.",
    ),
    ("add", "\"add key\" tells how a spare key stick is made."),
    (
        "rename",
        "\"rename 7 to beach.jpg\" gives a file another name, \"rename key key device to bank safe\" a \
         key.",
    ),
    (
        "devices",
        "\"devices\" shows your phones, which of them may command, and when each last wrote.",
    ),
    (
        "fingerprints",
        "\"fingerprints\" shows all digits of my fingerprint and your phones', to compare; \
         \"fingerprints qr\" sends my address as a picture to scan.",
    ),
    (
        "trust",
        "\"trust 8c1f\" lets the new phone in whose fingerprint ends so, after a number is sent back.",
    ),
    (
        "revoke",
        "\"revoke 8c1f\" shuts a lost phone out for good, \"revoke key bank safe\" a lost key; both \
         after a number is sent back.",
    ),
    (
        "verify",
        "\"verify\" checks every byte of every file, \"verify 7\" one file, \"verify sample\" a few. \
         \"verify stop\" ends it.",
    ),
    (
        "unproven",
        "\"unproven\" shows files on the drive that nobody vouches for, and a number that takes them \
         in.",
    ),
    (
        "delete",
        "\"delete 7\" moves a file to the trash after a number is sent back, \"delete 7-9\" several. \
         \"undo\" and \"restore 7\" bring back.",
    ),
    (
        "undo",
        "\"undo\" takes back the last change that this phone made to files, and sent again the one \
         before, up to 20.",
    ),
    (
        "trash",
        "\"trash\" shows what was deleted and until when it stays. \"trash empty\" removes all of it \
         for good after a number is sent back.",
    ),
    (
        "restore",
        "\"restore 7\" brings a file back from the trash, \"restore 7 8\" two.",
    ),
    (
        "move",
        "\"move 7-9 to Rome\" puts files into the album Rome, \"move 7 out\" takes one out of its \
         album.",
    ),
    (
        "tag",
        "\"tag 7 #beach #sun\" gives a file tags, \"tag 7-9 beach\" several files one.",
    ),
    ("untag", "\"untag 7 #beach\" takes a tag from a file."),
    (
        "note",
        "\"note 7 Ann on the pier\" writes a note about a file, \"note 7 -\" removes it. \"find pier\" \
         finds it.",
    ),
    (
        "notices",
        "\"notices\" shows what I say by myself, \"notices weekly off\" ends one, \"notices weekly on\" \
         brings it back. Alarms always come.",
    ),
    (
        "quiet",
        "\"quiet 22-7\" keeps me quiet from 22:00 to 7:00, except for answers and alarms. \"quiet off\" \
         ends that.",
    ),
    (
        "eject",
        "\"eject\" lets go of the data drive so that it can be pulled, \"eject off\" uses it again. While \
         I write onto a stick or read one, it ends that and lets go of the stick.",
    ),
    (
        "drives",
        "\"drives\" shows which drives and sticks are plugged in and not used yet.",
    ),
    (
        "prepare",
        "\"prepare T7 SanDisk\" makes the empty drive T7 a vault, and the stick SanDisk its key, after a \
         number is sent back. \"prepare spare Kingston\" makes a second key. \"prepare drawer\" or \
         \"prepare pi\" says where the key lives.",
    ),
    (
        "export",
        "\"export album Rome\" writes files onto a USB stick that you plug into the Pi, after a number is \
         sent back; it takes what find takes, numbers like 7-12, or \"all\". They are not encrypted \
         there. With two sticks in: \"export all onto SanDisk\".",
    ),
    (
        "import",
        "\"import\" takes in all files of a USB stick or a camera's card that you plug into the Pi, after a \
         number is sent back. Nothing on it is changed. With two in: \"import from SanDisk\".",
    ),
    (
        "restart",
        "\"restart\" begins anew after a number is sent back, and locks the vault meanwhile.",
    ),
    (
        "off",
        "\"off\" switches the Pi off after a number is sent back, where that is set up.",
    ),
];

impl GrammarReply {
    /// Returns what happened, then what the owner can do about it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::HelpOn { verb } => topic(verb).unwrap_or(HELP).to_owned(),
            Self::DidYouMean { verb } => {
                format!("I did not understand that and did nothing. Did you mean \"{verb}\"?")
            }
            Self::Alone { verb } => format!(
                "\"{verb}\" stands alone, so I did nothing. Send just \"{verb}\" if that is what you \
                 mean."
            ),
            Self::NoTopic { word } => format!(
                "I know no command \"{}\". \"help\" shows all of them.",
                show(word)
            ),
        }
    }
}

fn topic(verb: &str) -> Option<&'static str> {
    let found = TOPICS.iter().find(|(name, _)| *name == verb);
    found.map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keeper::command::VERBS;

    #[test]
    fn every_verb_has_a_topic_that_names_it_and_no_topic_is_without_a_verb() {
        for verb in VERBS {
            let text = topic(verb.name).unwrap_or_else(|| panic!("no help on {}", verb.name));
            assert!(text.contains(&format!("\"{}", verb.name)), "{}", verb.name);
        }
        let elsewhere = ["unlock", "confirm"];
        for (name, _) in TOPICS {
            let is_verb = VERBS.iter().any(|verb| verb.name == *name);
            assert!(is_verb || elsewhere.contains(name), "{name}");
        }
        assert_eq!(topic("fly"), None);
    }
}
