//! A scripted agent of the Agent Client Protocol for tests: `acp:git-otto-fake-acp <script.json> <log>`.
//!
//! The script is an array of steps, objects with these keys:
//!
//! | step | what it does |
//! |---|---|
//! | `expect` METHOD, with `reply` RESULT or `error` ERROR or neither | reads until the client calls METHOD, and answers, or lets it wait; a notification changes nothing of what waits |
//! | `reply` RESULT | answers what waits |
//! | `ask` METHOD, `params` | asks the client, and waits for its answer |
//! | `update` UPDATE | tells a `session/update` of session `s`, or of `session` |
//! | `env` NAME | says what the variable holds |
//! | `raw` TEXT, `eprint` TEXT, `flood` BYTES | writes to the streams; a flood is one line |
//! | `touch` PATH, `spawn` ARGV | makes a marker; starts a child and leaves it behind |
//! | `hang` true, `exit` CODE, `crash` true | ignores everything for ever; ends; ends by SIGKILL |
//!
//! After the last step it waits for the end of its input. Every message that it reads is a line of the log.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "a test program")]

use std::{
    fs::File,
    io::{Lines, StdinLock, Write as _},
    process::{Command, Stdio, exit},
};

use serde_json::{Value, json};

struct Player {
    input: Lines<StdinLock<'static>>,
    log: File,
    /// The id of the call that waits for its answer.
    waits: Value,
}

fn main() {
    let mut args = std::env::args_os().skip(1);
    let script = std::fs::read(args.next().unwrap_or_else(|| die("no script"))).unwrap();
    let log = File::options().create(true).append(true).open(args.next().unwrap_or_else(|| die("no log"))).unwrap();
    let mut player = Player { input: std::io::stdin().lines(), log, waits: Value::Null };
    let steps: Vec<Value> = serde_json::from_slice(&script).unwrap();
    steps.iter().for_each(|step| player.perform(step));
    while player.read().is_some() {}
}

impl Player {
    fn perform(&mut self, step: &Value) {
        let text = |key: &str| step[key].as_str().unwrap_or_else(|| die(&format!("{step} wants a text")));
        let (name, arg) = step.as_object().and_then(|o| o.iter().next()).unwrap_or_else(|| die("a step is no object"));
        match name.as_str() {
            "expect" => {
                let call = loop {
                    let call = self.read().unwrap_or_else(|| die(&format!("no call of {arg}")));
                    if call["method"] == *arg {
                        break call;
                    }
                };
                if let Some(id) = call.get("id") {
                    self.waits = id.clone();
                }
                self.answer(step);
            }
            "reply" | "error" => self.answer(step),
            "ask" => {
                let (id, params) = (json!("asked"), &step["params"]);
                say(&json!({"jsonrpc": "2.0", "id": id, "method": arg, "params": params}));
                while self.read().unwrap_or_else(|| die("no answer"))["id"] != id {}
            }
            "update" => {
                let session = step.get("session").cloned().unwrap_or_else(|| "s".into());
                let params = json!({"sessionId": session, "update": arg});
                say(&json!({"jsonrpc": "2.0", "method": "session/update", "params": params}));
            }
            "env" => {
                let value = std::env::var(text("env")).unwrap_or_default();
                let update =
                    json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": value}});
                self.perform(&json!({"update": update}));
            }
            "raw" => println!("{}", text("raw")),
            "eprint" => eprintln!("{}", text("eprint")),
            "flood" => {
                let mut out = std::io::stdout().lock();
                (0..arg.as_u64().unwrap() >> 16).for_each(|_| out.write_all(&[b'x'; 1 << 16]).unwrap());
                out.write_all(b"\n").unwrap();
            }
            "touch" => drop(File::create(text("touch")).unwrap()),
            "spawn" => {
                let argv: Vec<&str> = arg.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
                // Left behind on purpose, with the streams open.
                std::mem::forget(Command::new(argv[0]).args(&argv[1..]).stdin(Stdio::null()).spawn().unwrap());
            }
            "hang" => loop {
                std::thread::park();
            },
            "exit" => exit(arg.as_i64().unwrap() as i32),
            "crash" => {
                let me = rustix::process::getpid();
                rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
            }
            other => die(&format!("there is no step {other:?}")),
        }
    }

    /// Answers what waits, where the step says how.
    fn answer(&mut self, step: &Value) {
        for (key, name) in [("reply", "result"), ("error", "error")] {
            if let Some(answer) = step.get(key) {
                say(&json!({"jsonrpc": "2.0", "id": self.waits, name: answer}));
            }
        }
    }

    fn read(&mut self) -> Option<Value> {
        let line = self.input.next()?.unwrap();
        writeln!(self.log, "{line}").unwrap();
        Some(serde_json::from_str(&line).unwrap())
    }
}

fn say(message: &Value) {
    // Nobody may listen any more: that is no failure of this program.
    let _ = writeln!(std::io::stdout(), "{message}");
}

fn die(why: &str) -> ! {
    eprintln!("fake acp: {why}");
    exit(64)
}
