//! Two people, and a third one with a fresh clone.

use super::*;

#[test]
fn different_slices_at_once_converge_to_the_same_tip() {
    let s = shared();
    clone(&s, "other");
    amend(&s, "repo", "Longer.", &["/slices/0/checks/0/timeout_s=77"]);
    amend(&s, "other", "Clearer.", &["/slices/1/title=Another title"]);
    s.otto(&["sync"]).exits(0);
    let out = s.otto_in("other", &["sync"]).exits(0);
    assert!(out.stdout.contains("both sides are merged"), "{out}");
    s.otto(&["sync"]).exits(0);
    assert_eq!(tip(&s, "repo"), tip(&s, "other"));
    assert_eq!(tip(&s, "repo"), tip(&s, "hub.git"));
    let spec = spec(&s, "repo");
    assert_eq!(spec["slices"][0]["checks"][0]["timeout_s"], 77);
    assert_eq!(spec["slices"][1]["title"], "Another title");
    for dir in ["repo", "other"] {
        s.otto_in(dir, &["verify", "--all"]).exits(0);
        let out = s.otto_in(dir, &["sync"]).exits(0);
        assert!(out.stdout.contains("nothing new"), "{out}");
    }
}

#[test]
fn both_merge_to_the_same_commit_without_knowing_of_each_other() {
    let s = shared();
    clone(&s, "other");
    amend(&s, "repo", "Longer.", &["/slices/0/checks/0/timeout_s=77"]);
    amend(&s, "other", "Clearer.", &["/slices/1/title=Another title", "/non_goals=[\"speed\"]"]);
    // Each fetches from the other, and neither pushes.
    s.git(&["remote", "add", "peer", s.path("other").to_str().unwrap()]);
    s.git_in("other", &["remote", "add", "peer", s.path("repo").to_str().unwrap()]);
    let before = tip(&s, "repo");
    s.otto(&["fetch", "peer"]).exits(0);
    let merged = tip(&s, "repo");
    s.git(&["update-ref", "refs/otto/specs/jot", &before]);
    s.otto_in("other", &["fetch", "peer"]).exits(0);
    assert_eq!(tip(&s, "other"), merged);
    let parents = s.git(&["rev-list", "--parents", "-1", &merged]);
    assert_eq!(parents.split(' ').count(), 3, "{parents}");
}

#[test]
fn the_same_slice_at_once_is_shown_and_decided_by_one_command() {
    for (side, wins) in [("--ours", 9), ("--theirs", 77)] {
        let s = shared();
        clone(&s, "other");
        amend(&s, "repo", "Longer.", &["/slices/0/checks/0/timeout_s=77", "/title=Their title"]);
        amend(&s, "other", "Shorter.", &["/slices/0/checks/0/timeout_s=9", "/slices/1/title=My title"]);
        s.otto(&["sync"]).exits(0);
        let before = refs(&s, "other");
        let out = s.otto_in("other", &["sync"]).exits(8);
        let check = spec(&s, "other")["slices"][0]["checks"][0]["id"].as_str().unwrap().to_owned();
        for part in ["ours    + timeout s: 9", "theirs  + timeout s: 77", &format!("check `{check}` of slice")] {
            assert!(out.stdout.contains(part), "{part}: {out}");
        }
        assert!(out.stderr.contains("git otto sync origin jot --ours"), "{out}");
        assert_eq!(refs(&s, "other"), before, "nothing is changed that nobody decided");
        let json = s.otto_in("other", &["sync", "--json"]).exits(8).json();
        assert_eq!(json["open"][0]["spec"], "jot");

        s.otto_in("other", &["sync", "origin", "jot", side, "-m", "We talked."]).exits(0);
        s.otto(&["sync"]).exits(0);
        assert_eq!(tip(&s, "repo"), tip(&s, "other"), "{side}");
        let spec = spec(&s, "repo");
        assert_eq!(spec["slices"][0]["checks"][0]["timeout_s"], wins);
        assert_eq!(spec["title"], "Their title");
        assert_eq!(spec["slices"][1]["title"], "My title");
        s.otto(&["verify", "--all"]).exits(0);
        let log = s.otto(&["log", "jot"]).exits(0).stdout;
        for reason in ["Longer.", "Shorter.", "We talked."] {
            assert!(log.contains(reason), "{log}");
        }
    }
}

#[test]
fn two_who_decide_differently_are_asked_again_and_two_who_agree_are_not() {
    let s = shared();
    clone(&s, "other");
    amend(&s, "repo", "Longer.", &["/slices/0/checks/0/timeout_s=77"]);
    amend(&s, "other", "Shorter.", &["/slices/0/checks/0/timeout_s=9"]);
    s.git(&["remote", "add", "peer", s.path("other").to_str().unwrap()]);
    s.git_in("other", &["remote", "add", "peer", s.path("repo").to_str().unwrap()]);
    let (mine, other) = (tip(&s, "repo"), tip(&s, "other"));
    // What was here when both decided is fetched by name: neither sees the other's decision.
    for (dir, theirs) in [("repo", &other), ("other", &mine)] {
        let from = if dir == "repo" { "other" } else { "repo" };
        s.git_in(".", &["init", "-q", "--bare", &format!("was-{dir}.git")]);
        s.git_in(
            from,
            &[
                "push",
                "-q",
                s.path(format!("was-{dir}.git")).to_str().unwrap(),
                &format!("{theirs}:refs/otto/specs/jot"),
            ],
        );
        s.git_in(dir, &["remote", "add", "was", s.path(format!("was-{dir}.git")).to_str().unwrap()]);
        s.otto_in(dir, &["sync", "was", "--ours"]).exits(0);
    }
    assert_eq!(spec(&s, "repo")["slices"][0]["checks"][0]["timeout_s"], 77);
    assert_eq!(spec(&s, "other")["slices"][0]["checks"][0]["timeout_s"], 9);
    // Neither decision wins in silence, though each side has the other's first amendment.
    s.otto(&["fetch", "peer"]).exits(8);
    s.otto(&["sync", "peer", "--theirs"]).exits(0);
    s.otto_in("other", &["fetch", "peer"]).exits(0);
    assert_eq!(tip(&s, "repo"), tip(&s, "other"));
    assert_eq!(spec(&s, "repo")["slices"][0]["checks"][0]["timeout_s"], 9);
    s.otto(&["verify", "--all"]).exits(0);
}

#[test]
fn a_fresh_clone_sees_all_and_plain_git_goes_on_working() {
    let s = shared();
    s.otto(&["run", "jot"]).exits(0);
    s.otto(&["push"]).exits(0);
    s.git_in(".", &["clone", "-q", "hub.git", "fresh"]);
    s.otto_in("fresh", &["fetch"]).exits(0);
    let status = s.otto_in("fresh", &["status", "--json"]).exits(0).json();
    assert_eq!(status["verdict"], "passed", "{status}");
    assert_eq!(refs(&s, "fresh"), refs(&s, "repo"));
    s.otto_in("fresh", &["verify", "--all"]).exits(0);
    let show = s.otto_in("fresh", &["show", "jot"]).exits(0);
    assert!(show.stdout.contains("# "), "{show}");

    // Both go on, plain git fetches and pulls, and nothing here moves by it.
    s.otto_in("fresh", &["remote", "add", "origin"]).exits(0);
    let again = s.otto_in("fresh", &["remote", "add", "origin"]).exits(0);
    assert!(again.stdout.contains("already"), "{again}");
    amend(&s, "fresh", "Here.", &["/title=Here"]);
    amend(&s, "repo", "There.", &["/non_goals=[\"there\"]"]);
    s.otto(&["push"]).exits(0);
    s.commit("More", &[("more.txt", "more\n")]);
    s.git(&["push", "-q"]);
    let before = refs(&s, "fresh");
    s.git_in("fresh", &["pull", "-q"]);
    s.git_in("fresh", &["fetch", "-q", "--prune"]);
    assert!(s.path("fresh/more.txt").exists());
    assert_eq!(refs(&s, "fresh"), before);
    let kept = s.git_in("fresh", &["rev-parse", "refs/otto-remote/origin/specs/jot"]);
    assert_eq!(kept, tip(&s, "repo"), "a pull brings what is there");

    // Whoever mirrors overwrites the remote, never what is here; whoever has the rest brings it back.
    s.try_git("fresh", &["push", "-q", "--mirror"]);
    assert_eq!(refs(&s, "fresh"), before);
    s.otto_in("fresh", &["sync"]).exits(0);
    s.otto(&["sync"]).exits(0);
    s.otto_in("fresh", &["sync"]).exits(0);
    assert_eq!(refs(&s, "fresh"), refs(&s, "repo"));
    assert_eq!(spec(&s, "repo")["title"], "Here");
    assert_eq!(spec(&s, "repo")["non_goals"][0], "there");
}

#[test]
fn a_run_that_stopped_here_goes_on_there() {
    let s = shared();
    let stopped = s.otto_with(&["run", "jot"], &[("GIT_OTTO_FAULT", "queue.land.after_swap:2:abort")], None);
    assert_ne!(stopped.code, 0, "{stopped}");
    s.otto(&["push"]).exits(0);
    s.git_in(".", &["clone", "-q", "hub.git", "there"]);
    s.otto_in("there", &["fetch"]).exits(0);
    s.otto_in("there", &["resume"]).exits(0);
    let status = s.otto_in("there", &["status", "--json"]).exits(0).json();
    assert_eq!(status["verdict"], "passed", "{status}");
    s.otto_in("there", &["push"]).exits(0);
    s.otto(&["fetch"]).exits(0);
    let here = s.otto(&["status", "--json"]).exits(0).json();
    assert_eq!(here["verdict"], "passed", "{here}");
    for dir in ["repo", "there"] {
        s.otto_in(dir, &["verify", "--all"]).exits(0);
    }
}
