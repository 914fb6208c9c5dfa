//! People see the queue of a run from another terminal, change its order, and take out of it what is under test.

use super::*;
use crate::support::Running;

/// What `git otto queue` answers, which is as its schema says.
#[track_caller]
fn queue(s: &Sandbox, more: &[&str]) -> Value {
    let answer = s.otto(&[&["--json", "queue"], more].concat()).exits(0).json();
    let schema: Value = serde_json::from_str(include_str!("../../../schemas/answers.json")).unwrap();
    assert_valid(&schema["$defs"]["queue"].to_string(), &answer);
    answer
}

/// The slices in the order in which they come.
fn in_order(answer: &Value) -> Vec<&str> {
    answer["turns"].as_array().unwrap().iter().map(|t| t["slice"].as_str().unwrap()).collect()
}

/// What keeps a slice, in words of the format.
fn keeps<'a>(answer: &'a Value, slice: &str) -> Vec<&'a str> {
    let turn = answer["turns"].as_array().unwrap().iter().find(|t| t["slice"] == slice).unwrap();
    turn["because"].as_array().unwrap().iter().map(|b| b["because"].as_str().unwrap()).collect()
}

/// Four slices, one at a time, of which `d` needs `a`; the first agent waits.
fn begin(s: &Sandbox) -> Running {
    let [at, go] = ["at", "go"].map(|name| s.path(name));
    let waits = json!([{"touch": at}, {"wait_for": go}, right("a")]);
    let other = |id: &str| json!({"*": [right(id)]});
    let agent = agent(s, json!({"a": {"*": waits}, "b": other("b"), "c": other("c"), "d": other("d")}));
    let parts = [("a", &[][..], plain("a")), ("b", &[], plain("b")), ("c", &[], plain("c")), ("d", &["a"], plain("d"))];
    s.write("intent.md", intent("Four", "", &parts, ""));
    let args = ["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "1"];
    await_marker(s.start(&args, &[]), &at)
}

#[test]
fn a_run_at_work_shows_its_queue_and_takes_another_order_from_other_terminals() {
    let s = sandbox();
    let running = begin(&s);
    let before = queue(&s, &[]);
    assert_eq!((in_order(&before), &before["standing"]), (vec!["a", "b", "c", "d"], &json!("at_work")));
    let kept = ["a", "b", "d"].map(|slice| keeps(&before, slice));
    assert_eq!(kept, [vec!["at_work"], vec!["no_place"], vec!["needs"]]);
    refuses(&s, "repo", &["queue", "--first", "x"], 2, "no run here has a slice `x`", "git otto status");
    s.otto(&["queue", "-m", "why"]).exits(2);
    let tried = s.otto(&["queue", "--first", "c", "-n"]).exits(0).stdout;
    assert!(tried.starts_with("c: could be done\n"), "{tried}");
    assert_eq!(in_order(&queue(&s, &[])), ["a", "b", "c", "d"], "nothing was done");
    // Two terminals at once: both are heard, one after the other.
    let asks = [["queue", "--first", "c", "b"], ["queue", "--first", "d", "c"]].map(|args| s.start(&args, &[]));
    let said = asks.map(|one| one.wait().exits(0).stdout);
    assert!(said[0].starts_with("c: comes first\nb: comes first\n"), "{}", said[0]);
    assert!(said[1].starts_with("d: comes first once `a` has landed\nc: comes first\n"), "{}", said[1]);
    let after = queue(&s, &[]);
    let order = in_order(&after);
    assert!([["a", "c", "b", "d"], ["a", "d", "c", "b"]].map(Vec::from).contains(&order), "{after:#}");
    let asked = queue(&s, &["four", "--first", "c", "b", "-m", "a demonstration"]);
    assert_eq!(in_order(&asked), ["a", "c", "b", "d"], "as asked for last, under the agent that is at work");
    assert_eq!(asked["asked"].as_array().unwrap().len(), 2);
    s.write("go", "");
    let run = Run::read(running.wait()).ends(0);
    assert_eq!(order_of(&s), ["a", "c", "b", "d"]);
    assert_eq!(run.events.iter().filter(|e| e["kind"] == "control.applied").count(), 6);
    refuses(&s, "repo", &["queue", "--first", "a"], 8, "the run has come to its end", "git otto status");
    let out = s.otto(&["queue"]).exits(0).stdout;
    assert_eq!(out, format!("{}: 4 slices landed on otto/four, nothing is left to land\n", run.run()));
    assert_sound(&s);
}

fn order_of(s: &Sandbox) -> Vec<String> {
    order(&landings(s, "main", "otto/four")).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_run_that_nobody_runs_takes_another_order_and_keeps_it_when_it_goes_on() {
    let s = sandbox();
    let running = begin(&s);
    running.kill();
    let dead = queue(&s, &[]);
    assert_eq!((keeps(&dead, "a"), &dead["standing"]), (vec!["broken_off"], &json!("interrupted")));
    let said = s.otto(&["queue"]).exits(0).stdout;
    assert!(said.contains("begins anew: whoever ran it is gone") && said.contains("nobody works on the run"), "{said}");
    // Whoever asks is the owner for that moment, also where several do.
    let asks = [["queue", "--first", "c"], ["queue", "--first", "b"]].map(|args| s.start(&args, &[]));
    asks.into_iter().for_each(|one| drop(one.wait().exits(0)));
    s.otto(&["queue", "--first", "c", "b"]).exits(0);
    s.write("go", "");
    Run::read(s.otto(&["resume", "--json"])).ends(0);
    assert_eq!(order_of(&s), ["c", "b", "a", "d"]);
    assert_sound(&s);
}

/// Three slices whose candidates are under test on each other: `a` until a file `go` is there, `b` with a child that never
/// ends, and `c`, which passes.
fn under_test(s: &Sandbox) -> Running {
    s.git(&["config", "otto.queue.depth", "3"]);
    let [at_a, at_b, on_b, go] = ["a-in-queue", "b-in-queue", "c-on-b", "go"].map(|name| s.path(name));
    // Only a tree that is to land holds a copy of the spec.
    let in_queue = |steps: String| format!("if test -e .otto/specs; then {steps}; fi\necho ok\n");
    let wait = |path: &Path| format!("until test -e {}; do sleep 0.02; done", path.display());
    let a = in_queue(format!("touch {}; {}", at_a.display(), wait(&go)));
    let child = s.path("child").display().to_string();
    let b = in_queue(format!(
        "test -e {0} || {{ sleep 600 & echo $! >{child}; echo $$ >{child}-of; touch {0}; wait; }}",
        at_b.display()
    ));
    let c = in_queue(format!("if test -e b.sh; then touch {}; fi", on_b.display()));
    let agent = agent(
        s,
        json!({
            "a": {"1": [write("a.sh", &a)]},
            "b": {"1": [{"wait_for": at_a}, write("b.sh", &b)]},
            "c": {"1": [{"wait_for": at_b}, write("c.sh", &c)]},
        }),
    );
    let part = |id: &str| format!("Owns: `{id}.sh`.\n\nCheck: `sh {id}.sh` prints `ok`.");
    let parts = [("a", &[][..], part("a")), ("b", &[], part("b")), ("c", &[], part("c"))];
    s.write("intent.md", intent("Three", "", &parts, ""));
    let args = ["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "3"];
    let running = await_marker(s.start(&args, &[]), &on_b);
    let seen = queue(s, &[]);
    assert_eq!(in_order(&seen), ["a", "b", "c"]);
    let after = |n: usize| &seen["turns"][n]["because"][0]["after"];
    assert_eq!([after(0), after(1), after(2)], [&json!([]), &json!(["a"]), &json!(["a", "b"])], "{seen:#}");
    running
}

/// After `b` was taken out: its processes are gone, and `c` is tested again on what was before it, and lands.
fn goes_round(s: &Sandbox, mut running: Running) -> Output {
    assert_dead(s, &s.path("child"));
    assert_dead(s, &s.path("child-of"));
    let on_a = || {
        let now = queue(s, &[]);
        let c = now["turns"].as_array().unwrap().iter().find(|t| t["slice"] == "c").cloned();
        c.is_some_and(|c| c["because"][0]["after"] == json!(["a"]))
    };
    assert!(running.wait_until(on_a), "c is tested again on the merge of a: {}", running.wait());
    s.write("go", "");
    running.wait()
}

#[test]
fn a_slice_that_is_cancelled_under_test_stops_at_once_and_those_behind_it_land() {
    let s = sandbox();
    let running = under_test(&s);
    s.otto(&["cancel", "b"]).exits(0);
    let run = Run::read(goes_round(&s, running)).ends(4);
    run.blocked("b", "skipped", 1);
    let landed = landings(&s, "main", "otto/three");
    assert_eq!(order(&landed), ["a", "c"]);
    assert_eq!(run.told("slice.merge.started", "c").len(), 2);
    assert_eq!(s.git(&["for-each-ref", "refs/otto/pin"]), "", "what did not land is let go");
    assert_sound(&s);
}

#[test]
fn a_slice_that_is_paused_under_test_is_taken_out_and_tested_anew_once_it_goes_on() {
    let s = sandbox();
    let running = under_test(&s);
    let said = s.otto(&["pause", "b", "-m", "not yet"]).exits(0).stdout;
    assert_eq!(said, "b: paused\n");
    let out = goes_round(&s, running).exits(130);
    assert!(out.stderr.contains("`b` is paused, and nothing else can go on"), "{out}");
    let left = queue(&s, &[]);
    assert_eq!((in_order(&left), keeps(&left, "b")), (vec!["b"], vec!["paused", "queued"]));
    let run = Run::read(s.otto(&["resume", "b", "--json"])).ends(0);
    run.stands("b", "landed", 1);
    assert_eq!(order(&landings(&s, "main", "otto/three")), ["a", "c", "b"]);
    assert_sound(&s);
}
