//! Hands arrivals to the daemon without ever holding up the stream's writing.
//!
//! Arrivals queue here while the daemon is busy; the stream reads no further when too many wait, or
//! too much.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, mpsc};

use super::arrival::{Arrival, Content};

/// So many may wait before the stream stops reading.
const MANY: usize = 256;
/// So many may wait while an answer is awaited, which may be what the daemon waits for.
const TOO_MANY: usize = 2_048;
/// A message counts as one for each so many bytes, and one more.
const UNIT_BYTES: usize = 4_096;

/// The way to the daemon.
pub(crate) struct Arrivals {
    queue: mpsc::UnboundedSender<Arrival>,
    waiting: Arc<Waiting>,
}

/// How many arrivals the daemon has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    count: AtomicUsize,
    fewer: Notify,
}

impl Arrivals {
    /// Begins to hand arrivals to `daemon`.
    pub(crate) fn new(daemon: mpsc::Sender<Arrival>) -> Self {
        let (queue, mut queued) = mpsc::unbounded_channel();
        let waiting = Arc::new(Waiting::default());
        let shared = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Some(arrival) = queued.recv().await {
                let weight = weight(&arrival);
                if daemon.send(arrival).await.is_err() {
                    break;
                }
                shared.count.fetch_sub(weight, Ordering::Relaxed);
                shared.fewer.notify_one();
            }
        });
        Self { queue, waiting }
    }

    /// Queues an arrival.
    pub(crate) fn push(&self, arrival: Arrival) {
        self.waiting
            .count
            .fetch_add(weight(&arrival), Ordering::Relaxed);
        // Without a daemon there is nobody to tell.
        let _ = self.queue.send(arrival);
    }

    /// Whether the daemon is still there.
    pub(crate) fn has_listener(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Whether more may be read.
    pub(crate) fn has_room(&self, answer_awaited: bool) -> bool {
        let limit = if answer_awaited { TOO_MANY } else { MANY };
        self.waiting.count.load(Ordering::Relaxed) < limit
    }

    /// Returns how many wait, to be watched.
    pub(crate) fn waiting(&self) -> Arc<Waiting> {
        Arc::clone(&self.waiting)
    }
}

impl Waiting {
    /// Waits until fewer wait than before.
    pub(crate) async fn fewer(&self) {
        self.fewer.notified().await;
    }
}

/// How much an arrival weighs while it waits.
fn weight(arrival: &Arrival) -> usize {
    let Arrival::Message(message) = arrival else {
        return 1;
    };
    let bytes = match &message.content {
        Content::Encrypted(envelope) => {
            let keys = envelope.keys.iter().map(|key| key.data.len());
            keys.sum::<usize>() + envelope.payload.as_ref().map_or(0, Vec::len)
        }
        Content::Plain(text) => text.len(),
        Content::Undecipherable { namespace } => namespace.len(),
        Content::Received(id) => id.len(),
        Content::Other => 0,
    };
    1 + bytes / UNIT_BYTES
}
