//! Agents that misbehave, crash, stall and cost: each is stopped for its own reason, and the others go on.

use super::*;

#[test]
fn the_others_land_and_the_packet_tells_it_all() {
    let s = sandbox();
    s.commit("Others' work", &[("shared.c", "int x;\n")]);
    let base = s.git(&["rev-parse", "HEAD"]);
    s.git(&["config", "otto.slice.wall", "4"]);
    let names =
        ["fine", "strays", "learns", "never", "needs", "deeper", "crashes", "idles", "repeats", "judges", "stalls"];
    let deps = |id: &str| -> &'static [&'static str] {
        match id {
            "needs" => &["never"],
            "deeper" => &["needs", "fine"],
            "crashes" => &["fine"],
            _ => &[],
        }
    };
    let parts: Vec<Part> = names.iter().map(|id| (*id, deps(id), plain(id))).collect();
    let marker = s.path("never-made");
    let agent = agent(
        &s,
        json!({
            "fine": {"1": [right("fine"), costs(25)]},
            // Somebody else's file, a peer's file, a runner's configuration: outside in three ways.
            "strays": {
                "1": [right("strays"), write("shared.c", "int y;\n")],
                "2": [right("strays"), write("fine.txt", "mine\n")],
                "3": [right("strays"), write("package.json", "{}\n")],
            },
            "learns": {"1": [right("learns"), {"delete": "shared.c"}], "2": [right("learns")]},
            "never": {
                "1": [write("never.txt", "1\n"), costs(1)],
                "2": [write("never.txt", "2\n"), costs(2)],
                "3": [write("never.txt", "3\n"), costs(4)],
            },
            "crashes": {"1": [right("crashes"), {"crash": true}], "2": [right("crashes")]},
            "idles": {"1": [], "2": [right("idles")]},
            "repeats": {"*": [write("repeats.txt", "wrong\n")]},
            "judges": {
                "1": [right("judges"), write(".gitattributes", "* -text\n")],
                "2": [right("judges"), write(".otto/specs/x.json", "{}\n")],
                "3": [right("judges"), write(".github/workflows/ci.yml", "on: push\n")],
            },
            "stalls": {"1": [right("stalls"), {"wait_for": marker}]},
        }),
    );
    let run = run(&s, &intent("Eleven", "", &parts, ""), &agent, &["--jobs", "3"]).ends(5);

    let landed = landings(&s, &base, "otto/eleven");
    let mut slices = order(&landed);
    slices.sort_unstable();
    assert_eq!(slices, ["crashes", "fine", "idles", "learns"]);
    run.stands("fine", "landed", 1);
    run.stands("learns", "landed", 2);
    run.stands("crashes", "landed", 2);
    run.stands("idles", "landed", 2);
    let failed = |id: &str| run.failures(id).into_iter().flatten().collect::<Vec<_>>();
    assert_eq!(failed("learns"), ["scope"]);
    assert_eq!(failed("crashes"), ["agent"]);
    assert_eq!(failed("idles"), ["empty"]);

    let strays = run.blocked("strays", "scope", 3);
    let outside: Vec<_> = strays["attempts"].as_array().unwrap().iter().map(|a| a["violations"].clone()).collect();
    assert_eq!(outside, [json!(["shared.c"]), json!(["fine.txt"]), json!(["package.json"])]);
    let judges = run.blocked("judges", "scope", 3);
    let outside: Vec<_> = judges["attempts"].as_array().unwrap().iter().map(|a| a["violations"].clone()).collect();
    assert_eq!(
        outside,
        [json!([".gitattributes"]), json!([".otto/specs/x.json"]), json!([".github/workflows/ci.yml"])]
    );
    let never = run.blocked("never", "attempts", 3);
    assert_eq!(failed("never"), ["checks"; 3]);
    assert_eq!(never["cost"]["usd_micros"], 70_000);
    run.blocked("repeats", "same_diff", 2);
    let stalls = run.blocked("stalls", "budget", 1);
    assert!(stalls["agent_ms"].as_u64().unwrap() >= 4000, "{stalls:#}");
    for id in ["needs", "deeper"] {
        run.blocked(id, "dep_blocked", 0);
        assert_eq!(starts(&s, id), 0);
        assert!(run.told("agent.started", id).is_empty() && run.told("slice.started", id).is_empty());
    }
    let dependents = run.packet["missing"]["slices"].as_array().unwrap().iter().find(|m| m["id"] == "never").unwrap();
    assert_eq!(dependents["dependents"], json!(["needs", "deeper"]));

    // Nothing that was refused is on the target.
    let files = s.git(&["ls-tree", "-r", "--name-only", "otto/eleven"]);
    assert_eq!(
        files.lines().collect::<Vec<_>>(),
        [".otto/specs/eleven.json", "README.md", "crashes.txt", "fine.txt", "idles.txt", "learns.txt", "shared.c"]
    );
    assert_eq!(s.git(&["show", "otto/eleven:shared.c"]), "int x;");
    // Requirements: those of the slices that landed, no others.
    let proven: Vec<_> = run.packet["requirements"].as_array().unwrap().iter().map(|r| r["proven"] == "yes").collect();
    let expected = [true, false, true, false, false, false, true, true, false, false, false];
    assert_eq!(proven, expected);
    // One ledger.
    let cost = &run.packet["built_by"]["cost"];
    assert_eq!(*cost, json!({"usd_micros": 320_000, "input_tokens": 400, "output_tokens": 40}));
    let agents = run.packet["built_by"]["agents"].as_array().unwrap();
    assert_eq!((agents.len(), &agents[0]["cost"]), (1, cost));
    assert!(run.packet["problems"].as_array().unwrap().is_empty(), "{}", run.packet["problems"]);
    for word in ["blocked", "signal 9", "never", "`shared.c`", "$0.32"] {
        assert!(run.markdown.contains(word), "{word:?} is not in the packet:\n{}", run.markdown);
    }
    // What a failed agent left is kept for people.
    let wip = s.git(&["for-each-ref", "--format=%(refname:lstrip=4)", "refs/otto/wip"]);
    assert!(wip.lines().any(|w| w == "stalls") && wip.lines().any(|w| w == "crashes"), "{wip}");
    assert_sound(&s);
}

#[test]
fn less_than_half_blocked_is_partial_and_the_next_run_builds_only_what_is_missing() {
    let s = sandbox();
    let parts = [("a", &[][..], plain("a")), ("b", &[], plain("b")), ("c", &["a"], plain("c"))];
    let text = intent("Three", "", &parts, "");
    let wrong = |n: u32| json!([write("b.txt", &format!("wrong {n}\n"))]);
    let first = agent(
        &s,
        json!({
            "a": {"1": [right("a")]}, "c": {"1": [right("c")]}, "b": {"1": wrong(1), "2": wrong(2), "3": wrong(3)},
        }),
    );
    let partial = run(&s, &text, &first, &[]).ends(4);
    partial.blocked("b", "attempts", 3);
    let tip = s.git(&["rev-parse", "otto/three"]);

    std::fs::remove_file(s.path("agent.log")).unwrap();
    let second = agent(&s, json!({"b": {"1": [right("b")]}}));
    let passed = run(&s, &text, &second, &[]).ends(0);
    assert_ne!(passed.run(), partial.run());
    passed.stands("a", "redundant", 0);
    passed.stands("b", "landed", 1);
    passed.stands("c", "redundant", 0);
    assert_eq!((starts(&s, "a"), starts(&s, "b"), starts(&s, "c")), (0, 1, 0));
    assert_eq!(order(&landings(&s, &tip, "otto/three")), ["b"]);
    assert_sound(&s);
}

#[test]
fn crashes_that_left_nothing_are_not_the_same_change() {
    let s = sandbox();
    let agent = agent(&s, json!({"a": {"1": [{"crash": true}], "2": [{"exit": 3}], "3": [right("a")]}}));
    let run = run(&s, &intent("One", "", &[("a", &[], plain("a"))], ""), &agent, &[]).ends(0);
    run.stands("a", "landed", 3);
    assert_eq!(run.failures("a"), [Some("agent".into()), Some("agent".into()), None]);
}

#[test]
fn a_silent_agent_is_ended_with_everything_it_started() {
    let s = sandbox();
    s.git(&["config", "otto.agent.idle", "1"]);
    let pid = s.path("pid");
    let child = format!("echo $$ > '{}'; exec sleep 600", pid.display());
    let agent = agent(
        &s,
        json!({
            "a": {"1": [{"spawn": ["sh", "-c", child]}, {"wait_for": pid}, {"wait_for": s.path("never-made")}], "2": [right("a")]},
        }),
    );
    let run = run(&s, &intent("One", "", &[("a", &[], plain("a"))], ""), &agent, &[]).ends(0);
    let attempts = &run.stands("a", "landed", 2)["attempts"];
    assert!(attempts[0]["failed"]["detail"].as_str().unwrap().contains("silent"), "{attempts:#}");
    assert_dead(&s, &pid);
}

#[test]
fn a_slice_that_costs_too_much_is_stopped() {
    let s = sandbox();
    s.git(&["config", "otto.slice.budget.usd", "0.05"]);
    let agent = agent(
        &s,
        json!({
            "a": {"1": [write("a.txt", "1\n"), costs(3)], "2": [write("a.txt", "2\n"), costs(3)], "3": [right("a")]},
            "b": {"1": [right("b"), costs(9)]},
            "c": {"1": [right("c"), costs(1)]},
        }),
    );
    let parts = [("a", &[][..], plain("a")), ("b", &[], plain("b")), ("c", &[], plain("c"))];
    let run = run(&s, &intent("Three", "", &parts, ""), &agent, &[]).ends(4);
    let a = run.blocked("a", "budget", 2);
    assert!(a["blocked"]["detail"].as_str().unwrap().contains("$0.06 of $0.05"), "{a:#}");
    // What passed is not thrown away for what it cost.
    run.stands("b", "landed", 1);
    run.stands("c", "landed", 1);
}

#[test]
fn a_run_that_costs_too_much_starts_no_further_agent() {
    let s = sandbox();
    s.git(&["config", "otto.budget.usd", "0.10"]);
    let agent = agent(
        &s,
        json!({
            "a": {"1": [right("a"), costs(11)]},
            "b": {"*": [right("b"), costs(1)]},
        }),
    );
    let carried = plain("c") + "\n\nFile `c.txt`:\n\n```\nc\n```";
    let parts = [("a", &[][..], plain("a")), ("b", &["a"], plain("b")), ("c", &["a"], carried)];
    let run = run(&s, &intent("Three", "", &parts, ""), &agent, &[]).ends(4);
    run.stands("a", "landed", 1);
    let b = run.blocked("b", "budget", 0);
    assert!(b["blocked"]["detail"].as_str().unwrap().contains("$0.11 of $0.10"), "{b:#}");
    assert_eq!(starts(&s, "b"), 0);
    // What the intent carries costs nothing.
    run.stands("c", "landed", 1);
}

#[test]
fn an_agent_that_is_not_there_is_told_before_anything_starts() {
    let s = sandbox();
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    let before = s.snapshot();
    for (agent, program) in [("command:/no/such/agent", "/no/such/agent"), ("acp:no-such-agent --acp", "no-such-agent")]
    {
        let out = s.otto(&["run", "--yes", "--agent", agent, "../intent.md"]).exits(7);
        assert!(out.stderr.contains(&format!("{program} is not on PATH")), "{out}");
        assert!(out.stderr.contains("git otto agents"), "{out}");
    }
    assert_eq!(s.git(&["for-each-ref", "refs/otto"]), "");
    before.assert_same(&s.snapshot());
}

#[test]
fn the_next_attempt_is_told_what_failed_and_nothing_of_its_peers() {
    let s = sandbox();
    let (first, second, third) = (s.path("task1"), s.path("task2"), s.path("task3"));
    let check = "Owns: `a.txt`.\n\nCheck: `echo to-out; echo to-err >&2; cat a.txt` prints `secret-a` and exits 0.";
    let parts = [("a", &[][..], check.to_owned()), ("peer", &[], plain("peer")), ("later", &["a"], plain("later"))];
    let head = "Shared: `docs/index.txt`.";
    let agent = agent(
        &s,
        json!({
            "a": {
                "1": [{"keep_task": first}, write("a.txt", "wrong\n")],
                "2": [{"keep_task": second}, write("peer.txt", "x\n")],
                "3": [{"keep_task": third}, write("a.txt", "also wrong\n")],
            },
            "peer": {"1": [right("peer")]},
        }),
    );
    let run = run(&s, &intent("Two", head, &parts, ""), &agent, &[]).ends(5);
    let read = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let tasks = [read(&first), read(&second), read(&third)];
    for (i, task) in tasks.iter().enumerate() {
        assert_valid(include_str!("../../../schemas/task.json"), task);
        assert_eq!(task["attempt"], i + 1);
        assert_eq!((&task["slice"], &task["owned_paths"]), (&json!("a"), &json!(["a.txt"])));
        assert_eq!(task["shared_scaffold"], json!(["docs/index.txt"]));
        assert_eq!(task["requirements"], json!({"R1": "The part a is there."}));
        assert!(task["checks"]["a-1"].as_str().unwrap().contains("cat a.txt"), "{task:#}");
    }
    assert_eq!((&tasks[0]["role"], &tasks[0]["failures"]), (&json!("build"), &json!([])));
    let failure = &tasks[1]["failures"][0];
    assert_eq!((&tasks[1]["role"], &failure["what"]), (&json!("repair"), &json!("a-1")));
    assert_eq!((&failure["stdout"], &failure["stderr"]), (&json!("to-out\nwrong\n"), &json!("to-err\n")));
    assert!(!failure["detail"].as_str().unwrap().is_empty());
    for task in &tasks[..2] {
        assert!(!task.to_string().contains("peer"), "{task:#}");
    }
    // The third is told which path of its own change was not its own.
    let failure = &tasks[2]["failures"][0];
    assert_eq!(failure["what"], "scope");
    assert!(failure["detail"].as_str().unwrap().contains("`peer.txt`: another slice owns it"), "{failure:#}");
    run.blocked("a", "attempts", 3);
    run.blocked("later", "dep_blocked", 0);
}

#[test]
fn nothing_that_an_agent_says_or_names_becomes_markup_or_an_escape() {
    let s = sandbox();
    let nasty = "\u{1b}[2J<script>alert(1)</script>\n# Passed\n| x |";
    let result = |ok: bool| json!({"result": {"schema": "otto.result/1", "ok": ok, "summary": nasty}});
    let agent = agent(
        &s,
        json!({"a": {
            "1": [result(false)],
            "2": [write("out/\u{1b}[31m\n<b>.txt", "x\n"), write("README.md", "mine\n"), result(true)],
            "3": [right("a"), write("d/\u{1b}]0;x\u{7}\n<i>", "x\n"), result(true)],
        }}),
    );
    let body = "Owns: `a.txt`, `d/`.\n\nCheck: `cat a.txt` prints `a`.";
    s.write("intent.md", intent("One", "", &[("a", &[], body.into())], ""));
    let out = s.otto(&["run", "--yes", "../intent.md", "--agent", &agent]).exits(0);
    let shown = Run::read(s.otto(&["run", "--json", "one"])).ends(0);
    assert_eq!(shown.failures("a"), [Some("agent".into()), Some("scope".into()), None]);
    for text in
        [&out.stdout, &out.stderr, &shown.markdown, &s.otto(&["log", "one"]).stdout, &s.otto(&["status"]).stdout]
    {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "{text}");
    }
    let markdown = &shown.markdown;
    assert!(!markdown.contains("<script>") && !markdown.contains("\n# Passed"), "{markdown}");
    assert_sound(&s);
}
