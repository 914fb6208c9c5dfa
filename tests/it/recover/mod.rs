//! Operations that git left halfway, ended by the program as git itself ends them on a copy.

mod cells;
mod scenes;
mod state;

use cells::{Cell, Risk, Tally, cells, every};
use scenes::{Place, RESOLVE, SCENES, Scene, Stage, done};
use state::{State, rescued};

/// `recover --abort` leaves what git's own way back leaves, in every cell; what git would lose stays, or is rescued.
#[test]
fn giving_up_is_what_git_does_but_that_nothing_is_lost() {
    let stage = Stage::new();
    let tally = Tally::default();
    every(
        &stage,
        &cells(&Risk::BACK),
        &tally,
        |scene| scene.abort.to_owned(),
        |cell: &Cell<'_>| {
            let scene = cell.scene;
            let before = State::of(&stage, &cell.ours);
            let risks = cell.at_risk(&before);
            let git = stage.shell(&cell.theirs.work, scene.abort).output().unwrap();
            let otto = stage.otto(&cell.ours, &["recover", "--abort"]);
            let after = State::of(&stage, &cell.ours);
            let stays = |path: &str| after.0.get(&format!("file {path}")) == before.0.get(&format!("file {path}"));
            let mut wrong = Vec::new();
            let kept = rescued(&stage, &cell.ours);
            for (path, bytes) in &risks {
                if !stays(path) && !kept.contains(&cell.blob(bytes)) {
                    wrong.push(format!("{path} is lost"));
                }
            }
            if !otto.status.success() {
                // git does so, or overwrites what it ignores.
                tally.count("refused, because of what is at risk");
                if risks.is_empty() || scene.abort != "git bisect reset" {
                    wrong.push(format!("refused: {}", String::from_utf8_lossy(&otto.stderr)));
                }
                wrong.extend(
                    before.differences(&after).into_iter().map(|(name, _)| format!("refused, and changed {name}")),
                );
                return wrong;
            }
            let expected = if git.status.success() {
                State::of(&stage, &cell.theirs)
            } else {
                // Where git refuses because of what is at risk, all else is as if nothing had been.
                let calm = cell.calm();
                done(&mut stage.shell(&calm.work, scene.abort), "giving up");
                tally.count("where git refuses");
                State::of(&stage, &calm)
            };
            // Where git overwrites or removes what was at risk, and here it stays.
            let (allowed, other): (Vec<_>, Vec<_>) = after.differences(&expected).into_iter().partition(|(name, _)| {
                let path =
                    name.split_once(' ').filter(|(what, _)| ["file", "status"].contains(what)).map(|(_, path)| path);
                path.is_some_and(|path| risks.iter().any(|(at, _)| at == path) && stays(path))
            });
            tally.count(if allowed.is_empty() { "the same" } else { "the same, and what was at risk stays" });
            wrong.extend(other.into_iter().map(|(name, how)| format!("{name}: {how}")));
            wrong
        },
    );
    tally.tell("give up");
}

/// The scenes that are ended by a commit of otto's own; the others are git's.
const OURS: [&str; 7] = ["merge", "merge-edges", "merge-clean", "merge-octopus", "pick", "pick-of-merge", "revert"];

/// `recover --continue` leaves what git's own way on leaves, in every cell; what is at risk stays, or is rescued.
#[test]
fn going_on_is_what_git_does() {
    let stage = Stage::new();
    let tally = Tally::default();
    let all = cells(&Risk::ON).into_iter().filter(|wish| wish.scene.go_on.is_some()).collect::<Vec<_>>();
    let on = |scene: &Scene| scene.go_on.unwrap_or_default();
    every(
        &stage,
        &all,
        &tally,
        |scene| format!("{RESOLVE}; {}", scene.go_on.unwrap_or_default()),
        |cell: &Cell<'_>| {
            let mut wrong = in_conflict(&stage, cell);
            for copy in [&cell.ours, &cell.theirs] {
                done(&mut stage.shell(&copy.work, RESOLVE), "resolving");
            }
            let before = State::of(&stage, &cell.ours);
            let git = stage.shell(&cell.theirs.work, on(cell.scene)).output().unwrap();
            let otto = stage.otto(&cell.ours, &["recover", "--continue", "--json"]);
            let (after, expected) = (State::of(&stage, &cell.ours), State::of(&stage, &cell.theirs));
            let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            if git.status.success() != otto.status.success() {
                wrong.push(format!(
                    "git: {} {}otto: {} {}",
                    git.status,
                    said(&git.stderr),
                    otto.status,
                    said(&otto.stderr)
                ));
            }
            let answer: serde_json::Value = serde_json::from_slice(&otto.stdout).unwrap_or_default();
            if answer["by"] != if OURS.contains(&cell.scene.name) { "otto" } else { "git" } {
                wrong.push(format!("by whom? {answer} {}", said(&otto.stderr)));
            }
            let kept = rescued(&stage, &cell.ours);
            for (path, bytes) in cell.at_risk(&before) {
                let stays = after.0.get(&format!("file {path}")) == before.0.get(&format!("file {path}"));
                if !stays && !kept.contains(&cell.blob(&bytes)) {
                    wrong.push(format!("{path} is lost"));
                }
                tally.count(if stays { "a file at risk stays" } else { "a file at risk is overwritten, and rescued" });
            }
            if kept.is_empty() {
                wrong.push("nothing was kept".into());
            }
            wrong.extend(after.differences(&expected).into_iter().map(|(name, how)| format!("{name}: {how}")));
            tally.count(if git.status.success() { "ended" } else { "stopped again, or refused" });
            wrong
        },
    );
    tally.tell("go on");
}

/// A death at any point of going on leaves nothing that the next one does not end, with one commit, as git would have.
#[cfg(feature = "faults")]
#[test]
fn a_death_while_going_on_is_healed() {
    let stage = Stage::new();
    let points = ["mend.rescue.after", "mend.commit.after", "mend.head.after", "mend.state.mid", "mend.state.after"];
    let names = ["merge-edges", "pick", "revert"];
    for scene in SCENES.iter().filter(|scene| names.contains(&scene.name)) {
        let begun = stage.play(scene, "sha1", Place::Main, scene.name);
        done(&mut stage.shell(&begun.work, RESOLVE), "resolving");
        let theirs = stage.copy(&begun, &format!("{}-theirs", scene.name));
        done(&mut stage.shell(&theirs.work, scene.go_on.unwrap()), "git");
        let expected = State::of(&stage, &theirs);
        for point in points {
            let copy = stage.copy(&begun, &format!("{}-{point}", scene.name));
            let mut dies = stage.program(&copy, &["recover", "--continue"]);
            let died = dies.env("GIT_OTTO_FAULT", format!("{point}:1:abort")).output().unwrap();
            assert_eq!(died.status.code(), None, "{}: {point}: {died:?}", scene.name);
            let again = stage.otto(&copy, &["recover", "--continue"]);
            let ended = if point == "mend.state.after" { 8 } else { 0 };
            assert_eq!(again.status.code(), Some(ended), "{}: {point}: {again:?}", scene.name);
            assert_eq!(State::of(&stage, &copy).differences(&expected), [], "{}: {point}", scene.name);
        }
    }
}

/// Every scene is there, by its own name.
#[test]
fn every_scene_has_a_name() {
    let names: std::collections::BTreeSet<_> = SCENES.iter().map(|s| s.name).collect();
    assert_eq!(names.len(), SCENES.len());
}

/// With a path in conflict it is refused, the path is named with what comes next, and nothing is changed.
fn in_conflict(stage: &Stage, cell: &Cell<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let unmerged = done(&mut stage.shell(&cell.ours.work, "git diff --name-only --diff-filter=U"), "conflicts");
    let Some(path) = unmerged.lines().next() else { return wrong };
    let before = State::of(stage, &cell.ours);
    let otto = stage.otto(&cell.ours, &["recover", "--continue"]);
    let said = String::from_utf8_lossy(&otto.stderr).into_owned();
    if otto.status.code() != Some(8) || !said.contains(path) || !said.contains("git add") {
        wrong.push(format!("with {path} in conflict: {:?} {said}", otto.status.code()));
    }
    let changed = before.differences(&State::of(stage, &cell.ours));
    wrong.extend(changed.into_iter().map(|(name, _)| format!("refused, and changed {name}")));
    wrong
}
