//! Names and contents are on no disk in clear: looked for in the raw images of drive and card.
//!
//! With root and loop devices the images are real file systems; without, every file is read.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, types::ValueRef};
use rustix::process::geteuid;

use crate::{
    home::{Home, VAULT, files, noise},
    journal::PATIENCE,
    keydevice::said,
    needles::{Needles, canaries},
    phone::Phone,
    prosody::{Prosody, jid},
};

/// Names and contents, in so many files.
const WORDS: usize = 64;
const FILES: usize = 4;
const MEGABYTES: u64 = 24;

/// A file system in an image, mounted until it is dropped.
struct Disk {
    image: PathBuf,
    point: PathBuf,
}

impl Disk {
    /// `None` where the machine does not let us.
    fn new(image: PathBuf, point: PathBuf) -> Option<Self> {
        if !geteuid().is_root() {
            return None;
        }
        fs::create_dir_all(&point).unwrap();
        fs::File::create(&image)
            .unwrap()
            .set_len(MEGABYTES * 1024 * 1024)
            .unwrap();
        said("mkfs.ext4", &["-q", image.to_str()?])?;
        said("mount", &["-o", "loop", image.to_str()?, point.to_str()?])?;
        Some(Self { image, point })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        said("umount", &[self.point.to_str().unwrap()]);
        fs::remove_file(&self.image).ok();
    }
}

/// Drive and card, as images or as folders.
struct Disks {
    images: Vec<Disk>,
    folders: [PathBuf; 2],
}

impl Disks {
    fn new(base: &Path) -> Self {
        let folders = ["drive", "card"].map(|it| base.join(it));
        let images = folders
            .iter()
            .map_while(|folder| Disk::new(folder.with_extension("img"), folder.clone()));
        let images: Vec<Disk> = images.collect();
        if images.len() < folders.len() {
            eprintln!("no loop devices: files are read, not raw images");
        }
        Self { images, folders }
    }

    fn find(&self, needles: &Needles) -> BTreeSet<String> {
        rustix::fs::sync();
        let mut found = BTreeSet::new();
        for disk in &self.images {
            found.extend(needles.find_in_file(&disk.image));
        }
        for file in self.folders.iter().flat_map(|it| files(it)) {
            found.extend(needles.find(file.to_str().unwrap().as_bytes()));
            found.extend(needles.find_in_file(&file));
        }
        found
    }
}

/// Reads every value of a copy of the state database, with its own key.
pub(crate) fn find_in_state(home: &Home, needles: &Needles) -> BTreeSet<String> {
    let copy = tempfile::tempdir().unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::copy(home.system().join(name), copy.path().join(name)).ok();
    }
    let key = fs::read_to_string(home.system().join("state.key")).unwrap();
    let database = Connection::open(copy.path().join("state.db")).unwrap();
    database
        .pragma_update(None, "key", format!("x'{}'", key.trim()))
        .unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut rows = database.prepare(sql).unwrap();
        let rows = rows.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut found = BTreeSet::new();
    let mut values = 0;
    for table in names("SELECT name FROM sqlite_master WHERE type = 'table'") {
        let mut rows = database
            .prepare(&format!("SELECT * FROM \"{table}\""))
            .unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                values += 1;
                if let ValueRef::Text(bytes) | ValueRef::Blob(bytes) = row.get_ref(column).unwrap()
                {
                    found.extend(needles.find(bytes));
                }
            }
        }
    }
    assert!(values > 20, "the database was read");
    found
}

struct Share<'a> {
    names: &'a [String],
    contents: &'a [String],
}

impl Share<'_> {
    fn send(&self, home: &Home, phone: &mut Phone) {
        let path = home.path("to-share.bin");
        let words = self.contents.join("\n").repeat(3);
        fs::write(&path, [words.into_bytes(), noise(70_000, 7)].concat()).unwrap();
        phone.send_file(&jid(VAULT), &path, &format!("{}.txt", self.names.join(" ")));
        // The phone's own copy is not the vault's.
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn no_name_and_no_content_is_on_drive_or_card_open_locked_or_after_a_kill() {
    let (names, contents) = (canaries(WORDS, 61), canaries(WORDS, 62));
    let needles = Needles::default().words(&names).words(&contents);
    let each = WORDS / FILES / 2;
    let shares: Vec<Share<'_>> = names
        .chunks(each)
        .zip(contents.chunks(each))
        .map(|(names, contents)| Share { names, contents })
        .collect();
    let server = Prosody::start(&[VAULT, crate::home::OWNER]);
    let mut disks = None;
    let mut home = Home::with_drive(server, &[], |base| disks = Some(Disks::new(base)));
    let disks = disks.unwrap();
    // The images are smaller than what is kept free otherwise.
    home.change_settings("[vault]\n", "[vault]\nreserve_bytes = 1\n");
    home.start();
    let mut phone = home.paired_phone();
    let nothing = BTreeSet::new();

    // Open, with a file on its way in and out.
    for share in &shares[..4] {
        share.send(&home, &mut phone);
        phone.wait_reply(", stored");
    }
    phone.send_text(&jid(VAULT), "get 1");
    phone.wait_file();
    assert_eq!(disks.find(&needles), nothing, "open");

    home.pull_key();
    shares[4].send(&home, &mut phone);
    phone.wait_reply("Kept");
    assert_eq!(disks.find(&needles), nothing, "locked");

    home.insert_key();
    phone.wait_reply("stored as");
    home.stop();
    // Killed with half a file sealed and a job that is open.
    home.start_to_crash("tag held");
    shares[5].send(&home, &mut phone);
    let status = home.daemon.take().unwrap().wait_exit(PATIENCE);
    assert_eq!(status.signal(), Some(9), "{status}");
    assert_eq!(disks.find(&needles), nothing, "after kill -9");
    // The control: while the job is open, its name is in the state, and only with the key.
    assert!(!find_in_state(&home, &needles).is_empty());

    home.start();
    for share in &shares[6..] {
        share.send(&home, &mut phone);
    }
    // Told one by one or together, as they come.
    phone.wait_reply(&format!("#{}", shares.len()));
    home.stop();
    assert_eq!(disks.find(&needles), nothing, "after all jobs");
    assert_eq!(
        find_in_state(&home, &needles),
        nothing,
        "after all jobs, in the state"
    );

    // The control: a plain copy beside it.
    for folder in &disks.folders {
        fs::write(folder.join("plain"), needles.plain()).unwrap();
        assert_eq!(disks.find(&needles), needles.names());
        fs::remove_file(folder.join("plain")).unwrap();
    }
    drop(disks);
}
