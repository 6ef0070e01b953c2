//! `export` and `import` by chat: a folder stands for the stick, and the test for whoever mounts it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::{fd::OwnedFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use strongroom::daemon::carry::held::{
    Answer, Shown, answer, read_asked, say_free, wait_until_let_go,
};
use tempfile::TempDir;

use crate::{
    home::{Home, VAULT, files, noise},
    journal::PATIENCE,
    phone::Phone,
    prosody::jid,
};

/// Whoever mounts: hands a folder over, and sees it let go of.
struct Mounter {
    folder: TempDir,
    is_in: Arc<AtomicBool>,
    held: Arc<AtomicU64>,
}

impl Mounter {
    fn start(home: &Home) -> Self {
        let socket = home.path("sticks");
        home.change_settings(
            "[commands]",
            &format!("[commands]\nsticks = \"{}\"", socket.display()),
        );
        let listener = UnixListener::bind(&socket).unwrap();
        let mounter = Self {
            folder: TempDir::new().unwrap(),
            is_in: Arc::new(AtomicBool::new(true)),
            held: Arc::default(),
        };
        let path = mounter.folder.path().to_owned();
        let (is_in, held) = (Arc::clone(&mounter.is_in), Arc::clone(&mounter.held));
        thread::spawn(move || {
            for line in listener.incoming() {
                let line = line.unwrap();
                let asked = read_asked(&line).unwrap();
                if !is_in.load(Ordering::SeqCst) {
                    answer(&line, &Answer::NoStick, None).unwrap();
                    continue;
                }
                assert!(asked.name.is_none_or(|it| it == "SanDisk"));
                let shown = Shown {
                    name: "SanDisk".to_owned(),
                    model: "SanDisk Ultra".to_owned(),
                    bytes: 32_000_000_000,
                    free: 20_000_000_000,
                    mark: "4C53-7".to_owned(),
                    file_system: "exfat".to_owned(),
                };
                let folder: OwnedFd = File::open(&path).unwrap().into();
                answer(&line, &Answer::Held(shown), Some(&folder)).unwrap();
                held.fetch_add(1, Ordering::SeqCst);
                wait_until_let_go(&line);
                held.fetch_sub(1, Ordering::SeqCst);
                // A daemon that is gone has let go as well.
                let _ = say_free(&line, true);
            }
        });
        mounter
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What lies on it: names and contents.
    fn lies_there(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let below = |it: &PathBuf| it.strip_prefix(self.folder.path()).unwrap().to_owned();
        files(self.folder.path())
            .iter()
            .map(|it| (below(it), fs::read(it).unwrap()))
            .collect()
    }
}

/// The number that is to be sent back.
fn number(reply: &str) -> String {
    let digits = |it: &&str| it.len() == 6 && it.chars().all(|c| c.is_ascii_digit());
    reply.split_whitespace().find(digits).unwrap().to_owned()
}

/// Sends a command and its number.
fn confirmed(phone: &mut Phone, command: &str) -> String {
    let vault = jid(VAULT);
    phone.send_text(&vault, command);
    let asked = phone.wait_reply("to go on");
    phone.send_text(&vault, &number(&asked));
    asked
}

fn shares(home: &Home, phone: &mut Phone, name: &str, content: &[u8]) {
    let path = home.path(name);
    fs::write(&path, content).unwrap();
    phone.send_file(&jid(VAULT), &path, name);
    phone.wait_reply(name);
}

fn modified(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn an_album_goes_onto_a_stick_byte_for_byte_once_and_nothing_else() {
    let mut home = Home::new();
    let stick = Mounter::start(&home);
    home.start();
    let mut phone = home.paired_phone();
    let vault = jid(VAULT);
    let (first, second) = (noise(300_000, 1), noise(9_000_000, 2));
    shares(&home, &mut phone, "first.jpg", &first);
    shares(&home, &mut phone, "second.jpg", &second);
    shares(&home, &mut phone, "third.jpg", &noise(70_000, 3));
    phone.send_text(&vault, "move 1-2 to Rome");
    phone.wait_reply("Rome");
    fs::create_dir_all(stick.at("Strongroom/Rome")).unwrap();
    fs::write(stick.at("Strongroom/Rome/first.jpg"), b"another one").unwrap();
    let left = stick.at("Strongroom/.strongroom-export.part");
    fs::write(&left, b"left").unwrap();

    let asked = confirmed(&mut phone, "export album Rome");
    let told = phone.wait_reply("pull it out now");
    let after_first = stick.lies_there();
    let written = modified(&stick.at("Strongroom/Rome/second.jpg"));
    // Left where nothing is written this time.
    fs::write(&left, b"left").unwrap();
    confirmed(&mut phone, "export album Rome");
    let again = phone.wait_reply("were there before");

    assert!(asked.contains("2 files (9.3 MB)"), "{asked}");
    assert!(told.contains("2 of 2 files are on SanDisk"), "{told}");
    assert!(again.contains("2 of 2 files"), "{again}");
    let expected = BTreeMap::from([
        ("Strongroom/Rome/first.jpg".into(), b"another one".to_vec()),
        ("Strongroom/Rome/first (2).jpg".into(), first),
        ("Strongroom/Rome/second.jpg".into(), second),
    ]);
    assert!(after_first == expected, "{:?}", after_first.keys());
    assert!(stick.lies_there() == expected, "nothing is written twice");
    assert_eq!(modified(&stick.at("Strongroom/Rome/second.jpg")), written);
    assert_eq!(stick.held.load(Ordering::SeqCst), 0, "nothing holds it");
}

#[test]
fn a_stick_that_goes_in_the_middle_is_told_and_has_nothing_half_and_the_same_again_ends_it() {
    let mut home = Home::new();
    let stick = Mounter::start(&home);
    home.start();
    let mut phone = home.paired_phone();
    let contents: Vec<Vec<u8>> = (0..6).map(|it| noise(9_000_000, 40 + it)).collect();
    for (number, content) in contents.iter().enumerate() {
        shares(&home, &mut phone, &format!("{number}.bin"), content);
    }
    let path = stick.folder.path().to_owned();
    let puller = thread::spawn(move || {
        let end = Instant::now() + PATIENCE;
        while !files(&path)
            .iter()
            .any(|it| it.extension().is_some_and(|it| it == "bin"))
        {
            assert!(Instant::now() < end, "nothing is written");
        }
        let named = files(&path);
        let named = named
            .iter()
            .filter(|it| it.extension().is_some_and(|it| it == "bin"));
        let whole = named
            .clone()
            .filter(|it| fs::metadata(it).unwrap().len() == 9_000_000);
        let (named, whole) = (named.count(), whole.count());
        while fs::remove_dir_all(&path).is_err() && path.exists() {}
        (named, whole)
    });

    confirmed(&mut phone, "export all");
    let told = phone.wait_reply("was pulled out");
    let (named, whole) = puller.join().unwrap();
    fs::create_dir(stick.folder.path()).unwrap();
    confirmed(&mut phone, "export all");
    phone.wait_reply("6 of 6 files");

    assert_eq!(named, whole, "under its name a file is whole");
    assert!(told.contains("send the same again"), "{told}");
    let there: Vec<Vec<u8>> = stick.lies_there().into_values().collect();
    assert!(there == contents, "{:?}", stick.lies_there().keys());
}

#[test]
fn the_files_of_a_stick_are_kept_once_each_open_or_locked_and_nothing_on_it_changes() {
    let mut home = Home::new();
    let stick = Mounter::start(&home);
    home.start();
    let mut phone = home.paired_phone();
    let vault = jid(VAULT);
    fs::create_dir_all(stick.at("DCIM/100")).unwrap();
    for number in 0..50_u64 {
        let name = format!("DCIM/100/IMG_{number:04}.JPG");
        // The last two hold the same.
        let seed = number.min(48);
        fs::write(
            stick.at(&name),
            noise(40_000 + 7 * seed as usize, 100 + seed),
        )
        .unwrap();
    }
    fs::write(stick.at(".hidden.jpg"), noise(1_000, 7)).unwrap();
    std::os::unix::fs::symlink(home.settings(), stick.at("DCIM/settings.jpg")).unwrap();
    let before = stick.lies_there();

    let asked = confirmed(&mut phone, "import");
    let told = phone.wait_reply("pull it out now");
    confirmed(&mut phone, "import");
    let again = phone.wait_reply("50 already kept");
    home.pull_key();
    phone.wait_reply("The key is gone");
    fs::write(stick.at("DCIM/100/IMG_0050.JPG"), noise(50_000, 200)).unwrap();
    confirmed(&mut phone, "import");
    let locked = phone.wait_reply("for the key");
    confirmed(&mut phone, "import");
    let twice = phone.wait_reply("already kept");
    home.insert_key();
    let opened = phone.wait_reply("The vault is open");
    phone.send_text(&vault, "status");
    let status = phone.wait_reply("50 files");
    phone.send_text(&vault, "get 7");
    let back = fs::read(phone.wait_file().path).unwrap();

    assert!(asked.contains("50 files ("), "{asked}");
    assert!(
        told.contains("50 of 50 files from SanDisk are kept (49 stored as #1-#49, 1 already"),
        "{told}"
    );
    assert!(again.contains("50 of 50"), "{again}");
    assert!(locked.contains("51 of 51"), "{locked}");
    assert!(twice.contains("51 already kept"), "{twice}");
    assert!(opened.contains("50"), "{opened} {status}");
    assert!(
        before.values().any(|it| *it == back),
        "it comes back as it was"
    );
    fs::remove_file(stick.at("DCIM/100/IMG_0050.JPG")).unwrap();
    assert!(stick.lies_there() == before, "nothing on it was changed");
}

#[test]
fn without_a_stick_nothing_is_begun_and_a_daemon_that_dies_lets_go_and_goes_on_where_it_was() {
    let mut home = Home::new();
    let stick = Mounter::start(&home);
    home.start();
    let mut phone = home.paired_phone();
    let vault = jid(VAULT);
    stick.is_in.store(false, Ordering::SeqCst);
    phone.send_text(&vault, "import");
    phone.wait_reply("I see no stick");
    stick.is_in.store(true, Ordering::SeqCst);
    for number in 0..20_u64 {
        fs::write(stick.at(&format!("{number}.jpg")), noise(30_000, number)).unwrap();
    }
    home.stop();

    home.start_to_crash("stick's blob durable");
    home.daemon().wait_line("online");
    confirmed(&mut phone, "import");
    home.daemon.take().unwrap().wait_exit(PATIENCE);
    home.start();
    confirmed(&mut phone, "import");
    let told = phone.wait_reply("20 of 20 files");

    assert!(told.contains("already kept"), "{told}");
    phone.send_text(&vault, "status");
    phone.wait_reply("20 files");
    assert_eq!(home.blobs().len(), 20);
    assert_eq!(stick.held.load(Ordering::SeqCst), 0, "nothing holds it");
}
