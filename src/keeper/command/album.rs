//! The grammar of `album`.

use super::{Command, Context, NotACommand};
use crate::keeper::labels::MAX_NAME_BYTES;

/// Reads what follows `album`: a name, or `off`.
pub(super) fn album(rest: &str, _: &Context) -> Result<Command, NotACommand> {
    let name = rest.trim_matches(['"', ' ']);
    if name.eq_ignore_ascii_case("off") {
        return Ok(Command::Album { name: None });
    }
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
        return Err(NotACommand::AlbumWhich);
    }
    Ok(Command::Album {
        name: Some(name.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rest: &str) -> Result<Command, NotACommand> {
        album(rest, &Context::default())
    }

    #[test]
    fn an_album_has_a_name_and_off_ends_it() {
        let named = |name: &str| Command::Album {
            name: Some(name.to_owned()),
        };

        assert_eq!(read("Norway"), Ok(named("Norway")));
        assert_eq!(read("\"Summer 2025\""), Ok(named("Summer 2025")));
        assert_eq!(read("OFF"), Ok(Command::Album { name: None }));
        assert_eq!(read(""), Err(NotACommand::AlbumWhich));
        assert_eq!(read(&"x".repeat(256)), Err(NotACommand::AlbumWhich));
    }
}
