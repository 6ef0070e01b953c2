//! A vault at work, its owner's phone, and a web host that the vault may use: what a test of bad
//! input needs, with the honest photo that has to go in afterwards.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    home::{Home, VAULT, files, noise},
    host::Host,
    phone::{Phone, text},
    prosody::jid,
};

/// Bytes of every file that a scene makes.
const FILE_BYTES: usize = 20_000;

/// The vault is open and paired, and has nothing in it yet.
pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) phone: Phone,
    /// Pinned in the vault's settings.
    pub(crate) host: Host,
    expected: Vec<String>,
    stored: u64,
    made: u64,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::new_in("legacy")
    }

    /// The phone announces these OMEMO namespaces.
    pub(crate) fn new_in(namespaces: &str) -> Self {
        let mut home = Home::new();
        let host = Host::start(&home.server);
        home.pin(host.port());
        home.start();
        let phone = home.paired_phone_in(namespaces);
        let mut scene = Self {
            home,
            phone,
            host,
            expected: Vec::new(),
            stored: 0,
            made: 0,
        };
        scene.expected = scene.replies();
        scene
    }

    /// Writes a file that the vault has not seen yet.
    pub(crate) fn photo(&mut self) -> PathBuf {
        self.made += 1;
        let path = self.home.path(&format!("photo-{}.jpg", self.made));
        fs::write(&path, noise(FILE_BYTES, self.made)).unwrap();
        path
    }

    /// Encrypts such a file for a host of the test's own; returns ciphertext and fragment.
    pub(crate) fn sealed(&mut self) -> (Vec<u8>, String) {
        let path = self.photo();
        let out = path.with_extension("sealed");
        let made = self
            .phone
            .order("encrypt", json!({ "path": path, "out": out }));
        (fs::read(out).unwrap(), text(&made["fragment"]))
    }

    /// Sends an encrypted text.
    pub(crate) fn tell(&mut self, words: &str) {
        self.phone.send_text(&jid(VAULT), words);
    }

    /// Shares a file through Prosody with the options of `do_send_file` in phone.py.
    pub(crate) fn share(&mut self, with: Value) -> PathBuf {
        let path = self.photo();
        self.phone.send_file_with(&jid(VAULT), &path, with);
        path
    }

    /// Waits for exactly this reply.
    pub(crate) fn expect(&mut self, reply: &str) {
        assert_eq!(self.phone.wait_reply(reply), reply);
        self.expected.push(reply.to_owned());
    }

    /// Waits for the reply that a file from a host of the test's own is stored.
    pub(crate) fn expect_stored(&mut self, name: &str) {
        self.stored += 1;
        let number = self.stored;
        self.expect(&format!("✅ #{number} {name}, 20.0 kB, stored."));
    }

    /// Waits until the next file is stored that was waited for while others came.
    pub(crate) fn expect_stored_with_others(&mut self) {
        self.stored += 1;
        let said = self.phone.wait_reply(&format!("#{}", self.stored));
        assert!(said.contains("stored"), "{said}");
        self.expected.push(said);
    }

    /// Waits for exactly this reply, checks that the drive has nothing of what it refuses, and
    /// that an honest photo goes in.
    pub(crate) fn expect_refusal(&mut self, reply: &str) {
        self.expect(reply);
        self.assert_kept();
        self.assert_a_photo_is_stored();
    }

    /// Checks that an honest photo goes in, and that nothing was said but what was expected.
    pub(crate) fn assert_a_photo_is_stored(&mut self) {
        self.share(json!({ "name": "honest.jpg" }));
        self.expect_stored("honest.jpg");
        self.assert_kept();
        self.assert_said();
    }

    /// Checks that a file comes back as it is at `path`.
    pub(crate) fn assert_comes_back(&mut self, path: &PathBuf) {
        let number = self.stored;
        self.tell(&format!("get {number}"));
        let caption = self.phone.wait_reply(&format!("#{number} "));
        let file = self.phone.wait_file();
        self.expected.extend([caption, file.link]);
        assert!(fs::read(file.path).unwrap() == fs::read(path).unwrap());
    }

    /// Checks that the vault answers a question, and that nothing else was said until then.
    pub(crate) fn assert_open(&mut self) {
        self.tell("status");
        let status = self.phone.wait_reply("The vault is");
        assert!(status.starts_with("The vault is open: "), "{status}");
        self.expected.push(status);
        self.assert_kept();
        self.assert_said();
    }

    /// Checks that the drive has a blob for each file that was stored, and nothing half-written.
    pub(crate) fn assert_kept(&self) {
        let blobs = self.home.blobs();
        assert_eq!(blobs.len() as u64, self.stored, "{blobs:?}");
        let everything = files(&self.home.vault());
        let unfinished = |it: &&PathBuf| it.extension().is_some_and(|it| it == "tmp");
        assert_eq!(everything.iter().find(unfinished), None);
    }

    /// Checks that the phone was told what was expected, and not a word more.
    pub(crate) fn assert_said(&self) {
        let (mut said, mut expected) = (self.replies(), self.expected.clone());
        said.sort();
        expected.sort();
        assert_eq!(said, expected);
    }

    /// Every encrypted message of the vault so far.
    fn replies(&self) -> Vec<String> {
        let messages = self.phone.seen("message").into_iter();
        messages
            .filter(|it| it["encrypted"] == true && it["carbon"].is_null())
            .map(|it| text(&it["body"]))
            .collect()
    }
}
