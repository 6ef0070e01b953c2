//! Device lists and bundles: ours kept published, the owner's fetched when they are needed.

use std::time::Duration;

use anyhow::Context as _;
use omemo::{Address, Bundle, DeviceList, Namespace, Store as _, Trust, machine};
use tokio::time::Instant;

use crate::keeper::{Device, Input, Standing, devices::News};

use super::{BundleState, Daemon, Happening, REPUBLISH_SECONDS, inbox::rng, omemo_now};
use crate::xmpp::RequestError;

/// Tells whether we can do without what was refused: phones that speak only the legacy namespace
/// are to be served by a server that cannot hold what the other one needs.
pub(super) fn may_refuse(namespace: Namespace, error: &RequestError) -> bool {
    namespace != Namespace::Legacy && matches!(error, RequestError::Refused(_))
}

impl Daemon {
    /// A prekey was used or added: the server's copy is to follow, at most every
    /// [`REPUBLISH_SECONDS`].
    pub(super) fn bundle_changed(&mut self) {
        self.bundle = match self.bundle {
            BundleState::Publishing { .. } => BundleState::Publishing { dirty: true },
            BundleState::Published | BundleState::Dirty => BundleState::Dirty,
        };
        self.publish_if_due();
    }

    pub(super) fn publish_if_due(&mut self) {
        if self.bundle != BundleState::Dirty || !self.online || Instant::now() < self.republish_at {
            return;
        }
        let bundles = match self.own_bundles() {
            Ok(bundles) => bundles,
            Err(error) => return log::error!("our bundle cannot be read: {error:#}"),
        };
        self.bundle = BundleState::Publishing { dirty: false };
        self.republish_at = Instant::now() + Duration::from_secs(REPUBLISH_SECONDS);
        let (link, device, tell) = (self.link.clone(), self.own.device, self.tell.clone());
        tokio::spawn(async move {
            let mut ok = true;
            for bundle in bundles {
                if let Err(error) = link.publish_bundle(device, &bundle).await {
                    log::warn!("our bundle was not published: {error}");
                    ok &= may_refuse(bundle.namespace, &error);
                }
            }
            // The receiver is gone only when the daemon stops.
            let _ = tell.send(Happening::Published { ok });
        });
    }

    pub(super) fn published(&mut self, ok: bool) {
        self.bundle = match self.bundle {
            BundleState::Publishing { dirty: false } | BundleState::Published if ok => {
                BundleState::Published
            }
            BundleState::Publishing { .. } | BundleState::Published | BundleState::Dirty => {
                BundleState::Dirty
            }
        };
    }

    /// Returns our bundle in each namespace.
    pub(super) fn own_bundles(&mut self) -> anyhow::Result<Vec<Bundle>> {
        let step = self.state.begin().context("while beginning a step")?;
        let mut bundles = Vec::new();
        for namespace in Namespace::ALL {
            let bundle = machine::own_bundle(&step, namespace);
            bundles.extend(bundle.context("while reading our bundle")?);
        }
        Ok(bundles)
    }

    /// Takes in a device list: the owner's tells whom to encrypt for, ours must name us.
    pub(super) fn device_list(
        &mut self,
        namespace: Namespace,
        jid: &str,
        list: &DeviceList,
    ) -> anyhow::Result<()> {
        if jid == self.link.own_bare_jid() {
            if !list.contains(self.own.device) && self.catch_up == super::CatchUp::Done {
                log::warn!("our device list no longer names us; it is published again");
                self.announce_device(namespace, list.clone());
            }
            return Ok(());
        }
        if jid != self.config.owner.jid {
            return Ok(());
        }
        let mut step = self.state.begin().context("while beginning a step")?;
        let (unknown, changes) = machine::update_device_list(&step, namespace, jid, list)?;
        step.apply(changes).context("while saving a device list")?;
        step.commit().context("while saving a device list")?;
        // Only where fingerprints are pinned can an unknown device be ours to speak to first.
        if !self.config.owner.fingerprints.is_empty() {
            for device in unknown {
                self.fetch_bundle(namespace, Address::new(jid, device));
            }
        }
        Ok(())
    }

    fn announce_device(&self, namespace: Namespace, mut list: DeviceList) {
        list.announce(self.own.device);
        let link = self.link.clone();
        tokio::spawn(async move {
            if let Err(error) = link.publish_device_list(namespace, &list).await {
                log::warn!("our device list was not published: {error}");
            }
        });
    }

    pub(super) fn fetch_bundle(&mut self, namespace: Namespace, address: Address) {
        let key = (namespace, address.clone());
        if !self.online || !self.fetching_bundles.insert(key) {
            return;
        }
        let (link, tell) = (self.link.clone(), self.tell.clone());
        tokio::spawn(async move {
            let device = address.device;
            let bundle = match link.fetch_bundle(namespace, &address.jid, device).await {
                Ok(bundle) => bundle,
                Err(error) => {
                    log::warn!("the bundle of device {device} was not fetched: {error}");
                    None
                }
            };
            let _ = tell.send(Happening::Bundle {
                namespace,
                address,
                bundle,
            });
        });
    }

    /// Starts a session with a device that is trusted or pinned, and sends what waited for it.
    pub(super) fn bundle(
        &mut self,
        namespace: Namespace,
        address: Address,
        bundle: Option<Bundle>,
    ) -> anyhow::Result<()> {
        let device = address.device;
        self.fetching_bundles.remove(&(namespace, address.clone()));
        let Some(bundle) = bundle else { return Ok(()) };
        let pins = self.config.pinned_fingerprints();
        let mut step = self.state.begin().context("while beginning a step")?;
        let started = machine::start_session(&step, &address, &bundle, &mut rng(), omemo_now());
        let changes = match started {
            Ok(changes) => changes,
            Err(why) => {
                log::warn!("no session with device {device} could be started: {why}");
                return Ok(());
            }
        };
        step.apply(changes).context("while saving a session")?;
        let Some(known) = step.known_device(&address)? else {
            return Ok(());
        };
        let fingerprint = known.identity.fingerprint();
        let mut pinned = None;
        if !known.trust.is_trusted() {
            if self.keeper.is_shut_out(&fingerprint) || !pins.contains(&fingerprint) {
                // Nothing is kept of a device that nobody vouched for and that never wrote.
                return Ok(());
            }
            let changes = machine::set_trust(&step, &address, &known.identity, Trust::Pinned)
                .context("while pinning a device")?;
            step.apply(changes).context("while pinning a device")?;
            log::info!("device {device} has a pinned fingerprint");
            pinned = Some(Device {
                jid: address.jid.clone(),
                id: device.0,
                fingerprint,
                standing: Standing::Trusted,
            });
        }
        step.commit().context("while saving a session")?;
        if let Some(device) = pinned {
            self.handle(Input::Device(News::Pinned(device)))?;
        }
        self.send_outbox()
    }
}
