//! Slices that need a contract of another slice changed: set aside until its owner has done it, and landed by merging alone.

use super::*;

/// The step that asks for a change of `api.txt`.
fn asks(reason: &str) -> Value {
    write(".otto-request.json", &json!({"kind": "contract", "path": "api.txt", "reason": reason}).to_string())
}

fn more(text: &str) -> Value {
    json!({"append": {"path": "api.txt", "content": text}})
}

/// `api` owns `api.txt`, a contract of that mode; every other slice is built on it and needs a line of its name there.
fn scene(mode: &str, others: &[&str]) -> String {
    let head = format!("Contract `api.txt`, owned by `api`, {mode}, exports `one`.");
    let api = "Owns: `api.txt`.\n\nCheck: `head -n 1 api.txt` prints `one`.".to_owned();
    let mut parts = vec![("api", &[][..], api)];
    parts.extend(others.iter().map(|id| {
        (
            *id,
            &["api"][..],
            format!(
                "Owns: `{id}.txt`.\n\nCheck: `cat {id}.txt` prints `{id}`.\n\nCheck: `grep {id} api.txt` prints `{id}`."
            ),
        )
    }));
    intent("Api", &head, &parts, "")
}

fn api(tasks: &[(&str, Value)]) -> Value {
    let mut steps = json!({"1": [write("api.txt", "one\n")]});
    for (attempt, what) in tasks {
        steps[*attempt] = what.clone();
    }
    steps
}

fn task(s: &Sandbox, name: &str) -> Value {
    let task: Value = serde_json::from_slice(&std::fs::read(s.path(name)).unwrap()).unwrap();
    assert_valid(include_str!("../../../schemas/task.json"), &task);
    task
}

#[test]
fn who_waits_for_a_contract_lands_by_merging_alone_once_its_owner_has_changed_it() {
    let s = sandbox();
    let owner = api(&[("2", json!([{"keep_task": s.path("task")}, more("b\n")]))]);
    let agent = agent(&s, json!({"api": owner, "b": {"1": [right("b"), asks("a line `b`")]}}));
    let run = run(&s, &scene("semantic", &["b"]), &agent, &[]).ends(0);
    let landed = landings(&s, "main", "otto/api");
    assert_eq!(order(&landed), ["api", "api", "b"]);
    assert_eq!((starts(&s, "api"), starts(&s, "b")), (2, 1), "nothing is built anew");
    let kept = s.git(&["rev-parse", &format!("refs/otto/slices/{}/b/1", run.run())]);
    assert_eq!(landed[2].1["candidate"], kept.as_str());
    assert_eq!(run.told("contract.blocked", "b")[0]["data"]["candidate"], kept.as_str());
    assert_eq!(run.told("contract.settled", "b")[0]["data"]["passed"], true);
    let task = task(&s, "task");
    assert_eq!((&task["contract"], &task["owned_paths"]), (&json!("api.txt"), &json!(["api.txt"])));
    let need = &task["needs"][0];
    assert_eq!((&need["slice"], &need["path"]), (&json!("b"), &json!("api.txt")));
    assert!(need["reason"].as_str().unwrap().contains("a line `b`"), "{task:#}");
    assert_sound(&s);
}

#[test]
fn two_who_wait_for_one_contract_have_its_owner_asked_once() {
    let s = sandbox();
    let owner = api(&[("2", json!([{"keep_task": s.path("task")}, more("b\nc\n")]))]);
    // What `c` writes there itself, against the rules, is what it needs.
    let c = json!([right("c"), write("api.txt", "another one\nc\n")]);
    let agent = agent(&s, json!({"api": owner, "b": {"1": [right("b"), asks("a line b")]}, "c": {"1": c}}));
    let run = run(&s, &scene("literal", &["b", "c"]), &agent, &["--jobs", "1"]).ends(0);
    assert_eq!(order(&landings(&s, "main", "otto/api")), ["api", "api", "b", "c"]);
    assert_eq!(["api", "b", "c"].map(|id| starts(&s, id)), [2, 1, 1]);
    assert_eq!(s.git(&["show", "otto/api:api.txt"]), "one\nb\nc");
    assert_eq!(run.told("repair.started", "api").len(), 1);
    assert_eq!(run.told("scope.violation", "c")[0]["data"]["paths"], json!(["api.txt"]));
    let needs = task(&s, "task")["needs"].clone();
    assert_eq!((&needs[0]["slice"], &needs[1]["slice"]), (&json!("b"), &json!("c")));
    let why = needs[1]["reason"].as_str().unwrap();
    assert!(why.contains("it wrote into `api.txt`") && why.contains("another one\nc"), "{why}");
    assert_sound(&s);
}

#[test]
fn where_the_owner_fails_all_who_wait_are_blocked_and_what_landed_stays() {
    let s = sandbox();
    let owner = json!({"1": [write("api.txt", "one\n")], "*": [more("b\n"), {"exit": 3}]});
    let agent = agent(
        &s,
        json!({"api": owner, "b": {"1": [right("b"), asks("a line b")]}, "c": {"1": [right("c"), more("c\n"), asks("a line c")]}}),
    );
    let run = run(&s, &scene("semantic", &["b", "c"]), &agent, &["--jobs", "1"]).ends(5);
    run.stands("api", "landed", 3);
    for id in ["b", "c"] {
        let blocked = run.blocked(id, "contract", 1)["blocked"]["detail"].as_str().unwrap().to_owned();
        assert!(
            blocked.contains("`api`, which owns `api.txt`, could not change it: attempt 3 made the same"),
            "{blocked}"
        );
        assert_eq!(run.told("contract.settled", id)[0]["data"]["passed"], false);
        // What it made is kept.
        s.git(&["rev-parse", "--verify", &format!("refs/otto/slices/{}/{id}/1", run.run())]);
    }
    assert_eq!(order(&landings(&s, "main", "otto/api")), ["api"]);
    let why = s.otto(&["why", "b"]).exits(0);
    assert!(why.stdout.contains("git otto retry b"), "{why}");
    assert_sound(&s);
}

#[test]
fn an_owner_that_writes_more_than_the_contract_is_told_and_writes_that_alone() {
    let s = sandbox();
    let owner = api(&[
        ("2", json!([more("b\n"), write("new.txt", "more\n")])),
        ("3", json!([{"keep_task": s.path("task")}, more("b\n")])),
    ]);
    let agent = agent(&s, json!({"api": owner, "b": {"1": [right("b"), asks("a line b")]}}));
    let run = run(&s, &scene("semantic", &["b"]), &agent, &[]).ends(0);
    assert_eq!(run.failures("api"), [None, Some("scope".into()), None]);
    assert_eq!(run.told("scope.violation", "api")[0]["data"]["paths"], json!(["new.txt"]));
    let task = task(&s, "task");
    assert!(task["failures"].to_string().contains("the task is about `api.txt` alone"), "{task:#}");
    assert_eq!(s.git(&["ls-tree", "--name-only", "otto/api"]), ".otto\nREADME.md\napi.txt\nb.txt");
}

/// An agent as a script of the shell, by slice and by how often that was called.
fn shell(s: &Sandbox, cases: &str) -> String {
    let calls = s.path("calls");
    std::fs::create_dir_all(&calls).unwrap();
    let script = format!(
        r#"task=$(cat)
slice=$(printf '%s' "$task" | sed 's/.*"role":"[a-z]*","slice":"\([a-z]*\)".*/\1/')
echo >> {calls}/$slice
n=$(wc -l < {calls}/$slice)
printf '%s' "$task" > {calls}/$slice-$n
case $slice-$n in
{cases}
esac
echo '{{"schema":"otto.result/1","ok":true,"summary":"done"}}'
"#,
        calls = calls.display()
    );
    format!("command:sh {}", s.script("agent.sh", &script).display())
}

#[test]
fn who_had_written_nothing_yet_goes_on_with_its_attempt_on_what_is_there_then() {
    let s = sandbox();
    let ask = r#"printf '{"kind":"contract","path":"api.txt","reason":"a line b"}' > .otto-request.json"#;
    let agent = shell(
        &s,
        &format!(
            "api-1) echo one > api.txt;;\napi-2) echo b >> api.txt;;\nb-1) {ask};;\nb-2) grep b api.txt > b.txt;;"
        ),
    );
    let run = run(&s, &scene("semantic", &["b"]), &agent, &[]).ends(0);
    run.stands("b", "landed", 1);
    assert_eq!(order(&landings(&s, "main", "otto/api")), ["api", "api", "b"]);
    let task = task(&s, "calls/b-2");
    assert_eq!((&task["attempt"], &task["granted"][0]["path"]), (&json!(1), &json!("api.txt")));
    assert_sound(&s);
}

#[test]
fn a_request_that_cannot_be_is_refused_and_told() {
    let s = sandbox();
    let ask = |path: &str| {
        write(".otto-request.json", &json!({"kind": "contract", "path": path, "reason": "why"}).to_string())
    };
    let b = json!({
        "1": [write("b.txt", "1\n"), ask("b.txt")],
        "2": [{"keep_task": s.path("told")}, right("b"), asks("nothing")],
    });
    let agent = agent(&s, json!({"api": {"1": [write("api.txt", "one\nb\n")]}, "b": b}));
    let run = run(&s, &scene("semantic", &["b"]), &agent, &[]).ends(0);
    let told = task(&s, "told")["failures"].to_string();
    assert!(told.contains("contract_refused: `b.txt` is no contract: there are `api.txt`"), "{told}");
    // What passes without it needs nothing.
    assert!(run.told("contract.blocked", "b").is_empty());
    assert_eq!(starts(&s, "api"), 1);
}

#[test]
fn a_run_that_dies_anywhere_on_the_way_settles_who_waits() {
    let deaths: [&[&str]; 4] = [
        &["contract.block.before:1", "contract.block.before:1", "journal.append.after_swap:1"],
        &["contract.ask.before:1", "contract.ask.before:1", "build.agent.after:1", "build.commit.after:1"],
        &["build.agent.after:3", "queue.merge.after:1", "queue.land.after_swap:1"],
        &["contract.settle.before:1", "contract.settle.before:1", "queue.land.before_swap:1"],
    ];
    for deaths in deaths {
        let s = sandbox();
        let agent =
            agent(&s, json!({"api": api(&[("2", json!([more("b\n")]))]), "b": {"1": [right("b"), asks("a line b")]}}));
        s.write("intent.md", scene("semantic", &["b"]));
        for (i, death) in deaths.iter().enumerate() {
            let fault = [("GIT_OTTO_FAULT", &*format!("{death}:abort"))];
            let args = if i == 0 {
                vec!["run", "--yes", "--json", "../intent.md", "--agent", &agent]
            } else {
                vec!["resume", "--json"]
            };
            s.otto_with(&args, &fault, None).exits(128 + 9);
        }
        let run = Run::read(s.otto(&["resume", "--json"])).ends(0);
        assert_eq!(order(&landings(&s, "main", "otto/api")), ["api", "api", "b"], "{deaths:?}");
        run.stands("b", "landed", 1);
        run.stands("api", "landed", 2);
        assert_sound(&s);
    }
}
