//! One function per effect: the saved ones inside the step's transaction, the others after it.

use std::{io, os::fd::OwnedFd, path::PathBuf};

use anyhow::Context as _;
use omemo::{Address, DeviceId, Namespace, Trust};

use super::{
    Daemon, Happening, contacts::Contacts, dialogue, life::LIFE, moment, outbox::Saying, trust,
};
use crate::{
    config::Config,
    keeper::{
        Answer, Asker, Effect, Input, JobId, Keeper,
        command::Command,
        intake::Intake,
        reply::{DeliveryFailure, OpenFailure, PLAIN_REFUSED, Reply},
    },
    keydevice::Key,
    keys::card::PEPPER_FILE,
    service,
    state::{JobKind, LetterContent, Step},
    vault_process::{Form, Order, VaultProcess, typed},
    xmpp::{
        Sign,
        outgoing::{self, ChatState},
    },
};

/// The note that holds how pairing stands.
pub(super) const PAIRING: &str = "pairing";
/// The note that holds whether the owner locked the vault while the key device is in.
pub(super) const LOCKED_BY_OWNER: &str = "locked by owner";
/// The note that holds what the keeper remembers beside its jobs.
pub(super) const REMEMBERED: &str = "remembered";
/// The note that holds what is remembered of checks.
pub(super) const CHECKS: &str = "checks";
/// The note that holds how much came in lately.
pub(super) const PACE: &str = "pace";
/// The note that holds whether the card seals to a key that is not this vault's.
pub(super) const ALARM: &str = "alarm";
/// The note that holds what is remembered of notices.
pub(super) const NOTICES: &str = "notices";
/// The note that holds which devices were told that they send no originals.
pub(super) const ORIGINALS: &str = "originals";

/// What decides and writes within one step.
pub(super) struct Desk<'a> {
    pub(super) keeper: &'a mut Keeper,
    pub(super) config: &'a Config,
    pub(super) contacts: &'a mut Contacts,
    /// Whether the owner's device list has to be fetched before anything is said.
    pub(super) list_is_old: bool,
    /// Who asked for what is decided.
    pub(super) asker: Option<Asker>,
}

/// What is to be done once the step is saved.
#[derive(Default)]
#[must_use = "what follows a step has to be carried out"]
pub(super) struct After {
    /// Effects that are not part of a transaction, in order.
    pub(super) effects: Vec<Effect>,
    /// Finished stanzas with their tokens.
    pub(super) letters: Vec<(i64, String)>,
    /// Devices that need a bundle before anything can be encrypted for them.
    pub(super) without_session: Vec<(Namespace, Address)>,
    /// Whether a job was closed, whose remains have to be overwritten.
    pub(super) closed: bool,
    /// Whether a prekey was used or added.
    pub(super) bundle_changed: bool,
    /// How many prekeys were used.
    pub(super) used_prekeys: usize,
    /// Whether words wait for the owner's device list.
    pub(super) list_wanted: bool,
}

impl After {
    pub(super) fn join(&mut self, other: Self) {
        self.effects.extend(other.effects);
        self.letters.extend(other.letters);
        self.without_session.extend(other.without_session);
        self.closed |= other.closed;
        self.bundle_changed |= other.bundle_changed;
        self.used_prekeys += other.used_prekeys;
        self.list_wanted |= other.list_wanted;
    }
}

impl Desk<'_> {
    /// Has the keeper decide, and writes what belongs to the step.
    pub(super) fn decide(&mut self, step: &mut Step<'_>, input: Input) -> anyhow::Result<After> {
        self.asker = self.keeper.asker(&input);
        let effects = self.keeper.handle(input, moment());
        self.save(step, effects)
    }

    /// Writes what belongs to the step, and what the keeper has to remember of it.
    pub(super) fn save(
        &mut self,
        step: &mut Step<'_>,
        effects: Vec<Effect>,
    ) -> anyhow::Result<After> {
        let mut after = After::default();
        if let Some(remembered) = self.keeper.to_remember() {
            step.set_note(REMEMBERED, Some(&remembered))?;
        }
        for effect in effects {
            match effect {
                Effect::SaveIntake(intake) => {
                    step.save_job(&intake.job.0, JobKind::Intake, &intake)?;
                }
                Effect::SaveDelivery(delivery) => {
                    step.save_job(&delivery.job.0, JobKind::Delivery, &delivery)?;
                }
                Effect::Close(job) => {
                    step.close_job(&job.0)?;
                    after.closed = true;
                }
                Effect::Trust(device) => self.trust(step, &device)?,
                Effect::Vouch(device) => trust::set(step, &device, Trust::Vouched)?,
                Effect::Revoke(device) => trust::revoke(step, &device)?,
                Effect::Quarantine(device) => step.quarantine(&device.jid, device.id)?,
                Effect::SavePairing(pairing) => step.set_note(PAIRING, pairing.as_ref())?,
                Effect::SaveLockedByOwner(locked) => {
                    step.set_note(LOCKED_BY_OWNER, locked.then_some(&true))?;
                }
                Effect::SaveVerify(record) => step.set_note(CHECKS, Some(&record))?,
                Effect::SavePace(pace) => step.set_note(PACE, Some(&pace))?,
                Effect::SaveAlarm(alarm) => step.set_note(ALARM, alarm.then_some(&true))?,
                Effect::SaveLife(record) => step.set_note(LIFE, Some(&record))?,
                Effect::SaveNotices(record) => step.set_note(NOTICES, Some(&record))?,
                Effect::SaveOriginals(record) => step.set_note(ORIGINALS, Some(&record))?,
                Effect::Say(reply) => self.save_reply(step, &reply, &mut after)?,
                Effect::Contact(act) if act.is_saved() => {
                    self.save_contact(step, act, &mut after)?;
                }
                Effect::Chat(chat) if chat.is_saved() => self.save_chat(step, chat, &mut after)?,
                Effect::SayTo(device, reply) => {
                    let to = Address::new(device.jid, DeviceId(device.id));
                    let to = self.in_its_namespace(step, [to])?;
                    self.post(step, &to, &Saying::Words(&reply.text()), &mut after)?;
                }
                Effect::SayPlainRefused => self.post_plain(step, &mut after)?,
                // In this namespace a receipt is part of what is encrypted.
                Effect::Receipt(id) if self.asked_in(Namespace::Omemo2) => {
                    self.post_receipt(step, &id, &mut after)?;
                }
                later @ (Effect::Receipt(_)
                | Effect::Chat(_)
                | Effect::Typing(_)
                | Effect::Fetch(_)
                | Effect::StopFetching
                | Effect::Index(_)
                | Effect::Ask(..)
                | Effect::Deliver(..)
                | Effect::Pack(..)
                | Effect::Repair(_)
                | Effect::Announce
                | Effect::Discard(_)
                | Effect::LookUp(_)
                | Effect::AskClient(_)
                | Effect::Verify(_)
                | Effect::PurgeOld { .. }
                | Effect::Machine(_)
                | Effect::Prepare(_)
                | Effect::Carry(_)
                | Effect::Contact(_)
                | Effect::Open
                | Effect::OpenByCode
                | Effect::OpenByConsole
                | Effect::Lock) => after.effects.push(later),
            }
        }
        Ok(after)
    }

    fn save_reply(
        &mut self,
        step: &mut Step<'_>,
        reply: &Reply,
        after: &mut After,
    ) -> anyhow::Result<()> {
        let ids = match reply.described_file() {
            // It is good for the device that asked just now, and cannot wait as words can.
            Some(file) => {
                let recipients = self.recipients(step)?;
                let words = reply.text();
                self.post(step, &recipients, &Saying::File(&file, &words), after)?
            }
            None => self.say(step, &reply.text(), after)?,
        };
        self.said(step, reply, &ids)
    }

    fn post_plain(&self, step: &Step<'_>, after: &mut After) -> anyhow::Result<()> {
        let id = super::outbox::stanza_id()?;
        let stanza = outgoing::plain_message(&self.config.owner.jid, &id, PLAIN_REFUSED);
        let token = step.post(&id, &LetterContent::Stanza(stanza.clone()))?;
        after.letters.push((token, stanza));
        Ok(())
    }
}

/// Names the places that a step of these effects passes once it is saved, for tests.
fn crash_points(effects: &[Effect]) -> Vec<&'static str> {
    let named = effects.iter().filter_map(|effect| match effect {
        Effect::SaveIntake(_) => Some("intake saved"),
        Effect::SaveDelivery(_) => Some("delivery saved"),
        Effect::Close(_) => Some("job closed"),
        Effect::Trust(_)
        | Effect::Vouch(_)
        | Effect::Revoke(_)
        | Effect::Quarantine(_)
        | Effect::SavePairing(_)
        | Effect::SaveLockedByOwner(_)
        | Effect::SaveVerify(_)
        | Effect::SavePace(_)
        | Effect::SaveAlarm(_)
        | Effect::SaveLife(_)
        | Effect::Chat(_)
        | Effect::SaveNotices(_)
        | Effect::SaveOriginals(_)
        | Effect::Say(_)
        | Effect::SayTo(..)
        | Effect::SayPlainRefused
        | Effect::Receipt(_)
        | Effect::Typing(_)
        | Effect::Fetch(_)
        | Effect::StopFetching
        | Effect::Index(_)
        | Effect::Ask(..)
        | Effect::Deliver(..)
        | Effect::Pack(..)
        | Effect::Repair(_)
        | Effect::Announce
        | Effect::Discard(_)
        | Effect::LookUp(_)
        | Effect::AskClient(_)
        | Effect::Verify(_)
        | Effect::PurgeOld { .. }
        | Effect::Machine(_)
        | Effect::Prepare(_)
        | Effect::Carry(_)
        | Effect::Contact(_)
        | Effect::Open
        | Effect::OpenByCode
        | Effect::OpenByConsole
        | Effect::Lock => None,
    });
    let untold = |it: &&Effect| matches!(it, Effect::SaveIntake(intake) if intake.is_untold());
    let untold = effects.iter().find(untold).map(|_| "untold saved");
    named.chain(untold).collect()
}

impl Daemon {
    /// Feeds the keeper outside of any message, saves and carries out.
    pub(super) fn handle(&mut self, input: Input) -> anyhow::Result<()> {
        let asker = self.keeper.asker(&input);
        let effects = self.keeper.handle(input, moment());
        self.carry_out(effects, asker)
    }

    pub(super) fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        asker: Option<Asker>,
    ) -> anyhow::Result<()> {
        // Locking waits for nothing, least of all for a card to write.
        if effects.contains(&Effect::Lock) {
            self.lock();
        }
        let places = crash_points(&effects);
        let list_is_old = self.list_is_old();
        let Self {
            state,
            keeper,
            config,
            contacts,
            ..
        } = self;
        let after = if effects.iter().any(Effect::is_saved) || keeper.has_to_remember() {
            let mut step = state.begin().context("while beginning a step")?;
            let mut desk = Desk {
                keeper,
                config,
                contacts,
                list_is_old,
                asker,
            };
            let after = desk.save(&mut step, effects)?;
            step.commit().context("while saving a step")?;
            after
        } else {
            After {
                effects,
                ..After::default()
            }
        };
        places.into_iter().for_each(crate::crash::point);
        self.after(after)
    }

    /// Carries out what follows a saved step.
    pub(super) fn after(&mut self, after: After) -> anyhow::Result<()> {
        for (token, stanza) in after.letters {
            self.dispatch(token, stanza);
        }
        for (namespace, address) in after.without_session {
            self.fetch_bundle(namespace, address);
        }
        if after.bundle_changed {
            self.bundle_changed(after.used_prekeys);
        }
        if after.list_wanted {
            self.fetch_owner_lists();
        }
        for effect in after.effects {
            self.begin(effect);
        }
        // Last, because nobody should wait for it: the answer is on its way.
        if after.closed {
            self.state
                .truncate_log()
                .context("while overwriting what a closed job held")?;
        }
        Ok(())
    }

    fn begin(&mut self, effect: Effect) {
        match effect {
            Effect::Receipt(id) => self.receipt(&id),
            Effect::Chat(chat) => self.begin_chat(chat),
            Effect::Typing(at_work) => self.typing(at_work),
            Effect::Fetch(intake) => self.receive(intake),
            Effect::StopFetching => self.stop_fetching(),
            Effect::Index(intake) => {
                let Intake { job, blob, mac, .. } = intake;
                self.order(
                    Order::Adopt {
                        job: job.0,
                        blob,
                        mac,
                    },
                    Input::NotIndexed {
                        job,
                        damaged: false,
                    },
                );
            }
            Effect::Ask(job, command) => self.ask(job, command),
            Effect::Deliver(job, number) => self.deliver(job, number),
            Effect::Pack(job, numbers, limit) => self.pack(job, numbers, limit),
            Effect::Repair(device) => self.repair(device),
            Effect::Announce => self.announce(),
            Effect::Discard(blob) => self.discard(blob),
            Effect::LookUp(ids) => self.look_up(ids),
            Effect::AskClient(device) => self.ask_client(device),
            Effect::Verify(act) => self.verify(act),
            Effect::PurgeOld { days } => self.purge_old(days),
            Effect::Machine(errand) => self.errand(errand),
            Effect::Prepare(request) => self.ask_to_prepare(request),
            Effect::Carry(act) => self.carry(act),
            Effect::Contact(act) => self.begin_contact(act),
            Effect::Open => self.open(None),
            Effect::OpenByCode => self.open_by_code(),
            Effect::OpenByConsole => self.open_by_console(),
            Effect::Lock => self.lock(),
            // Saved before; nothing is left to do.
            Effect::SaveIntake(_)
            | Effect::SaveDelivery(_)
            | Effect::Close(_)
            | Effect::Trust(_)
            | Effect::Vouch(_)
            | Effect::Revoke(_)
            | Effect::Quarantine(_)
            | Effect::SavePairing(_)
            | Effect::SaveLockedByOwner(_)
            | Effect::SaveVerify(_)
            | Effect::SavePace(_)
            | Effect::SaveAlarm(_)
            | Effect::SaveLife(_)
            | Effect::SaveNotices(_)
            | Effect::SaveOriginals(_)
            | Effect::Say(_)
            | Effect::SayTo(..)
            | Effect::SayPlainRefused => {}
        }
    }

    /// Returns the form that the device reads which asked for a file.
    pub(super) fn form_for(&self, job: &JobId) -> Form {
        if self.keeper.is_for_a_description(job) {
            Form::Description
        } else {
            Form::Link
        }
    }

    /// Has many files encrypted as one zip, in the form that the device reads which asked for it.
    fn pack(&mut self, job: JobId, numbers: Vec<u64>, limit: Option<u64>) {
        let form = self.form_for(&job);
        let otherwise = Input::NotUploaded {
            job,
            number: numbers.first().copied().unwrap_or_default(),
            why: DeliveryFailure::Locked,
        };
        let order = Order::Pack {
            job: job.0,
            numbers,
            limit,
            form,
        };
        self.order(order, otherwise);
    }

    /// Has a file encrypted in the form that the device reads which asked for it.
    fn deliver(&mut self, job: JobId, number: u64) {
        if self.keeper.sends_address(&job) {
            return self.draw_address(job, number);
        }
        let form = self.form_for(&job);
        let otherwise = Input::NotUploaded {
            job,
            number,
            why: DeliveryFailure::Locked,
        };
        let order = match self.picture_order(job, form) {
            Some(order) => order,
            None => Order::Deliver {
                job: job.0,
                number,
                form,
            },
        };
        self.order(order, otherwise);
    }

    /// Orders the vault process, or reports `otherwise` when there is none.
    fn order(&mut self, order: Order, otherwise: Input) {
        match &self.vault {
            Some(vault) => vault.process.order(order),
            None => self.report(Happening::Input(otherwise)),
        }
    }

    pub(super) fn report(&self, happening: Happening) {
        // The receiver lives as long as the loop; after it nobody needs to know.
        let _ = self.tell.send(happening);
    }

    fn receipt(&self, id: &str) {
        match super::outbox::stanza_id() {
            Ok(own) => {
                let received = Sign::Received(id);
                let receipt = outgoing::sign(&self.config.owner.jid, &own, received);
                self.link.send_volatile(receipt);
            }
            Err(error) => log::error!("no receipt was sent: {error}"),
        }
    }

    fn typing(&self, at_work: bool) {
        let state = if at_work {
            ChatState::Composing
        } else {
            ChatState::Active
        };
        self.link
            .send_volatile(outgoing::chat_state(&self.config.owner.jid, state));
    }

    fn ask(&mut self, job: JobId, command: Command) {
        // What is told of the drive is to be true now.
        let _ = self.look_at_drive();
        let otherwise = Input::Answered {
            job,
            answer: Answer::Locked,
            free: self.free_bytes(),
        };
        let at = self.calm_now();
        let order = dialogue::order(job, command, at, || self.keeper.open_blobs());
        self.order(order, otherwise);
    }

    /// Asks the key device for the key, unless what is typed does without: a path or a pipe.
    fn key_for(&self, kind: Option<typed::Kind>) -> io::Result<(Option<PathBuf>, Option<OwnedFd>)> {
        if matches!(kind, Some(typed::Kind::Code | typed::Kind::Words)) {
            return Ok((None, None));
        }
        Ok(match self.key_device.key()? {
            Key::File(path) => (Some(path), None),
            Key::Pipe(pipe) => (None, Some(pipe)),
        })
    }

    /// Starts the vault process with the key device that is there, or with what was typed.
    pub(super) fn open(&mut self, typed: Option<(typed::Kind, OwnedFd)>) {
        self.lock();
        self.generation += 1;
        let generation = self.generation;
        if let Err(trouble) = self.look_at_drive() {
            let why = OpenFailure::Drive(trouble);
            return self.report(Happening::Input(Input::VaultNotOpened(why)));
        }
        let public_half = match std::fs::read(super::start::public_half_path(&self.config)) {
            Ok(bytes) => bytes,
            Err(error) => {
                log::error!("the vault's public half could not be read: {error}");
                self.report(Happening::Input(Input::VaultNotOpened(
                    OpenFailure::Trouble,
                )));
                return;
            }
        };
        let (kind, typed) = typed.unzip();
        let (key_file, pipe) = match self.key_for(kind) {
            Ok(key) => key,
            Err(error) => {
                log::warn!("the key device could not be asked for the key: {error}");
                self.report(Happening::Input(Input::VaultNotOpened(
                    OpenFailure::UnreadableKey,
                )));
                return;
            }
        };
        let order = Order::Open {
            folder: self.config.vault.folder.clone(),
            key_file,
            typed: kind,
            pepper_file: self.config.vault.system.join(PEPPER_FILE),
            public_half,
            intake_key: super::start::intake_key_path(&self.config),
            waiting: self.keeper.open_blobs(),
        };
        match VaultProcess::start(order, pipe, typed) {
            Ok((process, mut words)) => {
                self.vault = Some(super::Vault {
                    generation,
                    process,
                    sending: None,
                });
                let tell = self.tell.clone();
                tokio::spawn(async move {
                    while let Some(word) = words.recv().await {
                        // The loop is gone only when the daemon stops.
                        let _ = tell.send(Happening::Word { generation, word });
                    }
                    let _ = tell.send(Happening::VaultEnded { generation });
                });
            }
            Err(error) => {
                log::error!("the vault process did not start: {error}");
                self.report(Happening::Input(Input::VaultNotOpened(
                    OpenFailure::Trouble,
                )));
            }
        }
    }

    fn lock(&mut self) {
        if let Some(vault) = self.vault.take() {
            vault.process.kill();
            if let Some(sending) = vault.sending {
                sending.abort();
            }
            log::info!("the vault is locked");
            service::status("locked");
        }
    }
}
