//! What a model does with its hands, and what it cannot do.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use git_otto::agent::Event;
use serde_json::{Value, json};

use super::{
    super::support::model::{Call, Model, Reply, Turn},
    BOTH, KEY, Room,
};

fn call(name: &str, input: Value) -> Call {
    Call { name: name.into(), input }
}

/// A model that uses these tools, one a turn, and then says that it is done.
fn using(calls: Vec<Call>) -> Model {
    Model::start(move |turn| match calls.get(turn.nth) {
        Some(call) => Reply::call(call.clone()),
        None => Reply::text("Done, as told.\nAll of it."),
    })
}

/// What the tools gave, in their order.
fn results(model: &Model) -> Vec<String> {
    model.requests().iter().filter_map(|t: &Turn| t.results.last().cloned()).collect()
}

#[test]
fn every_tool_does_what_it_says() {
    for provider in BOTH {
        let model = using(vec![
            call("list", json!({})),
            call("read", json!({"path": "src/a.txt", "from": 2, "lines": 1})),
            call("search", json!({"pattern": "thr..", "path": "src"})),
            call("edit", json!({"path": "src/a.txt", "old": "two", "new": "2"})),
            call("write", json!({"path": "new/b.sh", "content": "#!/bin/sh\necho hi\n", "executable": true})),
            call("run", json!({"command": "new/b.sh; cat src/a.txt; echo oops >&2; exit 3"})),
            call("write", json!({"path": "new/b.sh", "content": "#!/bin/sh\n"})),
            call("read", json!({"path": "src/empty"})),
        ]);
        let room = Room::of(provider, &model);
        room.put("src/a.txt", "one\ntwo\nthree\n");
        room.put("src/empty", "");
        room.put(".git/config", "[core]\n");
        let o = room.work("Build it.");
        assert!(o.ok, "{o:?}");
        assert_eq!((o.detail.as_str(), o.trouble, o.denied.len()), ("Done, as told.", None, 0));
        assert_eq!((o.cost.input_tokens, o.cost.output_tokens, o.cost.usd_micros), (900, 180, 0));
        let expected = [
            "src/\nsrc/a.txt\nsrc/empty",
            "two\n",
            "src/a.txt:3: three",
            "src/a.txt has 3 lines now",
            "new/b.sh has 2 lines now",
            "(exit code 3)\nhi\none\n2\nthree\n\n(standard error)\noops\n",
            "new/b.sh has 1 lines now",
            "(the file is empty)",
        ];
        assert_eq!(results(&model), expected);
        assert_eq!(room.get("src/a.txt"), "one\n2\nthree\n");
        let mode = std::fs::metadata(room.tree().join("new/b.sh")).unwrap().permissions().mode();
        assert!(mode & 0o100 != 0, "writing it again left it executable");
        let transcript = std::fs::read_to_string(o.transcript.unwrap()).unwrap();
        assert!(transcript.contains("Build it.") && transcript.contains("All of it.") && transcript.contains("oops"));
        let events = room.events();
        assert!(matches!(&events[0], Event::Session(id) if Some(id) == o.session.as_ref()));
        assert!(events.contains(&Event::Tool("edit".into(), "src/a.txt".into())), "{events:?}");
    }
}

#[test]
fn nothing_is_written_or_read_where_it_must_not_be() {
    let paths = ["theirs/x", ".git/config", "link/x", "../x", "/etc/otto-x", ".GIT/hooks/y", ""];
    let writes = paths.map(|path| call("write", json!({"path": path, "content": "mine"})));
    let edits = paths.map(|path| call("edit", json!({"path": path, "old": "core", "new": "mine"})));
    let reads = [".git/config", "link/secret", "../secret", "/etc/passwd", "leaf"];
    let reads = reads.map(|path| call("read", json!({"path": path})));
    let more = [
        call("list", json!({"path": "link"})),
        call("search", json!({"pattern": "secret", "path": "link"})),
        call("list", json!({"path": ".."})),
        call("write", json!({"path": "leaf", "content": "mine"})),
    ];
    for provider in BOTH {
        let all: Vec<Call> = writes.iter().chain(&edits).chain(&reads).chain(&more).cloned().collect();
        let model = using(all.clone());
        let room = Room::of(provider, &model);
        room.put(".git/config", "[core]\n");
        std::fs::write(room.dir.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(room.dir.path(), room.tree().join("link")).unwrap();
        std::os::unix::fs::symlink(room.dir.path().join("secret"), room.tree().join("leaf")).unwrap();
        let o = room.work("Escape.");
        // What was refused can be put right: the call is judged by what it leaves.
        assert!(o.ok && o.denied.is_empty(), "{o:?}");
        let results = results(&model);
        assert_eq!(results.len(), all.len());
        for (call, result) in all.iter().zip(&results).take(all.len() - 1) {
            assert!(!result.contains("lines now") && !result.contains("root:"), "{call:?}: {result}");
            assert!(!result.contains("secret:1"), "{call:?}: {result}");
        }
        // A link that is written is replaced, not followed.
        assert_eq!(results.last().unwrap().as_str(), "leaf has 1 lines now");
        assert!(std::fs::symlink_metadata(room.tree().join("leaf")).unwrap().is_file());
        assert_eq!(std::fs::read_to_string(room.dir.path().join("secret")).unwrap(), "secret");
        assert_eq!(room.get(".git/config"), "[core]\n");
        assert!(!room.dir.path().join("x").exists() && !room.tree().join("theirs").exists());
        let denied = room.events().into_iter().filter(|e| matches!(e, Event::Denied(_))).count();
        assert_eq!(denied, 12, "{:?}", room.events());
        assert!(room.events().contains(&Event::Denied("write theirs/x: another slice owns it".into())));
    }
}

#[test]
fn a_wrong_use_goes_back_to_the_model() {
    for provider in BOTH {
        let model = Model::start(|turn| match turn.nth {
            0 => Reply::calls(vec![
                call("edit", json!({"path": "a", "old": "x", "new": "y"})),
                call("edit", json!({"path": "a", "old": "none", "new": "y"})),
                call("edit", json!({"path": "a"})),
                call("destroy", json!({})),
                call("search", json!({"pattern": "("})),
                call("read", json!({"path": "bin"})),
                call("write", json!({"path": "a", "content": "[redacted]"})),
            ]),
            _ => Reply::text("I see."),
        });
        let room = Room::of(provider, &model);
        room.put("a", "x x");
        room.put("bin", "a\0b");
        assert!(room.work("Try.").ok);
        let results = &model.requests()[1].results;
        let wrong = ["2 times", "0 times", "missing field", "no tool", "pattern is wrong", "no text", "[redacted]"];
        assert_eq!(results.len(), wrong.len());
        for (result, wrong) in results.iter().zip(wrong) {
            assert!(result.contains(wrong), "{result}");
        }
        assert_eq!(room.get("a"), "x x");
    }
}

#[test]
fn commands_are_bounded_and_leave_nothing_behind() {
    for provider in BOTH {
        let model = using(vec![
            call("run", json!({"command": "yes | head -c 5000000"})),
            call("run", json!({"command": "sleep 1000", "seconds": 1})),
            call("run", json!({"command": "sleep 1000 & echo $!"})),
            call("run", json!({"command": format!("echo {KEY}; env; pwd")})),
        ]);
        let mut room = Room::of(provider, &model);
        // Even where the user named the variable.
        let mut env = (*room.world.env).clone();
        env.vars.insert("MY_KEY".into(), KEY.into());
        env.vars.insert("MY_OWN".into(), "mine".into());
        room.world.env = std::sync::Arc::new(env);
        room.agent.variables = vec!["MY_KEY".into(), "MY_OWN".into()];
        let o = room.work("Run.");
        assert!(o.ok, "{o:?}");
        let results = results(&model);
        assert!(results[0].len() < 70_000 && results[0].contains("bytes left out"), "{}", results[0].len());
        assert!(results[1].contains("ran for more than 1 s"), "{}", results[1]);
        let left: i32 = results[2].lines().last().unwrap().parse().unwrap();
        let begun = std::time::Instant::now();
        while std::fs::read_to_string(format!("/proc/{left}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{left} lives on");
            std::thread::yield_now();
        }
        assert!(results[3].contains("[redacted]") && results[3].contains("MY_OWN=mine"), "{}", results[3]);
        assert!(!results[3].contains("MY_KEY") && results[3].contains(room.tree().to_str().unwrap()));
        room.keeps_the_key(&o);
    }
}

#[test]
fn whoever_answers_only_looks() {
    for provider in BOTH {
        let model = Model::start(|turn| match turn.nth {
            0 => Reply::call(call("write", json!({"path": "a", "content": "x"}))),
            _ => Reply::structured(json!({"n": 1})),
        });
        let room = Room::of(provider, &model);
        let o = room.ask("Judge.", &json!({"type": "object"}));
        assert!(o.ok, "{o:?}");
        assert!(model.requests()[1].results[0].contains("there is no tool"));
        assert!(!room.tree().join("a").exists());
        assert!(!model.requests()[0].tools.iter().any(|t| ["edit", "write", "run"].contains(&t.as_str())));
    }
}
