//! Words that must not be found, in every form they might take, and looking for them.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use crate::home::noise;

/// Bytes by which a needle is first looked up; every needle is longer.
const HEAD: usize = 8;
/// Most of an image or of a stack was never written.
const NOTHING: [u8; 4096] = [0; 4096];

/// Returns `count` words of 20 letters and digits that nothing else contains.
pub(crate) fn canaries(count: usize, seed: u64) -> Vec<String> {
    let letters = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let random = noise(count * 20, seed);
    let word = |bytes: &[u8]| {
        let letter = |it: &u8| char::from(letters[usize::from(*it) % letters.len()]);
        bytes.iter().map(letter).collect()
    };
    random.chunks(20).map(word).collect()
}

/// What is looked for: each has a name, and any number of forms.
#[derive(Default)]
pub(crate) struct Needles {
    forms: Vec<(String, Vec<u8>)>,
    heads: HashMap<[u8; HEAD], Vec<usize>>,
    first: Vec<bool>,
}

impl Needles {
    /// Adds bytes as they are, in hex and in Base64, whatever stands before them.
    pub(crate) fn bytes(mut self, name: &str, bytes: &[u8]) -> Self {
        self.add(format!("{name}, raw"), bytes.to_vec());
        self.add(format!("{name}, hex"), hex::encode(bytes).into());
        self.add(format!("{name}, HEX"), hex::encode_upper(bytes).into());
        for before in 0..3 {
            let padded = [&vec![0; before], bytes].concat();
            let text = STANDARD_NO_PAD.encode(padded);
            // Letters at the ends depend on what stands beside.
            let own = text[(before * 8).div_ceil(6)..text.len() - 1].to_owned();
            self.add(format!("{name}, Base64"), own.into());
        }
        self
    }

    /// Adds words: as bytes, and in UTF-16.
    pub(crate) fn words(mut self, words: &[String]) -> Self {
        for word in words {
            self = self.bytes(word, word.as_bytes());
            let wide = word.encode_utf16().flat_map(u16::to_le_bytes).collect();
            self.add(format!("{word}, UTF-16"), wide);
            let wide = word.encode_utf16().flat_map(u16::to_be_bytes).collect();
            self.add(format!("{word}, UTF-16"), wide);
        }
        self
    }

    fn add(&mut self, name: String, form: Vec<u8>) {
        self.first.resize(1 << 16, false);
        self.first[usize::from(form[0]) << 8 | usize::from(form[1])] = true;
        let head = form[..HEAD].try_into().unwrap();
        self.heads.entry(head).or_default().push(self.forms.len());
        self.forms.push((name, form));
    }

    /// Every form there is.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.forms.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Every form in every encoding, for a control.
    pub(crate) fn plain(&self) -> Vec<u8> {
        self.forms
            .iter()
            .flat_map(|(_, form)| [form, &b"\n"[..]].concat())
            .collect()
    }

    /// Returns which of them stand in `bytes`.
    pub(crate) fn find(&self, bytes: &[u8]) -> BTreeSet<String> {
        let hits = self.hits(bytes).into_iter();
        hits.map(|(_, name)| name.to_owned()).collect()
    }

    /// Returns where in `bytes` they stand.
    pub(crate) fn hits(&self, bytes: &[u8]) -> Vec<(usize, &str)> {
        let mut found = Vec::new();
        let skips = !self.first[0];
        let mut at = 0;
        while at + HEAD <= bytes.len() {
            if skips && bytes[at] == 0 && bytes[at..].starts_with(&NOTHING) {
                at += NOTHING.len() - 1;
                continue;
            }
            if self.first[usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])] {
                let head: [u8; HEAD] = bytes[at..at + HEAD].try_into().unwrap();
                for form in self.heads.get(&head).into_iter().flatten() {
                    let (name, form) = &self.forms[*form];
                    if bytes[at..].starts_with(form) {
                        found.push((at, name.as_str()));
                    }
                }
            }
            at += 1;
        }
        found
    }

    /// Returns how long the longest form is.
    pub(crate) fn longest(&self) -> usize {
        let lengths = self.forms.iter().map(|(_, form)| form.len());
        lengths.max().unwrap_or_default()
    }

    /// Returns which of them stand in a file.
    pub(crate) fn find_in_file(&self, path: &Path) -> BTreeSet<String> {
        // A file that is gone by now holds nothing.
        fs::read(path)
            .map(|bytes| self.find(&bytes))
            .unwrap_or_default()
    }
}

#[test]
fn every_form_is_found_wherever_it_stands() {
    let words = canaries(4, 1);
    let needles = Needles::default().words(&words).bytes("key", &noise(32, 9));

    for (name, form) in &needles.forms {
        for before in [noise(1000, 3), vec![0; 3 * NOTHING.len() + 7]] {
            let at = before.len();
            let bytes = [before, form.clone(), noise(100, 4)].concat();
            assert!(needles.hits(&bytes).contains(&(at, name)), "{name}");
        }
        assert!(needles.find(&form[..form.len() - 1]).is_empty(), "{name}");
    }
    for before in ["", "x", "xy"] {
        let text = STANDARD_NO_PAD.encode(format!("{before}{}, and more", words[0]));
        assert_eq!(needles.find(text.as_bytes()).len(), 1, "{text}");
    }
    assert!(needles.find(&noise(1 << 20, 5)).is_empty());
}
