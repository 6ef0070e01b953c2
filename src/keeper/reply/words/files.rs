//! What is said about files that a message describes.

use crate::keeper::reply::FileFault;

/// What is said where words came with a file and cannot be its caption.
pub(super) const WORDS_NOT_KEPT: &str = "The words beside that file are not noted: they are too \
     long, or hold characters that nobody types. Send shorter ones right after it.";

/// What the devices are told that do not read descriptions.
pub(super) const DESCRIBED_ELSEWHERE: &str = "That file went to the device that asked for it, in a \
     form that this app does not read. Ask from here to get it here.";

/// Says that a file was described an hour ago, and nothing says where it is.
pub(super) fn nowhere_yet(name: &str) -> String {
    format!(
        "{name} is not stored yet: it was announced, and no message has said where it is. If your \
         app is not still sending it, please send it again."
    )
}

/// Returns what is wrong with the description of a file, and what to do about it.
pub(super) fn fault(fault: FileFault) -> (&'static str, &'static str) {
    match fault {
        FileFault::NoSource => (
            "the message does not say where it is",
            "Please send it again, or with another app.",
        ),
        FileFault::NotEncrypted => (
            "it lies unencrypted on its server, where I leave it",
            "Please switch on OMEMO for files in this chat and send it again.",
        ),
        FileFault::Cipher => (
            "it is encrypted in a way that I do not know",
            "Please send it with another app.",
        ),
        FileFault::Address => (
            "the address that the message gives for it is no https address",
            "Please send it again, or with another app.",
        ),
        FileFault::NoHash => (
            "nothing in the message would prove that it arrives unaltered",
            "Please update the app that sent it, or send it with another one.",
        ),
        FileFault::Malformed => (
            "its description in the message is not one I can read",
            "Please send it again, or with another app.",
        ),
    }
}
