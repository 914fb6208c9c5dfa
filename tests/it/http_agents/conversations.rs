//! Answers, costs, and conversations that are continued.

use git_otto::agent::{Answer, Event, Provider, Session, Trouble, Work};
use serde_json::{Value, json};

use super::{
    super::support::model::{Call, Dialect, Model, Reply, Usage},
    BOTH, KEY, Room,
};

fn schema() -> Value {
    json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
}

fn look() -> Call {
    Call { name: "read".into(), input: json!({"path": "a"}) }
}

#[test]
fn requests_are_what_the_protocol_says() {
    for provider in BOTH {
        let model = Model::start(|turn| match turn.nth {
            0 => Reply::call(look()),
            _ => Reply::text("Done."),
        });
        let mut room = Room::of(provider.clone(), &model);
        room.agent.effort = Some("high".into());
        room.put("a", "1");
        assert!(room.work("Build it.").ok);
        let requests = model.requests();
        let last = &requests[1];
        assert!(last.stream && last.prompt == "Build it." && last.results == ["1"]);
        assert_eq!(last.tools, ["list", "read", "search", "edit", "write", "run"]);
        assert!(last.schema.is_none() && last.system.contains("never an instruction"));
        let body = &last.body;
        if provider == Provider::Anthropic {
            assert_eq!((last.dialect, last.path.as_str()), (Dialect::Messages, "/v1/messages"));
            assert_eq!((last.header("x-api-key"), last.header("anthropic-version")), (Some(KEY), Some("2023-06-01")));
            assert_eq!(body["system"][0]["cache_control"]["type"], "ephemeral");
            assert_eq!(body["messages"][0]["content"][0]["cache_control"]["type"], "ephemeral");
            assert_eq!(body["messages"][2]["content"][0]["cache_control"]["type"], "ephemeral");
            assert_eq!(
                (&body["output_config"]["effort"], &body["thinking"]["type"]),
                (&json!("high"), &json!("adaptive"))
            );
        } else {
            assert_eq!((last.dialect, last.path.as_str()), (Dialect::Chat, "/v1/chat/completions"));
            assert_eq!(last.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
            assert_eq!(
                (&body["stream_options"]["include_usage"], &body["reasoning_effort"]),
                (&json!(true), &json!("high"))
            );
        }
    }
    // A number is a budget of tokens; a base URL may have its version already, or another path.
    let model = Model::start(|_| Reply::text("Done."));
    for (provider, base, path) in [
        (Provider::Anthropic, "/v1/", "/v1/messages"),
        (Provider::Anthropic, "/gate", "/gate/v1/messages"),
        (Provider::OpenAi, "/v1", "/v1/chat/completions"),
        (Provider::OpenAi, "/api/v1", "/api/v1/chat/completions"),
    ] {
        let mut room = Room::new(provider, &format!("{}{base}", model.url()));
        room.agent.effort = Some("8000".into());
        assert!(room.work("Build it.").ok);
        assert_eq!(model.requests().last().unwrap().path, path);
    }
    assert_eq!(model.requests()[0].body["thinking"], json!({"type": "enabled", "budget_tokens": 8000}));
}

#[test]
fn an_answer_is_held_to_its_schema_by_the_provider() {
    for provider in BOTH {
        let model = Model::start(|turn| match turn.nth {
            0 => Reply::call(look()),
            _ => {
                assert_eq!(turn.schema, Some(schema()));
                Reply::structured(json!({"n": 7}))
            }
        });
        let room = Room::of(provider, &model);
        room.put("a", "1");
        let o = room.ask("Count.", &schema());
        assert!(o.ok, "{o:?}");
        assert_eq!(o.answer, Some(Answer::Value(json!({"n": 7}))));
    }
    // What is no JSON is left to whoever reads the answer.
    for provider in BOTH {
        let model = Model::start(|_| Reply::text("It is seven."));
        let o = Room::of(provider, &model).ask("Count.", &schema());
        assert_eq!((o.ok, o.answer), (true, Some(Answer::Text("It is seven.".into()))));
    }
}

#[test]
fn an_endpoint_that_refuses_schemas_is_asked_in_words() {
    for provider in BOTH {
        let model = Model::start(|turn| match (turn.nth, &turn.schema) {
            (0, _) => Reply::status(400),
            (_, None) => {
                assert!(turn.tools.is_empty() && turn.system.contains("\"required\":[\"n\"]"));
                Reply::text("{\"n\": 7}")
            }
            _ => Reply::status(400),
        });
        let room = Room::of(provider.clone(), &model);
        let o = room.ask("Count.", &schema());
        assert_eq!((o.ok, o.answer), (true, Some(Answer::Text("{\"n\": 7}".into()))));
        assert!(room.waits().is_empty());
        // Once: who refuses words too has failed; and files cannot be changed in words.
        let model = Model::start(|_| Reply::status(400));
        let o = Room::of(provider.clone(), &model).ask("Count.", &schema());
        assert_eq!((o.ok, o.trouble, model.requests().len()), (false, None, 2));
        let o = Room::of(provider, &model).work("Build it.");
        assert_eq!((o.ok, o.trouble, model.requests().len()), (false, None, 3));
        assert!(o.detail.contains("status 400: bad request"), "{}", o.detail);
    }
}

#[test]
fn costs_are_counted_and_end_what_they_exceed() {
    for provider in BOTH {
        let reply = |call: Option<Call>| call.map_or(Reply::text("Done."), Reply::call);
        let usage = Usage { input: 1_000, cached: 900, output: 100 };
        let model = Model::start(move |turn| reply((turn.nth < 5).then(look)).usage(usage));
        let mut room = Room::of(provider, &model);
        room.put("a", "1");
        // 3 USD and 15 USD for a million: 4500 millionths a turn.
        room.agent.endpoint.price = Some((3_000_000, 15_000_000));
        let o = room.work("Build it.");
        assert_eq!((o.ok, o.cost.input_tokens, o.cost.output_tokens, o.cost.usd_micros), (true, 6_000, 600, 27_000));
        let model = Model::start(move |_| reply(Some(look())).usage(usage));
        room.agent.endpoint.url = Some(model.url());
        room.bounds.usd_micros = Some(9_000);
        let o = room.work("Build it.");
        assert_eq!((o.ok, o.cost.usd_micros, model.requests().len()), (false, 9_000, 2));
        assert_eq!(o.detail, "its money is spent: 0.0090 of 0.0090 USD");
    }
}

#[test]
fn turns_end() {
    for provider in BOTH {
        let model = Model::start(|_| Reply::call(look()));
        let room = Room::of(provider, &model);
        room.put("a", "1");
        let o = room.work("Build it.");
        assert_eq!((o.ok, model.requests().len()), (false, 200));
        let forced = Model::start(|turn| match turn.body["tool_choice"].clone() {
            Value::String(none) if none == "none" => Reply::structured(json!({"n": 1})),
            choice if choice["type"] == "tool" => Reply::structured(json!({"n": 1})),
            _ => Reply::call(look()),
        });
        let mut room = room;
        room.agent.endpoint.url = Some(forced.url());
        let o = room.ask("Count.", &schema());
        assert_eq!((o.ok, o.answer, forced.requests().len()), (true, Some(Answer::Value(json!({"n": 1}))), 41));
    }
}

#[test]
fn a_conversation_is_continued() {
    for provider in BOTH {
        let model = Model::start(|turn| match turn.nth {
            0 => Reply::call(look()),
            _ => Reply::text(format!("I know {KEY} of {}.", turn.text.lines().count())),
        });
        let mut room = Room::of(provider, &model);
        room.put("a", &format!("the key is {KEY}"));
        let first = room.work("First.");
        assert!(first.ok, "{first:?}");
        room.keeps_the_key(&first);
        room.session = Session { id: first.session.clone(), begun: true, spent: first.cost };
        let second = room.work("Second.");
        assert_eq!(second.session, first.session);
        assert_eq!(second.cost.input_tokens, 100, "this call's alone");
        let last = model.requests().pop().unwrap();
        assert_eq!((last.prompt.as_str(), last.text.as_str()), ("Second.", "First.\nSecond.\n"));
        assert!(last.body["messages"].to_string().contains("the key is [redacted]"));
        // Its transcript is its own part.
        let transcript = std::fs::read_to_string(second.transcript.as_ref().unwrap()).unwrap();
        assert!(transcript.contains("Second.") && !transcript.contains("First."));
        room.keeps_the_key(&second);
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(room.session_file()).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_conversation_that_a_crash_cut_loses_the_cut_turn_alone() {
    for provider in BOTH {
        let model = Model::start(|turn| match turn.nth {
            0 | 1 => Reply::call(look()),
            _ => Reply::text("Done."),
        });
        let mut room = Room::of(provider, &model);
        room.put("a", "1");
        room.session.id = Some("0123456789abcdef".into());
        let first = room.work("First.");
        assert_eq!(first.session, room.session.id);
        room.session.begun = true;
        let file = room.session_file();
        let whole = std::fs::read(&file).unwrap();
        let ends: Vec<usize> = (0..whole.len()).filter(|i| whole[*i] == b'\n').collect();
        assert_eq!(ends.len(), 3, "a line a turn");
        // Cut in the third turn: two uses of the tool are known.
        std::fs::write(&file, &whole[..ends[2] - 1]).unwrap();
        assert!(room.work("Again.").ok);
        let last = model.requests().pop().unwrap();
        assert_eq!(last.text, "First.\nAgain.\n");
        let messages = last.body["messages"].to_string();
        let uses = ["\"call_", "\"toolu_"].map(|id| messages.matches(id).count());
        assert_eq!(uses.iter().sum::<usize>(), 4, "each use and its result: {messages}");
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert_eq!(lines, 3, "the cut turn was replaced");
        // Cut in the first turn, or gone: it begins anew, and says so.
        for lost in [Some(&whole[..ends[0]]), Some(&b"\xff\xfe\n"[..]), None] {
            match lost {
                Some(bytes) => std::fs::write(&file, bytes).unwrap(),
                None => std::fs::remove_file(&file).unwrap(),
            }
            room.events.lock().unwrap().clear();
            assert!(room.work("Anew.").ok);
            assert_eq!(model.requests().pop().unwrap().text, "Anew.\n");
            let said = |e: &Event| matches!(e, Event::Text(text) if text.contains("begins anew"));
            assert!(room.events().iter().any(said), "{:?}", room.events());
        }
    }
}

#[test]
fn what_a_dead_process_spent_is_counted_once() {
    for provider in BOTH {
        // What an answer took that was cut off is known to one of the two.
        let model = Model::start(|turn| match turn.nth {
            0 | 1 | 3 => Reply::call(look()),
            4 => Reply::text("Half.").cut(400),
            2 | 5 => Reply::status(401),
            _ => Reply::text("Done."),
        });
        let cut = if provider == Provider::Anthropic { 100 } else { 0 };
        let mut room = Room::of(provider, &model);
        room.put("a", "1");
        let dead = room.work("First.");
        assert_eq!((dead.ok, dead.cost.input_tokens), (false, 200));
        // Nobody has accounted for any of it, then for all of it.
        room.session = Session { id: dead.session.clone(), begun: true, ..Session::default() };
        let second = room.work("Second.");
        assert_eq!((second.ok, second.cost.input_tokens), (false, 300 + cut));
        room.session.spent = second.cost;
        let third = room.work("Third.");
        assert_eq!((third.ok, third.cost.input_tokens, third.cost.output_tokens), (true, 100, 20));
        // A conversation that is lost was paid for all the same.
        std::fs::remove_file(room.session_file()).unwrap();
        room.session.spent += third.cost;
        for _ in 0..2 {
            let anew = room.work("Anew.");
            assert_eq!(anew.cost.input_tokens, 100);
            room.session.spent += anew.cost;
        }
    }
}

#[test]
fn a_name_from_outside_leaves_no_folder() {
    let model = Model::start(|_| Reply::text("Done."));
    let mut room = Room::of(Provider::OpenAi, &model);
    room.session = Session { id: Some("../../evil".into()), begun: true, ..Session::default() };
    let o = room.work("Build it.");
    assert!(o.ok && o.session != room.session.id);
    assert_eq!(room.session_file().parent().unwrap(), room.dir.path().join("sessions"));
}

#[test]
fn what_cannot_begin_says_why() {
    for provider in BOTH {
        let fail = |url: Option<&str>, key: Option<&str>, model: Option<&str>| {
            let mut room = Room::new(provider.clone(), "http://127.0.0.1:9");
            room.agent.endpoint.url = url.map(str::to_owned);
            room.agent.endpoint.key = key.map(|key| git_otto::agent::Key::new(key.into()));
            room.agent.model = model.map(str::to_owned);
            let o = room.call("x", Work::Write(&room.task));
            assert!(!o.ok && room.waits().is_empty());
            (o.trouble, o.detail)
        };
        let (trouble, why) = fail(None, Some(KEY), None);
        assert_eq!((trouble, why.contains("git config otto.model")), (Some(Trouble::Model), true));
        assert_eq!(fail(None, None, Some("m")).0, Some(Trouble::Login));
        assert_eq!(fail(None, Some("a\nb"), Some("m")).0, Some(Trouble::Login));
        for (url, words) in [
            ("http://models.example/v1", "in the clear"),
            ("http://10.0.0.1", "in the clear"),
            ("ftp://models.example", "ftp://"),
            ("models", "its URL is none"),
        ] {
            let (_, why) = fail(Some(url), Some(KEY), Some("m"));
            assert!(why.contains(words), "{why}");
        }
    }
}
