//! One file instead of a remote.

use super::*;

#[test]
fn a_bundle_verifies_offline_and_is_taken_in_as_a_fetch() {
    let s = shared();
    s.otto(&["run", "jot"]).exits(0);
    let file = s.path("jot.bundle");
    let file = file.to_str().unwrap();
    s.otto(&["bundle", "create", file, "jot"]).exits(0);
    // Where there is nothing else: no repository, no remote.
    std::fs::create_dir(s.path("away")).unwrap();
    let out = s.otto_in("away", &["bundle", "verify", file]).exits(0);
    assert!(out.stdout.starts_with("ok   jot: 1 run, "), "{out}");
    s.git_in(".", &["init", "-q", "-b", "main", "empty"]);
    s.otto_in("empty", &["bundle", "unbundle", file]).exits(0);
    assert_eq!(refs(&s, "empty"), refs(&s, "repo"));
    s.otto_in("empty", &["verify", "--all"]).exits(0);
    let again = s.otto_in("empty", &["bundle", "unbundle", file]).exits(0);
    assert!(again.stdout.contains("nothing new"), "{again}");

    // An amendment made there comes back the same way, beside one that was made here.
    amend(&s, "empty", "There.", &["/title=There"]);
    amend(&s, "repo", "Here.", &["/non_goals=[\"here\"]"]);
    s.otto_in("empty", &["bundle", "create", file]).exits(0);
    s.otto(&["bundle", "unbundle", file]).exits(0);
    assert_eq!(spec(&s, "repo")["title"], "There");
    assert_eq!(spec(&s, "repo")["non_goals"][0], "here");
}

#[test]
fn a_bundle_that_was_tampered_with_is_refused() {
    let s = shared();
    let spec = s.git(&["cat-file", "blob", "refs/otto/specs/jot:spec.json"]).replace("\"title\"", "\"titel\"") + "\n";
    let blob = s.git_with_input(&["hash-object", "-w", "--stdin"], spec.as_bytes());
    let tree = s.git(&["ls-tree", "refs/otto/specs/jot"]);
    let was = s.git(&["rev-parse", "refs/otto/specs/jot:spec.json"]);
    let tree = s.git_with_input(&["mktree"], (tree.replace(&was, blob.trim()) + "\n").as_bytes());
    let commit = s.git(&["commit-tree", "-m", "x", "-p", "refs/otto/specs/jot", tree.trim()]);
    s.git_in(".", &["init", "-q", "--bare", "forged.git"]);
    s.git(&["push", "-q", s.path("forged.git").to_str().unwrap(), &format!("{commit}:refs/otto/specs/jot")]);
    let file = s.path("forged.bundle");
    let file = file.to_str().unwrap();
    s.git_in("forged.git", &["bundle", "create", "-q", file, "refs/otto/specs/jot"]);
    let out = s.otto(&["bundle", "verify", file]).exits(8);
    assert!(out.stderr.contains(&commit[..10]), "{out}");
    let before = tip(&s, "repo");
    s.otto(&["bundle", "unbundle", file]).exits(8);
    assert_eq!(tip(&s, "repo"), before);
    s.write("no.bundle", "no bundle\n");
    s.otto(&["bundle", "verify", s.path("no.bundle").to_str().unwrap()]).exits(8);
    s.otto(&["bundle", "verify", "missing"]).exits(2);
}
