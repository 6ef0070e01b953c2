//! Our own client on a laptop or phone: its lines are served like what people write, and answered in
//! lines that a program reads.
//!
//! Nothing is decided twice: a line becomes the same job as a photo or a command, and what the owner
//! would be told of it goes to the client alone. Which sentence a reply is, is not known here.

use omemo::media::MediaLink;

use super::{
    Effect, Input, JobId, Keeper, Standing, Told,
    command::{Command, Pick},
    devices,
    intake::Intake,
    moment::Moment,
    reply::{IntakeFailure, Line, Reply, UNKNOWN_REQUEST},
};

pub mod lines;
pub mod what;

use lines::{NotRead, Request, RequestId, Response};

/// Files that one request may ask for: more would come as a zip.
const MOST_FILES: usize = 10;
/// How far ahead of our clock a file may say to be, in seconds.
const AHEAD_SECONDS: i64 = 24 * 60 * 60;

/// A client, and which of its requests is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Client {
    /// The owner's address.
    pub(super) jid: String,
    /// Its OMEMO device.
    pub(super) device: u32,
    /// The request.
    pub(super) id: RequestId,
}

impl Client {
    /// Answers this client.
    pub(super) fn say(&self, response: Response) -> Effect {
        let device = devices::device(&self.jid, self.device, "", Standing::Trusted);
        let reply = ClientReply {
            id: self.id,
            response,
        };
        Effect::SayTo(device, Reply::Client(reply))
    }
}

/// An answer to a request of a client.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientReply {
    /// The request.
    pub id: RequestId,
    /// The answer.
    pub response: Response,
}

impl std::fmt::Debug for ClientReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { id, response: _ } = self;
        write!(f, "ClientReply({id}, ..)")
    }
}

impl ClientReply {
    /// Returns the line.
    #[must_use]
    pub fn text(&self) -> String {
        self.response.line(self.id)
    }
}

impl Keeper {
    /// Obeys a line of a client; `None` where the text is none.
    pub(super) fn serve_client(
        &mut self,
        told: &Told,
        text: &str,
        at: Moment,
    ) -> Option<Vec<Effect>> {
        let read = Request::read(text)?;
        let client = |id| Client {
            jid: told.from.jid.clone(),
            device: told.from.id,
            id,
        };
        let (id, request) = match read {
            Ok(read) => read,
            Err(NotRead(Some(id))) => {
                let why = UNKNOWN_REQUEST.to_owned();
                return Some(vec![client(id).say(Response::Failed { why })]);
            }
            Err(NotRead(None)) => return None,
        };
        let client = client(id);
        Some(match request {
            Request::Hello => vec![client.say(Response::Welcome {
                is_open: self.custody.is_open(),
            })],
            Request::Put { link, name, time } => {
                self.put_by_client(told, &client, (link, name, time), at)
            }
            Request::Get { numbers } if numbers.len() > MOST_FILES => {
                let why = UNKNOWN_REQUEST.to_owned();
                vec![client.say(Response::Failed { why })]
            }
            Request::Get { numbers } => {
                let picks = numbers.into_iter().map(|number| Pick::Range {
                    first: number,
                    last: number,
                });
                let picks = picks.collect();
                self.ask_by_client(told.job, &client, Command::Get { picks }, at)
            }
            Request::Which { before, what } => {
                let command = Command::Numbers { before, what };
                self.ask_by_client(told.job, &client, command, at)
            }
        })
    }

    fn put_by_client(
        &mut self,
        told: &Told,
        client: &Client,
        (link, name, time): (String, String, i64),
        at: Moment,
    ) -> Vec<Effect> {
        let now = at.wall;
        let Ok(parsed) = MediaLink::parse(&link) else {
            let reply = Reply::NotStored {
                name,
                why: IntakeFailure::BadLink,
                retrying: false,
            };
            return vec![client.say(response(reply, &mut None))];
        };
        let name = if name.is_empty() { parsed.name } else { name };
        let is_plausible = (1..=now.saturating_add(AHEAD_SECONDS)).contains(&time);
        let sent_at = if is_plausible { time } else { told.sent_at };
        let file = (link.as_str(), name.as_str());
        let intake = Intake::announced(&told.from.jid, told.job, told.blob, file, (sent_at, now));
        let intake = intake.asked_by(told.asker()).for_client(client.id);
        self.intakes.announced(intake)
    }

    fn ask_by_client(
        &mut self,
        job: JobId,
        client: &Client,
        command: Command,
        at: Moment,
    ) -> Vec<Effect> {
        self.deliveries.hear_client(client.id);
        let mut effects = translated(self.command(job, command, at), client);
        if !self.deliveries.has(&job) {
            effects.push(client.say(Response::Done));
        }
        effects
    }

    /// Returns the client to whose delivery this input belongs.
    pub(super) fn client_of(&self, input: &Input) -> Option<Client> {
        let (Input::Answered { job, .. }
        | Input::Uploaded { job, .. }
        | Input::NotUploaded { job, .. }) = input
        else {
            return None;
        };
        self.deliveries.client(job, &self.owner.jid)
    }

    /// Returns the deliveries that clients have asked for.
    pub(super) fn client_deliveries(&self) -> Vec<(JobId, Client)> {
        self.deliveries.clients(&self.owner.jid)
    }

    /// Says of each of these deliveries that has ended that it has, and nothing to devices that were
    /// shut out meanwhile.
    pub(super) fn end_for_clients(
        &self,
        before: Vec<(JobId, Client)>,
        mut effects: Vec<Effect>,
    ) -> Vec<Effect> {
        let ended = before
            .into_iter()
            .filter(|(job, _)| !self.deliveries.has(job) && effects.contains(&Effect::Close(*job)));
        let ended: Vec<_> = ended.map(|(_, client)| client).collect();
        effects.extend(ended.iter().map(|client| client.say(Response::Done)));
        effects.retain(|effect| {
            let Effect::SayTo(device, Reply::Client(_)) = effect else {
                return true;
            };
            self.owner.devices.is_trusted(device.id)
        });
        effects
    }
}

/// Has said to the client alone what would have been said to the owner.
pub(super) fn translated(effects: Vec<Effect>, client: &Client) -> Vec<Effect> {
    let mut next = None;
    let translate = |effect| {
        let Effect::Say(reply) = effect else {
            return Some(effect);
        };
        if let Reply::Caption { line } = reply {
            next = Some(line);
            return None;
        }
        Some(client.say(response(reply, &mut next)))
    };
    effects.into_iter().filter_map(translate).collect()
}

/// Turns a reply into what a program reads. `next` is the file that was named before its link.
pub(super) fn response(reply: Reply, next: &mut Option<Line>) -> Response {
    let text = reply.text();
    match (reply, next.take()) {
        (Reply::Client(reply), _) => reply.response,
        (Reply::File { link }, Some(line)) => Response::File {
            number: line.number,
            bytes: line.bytes,
            time: line.received_at,
            name: line.name,
            link,
        },
        (Reply::Stored { line }, _) => Response::Stored {
            number: line.number,
        },
        (Reply::AlreadyKept { number, .. }, _) => Response::Same { number },
        (Reply::Kept { .. }, _) => Response::Kept,
        (Reply::NotStored { retrying, .. }, _) if retrying => Response::Trying { why: text },
        (Reply::NotStored { .. }, _) => Response::Failed { why: text },
        (Reply::NotSent { number, .. }, _) => Response::Unsent { number, why: text },
        (Reply::NoSuch { numbers }, _) => Response::Missing { numbers },
        _ => Response::Said { text },
    }
}
