//! Parts of a spec given as JSON, for what no sentence says.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    base::json::{self, Error, Limits},
    checks::model::Check,
    spec::model::{ProjectKind, Structure},
};

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    json::read(text.as_bytes(), Limits::RECORD)
}

/// A structure of the stated kind.
pub(super) fn structure(kind: ProjectKind, text: &str) -> Result<Structure, Error> {
    Ok(match kind {
        ProjectKind::Webapp => Structure::Webapp(read(text)?),
        ProjectKind::Cli => Structure::Cli(read(text)?),
        ProjectKind::Library => Structure::Library(read(text)?),
        ProjectKind::Api => Structure::Api(read(text)?),
        ProjectKind::Service => Structure::Service(read(text)?),
    })
}

/// A check with exactly the fields of its kind.
pub(super) fn check(text: &str) -> Result<Check, Error> {
    let value = json::parse(text.as_bytes(), Limits::RECORD)?;
    let check: Check = serde_json::from_value(value.clone())?;
    let known: &[&str] = match check.kind.name() {
        "pytest" => &["selector"],
        "repo_test" => &["command", "expect_exit", "stdout_contains"],
        "cli_probe" => &[
            "command",
            "shell",
            "stdin",
            "expect_exit",
            "stdout",
            "stdout_contains",
            "stdout_matches",
            "stderr_contains",
        ],
        "api_probe" => {
            &["service", "method", "path", "headers", "body", "expect_status", "expect_body_contains", "expect_json"]
        }
        "browser_journey" => &["command", "evidence_globs", "service", "steps"],
        _ => &["description", "expression"],
    };
    let shared = ["id", "kind", "proves", "gate", "files", "timeout_s"];
    let keys = value.as_object().map(|o| o.keys()).into_iter().flatten();
    match keys.into_iter().find(|k| !known.contains(&k.as_str()) && !shared.contains(&k.as_str())) {
        Some(key) => {
            let shown: String = key.chars().take(80).collect();
            Err(Error { what: format!("a {} has no field {shown:?}", check.kind.name()), line: 0, column: 0 })
        }
        None => Ok(check),
    }
}

/// The JSON that the functions above read back.
pub(super) fn write(value: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or(Value::Null);
    serde_json::to_string_pretty(&value).unwrap_or_default()
}
