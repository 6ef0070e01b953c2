//! Files that our own client sends: what becomes of them is told to it alone, one by one.

use super::{Effect, Intake, IntakeFailure, Intakes, JobId, Placed, Reply};
use crate::keeper::{
    client::{Client, lines::RequestId, response},
    reply::StorageReply,
};

impl Intake {
    /// Notes that a client sent it, in this request.
    #[must_use]
    pub fn for_client(self, id: RequestId) -> Self {
        Self {
            client: Some(id),
            ..self
        }
    }

    /// Says that it is tried again.
    pub(super) fn not_yet(&self, why: IntakeFailure) -> Effect {
        self.tell(Reply::NotStored {
            name: self.name.clone(),
            why,
            retrying: true,
        })
    }

    /// Says this of the file to whoever is told of it.
    pub(super) fn tell(&self, reply: Reply) -> Effect {
        match (self.client, self.asker) {
            (Some(id), Some(asker)) => {
                let client = Client {
                    jid: self.sender.clone(),
                    device: asker.device,
                    id,
                };
                client.say(response(reply, &mut None))
            }
            _ => Effect::Say(reply),
        }
    }
}

impl Intakes {
    /// Takes note of an index entry of a client's file; `None` for those of others.
    pub(super) fn indexed_for_client(
        &mut self,
        job: JobId,
        placed: &Placed,
    ) -> Option<Vec<Effect>> {
        self.open.get(&job)?.client?;
        let intake = self.open.remove(&job)?;
        let reply = match placed {
            Placed::Entry(line) => Reply::Stored { line: line.clone() },
            Placed::SameAs(number) => Reply::AlreadyKept {
                name: intake.name.clone(),
                number: *number,
            },
        };
        Some(vec![Effect::Close(job), intake.tell(reply)])
    }

    /// Tells of files that waited until their servers had them no longer: all of people together,
    /// each of a client by itself.
    pub(super) fn tell_expired(ended: Vec<Intake>) -> Vec<Effect> {
        let (of_clients, others): (Vec<_>, Vec<_>) =
            ended.into_iter().partition(|it| it.client.is_some());
        let mut effects: Vec<Effect> = of_clients
            .into_iter()
            .map(|intake| {
                let name = intake.name.clone();
                intake.tell(Reply::NotStored {
                    name,
                    why: IntakeFailure::Gone,
                    retrying: false,
                })
            })
            .collect();
        let files: Vec<_> = others.into_iter().map(|it| (it.name, it.sent_at)).collect();
        if !files.is_empty() {
            effects.push(Effect::Say(Reply::Storage(StorageReply::Expired { files })));
        }
        effects
    }
}
