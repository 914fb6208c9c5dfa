//! Ignored files of the user's: carried only where a person agreed, and never committed.

use super::*;
use crate::support::Output;

/// A repository whose `.env` is ignored and named, and an intent that needs it.
fn room() -> (Sandbox, String) {
    let s = Sandbox::new();
    s.commit("Rules", &[(".gitignore", ".env\n"), (".worktreeinclude", "# what a build needs\n.env\n")]);
    s.write("repo/.env", "TOKEN=tea\n");
    s.write("intent.md", intent(&["`cat .env a.txt` prints a line with `TOKEN=tea` and `done`"]));
    let agent = agent(&s, "grep -q TOKEN=tea .env && echo done > a.txt; echo changed > .env");
    (s, agent)
}

#[test]
fn without_an_answer_nothing_is_carried_and_with_one_nothing_is_committed() {
    let (s, agent) = room();
    let args = |id: &'static str| ["run", "--yes", "--id", id, "--agent", &agent, "../intent.md"].map(str::to_owned);
    let run = |id| s.otto(&args(id).iter().map(String::as_str).collect::<Vec<_>>());
    let out = run("none");
    assert_eq!(out.code, 5, "{}{}", out.stdout, out.stderr);
    let said = "not carried: 1 file that git ignores (1 KiB: .env); to carry them: git config otto.carry true";
    assert!(out.stderr.contains(said), "{}", out.stderr);
    s.git(&["config", "otto.carry", "true"]);
    let before = s.snapshot();
    let out = run("all").exits(0);
    assert!(!s.git(&["log", "--all", "--format=", "--name-only"]).lines().any(|l| l == ".env"), "{}", out.stdout);
    assert_eq!(before, s.snapshot(), "the user's files are only read");
}

#[test]
fn a_person_is_asked_once_until_the_rules_change() {
    let (s, agent) = room();
    s.git(&["config", "otto.baseline", "false"]);
    let run =
        |id: &str, lines: &str| s.typed(&["run", "--yes", "--id", id, "--agent", &agent, "../intent.md"], &[], lines);
    let asked = |out: &Output| out.stderr.contains("carry them?");
    let first = run("first", "y\n").exits(0);
    assert!(asked(&first) && first.stderr.contains(".env"), "{}", first.stderr);
    assert!(!asked(&run("second", "").exits(0)));
    s.commit("More", &[(".worktreeinclude", ".env\n*.db\n")]);
    assert!(asked(&run("third", "n\n").exits(5)));
    assert!(!asked(&run("fourth", "").exits(5)), "the answer no is kept too");
}
