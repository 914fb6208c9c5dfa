//! Checks of every kind against real services, with everything that goes wrong there.

mod api;
#[cfg(target_os = "linux")]
mod invariants;
mod journeys;
mod services;
mod whole;

use std::{path::Path, time::Duration};

use git_otto::{
    base::{Env, World},
    checks::{
        self, On, Ports, Served,
        model::{Check, Outcome, Service},
    },
};
use serde_json::{Value, json};

/// A server in Python whose paths do what their names say.
const SERVER: &str = include_str!("server.py");

/// A checkout with the server, and what runs in it.
struct Bench {
    dir: tempfile::TempDir,
    scratch: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    world: World,
    ports: Ports,
}

impl Bench {
    fn new() -> Bench {
        let mut env = Env::default();
        env.vars.insert("PATH".into(), std::env::var_os("PATH").unwrap());
        let scratch = tempfile::tempdir().unwrap();
        env.home = Some(scratch.path().to_owned());
        let world = World { program: env!("CARGO_BIN_EXE_git-otto").into(), ..World::real(env).unwrap() };
        let bench = Bench {
            dir: tempfile::tempdir().unwrap(),
            scratch,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
            world,
            ports: Ports::default(),
        };
        std::fs::write(bench.dir.path().join("server.py"), SERVER).unwrap();
        bench
    }

    fn on(&self) -> On<'_> {
        let tree = "0123456789012345678901234567890123456789".parse().unwrap();
        On { dir: self.dir.path(), tree, scratch: self.scratch.path(), extra_env: &[], supplied: None }
    }

    /// What comes of requests to a service, one after the other in one round.
    fn outcomes(&self, service: Value, requests: &[Value], allowed: &[&str]) -> Vec<Outcome> {
        let service: Service = serde_json::from_value(service).unwrap();
        let allowed = allowed.iter().map(|host| (*host).to_owned()).collect();
        self.runtime.block_on(async {
            let mut served =
                Served::new(self.world.clone(), &[service], &self.on(), self.ports.clone(), allowed).unwrap();
            let mut out = Vec::new();
            for request in requests {
                let check = check(request);
                out.push(checks::probe(&self.world, &check, self.on(), &mut served).await);
            }
            served.stop().await;
            out
        })
    }

    /// The process ids that the server left in its checkout, one a start; all of them must be gone.
    fn starts(&self) -> usize {
        let ids = std::fs::read_to_string(self.dir.path().join("pids")).unwrap_or_default();
        for id in ids.lines() {
            assert!(is_gone(id), "process {id} lives on");
        }
        ids.lines().count()
    }
}

/// The server, ready when it says so over HTTP.
fn web() -> Value {
    json!({"id": "web", "command": ["python3", "server.py"], "ready": {"http": "/health", "timeout_s": 60}})
}

/// The service with other fields.
fn web_with(fields: Value) -> Value {
    let mut service = web();
    service.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    service
}

/// A request to `web`, `GET` unless the fields say otherwise.
fn get(path: &str, fields: Value) -> Value {
    let mut check = json!({"id": "c", "kind": "api_probe", "service": "web", "path": path});
    check.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    check
}

fn check(value: &Value) -> Check {
    serde_json::from_value(value.clone()).unwrap()
}

/// A signal that was sent is not yet one that has acted: the system gets its time, but not for ever.
fn is_gone(pid: &str) -> bool {
    let begun = std::time::Instant::now();
    while Path::new("/proc").join(pid).exists() {
        if begun.elapsed() > Duration::from_secs(30) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}
