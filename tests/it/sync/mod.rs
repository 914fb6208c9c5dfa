//! Sharing between repositories: real clones, a real remote, git's own transports.

mod bundles;
mod clones;
mod many;
mod refusals;
mod transports;

use crate::support::{EXAMPLE, Output, Sandbox};

/// A bare repository `hub.git` and its clone `repo`, in which the example is approved, and shared.
fn shared() -> Sandbox {
    let s = Sandbox::new();
    s.git_in(".", &["init", "-q", "--bare", "-b", "main", "hub.git"]);
    s.git(&["remote", "add", "origin", s.path("hub.git").to_str().unwrap()]);
    s.git(&["push", "-q", "-u", "origin", "main"]);
    s.write("jot.md", EXAMPLE);
    s.otto(&["compile", s.path("jot.md").to_str().unwrap()]).exits(0);
    s.otto(&["approve", "jot", "--yes"]).exits(0);
    s.otto(&["push"]).exits(0);
    s
}

/// A further clone, which has what is shared.
fn clone(s: &Sandbox, name: &str) {
    s.git_in(".", &["clone", "-q", "hub.git", name]);
    s.otto_in(name, &["fetch"]).exits(0);
}

/// Amends the spec in a clone.
fn amend(s: &Sandbox, dir: &str, reason: &str, sets: &[&str]) {
    let mut args = vec!["amend", "jot", "-m", reason];
    args.extend(sets.iter().flat_map(|set| ["--set", set]));
    s.otto_in(dir, &args).exits(0);
}

/// The spec's current record in a repository of the sandbox.
fn tip(s: &Sandbox, dir: &str) -> String {
    s.git_in(dir, &["rev-parse", "refs/otto/specs/jot"])
}

/// The spec as it stands there.
fn spec(s: &Sandbox, dir: &str) -> serde_json::Value {
    serde_json::from_str(&s.git_in(dir, &["cat-file", "blob", "refs/otto/specs/jot:spec.json"])).unwrap()
}

/// All refs of the program, with what they are.
fn refs(s: &Sandbox, dir: &str) -> String {
    s.git_in(dir, &["for-each-ref", "--format=%(refname) %(objectname)", "refs/otto/", "refs/notes/otto/"])
}

/// What somebody was told.
fn said(out: &Output) -> String {
    format!("{}{}", out.stdout, out.stderr)
}
