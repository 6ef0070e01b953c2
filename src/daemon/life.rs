//! Our own OMEMO device over time: signed prekeys exchanged, sessions repaired, our place on the
//! device list kept, and an old copy of the state noticed before it is used.

use std::{collections::HashSet, time::Duration};

use anyhow::Context as _;
use omemo::{Address, Bundle, DeviceId, DeviceList, Namespace, Store as _, machine};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use vault::VaultFolder;

use super::{
    CatchUp, Daemon, Happening, Own, bundles::may_refuse, inbox, inbox::rng, misses::Misses,
    moment, omemo_now, publication::Publication,
};
use crate::{
    config::Config,
    keeper::{
        Input,
        calm::{Calm, Shown},
        life::{News, Record},
    },
    state::{State, Step},
    xmpp::{Link, RequestError},
};

/// The note that holds what the keeper remembers of messages that did not open.
pub(super) const LIFE: &str = "device life";
/// The note that holds what the clock showed that signed prekeys age by.
const CALM: &str = "calm clock";
/// The note that holds the public halves of signed prekeys that are forgotten.
const FORGOTTEN: &str = "forgotten signed prekeys";
/// The note that holds which card this is and how often it wrote its state.
const CARD: &str = "card";
/// The note that says that this state is an old copy: the next start enrols anew.
const OLD_COPY: &str = "old copy";
/// The note that holds our devices that are no more.
const FORMER: &str = "former devices";

/// Seconds between two looks at what is due.
const LOOK_SECONDS: i64 = 60 * 60;
/// Least seconds between two counts of the card.
const COUNT_SECONDS: i64 = 10 * 60;
/// Least seconds between two checks of our own bundle because our list was pushed.
const CHECK_SECONDS: i64 = 30;
/// Least seconds between two fetches of the owner's device list where it is not pushed.
const LIST_SECONDS: i64 = 10 * 60;
/// Seconds before each further try to publish our device list.
const ANNOUNCE_WAITS: [u64; 4] = [0, 20, 60, 180];
/// Most forgotten signed prekeys that are remembered; one is made a week.
const MAX_FORGOTTEN: usize = 1_000;

/// All that the event loop keeps of this.
pub(super) struct Life {
    pub(super) publication: Publication,
    pub(super) misses: Misses,
    pub(super) calm: Calm,
    /// Devices whose sessions are being repaired.
    pub(super) repairing: HashSet<(Namespace, Address)>,
    /// Whether the card's count was compared with the drive's in this run.
    is_judged: bool,
    /// Whether the state moved on since the card was counted.
    pub(super) moved_on: bool,
    counted_at: i64,
    look_at: i64,
    checked_at: i64,
    retried_at: i64,
    /// When the owner's list came last; `None` while it is not known at all.
    listed_at: Option<i64>,
    /// Whether the owner's list is being fetched.
    is_listing: bool,
    /// Whether the server tells us of changes of the owner's list.
    pub(super) is_pushed: bool,
}

/// Which card this is, and how often it wrote its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Card {
    id: [u8; 16],
    count: u64,
}

/// What the start finds out.
pub(super) struct Begun {
    pub(super) own: Own,
    pub(super) record: Record,
    pub(super) life: Life,
}

/// Takes up the device of the last run, makes one where there is none, or a new one where the state
/// turns out to be an old copy.
pub(super) fn begin(state: &mut State, config: &Config) -> anyhow::Result<Begun> {
    let counts = VaultFolder::open(&config.vault.folder)
        .ok()
        .and_then(|folder| folder.cards().ok());
    let mut step = state.begin().context("while beginning a step")?;
    let card: Option<Card> = step.note(CARD)?;
    let is_behind =
        card.is_some_and(|card| counts.is_some_and(|counts| counts.count(&card.id) > card.count));
    let is_old = is_behind || step.note::<bool>(OLD_COPY)? == Some(true);
    match step.own_device()? {
        None => {
            let (_, changes) = machine::enrol(&mut rng(), omemo_now());
            step.apply(changes).context("while enrolling")?;
        }
        Some(former) if is_old => enrol_anew(&mut step, former.device().0)?,
        Some(_) => {}
    }
    if let Some(changes) = machine::forget_used_prekeys(&step)? {
        step.apply(changes).context("while forgetting prekeys")?;
    }
    let own = step
        .own_device()?
        .context("the OMEMO device was not kept")?;
    let newest = step.signed_prekeys()?.first().map(|it| it.created_at());
    let at_least = newest.and_then(|at| i64::try_from(at).ok());
    let calm = Calm::new(step.note::<Shown>(CALM)?, at_least.unwrap_or_default());
    let record = step.note::<Record>(LIFE)?.unwrap_or_default();
    step.commit().context("while enrolling")?;
    let long_ago = moment().steady.saturating_sub(LOOK_SECONDS);
    Ok(Begun {
        own: Own {
            device: own.device(),
            fingerprint: own.identity().fingerprint(),
        },
        record,
        life: Life {
            publication: Publication::default(),
            misses: Misses::default(),
            calm,
            repairing: HashSet::new(),
            is_judged: false,
            moved_on: true,
            counted_at: long_ago,
            look_at: long_ago,
            checked_at: long_ago,
            retried_at: long_ago,
            listed_at: None,
            is_listing: false,
            is_pushed: false,
        },
    })
}

/// Puts a new device in the place of ours, without anything that the old one could have used.
fn enrol_anew(step: &mut Step<'_>, former: u32) -> anyhow::Result<()> {
    log::error!(
        "the state on the system card is an old copy; device {former} ends here, and a new one is made"
    );
    let (own, changes) = machine::enrol_anew(&mut rng(), omemo_now());
    step.apply(changes).context("while enrolling anew")?;
    let mut formers: Vec<u32> = step.note(FORMER)?.unwrap_or_default();
    formers.retain(|it| *it != former && *it != own.device().0);
    formers.push(former);
    step.set_note(FORMER, Some(&formers))?;
    let record = step.note::<Record>(LIFE)?.unwrap_or_default();
    step.set_note(LIFE, Some(&record.reborn()))?;
    step.set_note::<bool>(OLD_COPY, None)?;
    step.set_note::<Card>(CARD, None)?;
    step.set_note::<Vec<[u8; 32]>>(FORGOTTEN, None)?;
    // What lies in the archive was encrypted for the old device.
    step.set_note::<String>(inbox::CURSOR, None)?;
    step.set_note::<i64>(inbox::CURSOR_TIME, None)?;
    Ok(())
}

/// Exchanges the signed prekey if it is time; returns whether the bundle has changed.
fn rotate(step: &mut Step<'_>, now: i64) -> anyhow::Result<bool> {
    let now = u64::try_from(now).unwrap_or(0);
    let Some(changes) = machine::rotate(step, &mut rng(), now)? else {
        return Ok(false);
    };
    let mut forgotten: Vec<[u8; 32]> = step.note(FORGOTTEN)?.unwrap_or_default();
    let going = step.signed_prekeys()?.into_iter();
    let going = going.filter(|it| changes.removed_signed_prekeys.contains(&it.id()));
    forgotten.extend(going.map(|it| *it.public()));
    let excess = forgotten.len().saturating_sub(MAX_FORGOTTEN);
    forgotten.drain(..excess);
    step.set_note(FORGOTTEN, Some(&forgotten))?;
    let is_new = !changes.signed_prekeys.is_empty();
    step.apply(changes).context("while exchanging a prekey")?;
    if is_new {
        log::info!("a new signed prekey was made");
    }
    Ok(is_new)
}

/// Puts a device of ours on our list in each namespace.
async fn put_on_list(link: &Link, device: DeviceId) -> Result<(), RequestError> {
    for namespace in Namespace::ALL {
        let own = link.own_bare_jid();
        let mut list = link.fetch_device_list(namespace, own).await?;
        if !list.announce(device) {
            continue;
        }
        match link.publish_device_list(namespace, &list).await {
            Err(error) if !may_refuse(namespace, &error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

impl Daemon {
    /// Does what is due without anybody asking.
    pub(super) fn look_after_device(&mut self) -> anyhow::Result<()> {
        let at = moment();
        let shown = self.life.calm.look(at);
        if at.steady.saturating_sub(self.life.look_at) >= LOOK_SECONDS {
            self.life.look_at = at.steady;
            let mut step = self.state.begin().context("while beginning a step")?;
            let is_new = rotate(&mut step, shown.calm)?;
            step.set_note(CALM, Some(&shown))?;
            step.commit().context("while saving the signed prekeys")?;
            if is_new {
                self.bundle_changed(0);
            }
        }
        let is_due = at.steady.saturating_sub(self.life.counted_at) >= COUNT_SECONDS;
        if !self.life.is_judged {
            self.judge_card()
        } else if self.life.moved_on && is_due {
            self.count_card()
        } else {
            Ok(())
        }
    }

    /// Compares the card's own count with the drive's, once it is there.
    fn judge_card(&mut self) -> anyhow::Result<()> {
        let Ok(folder) = VaultFolder::open(&self.config.vault.folder) else {
            return Ok(());
        };
        let counts = match folder.cards() {
            Ok(counts) => counts,
            Err(error) => {
                log::warn!("the counts of the cards could not be read: {error}");
                return Ok(());
            }
        };
        let step = self.state.begin().context("while beginning a step")?;
        let card: Option<Card> = step.note(CARD)?;
        drop(step);
        if card.is_some_and(|card| counts.count(&card.id) > card.count) {
            return self.found_old_copy();
        }
        self.life.is_judged = true;
        self.count_card()
    }

    /// Counts the card on, first in the state and then on the drive.
    fn count_card(&mut self) -> anyhow::Result<()> {
        let step = self.state.begin().context("while beginning a step")?;
        let mut card = match step.note::<Card>(CARD)? {
            Some(card) => card,
            None => {
                let mut id = [0; 16];
                getrandom::fill(&mut id).context("while drawing the card's id")?;
                Card { id, count: 0 }
            }
        };
        card.count = card.count.saturating_add(1);
        step.set_note(CARD, Some(&card))?;
        step.commit().context("while counting the card")?;
        self.life.counted_at = moment().steady;
        self.life.moved_on = false;
        let Ok(sealer) = self.look_at_drive() else {
            return Ok(());
        };
        // A drive may take a while to wake, and nobody waits for this.
        tokio::task::spawn_blocking(move || {
            let folder = sealer.folder();
            let written = folder.cards().and_then(|mut counts| {
                counts.set(card.id, card.count);
                folder.write_cards(&counts)
            });
            if let Err(error) = written {
                log::warn!("the card was not counted on the data drive: {error}");
            }
        });
        Ok(())
    }

    /// Ends the process: nothing that is in memory may be used, and the next start enrols anew.
    fn found_old_copy(&mut self) -> anyhow::Result<()> {
        let step = self.state.begin().context("while beginning a step")?;
        step.set_note(OLD_COPY, Some(&true))?;
        step.commit().context("while noting an old copy")?;
        Err(anyhow::anyhow!(
            "the state on the system card is an old copy; the next start goes on as a new device"
        ))
    }

    /// Returns when, on the steady clock, a device without a bundle may be asked for it again.
    pub(super) fn retry_at(&self) -> Option<i64> {
        self.life.misses.next(self.life.retried_at)
    }

    /// Sends what waits for a session with a device that may be asked for its bundle again.
    pub(super) fn retry_bundles(&mut self) -> anyhow::Result<()> {
        let now = moment().steady;
        let is_due = self.retry_at().is_some_and(|at| at <= now);
        if !is_due || !self.online {
            return Ok(());
        }
        self.life.retried_at = now;
        self.send_outbox()
    }

    /// Our own bundle as the server has it: made by a later state than ours, or not as it should be.
    pub(super) fn own_bundle_seen(
        &mut self,
        namespace: Namespace,
        there: Option<Bundle>,
        seen: Option<oneshot::Sender<()>>,
    ) -> anyhow::Result<()> {
        let step = self.state.begin().context("while beginning a step")?;
        let forgotten: Vec<[u8; 32]> = step.note(FORGOTTEN)?.unwrap_or_default();
        let is_later = match &there {
            Some(there) => machine::is_from_a_later_state(&step, there, &forgotten)?,
            None => false,
        };
        drop(step);
        if is_later {
            return self.found_old_copy();
        }
        match seen {
            // The task that asked publishes, unless it was ended.
            Some(seen) => {
                let _ = seen.send(());
            }
            None => {
                let mut ours = self.own_bundles()?.into_iter();
                if ours.find(|it| it.namespace == namespace) != there {
                    self.bundle_changed(0);
                }
            }
        }
        Ok(())
    }

    /// Our list was pushed: whoever wrote it may have written our bundle too.
    pub(super) fn check_own_bundle(&mut self, namespace: Namespace) {
        let now = moment().steady;
        if now.saturating_sub(self.life.checked_at) < CHECK_SECONDS {
            return;
        }
        self.life.checked_at = now;
        let (link, device, tell) = (self.link.clone(), self.own.device, self.tell.clone());
        tokio::spawn(async move {
            let own = link.own_bare_jid();
            if let Ok(there) = link.fetch_bundle(namespace, own, device).await {
                let _ = tell.send(Happening::OwnBundle {
                    namespace,
                    there,
                    seen: None,
                });
            }
        });
    }

    /// Puts us on the list as it is now.
    pub(super) fn announce(&self) {
        log::warn!("our device list does not name us; it is published again");
        let (link, device) = (self.link.clone(), self.own.device);
        tokio::spawn(async move {
            for wait in ANNOUNCE_WAITS {
                tokio::time::sleep(Duration::from_secs(wait)).await;
                let published = put_on_list(&link, device).await;
                match published {
                    Ok(()) => break,
                    Err(error) => log::warn!("our device list was not published: {error}"),
                }
            }
        });
    }

    /// Starts a new session with a device of the owner, from its bundle by its number: a list
    /// need not name it.
    pub(super) fn repair(&mut self, device: u32) {
        let address = Address::new(self.config.owner.jid.clone(), DeviceId(device));
        let namespace = self.namespace_of(&address).unwrap_or_else(|error| {
            log::error!("the device to be repaired cannot be read: {error:#}");
            Namespace::Legacy
        });
        let key = (namespace, address.clone());
        self.life.misses.found(&key);
        if self.fetch_bundle(namespace, address) {
            log::info!("the session with device {device} is begun anew");
            self.life.repairing.insert(key);
        } else {
            self.report(Happening::Input(Input::Life(News::Repaired { device })));
        }
    }

    /// Returns the namespace that a device last wrote in.
    fn namespace_of(&mut self, address: &Address) -> anyhow::Result<Namespace> {
        let step = self.state.begin().context("while beginning a step")?;
        let known = step.known_device(address)?;
        let wrote_in = known.and_then(|it| it.wrote_in);
        Ok(wrote_in.unwrap_or(Namespace::Legacy))
    }

    pub(super) fn caught_up(&mut self) -> anyhow::Result<()> {
        self.catch_up = CatchUp::Done;
        let mut step = self.state.begin().context("while beginning a step")?;
        let used = machine::forget_used_prekeys(&step)?;
        step.apply(used.unwrap_or_default())
            .context("while forgetting prekeys")?;
        step.commit().context("while forgetting prekeys")?;
        self.send_outbox()?;
        self.handle(Input::Life(News::CaughtUp))
    }

    /// Returns our devices that are no more.
    pub(super) fn former_devices(&mut self) -> anyhow::Result<Vec<u32>> {
        let step = self.state.begin().context("while beginning a step")?;
        Ok(step.note(FORMER)?.unwrap_or_default())
    }

    pub(super) fn former_devices_gone(&mut self) -> anyhow::Result<()> {
        let step = self.state.begin().context("while beginning a step")?;
        step.set_note::<Vec<u32>>(FORMER, None)?;
        step.commit().context("while forgetting our former devices")
    }

    /// Fetches the owner's lists, for which something waits.
    pub(super) fn fetch_owner_lists(&mut self) {
        // A new stream fetches them by itself.
        if !self.online || std::mem::replace(&mut self.life.is_listing, true) {
            return;
        }
        let (link, tell) = (self.link.clone(), self.tell.clone());
        let jid = self.config.owner.jid.clone();
        tokio::spawn(async move {
            let mut lists = Vec::new();
            for namespace in Namespace::ALL {
                match link.fetch_device_list(namespace, &jid).await {
                    Ok(list) => lists.push((namespace, list)),
                    Err(error) => log::warn!("the owner's device list was not fetched: {error}"),
                }
            }
            let _ = tell.send(Happening::OwnerLists(lists));
        });
    }

    /// The owner's lists came, or could not be had: what waited for them goes out either way.
    pub(super) fn owner_lists(&mut self, lists: &[(Namespace, DeviceList)]) -> anyhow::Result<()> {
        self.life.is_listing = false;
        self.life.listed_at = Some(moment().steady);
        let jid = self.config.owner.jid.clone();
        for (namespace, list) in lists {
            self.device_list(*namespace, &jid, list)?;
        }
        // Until then the archive may still tell that a letter came.
        if self.catch_up == CatchUp::Done {
            self.send_outbox()?;
        }
        Ok(())
    }

    /// Returns whether the owner's list may have changed without our hearing of it.
    pub(super) fn list_is_old(&self) -> bool {
        let now = moment().steady;
        let is_young = |at: i64| now.saturating_sub(at) < LIST_SECONDS;
        !self.life.is_pushed && !self.life.listed_at.is_some_and(is_young)
    }
}
