//! Finished work: archived, and removed with everything that was kept of it.

use super::*;

/// A run of one slice that has come to its end.
fn finished(s: &Sandbox) -> Run {
    let agent = agent(s, json!({"a": {"*": [right("a")]}}));
    run(s, &intent("One", "", &[("a", &[], plain("a"))], ""), &agent, &[]).ends(0)
}

/// Refs of ours, each with its value.
fn ours(s: &Sandbox) -> Vec<String> {
    let all = s.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/otto", "refs/notes/otto"]);
    all.lines().map(str::to_owned).collect()
}

#[test]
fn a_finished_spec_is_closed_once_and_changes_no_more() {
    let s = sandbox();
    finished(&s);
    let before = ours(&s);
    let plan = s.otto(&["close", "one", "--dry-run"]).exits(0);
    assert!(plan.stdout.contains("would be closed: spec one"), "{plan}");
    assert_eq!(ours(&s), before);
    let out = s.otto(&["close", "one", "-m", "Shipped"]).exits(0);
    assert!(out.stdout.starts_with("closed: spec one at "), "{out}");
    assert!(out.stderr.contains("left: the branch otto/one") && out.stderr.contains("git otto discard one"), "{out}");
    let log = s.otto(&["log", "one", "--json"]).json();
    assert_eq!((&log["phase"], &log["records"][0]["kind"]), (&json!("closed"), &json!("close")));
    assert_eq!(log["records"][0]["reason"], "Shipped");
    let closed = ours(&s);
    let again = s.otto(&["close", "one", "--json"]).exits(0).json();
    assert_eq!((&again["schema"], &again["new"]), (&json!("otto.close/1"), &json!(false)));
    assert_eq!(again["left"]["branch"], "refs/heads/otto/one");
    assert_eq!(ours(&s), closed);
    // The copy in the checkout goes when that is said, but not with what somebody wrote into it.
    s.git(&["merge", "-q", "otto/one"]);
    let copy = s.path("repo/.otto/specs/one.json");
    let out = s.otto(&["close", "one"]).exits(0);
    assert!(out.stderr.contains("git otto close one --write") && copy.exists(), "{out}");
    let bytes = std::fs::read_to_string(&copy).unwrap();
    s.write("repo/.otto/specs/one.json", bytes.replace("Some files", "Other files"));
    let out = s.otto(&["close", "one", "--write"]).exits(0);
    assert!(out.stderr.contains("holds edits") && copy.exists(), "{out}");
    s.write("repo/.otto/specs/one.json", bytes);
    let out = s.otto(&["close", "one", "--write", "--json"]).exits(0);
    assert_eq!(out.json()["left"]["working_copy"], "removed");
    assert!(!copy.exists() && s.path("repo/a.txt").exists());
    s.git(&["commit", "-qam", "Archive"]);
    refuses(&s, "repo", &["run", "one"], 8, "the spec one is closed", "--id");
    refuses(&s, "repo", &["close", "two"], 2, "there is no spec two here", "git otto status");
    assert_sound(&s);
}

#[test]
fn what_is_unfinished_or_a_draft_is_not_closed() {
    let s = sandbox();
    let agent = agent(&s, json!({"a": {"1": [right("a"), {"touch": s.path("at")}, {"wait_for": s.path("go")}]}}));
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    s.otto(&["compile", "../intent.md"]).exits(0);
    refuses(&s, "repo", &["close", "one"], 8, "is a draft", "git otto discard one");
    let running = s.start(&["run", "--yes", "--json", "one", "--agent", &agent], &[]);
    let running = await_marker(running, &s.path("at"));
    let run = s.git(&["for-each-ref", "--format=%(refname:lstrip=3)", "refs/otto/runs"]);
    for args in [&["close", "one"][..], &["discard", "one", "--yes"], &["discard", &run, "--yes"]] {
        refuses(&s, "repo", args, 6, "one", "");
    }
    running.kill();
    refuses(&s, "repo", &["close", "one"], 8, "1 run is unfinished", &format!("git otto discard {run}"));
    refuses(&s, "repo", &["discard", "one", "--yes"], 8, "is approved, and not closed", "git otto close one");
    s.otto(&["discard", &run, "--yes"]).exits(0);
    let kept = ours(&s);
    assert!(kept.len() == 1 && kept[0].starts_with("refs/otto/specs/one "), "{kept:?}");
    s.otto(&["close", "one"]).exits(0);
    s.otto(&["discard", "one", "--yes"]).exits(0);
    assert_eq!(ours(&s), Vec::<String>::new());
}

#[test]
fn what_is_discarded_is_listed_first_and_can_be_had_back() {
    let s = sandbox();
    let run = finished(&s).run().to_owned();
    let other = s.otto(&["status"]).exits(0).stdout;
    let (before, branch) = (ours(&s), s.git(&["rev-parse", "otto/one"]));
    let of_run: Vec<&String> = before.iter().filter(|r| r.contains(&run)).collect();
    assert!(of_run.len() >= 5, "{before:?}");

    let listed = s.otto(&["discard", &run, "--dry-run"]).exits(0).stdout;
    for one in &of_run {
        let (name, id) = one.split_once(' ').unwrap();
        assert!(listed.contains(&format!("{id} {name}\n")), "{one} is not in {listed}");
    }
    assert!(!listed.contains("refs/heads") && !listed.contains("refs/otto/specs"), "{listed}");
    refuses(&s, "repo", &["discard", &run], 8, "nothing of", "--yes");
    assert_eq!(ours(&s), before);

    let gone = s.otto(&["discard", &run, "--yes", "--json"]).exits(0).json();
    assert_eq!((&gone["schema"], &gone["removed"]), (&json!("otto.discard/1"), &json!(true)));
    assert_eq!(gone["refs"].as_array().unwrap().len(), of_run.len());
    assert_eq!(ours(&s).len(), 1, "the spec stays");
    assert_eq!(s.git(&["rev-parse", "otto/one"]), branch, "the product stays");
    assert_eq!(s.otto(&["status", "--json"]).json()["standing"], "no_run");
    refuses(&s, "repo", &["discard", &run, "--yes"], 2, "there is nothing of", "git otto status");

    let restore = gone["restore"].as_str().unwrap();
    s.spawn(s.command("sh", "repo").args(["-c", restore]), None).wait().exits(0);
    assert_eq!(ours(&s), before);
    assert_eq!(s.otto(&["status"]).exits(0).stdout, other);
    assert_sound(&s);
}
