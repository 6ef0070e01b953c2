//! The record that the shim makes, and what a power cut at any place in it leaves on the devices.
//!
//! The model is the most forgetful one that POSIX allows: what was written to a file is there for sure
//! only after an fsync of that file, and a name only after an fsync of its folder, or after a syncfs. Until then every single
//! write, or a part of it, may be on the device or not; of the changes to one folder's names, a first part.
//! Card and drive forget independently.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    os::unix::fs::MetadataExt as _,
    path::Path,
};

use crate::{
    home::{Home, Said, walk},
    run::DEVICES,
};

/// One change, or one word to the world.
pub(crate) struct Change {
    kind: u8,
    device: usize,
    pub(crate) allocates: bool,
    inode: u64,
    offset: u64,
    one: Vec<u8>,
    two: Vec<u8>,
}

/// Everything that a run changed, in order.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) changes: Vec<Change>,
    /// Allocations of memory, if the run came to its end.
    pub(crate) mallocs: u64,
    /// Whether an allocation was made to fail.
    pub(crate) was_hit: bool,
}

impl Record {
    pub(crate) fn read(mut bytes: &[u8]) -> Self {
        let mut record = Self::default();
        while let Some((head, rest)) = bytes.split_at_checked(35) {
            let number = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().unwrap());
            let size = |at: usize| usize::try_from(number(at)).unwrap();
            let Some((one, rest)) = rest.split_at_checked(size(19)) else {
                break;
            };
            let Some((two, rest)) = rest.split_at_checked(size(27)) else {
                break;
            };
            bytes = rest;
            match head[0] {
                b'X' => record.mallocs = number(11),
                b'H' => record.was_hit = true,
                _ => {}
            }
            if matches!(head[0], b'X' | b'H') {
                continue;
            }
            record.changes.push(Change {
                kind: head[0],
                device: usize::from(head[1]),
                allocates: head[2] == 1,
                inode: number(3),
                offset: number(11),
                one: one.to_vec(),
                two: two.to_vec(),
            });
        }
        record
    }

    /// How many changes there are on a device, as the shim counts them; words do not count.
    pub(crate) fn count(&self, device: Option<usize>, which: impl Fn(&Change) -> bool) -> usize {
        let on = |it: &&Change| it.kind != b'A' && device.is_none_or(|device| it.device == device);
        self.changes
            .iter()
            .filter(on)
            .filter(|it| which(it))
            .count()
    }
}

impl Change {
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self.kind, b'F' | b'S' | b'Y')
    }
}

/// How forgetful a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// All that was not synced is gone.
    None,
    /// Nothing is gone.
    All,
    /// This and that is gone, as the seed has it.
    Some(u64),
}

/// Random numbers that a seed repeats.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bd1_e995_u64 | 1)
    }

    /// Below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        for _ in 0..3 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
        }
        usize::try_from(self.0 >> 8).unwrap() % bound
    }
}

#[derive(Clone)]
enum Node {
    Folder(usize),
    File(usize),
}

#[derive(Clone)]
enum NameChange {
    Put(String, Node),
    Remove(String),
    /// Within one folder, and never by halves.
    Rename(String, String, Node),
}

#[derive(Default)]
struct Folder {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    pending: Vec<NameChange>,
}

#[derive(Default)]
struct File {
    durable: Vec<u8>,
    /// Writes, and cuts (`None`) to a length.
    pending: Vec<(u64, Option<Vec<u8>>)>,
}

/// One device as it goes through a record.
#[derive(Default)]
struct Device {
    folders: Vec<Folder>,
    files: Vec<File>,
    by_inode: HashMap<u64, usize>,
}

impl Device {
    /// What lies in a folder now, all of it durable.
    fn of(root: &Path) -> Self {
        let mut device = Self {
            folders: vec![Folder::default()],
            ..Self::default()
        };
        for (name, file) in walk(root) {
            let node = match file {
                None => device.new_folder(),
                Some(path) => {
                    let node = device.new_file(fs::metadata(&path).unwrap().ino());
                    device.files.last_mut().unwrap().durable = fs::read(path).unwrap();
                    node
                }
            };
            device.put(&name, node);
        }
        for folder in &mut device.folders {
            folder.durable = folder.live.clone();
            folder.pending.clear();
        }
        device
    }

    fn new_folder(&mut self) -> Node {
        self.folders.push(Folder::default());
        Node::Folder(self.folders.len() - 1)
    }

    fn new_file(&mut self, inode: u64) -> Node {
        self.files.push(File::default());
        self.by_inode.insert(inode, self.files.len() - 1);
        Node::File(self.files.len() - 1)
    }

    /// The folder of a path, and the last name in it.
    fn place<'a>(&self, path: &'a str) -> (usize, &'a str) {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.folder(parents), name)
    }

    fn folder(&self, path: &str) -> usize {
        let parts = path.split('/').filter(|it| !it.is_empty());
        parts.fold(0, |folder, part| {
            match self.folders[folder].live.get(part) {
                Some(Node::Folder(inside)) => *inside,
                _ => panic!("no folder {path}"),
            }
        })
    }

    fn put(&mut self, path: &str, node: Node) {
        let (folder, name) = self.place(path);
        let folder = &mut self.folders[folder];
        folder.live.insert(name.to_owned(), node.clone());
        folder.pending.push(NameChange::Put(name.to_owned(), node));
    }

    fn remove(&mut self, path: &str) -> Option<Node> {
        let (folder, name) = self.place(path);
        let folder = &mut self.folders[folder];
        folder.pending.push(NameChange::Remove(name.to_owned()));
        folder.live.remove(name)
    }

    fn rename(&mut self, from: &str, to: &str) {
        let ((folder, old), (other, new)) = (self.place(from), self.place(to));
        assert_eq!(folder, other, "a rename across folders: {from}");
        let folder = &mut self.folders[folder];
        let node = folder.live.remove(old).unwrap();
        folder.live.insert(new.to_owned(), node.clone());
        let change = NameChange::Rename(old.to_owned(), new.to_owned(), node);
        folder.pending.push(change);
    }

    fn take(&mut self, change: &Change) {
        let path = String::from_utf8_lossy(&change.one).into_owned();
        let file = self.by_inode.get(&change.inode).copied();
        match change.kind {
            b'C' => {
                let node = self.new_file(change.inode);
                self.put(&path, node);
            }
            b'M' => {
                let node = self.new_folder();
                self.put(&path, node);
            }
            b'W' => {
                let write = (change.offset, Some(change.one.clone()));
                self.files[file.unwrap()].pending.push(write);
            }
            b'T' => self.files[file.unwrap()]
                .pending
                .push((change.offset, None)),
            b'R' => self.rename(&path, &String::from_utf8_lossy(&change.two)),
            b'U' | b'D' => drop(self.remove(&path)),
            b'F' => self.files[file.unwrap()].sync(),
            b'S' => {
                let folder = self.folder(&path);
                self.folders[folder].sync();
            }
            b'Y' => {
                self.files.iter_mut().for_each(File::sync);
                self.folders.iter_mut().for_each(Folder::sync);
            }
            other => panic!("a change of kind {other}"),
        }
    }

    /// Writes what is left after a power cut to a folder.
    fn lay(&self, root: &Path, memory: Memory) {
        let mut dice = Dice::new(match memory {
            Memory::Some(seed) => seed,
            Memory::None | Memory::All => 0,
        });
        let mut open = vec![(0, root.to_owned())];
        while let Some((folder, path)) = open.pop() {
            fs::create_dir_all(&path).unwrap();
            let folder = &self.folders[folder];
            let mut names = folder.durable.clone();
            let kept = match memory {
                Memory::None => 0,
                Memory::All => folder.pending.len(),
                Memory::Some(_) => dice.below(folder.pending.len() + 1),
            };
            for change in &folder.pending[..kept] {
                change.clone().apply(&mut names);
            }
            for (name, node) in names {
                match node {
                    Node::Folder(inside) => open.push((inside, path.join(name))),
                    Node::File(file) => {
                        let bytes = self.files[file].after(memory, &mut dice);
                        fs::write(path.join(name), bytes).unwrap();
                    }
                }
            }
        }
    }
}

impl Folder {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Put(name, node) => drop(names.insert(name, node)),
            Self::Remove(name) => drop(names.remove(&name)),
            Self::Rename(old, new, node) => {
                names.remove(&old);
                names.insert(new, node);
            }
        }
    }
}

impl File {
    fn sync(&mut self) {
        for (offset, bytes) in std::mem::take(&mut self.pending) {
            apply(&mut self.durable, offset, bytes.as_deref());
        }
    }

    fn after(&self, memory: Memory, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for (offset, write) in &self.pending {
            let length = write.as_ref().map_or(0, Vec::len);
            let kept = match memory {
                Memory::None => continue,
                Memory::All => length,
                Memory::Some(_) => match dice.below(3) {
                    0 => continue,
                    1 => length,
                    // Sectors are whole.
                    _ => dice.below(length / 512 + 1) * 512,
                },
            };
            apply(&mut bytes, *offset, write.as_ref().map(|it| &it[..kept]));
        }
        bytes
    }
}

fn apply(bytes: &mut Vec<u8>, offset: u64, write: Option<&[u8]>) {
    let offset = usize::try_from(offset).unwrap();
    match write {
        None => bytes.resize(offset, 0),
        Some([]) => {}
        Some(write) => {
            let end = offset + write.len();
            bytes.resize(bytes.len().max(end), 0);
            bytes[offset..end].copy_from_slice(write);
        }
    }
}

/// A home and what was done to it, to be cut anywhere.
pub(crate) struct Story {
    devices: [Device; 2],
    pub(crate) said: Said,
}

impl Story {
    /// Begins with a home as it is.
    pub(crate) fn of(home: &Home) -> Self {
        Self {
            devices: DEVICES.map(|it| Device::of(&home.0.join(it))),
            said: Said::default(),
        }
    }

    /// Goes on by one change.
    pub(crate) fn take(&mut self, change: &Change) {
        if change.kind == b'A' {
            self.said.hear(&String::from_utf8_lossy(&change.one));
        } else {
            self.devices[change.device].take(change);
        }
    }

    /// Lays what a power cut leaves now into a new home, with the key of the old one.
    pub(crate) fn cut(&self, from: &Home, place: &Path, memory: [Memory; 2]) -> Home {
        for ((device, name), memory) in self.devices.iter().zip(DEVICES).zip(memory) {
            device.lay(&place.join(name), memory);
        }
        fs::copy(
            from.0.join(vault::KEY_FILE_NAME),
            place.join(vault::KEY_FILE_NAME),
        )
        .unwrap();
        Home(place.to_owned())
    }
}
