//! Many changes in one step, and what they were before.

use super::*;

fn tag(tag: &str, borne: bool) -> Label {
    Label::Tag {
        tag: tag.to_owned(),
        borne,
    }
}

fn name(name: &str) -> Label {
    Label::Name(Some(name.to_owned()))
}

fn three() -> (TestVault, Index) {
    let mut vault = TestVault::new();
    let (mut index, _) = open(&vault);
    for name in ["a.jpg", "bb.jpg", "ccc.jpg"] {
        keep(&mut vault, &mut index, name);
    }
    (vault, index)
}

#[test]
fn a_change_says_what_was_before_and_taking_that_back_leaves_no_trace() {
    let (_vault, mut index) = three();
    index.tag(number(1), "Sea", noon()).unwrap();
    let labels = [
        name("x.jpg"),
        Label::Caption(Some("on the pier".into())),
        Label::Album(Some("Rome".into())),
        tag("sun", true),
        tag("sea", false),
        Label::Trashed(true),
    ];
    let wanted: Vec<_> = labels.into_iter().map(|it| (number(1), it)).collect();
    let before = index.get(number(1)).unwrap().unwrap();

    let done = index.relabel(&wanted, noon()).unwrap();
    let after = index.get(number(1)).unwrap().unwrap();
    let again = index.relabel(&wanted, noon()).unwrap();
    let back: Vec<_> = done.iter().map(|it| (it.number, it.was.clone())).collect();
    index.relabel(&back, noon()).unwrap();

    assert_eq!(done.len(), 6);
    assert_eq!(done[0].was, Label::Name(None));
    assert_eq!(done[4].was, tag("Sea", true), "as it was written");
    assert_eq!(after.name(), Some("x.jpg"));
    assert_eq!(after.labels.tags, ["sun"]);
    assert_eq!(after.labels.trashed_at, Some(noon()));
    assert_eq!(again, []);
    assert!(index.get(number(1)).unwrap().unwrap() == before);
}

#[test]
fn what_names_no_entry_changes_nothing_or_is_asked_twice_is_passed_over() {
    let (_vault, mut index) = three();
    let wanted = [
        (number(1), tag("sea", true)),
        (number(1), tag("SEA", true)),
        (number(1), tag(" \t", true)),
        (number(2), Label::Trashed(false)),
        (number(2), Label::Album(Some(" \n".into()))),
        (number(9), name("nobody")),
    ];

    let done = index.relabel(&wanted, noon()).unwrap();

    let changed: Vec<_> = done.iter().map(|it| (it.number.get(), &it.is)).collect();
    assert_eq!(changed, [(1, &tag("sea", true))]);
}

#[test]
fn a_batch_is_one_step_that_survives_the_loss_of_the_index() {
    let (vault, mut index) = three();
    let wanted = [1, 2, 3].map(|it| (number(it), Label::Album(Some("Rome".into()))));

    let done = index.relabel(&wanted, noon()).unwrap();
    drop(index);
    remove_index(&vault);
    let (index, _) = open(&vault);

    assert_eq!(done.len(), 3);
    let rome = index.in_album("rome", None, 9).unwrap();
    assert_eq!(names(&rome), ["ccc.jpg", "bb.jpg", "a.jpg"]);
}
