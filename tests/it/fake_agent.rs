//! The scripted agent does what its script says, and the program that starts it judges it rightly.
#![cfg(feature = "faults")]

use std::{path::Path, time::Duration};

use crate::support::task::task;
use git_otto::{
    agent::{self, Agent, Bounds, Call, Outcome, Provider, Role, Session, Task, Work},
    base::{Env, World},
};
use serde_json::{Value, json};

fn go(dir: &Path, attempt: u32, steps: Value) -> Outcome {
    let workspace = dir.join("tree");
    std::fs::create_dir_all(&workspace).unwrap();
    let script = dir.join("script.json");
    let all = json!({"log": dir.join("log"), "slices": {"store": {"1": steps, "*": [{"exit": 9}]}}});
    std::fs::write(&script, all.to_string()).unwrap();
    let mut env = Env::default();
    env.vars.insert("PATH".into(), std::env::var_os("PATH").unwrap());
    let world = World::real(env).unwrap();
    let task = Task { attempt, ..task(workspace.clone()) };
    let argv = vec![env!("CARGO_BIN_EXE_git-otto-fake-agent").to_owned(), script.display().to_string()];
    let call = Call {
        role: Role::Build,
        nth: 1,
        prompt: "",
        work: Work::Write(&task),
        dir: &workspace,
        scratch: dir,
        may_write: &|_| Ok(()),
        session: Session::default(),
        sessions: &dir.join("sessions"),
        bounds: Bounds { wall: Duration::from_secs(60), idle: None, usd_micros: None },
        transcript: &dir.join("transcript"),
        notice: &|_| {},
    };
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(agent::run(&world, &Agent::new(Provider::Command(argv)), &call))
}

#[test]
fn steps_are_done_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let outside = dir.path().join("outside");
    let o = go(
        dir.path(),
        1,
        json!([
            {"write": {"path": "bin/x", "content": "#!/bin/sh\n", "executable": true}},
            {"append": {"path": "bin/x", "content": "exit 0\n"}},
            {"write": {"path": outside, "content": "escaped"}},
            {"symlink": {"path": "l", "to": "/etc"}},
            {"fifo": "pipe"},
            {"keep_task": "task"},
            {"touch": "marker"}, {"wait_for": "marker"}, {"delete": "marker"},
            {"print": "garbage {"},
            {"flood": 3000000},
            {"daemon": ["sh", "-c", "exit 0"]},
        ]),
    );
    assert!(o.ok, "{}", o.detail);
    assert_eq!(o.detail, "done as scripted");
    let tree = dir.path().join("tree");
    assert_eq!(std::fs::read_to_string(tree.join("bin/x")).unwrap(), "#!/bin/sh\nexit 0\n");
    assert!(outside.exists() && !tree.join("marker").exists());
    assert!(std::fs::read_to_string(tree.join("task")).unwrap().contains("\"otto.task/1\""));
    assert_eq!(std::fs::read_to_string(dir.path().join("log")).unwrap(), "store 1\n");
}

#[test]
fn it_fails_in_every_way_that_an_agent_can() {
    let dir = tempfile::tempdir().unwrap();
    for (steps, why) in [
        (json!([{"exit": 3}]), "exit code 3"),
        (json!([{"crash": true}]), "signal 9"),
        (json!([{"result": {"ok": false, "summary": "too hard"}}]), "too hard"),
        (json!([{"result": {"ok": true, "surprise": 1}}]), "otto.result/1"),
        (json!([{"eprint": "no login"}, {"exit": 0}]), "without a result"),
        (json!([{"no_such_step": 1}]), "there is no step"),
    ] {
        let o = go(dir.path(), 1, steps.clone());
        assert!(!o.ok && o.detail.contains(why), "{steps}: {}", o.detail);
    }
    assert!(go(dir.path(), 2, json!([])).detail.contains("exit code 9"));
}
