//! Files go to the vault: looked up in the journal, uploaded, announced, and waited for until the
//! vault says that it has them.

use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    Send, account, journal,
    journal::Known,
    meet,
    show::{Show, count},
    talk::{Event, Talk},
    upload::{NotUploaded, Seen, upload},
    watch,
};
use crate::{
    keeper::client::lines::{Request, RequestId, Response},
    place::gather,
};

/// Files that are read or uploaded at the same time.
const AT_ONCE: usize = 3;
/// Pauses before a file is tried again; the last one repeats.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// An announcement without an answer is repeated after this long.
const REPEAT: Duration = Duration::from_secs(5 * 60);
/// The same once a line is back that was lost: what was said on it may not have arrived.
const REPEAT_ON_A_NEW_LINE: Duration = Duration::from_secs(20);
/// How often it is looked whether something is due.
const LOOK: Duration = Duration::from_secs(1);

/// A file on its way.
struct Job {
    seen: Seen,
    tries: usize,
}

/// What a task of ours reports.
enum Done {
    Hashed(Job, io::Result<[u8; 32]>),
    Uploaded(Job, [u8; 32], Result<String, NotUploaded>),
}

/// A file that the vault has to answer for.
struct Waiting {
    path: PathBuf,
    /// What announced it, unless an earlier run did.
    line: Option<Request>,
    said_at: Instant,
}

#[derive(Default)]
struct Tally {
    stored: u64,
    same: u64,
    kept: u64,
    before: u64,
    failed: u64,
}

struct Sending {
    talk: Talk,
    show: Show,
    queue: VecDeque<Job>,
    again: Vec<(Instant, Job)>,
    working: usize,
    tell: mpsc::UnboundedSender<Done>,
    waiting: HashMap<RequestId, Waiting>,
    tally: Tally,
    /// When something last got on.
    moved_at: Instant,
}

pub(super) async fn run(send: Send) -> anyhow::Result<bool> {
    let show = Show::new();
    let (state, given) = account::open(&send.connection)?;
    let mut watched = match send.watch {
        true => Some(watch::start(&send.paths).context("while watching")?),
        false => None,
    };
    let mut files = Vec::new();
    if !send.new_only {
        for path in &send.paths {
            let path = std::path::absolute(path)?;
            let found = gather(&path);
            files.extend(found.with_context(|| format!("while looking at {}", path.display()))?);
        }
        ensure!(send.watch || !files.is_empty(), "there are no files there");
    }
    let mut talk = Talk::start(state, given)?;
    let patience = send.connection.patience();
    let code = send.connection.code.as_deref();
    // What was announced in an earlier run is told by the journal afterwards.
    let earlier = |talk: &mut Talk, id, response| {
        journal::answer(&mut talk.desk, id, &response)?;
        Ok(())
    };
    // A watch waits for its vault as long as it takes.
    let first = if send.watch {
        Duration::from_secs(86_400 * 365)
    } else {
        patience
    };
    meet::be_let_in(&mut talk, &show, code, first, earlier).await?;
    let (tell, done) = mpsc::unbounded_channel();
    let mut sending = Sending {
        talk,
        show,
        queue: VecDeque::new(),
        again: Vec::new(),
        working: 0,
        tell,
        waiting: HashMap::new(),
        tally: Tally::default(),
        moved_at: Instant::now(),
    };
    for path in files {
        sending.take(&path);
    }
    if watched.is_some() {
        sending
            .show
            .say("Watching; each new file is sent. Interrupt to end.");
    }
    sending.turn(done, watched.as_mut(), patience).await?;
    sending.end(send.watch).await
}

impl Sending {
    async fn turn(
        &mut self,
        mut done: mpsc::UnboundedReceiver<Done>,
        mut watched: Option<&mut watch::Watched>,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            self.begin_next()?;
            let is_over = self.left() == 0 || self.moved_at.elapsed() > patience;
            if watched.is_none() && is_over {
                return Ok(());
            }
            let left = count(self.left() as u64, "file to go", "files to go");
            self.show.doing(left);
            tokio::select! {
                event = self.talk.next() => self.event(event?)?,
                Some(done) = done.recv() => self.done(done)?,
                Some(path) = watch::next(&mut watched) => self.take(&path),
                () = sleep_until(Instant::now() + LOOK) => self.look()?,
                _ = &mut interrupt => return Ok(()),
            }
        }
    }

    /// Returns how many files are not done.
    fn left(&self) -> usize {
        self.queue.len() + self.again.len() + self.working + self.waiting.len()
    }

    /// Takes a file in hand.
    fn take(&mut self, path: &Path) {
        match Seen::at(path) {
            Ok(seen) => {
                self.show.more(seen.size);
                self.queue.push_back(Job { seen, tries: 0 });
            }
            // It may be gone again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                self.tally.failed += 1;
                self.show
                    .say(&format!("not stored: {}: {error}", path.display()));
            }
        }
    }

    fn begin_next(&mut self) -> anyhow::Result<()> {
        // Without a line each would only fail, and wait the longer for it afterwards.
        while self.talk.online && self.working < AT_ONCE {
            let Some(job) = self.queue.pop_front() else {
                return Ok(());
            };
            match journal::look_up(&mut self.talk.desk, &job.seen)? {
                Known::Safe => {
                    self.tally.before += 1;
                    self.show.meter().inc(job.seen.size);
                }
                Known::Announced(id) => {
                    self.show.meter().inc(job.seen.size);
                    let waiting = Waiting {
                        path: job.seen.path,
                        line: None,
                        said_at: Instant::now(),
                    };
                    self.waiting.insert(id, waiting);
                }
                Known::Unknown => {
                    self.working += 1;
                    let tell = self.tell.clone();
                    tokio::task::spawn_blocking(move || {
                        let hash = job.seen.hash();
                        // Nobody listens any more at the end.
                        let _ = tell.send(Done::Hashed(job, hash));
                    });
                }
            }
        }
        Ok(())
    }

    fn done(&mut self, done: Done) -> anyhow::Result<()> {
        self.moved_at = Instant::now();
        match done {
            Done::Hashed(job, Ok(hash)) => self.hashed(job, hash),
            Done::Hashed(job, Err(error)) => {
                self.working -= 1;
                self.fail(&job.seen.path, &error.to_string());
                Ok(())
            }
            Done::Uploaded(job, hash, Ok(link)) => self.uploaded(job, &hash, link),
            Done::Uploaded(job, _, Err(NotUploaded::Final(why))) => {
                self.working -= 1;
                self.fail(&job.seen.path, &why);
                Ok(())
            }
            Done::Uploaded(job, _, Err(NotUploaded::Passing(why))) => {
                log::debug!("an upload is tried again: {why}");
                self.working -= 1;
                self.try_again(job);
                Ok(())
            }
        }
    }

    fn hashed(&mut self, job: Job, hash: [u8; 32]) -> anyhow::Result<()> {
        if journal::look_up_content(&mut self.talk.desk, &job.seen, &hash)? {
            self.working -= 1;
            self.tally.before += 1;
            self.show.meter().inc(job.seen.size);
            return Ok(());
        }
        let (link, client) = (self.talk.link.clone(), self.talk.transfer.clone());
        let (tell, meter) = (self.tell.clone(), self.show.meter());
        tokio::spawn(async move {
            let uploaded = upload(&link, &client, &job.seen, &meter).await;
            let _ = tell.send(Done::Uploaded(job, hash, uploaded));
        });
        Ok(())
    }

    fn uploaded(&mut self, job: Job, hash: &[u8; 32], link: String) -> anyhow::Result<()> {
        self.working -= 1;
        if !job.seen.holds() {
            // What was sent may be neither what was there nor what is there.
            self.show.meter().dec(job.seen.size);
            self.try_again(job);
            return Ok(());
        }
        let id = meet::request_id()?;
        let line = Request::Put {
            link,
            name: job.seen.name(),
            time: job.seen.seconds(),
        };
        let seen = &job.seen;
        self.talk
            .say(id, &line, |step| journal::announce(step, seen, hash, id))?;
        let waiting = Waiting {
            path: job.seen.path,
            line: Some(line),
            said_at: Instant::now(),
        };
        self.waiting.insert(id, waiting);
        Ok(())
    }

    fn try_again(&mut self, mut job: Job) {
        let pause = PAUSES.get(job.tries).or(PAUSES.last());
        let pause = pause.copied().unwrap_or_default();
        job.tries += 1;
        self.again.push((Instant::now() + pause, job));
    }

    fn fail(&mut self, path: &Path, why: &str) {
        self.tally.failed += 1;
        self.show
            .say(&format!("not stored: {}: {why}", path.display()));
    }

    fn event(&mut self, event: Event) -> anyhow::Result<()> {
        match event {
            Event::Ready => {
                for (due, job) in &mut self.again {
                    (*due, job.tries) = (Instant::now(), 0);
                }
                self.look()?;
                self.repeat(REPEAT_ON_A_NEW_LINE)?;
            }
            Event::Offline(reason) => log::info!("offline: {reason}"),
            Event::Words(_) => self.moved_at = Instant::now(),
            Event::Answer(id, response) => {
                self.moved_at = Instant::now();
                self.answer(id, &response)?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, id: RequestId, response: &Response) -> anyhow::Result<()> {
        let told = journal::answer(&mut self.talk.desk, id, response)?;
        if let Response::Trying { why } = response {
            self.show.say(why);
        }
        // Told before, or by an earlier run.
        let (Some(_), Some(waiting)) = (told, self.waiting.remove(&id)) else {
            return Ok(());
        };
        let name = waiting.path.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        match response {
            Response::Stored { number } => {
                self.tally.stored += 1;
                self.show.say(&format!("#{number} {name}"));
            }
            Response::Same { number } => {
                self.tally.same += 1;
                self.show
                    .say(&format!("#{number} {name} (was there before)"));
            }
            Response::Kept => {
                self.tally.kept += 1;
                self.show.say(&format!("{name}: kept, waits for the key"));
            }
            Response::Failed { why } => self.fail(&waiting.path, why),
            Response::Trying { .. }
            | Response::Welcome { .. }
            | Response::File { .. }
            | Response::Unsent { .. }
            | Response::Missing { .. }
            | Response::Numbers { .. }
            | Response::Said { .. }
            | Response::Done => {}
        }
        Ok(())
    }

    /// Does what is due.
    fn look(&mut self) -> anyhow::Result<()> {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.again)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.again = later;
        for (_, job) in due {
            let tries = job.tries;
            match Seen::at(&job.seen.path) {
                Ok(seen) => self.queue.push_back(Job { seen, tries }),
                Err(error) => self.fail(&job.seen.path, &error.to_string()),
            }
        }
        self.repeat(REPEAT)
    }

    /// Announces anew what was not answered in this time: the vault takes the same content once.
    fn repeat(&mut self, after: Duration) -> anyhow::Result<()> {
        if !self.talk.ready {
            return Ok(());
        }
        for (id, waiting) in &mut self.waiting {
            let Some(line) = waiting.line.as_ref() else {
                continue;
            };
            if waiting.said_at.elapsed() > after {
                waiting.said_at = Instant::now();
                self.talk.say(*id, line, |_| Ok(()))?;
            }
        }
        Ok(())
    }

    /// Says what came of it.
    async fn end(self, is_watch: bool) -> anyhow::Result<bool> {
        self.show.end();
        let unanswered = self.left() as u64;
        let Tally {
            stored,
            same,
            kept,
            before,
            failed,
        } = self.tally;
        let all = stored + same + kept + before + failed + unanswered;
        let mut parts = vec![format!("{stored} stored")];
        let others = [
            (same, "in the vault before"),
            (before, "sent before"),
            (kept, "kept until the vault opens"),
            (failed, "not stored"),
            (unanswered, "without an answer so far"),
        ];
        let others = others.iter().filter(|(number, _)| *number > 0);
        parts.extend(others.map(|(number, what)| format!("{number} {what}")));
        let files = count(all, "file", "files");
        self.show.say(&format!("{files}: {}.", parts.join(", ")));
        if unanswered > 0 && !is_watch {
            self.show
                .say("Run the same again later: only what the vault does not have is sent.");
        }
        self.talk.end().await;
        Ok(failed == 0 && (unanswered == 0 || is_watch))
    }
}
