//! A scripted agent for tests: `command:git-otto-fake-agent <script.json>`.
//!
//! The script is `{"log": FILE, "slices": {SLICE: {ATTEMPT or "*": [STEP, …]}}, "answers": {ROLE: [[STEP, …], …]}}`. The n-th
//! question of a role (compile, audit) is answered by the n-th list of its steps. Each step is an object with one key:
//!
//! | step | what it does |
//! |---|---|
//! | `write` `{path, content, executable?}` | writes a file, with its folders; absolute paths are allowed, so that it can misbehave |
//! | `append` `{path, content}`, `delete` PATH, `mkdir` PATH, `chmod` `{path, mode}` (octal text) | as named |
//! | `symlink` `{path, to}`, `hardlink` `{path, to}`, `fifo` PATH | as named |
//! | `touch` PATH, `wait_for` PATH | markers: makes one, waits (at most 60 s) until one is there |
//! | `print` TEXT, `eprint` TEXT, `flood` BYTES | writes to the streams |
//! | `spawn` ARGV, `daemon` ARGV | starts a child and leaves it behind; a daemon leaves the process group too |
//! | `keep_task` PATH | writes the task packet, or the question, that it was given |
//! | `answer` VALUE | prints a result with that answer, at a cost of one cent |
//! | `result` OBJECT, `exit` CODE, `crash` true | prints a result; ends; ends by SIGKILL |
//!
//! Without `result`, `exit` or `crash` it says that it is done. Every start appends `SLICE ATTEMPT` to the log.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used, reason = "a test program")]

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio, exit},
    time::{Duration, Instant},
};

use serde_json::Value;

fn main() {
    let mut task = String::new();
    std::io::stdin().read_to_string(&mut task).unwrap();
    let path = std::env::args_os().nth(1).unwrap_or_else(|| die("no script"));
    let script: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let var = |name| std::env::var(name).unwrap_or_else(|_| die(&format!("{name} is not set")));
    let role = var("OTTO_ROLE");
    if role == "compile" || role == "audit" {
        return answer(&script, &role, &task);
    }
    let (slice, attempt) = (var("OTTO_SLICE"), var("OTTO_ATTEMPT"));
    if let Some(log) = script["log"].as_str() {
        append(log, &format!("{slice} {attempt}\n"));
    }
    let of_slice = &script["slices"][&slice];
    let steps = of_slice.get(&attempt).or_else(|| of_slice.get("*")).and_then(Value::as_array);
    let steps = steps.unwrap_or_else(|| die(&format!("the script has nothing for attempt {attempt} of {slice}")));
    if !all(steps, &task) {
        println!("{}", serde_json::json!({"schema": "otto.result/1", "ok": true, "summary": "done as scripted"}));
    }
}

/// Does what the script says for this question of a role; which one it is, the log says.
fn answer(script: &Value, role: &str, question: &str) {
    let log = script["log"].as_str().unwrap_or_else(|| die("questions need a log"));
    let n = fs::read_to_string(log).unwrap_or_default().lines().filter(|l| *l == role).count();
    append(log, &format!("{role}\n"));
    let steps = script["answers"][role][n].as_array();
    all(steps.unwrap_or_else(|| die(&format!("the script has nothing for question {n} of {role}"))), question);
}

/// Does all steps; whether they gave a result.
fn all(steps: &[Value], task: &str) -> bool {
    let mut said = false;
    for step in steps {
        let (name, arg) = step.as_object().and_then(|o| o.iter().next()).unwrap_or_else(|| die("a step is no object"));
        said |= name == "result";
        perform(name, arg, task);
    }
    said
}

fn perform(name: &str, arg: &Value, task: &str) {
    let text = || arg.as_str().unwrap_or_else(|| die(&format!("{name} wants a text")));
    let field = |key: &str| arg[key].as_str().unwrap_or_else(|| die(&format!("{name} wants {key}")));
    match name {
        "write" => {
            parents(field("path"));
            fs::write(field("path"), field("content")).unwrap();
            if arg["executable"] == true {
                fs::set_permissions(field("path"), fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        "append" => append(field("path"), field("content")),
        "delete" if fs::symlink_metadata(text()).unwrap().is_dir() => fs::remove_dir_all(text()).unwrap(),
        "delete" => fs::remove_file(text()).unwrap(),
        "mkdir" => fs::create_dir_all(text()).unwrap(),
        "chmod" => {
            let mode = u32::from_str_radix(field("mode"), 8).unwrap();
            fs::set_permissions(field("path"), fs::Permissions::from_mode(mode)).unwrap();
        }
        "symlink" => {
            parents(field("path"));
            symlink(field("to"), field("path")).unwrap();
        }
        "hardlink" => fs::hard_link(field("to"), field("path")).unwrap(),
        "fifo" => assert!(Command::new("mkfifo").arg(text()).status().unwrap().success()),
        "touch" => drop(fs::File::create(text()).unwrap()),
        "wait_for" => {
            let start = Instant::now();
            while !Path::new(text()).exists() {
                if start.elapsed() > Duration::from_secs(60) {
                    die(&format!("waited in vain for {}", text()));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        "print" => println!("{}", text()),
        "eprint" => eprintln!("{}", text()),
        "flood" => {
            let line = [b'x'; 1024];
            let mut out = std::io::stdout().lock();
            (0..arg.as_u64().unwrap_or(0) / 1024).for_each(|_| out.write_all(&line).unwrap());
            out.write_all(b"\n").unwrap();
        }
        "spawn" | "daemon" => {
            let argv: Vec<&str> = arg.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
            let mut child = if name == "daemon" {
                let mut child = Command::new("setsid");
                child.args(&argv);
                child
            } else {
                let mut child = Command::new(argv[0]);
                child.args(&argv[1..]);
                child
            };
            // Left behind on purpose: whoever started this agent has to deal with it.
            std::mem::forget(child.stdin(Stdio::null()).spawn().unwrap());
        }
        "keep_task" => fs::write(text(), task).unwrap(),
        "result" => println!("{arg}"),
        "answer" => {
            let cost = serde_json::json!({"usd_micros": 10_000, "input_tokens": 100, "output_tokens": 10});
            println!("{}", serde_json::json!({"ok": true, "summary": "answered", "cost": cost, "answer": arg}));
        }
        "exit" => exit(arg.as_i64().unwrap_or(1) as i32),
        "crash" => {
            let me = rustix::process::getpid();
            rustix::process::kill_process(me, rustix::process::Signal::KILL).unwrap();
        }
        other => die(&format!("there is no step {other:?}")),
    }
}

fn parents(path: &str) {
    if let Some(dir) = Path::new(path).parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::create_dir_all(dir).unwrap();
    }
}

fn append(path: &str, text: &str) {
    parents(path);
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn die(why: &str) -> ! {
    eprintln!("fake agent: {why}");
    exit(64)
}
