//! Keeps one stream up: connect, log in, resume or bind, run, and after a break wait and again.
//!
//! One task owns the stream whole and is the only one to read and write it. tokio-xmpp's own
//! resilient stream is not used: it hides why the server ended the stream, acknowledges what is not
//! stored yet, and resumes for ever over a stanza that it cannot read.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use futures::SinkExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, timeout};

use super::account::Account;
use super::arrival::{Arrival, FatalReason};
use super::arrivals::Arrivals;
use super::backoff::{AfterStreamError, Backoff, after_stream_error};
use super::bind::{self, Begun};
use super::connector::{ConnectError, Connector};
use super::incoming::Parties;
use super::link::{Command, Shared};
use super::live::{End, poll_wire, take_step};
use super::login;
use super::session::Session;
use super::sm::{Miscounted, Outgoing};
use super::wire::Wire;
use super::xml::{self, Xml, ns};

/// How long logging in and binding may take, once connected.
pub(super) const LOGIN_TIMEOUT: Duration = Duration::from_secs(40);
/// How long saying good-bye may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Starts the task, and one that reports should it die.
pub(crate) fn spawn(
    account: Account,
    parties: Parties,
    commands: mpsc::UnboundedReceiver<Command>,
    daemon: mpsc::Sender<Arrival>,
    shared: Shared,
) {
    let arrivals = Arrivals::new(daemon.clone());
    let session = Session::new(parties, arrivals, shared);
    let keeper = tokio::spawn(async move {
        let mut keeper = Keeper {
            account,
            session,
            commands,
            backoff: Backoff::default(),
        };
        keeper.run().await;
    });
    tokio::spawn(async move {
        if keeper.await.is_err_and(|error| error.is_panic()) {
            // Nobody may be listening any more.
            let _ = daemon.send(Arrival::Fatal(FatalReason::Internal)).await;
        }
    });
}

/// Why the established stream is over.
enum Over {
    /// We were asked to stop, or nobody uses us any more.
    Stopped(Option<oneshot::Sender<()>>),
    Ended(End),
}

/// How to begin after a stanza that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// With where this stream was, but over that stanza: the server would only send it again.
    ResumeOverIt,
    /// From nothing.
    Fresh,
}

/// Streams that ended with a stanza that cannot be read, without any other in between.
#[derive(Debug, Default)]
struct Unreadables {
    in_a_row: u32,
}

impl Unreadables {
    /// So many times the old stream is tried again.
    const TRIES: u32 = 3;

    fn next(&mut self, came_further: bool) -> Next {
        self.in_a_row = if came_further {
            1
        } else {
            self.in_a_row.saturating_add(1)
        };
        if self.in_a_row <= Self::TRIES {
            Next::ResumeOverIt
        } else {
            Next::Fresh
        }
    }
}

struct Keeper {
    account: Account,
    session: Session,
    commands: mpsc::UnboundedReceiver<Command>,
    backoff: Backoff,
}

impl Keeper {
    async fn run(&mut self) {
        let connector = match Connector::new(&self.account, &self.session.parties.domain) {
            Ok(connector) => connector,
            Err(reason) => return self.session.arrivals.push(Arrival::Fatal(reason)),
        };
        let mut unreadables = Unreadables::default();
        let mut was_online = self.account.has_worked;
        loop {
            let wait = match self.begin(&connector).await {
                Began::Stopped(done) => return finish(done),
                Began::Not(ConnectError::Fatal(reason)) if is_final(&reason, was_online) => {
                    return self.session.arrivals.push(Arrival::Fatal(reason));
                }
                Began::Not(ConnectError::Fatal(reason)) => {
                    self.report_offline(&reason.to_string());
                    self.backoff.next_long(random())
                }
                Began::Not(ConnectError::Passing(reason)) => {
                    self.report_offline(&reason);
                    self.backoff.next(random())
                }
                Began::Yes(mut wire) => {
                    was_online = true;
                    let since = Instant::now();
                    let before = self.session.counts.passed_on();
                    let over = self.live(&mut wire).await;
                    self.session.set_online(false);
                    let carried = self.session.take_carried() && is_the_lines_end(&over);
                    self.backoff.stream_over(since.elapsed(), carried);
                    let further = self.session.counts.passed_on() > before;
                    match self.take_end(over, &mut unreadables, further) {
                        Ok(wait) => wait,
                        Err(done) => return finish(done),
                    }
                }
            };
            if let Err(done) = self.wait(wait).await {
                return finish(done);
            }
        }
    }

    /// Connects, logs in, and resumes or binds, all the while answering commands.
    async fn begin(&mut self, connector: &Connector) -> Began {
        let resumption = self.session.counts.resumption();
        let Self {
            account,
            session,
            commands,
            ..
        } = self;
        let parties = session.parties.clone();
        let user = parties
            .bare
            .split('@')
            .next()
            .unwrap_or_default()
            .to_owned();
        let begin = async {
            let connected = connector.connect().await?;
            let peer_address = connected.peer_address;
            let password = &account.password;
            let log_in = async {
                let allow_plain = account.allow_plain;
                let (mut wire, features) =
                    login::login(connected, &user, &parties.domain, password, allow_plain).await?;
                let begun =
                    bind::begin(&mut wire, &features, resumption, &account.resource).await?;
                Ok::<_, ConnectError>((wire, begun))
            };
            let late = |_| ConnectError::Passing("the login took too long".to_owned());
            let (wire, begun) = timeout(LOGIN_TIMEOUT, log_in).await.map_err(late)??;
            Ok::<_, ConnectError>((wire, begun, peer_address))
        };
        let mut begin = Box::pin(begin);
        let begun = loop {
            tokio::select! {
                begun = &mut begin => break begun,
                command = commands.recv() => {
                    let Some(command) = command else { return Began::Stopped(None) };
                    if let Some(done) = session.handle_command(command) {
                        return Began::Stopped(Some(done));
                    }
                }
            }
        };
        drop(begin);
        match begun {
            Ok((wire, begun, peer_address)) => match self.take_begun(begun) {
                Ok(fresh) => {
                    self.session.set_online(true);
                    log::info!("connected{}", if fresh { "" } else { ", stream resumed" });
                    if fresh {
                        self.session.set_up();
                    }
                    self.session.arrivals.push(Arrival::Online {
                        fresh,
                        peer_address,
                    });
                    Began::Yes(Box::new(wire))
                }
                Err(error) => Began::Not(error),
            },
            Err(error) => Began::Not(error),
        }
    }

    /// Takes over how the stream begins. Returns whether it is a fresh one.
    fn take_begun(&mut self, begun: Begun) -> Result<bool, ConnectError> {
        match begun {
            Begun::Resumed { h } => match self.session.resumed(h) {
                Ok(()) => Ok(false),
                Err(Miscounted) => {
                    self.session.begin_fresh();
                    Err(ConnectError::Passing(
                        "the server counted wrongly".to_owned(),
                    ))
                }
            },
            Begun::Bound {
                full_jid,
                counted,
                last_h,
            } => {
                if let Some(h) = last_h {
                    // What the old stream still brought over is not lost. A wrong count changes
                    // nothing: that stream is given up.
                    let _ = self.session.acked(h);
                }
                self.session.begin_fresh();
                if let Some(parties) = Parties::new(&self.session.parties.bare, &full_jid) {
                    self.session.parties = parties;
                }
                if let Some(id) = counted {
                    self.session.counts.enable(id);
                }
                Ok(true)
            }
        }
    }

    /// Runs the established stream until it ends.
    async fn live(&mut self, wire: &mut Wire) -> Over {
        loop {
            if let Some(h) = self.session.counts.later_answer() {
                self.session.tell(h);
            }
            let handled = self.session.counts.handled();
            let waiting = self.session.arrivals.waiting();
            let room = self.session.arrivals.has_room(self.session.awaits_answer());
            let Self {
                session, commands, ..
            } = self;
            tokio::select! {
                step = poll_fn(|cx| poll_wire(wire, session, room, cx)) => {
                    if let Some(end) = take_step(&mut self.session, step) {
                        return Over::Ended(end);
                    }
                }
                command = commands.recv() => {
                    let Some(command) = command else {
                        self.say_good_bye(wire).await;
                        return Over::Stopped(None);
                    };
                    if let Some(done) = self.session.handle_command(command) {
                        self.say_good_bye(wire).await;
                        return Over::Stopped(Some(done));
                    }
                }
                () = handled.grown() => {}
                () = waiting.fewer(), if !room => {}
            }
            if !self.session.arrivals.has_listener() {
                self.say_good_bye(wire).await;
                return Over::Stopped(None);
            }
        }
    }

    /// Sends what is queued, says that we go, and closes the stream.
    async fn say_good_bye(&mut self, wire: &mut Wire) {
        let gone = Xml::in_ns("presence", ns::CLIENT)
            .attr("type", "unavailable")
            .into_text();
        self.session
            .queue
            .extend(xml::read(&gone).map(|gone| Outgoing {
                element: Box::new(gone),
                token: None,
            }));
        let session = &mut self.session;
        let settle = async {
            while !session.has_settled() {
                let step = poll_fn(|cx| poll_wire(wire, session, true, cx)).await;
                if take_step(session, step).is_some() {
                    break;
                }
            }
        };
        // The server hangs or not: we go.
        let _ = timeout(CLOSE_TIMEOUT, settle).await;
        if self.session.counts.is_enabled() {
            let h = self.session.counts.answer();
            self.session.tell(h);
            let _ = timeout(CLOSE_TIMEOUT, async {
                for nonza in std::mem::take(&mut self.session.nonzas) {
                    wire.send(&nonza).await?;
                }
                io::Result::Ok(())
            })
            .await;
        }
        let _ = timeout(CLOSE_TIMEOUT, wire.shutdown()).await;
    }

    /// Draws the consequences of an end: how long to wait, or who waits for us to stop.
    fn take_end(
        &mut self,
        over: Over,
        unreadables: &mut Unreadables,
        came_further: bool,
    ) -> Result<Duration, Option<oneshot::Sender<()>>> {
        let end = match over {
            Over::Stopped(done) => return Err(done),
            Over::Ended(end) => end,
        };
        match end {
            End::Broken(reason) => {
                self.report_offline(&reason);
                Ok(self.backoff.next(random()))
            }
            End::Unreadable(reason) => {
                self.session.fail_unreadable_queries();
                match unreadables.next(came_further) {
                    Next::ResumeOverIt => {
                        // Not while earlier ones are still being stored; then it comes again.
                        let skipped = self.session.counts.skip_next();
                        log::warn!("a stanza cannot be read; skipped: {skipped}");
                    }
                    Next::Fresh => self.session.begin_fresh(),
                }
                self.report_offline(&reason);
                Ok(self.backoff.next(random()))
            }
            End::Ended(error) => {
                let words = error.text.as_deref().unwrap_or("no reason given");
                self.report_offline(&format!("{} ({words})", error.condition));
                match after_stream_error(&error.condition) {
                    AfterStreamError::Resume => Ok(self.backoff.next(random())),
                    AfterStreamError::Fresh => {
                        self.session.begin_fresh();
                        Ok(self.backoff.next(random()))
                    }
                    AfterStreamError::FreshLater => {
                        self.session.begin_fresh();
                        Ok(self.backoff.next_long(random()))
                    }
                }
            }
        }
    }

    fn report_offline(&self, reason: &str) {
        log::info!("not connected: {reason}");
        self.session.arrivals.push(Arrival::Offline {
            reason: reason.to_owned(),
        });
    }

    /// Waits before the next attempt, all the while answering commands.
    async fn wait(&mut self, wait: Duration) -> Result<(), Option<oneshot::Sender<()>>> {
        let over = sleep(wait);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                command = self.commands.recv() => {
                    let Some(command) = command else { return Err(None) };
                    if let Some(done) = self.session.handle_command(command) {
                        return Err(Some(done));
                    }
                }
            }
        }
    }
}

/// Whether the connection broke, and neither we nor the server had anything against the other: what
/// carried messages until then may do so again at once.
fn is_the_lines_end(over: &Over) -> bool {
    match over {
        Over::Ended(End::Broken(_)) => true,
        Over::Ended(End::Ended(error)) => {
            after_stream_error(&error.condition) == AfterStreamError::Resume
        }
        Over::Ended(End::Unreadable(_)) | Over::Stopped(_) => false,
    }
}

/// How an attempt to begin went.
enum Began {
    Yes(Box<Wire>),
    Not(ConnectError),
    Stopped(Option<oneshot::Sender<()>>),
}

/// Whether to give up for this reason. What can be a passing fault of a server that worked before
/// is not final then.
fn is_final(reason: &FatalReason, was_online: bool) -> bool {
    match reason {
        FatalReason::CertificateNotTrusted(_)
        | FatalReason::NoAcceptableLogin { .. }
        | FatalReason::Policy(_) => !was_online,
        FatalReason::WrongPassword
        | FatalReason::AccountDisabled
        | FatalReason::ServerNotAuthentic(_)
        | FatalReason::Settings(_)
        | FatalReason::Internal => true,
    }
}

fn finish(done: Option<oneshot::Sender<()>>) {
    if let Some(done) = done {
        // Whoever asked may have stopped waiting.
        let _ = done.send(());
    }
}

fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::wire::StreamError;
    use super::*;

    #[test]
    fn a_stream_that_comes_no_further_is_left_behind_after_three_tries() {
        let mut unreadables = Unreadables::default();

        let stuck: Vec<Next> = (0..4).map(|_| unreadables.next(false)).collect();
        let moving: Vec<Next> = (0..4).map(|_| unreadables.next(true)).collect();

        assert_eq!(stuck[..3], [Next::ResumeOverIt; 3]);
        assert_eq!(stuck[3], Next::Fresh);
        assert_eq!(moving, [Next::ResumeOverIt; 4]);
    }

    #[test]
    fn only_a_line_that_broke_may_be_of_use_again_at_once() {
        let ended = |condition: &str| {
            Over::Ended(End::Ended(StreamError {
                condition: condition.to_owned(),
                text: None,
            }))
        };

        assert!(is_the_lines_end(&Over::Ended(End::Broken(String::new()))));
        assert!(is_the_lines_end(&ended("connection-timeout")));
        for other in [
            ended("conflict"),
            ended("not-well-formed"),
            Over::Ended(End::Unreadable(String::new())),
            Over::Stopped(None),
        ] {
            assert!(!is_the_lines_end(&other));
        }
    }

    #[test]
    fn a_wrong_password_is_always_final_and_a_certificate_only_at_first() {
        let certificate = FatalReason::CertificateNotTrusted("x".to_owned());

        assert!(is_final(&FatalReason::WrongPassword, true));
        assert!(is_final(&certificate, false));
        assert!(!is_final(&certificate, true));
    }
}
