//! A vault behind a SOCKS5 proxy, in a network namespace that has nothing else: everything goes
//! through it, and nothing past it.

use std::{
    fs,
    io::{Read, Write, copy},
    net::{Ipv4Addr, Shutdown, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
};

use rustix::process::geteuid;

use crate::{
    daemon::Daemon,
    home::{Home, OWNER, STRANGER, VAULT, noise},
    phone::{Phone, python},
    prosody::Prosody,
};

const PROXY: &str = "127.0.0.1:9050";
const PROXY_PORT: &str = "9050";
/// What the name server would be; nobody is there.
const NAME_SERVER: &str = "127.83.71.53";
const ADDRESS: &str = "vault@home.test";

/// A proxy outside of the namespace, which knows two places.
struct Proxy {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(path: &Path, server: &Prosody) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let https = server.https_port();
        let places = [
            ("home.test:5222".to_owned(), server.c2s_port()),
            (format!("localhost:{https}"), https),
        ];
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let (kept, places) = (Arc::clone(&kept), places.clone());
                thread::spawn(move || serve(near, &kept, &places));
            }
        });
        Self { asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// RFC 1928, of which a name is the only kind of address it takes.
fn serve(mut near: UnixStream, asked: &Mutex<Vec<String>>, places: &[(String, u16)]) {
    let mut head = [0; 2];
    near.read_exact(&mut head).unwrap();
    let mut methods = vec![0; usize::from(head[1])];
    near.read_exact(&mut methods).unwrap();
    near.write_all(&[5, 0]).unwrap();
    let mut request = [0; 5];
    near.read_exact(&mut request).unwrap();
    assert_eq!(request[..4], [5, 1, 0, 3], "a name is asked for");
    let mut name = vec![0; usize::from(request[4]) + 2];
    near.read_exact(&mut name).unwrap();
    let port = name.split_off(name.len() - 2);
    let place = format!(
        "{}:{}",
        String::from_utf8(name).unwrap(),
        u16::from_be_bytes([port[0], port[1]])
    );
    asked.lock().unwrap().push(place.clone());
    let known = places.iter().find(|(name, _)| *name == place);
    let Some((_, port)) = known else {
        near.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).ok();
        return;
    };
    let far = TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).unwrap();
    near.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).unwrap();
    let (mut from_far, mut to_near) = (far.try_clone().unwrap(), near.try_clone().unwrap());
    thread::spawn(move || {
        copy(&mut from_far, &mut to_near).ok();
        to_near.shutdown(Shutdown::Write).ok();
    });
    let mut to_far = far;
    copy(&mut near, &mut to_far).ok();
    to_far.shutdown(Shutdown::Write).ok();
}

/// Whether this user may have a network of its own; in some containers nobody may.
fn may_be_alone() -> bool {
    let mut command = unshare();
    let may = command
        .arg("true")
        .output()
        .is_ok_and(|it| it.status.success());
    if !may {
        eprintln!("left out: a network namespace is not allowed here");
    }
    may
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--propagation", "private"]);
    if !geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command
}

/// Starts the daemon where there is nothing but loopback, with the proxy on it.
fn start_alone(home: &Home, socket: &Path) -> Daemon {
    let resolv_conf = home.path("resolv.conf");
    fs::write(&resolv_conf, format!("nameserver {NAME_SERVER}\n")).unwrap();
    let run = home.command();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/netns.py");
    let mut command = unshare();
    command
        .args(["sh", "-c"])
        .arg("mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"")
        .arg(&resolv_conf)
        .arg(python())
        .arg(script)
        .arg(socket)
        .arg(PROXY_PORT)
        .arg(run.get_program())
        .args(run.get_args())
        .arg("run");
    Daemon::spawn(&mut command)
}

/// Every place that something was sent to in the namespace.
fn sent_to(daemon: &Daemon) -> Vec<String> {
    let said = daemon.said().into_iter();
    said.filter_map(|line| Some(line.strip_prefix("sent to ")?.to_owned()))
        .collect()
}

/// A vault at a domain that only the proxy can find.
fn home() -> Home {
    let shared = (
        "VirtualHost \"home.test\"",
        "VirtualHost \"home.test\"\n  disco_items = { { \"upload.localhost\", \"uploads\" } }",
    );
    let open = (
        "http_file_share_size_limit",
        "http_file_share_access = { \"home.test\", \"localhost\" }\n  http_file_share_size_limit",
    );
    let server = Prosody::start_changed(&[VAULT, OWNER, STRANGER], &[shared, open]);
    server.register_at(VAULT, "home.test");
    let home = Home::on(server, &["--socks5", PROXY]);
    let server = format!("server = \"127.0.0.1:{}\"\n", home.server.c2s_port());
    home.change_settings(&server, "");
    home.change_settings("vault@localhost", ADDRESS);
    home
}

#[test]
fn behind_a_proxy_chat_and_files_go_through_it_and_nothing_goes_past_it() {
    if !may_be_alone() {
        return;
    }
    let home = home();
    let socket = home.path("proxy");
    let proxy = Proxy::start(&socket, &home.server);

    let daemon = start_alone(&home, &socket);
    daemon.wait_line("online");
    let mut phone = Phone::start(&home.server, OWNER);
    phone.befriend(ADDRESS);
    phone.send_text(ADDRESS, home.code());
    phone.wait_reply("Paired");
    let path = home.path("to-share.bin");
    let photo = noise(200_000, 1);
    fs::write(&path, &photo).unwrap();
    phone.send_file(ADDRESS, &path, "photo.jpg");
    phone.wait_reply("stored");
    phone.send_text(ADDRESS, "get 1");
    let back = phone.wait_file();

    assert!(fs::read(back.path).unwrap() == photo);
    let https = format!("localhost:{}", home.server.https_port());
    let asked = proxy.asked();
    let count = |place: &str| asked.iter().filter(|it| *it == place).count();
    assert_eq!(count("home.test:5222"), 1, "{asked:?}");
    assert_eq!(count(&https), 2, "one file in, one out: {asked:?}");
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert_eq!(sent_to(&daemon), [format!("tcp 127.0.0.1 {PROXY_PORT}")]);
    daemon.terminate();
}

#[test]
fn without_the_proxy_the_same_vault_asks_a_name_server_and_connects_by_itself() {
    if !may_be_alone() {
        return;
    }
    let home = home();
    home.change_settings(&format!("socks5 = \"{PROXY}\"\n"), "");
    let socket = home.path("proxy");
    let proxy = Proxy::start(&socket, &home.server);

    let by_name = start_alone(&home, &socket);
    by_name.wait_line(&format!("sent to udp {NAME_SERVER} 53"));
    by_name.wait_line("not connected");
    drop(by_name);
    home.change_settings("direct_tls = false", "server = \"127.9.9.9:5222\"");
    let by_address = start_alone(&home, &socket);
    by_address.wait_line("sent to tcp 127.9.9.9 5222");

    assert_eq!(proxy.asked(), [] as [String; 0]);
}
