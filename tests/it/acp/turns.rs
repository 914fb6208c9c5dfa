//! How turns begin, end and fail.

use std::time::{Duration, Instant};

use git_otto::{
    agent::{Answer, Event, Session, Trouble},
    base::Cost,
};
use serde_json::{Value, json};

use super::{Room, begun, hello, replay, says, turn};

fn end(reply: Value) -> Vec<Value> {
    let mut steps = begun();
    steps.push(json!({"reply": reply}));
    steps
}

fn conversation() -> Session {
    Session { id: Some("s".into()), begun: true, spent: Cost { usd_micros: 1000, input_tokens: 7, output_tokens: 7 } }
}

#[test]
fn a_turn_is_told_as_it_goes() {
    let r = Room::new();
    let update = |update: Value| json!({"update": update});
    let done = r.build(&turn([
        says("I will "),
        says("edit."),
        update(json!({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "bash", "kind": "execute"})),
        update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "title": "make"})),
        update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "1", "status": "completed"})),
        // Nobody announced it.
        update(json!({"sessionUpdate": "tool_call_update", "toolCallId": "2", "kind": "edit", "status": "failed",
            "title": "x", "content": [{"type": "content", "content": {"type": "text", "text": "no\nspace"}}]})),
        update(json!({"sessionUpdate": "no_such_update"})),
        update(json!({"sessionUpdate": "agent_thought_chunk", "content": {"type": "text", "text": "hm"}})),
        json!({"update": {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "not mine"}},
            "session": "other"}),
        says("Done."),
    ]));
    assert!(done.outcome.ok, "{:?}", done.outcome);
    let tool = |name: &str, what: &str| Event::Tool(name.into(), what.into());
    let expected = [
        Event::Session("s".into()),
        Event::Text("I will edit.".into()),
        tool("execute", "bash"),
        tool("execute", "make"),
        tool("edit", "x"),
        tool("edit", "failed: no"),
        Event::Text("Done.".into()),
    ];
    assert_eq!(done.events, expected);
    assert_eq!((done.outcome.detail.as_str(), done.outcome.session.as_deref()), ("Done.", Some("s")));
    let greeting = done.calls("initialize")[0];
    let can = json!({"fs": {"readTextFile": true, "writeTextFile": true}, "terminal": false});
    for (name, value) in can.as_object().unwrap() {
        assert_eq!(&greeting["clientCapabilities"][name], value);
    }
    assert_eq!(greeting["protocolVersion"], 1);
    assert_eq!(done.calls("session/new")[0], &json!({"cwd": r.tree(), "mcpServers": []}));
    assert_eq!(done.calls("session/prompt")[0]["prompt"], json!([{"type": "text", "text": "Do it."}]));
    let kept = std::fs::read_to_string(done.outcome.transcript.unwrap()).unwrap();
    assert!(kept.contains(">> {\"jsonrpc\"") && kept.contains("\n<< {\"jsonrpc\""), "{kept}");
}

#[test]
fn what_real_agents_said() {
    // Its only edit failed, whatever it says: nothing is there, and that is what it is judged by.
    let r = Room::new();
    let done = r.build(&replay(include_str!("gemini.log")));
    assert!(done.outcome.ok, "{:?}", done.outcome);
    assert_eq!(done.outcome.detail, "Done: wrote hello.txt");
    assert_eq!(done.outcome.cost, Cost { usd_micros: 0, input_tokens: 200, output_tokens: 40 });
    assert_eq!(done.outcome.session.as_deref(), Some("f195fd36-540a-40fc-8ea1-27ce044f2d7f"));
    let failed = |e: &Event| matches!(e, Event::Tool(_, what) if what.starts_with("failed: Path not in workspace"));
    assert!(done.events.iter().any(failed), "{:?}", done.events);
    assert_eq!(std::fs::read_dir(r.tree()).unwrap().count(), 0);

    let done = Room::new().build(&replay(include_str!("opencode.log")));
    assert!(done.outcome.ok, "{:?}", done.outcome);
    assert_eq!(done.outcome.detail, "Done");
    assert_eq!(done.outcome.cost, Cost { usd_micros: 0, input_tokens: 100, output_tokens: 20 });
    assert!(done.events.contains(&Event::Tool("execute".into(), "echo hi > hello.txt".into())));
}

#[test]
fn only_an_end_of_the_turn_is_a_good_end() {
    for reason in ["max_tokens", "max_turn_requests", "refusal", "cancelled", "something_new"] {
        let done = Room::new().build(&end(json!({"stopReason": reason})));
        done.fails_with(reason);
    }
    Room::new().build(&end(json!({}))).fails_with("does not say why it stopped");
    let mut steps = begun();
    steps.push(json!({"error": {"code": -32603, "message": "Internal error", "data": {"details": "overloaded"}}}));
    let done = Room::new().build(&steps);
    done.fails_with("session/prompt with an error: Internal error: overloaded");
    assert_eq!(done.outcome.trouble, None);
    let mut steps = begun();
    steps.push(json!({"eprint": "disk full"}));
    steps.push(json!({"error": {"code": -32603, "message": "Internal error"}}));
    Room::new().build(&steps).fails_with("session/prompt with an error: disk full");
}

#[test]
fn the_end_of_the_program_before_its_answer_is_a_failure() {
    for (last, why) in [
        (json!({"exit": 3}), "it ended with exit code 3: out of memory"),
        (json!({"exit": 0}), "it ended before it answered session/prompt: out of memory"),
        (json!({"crash": true}), "signal 9 ended it: out of memory"),
    ] {
        let mut steps = begun();
        steps.extend([says("half"), json!({"eprint": "starting\nout of memory"}), last]);
        let done = Room::new().build(&steps);
        done.fails_with(why);
        assert_eq!(done.outcome.session.as_deref(), Some("s"));
    }
    Room::new().build(&[json!({"exit": 1})]).fails_with("it ended with exit code 1");
    // A descendant that holds the streams open changes nothing.
    let mut steps = begun();
    steps.extend([json!({"spawn": ["setsid", "sleep", "20"]}), json!({"exit": 4})]);
    Room::new().build(&steps).fails_with("exit code 4");
}

#[test]
fn how_it_ends_after_its_answer_says_nothing() {
    for last in [json!({"exit": 3}), json!({"crash": true}), json!({"hang": true}), json!({"flood": 1 << 24})] {
        let mut steps = turn([says("Done.")]);
        steps.push(last);
        let done = Room::new().build(&steps);
        assert!(done.outcome.ok && done.outcome.detail == "Done.", "{:?}", done.outcome);
    }
}

#[test]
fn garbage_and_lines_without_end_are_passed_over() {
    let r = Room::new();
    let done = r.build(&turn([
        json!({"raw": "Loaded cached credentials."}),
        json!({"raw": "{\"jsonrpc\":\"2.0\",\"method\":"}),
        json!({"raw": "[]"}),
        json!({"raw": "{}"}),
        json!({"raw": "\u{1b}[2J\u{0}\u{feff}"}),
        json!({"raw": "{\"jsonrpc\":\"2.0\",\"id\":\"never\",\"result\":{}}"}),
        json!({"raw": "[".repeat(100_000)}),
        json!({"flood": 200 << 20}),
        says("Done."),
    ]));
    assert!(done.outcome.ok && done.outcome.detail == "Done.", "{:?}", done.outcome);
    let kept = std::fs::metadata(done.outcome.transcript.unwrap()).unwrap().len();
    assert!(kept < 4 << 20, "{kept}");
}

#[test]
fn silence_and_length_end_it() {
    let mut r = Room::new();
    r.bounds.idle = Some(Duration::from_millis(300));
    let mut steps = begun();
    steps.push(json!({"expect": "session/cancel"}));
    steps.push(json!({"reply": {"stopReason": "cancelled", "usage": {"inputTokens": 5, "outputTokens": 6}}}));
    let done = r.build(&steps);
    done.fails_with("it was silent for more than");
    assert_eq!(done.outcome.cost, Cost { usd_micros: 0, input_tokens: 5, output_tokens: 6 });
    assert_eq!(done.calls("session/cancel"), [&json!({"sessionId": "s"})]);

    // It has no conversation yet, and nobody to tell.
    r.build(&[json!({"hang": true})]).fails_with("it was silent for more than");

    r.bounds.idle = None;
    r.bounds.wall = Duration::from_millis(300);
    let mut steps = begun();
    steps.push(json!({"hang": true}));
    r.build(&steps).fails_with("it ran for more than");
}

#[test]
fn a_conversation_is_continued() {
    let mut r = Room::new();
    r.session = conversation();
    for (can, method) in [
        (json!({"loadSession": true}), "session/load"),
        (json!({"loadSession": true, "sessionCapabilities": {"resume": {}}}), "session/resume"),
    ] {
        let done = r.ask(&[
            hello(can),
            json!({"expect": method}),
            // Its past is told again, and is not part of the answer.
            says("long ago"),
            json!({"reply": {}}),
            says("later, not yet now"),
            json!({"expect": "session/prompt"}),
            json!({"update": {"sessionUpdate": "usage_update", "used": 1, "size": 2,
                "cost": {"amount": 0.0025, "currency": "USD"}}}),
            says("now"),
            json!({"reply": {"stopReason": "end_turn", "usage": {"inputTokens": 3, "cachedReadTokens": 4,
                "cachedWriteTokens": 5, "outputTokens": 6, "thoughtTokens": 7, "totalTokens": 25}}}),
        ]);
        assert!(done.outcome.ok, "{:?}", done.outcome);
        assert_eq!(done.outcome.answer, Some(Answer::Text("now".into())));
        assert_eq!(done.events, [Event::Session("s".into()), Event::Text("now".into())]);
        assert_eq!(done.calls(method)[0], &json!({"sessionId": "s", "cwd": r.tree(), "mcpServers": []}));
        // What the conversation cost in US dollars is told as a whole, tokens for the turn.
        assert_eq!(done.outcome.cost, Cost { usd_micros: 1500, input_tokens: 12, output_tokens: 13 });
    }
}

#[test]
fn an_agent_that_counts_anew_is_believed() {
    let mut r = Room::new();
    r.session = conversation();
    let mut hello = hello(json!({"loadSession": true}));
    hello["reply"]["agentInfo"] = json!({"name": "@agentclientprotocol/claude-agent-acp", "version": "0.49.0"});
    let done = r.build(&[
        hello,
        json!({"expect": "session/load", "reply": {}}),
        json!({"expect": "session/prompt"}),
        json!({"update": {"sessionUpdate": "usage_update", "used": 1, "size": 2,
            "cost": {"amount": 0.0025, "currency": "USD"}}}),
        json!({"reply": {"stopReason": "end_turn"}}),
    ]);
    assert_eq!(done.outcome.cost.usd_micros, 2500);
}

#[test]
fn an_agent_that_asks_only_where_it_is_told_to_is_told_to() {
    let done = Room::new().build(&turn([json!({"env": "OPENCODE_PERMISSION"})]));
    assert_eq!(done.outcome.detail, r#"{"edit":"ask"}"#);
}

#[test]
fn where_a_conversation_cannot_be_continued_a_new_one_begins_and_that_is_told() {
    let mut r = Room::new();
    r.session = conversation();
    let usage = json!({"update": {"sessionUpdate": "usage_update", "used": 1, "size": 2,
        "cost": {"amount": 0.0025, "currency": "USD"}}});
    let gone = json!({"expect": "session/load", "error": {"code": -32002, "message": "Resource not found"}});
    for (first, why) in [
        (vec![hello(json!({}))], "it offers no way to"),
        (vec![hello(json!({"loadSession": true})), gone], "Resource not found"),
    ] {
        let mut steps = first;
        steps.extend([
            json!({"expect": "session/new", "reply": {"sessionId": "new"}}),
            json!({"expect": "session/prompt"}),
            json!({"update": usage["update"], "session": "new"}),
            json!({"reply": {"stopReason": "end_turn"}}),
        ]);
        let done = r.build(&steps);
        assert!(done.outcome.ok, "{:?}", done.outcome);
        assert_eq!((done.outcome.session.as_deref(), done.outcome.cost.usd_micros), (Some("new"), 2500));
        assert!(matches!(&done.events[0], Event::Text(told) if told.contains(why)), "{:?}", done.events);
        assert_eq!(done.events[1], Event::Session("new".into()));
    }
    // Whatever it says it costs, the ledger can be written.
    let mut steps = begun();
    steps.push(json!({"update": {"sessionUpdate": "usage_update", "used": 1, "size": 2,
        "cost": {"amount": 1e300, "currency": "USD"}}}));
    steps.push(json!({"reply": {"stopReason": "end_turn", "usage": {"inputTokens": 9007199254740991_u64,
        "cachedReadTokens": 9007199254740991_u64, "outputTokens": -1}}}));
    let cost = Room::new().build(&steps).outcome.cost;
    assert!(cost.usd_micros < 1 << 50 && cost.input_tokens < 1 << 50 && cost.output_tokens == 0, "{cost:?}");
    // A conversation that has a name and has not begun cannot be named: the agent does that.
    r.session.begun = false;
    assert!(r.build(&turn([])).events.starts_with(&[Event::Session("s".into())]));
}

#[test]
fn what_only_a_person_can_mend_is_told() {
    let auth = json!({"code": -32000, "message": "Authentication required"});
    let done = Room::new().build(&[hello(json!({})), json!({"expect": "session/new", "error": auth})]);
    done.fails_with("it is not logged in (Use a key): Authentication required");
    assert_eq!(done.outcome.trouble, Some(Trouble::Login));
    let mut steps = begun();
    steps.push(json!({"error": auth}));
    assert_eq!(Room::new().build(&steps).outcome.trouble, Some(Trouble::Login));
}

#[test]
fn the_model_is_chosen_from_what_the_agent_offers() {
    let mut r = Room::new();
    let option = |values: Value| {
        json!({"configOptions": [{"id": "m", "category": "model", "name": "Model", "type": "select",
            "currentValue": "big", "options": values}]})
    };
    let flat = option(json!([{"value": "big", "name": "Big"}, {"value": "small", "name": "Small"}]));
    let grouped = option(json!([{"group": "g", "name": "G", "options": [{"value": "small", "name": "Small"}]}]));
    let legacy = json!({"models": {"availableModels": [{"modelId": "big"}, {"modelId": "small"}]}});
    let run = |r: &Room, offer: &Value, set: &str| {
        let mut new = offer.clone();
        new["sessionId"] = "s".into();
        r.build(&[
            hello(json!({})),
            json!({"expect": "session/new", "reply": new}),
            json!({"expect": set, "reply": {}}),
            json!({"expect": "session/prompt", "reply": {"stopReason": "end_turn"}}),
        ])
    };
    r.model = Some("small".into());
    for offer in [&flat, &grouped] {
        let done = run(&r, offer, "session/set_config_option");
        assert!(done.outcome.ok, "{:?}", done.outcome);
        let choice = json!({"sessionId": "s", "configId": "m", "value": "small"});
        assert_eq!(done.calls("session/set_config_option"), [&choice]);
    }
    let done = run(&r, &legacy, "session/set_model");
    assert!(done.outcome.ok, "{:?}", done.outcome);
    assert_eq!(done.calls("session/set_model"), [&json!({"sessionId": "s", "modelId": "small"})]);
    r.model = Some("other".into());
    for (offer, why) in [(&flat, "it offers big, small"), (&legacy, "it offers big, small"), (&json!({}), "no choice")]
    {
        let done = run(&r, offer, "session/never");
        done.fails_with(why);
        assert_eq!(done.outcome.trouble, Some(Trouble::Model));
        assert!(done.calls("session/prompt").is_empty());
    }
}

#[test]
fn a_program_that_is_not_there_is_missing() {
    let world = git_otto::base::World::real(Default::default()).unwrap();
    let provider = "acp:no-such-agent --acp".parse().unwrap();
    let r = Room::new();
    let call = git_otto::agent::Call {
        role: git_otto::agent::Role::Audit,
        nth: 1,
        prompt: "",
        work: git_otto::agent::Work::Answer(&Value::Null),
        dir: &r.tree(),
        scratch: r.dir.path(),
        sessions: &r.tree(),
        may_write: &|_| Ok(()),
        session: Session::default(),
        bounds: r.bounds,
        transcript: &r.dir.path().join("transcript"),
        notice: &|_| {},
    };
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let agent = git_otto::agent::Agent::new(provider);
    let outcome = rt.block_on(git_otto::agent::run(&world, &agent, &call));
    assert_eq!(outcome.trouble, Some(Trouble::Missing));
    assert!(outcome.detail.contains("no-such-agent is not on PATH"), "{}", outcome.detail);
}

#[test]
fn an_interrupted_call_leaves_nobody_behind() {
    let r = Room::new();
    let (mark, pid) = (r.dir.path().join("mark"), r.dir.path().join("pid"));
    let mut steps = begun();
    let script = format!("echo $$ > {}; touch {}; exec sleep 1000", pid.display(), mark.display());
    steps.extend([json!({"spawn": ["sh", "-c", script]}), json!({"hang": true})]);
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let answer = json!({});
    rt.block_on(async {
        let call = r.future(git_otto::agent::Role::Audit, git_otto::agent::Work::Answer(&answer), &steps, &|_| {});
        let marked = async {
            while !mark.exists() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            outcome = call => panic!("{outcome:?}"),
            () = marked => {}
        }
    });
    let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    let start = Instant::now();
    let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    while !stat().is_empty() && !stat().contains(") Z") {
        assert!(start.elapsed() < Duration::from_secs(30), "{pid} lives on");
        std::thread::yield_now();
    }
}
