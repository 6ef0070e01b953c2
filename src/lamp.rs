//! A lamp that tells how the vault is, for a machine without a screen: the daemon says a word, the
//! service manager's helper has the kernel light or blink.
//!
//! The daemon may not touch a device, and the helper knows nothing of a vault: between them is a pipe
//! with one word a line.

use std::{
    fmt, fs,
    io::{self, BufRead, Write as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

/// How the vault is, as far as a lamp can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Locked: the lamp is lit.
    Locked,
    /// Open: the lamp beats like a heart.
    Open,
    /// At work: the lamp flickers.
    Busy,
    /// Something has to be done: the lamp is a second on, a second off.
    Trouble,
}

impl Sign {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Locked, Self::Open, Self::Busy, Self::Trouble];

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.to_string() == word)
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locked => "locked",
            Self::Open => "open",
            Self::Busy => "busy",
            Self::Trouble => "trouble",
        })
    }
}

/// The daemon's end of the pipe.
#[derive(Debug, Default)]
pub struct Lamp {
    pipe: Option<PathBuf>,
    shown: Option<Sign>,
}

impl Lamp {
    /// Takes the pipe, if there is to be a lamp.
    #[must_use]
    pub fn new(pipe: Option<PathBuf>) -> Self {
        Self { pipe, shown: None }
    }

    /// Says a sign that is not the one said last. A lamp is no reason to wait or to fail.
    pub fn show(&mut self, sign: Sign) {
        if self.shown == Some(sign) {
            return;
        }
        if let Some(pipe) = &self.pipe
            && let Err(error) = say(pipe, sign)
        {
            log::debug!("the lamp was not told: {error}");
            return;
        }
        self.shown = Some(sign);
    }
}

/// Says a sign to whoever holds the pipe.
///
/// # Errors
///
/// When nobody does, or it is none.
pub fn say(pipe: &Path, sign: Sign) -> io::Result<()> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut pipe = fs::OpenOptions::new()
        .write(true)
        .custom_flags(flags)
        .open(pipe)?;
    if !pipe.metadata()?.file_type().is_fifo() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    pipe.write_all(format!("{sign}\n").as_bytes())
}

/// What `strongroom lamp` is told.
#[derive(Debug, clap::Args)]
pub struct Leds {
    /// The folder of the kernel's LEDs
    #[arg(long, value_name = "FOLDER", default_value = "/sys/class/leds")]
    pub leds: PathBuf,
}

/// Reads words and has the lamp show them, until there are no more.
///
/// # Errors
///
/// The pipe's. A machine without a lamp is none.
pub fn run(told: &Leds, words: impl BufRead) -> anyhow::Result<()> {
    let Some(led) = find(&told.leds)? else {
        log::info!("this machine has no lamp");
        return Ok(());
    };
    for word in words.lines() {
        let Some(sign) = Sign::from_word(word?.trim()) else {
            continue;
        };
        if let Err(error) = light(&led, sign) {
            log::warn!("the lamp {} does not follow: {error}", led.display());
        }
    }
    Ok(())
}

/// Finds the green lamp of a Raspberry Pi: "ACT" since Linux 6, "led0" before.
fn find(leds: &Path) -> io::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(leds) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name == "led0" || name.to_uppercase().split(':').any(|it| it == "ACT") {
            found.push(path.clone());
        }
    }
    found.sort();
    Ok(found.into_iter().next())
}

/// Sets the kernel's trigger; the nearest it has. Documentation/leds/leds-class.rst
fn light(led: &Path, sign: Sign) -> io::Result<()> {
    let triggers = fs::read_to_string(led.join("trigger"))?;
    let has = |trigger: &str| {
        let mut names = triggers.split_whitespace();
        names.any(|it| it.trim_matches(['[', ']']) == trigger)
    };
    let set = |file: &str, value: &str| fs::write(led.join(file), value);
    let (trigger, pause) = match sign {
        Sign::Locked => ("default-on", None),
        Sign::Open => ("heartbeat", None),
        Sign::Busy => ("timer", Some("60")),
        Sign::Trouble => ("timer", Some("1000")),
    };
    if !has(trigger) {
        set("trigger", "none")?;
        let brightest = fs::read_to_string(led.join("max_brightness"));
        return set("brightness", brightest.as_deref().unwrap_or("1").trim());
    }
    set("trigger", trigger)?;
    if let Some(pause) = pause {
        set("delay_on", pause)?;
        set("delay_off", pause)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(name: &str, triggers: &str) -> tempfile::TempDir {
        let leds = tempfile::TempDir::new().unwrap();
        for name in [name, "mmc1::", "default-on"] {
            let led = leds.path().join(name);
            fs::create_dir(&led).unwrap();
            fs::write(led.join("trigger"), triggers).unwrap();
            fs::write(led.join("max_brightness"), "255\n").unwrap();
        }
        leds
    }

    fn shows(leds: &Path, name: &str, word: &str, file: &str) -> String {
        let told = Leds {
            leds: leds.to_owned(),
        };
        run(&told, format!("{word}\n").as_bytes()).unwrap();
        fs::read_to_string(leds.join(name).join(file)).unwrap_or_default()
    }

    #[test]
    fn each_sign_is_another_light_and_other_lamps_are_left_alone() {
        for name in ["ACT", "led0", "rpi:green:ACT"] {
            for (word, trigger, pause) in [
                ("locked", "default-on", ""),
                ("open", "heartbeat", ""),
                ("busy", "timer", "60"),
                ("trouble", "timer", "1000"),
            ] {
                let leds = led(name, "none [mmc0] timer heartbeat default-on\n");

                assert_eq!(shows(leds.path(), name, word, "trigger"), trigger);
                assert_eq!(shows(leds.path(), name, "nothing", "delay_off"), pause);
                let other = fs::read_to_string(leds.path().join("mmc1::/trigger")).unwrap();
                assert!(other.contains("[mmc0]"));
            }
        }
    }

    #[test]
    fn a_kernel_that_cannot_blink_lights_it() {
        let leds = led("ACT", "[none] mmc0\n");

        assert_eq!(shows(leds.path(), "ACT", "busy", "brightness"), "255");
        assert_eq!(shows(leds.path(), "ACT", "busy", "trigger"), "none");
    }

    #[test]
    fn a_machine_without_a_lamp_is_no_mistake() {
        let empty = tempfile::TempDir::new().unwrap();

        let told = Leds {
            leds: empty.path().join("none"),
        };

        assert!(run(&told, "busy\n".as_bytes()).is_ok());
    }

    #[test]
    fn the_pipe_is_told_what_changed_and_a_missing_one_is_tried_again() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("lamp");
        let mut lamp = Lamp::new(Some(path.clone()));
        lamp.show(Sign::Busy);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
        let held = fs::OpenOptions::new().read(true).write(true).open(&path);
        let mut held = io::BufReader::new(held.unwrap());

        lamp.show(Sign::Busy);
        lamp.show(Sign::Busy);
        lamp.show(Sign::Locked);

        let mut said = String::new();
        held.read_line(&mut said).unwrap();
        held.read_line(&mut said).unwrap();
        assert_eq!(said, "busy\nlocked\n");
        fs::write(folder.path().join("file"), "").unwrap();
        assert!(say(&folder.path().join("file"), Sign::Open).is_err());
    }
}
