//! What was found out about a server, judged and in words: two sentences where something is wrong,
//! what it is and what to do.

use chrono::{DateTime, Utc};
use indicatif::DecimalBytes;

use crate::xmpp::{
    Archive, Host, Inside, LoginWay, Nodes, NotInside, Origin, Reached, Registration, RequestError,
    SlotError, Subscription, Survey, Upload,
};

/// A film of a few minutes: what is smaller than this is a nuisance.
const SMALL_LIMIT: u64 = 50_000_000;

/// How a finding is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Fine,
    Note,
    Problem,
}

/// One thing to be told.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) mark: Mark,
    pub(super) text: String,
}

fn fine(text: impl Into<String>) -> Finding {
    finding(Mark::Fine, text)
}

fn note(text: impl Into<String>) -> Finding {
    finding(Mark::Note, text)
}

fn problem(text: impl Into<String>) -> Finding {
    finding(Mark::Problem, text)
}

fn finding(mark: Mark, text: impl Into<String>) -> Finding {
    let text = text.into();
    Finding { mark, text }
}

/// Judges everything, in the order in which it was met.
pub(super) fn judge(survey: &Survey, owner: Option<&str>, allows_plain: bool) -> Vec<Finding> {
    let mut findings = vec![origin(survey)];
    findings.extend(hosts(survey));
    if let Some(login) = &survey.login {
        findings.push(way_in(login, allows_plain));
    }
    match &survey.inside {
        None if survey.login.is_some() => findings.push(note(
            "Without an account there it cannot be said: whether it has an upload service and for \
             how large files, whether it archives messages, whether it keeps keys readable for \
             others. With one: strongroom check ADDRESS --password-file FILE",
        )),
        None => {}
        Some(Err(why)) => findings.push(not_inside(why)),
        Some(Ok(inside)) => findings.extend(look_inside(inside, owner)),
    }
    if let Some(registration) = &survey.registration {
        let has_account = survey.inside.is_some();
        findings.push(new_accounts(registration, has_account));
    }
    findings
}

fn origin(survey: &Survey) -> Finding {
    let domain = &survey.domain;
    match survey.origin {
        Origin::Settings => note("The server was named by hand, not looked up."),
        Origin::Records => fine(format!(
            "Looked up: the records of {domain} name {}.",
            counted(survey.hosts.len(), "host", "hosts")
        )),
        Origin::NoRecords => note(format!(
            "Looked up: {domain} has no records for XMPP, so {domain} itself was tried. If its \
             server stands elsewhere, name it with --server."
        )),
        Origin::Denied => problem(format!(
            "The records of {domain} say that it offers no XMPP. Look for another provider."
        )),
        Origin::Proxy => note(format!(
            "Through a proxy no records can be asked for, so {domain} itself was tried. If its \
             server stands elsewhere, name it with --server."
        )),
    }
}

fn hosts(survey: &Survey) -> Vec<Finding> {
    let reached = |host: &Host| matches!(host.outcome, Reached::Yes { .. });
    let any = survey.hosts.iter().any(reached);
    // A second host that is down is no obstacle while a first one serves.
    let failed = if any { note } else { problem };
    let findings = survey.hosts.iter().map(|host| {
        let Host {
            name,
            port,
            direct_tls,
            outcome,
        } = host;
        let tls = match direct_tls {
            true => "TLS from the first byte",
            false => "TLS after STARTTLS",
        };
        match outcome {
            Reached::Yes { address } => {
                let address = address.map_or(String::new(), |it| format!(" ({})", it.ip()));
                fine(format!(
                    "Reached: {name}:{port}{address}, {tls}, its certificate is believed."
                ))
            }
            Reached::NotTrusted(why) => failed(format!(
                "{name}:{port} shows a certificate that is not believed: {why}. For a server of \
                 your own give its authority with --ca-file; for any other look for another \
                 provider."
            )),
            Reached::Refused(why) => failed(format!(
                "{name}:{port} does not want us: {why}. It serves other domains; look at the \
                 spelling."
            )),
            Reached::No(why) => failed(format!(
                "Not reached, {tls}: {why}. Look at the spelling, and whether a firewall lets \
                 port {port} out."
            )),
        }
    });
    findings.collect()
}

fn way_in(login: &Result<LoginWay, String>, allows_plain: bool) -> Finding {
    match login {
        Ok(LoginWay {
            name,
            shows_password: true,
            ..
        }) if allows_plain => note(format!(
            "Login by {name} only: the server sees the password itself, which your settings allow \
             (account.allow_plain)."
        )),
        Ok(LoginWay {
            name,
            shows_password: true,
            ..
        }) => problem(format!(
            "Login by {name} only, which shows the password itself to the server. If you trust it \
             with that, set account.allow_plain; better look for another provider."
        )),
        Ok(LoginWay {
            name,
            is_bound: true,
            ..
        }) => fine(format!(
            "Login by {name}: the password is not shown, and the login is tied to the encrypted \
             connection."
        )),
        Ok(LoginWay { name, .. }) => fine(format!("Login by {name}: the password is not shown.")),
        Err(offered) => problem(format!(
            "It offers no way to log in that a vault knows (it offers: {}). Look for another \
             provider.",
            if offered.is_empty() { "none" } else { offered }
        )),
    }
}

fn not_inside(why: &NotInside) -> Finding {
    match why {
        NotInside::Refused(reason) => problem(format!(
            "The login did not succeed: {reason}. Look at the address and the password; nothing \
             else can be said without it."
        )),
        NotInside::Failed(why) => problem(format!(
            "The login did not come to an end: {why}. Try again later; nothing else can be said \
             without it."
        )),
    }
}

fn look_inside(inside: &Inside, owner: Option<&str>) -> Vec<Finding> {
    let mut findings = vec![match inside.resumable {
        Some(true) => fine("A connection that breaks is taken up again without loss (XEP-0198)."),
        Some(false) => note(
            "The server counts messages, and does not take a broken connection up again. What \
             comes meanwhile has to come from the archive.",
        ),
        None => note(
            "The server does not count messages (XEP-0198). What comes while a connection breaks \
             has to come from the archive.",
        ),
    }];
    match &inside.archive {
        Ok(archive) => findings.extend(archived(archive.as_ref())),
        Err(error) => findings.push(unanswered("archive", error)),
    }
    match &inside.upload {
        Ok(upload) => findings.extend(uploads(upload.as_ref())),
        Err(error) => findings.push(unanswered("upload service", error)),
    }
    match &inside.nodes {
        Ok(nodes) => findings.extend(keys(*nodes)),
        Err(RequestError::Refused(_)) => findings.push(problem(
            "The account cannot publish its encryption keys (PEP, XEP-0163), so nobody could write \
             to the vault encrypted. Have the server's administrator switch PEP on, or look for \
             another provider.",
        )),
        Err(error) => findings.push(unanswered("publishing of keys", error)),
    }
    match (&inside.subscription, owner) {
        (Some(Ok(state)), Some(owner)) => findings.push(contacts(*state, owner)),
        (Some(Err(error)), _) => findings.push(unanswered("contact list", error)),
        (None | Some(Ok(_)), _) => {}
    }
    findings
}

fn unanswered(what: &str, error: &RequestError) -> Finding {
    problem(format!(
        "The server was asked about its {what}, and it went wrong: {error}. Try again later."
    ))
}

fn archived(archive: Option<&Archive>) -> Vec<Finding> {
    let Some(archive) = archive else {
        return vec![problem(
            "There is no archive (XEP-0313): what is sent while the vault is off may be lost. Have \
             the server's administrator switch it on, or look for another provider.",
        )];
    };
    let since = archive.oldest.map(DateTime::<Utc>::from);
    let since = since.map_or("it is empty".to_owned(), |at| {
        format!("the oldest message in it is of {}", at.format("%-d %b %Y"))
    });
    let kept = match &archive.kept {
        Some(kept) => format!("it says that it keeps them: {kept}"),
        None => "how long it keeps them it does not say".to_owned(),
    };
    let mut findings = vec![fine(format!("Archive of messages: yes; {since}, {kept}."))];
    match archive.by_default.as_deref() {
        Some("never") => findings.push(problem(
            "Nothing gets into the archive of this account, by its settings. Log in with an XMPP \
             app and switch archiving on for all messages.",
        )),
        Some("roster") => findings.push(note(
            "Only contacts' messages get into the archive. The vault and you have to be contacts \
             of each other, which pairing sees to.",
        )),
        Some(_) | None => {}
    }
    findings
}

fn uploads(upload: Option<&Upload>) -> Vec<Finding> {
    let Some(Upload {
        service,
        kept,
        slot,
    }) = upload
    else {
        return vec![problem(
            "There is no upload service (XEP-0363): files get in, but the vault cannot send any \
             back. Have the server's administrator add one, or look for another provider.",
        )];
    };
    let kept = match kept {
        Some(kept) => format!("it says that it keeps them: {kept}"),
        None => "how long it keeps them it does not say".to_owned(),
    };
    let jid = &service.jid;
    let mut findings = vec![match service.max_bytes {
        None => fine(format!(
            "Uploads: {jid} takes files and names no limit; {kept}."
        )),
        Some(most) => {
            let mark = match most < SMALL_LIMIT {
                true => Mark::Note,
                false => Mark::Fine,
            };
            let most = DecimalBytes(most);
            let text = format!(
                "Uploads: {jid} takes files of up to {most}; {kept}. What is larger stays in the \
                 vault, and is read on a computer with strongroom-rescue."
            );
            finding(mark, text)
        }
    }];
    match slot {
        Ok(()) => {}
        Err(SlotError::NotAllowed) => findings.push(problem(
            "This account may not upload. Ask the server's administrator, or look for another \
             provider.",
        )),
        Err(SlotError::Later) => findings.push(note(
            "This account may not upload any more for now: its share is used up. The vault tries \
             again by itself.",
        )),
        Err(error) => findings.push(problem(format!(
            "A place for an upload was asked for and not given: {error}. Try again later; if it \
             stays so, ask the server's administrator."
        ))),
    }
    findings
}

fn keys(nodes: Nodes) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.push(match (nodes.opens, nodes.takes_options) {
        (true, true) => fine("Encryption keys: can be published, and read by everybody."),
        (true, false) => note(
            "Encryption keys: can be published and are open to everybody, though the server does \
             not take wishes with what is published (publish-options). The vault sets the access \
             afterwards.",
        ),
        (false, _) => problem(
            "Encryption keys: can be published, but not opened to everybody (publish-options, open \
             access). Only contacts could write to the vault encrypted: have the server's \
             administrator update it, or look for another provider.",
        ),
    });
    if !nodes.keeps_many {
        findings.push(note(
            "The server keeps one item a node only. That is enough for the encryption that \
             Conversations, Monal, Dino and Gajim speak; apps of the newer kind (OMEMO 2) want more.",
        ));
    }
    findings
}

fn contacts(state: Subscription, owner: &str) -> Finding {
    match state {
        Subscription::Both => fine(format!("{owner} and the vault are contacts of each other.")),
        Subscription::To => problem(format!(
            "{owner} does not have the vault as a contact that may see it. Start the daemon, and \
             add the vault as a contact in your app."
        )),
        Subscription::From => problem(format!(
            "The vault does not see {owner} yet. Start the daemon, and accept the vault's request \
             in your app."
        )),
        Subscription::None => problem(format!(
            "{owner} and the vault are not contacts of each other. Start the daemon, and add the \
             vault as a contact in your app."
        )),
    }
}

fn new_accounts(registration: &Result<Registration, String>, has_account: bool) -> Finding {
    let offered = match registration {
        Ok(offered) => offered,
        Err(why) => {
            return note(format!(
                "New accounts: it was asked, and it went wrong: {why}."
            ));
        }
    };
    let with_app = "Make the account with an XMPP app, then give it to \"strongroom init --jid\".";
    match offered {
        Registration::Open => {
            let how = match has_account {
                true => "",
                false => " \"strongroom init --register\" makes one.",
            };
            fine(format!(
                "New accounts: a name and a password are enough.{how}"
            ))
        }
        Registration::WantsMore(fields) => note(format!(
            "New accounts: it wants to know more ({}). {with_app}",
            fields.join(", ")
        )),
        Registration::Captcha { url: Some(url) } => note(format!(
            "New accounts: it wants proof that you are a person. Go to {url} with a browser, then \
             give the account to \"strongroom init --jid\"."
        )),
        Registration::Captcha { url: None } => note(format!(
            "New accounts: it wants proof that you are a person (CAPTCHA). {with_app}"
        )),
        Registration::WebForm { url } => note(format!(
            "New accounts: on a web page only. Go to {url} with a browser, then give the account \
             to \"strongroom init --jid\"."
        )),
        Registration::NotOffered => note(
            "New accounts: not from here. Its administrator or its web page may have a way; else \
             look for another provider.",
        ),
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(findings: &[Finding]) -> Vec<Mark> {
        findings.iter().map(|it| it.mark).collect()
    }

    #[test]
    fn a_way_in_that_shows_the_password_is_a_problem_unless_it_is_allowed() {
        let way = |shows_password| {
            Ok(LoginWay {
                name: "X",
                is_bound: false,
                shows_password,
            })
        };

        assert_eq!(way_in(&way(true), false).mark, Mark::Problem);
        assert_eq!(way_in(&way(true), true).mark, Mark::Note);
        assert_eq!(way_in(&way(false), false).mark, Mark::Fine);
        assert_eq!(way_in(&Err(String::new()), true).mark, Mark::Problem);
    }

    #[test]
    fn a_host_that_is_down_is_a_problem_only_if_no_other_serves() {
        let host = |outcome| Host {
            name: "x.example".to_owned(),
            port: 5222,
            direct_tls: false,
            outcome,
        };
        let mut survey = Survey {
            domain: "x.example".to_owned(),
            origin: Origin::Records,
            hosts: vec![host(Reached::No("down".to_owned()))],
            login: None,
            registration: None,
            inside: None,
        };

        let alone = marks(&hosts(&survey));
        survey.hosts.push(host(Reached::Yes { address: None }));
        let with_another = marks(&hosts(&survey));

        assert_eq!(alone, [Mark::Problem]);
        assert_eq!(with_another, [Mark::Note, Mark::Fine]);
    }

    #[test]
    fn an_archive_that_takes_nothing_is_a_problem() {
        let archive = |by_default: Option<&str>| Archive {
            oldest: None,
            kept: None,
            by_default: by_default.map(str::to_owned),
        };

        let never = marks(&archived(Some(&archive(Some("never")))));
        let always = marks(&archived(Some(&archive(Some("always")))));

        assert_eq!(never, [Mark::Fine, Mark::Problem]);
        assert_eq!(always, [Mark::Fine]);
        assert_eq!(marks(&archived(None)), [Mark::Problem]);
    }

    #[test]
    fn what_keys_and_contacts_need_is_told_apart() {
        let nodes = |takes_options, opens, keeps_many| Nodes {
            takes_options,
            opens,
            keeps_many,
        };

        assert_eq!(marks(&keys(nodes(true, true, true))), [Mark::Fine]);
        assert_eq!(marks(&keys(nodes(false, true, true))), [Mark::Note]);
        let closed = marks(&keys(nodes(true, false, false)));
        assert_eq!(closed, [Mark::Problem, Mark::Note]);
        let states = [
            (Subscription::Both, Mark::Fine),
            (Subscription::To, Mark::Problem),
            (Subscription::From, Mark::Problem),
            (Subscription::None, Mark::Problem),
        ];
        for (state, mark) in states {
            assert_eq!(contacts(state, "me@example.org").mark, mark, "{state:?}");
        }
    }
}
