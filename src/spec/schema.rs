//! The schemas, compiled into the program, and what they find wrong.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind as Kind};
use serde_json::Value;

use super::SpecError;
use crate::base::{Sha256, text};

/// Every schema by the name that `git otto schema` takes.
const SCHEMAS: &[(&str, &str)] = &[
    ("audit", include_str!("../../schemas/audit.json")),
    ("event", include_str!("../../schemas/event.json")),
    ("packet", include_str!("../../schemas/packet.json")),
    ("question", include_str!("../../schemas/question.json")),
    ("recording", include_str!("../../schemas/recording.json")),
    ("request", include_str!("../../schemas/request.json")),
    ("result", include_str!("../../schemas/result.json")),
    ("spec", include_str!("../../schemas/spec.json")),
    ("structure.api", include_str!("../../schemas/structure/api.json")),
    ("structure.cli", include_str!("../../schemas/structure/cli.json")),
    ("structure.library", include_str!("../../schemas/structure/library.json")),
    ("structure.service", include_str!("../../schemas/structure/service.json")),
    ("structure.webapp", include_str!("../../schemas/structure/webapp.json")),
    ("task", include_str!("../../schemas/task.json")),
];

/// The names of the schemas, sorted.
pub fn schema_names() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|(name, _)| *name)
}

/// The text of a schema.
pub fn schema(name: &str) -> Option<&'static str> {
    SCHEMAS.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// The digest of every schema by name: what a run's anchor keeps.
pub fn schema_digests() -> BTreeMap<String, Sha256> {
    SCHEMAS.iter().map(|(name, text)| ((*name).to_owned(), Sha256::of(text))).collect()
}

static SPEC: LazyLock<Result<Validator, String>> = LazyLock::new(|| {
    let mut whole = Value::Null;
    let mut parts = Vec::new();
    for (name, text) in SCHEMAS {
        let value = serde_json::from_str(text).map_err(|e| format!("the schema {name}: {e}"))?;
        match *name {
            "spec" => whole = value,
            name if name.starts_with("structure.") => parts.push((name, value)),
            _ => {}
        }
    }
    // Embedded resources, found by their `$id`: nothing is ever looked for outside.
    if let Some(defs) = whole.get_mut("$defs").and_then(Value::as_object_mut) {
        defs.extend(parts.into_iter().map(|(name, part)| (name.to_owned(), part)));
    }
    let options = jsonschema::draft202012::options().with_pattern_options(PatternOptions::regex());
    options.build(&whole).map_err(|e| format!("the schema spec: {e}"))
});

/// Everything that the schema finds wrong with a value, in the order of the schema.
pub(super) fn check(value: &Value) -> Vec<SpecError> {
    match SPEC.as_ref() {
        Ok(validator) if validator.is_valid(value) => Vec::new(),
        Ok(validator) => validator.iter_errors(value).flat_map(|e| say(&e)).collect(),
        Err(why) => vec![SpecError::new("", why.as_str())],
    }
}

/// One error in short words; those about named properties become one error each, at the property.
fn say(error: &ValidationError<'_>) -> Vec<SpecError> {
    let at = error.instance_path().to_string();
    let found = || text::one_line(&error.instance().to_string(), 80);
    let below = |name: &str| format!("{at}/{}", escape(name));
    let plural = |n: u64, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let message = match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            return unexpected.iter().map(|name| SpecError::new(below(name), "is not known here")).collect();
        }
        Kind::Required { property } => {
            return vec![SpecError::new(below(property.as_str().unwrap_or_default()), "is missing")];
        }
        Kind::FalseSchema => "is not known here".into(),
        Kind::PropertyNames { error } => {
            let name = error.instance().as_str().unwrap_or_default().to_owned();
            let why = say(error).into_iter().map(|e| e.message).next().unwrap_or_default();
            return vec![SpecError::new(below(&name), format!("is no name for this: {why}"))];
        }
        Kind::Type { kind } => format!("must be {}, not {}", types(kind), found()),
        Kind::Constant { expected_value } => format!("must be {expected_value}, not {}", found()),
        Kind::Enum { options } => {
            let each: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            format!("must be one of {}, not {}", each.join(", "), found())
        }
        Kind::Pattern { pattern } => format!("{} {}", found(), rule(pattern)),
        Kind::MinLength { .. } => "must not be empty".into(),
        Kind::MaxLength { limit } => format!("must be at most {}", plural(*limit, "character")),
        Kind::MinItems { limit } => format!("must have at least {}", plural(*limit, "item")),
        Kind::MaxItems { limit } => format!("must have at most {}", plural(*limit, "item")),
        Kind::MaxProperties { limit } => format!("must have at most {}", plural(*limit, "key")),
        Kind::Minimum { limit } => format!("must be at least {limit}, not {}", found()),
        Kind::Maximum { limit } => format!("must be at most {limit}, not {}", found()),
        _ => text::one_line(&error.to_string(), 200),
    };
    vec![SpecError::new(at, message)]
}

fn types(kind: &jsonschema::error::TypeKind) -> String {
    let one = |name: &str| match name {
        "array" => "a list".to_owned(),
        "object" => "an object".to_owned(),
        "string" => "a text".to_owned(),
        "integer" => "a whole number".to_owned(),
        other => format!("a {other}"),
    };
    match kind {
        jsonschema::error::TypeKind::Single(t) => one(&t.to_string()),
        jsonschema::error::TypeKind::Multiple(set) => {
            let each: Vec<String> = set.iter().map(|t| one(&t.to_string())).collect();
            each.join(" or ")
        }
    }
}

/// The patterns of the schemas in words.
fn rule(pattern: &str) -> String {
    let words = match pattern {
        "^[a-z][a-z0-9_-]{0,62}$" => "is no slice id: a lower-case letter, then up to 62 of a-z, 0-9, - and _",
        "^[a-z][a-z0-9-]{0,62}$" => "is no spec id: a lower-case letter, then up to 62 of a-z, 0-9 and -",
        "^[A-Za-z0-9][A-Za-z0-9._-]{0,126}$" => {
            "is no id: a letter or digit, then up to 126 of A-Z, a-z, 0-9, ., _ and -"
        }
        "^[0-9a-f]{64}$" => "is no SHA-256 digest: 64 lower-case hex digits",
        "^(0|[1-9][0-9]{0,2})$" => "is no exit code: a number from 0 to 999",
        "^/" => "must begin with /",
        "^\\$" => "must begin with $",
        p if p.starts_with("^[^\\n\\r]*") => "must be one line, not blank",
        p if p.starts_with("^(0|[1-9][0-9]{0,4})") => "is no version: three numbers, such as 1.4.0",
        p => return format!("does not match {p}"),
    };
    words.to_owned()
}

/// A key as a part of a JSON pointer (RFC 6901).
pub(super) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}
