//! What the keeper decided about devices is carried out: written into the store, sessions
//! forgotten, blobs of a device that was turned away removed.

use anyhow::Context as _;
use omemo::{Address, DeviceId, IdentityKey, Namespace, Store as _, Trust, TrustError, machine};
use vault::BlobId;

use super::{Daemon, Happening, effects::Desk};
use crate::{
    config::Config,
    keeper::{
        Device, Input,
        devices::{Known, Level, Listed, News},
    },
    keys::code,
    state::Step,
    vault_process::SlotAnswer,
    xmpp::Link,
};

impl Desk<'_> {
    /// Trusts a device that the settings name, or that was paired.
    pub(super) fn trust(&self, step: &mut Step<'_>, device: &Device) -> anyhow::Result<()> {
        let pinned = self
            .config
            .pinned_fingerprints()
            .contains(&device.fingerprint);
        let trust = if pinned { Trust::Pinned } else { Trust::Paired };
        set(step, device, trust)
    }
}

/// Writes what was decided about a device.
pub(super) fn set(step: &mut Step<'_>, device: &Device, trust: Trust) -> anyhow::Result<()> {
    let identity = IdentityKey::from_fingerprint(&device.fingerprint)
        .context("while reading a device's own fingerprint")?;
    let address = Address::new(device.jid.clone(), DeviceId(device.id));
    let changes = match machine::set_trust(step, &address, &identity, trust) {
        Ok(changes) => changes,
        Err(TrustError::Store(error)) => return Err(error).context("while trusting a device"),
        Err(why) => {
            log::error!("nothing was decided about device {}: {why}", device.id);
            return Ok(());
        }
    };
    step.apply(changes).context("while trusting a device")?;
    log::info!("device {} is now {trust:?}", device.id);
    Ok(())
}

/// Shuts a device out: nothing can be encrypted to it any more.
pub(super) fn revoke(step: &mut Step<'_>, device: &Device) -> anyhow::Result<()> {
    set(step, device, Trust::Revoked)?;
    step.forget_sessions(&device.jid, device.id)
        .context("while forgetting the sessions of a device")
}

/// Reads about which devices of the owner something was decided.
pub(super) fn known(step: &Step<'_>, config: &Config) -> anyhow::Result<Vec<Known>> {
    let mut known = Vec::new();
    for device in step.known_devices(&config.owner.jid)? {
        let id = device.address.device.0;
        let level = match device.trust {
            Trust::Paired => Level::Paired,
            Trust::Vouched => Level::Vouched,
            Trust::Pinned => Level::Pinned,
            Trust::Revoked => Level::Revoked,
            Trust::Undecided if step.is_quarantined(&config.owner.jid, id)? => Level::New,
            Trust::Undecided | _ => continue,
        };
        known.push(Known {
            id,
            fingerprint: device.identity.fingerprint(),
            level,
            since: i64::try_from(device.first_seen_at).unwrap_or(0),
        });
    }
    Ok(known)
}

/// Reads a list of lost devices: a fingerprint a line, in any grouping; `#` begins a remark.
/// Returns the fingerprints, and how many lines are none.
pub(super) fn read_list(text: &str) -> (Vec<String>, usize) {
    let (mut fingerprints, mut unread) = (Vec::new(), 0);
    for line in text.trim_start_matches('\u{feff}').lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        match IdentityKey::from_fingerprint(line) {
            Ok(key) => fingerprints.push(key.fingerprint()),
            Err(_) => unread += 1,
        }
    }
    (fingerprints, unread)
}

impl Daemon {
    /// The card follows what the vault process changed on the drive.
    pub(super) fn keys_changed(&self, answer: &SlotAnswer) {
        let changed = match answer {
            SlotAnswer::Renamed { .. } => self.copy_slots(),
            SlotAnswer::Revoked { was_code: true, .. } => code::forget_pepper(&self.config),
            SlotAnswer::Revoked {
                was_code: false, ..
            }
            | SlotAnswer::NoSuch { .. }
            | SlotAnswer::Several { .. }
            | SlotAnswer::Last { .. }
            | SlotAnswer::Found { .. }
            | SlotAnswer::Taken { .. }
            | SlotAnswer::BadName { .. } => Ok(()),
        };
        if let Err(error) = changed {
            log::warn!("the system card did not follow a change of keys: {error:#}");
        }
    }

    /// Removes the blob of a file that was turned away.
    pub(super) fn discard(&mut self, blob: [u8; 16]) {
        let removed = match self.look_at_drive() {
            Ok(sealer) => {
                let removed = sealer.folder().remove_blob(&BlobId::from_bytes(blob));
                removed.map_err(|error| error.to_string())
            }
            Err(trouble) => Err(format!("{trouble:?}")),
        };
        if let Err(error) = removed {
            log::warn!("a blob that was turned away stays, of unproven origin: {error}");
        }
    }

    /// Finds out on whose device list these ids are.
    pub(super) fn look_up(&self, ids: Vec<u32>) {
        let (link, tell) = (self.link.clone(), self.tell.clone());
        let owner = self.config.owner.jid.clone();
        tokio::spawn(async move {
            let ours = listed(&link, link.own_bare_jid()).await;
            let owners = listed(&link, &owner).await;
            let listed = |id: u32| {
                if ours.contains(&DeviceId(id)) {
                    Listed::AsOurs
                } else if owners.contains(&DeviceId(id)) {
                    Listed::AsOwners
                } else {
                    Listed::Nowhere
                }
            };
            let found = ids.into_iter().map(|id| (id, listed(id))).collect();
            // The receiver is gone only when the daemon stops.
            let _ = tell.send(Happening::Input(Input::Device(News::LookedUp(found))));
        });
    }
}

/// Fetches the device lists of an account in every namespace; one that cannot be had is empty.
async fn listed(link: &Link, jid: &str) -> Vec<DeviceId> {
    let mut devices = Vec::new();
    for namespace in Namespace::ALL {
        let list = link.fetch_device_list(namespace, jid).await;
        devices.extend(list.unwrap_or_default().devices);
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

    #[test]
    fn a_list_of_lost_devices_is_read_as_people_write_it() {
        let grouped: Vec<_> = KEY
            .as_bytes()
            .chunks(8)
            .map(|it| str::from_utf8(it).unwrap())
            .collect();
        let text = format!(
            "\u{feff}# the phone I lost on the train\r\n{}\r\n\r\n  {KEY} # again\nnot this\n8c1f\n",
            grouped.join(" ").to_uppercase()
        );

        let (fingerprints, unread) = read_list(&text);

        assert_eq!(fingerprints, [KEY, KEY]);
        assert_eq!(unread, 2);
    }
}
