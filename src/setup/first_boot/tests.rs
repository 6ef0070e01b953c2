//! Every line of the file, wrong in every way; and a card that is set up.

use std::{collections::BTreeSet, fmt::Write as _, fs, os::unix::fs::PermissionsExt as _};

use tempfile::TempDir;

use super::{
    fields::{Field, Kind, reference},
    *,
};
use crate::daemon::start::PAIRING_FILE;

mod kept;

/// A file with every line there is that goes together.
fn complete() -> String {
    let mut text = String::new();
    for (section, _) in fields::SECTIONS {
        let _ = writeln!(text, "[{section}]");
        for field in fields::FIELDS.iter().filter(|it| it.section == *section) {
            if field.name != "register" {
                let _ = writeln!(text, "{} = {}", field.name, own_value(field));
            }
        }
    }
    text
}

/// A code that is not the example's, which is refused.
const CODE: &str = "9TBR-K2MX-7GQ4";

fn own_value(field: &Field) -> String {
    if matches!(field.kind, Kind::PairingCode) {
        return format!("\"{CODE}\"");
    }
    field.example.to_owned()
}

fn mistakes(text: &str) -> Vec<Mistake> {
    reading::read(text.as_bytes(), &|zone| zone != "Europe/Atlantis")
        .err()
        .unwrap_or_default()
}

/// Texts in TOML that have the right type and make no sense.
fn senseless(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Address => &[
            "\"nobody\"",
            "\"me@example.org/phone\"",
            "\"ME@Example.org\"",
        ],
        Kind::Domain => &["\"me@example.org\"", "\"exa mple\""],
        Kind::Password => &["\"\"", "\"two\\nlines\""],
        Kind::HostPort => &["\"example.org\"", "\"example.org:0\""],
        Kind::Hosts => &["[\"example.org\"]"],
        Kind::Flag => &[],
        Kind::Digest => &["\"00\"", "\"not hex\""],
        Kind::Fingerprints => &["[\"05 a9\"]"],
        Kind::PairingCode => &["\"1234\"", "\"hello world\"", "\"7gq4k2mx9tbr\""],
        Kind::Ssid => &["\"\"", "\"a name of more than thirty-two letters\""],
        Kind::WifiPassword => &["\"short\"", "\"Straße und Garten\""],
        Kind::Country => &["\"Germany\"", "\"de\"", "\"UK\""],
        Kind::HostName => &["\"My Vault\"", "\"-vault\""],
        Kind::TimeZone => &[
            "\"CET/Summer Time\"",
            "\"../../etc/shadow\"",
            "\"Europe/Atlantis\"",
        ],
        Kind::SshKeys => &[
            "[\"ssh-ed25519 AAAA me\"]",
            "[\"-----BEGIN OPENSSH PRIVATE KEY-----\"]",
        ],
    }
}

fn wrong_types(kind: Kind) -> &'static [&'static str] {
    if kind == Kind::Flag {
        &["\"yes\"", "1"]
    } else if kind.is_list() {
        &["\"one\"", "[1]"]
    } else {
        &["1", "true", "[\"one\"]"]
    }
}

/// One file that is wrong in one way, and the line that is.
struct Wrong {
    why: String,
    text: String,
    line: usize,
}

/// Makes the wrong files of one line.
fn wrong_files(field: &Field) -> Vec<Wrong> {
    let mut good = complete();
    let line = format!("{} = {}", field.name, own_value(field));
    if field.name == "register" {
        good = good.replacen(&jid_and_password(), &format!("{line}\n"), 1);
    }
    let number = {
        let from = good.find(&format!("[{}]", field.section)).unwrap();
        let at = from + good[from..].find(&format!("\n{line}")).unwrap();
        good[..=at].matches('\n').count() + 1
    };
    let with = |put: &str| {
        let lines = good.lines().enumerate();
        let lines = lines.map(|(at, it)| if at + 1 == number { put } else { it });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let mut all = Vec::new();
    let mut add = |why: &str, put: String, line| {
        all.push(Wrong {
            why: why.to_owned(),
            text: with(&put),
            line,
        });
    };
    for value in wrong_types(field.kind) {
        add("another type", format!("{} = {value}", field.name), number);
    }
    for value in senseless(field.kind) {
        add("no sense", format!("{} = {value}", field.name), number);
    }
    let (other, _) = field.name.split_at(field.name.len() - 1);
    add("misspelt", format!("{other} = {}", field.example), number);
    add("twice", format!("{line}\n{line}"), number + 1);
    add("curved quotes", format!("{} = “x”", field.name), number);
    add("no value", field.name.to_owned(), number);
    all
}

fn jid_and_password() -> String {
    let lines = fields::FIELDS
        .iter()
        .filter(|it| it.section == "account")
        .take(2);
    lines.fold(String::new(), |mut text, it| {
        let _ = writeln!(text, "{} = {}", it.name, it.example);
        text
    })
}

#[test]
fn a_file_with_every_line_there_is_has_no_mistake() {
    assert_eq!(mistakes(&complete()), []);
    // Only the code has to be one's own.
    let left: Vec<String> = mistakes(&reference())
        .into_iter()
        .map(|it| it.what)
        .collect();
    assert!(
        left.len() == 1 && left[0].starts_with("owner.pairing_code is not there"),
        "{left:?}"
    );
}

#[test]
fn every_line_that_is_wrong_has_its_own_words_and_its_number() {
    let mut list = String::from(
        "Every wrong line of a first-boot file, made from the table of its lines, and what is said of \
         it.\n",
    );
    let mut words = BTreeSet::new();
    for field in fields::FIELDS {
        for wrong in wrong_files(field) {
            let found = mistakes(&wrong.text);

            let mistake = found.iter().find(|it| it.line == Some(wrong.line));
            let mistake = mistake.unwrap_or_else(|| panic!("{}\n{found:?}", wrong.text));
            let shown = wrong.text.lines().nth(wrong.line - 1).unwrap();
            let _ = write!(
                list,
                "\n{} ({})\n> {shown}\n{}\n",
                field.dotted(),
                wrong.why,
                mistake.what
            );
            if wrong.why == "no sense" || wrong.why == "another type" {
                assert!(mistake.what.starts_with(&field.dotted()), "{mistake}");
                assert_eq!(found.len(), 1, "{found:?}");
            }
            if wrong.why == "misspelt" {
                let meant = format!("did you mean \"{}\"?", field.name);
                assert!(mistake.what.ends_with(&meant), "{mistake}");
            }
            if field.kind == Kind::Password || field.kind == Kind::WifiPassword {
                let value = shown.split('"').nth(1).filter(|it| it.len() > 4);
                assert!(
                    value.is_none_or(|it| !mistake.what.contains(it)),
                    "{mistake}"
                );
            }
            words.insert(mistake.what.clone());
        }
    }
    let wanted = |it: &&Field| !it.is_rare || it.kind == Kind::PairingCode;
    for field in fields::FIELDS.iter().filter(wanted) {
        let line = format!("{} = {}\n", field.name, own_value(field));
        let at = complete().find(&format!("[{}]", field.section)).unwrap();
        let (before, after) = (complete()[..at].to_owned(), complete()[at..].to_owned());
        let mut text = before + &after.replacen(&line, "", 1);
        if field.name == "pairing_code" {
            text = text.replace("fingerprints = ", "#");
        }
        for mistake in mistakes(&text) {
            let _ = write!(list, "\n{} (left out)\n{}\n", field.dotted(), mistake.what);
            assert!(mistake.what.starts_with(&field.dotted()), "{mistake}");
            words.insert(mistake.what);
        }
    }
    assert!(words.len() > 60, "{}", words.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/first_boot/mistakes.txt");
    if std::env::var_os("UPDATE_EXAMPLE").is_some() {
        fs::write(&path, &list).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap();
    assert_eq!(committed, list, "run the tests once with UPDATE_EXAMPLE=1");
}

#[test]
fn the_committed_example_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-boot.example.toml");
    if std::env::var_os("UPDATE_EXAMPLE").is_some() {
        fs::write(&path, reference()).unwrap();
    }

    let committed = fs::read_to_string(path).unwrap();

    assert_eq!(
        committed,
        reference(),
        "run the tests once with UPDATE_EXAMPLE=1"
    );
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
    let text = "[acount]\njid = \"x@y.z\"\n[owner]\njid = \"nobody\"\n[wifi]\nssid = \"home\"\n";

    let lines: Vec<Option<usize>> = mistakes(text).iter().map(|it| it.line).collect();

    let expected = [Some(1), Some(3), Some(4), Some(5), Some(5), None, None];
    assert_eq!(lines, expected);
}

#[test]
fn lines_that_do_not_go_together_are_told() {
    let vault = "[account]\njid = \"v@x.org\"\npassword = \"p\"\n";
    let owner = "[owner]\njid = \"me@x.org\"\npairing_code = \"9TBR-K2MX-7GQ4\"\n";
    assert_eq!(mistakes(&format!("{vault}{owner}")), []);
    for (text, said) in [
        (
            format!("{vault}register = \"x.org\"\n{owner}"),
            "Line 3: account.password",
        ),
        (
            format!("[account]\njid = \"v@x.org\"\nregister = \"y.org\"\n{owner}"),
            "Line 2: account.jid",
        ),
        (
            format!("{vault}direct_tls = true\n{owner}"),
            "Line 4: account.direct_tls",
        ),
        (
            format!("{vault}{}", owner.replace("me@", "v@")),
            "Line 5: owner.jid",
        ),
        (
            format!("jid = \"x\"\n{vault}{owner}"),
            "Line 1: \"jid\" stands above",
        ),
        (
            format!("{vault}{owner}ssid = \"x\"\n"),
            "Line 7: [owner] has no line",
        ),
        (
            format!("wifi = 1\n{vault}{owner}"),
            "Line 1: \"wifi\" is a section",
        ),
    ] {
        let found = mistakes(&text);
        assert_eq!(found.len(), 1, "{text}\n{found:?}");
        assert!(found[0].to_string().starts_with(said), "{}", found[0]);
    }
}

#[test]
fn bytes_that_are_no_text_are_told_and_a_mark_of_windows_is_none() {
    let good = complete().replace('\n', "\r\n");
    let marked = [b"\xef\xbb\xbf", good.as_bytes()].concat();
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let latin = complete().replace("My network", "Stra\u{1}e");
    let latin: Vec<u8> = latin
        .bytes()
        .map(|it| if it == 1 { 0xdf } else { it })
        .collect();
    let line = complete()
        .lines()
        .position(|it| it.starts_with("ssid"))
        .unwrap()
        + 1;

    assert!(reading::read(&marked, &|_| true).is_ok());
    assert!(
        reading::read(&wide, &|_| true).unwrap_err()[0]
            .what
            .contains("UTF-8")
    );
    assert_eq!(
        reading::read(&latin, &|_| true).unwrap_err()[0].line,
        Some(line)
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_end_the_reader(
        at in 0_usize..1_500,
        put in proptest::collection::vec(0_u8.., 0..40),
        cut in 0_usize..60,
    ) {
        let mut bytes = complete().into_bytes();
        let at = at.min(bytes.len());
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, put);
        for custom in [false, true] {
            let found = if custom {
                imager::read(&bytes, &|_| true).err()
            } else {
                reading::read(&bytes, &|_| true).err()
            };
            for mistake in found.unwrap_or_default() {
                proptest::prop_assert!(mistake.to_string().len() < 2_000);
            }
        }
    }
}

/// A card and a system that it belongs to.
struct Scene(TempDir);

impl Scene {
    fn new(written: &str) -> Self {
        let scene = Self(TempDir::new().unwrap());
        for folder in [
            "boot",
            "root/usr/share/zoneinfo/Europe",
            "root/usr/lib/systemd/system",
        ] {
            fs::create_dir_all(scene.0.path().join(folder)).unwrap();
        }
        fs::write(scene.at("root/usr/share/zoneinfo/Europe/Berlin"), "TZif").unwrap();
        let unit = "root/usr/lib/systemd/system/wpa_supplicant@.service";
        fs::write(scene.at(unit), "").unwrap();
        scene.put(written);
        scene
    }

    fn put(&self, written: &str) {
        fs::write(self.at("boot/strongroom.toml"), written).unwrap();
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    fn boots(&self) -> anyhow::Result<ExitCode> {
        first_boot(&FirstBoot {
            boot: self.at("boot"),
            root: self.at("root"),
        })
    }

    fn settings(&self) -> Config {
        Config::read(&self.at("root/etc/strongroom/strongroom.toml")).unwrap()
    }

    fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.at(path)).unwrap().permissions().mode() & 0o777
    }
}

#[test]
fn a_good_file_sets_everything_up_and_is_gone_afterwards() {
    let scene = Scene::new(&complete());

    scene.boots().unwrap();

    let config = scene.settings();
    assert_eq!(config.account.jid, "vault@example.org");
    assert_eq!(config.owner.jid, "me@example.org");
    let password = scene.read("root/etc/strongroom/password");
    assert_eq!(password, "the password of the vault's account\n");
    let system = "root/var/lib/strongroom";
    assert_eq!(scene.read(&format!("{system}/{PAIRING_FILE}")), CODE);
    let supplicant = "root/etc/wpa_supplicant/wpa_supplicant-wlan0.conf";
    assert!(scene.read(supplicant).contains("psk=\"its password\""));
    assert!(scene.read(supplicant).contains(&hex::encode("My network")));
    assert_eq!(scene.read("root/etc/hostname"), "strongroom\n");
    let zone = fs::read_link(scene.at("root/etc/localtime")).unwrap();
    assert!(zone.ends_with("Europe/Berlin"));
    let keys = "root/root/.ssh/authorized_keys";
    assert!(scene.read(keys).starts_with("ssh-ed25519 "));
    for secret in ["root/etc/strongroom/password", supplicant, keys] {
        assert_eq!(scene.mode(secret), 0o600, "{secret}");
    }
    assert!(!scene.at("boot/strongroom.toml").exists());
    let status = scene.read("boot/strongroom-status.txt");
    let address = status.lines().find(|it| it.starts_with("xmpp:")).unwrap();
    assert!(address.starts_with("xmpp:vault@example.org?omemo-sid-"));
    assert!(scene.read("boot/strongroom-address.txt").contains(address));
    assert!(scene.read("boot/strongroom-address.html").contains(address));
    for left in fs::read_dir(scene.at("boot")).unwrap() {
        let bytes = fs::read(left.unwrap().path()).unwrap();
        for secret in ["its password", "the password of", "7GQ4", "9TBR"] {
            assert!(
                !bytes
                    .windows(secret.len())
                    .any(|it| it == secret.as_bytes())
            );
        }
    }
}

#[test]
fn the_picture_of_the_address_is_read_back_by_its_squares() {
    let scene = Scene::new(&complete());
    scene.boots().unwrap();
    let address = scene.read("boot/strongroom-address.txt");
    let address = address.lines().last().unwrap();

    let file = fs::File::open(scene.at("boot/strongroom-address.png")).unwrap();
    let mut reader = png::Decoder::new(std::io::BufReader::new(file))
        .read_info()
        .unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let side = reader.next_frame(&mut pixels).unwrap().width as usize;

    let code = qrcode::QrCode::new(address).unwrap();
    assert_eq!(side, (code.width() + 8) * 8);
    for (at, color) in code.to_colors().into_iter().enumerate() {
        let (x, y) = (at % code.width() + 4, at / code.width() + 4);
        let pixel = pixels[(y * 8 + 3) * side + x * 8 + 3];
        assert_eq!(pixel == 0, color == qrcode::Color::Dark, "{x} {y}");
    }
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_stays_to_be_mended() {
    let wrong = complete().replace("\"DE\"", "\"Germany\"");
    let scene = Scene::new(&wrong);

    let ended = scene.boots().unwrap();

    assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::from(78)));
    assert_eq!(scene.read("boot/strongroom.toml"), wrong);
    let status = scene.read("boot/strongroom-status.txt");
    assert!(
        status.contains(": wifi.country: \"Germany\" is no country"),
        "{status}"
    );
    assert!(!status.contains("its password"));
    assert!(!scene.at("root/etc").exists() && !scene.at("root/var").exists());
    scene.put(&complete());
    scene.boots().unwrap();
    assert!(
        scene
            .read("boot/strongroom-status.txt")
            .starts_with("Strongroom: SET UP")
    );
}

#[test]
fn a_new_file_begins_pairing_again_and_keeps_identity_and_other_settings() {
    let scene = Scene::new(&complete());
    scene.boots().unwrap();
    let address = scene.read("boot/strongroom-address.txt");
    let code = scene.at("root/var/lib/strongroom").join(PAIRING_FILE);
    fs::remove_file(&code).unwrap();
    let settings = scene.at("root/etc/strongroom/strongroom.toml");
    let text = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, text.replace("trash_days = 30", "trash_days = 7")).unwrap();

    scene.put(&complete().replace(CODE, "3H8Z-W5NC-7PVD"));
    scene.boots().unwrap();

    assert_eq!(fs::read_to_string(&code).unwrap(), "3H8Z-W5NC-7PVD");
    assert_eq!(scene.read("boot/strongroom-address.txt"), address);
    assert_eq!(scene.settings().vault.trash_days, 7);
    fs::remove_file(&code).unwrap();
    scene.boots().unwrap();
    assert!(!code.exists(), "without a file nothing begins");
}

#[test]
fn wifi_where_another_program_does_it_is_told_and_the_file_stays() {
    let scene = Scene::new(&complete());
    fs::remove_file(scene.at("root/usr/lib/systemd/system/wpa_supplicant@.service")).unwrap();

    let error = scene.boots().unwrap_err();

    assert!(error.to_string().contains("take the section [wifi] out"));
    assert!(scene.at("boot/strongroom.toml").exists());
    let status = scene.read("boot/strongroom-status.txt");
    assert!(status.contains("NOT SET UP YET") && status.contains("[wifi]"));
}

#[test]
fn the_file_of_the_imager_fills_in_what_the_owner_left_out() {
    let end = complete().find("[wifi]").unwrap();
    let scene = Scene::new(&complete()[..end]);
    let custom = "config_version = 1\n[system]\nhostname = \"attic\"\n[wlan]\nssid = \"home\"\n\
                  password = \"another one\"\ncountry = \"FR\"\n";
    fs::write(scene.at("boot/custom.toml"), custom).unwrap();

    scene.boots().unwrap();

    assert_eq!(scene.read("root/etc/hostname"), "attic\n");
    let supplicant = scene.read("root/etc/wpa_supplicant/wpa_supplicant-wlan0.conf");
    assert!(supplicant.contains("country=FR") && supplicant.contains("another one"));
    assert!(!scene.at("boot/custom.toml").exists());
}

#[test]
fn a_name_with_the_ending_that_windows_adds_is_taken() {
    let scene = Scene::new("");
    fs::remove_file(scene.at("boot/strongroom.toml")).unwrap();
    fs::write(scene.at("boot/strongroom.toml.txt"), complete()).unwrap();

    scene.boots().unwrap();

    assert_eq!(scene.settings().account.jid, "vault@example.org");
    assert!(!scene.at("boot/strongroom.toml.txt").exists());
}
