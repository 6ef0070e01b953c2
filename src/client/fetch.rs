//! Files come from the vault: which there are, a few at a time, each with a link of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{
    Fetch, account,
    download::{NotFetched, Wanted, download},
    meet,
    show::{Show, count},
    talk::{Event, Talk},
};
use crate::{
    keeper::client::{
        lines::{Request, RequestId, Response, Which},
        what::What,
    },
    place::Placed,
};

/// Files asked for at once: the vault encrypts and uploads each.
const GROUP: usize = 10;
/// How often a file is asked for.
const TRIES: u32 = 3;
/// How often it is looked whether the vault is still there.
const LOOK: Duration = Duration::from_secs(1);

/// What a task of ours reports.
struct Ended {
    wanted: Wanted,
    result: Result<Placed, NotFetched>,
}

struct Fetching {
    talk: Talk,
    show: Show,
    folder: PathBuf,
    /// Still to be asked for, with how often each was.
    queue: BTreeMap<u64, u32>,
    /// Of the request that is open: what has not come.
    open: Option<(RequestId, BTreeMap<u64, u32>)>,
    downloading: BTreeMap<u64, u32>,
    tell: mpsc::UnboundedSender<Ended>,
    fetched: u64,
    before: u64,
    failed: u64,
    moved_at: Instant,
}

pub(super) async fn run(fetch: Fetch) -> anyhow::Result<bool> {
    let what = What::read(&fetch.what)?;
    let show = Show::new();
    fs::create_dir_all(&fetch.into)
        .with_context(|| format!("while making {}", fetch.into.display()))?;
    let folder = fs::canonicalize(&fetch.into)?;
    let (state, given) = account::open(&fetch.connection)?;
    let mut talk = Talk::start(state, given)?;
    let patience = fetch.connection.patience();
    let code = fetch.connection.code.as_deref();
    let nothing = |_: &mut Talk, _, _| Ok(());
    meet::be_let_in(&mut talk, &show, code, patience, nothing).await?;
    let wanted = which(&mut talk, &show, what, patience).await?;
    let (tell, ended) = mpsc::unbounded_channel();
    let mut fetching = Fetching {
        talk,
        show,
        folder,
        queue: wanted.into_iter().map(|number| (number, 0)).collect(),
        open: None,
        downloading: BTreeMap::new(),
        tell,
        fetched: 0,
        before: 0,
        failed: 0,
        moved_at: Instant::now(),
    };
    fetching.leave_out_what_is_there()?;
    fetching.turn(ended, patience).await?;
    fetching.end().await
}

/// Finds out which numbers are meant.
async fn which(
    talk: &mut Talk,
    show: &Show,
    what: What,
    patience: Duration,
) -> anyhow::Result<BTreeSet<u64>> {
    let (what, most) = match what {
        What::Numbers(numbers) => return Ok(numbers),
        What::Last(count) => (Which::All, usize::try_from(count).unwrap_or(usize::MAX)),
        What::Which(which) => (which, usize::MAX),
    };
    let mut found = BTreeSet::new();
    let mut before = 0;
    loop {
        let id = meet::request_id()?;
        let request = Request::Which {
            before,
            what: what.clone(),
        };
        talk.say(id, &request, |_| Ok(()))?;
        let (numbers, more) = answer(talk, show, id, patience).await?;
        before = numbers.last().copied().unwrap_or(0);
        let room = most.saturating_sub(found.len());
        found.extend(numbers.into_iter().take(room));
        if !more || before == 0 || found.len() >= most {
            return Ok(found);
        }
    }
}

async fn answer(
    talk: &mut Talk,
    show: &Show,
    id: RequestId,
    patience: Duration,
) -> anyhow::Result<(Vec<u64>, bool)> {
    let give_up = Instant::now() + patience;
    loop {
        let event = tokio::select! {
            event = talk.next() => event?,
            () = sleep_until(give_up) => bail!("the vault did not answer"),
        };
        let Event::Answer(of, response) = event else {
            continue;
        };
        if of != id {
            continue;
        }
        match response {
            Response::Numbers { numbers, more } => return Ok((numbers, more)),
            Response::Said { text } => show.say(&text),
            Response::Done => bail!("the vault told no numbers"),
            Response::Failed { why } => bail!("{why}"),
            Response::Welcome { .. }
            | Response::Stored { .. }
            | Response::Same { .. }
            | Response::Kept
            | Response::Trying { .. }
            | Response::File { .. }
            | Response::Unsent { .. }
            | Response::Missing { .. } => {}
        }
    }
}

impl Fetching {
    /// Leaves out what an earlier run has put into this folder, and what is still there.
    fn leave_out_what_is_there(&mut self) -> anyhow::Result<()> {
        let (folder, key) = (self.folder.clone(), self.key());
        let step = self.talk.desk.state.begin()?;
        let before = self.queue.len();
        let mut there = Vec::new();
        for number in self.queue.keys() {
            if let Some((name, size)) = step.download(&key, *number)? {
                let place = folder.join(std::ffi::OsStr::from_bytes(&name));
                if fs::symlink_metadata(place).is_ok_and(|it| it.is_file() && it.len() == size) {
                    there.push(*number);
                }
            }
        }
        drop(step);
        self.queue.retain(|number, _| !there.contains(number));
        self.before = (before - self.queue.len()) as u64;
        Ok(())
    }

    fn key(&self) -> Vec<u8> {
        self.folder.as_os_str().as_bytes().to_vec()
    }

    async fn turn(
        &mut self,
        mut ended: mpsc::UnboundedReceiver<Ended>,
        patience: Duration,
    ) -> anyhow::Result<()> {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            self.ask()?;
            let left = self.left();
            if left == 0 || self.moved_at.elapsed() > patience {
                return Ok(());
            }
            self.show
                .doing(count(left as u64, "file to go", "files to go"));
            tokio::select! {
                event = self.talk.next() => self.event(event?)?,
                Some(ended) = ended.recv() => self.ended(ended)?,
                () = sleep_until(Instant::now() + LOOK) => {}
                _ = &mut interrupt => return Ok(()),
            }
        }
    }

    fn left(&self) -> usize {
        let open = self.open.as_ref().map_or(0, |(_, open)| open.len());
        self.queue.len() + self.downloading.len() + open
    }

    /// Asks for the next few, once those before are here.
    fn ask(&mut self) -> anyhow::Result<()> {
        let is_busy = self.open.is_some() || self.downloading.len() >= GROUP;
        if is_busy || self.queue.is_empty() {
            return Ok(());
        }
        let group: BTreeMap<u64, u32> = std::iter::from_fn(|| self.queue.pop_first())
            .take(GROUP)
            .map(|(number, tries)| (number, tries + 1))
            .collect();
        let id = meet::request_id()?;
        let numbers = group.keys().copied().collect();
        self.talk.say(id, &Request::Get { numbers }, |_| Ok(()))?;
        self.open = Some((id, group));
        Ok(())
    }

    fn event(&mut self, event: Event) -> anyhow::Result<()> {
        let Event::Answer(id, response) = event else {
            return Ok(());
        };
        let Some((of, open)) = &mut self.open else {
            return Ok(());
        };
        if *of != id {
            return Ok(());
        }
        self.moved_at = Instant::now();
        match response {
            Response::File {
                number,
                bytes,
                time,
                name,
                link,
            } => {
                let Some(tries) = open.remove(&number) else {
                    return Ok(());
                };
                self.downloading.insert(number, tries);
                self.show.more(bytes);
                self.begin(Wanted {
                    number,
                    bytes,
                    time,
                    name,
                    link,
                });
            }
            Response::Unsent { number, why } => {
                if open.remove(&number).is_some() {
                    self.failed += 1;
                    self.show.say(&format!("not fetched: {why}"));
                }
            }
            Response::Missing { numbers } => {
                for number in numbers {
                    if open.remove(&number).is_some() {
                        self.failed += 1;
                        self.show
                            .say(&format!("not fetched: there is no #{number}"));
                    }
                }
            }
            Response::Said { text } => self.show.say(&text),
            Response::Done | Response::Failed { .. } => {
                let rest = std::mem::take(open);
                self.open = None;
                for (number, tries) in rest {
                    self.retry(number, tries, "the vault did not send it");
                }
            }
            Response::Welcome { .. }
            | Response::Stored { .. }
            | Response::Same { .. }
            | Response::Kept
            | Response::Trying { .. }
            | Response::Numbers { .. } => {}
        }
        Ok(())
    }

    fn begin(&self, wanted: Wanted) {
        let (client, folder) = (self.talk.transfer.clone(), self.folder.clone());
        let (tell, meter) = (self.tell.clone(), self.show.meter());
        tokio::spawn(async move {
            let result = download(&client, &folder, &wanted, &meter).await;
            // Nobody listens any more at the end.
            let _ = tell.send(Ended { wanted, result });
        });
    }

    fn ended(&mut self, Ended { wanted, result }: Ended) -> anyhow::Result<()> {
        self.moved_at = Instant::now();
        let number = wanted.number;
        let Some(tries) = self.downloading.remove(&number) else {
            return Ok(());
        };
        match result {
            Ok(Placed::New(name)) => {
                self.fetched += 1;
                self.show.say(&format!("#{number} {name}"));
                self.note(number, &name, wanted.bytes)?;
            }
            Ok(Placed::There(name)) => {
                self.before += 1;
                self.note(number, &name, wanted.bytes)?;
            }
            Err(NotFetched::Final(why)) => {
                self.failed += 1;
                self.show.say(&format!("not fetched: #{number}: {why}"));
            }
            Err(NotFetched::Passing(why)) => self.retry(number, tries, &why),
        }
        Ok(())
    }

    fn retry(&mut self, number: u64, tries: u32, why: &str) {
        if tries < TRIES {
            self.queue.insert(number, tries);
        } else {
            self.failed += 1;
            self.show.say(&format!("not fetched: #{number}: {why}"));
        }
    }

    fn note(&mut self, number: u64, name: &str, bytes: u64) -> anyhow::Result<()> {
        let key = self.key();
        let step = self.talk.desk.state.begin()?;
        step.save_download(&key, number, (name.as_bytes(), bytes))?;
        Ok(step.commit()?)
    }

    async fn end(self) -> anyhow::Result<bool> {
        self.show.end();
        let left = self.left() as u64;
        let all = self.fetched + self.before + self.failed + left;
        let mut parts = vec![format!("{} fetched", self.fetched)];
        let others = [
            (self.before, "there before"),
            (self.failed, "not fetched"),
            (left, "not come so far"),
        ];
        let others = others.iter().filter(|(number, _)| *number > 0);
        parts.extend(others.map(|(number, what)| format!("{number} {what}")));
        let files = count(all, "file", "files");
        self.show.say(&format!("{files}: {}.", parts.join(", ")));
        if left > 0 {
            self.show
                .say("Run the same again later: only what is not there is fetched.");
        }
        self.talk.end().await;
        Ok(self.failed == 0 && left == 0)
    }
}
