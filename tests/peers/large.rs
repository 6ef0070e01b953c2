//! A film goes in and out, and the daemon's memory does not grow with it.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::json;

use crate::{
    daemon::Daemon,
    home::{Home, VAULT, noise},
    phone::{Phone, text},
    prosody::jid,
};

const MIB: usize = 1 << 20;
/// Far more than may be taken, and little enough for code that is not optimised.
const FILM_MIB: u64 = 64;
/// What the daemon and the vault process together may take beyond what they have when idle.
const ALLOWED_KIB: u64 = 24 * 1024;

/// Memory that belongs to these processes alone and is in no file, in KiB.
fn anonymous_kib(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|it| it.starts_with("RssAnon:"));
        let number = line.unwrap().split_whitespace().nth(1).unwrap();
        number.parse::<u64>().unwrap()
    };
    pids.iter().map(of).sum()
}

/// Looks at the memory of processes again and again, from a thread of its own.
struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<(u64, usize)>,
}

impl Watch {
    fn start(pids: Vec<u32>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let (mut most, mut looks) = (0, 0);
            while !ended.load(Ordering::SeqCst) {
                most = anonymous_kib(&pids).max(most);
                looks += 1;
                thread::sleep(Duration::from_millis(10));
            }
            (most, looks)
        });
        Self { over, thread }
    }

    /// Returns the most that was ever seen, in KiB, and how often was looked.
    fn end(self) -> (u64, usize) {
        self.over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// Shares a file, gets it back, and checks that it is the same by the phone's own digest.
fn in_and_out(phone: &mut Phone, path: &Path, name: &str) {
    let sent = phone.send_file_with(&jid(VAULT), path, json!({ "name": name }));
    phone.wait_reply(&format!("{name}, "));
    phone.send_text(&jid(VAULT), "get last");
    let back = phone.wait_file();
    assert_eq!(back.sha256, text(&sent["sha256"]));
    fs::remove_file(back.path).unwrap();
}

fn family(daemon: &Daemon) -> Vec<u32> {
    let children = daemon.children();
    assert_eq!(children.len(), 1, "the vault process runs");
    [vec![daemon.pid()], children].concat()
}

#[test]
fn a_file_of_64_mib_goes_in_and_out_in_24_mib_of_memory() {
    let mut home = Home::with(&[], 100);
    home.start();
    let mut phone = home.paired_phone();
    phone.patience = Duration::from_secs(600);
    let (small, film) = (home.path("small.jpg"), home.path("film.mp4"));
    fs::write(&small, noise(100_000, 1)).unwrap();
    let mut file = File::create(&film).unwrap();
    for number in 0..FILM_MIB {
        file.write_all(&noise(MIB, number)).unwrap();
    }
    drop(file);
    in_and_out(&mut phone, &small, "small.jpg");
    let pids = family(home.daemon());
    let idle = anonymous_kib(&pids);

    let watch = Watch::start(pids.clone());
    in_and_out(&mut phone, &film, "film.mp4");
    let (most, looks) = watch.end();

    eprintln!("idle {idle} KiB, at most {most} KiB in {looks} looks");
    assert_eq!(
        family(home.daemon()),
        pids,
        "the same processes all the time"
    );
    assert!(looks > 20, "{looks} looks are too few");
    assert!(
        most <= idle + ALLOWED_KIB,
        "idle {idle} KiB, at most {most} KiB"
    );
    // The measure sees memory that is taken.
    let control: Vec<u8> = vec![1; 2 * 1024 * usize::try_from(ALLOWED_KIB).unwrap()];
    assert!(
        anonymous_kib(&[std::process::id()]) > ALLOWED_KIB,
        "{}",
        control[7]
    );
}
