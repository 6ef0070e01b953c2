//! A home with a vault: a server, the daemon, a key device that can be pulled, the owner's phone.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    daemon::{Daemon, run_to_end, strongroom},
    phone::Phone,
    prosody::{Prosody, jid, password},
};

/// The vault's account.
pub(crate) const VAULT: &str = "vault";
/// The owner's account.
pub(crate) const OWNER: &str = "owner";
/// The account of somebody else.
pub(crate) const STRANGER: &str = "stranger";

/// Everything but the phones. The daemon runs only between [`Home::start`] and [`Home::stop`].
pub(crate) struct Home {
    pub(crate) server: Prosody,
    pub(crate) daemon: Option<Daemon>,
    folder: TempDir,
    code: Option<String>,
    words: String,
    unlock: Option<String>,
    owner: String,
}

impl Home {
    /// Makes a vault; the key device is in, the daemon does not run yet.
    pub(crate) fn new() -> Self {
        Self::with(&[], 64)
    }

    /// Makes a vault with further arguments of `strongroom init`, on a server that takes uploads
    /// of up to `limit_mib`.
    pub(crate) fn with(arguments: &[&str], limit_mib: u32) -> Self {
        let server = Prosody::start_with(&[VAULT, OWNER, STRANGER], limit_mib);
        Self::on(server, arguments)
    }

    /// Makes a vault on a server that runs already and has the accounts.
    pub(crate) fn on(server: Prosody, arguments: &[&str]) -> Self {
        Self::with_drive(server, arguments, |_| ())
    }

    /// Makes a vault for an owner who has his account at another server.
    pub(crate) fn for_owner(server: Prosody, owner: &str, arguments: &[&str]) -> Self {
        Self::make(server, owner, arguments, |_| ())
    }

    /// Makes a vault where `mount` has put the data drive before.
    pub(crate) fn with_drive(
        server: Prosody,
        arguments: &[&str],
        mount: impl FnOnce(&Path),
    ) -> Self {
        Self::make(server, &jid(OWNER), arguments, mount)
    }

    fn make(server: Prosody, owner: &str, arguments: &[&str], mount: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        mount(folder.path());
        let mut home = Self {
            server,
            daemon: None,
            folder,
            code: None,
            words: String::new(),
            unlock: None,
            owner: owner.to_owned(),
        };
        fs::write(home.path("password"), password(VAULT) + "\n").unwrap();
        let said = home.set_up("init", arguments, "");
        home.code = pairing_code(&said);
        home.words = recovery_words(&said);
        home.unlock = said
            .lines()
            .find_map(|it| Some(it.trim().strip_prefix("unlock ")?.to_owned()));
        home
    }

    /// Throws system card, stick and settings away, and gets the vault back from drive and words.
    pub(crate) fn recover(&mut self) {
        fs::remove_dir_all(self.system()).unwrap();
        fs::remove_dir_all(self.stick()).unwrap();
        fs::remove_file(self.settings()).unwrap();
        let words = self.words.clone();
        let said = self.set_up("recover", &[], &words);
        self.code = pairing_code(&said);
    }

    /// Runs `init` or `recover` onto an empty stick, with something typed in.
    fn set_up(&self, how: &str, arguments: &[&str], typed: &str) -> String {
        let home = self;
        fs::create_dir(home.stick()).unwrap();
        let host = format!("127.0.0.1:{}", home.server.c2s_port());
        let pin = format!("localhost:{}", home.server.https_port());
        let authority = home.server.authority();
        let mut child = home
            .command()
            .args([how, "--trial", "--jid", &jid(VAULT), "--owner", &home.owner])
            // Most tests pull the key to lock.
            .args(
                ["--mode", "presence"]
                    .iter()
                    .filter(|_| !arguments.contains(&"--mode")),
            )
            .args(["--server", &host, "--pin", &pin])
            .arg("--ca-file")
            .arg(authority)
            .arg("--password-file")
            .arg(home.path("password"))
            .arg("--data")
            .arg(home.vault())
            .arg("--key")
            .arg(home.stick())
            .arg("--system")
            .arg(home.system())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut keyboard = child.stdin.take().unwrap();
        keyboard.write_all(typed.as_bytes()).unwrap();
        drop(keyboard);
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        // Most tests share one file after another, and wait for the word of each.
        home.change_settings("gather_seconds = 10", "gather_seconds = 0");
        home.change_settings("avatar = true", "avatar = false");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Something in the home's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The vault folder on the data drive.
    pub(crate) fn vault(&self) -> PathBuf {
        self.path("drive/vault")
    }

    /// The system card's folder.
    pub(crate) fn system(&self) -> PathBuf {
        self.path("card")
    }

    /// Where the key device is mounted.
    pub(crate) fn stick(&self) -> PathBuf {
        self.path("stick")
    }

    /// The settings file.
    pub(crate) fn settings(&self) -> PathBuf {
        self.path("settings.toml")
    }

    /// `strongroom` with this home's settings.
    pub(crate) fn command(&self) -> Command {
        let mut command = strongroom();
        command.arg("--config").arg(self.settings());
        command
    }

    /// Replaces text in the settings file.
    pub(crate) fn change_settings(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.settings()).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.settings(), text.replace(from, to)).unwrap();
    }

    /// The code that set-up printed.
    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap()
    }

    /// Whether set-up printed a pairing code at all.
    pub(crate) fn has_code(&self) -> bool {
        self.code.is_some()
    }

    /// Has the program make a new pairing code, and returns it.
    pub(crate) fn new_code(&self) -> String {
        let output = self.run("pair");
        assert!(output.status.success(), "{output:?}");
        pairing_code(&String::from_utf8(output.stdout).unwrap()).unwrap()
    }

    /// The unlock code that set-up printed.
    pub(crate) fn unlock_code(&self) -> &str {
        self.unlock.as_deref().unwrap()
    }

    /// The 24 recovery words that set-up printed.
    pub(crate) fn words(&self) -> &str {
        &self.words
    }

    /// Lets the daemon, when it starts next, use a host at this port of `localhost`.
    pub(crate) fn pin(&self, port: u16) {
        self.change_settings("pins = [", &format!("pins = [\"localhost:{port}\", "));
    }

    /// Starts the daemon and waits until it is online.
    pub(crate) fn start(&mut self) {
        let daemon = Daemon::spawn(self.command().arg("run"));
        daemon.wait_line("online");
        self.daemon = Some(daemon);
    }

    /// Starts a daemon that kills itself at a crash point.
    pub(crate) fn start_to_crash(&mut self, point: &str) {
        let mut command = self.command();
        command.arg("run").env("STRONGROOM_CRASH_AT", point);
        self.daemon = Some(Daemon::spawn(&mut command));
    }

    /// The running daemon.
    pub(crate) fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().unwrap()
    }

    /// Fails if the vault process lives on.
    pub(crate) fn assert_no_vault_process(&self) {
        Daemon::wait_gone(&self.daemon().children());
    }

    /// Ends the daemon as systemd does.
    pub(crate) fn stop(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.terminate();
        assert!(
            daemon
                .wait_exit(std::time::Duration::from_secs(10))
                .success()
        );
    }

    /// Pulls the key device and waits until the vault is locked.
    pub(crate) fn pull_key(&self) {
        self.take_key_away();
        if let Some(daemon) = &self.daemon {
            daemon.wait_line("the key device is not there");
        }
    }

    /// Takes the key device away, whether or not anybody looks.
    pub(crate) fn take_key_away(&self) {
        fs::rename(self.stick(), self.path("drawer")).unwrap();
    }

    /// Puts the key device back.
    pub(crate) fn insert_key(&self) {
        fs::rename(self.path("drawer"), self.stick()).unwrap();
    }

    /// Logs the owner's phone in, makes it a contact, and pairs it by the code.
    pub(crate) fn paired_phone(&mut self) -> Phone {
        self.paired_phone_in("legacy")
    }

    /// Logs the owner's first phone in with these OMEMO namespaces, and pairs it.
    pub(crate) fn paired_phone_in(&mut self, namespaces: &str) -> Phone {
        let mut phone = Phone::start_in(&self.server, OWNER, namespaces);
        phone.befriend(&jid(VAULT));
        let code = self.code().to_owned();
        phone.send_text(&jid(VAULT), &code);
        phone.wait_reply("Paired");
        phone
    }

    /// The names of all blobs in the vault folder.
    pub(crate) fn blobs(&self) -> Vec<PathBuf> {
        files(&self.vault().join("blobs"))
    }

    /// Runs `strongroom` with this home's settings to its end.
    pub(crate) fn run(&self, argument: &str) -> std::process::Output {
        let settings = self.settings();
        run_to_end(&["--config", settings.to_str().unwrap(), argument])
    }
}

/// Finds the pairing code in what the program printed.
fn pairing_code(said: &str) -> Option<String> {
    said.lines()
        .map(str::trim)
        .find(|line| line.len() == 11 && line.as_bytes()[5] == b'-')
        .map(str::to_owned)
}

/// Reads the table of numbered words in what set-up printed.
fn recovery_words(said: &str) -> String {
    let table = said
        .lines()
        .skip_while(|line| !line.starts_with("RECOVERY WORDS"))
        .filter(|line| line.starts_with("    "))
        .take(4);
    let mut words = Vec::new();
    for pair in table
        .flat_map(str::split_whitespace)
        .collect::<Vec<_>>()
        .chunks(2)
    {
        words.push(pair[1]);
        assert_eq!(pair[0], words.len().to_string(), "{said}");
    }
    assert_eq!(words.len(), 24);
    words.join(" ")
}

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else if path.is_file() {
            found.push(path)
        }
    }
    found.sort();
    found
}

/// Bytes that no compression shortens and no other seed repeats.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
