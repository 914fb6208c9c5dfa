//! From prose to a judged product, and on after the death of the process.

use super::*;

/// It looks, writes something wrong, tries it, and puts it right when it is told; `b` is right at once.
fn learns(turn: &Turn) -> Reply {
    match () {
        () if compiles(turn) && turn.results.is_empty() => Reply::call(look()),
        () if judges(turn) && turn.results.is_empty() => Reply::call(call("read", json!({"path": "a.txt"}))),
        () if turn.schema.is_some() || slice(turn) == "b" => right_at_once(turn),
        () if turn.prompt.starts_with("You go on with slice `a`") => steps(
            turn,
            &[
                call("read", json!({"path": "a.txt"})),
                call("edit", json!({"path": "a.txt", "old": "wrong", "new": "a"})),
                call("run", json!({"command": "cat a.txt"})),
            ],
        ),
        () => steps(
            turn,
            &[
                look(),
                call("search", json!({"pattern": "repo.itory"})),
                call("write", json!({"path": "a.txt", "content": "wrong\n"})),
            ],
        ),
    }
}

#[test]
fn prose_is_compiled_built_mended_landed_and_judged() {
    for provider in BOTH {
        let model = Model::start(learns);
        let s = reaching(provider, &model);
        priced(&s, provider);
        s.git(&["config", "otto.audit.agent", provider]);
        s.git(&["config", "otto.audit.model", "judge"]);
        let out = run_prose(&s, provider);
        keeps_the_key(&s, &[&out]);
        let run = Run::read(out).ends(0);
        run.stands("a", "landed", 2);
        run.stands("b", "landed", 1);
        assert_eq!(run.failures("a"), [Some("checks".into()), None]);
        let turns = model.requests();
        let (header, value) = match provider {
            "anthropic" => ("x-api-key", KEY.to_owned()),
            _ => ("authorization", format!("Bearer {KEY}")),
        };
        assert!(turns.iter().all(|t| t.header(header) == Some(&value)));
        let models = |f: fn(&Turn) -> bool| {
            let mut models: Vec<&Value> = turns.iter().filter(|t| f(t)).map(|t| &t.body["model"]).collect();
            models.dedup();
            models
        };
        assert_eq!((models(compiles), models(judges)), (vec![&json!("m")], vec![&json!("judge")]));

        // The tools did what they are for, and the repair goes on with the conversation.
        let last = about(&turns, "a").into_iter().next_back().unwrap();
        assert!(last.prompt.starts_with("You go on with slice `a`"), "{}", last.prompt);
        assert!(last.results[2].contains("(exit code 0)\na\n"), "{:?}", last.results);
        let all = last.body["messages"].to_string();
        assert!(all.contains("README.md") && all.contains("A repository."), "list and search: {all}");
        assert!(last.results[0].contains("wrong"), "read: {:?}", last.results);
        let sessions: Vec<&Value> = run.told("agent.started", "a").iter().map(|e| &e["data"]["session"]).collect();
        assert!(sessions.len() == 2 && sessions[0] == sessions[1] && sessions[0].is_string(), "{sessions:?}");

        // Each reply is paid for once: those of the compile with the spec, the others with the run.
        let compiled = turns.iter().filter(|t| compiles(t)).count() as u64;
        let ran = turns.len() as u64 - compiled;
        let cost = |n: u64| json!({"usd_micros": n * USD_MICROS, "input_tokens": n * 100, "output_tokens": n * 20});
        assert_eq!(run.packet["built_by"]["cost"], cost(ran));
        let history = s.git(&["rev-list", "refs/otto/specs/words"]);
        let first: Value = serde_json::from_str(&s.git(&[
            "cat-file",
            "blob",
            &format!("{}:record.json", history.lines().next_back().unwrap()),
        ]))
        .unwrap();
        assert_eq!((compiled, &first["cost"]), (2, &cost(compiled)));
        assert_sound(&s);
    }
}

#[test]
fn a_run_that_was_killed_in_the_middle_of_a_turn_goes_on_with_its_conversation() {
    for provider in BOTH {
        // The third request is never answered.
        let model = Model::start(|turn| match (turn.nth, turn.results.len()) {
            (2, _) => Reply::hang(),
            (0, _) => Reply::call(call("write", json!({"path": "a.txt", "content": "half\n"}))),
            (_, 0) if turn.nth > 2 => Reply::call(call("edit", json!({"path": "a.txt", "old": "half", "new": "a"}))),
            (1, _) => Reply::call(look()),
            _ => Reply::text("Done."),
        });
        let s = reaching(provider, &model);
        priced(&s, provider);
        write_intent(&s, &["a"]);
        let key = [(key_variable(provider), KEY)];
        let mut running = s.start(&["run", "--yes", "--agent", provider, "--model", "m", "../intent.md"], &key);
        assert!(running.wait_until(|| model.requests().len() == 3), "{}", running.wait());
        let killed = running.kill();
        let out = s.otto_with(&["resume", "--json"], &key, None);
        keeps_the_key(&s, &[&killed, &out]);
        let run = Run::read(out).ends(0);
        run.stands("a", "landed", 1);
        let turns = model.requests();
        // What was said before is there, with what came of it; what was not answered is asked again.
        let messages = turns[3].body["messages"].to_string();
        assert!(messages.contains("half") && messages.contains("README.md"), "{messages}");
        assert_eq!(turns[3].text.matches("Your slice is `a`").count(), 2, "{}", turns[3].text);
        let started = run.told("agent.started", "a");
        let session = started[0]["data"]["session"].as_str().unwrap();
        let conversations: Vec<_> =
            files(&s.path("state")).into_iter().filter(|f| f.extension().is_some_and(|e| e == "jsonl")).collect();
        let named: Vec<_> = conversations.iter().filter_map(|f| f.file_stem()?.to_str()).collect();
        assert_eq!(named, [session]);
        // Four replies, two of them to the process that died.
        assert_eq!(turns.len(), 5);
        let cost = json!({"usd_micros": 4 * USD_MICROS, "input_tokens": 400, "output_tokens": 80});
        assert_eq!(run.packet["built_by"]["cost"], cost);
        assert_sound(&s);
    }
}

#[test]
fn a_local_server_needs_no_key() {
    for path in ["", "/v1"] {
        let model = Model::start(right_at_once);
        let s = sandbox();
        s.git(&["config", "otto.openai.url", &(model.url() + path)]);
        let args = ["run", "--yes", "--json", "--text", PROSE, "--agent", "openai", "--model", "m"];
        Run::read(s.otto(&args)).ends(0);
        let turns = model.requests();
        assert!(turns.iter().all(|t| t.path == "/v1/chat/completions" && t.header("authorization").is_none()));
    }
}
