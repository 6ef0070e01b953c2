//! What is said about the keys of the vault when they are changed from the chat.

use crate::keeper::reply::KeyReply;

use super::show;

impl KeyReply {
    /// Returns what happened, then what the owner can do about it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Ask {
                name,
                opened,
                number: Some(number),
                ..
            } => {
                let own = if *opened {
                    " It is the one that opened the vault now: have another one at hand."
                } else {
                    ""
                };
                format!(
                    "Shall I revoke the key \"{}\"? It opens no file of this drive any more, and \
                     the vault locks for a moment.{own} If so, send {number} within 5 minutes.",
                    show(name)
                )
            }
            Self::Ask { name, .. } => format!(
                "I did not revoke \"{}\". Send the command again for a fresh number.",
                show(name)
            ),
            Self::Revoked { name, was_code } => format!(
                "\"{}\" opens no file of this drive any more; the other keys open everything, as \
                 before.{} Copies of the drive that were made until now stay open to it, and so \
                 do older files to whoever copied both it and the drive's key records: \
                 \"strongroom key reseal\" at the Pi gives them fresh keys.",
                show(name),
                if *was_code {
                    " \"unlock\" works no more."
                } else {
                    ""
                }
            ),
            Self::Last { name } => format!(
                "\"{}\" is the last stick, and there are no words. Make a spare before you revoke \
                 it; \"add key\" tells how.",
                show(name)
            ),
            Self::NoSuch { name } => format!(
                "No key is called \"{}\". \"keys\" shows their names; a lost phone is shut out \
                 with \"revoke\" and its digits.",
                show(name)
            ),
            Self::Several { name } => format!(
                "More than one key is called \"{}\". Rename one of them at the Pi first: \
                 strongroom key rename.",
                show(name)
            ),
            Self::Renamed { from, to } => {
                format!("\"{}\" is called \"{}\" now.", show(from), show(to))
            }
            Self::Taken { name } => format!(
                "There is a key called \"{}\" already. Choose another name.",
                show(name)
            ),
            Self::BadName { name } => format!(
                "No key can be called \"{}\". Choose a name of at most 63 letters.",
                show(name)
            ),
            Self::HowToAdd => "I only read key sticks and never write one from the chat. At the \
                 Pi, mount the spare stick and type: strongroom key add FOLDER\nFOLDER is where it \
                 is mounted. It gets one small file, and is not formatted; then keep it elsewhere."
                .to_owned(),
            Self::RenameHow => "Rename which key? Send for example \"rename key key device to \
                 bank safe\"; \"keys\" shows their names."
                .to_owned(),
            Self::RevokeHow => "Revoke which key? Send for example \"revoke key bank safe\"; \
                 \"keys\" shows their names."
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revoking_asks_first_and_says_what_the_key_still_opens() {
        let ask = |opened| KeyReply::Ask {
            slot: [1; 16],
            name: "bank\nsafe".to_owned(),
            opened,
            number: Some(483_911),
        };
        let revoked = KeyReply::Revoked {
            name: "bank safe".to_owned(),
            was_code: false,
        };

        assert!(
            ask(false)
                .text()
                .starts_with("Shall I revoke the key \"bank·safe\"?")
        );
        assert!(
            ask(false)
                .text()
                .ends_with("If so, send 483911 within 5 minutes.")
        );
        assert!(ask(true).text().contains("opened the vault now"));
        assert!(revoked.text().contains("Copies of the drive"));
        assert!(revoked.text().contains("key reseal"));
    }
}
