//! What a new stream needs, in this order: our lists, presence, subscription, the archive, the
//! outbox.

use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context as _;
use omemo::{Bundle, DeviceId, Namespace};
use tokio::sync::{mpsc, oneshot};

use super::{Daemon, Happening, bundles::may_refuse, inbox, now, portrait};
use crate::xmpp::{ArchiveError, ArchivePosition, Link, RequestError};

/// Messages asked of the archive at a time.
const PAGE_MESSAGES: u32 = 50;
/// An expired position is replaced by the time of its message less this.
const OVERLAP_SECONDS: u64 = 24 * 60 * 60;
/// Seconds before a failed request is repeated on the same stream.
const AGAIN_SECONDS: u64 = 20;

/// What the task needs to know.
struct Settling {
    link: Link,
    tell: mpsc::UnboundedSender<Happening>,
    owner: String,
    device: DeviceId,
    bundles: Vec<Bundle>,
    /// Devices that we were, and that must not be encrypted for any more.
    former: Vec<u32>,
    cursor: Option<(String, i64)>,
    /// Whether the vault shows a picture of itself.
    has_avatar: bool,
}

impl Daemon {
    /// Starts the task that settles a new stream.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        if let Some(earlier) = self.settling.take() {
            earlier.abort();
        }
        let bundles = self.own_bundles()?;
        let settling = Settling {
            link: self.link.clone(),
            tell: self.tell.clone(),
            owner: self.config.owner.jid.clone(),
            device: self.own.device,
            former: self.former_devices()?,
            bundles,
            has_avatar: self.config.chat.avatar,
            cursor: inbox::cursor(&mut self.state).context("while reading the archive cursor")?,
        };
        if let Some(first) = settling.bundles.first() {
            self.life.publication.settled(first.prekeys.len());
        }
        self.settling = Some(tokio::spawn(settling.run()).abort_handle());
        Ok(())
    }
}

impl Settling {
    async fn run(self) {
        while let Err(error) = self.publish().await {
            log::warn!("our keys were not published: {error}");
            tokio::time::sleep(Duration::from_secs(AGAIN_SECONDS)).await;
        }
        self.link.announce();
        match self.link.subscribe_with(&self.owner).await {
            Ok(before) => self.report(Happening::Pushed(before.we_see_them())),
            Err(error) => log::warn!("the owner's subscription is unknown: {error}"),
        }
        let mut lists = Vec::new();
        for namespace in Namespace::ALL {
            match self.link.fetch_device_list(namespace, &self.owner).await {
                Ok(list) => lists.push((namespace, list)),
                Err(error) => log::warn!("the owner's device list was not fetched: {error}"),
            }
        }
        self.report(Happening::OwnerLists(lists));
        self.report(Happening::Settled);
        while let Err(error) = self.catch_up().await {
            log::warn!("the archive was not read: {error}");
            tokio::time::sleep(Duration::from_secs(AGAIN_SECONDS)).await;
        }
        self.report(Happening::CaughtUp);
        if self.has_avatar
            && let Err(error) = self
                .link
                .publish_avatar(&portrait::png(), portrait::SIDE)
                .await
        {
            log::warn!("the vault's picture was not published: {error}");
        }
    }

    fn report(&self, happening: Happening) {
        // Nobody listens any more when the daemon stops.
        let _ = self.tell.send(happening);
    }

    /// Publishes our bundles and device lists where the server has others.
    async fn publish(&self) -> Result<(), RequestError> {
        for bundle in &self.bundles {
            match self.publish_in_namespace(bundle).await {
                Err(error) if may_refuse(bundle.namespace, &error) => {
                    let namespace = bundle.namespace.uri();
                    log::warn!("the server does not hold our keys of {namespace}: {error}");
                }
                other => other?,
            }
        }
        if !self.former.is_empty() {
            self.report(Happening::FormerGone);
        }
        Ok(())
    }

    async fn publish_in_namespace(&self, bundle: &Bundle) -> Result<(), RequestError> {
        let own = self.link.own_bare_jid();
        let namespace = bundle.namespace;
        let there = self.link.fetch_bundle(namespace, own, self.device).await;
        let there = there.ok().flatten();
        let is_there = there.as_ref() == Some(bundle);
        let (seen, is_seen) = oneshot::channel();
        self.report(Happening::OwnBundle {
            namespace,
            there,
            seen: Some(seen),
        });
        if is_seen.await.is_err() {
            // The loop ends: what is there must not be written over.
            return std::future::pending().await;
        }
        if !is_there {
            self.link.publish_bundle(self.device, bundle).await?;
        }
        // A list that cannot be read must not be replaced by one with only us.
        let mut list = self.link.fetch_device_list(namespace, own).await?;
        let before = list.clone();
        let is_former = |it: &DeviceId| self.former.contains(&it.0);
        list.devices.retain(|it| !is_former(it));
        list.announce(self.device);
        if list != before {
            self.link.publish_device_list(namespace, &list).await?;
        }
        self.mend_nodes(namespace).await
    }

    /// Opens our nodes to everybody where they are not, and takes back what former devices published.
    async fn mend_nodes(&self, namespace: Namespace) -> Result<(), RequestError> {
        if let Err(error) = self.link.open_nodes(namespace, self.device).await {
            log::warn!("whether everybody can read our keys is unknown: {error}");
        }
        for former in &self.former {
            let former = DeviceId(*former);
            self.link.delete_bundle(namespace, former).await?;
        }
        Ok(())
    }

    async fn catch_up(&self) -> Result<(), ArchiveError> {
        let mut position = match &self.cursor {
            None => {
                // Before the first login nothing could be encrypted for us.
                match self.link.archive_latest_id().await {
                    Ok(id) => self.report(Happening::FirstCursor(id)),
                    Err(ArchiveError::None) => self.report(Happening::FirstCursor(None)),
                    Err(error) => return Err(error),
                }
                return Ok(());
            }
            Some((id, _)) if id.is_empty() => ArchivePosition::Start,
            Some((id, _)) => ArchivePosition::After(id.clone()),
        };
        let mut by_time = false;
        loop {
            let page = match self
                .link
                .archive_page(position.clone(), PAGE_MESSAGES)
                .await
            {
                Ok(page) => page,
                Err(ArchiveError::None) => return Ok(()),
                Err(ArchiveError::Expired)
                    if !by_time && matches!(position, ArchivePosition::After(_)) =>
                {
                    by_time = true;
                    position = self.since_cursor();
                    continue;
                }
                Err(error) => return Err(error),
            };
            let next = page.next(&position);
            let (handled, done) = oneshot::channel();
            self.report(Happening::Page { page, handled });
            if done.await.is_err() {
                return Ok(());
            }
            match next {
                Some(next) => position = next,
                None => return Ok(()),
            }
        }
    }

    fn since_cursor(&self) -> ArchivePosition {
        let at = self.cursor.as_ref().map_or(0, |(_, at)| *at);
        since(at, now())
    }
}

/// Returns where to read on when the archive has forgotten the message at the cursor, which came at
/// `at`: a day before that. What overlaps is known to the ratchet.
fn since(at: i64, now: i64) -> ArchivePosition {
    // The clock stood ahead when the cursor was moved, or is behind: neither tells what is new.
    if at > now {
        return ArchivePosition::Start;
    }
    let since = u64::try_from(at)
        .unwrap_or(0)
        .saturating_sub(OVERLAP_SECONDS);
    UNIX_EPOCH
        .checked_add(Duration::from_secs(since))
        .map_or(ArchivePosition::Start, ArchivePosition::Since)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 86_400;

    #[test]
    fn a_forgotten_cursor_is_replaced_by_its_time_less_a_day() {
        let position = since(NOW - DAY, NOW);

        let wanted = UNIX_EPOCH + Duration::from_secs(1_800_000_000 - 2 * 86_400);
        assert_eq!(position, ArchivePosition::Since(wanted));
    }

    #[test]
    fn a_cursor_from_a_clock_that_stood_ahead_leaves_nothing_out() {
        let ten_years_ahead = since(NOW + 3_650 * DAY, NOW);
        let in_1970 = since(NOW, 0);
        let written_in_1970 = since(0, NOW);

        assert_eq!(ten_years_ahead, ArchivePosition::Start);
        assert_eq!(in_1970, ArchivePosition::Start);
        assert_eq!(written_in_1970, ArchivePosition::Since(UNIX_EPOCH));
    }
}
