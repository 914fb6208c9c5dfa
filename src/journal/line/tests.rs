use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};

use super::*;

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-v1")
}

/// Every golden line with the kind that its file is named after.
fn lines() -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    for kind in Kind::NAMES {
        let file = golden().join(format!("{kind}.jsonl"));
        let text = fs::read_to_string(&file).unwrap_or_else(|e| panic!("no golden vector of `{kind}`: {e}"));
        assert!(text.ends_with('\n'), "{kind}");
        out.extend(text.lines().map(|l| (*kind, l.to_owned())));
    }
    out
}

fn validator() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn every_kind_has_golden_vectors_that_are_read_and_written_alike() {
    let schema = validator();
    for (kind, line) in lines() {
        let event = decode(line.as_bytes()).unwrap_or_else(|e| panic!("{line}: {e}"));
        assert_eq!(event.fact.kind.name(), kind);
        assert_eq!(encode(&event).unwrap(), line);
        let value: Value = serde_json::from_str(&line).unwrap();
        if let Err(e) = schema.validate(&value) {
            panic!("{line}: {e}");
        }
        // The strict reader gives the same event.
        assert_eq!(json::read::<Event>(line.as_bytes(), Limits::LINE).unwrap(), event);
    }
    let named: BTreeSet<_> = Kind::NAMES.iter().map(|k| format!("{k}.jsonl")).collect();
    let files = fs::read_dir(golden()).unwrap().map(|f| f.unwrap()).filter(|f| f.path().is_file());
    let found: BTreeSet<_> = files.map(|f| f.file_name().into_string().unwrap()).collect();
    assert_eq!(found, named, "a vector once written is kept for ever");
}

#[test]
fn schema_and_decoder_refuse_the_same_lines() {
    let schema = validator();
    let mut seen = 0;
    for (_, line) in lines() {
        let whole: Value = serde_json::from_str(&line).unwrap();
        let mut bad = Vec::new();
        for place in ["", "/data"] {
            let keys: Vec<String> = whole.pointer(place).unwrap().as_object().unwrap().keys().cloned().collect();
            for key in keys {
                // Without it; with a value of another type; with an unknown key beside it.
                for change in
                    [None, Some(json!(true)), Some(json!(-1)), Some(json!("no such word")), Some(json!({"x": 1}))]
                {
                    let mut other = whole.clone();
                    let object = other.pointer_mut(place).unwrap().as_object_mut().unwrap();
                    match change {
                        None => drop(object.shift_remove(&key)),
                        Some(value) => drop(object.insert(key.clone(), value)),
                    }
                    bad.push(other);
                }
            }
            let mut other = whole.clone();
            other.pointer_mut(place).unwrap().as_object_mut().unwrap().insert("extra".into(), json!(1));
            bad.push(other);
        }
        for value in bad {
            let text = value.to_string();
            // What the pattern of an id or digest of a previous line says is checked where the chain is.
            let chain = value["id"] != whole["id"] || value["prev"] != whole["prev"];
            assert!(
                chain || decode(text.as_bytes()).is_ok() == schema.is_valid(&value),
                "{text}: decoder {:?}, schema {:?}",
                decode(text.as_bytes()).map(|_| ()),
                schema.validate(&value).map_err(|e| e.to_string()),
            );
            seen += 1;
        }
    }
    assert!(seen > 1000, "{seen}");
}

#[test]
fn what_is_not_one_event_is_refused_in_words() {
    let (_, line) = lines().into_iter().find(|(k, _)| *k == "agent.finished").unwrap();
    for (from, to, what) in [
        ("{\"v\":1,", "{", "where \"v\" must"),
        ("\"v\":1", "\"v\":2", "version 2 of the format"),
        ("\"v\":1,", "\"v\":1,\"v\":1,", "stands twice"),
        ("\"seq\":1,\"lamport\":3", "\"lamport\":3,\"seq\":1", "the key \"lamport\" stands where \"seq\" must"),
        ("agent.finished", "agent.flew", "unknown variant `agent.flew`"),
        ("\"duration_ms\":90210", "\"duration_ms\":90210,\"speed\":1", "unknown field `speed`"),
        ("\"duration_ms\":90210", "\"duration_ms\":9007199254740993", "beyond ±(2^53−1)"),
        ("\"duration_ms\":90210", "\"duration_ms\":\"90210\"", "invalid type: string"),
        ("\"duration_ms\":90210", "\"duration_ms\":1,\"duration_ms\":2", "stands twice"),
        ("\"attempt\":1", "\"attempt\":null", "invalid type: null"),
        ("\"attempt\":1", "\"attempt\":4294967296", "invalid value"),
        ("\"slice\":\"add\"", "\"slice\":\"../x\"", "not a slice id"),
        ("\"2026-11-23T20:00:00.042Z\"", "\"yesterday\"", "not an RFC 3339 time"),
        ("}}", "},\"x\":1}", "the key \"x\" does not belong there"),
        ("}}", "}", "EOF"),
        ("}}", "}} 1", "trailing characters"),
        ("Wrote", "\u{0}", "control character"),
    ] {
        assert!(line.contains(from), "{from}");
        let bad = line.replacen(from, to, 1);
        let e = decode(bad.as_bytes()).unwrap_err().to_string();
        assert!(e.contains(what), "{bad}: {e}");
    }
    assert!(decode(b"").is_err());
    assert!(decode(b"[1]").unwrap_err().to_string().contains("expected an event"));
    assert!(decode(&[b'['; 1_000_000]).is_err());
    let giant = line.replacen("Wrote", &"x".repeat(1 << 20), 1);
    assert!(decode(giant.as_bytes()).unwrap_err().to_string().contains("more than the 1048576 allowed"));
    let raw = [line.as_bytes().split_at(20).0, b"\xff"].concat();
    assert!(decode(&raw).unwrap_err().to_string().contains("UTF-8"));
}
