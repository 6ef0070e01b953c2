//! Finding the server by the domain's records alone, asked of a name server over the wire.
//!
//! The daemon runs in a mount namespace of its own, where `/etc/resolv.conf` names a server of the
//! test. Needs root, for that and for port 53.

use std::{
    fs,
    net::{Ipv4Addr, UdpSocket},
    process::Command,
    sync::Arc,
    thread,
};

use rustix::process::geteuid;

use crate::{daemon::Daemon, home::Home, journal::Journal};

/// An address of the loopback network that nobody else has a name server on.
const NAME_SERVER: Ipv4Addr = Ipv4Addr::new(127, 83, 71, 53);
const A: u16 = 1;
const SRV: u16 = 33;
const IN: u16 = 1;

/// Answers for `home.test` until the test process ends; keeps the names that were asked for.
fn name_server(direct_tls: u16, closed: u16) -> Arc<Journal<String>> {
    let asked = Journal::new();
    let keeper = Arc::clone(&asked);
    let socket = UdpSocket::bind((NAME_SERVER, 53)).unwrap();
    thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            let (name, kind, question) = question(&query[12..length]);
            let record = match (name.as_str(), kind) {
                // The nearer one is closed, so that the second has to be tried.
                ("_xmpp-client._tcp.home.test", SRV) => Some(srv(1, closed)),
                ("_xmpps-client._tcp.home.test", SRV) => Some(srv(2, direct_tls)),
                ("xmpp.home.test", A) => Some(Ipv4Addr::LOCALHOST.octets().to_vec()),
                _ => None,
            };
            let mut answer = query[..2].to_vec();
            // A response, authoritative; no error, since other kinds of record may exist. RFC 1035 4.1.1
            answer.extend([0x84, 0, 0, 1, 0, u8::from(record.is_some()), 0, 0, 0, 0]);
            answer.extend_from_slice(&query[12..12 + question]);
            if let Some(record) = record {
                answer.extend([0xC0, 12]);
                answer.extend([kind.to_be_bytes(), IN.to_be_bytes()].concat());
                answer.extend(60_u32.to_be_bytes());
                answer.extend(u16::try_from(record.len()).unwrap().to_be_bytes());
                answer.extend(record);
            }
            keeper.push(name);
            socket.send_to(&answer, from).unwrap();
        }
    });
    asked
}

/// The name and type asked for, and how many bytes the question has.
fn question(mut bytes: &[u8]) -> (String, u16, usize) {
    let (whole, mut labels) = (bytes.len(), Vec::new());
    while bytes[0] != 0 {
        let end = 1 + usize::from(bytes[0]);
        labels.push(String::from_utf8(bytes[1..end].to_ascii_lowercase()).unwrap());
        bytes = &bytes[end..];
    }
    let kind = u16::from_be_bytes([bytes[1], bytes[2]]);
    (labels.join("."), kind, whole - bytes.len() + 5)
}

/// The data of a record that names `xmpp.home.test`. RFC 2782
fn srv(priority: u16, port: u16) -> Vec<u8> {
    let mut data = [priority, 0, port].map(u16::to_be_bytes).concat();
    data.extend(b"\x04xmpp\x04home\x04test\x00");
    data
}

#[test]
fn without_a_server_in_the_settings_the_records_of_the_domain_lead_to_it() {
    if !geteuid().is_root() {
        println!("not run: a name server and a mount namespace need root");
        return;
    }
    let home = Home::new();
    home.server.register_at("vault", "home.test");
    let server = format!("server = \"127.0.0.1:{}\"\n", home.server.c2s_port());
    home.change_settings(&server, "");
    home.change_settings("vault@localhost", "vault@home.test");
    let closed = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let asked = name_server(
        home.server.direct_tls_port(),
        closed.local_addr().unwrap().port(),
    );
    let resolv_conf = home.path("resolv.conf");
    fs::write(&resolv_conf, format!("nameserver {NAME_SERVER}\n")).unwrap();
    let run = home.command();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-c"])
        .arg("mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"")
        .arg(&resolv_conf)
        .arg(run.get_program())
        .args(run.get_args())
        .arg("run");

    let daemon = Daemon::spawn(&mut command);

    daemon.wait_line("online");
    let names = asked.all(|_| true);
    for service in [
        "_xmpp-client._tcp.home.test",
        "_xmpps-client._tcp.home.test",
    ] {
        assert!(names.iter().any(|name| name == service), "{names:?}");
    }
    daemon.terminate();
}
