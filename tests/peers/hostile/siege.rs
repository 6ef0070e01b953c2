//! A vault whose server is in the attacker's hands, and the owner's phone behind that server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::{
    home::{Home, OWNER, STRANGER, VAULT},
    host::Host,
    journal::PATIENCE,
    middle::{Middle, Verdict, Way, frames},
    phone::Phone,
    prosody::{Prosody, jid},
};

/// How long a twin may take.
const TWIN: Duration = PATIENCE;

/// A command of the owner, encrypted and on its way, that the attacker holds in his hands.
pub(crate) struct Held {
    /// The stanza, as the server would hand it on.
    pub(crate) stanza: String,
    /// The encrypted element in it.
    pub(crate) encrypted: String,
    /// A word that the answer repeats and no other answer has.
    pub(crate) word: String,
}

impl Held {
    /// The stanza with some words of it replaced.
    pub(crate) fn with(&self, from: &str, to: &str) -> String {
        let changed = self.stanza.replace(from, to);
        assert_ne!(changed, self.stanza, "{from} is not in it");
        changed
    }

    /// The same ciphertext in a stanza from elsewhere.
    pub(crate) fn from(&self, sender: &str) -> String {
        message(sender, &self.encrypted)
    }
}

/// A chat message to the vault.
pub(crate) fn message(from: &str, inner: &str) -> String {
    let from = if from.is_empty() {
        String::new()
    } else {
        format!(" from='{from}'")
    };
    format!(
        "<message xmlns='jabber:client'{from} to='vault@localhost/strongroom' type='chat'>{inner}\
         <request xmlns='urn:xmpp:receipts'/></message>"
    )
}

/// The vault, its owner, and who stands between them.
pub(crate) struct Siege {
    pub(crate) home: Home,
    pub(crate) middle: Middle,
    pub(crate) phone: Phone,
    /// Another phone of the owner, whose fingerprint is pinned too.
    pub(crate) second: Option<Phone>,
    /// A web host that the vault may use.
    pub(crate) host: Host,
    holding: Arc<AtomicBool>,
    words: u32,
}

impl Siege {
    /// Makes the vault, trusting the fingerprints in its settings; the daemon does not run yet.
    pub(crate) fn prepare(with_second: bool) -> Self {
        let server = Prosody::start(&[VAULT, OWNER, STRANGER]);
        let phone = Phone::start(&server, OWNER);
        let second = with_second.then(|| Phone::start(&server, OWNER));
        let middle = Middle::before(&server);
        let host = Host::start(&server);
        let mut pins = vec!["--fingerprint", &phone.fingerprint];
        if let Some(second) = &second {
            pins.extend(["--fingerprint", &second.fingerprint]);
        }
        let real = format!("127.0.0.1:{}", server.c2s_port());
        let home = Home::on(server, &pins);
        home.change_settings(&real, &format!("127.0.0.1:{}", middle.port()));
        home.pin(host.port());
        Self {
            home,
            middle,
            phone,
            second,
            host,
            holding: Arc::default(),
            words: 0,
        }
    }

    /// Makes the vault and lets it and the phone talk once.
    pub(crate) fn begin() -> Self {
        let mut siege = Self::prepare(false);
        siege.home.start();
        siege.phone.befriend(&jid(VAULT));
        assert!(siege.obeys());
        siege
    }

    /// Whether a command of the owner's phone is obeyed, all being honest.
    pub(crate) fn obeys(&mut self) -> bool {
        let word = self.word();
        self.phone.send_text(&jid(VAULT), &format!("find {word}"));
        self.expect(&word)
    }

    fn word(&mut self) -> String {
        self.words += 1;
        format!("word{:04}x", self.words)
    }

    /// A rule that holds the owner's commands while the test asks for it, and has `otherwise` decide
    /// about the rest.
    pub(crate) fn rule(&self, mut otherwise: impl FnMut(Way, &str) -> Verdict + Send + 'static) {
        let holding = Arc::clone(&self.holding);
        self.middle.rule(move |way, element| {
            let is_command = way == Way::ToVault
                && element.contains("<payload")
                && frames::attr(element, "from")
                    .is_some_and(|it| it.starts_with("owner@localhost/"));
            if is_command && holding.load(Ordering::SeqCst) {
                Verdict::Hold
            } else {
                otherwise(way, element)
            }
        });
    }

    /// Has the phone give a command, and takes it out of the server's hands.
    pub(crate) fn hold(&mut self) -> Held {
        let word = self.word();
        self.hold_command(&format!("find {word}"), word)
    }

    /// As [`Self::hold`], with any command.
    pub(crate) fn hold_command(&mut self, command: &str, word: String) -> Held {
        self.holding.store(true, Ordering::SeqCst);
        self.phone.send_text(&jid(VAULT), command);
        let stanza = self.middle.held().take(PATIENCE, |_| true).unwrap();
        self.holding.store(false, Ordering::SeqCst);
        let encrypted = frames::within(&stanza, "encrypted").unwrap();
        Held {
            stanza,
            encrypted,
            word,
        }
    }

    /// Whether the phone hears of this word in time.
    pub(crate) fn expect(&self, word: &str) -> bool {
        let heard = self.phone.wait_within(TWIN, "message", |it| {
            it["encrypted"] == true && it["body"].as_str().is_some_and(|it| it.contains(word))
        });
        heard.is_some()
    }

    /// How many answers with this word the phone has heard until now.
    pub(crate) fn heard(&self, word: &str) -> usize {
        let all = self.phone.seen("message").into_iter();
        all.filter(|it| it["body"].as_str().is_some_and(|it| it.contains(word)))
            .count()
    }

    /// Takes what the vault has sent of this kind until now.
    pub(crate) fn forget_sent(&self, wanted: impl Fn(&String) -> bool) {
        while self.middle.sent().take(Duration::ZERO, &wanted).is_some() {}
    }

    /// Lets the vault handle all that was injected until now.
    pub(crate) fn settle(&mut self) {
        let fence = self.hold();
        self.middle.inject(fence.stanza);
        assert!(self.expect(&fence.word), "the vault is deaf");
    }
}
