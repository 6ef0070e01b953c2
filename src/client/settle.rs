//! What a new stream needs: our keys published, the vault's fetched, and what the vault has said
//! meanwhile.

use std::time::{Duration, UNIX_EPOCH};

use omemo::{Bundle, DeviceId};
use tokio::sync::{mpsc, oneshot};

use super::{desk::NAMESPACE, now};
use crate::xmpp::{ArchiveError, ArchivePosition, Link, Page, RequestError};

/// Messages asked of the archive at a time.
const PAGE_MESSAGES: u32 = 50;
/// The archive is read from this long before the newest message that was read there.
const OVERLAP_SECONDS: u64 = 10 * 60;
/// How far back it is read the first time.
const FIRST_SECONDS: u64 = 24 * 60 * 60;
/// Seconds before a failed request is repeated on the same stream.
const AGAIN_SECONDS: u64 = 10;
/// Devices of the vault's account that are looked at.
const MAX_DEVICES: usize = 8;

/// What the task reports.
pub(super) enum Found {
    /// Our own bundle as the server has it; the answer is the one that it is to have.
    Own(Option<Bundle>, oneshot::Sender<Bundle>),
    /// The devices of the vault's account; those with a bundle have one.
    Vault(Vec<(DeviceId, Option<Bundle>)>),
    /// A page of the archive; the task goes on once it was read.
    Page(Page, oneshot::Sender<()>),
    /// All is done.
    Settled,
}

/// What the task needs to know.
pub(super) struct Settling {
    pub(super) link: Link,
    pub(super) tell: mpsc::UnboundedSender<Found>,
    pub(super) vault: String,
    /// Our device.
    pub(super) device: DeviceId,
    /// The vault's device, once it was met.
    pub(super) known: Option<DeviceId>,
    pub(super) read_until: Option<u64>,
}

impl Settling {
    pub(super) async fn run(self) {
        while let Err(error) = self.publish().await {
            log::warn!("our keys were not published: {error}");
            tokio::time::sleep(Duration::from_secs(AGAIN_SECONDS)).await;
        }
        self.link.announce();
        while let Err(error) = self.find_vault().await {
            log::warn!("the vault's keys were not fetched: {error}");
            tokio::time::sleep(Duration::from_secs(AGAIN_SECONDS)).await;
        }
        while let Err(error) = self.catch_up().await {
            log::warn!("the archive was not read: {error}");
            tokio::time::sleep(Duration::from_secs(AGAIN_SECONDS)).await;
        }
        self.report(Found::Settled);
    }

    fn report(&self, found: Found) {
        // Nobody listens any more at the end.
        let _ = self.tell.send(found);
    }

    async fn publish(&self) -> Result<(), RequestError> {
        let own = self.link.own_bare_jid();
        let there = self.link.fetch_bundle(NAMESPACE, own, self.device).await;
        let there = there.ok().flatten();
        let (seen, wanted) = oneshot::channel();
        self.report(Found::Own(there.clone(), seen));
        let Ok(wanted) = wanted.await else {
            // What is there must not be written over.
            return std::future::pending().await;
        };
        if there.as_ref() != Some(&wanted) {
            self.link.publish_bundle(self.device, &wanted).await?;
        }
        // A list that cannot be read must not be replaced by one with only us.
        let mut list = self.link.fetch_device_list(NAMESPACE, own).await?;
        if !list.contains(self.device) {
            list.announce(self.device);
            self.link.publish_device_list(NAMESPACE, &list).await?;
        }
        if let Err(error) = self.link.open_nodes(NAMESPACE, self.device).await {
            log::warn!("whether the vault can read our keys is unknown: {error}");
        }
        Ok(())
    }

    async fn find_vault(&self) -> Result<(), RequestError> {
        let list = self.link.fetch_device_list(NAMESPACE, &self.vault).await?;
        let mut devices = Vec::new();
        for device in list.devices.into_iter().take(MAX_DEVICES) {
            let bundle = if self.known == Some(device) {
                None
            } else {
                let bundle = self.link.fetch_bundle(NAMESPACE, &self.vault, device).await;
                bundle.unwrap_or_else(|error| {
                    log::warn!("the bundle of device {device} was not fetched: {error}");
                    None
                })
            };
            devices.push((device, bundle));
        }
        self.report(Found::Vault(devices));
        Ok(())
    }

    /// Reads what the vault said while we were away. What was read before, the ratchet knows.
    async fn catch_up(&self) -> Result<(), ArchiveError> {
        let since = match self.read_until {
            Some(at) => at.saturating_sub(OVERLAP_SECONDS),
            None => now().saturating_sub(FIRST_SECONDS),
        };
        let since = UNIX_EPOCH.checked_add(Duration::from_secs(since));
        let mut position = since.map_or(ArchivePosition::Start, ArchivePosition::Since);
        loop {
            let page = self
                .link
                .archive_page_with(position.clone(), PAGE_MESSAGES, Some(&self.vault))
                .await;
            let page = match page {
                Err(ArchiveError::None) => return Ok(()),
                page => page?,
            };
            let next = page.next(&position);
            let (read, is_read) = oneshot::channel();
            self.report(Found::Page(page, read));
            if is_read.await.is_err() {
                return Ok(());
            }
            match next {
                Some(next) => position = next,
                None => return Ok(()),
            }
        }
    }
}
