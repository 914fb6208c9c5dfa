//! Packets that templates are tried with before they are used.

use serde_json::{Value, json};

/// Packets of a template: one with everything, and the same with nothing in it.
pub(super) fn of(name: &str) -> Vec<Value> {
    let product = json!({"title": "x", "intent": "x", "kind": "cli"});
    let side = json!({"mode": "x", "size": 1, "text": "x"});
    let mut all = match name {
        "compile" => vec![json!({
            "intent": "x", "kind": "cli", "draft": "x", "remark": "x", "map": "x", "schema": "x", "example": "x",
            "check_kinds": ["pytest", "repo_test", "cli_probe", "api_probe", "browser_journey", "state_invariant"],
        })],
        "compile-repair" => vec![json!({"errors": ["x"], "answer": "x", "tag": "x"})],
        "audit" => {
            let check = |holds: bool| json!({"id": "x", "sentence": "x", "holds": holds, "detail": "x", "stdout": "x", "stderr": "x"});
            vec![json!({
                "product": product,
                "requirements": [{"id": "x", "text": "x", "checks": [check(true), check(false)]}],
                "blocked": [{"id": "x", "why": "x"}],
                "changed": [{"how": "added", "path": "x"}],
                "more_changed": 1,
            })]
        }
        _ => vec![json!({
            "schema": "x", "role": "repair", "slice": "x", "title": "x", "attempt": 1, "product": product,
            "requirements": {"x": "x"}, "tasks": ["x"], "owned_paths": ["x"], "shared_scaffold": ["x"],
            "checks": {"x": "x", "y": "x"}, "green_on_base": ["x"],
            "failures": [{"what": "x", "detail": "x", "stdout": "x", "stderr": "x"}],
            "conflicts": [
                {"path": "x", "kinds": ["x"], "marked": true, "owners": ["x"], "base": null, "target": side, "candidate": side,
                 "landed": {"slice": "x", "title": "x", "requirements": {"x": "x"}}},
                {"path": "x", "kinds": [], "marked": false, "owners": [], "base": side, "target": null,
                 "candidate": {"mode": "x", "size": 1, "text": null}, "landed": null},
            ],
            "hint": "x",
            "contract": "x",
            "needs": [{"id": "x", "slice": "x", "title": "x", "path": "x", "reason": "x"}],
            "granted": [{"path": "x", "reason": "x"}],
            "contracts": [
                {"path": "x", "owner": "x", "owned": true, "mode": "literal", "exports": ["x"]},
                {"path": "x", "owner": "x", "owned": false, "mode": "literal", "exports": []},
            ],
            "workspace": "x",
        })],
    };
    let emptied = all.iter().map(emptied).collect::<Vec<_>>();
    all.extend(emptied);
    all
}

fn emptied(packet: &Value) -> Value {
    let mut packet = packet.clone();
    for value in packet.as_object_mut().into_iter().flat_map(|o| o.values_mut()) {
        match value {
            Value::Array(list) => list.clear(),
            Value::String(text) => text.clear(),
            Value::Number(_) => *value = json!(0),
            _ => {}
        }
    }
    packet
}
