//! What README.md shows of the chat is what the transcripts play.

use std::{fs, path::Path};

use super::transcripts;

/// The lines of the chat in each block of README.md.
fn shown() -> Vec<Vec<String>> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let blocks = readme.split("```").skip(1).step_by(2);
    let chats = blocks.map(|block| {
        let lines = block.lines().filter(|line| is_of_the_chat(line));
        lines
            .map(|line| line.replace("[the photo]", "[file]"))
            .collect()
    });
    chats
        .filter(|chat: &Vec<String>| !chat.is_empty())
        .collect()
}

/// A photo that is shared stands as an event in the transcripts.
fn is_of_the_chat(line: &str) -> bool {
    (line.starts_with("> ") || line.starts_with("< ")) && !line.starts_with("> [")
}

#[test]
fn every_chat_in_the_readme_is_played_by_a_transcript() {
    let played: Vec<String> = transcripts()
        .into_iter()
        .map(|(_, text)| {
            let lines = text.lines().filter(|line| is_of_the_chat(line));
            // What another phone is told is not on this one.
            let lines = lines.filter(|line| !line.starts_with("< (to "));
            lines.flat_map(|line| [line, "\n"]).collect()
        })
        .collect();
    let shown = shown();
    assert!(shown.len() >= 3, "the README shows chats");
    for chat in shown {
        let chat: String = chat.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        assert!(
            played.iter().any(|text| text.contains(&chat)),
            "no transcript plays this of README.md:\n{chat}"
        );
    }
}
