//! Lines of ours in files of the system. What else stands in them stays as it is, byte for byte.

use std::{fs, io, path::Path};

use anyhow::Context as _;

use crate::setup::first_boot::machine::Tree;

/// A file as it was read.
pub(super) struct Lines<'a> {
    tree: &'a Tree,
    path: &'static str,
    /// `None` where there is no such file.
    there: Option<Vec<u8>>,
}

impl<'a> Lines<'a> {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// The file's: one that cannot be read is not an empty one.
    pub(super) fn read(tree: &'a Tree, path: &'static str) -> anyhow::Result<Self> {
        let there = match fs::read(tree.at(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            read => Some(read.with_context(|| format!("while reading {path}"))?),
        };
        Ok(Self { tree, path, there })
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let there = self.there.as_deref().unwrap_or_default();
        there.split_inclusive(|it| *it == b'\n')
    }

    /// Tells whether there is such a line.
    pub(super) fn has(&self, wanted: impl Fn(&[u8]) -> bool) -> bool {
        self.lines().any(wanted)
    }

    /// Adds a line, in the place of those that say the same of something else.
    pub(super) fn put(&self, line: &str, replaced: impl Fn(&[u8]) -> bool) -> anyhow::Result<()> {
        let mut text: Vec<u8> = Vec::new();
        for kept in self.lines().filter(|it| !replaced(it)) {
            text.extend(kept);
        }
        if text.last().is_some_and(|it| *it != b'\n') {
            text.push(b'\n');
        }
        text.extend(line.as_bytes());
        self.tree.write(self.path, &text, 0o644)?;
        Ok(())
    }

    /// Makes the file again what it was when it was read.
    pub(super) fn restore(&self) {
        let restored = match &self.there {
            Some(there) => self.tree.write(self.path, there, 0o644).map(|_| ()),
            None => match fs::remove_file(self.tree.at(self.path)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
                _ => Ok(()),
            },
        };
        if let Err(error) = restored {
            log::warn!("{} could not be made what it was: {error:#}", self.path);
        }
    }
}

/// Writes a folder as fstab(5) wants it.
pub(super) fn escaped(place: &Path) -> String {
    let place = place.display().to_string();
    place
        .replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\t', "\\011")
}

/// Returns what a line of fstab(5) says of a mount point: nothing where it is of another, or a comment.
pub(super) fn of_place<'l>(line: &'l [u8], place: &Path) -> Option<&'l [u8]> {
    let mut fields = line
        .split(u8::is_ascii_whitespace)
        .filter(|it| !it.is_empty());
    let is_comment = fields.next()?.starts_with(b"#");
    (!is_comment && fields.next()? == escaped(place).as_bytes()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATIN: &[u8] = b"# f\xFCr die Bilder\nLABEL=x /srv/strong ext4 ro 0 2\n/dev/sdb1 /srv/s\\040r  ext4 ro 0 2";

    #[test]
    fn what_is_not_ours_stays_byte_for_byte_and_a_line_of_the_same_place_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree(folder.path().to_owned());
        fs::create_dir(tree.at("etc")).unwrap();
        fs::write(tree.at("etc/fstab"), LATIN).unwrap();
        let place = Path::new("/srv/s r");
        let lines = Lines::read(&tree, "etc/fstab").unwrap();

        lines
            .put("UUID=1 /srv/s\\040r ext4\n", |it| {
                of_place(it, place).is_some()
            })
            .unwrap();

        let written = fs::read(tree.at("etc/fstab")).unwrap();
        let wanted = [&LATIN[..LATIN.len() - 34], b"UUID=1 /srv/s\\040r ext4\n"].concat();
        assert_eq!(
            String::from_utf8_lossy(&written),
            String::from_utf8_lossy(&wanted)
        );
        assert!(written == wanted);
        lines.restore();
        assert!(fs::read(tree.at("etc/fstab")).unwrap() == LATIN);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_and_none_at_all_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree(folder.path().to_owned());
        fs::create_dir_all(tree.at("etc/fstab")).unwrap();

        assert!(Lines::read(&tree, "etc/fstab").is_err());
        let none = Lines::read(&tree, "etc/rules").unwrap();
        none.put("one\n", |_| true).unwrap();
        assert_eq!(fs::read(tree.at("etc/rules")).unwrap(), b"one\n");
        none.restore();
        assert!(!tree.at("etc/rules").exists());
    }
}
