//! An answer to a message means the files of that message: its words get their numbers.
//!
//! What the text itself quotes was encrypted and counts. The id that a program writes beside the
//! text counts only where nothing is quoted, since a server can change it.

/// Verbs that take the numbers of files, before whatever else follows.
const VERBS: [&str; 14] = [
    "get", "info", "delete", "remove", "restore", "verify", "tag", "untag", "note", "rename",
    "move", "send", "show", "share",
];
/// Most numbers that are put into a line.
const MAX_NUMBERS: usize = 100;

/// A text that answers to a message, taken apart.
pub(super) struct Answering {
    /// The words without what they quote.
    pub(super) words: String,
    /// The files that are meant.
    pub(super) numbers: Vec<u64>,
}

/// Takes a text apart that answers to a message, which by its id is about the entries `about`.
pub(super) fn read(text: &str, about: &[u64]) -> Answering {
    let is_quoted = |line: &&str| line.starts_with('>');
    let quoted: Vec<&str> = text.lines().take_while(is_quoted).collect();
    let rest = text.lines().skip(quoted.len()).collect::<Vec<_>>();
    let mut numbers: Vec<u64> = quoted.iter().filter_map(|line| number(line)).collect();
    if numbers.is_empty() {
        numbers = about.to_vec();
    }
    numbers.dedup();
    numbers.truncate(MAX_NUMBERS);
    let words = if quoted.is_empty() {
        text.to_owned()
    } else {
        rest.join("\n")
    };
    Answering { words, numbers }
}

impl Answering {
    /// Returns the line that is obeyed: `get` becomes `get 7 8`, `tag #sea` becomes `tag 7 8 #sea`.
    pub(super) fn line(&self) -> String {
        let line = self.words.trim();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let bare = verb.strip_prefix('/').unwrap_or(verb).to_lowercase();
        let names_one = rest
            .trim_start_matches('#')
            .starts_with(|it: char| it.is_ascii_digit());
        if self.numbers.is_empty() || !VERBS.contains(&bare.as_str()) || names_one {
            return self.words.clone();
        }
        let numbers: Vec<String> = self.numbers.iter().map(u64::to_string).collect();
        let line = format!("{verb} {} {rest}", numbers.join(" "));
        line.trim_end().to_owned()
    }
}

/// Reads the number that a quoted line of ours begins with: `> #17 beach.jpg, …`, `> ✅ #17 …`.
fn number(line: &str) -> Option<u64> {
    let line = line.trim_start_matches(['>', ' ', '✅']);
    let digits: String = line
        .strip_prefix('#')?
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, about: &[u64]) -> String {
        read(text, about).line()
    }

    #[test]
    fn an_answer_means_the_files_of_the_message_it_answers_to() {
        assert_eq!(line("get", &[7]), "get 7");
        assert_eq!(line("Get", &[7, 8]), "Get 7 8");
        assert_eq!(line("tag #sea", &[7]), "tag 7 #sea");
        assert_eq!(line("get 9", &[7]), "get 9");
        assert_eq!(line("delete #9", &[7]), "delete #9");
        assert_eq!(line("status", &[7]), "status");
        assert_eq!(line("get", &[]), "get");
    }

    #[test]
    fn what_is_quoted_counts_more_than_the_id_beside_it() {
        let quote = "> #17 beach.jpg, 3.1 MB, 4 May 2026\nget";

        assert_eq!(line(quote, &[]), "get 17");
        assert_eq!(line(quote, &[9]), "get 17");
        assert_eq!(
            line("> ✅ #17 beach.jpg, 3.1 MB, stored.\ndelete", &[9]),
            "delete 17"
        );
        assert_eq!(line("> a photo\nget", &[9]), "get 9");
        // Twin: without the mark of a quote it is no quote.
        assert_eq!(line("#17 beach.jpg\nget", &[9]), "#17 beach.jpg\nget");
    }
}
