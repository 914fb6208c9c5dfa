//! What an agent answers that turns prose into a spec.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{model::ProjectKind, schema};

/// Keys that otto fills in, or that need what an answer cannot carry.
const NOT_ASKED: [&str; 4] = ["schema", "intent", "files", "min_version"];

/// The JSON Schema of the answer: that of specs, in one piece, without what otto fills in, without the `left_out` keys, and
/// with these kinds of check only. The kind of product may be fixed.
pub fn answer_schema(kind: Option<ProjectKind>, checks: &[&str], left_out: &[&str]) -> Value {
    let load = |name: &str| -> Value { schema(name).and_then(|s| serde_json::from_str(s).ok()).unwrap_or_default() };
    let mut whole = load("spec");
    let is_left_out = |key: &str| NOT_ASKED.contains(&key) || left_out.contains(&key);
    if let Some(root) = whole.as_object_mut() {
        root.retain(|key, _| !["$schema", "$id", "description"].contains(&key.as_str()));
        root.insert("title".into(), json!("Spec"));
    }
    if let Some(properties) = object(&mut whole, "/properties") {
        properties.retain(|key, _| !is_left_out(key));
    }
    if let Some(required) = whole.pointer_mut("/required").and_then(Value::as_array_mut) {
        required.retain(|key| key.as_str().is_none_or(|k| k != "id" && !is_left_out(k)));
    }
    let kinds = ProjectKind::ALL.into_iter().filter(|k| kind.is_none_or(|only| only == *k));
    for kind in kinds {
        let name = format!("structure.{}", kind.name());
        let mut part = load(&name);
        if let Some(part) = part.as_object_mut() {
            part.retain(|key, _| !["$schema", "$id", "title", "description"].contains(&key.as_str()));
        }
        if let Some(defs) = object(&mut whole, "/$defs") {
            defs.insert(name, part);
        }
    }
    match kind {
        Some(kind) => {
            if let Some(root) = whole.as_object_mut() {
                root.shift_remove("allOf");
            }
            if let Some(properties) = object(&mut whole, "/properties") {
                properties.insert("project_kind".into(), json!({"const": kind.name()}));
                properties.insert("structure".into(), json!({"$ref": format!("#/$defs/structure.{}", kind.name())}));
            }
        }
        None => {
            for case in whole.pointer_mut("/allOf").and_then(Value::as_array_mut).into_iter().flatten() {
                let kind = case.pointer("/if/properties/project_kind/const").and_then(Value::as_str);
                let local = format!("#/$defs/structure.{}", kind.unwrap_or_default());
                if let Some(place) = case.pointer_mut("/then/properties/structure/$ref") {
                    *place = local.into();
                }
            }
        }
    }
    if let Some(place) = whole.pointer_mut("/$defs/check/properties/kind") {
        *place = json!({"enum": checks});
    }
    if let Some(cases) = whole.pointer_mut("/$defs/check/allOf").and_then(Value::as_array_mut) {
        cases.retain(|case| {
            let kind = case.pointer("/if/properties/kind/const").and_then(Value::as_str);
            kind.is_some_and(|k| checks.contains(&k))
        });
    }
    for place in ["check", "cli_probe", "repo_test", "pytest", "api_probe", "browser_journey", "state_invariant"] {
        if let Some(properties) = object(&mut whole, &format!("/$defs/{place}/properties")) {
            properties.shift_remove("files");
        }
    }
    drop_unused(&mut whole);
    whole
}

fn object<'v>(value: &'v mut Value, pointer: &str) -> Option<&'v mut Map<String, Value>> {
    value.pointer_mut(pointer).and_then(Value::as_object_mut)
}

/// Drops the definitions that nothing needs.
fn drop_unused(whole: &mut Value) {
    let mut used = BTreeSet::new();
    let mut open = Vec::new();
    for (_, value) in whole.as_object().into_iter().flatten().filter(|(key, _)| *key != "$defs") {
        refs(value, &mut open);
    }
    while let Some(name) = open.pop() {
        if used.insert(name.clone())
            && let Some(def) = whole.get("$defs").and_then(|d| d.get(&name))
        {
            refs(def, &mut open);
        }
    }
    if let Some(defs) = object(whole, "/$defs") {
        defs.retain(|name, _| used.contains(name));
    }
}

/// The names of the definitions that a value refers to.
fn refs(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_str().and_then(|v| v.strip_prefix("#/$defs/")).filter(|_| key == "$ref") {
                    Some(name) => out.push(name.to_owned()),
                    None => refs(value, out),
                }
            }
        }
        Value::Array(list) => list.iter().for_each(|v| refs(v, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&str; 6] = ["pytest", "repo_test", "cli_probe", "api_probe", "browser_journey", "state_invariant"];

    fn full() -> Value {
        let mut spec: Value = serde_json::from_slice(include_bytes!("../../tests/golden/spec-v1/full.json")).unwrap();
        let root = spec.as_object_mut().unwrap();
        for key in NOT_ASKED {
            root.shift_remove(key);
        }
        for slice in spec["slices"].as_array_mut().unwrap() {
            for check in slice["checks"].as_array_mut().unwrap() {
                check.as_object_mut().unwrap().shift_remove("files");
            }
        }
        for check in spec["cross_slice_checks"].as_array_mut().unwrap() {
            check.as_object_mut().unwrap().shift_remove("files");
        }
        spec
    }

    fn valid(schema: &Value, value: &Value) -> bool {
        jsonschema::draft202012::meta::validate(schema).unwrap();
        jsonschema::draft202012::new(schema).unwrap().is_valid(value)
    }

    #[test]
    fn an_answer_is_a_spec_without_what_otto_fills_in() {
        let schema = answer_schema(None, &ALL, &[]);
        assert!(valid(&schema, &full()));
        assert!(!schema.to_string().contains("urn:"), "it stands alone");
        for key in ["schema", "intent", "files"] {
            let mut more = full();
            more[key] = json!("x");
            assert!(!valid(&schema, &more), "{key}");
        }
        let mut shapeless = full();
        shapeless["structure"] = json!({});
        assert!(!valid(&schema, &shapeless));
    }

    #[test]
    fn what_cannot_be_run_and_another_kind_are_not_offered() {
        let schema = answer_schema(Some(ProjectKind::Cli), &["cli_probe"], &["services"]);
        let text = schema.to_string();
        for word in ["pytest", "browser", "services", "sha256", "structure.webapp", "allOf\":[]"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        assert!(text.contains("contracts") && text.contains("structure.cli") && text.contains("stdout_matches"));
        let check = json!({"id": "c", "kind": "cli_probe", "shell": "true"});
        let mut spec = json!({
            "title": "T", "project_kind": "cli", "structure": {"entrypoint": "./t", "commands": [{"name": "t", "summary": "s"}]},
            "requirements": [{"id": "R1", "text": "x"}],
            "slices": [{"id": "main", "title": "M", "requirements": ["R1"], "owned_paths": ["t"], "checks": [check]}],
        });
        assert!(valid(&schema, &spec));
        spec["project_kind"] = json!("library");
        assert!(!valid(&schema, &spec));
        spec["project_kind"] = json!("cli");
        spec["slices"][0]["checks"][0]["kind"] = json!("pytest");
        assert!(!valid(&schema, &spec));
    }
}
