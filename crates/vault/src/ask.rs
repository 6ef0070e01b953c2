//! Asks whoever sits at the terminal for what is never an argument: words and passphrases.
//!
//! Without a terminal the same is read from standard input, for scripts. Knows nothing of what the
//! answers open; the terminal is the only file it names.

use std::{
    fs::File,
    io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _},
};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::{
    SlotSecret,
    key::passphrase::Passphrase,
    words::{WORD_COUNT, WordsError},
};

/// The longest line that is read.
const MAX_LINE_BYTES: u64 = 4096;
/// Times that somebody at a terminal may mistype.
const TRIES: u8 = 5;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// Terminal or standard input gave nothing.
    #[error("nothing was typed; run this at a terminal, or give it on standard input")]
    NoInput,
    /// Terminal or standard input failed.
    #[error("the terminal could not be read")]
    Io(#[from] io::Error),
    /// The words are wrong.
    #[error(transparent)]
    Words(#[from] WordsError),
    /// The second typing differs from the first.
    #[error("the two passphrases differ; nothing was changed")]
    NotTheSame,
}

/// Asks for 24 recovery words, on one line or several, then an empty line or the end.
///
/// # Errors
/// When the words are wrong, or there is no input.
pub fn words() -> Result<SlotSecret, AskError> {
    if at_terminal() {
        say(&format!(
            "Type the {WORD_COUNT} recovery words, on one line or several, then an empty line:\n"
        ));
    }
    let mut typed = Zeroizing::new(String::with_capacity(8192));
    let mut input = io::stdin().lock();
    loop {
        let line = read_line(&mut input)?;
        let over = line.is_empty() || (line.trim().is_empty() && !typed.trim().is_empty());
        typed.push_str(&line);
        let is_word = |it: &&str| it.contains(char::is_alphabetic);
        let enough = typed.split_whitespace().filter(is_word).count() >= WORD_COUNT;
        if over || enough || typed.len() > 4096 {
            break;
        }
    }
    if typed.trim().is_empty() {
        return Err(AskError::NoInput);
    }
    Ok(SlotSecret::from_words(&typed)?)
}

/// Asks for a passphrase; what is typed at a terminal is not shown.
///
/// # Errors
/// When there is no input.
pub fn passphrase(prompt: &str) -> Result<Passphrase, AskError> {
    Ok(Passphrase::new(&secret(prompt)?))
}

/// Asks for something that is not shown when it is typed at a terminal, up to the line's end.
///
/// # Errors
/// When there is no input.
pub fn secret(prompt: &str) -> Result<Zeroizing<String>, AskError> {
    let line = match Terminal::open() {
        Some(mut terminal) => terminal.ask_hidden(prompt)?,
        None => read_line(&mut io::stdin().lock())?,
    };
    if line.is_empty() {
        return Err(AskError::NoInput);
    }
    Ok(line)
}

/// Asks for a new passphrase of at least `letters` characters, at a terminal twice.
///
/// # Errors
/// When there is no input, or the second typing differs.
pub fn new_passphrase(letters: usize) -> Result<Passphrase, AskError> {
    for _ in 0..TRIES {
        let first = passphrase("New passphrase for the key: ")?;
        if first.letters() < letters {
            say(&format!("At least {letters} characters, please.\n"));
            continue;
        }
        if Terminal::open().is_none() {
            return Ok(first);
        }
        let second = passphrase("The same again: ")?;
        if first.is_same(&second) {
            return Ok(first);
        }
        return Err(AskError::NotTheSame);
    }
    Err(AskError::NoInput)
}

/// Tells whether somebody sits there who can be asked again.
#[must_use]
pub fn at_terminal() -> bool {
    io::stdin().is_terminal()
}

fn say(text: &str) {
    // A prompt that cannot be shown keeps nobody from typing.
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Reads one line into a buffer that does not grow, and so leaves no copy behind.
fn read_line(input: &mut impl io::BufRead) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
    input.take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes)?;
    let text = str::from_utf8(&bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut line = Zeroizing::new(String::with_capacity(text.len()));
    line.push_str(text);
    Ok(line)
}

/// The terminal itself, whatever standard input and output are.
struct Terminal(File);

impl Terminal {
    fn open() -> Option<Self> {
        // A script that gives standard input means it.
        if !at_terminal() {
            return None;
        }
        File::options()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .ok()
            .map(Self)
    }

    /// Asks without showing what is typed. The terminal is as before afterwards.
    fn ask_hidden(&mut self, prompt: &str) -> io::Result<Zeroizing<String>> {
        self.0.write_all(prompt.as_bytes())?;
        let before = tcgetattr(&self.0)?;
        let mut hidden = before.clone();
        hidden.local_modes &= !LocalModes::ECHO;
        hidden.local_modes |= LocalModes::ECHONL;
        tcsetattr(&self.0, OptionalActions::Flush, &hidden)?;
        let line = read_line(&mut io::BufReader::with_capacity(1, &self.0));
        tcsetattr(&self.0, OptionalActions::Flush, &before)?;
        line
    }
}
