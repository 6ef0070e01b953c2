//! No question of this room reads a table from end to end.

use std::cell::RefCell;

use rusqlite::trace::{TraceEvent, TraceEventCodes};

use super::*;

thread_local!(static ASKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) });

fn note(event: TraceEvent<'_>) {
    if let TraceEvent::Stmt(_, sql) = event {
        ASKED.with_borrow_mut(|asked| asked.push(sql.to_owned()));
    }
}

/// Steps of the plan that read one of the large tables from end to end.
fn scans(index: &Index, sql: &str) -> Vec<String> {
    let mut statement = index
        .database
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let details = statement
        .raw_query()
        .mapped(|row| row.get(3))
        .collect::<Result<Vec<String>, _>>();
    let large = |it: &String| {
        let table = it.strip_prefix("SCAN ").and_then(|it| it.split(' ').next());
        table.is_some_and(|it| {
            let large = [
                "entries",
                "duplicates",
                "tags",
                "albums",
                "tag_totals",
                "pictures",
            ];
            large.contains(&it)
        })
    };
    details.unwrap().into_iter().filter(large).collect()
}

#[test]
fn no_question_scans_a_table() {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    index
        .database
        .trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note));
    for name in ["a.jpg", "b.jpg", "c.jpg"] {
        keep(&mut vault, &mut index, name);
    }
    let twin = vault.keep(b"a.jpg", named("twin")).blob_id;
    index.adopt(&twin, proven(), noon()).unwrap();
    let first = number(1);
    fs::remove_file(vault.blob_path(&index.get(first).unwrap().unwrap().blob_id)).unwrap();
    assert_eq!(settle(&vault, &mut index, &twin), Some(Settled::TookOver));
    index.rename(first, Some("new"), noon()).unwrap();
    index.set_caption(first, Some("new"), noon()).unwrap();
    index.tag(first, "tag", noon()).unwrap();
    index.tag(first, "gone", noon()).unwrap();
    index.untag(first, "gone", noon()).unwrap();
    index.move_to_album(first, Some("album"), noon()).unwrap();
    index.trash(number(2), noon()).unwrap();
    index.restore(number(2), noon()).unwrap();
    index.trash(number(3), noon()).unwrap();
    assert_eq!(index.last_trashed_at().unwrap(), Some(noon()));
    for before in [None, Some(number(9))] {
        assert_eq!(index.list(before, 9).unwrap().len(), 2);
        assert_eq!(index.trashed(before, 9).unwrap().len(), 1);
        assert_eq!(index.tagged("tag", before, 9).unwrap().len(), 1);
        assert_eq!(index.in_album("album", before, 9).unwrap().len(), 1);
        for words in ["b.jpg", "b", "jp b.j", ""] {
            assert!(!index.find(words, before, 9).unwrap().is_empty(), "{words}");
        }
    }
    let everything = Search {
        words: "new".to_owned(),
        tags: vec!["tag".to_owned()],
        album: Some("album".to_owned()),
        // Its blob is the twin's now, whose name has no ending.
        kind: None,
        sender: None,
        from: Some(0),
        until: Some(4_000_000_000),
        shown_from: Some(0),
        shown_until: None,
    };
    let blob = index.get(first).unwrap().unwrap().blob_id;
    let seen = crate::Picture {
        taken_at: Some(noon()),
        ..crate::Picture::default()
    };
    assert!(index.note_picture(first, &blob, Some(&seen)).unwrap());
    assert!(index.picture_of(first).unwrap().is_some());
    assert_eq!(index.unseen(None, 9).unwrap().len(), 2);
    assert_eq!(index.search(&everything, None, 9).unwrap().len(), 1);
    assert_eq!(index.albums("", 9).unwrap().len(), 1);
    assert_eq!(index.tags("", 9).unwrap().len(), 1);
    assert_eq!(index.trashed_until(noon(), 9).unwrap().len(), 1);
    assert_eq!(index.number_of(&twin).unwrap(), Some(first));
    index.totals().unwrap();
    index.purge(&[number(3)], noon()).unwrap();
    index.database.trace_v2(TraceEventCodes::empty(), None);

    let mut asked = ASKED.take();
    asked.retain(|it| !it.starts_with("--"));
    asked.sort();
    asked.dedup();
    assert!(
        asked.len() > 40,
        "the questions were noted: {}",
        asked.len()
    );
    for sql in &asked {
        let explained = ["SELECT", "INSERT", "UPDATE", "DELETE"];
        if explained.iter().any(|it| sql.trim_start().starts_with(it)) {
            assert_eq!(scans(&index, sql), Vec::<String>::new(), "{sql}");
        }
    }
    // The control: such a question would be noticed.
    assert!(!scans(&index, "SELECT number FROM entries WHERE name LIKE '%jpg%'").is_empty());
}
