//! What becomes of the faults of an endpoint.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::{Duration, Instant},
};

use git_otto::agent::{Event, Provider, Trouble, Work};
use serde_json::{Value, json};

use super::{
    super::support::model::{Call, Dialect, Model, Reply, Usage},
    BOTH, KEY, Room,
};

/// Answers `faults` one after the other, then as it should be.
fn faulty(faults: impl Fn(Dialect) -> Vec<Reply> + Send + Sync + 'static) -> Model {
    Model::start(move |turn| faults(turn.dialect).into_iter().nth(turn.nth).unwrap_or_else(|| Reply::text("Done.")))
}

fn waiting(room: &Room) -> Vec<String> {
    let of = |e| if let Event::Waiting(why) = e { Some(why) } else { None };
    room.events().into_iter().filter_map(of).collect()
}

#[test]
fn what_may_pass_is_tried_again() {
    for provider in BOTH {
        let model = faulty(|_| {
            let after = |name, value| Reply::status(429).header(name, value);
            vec![
                after("retry-after", "7"),
                after("retry-after", "Tue, 24 Nov 2026 10:00:30 GMT"),
                after("retry-after-ms", "250"),
                Reply::status(500),
            ]
        });
        let room = Room::of(provider, &model);
        let o = room.work("Build it.");
        assert!(o.ok, "{o:?}");
        let waits = room.waits();
        assert_eq!(waits[..3], [7_000, 30_000, 250].map(Duration::from_millis));
        assert!(waits.len() == 4 && waits[3] > Duration::from_secs(3) && waits[3] <= Duration::from_secs(8));
        let said = waiting(&room);
        assert_eq!(said[0], "it answers with status 429: too many requests; try 2 of 5 in 7.0 s");
        assert!(said.len() == 4 && said[3].contains("internal server error; try 5 of 5"));
    }
}

#[test]
fn tries_end() {
    for provider in BOTH {
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            let model = Model::start(move |_| Reply::status(status));
            let room = Room::of(provider.clone(), &model);
            let o = room.work("Build it.");
            assert_eq!((o.ok, o.trouble, model.requests().len(), room.waits().len()), (false, None, 5, 4), "{status}");
            assert!(o.detail.contains("tried 5 times"), "{}", o.detail);
        }
        // Nor is anything waited for beyond the call's own time.
        let model = Model::start(|_| Reply::status(429).header("retry-after", "3600"));
        let room = Room::of(provider.clone(), &model);
        let o = room.work("Build it.");
        assert_eq!((o.ok, model.requests().len(), room.waits().len()), (false, 1, 0));
        assert!(o.detail.contains("asked again in 3600 s"), "{}", o.detail);
        // Nobody there at all.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let room = Room::new(provider, &format!("http://{address}"));
        let o = room.work("Build it.");
        assert_eq!((o.ok, room.waits().len()), (false, 4));
        assert!(o.detail.contains("refused"), "{}", o.detail);
    }
}

#[test]
fn what_a_person_must_do_is_not_tried_again() {
    for provider in BOTH {
        for (status, trouble) in [
            (401, Some(Trouble::Login)),
            (403, Some(Trouble::Login)),
            (404, Some(Trouble::Model)),
            (402, Some(Trouble::Quota)),
            (413, None),
        ] {
            let model = Model::start(move |_| Reply::status(status));
            let room = Room::of(provider.clone(), &model);
            let o = room.work("Build it.");
            assert_eq!((o.ok, o.trouble, model.requests().len()), (false, trouble, 1), "{status}");
            room.keeps_the_key(&o);
        }
        // Told in the middle of a stream.
        let quota =
            json!({"type": "error", "error": {"type": "insufficient_quota", "message": format!("none for {KEY}")}});
        let model = Model::start(move |_| Reply::raw(format!("data: {quota}\n\n")));
        let room = Room::of(provider, &model);
        let o = room.work("Build it.");
        assert_eq!((o.ok, o.trouble, model.requests().len()), (false, Some(Trouble::Quota), 1));
        assert!(o.detail.contains("none for [redacted]"), "{}", o.detail);
        room.keeps_the_key(&o);
    }
}

#[test]
fn broken_streams_are_tried_again_and_what_they_took_is_counted() {
    let usage = Usage { input: 1_000, cached: 0, output: 5 };
    let text = "A text that is long enough to be cut.";
    for provider in BOTH {
        let model = faulty(move |dialect| {
            let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}});
            let good = if dialect == Dialect::Messages { json!({"type": "ping"}) } else { json!({"choices": []}) };
            vec![
                Reply::text(text).usage(usage).cut(5),
                Reply::text(text).usage(usage).cut(500),
                Reply::raw("<html>down for maintenance</html>"),
                Reply::raw(format!("data: {good}\n\ndata: {{\"torn\": \n\ndata: {overloaded}\n\n")),
            ]
        });
        let room = Room::of(provider.clone(), &model);
        let o = room.work("Build it.");
        assert!(o.ok && o.detail == "Done.", "{o:?}");
        assert_eq!(model.requests().len(), 5);
        // Messages tell what was read at once, completions at the end.
        let cut = if provider == Provider::Anthropic { 1_000 } else { 0 };
        assert_eq!(o.cost.input_tokens, cut + 100);
        let model = faulty(|_| {
            vec![Reply::raw("data: {\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\"}}\n\n")]
        });
        let room = Room::of(provider, &model);
        assert!(room.work("Build it.").ok);
        assert!(waiting(&room)[0].contains("529"), "{:?}", waiting(&room));
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_is_whole_or_asked_for_again() {
    for provider in BOTH {
        let model = Model::start(|turn| match turn.prompt.parse() {
            Ok(bytes) if turn.nth.is_multiple_of(2) => Reply::text("All the words.").cut(bytes),
            _ => Reply::text("Again."),
        });
        let room = Room::of(provider, &model);
        let mut again = 0;
        let whole = (0..2_000).step_by(41).find(|bytes| {
            let before = model.requests().len();
            let o = room.work(&bytes.to_string());
            match (o.detail.as_str(), model.requests().len() - before) {
                ("All the words.", 1) => true,
                ("Again.", 2) => {
                    again += 1;
                    false
                }
                other => panic!("cut after {bytes} bytes: {other:?}"),
            }
        });
        assert!(whole.is_some() && again > 5, "{whole:?} {again}");
    }
}

#[test]
fn a_connection_may_break_in_the_headers() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let frames = [
        json!({"choices": [{"delta": {"content": "Done."}, "finish_reason": "stop"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}),
    ];
    let body: String = frames.iter().map(|f| format!("data: {f}\n\n")).collect();
    let server = std::thread::spawn(move || {
        for answer in [
            "HTTP/1.1 200 OK\r\ncontent-le".to_owned(),
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        ] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut piece = [0; 4096];
                let n = stream.read(&mut piece).unwrap();
                request.extend_from_slice(&piece[..n]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let room = Room::new(Provider::OpenAi, &url);
    let o = room.work("Build it.");
    assert!(o.ok && room.waits().len() == 1, "{o:?}");
    assert_eq!((o.cost.input_tokens, o.cost.output_tokens), (3, 1));
    server.join().unwrap();
}

#[test]
fn slow_is_not_silent() {
    for provider in BOTH {
        let drip = Reply::text("Done.").drip(40, Duration::from_millis(5));
        let model = Model::start(move |_| drip.clone());
        let mut room = Room::of(provider.clone(), &model);
        room.bounds.idle = Some(Duration::from_secs(20));
        assert!(room.work("Build it.").ok);
        assert_eq!(model.requests().len(), 1);
        // Silence from the first byte on, then silence in the middle.
        let silent = AtomicUsize::new(0);
        let model = Model::start(move |_| match silent.fetch_add(1, SeqCst) {
            0 => Reply::hang(),
            1 => Reply::text("Half.").drip(100, Duration::from_secs(3600)),
            _ => Reply::text("Done."),
        });
        let mut room = Room::of(provider, &model);
        room.bounds.idle = Some(Duration::from_millis(300));
        let o = room.work("Build it.");
        assert!(o.ok, "{o:?}");
        let said = waiting(&room);
        assert!(said.len() == 2 && said.iter().all(|why| why.starts_with("it was silent")), "{said:?}");
        room.bounds.wall = Duration::from_millis(300);
        room.bounds.idle = None;
        let model = Model::start(|_| Reply::hang());
        room.agent.endpoint.url = Some(model.url());
        let o = room.work("Build it.");
        assert!(!o.ok && o.detail.contains("ran for more than"), "{o:?}");
    }
}

#[test]
fn answers_are_bounded() {
    for provider in BOTH {
        let filler = |dialect, size: usize| {
            let x = "x".repeat(size);
            let event = if dialect == Dialect::Messages {
                json!({"type": "ping", "x": x})
            } else {
                json!({"choices": [], "x": x})
            };
            format!("data: {event}\n\n")
        };
        let model = Model::start(move |turn| match turn.prompt.as_str() {
            "large" => Reply::raw(filler(turn.dialect, 3 << 20)),
            _ => Reply::raw(filler(turn.dialect, 8 << 10).repeat(33 << 7)),
        });
        let room = Room::of(provider, &model);
        let large = room.work("large");
        assert_eq!(large.detail, "an event of its answer is too large");
        let endless = room.work("endless");
        assert_eq!(endless.detail, "its answer does not end");
        assert_eq!(model.requests().len(), 2);
    }
}

#[test]
fn proxies_of_the_environment_are_used_but_for_this_machine() {
    let proxy = Model::start(|_| Reply::text("By proxy."));
    let here = Model::start(|_| Reply::text("Here."));
    let go = |url: &str, variables: &[(&str, &str)]| {
        let mut room = Room::new(Provider::OpenAi, url);
        room.agent.endpoint.key = None;
        let mut env = (*room.world.env).clone();
        env.vars.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        room.world.env = std::sync::Arc::new(env);
        room.work("Build it.")
    };
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
        assert_eq!(go("http://models.invalid", &[(name, &proxy.url())]).detail, "By proxy.", "{name}");
        assert_eq!(go(&here.url(), &[(name, &proxy.url())]).detail, "Here.", "{name}");
    }
    assert!(proxy.requests().iter().all(|t| t.path == "http://models.invalid/v1/chat/completions"));
    let o = go("http://models.invalid", &[("http_proxy", &proxy.url()), ("NO_PROXY", ".invalid")]);
    assert!(!o.ok && proxy.requests().len() == 3, "{o:?}");
}

#[test]
fn nobody_is_followed_elsewhere() {
    for provider in BOTH {
        let other = Model::start(|_| Reply::text("Give me the key."));
        let to = format!("{}/v1/messages", other.url());
        let model = Model::start(move |_| Reply::status(307).header("location", &to));
        let o = Room::of(provider, &model).work("Build it.");
        assert!(!o.ok && o.detail.contains("status 307"), "{o:?}");
        assert!(other.requests().is_empty() && other.others().is_empty());
    }
}

#[test]
fn what_a_model_leaves_unfinished_is_no_success() {
    let raw = |provider: &Provider, stop: &str, text: &str| {
        let events: Vec<Value> = if *provider == Provider::Anthropic {
            vec![
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": text}}),
                json!({"type": "message_delta", "delta": {"stop_reason": stop}}),
            ]
        } else {
            vec![json!({"choices": [{"delta": {"content": text}, "finish_reason": stop}]})]
        };
        Reply::raw(events.iter().map(|e| format!("data: {e}\n\n")).collect::<String>())
    };
    for (provider, refused, length) in
        [(Provider::Anthropic, "refusal", "max_tokens"), (Provider::OpenAi, "content_filter", "length")]
    {
        let (p, stop) = (provider.clone(), refused);
        let model = Model::start(move |_| raw(&p, stop, "I will not."));
        let o = Room::of(provider.clone(), &model).work("Build it.");
        assert_eq!((o.ok, o.detail.as_str()), (false, "it refuses: I will not."));
        let (p, stop) = (provider.clone(), length);
        let model =
            Model::start(move |turn| if turn.nth == 1 { Reply::text("Done.") } else { raw(&p, stop, "And then") });
        let room = Room::of(provider.clone(), &model);
        assert_eq!(room.work("Build it.").detail, "Done.");
        // It does not go on for ever.
        let o = room.work("Build it.");
        assert!(!o.ok && o.detail.contains("cut off") && model.requests().len() == 6, "{o:?}");
        let o = room.ask("Answer.", &json!({"type": "object"}));
        assert!(!o.ok && o.detail.contains("cut off") && model.requests().len() == 7, "{o:?}");
        let model = Model::start(|_| Reply::text(""));
        assert_eq!(Room::of(provider, &model).work("Build it.").detail, "it said nothing");
    }
}

#[test]
fn arguments_that_are_no_json_go_back_to_the_model() {
    for provider in BOTH {
        let anthropic = provider == Provider::Anthropic;
        let model = Model::start(move |turn| {
            if turn.nth > 0 {
                return Reply::text("Done.");
            }
            let torn = "{\"path\": \"a\", \"cont";
            let events = if anthropic {
                vec![
                    json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "write", "input": {}}}),
                    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": torn}}),
                    json!({"type": "brand_new", "x": 1}),
                    json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}),
                ]
            } else {
                let part = json!({"id": "c1", "function": {"name": "write", "arguments": torn}});
                vec![json!({"choices": [{"delta": {"tool_calls": [part]}, "finish_reason": "length"}], "brand_new": 1})]
            };
            Reply::raw(events.iter().map(|e| format!(": comment\ndata: {e}\n\n")).collect::<String>())
        });
        let room = Room::of(provider, &model);
        let o = room.work("Build it.");
        assert!(o.ok && !room.tree().join("a").exists(), "{o:?}");
        assert!(model.requests()[1].results[0].contains("the arguments are no JSON"));
    }
}

#[test]
fn whoever_is_interrupted_leaves_nothing_behind() {
    for provider in BOTH {
        let model = Model::start(|_| {
            Reply::call(Call { name: "run".into(), input: json!({"command": "echo $$ > pid; sleep 1000"}) })
        });
        let room = Room::of(provider, &model);
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let pid = room.tree().join("pid");
        let read = || std::fs::read_to_string(&pid).ok().filter(|text| text.ends_with('\n'));
        let started = rt.block_on(async {
            let running = async {
                while read().is_none() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                o = room.start("Build it.", Work::Write(&room.task)) => panic!("{o:?}"),
                () = running => read(),
            }
        });
        let pid = started.unwrap().trim().to_owned();
        let begun = Instant::now();
        while std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{pid} lives on");
            std::thread::yield_now();
        }
        assert!(super::files(&room.dir.path().join("sessions")).is_empty(), "half a turn is no turn");
    }
}
