//! Under a service manager: ready, alive, stopping, each said on its socket. sd_notify(3)

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use crate::{daemon::Daemon, home::Home, journal::PATIENCE};

/// The service manager's end of the socket.
struct Manager {
    socket: UnixDatagram,
    said: Vec<String>,
}

impl Manager {
    /// Reads until one of the lines is `wanted`.
    fn wait(&mut self, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        while !self.said.iter().any(|line| line == wanted) {
            assert!(Instant::now() < end, "no {wanted} in {:?}", self.said);
            if let Ok(length) = self.socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                self.said.extend(text.lines().map(str::to_owned));
            }
        }
    }

    fn count(&self, wanted: &str) -> usize {
        self.said.iter().filter(|line| *line == wanted).count()
    }
}

#[test]
fn the_service_manager_hears_ready_then_signs_of_life_then_stopping() {
    let home = Home::new();
    let path = home.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let mut manager = Manager {
        socket,
        said: Vec::new(),
    };
    let mut command = home.command();
    command
        .arg("run")
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000");
    let mut daemon = Daemon::spawn(&mut command);

    manager.wait("READY=1");
    let before_ready = manager.count("STOPPING=1");
    manager.wait("WATCHDOG=1");
    manager.wait("STATUS=online");
    daemon.terminate();
    manager.wait("STOPPING=1");

    assert_eq!((before_ready, manager.count("READY=1")), (0, 1));
    assert!(daemon.wait_exit(Duration::from_secs(10)).success());
}
