//! What the README tells people to type does what it says there.

use super::support::Sandbox;

const README: &str = include_str!("../../README.md");

/// The first indented block under a heading.
fn block(heading: &str) -> String {
    let section = README.split("\n## ").find(|s| s.starts_with(heading)).expect(heading);
    let lines = section.lines().skip_while(|l| !l.starts_with("    "));
    lines.take_while(|l| l.starts_with("    ")).map(|l| format!("{}\n", &l[4..])).collect()
}

/// A shell in the repository that finds the built program where `git` looks for it.
fn sh(s: &Sandbox, script: &str) -> String {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_git-otto"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut command = s.command("sh", "repo");
    s.spawn(command.args(["-ec", script]).env("PATH", path), None).wait().exits(0).stdout
}

#[test]
fn the_first_run_in_a_repository_and_its_check_with_git_alone() {
    let s = Sandbox::new();
    s.history(50);
    // Nobody is at the terminal: what a person approves with a key is approved with --yes here.
    let first = block("In your own repository");
    let run = first.lines().find(|l| l.starts_with("git otto run ")).expect("a run");
    let run =
        run.replace("<this repository>", env!("CARGO_MANIFEST_DIR")).replace("git otto run", "git otto run --yes");
    let before = s.snapshot();
    let said = sh(&s, &run);
    before.assert_same(&s.snapshot());
    let packet = said.lines().last().and_then(|l| l.strip_prefix("packet: ")).expect("the last line names the packet");
    assert!(std::fs::read_to_string(packet).unwrap().starts_with("# jot: passed\n"));

    let check = block("Check it with git alone");
    let said = sh(&s, &check);
    let slices = s.git(&["rev-list", "--count", "--first-parent", "main..otto/jot"]);
    assert_eq!(slices, "6", "one landing a slice");
    assert_eq!(said.lines().filter(|l| l.ends_with(" was tested")).count(), 6, "{said}");
    assert!(said.lines().last().is_some_and(|l| l.contains("\"after\"") || l.contains("\"before\"")), "{said}");

    // Everything is reachable from refs: nothing that git tidies away is missed.
    s.git(&["gc", "-q", "--prune=now"]);
    s.git(&["notes", "--ref", &s.git(&["for-each-ref", "--format=%(refname)", "refs/notes/otto"]), "prune"]);
    assert_eq!(sh(&s, &check), said);
    s.otto(&["verify", "--all"]).exits(0);

    // What was built can be taken, and is there.
    assert!(README.contains("\n    git log --notes='otto/*' otto/jot\n    git otto deliver jot "));
    assert!(sh(&s, "git log --notes='otto/*' otto/jot").contains("on exactly this tree"));
    sh(&s, "git otto deliver jot");
    assert_eq!(sh(&s, "./jot add tea; ./jot list"), "1\n1:tea\n");
    sh(&s, "git otto undo");
    assert!(!s.path("repo/jot").exists());
}

#[test]
fn the_example_of_a_library_is_built_with_python_alone() {
    let s = Sandbox::new();
    if s.spawn(s.command("sh", "repo").args(["-c", "python3 -c 'import dataclasses'"]), None).wait().code != 0 {
        assert!(std::env::var_os("CI").is_none(), "there is no python3");
        eprintln!("skipped: there is no python3");
        return;
    }
    s.git(&["config", "--global", "otto.fsync", "false"]);
    let run = sh(&s, &format!("git otto run --yes {}/examples/units.md", env!("CARGO_MANIFEST_DIR")));
    assert!(run.starts_with("passed: 3 slices landed on otto/units ("), "{run}");
    sh(&s, "git merge -q otto/units");
    let said = sh(&s, "python3 -c 'from units.span import Span; print(Span(\"50m\") + Span(\"20m\"))'");
    assert_eq!(said, "1h 10m\n");
    s.otto(&["verify", "--all"]).exits(0);
}
