//! Codex: `codex exec --json`.
//!
//! The repository's own settings (`.codex`) count only where the user trusts the folder, which nobody has done for a new
//! workspace. Its own sandbox cannot be had inside another one, where it would fail every command: it is used where there
//! is no other.

use std::io;

use serde_json::Value;

use super::{Heard, Notice, count, failed, object, say, text};
use crate::{
    agent::{
        Agent, Answer, Call, Event, Work,
        program::{Adapter, Said, Start, Usage, bad_end, shown, with_words},
    },
    base::{
        Cost,
        procs::{Captured, Ended},
    },
};

/// How it is started.
pub fn start(agent: &Agent, call: &Call<'_>, confined: bool) -> io::Result<Start> {
    let mut argv: Vec<std::ffi::OsString> =
        ["codex", "exec", "--json", "--skip-git-repo-check", "-C"].map(Into::into).into();
    argv.push(call.dir.into());
    let sandbox = match call.work {
        _ if confined => "danger-full-access",
        Work::Write(_) => "workspace-write",
        Work::Answer(_) => "read-only",
    };
    argv.extend(["-s".into(), sandbox.into()]);
    if let Work::Answer(schema) = call.work
        && is_strict(schema)
    {
        let file = call.scratch.join("answer-schema.json");
        std::fs::write(&file, schema.to_string())?;
        argv.extend(["--output-schema".into(), file.into()]);
    }
    argv.extend(agent.model.as_ref().map(|model| format!("--model={model}").into()));
    // The value is TOML: a JSON text is one of its texts too.
    let effort = |effort: &String| format!("--config=model_reasoning_effort={}", Value::from(effort.as_str())).into();
    argv.extend(agent.effort.as_ref().map(effort));
    if let Some(id) = call.session.id.as_ref().filter(|_| call.session.begun) {
        argv.extend(["resume".into(), id.into()]);
    }
    argv.push("-".into());
    Ok(Start { argv, stdin: call.prompt.as_bytes().to_vec(), env: Vec::new() })
}

/// Whether the endpoint takes a schema: it wants every object closed and every property required, and refuses the call
/// otherwise. Without one the prompt alone says what is asked for.
fn is_strict(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => {
            let known = ["oneOf", "allOf", "not", "if", "patternProperties", "propertyNames", "$schema", "$id"];
            let closed = map.get("additionalProperties") == Some(&Value::Bool(false));
            let required = map.get("required").and_then(Value::as_array);
            let requires = |name: &String| required.is_some_and(|names| names.iter().any(|n| n == name.as_str()));
            let properties = map.get("properties").and_then(Value::as_object);
            let object = properties.is_some() || map.get("type").is_some_and(|t| t == "object");
            let strict = !object || (closed && properties.is_some_and(|p| p.keys().all(requires)));
            strict
                && !known.iter().any(|key| map.contains_key(*key))
                && map.iter().all(|(key, value)| match key.as_str() {
                    // Below it stand names, not keywords.
                    "properties" | "$defs" => value.as_object().is_some_and(|named| named.values().all(is_strict)),
                    _ => is_strict(value),
                })
        }
        Value::Array(items) => items.iter().all(is_strict),
        _ => true,
    }
}

/// What it says.
#[derive(Debug)]
pub struct Stream {
    heard: Heard,
    /// What it said last.
    message: String,
    /// How the turn ended: well, or why not.
    end: Option<Result<(), String>>,
    cost: Cost,
}

impl Stream {
    /// Reads one call.
    pub fn new(call: &Call<'_>) -> Stream {
        Stream { heard: Heard::new(call), message: String::new(), end: None, cost: Cost::default() }
    }

    fn item(&mut self, item: &Value, started: bool, notice: &Notice<'_>) {
        match text(item, "/type") {
            "agent_message" if !started => {
                self.message = text(item, "/text").to_owned();
                say(&self.message, notice);
            }
            kind @ ("command_execution" | "file_change" | "mcp_tool_call" | "web_search") => {
                let what =
                    [text(item, "/command"), text(item, "/changes/0/path"), text(item, "/tool"), text(item, "/query")];
                let what = what.into_iter().find(|what| !what.is_empty()).unwrap_or_default();
                if text(item, "/status") == "declined" {
                    self.heard.denied(format!("{kind} {what}"), notice);
                } else if started || kind == "file_change" {
                    notice(Event::Tool(kind.to_owned(), shown(what.as_bytes())));
                }
            }
            _ => {}
        }
    }
}

/// The status of the endpoint's answer, where the message names it, and the message in plain words: it may be the body
/// of that answer.
fn error(message: &str) -> (Option<u64>, String) {
    if let Some(body) = object(message.as_bytes()) {
        let status = body.pointer("/error/code").or_else(|| body.get("status")).and_then(Value::as_u64);
        let words = [text(&body, "/error/message"), text(&body, "/error/code")];
        let words = words.into_iter().filter(|w| !w.is_empty()).collect::<Vec<_>>().join(", ");
        return (status, if words.is_empty() { message.to_owned() } else { words });
    }
    let digits = message.split_once("status").map_or("", |(_, rest)| rest.trim_start_matches([':', ' ']));
    (digits.get(..3).and_then(|code| code.parse().ok()), message.to_owned())
}

impl Adapter for Stream {
    fn line(&mut self, line: &[u8], notice: &Notice<'_>) {
        let Some(event) = object(line) else { return };
        let item = event.get("item").unwrap_or(&Value::Null);
        match text(&event, "/type") {
            "thread.started" => self.heard.session(text(&event, "/thread_id"), notice),
            "turn.started" => self.end = None,
            "item.started" => self.item(item, true, notice),
            "item.completed" => self.item(item, false, notice),
            // It tries again by itself, without end where the endpoint is down.
            "error" => notice(Event::Waiting(shown(error(text(&event, "/message")).1.as_bytes()))),
            "turn.completed" => {
                // Cached tokens are among those read, and thoughts among those written.
                self.cost = Cost {
                    usd_micros: 0,
                    input_tokens: count(&event, "/usage/input_tokens"),
                    output_tokens: count(&event, "/usage/output_tokens"),
                };
                self.end = Some(Ok(()));
            }
            "turn.failed" => self.end = Some(Err(text(&event, "/error/message").to_owned())),
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some()
    }

    fn judge(&mut self, ended: Ended, _: &Captured, stderr: &Captured) -> Said {
        match (&self.end, bad_end(ended, "", stderr)) {
            (Some(Err(message)), _) => {
                let (status, words) = error(message);
                failed(with_words("its turn failed".into(), &words, stderr), status)
            }
            (_, Some(detail)) => failed(detail, None),
            (None, None) => failed(with_words("it ended without a result".into(), "", stderr), None),
            (Some(Ok(())), None) => {
                let answer = Some(Answer::Text(self.message.clone()));
                Said { ok: true, detail: self.message.clone(), answer, ..Said::default() }
            }
        }
    }

    fn usage(&self) -> Usage {
        Usage { cost: self.cost, cumulative: true }
    }
    fn session(&self) -> Option<String> {
        self.heard.session.clone()
    }
    fn denied(&self) -> Vec<String> {
        self.heard.denied.clone()
    }
}
