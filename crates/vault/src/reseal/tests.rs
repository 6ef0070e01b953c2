use std::{fs, path::Path};

use super::*;
use crate::{
    Attributes, Index, Origin, SlotSecret, Thumbnail,
    testing::{TestVault, content, named, noon},
};

/// Contents that are empty, short, of several chunks, and of more than one piece.
const LENGTHS: [usize; 4] = [0, 300, 40_000, 2 * PIECE_BYTES + 1];

fn lost() -> SlotSecret {
    SlotSecret::init_with(|bytes| bytes.fill(2))
}

fn proven() -> Attributes {
    Attributes {
        origin: Origin::Proven,
        caption: None,
    }
}

fn thumbnail() -> Thumbnail {
    Thumbnail {
        picture: None,
        image: vec![7; 500],
    }
}

/// A vault with adopted blobs of epoch 1 and a copy of it from before the revocation.
struct Scene {
    vault: TestVault,
    blobs: Vec<BlobId>,
    old_copy: tempfile::TempDir,
}

fn scene() -> Scene {
    let mut vault = TestVault::new();
    let mut open = vault.open();
    open.add_slot(&lost(), "lost stick", &mut vault.rng, noon())
        .unwrap();
    let mut blobs = Vec::new();
    let (mut index, _) = Index::open(&open, noon()).unwrap();
    for (seed, length) in LENGTHS.into_iter().enumerate() {
        let kept = vault.keep(&content(length, seed as u64), named(&format!("{seed}.jpg")));
        index.adopt(&kept.blob_id, proven(), noon()).unwrap();
        blobs.push(kept.blob_id);
    }
    open.keep_thumbnail(&blobs[1], &thumbnail()).unwrap();
    drop(index);
    let old_copy = tempfile::tempdir().unwrap();
    copy(&vault.path, old_copy.path());
    vault.public = open.revoke(&lost().slot_id(), &mut vault.rng).unwrap();
    Scene {
        vault,
        blobs,
        old_copy,
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target)
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn open(path: &Path, secret: &SlotSecret) -> OpenVault {
    OpenVault::open(path, secret, noon()).unwrap()
}

/// Asserts that all contents of the scene are there, byte for byte.
fn assert_whole(vault: &OpenVault, blobs: &[BlobId]) {
    for (seed, (blob, length)) in blobs.iter().zip(LENGTHS).enumerate() {
        let mut reader = vault.reader(blob).unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        reader.verify().unwrap();
        assert!(read == content(length, seed as u64), "blob {seed}");
        assert!(*reader.metadata() == named(&format!("{seed}.jpg")));
    }
}

fn epochs(vault: &OpenVault, blobs: &[BlobId]) -> Vec<u32> {
    let epoch = |blob| vault.folder().epoch_of(blob).unwrap().0;
    blobs.iter().map(epoch).collect()
}

#[test]
fn resealed_blobs_hold_the_same_and_belong_to_the_newest_epoch() {
    let Scene { vault, blobs, .. } = scene();
    let open = vault.open();
    let mut last = Progress::default();

    let done = reseal(&open, &mut crate::testing::TestRng::new(7), |progress| {
        last = progress;
        true
    })
    .unwrap();

    assert_eq!((done.blobs, done.stopped), (4, false));
    assert!(done.left.is_empty() && done.unreadable.is_empty());
    assert_eq!((last.blobs, last.of_blobs), (4, 4));
    assert!(last.bytes == last.of_bytes && last.of_bytes > 500_000);
    assert_eq!(epochs(&open, &blobs), [2, 2, 2, 2]);
    assert_whole(&open, &blobs);
    let again = reseal(&open, &mut crate::testing::TestRng::new(8), |_| true).unwrap();
    assert_eq!(again.blobs, 0, "nothing is left to do");
    let (index, _) = Index::open(&open, noon()).unwrap();
    for blob in &blobs {
        assert!(index.number_of(blob).unwrap().is_some());
    }
}

#[test]
fn killed_at_any_step_a_run_goes_on_and_nothing_is_lost() {
    let Scene { vault, blobs, .. } = scene();
    let moments = tempfile::tempdir().unwrap();
    let mut steps = 0;
    // What is on the drive at a step is what a kill at that step leaves there.
    reseal(&vault.open(), &mut crate::testing::TestRng::new(7), |_| {
        copy(&vault.path, &moments.path().join(steps.to_string()));
        steps += 1;
        true
    })
    .unwrap();

    assert!(steps >= 4 * blobs.len(), "{steps} steps");
    let mut finished_before = 0;
    for step in 0..steps {
        let left = open(&moments.path().join(step.to_string()), &vault.secret);
        assert_whole(&left, &blobs);
        let resumed = reseal(&left, &mut crate::testing::TestRng::new(9), |_| true).unwrap();
        assert!(!resumed.stopped && resumed.unreadable.is_empty());
        assert_eq!(epochs(&left, &blobs), [2, 2, 2, 2], "step {step}");
        assert_whole(&left, &blobs);
        finished_before += usize::from(resumed.blobs < 4);
    }
    assert!(finished_before > 4, "some steps come after a blob was done");
}

#[test]
fn stopping_leaves_every_blob_whole_and_no_temporary_file() {
    let Scene { vault, blobs, .. } = scene();
    let open = vault.open();
    for stop_at in 0..12 {
        let mut steps = 0;

        let run = reseal(&open, &mut crate::testing::TestRng::new(7), |_| {
            steps += 1;
            steps <= stop_at % 4
        });

        assert!(run.unwrap().stopped || stop_at > 4);
        assert_whole(&open, &blobs);
        assert_eq!(vault.sealer().sweep(&[]).unwrap(), 0);
    }
}

/// Whoever held the revoked key and the slot record of its day has the old epoch's secret. With it
/// a blob is tried as it is, and with its header made to say the old epoch.
fn opened_by_the_lost_stick(scene: &Scene) -> (usize, usize) {
    let old = open(scene.old_copy.path(), &lost());
    let mut of_copy = 0;
    let mut of_drive = 0;
    for blob in &scene.blobs {
        of_copy += usize::from(old.reader(blob).is_ok_and(|mut it| it.verify().is_ok()));
        let mut bytes = fs::read(scene.vault.blob_path(blob)).unwrap();
        let as_it_is = old.reader_of(bytes.as_slice(), blob).is_ok();
        bytes[44..48].copy_from_slice(&1_u32.to_be_bytes());
        let disguised = old.reader_of(bytes.as_slice(), blob).is_ok();
        of_drive += usize::from(as_it_is || disguised);
    }
    (of_copy, of_drive)
}

#[test]
fn a_revoked_key_with_its_old_record_opens_no_resealed_blob_and_every_blob_of_an_old_copy() {
    let scene = scene();
    assert!(OpenVault::open(&scene.vault.path, &lost(), noon()).is_err());
    let before = opened_by_the_lost_stick(&scene);

    reseal(
        &scene.vault.open(),
        &mut crate::testing::TestRng::new(7),
        |_| true,
    )
    .unwrap();

    assert_eq!(before, (4, 4), "the control: blobs of the old epoch open");
    assert_eq!(opened_by_the_lost_stick(&scene), (4, 0));
}

#[test]
fn blobs_that_are_not_taken_in_yet_and_damaged_ones_are_left_as_they_are() {
    let Scene {
        mut vault, blobs, ..
    } = scene();
    let newest = vault.public.clone();
    // Sealed by a card that has not heard of the new epoch, and not adopted yet.
    vault.public = open(&vault.path, &vault.secret)
        .epochs()
        .public_half_of(1)
        .unwrap();
    let waiting = vault.keep(b"waits", named("late.jpg")).blob_id;
    vault.public = newest;
    let damaged = vault.blob_path(&blobs[3]);
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let waiting_before = fs::read(vault.blob_path(&waiting)).unwrap();
    let open = vault.open();

    let done = reseal(&open, &mut crate::testing::TestRng::new(7), |_| true).unwrap();

    assert_eq!((done.blobs, done.left.clone()), (3, vec![waiting]));
    assert_eq!(done.unreadable.len(), 1);
    assert!(fs::read(&damaged).unwrap() == bytes);
    assert!(fs::read(vault.blob_path(&waiting)).unwrap() == waiting_before);
    let survey = survey_older(&open).unwrap();
    assert_eq!(survey.of_blobs, 1, "the damaged one would be tried again");
}

#[test]
fn thumbnails_are_sealed_under_the_newest_epoch_with_their_blobs() {
    let Scene {
        mut vault, blobs, ..
    } = scene();
    let open = vault.open();
    let name = blobs[1].to_string();
    let fan = vault.path.join("thumbnails").join(&name[..2]);
    let path = fan.join(format!("{name}.thumb"));
    let epoch = || fs::read(&path).unwrap()[28..32].to_vec();
    assert!(open.thumbnail(&blobs[1]) == Some(thumbnail()));
    assert_eq!(epoch(), [0, 0, 0, 1]);

    reseal(&open, &mut vault.rng, |_| true).unwrap();

    assert_eq!(epoch(), [0, 0, 0, 2]);
    assert!(open.thumbnail(&blobs[1]) == Some(thumbnail()));
    assert!(open.thumbnail(&blobs[2]).is_none());
}
