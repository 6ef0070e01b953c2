//! `strongroom import` and `export`: ten thousand files in, out again, killed in the middle, and
//! never onto the vault's own disk unasked.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use vault::Index;

use crate::place::{Place, complaint, key_in, open, said};

/// Files of the large import.
const MANY: usize = 10_000;

fn str(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Makes so many small files in folders of a thousand, none like another.
fn source(place: &Place, count: usize) -> PathBuf {
    let folder = place.path("source");
    for number in 0..count {
        let inside = folder.join(format!("Trip {}", number / 1_000));
        if number % 1_000 == 0 {
            fs::create_dir_all(&inside).unwrap();
        }
        let mut content = vec![7; 600];
        content[..8].copy_from_slice(&(number as u64).to_le_bytes());
        fs::write(inside.join(format!("IMG_{number:05}.jpg")), content).unwrap();
    }
    folder
}

/// All files below a folder by their names.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn index(place: &Place) -> Index {
    let vault = open(&place.drive(), &key_in(&place.stick())).unwrap();
    Index::open(&vault, SystemTime::now()).unwrap().0
}

#[test]
fn ten_thousand_files_go_in_with_names_dates_and_albums_and_come_out_equal() {
    let place = Place::new();
    let source = source(&place, MANY);
    let dated = source.join("Trip 3/IMG_03000.jpg");
    let at = UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    fs::File::options()
        .write(true)
        .open(&dated)
        .unwrap()
        .set_modified(at)
        .unwrap();

    let first = place.must(&["import", str(&source), "--albums"], "");
    let again = place.must(&["import", str(&source), "--albums"], "");

    assert_eq!(first, "10000 files: 10000 stored as #1 to #10000.\n");
    assert_eq!(again, "10000 files: 0 stored, 10000 in the vault before.\n");
    let inside = index(&place);
    assert_eq!(inside.totals().unwrap().entries, MANY as u64);
    let album = inside.in_album("Trip 3", None, 2_000).unwrap();
    assert_eq!(album.len(), 1_000);
    let dated = album.iter().find(|it| it.name() == Some("IMG_03000.jpg"));
    assert_eq!(dated.unwrap().metadata.sent_at, Some(at));
    drop(inside);

    let into = place.path("out");
    let out = place.must(&["export", "--into", str(&into), "--force"], "");
    assert!(out.starts_with("10000 files: 10000 exported.\n"), "{out}");
    assert!(contents(&into) == contents(&source), "every byte is equal");
    let written = fs::metadata(into.join("IMG_03000.jpg")).unwrap();
    assert_eq!(written.modified().unwrap(), at);
}

#[test]
fn an_import_that_is_killed_goes_on_and_leaves_nothing_without_an_entry() {
    let place = Place::new();
    let source = source(&place, 1_200);
    fs::write(source.join("film.mp4"), vec![9; 9 << 20]).unwrap();

    // After the first group, and with the large file alone.
    place.crash("import placed", &["import", str(&source)], "");
    let after_first = index(&place).totals().unwrap().entries;
    place.crash("import placed", &["import", str(&source)], "");
    let after_second = index(&place).totals().unwrap().entries;
    place.must(&["import", str(&source)], "");
    let last = place.must(&["import", str(&source)], "");

    assert_eq!(
        (after_first, after_second),
        (0, 500),
        "each killed before its entries"
    );
    assert_eq!(last, "1201 files: 0 stored, 1201 in the vault before.\n");
    let inside = index(&place);
    assert_eq!(inside.totals().unwrap().entries, 1_201);
    assert_eq!(inside.unlisted(&[]).unwrap().count, 0);
    drop(inside);
    let verified = place.must(&["verify"], "");
    assert!(
        verified.starts_with("1201 of 1201 files hold"),
        "{verified}"
    );
}

#[test]
fn an_export_writes_over_nothing_and_not_onto_the_vaults_own_disk_unasked() {
    let place = Place::new();
    let source = place.path("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("a.jpg"), "of the vault").unwrap();
    fs::write(source.join("b.jpg"), "another").unwrap();
    place.must(&["import", str(&source)], "");
    let into = place.path("out");
    fs::create_dir(&into).unwrap();
    fs::write(into.join("a.jpg"), "mine").unwrap();

    let refused = place.refused(&["export", "--into", str(&into)], "");
    assert!(refused.contains("lies on the data drive"), "{refused}");
    let inside = place.drive().join("plain");
    let inside = place.refused(&["export", "--into", str(&inside), "--force"], "");
    assert!(inside.contains("inside the vault folder"), "{inside}");
    assert_eq!(contents(&into).len(), 1);
    let itself = place.refused(&["import", str(&place.path(""))], "");
    assert!(itself.contains("holds the vault itself"), "{itself}");

    let export = ["export", "1", "7", "--into", str(&into), "--force"];
    let output = place.run(&export, "");
    assert_eq!(output.status.code(), Some(1), "{}", complaint(&output));
    assert!(said(&output).contains("#7: there is no such file"));
    let again = place.must(&["export", "--into", str(&into), "--force"], "");
    assert!(
        again.starts_with("2 files: 1 exported, 1 there before."),
        "{again}"
    );
    assert_eq!(
        contents(&into),
        BTreeMap::from([
            ("a.jpg".to_owned(), b"mine".to_vec()),
            ("a (2).jpg".to_owned(), b"of the vault".to_vec()),
            ("b.jpg".to_owned(), b"another".to_vec()),
        ])
    );
}
