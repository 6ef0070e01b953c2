//! Sticks on the stage: folders that stand for them, and the daemon's own code that writes and reads
//! them.

use std::{
    fs::{self, File},
    os::fd::OwnedFd,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};
use strongroom::{
    daemon::{
        carry::{
            export,
            import::{self, Kept, Place},
        },
        dialogue,
    },
    keeper::{
        Input, JobId,
        carry::{Act, Amount, Brought, End, Ended, News, Refused, Stick, Wish},
        evening::Choice,
        storage::DriveTrouble,
    },
};

use super::stage::{Stage, content, intake_key, walk};

/// What is plugged in.
#[derive(Default)]
pub(super) struct Sticks {
    there: Vec<(Stick, bool, tempfile::TempDir)>,
    is_slow: bool,
    /// What was begun and does not end by itself.
    begun: bool,
    /// How what is begun next ends.
    ends: Option<(u64, End)>,
}

impl Sticks {
    fn find(&self, name: Option<&str>) -> Result<(Stick, OwnedFd), Refused> {
        let mut there = self.there.iter();
        let found = match (name, self.there.len()) {
            (None, 0) => return Err(Refused::NoStick),
            (None, 1) => there.next(),
            (None, _) => {
                let all = there.map(|(stick, ..)| stick.clone());
                return Err(Refused::Several(all.collect()));
            }
            (Some(name), _) => there.find(|(it, ..)| it.name.eq_ignore_ascii_case(name)),
        };
        let (stick, _, folder) = found.ok_or_else(|| Refused::NotThere {
            name: name.unwrap_or_default().to_owned(),
        })?;
        Ok((stick.clone(), File::open(folder.path()).unwrap().into()))
    }

    fn folder(&self, name: &str) -> Option<&Path> {
        let found = self.there.iter().find(|(it, ..)| it.name == name);
        found.map(|(.., folder)| folder.path())
    }

    fn is_read_only(&self, stick: &Stick) -> bool {
        let is_it = |(it, is_read_only, _): &&(Stick, bool, _)| it == stick && *is_read_only;
        self.there.iter().any(|it| is_it(&it))
    }
}

impl Stage {
    /// "SanDisk Ultra, 32 GB, 20 GB free, vfat".
    pub(crate) fn stick_comes(&mut self, described: &str) -> Option<()> {
        let parts: Vec<&str> = described.split(", ").collect();
        let gigabytes =
            |text: &str| Some(text.strip_suffix(" GB")?.parse::<u64>().ok()? * 1_000_000_000);
        let (model, size, free, kind) =
            (parts.first()?, parts.get(1)?, parts.get(2)?, parts.get(3)?);
        let stick = Stick {
            name: model.split(' ').next()?.to_owned(),
            model: (*model).to_owned(),
            bytes: gigabytes(size)?,
            free: gigabytes(free.strip_suffix(" free")?)?,
            mark: (*model).to_owned(),
            file_system: (*kind).to_owned(),
        };
        let is_read_only = parts.get(4) == Some(&"read-only");
        let folder = tempfile::tempdir().unwrap();
        self.sticks.there.push((stick, is_read_only, folder));
        Some(())
    }

    pub(crate) fn stick_goes(&mut self, name: &str) -> Option<()> {
        let there = self.sticks.there.len();
        self.sticks.there.retain(|(it, ..)| it.name != name);
        (self.sticks.there.len() < there).then_some(())
    }

    pub(crate) fn stick_has(&mut self, name: &str, file: &str, size: u64) -> Option<()> {
        let path = self.sticks.folder(name)?.join(file);
        fs::create_dir_all(path.parent()?).unwrap();
        let content = content(file, size);
        self.hashes.insert(Sha256::digest(&content).into());
        fs::write(path, content).unwrap();
        Some(())
    }

    pub(crate) fn stick_takes_its_time(&mut self) {
        self.sticks.is_slow = true;
    }

    pub(crate) fn stick_ends_it(&mut self, files: u64, why: &str) -> Option<()> {
        let end = match why {
            "gone" => End::Gone,
            "full" => End::Full,
            "locked" => End::Locked,
            "drive full" => End::Drive(DriveTrouble::Full),
            _ => return None,
        };
        self.sticks.ends = Some((files, end));
        Some(())
    }

    pub(super) fn carry(&mut self, act: Act) {
        let news = match act {
            Act::Stop if self.sticks.begun => ended(0, End::Stopped),
            Act::Stop => return,
            Act::Look(wish) => match self.look(wish) {
                Ok(found) => News::Looked(Box::new(found)),
                Err(why) => News::Refused(Box::new(why)),
            },
            Act::Export { .. } | Act::Import { .. } if self.sticks.is_slow => {
                self.sticks.begun = true;
                return;
            }
            Act::Export { .. } | Act::Import { .. } if self.sticks.ends.is_some() => {
                let (files, end) = self.sticks.ends.take().unwrap();
                ended(files, end)
            }
            Act::Export {
                what,
                stick,
                amount,
            } => {
                let lot = dialogue::lot(what);
                self.with(&stick, |stage, stick, folder| {
                    let mut porter = stage.vault.as_ref().unwrap().porter().unwrap();
                    let asked = (&lot, amount.newest);
                    let stop = AtomicBool::new(false);
                    export::run((folder, stick), &mut porter, asked, &stop, &mut |_| {})
                })
            }
            Act::Import {
                stick,
                amount,
                waiting,
            } => self.with(&stick, |stage, _, folder| {
                let into = import::Into {
                    key: &intake_key(),
                    now: UNIX_EPOCH + Duration::from_secs(stage.now().unsigned_abs()),
                };
                let porter = stage.vault.as_ref().map(|it| it.porter().unwrap());
                let known = (porter, waiting.into_iter().collect());
                let stop = AtomicBool::new(false);
                let amount: Amount = amount;
                import::run(
                    folder,
                    &into,
                    known,
                    (&stop, &amount),
                    &mut Remembers(stage),
                )
            }),
        };
        self.decide(Input::Carry(news));
        self.all_is_known();
    }

    fn with(
        &mut self,
        stick: &Choice,
        carry: impl FnOnce(&mut Self, &Stick, &OwnedFd) -> Ended,
    ) -> News {
        match self.sticks.find(Some(&stick.name)) {
            Ok((stick, folder)) => News::Ended(carry(self, &stick, &folder)),
            Err(why) => News::Refused(Box::new(why)),
        }
    }

    fn look(&mut self, wish: Wish) -> Result<(Stick, Amount, Wish), Refused> {
        let stop = AtomicBool::new(false);
        match wish {
            Wish::Export { what, onto } => {
                let (stick, folder) = self.sticks.find(onto.as_deref())?;
                if self.sticks.is_read_only(&stick) {
                    return Err(Refused::ReadOnly);
                }
                let mut porter = self.vault.as_ref().unwrap().porter().unwrap();
                let what = export::exactly(what, &mut porter)?;
                let lot = dialogue::lot(what.clone());
                let amount = export::look(&folder, &stick, &mut porter, &lot, &stop)?;
                Ok((stick, amount, Wish::Export { what, onto }))
            }
            Wish::Import { from } => {
                let (stick, folder) = self.sticks.find(from.as_deref())?;
                let amount = import::look(&folder, &stop)?;
                Ok((stick, amount, Wish::Import { from }))
            }
        }
    }

    /// What was written onto sticks is what was shared, and nothing is left half.
    fn all_is_known(&self) {
        for (.., folder) in &self.sticks.there {
            for path in walk(folder.path()) {
                let hash: [u8; 32] = Sha256::digest(fs::read(&path).unwrap()).into();
                assert!(self.hashes.contains(&hash), "{}", path.display());
            }
        }
    }
}

fn ended(done: u64, end: End) -> News {
    News::Ended(Ended {
        done,
        ..Ended::nothing(end)
    })
}

/// The keeper, who remembers what is kept.
struct Remembers<'a>(&'a mut Stage);

impl Kept for Remembers<'_> {
    fn place(&mut self) -> Result<Place, DriveTrouble> {
        Ok(Place {
            sealer: Arc::clone(&self.0.sealer),
            reserve: 0,
        })
    }

    fn vouched(&mut self, brought: Brought, _: u32) -> bool {
        let job = brought.job;
        self.0
            .decide(Input::Carry(News::Brought(Box::new(brought))));
        self.0.keeper.may_keep(&job)
    }

    fn sealed(&mut self, job: JobId) {
        self.0.decide(Input::Sealed { job });
    }

    fn news(&mut self, news: News) {
        self.0.decide(Input::Carry(news));
    }

    fn not_durable(&mut self, error: &std::io::Error) {
        panic!("{error}");
    }
}
