//! Every kind there and back, the canonical bytes, and hostile specs.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::{model::*, *};
use crate::checks::model::{Check, CheckKind, Gate, Step};

const FULL: &[u8] = include_bytes!("../../tests/golden/spec-v1/full.json");

fn table() -> Vec<(&'static str, &'static str, &'static str)> {
    let text = include_str!("../../tests/malformed/specs/TABLE");
    let lines = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    lines.map(|l| l.split(" | ").collect::<Vec<_>>()).map(|p| (p[0], p[1], p[2])).collect()
}

fn told(bytes: &[u8]) -> String {
    let errors = parse(bytes).expect_err("a malformed spec was accepted");
    errors.iter().map(|e| format!("{e}\n")).collect()
}

#[test]
fn the_golden_spec_keeps_its_bytes_and_digest() {
    let spec = parse(FULL).unwrap_or_else(|e| panic!("{e:#?}"));
    assert_eq!(String::from_utf8(write(&spec)).unwrap(), String::from_utf8(FULL.to_vec()).unwrap());
    assert!(is_canonical(FULL));
    assert_eq!(digest(&spec).to_string(), include_str!("../../tests/golden/spec-v1/full.sha256").trim());
    let mut other = FULL.to_vec();
    other.push(b'\n');
    assert!(parse(&other).is_ok() && !is_canonical(&other));
}

/// Fails to compile when a kind is added, so that it is added to the golden spec too.
fn check_kind(kind: &CheckKind) -> &'static str {
    match kind {
        CheckKind::Pytest { .. } => "pytest",
        CheckKind::RepoTest { .. } => "repo_test",
        CheckKind::CliProbe { .. } => "cli_probe",
        CheckKind::ApiProbe { .. } => "api_probe",
        CheckKind::BrowserJourney { .. } => "browser_journey",
        CheckKind::StateInvariant { .. } => "state_invariant",
    }
}
fn step_kind(step: &Step) -> &'static str {
    match step {
        Step::Goto { .. } => "goto",
        Step::Click { .. } => "click",
        Step::Fill { .. } => "fill",
        Step::Press { .. } => "press",
        Step::Select { .. } => "select",
        Step::ExpectText { .. } => "expect_text",
        Step::ExpectVisible { .. } => "expect_visible",
        Step::ExpectUrl { .. } => "expect_url",
        Step::Screenshot { .. } => "screenshot",
    }
}

#[test]
fn every_kind_of_check_and_step_goes_there_and_back() {
    let spec = parse(FULL).unwrap();
    let checks: Vec<&Check> = spec.checks().map(|(_, c)| c).collect();
    let kinds: BTreeSet<&str> = checks.iter().map(|c| check_kind(&c.kind)).collect();
    let schema: Value = serde_json::from_str(schema("spec").unwrap()).unwrap();
    let names = |v: &Value| {
        v["enum"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(
        kinds.iter().map(|k| (*k).to_owned()).collect::<BTreeSet<_>>(),
        names(&schema["$defs"]["check"]["properties"]["kind"])
    );
    let steps: BTreeSet<String> = checks
        .iter()
        .filter_map(|c| if let CheckKind::BrowserJourney { steps, .. } = &c.kind { Some(steps) } else { None })
        .flatten()
        .map(|s| step_kind(s).to_owned())
        .collect();
    assert_eq!(steps, names(&schema["$defs"]["step"]["properties"]["do"]));
    for check in checks {
        let json = serde_json::to_vec(check).unwrap();
        assert_eq!(&serde_json::from_slice::<Check>(&json).unwrap(), check);
        // The schema knows exactly the fields that the type has: each check of the golden spec sets all of its kind's.
        let def = &schema["$defs"][check.kind.name()]["properties"];
        for key in serde_json::to_value(check).unwrap().as_object().unwrap().keys() {
            assert!(!def[key].is_null(), "{key} of {}", check.kind.name());
        }
    }
    assert!(spec.checks().any(|(_, c)| c.gate == Gate::Keeps));
}

#[test]
fn every_kind_of_project_goes_there_and_back() {
    let full: Value = serde_json::from_slice(FULL).unwrap();
    for kind in ProjectKind::ALL {
        let (rich, poor) = match kind {
            ProjectKind::Webapp => (
                json!({"routes": [{"path": "/", "component": "Home", "key_text": "Hi", "method": "GET", "request_shape": "none",
                    "response_shape": "HTML", "error_codes": [404]}], "components": [{"name": "Home", "key_text": "Hi"}],
                    "data_model": [{"name": "Note", "fields": ["text"]}]}),
                json!({"routes": [], "components": []}),
            ),
            ProjectKind::Cli => (
                json!({"entrypoint": "./jot", "commands": [{"name": "add", "summary": "Adds.", "args": ["TEXT"], "exit_codes": {"1": "no"}}]}),
                json!({"entrypoint": "./jot", "commands": []}),
            ),
            ProjectKind::Library => (
                json!({"package_name": "x", "public_api": [{"symbol": "f", "kind": "function", "summary": "Does.", "signature": "f()"}],
                    "examples": ["f()"]}),
                json!({"package_name": "x", "public_api": []}),
            ),
            ProjectKind::Api => (
                json!({"base_path": "/v1", "endpoints": [{"method": "GET", "path": "/n", "summary": "Lists.", "response_shape": "[]",
                    "auth": "none"}], "data_model": [{"name": "Note", "fields": ["text"]}]}),
                json!({"base_path": "/v1", "endpoints": []}),
            ),
            ProjectKind::Service => (
                json!({"service_name": "x", "health_checks": ["GET /health"], "ports": [8080]}),
                json!({"service_name": "x", "health_checks": []}),
            ),
        };
        let mut value = full.clone();
        value["project_kind"] = kind.name().into();
        value["structure"] = rich.clone();
        let spec = parse(&serde_json::to_vec(&value).unwrap()).unwrap_or_else(|e| panic!("{}: {e:#?}", kind.name()));
        assert_eq!(spec.structure.kind(), kind);
        assert_eq!(serde_json::to_value(&spec.structure).unwrap(), rich);
        assert_eq!(parse(&write(&spec)).unwrap(), spec);
        value["structure"] = poor;
        assert!(told(&serde_json::to_vec(&value).unwrap()).contains("must have at least 1 item"), "{}", kind.name());
    }
}

#[test]
fn every_schema_is_a_schema_of_its_draft() {
    for name in schema_names() {
        let value: Value = serde_json::from_str(schema(name).unwrap()).unwrap();
        assert!(jsonschema::draft202012::meta::is_valid(&value), "{name}");
    }
    assert_eq!(schema_digests().len(), schema_names().count());
    assert_eq!(schema("nothing"), None);
}

#[test]
fn every_malformed_spec_is_refused_at_its_place() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/malformed/specs");
    let table = table();
    assert!(table.len() >= 60, "{}", table.len());
    for (name, pointer, message) in &table {
        let bytes = std::fs::read(folder.join(format!("{name}.json"))).unwrap();
        let Err(errors) = parse(&bytes) else { panic!("{name} was accepted") };
        let at = if *pointer == "-" { "" } else { pointer };
        assert!(errors.iter().any(|e| e.pointer == at && e.message.contains(message)), "{name}: {errors:#?}");
    }
    let stored = std::fs::read_dir(folder)
        .unwrap()
        .filter(|e| e.as_ref().unwrap().path().extension().is_some_and(|x| x == "json"));
    assert_eq!(stored.count(), table.len(), "a file without a line in TABLE");
}

#[test]
fn what_is_too_large_or_no_text_is_refused() {
    assert!(told("[".repeat(1_000_000).as_bytes()).contains("nested too deeply"));
    assert!(told("{\"a\":".repeat(1_000_000).as_bytes()).contains("nested too deeply"));
    assert!(told(&vec![b'x'; 64 << 20]).contains("bytes are more than"));
    assert!(told(b"{\"id\": \"\xff\"}").contains("not UTF-8 at line 1 column 9"));
    assert!(told(b"").contains("EOF"));
    let deep =
        String::from_utf8(FULL.to_vec()).unwrap().replace("\"all\"", &format!("{}{}", "[".repeat(70), "]".repeat(70)));
    assert!(told(deep.as_bytes()).contains("nested too deeply"));
}

#[test]
fn what_the_examples_compile_to_is_valid() {
    for source in [include_str!("../../tests/intent-example.md"), include_str!("../../examples/jot.md")] {
        let spec = crate::intent::compile(source.as_bytes(), "x.md", None).unwrap().spec;
        assert_eq!(parse(&write(&spec)).unwrap_or_else(|e| panic!("{e:#?}")), spec);
    }
}

#[test]
fn all_errors_are_told_at_once() {
    let mut value: Value = serde_json::from_slice(FULL).unwrap();
    value["slices"][0]["deps"] = json!(["gone"]);
    value["slices"][1]["owned_paths"] = json!(["../x"]);
    value["requirements"].as_array_mut().unwrap().push(json!({"id": "R99", "text": "nobody proves"}));
    let all = told(&serde_json::to_vec(&value).unwrap());
    for part in [
        "/slices/0/deps/0: there is no slice `gone`",
        "/slices/1/owned_paths/0: `../x` has a part",
        "no check proves `R99`",
    ] {
        assert!(all.contains(part), "{all}");
    }
}

/// A spec of `n` slices in a chain of the given width.
fn many(n: usize) -> Value {
    let slices: Vec<Value> = (0..n)
        .map(|i| {
            json!({"id": format!("s{i}"), "title": format!("Slice {i}"), "requirements": [format!("R{i}")],
            "tasks": ["x".repeat(700)], "deps": if i > 3 { vec![format!("s{}", i - 3)] } else { vec![] },
            "owned_paths": [format!("src/m{i}/**"), format!("tests/t{i}_*.py"), format!("docs/{i}.md")],
            "checks": [{"id": format!("c{i}"), "kind": "cli_probe", "command": ["sh", "-c", "x".repeat(300)], "stdout_matches": "^a+$"}]})
        })
        .collect();
    let requirements: Vec<Value> = (0..n).map(|i| json!({"id": format!("R{i}"), "text": "y".repeat(200)})).collect();
    json!({"schema": SCHEMA, "id": "many", "title": "Many", "intent": "Many.", "project_kind": "cli",
        "structure": {"entrypoint": "x", "commands": [{"name": "x", "summary": "x"}]}, "requirements": requirements, "slices": slices})
}

#[test]
fn a_large_spec_is_read_and_hostile_patterns_end() {
    let bytes = serde_json::to_vec(&many(200)).unwrap();
    assert!(bytes.len() > 250_000);
    parse(&bytes).unwrap();
    let mut hostile = many(150);
    for i in 0..150 {
        let owned: Vec<String> = (0..100).map(|k| format!("{}{}{i}-{k}", "*a".repeat(200), "?".repeat(200))).collect();
        hostile["slices"][i]["owned_paths"] = json!(owned);
    }
    let all = told(&serde_json::to_vec(&hostile).unwrap());
    assert!(all.contains("too many patterns"), "{all}");
}

#[test]
fn a_skeleton_names_files_and_exports() {
    let all = skeleton(&parse(FULL).unwrap());
    assert_eq!(all.len(), 3);
    let one = &all[&"core".parse().unwrap()];
    assert!(one.files.contains("jot") && one.exports.contains("lib/store.py#save"), "{one:?}");
}

fn mutate(value: &mut Value, path: &[usize], with: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = with.clone();
        return;
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            let n = first % items.len();
            mutate(&mut items[n], rest, with);
        }
        Value::Object(map) if !map.is_empty() => {
            let n = first % map.len();
            mutate(map.values_mut().nth(n).unwrap(), rest, with);
        }
        leaf => *leaf = with.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_spec_is_read_or_refused_and_never_panics(
        path in proptest::collection::vec(0_usize..30, 1..7),
        with in prop_oneof![
            Just(json!(null)), Just(json!(true)), Just(json!(-1)), Just(json!(1.5)), Just(json!([])), Just(json!({})),
            Just(json!("")), Just(json!("core")), Just(json!("../x")), Just(json!("(")), Just(json!(["core", "core"])),
            "\\PC{0,8}".prop_map(Value::from), Just(json!(9_007_199_254_740_991_u64)),
        ],
    ) {
        let mut value: Value = serde_json::from_slice(FULL).unwrap();
        mutate(&mut value, &path, &with);
        match parse(&serde_json::to_vec(&value).unwrap()) {
            Ok(spec) => prop_assert_eq!(parse(&write(&spec)).unwrap(), spec),
            Err(errors) => prop_assert!(!errors.is_empty() && errors.iter().all(|e| !e.message.is_empty())),
        }
    }

    #[test]
    fn changed_bytes_never_panic(at in 0..FULL.len(), byte in any::<u8>(), cut in 0..FULL.len()) {
        let mut bytes = FULL.to_vec();
        bytes[at] = byte;
        drop(parse(&bytes));
        drop(parse(&FULL[..cut]));
    }
}
