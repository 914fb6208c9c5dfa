//! `import`: specifications of other tools, and specs of other repositories.

use std::path::Path;

use crate::support::{EXAMPLE, Sandbox};

/// A folder of the fixtures, copied into the sandbox.
fn fixture(s: &Sandbox, folder: &str, to: &str) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(folder);
    let status = s.command("cp", ".").arg("-R").arg(from).arg(s.path(to)).status().unwrap();
    assert!(status.success());
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn a_feature_whose_scenarios_all_run_is_imported_approved_and_shown() {
    let s = Sandbox::new();
    fixture(&s, "spec-kit/specs", "repo/specs");
    let feature = ["import", "--from", "spec-kit", "specs/002-greeter"];
    let dry = s.otto(&[&feature[..], &["--dry-run"]].concat()).exits(0);
    assert!(
        dry.stdout.starts_with("{\n  \"schema\": \"otto.spec/1\"") && s.git(&["for-each-ref", "refs/otto"]).is_empty()
    );
    let told = s.otto(&feature).exits(0);
    assert!(told.stdout.starts_with("imported: spec greeter at "), "{told:?}");
    assert!(told.stdout.ends_with("2 requirements, 1 slice, 2 checks, 0 of them not written yet\n"), "{told:?}");
    assert!(
        told.stderr.contains("guessed: the kind `cli`") && told.stderr.ends_with("next: git otto approve greeter\n")
    );
    assert!(s.otto(&feature).exits(0).stdout.starts_with("unchanged: "));
    s.otto(&["approve", "greeter", "--yes"]).exits(0);
    let shown = s.otto(&["show", "greeter"]).exits(0).stdout;
    assert!(shown.contains("Check: `./greet Ann` prints `Hello, Ann.`."), "{shown}");
    let record = json(&s.otto(&["show", "greeter@{1}", "--json"]).exits(0).stdout)["record"].clone();
    assert_eq!(
        (&record["kind"], &record["reason"]),
        (&"compile".into(), &"Imported from spec-kit: specs/002-greeter.".into())
    );
    assert!(record["actor"].as_str().unwrap().starts_with("user:"), "{record}");
    // What was approved is changed by amendments only.
    s.write("repo/specs/002-greeter/tasks.md", "- [ ] T001 [US1] Write `./greet` and `./welcome`\n");
    let refused = s.otto(&feature).exits(8);
    assert!(refused.stderr.contains("git otto amend greeter"), "{refused:?}");
    s.otto(&[&feature[..], &["--id", "greeter-2"]].concat()).exits(0);
}

#[test]
fn what_nothing_proves_is_shown_and_cannot_be_approved() {
    let s = Sandbox::new();
    fixture(&s, "spec-kit/specs", "repo/specs");
    let answer = s.otto(&["import", "--from", "spec-kit", "specs/001-reading-list", "--json"]).exits(0).stdout;
    let answer = json(&answer);
    assert_eq!((&answer["schema"], &answer["spec"]), (&"otto.import/1".into(), &"reading-list".into()));
    let unproven = answer["unproven"].as_array().unwrap();
    assert!(unproven.iter().any(|u| u["proves"] == serde_json::json!(["FR-001"])), "{answer}");
    let lost = answer["not_carried"].as_array().unwrap();
    assert!(
        lost.iter()
            .all(|l| ["what", "at", "why", "advice"].iter().all(|key| l[key].as_str().is_some_and(|t| !t.is_empty())))
    );
    let empty = lost.iter().find(|l| l["what"] == "What happens when a title is empty?").unwrap();
    assert_eq!(empty["at"], "specs/001-reading-list/spec.md:53");
    let refused = s.otto(&["approve", "reading-list", "--yes"]).exits(8);
    assert!(refused.stderr.contains("new    FR-001: Not written yet, can only fail: "), "{refused:?}");
    assert!(refused.stderr.contains("FR-001: not proven: a check of it is not written yet"), "{refused:?}");
    assert!(refused.stderr.contains("check `us1-1` is not written yet: The tool MUST keep each title"), "{refused:?}");
    assert!(
        refused.stderr.ends_with("hint: git otto edit reading-list    (write them, or take them out)\n"),
        "{refused:?}"
    );
}

#[test]
fn a_person_writes_the_checks_and_then_it_can_be_approved() {
    let s = Sandbox::new();
    fixture(&s, "spec-kit/specs", "repo/specs");
    s.otto(&["import", "--from", "spec-kit", "specs/001-reading-list"]).exits(0);
    let shown = s.otto(&["show", "reading-list"]).exits(0).stdout;
    let written: String = shown
        .lines()
        .map(|line| match line.starts_with("Invariant: `false`: ") {
            true => "Check: `./books list` exits 0.\n".to_owned(),
            false => format!("{line}\n"),
        })
        .collect();
    assert_eq!(written.matches("Check: `./books list` exits 0.").count(), 9, "{shown}");
    s.write("written.md", written);
    s.otto(&["edit", "reading-list", "--file", "../written.md"]).exits(0);
    s.otto(&["approve", "reading-list", "--yes"]).exits(0);
}

#[test]
fn capabilities_and_changes_of_openspec() {
    let s = Sandbox::new();
    fixture(&s, "openspec/openspec", "repo/openspec");
    let import = |path: &str| s.otto(&["import", "--from", "openspec", path, "--json"]).exits(0).stdout;
    for (path, spec, slices) in [
        ("openspec/changes/add-digest", "add-digest", 2),
        ("openspec/specs/feed-reader", "feed-reader", 1),
        ("openspec/specs/settings/theme/spec.md", "theme", 1),
        (".", "repo", 2),
    ] {
        assert_eq!(json(&import(path))["spec"], spec, "{path}");
        let shown = json(&s.otto(&["show", spec, "--json"]).exits(0).stdout);
        let spec = json(shown["spec_json"].as_str().unwrap());
        assert_eq!(spec["slices"].as_array().unwrap().len(), slices, "{path}");
    }
}

#[test]
fn what_cannot_be_imported_says_what_to_type() {
    let s = Sandbox::new();
    fixture(&s, "spec-kit/specs", "repo/specs");
    let import = |from: &str, path: &str, more: &[&str]| s.otto(&[&["import", "--from", from, path], more].concat());
    let two = import("spec-kit", ".", &[]).exits(2);
    assert!(two.stderr.contains("git otto import --from spec-kit ./specs/002-greeter"), "{two:?}");
    import("spec-kit", "nowhere", &[]).exits(2);
    import("openspec", "specs/002-greeter/tasks.md", &[]).exits(3);
    import("word", ".", &[]).exits(2);
    import("otto-json", "specs", &[]).exits(2);
    import("otto-json", "README.md", &[]).exits(3);
    import("spec-kit", "specs/002-greeter", &["--trials", "2"]).exits(2);
    import("spec-kit", "specs/002-greeter", &["--id", "No Id"]).exits(2);
    // A link would carry a file of this machine into a spec that others get.
    s.write("secret.md", "## Requirements\n\n- **FR-009**: secret\n");
    std::os::unix::fs::symlink(s.path("secret.md"), s.path("repo/specs/002-greeter/plan.md")).unwrap();
    s.write("repo/specs/002-greeter/research.md", "\u{0}\n");
    import("spec-kit", "specs/002-greeter", &[]).exits(3);
    s.write("repo/specs/002-greeter/research.md", "Nothing.\n");
    let plain = import("spec-kit", "specs/002-greeter", &["--dry-run"]).exits(0);
    assert!(!plain.stdout.contains("FR-009"), "{plain:?}");
    assert!(s.git(&["for-each-ref", "refs/otto"]).is_empty());
}

#[test]
fn a_spec_of_another_repository_keeps_its_digest() {
    let s = Sandbox::new();
    s.write("repo/jot.md", EXAMPLE);
    s.otto(&["compile", "jot.md"]).exits(0);
    let shown = s.otto(&["show", "--json"]).exits(0).stdout;
    let digest = json(&shown)["digest"].clone();
    // Its files lie beside it, as its commit has them.
    s.git(&["archive", "--output=../jot.tar", "refs/otto/specs/jot"]);
    s.write("other/jot/shown.json", &shown);
    s.git_in("other", &["init", "-q"]);
    let untar = s.command("tar", "other/jot").args(["-xf", "../../jot.tar"]).status().unwrap();
    assert!(untar.success());
    for path in ["jot", "jot/spec.json", "jot/shown.json"] {
        let told = s.otto_in("other", &["import", "--from", "otto-json", path, "--json"]).exits(0);
        assert_eq!(json(&told.stdout)["digest"], digest, "{path}");
    }
    let there = json(&s.otto_in("other", &["show", "jot", "--json"]).exits(0).stdout);
    assert_eq!((&there["digest"], &there["spec_json"]), (&digest, &json(&shown)["spec_json"]));
    assert_eq!(s.otto_in("other", &["log", "jot", "--json"]).exits(0).stdout.matches("\"kind\"").count(), 1);
    let renamed = s.otto_in("other", &["import", "--from", "otto-json", "jot", "--id", "notes"]).exits(0);
    assert!(renamed.stderr.contains("the id `notes`, as you said"), "{renamed:?}");
    s.otto_in("other", &["verify", "--all"]).exits(0);
    std::fs::remove_dir_all(s.path("other/jot/files")).unwrap();
    s.otto_in("other", &["import", "--from", "otto-json", "jot"]).exits(3);
}
