//! Other people's devices: looked up, written to, and never listened to.
//!
//! What the store keeps of them is undecided for ever, so that nothing they write could be obeyed
//! even if somebody opened it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use anyhow::Context as _;
use omemo::{Address, Bundle, DeviceId, Namespace, StartError, Store as _, machine};

use super::{
    Daemon, Happening,
    effects::{After, Desk},
    inbox::rng,
    omemo_now,
    outbox::{Recipients, Saying, stanza_id},
};
use crate::{
    keeper::{
        Input,
        contacts::{Act, MAX_DEVICES, News, Recipient, Shown},
        reply::{ContactReply, Reply},
    },
    state::{ContactDevice, ContactLetter, LetterContent, State, StateError, Step},
    xmpp::{Link, Message},
};

/// Longest wait for somebody's lists and bundles together.
const LOOK_UP_SECONDS: u64 = 90;
/// People whose bundles are held between the look and the confirmed number.
const MAX_LOOKED_UP: usize = 4;

/// What the event loop keeps of other people.
#[derive(Default)]
pub(super) struct Contacts {
    /// By bare address, what was fetched last.
    bundles: HashMap<String, Vec<(DeviceId, Bundle)>>,
    /// Ids of stanzas that may come back.
    letters: HashSet<String>,
}

impl Contacts {
    /// Reads what the last run sent.
    pub(super) fn begin(state: &mut State) -> Result<Self, StateError> {
        let step = state.begin()?;
        Ok(Self {
            bundles: HashMap::new(),
            letters: step.contact_letter_ids()?.into_iter().collect(),
        })
    }
}

/// Reads which devices of other people are confirmed.
pub(super) fn known(state: &mut State) -> Result<Vec<(String, Recipient)>, StateError> {
    let devices = state.begin()?.contact_devices()?;
    let known = devices.into_iter().map(|it| {
        let recipient = Recipient {
            id: it.device,
            fingerprint: it.fingerprint,
            namespace: it.namespace,
            since: it.since,
        };
        (it.jid, recipient)
    });
    Ok(known.collect())
}

/// What was fetched of an account.
pub(super) struct Found {
    jid: String,
    bundles: Vec<(DeviceId, Bundle)>,
    news: News,
}

/// Fetches an account's device lists, and of each device the first bundle that can be had.
async fn fetch(link: &Link, jid: String) -> Found {
    let mut listed = Vec::new();
    let mut is_answered = false;
    for namespace in Namespace::ALL {
        match link.fetch_device_list(namespace, &jid).await {
            Ok(list) => {
                is_answered = true;
                listed.extend(list.devices.into_iter().map(|device| (device, namespace)));
            }
            Err(error) => log::info!("somebody's device list was not fetched: {error}"),
        }
    }
    let devices: BTreeSet<DeviceId> = listed.iter().map(|(device, _)| *device).collect();
    let nothing = |jid: String, news| Found {
        jid,
        bundles: Vec::new(),
        news,
    };
    if !is_answered {
        return nothing(jid.clone(), News::NotFound { jid });
    }
    if devices.len() > MAX_DEVICES {
        let devices = devices.len();
        return nothing(jid.clone(), News::TooMany { jid, devices });
    }
    let (mut bundles, mut shown, mut without_key) = (Vec::new(), Vec::new(), Vec::new());
    for device in &devices {
        let found = shown.len();
        let namespaces = listed.iter().filter(|(listed, _)| listed == device);
        for (_, namespace) in namespaces {
            let bundle = link.fetch_bundle(*namespace, &jid, *device).await;
            let bundle = bundle.ok().flatten();
            if let Some(bundle) = bundle
                && let Some(identity) = bundle.identity()
            {
                shown.push(Shown {
                    id: device.0,
                    fingerprint: identity.fingerprint(),
                    namespace: *namespace,
                });
                bundles.push((*device, bundle));
                break;
            }
        }
        if shown.len() == found {
            without_key.push(device.0);
        }
    }
    let news = News::Found {
        jid: jid.clone(),
        without_key,
        devices: shown,
    };
    Found { jid, bundles, news }
}

impl Desk<'_> {
    /// Carries out what belongs to the step; the rest is left to be begun.
    pub(super) fn save_contact(
        &mut self,
        step: &mut Step<'_>,
        act: Act,
        after: &mut After,
    ) -> anyhow::Result<()> {
        match act {
            Act::LookUp { .. } => Ok(()),
            Act::Save { jid, devices } => self.save_recipients(step, &jid, devices),
            Act::Forget { jid } => {
                self.contacts.bundles.remove(&jid);
                Ok(step.forget_contact(&jid)?)
            }
            Act::Send { jid, numbers, file } => {
                let letter = ContactLetter { jid, numbers };
                self.post_to_contact(step, letter, &file, after)
            }
        }
    }

    fn save_recipients(
        &self,
        step: &mut Step<'_>,
        jid: &str,
        devices: Vec<Recipient>,
    ) -> anyhow::Result<()> {
        for device in &devices {
            if let Some(namespace) = device.namespace {
                self.begin_session(step, jid, device, namespace)?;
            }
        }
        let rows = devices.into_iter().map(|it| ContactDevice {
            jid: jid.to_owned(),
            device: it.id,
            fingerprint: it.fingerprint,
            namespace: it.namespace,
            since: it.since,
        });
        let rows: Vec<_> = rows.collect();
        step.save_contact(jid, &rows)
            .context("while saving whom the owner knows")
    }

    /// Begins a session with a confirmed device, unless there is one, by the bundle whose key the
    /// owner has compared and by no other.
    fn begin_session(
        &self,
        step: &mut Step<'_>,
        jid: &str,
        device: &Recipient,
        namespace: Namespace,
    ) -> anyhow::Result<()> {
        let address = Address::new(jid, DeviceId(device.id));
        if !step.sessions(namespace, &address)?.is_empty() {
            return Ok(());
        }
        let bundles = self.contacts.bundles.get(jid).into_iter().flatten();
        let mut fitting = bundles.filter(|(id, bundle)| {
            let shown = bundle.identity().map(|it| it.fingerprint());
            id.0 == device.id
                && bundle.namespace == namespace
                && shown.as_ref() == Some(&device.fingerprint)
        });
        let Some((_, bundle)) = fitting.next() else {
            log::warn!("device {} of a contact showed no bundle", device.id);
            return Ok(());
        };
        match machine::start_session(step, &address, bundle, &mut rng(), omemo_now()) {
            Ok(changes) => Ok(step.apply(changes)?),
            Err(StartError::Store(error)) => Err(error).context("while beginning a session"),
            Err(why) => {
                log::warn!("no session with device {} of a contact: {why}", device.id);
                Ok(())
            }
        }
    }

    /// Posts a file to the confirmed devices of somebody that are listed.
    fn post_to_contact(
        &mut self,
        step: &mut Step<'_>,
        letter: ContactLetter,
        file: &Reply,
        after: &mut After,
    ) -> anyhow::Result<()> {
        let mut recipients = Recipients::new();
        for device in step.contact_devices()? {
            let address = Address::new(device.jid.clone(), DeviceId(device.device));
            let known = step.known_device(&address)?;
            let is_it = known.is_some_and(|it| it.identity.fingerprint() == device.fingerprint);
            if device.jid == letter.jid
                && is_it
                && let Some(namespace) = device.namespace
                && !step.sessions(namespace, &address)?.is_empty()
            {
                recipients.entry(namespace).or_default().push(address);
            }
        }
        let words = file.text();
        let described = file.described_file();
        let saying = match &described {
            Some(file) => Saying::File(file, &words),
            None => Saying::Link(&words),
        };
        let first = stanza_id()?;
        let topic = first.clone();
        let stanzas = self.encrypt_for_all(step, &recipients, first, &saying, after)?;
        if stanzas.is_empty() {
            let ContactLetter { jid, numbers } = letter;
            let said = Reply::Contact(ContactReply::NotHanded { jid, numbers });
            return self.say(step, &said.text(), after).map(|_| ());
        }
        for (_, id, stanza) in stanzas {
            let token = step.post(&id, &LetterContent::Stanza(stanza.clone()))?;
            step.note_contact_letter((token, &id, &topic), &letter)?;
            after.letters.push((token, stanza));
        }
        self.contacts.letters = step.contact_letter_ids()?.into_iter().collect();
        Ok(())
    }
}

impl Daemon {
    /// Begins what no transaction holds.
    pub(super) fn begin_contact(&self, act: Act) {
        let Act::LookUp { jid } = act else {
            return;
        };
        let (link, tell) = (self.link.clone(), self.tell.clone());
        tokio::spawn(async move {
            let patience = Duration::from_secs(LOOK_UP_SECONDS);
            let found = tokio::time::timeout(patience, fetch(&link, jid.clone())).await;
            let found = found.unwrap_or_else(|_| Found {
                jid: jid.clone(),
                bundles: Vec::new(),
                news: News::NotFound { jid },
            });
            // The receiver is gone only when the daemon stops.
            let _ = tell.send(Happening::Contact(Box::new(found)));
        });
    }

    /// Holds the bundles until it is known whether the owner confirms them.
    pub(super) fn contact_found(&mut self, found: Found) -> anyhow::Result<()> {
        let Found { jid, bundles, news } = found;
        let held = &mut self.contacts.bundles;
        if held.len() >= MAX_LOOKED_UP && !held.contains_key(&jid) {
            held.clear();
        }
        held.insert(jid, bundles);
        self.handle(Input::Contact(news))
    }

    /// A message came back that somebody else should have got.
    pub(super) fn came_back(&mut self, message: &Message) -> anyhow::Result<()> {
        let Some(id) = message.id.as_ref().filter(|_| message.is_error) else {
            return Ok(());
        };
        if !self.contacts.letters.remove(id) {
            return Ok(());
        }
        let step = self.state.begin().context("while beginning a step")?;
        let bounced = step.contact_letter_bounced(id, &message.from_bare)?;
        step.commit().context("while noting what came back")?;
        let Some(ContactLetter { jid, numbers }) = bounced else {
            return Ok(());
        };
        self.handle(Input::Contact(News::Bounced { jid, numbers }))
    }
}
