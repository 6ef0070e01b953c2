//! What every kind of server has to do for a vault, beside the main path; `make servers` runs both
//! on each kind.

use std::{
    fs,
    io::copy,
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    home::{Home, VAULT, noise},
    prosody::jid,
};

/// A line to a server that can be cut and mended.
struct Line {
    port: u16,
    is_cut: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = Arc::new(AtomicBool::new(false));
        let ends = Arc::new(Mutex::new(Vec::new()));
        let (cut, kept) = (Arc::clone(&is_cut), Arc::clone(&ends));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) else {
                    continue;
                };
                let mut kept = kept.lock().unwrap();
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        copy(&mut from, &mut to).ok();
                        to.shutdown(Shutdown::Write).ok();
                    });
                }
                kept.extend([near, far]);
            }
        });
        Self { port, is_cut, ends }
    }

    fn cut(&self) {
        let mut ends = self.ends.lock().unwrap();
        self.is_cut.store(true, Ordering::SeqCst);
        for end in ends.drain(..) {
            end.shutdown(Shutdown::Both).ok();
        }
    }

    fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

#[test]
fn a_line_that_broke_is_taken_up_again_with_all_that_was_sent_meanwhile() {
    let mut home = Home::new();
    let line = Line::to(home.server.c2s_port());
    let by = |port: u16| format!("127.0.0.1:{port}");
    home.change_settings(&by(home.server.c2s_port()), &by(line.port));
    home.start();
    let mut phone = home.paired_phone();
    let path = home.path("to-share.bin");
    fs::write(&path, noise(50_000, 1)).unwrap();

    line.cut();
    home.daemon().wait_line("not connected");
    phone.send_file(&jid(VAULT), &path, "meanwhile.jpg");
    phone.send_text(&jid(VAULT), "status");
    line.mend();
    home.daemon().wait_line("stream resumed");
    let stored = phone.wait_reply("meanwhile.jpg");
    let status = phone.wait_reply("The vault is open");

    assert_eq!(stored, "✅ #1 meanwhile.jpg, 50.0 kB, stored.");
    assert!(!status.is_empty());
    phone.send_text(&jid(VAULT), "list");
    let listed = phone.wait_reply("#1 meanwhile.jpg");
    assert_eq!(listed.lines().count(), 1, "it came once: {listed}");
    phone.assert_no_message_key_was_used_twice();
}

#[test]
fn the_check_finds_nothing_in_the_way() {
    let mut home = Home::new();
    home.start();
    let _phone = home.paired_phone();

    let output = home.run("check");

    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Nothing is in the way"), "{said}");
    for words in [
        "XEP-0198",
        "Archive of messages: yes",
        "Uploads: ",
        "read by everybody",
    ] {
        let one_line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(one_line.contains(words), "{words}: {said}");
    }
}
