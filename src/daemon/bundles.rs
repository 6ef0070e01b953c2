//! Device lists and bundles: ours kept published, the owner's fetched when they are needed.

use anyhow::Context as _;
use omemo::{Address, Bundle, DeviceList, Namespace, StartError, Store as _, Trust, machine};

use super::{
    Daemon, Happening,
    effects::{After, Desk},
    inbox::rng,
    moment, omemo_now,
};
use crate::{
    keeper::{Device, Input, Standing, devices, life::News},
    xmpp::RequestError,
};

/// Tells whether we can do without what was refused: phones that speak only the legacy namespace
/// are to be served by a server that cannot hold what the other one needs.
pub(super) fn may_refuse(namespace: Namespace, error: &RequestError) -> bool {
    namespace != Namespace::Legacy && matches!(error, RequestError::Refused(_))
}

impl Daemon {
    /// So many prekeys were used, and others may have been added: the server's copy is to follow.
    pub(super) fn bundle_changed(&mut self, used_prekeys: usize) {
        self.life.publication.changed(used_prekeys);
        self.publish_if_due();
    }

    pub(super) fn publish_if_due(&mut self) {
        let now = moment().steady;
        let is_due = self.life.publication.due_at().is_some_and(|at| at <= now);
        if !is_due || !self.online {
            return;
        }
        let bundles = match self.own_bundles() {
            Ok(bundles) => bundles,
            Err(error) => return log::error!("our bundle cannot be read: {error:#}"),
        };
        let Some(first) = bundles.first() else {
            return;
        };
        self.life.publication.began(first.prekeys.len(), now);
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
            if !list.contains(self.own.device) {
                self.handle(Input::Life(News::Unlisted))?;
            }
            self.check_own_bundle(namespace);
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

    /// Has the bundle of a device fetched, unless it is being fetched, was missing lately, or we are
    /// offline; returns whether [`Self::bundle`] will hear of it.
    pub(super) fn fetch_bundle(&mut self, namespace: Namespace, address: Address) -> bool {
        let key = (namespace, address.clone());
        if !self.online || !self.life.misses.may_ask(&key, moment().steady) {
            return false;
        }
        if !self.fetching_bundles.insert(key) {
            return true;
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
        true
    }

    /// Starts a session with a device that is trusted or pinned, and sends what waited for it.
    pub(super) fn bundle(
        &mut self,
        namespace: Namespace,
        address: Address,
        bundle: Option<Bundle>,
    ) -> anyhow::Result<()> {
        let device = address.device;
        let key = (namespace, address.clone());
        self.fetching_bundles.remove(&key);
        let is_repair = self.life.repairing.remove(&key);
        let started = match bundle {
            Some(bundle) => self.start_session(&address, &bundle, is_repair)?,
            None => false,
        };
        if started {
            self.life.misses.found(&key);
        } else {
            self.life.misses.missed(key, moment().steady);
        }
        if is_repair {
            self.handle(Input::Life(News::Repaired { device: device.0 }))?;
        }
        if started { self.send_outbox() } else { Ok(()) }
    }

    /// Returns whether there is a session now. A repaired one is shown to the device at once, by an
    /// empty message.
    fn start_session(
        &mut self,
        address: &Address,
        bundle: &Bundle,
        is_repair: bool,
    ) -> anyhow::Result<bool> {
        let device = address.device;
        let Self {
            state,
            keeper,
            config,
            contacts,
            ..
        } = self;
        let mut step = state.begin().context("while beginning a step")?;
        let started = machine::start_session(&step, address, bundle, &mut rng(), omemo_now());
        let changes = match started {
            Ok(changes) => changes,
            Err(why) => {
                log::warn!("no session with device {device} could be started: {why}");
                let known = step.known_device(address)?;
                let trusted = known.is_some_and(|it| it.trust.is_trusted());
                drop(step);
                if trusted && matches!(why, StartError::IdentityChanged) {
                    self.handle(Input::Life(News::IdentityChanged { device: device.0 }))?;
                }
                return Ok(false);
            }
        };
        step.apply(changes).context("while saving a session")?;
        let Some(known) = step.known_device(address)? else {
            return Ok(false);
        };
        let fingerprint = known.identity.fingerprint();
        let mut pinned = None;
        if !known.trust.is_trusted() {
            let pins = config.pinned_fingerprints();
            if keeper.is_shut_out(&fingerprint) || !pins.contains(&fingerprint) {
                // Nothing is kept of a device that nobody vouched for and that never wrote.
                return Ok(false);
            }
            let changes = machine::set_trust(&step, address, &known.identity, Trust::Pinned)
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
        let mut after = After::default();
        if is_repair {
            let desk = Desk {
                keeper,
                config,
                contacts,
                list_is_old: false,
                asker: None,
            };
            desk.post_empty(&mut step, address, bundle.namespace, &mut after)?;
        }
        step.commit().context("while saving a session")?;
        self.after(after)?;
        if let Some(device) = pinned {
            self.handle(Input::Device(devices::News::Pinned(device)))?;
        }
        Ok(true)
    }
}
