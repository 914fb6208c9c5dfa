//! Amendments while a run is under way: what changed is built anew, everything else goes on, and nobody's work is lost.

use super::*;
use crate::support::Running;

/// A spec as JSON in a commit.
fn spec_at(s: &Sandbox, commit: &str) -> Value {
    serde_json::from_str(&s.git(&["show", &format!("{commit}:spec.json")])).unwrap()
}

fn slice<'v>(spec: &'v mut Value, id: &str) -> &'v mut Value {
    spec["slices"].as_array_mut().unwrap().iter_mut().find(|s| s["id"] == id).unwrap()
}

/// What a slice has to print from now on.
fn prints(spec: &mut Value, id: &str, text: &str) {
    slice(spec, id)["checks"][0]["stdout"] = json!(format!("{text}\n"));
}

/// An agent that writes what is wanted, says that it is at work, and goes on when told to.
fn waits(s: &Sandbox, id: &str, content: &str) -> Value {
    let (at, go) = (s.path(format!("at-{id}")), s.path(format!("go-{id}")));
    json!([write(&format!("{id}.txt"), content), {"touch": at}, {"wait_for": go}])
}

/// Starts a run of independent slices.
fn begin(s: &Sandbox, slices: &[&str], agent: &str) -> Running {
    let parts: Vec<Part> = slices.iter().map(|id| (*id, &[][..], plain(id))).collect();
    s.write("intent.md", intent("Few", "", &parts, ""));
    s.start(&["run", "--yes", "--json", "../intent.md", "--agent", agent, "--jobs", "2"], &[])
}

fn events<'r>(run: &'r Run, kind: &str) -> Vec<&'r Value> {
    run.events.iter().filter(|e| e["kind"] == kind).collect()
}

/// The copy on the target is the spec in force.
#[track_caller]
fn assert_current_copy(s: &Sandbox, version: &str) {
    let copy: Value = serde_json::from_str(&s.git(&["show", "otto/few:.otto/specs/few.json"])).unwrap();
    assert_eq!(copy, spec_at(s, version));
}

#[test]
fn an_agent_at_a_changed_slice_is_stopped_and_its_peer_goes_on() {
    let s = sandbox();
    let pid = s.path("pid");
    let own = format!("echo $$ > '{}'; exec sleep 600", pid.display());
    let first = json!([{"spawn": ["sh", "-c", own]}, {"wait_for": pid}, right("a"), {"touch": s.path("at-a")}, {"wait_for": s.path("never")}]);
    let agent = agent(
        &s,
        json!({
            "a": {"1": first, "2": [write("a.txt", "A\n"), {"touch": s.path("again")}]},
            "b": {"1": waits(&s, "b", "b\n")},
        }),
    );
    let running = begin(&s, &["a", "b"], &agent);
    let running = await_marker(await_marker(running, &s.path("at-a")), &s.path("at-b"));
    let version = s.amend("few", "Capitals are wanted", |spec| prints(spec, "a", "A"));
    let running = await_marker(running, &s.path("again"));
    assert_dead(&s, &pid);
    s.write("go-b", "");
    let run = Run::read(running.wait()).ends(0);

    assert_eq!((starts(&s, "a"), starts(&s, "b")), (2, 1));
    assert_eq!(events(&run, "run.amended").iter().map(|e| &e["data"]["spec"]).collect::<Vec<_>>(), [&json!(version)]);
    assert_eq!((run.told("slice.invalidated", "a").len(), run.told("slice.invalidated", "b").len()), (1, 0));
    let attempts = &run.stands("a", "landed", 1)["attempts"];
    assert_eq!(attempts[0]["n"], 2, "numbers go on");
    run.stands("b", "landed", 1);
    // What the stopped agent had written is kept for people, and is no part of what followed.
    let kept = s.git(&["log", "--format=%H", "--grep", "What attempt 1", &format!("refs/otto/wip/{}/a", run.run())]);
    assert_eq!(s.git(&["show", &format!("{}:a.txt", kept.lines().next().unwrap())]), "a");
    assert_eq!(s.git(&["show", "otto/few:a.txt"]), "A");
    assert_eq!(run.packet["spec"]["commit"], json!(version));
    let told = &run.packet["amendments"][0];
    assert_eq!((&told["commit"], &told["reason"]), (&json!(version), &json!("Capitals are wanted")));
    assert!(told["changes"][0].as_str().unwrap().starts_with("check `a-1` of slice `a`"), "{told:#}");
    assert!(run.markdown.contains("Capitals are wanted"), "{}", run.markdown);
    assert_current_copy(&s, &version);
    assert_sound(&s);
}

#[test]
fn what_landed_before_is_built_anew_on_top_and_what_did_not_change_stays() {
    let s = sandbox();
    let a = json!({"1": [right("a")], "2": [write("a.txt", "A\n")]});
    let agent = agent(&s, json!({"a": a, "b": {"1": [right("b")]}, "c": {"1": waits(&s, "c", "c\n")}}));
    let mut running = begin(&s, &["a", "b", "c"], &agent);
    let landed =
        || s.try_git("repo", &["rev-list", "--count", "--first-parent", "main..otto/few"]).stdout.trim() == "2";
    assert!(running.wait_until(landed));
    let running = await_marker(running, &s.path("at-c"));
    let version = s.amend("few", "Capitals", |spec| prints(spec, "a", "A"));
    let again = || starts(&s, "a") == 2;
    let mut running = running;
    assert!(running.wait_until(again));
    s.write("go-c", "");
    let run = Run::read(running.wait()).ends(0);
    let mut slices: Vec<_> = order(&landings(&s, "main", "otto/few")).into_iter().map(str::to_owned).collect();
    assert!(["a", "b"].contains(&&*slices[0]) && slices.len() == 4, "{slices:?}");
    slices.sort();
    assert_eq!(slices, ["a", "a", "b", "c"], "the same slice twice, once a generation");
    assert_eq!((starts(&s, "b"), starts(&s, "c")), (1, 1));
    assert_eq!(s.git(&["show", "otto/few:a.txt"]), "A");
    assert_eq!(run.told("slice.invalidated", "b").len() + run.told("slice.invalidated", "c").len(), 0);
    assert_current_copy(&s, &version);
    assert_sound(&s);
}

#[test]
fn what_no_slice_is_built_from_is_carried_by_the_next_landing() {
    let s = sandbox();
    let agent = agent(&s, json!({"a": {"1": [right("a")]}, "b": {"1": waits(&s, "b", "b\n")}}));
    let running = begin(&s, &["a", "b"], &agent);
    let running = await_marker(running, &s.path("at-b"));
    let version = s.amend("few", "A better name", |spec| spec["title"] = json!("Very few"));
    s.write("go-b", "");
    let run = Run::read(running.wait()).ends(0);
    assert_eq!((starts(&s, "a"), starts(&s, "b")), (1, 1));
    assert_eq!((events(&run, "run.amended").len(), events(&run, "slice.invalidated").len()), (1, 0));
    assert_current_copy(&s, &version);
    assert_sound(&s);
}

#[test]
fn a_slice_that_is_gone_is_stopped_and_one_that_is_new_is_built() {
    let s = sandbox();
    let b = waits(&s, "b", "b\n");
    let agent = agent(&s, json!({"a": {"1": waits(&s, "a", "a\n")}, "b": {"1": b}, "c": {"1": [right("c")]}}));
    let running = begin(&s, &["a", "b"], &agent);
    let running = await_marker(await_marker(running, &s.path("at-a")), &s.path("at-b"));
    s.amend("few", "c instead of b", |spec| {
        spec["slices"][1] = slice_c(spec["slices"][1].clone());
    });
    s.write("go-a", "");
    let run = Run::read(running.wait()).ends(0);
    assert_eq!(run.packet["slices"].as_array().unwrap().iter().map(|s| &s["id"]).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(run.told("slice.invalidated", "b").len(), 1);
    let kept = format!("refs/otto/wip/{}/b:b.txt", run.run());
    assert_eq!(s.git(&["show", &kept]), "b");
    let files = s.git(&["ls-tree", "-r", "--name-only", "otto/few"]);
    assert_eq!(files.lines().collect::<Vec<_>>(), [".otto/specs/few.json", "README.md", "a.txt", "c.txt"]);
    assert_sound(&s);
}

/// The slice `b` as one of the name `c`.
fn slice_c(mut b: Value) -> Value {
    b["id"] = json!("c");
    b["title"] = json!("C");
    b["owned_paths"] = json!(["c.txt"]);
    b["checks"][0]["id"] = json!("c-1");
    b["checks"][0]["shell"] = json!("cat c.txt");
    b["checks"][0]["stdout"] = json!("c\n");
    b
}

#[test]
fn an_amendment_that_cannot_run_stops_the_run_on_the_version_that_it_has() {
    let s = sandbox();
    let agent = agent(&s, json!({"a": {"*": waits(&s, "a", "a\n")}}));
    let running = begin(&s, &["a"], &agent);
    let running = await_marker(running, &s.path("at-a"));
    let before = s.git(&["rev-parse", "refs/otto/specs/few"]);
    let impossible = |spec: &mut Value| {
        spec["services"] = json!([{"id": "web", "command": ["./x"], "ready": {"tcp": true, "timeout_s": 5}}]);
        let steps = json!([{"do": "goto", "path": "/"}]);
        let look = json!({"id": "look", "kind": "browser_journey", "service": "web", "steps": steps});
        spec["slices"][0]["checks"].as_array_mut().unwrap().push(look);
    };
    let after = s.amend("few", "A journey", impossible);
    let out = running.wait().exits(8);
    let last =
        |out: &Output| serde_json::from_str::<Value>(out.stderr.lines().last().unwrap()).unwrap()["error"].clone();
    let error = last(&out);
    let words = format!("{} {}", error["message"], error["causes"]);
    assert!(words.contains(&after[..10]) && words.contains("check `look`"), "{out}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("git otto amend few") && hint.contains("git otto resume few-"), "{hint}");
    let again = s.otto(&["resume", "--json"]).exits(8);
    assert_eq!(last(&again)["message"], error["message"]);
    let status = s.otto(&["status", "--json"]).json();
    assert_eq!((&status["version"], &status["amended"]), (&json!(before), &json!(after)));

    let version = s.amend("few", "No journey after all", |spec| *spec = spec_at(&s, &before));
    s.write("go-a", "");
    let run = Run::read(s.otto(&["resume", "--json"])).ends(0);
    assert_eq!(run.packet["spec"]["commit"], json!(version));
    assert_eq!(events(&run, "slice.invalidated").len(), 0, "what was taken back changes nothing");
    assert_sound(&s);
}

#[test]
fn what_an_amendment_mends_is_tried_again_with_those_that_waited_for_it() {
    let s = sandbox();
    let wrong = |n: u32| json!([write("a.txt", &format!("{n}\n"))]);
    let a = json!({"1": wrong(1), "2": wrong(2), "3": wrong(3), "4": [write("a.txt", "A\n")]});
    let agent = agent(&s, json!({"a": a, "b": {"1": [right("b")]}, "c": {"1": waits(&s, "c", "c\n")}}));
    let parts = [("a", &[][..], plain("a")), ("b", &["a"], plain("b")), ("c", &[], plain("c"))];
    s.write("intent.md", intent("Few", "", &parts, ""));
    let mut running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent], &[]);
    let standing = |id: &str| {
        let status = s.otto(&["status", "--json"]).json();
        let all = status["slices"].as_array().cloned().unwrap_or_default();
        all.iter().find(|l| l["id"] == id).map(|l| l["phase"].clone()).unwrap_or_default()
    };
    assert!(running.wait_until(|| standing("b") == "blocked"));
    s.amend("few", "Capitals", |spec| prints(spec, "a", "A"));
    assert!(running.wait_until(|| standing("b") == "landed"));
    s.write("go-c", "");
    let run = Run::read(running.wait()).ends(0);
    assert_eq!(run.stands("a", "landed", 1)["attempts"][0]["n"], 4);
    assert_eq!((starts(&s, "b"), run.told("slice.invalidated", "b").len()), (1, 0));
    assert_sound(&s);
}

#[test]
fn after_its_end_a_run_is_followed_by_one_that_builds_what_changed() {
    let s = sandbox();
    let a = json!({"1": [right("a")]});
    let agent =
        agent(&s, json!({"a": a, "b": {"*": [right("b")]}, "c": {"*": [right("c")]}, "d": {"*": [right("d")]}}));
    let first = Run::read(begin(&s, &["a", "b", "c", "d"], &agent).wait()).ends(0);
    std::fs::remove_file(s.path("agent.log")).unwrap();
    let agent = self::agent(&s, json!({"b": {"1": [write("b.txt", "B\n")]}}));
    s.amend("few", "Capitals", |spec| {
        spec["requirements"][1]["text"] = json!("The part b is there, in capitals.");
        prints(spec, "b", "B");
    });
    let status = s.otto(&["status"]).exits(0).stdout;
    assert!(status.contains("spec: amended to ") && status.contains("next: git otto run few"), "{status}");
    let out = s.otto(&["run", "--yes", "few", "--agent", &agent]).exits(0);
    assert!(out.stderr.contains("R2, check `b-1` changed: building 1 of 4 slices"), "{out}");
    let again = Run::read(s.otto(&["run", "--yes", "--json", "few"])).ends(0);
    assert_ne!(again.run(), first.run());
    again.stands("b", "landed", 1);
    for id in ["a", "c", "d"] {
        again.stands(id, "redundant", 0);
    }
    assert_eq!(std::fs::read_to_string(s.path("agent.log")).unwrap().lines().count(), 1);
    assert_sound(&s);
}
