//! Making an account at a server, in the stream itself (XEP-0077), and what stands in the way.
//!
//! A stream is always encrypted before anything is asked. It chooses neither name nor password.

use std::fmt;

use minidom::Element;

use super::account::Account;
use super::arrival::FatalReason;
use super::connector::{ConnectError, Connector};
use super::conversation::{Conversation, tidy, words};
use super::iq::{self, form_value};
use super::link::{Refusal, Request, RequestError};
use super::login;
use super::xml::{self, Xml, ns};

pub(super) const REGISTER: &str = "jabber:iq:register";
const OOB: &str = "jabber:x:oob";
const CAPTCHA: &str = "urn:xmpp:captcha";
const MEDIA: &str = "urn:xmpp:media-element";
/// XEP-0158 4.1: fields that want a person.
const RIDDLES: [&str; 13] = [
    "SHA-256",
    "audio_recog",
    "captcha-fallback-text",
    "captcha-fallback-url",
    "ocr",
    "picture_q",
    "picture_recog",
    "qa",
    "speech_q",
    "speech_recog",
    "video_q",
    "video_recog",
    "challenge",
];

/// What a server says to whom wants an account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Registration {
    /// A name and a password are all it wants.
    Open,
    /// It wants to know more, under these names.
    WantsMore(Vec<String>),
    /// It wants proof that a person asks; some have a web page for it.
    Captcha {
        /// The page.
        url: Option<String>,
    },
    /// It makes accounts on a web page only.
    WebForm {
        /// The page.
        url: String,
    },
    /// It makes no accounts this way.
    NotOffered,
}

/// What became of a new account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Registered {
    /// It is there, and one can log in.
    Ready,
    /// It is there, and the server does not let it in yet: somebody has to approve it.
    NotLetIn,
    /// It is there; whether one can log in could not be tried.
    Untried(String),
}

/// Why there is no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The server could not be reached, or not be believed.
    #[error("the server could not be asked: {0}")]
    NotReached(String),
    /// The server wants something that this program cannot give.
    #[error("the server does not make an account for a program")]
    Demands(Registration),
    /// Somebody has this name.
    #[error("the name is taken")]
    Taken,
    /// The server does not like the name or the password.
    #[error("the server does not accept the name or the password{0}")]
    NotAcceptable(Said),
    /// The server makes no accounts, or not for this network.
    #[error("the server makes no account for us{0}")]
    NotAllowed(Said),
    /// The server makes no more accounts for now.
    #[error("the server makes no more accounts for now{0}")]
    Later(Said),
    /// The connection broke after the request had been sent: the account may be there.
    #[error("the connection broke before the server's answer came: {0}")]
    Unknown(RequestError),
}

/// The server's own words, if it said any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said(Option<String>);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, " (it says: \"{text}\")"),
            None => Ok(()),
        }
    }
}

/// A question for an account, answered.
pub(super) struct Offer {
    pub(super) kind: Registration,
    /// Fields of a form that have to be sent back as they came.
    hidden: Vec<(String, String)>,
    has_form: bool,
}

/// Makes the account, and logs in once to see whether it works.
///
/// # Errors
///
/// [`RegisterError`]. Only after [`RegisterError::Unknown`] the account may be there.
pub async fn register(account: &Account) -> Result<Registered, RegisterError> {
    let (user, domain) = account.jid.split_once('@').unwrap_or_default();
    let fatal = |reason: FatalReason| RegisterError::NotReached(reason.to_string());
    let connector = Connector::new(account, domain).map_err(fatal)?;
    let not_reached = |error: ConnectError| RegisterError::NotReached(words(&error));
    let connected = connector.connect().await.map_err(not_reached)?;
    let mut conversation = Conversation::new(connected.wire);
    let offer = ask(&mut conversation, domain).await;
    let offer = match offer {
        Ok(offer) => offer,
        Err(error) => return Err(RegisterError::NotReached(error.to_string())),
    };
    if offer.kind != Registration::Open {
        conversation.close().await;
        return Err(RegisterError::Demands(offer.kind));
    }
    let query = fill_in(&offer, user, account.password.expose_to_login());
    let answer = conversation
        .ask_whole(Request::set(Some(domain), query))
        .await;
    conversation.close().await;
    let answer = answer.map_err(RegisterError::Unknown)?;
    if answer.attr("type") == Some("error") {
        return Err(judge(&answer));
    }
    Ok(try_out(&connector, account, user, domain).await)
}

/// Logs in once, to see whether the account is there with this password.
///
/// # Errors
///
/// [`RegisterError::NotReached`].
pub async fn try_login(account: &Account) -> Result<Registered, RegisterError> {
    let (user, domain) = account.jid.split_once('@').unwrap_or_default();
    let fatal = |reason: FatalReason| RegisterError::NotReached(reason.to_string());
    let connector = Connector::new(account, domain).map_err(fatal)?;
    Ok(try_out(&connector, account, user, domain).await)
}

async fn try_out(connector: &Connector, account: &Account, user: &str, domain: &str) -> Registered {
    let login = async {
        let connected = connector.connect().await?;
        let allow_plain = account.allow_plain;
        login::login(connected, user, domain, &account.password, allow_plain).await
    };
    match login.await {
        Ok((wire, _)) => {
            Conversation::new(wire).close().await;
            Registered::Ready
        }
        Err(ConnectError::Fatal(FatalReason::WrongPassword | FatalReason::AccountDisabled)) => {
            Registered::NotLetIn
        }
        Err(error) => Registered::Untried(words(&error)),
    }
}

/// Asks what the server wants to know. XEP-0077 3.1
pub(super) async fn ask(
    conversation: &mut Conversation,
    domain: &str,
) -> Result<Offer, RequestError> {
    let query = Xml::in_ns("query", REGISTER);
    let answer = conversation.ask(Request::get(Some(domain), query)).await;
    let nothing = Offer {
        kind: Registration::NotOffered,
        hidden: Vec::new(),
        has_form: false,
    };
    match answer {
        Ok(Some(query)) if query.is("query", REGISTER) => Ok(read(&query)),
        Ok(_) => Err(RequestError::Unreadable),
        // Servers without it refuse, or end the stream of whom is not logged in.
        Err(RequestError::Refused(_) | RequestError::Offline) => Ok(nothing),
        Err(error) => Err(error),
    }
}

pub(super) fn read(query: &Element) -> Offer {
    let form = xml::child(query, "x", ns::DATA_FORMS);
    let fields = || {
        let fields = form.into_iter().flat_map(Element::children);
        fields.filter(|it| it.is("field", ns::DATA_FORMS))
    };
    let page = xml::child(query, "x", OOB).and_then(|it| it.children().find(|c| c.name() == "url"));
    let page = page.map(|it| tidy(&it.text())).filter(|it| !it.is_empty());
    let is_riddle = |field: &Element| {
        RIDDLES.contains(&field.attr("var").unwrap_or_default())
            || xml::child(field, "media", MEDIA).is_some()
    };
    let riddle = xml::child(query, "captcha", CAPTCHA).is_some()
        || form.is_some_and(|it| form_value(it, "FORM_TYPE").as_deref() == Some(CAPTCHA))
        || fields().any(is_riddle);
    // What is wanted besides name and password. XEP-0077 3.1: without a form, all that is named is.
    let mut more: Vec<String> = match form {
        Some(_) => fields()
            .filter(|it| xml::child(it, "required", ns::DATA_FORMS).is_some())
            .filter_map(|it| it.attr("var"))
            .map(tidy)
            .collect(),
        None => query
            .children()
            .filter(|it| it.has_ns(REGISTER))
            .map(|it| it.name().to_owned())
            .collect(),
    };
    more.retain(|it| !["username", "password", "instructions", "registered"].contains(&&**it));
    let takes_name = match form {
        Some(_) => fields().any(|it| it.attr("var") == Some("username")),
        None => xml::child(query, "username", REGISTER).is_some(),
    };
    let kind = match (riddle, page, takes_name) {
        (true, page, _) => Registration::Captcha {
            url: form
                .and_then(|it| form_value(it, "captcha-fallback-url"))
                .map(|it| tidy(&it))
                .or(page),
        },
        (false, Some(url), false) => Registration::WebForm { url },
        (false, None, false) => Registration::NotOffered,
        (false, _, true) if !more.is_empty() => Registration::WantsMore(more),
        (false, _, true) => Registration::Open,
    };
    let hidden = fields().filter(|it| it.attr("type") == Some("hidden"));
    let hidden = hidden.filter_map(|it| {
        let value = xml::child(it, "value", ns::DATA_FORMS)?;
        Some((it.attr("var")?.to_owned(), value.text()))
    });
    Offer {
        kind,
        hidden: hidden.collect(),
        has_form: form.is_some(),
    }
}

/// XEP-0077 3.1, and 4 where there is a form.
pub(super) fn fill_in(offer: &Offer, user: &str, password: &str) -> Xml {
    let query = Xml::in_ns("query", REGISTER);
    if !offer.has_form {
        return query
            .child(Xml::new("username").text(user))
            .child(Xml::new("password").text(password));
    }
    let field = |name: &str, value: &str| {
        Xml::new("field")
            .attr("var", name)
            .child(Xml::new("value").text(value))
    };
    let form = Xml::in_ns("x", ns::DATA_FORMS)
        .attr("type", "submit")
        .children(offer.hidden.iter().map(|(name, value)| field(name, value)))
        .child(field("username", user))
        .child(field("password", password));
    query.child(form)
}

/// XEP-0077 3.1 and RFC 6120 8.3.3: what a refusal means for whoever tries again.
pub(super) fn judge(answer: &Element) -> RegisterError {
    let Refusal {
        condition, text, ..
    } = iq::read_refusal(answer);
    let said = Said(text.map(|it| tidy(&it)).filter(|it| !it.is_empty()));
    let error = answer.children().find(|it| it.name() == "error");
    let waits = error.is_some_and(|it| it.attr("type") == Some("wait"));
    match condition.as_str() {
        "conflict" => RegisterError::Taken,
        _ if waits => RegisterError::Later(said),
        "resource-constraint" | "policy-violation" => RegisterError::Later(said),
        "not-acceptable" | "bad-request" | "jid-malformed" => RegisterError::NotAcceptable(said),
        _ => RegisterError::NotAllowed(said),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(inside: &str) -> Offer {
        read(
            &format!("<query xmlns='{REGISTER}'>{inside}</query>")
                .parse()
                .unwrap(),
        )
    }

    fn form(fields: &str) -> String {
        format!("<x xmlns='jabber:x:data' type='form'>{fields}</x>")
    }

    const NAME: &str = "<field var='username'><required/></field>\
        <field var='password' type='text-private'><required/></field>";

    #[test]
    fn name_and_password_are_open_with_a_form_and_without() {
        let plain = offer("<instructions>Hi</instructions><username/><password/>");
        let formed = offer(&form(&format!(
            "<field var='FORM_TYPE' type='hidden'><value>jabber:iq:register</value></field>\
             {NAME}<field var='email'/>"
        )));

        assert_eq!(plain.kind, Registration::Open);
        assert_eq!(formed.kind, Registration::Open);
        let sent = fill_in(&formed, "u", "p").into_text();
        assert!(sent.contains("<field var='FORM_TYPE'><value>jabber:iq:register</value></field>"));
        assert!(!sent.contains("email"));
        let sent = fill_in(&plain, "u", "p<").into_text();
        assert!(sent.contains("<username>u</username><password>p&lt;</password>"));
    }

    #[test]
    fn what_else_a_server_wants_is_named() {
        let plain = offer("<username/><password/><email/>");
        let formed = offer(&form(&format!(
            "{NAME}<field var='email'><required/></field>"
        )));

        let wanted = Registration::WantsMore(vec!["email".to_owned()]);
        assert_eq!((&plain.kind, &formed.kind), (&wanted, &wanted));
    }

    #[test]
    fn a_riddle_is_known_in_every_form() {
        let page = "https://example.org/captcha/7";
        let by_type =
            "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:captcha</value></field>";
        let by_field = "<field var='ocr'><required/></field>";
        let by_picture = "<field var='x'><media xmlns='urn:xmpp:media-element'/></field>";
        let fallback = format!("<field var='captcha-fallback-url'><value>{page}</value></field>");

        for fields in [by_type, by_field, by_picture] {
            let kind = offer(&form(&format!("{NAME}{fields}"))).kind;
            assert_eq!(kind, Registration::Captcha { url: None }, "{fields}");
        }
        let with_page = offer(&form(&format!("{NAME}{by_field}{fallback}"))).kind;
        let url = Some(page.to_owned());
        assert_eq!(with_page, Registration::Captcha { url });
    }

    #[test]
    fn a_web_page_instead_of_fields_is_a_redirect() {
        let oob = "<instructions>Go there</instructions>\
            <x xmlns='jabber:x:oob'><url>https://example.org/\u{202e}join</url></x>";

        let redirect = offer(oob);
        let both = offer(&format!("<username/><password/>{oob}"));

        let url = "https://example.org/ join".to_owned();
        assert_eq!(redirect.kind, Registration::WebForm { url });
        assert_eq!(both.kind, Registration::Open);
        assert_eq!(offer("").kind, Registration::NotOffered);
    }

    #[test]
    fn refusals_are_told_apart() {
        let refusal = |kind: &str, condition: &str| {
            let stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas";
            let iq = format!(
                "<iq xmlns='jabber:client' type='error'><error type='{kind}'>\
                 <{condition} xmlns='{stanzas}'/><text xmlns='{stanzas}'>no\n!</text></error></iq>"
            );
            judge(&iq.parse().unwrap())
        };
        let said = || Said(Some("no !".to_owned()));

        assert_eq!(refusal("cancel", "conflict"), RegisterError::Taken);
        let later = RegisterError::Later(said());
        assert_eq!(refusal("wait", "policy-violation"), later);
        assert_eq!(refusal("wait", "not-acceptable"), later);
        assert_eq!(refusal("cancel", "resource-constraint"), later);
        let unfit = RegisterError::NotAcceptable(said());
        assert_eq!(refusal("modify", "not-acceptable"), unfit);
        let not_allowed = RegisterError::NotAllowed(said());
        assert_eq!(refusal("cancel", "not-allowed"), not_allowed);
        assert_eq!(refusal("auth", "forbidden"), not_allowed);
        assert!(not_allowed.to_string().contains("\"no !\""));
    }
}
