//! Pictures that others made, opened by decoders that are processes: good ones are drawn, and a
//! thousand broken ones do no harm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a test"
)]

mod drawn;
mod hostile;
mod made;
mod walls;

use std::{os::unix::net::UnixStream, path::PathBuf, time::Duration};

use strongroom::pictures::{
    Drawn, Task,
    starter::{self, Starter},
    studio::Studio,
};

/// A daemon's part, and somebody who has pictures to draw.
pub(crate) struct Atelier {
    runtime: tokio::runtime::Runtime,
    pub(crate) studio: Studio,
}

impl Atelier {
    pub(crate) fn new() -> Self {
        Self::patient(Duration::from_secs(60))
    }

    pub(crate) fn patient(patience: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let socket = serve(&runtime, patience);
        Self {
            runtime,
            studio: Studio::new(socket),
        }
    }

    /// Another socket to ask on.
    pub(crate) fn socket(&self, patience: Duration) -> UnixStream {
        serve(&self.runtime, patience)
    }

    pub(crate) fn thumbnail(&self, content: &[u8]) -> Option<Drawn> {
        let bytes = content.len() as u64;
        let task = Task::Thumbnail { bytes };
        self.studio.draw(&task, &mut &content[..]).unwrap()
    }
}

fn serve(runtime: &tokio::runtime::Runtime, patience: Duration) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    let program = PathBuf::from(env!("CARGO_BIN_EXE_strongroom"));
    runtime.spawn(async move {
        let socket = tokio::net::UnixStream::from_std(theirs).unwrap();
        starter::serve(socket, Starter { program, patience }).await;
    });
    ours
}
