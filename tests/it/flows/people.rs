//! People work on the target while a run is under way: nothing of theirs is lost, and what lands is tested with it.

use super::*;
use crate::support::Running;

/// A run of `a`, then `b`, whose agent for `a` has begun and waits.
fn midway(s: &Sandbox) -> Running {
    let agent = agent(
        s,
        json!({
            "a": {"1": [right("a"), {"touch": s.path("at-work")}, {"wait_for": s.path("go")}]},
            "b": {"1": [right("b")]},
        }),
    );
    s.write("intent.md", intent("Two", "", &[("a", &[], plain("a")), ("b", &["a"], plain("b"))], ""));
    let running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent], &[]);
    await_marker(running, &s.path("at-work"))
}

fn go_on(s: &Sandbox, running: Running) -> Run {
    s.write("go", "");
    Run::read(running.wait())
}

/// Commits a file on a branch without any checkout, as a push does; the commit.
fn commit_on(s: &Sandbox, branch: &str, path: &str, content: &str) -> String {
    let name = format!("refs/heads/{branch}");
    let parent = s.git(&["rev-parse", &name]);
    let blob = s.git_with_input(&["hash-object", "-w", "--stdin"], content.as_bytes());
    let entry = format!("100644 blob {}\t{path}\n", blob.trim());
    let tree = s.git_with_input(&["mktree"], (s.git(&["ls-tree", &parent]) + "\n" + &entry).as_bytes());
    let commit = s.git(&["commit-tree", tree.trim(), "-p", &parent, "-m", "By hand"]);
    s.git(&["update-ref", &name, &commit, &parent]);
    commit
}

#[test]
fn a_persons_commit_is_kept_and_what_lands_is_tested_on_top() {
    let s = sandbox();
    let running = midway(&s);
    let by_hand = commit_on(&s, "otto/two", "hand.txt", "mine\n");
    let run = go_on(&s, running).ends(0);
    let landed = landings(&s, "main", "otto/two");
    assert_eq!(order(&landed), ["by hand", "a", "b"]);
    assert_eq!(landed[0].0, by_hand);
    assert_eq!(s.git(&["show", "otto/two:hand.txt"]), "mine");
    assert_eq!(run.packet["landings"].as_array().unwrap().len(), 2);
    assert_sound(&s);
}

#[test]
fn a_persons_commit_during_the_last_checks_has_them_run_again() {
    let s = sandbox();
    // Runs on the base, on the candidate, then in the queue, where it waits: there the target moves.
    let (runs, at, go) = (s.path("runs"), s.path("in-queue"), s.path("go"));
    let judge = s.script("judge", &format!(
        "#!/bin/sh\necho x >> '{}'\nif [ $(grep -c x '{}') = 3 ]; then touch '{}'; until [ -e '{}' ]; do sleep 0.01; done; fi\ncat a.txt\n",
        runs.display(), runs.display(), at.display(), go.display()
    ));
    let body = format!("Owns: `a.txt`.\n\nCheck: `{}` prints `a`.", judge.display());
    let agent = agent(&s, json!({"a": {"1": [right("a")]}}));
    s.write("intent.md", intent("One", "", &[("a", &[], body)], ""));
    let running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent], &[]);
    let running = await_marker(running, &at);
    let by_hand = commit_on(&s, "otto/one", "hand.txt", "mine\n");
    let run = go_on(&s, running).ends(0);
    let landed = landings(&s, "main", "otto/one");
    assert_eq!((order(&landed), &landed[0].0), (vec!["by hand", "a"], &by_hand));
    assert_eq!(run.told("slice.merge.started", "a").len(), 2, "the first merge was not of the tip any more");
    assert_eq!(run.told("slice.merge.landed", "a").len(), 1);
    assert_eq!(s.git(&["for-each-ref", "refs/otto/pin"]), "");
    assert_sound(&s);
}

#[test]
fn a_persons_commit_that_breaks_the_slice_sends_it_back() {
    let s = sandbox();
    let body = "Owns: `a.sh`.\n\nCheck: `sh a.sh` prints `a`.";
    let agent = agent(
        &s,
        json!({"a": {
            "1": [write("a.sh", "test ! -e hand.txt && echo a\n"), {"touch": s.path("at-work")}, {"wait_for": s.path("go")}],
            "2": [write("a.sh", "echo a\n")],
        }}),
    );
    s.write("intent.md", intent("One", "", &[("a", &[], body.into())], ""));
    let running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent], &[]);
    let running = await_marker(running, &s.path("at-work"));
    commit_on(&s, "otto/one", "hand.txt", "mine\n");
    let run = go_on(&s, running).ends(0);
    assert_eq!(run.failures("a"), [Some("integration".into()), None]);
    assert_eq!(s.git(&["show", "otto/one:hand.txt"]), "mine");
}

#[test]
fn a_target_that_is_checked_out_is_refused() {
    let s = sandbox();
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    let agent = agent(&s, json!({}));
    let args = ["run", "--yes", "../intent.md", "--agent", &agent, "--target", "main"];
    refuses(&s, "repo", &args, 8, "refs/heads/main is checked out in ", "git switch");
    s.git(&["worktree", "add", "-q", "-b", "otto/one", "../tree"]);
    refuses(&s, "repo", &args[..5], 8, "refs/heads/otto/one is checked out in ", "--target <branch>");
}

#[test]
fn a_branch_checked_out_midway_stays_and_catches_up_later() {
    let s = sandbox();
    let running = midway(&s);
    s.git(&["worktree", "add", "-q", "../tree", "otto/two"]);
    let (before, at) = (
        s.git_in("tree", &["--no-optional-locks", "status", "--porcelain=v2", "--branch"]),
        s.git(&["rev-parse", "otto/two"]),
    );
    let run = go_on(&s, running).ends(0);
    assert_eq!(
        s.git_in("tree", &["--no-optional-locks", "status", "--porcelain=v2", "--branch"]),
        before,
        "that checkout is its user's"
    );
    assert!(!s.path("tree/a.txt").exists());
    assert_eq!(s.git(&["rev-parse", "otto/two"]), at);
    let target = format!("refs/otto/targets/{}", run.run());
    assert_eq!(order(&landings(&s, &at, &target)), ["a", "b"]);
    assert!(run.out.stderr.contains("checked out"), "it is said why the branch stays: {}", run.out);
    // Still there: still left alone.
    Run::read(s.otto(&["resume", "--json", run.run()])).ends(0);
    assert_eq!(s.git(&["rev-parse", "otto/two"]), at);

    s.git_in("tree", &["switch", "-q", "--detach"]);
    let again = Run::read(s.otto(&["run", "--yes", "--json", "two"])).ends(0);
    assert_eq!(again.run(), run.run());
    assert_eq!(s.git(&["rev-parse", "otto/two"]), s.git(&["rev-parse", &target]));
    assert_sound(&s);
}

#[test]
fn work_in_a_checkout_of_the_target_is_built_upon() {
    let s = sandbox();
    let running = midway(&s);
    s.git(&["worktree", "add", "-q", "../tree", "otto/two"]);
    s.write("tree/hand.txt", "mine\n");
    s.git_in("tree", &["add", "hand.txt"]);
    s.git_in("tree", &["commit", "-q", "-m", "By hand"]);
    let run = go_on(&s, running).ends(0);
    let target = format!("refs/otto/targets/{}", run.run());
    assert_eq!(order(&landings(&s, "main", &target)), ["by hand", "a", "b"]);
    s.git_in("tree", &["merge", "-q", "--ff-only", &target]);
    assert_eq!(std::fs::read_to_string(s.path("tree/hand.txt")).unwrap(), "mine\n");
    assert_eq!(std::fs::read_to_string(s.path("tree/b.txt")).unwrap(), "b\n");
}

#[test]
fn a_target_that_went_elsewhere_is_never_overwritten() {
    let s = sandbox();
    let running = midway(&s);
    let other = s.git(&["commit-tree", "main^{tree}", "-m", "Unrelated"]);
    s.git(&["update-ref", "refs/heads/otto/two", &other]);
    s.write("go", "");
    let out = running.wait().exits(9);
    let said: Value = serde_json::from_str(out.stderr.lines().last().unwrap()).unwrap();
    assert!(said["error"]["message"].as_str().unwrap().contains("does not contain"), "{out}");
    assert_eq!(s.git(&["rev-parse", "otto/two"]), other, "a person's branch is a person's");
    // Put back, the run goes on.
    s.git(&["update-ref", "refs/heads/otto/two", "main"]);
    Run::read(s.otto(&["resume", "--json"])).ends(0);
    assert_eq!(order(&landings(&s, "main", "otto/two")), ["a", "b"]);
    assert_sound(&s);
}

#[test]
fn one_spec_has_one_run_at_a_time_and_two_specs_have_two() {
    let s = sandbox();
    let running = midway(&s);
    let waits = refs(&s);
    for args in [&["run", "--yes", "../intent.md"][..], &["run", "two"], &["resume"], &["approve", "two"]] {
        let out = s.otto(args).exits(6);
        assert!(out.stderr.contains("hint: ") && out.stderr.contains("two"), "{out}");
    }
    assert_eq!(refs(&s), waits, "who is refused writes no ref");
    s.write("jot.md", crate::support::EXAMPLE);
    Run::read(s.otto(&["run", "--yes", "--json", "../jot.md"])).ends(0);
    let on_one_target = ["run", "--yes", "../jot.md", "--id", "third", "--target", "otto/two"];
    let out = s.otto(&on_one_target).exits(6);
    assert!(out.stderr.contains("otto/two"), "{out}");
    go_on(&s, running).ends(0);
    assert_eq!(order(&landings(&s, "main", "otto/two")), ["a", "b"]);
    assert_eq!(s.git(&["for-each-ref", "refs/otto/lease"]), "", "a run that has ended belongs to nobody");
    assert_sound(&s);
}
