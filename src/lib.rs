//! Strongroom: a file vault that is kept, searched and emptied over end-to-end-encrypted chat.

pub mod xmpp;
