//! The faults of disk, power and memory, done to the worker.

use std::{path::PathBuf, time::Duration};

use crate::{
    Extent,
    home::{Home, Said, Wrong},
    record::{Dice, Memory, Story},
    run::{Ended, Harm, Run, Task, recover, work},
    table::Row,
};

const KILLED: i32 = 9;

/// What the worker goes through: each phase with the home and the words that the one before left.
const PHASES: [(&str, Task); 5] = [
    ("intake", task("open", 4)),
    ("intake while locked", task("locked", 7)),
    ("adoption", task("open", 8)),
    ("rotation", task("rotate", 8)),
    ("rebuilding", task("rebuild", 8)),
];

/// A bulk import by itself, in several groups.
const IMPORT: [(&str, Task); 1] = [("bulk import", task("import", 24))];

const fn task(manner: &'static str, messages: u64) -> Task {
    Task {
        manner,
        messages,
        flaw: "",
    }
}

/// A home at the beginning of a phase.
struct Scene {
    phase: &'static str,
    task: Task,
    home: Home,
    said: Said,
    /// A run of the phase without harm.
    unharmed: Run,
}

/// Everything below one temporary folder, which goes with it.
struct Stage {
    place: tempfile::TempDir,
    scenes: Vec<Scene>,
    made: usize,
}

impl Stage {
    /// Goes through all phases without harm, and keeps a copy of every beginning.
    fn set() -> Self {
        let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let home = Home::make(&place.path().join("home"));
        let mut said = Said::default();
        let mut scenes = Vec::new();
        for (number, (phase, task)) in PHASES.into_iter().enumerate() {
            let copy = home.copy_to(&place.path().join(format!("scene-{number}")));
            let before = said.clone();
            let unharmed = work(&home, task, &Harm::default(), &mut said);
            assert!(
                matches!(unharmed.ended, Ended::Status(0)),
                "{phase}: {:?} {}",
                unharmed.ended,
                unharmed.complaint
            );
            scenes.push(Scene {
                phase,
                task,
                home: copy,
                said: before,
                unharmed,
            });
        }
        let wrong = home.check_quiet(&said, 8);
        assert!(wrong.is_nothing(), "without any harm: {wrong:?}");
        Self {
            place,
            scenes,
            made: 0,
        }
    }

    fn fresh(&mut self) -> PathBuf {
        self.made += 1;
        self.place.path().join(format!("run-{}", self.made))
    }
}

impl Scene {
    /// Harms one run, then lets it recover; adds to the row what was wrong in between and at the end.
    fn harm(&self, place: PathBuf, flaw: &'static str, harm: &Harm, row: &mut Row) -> Run {
        let home = self.home.copy_to(&place);
        let mut said = self.said.clone();
        let task = Task { flaw, ..self.task };
        let run = work(&home, task, harm, &mut said);
        row.harmed += usize::from(run.record.was_hit || !matches!(run.ended, Ended::Status(0)));
        let what = format!("{} {:?} on {:?}", self.phase, harm.fault, harm.device);
        let (wrong, other) = settle(&home, self.task, &mut said);
        row.add(&what, &wrong, other);
        home.remove();
        run
    }
}

/// Checks right after the harm, lets the program recover, and checks again.
fn settle(home: &Home, task: Task, said: &mut Said) -> (Wrong, Option<String>) {
    let wrong = home.check_told(said);
    if !wrong.is_nothing() {
        return (wrong, None);
    }
    if let Err(why) = recover(home, task, said) {
        return (wrong, Some(why));
    }
    if task.manner == "import" {
        return (home.check_quiet(said, task.messages), None);
    }
    if matches!(task.manner, "rotate" | "rebuild") {
        let wrong = home.check_told(said);
        if !wrong.is_nothing() {
            return (wrong, Some("once it came back".to_owned()));
        }
    }
    if let Err(why) = recover(home, self::task("open", task.messages), said) {
        return (wrong, Some(why));
    }
    let refused = said.refused();
    let other = (refused > 0).then(|| format!("{refused} files were refused for good"));
    (home.check_quiet(said, task.messages), other)
}

fn at(fault: &str, number: usize) -> Harm {
    Harm {
        fault: Some(format!("{fault}@{number}")),
        ..Harm::default()
    }
}

/// Evenly spaced numbers from 1 to `last`, `count` at most.
fn spread(last: usize, count: usize) -> impl Iterator<Item = usize> {
    let count = count.min(last);
    (0..count).map(move |number| 1 + number * last / count.max(1))
}

/// Wrong orders, which the same checks have to find.
pub(crate) fn controls(_: Extent) -> Vec<Row> {
    let mut stage = Stage::set();
    let mut rows = Vec::new();
    for (flaw, name) in [
        ("hasty", "control: told before it is stored"),
        ("forgetful", "control: the blob's name is not saved"),
    ] {
        let mut row = Row::control(name);
        let changes = stage.scenes[0].unharmed.record.count(None, |_| true);
        for number in spread(changes, 9) {
            let place = stage.fresh();
            stage.scenes[0].harm(place, flaw, &at("kill", number), &mut row);
        }
        rows.push(row);
    }
    let lies = Harm {
        lies: true,
        ..Harm::default()
    };
    for (name, phases) in [
        ("control: power cut, fsync lies", &PHASES[..]),
        ("control: power cut in an import, syncfs lies", &IMPORT),
    ] {
        let mut row = Row::control(name);
        cut((&mut stage, phases), &lies, 24, &mut row);
        rows.push(row);
    }
    rows
}

/// F1.
pub(crate) fn killed_at_every_change(extent: Extent) -> Vec<Row> {
    let mut stage = Stage::set();
    let mut rows = Vec::new();
    for number in 0..stage.scenes.len() {
        let phase = stage.scenes[number].phase;
        let mut row = Row::new(&format!("F1 kill -9 at every change: {phase}"));
        let changes = stage.scenes[number].unharmed.record.count(None, |_| true);
        for change in spread(changes, extent.times(4, changes)) {
            for fault in ["kill", "tear"] {
                let place = stage.fresh();
                let scene = &stage.scenes[number];
                let run = scene.harm(place, "", &at(fault, change), &mut row);
                assert!(
                    matches!(run.ended, Ended::Signal(KILLED) | Ended::Status(0)),
                    "{:?}",
                    run.ended
                );
            }
        }
        rows.push(row);
    }
    rows
}

/// F2, without the network: the whole daemon is killed in `tests/peers`.
pub(crate) fn killed_at_any_time(extent: Extent) -> Vec<Row> {
    /// Kills before the home is looked at and a new one is taken.
    const IN_A_ROW: usize = 10;
    let stage = Stage::set();
    let mut row = Row::new("F2 kill -9 at any time");
    let mut dice = Dice::new(2);
    for story in 0..extent.times(2, 100) {
        let home = Home::make(&stage.place.path().join(format!("story-{story}")));
        let mut said = Said::default();
        let mut messages = 0;
        let mut wrong = Wrong::default();
        for _ in 0..IN_A_ROW {
            messages += 1;
            let manner = if dice.below(3) == 0 { "locked" } else { "open" };
            let harm = Harm {
                after: Some(Duration::from_micros(dice.below(60_000) as u64)),
                ..Harm::default()
            };
            let run = work(&home, task(manner, messages), &harm, &mut said);
            row.harmed += usize::from(matches!(run.ended, Ended::Signal(KILLED)));
            wrong = home.check_told(&said);
            if !wrong.is_nothing() {
                break;
            }
            row.add_sound(1);
        }
        let what = format!("story {story}");
        if !wrong.is_nothing() {
            row.add(&what, &wrong, None);
            continue;
        }
        let (wrong, other) = settle(&home, task("open", messages), &mut said);
        if !wrong.is_nothing() || other.is_some() {
            row.add(&what, &wrong, other);
        }
        home.remove();
    }
    vec![row]
}

/// Cuts the power `count` times anywhere in a story of these phases.
fn cut(
    (stage, phases): (&mut Stage, &[(&'static str, Task)]),
    harm: &Harm,
    count: usize,
    row: &mut Row,
) {
    let place = stage.fresh();
    let home = stage.scenes[0].home.copy_to(&place);
    let mut story = Story::of(&home);
    let mut changes = Vec::new();
    let mut said = Said::default();
    for &(phase, task) in phases {
        let run = work(&home, task, harm, &mut said);
        assert!(matches!(run.ended, Ended::Status(0)), "{}", run.complaint);
        changes.extend(run.record.changes.into_iter().map(|it| (phase, task, it)));
    }
    let mut dice = Dice::new(3);
    let mut places: Vec<usize> = (0..count).map(|_| 1 + dice.below(changes.len())).collect();
    places.sort_unstable();
    let mut taken = 0;
    for (number, place) in places.into_iter().enumerate() {
        for (_, _, change) in &changes[taken..place] {
            story.take(change);
        }
        taken = place;
        let (phase, task, _) = &changes[place - 1];
        // Each device forgets everything, something, or nothing, whatever the other does.
        let memory = [(); 2].map(|()| match dice.below(4) {
            0 | 1 => Memory::None,
            2 => Memory::Some(number as u64 + 1),
            _ => Memory::All,
        });
        let left = story.cut(&home, &stage.fresh(), memory);
        let mut said = story.said.clone();
        let (wrong, other) = settle(&left, *task, &mut said);
        row.harmed += 1;
        row.add(
            &format!("{phase}, change {place}, {memory:?}"),
            &wrong,
            other,
        );
        left.remove();
    }
    home.remove();
}

/// F3, by a model of the devices: the whole daemon loses power in `tests/peers`.
pub(crate) fn power_cut(extent: Extent) -> Vec<Row> {
    let mut stage = Stage::set();
    let mut rows = Vec::new();
    for (name, phases, times) in [
        (
            "F3 power cut, card and drive forget apart",
            &PHASES[..],
            (24, 200),
        ),
        ("F3 power cut in a bulk import", &IMPORT, (8, 100)),
    ] {
        let mut row = Row::new(name);
        let count = extent.times(times.0, times.1);
        cut((&mut stage, phases), &Harm::default(), count, &mut row);
        rows.push(row);
    }
    rows
}

/// F7.
pub(crate) fn disk_full(extent: Extent) -> Vec<Row> {
    let mut stage = Stage::set();
    let mut rows = Vec::new();
    for (device, name) in [(0, "card"), (1, "drive")] {
        let mut row = Row::new(&format!("F7 {name} full at every allocation"));
        for number in 0..stage.scenes.len() {
            let record = &stage.scenes[number].unharmed.record;
            let allocations = record.count(Some(device), |it| it.allocates);
            for allocation in spread(allocations, extent.times(2, allocations)) {
                let harm = Harm {
                    device: Some(device),
                    ..at("full", allocation)
                };
                let place = stage.fresh();
                stage.scenes[number].harm(place, "", &harm, &mut row);
            }
        }
        rows.push(row);
    }
    rows
}

/// F8.
pub(crate) fn read_only(extent: Extent) -> Vec<Row> {
    let mut stage = Stage::set();
    let mut rows = Vec::new();
    for (device, name) in [(0, "card"), (1, "drive")] {
        let mut row = Row::new(&format!("F8 {name} turns read-only"));
        for number in 0..stage.scenes.len() {
            let record = &stage.scenes[number].unharmed.record;
            let changes = record.count(Some(device), |_| true);
            for change in spread(changes, extent.times(2, 10)) {
                let harm = Harm {
                    device: Some(device),
                    ..at("readonly", change)
                };
                let place = stage.fresh();
                stage.scenes[number].harm(place, "", &harm, &mut row);
            }
        }
        rows.push(row);
    }
    rows
}

/// F9: the failed fsync did not happen, and what it was for is gone at a power cut right after the run.
pub(crate) fn sync_fails(extent: Extent) -> Vec<Row> {
    let mut stage = Stage::set();
    let mut row = Row::new("F9 fsync fails once, then the power goes");
    for number in 0..stage.scenes.len() {
        let syncs = stage.scenes[number]
            .unharmed
            .record
            .count(None, crate::record::Change::is_sync);
        for sync in spread(syncs, extent.times(2, 12)) {
            let (place, left) = (stage.fresh(), stage.fresh());
            let scene = &stage.scenes[number];
            let home = scene.home.copy_to(&place);
            let mut story = Story::of(&home);
            story.said = scene.said.clone();
            let mut heard = scene.said.clone();
            let run = work(&home, scene.task, &at("nosync", sync), &mut heard);
            row.harmed += 1;
            for change in &run.record.changes {
                story.take(change);
            }
            let left = story.cut(&home, &left, [Memory::None; 2]);
            let (wrong, other) = settle(&left, scene.task, &mut heard);
            let what = format!("{}, fsync {sync}, {:?}", scene.phase, run.ended);
            row.add(&what, &wrong, other);
            home.remove();
            left.remove();
        }
    }
    vec![row]
}

/// F22, the part that a limit on memory does not reach: every allocation may fail.
pub(crate) fn memory_fails(extent: Extent) -> Vec<Row> {
    let mut stage = Stage::set();
    let mut row = Row::new("F22 an allocation of memory fails");
    let mut dice = Dice::new(22);
    for number in 0..stage.scenes.len() {
        let mallocs = usize::try_from(stage.scenes[number].unharmed.record.mallocs).unwrap();
        assert!(mallocs > 0);
        for _ in 0..extent.times(2, 20) {
            let harm = at("malloc", 1 + dice.below(mallocs));
            let place = stage.fresh();
            stage.scenes[number].harm(place, "", &harm, &mut row);
        }
    }
    vec![row]
}
