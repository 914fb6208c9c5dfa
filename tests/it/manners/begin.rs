//! From nothing to a spec that is approved: `new`, and the editor on the approval screen.

use crate::support::{EXAMPLE, Sandbox};

#[test]
fn a_new_intent_compiles_as_it_stands_and_is_never_written_over() {
    let s = Sandbox::without_identity();
    let out = s.otto(&["new", "My notes", "--dry-run"]).exits(0);
    assert_eq!(
        (out.stdout.as_str(), s.repo().join("my-notes.md").exists()),
        ("would be written: my-notes.md, an intent of kind cli\n", false)
    );
    // No repository and no name of a user is needed to begin.
    let out = s.otto(&["new", "My notes"]).exits(0);
    assert_eq!(out.stderr, "next: change it, then git otto run my-notes.md\n");
    let written = std::fs::read_to_string(s.repo().join("my-notes.md")).unwrap();
    assert!(written.starts_with("# My notes\n"));
    let out = s.otto(&["new", "my-notes.md", "--kind", "api"]).exits(8);
    assert!(out.stderr.contains("my-notes.md is there already"), "{}", out.stderr);
    s.otto(&["new", "my-notes.md", "--dry-run"]).exits(8);
    assert_eq!(std::fs::read_to_string(s.repo().join("my-notes.md")).unwrap(), written);

    let s = Sandbox::new();
    for kind in ["webapp", "cli", "library", "api", "service"] {
        let out = s.otto(&["new", "-", "--kind", kind]).exits(0);
        assert!(out.stdout.starts_with("# repo\n") && out.stderr.is_empty());
        s.otto_with(&["compile", "--dry-run", "-"], &[], Some(out.stdout.as_bytes())).exits(0);
    }
    assert_eq!(s.git(&["status", "--porcelain"]), "");
    assert!(s.otto(&["new", "x", "--kind", "game"]).exits(2).stderr.contains("webapp, cli, library, api, service"));
}

#[test]
fn a_draft_is_edited_from_the_approval_screen() {
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    let editor = s.script("editor", "#!/bin/sh\nsed -i 's/^Keep one-line notes/Keep short notes/' \"$1\"\n");
    let vars = [("GIT_EDITOR", editor.to_str().unwrap()), ("TERM", "dumb")];
    let out = s.typed(&["run", "../jot.md"], &vars, "x\ne\ny\n").exits(0);
    assert!(out.stderr.contains("\"x\" is none of y, e and q"), "{}", out.stderr);
    assert_eq!(out.stderr.matches("approve? [y]es, [e]dit, [q]uit: ").count(), 3, "{}", out.stderr);
    assert!(out.stdout.contains("passed: 4 slices landed"), "{}", out.stdout);
    let log = s.otto(&["log", "jot"]).exits(0).stdout;
    let kinds: Vec<&str> = log.lines().filter_map(|l| l.split_once("} ")?.1.split(' ').next()).collect();
    assert_eq!(kinds, ["approve", "edit", "compile"]);
    assert!(s.otto(&["show", "jot"]).exits(0).stdout.contains("Keep short notes"));

    // What the editor leaves may be wrong, and giving up leaves the draft as it was.
    let broken = s.script("broken", "#!/bin/sh\nsed -i 's/^Kind: /Kinds: /' \"$1\"\n");
    s.write("two.md", EXAMPLE.replacen("# jot", "# two", 1));
    let vars = [("GIT_EDITOR", broken.to_str().unwrap()), ("TERM", "dumb")];
    s.otto(&["compile", "../two.md"]).exits(0);
    let out = s.typed(&["approve", "two"], &vars, "edit\nq\nq\n").exits(8);
    assert!(out.stderr.contains("nothing is lost; to go on: git otto edit two --file"), "{}", out.stderr);
    assert!(out.stderr.contains("Later: git otto run two"), "{}", out.stderr);
}
