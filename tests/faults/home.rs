//! A home that can be copied, harmed and looked at: card, drive, key.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use getrandom::SysRng;
use strongroom::state::{JobKind, State};
use vault::{Index, KEY_FILE_NAME, OpenVault, Opening, SlotSecret, VaultFolder, catalog::Catalog};

/// The file that message `number` announces: of several chunks now and then.
pub(crate) fn content(number: u64) -> Vec<u8> {
    let length = 700 + usize::try_from(number * 7_919 % 40_000).unwrap();
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Its name.
pub(crate) fn file_name(number: u64) -> String {
    format!("{number}.jpg")
}

/// The number of the message that a file of this name came with.
pub(crate) fn message_of(name: &str) -> u64 {
    name.trim_end_matches(".jpg").parse().unwrap_or(0)
}

/// A folder with a card, a drive and a key file.
pub(crate) struct Home(pub(crate) PathBuf);

/// What is wrong with a home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) lost: Vec<String>,
    pub(crate) doubled: Vec<String>,
    pub(crate) half: Vec<String>,
}

impl Wrong {
    pub(crate) fn is_nothing(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty() && self.half.is_empty()
    }
}

impl Home {
    /// Makes a vault with a stick and a spare slot, and nothing in it.
    pub(crate) fn make(path: &Path) -> Self {
        let home = Self(path.to_owned());
        fs::create_dir_all(path.join("card")).unwrap();
        fs::create_dir_all(path.join("drive")).unwrap();
        let [stick, spare] = [(); 2].map(|()| SlotSecret::generate(&mut SysRng).unwrap());
        let slots = [(&stick, "stick"), (&spare, "spare")];
        let public =
            VaultFolder::create(&home.vault(), None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
        fs::write(home.0.join("card/vault.pub"), public.to_bytes()).unwrap();
        fs::write(home.0.join(KEY_FILE_NAME), stick.to_key_file(&public.vault)).unwrap();
        home
    }

    /// Copies the home to another place, where nothing may be.
    pub(crate) fn copy_to(&self, place: &Path) -> Self {
        copy(&self.0, place);
        Self(place.to_owned())
    }

    pub(crate) fn remove(self) {
        fs::remove_dir_all(self.0).unwrap();
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.0.join("drive/vault")
    }

    /// Opens the vault for reading alone.
    pub(crate) fn open(&self) -> Result<OpenVault, String> {
        let key = fs::read(self.0.join(KEY_FILE_NAME)).unwrap();
        let key = SlotSecret::from_key_file(&key).unwrap();
        OpenVault::open(&self.vault(), &key.secret, SystemTime::now())
            .map_err(|error| format!("the vault does not open: {error}"))
    }

    /// Reads every file without an index, and writes nothing. A blob that is not whole is half visible.
    fn read(&self, wrong: &mut Wrong) -> BTreeMap<u64, String> {
        let vault = match self.open() {
            Ok(vault) => vault,
            Err(why) => {
                wrong.lost.push(why);
                return BTreeMap::new();
            }
        };
        let catalog = Catalog::read(&vault, || ()).unwrap();
        for (blob, why) in &catalog.unreadable {
            wrong.half.push(format!("blob {blob}: {why}"));
        }
        for (blob, number) in &catalog.duplicates {
            wrong
                .doubled
                .push(format!("blob {blob} holds #{number} again"));
        }
        for (number, _) in &catalog.missing {
            wrong.lost.push(format!("the blob of #{number}"));
        }
        let mut found = BTreeMap::new();
        let mut names = BTreeSet::new();
        for entry in &catalog.entries {
            let name = entry.metadata.name.clone().unwrap_or_default();
            let mut bytes = Vec::new();
            let read = vault
                .reader(&entry.blob_id)
                .map_err(|error| error.to_string())
                .and_then(|mut it| {
                    it.read_to_end(&mut bytes)
                        .map_err(|error| error.to_string())
                });
            if read.is_err() || bytes != content(message_of(&name)) {
                wrong.half.push(format!("{name}: {read:?}"));
            } else if !names.insert(name.clone()) {
                wrong.doubled.push(name);
            } else {
                found.insert(entry.number.get(), name);
            }
        }
        found
    }

    /// What is wrong right after the harm: whatever the owner was told is stored has to be readable
    /// by its number, and nothing may be there half.
    pub(crate) fn check_told(&self, said: &Said) -> Wrong {
        let mut wrong = Wrong::default();
        let found = self.read(&mut wrong);
        for (number, name) in said.stored() {
            if found.get(&number) != Some(&name)
                && !(name.is_empty() && found.contains_key(&number))
            {
                wrong.lost.push(format!("#{number} {name}, which was told"));
            }
        }
        wrong
    }

    /// What is wrong once all is quiet: every message's file is there once, in the index too, and was
    /// told once; nothing is left over.
    pub(crate) fn check_quiet(&self, said: &Said, messages: u64) -> Wrong {
        let mut wrong = self.check_told(said);
        let found = self.read(&mut Wrong::default());
        for number in 1..=messages {
            if !found.values().any(|name| *name == file_name(number)) {
                wrong.lost.push(file_name(number));
            }
        }
        for name in walk(&self.vault()).keys() {
            if name.ends_with(".tmp") {
                wrong.half.push(name.clone());
            }
        }
        let told = said.stored();
        let mut numbers = BTreeSet::new();
        for (number, name) in &told {
            if !numbers.insert(number) {
                wrong
                    .doubled
                    .push(format!("#{number} {name} was told twice"));
            }
        }
        for number in found.keys().filter(|it| !numbers.contains(it)) {
            wrong
                .lost
                .push(format!("the word that #{number} is stored"));
        }
        match self.open() {
            Ok(vault) => self.check_index(&vault, &found, &mut wrong),
            Err(why) => wrong.lost.push(why),
        }
        let mut state = State::open(&self.0.join("card")).unwrap();
        let step = state.begin().unwrap();
        let jobs = step
            .jobs::<strongroom::keeper::intake::Intake>(JobKind::Intake)
            .unwrap();
        for job in jobs {
            wrong
                .half
                .push(format!("the job of {} is left over", job.name));
        }
        wrong
    }

    fn check_index(&self, vault: &OpenVault, found: &BTreeMap<u64, String>, wrong: &mut Wrong) {
        let (index, opening) = Index::open(vault, SystemTime::now()).unwrap();
        if opening != Opening::Found {
            wrong.lost.push(format!("the index: {opening:?}"));
        }
        let listed: BTreeMap<u64, String> = index
            .list(None, 10_000)
            .unwrap()
            .into_iter()
            .map(|it| (it.number.get(), it.metadata.name.unwrap_or_default()))
            .collect();
        if listed != *found {
            wrong
                .half
                .push(format!("the index has {listed:?}, the drive {found:?}"));
        }
    }
}

/// What the world heard, over all runs. The same letter may come twice: its id tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said(BTreeMap<String, String>);

impl Said {
    pub(crate) fn hear(&mut self, output: &str) {
        // A line that was cut short was not heard.
        for line in output.split_inclusive('\n').filter(|it| it.ends_with('\n')) {
            if let Some((id, words)) = line.trim_end().split_once(' ') {
                self.0.insert(id.to_owned(), words.to_owned());
            }
        }
    }

    /// Numbers that were told to be stored, with the name where it was told.
    fn stored(&self) -> Vec<(u64, String)> {
        let mut stored = Vec::new();
        for words in self.0.values() {
            if let Some((number, name)) = words
                .strip_prefix("stored ")
                .and_then(|it| it.split_once(' '))
            {
                stored.push((number.parse().unwrap(), name.to_owned()));
            } else if let Some(numbers) = words.strip_prefix("adopted ") {
                let numbers = numbers.split(' ').filter(|it| !it.is_empty());
                stored.extend(numbers.map(|it| (it.parse().unwrap(), String::new())));
            }
        }
        stored
    }

    /// Files that were refused for good.
    pub(crate) fn refused(&self) -> usize {
        self.0
            .values()
            .filter(|it| it.starts_with("refused"))
            .count()
    }
}

/// Every file and folder below `root` by its path from there; folders have no bytes.
pub(crate) fn walk(root: &Path) -> BTreeMap<String, Option<PathBuf>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            if path.is_dir() {
                folders.push(path);
                found.insert(name, None);
            } else {
                found.insert(name, Some(path));
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for (name, file) in walk(from) {
        match file {
            None => fs::create_dir_all(to.join(name)).unwrap(),
            Some(path) => {
                let to = to.join(name);
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(path, to).map(drop).unwrap();
            }
        }
    }
}
