//! The settings file: what is read, and what is refused with words.

use super::*;

fn example() -> Config {
    toml::from_str(&reference()).unwrap()
}

fn wrong(change: impl FnOnce(&mut Config)) -> String {
    let mut config = example();
    change(&mut config);
    config.check().unwrap_err().to_string()
}

#[test]
fn the_reference_is_a_valid_file() {
    assert!(example().check().is_ok());
}

#[test]
fn the_committed_example_is_the_reference() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/strongroom.example.toml");
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
fn a_wrong_value_is_named_with_what_is_expected() {
    assert_eq!(
        wrong(|it| it.owner.jid = "nobody".into()),
        "the setting owner.jid cannot be used: \"nobody\" is no address like \"name@example.org\""
    );
    assert!(wrong(|it| it.owner.jid = "me@example.org/phone".into()).contains("owner.jid"));
    assert!(wrong(|it| it.owner.jid = it.account.jid.clone()).contains("account of its own"));
    assert!(wrong(|it| it.account.server = Some("example.org".into())).contains("host:port"));
    assert!(wrong(|it| it.transfer.pins = vec!["[::1]".into()]).contains("host:port"));
    assert!(wrong(|it| it.verify.bytes_per_second = 1).contains("verify.bytes_per_second"));
    assert!(wrong(|it| it.vault.key = it.vault.folder.join("key")).contains("vault.key"));
    for bad in ["/dev/sda1", "LABEL=", "LABEL=../sda", "NAME=x"] {
        let said = wrong(|it| it.keydevice.device = Some(bad.into()));
        assert!(said.contains("LABEL="), "{said}");
    }
    for bad in ["localhost:9050", "127.0.0.1", "9050"] {
        let said = wrong(|it| it.network.socks5 = Some(bad.into()));
        assert!(said.contains("network.socks5"), "{said}");
    }
    assert!(wrong(|it| it.account.certificate_sha256 = Some("00".into())).contains("64"));
}

#[test]
fn an_unknown_line_is_refused_by_name() {
    let text = reference().replace("[owner]", "[owner]\ncolour = \"red\"");

    let error = toml::from_str::<Config>(&text).unwrap_err().to_string();

    assert!(error.contains("colour"), "{error}");
}

#[test]
fn host_and_port_may_be_an_ipv6_address() {
    assert_eq!(
        host_port("x", "[::1]:443").unwrap(),
        ("::1".to_owned(), 443)
    );
    assert_eq!(host_port("x", "home.example:5443").unwrap().1, 5443);
    for bad in ["", ":443", "a:0", "a:65536", "::1:443", "a:443:1"] {
        assert!(host_port("x", bad).is_err(), "{bad}");
    }
}
