//! Who runs a run where several want to: processes of one machine, and machines with one remote.

mod contenders;
mod machines;

use crate::support::{EXAMPLE, Sandbox};

/// The slices of the example.
const SLICES: usize = 4;

/// A sandbox in which the example is compiled and approved.
fn approved(s: &Sandbox) {
    s.write("jot.md", EXAMPLE);
    s.otto(&["compile", s.path("jot.md").to_str().unwrap()]).exits(0);
    s.otto(&["approve", "jot", "--yes"]).exits(0);
}

/// Each slice is once in the history of the target, and all that the program wrote there is sound.
fn settled(s: &Sandbox, dir: &str) {
    let (format, range) =
        ("--format=%(trailers:key=Otto-Slice,valueonly,separator=)", format!("HEAD..{}", target(s, dir)));
    let history = s.git_in(dir, &["log", "--first-parent", format, &range]);
    let mut landed: Vec<&str> = history.lines().collect();
    landed.sort_unstable();
    let all = landed.len();
    landed.dedup();
    assert_eq!((landed.len(), all), (SLICES, SLICES), "{dir}: {history}");
    s.otto_in(dir, &["verify", "--all"]).exits(0);
}

/// Where the target of the run is.
fn target(s: &Sandbox, dir: &str) -> String {
    s.git_in(dir, &["for-each-ref", "--format=%(objectname)", "refs/otto/targets/"])
}

/// The process that the lease in a repository of the sandbox names, if there is one.
fn owner(s: &Sandbox, dir: &str) -> Option<u32> {
    let name = s.git_in(dir, &["for-each-ref", "--format=%(refname)", "refs/otto/lease/"]);
    let out = s.try_git(dir, &["cat-file", "blob", &format!("{name}:lease.json")]);
    let tenure: serde_json::Value = serde_json::from_str(&out.stdout).ok()?;
    tenure["proc"]["pid"].as_u64()?.try_into().ok()
}
