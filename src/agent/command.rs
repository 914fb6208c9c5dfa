//! `command:` agents: any program. The task goes to its standard input as JSON; the last line of its standard output
//! that is a JSON object is its result. Judged by exit code and result, never by prose.

use std::{ffi::OsString, io, os::unix::fs::OpenOptionsExt as _, path::Path};

use serde::Deserialize;

use super::{AgentEnv, AgentOutcome, Task};
use crate::base::{
    Cost, World, json,
    procs::{self, Bounds, Captured, Ended, Finished, Limit, Spec},
    text,
};

/// How much of the head and of the tail of a stream is kept.
const KEEP: usize = 1 << 20;

/// What an agent says at its end (`schemas/result.json`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default)]
    schema: Option<String>,
    ok: bool,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    cost: Spent,
}

/// What an agent says of its cost: what it leaves out is nothing.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Spent {
    usd_micros: u64,
    input_tokens: u64,
    output_tokens: u64,
}

impl From<Spent> for Cost {
    fn from(s: Spent) -> Cost {
        Cost { usd_micros: s.usd_micros, input_tokens: s.input_tokens, output_tokens: s.output_tokens }
    }
}

/// Runs the program in the workspace.
pub async fn run(world: &World, argv: &[String], task: &Task, env: &AgentEnv) -> AgentOutcome {
    let stdin = match serde_json::to_vec(task) {
        Ok(mut packet) => {
            packet.push(b'\n');
            packet
        }
        Err(e) => return AgentOutcome::new(false, format!("the task could not be written as JSON: {e}")),
    };
    let argv = argv.iter().map(OsString::from).collect();
    let spec = Spec { argv, cwd: task.workspace.clone(), env: variables(world, task), stdin };
    let bounds = Bounds { wall: env.wall, idle: env.idle, keep: KEEP };
    let done = match procs::run(world.procs.as_ref(), &spec, bounds).await {
        Ok(done) => done,
        Err(e) => return AgentOutcome::new(false, format!("the agent could not be started: {e}")),
    };
    let mut outcome = judge(&done, env);
    match keep_transcript(&env.transcript, &done) {
        Ok(kept) => outcome.transcript = kept.then(|| env.transcript.clone()),
        Err(e) => outcome.detail.push_str(&format!(" (its transcript could not be kept: {e})")),
    }
    outcome
}

/// The user's own variables, without any of git's: an agent needs its login, and must not be led to another repository.
fn variables(world: &World, task: &Task) -> Vec<(OsString, OsString)> {
    let mut vars = world.env.vars.clone();
    vars.insert("OTTO_SLICE".into(), task.slice.as_str().into());
    vars.insert("OTTO_ATTEMPT".into(), task.attempt.to_string().into());
    let around = task.workspace.parent().unwrap_or(&task.workspace);
    vars.insert("GIT_CEILING_DIRECTORIES".into(), around.into());
    vars.into_iter().collect()
}

fn judge(done: &Finished, env: &AgentEnv) -> AgentOutcome {
    let said = result(&done.stdout);
    // What it cost counts also where it failed.
    let cost = said.as_ref().map(|s| s.cost.into()).unwrap_or_default();
    let summary = said.as_ref().map(|s| shown(s.summary.as_bytes())).unwrap_or_default();
    let idle = env.idle.unwrap_or_default().as_secs();
    let outcome = match (done.limit, done.ended, said) {
        (Some(Limit::Wall), ..) => {
            AgentOutcome::new(false, format!("it ran for more than {} s and was ended", env.wall.as_secs()))
        }
        (Some(Limit::Idle), ..) => {
            AgentOutcome::new(false, format!("it was silent for more than {idle} s and was ended"))
        }
        (None, Ended::Signal(n), _) => {
            AgentOutcome::new(false, with_words(format!("signal {n} ended it"), &summary, done))
        }
        (None, Ended::Exit(0), Err(why)) => AgentOutcome::new(false, why),
        (None, Ended::Exit(0), Ok(said)) if said.ok => AgentOutcome::new(true, summary),
        (None, Ended::Exit(0), Ok(_)) => {
            AgentOutcome::new(false, with_words("it says that it failed".into(), &summary, done))
        }
        (None, Ended::Exit(code), _) => {
            AgentOutcome::new(false, with_words(format!("it ended with exit code {code}"), &summary, done))
        }
    };
    AgentOutcome { cost, ..outcome }
}

/// A sentence with the agent's own words after it, or with the end of its standard error.
fn with_words(sentence: String, summary: &str, done: &Finished) -> String {
    let stderr = done.stderr.bytes();
    let last = stderr.trim_ascii().rsplit(|b| *b == b'\n').next().map(shown).unwrap_or_default();
    match [summary, last.as_str()].into_iter().find(|words| !words.is_empty()) {
        Some(words) => format!("{sentence}: {words}"),
        None => sentence,
    }
}

fn shown(bytes: &[u8]) -> String {
    text::one_line(&String::from_utf8_lossy(&text::redact(bytes)), 300)
}

/// The result that an agent printed; why there is none, otherwise.
fn result(stdout: &Captured) -> Result<Said, String> {
    let bytes = stdout.bytes();
    let lines = bytes.rsplit(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let mut objects =
        lines.filter(|line| line.starts_with(b"{")).filter(|line| json::parse(line, json::Limits::LINE).is_ok());
    let none = "it ended without a result: its last line of JSON must be {\"ok\":true,\"summary\":\"…\"}";
    let line = objects.next().ok_or(none)?;
    let bad = |why: String| format!("its result is not of schema otto.result/1: {}", text::one_line(&why, 200));
    let said: Said = json::read(line, json::Limits::LINE).map_err(|e| bad(e.to_string()))?;
    match said.schema.as_deref() {
        None | Some("otto.result/1") => Ok(said),
        Some(other) => Err(bad(format!("it says {other:?}"))),
    }
}

/// Keeps what the agent printed, redacted, readable by the user alone. Whether there was anything.
fn keep_transcript(file: &Path, done: &Finished) -> io::Result<bool> {
    use std::io::Write as _;
    let (stdout, stderr) = (done.stdout.bytes(), done.stderr.bytes());
    if stdout.is_empty() && stderr.is_empty() {
        return Ok(false);
    }
    if let Some(dir) = file.parent() {
        std::fs::create_dir_all(dir)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(file)?;
    for (name, bytes) in [("standard output", stdout), ("standard error", stderr)] {
        writeln!(file, "=== {name}")?;
        file.write_all(&text::redact(&bytes))?;
        writeln!(file)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
