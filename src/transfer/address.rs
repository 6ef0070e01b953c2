//! What kind of place an IP address is: out on the Internet, in the home, or in this computer.
//!
//! Pure arithmetic on addresses after the IANA special-purpose registries; knows no names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who can be behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A host on the Internet.
    Public,
    /// A host in the home or behind the provider's NAT: private, shared or unique local.
    Home,
    /// This computer, or a neighbour on the same cable: loopback or link-local.
    Local,
    /// Set aside for documentation, benchmarks, tunnels or the future.
    Reserved,
    /// No single host at all: unspecified, multicast or broadcast. Connecting to the unspecified
    /// address reaches this computer.
    Nobody,
}

/// Returns the address that a connection to `address` really reaches: the IPv4 address inside an
/// IPv4-mapped one, else the address itself.
#[must_use]
pub fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Tells what kind of place `address` is, looking through every form that embeds an IPv4 address.
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    match canonical(address) {
        IpAddr::V4(v4) => reach_v4(v4),
        IpAddr::V6(v6) => reach_v6(v6),
    }
}

/// Sorts by the IANA IPv4 Special-Purpose Address Registry (RFC 6890).
fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [0, 0, 0, 0] | [255, 255, 255, 255] | [224..=239, ..] => Reach::Nobody,
        [127, ..] | [169, 254, ..] => Reach::Local,
        [10, ..] | [100, 64..=127, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reach::Home,
        [0 | 240..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Reach::Reserved,
        _ => Reach::Public,
    }
}

/// Sorts by the IANA IPv6 Special-Purpose Address Registry (RFC 6890); whatever lies outside the
/// global unicast block 2000::/3 and is not named there is reserved.
fn reach_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] | [0xff00..=0xffff, ..] => Reach::Nobody,
        [0, 0, 0, 0, 0, 0, 0, 1] | [0xfe80..=0xfebf, ..] => Reach::Local,
        // fec0::/10 is the site-local block that RFC 3879 retired and old equipment still uses.
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Reach::Home,
        // RFC 6052 2.1: behind a NAT64 every IPv4 host has such an address, the home's own too.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => reach_v4(embedded(high, low)),
        // RFC 3056 2: 6to4 carries the IPv4 address of the tunnel's end.
        [0x2002, high, low, ..] => reach_v4(embedded(high, low)),
        // 2001::/23 holds Teredo, ORCHID, benchmarking and anycast services, never a web server.
        [0x2001, 0..=0x1ff, ..]
        | [0x2001, 0xdb8, ..]
        | [0x3fff, 0..=0xfff, ..]
        | [0x3ffe, ..]
        | [0x5f00, ..] => Reach::Reserved,
        [0x2000..=0x3fff, ..] => Reach::Public,
        // Among them ::a.b.c.d, ::ffff:0:a.b.c.d and the local NAT64 prefix 64:ff9b:1::/48.
        _ => Reach::Reserved,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[(Reach, &[&str])] = &[
        (
            Reach::Public,
            &[
                "1.1.1.1",
                "8.8.8.8",
                "9.255.255.255",
                "11.0.0.0",
                "100.63.255.255",
                "100.128.0.0",
                "126.255.255.255",
                "128.0.0.1",
                "169.253.255.255",
                "169.255.0.0",
                "172.15.255.255",
                "172.32.0.0",
                "192.0.1.1",
                "192.0.3.0",
                "192.88.98.1",
                "192.167.255.255",
                "192.169.0.0",
                "198.17.255.255",
                "198.20.0.0",
                "198.51.99.1",
                "203.0.112.1",
                "223.255.255.255",
                "2000::1",
                "2001:200::1",
                "2001:4860:4860::8888",
                "2001:db7::1",
                "2001:db9::1",
                "2606:4700::1111",
                "2a00:1450::1",
                "3fff:1000::1",
                "::ffff:8.8.8.8",
                "64:ff9b::8.8.8.8",
                "2002:808:808::1",
            ],
        ),
        (
            Reach::Home,
            &[
                "10.0.0.0",
                "10.255.255.255",
                "100.64.0.0",
                "100.127.255.255",
                "172.16.0.0",
                "172.31.255.255",
                "192.168.0.1",
                "192.168.255.255",
                "fc00::1",
                "fd12:3456:789a::1",
                "fdff:ffff::1",
                "fec0::1",
                "::ffff:10.0.0.1",
                "::ffff:192.168.1.1",
                "64:ff9b::10.0.0.1",
                "64:ff9b::192.168.1.1",
                "2002:a00:1::1",
                "2002:c0a8:101::1",
            ],
        ),
        (
            Reach::Local,
            &[
                "127.0.0.1",
                "127.255.255.255",
                "169.254.0.1",
                "169.254.169.254",
                "::1",
                "fe80::1",
                "febf:ffff::1",
                "::ffff:127.0.0.1",
                "::ffff:169.254.169.254",
                "64:ff9b::127.0.0.1",
                "64:ff9b::a9fe:a9fe",
                "2002:7f00:1::1",
                "2002:a9fe:a9fe::1",
            ],
        ),
        (
            Reach::Reserved,
            &[
                "0.0.0.1",
                "0.255.255.255",
                "192.0.0.1",
                "192.0.0.170",
                "192.0.2.1",
                "192.88.99.1",
                "198.18.0.1",
                "198.19.255.255",
                "198.51.100.1",
                "203.0.113.1",
                "240.0.0.1",
                "255.255.255.254",
                "::2",
                "::127.0.0.1",
                "::10.0.0.1",
                "::8.8.8.8",
                "::ffff:0:127.0.0.1",
                "64:ff9b:1::10.0.0.1",
                "64:ff9b:0:1::1",
                "100::1",
                "1fff::1",
                "2001::1",
                "2001:0:4136:e378:8000:63bf:3fff:fdd2",
                "2001:0:7f00:1:0:0:80ff:fffe",
                "2001:2::1",
                "2001:10::1",
                "2001:20::1",
                "2001:db8::1",
                "3ffe::1",
                "3fff::1",
                "3fff:fff::1",
                "4000::1",
                "5f00::1",
                "fe00::1",
                "64:ff9b::192.0.2.1",
                "2002:c612:1::1",
            ],
        ),
        (
            Reach::Nobody,
            &[
                "0.0.0.0",
                "::",
                "224.0.0.1",
                "239.255.255.255",
                "255.255.255.255",
                "ff02::1",
                "ff0e::1",
                "::ffff:0.0.0.0",
                "::ffff:224.0.0.1",
                "64:ff9b::0.0.0.0",
                "2002:e000:1::1",
            ],
        ),
    ];

    #[test]
    fn every_address_of_the_table_is_sorted_into_its_kind() {
        let mut judged = 0;
        for (expected, addresses) in TABLE {
            for text in *addresses {
                let address: IpAddr = text.parse().unwrap();

                let found = reach(address);

                assert_eq!(found, *expected, "{text}");
                judged += 1;
            }
        }
        assert_eq!(judged, 111);
    }

    #[test]
    fn no_ipv4_address_is_public_in_one_form_and_home_in_another() {
        for (expected, addresses) in TABLE {
            for v4 in addresses
                .iter()
                .filter_map(|it| it.parse::<Ipv4Addr>().ok())
            {
                let [a, b, c, d] = v4.octets().map(u16::from);
                let (high, low) = (a << 8 | b, c << 8 | d);
                for form in [
                    v4.to_ipv6_mapped(),
                    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
                    Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
                ] {
                    assert_eq!(reach(form.into()), *expected, "{form}");
                }
            }
        }
    }
}
