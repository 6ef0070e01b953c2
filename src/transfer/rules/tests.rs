use super::*;

fn rules(pins: &[&str]) -> Rules {
    Rules::new(pins.iter().map(|it| it.parse().unwrap()).collect(), None)
}

fn verdict(url: &str, pins: &[&str]) -> Result<String, Refusal> {
    Target::parse(url, &rules(pins)).map(|it| it.url.to_string())
}

/// Bad URL, the rule it breaks, and the honest URL next to it.
#[rustfmt::skip]
const TABLE: &[(&str, Refusal, &str)] = &[
    ("", Refusal::Malformed, "https://a.example/"),
    ("a.example/f", Refusal::Malformed, "https://a.example/f"),
    ("//a.example/f", Refusal::Malformed, "HTTPS://a.example/f"),
    ("http://a.example/f", Refusal::NotHttps, "https://a.example/f"),
    ("aesgcm://a.example/f", Refusal::NotHttps, "https://a.example/f"),
    ("ftp://a.example/f", Refusal::NotHttps, "https://a.example/f"),
    ("file:///etc/passwd", Refusal::NotHttps, "https://file/etc/passwd"),
    ("gopher://a.example/", Refusal::NotHttps, "https://gopher.example/"),
    ("data:text/plain,x", Refusal::Malformed, "https://a.example/data:text/plain,x"),
    ("view-source:https://a.example/", Refusal::NotHttps, "https://a.example/"),
    (" https://a.example/f", Refusal::NotHttps, "https://a.example/f"),
    ("https:/a.example/f", Refusal::Malformed, "https://a.example/f"),
    ("https:a.example/f", Refusal::Malformed, "https://a.example/f"),
    ("https:///a.example/f", Refusal::Malformed, "https://a.example/f"),
    ("https://", Refusal::Malformed, "https://a.example"),
    ("https://?q", Refusal::Malformed, "https://a.example?q"),
    ("https://#f", Refusal::Malformed, "https://a.example#f"),
    ("https:\\\\a.example\\f", Refusal::Malformed, "https://a.example/f"),
    ("https://a.example\\@b.example/", Refusal::Malformed, "https://a.example/@b.example/"),
    ("https://a.ex\tample/f", Refusal::Malformed, "https://a.example/f"),
    ("https://a.example/f\r\nHost: b", Refusal::Malformed, "https://a.example/f%0D%0AHost:%20b"),
    ("https://a.example/f g", Refusal::Malformed, "https://a.example/f%20g"),
    ("https://a.example/\u{2028}", Refusal::Malformed, "https://a.example/%E2%80%A8"),
    ("https://a.example/\0", Refusal::Malformed, "https://a.example/%00"),
    ("https://a.exa mple/", Refusal::Malformed, "https://a.example/"),
    ("https://a.exa%00mple/", Refusal::Malformed, "https://a.exa%6Dple/"),
    ("https://a.example:99999/", Refusal::Malformed, "https://a.example:443/"),
    ("https://a.example:-1/", Refusal::Malformed, "https://a.example:/"),
    ("https://[::1/", Refusal::Malformed, "https://one.example/"),
    ("https://1.2.3.4.5/", Refusal::Malformed, "https://1.2.3.4.5.example/"),
    ("https://256.256.256.256/", Refusal::Malformed, "https://256.example/"),
    ("https://user@a.example/", Refusal::UserInfo, "https://a.example/user@"),
    ("https://user:pw@a.example/", Refusal::UserInfo, "https://a.example/user:pw@"),
    ("https://@a.example/", Refusal::UserInfo, "https://a.example/@"),
    ("https://:@a.example/", Refusal::UserInfo, "https://a.example/?:@"),
    ("https://a.example@127.0.0.1/", Refusal::UserInfo, "https://a.example#@127.0.0.1/"),
    ("https://a.example:443@b.example/", Refusal::UserInfo, "https://a.example:443/@b.example/"),
    ("https://127.0.0.1/", Refusal::IpLiteral, "https://a127.0.0.1.example/"),
    ("https://127.1/", Refusal::IpLiteral, "https://127.1.example/"),
    ("https://2130706433/", Refusal::IpLiteral, "https://x2130706433/"),
    ("https://0x7f000001/", Refusal::IpLiteral, "https://0x7f000001.example/"),
    ("https://0x7f.1/", Refusal::IpLiteral, "https://0x7f.1.example/"),
    ("https://0177.0.0.1/", Refusal::IpLiteral, "https://0177.0.0.1.example/"),
    ("https://127.0.0.1./", Refusal::IpLiteral, "https://example./"),
    ("https://0/", Refusal::IpLiteral, "https://zero/"),
    ("https://%31%32%37.0.0.1/", Refusal::IpLiteral, "https://%61.example/"),
    ("https://①②⑦.⓪.⓪.①/", Refusal::IpLiteral, "https://ⓐ.example/"),
    ("https://127。0。0。1/", Refusal::IpLiteral, "https://a。example/"),
    ("https://8.8.8.8/", Refusal::IpLiteral, "https://dns.example/"),
    ("https://10.0.0.1/", Refusal::IpLiteral, "https://ten.example/"),
    ("https://169.254.169.254/latest/", Refusal::IpLiteral, "https://meta.example/latest/"),
    ("https://[::1]/", Refusal::IpLiteral, "https://one.example/"),
    ("https://[::]/", Refusal::IpLiteral, "https://none.example/"),
    ("https://[::ffff:127.0.0.1]/", Refusal::IpLiteral, "https://mapped.example/"),
    ("https://[::ffff:7f00:1]/", Refusal::IpLiteral, "https://mapped.example/"),
    ("https://[64:ff9b::7f00:1]/", Refusal::IpLiteral, "https://nat64.example/"),
    ("https://[fe80::1]/", Refusal::IpLiteral, "https://link.example/"),
    ("https://[fd00::1]/", Refusal::IpLiteral, "https://local.example/"),
    ("https://[2606:4700::1111]/", Refusal::IpLiteral, "https://cloud.example/"),
    ("https://a.example:80/", Refusal::Port, "https://a.example/:80/"),
    ("https://a.example:22/", Refusal::Port, "https://a.example:443/:22/"),
    ("https://a.example:8443/", Refusal::Port, "https://a.example:0443/"),
    ("https://a.example:0/", Refusal::Port, "https://a.example/"),
    ("https://a.example:4430/", Refusal::Port, "https://a.example:443/"),
    ("https://localhost:5281/", Refusal::Port, "https://localhost/"),
];

#[test]
fn every_bad_url_is_refused_and_the_honest_one_beside_it_is_not() {
    for (bad, why, honest) in TABLE {
        assert_eq!(verdict(bad, &[]), Err(*why), "{bad}");
        assert!(verdict(honest, &[]).is_ok(), "{honest}");
    }
    assert_eq!(TABLE.len(), 65);
}

#[test]
fn a_url_of_8192_bytes_is_taken_and_a_longer_one_is_not() {
    let longest = format!("https://a.example/{}", "x".repeat(MAX_URL_BYTES - 18));

    assert_eq!(verdict(&longest, &[]).as_ref(), Ok(&longest));
    assert_eq!(
        verdict(&format!("{longest}x"), &[]),
        Err(Refusal::Malformed)
    );
}

#[test]
fn the_fragment_is_forgotten_at_once() {
    assert_eq!(
        verdict("https://a.example/f.jpg?v=1#00ff00ff", &[]).unwrap(),
        "https://a.example/f.jpg?v=1"
    );
}

#[test]
fn a_final_dot_does_not_make_another_host() {
    assert_eq!(
        verdict("https://A.Example./f", &[]).unwrap(),
        "https://a.example/f"
    );
    assert!(verdict("https://a.example.:5281/f", &["a.example:5281"]).is_ok());
    assert!(verdict("https://a.example:5281/f", &["A.EXAMPLE.:5281"]).is_ok());
}

#[test]
fn a_pin_opens_its_own_host_and_port_and_no_other() {
    let pins = &[
        "nas.local:5281",
        "192.168.1.5:443",
        "[fd00::5]:8443",
        "bücher.example:444",
    ];
    for open in [
        "https://nas.local:5281/f",
        "https://NAS.local:5281/f",
        "https://nas.local/f",
        "https://192.168.1.5/f",
        "https://192.168.261/f",
        "https://[fd00:0::5]:8443/f",
        "https://xn--bcher-kva.example:444/",
    ] {
        assert!(verdict(open, pins).is_ok(), "{open}");
    }
    for (shut, why) in [
        ("https://nas.local:5282/f", Refusal::Port),
        ("https://nas.local.evil.example:5281/f", Refusal::Port),
        ("https://evilnas.local:5281/f", Refusal::Port),
        ("https://192.168.1.5:5281/f", Refusal::IpLiteral),
        ("https://192.168.1.6/f", Refusal::IpLiteral),
        ("https://[fd00::5]/f", Refusal::IpLiteral),
        ("https://[::ffff:192.168.1.5]/f", Refusal::IpLiteral),
        ("http://nas.local:5281/f", Refusal::NotHttps),
        ("https://user@nas.local:5281/f", Refusal::UserInfo),
    ] {
        assert_eq!(verdict(shut, pins), Err(why), "{shut}");
    }
}

#[test]
fn a_pin_is_a_host_and_a_port() {
    for (text, why) in [
        ("", HostPortError::NoPort),
        ("nas.local", HostPortError::NoPort),
        ("nas.local:", HostPortError::NoPort),
        ("nas.local:https", HostPortError::NoPort),
        ("nas.local:65536", HostPortError::NoPort),
        (":443", HostPortError::NoHost),
        ("::1:443", HostPortError::NoHost),
        ("https://nas.local:443", HostPortError::NoHost),
        ("user@nas.local:443", HostPortError::NoHost),
    ] {
        assert_eq!(text.parse::<HostPort>().unwrap_err(), why, "{text}");
    }
    for (text, shown) in [
        ("NAS.local.:443", "nas.local:443"),
        ("[FD00::0:5]:1", "[fd00::5]:1"),
    ] {
        assert_eq!(text.parse::<HostPort>().unwrap().to_string(), shown);
    }
}

#[test]
fn a_star_in_a_pin_stands_for_nothing_else() {
    let pins = &["*.local:5281", "*:443"];

    assert_eq!(verdict("https://nas.local:5281/", pins), Err(Refusal::Port));
    assert_eq!(
        verdict("https://192.168.1.5/", pins),
        Err(Refusal::IpLiteral)
    );
    assert!(verdict("https://nas.local:5281/", &["nas.local:5281"]).is_ok());
}

#[test]
fn a_home_address_is_admitted_only_by_pin_or_as_the_live_server_on_443() {
    let open = Target::parse("https://a.example/", &rules(&[])).unwrap();
    let pins = &["nas.local:5281", "a.example:444"];
    let pinned = Target::parse("https://nas.local:5281/", &rules(pins)).unwrap();
    for home in [
        "192.168.1.5",
        "10.1.2.3",
        "172.20.0.1",
        "100.100.1.1",
        "fd00::5",
        "fec0::5",
    ] {
        let address: IpAddr = home.parse().unwrap();
        let mut rules = rules(pins);

        assert!(!rules.admit(&open, address), "{home}");
        assert!(rules.admit(&pinned, address), "{home}");
        rules.live_server = Some(address);
        assert!(rules.admit(&open, address), "{home}");
        rules.live_server = Some("192.168.1.6".parse().unwrap());
        assert!(!rules.admit(&open, address), "{home}");
    }
}

#[test]
fn the_live_server_may_appear_in_its_mapped_form() {
    let open = Target::parse("https://a.example/", &rules(&[])).unwrap();
    let mut rules = rules(&[]);
    rules.live_server = Some("::ffff:192.168.1.5".parse().unwrap());

    assert!(rules.admit(&open, "192.168.1.5".parse().unwrap()));
    assert!(rules.admit(&open, "::ffff:192.168.1.5".parse().unwrap()));
    assert!(!rules.admit(&open, "::ffff:192.168.1.6".parse().unwrap()));
}

#[test]
fn being_the_live_server_opens_neither_this_computer_nor_reserved_addresses() {
    let open = Target::parse("https://a.example/", &rules(&[])).unwrap();
    let pinned = Target::parse("https://nas.local:5281/", &rules(&["nas.local:5281"])).unwrap();
    for local in [
        "127.0.0.1",
        "::1",
        "169.254.1.1",
        "fe80::1",
        "192.0.2.1",
        "2001:db8::1",
    ] {
        let address: IpAddr = local.parse().unwrap();
        let mut rules = rules(&[]);
        rules.live_server = Some(address);

        assert!(!rules.admit(&open, address), "{local}");
        assert!(rules.admit(&pinned, address), "{local}");
    }
}

#[test]
fn no_pin_opens_an_address_that_is_no_host() {
    let open = Target::parse("https://a.example/", &rules(&[])).unwrap();
    let pinned = Target::parse("https://nas.local:5281/", &rules(&["nas.local:5281"])).unwrap();
    for nobody in [
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "255.255.255.255",
        "ff02::1",
        "::ffff:0.0.0.0",
    ] {
        assert!(
            !rules(&[]).admit(&pinned, nobody.parse().unwrap()),
            "{nobody}"
        );
    }
    for public in ["1.1.1.1", "2606:4700::1111"] {
        assert!(
            rules(&[]).admit(&pinned, public.parse().unwrap()),
            "{public}"
        );
        assert!(rules(&[]).admit(&open, public.parse().unwrap()), "{public}");
    }
}

#[test]
fn a_proxy_is_asked_for_no_name_that_can_only_be_local() {
    let admitted = |url: &str, pins: &[&str]| {
        let rules = rules(pins);
        let target = Target::parse(url, &rules).unwrap();
        rules.admit_by_name(&target)
    };

    for local in [
        "https://localhost/",
        "https://nas/",
        "https://nas./",
        "https://nas.local/",
        "https://NAS.Local./",
        "https://a.b.localhost/",
        "https://fritz.home.arpa/",
        "https://router.lan/",
        "https://db.internal/",
    ] {
        assert!(!admitted(local, &[]), "{local}");
    }
    for public in [
        "https://a.example/",
        "https://local.example/",
        "https://notlocal.org/",
        "https://upload.abcdefghijklmnop.onion/",
    ] {
        assert!(admitted(public, &[]), "{public}");
    }
    assert!(admitted("https://nas:8443/", &["nas:8443"]));
    assert!(admitted("https://192.168.1.2:8443/", &["192.168.1.2:8443"]));
}
