//! The room that speaks XMPP: one supervised task keeps one stream alive, everything else asks it.
//!
//! It is the only room that names tokio-xmpp and xmpp-parsers. It knows nothing of the vault, of
//! keys, of who the owner is, or of what is inside an encrypted message: envelopes pass through as
//! plain data. What it does know is whom to believe: the server alone says who sent a message, our
//! own account alone sends carbons and archive pages, and whatever claims otherwise is dropped and
//! counted here.
//!
//! ```text
//! connector -> login -> stream (bind or resume, XEP-0198) -> incoming -> Arrival
//!                         ^                                   iq, archive -> answers to Link
//! Link -> Command --------+
//! ```

use std::io;

mod account;
mod archive;
mod arrival;
mod arrivals;
mod avatar;
mod backoff;
mod bind;
mod clients;
mod connector;
mod conversation;
mod envelope;
#[doc(hidden)]
pub mod fuzzing;
mod handled;
mod incoming;
mod inside;
mod iq;
mod link;
mod live;
mod login;
pub mod outgoing;
mod pubsub;
mod registration;
mod roster;
mod sce;
mod session;
mod sfs;
mod sieve;
mod signs;
mod sm;
mod socks;
mod srv;
mod stream;
mod survey;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod upload;
mod wire;
mod xml;

pub use account::{Account, Password, TlsTrust};
pub use archive::{ArchiveError, ArchivePosition, Page};
pub use arrival::{Arrival, Content, FatalReason, Message, Source, Stage};
pub use clients::Client;
pub use connector::Origin;
pub use handled::Handled;
pub use inside::{Archive, Inside, Nodes, Upload};
pub use link::{Link, Refusal, RequestError, start};
pub use login::LoginWay;
pub use registration::{RegisterError, Registered, Registration, Said, register, try_login};
pub use roster::Subscription;
pub use sce::{SceContent, SceDraft, SceError};
pub use sfs::{FoundFile, FoundSources};
pub use signs::{Sign, Signs};
pub use survey::{Host, NotInside, Reached, Survey, survey};
pub use upload::{Slot, SlotError, UploadService};

/// How much stack each thread of the runtime that runs the stream needs.
///
/// XML elements nest, and building and dropping them recurses. What comes from the network is cut
/// at a small depth before it is parsed; this is the second line.
pub const STACK_BYTES: usize = 8 * 1024 * 1024;

/// Runs what has a stream of its own to its end, in a runtime of its own: for the command line.
///
/// # Errors
///
/// When the system gives no threads.
pub fn run_alone<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()?;
    // Not on this thread, whose stack is as it is.
    let (tell, outcome) = std::sync::mpsc::channel();
    runtime.spawn(async move {
        // Nobody hangs up before it has come.
        let _ = tell.send(work.await);
    });
    outcome.recv().map_err(io::Error::other)
}
