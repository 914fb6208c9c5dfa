//! The agents that are programs with a headless mode: `claude`, `codex`, `gemini`, `opencode`, `aider`. Each file says
//! how one of them is started and what its words mean; what they share stands here.
//!
//! The prompt goes to standard input, or by the name of a file: one argument holds 128 KiB at most. A value that somebody
//! chose is joined to its flag (`--model=…`), so that it cannot be taken for another flag. What the repository says in the
//! program's own settings is switched off where the program lets it be; each file says where it does not.

mod aider;
mod claude;
mod codex;
mod gemini;
mod opencode;

use std::io;

use serde_json::Value;

use super::{
    Agent, Call, Event, Outcome, Provider, Trouble,
    program::{self, Adapter, Said, Start},
};
use crate::base::{World, json, procs::Captured};

/// Who is told what an agent does.
type Notice<'a> = dyn Fn(Event) + Send + Sync + 'a;

/// How many denials are kept; one is enough to fail.
const DENIALS: usize = 20;

/// Runs the provider's program in the workspace.
pub async fn run(world: &World, agent: &Agent, call: &Call<'_>) -> Outcome {
    let (start, mut adapter): (io::Result<Start>, Box<dyn Adapter>) = match &agent.provider {
        Provider::Claude => (Ok(claude::start(agent, call)), Box::new(claude::Stream::new(call))),
        Provider::Codex => {
            (codex::start(agent, call, world.procs.confinement() != "none"), Box::new(codex::Stream::new(call)))
        }
        Provider::Gemini => (Ok(gemini::start(agent, call)), Box::new(gemini::Stream::new(call))),
        Provider::OpenCode => (Ok(opencode::start(agent, call)), Box::new(opencode::Stream::new(call))),
        Provider::Aider => (aider::start(agent, call), Box::new(aider::Text::default())),
        other => return Outcome::failed(format!("{other} is no program with a headless mode")),
    };
    match start {
        Ok(start) => program::run(world, agent, call, start, adapter.as_mut()).await,
        Err(e) => Outcome::failed(format!("a file for the agent could not be written: {e}")),
    }
}

/// What they say where they do not know the conversation that they are to continue; there is no code for it.
const LOST: [&str; 5] = [
    "No conversation found with session ID",
    "no rollout found for thread id",
    "Invalid session identifier",
    "No previous sessions found",
    "Session not found",
];

/// What every one of them tells besides its own.
#[derive(Debug, Default)]
struct Heard {
    session: Option<String>,
    denied: Vec<String>,
}

impl Heard {
    fn new(call: &Call<'_>) -> Heard {
        Heard { session: call.session.id.clone(), denied: Vec::new() }
    }

    /// The conversation has a name. It becomes an argument later: what could be taken for a flag is no name.
    fn session(&mut self, id: &str, notice: &Notice<'_>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let fits = (1..=128).contains(&id.len()) && id.chars().all(plain) && !id.starts_with('-');
        if fits && self.session.as_deref() != Some(id) {
            self.session = Some(id.to_owned());
            notice(Event::Session(id.to_owned()));
        }
    }

    /// Something was denied.
    fn denied(&mut self, what: String, notice: &Notice<'_>) {
        notice(Event::Denied(program::shown(what.as_bytes())));
        if self.denied.len() < DENIALS {
            self.denied.push(what);
        }
    }
}

/// A line that is a JSON object; all else is noise.
fn object(line: &[u8]) -> Option<Value> {
    let line = line.trim_ascii();
    if !line.starts_with(b"{") {
        return None;
    }
    json::parse(line, json::Limits::RECORD).ok()
}

/// The whole output, where it is one JSON object over many lines.
fn document(stdout: &Captured) -> Option<Value> {
    object(&stdout.bytes())
}

/// Adds to what was said, within bounds: what is beyond is no answer any more.
fn gather(said: &mut String, words: &str) {
    if said.len() + words.len() <= program::LONGEST_LINE {
        said.push_str(words);
    }
}

/// The text at a place (RFC 6901); empty where there is none.
fn text<'a>(value: &'a Value, at: &str) -> &'a str {
    value.pointer(at).and_then(Value::as_str).unwrap_or_default()
}

/// The count at a place; nothing where there is none.
fn count(value: &Value, at: &str) -> u64 {
    value.pointer(at).and_then(Value::as_u64).unwrap_or(0)
}

/// The sum of the counts at some places.
fn sum(value: &Value, places: &[&str]) -> u64 {
    places.iter().fold(0, |sum: u64, at| sum.saturating_add(count(value, at)))
}

/// Dollars in millionths. They come as binary fractions with an error far below a millionth: the nearest one is meant.
fn micros(usd: Option<f64>) -> u64 {
    // Saturates; what is no number or negative is nothing.
    (usd.unwrap_or(0.0) * 1e6).round() as u64
}

/// Tells what was said.
fn say(words: &str, notice: &Notice<'_>) {
    let words = program::shown(words.as_bytes());
    if !words.is_empty() {
        notice(Event::Text(words));
    }
}

/// Tells that a tool is used: on what, by the first of these arguments that it has.
fn tool(name: &str, input: &Value, notice: &Notice<'_>) {
    let keys = ["/command", "/file_path", "/filePath", "/path", "/pattern", "/query", "/url", "/description"];
    let what = keys.iter().map(|key| text(input, key)).find(|what| !what.is_empty()).unwrap_or_default();
    notice(Event::Tool(program::shown(name.as_bytes()), program::shown(what.as_bytes())));
}

/// It failed, and why, in the program's words, never in its model's; why another try is of no use, by the status of its
/// endpoint's answer where it is known, else by those words.
fn failed(detail: String, status: Option<u64>) -> Said {
    let trouble = trouble(status, &detail);
    let lost = LOST.iter().any(|phrase| detail.contains(phrase));
    Said { detail, trouble, lost, ..Said::default() }
}

/// Of a failure: why another try is of no use.
fn trouble(status: Option<u64>, words: &str) -> Option<Trouble> {
    match status {
        Some(401 | 403) => return Some(Trouble::Login),
        Some(402 | 429) => return Some(Trouble::Quota),
        Some(404) => return Some(Trouble::Model),
        Some(_) => return None,
        None => {}
    }
    let words = words.to_lowercase();
    let says = |any: &[&str]| any.iter().any(|phrase| words.contains(phrase));
    if says(&[
        "401 unauthorized",
        "403 forbidden",
        "invalid api key",
        "api key not valid",
        "incorrect api key",
        "invalid authentication",
        "authenticationerror",
        "authentication_error",
        "unauthenticated",
        "/login",
        "not logged in",
        "missing environment variable",
        "please set an auth method",
    ]) {
        Some(Trouble::Login)
    } else if says(&[
        "429 too many",
        "rate limit",
        "ratelimit",
        "usage limit",
        "insufficient_quota",
        "quota",
        "resource_exhausted",
    ]) {
        Some(Trouble::Quota)
    } else if says(&["404 not found", "no such model", "model not found", "model_not_found", "unknown model"]) {
        Some(Trouble::Model)
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
