//! `custom.toml`, as Raspberry Pi Imager writes it: of it only Wi-Fi, host name, time zone and SSH keys.
//!
//! Its user and password are not used: nobody logs in to a vault by a password.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::{
    fields::Kind,
    judge,
    reading::{Machine, Mistake, Wifi},
};

#[derive(Deserialize, Default)]
#[serde(default)]
struct Custom {
    system: System,
    ssh: Ssh,
    wlan: Option<Wlan>,
    locale: Locale,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct System {
    hostname: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ssh {
    enabled: bool,
    authorized_keys: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wlan {
    ssid: String,
    password: String,
    hidden: bool,
    country: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Locale {
    timezone: Option<String>,
}

/// Reads the file.
///
/// # Errors
///
/// What in it cannot be used.
pub(super) fn read(bytes: &[u8], has_zone: &dyn Fn(&str) -> bool) -> Result<Machine, Vec<Mistake>> {
    let wrong = |line, what: String| Mistake {
        line,
        what: format!("in custom.toml, {what}"),
    };
    let text = str::from_utf8(bytes)
        .map_err(|_| vec![wrong(None, "all has to be text in UTF-8".to_owned())])?;
    let custom: Custom = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|it| it.matches('\n').count() + 1);
        vec![wrong(
            line,
            "this is not as Raspberry Pi Imager writes it".to_owned(),
        )]
    })?;
    let mut mistakes = Vec::new();
    let mut judge = |kind, name: &str, value: &str| {
        if let Some(what) = judge::text(kind, value, has_zone) {
            mistakes.push(wrong(None, format!("{name}: {what}")));
        }
    };
    if let Some(name) = &custom.system.hostname {
        judge(Kind::HostName, "system.hostname", name);
    }
    if let Some(zone) = &custom.locale.timezone {
        judge(Kind::TimeZone, "locale.timezone", zone);
    }
    let keys = match custom.ssh.enabled {
        true => custom.ssh.authorized_keys,
        false => Vec::new(),
    };
    for key in &keys {
        judge(Kind::SshKeys, "ssh.authorized_keys", key);
    }
    if let Some(wlan) = &custom.wlan {
        judge(Kind::Ssid, "wlan.ssid", &wlan.ssid);
        judge(Kind::WifiPassword, "wlan.password", &wlan.password);
        judge(Kind::Country, "wlan.country", &wlan.country);
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(Machine {
        wifi: custom.wlan.map(|wlan| Wifi {
            ssid: wlan.ssid,
            password: Zeroizing::new(wlan.password),
            country: wlan.country,
            is_hidden: wlan.hidden,
        }),
        host_name: custom.system.hostname,
        time_zone: custom.locale.timezone,
        ssh_keys: keys,
    })
}

/// Returns what is left in the file without the lines that are used; `None` if that is nothing.
pub(super) fn rest(bytes: &[u8]) -> Option<Zeroizing<String>> {
    let text = str::from_utf8(bytes).ok()?;
    let mut table: toml::Table = toml::from_str(text).ok()?;
    let has_ssh = table
        .get("ssh")
        .and_then(|it| it.get("enabled")?.as_bool())
        .unwrap_or_default();
    table.remove("wlan");
    for (section, name, is_used) in [
        ("system", "hostname", true),
        ("locale", "timezone", true),
        ("ssh", "authorized_keys", has_ssh),
    ] {
        if let Some(section) = table.get_mut(section).and_then(toml::Value::as_table_mut)
            && is_used
        {
            section.remove(name);
        }
    }
    table.retain(|_, value| value.as_table().is_none_or(|it| !it.is_empty()));
    let says_more = table.keys().any(|it| it != "config_version");
    says_more.then(|| toml::to_string(&table).map(Zeroizing::new).ok())?
}

impl Machine {
    /// Tells whether nothing is wished.
    pub(super) fn is_empty(&self) -> bool {
        let Self {
            wifi,
            host_name,
            time_zone,
            ssh_keys,
        } = self;
        wifi.is_none() && host_name.is_none() && time_zone.is_none() && ssh_keys.is_empty()
    }

    /// Takes from the other what is not said here.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            wifi: self.wifi.or(other.wifi),
            host_name: self.host_name.or(other.host_name),
            time_zone: self.time_zone.or(other.time_zone),
            ssh_keys: match self.ssh_keys.is_empty() {
                true => other.ssh_keys,
                false => self.ssh_keys,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"
config_version = 1
[system]
hostname = "attic"
[user]
name = "pi"
password = "$5$x"
password_encrypted = true
[ssh]
enabled = true
password_authentication = false
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBESIzRFVmd4iZqrvM3u/wARIjNEVWZ3iJmqu8zd7v8R me"]
[wlan]
ssid = "home"
password = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
password_encrypted = true
hidden = true
country = "FR"
[locale]
keymap = "fr"
timezone = "Europe/Paris"
"#;

    #[test]
    fn what_the_imager_writes_is_taken_but_for_its_user() {
        let machine = read(WRITTEN.as_bytes(), &|_| true).unwrap();

        let wifi = machine.wifi.unwrap();
        assert_eq!((wifi.ssid.as_str(), wifi.country.as_str()), ("home", "FR"));
        assert!(wifi.is_hidden && wifi.password.len() == 64);
        assert_eq!(machine.host_name.as_deref(), Some("attic"));
        assert_eq!(machine.time_zone.as_deref(), Some("Europe/Paris"));
        assert_eq!(machine.ssh_keys.len(), 1);
    }

    #[test]
    fn what_is_used_is_taken_out_and_the_rest_is_left() {
        let rest = rest(WRITTEN.as_bytes()).unwrap();

        for used in ["attic", "home", "0123456789", "AAAAC3", "Paris"] {
            assert!(!rest.contains(used), "{used}: {}", *rest);
        }
        assert!(rest.contains("name = \"pi\"") && rest.contains("keymap = \"fr\""));
        assert!(read(rest.as_bytes(), &|_| true).unwrap().is_empty());
        let all_used = b"config_version = 1\n[system]\nhostname = \"attic\"\n";
        assert!(super::rest(all_used).is_none());
    }

    #[test]
    fn keys_without_ssh_switched_on_are_not_taken() {
        let off = WRITTEN.replace("enabled = true", "enabled = false");

        assert!(read(off.as_bytes(), &|_| true).unwrap().ssh_keys.is_empty());
    }

    #[test]
    fn what_it_cannot_mean_is_told() {
        let wrong = WRITTEN
            .replace("\"FR\"", "\"France\"")
            .replace("attic", "My Attic");

        let mistakes = read(wrong.as_bytes(), &|_| true).unwrap_err();

        let said: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("system.hostname") && said[1].contains("wlan.country"));
        let broken = read(b"[wlan]\nssid = 7\n", &|_| true).unwrap_err();
        assert_eq!(broken[0].line, Some(2));
    }
}
