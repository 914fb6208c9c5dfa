//! A requirement is taken back, and the code that was there for it goes.

use serde_json::json;

use super::*;

/// An agent that does these steps for each slice.
fn agent(s: &Sandbox, slices: Value) -> String {
    let script = s.write("script.json", json!({"log": s.path("agent.log"), "slices": slices}).to_string());
    format!("command:{} {}", env!("CARGO_BIN_EXE_git-otto-fake-agent"), script.display())
}

#[test]
fn what_was_built_for_it_is_removed_by_the_next_run() {
    let s = Sandbox::new();
    s.git(&["config", "--global", "otto.fsync", "false"]);
    s.write("intent.md", INTENT);
    let write = |path: &str, text: &str| json!({"write": {"path": path, "content": text}});
    let slices = json!({
        "one": {"1": [write("one.txt", "one\n")]},
        "two": {"1": [write("two.txt", "two\n")]},
        "remove-r2": {"1": [json!({"delete": "two.txt"})]},
    });
    let agent = agent(&s, slices);
    s.otto(&["run", "--yes", "../intent.md", "--agent", &agent]).exits(0);
    assert_eq!(s.git(&["show", "otto/words:two.txt"]), "two");
    let out = s.otto(&["amend", "words", "--retire", "R2", "-m", "One is enough."]).exits(0);
    assert!(out.stdout.contains("requirement R2 is gone\n  - The second is there.\n"), "{out}");
    assert!(out.stdout.contains("slice `remove-r2` is new\n  + Remove what R2 asked for\n"), "{out}");
    assert!(out.stdout.contains("retired: spec words at ") && out.stdout.ends_with(", tier 2\n"), "{out}");
    assert!(
        out.stderr.starts_with("the next run takes up `remove-r2`; 1 slice stays as it is; `two` is gone\n"),
        "{out}"
    );
    let record = newest(&s);
    assert_eq!((&record["kind"], &record["tier"]), (&"retire".into(), &2.into()));
    let removal = &spec(&s)["slices"][1];
    assert_eq!(removal["checks"][0]["id"], "remove-r2-files");
    assert_eq!(removal["checks"][1]["id"], "two-1-gone");
    // The approval of the spec holds for what was amended: the next run asks nobody.
    s.otto(&["run", "words", "--agent", &agent]).exits(0);
    assert_eq!(s.git(&["ls-tree", "-r", "--name-only", "otto/words"]), ".otto/specs/words.json\nREADME.md\none.txt");
    let log = std::fs::read_to_string(s.path("agent.log")).unwrap();
    assert_eq!(log.lines().filter(|l| l.starts_with("one ")).count(), 1, "what stays is not built again: {log}");
    assert_eq!(log.lines().filter(|l| l.starts_with("remove-r2 ")).count(), 1, "{log}");
    s.otto(&["verify", "--all"]).exits(0);
}
