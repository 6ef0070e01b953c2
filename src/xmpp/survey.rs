//! Looks at a server from outside and, with an account, from inside: what `strongroom check` tells.
//!
//! It uses streams of its own under a resource of its own, so that a running daemon is not
//! disturbed, and announces no presence, so that no message comes to it. It finds out; what is good
//! or bad about it is judged by whoever asked.

use std::net::SocketAddr;

use super::account::Account;
use super::arrival::FatalReason;
use super::bind::{self, Begun};
use super::connector::{ConnectError, Connected, Connector, Origin};
use super::conversation::{Conversation, words};
use super::inside::{self, Inside};
use super::login::{self, LoginWay};
use super::registration::{self, Registration};

/// The beginning of the resource.
const RESOURCE: &str = "strongroom-check";

/// What is known of a server.
#[derive(Debug)]
pub struct Survey {
    /// The domain that was looked at.
    pub domain: String,
    /// Where the hosts come from.
    pub origin: Origin,
    /// The hosts that were tried, in their order.
    pub hosts: Vec<Host>,
    /// How one logs in; what the server offers if none of it will do; `None` if it was not reached.
    pub login: Option<Result<LoginWay, String>>,
    /// What the server says to whom wants an account, or why it did not say.
    pub registration: Option<Result<Registration, String>>,
    /// What is seen from inside; `None` without an account.
    pub inside: Option<Result<Inside, NotInside>>,
}

/// A host of a server.
#[derive(Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// TLS begins with the first byte.
    pub direct_tls: bool,
    /// How it went.
    pub outcome: Reached,
}

/// How an attempt to reach a host went.
#[derive(Debug)]
pub enum Reached {
    /// There is an encrypted stream with a certificate that is believed.
    Yes {
        /// Where it leads; unknown behind a proxy.
        address: Option<SocketAddr>,
    },
    /// It is there, and its certificate is not believed.
    NotTrusted(String),
    /// It is there, and will not have us.
    Refused(String),
    /// It could not be reached.
    No(String),
}

/// Why there is nothing to tell from inside.
#[derive(Debug)]
pub enum NotInside {
    /// The account is not let in.
    Refused(FatalReason),
    /// The login did not come to an end.
    Failed(String),
}

/// Looks at the server of `account`, logs in if the account has a name, and looks at what there is
/// between it and `owner`.
///
/// The password is shown to the server only if the account allows that.
///
/// # Errors
///
/// When the settings cannot work.
pub async fn survey(account: &Account, owner: Option<&str>) -> Result<Survey, FatalReason> {
    let (user, domain) = match account.jid.split_once('@') {
        Some((user, domain)) => (Some(user), domain),
        None => (None, account.jid.as_str()),
    };
    let connector = Connector::new(account, domain)?;
    let (targets, origin) = connector.targets().await;
    let mut survey = Survey {
        domain: domain.to_owned(),
        origin,
        hosts: Vec::new(),
        login: None,
        registration: None,
        inside: None,
    };
    let mut first = None;
    for target in targets {
        let outcome = match connector.try_target(&target).await {
            Ok(connected) => {
                let address = connected.peer_address;
                if first.is_none() {
                    first = Some((connected, target.clone()));
                }
                Reached::Yes { address }
            }
            Err(ConnectError::Fatal(FatalReason::CertificateNotTrusted(why))) => {
                Reached::NotTrusted(why)
            }
            Err(error @ ConnectError::Fatal(_)) => Reached::Refused(words(&error)),
            Err(error @ ConnectError::Passing(_)) => Reached::No(words(&error)),
        };
        survey.hosts.push(Host {
            name: target.host,
            port: target.port,
            direct_tls: target.direct_tls,
            outcome,
        });
    }
    let Some((connected, target)) = first else {
        return Ok(survey);
    };
    survey.login = Some(login::way_in(&connected));
    if let Some(user) = user {
        survey.inside = Some(look_inside(connected, account, user, domain, owner).await);
    }
    // Some servers end the stream over this question: it gets one of its own.
    let asked = match connector.try_target(&target).await {
        Ok(connected) => {
            let mut conversation = Conversation::new(connected.wire);
            let offer = registration::ask(&mut conversation, domain).await;
            conversation.close().await;
            offer
                .map(|offer| offer.kind)
                .map_err(|error| error.to_string())
        }
        Err(error) => Err(words(&error)),
    };
    survey.registration = Some(asked);
    Ok(survey)
}

async fn look_inside(
    connected: Connected,
    account: &Account,
    user: &str,
    domain: &str,
    owner: Option<&str>,
) -> Result<Inside, NotInside> {
    let resource = format!("{RESOURCE}-{:08x}", getrandom::u32().unwrap_or_default());
    let begin = async {
        let allow_plain = account.allow_plain;
        let (mut wire, features) =
            login::login(connected, user, domain, &account.password, allow_plain).await?;
        let begun = bind::begin(&mut wire, &features, None, &resource).await?;
        Ok::<_, ConnectError>((wire, begun))
    };
    let (wire, begun) = match tokio::time::timeout(super::stream::LOGIN_TIMEOUT, begin).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(ConnectError::Fatal(reason))) => return Err(NotInside::Refused(reason)),
        Ok(Err(ConnectError::Passing(why))) => return Err(NotInside::Failed(why)),
        Err(_) => return Err(NotInside::Failed("it took too long".to_owned())),
    };
    let resumable = match begun {
        Begun::Bound { counted, .. } => counted.map(|id| id.is_some()),
        Begun::Resumed { .. } => None,
    };
    let mut conversation = Conversation::new(wire);
    let inside = inside::look(&mut conversation, &account.jid, domain, owner, resumable).await;
    conversation.close().await;
    Ok(inside)
}
