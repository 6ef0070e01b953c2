//! What the faults led to, one row each.

use std::{env, fmt::Write as _, fs, io::Write as _};

use crate::home::Wrong;

/// The sum of one fault's runs.
#[derive(Default)]
pub(crate) struct Row {
    fault: String,
    count: usize,
    lost: usize,
    doubled: usize,
    half: usize,
    /// Runs after which the program did not come back, or broke its word in another way.
    other: usize,
    /// How often the harm really came to pass.
    pub(crate) harmed: usize,
    complaints: Vec<String>,
    /// A control: something has to be wrong.
    is_control: bool,
}

impl Row {
    pub(crate) fn new(fault: &str) -> Self {
        Self {
            fault: fault.to_owned(),
            ..Self::default()
        }
    }

    /// A row in which the checker has to find something wrong.
    pub(crate) fn control(fault: &str) -> Self {
        Self {
            is_control: true,
            ..Self::new(fault)
        }
    }

    /// Counts one run and what was wrong after it.
    pub(crate) fn add(&mut self, what: &str, wrong: &Wrong, other: Option<String>) {
        self.count += 1;
        self.lost += wrong.lost.len();
        self.doubled += wrong.doubled.len();
        self.half += wrong.half.len();
        self.other += usize::from(other.is_some());
        if !wrong.is_nothing() {
            self.complaints.push(format!("{what}: {wrong:?}"));
        }
        if let Some(other) = other {
            self.complaints.push(format!("{what}: {other}"));
        }
    }

    /// Counts many runs that were found to be in order.
    pub(crate) fn add_sound(&mut self, count: usize) {
        self.count += count;
    }

    fn found(&self) -> usize {
        self.lost + self.doubled + self.half + self.other
    }

    pub(crate) fn holds(&self) -> bool {
        self.count > 0 && self.harmed > 0 && (self.found() > 0) == self.is_control
    }

    pub(crate) fn print_complaints(&self) {
        if !self.is_control {
            for complaint in self.complaints.iter().take(10) {
                println!("  {}: {complaint}", self.fault);
            }
        }
    }

    fn cells(&self) -> [String; 7] {
        let verdict = match (self.holds(), self.is_control) {
            (true, false) => "holds",
            (true, true) => "is found, as it must be",
            (false, false) => "BROKEN",
            (false, true) => "NOT FOUND: the checker is blind",
        };
        let number = |it: usize| it.to_string();
        [
            self.fault.clone(),
            number(self.count),
            number(self.harmed),
            number(self.lost),
            number(self.doubled),
            number(self.half),
            format!("{} {verdict}", self.other),
        ]
    }
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    let head = [
        "fault",
        "runs",
        "harmed",
        "lost",
        "doubled",
        "half",
        "other, verdict",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let widths: Vec<usize> = (0..7)
        .map(|column| {
            lines
                .iter()
                .map(|it| it[column].chars().count())
                .max()
                .unwrap()
        })
        .collect();
    for line in lines {
        let mut text = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let width = *width;
            if column == 0 || column == 6 {
                write!(text, "{cell:<width$}  ").unwrap();
            } else {
                write!(text, "{cell:>width$}  ").unwrap();
            }
        }
        println!("{}", text.trim_end());
    }
}

/// Adds the rows to the file that `make faults` prints at the end.
pub(crate) fn append(rows: &[Row]) {
    if let Some(path) = env::var_os("STRONGROOM_FAULTS_TABLE") {
        let mut file = fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        for row in rows {
            writeln!(file, "{}", row.cells().join("\t")).unwrap();
        }
    }
}
