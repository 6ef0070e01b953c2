//! `--register`: makes the vault's account at a server, with a password that nobody has seen.
//!
//! The one part of set-up that touches the network, and only when it is asked to.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, lchown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, ensure};
use zeroize::Zeroizing;

use super::Init;
use crate::{
    config::Config,
    daemon::start::own_account,
    keeper::owner::CODE_ALPHABET,
    state::write_private,
    xmpp::{self, RegisterError, Registered, Registration},
};

/// Letters of a password: 160 random bits.
pub(super) const PASSWORD_LETTERS: usize = 32;
/// Letters of a name: it says nothing, and nobody else has it.
const NAME_LETTERS: usize = 12;
/// How often another name is drawn when somebody has the first.
const DRAWS: usize = 3;

/// An account that is to be made. Its password file goes again unless the account is there.
pub(super) struct NewAccount {
    domain: String,
    /// Whether the name was drawn, so that another one will do.
    drawn: bool,
    password_file: PathBuf,
    keep: bool,
}

impl Drop for NewAccount {
    fn drop(&mut self) {
        if !self.keep {
            // Made by this very run, for an account that is not there.
            let _ = fs::remove_file(&self.password_file);
        }
    }
}

/// Draws name and password of a new account, if one is asked for, and writes the password to its
/// file. The network is not touched yet.
pub(super) fn prepare(init: &mut Init) -> anyhow::Result<Option<NewAccount>> {
    let Some(domain) = init.register.clone() else {
        return Ok(None);
    };
    let bare = jid::BareJid::new(&domain).ok();
    let bare = bare.filter(|it| it.node().is_none() && it.to_string() == domain);
    ensure!(
        bare.is_some(),
        "\"{domain}\" is no domain like \"example.org\""
    );
    let given = init.jid.as_deref();
    let fits = |jid: &str| jid.split_once('@').is_some_and(|(_, at)| at == domain);
    ensure!(
        given.is_none_or(fits),
        "--jid and --register name different servers; write the address as NAME@{domain}, or leave \
         --jid out and a name is drawn"
    );
    let path = init.password_file.clone();
    ensure!(
        !path.exists(),
        "the password file {} exists already; it may hold the password of another account, so name \
         another file",
        path.display()
    );
    let drawn = init.jid.is_none();
    if drawn {
        init.jid = Some(format!("{}@{domain}", name()?));
    }
    let writing = || format!("while writing the password file {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(writing)?;
    }
    let password = letters::<PASSWORD_LETTERS>()?;
    write_private(&path, format!("{}\n", *password).as_bytes()).with_context(writing)?;
    Ok(Some(NewAccount {
        domain,
        drawn,
        password_file: path,
        keep: false,
    }))
}

/// Makes the account, and says so. `config` gets another name if the one drawn is taken.
///
/// Returns what the owner has to know should set-up fail afterwards: the account is there.
pub(super) fn register(mut new: NewAccount, config: &mut Config) -> anyhow::Result<String> {
    let password_file = new.password_file.display().to_string();
    let mut tries = 0;
    let outcome = loop {
        tries += 1;
        let account = own_account(config)?;
        match xmpp::run_alone(async move { xmpp::register(&account).await })? {
            Err(RegisterError::Taken) if new.drawn && tries < DRAWS => {
                config.account.jid = format!("{}@{}", name()?, new.domain);
            }
            outcome => break outcome,
        }
    };
    let jid = &config.account.jid;
    let later = format!(
        "run it again with \"--jid {jid}\" and the same --password-file, without --register"
    );
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            new.keep = matches!(error, RegisterError::Unknown(_));
            return Err(anyhow!(words(&error, &new, &later)));
        }
    };
    new.keep = true;
    for_the_daemon(&new.password_file, &config.vault.system)
        .context("while handing the password file over to the daemon's user")?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "The account {jid} is made. Its password is in {password_file}, and nowhere else.\n"
    )?;
    match outcome {
        Registered::Untried(why) => writeln!(
            out,
            "Whether it works could not be tried: {why}. Try: strongroom check\n"
        )?,
        Registered::NotLetIn => {
            return Err(anyhow!(
                "the account {jid} is made, and {} does not let it in yet: somebody there has to \
                 approve it. Its password is in {password_file}; once it is approved, {later}",
                new.domain
            ));
        }
        Registered::Ready => {}
    }
    Ok(format!(
        "the account {jid} is made, but not the vault; {later}"
    ))
}

/// What happened, and what to do.
fn words(error: &RegisterError, new: &NewAccount, later: &str) -> String {
    let domain = &new.domain;
    let by_hand = "then run it again with --jid and its password, without --register";
    match error {
        RegisterError::NotReached(why) => format!(
            "{domain} could not be asked for an account: {why}. Nothing was made; \"strongroom check \
             {domain}\" tells more"
        ),
        RegisterError::Demands(Registration::Captcha { url: Some(url) }) => format!(
            "{domain} wants proof that you are a person. Make the account with a browser at {url}, \
             {by_hand}"
        ),
        RegisterError::Demands(Registration::Captcha { url: None }) => format!(
            "{domain} wants proof that you are a person (a CAPTCHA). Make the account with an XMPP \
             app, {by_hand}"
        ),
        RegisterError::Demands(Registration::WebForm { url }) => format!(
            "{domain} makes accounts on a web page only. Make it with a browser at {url}, {by_hand}"
        ),
        RegisterError::Demands(Registration::WantsMore(fields)) => format!(
            "{domain} wants to know more than a name and a password: {}. Make the account with an \
             XMPP app, {by_hand}",
            fields.join(", ")
        ),
        RegisterError::Taken => format!(
            "somebody at {domain} has this name. Give another with --jid, or leave --jid out and one \
             is drawn"
        ),
        RegisterError::NotAcceptable(_) => format!(
            "{domain} cannot use this: {error}. Give another name with --jid, or leave --jid out and \
             one is drawn"
        ),
        RegisterError::Later(_) => format!(
            "{domain} has no account for you now: {error}. Wait an hour or a day and try again, or \
             choose another server"
        ),
        RegisterError::Unknown(_) => format!(
            "it is not known whether {domain} has made the account: {error}. Try \"strongroom check\" \
             with its address and --password-file {}; if that logs in, {later}; if not, remove that \
             file and try again",
            new.password_file.display()
        ),
        RegisterError::Demands(Registration::Open | Registration::NotOffered)
        | RegisterError::NotAllowed(_) => format!(
            "{domain} makes no accounts this way: {error}. Look for its web page or its \
             administrator, or choose another server; if you get an account, give it with --jid and \
             without --register"
        ),
    }
}

/// Made by root, it is for the daemon's user all the same.
fn for_the_daemon(path: &Path, system: &Path) -> io::Result<()> {
    let folder = fs::metadata(system)?;
    lchown(path, Some(folder.uid()), Some(folder.gid()))
}

pub(super) fn name() -> anyhow::Result<String> {
    let mut name = letters::<NAME_LETTERS>()?.to_ascii_lowercase();
    // Some servers want a letter first.
    name.replace_range(..1, "v");
    Ok(name)
}

pub(super) fn letters<const COUNT: usize>() -> anyhow::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; COUNT]);
    getrandom::fill(&mut *bytes).context("while drawing a name or a password")?;
    let letters = bytes.iter().map(|byte| {
        // 32 letters divide 256 evenly, so each is as likely as any other.
        let letter = CODE_ALPHABET.get(usize::from(byte % 32)).copied();
        char::from(letter.unwrap_or(b'0'))
    });
    let mut text = Zeroizing::new(String::with_capacity(COUNT));
    text.extend(letters);
    Ok(text)
}
