//! Agents that ask for another spec of their slice: they get what the door lets through, and are told why not otherwise.

use super::*;

/// The step that asks for a change.
fn asks(reason: &str, change: Value) -> Value {
    write(".otto-request.json", &json!({"kind": "amendment", "reason": reason, "change": change}).to_string())
}

/// A check that holds once the slice of that id is built.
fn more(id: &str) -> Value {
    json!({"id": format!("{id}-more"), "kind": "cli_probe", "shell": format!("wc -l < {id}.txt"), "stdout": "1\n"})
}

fn task(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn rejections(run: &Run, slice: &str) -> Vec<String> {
    let codes =
        run.told("amendment.rejected", slice).into_iter().map(|e| e["data"]["code"].as_str().unwrap().to_owned());
    codes.collect()
}

#[test]
fn what_an_agent_may_change_it_gets_and_builds() {
    let s = sandbox();
    let kept = s.path("task");
    let wish = asks("Nobody looks at the lines", json!({"checks": [more("a")], "tasks": ["One line."]}));
    let a = json!({"1": [right("a"), wish], "2": [{"keep_task": kept}, right("a")]});
    let agent = agent(&s, json!({"a": a, "b": {"1": [right("b")]}}));
    let parts = [("a", &[][..], plain("a")), ("b", &[], plain("b"))];
    let run = run(&s, &intent("Two", "", &parts, ""), &agent, &[]).ends(0);

    assert_eq!((starts(&s, "a"), starts(&s, "b")), (2, 1));
    let asked = &run.told("amendment.requested", "a")[0]["id"];
    let invalid = run.told("slice.invalidated", "a");
    assert_eq!((invalid.len(), &invalid[0]["data"]["request"]), (1, asked));
    assert!(run.told("slice.invalidated", "b").is_empty() && rejections(&run, "a").is_empty());
    let told = &run.packet["amendments"][0];
    assert_eq!((&told["actor"], &told["tier"]), (&json!("agent:command/default"), &json!(3)));
    assert_eq!((&told["trigger"], &told["reason"]), (asked, &json!("Nobody looks at the lines")));
    assert!(run.markdown.contains("Nobody looks at the lines"), "{}", run.markdown);
    let task = task(&kept);
    assert_eq!((&task["attempt"], &task["role"], &task["tasks"]), (&json!(2), &json!("build"), &json!(["One line."])));
    assert!(task["checks"]["a-more"].is_string(), "{task:#}");
    let audited = run.packet["checks"].as_array().unwrap().iter().find(|c| c["id"] == "a-more").unwrap();
    assert_eq!(audited["holds"], true);
    assert!(!s.git(&["ls-tree", "-r", "--name-only", "otto/two"]).contains(".otto-request"));
    assert_sound(&s);
}

#[test]
fn what_it_may_not_change_it_is_told_with_its_next_attempt() {
    let s = sandbox();
    s.git(&["config", "otto.attempts", "6"]);
    let weaker = json!({"id": "a-1", "kind": "cli_probe", "shell": "true"});
    let wishes = [
        ("checks_weakened", json!({"checks": [weaker]})),
        ("tier_2_violation", json!({"owned_paths": ["**"]})),
        ("no_change", json!({"tasks": []})),
        ("invalid_field", json!({"intent": "Less."})),
    ];
    let mut attempts = serde_json::Map::new();
    for (i, (_, change)) in wishes.iter().enumerate() {
        let steps = json!([{"keep_task": s.path(format!("task{i}"))}, write("a.txt", &format!("{i}\n")), asks("Why not", change.clone())]);
        attempts.insert((i + 1).to_string(), steps);
    }
    attempts.insert(
        "5".into(),
        json!([{"keep_task": s.path("task4")}, write("a.txt", "5\n"), write(".otto-request.json", "please")]),
    );
    attempts.insert("6".into(), json!([{"keep_task": s.path("task5")}, right("a")]));
    let agent = agent(&s, json!({"a": attempts}));
    let run = run(&s, &intent("One", "", &[("a", &[], plain("a"))], ""), &agent, &[]).ends(0);
    run.stands("a", "landed", 6);
    let codes: Vec<&str> = wishes.iter().map(|(code, _)| *code).chain(["invalid_field"]).collect();
    assert_eq!(rejections(&run, "a"), codes);
    assert_eq!(task(&s.path("task0"))["failures"], json!([]));
    for (i, code) in codes.iter().enumerate() {
        let task = task(&s.path(format!("task{}", i + 1)));
        let notes = task["failures"].as_array().unwrap();
        let note = notes.iter().find(|f| f["what"] == "amendment").unwrap_or_else(|| panic!("{task:#}"));
        assert!(note["detail"].as_str().unwrap().starts_with(&format!("your request was refused, {code}: ")), "{note}");
        assert_eq!(notes.len(), 2, "that one, and the red check: {task:#}");
    }
    assert_eq!(run.packet["amendments"], json!([]));
    assert_sound(&s);
}

/// A run that died when its agent had asked and nobody had decided.
fn undecided(s: &Sandbox) {
    let a = json!({"1": [right("a"), asks("Look", json!({"checks": [more("a")]}))], "*": [right("a")]});
    let agent = agent(s, json!({"a": a, "b": {"*": [right("b")]}}));
    let parts = [("a", &[][..], plain("a")), ("b", &["a"], plain("b"))];
    s.write("intent.md", intent("Two", "", &parts, ""));
    let args = ["run", "--yes", "--json", "../intent.md", "--agent", &agent];
    s.otto_with(&args, &[("GIT_OTTO_FAULT", "build.commit.after:1:abort")], None).exits(128 + 9);
}

#[test]
fn a_request_is_decided_once_although_the_run_died_in_between() {
    let s = sandbox();
    undecided(&s);
    // Granted, and dead again before the run could take it up.
    let fault = [("GIT_OTTO_FAULT", "amend.before_event:1:abort")];
    s.otto_with(&["resume", "--json"], &fault, None).exits(128 + 9);
    let run = Run::read(s.otto(&["resume", "--json"])).ends(0);
    assert_eq!(run.packet["amendments"].as_array().unwrap().len(), 1);
    assert!(run.told("slice.invalidated", "a")[0]["data"]["request"].is_string());
    assert_sound(&s);
}

#[test]
fn a_request_for_what_is_no_more_is_refused() {
    for (code, change) in [
        ("stale_base", (|spec| spec["slices"][0]["tasks"] = json!(["By hand."])) as fn(&mut Value)),
        ("unknown_slice", |spec| {
            spec["slices"][0]["id"] = json!("c");
            spec["slices"][0]["checks"][0]["id"] = json!("c-1");
            spec["slices"][1]["deps"] = json!([]);
        }),
    ] {
        let s = sandbox();
        undecided(&s);
        s.amend("two", "Otherwise", change);
        let out = s.otto(&["resume", "--json"]);
        let told = format!("\"code\":\"{code}\"");
        assert_eq!(out.stdout.matches(&told).count(), 1, "{told} in {out}");
        s.otto(&["verify", "--all"]).exits(0);
    }
    // A history that is not trusted is added to by nobody.
    let s = sandbox();
    undecided(&s);
    s.git(&["config", "otto.requireSigned", "true"]);
    let out = s.otto(&["resume", "--json"]).exits(5);
    assert!(out.stdout.contains("\"code\":\"chain_broken\""), "{out}");
}

#[test]
fn an_agent_that_only_asks_comes_to_an_end() {
    let s = sandbox();
    let asks = |n: u32| json!([right("a"), asks("More", json!({"tasks": [format!("Task {n}.")]}))]);
    let agent = agent(&s, json!({"a": {"1": asks(1), "2": asks(2), "3": asks(3)}}));
    let run = run(&s, &intent("One", "", &[("a", &[], plain("a"))], ""), &agent, &[]).ends(5);
    let a = run.blocked("a", "attempts", 0);
    assert!(a["blocked"]["detail"].as_str().unwrap().contains("3 attempts"), "{a:#}");
    assert_eq!(starts(&s, "a"), 3);
    assert_sound(&s);
}

#[test]
fn many_amendments_by_agents_cap_the_verdict() {
    let s = sandbox();
    let ids = ["a", "b", "c", "d", "e"];
    let script = ids.map(|id| {
        let wish = asks("More", json!({"checks": [more(id)]}));
        (id.to_owned(), json!({"1": [right(id), wish], "2": [right(id)]}))
    });
    let agent = agent(&s, Value::Object(script.into_iter().collect()));
    let parts: Vec<Part> = ids.iter().map(|id| (*id, &[][..], plain(id))).collect();
    let run = run(&s, &intent("Five", "", &parts, ""), &agent, &["--jobs", "3"]).ends(4);
    let why = run.packet["why"].to_string();
    assert!(why.contains("agents amended the spec 5 times"), "{why}");
    assert!(why.contains("agent:command/default made 5 of the 5 amendments"), "{why}");
    assert!(run.packet["missing"]["slices"].as_array().unwrap().is_empty());
    assert_sound(&s);
}
