//! `command:` agents: any program. What it is to do goes to its standard input as JSON; the last line of its standard
//! output that is a JSON object is its result. Judged by exit code and result, never by prose.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Agent, Answer, Call, Event, Outcome, Role, Work,
    program::{self, Adapter, Said, Start, Usage},
};
use crate::base::{
    Cost, World, json,
    procs::{Captured, Ended},
    text,
};

/// What an agent says at its end (`schemas/result.json`).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    #[serde(default)]
    schema: Option<String>,
    ok: bool,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    cost: Spent,
    #[serde(default)]
    answer: Option<Value>,
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

/// What a program reads that is to answer (`schemas/question.json`).
#[derive(Serialize)]
struct Question<'a> {
    schema: &'static str,
    role: Role,
    prompt: &'a str,
    answer: &'a Value,
    workspace: &'a std::path::Path,
}

/// Runs the program in the workspace.
pub async fn run(world: &World, agent: &Agent, argv: &[String], call: &Call<'_>) -> Outcome {
    let packet = match call.work {
        Work::Write(task) => serde_json::to_vec(task),
        Work::Answer(answer) => {
            let (schema, role, prompt) = ("otto.question/1", call.role, call.prompt);
            serde_json::to_vec(&Question { schema, role, prompt, answer, workspace: call.dir })
        }
    };
    let mut stdin = match packet {
        Ok(packet) => packet,
        Err(e) => return Outcome::failed(format!("the task could not be written as JSON: {e}")),
    };
    stdin.push(b'\n');
    let start = Start { argv: argv.iter().map(Into::into).collect(), stdin, env: Vec::new() };
    program::run(world, agent, call, start, &mut Results::default()).await
}

/// The last line that may be a result.
#[derive(Default)]
struct Results {
    last: Option<Vec<u8>>,
}

impl Results {
    /// The result that the program printed; why there is none, otherwise.
    fn read(&self) -> Result<Reply, String> {
        let none = "it ended without a result: its last line of JSON must be {\"ok\":true,\"summary\":\"…\"}";
        let line = self.last.as_deref().ok_or(none)?;
        let bad = |why: String| format!("its result is not of schema otto.result/1: {}", text::one_line(&why, 200));
        let said: Reply = json::read(line, json::Limits::RECORD).map_err(|e| bad(e.to_string()))?;
        match said.schema.as_deref() {
            None | Some("otto.result/1") => Ok(said),
            Some(other) => Err(bad(format!("it says {other:?}"))),
        }
    }
}

impl Adapter for Results {
    fn line(&mut self, line: &[u8], _: &(dyn Fn(Event) + Send + Sync)) {
        let line = line.trim_ascii();
        if line.starts_with(b"{") && json::parse(line, json::Limits::RECORD).is_ok() {
            self.last = Some(line.to_vec());
        }
    }

    fn usage(&self) -> Usage {
        let cost = self.read().map(|said| said.cost.into()).unwrap_or_default();
        Usage { cost, cumulative: false }
    }

    fn judge(&mut self, ended: Ended, _: &Captured, stderr: &Captured) -> Said {
        let said = self.read();
        let summary = said.as_ref().map(|s| s.summary.clone()).unwrap_or_default();
        if let Some(detail) = program::bad_end(ended, &summary, stderr) {
            return Said { detail, ..Said::default() };
        }
        match said {
            Err(detail) => Said { detail, ..Said::default() },
            Ok(said) if said.ok => {
                Said { ok: true, detail: summary, answer: said.answer.map(Answer::Value), ..Said::default() }
            }
            Ok(_) => {
                let detail = program::with_words("it says that it failed".into(), &summary, stderr);
                Said { detail, ..Said::default() }
            }
        }
    }
}

#[cfg(test)]
mod tests;
