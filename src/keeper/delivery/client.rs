//! Deliveries that our own client asked for, which it alone is told of.

use super::{Deliveries, Delivery, JobId, Reply};
use crate::keeper::client::{
    Client, ClientReply,
    lines::{RequestId, Response},
};

impl Deliveries {
    /// Notes that what comes next is asked in this request of our own client.
    pub(in crate::keeper) fn hear_client(&mut self, id: RequestId) {
        self.client = Some(id);
    }

    /// Returns whether this is not ended.
    pub(in crate::keeper) fn has(&self, job: &JobId) -> bool {
        self.open.iter().any(|it| it.job == *job)
    }

    /// Returns the client of the owner that asked this.
    pub(in crate::keeper) fn client(&self, job: &JobId, jid: &str) -> Option<Client> {
        client(self.open.iter().find(|it| it.job == *job)?, jid)
    }

    /// Returns what clients of the owner have asked.
    pub(in crate::keeper) fn clients(&self, jid: &str) -> Vec<(JobId, Client)> {
        let asked = self.open.iter();
        let asked = asked.filter_map(|it| Some((it.job, client(it, jid)?)));
        asked.collect()
    }
}

impl Delivery {
    /// Tells a client the numbers it asked for.
    pub(super) fn tell_numbers(&self, numbers: Vec<u64>, more: bool) -> Reply {
        Reply::Client(ClientReply {
            id: self.client.unwrap_or_default(),
            response: Response::Numbers { numbers, more },
        })
    }
}

fn client(delivery: &Delivery, jid: &str) -> Option<Client> {
    Some(Client {
        jid: jid.to_owned(),
        device: delivery.asker?.device,
        id: delivery.client?,
    })
}
