//! Proving to the server who we are, and having it prove the same (SASL, SCRAM).
//!
//! The mechanism is chosen after the offer was seen, so that a server without channel binding still
//! gets SCRAM; the password itself is sent only where the settings say so. It binds no resource.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minidom::Element;
use sasl::client::mechanisms::Scram;
use sasl::client::{Mechanism, MechanismError};
use sasl::common::scram::{Sha1, Sha256};
use sasl::common::{ChannelBinding, Credentials};
use zeroize::Zeroizing;

use super::account::Password;
use super::arrival::FatalReason;
use super::connector::{ConnectError, Connected};
use super::wire::{self, Wire, WireError};
use super::xml::{self, Xml};

const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
const CHANNEL_BINDINGS: &str = "urn:xmpp:sasl-cb:0";
/// RFC 7677 4: a server should use no fewer.
const MIN_ITERATIONS: u32 = 4_096;
/// About two seconds on the smallest Pi; a server that asks for more wants us busy.
const MAX_ITERATIONS: u32 = 1_000_000;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Sha256Plus,
    Sha1Plus,
    Sha256,
    Sha1,
    Plain,
}

impl Choice {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256Plus => "SCRAM-SHA-256-PLUS",
            Self::Sha1Plus => "SCRAM-SHA-1-PLUS",
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha1 => "SCRAM-SHA-1",
            Self::Plain => "PLAIN",
        }
    }
}

/// What the server offers, read from its features.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    mechanisms: Vec<String>,
    /// The server can bind to the TLS exporter.
    exporter: bool,
}

impl Offer {
    pub(super) fn read(features: &Element) -> Self {
        let mechanisms = xml::child(features, "mechanisms", SASL);
        let mechanisms = mechanisms.into_iter().flat_map(Element::children);
        let bindings = xml::child(features, "sasl-channel-binding", CHANNEL_BINDINGS);
        let mut bindings = bindings.into_iter().flat_map(Element::children);
        Self {
            mechanisms: mechanisms.map(Element::text).collect(),
            // XEP-0440 3
            exporter: bindings.any(|b| b.attr("type") == Some("tls-exporter")),
        }
    }

    fn has(&self, choice: Choice) -> bool {
        self.mechanisms
            .iter()
            .any(|offered| offered == choice.name())
    }

    fn has_plus(&self) -> bool {
        self.mechanisms
            .iter()
            .any(|offered| offered.ends_with("-PLUS"))
    }

    /// Chooses the strongest way that both sides can; `bindable` if this connection can be bound to.
    pub(super) fn choose(&self, bindable: bool, allow_plain: bool) -> Option<Choice> {
        let plus = bindable && self.exporter;
        [
            (Choice::Sha256Plus, plus),
            (Choice::Sha1Plus, plus),
            (Choice::Sha256, true),
            (Choice::Sha1, true),
            (Choice::Plain, allow_plain),
        ]
        .into_iter()
        .find(|(choice, possible)| *possible && self.has(*choice))
        .map(|(choice, _)| choice)
    }

    /// Returns what to tell the server about channel binding.
    fn binding_for(&self, choice: Choice, exporter: Option<Vec<u8>>) -> ChannelBinding {
        match (choice, exporter) {
            (Choice::Sha256Plus | Choice::Sha1Plus, Some(data)) => {
                ChannelBinding::TlsExporter(data)
            }
            // RFC 5802 6: "we could, you did not offer": whoever took the offer out is found out.
            (_, Some(_)) if !self.has_plus() => ChannelBinding::Unsupported,
            (_, _) => ChannelBinding::None,
        }
    }
}

/// How one would log in at a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginWay {
    /// The mechanism.
    pub name: &'static str,
    /// The login is tied to the TLS connection, so that nobody can stand in between.
    pub is_bound: bool,
    /// The server is shown the password itself.
    pub shows_password: bool,
}

/// Says how one would log in, if every way were allowed; else what the server offers.
pub(crate) fn way_in(connected: &Connected) -> Result<LoginWay, String> {
    let offer = Offer::read(&connected.features);
    let bindable = connected.channel_binding.is_some();
    let choice = offer.choose(bindable, true);
    let choice = choice.ok_or_else(|| offer.mechanisms.join(", "))?;
    Ok(LoginWay {
        name: choice.name(),
        is_bound: matches!(choice, Choice::Sha256Plus | Choice::Sha1Plus),
        shows_password: choice == Choice::Plain,
    })
}

/// Logs in as `user` and returns the stream, begun anew, with its features.
pub(crate) async fn login(
    connected: Connected,
    user: &str,
    domain: &str,
    password: &Password,
    allow_plain: bool,
) -> Result<(Wire, Element), ConnectError> {
    let Connected {
        mut wire,
        features,
        channel_binding,
        ..
    } = connected;
    let offer = Offer::read(&features);
    let Some(choice) = offer.choose(channel_binding.is_some(), allow_plain) else {
        let offered = offer.mechanisms.join(", ");
        return Err(ConnectError::Fatal(FatalReason::NoAcceptableLogin {
            offered,
        }));
    };
    log::debug!("logging in with {}", choice.name());
    if choice == Choice::Plain {
        plain(&mut wire, user, password).await?;
    } else {
        let credentials = Credentials::default()
            .with_username(escape_name(user))
            .with_password(prepared(password.expose_to_login()).as_str())
            .with_channel_binding(offer.binding_for(choice, channel_binding));
        scram(&mut wire, choice, credentials).await?;
    }
    let from = format!("{user}@{domain}");
    Ok(wire::restart(wire, domain, Some(&from)).await?)
}

/// RFC 5802 5.1: commas and equals signs separate in SCRAM.
fn escape_name(user: &str) -> String {
    user.replace('=', "=3D").replace(',', "=2C")
}

/// RFC 4013: the same password typed on different keyboards gives the same bytes.
fn prepared(password: &str) -> Zeroizing<String> {
    match stringprep::saslprep(password) {
        Ok(prepared) => Zeroizing::new(prepared.into_owned()),
        Err(_) => Zeroizing::new(password.to_owned()),
    }
}

async fn plain(wire: &mut Wire, user: &str, password: &Password) -> Result<(), ConnectError> {
    let mut message = Zeroizing::new(Vec::new());
    message.push(0);
    message.extend_from_slice(user.as_bytes());
    message.push(0);
    message.extend_from_slice(prepared(password.expose_to_login()).as_bytes());
    let auth = Xml::in_ns("auth", SASL)
        .attr("mechanism", "PLAIN")
        .base64(&message);
    wire::send(wire, &auth.into_text()).await?;
    match Answer::read(&wire::next(wire).await?)? {
        Answer::Success(_) => Ok(()),
        Answer::Challenge(_) => Err(WireError::Unexpected.into()),
    }
}

async fn scram(
    wire: &mut Wire,
    choice: Choice,
    credentials: Credentials,
) -> Result<(), ConnectError> {
    let broken = |_: MechanismError| ConnectError::Passing("no login could be made".to_owned());
    let mut mechanism: Box<dyn Mechanism + Send> = match choice {
        Choice::Sha256Plus | Choice::Sha256 => {
            Box::new(Scram::<Sha256>::from_credentials(credentials).map_err(broken)?)
        }
        Choice::Sha1Plus | Choice::Sha1 | Choice::Plain => {
            Box::new(Scram::<Sha1>::from_credentials(credentials).map_err(broken)?)
        }
    };
    let first = mechanism.initial();
    let auth = Xml::in_ns("auth", SASL)
        .attr("mechanism", choice.name())
        .base64(&first);
    wire::send(wire, &auth.into_text()).await?;
    let Answer::Challenge(challenge) = Answer::read(&wire::next(wire).await?)? else {
        return Err(not_authentic("it let us in without a proof"));
    };
    check_challenge(&first, &challenge).map_err(not_authentic)?;
    // Thousands of hash rounds: not among the tasks that answer within milliseconds.
    let worked = tokio::task::spawn_blocking(move || {
        let response = mechanism.response(&challenge);
        (mechanism, response)
    });
    let Ok((mut mechanism, response)) = worked.await else {
        return Err(ConnectError::Passing(
            "the login was interrupted".to_owned(),
        ));
    };
    let response = response.map_err(|_| not_authentic("its challenge makes no sense"))?;
    let response = Xml::in_ns("response", SASL).base64(&response);
    wire::send(wire, &response.into_text()).await?;
    let proof = match Answer::read(&wire::next(wire).await?)? {
        Answer::Success(proof) => proof,
        // RFC 6120 6.4.3 also lets the proof come as a last challenge.
        Answer::Challenge(proof) => {
            wire::send(wire, &Xml::in_ns("response", SASL).into_text()).await?;
            match Answer::read(&wire::next(wire).await?)? {
                Answer::Success(_) => proof,
                Answer::Challenge(_) => return Err(WireError::Unexpected.into()),
            }
        }
    };
    mechanism
        .success(&proof)
        .map_err(|_| not_authentic("its proof is wrong"))
}

fn not_authentic(why: &'static str) -> ConnectError {
    ConnectError::Fatal(FatalReason::ServerNotAuthentic(why))
}

/// Checks what the SCRAM library leaves to its caller.
pub(super) fn check_challenge(first: &[u8], challenge: &[u8]) -> Result<(), &'static str> {
    let senseless = "its challenge makes no sense";
    let first = std::str::from_utf8(first).map_err(|_| senseless)?;
    let challenge = std::str::from_utf8(challenge).map_err(|_| senseless)?;
    let field = |text: &str, key: &str| {
        text.split(',')
            .find_map(|part| part.strip_prefix(key))
            .map(str::to_owned)
    };
    // RFC 5802 5.1: an extension that must be understood, and we understand none.
    if field(challenge, "m=").is_some() {
        return Err("it demands an unknown extension");
    }
    let ours = field(first, "r=").ok_or(senseless)?;
    let both = field(challenge, "r=").ok_or(senseless)?;
    if ours.is_empty() || both.len() <= ours.len() || !both.starts_with(&ours) {
        return Err("its challenge is not for us");
    }
    let iterations = field(challenge, "i=").and_then(|text| text.parse::<u32>().ok());
    match iterations.ok_or(senseless)? {
        ..MIN_ITERATIONS => Err("it wants the password hashed too few times to be safe"),
        MIN_ITERATIONS..=MAX_ITERATIONS => Ok(()),
        _ => Err("it wants the password hashed absurdly often"),
    }
}

/// The server's answer during a login.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Challenge(Vec<u8>),
    Success(Vec<u8>),
}

impl Answer {
    pub(super) fn read(element: &Element) -> Result<Self, ConnectError> {
        if !element.has_ns(SASL) {
            return Err(WireError::Unexpected.into());
        }
        let data = || {
            let text = element.text();
            let text = text.trim();
            // RFC 6120 6.4.2: a single equals sign stands for no data.
            if text == "=" {
                Ok(Vec::new())
            } else {
                STANDARD.decode(text)
            }
            .map_err(|_| ConnectError::from(WireError::Unexpected))
        };
        match element.name() {
            "challenge" => Ok(Self::Challenge(data()?)),
            "success" => Ok(Self::Success(data()?)),
            "failure" => Err(judge_failure(element)),
            _ => Err(WireError::Unexpected.into()),
        }
    }
}

/// RFC 6120 6.5: which refusals will pass by themselves.
fn judge_failure(failure: &Element) -> ConnectError {
    let condition = failure
        .children()
        .map(Element::name)
        .find(|name| *name != "text");
    match condition.unwrap_or_default() {
        "not-authorized" | "credentials-expired" | "invalid-authzid" => {
            ConnectError::Fatal(FatalReason::WrongPassword)
        }
        "account-disabled" => ConnectError::Fatal(FatalReason::AccountDisabled),
        "mechanism-too-weak" | "invalid-mechanism" | "encryption-required" => {
            let offered = "only ways it then refuses".to_owned();
            ConnectError::Fatal(FatalReason::NoAcceptableLogin { offered })
        }
        other => ConnectError::Passing(format!("the server refused the login for now: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(mechanisms: &[&str], exporter: bool) -> Offer {
        let mechanisms = mechanisms.iter().map(|m| (*m).to_owned()).collect();
        Offer {
            mechanisms,
            exporter,
        }
    }

    #[test]
    fn plain_is_never_chosen_unless_the_settings_say_so() {
        let only_plain = offer(&["PLAIN"], false);
        let both = offer(&["PLAIN", "SCRAM-SHA-1"], false);

        assert_eq!(only_plain.choose(true, false), None);
        assert_eq!(only_plain.choose(true, true), Some(Choice::Plain));
        assert_eq!(both.choose(true, true), Some(Choice::Sha1));
    }

    #[test]
    fn without_channel_binding_scram_is_still_chosen() {
        let offer = offer(&["SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"], false);

        let with_exporter = offer.choose(true, false);
        let without = offer.choose(false, false);

        assert_eq!(with_exporter, Some(Choice::Sha256));
        assert_eq!(without, Some(Choice::Sha256));
    }

    #[test]
    fn channel_binding_is_used_only_where_both_sides_can_use_the_exporter() {
        let names = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"];

        let both = offer(&names, true).choose(true, false);
        let other_binding = offer(&names, false).choose(true, false);
        let old_tls = offer(&names, true).choose(false, false);

        assert_eq!(both, Some(Choice::Sha256Plus));
        assert_eq!(other_binding, Some(Choice::Sha256));
        assert_eq!(old_tls, Some(Choice::Sha256));
    }

    #[test]
    fn a_missing_offer_of_channel_binding_is_told_back_to_the_server() {
        let plain_scram = offer(&["SCRAM-SHA-256"], false);
        let unusable_plus = offer(&["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], false);
        let exporter = || Some(vec![1; 32]);

        let told = plain_scram.binding_for(Choice::Sha256, exporter());
        let cannot = plain_scram.binding_for(Choice::Sha256, None);
        let not_ours = unusable_plus.binding_for(Choice::Sha256, exporter());
        let bound = unusable_plus.binding_for(Choice::Sha256Plus, exporter());

        assert_eq!(told.header(), b"y,,");
        assert_eq!(cannot.header(), b"n,,");
        assert_eq!(not_ours.header(), b"n,,");
        assert_eq!(bound.header(), b"p=tls-exporter,,");
    }

    #[test]
    fn a_challenge_must_continue_our_nonce() {
        let first = b"y,,n=vault,r=abc";

        let honest = check_challenge(first, b"r=abcdef,s=c2FsdA==,i=4096");
        let foreign = check_challenge(first, b"r=xbcdef,s=c2FsdA==,i=4096");
        let added_nothing = check_challenge(first, b"r=abc,s=c2FsdA==,i=4096");

        assert_eq!(honest, Ok(()));
        assert!(foreign.is_err());
        assert!(added_nothing.is_err());
    }

    #[test]
    fn iteration_counts_that_are_unsafe_or_absurd_are_refused() {
        let check = |count: &str| {
            check_challenge(
                b"n,,n=v,r=a",
                format!("r=ab,s=c2FsdA==,i={count}").as_bytes(),
            )
        };

        assert_eq!(check("4096"), Ok(()));
        assert_eq!(check("1000000"), Ok(()));
        for refused in [
            "1",
            "4095",
            "1000001",
            "4294967295",
            "99999999999",
            "-1",
            "",
        ] {
            assert!(check(refused).is_err(), "{refused} was accepted");
        }
    }

    #[test]
    fn a_demanded_extension_is_refused() {
        assert!(check_challenge(b"n,,n=v,r=a", b"m=x,r=ab,s=c2FsdA==,i=4096").is_err());
    }

    #[test]
    fn a_wrong_password_is_fatal_and_a_busy_server_is_not() {
        let failure = |condition: &str| -> ConnectError {
            let text = format!("<failure xmlns='{SASL}'><{condition}/></failure>");
            Answer::read(&text.parse().unwrap()).unwrap_err()
        };

        let wrong = failure("not-authorized");
        let disabled = failure("account-disabled");
        let busy = failure("temporary-auth-failure");

        assert_eq!(wrong, ConnectError::Fatal(FatalReason::WrongPassword));
        assert_eq!(disabled, ConnectError::Fatal(FatalReason::AccountDisabled));
        assert!(matches!(busy, ConnectError::Passing(_)));
    }

    #[test]
    fn names_with_separators_are_escaped_and_passwords_are_prepared() {
        assert_eq!(escape_name("a=b,c"), "a=3Db=2Cc");
        // The same letter, composed and with a separate mark.
        assert_eq!(*prepared("u\u{308}"), "\u{fc}");
        assert_eq!(*prepared("correct horse"), "correct horse");
    }
}
