//! What does not travel: secrets, what a server does not want, what does not verify.

use super::*;

/// The form of a well-known token, made up.
const TOKEN: &str = "AKIAABCDEFGHIJKLMNOP";

#[test]
fn a_secret_stays_here_is_named_and_the_rest_goes() {
    let s = shared();
    s.write("two.md", EXAMPLE);
    s.otto(&["compile", s.path("two.md").to_str().unwrap(), "--id", "two"]).exits(0);
    amend(&s, "repo", "With a key.", &[&format!("/slices/0/tasks=[\"Use {TOKEN}.\"]")]);
    let before = tip(&s, "hub.git");
    let out = s.otto(&["push"]).exits(8);
    assert!(out.stdout.contains("spec two: pushed"), "{out}");
    assert!(out.stderr.contains("refs/otto/specs/jot") && out.stderr.contains("spec.json"), "{out}");
    assert!(!said(&out).contains(TOKEN), "{out}");
    assert_eq!(tip(&s, "hub.git"), before);
    assert!(s.try_git("hub.git", &["grep", "-q", TOKEN, "refs/otto/specs/two"]).code != 0);
    // A person says that it is none.
    let object = out.stderr.split("otto.allowSecret ").nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    s.git(&["config", "--add", "otto.allowSecret", &object]);
    s.otto(&["push"]).exits(0);
    assert_eq!(tip(&s, "hub.git"), tip(&s, "repo"));
}

#[test]
fn a_secret_that_a_slice_wrote_keeps_its_run_and_branch_here() {
    let s = shared();
    s.otto(&["run", "jot"]).exits(0);
    // As an agent's work would: the attempt's commit holds it.
    let run = s.git(&["for-each-ref", "--format=%(refname:lstrip=3)", "refs/otto/runs/"]);
    let blob = s.git_with_input(&["hash-object", "-w", "--stdin"], TOKEN.as_bytes());
    let tree = s.git_with_input(&["mktree"], format!("100644 blob {}\tkey.txt\n", blob.trim()).as_bytes());
    let commit = s.git(&["commit-tree", "-m", "Work", "-p", "otto/jot", tree.trim()]);
    s.git(&["update-ref", &format!("refs/otto/slices/{run}/front/2"), &commit]);
    let out = s.otto(&["push"]).exits(8);
    assert!(out.stderr.contains("key.txt") && !said(&out).contains(TOKEN), "{out}");
    let there = s.git_in("hub.git", &["for-each-ref", "--format=%(refname)"]);
    assert!(!there.contains(&run) && !there.contains("refs/heads/otto/jot"), "{there}");
}

#[test]
fn a_server_that_says_no_changes_nothing_and_is_quoted() {
    let s = shared();
    amend(&s, "repo", "Why not.", &["/title=No"]);
    s.script("hub.git/hooks/pre-receive", "#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n");
    let before = (refs(&s, "hub.git"), refs(&s, "repo"));
    let out = s.otto(&["push"]).exits(8);
    assert!(out.stderr.contains("not on a Friday"), "{out}");
    assert_eq!((refs(&s, "hub.git"), refs(&s, "repo")), before);
    std::fs::remove_file(s.path("hub.git/hooks/pre-receive")).unwrap();
    s.otto(&["push"]).exits(0);
    assert_eq!(tip(&s, "hub.git"), tip(&s, "repo"));
}

#[test]
fn what_does_not_verify_stays_in_the_tracking_ref_and_the_rest_comes() {
    let s = shared();
    clone(&s, "other");
    s.write("two.md", EXAMPLE);
    s.otto(&["compile", s.path("two.md").to_str().unwrap(), "--id", "two"]).exits(0);
    s.otto(&["push"]).exits(0);
    // A record whose reason was changed, pushed by plain git.
    let forged =
        s.git(&["cat-file", "blob", "refs/otto/specs/jot:record.json"]).replace("--yes", "--yes, really") + "\n";
    let blob = s.git_with_input(&["hash-object", "-w", "--stdin"], forged.as_bytes());
    let tree = s.git(&["ls-tree", "refs/otto/specs/jot"]);
    let was = s.git(&["rev-parse", "refs/otto/specs/jot:record.json"]);
    let tree = s.git_with_input(&["mktree"], (tree.replace(&was, blob.trim()) + "\n").as_bytes());
    let commit = s.git(&["commit-tree", "-m", "x", "-p", "refs/otto/specs/jot", tree.trim()]);
    s.git(&["push", "-q", "origin", &format!("{commit}:refs/otto/specs/jot")]);
    let before = tip(&s, "other");
    for command in ["fetch", "sync"] {
        let out = s.otto_in("other", &[command]).exits(8);
        assert!(out.stderr.contains("refs/otto/specs/jot") && out.stderr.contains("does not verify"), "{out}");
    }
    assert_eq!(tip(&s, "other"), before);
    assert_eq!(s.git_in("other", &["rev-parse", "refs/otto-remote/origin/specs/jot"]), commit);
    s.git_in("other", &["rev-parse", "--verify", "refs/otto/specs/two"]);
}

#[test]
fn whom_and_what_is_refused_with_the_next_command() {
    let s = Sandbox::new();
    let none = s.otto(&["sync"]).exits(2);
    assert!(none.stderr.contains("git otto remote add origin <url>"), "{none}");
    let unknown = s.otto(&["remote", "add", "origin"]).exits(2);
    assert!(unknown.stderr.contains("no URL"), "{unknown}");
    s.otto(&["remote", "add", "-n", "origin", "/nowhere"]).exits(0);
    assert_eq!(s.git(&["remote"]), "");
    s.otto(&["remote", "add", "origin", "/nowhere"]).exits(0);
    assert_eq!(s.git(&["remote"]), "origin");
    let gone = s.otto(&["fetch"]).exits(1);
    assert!(gone.stderr.contains("git could not talk to origin"), "{gone}");
    s.git(&["remote", "add", "evil", "ext::sh -c 'touch seen'"]);
    s.otto(&["fetch", "evil"]).exits(1);
    assert!(!s.path("repo/seen").exists(), "a remote runs no program");
    s.otto(&["remote", "add", "--", "-x", "/nowhere"]).exits(2);
}
