//! Gemini CLI: `gemini` with a stream of JSON objects.
//!
//! It works in no folder that is not trusted, and reads the settings of a trusted one: extensions and MCP servers are
//! switched off, hooks and commands that find tools cannot be. It takes no word on how hard to think.

use serde_json::Value;

use super::{Heard, Notice, count, document, failed, gather, object, say, text, tool};
use crate::{
    agent::{
        Agent, Answer, Call, Event, Trouble, Work,
        program::{Adapter, Said, Start, Usage, bad_end, shown, with_words},
    },
    base::{
        Cost,
        procs::{Captured, Ended},
    },
};

/// The tools that write or run.
const WRITERS: [&str; 3] = ["write_file", "replace", "run_shell_command"];

/// The exit code that means: no login.
const NO_LOGIN: i32 = 41;

/// How many uses of tools may wait for their result.
const USES: usize = 1000;

/// How it is started.
pub fn start(agent: &Agent, call: &Call<'_>) -> Start {
    let mut argv: Vec<String> =
        ["gemini", "--output-format", "stream-json", "--skip-trust"].map(str::to_owned).to_vec();
    argv.extend(["--extensions=none", "--allowed-mcp-server-names=none", "--approval-mode"].map(str::to_owned));
    // Without somebody to ask, the default leaves the tools out that it would ask for.
    argv.push(if matches!(call.work, Work::Write(_)) { "yolo" } else { "default" }.into());
    argv.extend(agent.model.as_ref().map(|model| format!("--model={model}")));
    if let Some(id) = &call.session.id {
        argv.push(if call.session.begun { "--resume" } else { "--session-id" }.into());
        argv.push(id.clone());
    }
    Start { argv: argv.into_iter().map(Into::into).collect(), stdin: call.prompt.as_bytes().to_vec(), env: Vec::new() }
}

/// What it says.
#[derive(Debug)]
pub struct Stream {
    heard: Heard,
    /// Uses of tools, by id and name.
    uses: Vec<(String, String)>,
    /// What it said since it last used a tool.
    said: String,
    result: Option<Value>,
}

impl Stream {
    /// Reads one call.
    pub fn new(call: &Call<'_>) -> Stream {
        Stream { heard: Heard::new(call), uses: Vec::new(), said: String::new(), result: None }
    }

    fn tool_result(&mut self, event: &Value, notice: &Notice<'_>) {
        let id = text(event, "/tool_id");
        let at = self.uses.iter().position(|(known, _)| known == id);
        let name = at.map(|at| self.uses.swap_remove(at).1).unwrap_or_default();
        match text(event, "/error/type") {
            // A tool that is not there is one that may not be used, where it is one of its own.
            "tool_not_registered" if WRITERS.contains(&name.as_str()) => {
                self.heard.denied(format!("{name}, which it does not have"), notice);
            }
            "policy_violation" => self.heard.denied(name, notice),
            // A command that failed, a file that is not there or not its own: its daily work.
            _ => {}
        }
    }
}

/// The status of its endpoint's answer: eight bits of it are the exit code.
fn status(ended: Ended) -> Option<u64> {
    match ended {
        Ended::Exit(code @ 144..=255) => u64::try_from(code + 256).ok(),
        _ => None,
    }
}

/// What it cost: its thoughts are only in the total.
fn cost(stats: &Value) -> Cost {
    let (total, input) = (count(stats, "/total_tokens"), count(stats, "/input_tokens"));
    let output_tokens = count(stats, "/output_tokens").max(total.saturating_sub(input));
    Cost { usd_micros: 0, input_tokens: input, output_tokens }
}

/// The same of the document that it prints instead of a stream, in the stream's words.
fn stream_result(document: &Value) -> Option<Value> {
    document.get("session_id")?;
    let models = document.pointer("/stats/models").and_then(Value::as_object);
    let sum =
        |at: &str| models.into_iter().flat_map(|m| m.values()).fold(0, |n: u64, m| n.saturating_add(count(m, at)));
    let failed = document.get("error").is_some_and(|e| !e.is_null()) || document.get("response").is_none();
    Some(serde_json::json!({
        "status": if failed { "error" } else { "success" },
        "error": document.get("error"),
        "stats": {
            "total_tokens": sum("/tokens/total"),
            "input_tokens": sum("/tokens/prompt"),
            "output_tokens": sum("/tokens/candidates"),
        },
    }))
}

impl Adapter for Stream {
    fn line(&mut self, line: &[u8], notice: &Notice<'_>) {
        let Some(event) = object(line) else { return };
        match text(&event, "/type") {
            "init" => self.heard.session(text(&event, "/session_id"), notice),
            // A message comes in pieces.
            "message" if text(&event, "/role") == "assistant" => {
                let words = text(&event, "/content");
                say(words, notice);
                gather(&mut self.said, words);
            }
            "tool_use" => {
                let name = text(&event, "/tool_name");
                tool(name, event.get("parameters").unwrap_or(&Value::Null), notice);
                if self.uses.len() < USES {
                    self.uses.push((text(&event, "/tool_id").to_owned(), name.to_owned()));
                }
                self.said.clear();
            }
            "tool_result" => self.tool_result(&event, notice),
            "error" => notice(Event::Waiting(shown(text(&event, "/message").as_bytes()))),
            "result" => self.result = Some(event),
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        self.result.is_some()
    }

    fn judge(&mut self, ended: Ended, stdout: &Captured, stderr: &Captured) -> Said {
        if self.result.is_none()
            && let Some(whole) = document(stdout)
        {
            self.heard.session(text(&whole, "/session_id"), &|_| {});
            self.said = text(&whole, "/response").to_owned();
            self.result = stream_result(&whole);
        }
        let said = match (&self.result, bad_end(ended, "", stderr)) {
            (Some(result), _) if text(result, "/status") != "success" => {
                failed(with_words("it failed".into(), text(result, "/error/message"), stderr), status(ended))
            }
            (_, Some(detail)) => failed(detail, None),
            (None, None) => failed(with_words("it ended without a result".into(), "", stderr), None),
            (Some(_), None) => {
                let answer = Some(Answer::Text(self.said.clone()));
                Said { ok: true, detail: self.said.clone(), answer, ..Said::default() }
            }
        };
        match ended {
            Ended::Exit(NO_LOGIN) => Said { trouble: Some(Trouble::Login), ..said },
            _ => said,
        }
    }

    fn usage(&self) -> Usage {
        let stats = self.result.as_ref().and_then(|result| result.get("stats"));
        Usage { cost: stats.map(cost).unwrap_or_default(), cumulative: false }
    }
    fn session(&self) -> Option<String> {
        self.heard.session.clone()
    }
    fn denied(&self) -> Vec<String> {
        self.heard.denied.clone()
    }
}
