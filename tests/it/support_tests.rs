//! The support is tested too: a snapshot that notices nothing would let every promise pass.

use std::fs;

use super::support::Sandbox;

#[test]
fn a_snapshot_notices_every_kind_of_change() {
    type Change = (&'static str, fn(&Sandbox));
    let changes: [Change; 12] = [
        ("a file", |s| drop(s.write("repo/README.md", "Other.\n"))),
        ("an untracked file", |s| drop(s.write("repo/new", ""))),
        ("an ignored file", |s| drop(s.write("repo/kept.o", "two"))),
        ("the same content written again", |s| drop(s.write("repo/README.md", "A repository.\n"))),
        ("the index", |s| drop(s.git(&["rm", "-q", "--cached", "README.md"]))),
        ("HEAD", |s| drop(s.git(&["checkout", "-q", "-b", "other"]))),
        ("a commit", |s| drop(s.commit("More", &[]))),
        ("the stash", |s| drop(s.git(&["stash", "drop", "-q"]))),
        ("the configuration", |s| drop(s.git(&["config", "x.y", "z"]))),
        ("the user's configuration", |s| drop(s.git(&["config", "--global", "x.y", "z"]))),
        ("a hook", |s| drop(s.script("repo/.git/hooks/pre-commit", "#!/bin/sh\n"))),
        ("a tag", |s| drop(s.git(&["tag", "v1"]))),
    ];
    for (what, change) in changes {
        let s = Sandbox::new();
        s.commit("Ignore", &[(".gitignore", "*.o\n")]);
        s.write("repo/kept.o", "one");
        s.write("repo/README.md", "Changed.\n");
        s.git(&["stash", "-q"]);
        let before = s.snapshot();
        assert_eq!(before, s.snapshot(), "looking changes nothing");
        change(&s);
        assert_ne!(before.differences(&s.snapshot()), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn what_a_run_may_add_is_not_a_difference() {
    let s = Sandbox::new();
    let before = s.snapshot();
    s.git(&["update-ref", "--create-reflog", "refs/otto/specs/jot", "HEAD"]);
    s.git(&["update-ref", "refs/heads/otto/jot", "HEAD"]);
    s.git(&["notes", "--ref", "otto/run/writer", "add", "-m", "x"]);
    fs::create_dir_all(s.path("repo/.git/otto/locks")).unwrap();
    before.assert_same(&s.snapshot());
}

#[test]
fn a_history_has_as_many_commits_as_asked_for() {
    let s = Sandbox::new();
    s.history(300);
    assert_eq!(s.git(&["rev-list", "--count", "HEAD"]), "301");
    assert_eq!(s.git(&["status", "--porcelain"]), "");
    assert_eq!(s.git(&["fsck", "--full", "--strict", "--no-dangling"]), "");
}

#[test]
fn programs_see_nothing_of_the_users_environment() {
    let s = Sandbox::new();
    let out = s.spawn(&mut s.command("env", "repo"), None).wait().exits(0);
    let mut names: Vec<_> = out.stdout.lines().filter_map(|l| l.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["GIT_CONFIG_NOSYSTEM", "HOME", "PATH", "TMPDIR", "XDG_STATE_HOME"]);
}

#[test]
fn a_killed_program_takes_its_group_along_and_says_so() {
    let s = Sandbox::new();
    let marker = s.path("marker");
    let script = format!("sleep 600 & touch '{}'; wait", marker.display());
    let mut running = s.spawn(s.command("sh", "repo").args(["-c", &script]), None);
    assert!(running.wait_for(&marker));
    // The pipes are held by `sleep` too: this returns only if it died with its group.
    assert_eq!(running.kill().code, 128 + 9);
}
