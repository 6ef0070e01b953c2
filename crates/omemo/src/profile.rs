//! The namespaces as parameters: tags, infos, MAC length, key encodings.
//!
//! It has no code of its own: what differs between the namespaces is a value here.

/// An OMEMO namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Namespace {
    /// `eu.siacs.conversations.axolotl`, XEP-0384 up to 0.3.
    Legacy,
}

impl Namespace {
    /// Returns the XML namespace.
    #[must_use]
    pub fn uri(self) -> &'static str {
        match self {
            Self::Legacy => "eu.siacs.conversations.axolotl",
        }
    }
}
