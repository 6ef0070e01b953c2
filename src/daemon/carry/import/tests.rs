use std::{fs, os::unix::fs::symlink, path::Path};

use getrandom::SysRng;
use vault::{SlotSecret, VaultFolder};

use super::*;

fn looked(folder: &Path) -> Result<Amount, Refused> {
    let folder = File::open(folder).unwrap().into();
    look(&folder, &AtomicBool::new(false))
}

#[test]
fn what_is_linked_hidden_or_special_is_not_meant_and_what_is_too_deep_is_counted() {
    let stick = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "no").unwrap();
    let at = |name: &str| stick.path().join(name);
    assert_eq!(looked(stick.path()), Err(Refused::Empty));
    for name in ["a.jpg", "DCIM/b.jpg", "DCIM/100/c.jpg"] {
        fs::create_dir_all(at(name).parent().unwrap()).unwrap();
        fs::write(at(name), "photo").unwrap();
    }
    let twin = looked(stick.path()).unwrap();

    symlink(outside.path(), at("linked")).unwrap();
    symlink(outside.path().join("secret"), at("DCIM/secret.jpg")).unwrap();
    symlink(stick.path(), at("DCIM/round")).unwrap();
    for hidden in [".Trashes", "System Volume Information", "LOST.DIR"] {
        fs::create_dir(at(hidden)).unwrap();
        fs::write(at(hidden).join("x.jpg"), "photo").unwrap();
    }
    fs::write(at("._a.jpg"), "photo").unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, at("pipe"), mode).unwrap();
    let deep = at(&"d/".repeat(MAX_DEPTH + 1));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("x.jpg"), "photo").unwrap();

    assert_eq!((twin.files, twin.bytes), (3, 15));
    assert_eq!(twin.unread, 0);
    assert_eq!(looked(stick.path()), Ok(Amount { unread: 1, ..twin }));
    fs::write(at("DCIM/d.jpg"), "photo").unwrap();
    assert_eq!(looked(stick.path()).unwrap().files, 4, "the control");
}

/// Keeps everything, and does something to the stick before the second file.
struct Keeps<'a> {
    sealer: Arc<Sealer>,
    places: u32,
    before_second: &'a dyn Fn(),
    /// Epochs that are not current.
    is_stale: bool,
    asked: u32,
}

impl Kept for Keeps<'_> {
    fn place(&mut self) -> Result<Place, DriveTrouble> {
        self.places += 1;
        if self.places == 2 {
            (self.before_second)();
        }
        Ok(Place {
            sealer: Arc::clone(&self.sealer),
            reserve: 0,
        })
    }

    fn vouched(&mut self, _: Brought, epoch: u32) -> bool {
        self.asked += 1;
        assert_eq!(epoch, self.sealer.epoch());
        !std::mem::take(&mut self.is_stale)
    }

    fn sealed(&mut self, _: JobId) {}

    fn news(&mut self, _: News) {}

    fn not_durable(&mut self, error: &io::Error) {
        panic!("{error}");
    }
}

/// Takes the files `a` to `e` in, of which `e` is larger than any drive; returns how it ended, how often
/// a file was sealed, and how many blobs there are.
fn taken_in(before_second: &dyn Fn(&Path), is_stale: bool) -> (Ended, u32, usize) {
    let (stick, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["a", "b", "c", "d"] {
        fs::write(stick.path().join(name), name).unwrap();
    }
    let huge = File::create(stick.path().join("e")).unwrap();
    huge.set_len(1 << 43).unwrap();
    let path = place.path().join("vault");
    let secret = SlotSecret::generate(&mut SysRng).unwrap();
    let slots = [(&secret, "stick")];
    let public = VaultFolder::create(&path, None, &slots, &mut SysRng, UNIX_EPOCH).unwrap();
    let sealer = Sealer::new(&public, VaultFolder::open(&path).unwrap()).unwrap();
    let mut keeps = Keeps {
        sealer: Arc::new(sealer),
        places: 0,
        before_second: &|| before_second(stick.path()),
        is_stale,
        asked: 0,
    };
    let into = Into {
        key: &IntakeKey::init_with(|bytes| bytes.fill(7)),
        now: UNIX_EPOCH,
    };
    let stop = AtomicBool::new(false);
    let amount = looked(stick.path()).unwrap();
    let folder = File::open(stick.path()).unwrap().into();
    let known = (None, HashSet::new());
    let ended = run(&folder, &into, known, (&stop, &amount), &mut keeps);
    let asked = keeps.asked;
    drop(keeps);
    let blobs = walk(&path.join("blobs"));
    (ended, asked, blobs)
}

fn walk(folder: &Path) -> usize {
    let below = |it: fs::DirEntry| match it.file_type().unwrap().is_dir() {
        true => walk(&it.path()),
        false => 1,
    };
    fs::read_dir(folder)
        .unwrap()
        .map(|it| below(it.unwrap()))
        .sum()
}

#[test]
fn a_file_that_fails_or_is_too_large_is_counted_and_the_others_are_taken_in() {
    let (twin, ..) = taken_in(&|_| (), false);
    let gone = |stick: &Path| fs::remove_file(stick.join("c")).unwrap();
    let (ended, _, blobs) = taken_in(&gone, false);

    assert_eq!((twin.done, twin.failed, twin.too_large), (4, 0, 1));
    assert_eq!((ended.done, ended.failed, ended.too_large), (3, 1, 1));
    assert_eq!(ended.end, End::Whole);
    assert!(!ended.is_all(5, ended.done) && !twin.is_all(4, 4));
    assert_eq!(blobs, 3);
}

#[test]
fn a_stick_that_gives_nothing_any_more_ends_it() {
    let pulled = |stick: &Path| {
        fs::remove_dir_all(stick).unwrap();
    };
    let (ended, ..) = taken_in(&pulled, false);

    // The second one was open when it went.
    assert_eq!((ended.done, ended.failed, ended.end), (2, 0, End::Gone));
}

#[test]
fn what_was_sealed_to_a_key_that_is_no_longer_the_current_one_is_sealed_anew() {
    let (ended, asked, blobs) = taken_in(&|_| (), true);

    assert_eq!((ended.done, ended.failed), (4, 0));
    assert_eq!((asked, blobs), (5, 4), "nothing is kept of the first one");
}
