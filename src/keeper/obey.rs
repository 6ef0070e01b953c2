//! What each command sets off, and what the vault process's answers do.

use omemo::Namespace;

use super::{
    Answer, Effect, JobId, Keeper, Told,
    command::{self, Command, Context, NotACommand, Slip},
    confirm::Task,
    labels::Labels,
    moment::Moment,
    reply::{
        ArrivalReply, CarryReply, ContactReply, CustodyReply, DeviceReply, EveningReply, Facts,
        FindingReply, GrammarReply, KeepReply, KeyReply, MachineReply, NoticeReply, PictureReply,
        Reply, VerifyReply, WayIn,
    },
    unlock,
};

impl Keeper {
    /// Obeys one line, which may answer to a message or be the caption of what just came.
    pub(super) fn line(&mut self, told: &Told, text: &str, at: Moment) -> Vec<Effect> {
        let context = self.context(told, at.wall);
        match command::parse(text, &context) {
            Ok(Command::Album { name }) => self.album(told, name.as_deref(), at),
            Ok(command) => {
                if command.asks_back() {
                    self.confirmations.draw(told.job, &told.from, &told.blob);
                }
                self.command(told.job, command, at)
            }
            Err(NotACommand::AlbumWhich) => {
                let album = self.arrivals.album().map(str::to_owned);
                let which = ArrivalReply::AlbumWhich { album };
                vec![Effect::Say(Reply::Arrival(which))]
            }
            Err(why) if why.is_prose() => {
                let caption = self.prose(told, text, at);
                caption.unwrap_or_else(|| vec![Effect::Say(not_a_command(why))])
            }
            Err(why) => vec![Effect::Say(not_a_command(why))],
        }
    }

    /// Takes words that are no command for the caption of the file they answer to, or of those that
    /// just came.
    fn prose(&mut self, told: &Told, text: &str, at: Moment) -> Option<Vec<Effect>> {
        let (quoted, words) = command::quoted(text).unwrap_or((Vec::new(), text));
        if is_meant_otherwise(words) {
            return None;
        }
        let about = if quoted.is_empty() {
            &told.beside.about
        } else {
            &quoted
        };
        if let [number] = about.as_slice() {
            let label = Command::Label {
                numbers: vec![*number],
                coming: 0,
                labels: Labels::read(words)?,
            };
            return Some(self.command(told.job, label, at));
        }
        self.caption(told, words, at)
    }

    pub(super) fn answered(
        &mut self,
        job: JobId,
        answer: Answer,
        free: Option<u64>,
        now: i64,
    ) -> Vec<Effect> {
        if let Answer::Kept(kept) = answer {
            return self.kept(job, kept, now);
        }
        self.changes.not_undone(&job);
        let mut number = None;
        if let Answer::Unproven(found) = &answer
            && found.count > 0
        {
            let task = Task::TakeUnproven { seen: found.seen };
            number = self.confirmations.ask(job, task, now);
        }
        if let Answer::Key(KeyReply::Ask { slot, .. }) = &answer {
            number = self
                .confirmations
                .ask(job, Task::DropKey { slot: *slot }, now);
        }
        let mut is_revoked = None;
        if let Answer::Key(KeyReply::Revoked { was_code, .. }) = &answer {
            is_revoked = Some(*was_code);
        }
        let mut kept = None;
        if let Answer::Totals { entries, bytes, .. } = &answer {
            kept = Some((*entries, *bytes));
        }
        let facts = Facts {
            way: self.custody.way_in(),
            waiting: self.intakes.waiting(),
            standing: self.custody.standing(now),
            arriving: self.intakes.arriving(),
            free,
            drive: self.storage.trouble(),
            forecast: self.storage.forecast(kept, now),
            alarm: self.alarm,
            aes: self.aes,
            held: self.intakes.held(),
            album: self.arrivals.album().map(str::to_owned),
            checks: self.verify.facts(),
        };
        if let Some((device, next)) = self.deliveries.next_page(&job, &answer) {
            self.pages.note(device, next);
        }
        let mut effects = self.deliveries.answered(job, answer, facts, number);
        if let Some(was_code) = is_revoked {
            let locked = self.custody.begin_epoch(was_code, now);
            effects.extend(self.after_lock(locked));
        }
        effects
    }

    /// Returns what is known around a line that comes now.
    fn context(&self, told: &Told, now: i64) -> Context {
        Context {
            quoted: told.beside.about.clone(),
            // Only there does the envelope hold more than words.
            is_quoted_inside: told.namespace == Namespace::Omemo2,
            today: self.zone.local(now).date(),
            zone: self.zone.clone(),
        }
    }

    pub(super) fn command(&mut self, job: JobId, command: Command, at: Moment) -> Vec<Effect> {
        match command {
            Command::Help => vec![Effect::Say(Reply::Help)],
            Command::HelpOn { verb } => {
                vec![Effect::Say(Reply::Grammar(GrammarReply::HelpOn { verb }))]
            }
            Command::Lock => {
                let effects = self.custody.lock(at.wall);
                self.after_lock(effects)
            }
            Command::Status => self.deliveries.ask(job, Command::Status),
            // Obeyed where it is known whose files just came.
            Command::Album { .. } => Vec::new(),
            Command::AddKey => vec![Effect::Say(Reply::Key(KeyReply::HowToAdd))],
            Command::Devices => self.list_devices(),
            Command::Fingerprints => self.list_fingerprints(),
            Command::AddressPicture => self.deliveries.ask_address(job),
            Command::Trust { digits } => self.ask_trust(job, &digits, at.wall),
            Command::RevokeDevice { digits } => self.ask_revoke(job, &digits, at.wall),
            Command::Next => match self.deliveries.device().and_then(|it| self.pages.next(it)) {
                Some(next) => self.command(job, next, at),
                None => vec![Effect::Say(Reply::Finding(FindingReply::NothingMore))],
            },
            Command::Keep(keeping) => self.keep(job, keeping),
            Command::Notices(wish) => self.wish(wish, at.wall),
            Command::Machine(errand) => self.errand(job, errand, at),
            Command::Prepare(wanted) => self.prepare(job, wanted, at),
            Command::Carry(wish) => self.carry(job, wish),
            Command::Contact(wish) => self.contact(job, wish, at),
            Command::Verify(asked) => {
                let is_opening = self.custody.way_in() == WayIn::Wait;
                self.verify.ask(asked, is_opening, self.needs_key())
            }
            Command::Picture(asked) => self.ask_pictures(job, asked, at),
            // While it is being opened the question waits.
            command if self.custody.way_in() == WayIn::Wait => self.deliveries.ask(job, command),
            command @ Command::Get { .. } => self.need(job, &command, at),
            Command::List { .. }
            | Command::Info { .. }
            | Command::Albums { .. }
            | Command::Tags { .. }
            | Command::Keys
            | Command::RenameKey { .. }
            | Command::RevokeKey { .. }
            | Command::DropKey { .. }
            | Command::Label { .. }
            | Command::Unproven
            | Command::Numbers { .. }
            | Command::TakeUnproven { .. } => vec![Effect::Say(self.needs_key())],
        }
    }

    /// Does what a text asks that is neither a number nor a command: a line of our own client, a
    /// code, recovery words that nobody should have sent.
    pub(super) fn aside(&mut self, told: &Told, text: &str, at: Moment) -> Option<Vec<Effect>> {
        if let Some(served) = self.serve_client(told, text, at) {
            return Some(served);
        }
        if let Some(typed) = unlock::read(text) {
            return Some(self.unlock(typed, at));
        }
        let exposed = vault::words::holds_recovery_words(text);
        exposed.then(|| vec![Effect::Say(CustodyReply::WordsExposed.into())])
    }

    pub(super) fn confirmed(&mut self, told: &Told, task: Task, at: Moment) -> Vec<Effect> {
        match task {
            Task::TakeUnproven { seen } => {
                self.command(told.job, Command::TakeUnproven { seen }, at)
            }
            Task::Keep(keeping) => self.command(told.job, Command::Keep(keeping), at),
            Task::Errand(errand) => self.confirmed_errand(errand, at),
            Task::Prepare(wanted) => Self::confirmed_prepare(wanted),
            Task::Carry(sure) => self.confirmed_carry(told.job, *sure),
            Task::Befriend {
                jid,
                devices,
                picks,
            } => self.befriend(told, jid, devices, picks, at),
            Task::Send(unsent) => self.send_confirmed(told, unsent, at),
            Task::DropKey { slot } => self.command(told.job, Command::DropKey { slot }, at),
            Task::Vouch { fingerprint } => self.vouch(&fingerprint, at),
            Task::Revoke { fingerprint } => self.revoke(&fingerprint, told.from.id, at.wall),
        }
    }
}

/// Returns whether words that are no command were hardly meant as a caption: one of ours, perhaps
/// with a slip, stands at their beginning, or they hold a link, perhaps to a file that was to be kept.
fn is_meant_otherwise(words: &str) -> bool {
    let first = words.split_whitespace().next().unwrap_or_default();
    command::is_nearly_a_verb(first) || words.contains("://")
}

pub(super) fn not_a_command(why: NotACommand) -> Reply {
    match why {
        NotACommand::Unknown => Reply::NotUnderstood,
        NotACommand::DidYouMean { verb } => Reply::Grammar(GrammarReply::DidYouMean { verb }),
        NotACommand::Alone { verb } => Reply::Grammar(GrammarReply::Alone { verb }),
        NotACommand::NotPlain => Reply::NotText,
        NotACommand::NoTopic { word } => Reply::Grammar(GrammarReply::NoTopic { word }),
        NotACommand::BadNumber { word } => Reply::BadNumber { word },
        NotACommand::TooMany => Reply::TooMany,
        NotACommand::AlbumWhich => Reply::Arrival(ArrivalReply::AlbumWhich { album: None }),
        NotACommand::WhichFile => Reply::Finding(FindingReply::WhichFile),
        NotACommand::NothingToFind => Reply::NothingToFind,
        NotACommand::Keep(verb) => Reply::Keep(KeepReply::How(verb)),
        NotACommand::WhichNotice { word } => Reply::Notice(NoticeReply::Which { word }),
        NotACommand::QuietHow => Reply::Notice(NoticeReply::QuietHow),
        NotACommand::Whom { word } => Reply::Contact(ContactReply::Whom { word }),
        NotACommand::OddAddress => Reply::Contact(ContactReply::OddAddress),
        NotACommand::EjectHow => Reply::Machine(MachineReply::EjectHow),
        NotACommand::PrepareHow => Reply::Evening(EveningReply::PrepareHow),
        NotACommand::ExportWhat => Reply::Carry(CarryReply::ExportWhat),
        NotACommand::ImportHow => Reply::Carry(CarryReply::ImportHow),
        NotACommand::RenameHow => Reply::Key(KeyReply::RenameHow),
        NotACommand::RevokeHow => Reply::Key(KeyReply::RevokeHow),
        NotACommand::TrustWhom { word } => Reply::Device(DeviceReply::TrustWhom { word }),
        NotACommand::RevokeWhat { word } => Reply::Device(DeviceReply::RevokeWhat { word }),
        NotACommand::Picture(Slip::Sheet) => Reply::Picture(PictureReply::SheetOfWhat),
        NotACommand::Picture(Slip::Originals) => Reply::Picture(PictureReply::OriginalsHow),
        NotACommand::VerifyWhat { word } => Reply::Verify(VerifyReply::What { word }),
    }
}
