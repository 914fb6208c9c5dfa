//! What passes alone and not together goes back to its agent, and lands mended or not at all.

use super::*;

/// Two slices that are built on the same base, of which `a` lands first: the agent of `a` waits for that of `b` to be
/// at work, and the first attempt at `b` ends after the landing of `a`.
pub(super) fn together(s: &Sandbox, b: &str, tail: &str, a_writes: &[Value], attempts: &[Value], head: &str) -> Run {
    let (at_b, landed) = (s.path("b-at-work"), s.path("a-landed"));
    let a = [&[json!({"wait_for": at_b}), right("a")], a_writes].concat();
    let mut script = serde_json::Map::new();
    for (i, steps) in attempts.iter().enumerate() {
        let mut steps = steps.as_array().unwrap().clone();
        if i == 0 {
            steps.splice(0..0, [json!({"touch": at_b}), json!({"wait_for": landed})]);
        }
        script.insert((i + 1).to_string(), steps.into());
    }
    let agent = agent(s, json!({"a": {"1": a}, "b": script}));
    let parts = [("a", &[][..], plain("a")), ("b", &[], b.to_owned())];
    s.write("intent.md", intent("Two", head, &parts, tail));
    let args = ["run", "--yes", "--json", "../intent.md", "--agent", &agent, "--jobs", "2"];
    let mut running = s.start(&args, &[]);
    let base = s.git(&["rev-parse", "main"]);
    let branch = s.path("repo/.git/refs/heads/otto/two");
    let has_landed = || std::fs::read_to_string(&branch).is_ok_and(|at| at.trim() != base);
    if running.wait_until(has_landed) {
        s.write("a-landed", "");
    }
    Run::read(running.wait())
}

/// Passes alone; together with `a` only if it was written with `a` in mind.
const COUNTS: &str = "Owns: `b.sh`.\n\nCheck: `sh b.sh` prints `ok`.";
fn alone(n: u32) -> Value {
    json!([write("b.sh", &format!("# {n}\ntest ! -e a.txt && echo ok\n"))])
}

#[test]
fn what_fails_only_when_merged_goes_back_with_the_reason_and_is_mended() {
    let s = sandbox();
    let kept = s.path("task");
    let mended = json!([{"keep_task": kept}, write("b.sh", "cat a.txt >&2; echo ok\n")]);
    let run = together(&s, COUNTS, "", &[], &[alone(1), mended], "").ends(0);
    let b = run.stands("b", "landed", 2);
    assert_eq!(b["repairs"], 1);
    assert_eq!(run.failures("b"), [Some("integration".into()), None]);
    assert_eq!(order(&landings(&s, "main", "otto/two")), ["a", "b"]);
    let task: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!((&task["role"], &task["failures"][0]["what"]), (&json!("repair"), &json!("b-1")), "{task:#}");
    // The mended candidate stands on what had landed.
    let landed = landings(&s, "main", "otto/two");
    assert_eq!(landed[1].1["base"], landed[0].0.as_str());
    assert_sound(&s);
}

#[test]
fn what_is_never_mended_uses_up_its_attempts() {
    let s = sandbox();
    let attempts = [alone(1), alone(2), alone(3), alone(4)];
    let run = together(&s, COUNTS, "", &[], &attempts, "").ends(4);
    // Given back once, it stands on what landed, and fails there by itself: a repair is no attempt.
    let b = run.blocked("b", "attempts", 4);
    assert_eq!(b["repairs"], 1);
    let failed: Vec<_> = run.failures("b").into_iter().flatten().collect();
    assert_eq!(failed, ["integration", "checks", "checks", "checks"]);
    assert_eq!(order(&landings(&s, "main", "otto/two")), ["a"]);
}

#[test]
fn a_check_over_slices_holds_before_the_last_of_them_lands() {
    let s = sandbox();
    let tail = "## Across `a` and `b`\n\nProves: `R1` and `R2`.\n\nCheck `both`: `cat a.txt b.txt | sort -u | grep -c .` prints `1`.";
    let b = "Owns: `b.txt`.\n\nCheck: `test -s b.txt` exits 0.";
    let attempts = [json!([write("b.txt", "b\n")]), json!([write("b.txt", "a\n")])];
    let run = together(&s, b, tail, &[], &attempts, "").ends(0);
    run.stands("b", "landed", 2);
    assert_eq!(run.failures("b"), [Some("integration".into()), None]);
    let landed = landings(&s, "main", "otto/two");
    let checks: Vec<_> = landed[1].1["checks"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap()).collect();
    assert_eq!(checks, ["b-1", "both"]);
    assert_eq!(landed[1].1["checks"][1]["base"], "assertion");
}

#[test]
fn a_failure_in_the_middle_of_three_stops_nobody_and_what_stood_on_it_is_tested_again() {
    let s = sandbox();
    s.git(&["config", "otto.queue.depth", "3"]);
    s.git(&["config", "otto.sandbox", "off"]);
    let [at_a, at_b, on_b, on_a] = ["a-in-queue", "b-in-queue", "c-on-b", "c-on-a"].map(|name| s.path(name));
    let wait = |path: &Path| format!("until test -e {}; do sleep 0.02; done", path.display());
    // Only a tree that is to land holds a copy of the spec.
    let in_queue = |steps: &str| format!("if test -e .otto/specs; then {steps}; fi\n");
    let a = in_queue(&format!("touch {}; {}", at_a.display(), wait(&on_a))) + "echo ok\n";
    let b = in_queue(&format!("touch {}; {}", at_b.display(), wait(&on_b))) + "test ! -e a.sh && echo ok\n";
    let which = format!("if test -e b.sh; then touch {}; else touch {}; fi", on_b.display(), on_a.display());
    let c = in_queue(&which) + "echo ok\n";
    let agent = agent(
        &s,
        json!({
            "a": {"1": [write("a.sh", &a)]},
            "b": {"1": [{"wait_for": at_a}, write("b.sh", &b)], "2": [write("b.sh", "echo ok\n")]},
            "c": {"1": [{"wait_for": at_b}, write("c.sh", &c)]},
        }),
    );
    let part = |id: &str| format!("Owns: `{id}.sh`.\n\nCheck: `sh {id}.sh` prints `ok`.");
    let parts = [("a", &[][..], part("a")), ("b", &[], part("b")), ("c", &[], part("c"))];
    let run = run(&s, &intent("Three", "", &parts, ""), &agent, &["--jobs", "3"]).ends(0);
    assert_eq!(run.stands("b", "landed", 2)["repairs"], 1);
    assert_eq!(run.failures("b"), [Some("integration".into()), None]);
    let landed = landings(&s, "main", "otto/three");
    assert_eq!(order(&landed), ["a", "c", "b"]);
    let merges =
        |id: &str| -> Vec<&Value> { run.told("slice.merge.started", id).into_iter().map(|e| &e["data"]).collect() };
    // `b` failed on the merge of `a` before that had landed, and that was no guess: it is not tested there again.
    assert_eq!(merges("b").len(), 2);
    assert_eq!((&merges("b")[0]["tip"], &merges("b")[1]["tip"]), (&json!(landed[0].0), &json!(landed[1].0)));
    // `c` passed on the merge of `b`, which did not land, and passed again on that of `a`.
    let c = merges("c");
    assert_eq!((c.len(), &c[0]["tip"], &c[1]["tip"]), (2, &merges("b")[0]["commit"], &json!(landed[0].0)));
    assert_eq!((&c[1]["round"], &c[1]["commit"]), (&json!(2), &json!(landed[1].0)));
    assert_eq!(s.git(&["for-each-ref", "refs/otto/pin"]), "", "what did not land is let go");
    assert_sound(&s);
}

#[test]
fn a_check_of_a_landed_slice_guards_its_paths() {
    let s = sandbox();
    let a = "Owns: `data/`.\n\nCheck: `cat data/a` prints `a`.";
    let b = "Owns: `data/`, `b.txt`.\n\nCheck: `cat b.txt` prints `b`.";
    let kept = s.path("task");
    let agent = agent(
        &s,
        json!({
            "a": {"1": [write("data/a", "a\n")]},
            "b": {"1": [right("b"), write("data/a", "broken\n")], "2": [{"keep_task": kept}, write("data/a", "a\n")]},
        }),
    );
    let parts = [("a", &[][..], a.to_owned()), ("b", &["a"], b.to_owned())];
    let run = run(&s, &intent("Two", "", &parts, ""), &agent, &[]).ends(0);
    assert_eq!(run.failures("b"), [Some("integration".into()), None]);
    let task: Value = serde_json::from_slice(&std::fs::read(kept).unwrap()).unwrap();
    assert_eq!(task["failures"][0]["what"], "a-1");
    assert_eq!(task["failures"][0]["stdout"], "broken\n");
    assert_eq!(order(&landings(&s, "main", "otto/two")), ["a", "b"]);
}

#[test]
fn what_goes_on_breaking_others_is_blocked_after_two_repairs() {
    let s = sandbox();
    let a = "Owns: `data/`.\n\nCheck: `cat data/a` prints `a`.";
    let b = "Owns: `data/`, `b.txt`.\n\nCheck: `cat b.txt` prints `b`.";
    let broken = |n: u32| json!([right("b"), write("data/a", &format!("broken {n}\n"))]);
    let agent = agent(
        &s,
        json!({
            "a": {"1": [write("data/a", "a\n")]},
            "b": {"1": broken(1), "2": broken(2), "3": broken(3)},
        }),
    );
    let parts = [("a", &[][..], a.to_owned()), ("b", &["a"], b.to_owned()), ("c", &["b"], plain("c"))];
    let run = run(&s, &intent("Three", "", &parts, ""), &agent, &[]).ends(5);
    let b = run.blocked("b", "merge", 3);
    assert_eq!(b["repairs"], 3, "given back twice to be mended, and once for good");
    run.blocked("c", "dep_blocked", 0);
    assert_eq!(order(&landings(&s, "main", "otto/three")), ["a"]);
    assert_eq!(s.git(&["show", "otto/three:data/a"]), "a");
    assert_eq!(s.git(&["for-each-ref", "refs/otto/pin"]), "", "what did not land is let go");
    assert_sound(&s);
}

const SHARES: &str = "Owns: `b.txt`.\n\nCheck: `cat b.txt` prints `b`.\n\nCheck: `grep b index.txt` prints `b`.";
fn shares(line: &str) -> Value {
    json!([right("b"), {"append": {"path": "index.txt", "content": line}}])
}

#[test]
fn lines_added_at_one_place_land_in_spec_order() {
    let s = sandbox();
    s.commit("Index", &[("index.txt", "first\n")]);
    let line = json!({"append": {"path": "index.txt", "content": "a\n"}});
    let run = together(&s, SHARES, "", &[line], &[shares("b\n")], "Shared: `index.txt`.").ends(0);
    assert_eq!(run.failures("b"), [None]);
    assert_eq!(s.git(&["show", "otto/two:index.txt"]), "first\na\nb");
    assert_eq!(order(&landings(&s, "main", "otto/two")), ["a", "b"]);
    assert_sound(&s);
}

#[test]
fn shared_files_only_grow() {
    let s = sandbox();
    s.commit("Index", &[("index.txt", "first\n")]);
    let attempts = [json!([right("b"), write("index.txt", "b\n")]), shares("b\n")];
    let run = together(&s, SHARES, "", &[], &attempts, "Shared: `index.txt`.").ends(0);
    assert_eq!(run.failures("b"), [Some("scope".into()), None]);
    assert_eq!(s.git(&["show", "otto/two:index.txt"]), "first\nb");
}

#[test]
fn slices_land_in_the_order_of_the_spec_whoever_is_faster() {
    let s = sandbox();
    // `a` is done only after `b` and `c` are: then all three wait, and go in order.
    let agent = agent(
        &s,
        json!({
            "a": {"1": [right("a")]}, "b": {"1": [right("b")]}, "c": {"1": [right("c")]}, "d": {"1": [right("d")]},
        }),
    );
    let parts =
        [("d", &["a", "b"][..], plain("d")), ("a", &[], plain("a")), ("b", &[], plain("b")), ("c", &["b"], plain("c"))];
    let run = run(&s, &intent("Four", "", &parts, ""), &agent, &["--jobs", "1"]).ends(0);
    assert_eq!(order(&landings(&s, "main", "otto/four")), ["a", "b", "d", "c"]);
    assert_eq!(run.packet["landings"].as_array().unwrap().len(), 4);
}
