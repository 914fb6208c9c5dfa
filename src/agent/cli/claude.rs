//! Claude Code: `claude -p` with a stream of JSON objects.
//!
//! Only the user's own settings are read (`--setting-sources user`): nothing of the repository's `.claude` folder, its
//! hooks and its MCP servers, nor its skills and commands.

use serde_json::Value;

use super::{DENIALS, Heard, Notice, count, failed, micros, object, say, sum, text, tool};
use crate::{
    agent::{
        Agent, Answer, Call, Event, Work,
        program::{Adapter, Said, Start, Usage, bad_end, with_words},
    },
    base::{
        Cost,
        procs::{Captured, Ended},
    },
};

/// The tools that write or run: without them there is nothing to be expected of a call that is to write.
const WRITERS: [&str; 4] = ["Write", "Edit", "NotebookEdit", "Bash"];

/// How it is started.
pub fn start(agent: &Agent, call: &Call<'_>) -> Start {
    let mut argv: Vec<String> = [
        "claude",
        "-p",
        "--output-format",
        "stream-json",
        "--verbose",
        "--setting-sources",
        "user",
        "--strict-mcp-config",
        "--disable-slash-commands",
    ]
    .map(str::to_owned)
    .to_vec();
    argv.extend(agent.model.as_ref().map(|model| format!("--model={model}")));
    argv.extend(agent.effort.as_ref().map(|effort| format!("--effort={effort}")));
    if let Some(id) = &call.session.id {
        argv.push(if call.session.begun { "--resume" } else { "--session-id" }.into());
        argv.push(id.clone());
    }
    if let Some(left) = call.bounds.usd_micros {
        // It counts what the conversation has cost before.
        let all = left.saturating_add(if call.session.begun { call.session.spent.usd_micros } else { 0 });
        argv.push("--max-budget-usd".into());
        argv.push(format!("{}.{:06}", all / 1_000_000, all % 1_000_000));
    }
    match call.work {
        // What is not in the list would be asked for, and nobody is there to answer.
        Work::Write(_) => argv.extend(
            ["--permission-mode", "acceptEdits", "--allowedTools", "Bash,Edit,Write,NotebookEdit,WebFetch,WebSearch"]
                .map(str::to_owned),
        ),
        Work::Answer(schema) => {
            argv.extend(["--permission-mode", "dontAsk", "--tools", "Read,Glob,Grep"].map(str::to_owned));
            argv.extend(argument(schema).into_iter().flat_map(|schema| ["--json-schema".to_owned(), schema]));
        }
    }
    let env = vec![("DISABLE_AUTOUPDATER".into(), "1".into())];
    Start { argv: argv.into_iter().map(Into::into).collect(), stdin: call.prompt.as_bytes().to_vec(), env }
}

/// The schema as an argument, where it fits one. A schema that names its own draft is passed over without a word by the
/// program, and so is one that refers to others: then the answer is a text.
fn argument(schema: &Value) -> Option<String> {
    let mut schema = schema.clone();
    schema.as_object_mut()?.shift_remove("$schema");
    let schema = schema.to_string();
    (schema.len() < 100 << 10).then_some(schema)
}

/// What it says.
#[derive(Debug)]
pub struct Stream {
    heard: Heard,
    /// The tools that it has; empty where it did not say.
    tools: Vec<String>,
    /// Uses of tools whose denial is known.
    denied: Vec<String>,
    /// Its last word, until it goes on.
    result: Option<Value>,
    usage: Usage,
    spent: Cost,
}

impl Stream {
    /// Reads one call.
    pub fn new(call: &Call<'_>) -> Stream {
        Stream {
            heard: Heard::new(call),
            tools: Vec::new(),
            denied: Vec::new(),
            result: None,
            usage: Usage::default(),
            spent: call.session.spent,
        }
    }

    fn system(&mut self, event: &Value, notice: &Notice<'_>) {
        match text(event, "/subtype") {
            "init" => {
                let tools = event.get("tools").and_then(Value::as_array).into_iter().flatten();
                self.tools = tools.filter_map(|t| Some(t.as_str()?.to_owned())).collect();
            }
            "permission_denied" => self.deny(event, notice),
            "api_retry" => {
                let (attempt, most) = (count(event, "/attempt"), count(event, "/max_retries"));
                notice(Event::Waiting(format!("{}, try {attempt} of {most}", text(event, "/error"))));
            }
            _ => {}
        }
    }

    /// One use of a tool is denied once, though it is told twice.
    fn deny(&mut self, denial: &Value, notice: &Notice<'_>) {
        let id = text(denial, "/tool_use_id");
        if !self.denied.iter().any(|known| known == id) {
            self.denied.push(id.to_owned());
            self.denied.truncate(DENIALS);
            self.heard.denied(text(denial, "/tool_name").to_owned(), notice);
        }
    }

    fn assistant(&mut self, event: &Value, notice: &Notice<'_>) {
        let content = event.pointer("/message/content").and_then(Value::as_array);
        for part in content.into_iter().flatten() {
            match text(part, "/type") {
                "text" => say(text(part, "/text"), notice),
                "tool_use" => {
                    let name = text(part, "/name");
                    tool(name, part.get("input").unwrap_or(&Value::Null), notice);
                    let lacks = !self.tools.is_empty() && !self.tools.iter().any(|t| t == name);
                    if lacks && WRITERS.contains(&name) {
                        self.heard.denied(format!("{name}, which it does not have"), notice);
                    }
                }
                _ => {}
            }
        }
    }

    fn result(&mut self, result: Value, notice: &Notice<'_>) {
        for denial in result.get("permission_denials").and_then(Value::as_array).into_iter().flatten() {
            self.deny(denial, notice);
        }
        self.usage = usage(&result, self.spent);
        self.result = Some(result);
    }
}

/// The costs carry on when a conversation is resumed, unless another one ran in the same folder in between: then they
/// begin anew. `usage` is of this call alone, so the two can be told apart.
fn usage(result: &Value, spent: Cost) -> Usage {
    let usd_micros = micros(result.get("total_cost_usd").and_then(Value::as_f64));
    let mut cost = Cost { usd_micros, ..Cost::default() };
    for model in result.get("modelUsage").and_then(Value::as_object).into_iter().flat_map(|models| models.values()) {
        cost += Cost {
            usd_micros: 0,
            input_tokens: sum(model, &["/inputTokens", "/cacheReadInputTokens", "/cacheCreationInputTokens"]),
            output_tokens: count(model, "/outputTokens"),
        };
    }
    let own = ["/usage/input_tokens", "/usage/cache_read_input_tokens", "/usage/cache_creation_input_tokens"];
    Usage { cost, cumulative: cost.input_tokens >= spent.input_tokens.saturating_add(sum(result, &own)) }
}

impl Adapter for Stream {
    fn line(&mut self, line: &[u8], notice: &Notice<'_>) {
        let Some(event) = object(line) else { return };
        self.heard.session(text(&event, "/session_id"), notice);
        match text(&event, "/type") {
            "system" => self.system(&event, notice),
            "assistant" => {
                // It goes on: work in the background has ended, or somebody's hook asked for more.
                self.result = None;
                self.assistant(&event, notice);
            }
            "result" => self.result(event, notice),
            _ => {}
        }
    }

    fn is_over(&self) -> bool {
        self.result.is_some()
    }

    fn judge(&mut self, ended: Ended, _: &Captured, stderr: &Captured) -> Said {
        let Some(result) = &self.result else {
            let detail = bad_end(ended, "", stderr)
                .unwrap_or_else(|| with_words("it ended without a result".into(), "", stderr));
            return failed(detail, None);
        };
        let status = result.get("api_error_status").and_then(Value::as_u64);
        let is_error = result.get("is_error").and_then(Value::as_bool).unwrap_or(true);
        let subtype = text(result, "/subtype");
        let words = [text(result, "/result"), text(result, "/errors/0"), subtype];
        let words = words.into_iter().find(|words| !words.is_empty()).unwrap_or_default();
        if is_error || subtype != "success" {
            return failed(with_words("it failed".into(), words, stderr), status);
        }
        if let Some(detail) = bad_end(ended, "", stderr) {
            return failed(detail, status);
        }
        let value = result.get("structured_output").filter(|value| !value.is_null()).cloned().map(Answer::Value);
        let answer = value.or_else(|| Some(Answer::Text(text(result, "/result").to_owned())));
        Said { ok: true, detail: text(result, "/result").to_owned(), answer, ..Said::default() }
    }

    fn usage(&self) -> Usage {
        self.usage
    }
    fn session(&self) -> Option<String> {
        self.heard.session.clone()
    }
    fn denied(&self) -> Vec<String> {
        self.heard.denied.clone()
    }
}
