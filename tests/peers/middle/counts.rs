//! The counts of XEP-0198 as the vault sees them, told to the server as the server sees them.

use super::frames::{self, attr, with_attr};

/// What went to the vault since the stream began to count.
#[derive(Default)]
pub(crate) struct Counts {
    /// How many stanzas the server has sent.
    sent: u64,
    /// For each stanza that the vault got: its number at the server, if it is the server's.
    got: Vec<Option<u64>>,
    /// The vault's count when it asked to resume.
    resumes_at: usize,
}

impl Counts {
    /// Heeds what begins or resumes counting.
    pub(crate) fn heed(&mut self, element: &str) {
        let element = element.trim_start();
        if element.starts_with("<enabled") {
            *self = Self::default();
        } else if element.starts_with("<resumed") {
            // The server sends again what comes after that.
            self.sent = self.at_server(self.resumes_at);
            self.got.truncate(self.resumes_at);
        }
    }

    /// Counts what the server sent and the vault gets as so many stanzas, or as none.
    pub(crate) fn came(&mut self, element: &str, stanzas: usize) {
        self.got.extend((0..stanzas).map(|_| None));
        if frames::is_stanza(element) {
            self.sent += 1;
            if stanzas > 0 {
                self.got.pop();
                self.got.push(Some(self.sent));
            }
        }
    }

    /// Counts what the vault gets and the server has not sent.
    pub(crate) fn added(&mut self) {
        self.got.push(None);
    }

    /// Tells the server's own count in place of the vault's.
    pub(crate) fn translate(&mut self, element: &str) -> String {
        let name = element.trim_start();
        let is_resume = name.starts_with("<resume");
        if !is_resume && !name.starts_with("<a ") {
            return element.to_owned();
        }
        let Some(handled) = attr(element, "h").and_then(|it| it.parse().ok()) else {
            return element.to_owned();
        };
        if is_resume {
            self.resumes_at = handled;
        }
        with_attr(element, "h", &self.at_server(handled).to_string())
    }

    /// How many of the server's are handled when the vault has handled so many of what it got.
    fn at_server(&self, handled: usize) -> u64 {
        let later = self.got.iter().skip(handled).flatten();
        later.min().map_or(self.sent, |first| first - 1)
    }
}

#[test]
fn what_is_added_and_withheld_is_not_told_to_the_server() {
    let mut counts = Counts::default();
    counts.heed("<enabled/>");
    counts.came("<iq />", 1);
    counts.added();
    counts.came("<iq />", 0);
    counts.came("<iq />", 1);

    let told: Vec<String> = (0..4)
        .map(|it| counts.translate(&format!("<a h='{it}'/>")))
        .collect();
    let resume = counts.translate("<resume previd='x' h='2'/>");
    counts.heed("<resumed h='0'/>");
    counts.came("<iq />", 1);

    let wanted = ["<a h='0'/>", "<a h='2'/>", "<a h='2'/>", "<a h='3'/>"];
    assert_eq!(told, wanted);
    assert_eq!(resume, "<resume previd='x' h='2'/>");
    assert_eq!(counts.translate("<a h='3'/>"), "<a h='3'/>");
}
