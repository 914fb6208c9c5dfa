//! Slices that came to nothing and begin anew, with a word to whoever builds them.

use super::*;

fn wrong(text: &str) -> Value {
    json!([write("a.txt", text)])
}

#[test]
fn a_blocked_slice_begins_anew_in_a_finished_run_and_lands_with_what_waited_for_it() {
    let s = sandbox();
    let kept = s.path("task");
    let a = json!({"1": wrong("1\n"), "2": wrong("2\n"), "3": wrong("3\n"), "4": [{"keep_task": kept}, right("a")]});
    let agent = agent(&s, json!({"a": a, "b": {"*": [right("b")]}, "c": {"*": [right("c")]}}));
    let parts = [("a", &[][..], plain("a")), ("b", &["a"], plain("b")), ("c", &[], plain("c"))];
    let run = run(&s, &intent("Three", "", &parts, ""), &agent, &[]).ends(5);
    run.blocked("a", "attempts", 3);
    run.blocked("b", "dep_blocked", 0);
    refuses(&s, "repo", &["retry", "c"], 8, "what has landed stays", "git otto status three-");
    refuses(&s, "repo", &["retry", "d"], 2, "no run here has a slice `d`", "git otto status");
    let out = s.otto(&["retry", "a", "--dry-run"]).exits(0);
    assert!(out.stdout.starts_with("`a` would begin anew in three-"), "{out}");

    let run = Run::read(s.otto(&["retry", "a", "-m", "It is the letter a", "--json"])).ends(0);
    run.stands("a", "landed", 4);
    run.stands("b", "landed", 1);
    let task: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    assert_eq!((&task["hint"], &task["attempt"]), (&json!("It is the letter a"), &json!(4)));
    assert_eq!(starts(&s, "c"), 1, "what has landed stays");
    assert_eq!(run.packet["verdict"], "passed");
    assert_sound(&s);
}

#[test]
fn a_live_run_does_what_another_process_asks_for() {
    let s = sandbox();
    s.git(&["config", "otto.attempts", "1"]);
    let (at, go) = (s.path("at"), s.path("go"));
    let a = json!({"1": wrong("1\n"), "2": [right("a")]});
    let b = json!({"1": [right("b"), {"touch": at}, {"wait_for": go}]});
    let agent = agent(&s, json!({"a": a, "b": b}));
    s.write("intent.md", intent("Two", "", &[("a", &[], plain("a")), ("b", &[], plain("b"))], ""));
    let running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "2"], &[]);
    let mut running = await_marker(running, &at);
    let blocked = || s.otto(&["status"]).stdout.lines().any(|l| l.contains(" a ") && l.contains("blocked"));
    assert!(running.wait_until(blocked));
    refuses(&s, "repo", &["retry", "b"], 8, "an attempt at it is under way", "git otto status two-");
    let out = s.otto(&["retry", "a"]).exits(0);
    assert_eq!(out.stdout, "a: begins anew\n");
    s.write("go", "");
    let run = Run::read(running.wait()).ends(0);
    run.stands("a", "landed", 2);
    let applied = run.events.iter().filter(|e| e["kind"] == "control.applied").count();
    assert_eq!(applied, 1, "each request is done once");
    assert_sound(&s);
}
