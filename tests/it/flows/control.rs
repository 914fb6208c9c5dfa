//! People stop, hold and leave out slices and runs from another terminal, and are told once what came of it.

use rustix::process::Signal;

use super::*;
use crate::support::Running;

/// Three slices, of which `c` needs `a`. The agent of `a` writes a file, leaves a child behind and waits.
fn begin(s: &Sandbox) -> Running {
    let (at, go, child) = (s.path("at"), s.path("go"), s.path("child"));
    let own = format!("echo $$ >'{}'; exec sleep 600", child.display());
    let waits = [
        right("a"),
        json!({"spawn": ["sh", "-c", own]}),
        json!({"wait_for": child}),
        json!({"touch": at}),
        json!({"wait_for": go}),
    ];
    let agent =
        agent(s, json!({"a": {"1": waits, "2": [right("a")]}, "b": {"*": [right("b")]}, "c": {"*": [right("c")]}}));
    let parts = [("a", &[][..], plain("a")), ("b", &[], plain("b")), ("c", &["a"], plain("c"))];
    s.write("intent.md", intent("Three", "", &parts, ""));
    let args = ["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "2"];
    await_marker(s.start(&args, &[]), &at)
}

fn phase(s: &Sandbox, slice: &str) -> String {
    let status = s.otto(&["status", "--json"]).json();
    let found = status["slices"].as_array().unwrap().iter().find(|l| l["id"] == slice).cloned();
    found.unwrap()["phase"].as_str().unwrap().to_owned()
}

#[test]
fn a_cancelled_slice_stops_at_once_is_kept_and_the_rest_goes_on() {
    let s = sandbox();
    let mut running = begin(&s);
    assert!(running.wait_until(|| phase(&s, "b") == "landed"));
    refuses(&s, "repo", &["cancel", "b"], 8, "`b`: it has landed, and what has landed stays", "git otto status three-");
    refuses(&s, "repo", &["cancel", "x"], 2, "no run here has a slice `x`", "git otto status");
    let out = s.otto(&["cancel", "a", "--dry-run"]).exits(0);
    assert_eq!(out.stdout, "a: could be done\n");
    let out = s.otto(&["--json", "cancel", "a", "-m", "not now"]).exits(0).json();
    assert_eq!((&out["asked"][0]["result"], &out["asked"][0]["granted"]), (&json!("cancelled"), &json!(true)));
    assert_dead(&s, &s.path("child"));
    let run = Run::read(running.wait()).ends(5);
    let a = run.blocked("a", "skipped", 1);
    assert_eq!(a["blocked"]["detail"], "cancelled by Ann Author: not now", "{a:#}");
    run.blocked("c", "dep_blocked", 0);
    run.stands("b", "landed", 1);
    let kept = s.git(&["for-each-ref", "--format=%(refname)", "refs/otto/wip"]);
    assert!(kept.lines().any(|name| s.git(&["show", &format!("{name}:a.txt")]) == "a"), "{kept}");
    let why = s.otto(&["why", "a"]).exits(0).stdout;
    assert!(why.contains("cancelled by Ann Author: not now") && why.contains("git otto retry a"), "{why}");
    refuses(&s, "repo", &["skip", "c"], 8, "the run has come to its end", "git otto status three-");
    // Whoever thinks better of it has it begin anew.
    s.write("go", "");
    Run::read(s.otto(&["retry", "a", "--json"])).ends(0).stands("a", "landed", 2);
    assert_sound(&s);
}

#[test]
fn a_paused_run_ends_its_steps_and_goes_on_as_if_nothing_had_been() {
    let s = sandbox();
    let running = begin(&s);
    let id = s.otto(&["status", "--json"]).json()["run"].as_str().unwrap().to_owned();
    let said = s.otto(&["pause", "-m", "lunch"]).exits(0);
    assert!(said.stdout.starts_with(&format!("{id}: paused")), "{said}");
    assert!(said.stderr.contains(&format!("git otto resume {id}")), "{said}");
    // The run still ends its steps, and writes refs for that: only what is said is looked at.
    let refused = s.otto(&["pause"]).exits(8);
    assert!(refused.stderr.contains("it is already paused by Ann Author since "), "{refused}");
    // It goes on while its process still ends its step, and is paused once more.
    let out = s.otto(&["resume"]).exits(0);
    assert_eq!(out.stdout, format!("{id}: goes on\n"));
    s.otto(&["pause", &id, "-m", "lunch"]).exits(0);
    s.write("go", "");
    let out = running.wait().exits(130);
    assert!(out.stderr.contains("paused by Ann Author since "), "{out}");
    let status = s.otto(&["status", "--json"]).json();
    assert_eq!((&status["standing"], &status["owner"]), (&json!("paused"), &Value::Null), "{status:#}");
    assert_eq!(status["next"], format!("git otto resume {id}"));
    assert_eq!(phase(&s, "a"), "eligible", "its step is not broken off, and nothing new is begun");
    refuses(&s, "repo", &["pause"], 8, "already paused by Ann Author", "git otto status three-");
    let run = Run::read(s.otto(&["resume", "--json"])).ends(0);
    assert_eq!(run.stands("a", "landed", 1)["attempts"].as_array().unwrap().len(), 1);
    assert_sound(&s);
}

#[test]
fn slices_of_a_run_that_died_are_held_left_out_and_let_go_from_any_terminal() {
    let s = sandbox();
    let running = begin(&s);
    running.signal(Signal::KILL);
    running.wait();
    // Nobody lives who could answer: each asker becomes the owner for a moment, also at the same time.
    let ask = |args: &[&str]| s.start(args, &[]);
    let twice = [ask(&["pause", "c"]), ask(&["pause", "c"]), ask(&["skip", "b", "c"])];
    let codes: Vec<i32> = twice.into_iter().map(|one| one.wait().code).collect();
    let done = codes.iter().filter(|c| **c == 0).count();
    assert!(codes.iter().all(|c| [0, 8].contains(c)) && done >= 1, "{codes:?}");
    let events = s.otto(&["status", "--json"]).json();
    assert_eq!(events["problems"], json!([]), "{events:#}");
    s.write("go", "");
    if codes[2] != 0 {
        s.otto(&["skip", "b"]).exits(0);
    }
    let paused = phase(&s, "c") != "blocked";
    if paused {
        let out = s.otto(&["resume", "--json"]);
        assert_eq!(out.code, 130, "what is open is paused, and nothing else can go on: {out}");
        assert!(out.stderr.contains("git otto resume c --run three-"), "{out}");
        s.otto(&["resume", "c"]).exits(4);
        assert_eq!(
            (phase(&s, "a"), phase(&s, "b"), phase(&s, "c")),
            ("landed".into(), "blocked".into(), "landed".into())
        );
    }
    s.otto(&["verify", "--all"]).exits(0);
}

#[test]
fn a_cancelled_run_ends_honestly() {
    let s = sandbox();
    let mut running = begin(&s);
    assert!(running.wait_until(|| phase(&s, "b") == "landed"));
    refuses(&s, "repo", &["cancel"], 2, "not cancelled without its name", "git otto cancel ");
    s.otto(&["cancel", "three"]).exits(0);
    let run = Run::read(running.wait()).ends(5);
    run.blocked("a", "skipped", 1);
    run.blocked("c", "skipped", 0);
    run.stands("b", "landed", 1);
    assert_eq!(run.events.iter().filter(|e| e["kind"] == "control.applied").count(), 1);
    assert_eq!(s.git(&["for-each-ref", "refs/otto/lease", "refs/otto/pin"]), "");
    assert_sound(&s);
}
