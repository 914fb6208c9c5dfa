//! OpenCode: `opencode run --format json`.
//!
//! `OPENCODE_DISABLE_PROJECT_CONFIG` keeps it from everything that the repository says to it: `opencode.json`, the folder
//! `.opencode` with its plugins, agents and tools, and `AGENTS.md`.

use serde_json::Value;

use super::{Heard, Notice, count, failed, gather, micros, object, say, sum, text, tool};
use crate::{
    agent::{
        Agent, Answer, Call, Trouble, Work,
        program::{Adapter, Said, Start, Usage, bad_end, with_words},
    },
    base::{
        Cost,
        procs::{Captured, Ended},
    },
};

/// How the error of a tool begins that was denied: by whoever was asked, and by a rule.
const DENIED: [&str; 2] = ["The user rejected permission", "The user has specified a rule which prevents"];

/// How it is started.
pub fn start(agent: &Agent, call: &Call<'_>) -> Start {
    let mut argv: Vec<std::ffi::OsString> = ["opencode", "run", "--format", "json", "--dir"].map(Into::into).into();
    argv.push(call.dir.into());
    argv.extend(agent.model.as_ref().map(|model| format!("--model={model}").into()));
    argv.extend(agent.effort.as_ref().map(|effort| format!("--variant={effort}").into()));
    // From another folder than its own a conversation would hang.
    if let Some(id) = call.session.id.as_ref().filter(|_| call.session.begun) {
        argv.extend(["--session".into(), id.into()]);
    }
    let mut env =
        ["OPENCODE_DISABLE_PROJECT_CONFIG", "OPENCODE_DISABLE_AUTOUPDATE"].map(|v| (v.into(), "1".into())).to_vec();
    match call.work {
        Work::Write(_) => argv.push("--auto".into()),
        // Its plan mode would do too, but asks for a plan.
        Work::Answer(_) => env.push(("OPENCODE_PERMISSION".into(), r#"{"edit":"deny","bash":"deny"}"#.into())),
    }
    Start { argv, stdin: call.prompt.as_bytes().to_vec(), env }
}

/// What it says. It has no last word: a step that stops is one, until another begins.
#[derive(Debug)]
pub struct Stream {
    heard: Heard,
    /// What it said in its last message.
    said: String,
    /// The message that the last text belongs to.
    message: String,
    /// Why the last step finished.
    reason: Option<String>,
    /// It said that it is done, as newer ones do.
    done: bool,
    error: Option<Value>,
    cost: Cost,
}

impl Stream {
    /// Reads one call.
    pub fn new(call: &Call<'_>) -> Stream {
        Stream {
            heard: Heard::new(call),
            said: String::new(),
            message: String::new(),
            reason: None,
            done: false,
            error: None,
            cost: Cost::default(),
        }
    }

    fn text(&mut self, part: &Value, notice: &Notice<'_>) {
        let words = text(part, "/text");
        say(words, notice);
        if self.message != text(part, "/messageID") {
            self.message = text(part, "/messageID").to_owned();
            self.said.clear();
        }
        gather(&mut self.said, words);
    }

    /// A tool that was denied ends with an error like any other: only its words tell.
    fn tool(&mut self, part: &Value, notice: &Notice<'_>) {
        let name = text(part, "/tool");
        tool(name, part.pointer("/state/input").unwrap_or(&Value::Null), notice);
        let error = text(part, "/state/error");
        if text(part, "/state/status") == "error" && DENIED.iter().any(|start| error.starts_with(start)) {
            self.heard.denied(name.to_owned(), notice);
        }
    }

    /// Thoughts and what was cached stand beside what was read and written; the total holds them all.
    fn step(&mut self, part: &Value) {
        let input = sum(part, &["/tokens/input", "/tokens/cache/read", "/tokens/cache/write"]);
        let output = match count(part, "/tokens/total").checked_sub(input) {
            Some(rest) if rest > 0 => rest,
            _ => sum(part, &["/tokens/output", "/tokens/reasoning"]),
        };
        let usd_micros = micros(part.get("cost").and_then(Value::as_f64));
        self.cost += Cost { usd_micros, input_tokens: input, output_tokens: output };
        self.reason = Some(text(part, "/reason").to_owned());
    }
}

impl Adapter for Stream {
    fn line(&mut self, line: &[u8], notice: &Notice<'_>) {
        let Some(event) = object(line) else { return };
        self.heard.session(text(&event, "/sessionID"), notice);
        let part = event.get("part").unwrap_or(&Value::Null);
        match text(&event, "/type") {
            "step_start" => self.reason = None,
            "text" => self.text(part, notice),
            "tool_use" => self.tool(part, notice),
            "step_finish" => self.step(part),
            "done" => self.done = true,
            "error" => self.error = Some(event.get("error").cloned().unwrap_or_default()),
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        self.done || self.error.is_some() || self.reason.as_deref() == Some("stop")
    }

    fn judge(&mut self, ended: Ended, _: &Captured, stderr: &Captured) -> Said {
        if let Some(error) = &self.error {
            let status = error.pointer("/data/statusCode").and_then(Value::as_u64);
            let name = text(error, "/name");
            let words = [text(error, "/data/message"), name].into_iter().find(|w| !w.is_empty()).unwrap_or_default();
            let said = failed(with_words("it failed".into(), words, stderr), status);
            return match name {
                "ProviderAuthError" => Said { trouble: Some(Trouble::Login), ..said },
                "ProviderModelNotFoundError" => Said { trouble: Some(Trouble::Model), ..said },
                _ => said,
            };
        }
        if let Some(detail) = bad_end(ended, "", stderr) {
            return failed(detail, None);
        }
        match self.reason.as_deref() {
            Some("stop") => {}
            None if self.done => {}
            // More was to come.
            None | Some("tool-calls") => {
                return failed(with_words("it ended without a result".into(), "", stderr), None);
            }
            Some(other) => return failed(format!("it stopped before it was done: {other}"), None),
        }
        let answer = Some(Answer::Text(self.said.clone()));
        Said { ok: true, detail: self.said.clone(), answer, ..Said::default() }
    }

    fn usage(&self) -> Usage {
        Usage { cost: self.cost, cumulative: false }
    }
    fn session(&self) -> Option<String> {
        self.heard.session.clone()
    }
    fn denied(&self) -> Vec<String> {
        self.heard.denied.clone()
    }
}
