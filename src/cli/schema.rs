//! `git otto schema`: the JSON Schemas that are compiled in.

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::{Exit, Failure, json, text::one_line},
    cli::Start,
    report, spec,
};

/// Print a JSON Schema, or the names of all.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which [default: list them]
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Listed {
    name: &'static str,
    title: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    All { schema: &'static str, schemas: Vec<Listed> },
    One { schema: &'static str, name: &'a str, json_schema: Value },
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let Some(name) = args.name else {
        let schemas: Vec<Listed> =
            all().into_iter().map(|(name, text)| Ok(Listed { name, title: title(text)? })).collect::<Result<_, Failure>>()?;
        if start.ui.is_json() {
            start.ui.answer_json(&Answer::All { schema: "otto.schema/1", schemas })?;
        } else {
            let width = schemas.iter().map(|s| s.name.len()).max().unwrap_or(0);
            for s in schemas {
                start.ui.answer(&format!("{:width$}  {}\n", s.name, s.title))?;
            }
        }
        return Ok(Exit::Done);
    };
    let Some((_, text)) = all().into_iter().find(|(n, _)| *n == name) else {
        let text = format!("there is no schema {:?}", one_line(&name, 80));
        return Err(Failure::new(Exit::Usage, text).hint("git otto schema"));
    };
    if start.ui.is_json() {
        let json_schema = json::parse(text.as_bytes(), json::Limits::RECORD)?;
        start.ui.answer_json(&Answer::One { schema: "otto.schema/1", name: &name, json_schema })?;
    } else {
        start.ui.answer(text)?;
    }
    Ok(Exit::Done)
}

/// Every schema by name, sorted.
fn all() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("answers", include_str!("../../schemas/answers.json")),
        ("evidence", include_str!("../../schemas/evidence.json")),
        ("packet", report::model::JSON_SCHEMA),
    ];
    for name in spec::schema_names() {
        if let Some(text) = spec::schema(name).filter(|_| all.iter().all(|(n, _)| *n != name)) {
            all.push((name, text));
        }
    }
    all.sort_unstable();
    all
}

fn title(text: &str) -> Result<String, Failure> {
    let value = json::parse(text.as_bytes(), json::Limits::RECORD)?;
    Ok(value.get("title").and_then(Value::as_str).unwrap_or_default().to_owned())
}
