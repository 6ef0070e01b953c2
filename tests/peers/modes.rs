//! Drawer, memory only, words and passphrase at the console: what opens the vault and what locks
//! it, from outside.

use std::{
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    process::{Output, Stdio},
};

use rustix::process::geteuid;

use crate::{
    daemon::Daemon,
    home::{Home, OWNER, VAULT, files, noise},
    phone::Phone,
    prosody::jid,
};

const CODES_TRIED: usize = 5;

fn share(home: &Home, phone: &mut Phone, number: u64) -> Vec<u8> {
    let photo = noise(30_000, number);
    let path = home.path("to-share.bin");
    fs::write(&path, &photo).unwrap();
    phone.send_file(&jid(VAULT), &path, &format!("{number}.jpg"));
    photo
}

fn tell(phone: &mut Phone, words: &str) {
    phone.send_text(&jid(VAULT), words);
}

fn get(phone: &mut Phone, number: u64) -> Vec<u8> {
    tell(phone, &format!("get {number}"));
    phone.wait_reply(&format!("#{number} "));
    fs::read(phone.wait_file().path).unwrap()
}

/// Types a line at the console.
fn unlock(home: &Home, arguments: &[&str], typed: &str) -> Output {
    let mut console = home
        .command()
        .arg("unlock")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = console.stdin.take().unwrap();
    stdin.write_all(typed.as_bytes()).unwrap();
    drop(stdin);
    console.wait_with_output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Asserts whether the bytes are in the daemon's memory, where somebody may look there.
fn assert_in_memory(daemon: &Daemon, wanted: &[u8], expected: bool) {
    if !geteuid().is_root() {
        return eprintln!("left out: reading a process's memory takes root");
    }
    assert_eq!(is_in_memory(daemon, wanted), expected);
}

/// Whether the bytes are anywhere in what the process may write to.
fn is_in_memory(daemon: &Daemon, wanted: &[u8]) -> bool {
    let maps = fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
    let mut memory = fs::File::open(format!("/proc/{}/mem", daemon.pid())).unwrap();
    maps.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") {
            return false;
        }
        let (from, to) = range.split_once('-').unwrap();
        let from = u64::from_str_radix(from, 16).unwrap();
        let length = u64::from_str_radix(to, 16).unwrap() - from;
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        memory.seek(SeekFrom::Start(from)).unwrap();
        // A stack's guard page does not read, and memory may be given back meanwhile.
        memory.read_exact(&mut bytes).is_ok() && contains(&bytes, wanted)
    })
}

fn contains(mut bytes: &[u8], wanted: &[u8]) -> bool {
    while let Some(at) = bytes.iter().position(|it| *it == wanted[0]) {
        bytes = &bytes[at..];
        if bytes.starts_with(wanted) {
            return true;
        }
        bytes = &bytes[1..];
    }
    false
}

/// Everything in the state database, as opened with its own key.
fn state_database(home: &Home) -> Vec<u8> {
    let key = fs::read_to_string(home.system().join("state.key")).unwrap();
    let state = rusqlite::Connection::open(home.system().join("state.db")).unwrap();
    state
        .pragma_update(None, "key", format!("x'{}'", key.trim()))
        .unwrap();
    let mut everything = Vec::new();
    let names: Vec<String> = state
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for name in names {
        let mut rows = state.prepare(&format!("SELECT * FROM \"{name}\"")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                match row.get_ref(column).unwrap() {
                    rusqlite::types::ValueRef::Text(bytes)
                    | rusqlite::types::ValueRef::Blob(bytes) => everything.extend(bytes),
                    rusqlite::types::ValueRef::Null
                    | rusqlite::types::ValueRef::Integer(_)
                    | rusqlite::types::ValueRef::Real(_) => {}
                }
            }
        }
    }
    everything
}

#[test]
fn in_drawer_mode_the_key_may_leave_and_idle_time_locks_and_a_need_is_served() {
    let mut home = Home::with(&["--mode", "drawer"], 64);
    home.start();
    let mut phone = home.paired_phone();
    let photo = share(&home, &mut phone, 1);
    phone.wait_reply("stored");

    // The key goes into the drawer, and the vault stays open.
    home.pull_key();
    assert!(get(&mut phone, 1) == photo);
    tell(&mut phone, "status");
    let status = phone.wait_reply("The vault is open: 1 file");
    assert!(status.contains("Drawer mode"), "{status}");

    // Nobody uses it.
    home.stop();
    home.change_settings("idle_seconds = 1800", "idle_seconds = 1");
    home.insert_key();
    home.start();
    phone.wait_reply("The vault locked itself after");
    home.assert_no_vault_process();

    // What is asked for now waits for the key, and is all that it opens the vault for.
    tell(&mut phone, "get 1");
    phone.wait_reply("Take the key out and put it in again within 10 minutes");
    home.pull_key();
    home.insert_key();
    assert!(fs::read(phone.wait_file().path).unwrap() == photo);
    phone.wait_reply("That was all, and the vault is locked again.");
    home.assert_no_vault_process();
}

#[test]
fn from_memory_a_code_opens_and_leaves_no_trace_and_five_wrong_ones_are_enough() {
    let mut home = Home::with(&["--mode", "memory"], 64);
    assert!(files(&home.stick()).is_empty(), "no device holds a key");
    home.start();
    let mut phone = home.paired_phone();
    let code = home.unlock_code().to_owned();

    let photo = share(&home, &mut phone, 1);
    phone.wait_reply("Kept. 1 file waits for the key.");
    tell(&mut phone, &format!("unlock {code}"));
    phone.wait_reply("Your code now lies in the history");
    phone.wait_reply("1 file that waited is stored as #1");
    assert!(get(&mut phone, 1) == photo);
    tell(&mut phone, "lock");
    phone.wait_reply("Send \"unlock\" and your code to open it");

    let bare = code.replace('-', "");
    for spelling in [&code, &bare] {
        assert_in_memory(home.daemon(), spelling.as_bytes(), false);
        assert!(!home.daemon().said().iter().any(|it| it.contains(spelling)));
    }
    assert_in_memory(home.daemon(), jid(OWNER).as_bytes(), true);

    // Another code of the same shape.
    let wrong: String = bare
        .chars()
        .map(|it| if it == '7' { '8' } else { '7' })
        .collect();
    for left in (1..CODES_TRIED).rev() {
        tell(&mut phone, &format!("unlock {wrong}"));
        phone.wait_reply(&format!("tries left: {left}"));
    }
    tell(&mut phone, &format!("unlock {wrong}"));
    phone.wait_reply("Five codes were wrong");
    // Neither the right code nor a restart helps now.
    home.stop();
    home.start();
    tell(&mut phone, &format!("unlock {code}"));
    phone.wait_reply("Five codes were wrong");
    home.assert_no_vault_process();

    // The words at the console do.
    let words = home.words().to_owned();
    let opened = unlock(&home, &["--words"], &words);
    assert!(
        said(&opened).contains("The vault is open."),
        "{}",
        said(&opened)
    );
    assert!(get(&mut phone, 1) == photo);
    let few: Vec<&str> = words.split(' ').take(3).collect();
    assert_in_memory(home.daemon(), few.join(" ").as_bytes(), false);
    home.stop();
    let state = state_database(&home);
    for spelling in [&code, &bare, &bare.to_lowercase()] {
        assert!(!contains(&state, spelling.as_bytes()));
    }
    assert!(contains(&state, jid(OWNER).as_bytes()));
}

#[test]
fn words_and_passphrases_are_typed_at_the_console_and_never_in_the_chat() {
    let mut home = Home::with(&["--mode", "drawer"], 64);
    let key_file = home.stick().join(vault::KEY_FILE_NAME);
    let key = vault::SlotSecret::from_key_file(&fs::read(&key_file).unwrap()).unwrap();
    let passphrase = vault::Passphrase::new("over the hills");
    let locked = key
        .secret
        .to_locked_key_file(&key.vault, &passphrase, &mut getrandom::SysRng)
        .unwrap();
    fs::write(&key_file, &*locked).unwrap();
    home.start();
    let mut phone = home.paired_phone();

    // In the chat: neither obeyed nor kept.
    let words = home.words().to_owned();
    tell(&mut phone, &words);
    phone.wait_reply("Those look like recovery words");
    tell(&mut phone, "status");
    phone.wait_reply("The vault is locked.");

    let wrong = unlock(&home, &[], "over the hill\n");
    assert!(!wrong.status.success());
    assert!(
        said(&wrong).contains("The passphrase is wrong."),
        "{}",
        said(&wrong)
    );
    let right = unlock(&home, &[], "over the hills\n");
    assert!(right.status.success(), "{}", said(&right));
    tell(&mut phone, "list");
    phone.wait_reply("The vault is empty");
    let twice = unlock(&home, &[], "over the hills\n");
    assert!(said(&twice).contains("open already"), "{}", said(&twice));

    // Without the stick: the words, as soon as they are right.
    tell(&mut phone, "lock");
    phone.wait_reply("The vault is locked. Photos");
    home.pull_key();
    let mut swapped: Vec<&str> = words.split(' ').collect();
    swapped[0] = "strongrom";
    let wrong = unlock(&home, &["--words"], &swapped.join(" "));
    assert!(said(&wrong).contains("word 1"), "{}", said(&wrong));
    let right = unlock(&home, &["--words"], &words);
    assert!(right.status.success(), "{}", said(&right));
    tell(&mut phone, "list");
    phone.wait_reply("The vault is empty");
}
