//! Lines that break and clocks that are wrong: nothing is lost, nothing doubled, no message key used
//! twice (F14, F16, F18 and F20 of the fault list).
//!
//! A short selection runs with the tests, all of it with `make hostile` (`STRONGROOM_HOSTILE=all`).

use std::{
    env,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    crash::{assert_all_kept, share},
    daemon::Daemon,
    home::{Home, OWNER, STRANGER, VAULT},
    journal::{Journal, PATIENCE},
    middle::{Middle, Verdict, Way, frames},
    phone::Phone,
    prosody::{Prosody, jid},
};

fn is_all() -> bool {
    env::var_os("STRONGROOM_HOSTILE").is_some_and(|it| it == "all")
}

/// A home whose daemon reaches its server through a line that can break.
struct Scene {
    home: Home,
    middle: Middle,
    phone: Phone,
    files: u64,
}

impl Scene {
    fn new() -> Self {
        let server = Prosody::start(&[VAULT, OWNER, STRANGER]);
        let phone = Phone::start(&server, OWNER);
        let middle = Middle::before(&server);
        let real = format!("127.0.0.1:{}", server.c2s_port());
        let home = Home::on(server, &["--fingerprint", &phone.fingerprint]);
        home.change_settings(&real, &format!("127.0.0.1:{}", middle.port()));
        let mut scene = Self {
            home,
            middle,
            phone,
            files: 0,
        };
        scene.home.start();
        scene.phone.befriend(&jid(VAULT));
        scene
    }

    /// Shares a new file, without waiting for anything.
    fn share(&mut self) {
        self.files += 1;
        share(&self.home, &mut self.phone, self.files);
    }

    fn wait_stored(&self, number: u64) {
        self.phone
            .wait_reply(&format!("{number}.jpg, 70.0 kB, stored"));
    }

    /// Checks that everything is there, once, and was told once.
    fn assert_whole(&mut self) {
        self.middle.be_honest();
        assert_all_kept(&self.home, &mut self.phone, self.files);
        for number in 1..=self.files {
            let words = format!(" {number}.jpg, 70.0 kB, stored");
            let told = self.phone.seen("message").into_iter();
            let told = told.filter(|it| it["body"].as_str().is_some_and(|it| it.contains(&words)));
            assert_eq!(told.count(), 1, "told of {number}");
        }
    }

    /// Starts the daemon, shares a file and has it back, while the line loses the `n`-th stanza of a
    /// way and breaks there. Returns whether it came so far.
    fn lose(&mut self, way: Way, n: u64, resumption: bool) -> bool {
        let (seen, broken) = (AtomicU64::new(0), Arc::new(AtomicBool::new(false)));
        let is_broken = Arc::clone(&broken);
        self.middle.allow_resumption(resumption);
        self.middle.rule(move |seen_way, element| {
            let counts = seen_way == way && frames::is_stanza(element);
            if counts && seen.fetch_add(1, Ordering::SeqCst) + 1 == n {
                is_broken.store(true, Ordering::SeqCst);
                return Verdict::Cut;
            }
            Verdict::Pass
        });
        self.home.start();
        self.share();
        self.wait_stored(self.files);
        self.phone
            .send_text(&jid(VAULT), &format!("get {}", self.files));
        self.phone.wait_file();
        self.home.stop();
        broken.load(Ordering::SeqCst)
    }
}

/// Notes what holds; whatever does not has ended the test before.
fn row(what: &str, times: u64) {
    super::hostile::line(&format!("{what}: {times} times, nothing lost or doubled"));
}

#[test]
fn a_line_cut_after_any_stanza_loses_nothing_and_doubles_nothing() {
    let mut scene = Scene::new();
    scene.home.stop();
    let mut cuts = 0;
    if is_all() {
        for (way, resumption) in [
            (Way::ToVault, true),
            (Way::ToVault, false),
            (Way::ToServer, true),
            (Way::ToServer, false),
        ] {
            let mut n = 1;
            while scene.lose(way, n, resumption) {
                n += 1;
            }
            let again = if resumption { "resumed" } else { "begun anew" };
            row(&format!("F14 cut at every stanza {way:?}, {again}"), n - 1);
            cuts += n - 1;
        }
    } else {
        for (way, resumption, n) in [
            (Way::ToVault, true, 14),
            (Way::ToVault, false, 13),
            (Way::ToServer, true, 15),
            (Way::ToServer, false, 16),
            (Way::ToServer, false, 19),
        ] {
            cuts += u64::from(scene.lose(way, n, resumption));
        }
        assert_eq!(cuts, 5, "the line did not break each time");
    }

    scene.home.start();
    scene.assert_whole();
    row("F14 lines cut", cuts);
}

#[test]
fn a_server_that_restarts_and_forgets_the_stream_loses_nothing() {
    let mut scene = Scene::new();
    let times = if is_all() { 5 } else { 1 };
    for _ in 0..times {
        // On its way to the vault when the server goes down.
        let cut = Journal::new();
        let is_cut = Arc::clone(&cut);
        scene.middle.rule(move |way, element| {
            if way == Way::ToVault && element.contains("<payload") {
                is_cut.push(());
                return Verdict::Cut;
            }
            Verdict::Pass
        });
        scene.share();
        cut.take(PATIENCE, |()| true).unwrap();
        scene.home.server.restart();
        scene.middle.be_honest();
        scene.phone.wait("online", |_| true);
        scene.wait_stored(scene.files);
        scene.share();
        scene.wait_stored(scene.files);
    }

    scene.assert_whole();
    row("F16 server restarted", times);
}

/// Numbers that are the same in every run of the tests.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

/// Stanzas that leave the middle in another order and number than they came.
struct Shuffle {
    dice: Dice,
    waiting: Vec<String>,
    delayed: Arc<Mutex<Vec<String>>>,
    disturbed: Arc<Journal<()>>,
}

impl Shuffle {
    const WINDOW: usize = 5;

    fn take(&mut self, element: &str) -> Verdict {
        self.disturbed.push(());
        if self.dice.below(10) == 0 {
            self.delayed.lock().unwrap().push(element.to_owned());
        } else {
            self.waiting.push(element.to_owned());
        }
        if self.waiting.len() < Self::WINDOW {
            return Verdict::Withhold;
        }
        let mut out = Vec::new();
        while !self.waiting.is_empty() {
            let next = self
                .waiting
                .swap_remove(self.dice.below(self.waiting.len()));
            if self.dice.below(4) == 0 {
                out.push(next.clone());
            }
            out.push(next);
        }
        Verdict::Replace(out)
    }
}

#[test]
fn stanzas_doubled_reordered_and_delayed_are_obeyed_once_each() {
    let mut scene = Scene::new();
    let count = if is_all() { 1_000 } else { 60 };
    let (delayed, disturbed) = (Arc::new(Mutex::new(Vec::new())), Journal::new());
    let mut shuffle = Shuffle {
        dice: Dice(4),
        waiting: Vec::new(),
        delayed: Arc::clone(&delayed),
        disturbed: Arc::clone(&disturbed),
    };
    scene.middle.rule(move |way, element| {
        if way == Way::ToVault && element.contains("<payload") && element.contains("<message") {
            return shuffle.take(element);
        }
        Verdict::Pass
    });

    for number in 0..count {
        let words = format!("find shuffled{number:04}x");
        scene.phone.send_text(&jid(VAULT), &words);
    }
    for _ in 0..count {
        disturbed.take(PATIENCE, |()| true).unwrap();
    }
    let late: Vec<String> = std::mem::take(&mut *delayed.lock().unwrap());
    scene.middle.be_honest();
    assert!(late.len() > 2);
    for stanza in late.iter().rev() {
        scene.middle.inject(stanza.clone());
    }
    // What still waited in the window comes from the archive, among all that came before.
    scene.home.stop();
    let rewound = AtomicBool::new(false);
    scene.middle.rule(move |way, element| {
        if way == Way::ToServer
            && let Some(after) = frames::within(element, "after")
            && !rewound.swap(true, Ordering::SeqCst)
        {
            return Verdict::Replace(vec![element.replace(&after, "")]);
        }
        Verdict::Pass
    });
    scene.home.start();

    for number in 0..count {
        scene.phone.wait_reply(&format!("shuffled{number:04}x"));
    }
    scene.phone.send_text(&jid(VAULT), "find thelast");
    scene.phone.wait_reply("thelast");
    let answers = scene.phone.seen("message").into_iter();
    let answers = answers.filter(|it| {
        it["body"]
            .as_str()
            .is_some_and(|it| it.contains("shuffled"))
    });
    assert_eq!(answers.count(), count, "each was answered once");
    scene.phone.assert_no_message_key_was_used_twice();
    row(
        "F18 stanzas doubled, reordered, delayed, archive overlapped",
        count as u64,
    );
}

#[test]
fn a_clock_that_is_wrong_or_jumps_loses_nothing() {
    const YEAR: i64 = 365 * 86_400;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(since.as_secs()).unwrap();
    // 1970, 2000, ten years ahead and the right time.
    let offsets = [-now, 30 * YEAR - now, 10 * YEAR, 0];
    let mut scene = Scene::new();
    scene.home.stop();
    let mut jumps = 0;
    let order: &[usize] = if is_all() {
        &[0, 1, 2, 3, 2, 1, 0, 2, 0, 3, 1, 3, 0, 1, 3, 2, 3, 1, 2, 0]
    } else {
        &[0, 2, 3, 1]
    };

    for &which in order {
        // One while the daemon is away, one while it is there.
        scene.share();
        let mut command = scene.home.command();
        command
            .arg("run")
            .env("STRONGROOM_CLOCK_OFFSET", offsets[which].to_string());
        let daemon = Daemon::spawn(&mut command);
        daemon.wait_line("online");
        scene.home.daemon = Some(daemon);
        scene.wait_stored(scene.files);
        scene.share();
        scene.wait_stored(scene.files);
        scene.home.stop();
        jumps += 1;
    }

    scene.home.start();
    scene.assert_whole();
    row("F20 clocks at 1970, 2000, +10 years and back", jumps);
}
