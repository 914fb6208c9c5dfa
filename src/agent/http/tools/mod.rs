//! The hands of a model over HTTP: it lists, reads, searches, edits and writes files of the workspace and runs commands
//! there. Whatever is wrong with a use goes back to the model, which can put it right; what it wrote is judged later.

mod change;
mod look;
mod run;

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{
    super::{Agent, Call, Event, Work},
    secrets::Secrets,
    talk::{Tool, ToolCall, ToolResult},
};
use crate::base::{World, files, json as strict, procs::Captured};

/// How much of the head and of the tail of a result the model gets, bytes.
const KEEP: usize = 32 << 10;

/// What a use gives: bytes for the model, or what was wrong.
type Done = Result<Vec<u8>, String>;

const PATH: &str = "relative to the root of the workspace";

/// The tools, those that only look first.
const TOOLS: [Tool; 6] = [
    Tool {
        name: "list",
        description: "List the files and folders below a folder, nearest first.",
        parameters: || {
            object(
                json!({"path": {"type": "string", "description": format!("The folder, {PATH}; all of it otherwise.")}}),
                &[],
            )
        },
    },
    Tool {
        name: "read",
        description: "Read a text file. What looks like a secret is shown as [redacted].",
        parameters: || {
            object(
                json!({
                    "path": {"type": "string", "description": format!("The file, {PATH}.")},
                    "from": {"type": "integer", "description": "The first line to show, from 1."},
                    "lines": {"type": "integer", "description": "How many lines to show."},
                }),
                &["path"],
            )
        },
    },
    Tool {
        name: "search",
        description: "Find the lines that match a regular expression, in all text files below a folder or in one file.",
        parameters: || {
            object(
                json!({
                    "pattern": {"type": "string", "description": "The regular expression."},
                    "path": {"type": "string", "description": format!("Where to search, {PATH}; everywhere otherwise.")},
                }),
                &["pattern"],
            )
        },
    },
    Tool {
        name: "edit",
        description: "Replace a piece of a text file by another. The piece must stand there exactly once.",
        parameters: || {
            object(
                json!({
                    "path": {"type": "string", "description": format!("The file, {PATH}.")},
                    "old": {"type": "string", "description": "The piece, exactly as it stands there, white space too."},
                    "new": {"type": "string", "description": "What it is replaced by."},
                }),
                &["path", "old", "new"],
            )
        },
    },
    Tool {
        name: "write",
        description: "Write a whole file, replacing what is there, with the folders that it needs.",
        parameters: || {
            object(
                json!({
                    "path": {"type": "string", "description": format!("The file, {PATH}.")},
                    "content": {"type": "string", "description": "All that is to stand in it."},
                    "executable": {"type": "boolean", "description": "Whether it is to be executable; as before otherwise."},
                }),
                &["path", "content"],
            )
        },
    },
    Tool {
        name: "run",
        description: "Run a command with sh in the root of the workspace. It gets no input, and nothing that it starts outlives it.",
        parameters: || {
            object(
                json!({
                    "command": {"type": "string", "description": "The command."},
                    "seconds": {"type": "integer", "description": "How long it may run; 120 otherwise."},
                }),
                &["command"],
            )
        },
    },
];

/// How many of them only look.
const LOOKS: usize = 3;

fn object(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The tools for a kind of work: whoever answers only looks.
pub fn offered(work: Work<'_>) -> &'static [Tool] {
    match work {
        Work::Write(_) => &TOOLS,
        Work::Answer(_) => TOOLS.split_at(LOOKS).0,
    }
}

/// Uses tools for one call.
pub struct Hands<'a> {
    /// The outside world.
    pub world: &'a World,
    /// Whose hands.
    pub agent: &'a Agent,
    /// For which call.
    pub call: &'a Call<'a>,
    /// What no result may hold.
    pub secrets: &'a Secrets,
}

impl Hands<'_> {
    /// Uses a tool; `left` is how much time there is.
    pub async fn use_tool(&self, tool: &ToolCall, left: Duration) -> ToolResult {
        let done = self.try_tool(tool, left).await;
        let error = done.is_err();
        let mut kept = Captured::new(KEEP);
        kept.push(&done.unwrap_or_else(String::into_bytes));
        let text = self.secrets.redact(&String::from_utf8_lossy(&kept.bytes()));
        ToolResult { call: tool.id.clone(), text, error }
    }

    async fn try_tool(&self, tool: &ToolCall, left: Duration) -> Done {
        let known = offered(self.call.work).iter().map(|t| t.name);
        if !known.clone().any(|name| name == tool.name) {
            let name = self.secrets.line(&tool.name);
            return Err(format!("there is no tool {name:?}: there are {}", known.collect::<Vec<_>>().join(", ")));
        }
        let arguments = if tool.arguments.trim().is_empty() { "{}" } else { &tool.arguments };
        let arguments = strict::parse(arguments.as_bytes(), strict::Limits::RECORD)
            .map_err(|e| format!("the arguments are no JSON: {e}"))?;
        let what = ["path", "pattern", "command"].iter().find_map(|name| arguments[name].as_str()).unwrap_or_default();
        (self.call.notice)(Event::Tool(tool.name.clone(), self.secrets.line(what)));
        match tool.name.as_str() {
            "edit" => self.edit(read(arguments)?),
            "write" => self.write(read(arguments)?),
            "run" => self.run(read(arguments)?, left).await,
            name => look::look(self.call.dir, name, arguments).await,
        }
    }

    /// A path below the workspace that may be written. A refusal is told.
    fn writable(&self, tool: &str, path: &str) -> Result<String, String> {
        let path = beneath(self.call.dir, path);
        let refused = match files::bad_path(path.as_bytes()) {
            Some(why) => Err(why.to_owned()),
            None => (self.call.may_write)(&path),
        };
        refused.map_err(|why| {
            let denied = format!("{tool} {}: {why}", self.secrets.line(&path));
            (self.call.notice)(Event::Denied(denied.clone()));
            format!("denied: {denied}")
        })?;
        Ok(path)
    }
}

/// A path as the model means it: models like to write where the workspace lies in front of it.
fn beneath(root: &std::path::Path, path: &str) -> String {
    let inner = root
        .to_str()
        .and_then(|root| path.strip_prefix(root))
        .and_then(|rest| if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') });
    let path = inner.unwrap_or(path);
    let path = path.strip_prefix("./").unwrap_or(path);
    if path == "." { String::new() } else { path.to_owned() }
}

fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, String> {
    serde_json::from_value(arguments).map_err(|e| format!("the arguments are wrong: {e}"))
}
