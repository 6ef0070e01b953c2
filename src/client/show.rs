//! What the one who waits sees: a bar at a terminal, lines elsewhere.

use std::io::{self, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Bars and lines.
pub(super) struct Show {
    bar: ProgressBar,
}

impl Show {
    pub(super) fn new() -> Self {
        // Draws nothing where there is no terminal.
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        let template = "{bar:30} {bytes:>10} of {total_bytes}  {bytes_per_sec}  {msg}";
        let style = ProgressStyle::with_template(template);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    /// Prints a line that stays.
    pub(super) fn say(&self, words: &str) {
        self.bar.suspend(|| {
            // Whoever closed our output does not want to know.
            let _ = writeln!(io::stdout().lock(), "{}", tidy(words));
            let _ = io::stdout().flush();
        });
    }

    /// So many bytes more are to be moved.
    pub(super) fn more(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// Returns what counts the bytes that were moved.
    pub(super) fn meter(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Says what is being done.
    pub(super) fn doing(&self, words: String) {
        self.bar.set_message(words);
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Keeps what others wrote from moving the cursor.
fn tidy(words: &str) -> String {
    let harmful = |c: char| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c);
    words
        .chars()
        .map(|c| if harmful(c) { '·' } else { c })
        .collect()
}

/// Writes a count of things.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    if number == 1 {
        format!("1 {one}")
    } else {
        format!("{number} {many}")
    }
}
