//! The owner's phone, or a stranger's: `phone.py` as a process of its own.

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    journal::{Journal, PATIENCE},
    prosody::{DOMAIN, Prosody, password},
};

/// A phone that is logged in. Dropping it ends the process; its OMEMO state lives in the folder.
pub(crate) struct Phone {
    account: String,
    domain: String,
    child: Child,
    orders: Option<ChildStdin>,
    events: Arc<Journal<Value>>,
    seq: u64,
    state: Arc<TempDir>,
    /// How long it waits for anything that is expected.
    pub(crate) patience: Duration,
    /// Its OMEMO device id.
    pub(crate) device: u64,
    /// Its OMEMO fingerprint in hex.
    pub(crate) fingerprint: String,
}

/// A file that the phone received, decrypted and found authentic.
#[derive(Debug, Clone)]
pub(crate) struct File {
    /// Where the phone has put it.
    pub(crate) path: PathBuf,
    /// The name in the link.
    pub(crate) name: String,
    /// The link as it came.
    pub(crate) link: String,
    /// The SHA-256 of its content in hex, as the phone computed it.
    pub(crate) sha256: String,
}

impl Phone {
    /// Logs a new device in.
    pub(crate) fn start(server: &Prosody, account: &str) -> Self {
        Self::resume(server, account, Arc::new(tempfile::tempdir().unwrap()))
    }

    /// Logs a new device in at another domain than the usual one.
    pub(crate) fn start_at(server: &Prosody, account: &str, domain: &str) -> Self {
        let state = Arc::new(tempfile::tempdir().unwrap());
        Self::log_in(server, [account, domain], state, "legacy")
    }

    /// Logs a new device in that announces these namespaces, of `legacy` and `omemo2`, and writes
    /// in the first one.
    pub(crate) fn start_in(server: &Prosody, account: &str, namespaces: &str) -> Self {
        let state = Arc::new(tempfile::tempdir().unwrap());
        Self::resume_in(server, account, state, namespaces)
    }

    /// Logs in with the OMEMO state of an earlier phone.
    pub(crate) fn resume(server: &Prosody, account: &str, state: Arc<TempDir>) -> Self {
        Self::resume_in(server, account, state, "legacy")
    }

    /// Logs in with the OMEMO state of an earlier phone, and announces these namespaces.
    pub(crate) fn resume_in(
        server: &Prosody,
        account: &str,
        state: Arc<TempDir>,
        namespaces: &str,
    ) -> Self {
        Self::log_in(server, [account, DOMAIN], state, namespaces)
    }

    fn log_in(
        server: &Prosody,
        [account, domain]: [&str; 2],
        state: Arc<TempDir>,
        namespaces: &str,
    ) -> Self {
        let mut child = Command::new(python())
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/phone.py"))
            .args([
                "--jid",
                &format!("{account}@{domain}"),
                "--password",
                &password(account),
            ])
            .args(["--port", &server.c2s_port().to_string()])
            .args(["--namespaces", namespaces])
            .arg("--cafile")
            .arg(server.authority())
            .arg("--state")
            .arg(state.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("the phone's Python: {error}; run `make setup`"));
        let events = Journal::new();
        let heard = Arc::clone(&events);
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                heard.push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
            heard.close();
        });
        let mut phone = Self {
            account: account.to_owned(),
            domain: domain.to_owned(),
            orders: child.stdin.take(),
            child,
            events,
            seq: 0,
            state,
            patience: PATIENCE,
            device: 0,
            fingerprint: String::new(),
        };
        let online = phone.wait("online", |_| true);
        phone.device = online["device"].as_u64().unwrap();
        phone.fingerprint = text(&online["fingerprint"]);
        phone
    }

    /// Ends the process and returns its OMEMO state for a later phone.
    pub(crate) fn log_out(mut self) -> Arc<TempDir> {
        self.end();
        Arc::clone(&self.state)
    }

    /// The bare address of the account.
    pub(crate) fn jid(&self) -> String {
        format!("{}@{}", self.account, self.domain)
    }

    /// Gives an order and returns its result, or what the phone says went wrong.
    pub(crate) fn try_order(&mut self, order: &str, mut with: Value) -> Result<Value, String> {
        self.seq += 1;
        let seq = self.seq;
        with["seq"] = seq.into();
        with["do"] = order.into();
        writeln!(self.orders.as_mut().unwrap(), "{with}").unwrap();
        let done = self.wait("done", |event| event["seq"] == seq);
        if done["ok"] == true {
            Ok(done)
        } else {
            Err(text(&done["error"]))
        }
    }

    /// Gives an order that must succeed.
    pub(crate) fn order(&mut self, order: &str, with: Value) -> Value {
        match self.try_order(order, with) {
            Ok(done) => done,
            Err(error) => panic!("{}'s phone could not {order}: {error}", self.account),
        }
    }

    /// Sends an encrypted message that asks for a receipt, and returns its id.
    pub(crate) fn send_text(&mut self, to: &str, text_: &str) -> String {
        text(&self.order("send_text", json!({ "to": to, "text": text_ }))["id"])
    }

    /// Sends an unencrypted message and returns its id.
    pub(crate) fn send_plain(&mut self, to: &str, text_: &str) -> String {
        text(&self.order("send_plain", json!({ "to": to, "text": text_ }))["id"])
    }

    /// Shares a file under a name, as a phone does, and returns the id of the message.
    pub(crate) fn send_file(&mut self, to: &str, path: &Path, name: &str) -> String {
        text(&self.send_file_with(to, path, json!({ "name": name }))["id"])
    }

    /// Shares a file with the options of `do_send_file` in phone.py.
    pub(crate) fn send_file_with(&mut self, to: &str, path: &Path, mut with: Value) -> Value {
        with["to"] = to.into();
        with["path"] = path.to_str().unwrap().into();
        self.order("send_file", with)
    }

    /// Waits for an event of this kind and takes it.
    pub(crate) fn wait(&self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_within(self.patience, kind, wanted)
            .unwrap_or_else(|| panic!("{}'s phone waited in vain: {kind}", self.account))
    }

    /// Waits this long for an event of this kind and takes it.
    pub(crate) fn wait_within(
        &self,
        patience: Duration,
        kind: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        self.events
            .take(patience, |it| it["event"] == kind && wanted(it))
    }

    /// Waits for an encrypted message that holds these words, and returns its body.
    pub(crate) fn wait_reply(&self, words: &str) -> String {
        let message = self.wait("message", |it| {
            it["encrypted"] == true
                && it["carbon"].is_null()
                // A file's link may hold any hex digits after its `#`.
                && it["body"].as_str().is_some_and(|body| {
                    body.contains(words) && !body.starts_with("aesgcm://")
                })
        });
        text(&message["body"])
    }

    /// Waits for the next file that comes in whole.
    pub(crate) fn wait_file(&self) -> File {
        let file = self.wait("file", |it| it["carbon"].is_null());
        File {
            path: PathBuf::from(text(&file["path"])),
            name: text(&file["name"]),
            link: text(&file["link"]),
            sha256: text(&file["sha256"]),
        }
    }

    /// Waits for the receipt of a message.
    pub(crate) fn wait_receipt(&self, id: &str) {
        self.wait("receipt", |it| it["receipt_for"] == id);
    }

    /// Returns every event of this kind so far, taken or not.
    pub(crate) fn seen(&self, kind: &str) -> Vec<Value> {
        self.events.all(|it| it["event"] == kind)
    }

    /// Subscribes to a contact's presence, approves the contact's own request when it comes, and
    /// waits until the contact, who does the same on his own, has approved ours.
    pub(crate) fn befriend(&mut self, contact: &str) {
        self.order("subscribe", json!({ "jid": contact }));
        self.wait("presence", |it| {
            it["from"] == contact && it["kind"] == "subscribe"
        });
        self.order("approve", json!({ "jid": contact }));
        self.wait("presence", |it| {
            it["from"] == contact && it["kind"] == "subscribed"
        });
    }

    /// Makes two phones each other's contacts, one side after the other: a server that approves
    /// both ways at the same moment may forget one.
    pub(crate) fn befriend_both(one: &mut Self, other: &mut Self) {
        Self::let_see(one, other);
        Self::let_see(other, one);
    }

    /// Has one phone ask for the other's presence, and the other approve.
    fn let_see(one: &mut Self, other: &mut Self) {
        let (one_jid, other_jid) = (one.jid(), other.jid());
        one.order("subscribe", json!({ "jid": other_jid }));
        other.wait("presence", |it| {
            it["from"] == one_jid && it["kind"] == "subscribe"
        });
        other.order("approve", json!({ "jid": one_jid }));
        one.wait("presence", |it| {
            it["from"] == other_jid && it["kind"] == "subscribed"
        });
    }

    /// Checks that nobody has ever used one message key for two messages to this phone, and
    /// returns how many message keys were seen.
    ///
    /// The same bytes may come twice (archive, resending); other bytes under the same ratchet
    /// key and counter may not.
    pub(crate) fn assert_no_message_key_was_used_twice(&self) -> usize {
        assert_eq!(self.seen("ratchet-unreadable"), [] as [Value; 0]);
        let mut used: HashMap<(String, u64), Value> = HashMap::new();
        for event in self.seen("ratchet") {
            let key = (
                text(&event["ratchet_key"]),
                event["counter"].as_u64().unwrap(),
            );
            let element = &event["element"];
            let first = used.entry(key).or_insert_with(|| element.clone());
            assert_eq!(first, element, "one message key, two messages: {event}");
        }
        used.len()
    }

    fn end(&mut self) {
        // The end of its orders is the order to end.
        self.orders = None;
        self.events.take(Duration::from_secs(10), |_| false);
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- {}'s phone", self.account);
            for event in self.events.all(|_| true) {
                eprintln!("{event}");
            }
        }
        self.end();
    }
}

/// The text of a JSON string.
pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// The Python that has what phone.py imports.
pub(crate) fn python() -> PathBuf {
    env::var_os("STRONGROOM_PEERS_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers-venv/bin/python"),
        PathBuf::from,
    )
}
