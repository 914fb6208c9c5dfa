//! Expressions of specs are evaluated in a process of their own, whose time and memory are bounded: what they cost is
//! up to whoever wrote them, and a parser that overflows its stack must take nobody else along.
//!
//! The process is this program again, started as `git-otto evaluate` with an empty environment. It reads one question as
//! JSON and writes one answer as JSON.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read as _},
    time::Duration,
};

use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_json_path::JsonPath;

use crate::base::{
    World, json,
    procs::{self, Bounds, Ended, Limit, Spec},
    text,
};

mod invariant;

/// The word after the program's name that makes it an evaluator.
pub const COMMAND: &str = "evaluate";

/// The longest expression, bytes.
pub const MAX_SOURCE: usize = 2 << 10;
/// Processor time of one question, seconds.
const CPU_S: u64 = 2;
/// Address space of one question, bytes.
const MEMORY: u64 = 512 << 20;
/// The longest that a question may take, including a machine that is busy.
const WALL: Duration = Duration::from_secs(20);
/// The largest question, and the largest answer, bytes.
const MAX_TEXT: usize = 24 << 20;
/// What a question and an answer may be. Data is nested less deeply: a document is read with 64 levels at most.
const LIMITS: json::Limits = json::Limits { size: MAX_TEXT, depth: 136 };

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// What is found at paths (JSONPath, RFC 9535) in a document.
    Paths {
        /// The paths.
        paths: Vec<String>,
        /// The document.
        document: Value,
    },
    /// Whether an expression is exactly `true` over facts.
    Holds {
        /// The expression.
        expression: String,
        /// The names that it may use, and their values.
        facts: Map<String, Value>,
    },
    /// What is wrong with paths and expressions, whatever they are used on.
    Faults {
        /// Paths.
        paths: Vec<String>,
        /// Expressions.
        expressions: Vec<String>,
    },
}

/// What is answered.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    /// For each path what is found there, in the order of the document; or why it is no path.
    Found {
        /// As many as paths.
        found: Vec<Result<Vec<Value>, String>>,
    },
    /// It is true.
    Holds,
    /// It is false.
    Fails {
        /// What of it is not true, and from which values.
        told: Vec<String>,
    },
    /// It is neither.
    Unknown {
        /// Why.
        why: String,
    },
    /// What is wrong, none where nothing is: paths first, then expressions.
    Faults {
        /// As many as were asked for.
        faults: Vec<Option<String>>,
    },
}

/// Asks a process of its own. An error says why there is no answer: it took too long, too much memory, or it broke off.
pub async fn ask(world: &World, question: &Question) -> Result<Answer, String> {
    let program = world.program.clone();
    let stdin = serde_json::to_vec(question).map_err(|e| format!("the question cannot be written: {e}"))?;
    if stdin.len() > MAX_TEXT {
        return Err(format!("{} bytes of data are more than the {MAX_TEXT} that an expression may see", stdin.len()));
    }
    let spec = Spec { argv: vec![program.into(), COMMAND.into()], cwd: "/".into(), stdin, ..Spec::default() };
    let bounds = Bounds { wall: WALL, idle: None, keep: MAX_TEXT };
    let done = procs::run(world.procs.as_ref(), &spec, bounds).await;
    let done = done.map_err(|e| format!("the evaluator could not be started: {e}"))?;
    match (done.ended, done.limit) {
        (Ended::Exit(0), None) => {
            json::read(&done.stdout.bytes(), LIMITS).map_err(|e| format!("the evaluator's answer cannot be read: {e}"))
        }
        (_, Some(Limit::Wall | Limit::Idle | Limit::Grace)) => Err("its evaluation took too long".into()),
        (Ended::Signal(n), _) => Err(format!(
            "its evaluation broke off (signal {n}): it is too deep, or takes more than {CPU_S} s or {} MiB",
            MEMORY >> 20
        )),
        (Ended::Exit(code), _) => {
            let said = text::one_line(&String::from_utf8_lossy(&done.stderr.bytes()), 200);
            Err(format!("its evaluation failed with exit code {code}: {said}"))
        }
    }
}

/// The evaluator itself, if that is what the program's arguments ask for: its answer as JSON, or what went wrong.
pub fn serve(args: &[OsString]) -> Option<Result<String, String>> {
    let [_, command] = args else { return None };
    (command == OsStr::new(COMMAND)).then(|| {
        limit().map_err(|e| format!("its limits cannot be set: {e}"))?;
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(MAX_TEXT as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|e| format!("the question cannot be read: {e}"))?;
        let question = json::read(&bytes, LIMITS).map_err(|e| format!("the question cannot be read: {e}"))?;
        serde_json::to_string(&answer(&question)).map_err(|e| format!("the answer cannot be written: {e}"))
    })
}

/// Bounds this process for good.
fn limit() -> rustix::io::Result<()> {
    for (resource, most) in [(Resource::Core, 0), (Resource::Cpu, CPU_S), (Resource::As, MEMORY)] {
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

/// The answer, in this process: for whoever has bounded it.
pub fn answer(question: &Question) -> Answer {
    match question {
        Question::Paths { paths, document } => {
            let found = paths.iter().map(|path| {
                let path = parse(path)?;
                Ok(path.query(document).all().into_iter().cloned().collect())
            });
            Answer::Found { found: found.collect() }
        }
        Question::Holds { expression, facts } => invariant::judge(expression, facts),
        Question::Faults { paths, expressions } => {
            let paths = paths.iter().map(|path| parse(path).err());
            Answer::Faults { faults: paths.chain(expressions.iter().map(|e| invariant::fault(e))).collect() }
        }
    }
}

fn parse(path: &str) -> Result<JsonPath, String> {
    if path.len() > MAX_SOURCE {
        return Err(format!("{} bytes are more than the {MAX_SOURCE} that a path may have", path.len()));
    }
    JsonPath::parse(path).map_err(|e| format!("it is no JSONPath: {}", text::one_line(&e.to_string(), 200)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(path: &str, document: Value) -> Result<Vec<Value>, String> {
        let Answer::Found { mut found } = answer(&Question::Paths { paths: vec![path.into()], document }) else {
            panic!("no answer to what was asked");
        };
        found.remove(0)
    }

    #[test]
    fn paths_find_what_is_there_in_the_documents_order() {
        let document = json!({"notes": [{"id": 1, "tags": ["a"]}, {"id": 2, "tags": []}]});
        assert_eq!(found("$.notes[*].id", document.clone()), Ok(vec![json!(1), json!(2)]));
        assert_eq!(found("$.notes[?@.id > 1].tags", document.clone()), Ok(vec![json!([])]));
        assert_eq!(found("$.nothing", document), Ok(vec![]));
    }

    #[test]
    fn what_is_no_path_is_said_to_be_none() {
        let long = format!("${}", ".a".repeat(MAX_SOURCE));
        for path in ["", "notes", "$.", "$[", "$[?(", "$..", &long] {
            let why = found(path, json!({})).unwrap_err();
            assert!(why.contains("is no JSONPath") || why.contains("bytes are more"), "{path}: {why}");
        }
    }

    #[test]
    fn other_commands_are_no_questions() {
        assert!(serve(&["git-otto".into(), "status".into()]).is_none());
        assert!(serve(&["git-otto".into()]).is_none());
    }
}
