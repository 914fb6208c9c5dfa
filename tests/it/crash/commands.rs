//! Deaths of the other commands at the points between their durable steps: the same command again heals what is left.

use git_otto::base::Point;
use serde_json::{Value, json};

use super::{
    KILLED, fault,
    oracle::{Scene, WORDS},
};
use crate::support::{EXAMPLE, Output, Sandbox};

/// What every writing command passes.
const STORE: [Point; 3] = [Point::StorePutBeforeSync, Point::StoreSwapBefore, Point::StoreSwapAfter];

fn die(s: &Sandbox, dir: &str, point: Point, visit: u32, args: &[&str]) {
    let fault = fault(point, visit, "abort");
    let mut command = s.otto_command(dir, args);
    s.spawn(command.env("GIT_OTTO_FAULT", fault), None).wait().exits(KILLED);
}

/// The records of a spec, oldest first.
fn kinds(s: &Sandbox, dir: &str, spec: &str) -> Vec<String> {
    let name = format!("refs/otto/specs/{spec}");
    let commits = s.git_in(dir, &["rev-list", "--reverse", &name]);
    let kind = |commit: &str| {
        let record = s.git_in(dir, &["cat-file", "blob", &format!("{commit}:record.json")]);
        serde_json::from_str::<Value>(&record).unwrap()["kind"].as_str().unwrap().to_owned()
    };
    commits.lines().map(kind).collect()
}

fn sound(s: &Sandbox, dir: &str) {
    s.otto_in(dir, &["verify", "--all"]).exits(0);
    s.try_git(dir, &["fsck", "--full", "--strict", "--no-dangling"]).exits(0);
}

#[test]
fn a_record_is_made_once_whenever_the_command_dies() {
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    let compile: &[&str] = &["compile", "../jot.md"];
    let commands = [
        (compile, "compile"),
        (&["approve", "jot", "--yes"], "approve"),
        (&["amend", "jot", "-m", "Said better", "--set", "/title=\"Jotter\""], "amend"),
    ];
    let mut expected = Vec::new();
    for (args, kind) in commands {
        for point in [Point::SpecAppendBeforeSwap].iter().chain(&STORE) {
            let known = s.git(&["for-each-ref", "refs/otto/specs"]);
            die(&s, "repo", *point, 1, args);
            if s.git(&["for-each-ref", "refs/otto/specs"]) != known {
                assert_eq!(*point, Point::StoreSwapAfter, "{args:?}");
            }
        }
        // It was recorded by the one that died last: to say it again changes nothing.
        let again = s.otto(args);
        assert!([0, 8].contains(&again.code), "{again}");
        expected.push(kind.to_owned());
        assert_eq!(kinds(&s, "repo", "jot"), expected);
        sound(&s, "repo");
    }
}

/// What can be taken back now.
fn ways_back(s: &Sandbox) -> usize {
    let all = s.otto(&["undo", "--list", "--json"]).exits(0).json();
    all["undo"].as_array().unwrap().iter().filter(|u| u["possible"] == true && u["kind"] == "deliver").count()
}

#[test]
fn a_delivery_that_died_is_made_whole_or_taken_back() {
    let scene = Scene::of(WORDS, &[]);
    scene.run(None).exits(0);
    let s = &scene.s;
    s.git(&["reset", "-q", "--hard"]);
    let (before, after) = (s.git(&["rev-parse", "main"]), s.git(&["rev-parse", "otto/words"]));
    let at = || {
        assert_eq!(s.git(&["status", "--porcelain", "--untracked-files=no"]), "", "the checkout follows its branch");
        s.git(&["rev-parse", "main"])
    };
    // A way back that an earlier one wrote is not written again, and then nothing is there to die at.
    let strike = |point: Point, args: &[&str]| {
        let out = scene.otto(args, Some(&fault(point, 1, "abort")));
        assert!([0, KILLED].contains(&out.code), "{out}");
        let now = at();
        assert!(now == before || now == after, "{point:?} left {now}");
        now
    };
    for point in STORE.into_iter().chain([Point::DeliverBeforeMove, Point::DeliverAfterMove]) {
        strike(point, &["deliver", "words"]);
        s.otto(&["deliver", "words"]).exits(0);
        assert_eq!((at(), ways_back(s)), (after.clone(), 1), "{point:?}");
        // It says that there is nothing to take back where it was taken back.
        let now = strike(point, &["undo"]);
        s.otto(&["undo"]).exits(if now == before { 8 } else { 0 });
        assert_eq!((at(), ways_back(s)), (before.clone(), 0), "{point:?}");
    }
    // Into a branch that nobody has checked out: one transaction.
    for point in [Point::StoreSwapBefore, Point::DeliverAfterMove] {
        s.git(&["branch", "-f", "elsewhere", &before]);
        die(s, "repo", point, 1, &["deliver", "words", "--into", "elsewhere"]);
        s.otto(&["deliver", "words", "--into", "elsewhere"]).exits(0);
        assert_eq!(s.git(&["rev-parse", "elsewhere"]), after);
    }
    sound(s, "repo");
}

#[test]
fn what_a_person_asks_of_a_run_is_done_once_whenever_they_die() {
    let scene = Scene::of(WORDS, &[]);
    let s = &scene.s;
    let script: Value = serde_json::from_slice(&std::fs::read(s.path("agent.json")).unwrap()).unwrap();
    let mut failing = script.clone();
    failing["slices"]["d"] = json!({"*": [{"exit": 3}]});
    s.write("agent.json", failing.to_string());
    scene.run(None).exits(4);
    s.write("agent.json", script.to_string());
    // Before anything is written, then with the request written, then with it done.
    die(s, "repo", Point::JournalAppendBeforeSwap, 1, &["retry", "d"]);
    die(s, "repo", Point::ControlAfterRequest, 1, &["retry", "d"]);
    scene.go_on(Some(&fault(Point::BuildCommitAfter, 1, "abort"))).exits(KILLED);
    scene.go_on(Some(&fault(Point::RecoverBeforeEvent, 1, "abort"))).exits(KILLED);
    scene.heal();
    scene.hold();
    assert_eq!((scene.told("control.requested"), scene.told("control.applied")), (1, 1));
}

#[test]
fn a_recovery_that_dies_before_it_says_what_it_did_is_made_again() {
    let scene = Scene::of(WORDS, &[]);
    scene.run(Some(&fault(Point::QueueLandAfterSwap, 1, "abort"))).exits(KILLED);
    for _ in 0..3 {
        // Without a word of the first there is nothing left to put right for the second.
        let out = scene.go_on(Some(&fault(Point::RecoverBeforeEvent, 1, "abort")));
        assert!([0, KILLED].contains(&out.code), "{out}");
    }
    scene.heal();
    scene.hold();
}

/// All refs of the program that are shared, with what they are.
fn refs(s: &Sandbox, dir: &str) -> String {
    let all = s.git_in(dir, &["for-each-ref", "--format=%(refname) %(objectname)", "refs/otto/", "refs/notes/otto/"]);
    all.lines().filter(|line| !line.starts_with("refs/otto/wip/")).collect::<Vec<_>>().join("\n")
}

#[test]
fn sharing_that_died_is_made_whole_by_sharing_again() {
    let scene = Scene::of(WORDS, &[]);
    let s = &scene.s;
    scene.run(None).exits(0);
    s.git_in(".", &["init", "-q", "--bare", "-b", "main", "hub.git"]);
    s.git(&["remote", "add", "origin", s.path("hub.git").to_str().unwrap()]);
    let mut n = 0;
    let mut change = |dir: &str| -> Output {
        n += 1;
        let title = format!("/title=\"Words {n}\"");
        s.otto_in(dir, &["amend", "words", "-m", "Another name", "--set", &title]).exits(0)
    };
    let here = [Point::SyncAfterPush, Point::StorePutBeforeSync, Point::StoreSwapBefore, Point::StoreSwapAfter];
    for point in here {
        die(s, "repo", point, 1, &["push"]);
        s.otto(&["push"]).exits(0);
        assert_eq!(refs(s, "repo"), refs(s, "hub.git"), "{point:?}");
        change("repo");
    }
    s.otto(&["push"]).exits(0);
    s.git_in(".", &["clone", "-q", "hub.git", "other"]);
    for (i, point) in [Point::SyncAfterFetch, Point::StorePutBeforeSync, Point::StoreSwapBefore, Point::StoreSwapAfter]
        .into_iter()
        .enumerate()
    {
        change("repo");
        s.otto(&["push"]).exits(0);
        die(s, "other", point, 1, &["fetch"]);
        s.otto_in("other", &["fetch"]).exits(0);
        assert_eq!(refs(s, "repo"), refs(s, "other"), "{point:?}");
        // Both sides go on, and both are brought together by one that dies on the way, and by the next.
        change("repo");
        s.otto(&["push"]).exits(0);
        if i > 0 {
            let task = format!("/slices/0/tasks/-=\"Keep it short, {i}.\"");
            s.otto_in("other", &["amend", "words", "-m", "More", "--set", &task]).exits(0);
            die(s, "other", point, 2, &["sync"]);
            s.otto_in("other", &["sync"]).exits(0);
            assert_eq!(refs(s, "other"), refs(s, "hub.git"), "{point:?}");
            s.otto(&["fetch"]).exits(0);
        }
    }
    ["repo", "other", "hub.git"].iter().for_each(|dir| sound(s, dir));
}

#[test]
fn hooks_that_were_half_installed_are_installed_or_taken_away() {
    let s = Sandbox::new();
    s.script("repo/.git/hooks/pre-commit", "#!/bin/sh\nexit 0\n");
    let before = s.snapshot();
    for visit in 1..=3 {
        die(&s, "repo", Point::HooksBeforeFile, visit, &["hooks", "install", "--yes"]);
        s.otto(&["hooks", "install", "--yes"]).exits(0);
        s.otto(&["hooks", "install", "--yes"]).exits(0);
        die(&s, "repo", Point::HooksBeforeFile, visit, &["hooks", "uninstall", "--yes"]);
        s.otto(&["hooks", "uninstall", "--yes"]).exits(0);
        let differ = before.differences(&s.snapshot());
        assert!(differ.iter().all(|d| d.starts_with(".git/hooks")), "{differ:?}");
        assert_eq!(std::fs::read_to_string(s.path("repo/.git/hooks/pre-commit")).unwrap(), "#!/bin/sh\nexit 0\n");
    }
}

#[test]
fn what_is_discarded_is_gone_as_a_whole_in_the_end() {
    for point in [Point::DiscardBefore, Point::DiscardBeforeRefs, Point::StoreSwapBefore, Point::StoreSwapAfter] {
        let scene = Scene::of(WORDS, &[]);
        scene.run(None).exits(0);
        let s = &scene.s;
        s.otto(&["close", "words"]).exits(0);
        die(s, "repo", point, 1, &["discard", "words", "--yes"]);
        let left = refs(s, "repo");
        if point == Point::StoreSwapAfter {
            assert_eq!(left, "");
        } else {
            s.otto(&["discard", "words", "--yes"]).exits(0);
            assert_eq!(refs(s, "repo"), "");
        }
        let packets = std::fs::read_dir(s.path("repo/.git/otto/packets")).into_iter().flatten().count();
        assert_eq!(packets, 0, "{point:?}");
        sound(s, "repo");
    }
}
