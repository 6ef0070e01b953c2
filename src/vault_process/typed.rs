//! A key that somebody types: a code, recovery words, or the passphrase of a key device.
//!
//! The text goes through a socket of its own whose reading end is handed over to the vault process
//! before the first order: it is in no order, and the daemon reads none of what the console sends.
//!
//! ```text
//! data (its stdout)   daemon  -- 1 byte, with the socket -->  vault process
//! the socket          console  <-- READY --  vault process
//!                     console or daemon  -- the text -->  vault process, up to its end
//!                     console  <-- one line of words --  vault process
//! ```

use std::{
    fs,
    io::{self, IoSlice, IoSliceMut, Read as _, Write as _},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize};
use vault::{
    KeyFile, Passphrase, PassphraseError, PepperFile, SlotSecret, UnlockCode, VaultFolder, VaultId,
    WordsError,
};
use zeroize::Zeroizing;

use super::Shut;

/// What the console is told when it went well.
pub const OPEN: &str = "The vault is open.";
/// What the console waits for before it sends the text: nobody else gets it.
pub const READY: u8 = b'>';
/// Longest text, in bytes: 24 words, numbered and spread out.
const MAX_BYTES: usize = 4096;
/// How long the text may take: whoever types has typed before.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A code from the chat, which opens with the pepper file's help.
    Code,
    /// Recovery words.
    Words,
    /// The passphrase of the key device that is in.
    Passphrase,
}

impl Kind {
    /// Returns the byte that names it on the console's socket.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Code => b'c',
            Self::Words => b'w',
            Self::Passphrase => b'p',
        }
    }

    /// Reads the byte that the console sends first. A code is for the chat only, where its tries
    /// are counted.
    #[must_use]
    pub fn from_console(byte: u8) -> Option<Self> {
        [Self::Words, Self::Passphrase]
            .into_iter()
            .find(|it| it.byte() == byte)
    }
}

/// What the typed text opens the vault with.
pub(super) struct With {
    pub(super) kind: Kind,
    /// For a code: the pepper file of the system card.
    pub(super) pepper: Option<Zeroizing<Vec<u8>>>,
    /// For a passphrase: the key file of the key device.
    pub(super) key_file: Option<Zeroizing<Vec<u8>>>,
    pub(super) vault: VaultId,
}

/// Why what was typed is no key: for the daemon, and in words for the console.
pub(super) struct NoKey {
    pub(super) shut: Shut,
    pub(super) words: String,
}

impl NoKey {
    fn new(shut: Shut, words: impl ToString) -> Self {
        let words = words.to_string();
        Self { shut, words }
    }
}

/// Sends the first byte, with these descriptors. Nobody here has read from them.
///
/// # Errors
///
/// The operating system's.
pub fn hand_over(socket: impl AsFd, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut with = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !with.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(
        socket,
        &[IoSlice::new(&[0])],
        &mut with,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

/// Takes the first byte, and the descriptors that came with it: three at most. They are there before
/// the process is.
///
/// # Errors
///
/// The operating system's.
pub fn take_over(socket: impl AsFd) -> io::Result<Vec<OwnedFd>> {
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut byte)];
    recvmsg(socket, &mut parts, &mut with, RecvFlags::CMSG_CLOEXEC)?;
    let mut handed = Vec::new();
    for message in with.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            handed.extend(descriptors);
        }
    }
    Ok(handed)
}

/// Reads the text up to its end, into one place that never moves.
pub(super) fn read(typed: &mut UnixStream) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(vec![0; MAX_BYTES]);
    let mut length = 0;
    loop {
        let Some(room) = text.get_mut(length..).filter(|room| !room.is_empty()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match typed.read(room)? {
            0 => break,
            more => length += more,
        }
    }
    text.truncate(length);
    Ok(text)
}

/// Tells whoever typed how it went. Nobody may be listening: a code was typed in the chat.
pub(super) fn answer(typed: &mut UnixStream, words: &str) {
    let told = typed.write_all(words.as_bytes());
    if let Err(error) = told.and_then(|()| typed.write_all(b"\n")) {
        log::debug!("nobody hears the answer to what was typed: {error}");
    }
}

/// Makes the slot secret of what was typed. A wrong one is mostly found out only at the slots.
pub(super) fn secret(typed: &[u8], with: &With) -> Result<SlotSecret, NoKey> {
    let no_text = |_| NoKey::new(Shut::WrongKey, "That is no text.");
    let text = std::str::from_utf8(typed).map_err(no_text)?;
    match with.kind {
        Kind::Words => SlotSecret::from_words(text).map_err(|error: WordsError| {
            NoKey::new(
                Shut::WrongKey,
                format!("Those words open nothing: {error}."),
            )
        }),
        Kind::Code => of_code(text, with),
        Kind::Passphrase => of_passphrase(text, with),
    }
}

fn of_code(text: &str, with: &With) -> Result<SlotSecret, NoKey> {
    let wrong = |_| NoKey::new(Shut::WrongKey, "That is no code.");
    let code = UnlockCode::parse(text).map_err(wrong)?;
    let trouble = |error: &dyn std::error::Error| {
        log::error!("a code could not be tried: {error}");
        NoKey::new(Shut::Trouble, error)
    };
    let pepper = with.pepper.as_ref().map_or(&[][..], |it| it.as_slice());
    let pepper = PepperFile::from_bytes(pepper).map_err(|error| trouble(&error))?;
    if pepper.vault != with.vault {
        return Err(NoKey::new(
            Shut::Trouble,
            "The unlock code's file on the system card is another vault's.",
        ));
    }
    SlotSecret::from_code(&code, &pepper.pepper, &with.vault).map_err(|error| trouble(&error))
}

fn of_passphrase(text: &str, with: &With) -> Result<SlotSecret, NoKey> {
    let Some(key_file) = &with.key_file else {
        return Err(NoKey::new(
            Shut::BrokenKeyFile,
            "There is no key device to try the passphrase on. Put it in first.",
        ));
    };
    let key = KeyFile::parse(key_file).map_err(|error| {
        NoKey::new(
            Shut::BrokenKeyFile,
            format!("The key cannot be used: {error}."),
        )
    })?;
    key.unlock(&Passphrase::new(text))
        .map(|key| key.secret)
        .map_err(|error| match error {
            PassphraseError::Wrong => NoKey::new(Shut::WrongKey, "The passphrase is wrong."),
            PassphraseError::NoMemory(_) | PassphraseError::Randomness(_) | _ => {
                NoKey::new(Shut::Trouble, error)
            }
        })
}

/// Somebody who types, taken over before the walls stand.
pub(super) struct Typed {
    kind: Kind,
    typist: UnixStream,
    pepper: Option<Zeroizing<Vec<u8>>>,
}

impl Typed {
    /// Takes the socket over, and reads what lies on the card.
    pub(super) fn take(kind: Kind, data: &UnixStream, pepper_file: &Path) -> Result<Self, Shut> {
        let trouble = |error: io::Error| {
            log::error!("what is typed could not be taken over: {error}");
            Shut::Trouble
        };
        let mut handed = take_over(data).map_err(trouble)?;
        let typist = handed.pop();
        let typist = typist.ok_or_else(|| trouble(io::ErrorKind::UnexpectedEof.into()))?;
        let typist = UnixStream::from(typist);
        typist.set_read_timeout(Some(PATIENCE)).map_err(trouble)?;
        let pepper = match kind {
            Kind::Code => fs::read(pepper_file).ok().map(Zeroizing::new),
            Kind::Words | Kind::Passphrase => None,
        };
        Ok(Self {
            kind,
            typist,
            pepper,
        })
    }

    /// Makes the secret of what is typed; `key_file` is what the key device has. Whoever types is
    /// told when it is none; else the answer is still owed.
    pub(super) fn hear(
        self,
        folder: &Path,
        key_file: Option<Zeroizing<Vec<u8>>>,
    ) -> Result<(SlotSecret, UnixStream), Shut> {
        let Self {
            kind,
            mut typist,
            pepper,
        } = self;
        let Ok(folder) = VaultFolder::open(folder) else {
            answer(&mut typist, told(Some(&Shut::NoVault)));
            return Err(Shut::NoVault);
        };
        let with = With {
            kind,
            pepper,
            key_file,
            vault: *folder.vault_id(),
        };
        if let Err(error) = typist.write_all(&[READY]) {
            log::debug!("nobody waits for it, so it was typed in the chat: {error}");
        }
        let text = read(&mut typist).map_err(|error| {
            log::warn!("what was typed did not come whole: {error}");
            Shut::WrongKey
        })?;
        match secret(&text, &with) {
            Ok(secret) => Ok((secret, typist)),
            Err(no_key) => {
                answer(&mut typist, &no_key.words);
                Err(no_key.shut)
            }
        }
    }
}

/// What the console is told.
pub(super) fn told(shut: Option<&Shut>) -> &'static str {
    match shut {
        None => OPEN,
        Some(Shut::WrongKey) => "That opens no slot of this vault: it is wrong, or was revoked.",
        Some(Shut::NoVault) => "There is no vault on the data drive. Check that it is plugged in.",
        Some(Shut::TooNew) => {
            "The vault was written by a newer Strongroom. Install the newer one again; nothing was changed."
        }
        Some(Shut::ForeignPublicHalf) => {
            "ALARM: the system card seals files to a key that is not this vault's, so somebody may \
             have changed the card. Set the Pi up anew before you go on."
        }
        Some(
            Shut::BrokenKeyFile
            | Shut::WantsPassphrase
            | Shut::NoKeyFile
            | Shut::UnreadableKey
            | Shut::Trouble,
        ) => "The vault did not open. The journal says why.",
    }
}
