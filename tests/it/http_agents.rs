//! Models over HTTP against a scripted server: what they do with their tools, what becomes of every fault of the
//! endpoint, and that the key is nowhere.

mod conversations;
mod faults;
mod tools;

use std::{
    path::{Path, PathBuf},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use git_otto::{
    agent::{self, Agent, Bounds, Call, Event, Key, Outcome, Provider, Role, Session, Task, Work},
    base::{Env, Timestamp, World, world::Clock},
};
use serde_json::Value;

use super::support::{model::Model, task::task};

/// Nothing but its own letters makes it known as a secret.
const KEY: &str = "plain-letters-and-nothing-else";

const BOTH: [Provider; 2] = [Provider::Anthropic, Provider::OpenAi];

/// A clock that stands still and never waits, but remembers for how long it should have.
#[derive(Clone, Default)]
struct Waits(Arc<Mutex<Vec<Duration>>>);

impl Clock for Waits {
    fn now(&self) -> Timestamp {
        "2026-11-24T10:00:00Z".parse().unwrap()
    }
    fn sleep(&self, d: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.lock().unwrap().push(d);
        Box::pin(std::future::ready(()))
    }
}

/// A workspace, an agent and what both may.
struct Room {
    dir: tempfile::TempDir,
    world: World,
    waits: Waits,
    agent: Agent,
    bounds: Bounds,
    session: Session,
    task: Task,
    events: Mutex<Vec<Event>>,
}

impl Room {
    fn new(provider: Provider, url: &str) -> Room {
        let dir = tempfile::tempdir().unwrap();
        for name in ["tree", "scratch"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let mut env = Env::default();
        env.vars.insert("PATH".into(), std::env::var_os("PATH").unwrap());
        let waits = Waits::default();
        let world = World { clock: Arc::new(waits.clone()), ..World::real(env).unwrap() };
        let mut agent = Agent { model: Some("m".into()), ..Agent::new(provider) };
        agent.endpoint.url = Some(url.to_owned());
        agent.endpoint.key = Some(Key::new(KEY.into()));
        let task = task(dir.path().join("tree"));
        let bounds = Bounds { wall: Duration::from_secs(600), idle: Some(Duration::from_secs(60)), usd_micros: None };
        Room { dir, world, waits, agent, bounds, session: Session::default(), task, events: Mutex::default() }
    }

    fn of(provider: Provider, model: &Model) -> Room {
        Room::new(provider, &model.url())
    }

    fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.tree().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    fn get(&self, path: &str) -> String {
        std::fs::read_to_string(self.tree().join(path)).unwrap()
    }

    fn session_file(&self) -> PathBuf {
        let mut files = std::fs::read_dir(self.dir.path().join("sessions")).unwrap();
        files.next().unwrap().unwrap().path()
    }

    /// Has it work on files, all but those below `theirs/`.
    fn work(&self, prompt: &str) -> Outcome {
        self.call(prompt, Work::Write(&self.task))
    }

    fn ask(&self, prompt: &str, schema: &Value) -> Outcome {
        self.call(prompt, Work::Answer(schema))
    }

    fn call(&self, prompt: &str, work: Work<'_>) -> Outcome {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(self.start(prompt, work))
    }

    async fn start(&self, prompt: &str, work: Work<'_>) -> Outcome {
        let call = Call {
            role: Role::Build,
            nth: 1,
            prompt,
            work,
            dir: &self.tree(),
            scratch: &self.dir.path().join("scratch"),
            may_write: &|path| match path.strip_prefix("theirs/") {
                Some(_) => Err("another slice owns it".into()),
                None => Ok(()),
            },
            session: self.session.clone(),
            sessions: &self.dir.path().join("sessions"),
            bounds: self.bounds,
            transcript: &self.dir.path().join("logs/1.txt"),
            notice: &|event| {
                if event != Event::Stirred {
                    self.events.lock().unwrap().push(event);
                }
            },
        };
        agent::run(&self.world, &self.agent, &call).await
    }

    fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }

    fn waits(&self) -> Vec<Duration> {
        self.waits.0.lock().unwrap().clone()
    }

    /// Every file that was made, but the workspace's, holds no key; nor does anything that was said.
    fn keeps_the_key(&self, outcome: &Outcome) {
        let said = format!("{outcome:?} {:?} {:?}", self.events(), self.agent);
        assert!(!said.contains(KEY), "{said}");
        let mut read = 0;
        for folder in ["logs", "sessions", "scratch"] {
            for file in files(&self.dir.path().join(folder)) {
                let bytes = std::fs::read(&file).unwrap();
                assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "{}", file.display());
                read += 1;
            }
        }
        assert!(read > 0, "nothing was kept");
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let of = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| of(entry.unwrap().path())).collect()
}
