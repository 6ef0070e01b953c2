//! The inside of a decoder: one task in, one answer out, then it ends.

use std::{
    io::{self, Read, Write},
    os::{fd::AsFd as _, unix::net::UnixStream},
};

use super::{Drawn, MAX_CONTENT_BYTES, Task, draw, film, frame, read_frame, sheet, walls};

/// Serves the socket that is its standard input, behind walls.
///
/// # Errors
///
/// When the walls do not stand: then it has read nothing. Whoever asked sees its end.
pub fn run() -> io::Result<()> {
    let mut socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    walls::close_strays(&socket)?;
    walls::step_back();
    walls::confine().map_err(io::Error::other)?;
    work(&mut socket);
    Ok(())
}

/// Does one task. Nobody is told why something cannot be drawn: it is no different from a decoder
/// that died of it.
pub fn work(socket: &mut (impl Read + Write)) {
    let Some(drawn) = draw(socket) else {
        return;
    };
    if let Some(answer) = frame(&drawn) {
        // Whoever asked may be gone; then nobody needs it.
        let _ = socket.write_all(&answer);
    }
}

fn draw(socket: &mut impl Read) -> Option<Drawn> {
    let task: Task = read_frame(socket)?;
    let bytes = task.content_bytes();
    if bytes > MAX_CONTENT_BYTES {
        return None;
    }
    if let Task::Film { bytes } = task {
        let mut film = socket.take(bytes);
        let picture = film::read(&mut film)?;
        // Whoever hands it over does so to its end.
        io::copy(&mut film, &mut io::sink()).ok()?;
        return Some(Drawn {
            picture: Some(picture),
            image: Vec::new(),
        });
    }
    let mut content = Vec::with_capacity(usize::try_from(bytes).ok()?);
    socket.take(bytes).read_to_end(&mut content).ok()?;
    let longest = task.max_image_bytes();
    match task {
        Task::Thumbnail { .. } => draw::thumbnail(&content, longest),
        Task::Preview { .. } => draw::preview(&content, longest),
        Task::Sheet(tiles) => sheet::draw(&tiles, longest),
        Task::Film { .. } => None,
    }
}
