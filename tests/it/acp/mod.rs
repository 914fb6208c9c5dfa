//! `acp:` agents against real processes: a scripted one, and what real ones said.

mod requests;
mod turns;

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use crate::support::task::task;
use git_otto::{
    agent::{self, Agent, Bounds, Call, Event, Outcome, Provider, Role, Session, Task, Work},
    base::{Env, World},
};
use serde_json::{Value, json};

/// A workspace, and how the agent is called in it.
struct Room {
    dir: tempfile::TempDir,
    model: Option<String>,
    session: Session,
    bounds: Bounds,
}

/// What came of a call.
struct Done {
    outcome: Outcome,
    events: Vec<Event>,
    /// What the agent read.
    heard: Vec<Value>,
}

impl Room {
    fn new() -> Room {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tree")).unwrap();
        std::fs::create_dir(dir.path().join("scratch")).unwrap();
        let bounds = Bounds { wall: Duration::from_secs(60), idle: None, usd_micros: None };
        Room { dir, model: None, session: Session::default(), bounds }
    }

    fn tree(&self) -> PathBuf {
        self.dir.path().join("tree").canonicalize().unwrap()
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.tree().join(name)).ok()
    }

    /// Builds with an agent that does these steps; only what lies in `mine/` may be written.
    fn build(&self, steps: &[Value]) -> Done {
        let task = Task { owned_paths: vec!["mine/".into()], ..task(self.tree()) };
        self.call(Role::Build, Work::Write(&task), steps)
    }

    fn ask(&self, steps: &[Value]) -> Done {
        self.call(Role::Audit, Work::Answer(&json!({"type": "object"})), steps)
    }

    fn call(&self, role: Role, work: Work<'_>, steps: &[Value]) -> Done {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let events = Mutex::new(Vec::new());
        let notice = |event| {
            if event != Event::Stirred {
                events.lock().unwrap().push(event);
            }
        };
        let outcome = rt.block_on(self.future(role, work, steps, &notice));
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let heard = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Done { outcome, events: events.into_inner().unwrap(), heard }
    }

    async fn future(
        &self,
        role: Role,
        work: Work<'_>,
        steps: &[Value],
        notice: &(dyn Fn(Event) + Send + Sync),
    ) -> Outcome {
        let script = self.dir.path().join("script.json");
        std::fs::write(&script, serde_json::to_vec(steps).unwrap()).unwrap();
        let _ = std::fs::remove_file(self.log());
        let argv = [Path::new(env!("CARGO_BIN_EXE_git-otto-fake-acp")), &script, &self.log()];
        let provider = Provider::Acp(argv.map(|word| word.display().to_string()).to_vec());
        let agent = Agent { model: self.model.clone(), ..Agent::new(provider) };
        let mut env = Env::default();
        env.vars.insert("PATH".into(), std::env::var_os("PATH").unwrap());
        let mine = |path: &str| {
            let why = || format!("{path:?} is not one of the files that this slice owns");
            path.starts_with("mine/").then_some(()).ok_or_else(why)
        };
        let call = Call {
            role,
            nth: 1,
            prompt: "Do it.",
            work,
            dir: &self.tree(),
            scratch: &self.dir.path().join("scratch"),
            may_write: &mine,
            sessions: self.dir.path(),
            session: self.session.clone(),
            bounds: self.bounds,
            transcript: &self.dir.path().join("transcript"),
            notice,
        };
        agent::run(&World::real(env).unwrap(), &agent, &call).await
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }
}

impl Done {
    /// The parameters of the calls of a method.
    fn calls(&self, method: &str) -> Vec<&Value> {
        self.heard.iter().filter(|m| m["method"] == method).map(|m| &m["params"]).collect()
    }

    /// The answers that the agent got to what it asked.
    fn answers(&self) -> Vec<&Value> {
        self.heard.iter().filter(|m| m["id"] == "asked").collect()
    }

    fn denials(&self) -> Vec<&str> {
        self.events
            .iter()
            .filter_map(|e| if let Event::Denied(what) = e { Some(what.as_str()) } else { None })
            .collect()
    }

    #[track_caller]
    fn fails_with(&self, why: &str) {
        assert!(!self.outcome.ok && self.outcome.detail.contains(why), "{:?}", self.outcome);
    }
}

/// The steps of an agent up to its prompt, then others, then a good end.
fn turn(steps: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut all = begun();
    all.extend(steps);
    all.push(json!({"reply": {"stopReason": "end_turn"}}));
    all
}

/// The steps of an agent up to its prompt.
fn begun() -> Vec<Value> {
    vec![
        hello(json!({})),
        json!({"expect": "session/new", "reply": {"sessionId": "s"}}),
        json!({"expect": "session/prompt"}),
    ]
}

/// An agent that introduces itself.
fn hello(capabilities: Value) -> Value {
    let login = json!({"id": "key", "name": "Use a key"});
    json!({"expect": "initialize", "reply":
        {"protocolVersion": 1, "agentCapabilities": capabilities, "authMethods": [login]}})
}

fn says(text: &str) -> Value {
    json!({"update": {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}})
}

/// What a real agent said to another client, as steps.
fn replay(captured: &str) -> Vec<Value> {
    let mut methods = std::collections::HashMap::new();
    let mut steps = Vec::new();
    for line in captured.lines() {
        let (side, text) = line.split_once(' ').unwrap();
        let message: Value = serde_json::from_str(text).unwrap();
        let id = message["id"].as_u64();
        match (side, id) {
            (">>", Some(id)) => {
                methods.insert(id, message["method"].clone());
                steps.push(json!({"expect": message["method"]}));
            }
            ("<<", Some(id)) => {
                assert!(methods.contains_key(&id), "an answer to nothing");
                steps.push(json!({"reply": message["result"]}));
            }
            _ => steps.push(json!({"raw": text})),
        }
    }
    steps
}
