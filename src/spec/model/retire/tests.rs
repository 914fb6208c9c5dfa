use serde_json::{Value, json};

use super::*;
use crate::spec;

/// Three slices with files of their own and one that they share.
fn jot() -> Value {
    let slice = |id: &str, deps: &[&str], requirement: &str, own: &str, check: &str| {
        json!({
            "id": id, "title": id, "requirements": [requirement], "deps": deps, "owned_paths": ["jot", own],
            "tasks": [format!("Write {own}.")],
            "checks": [{"id": format!("{id}-1"), "kind": "cli_probe", "shell": check, "stdout": "x\n"}],
        })
    };
    json!({
        "schema": "otto.spec/1", "id": "jot", "title": "Jot", "intent": "Notes.", "project_kind": "cli",
        "structure": {"entrypoint": "./jot", "commands": [{"name": "add", "summary": "Adds."}]},
        "requirements": [
            {"id": "R1", "text": "Adds."}, {"id": "R2", "text": "Lists."}, {"id": "R3", "text": "Strikes out."},
        ],
        "slices": [
            slice("add", &[], "R1", "add.sh", "./jot add"),
            slice("list", &["add"], "R2", "list.sh", "./jot list"),
            slice("done", &["list"], "R3", "done.sh", "./jot 'done' 1"),
        ],
    })
}

fn read(value: &Value) -> Spec {
    spec::parse(value.to_string().as_bytes()).unwrap_or_else(|e| panic!("{e:#?}"))
}

/// The spec after it, which must be valid.
fn retired(value: &Value, id: &str) -> Spec {
    let after = retire(&read(value), &[id.to_owned()]).unwrap_or_else(|e| panic!("{e:#?}"));
    spec::validate(&after).unwrap_or_else(|e| panic!("{e:#?}"));
    read(&serde_json::to_value(&after).unwrap())
}

fn refused(value: &Value, id: &str) -> Vec<String> {
    retire(&read(value), &[id.to_owned()]).unwrap_err()
}

#[test]
fn what_was_there_for_one_requirement_goes_with_it() {
    let after = retired(&jot(), "R3");
    assert_eq!(after.requirements.iter().map(|r| r.id.as_str()).collect::<Vec<_>>(), ["R1", "R2"]);
    let ids: Vec<&str> = after.slices.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["add", "list", "remove-r3"]);
    let removal = &after.slices[2];
    assert_eq!(removal.title, "Remove what R3 asked for");
    assert_eq!(removal.owned_paths, ["jot", "done.sh"]);
    // `jot` is the others' too, so that it comes after them.
    assert_eq!(removal.deps.iter().map(|d| d.as_str()).collect::<Vec<_>>(), ["add", "list"]);
    assert_eq!(
        removal.tasks,
        [
            "Requirement R3 is retired: take out what exists only for it, and leave everything else as it is. It said: Strikes out.",
            "The slice `done` (done) is gone; it owned `jot`, `done.sh`. Write done.sh.",
            "This must hold no more: `./jot 'done' 1` exits 0 and prints exactly \"x\".",
        ]
    );
    let checks: Vec<&str> = removal.checks.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(checks, ["remove-r3-files", "done-1-gone"]);
}

#[test]
fn who_needed_what_goes_needs_what_that_needed() {
    let after = retired(&jot(), "R2");
    let done = after.slice(&"done".parse().unwrap()).unwrap();
    assert_eq!(done.deps.iter().map(|d| d.as_str()).collect::<Vec<_>>(), ["add"]);
    // `list.sh` may be what `done` is built on: that it is gone is not asked for.
    let checks: Vec<&str> = after.slices[2].checks.iter().map(|c| c.id.as_str()).collect();
    assert_eq!(checks, ["list-1-gone"]);
}

#[test]
fn checks_that_prove_more_lose_the_requirement_and_stay() {
    let mut value = jot();
    value["slices"][1]["requirements"] = json!(["R2", "R3"]);
    value["slices"][1]["checks"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": "both", "kind": "cli_probe", "shell": "./jot list", "stdout": "", "proves": ["R2", "R3"]}));
    let after = retired(&value, "R3");
    let list = &after.slices[1];
    assert_eq!(list.requirements, ["R2"]);
    assert_eq!(list.checks.iter().map(|c| c.proves.len()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(after.slices.last().unwrap().owned_paths, ["jot", "list.sh", "done.sh"]);
}

#[test]
fn two_at_once_leave_two_slices_that_remove() {
    let after = retire(&read(&jot()), &["R3".into(), "R2".into()]).unwrap();
    spec::validate(&after).unwrap();
    let ids: Vec<&str> = after.slices.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["add", "remove-r3", "remove-r2"]);
    assert_eq!(after.slices[2].deps.len(), 2, "both own the same file");
}

#[test]
fn what_cannot_be_resolved_is_named() {
    let mut value = jot();
    assert_eq!(refused(&value, "R9"), ["there is no requirement R9; there are R1, R2, R3"]);
    value["cross_slice_checks"] = json!([
        {"slices": ["add", "done"], "id": "both", "kind": "cli_probe", "shell": "./jot", "proves": ["R1"]},
    ]);
    assert_eq!(
        refused(&value, "R3"),
        [
            "the cross-slice check `both` runs on slice `done`, which goes, and proves more than that: whether it still holds cannot be told"
        ]
    );
    value["cross_slice_checks"][0]["proves"] = json!(["R3"]);
    assert!(retired(&value, "R3").slices[2].checks.iter().any(|c| c.id == "both-gone"));
    value["contracts"] = json!([
        {"path": "done.sh", "owner": "done", "mode": "literal"},
        {"path": "add.sh", "owner": "add", "mode": "semantic", "probes": ["done-1"]},
    ]);
    assert_eq!(
        refused(&value, "R3"),
        [
            "the contract `done.sh` is owned by slice `done`, which goes",
            "the contract `add.sh` is shown by check `done-1`, which goes",
        ]
    );
    let mut value = jot();
    value["slices"][0]["requirements"] = json!(["R1", "R2"]);
    value["slices"][0]["checks"][0]["proves"] = json!(["R1"]);
    assert_eq!(refused(&value, "R1"), ["slice `add` would have no check left: give one to what stays of it"]);
    // The program itself, by which all others are started.
    let mut value = jot();
    for slice in [1, 2] {
        value["slices"][slice]["owned_paths"].as_array_mut().unwrap().remove(0);
    }
    assert_eq!(
        refused(&value, "R1"),
        [
            "the product is started by `jot`, which only slice `add` makes, and that goes",
            "check `list-1` runs `jot`, which only slice `add` makes, and that goes",
            "check `done-1` runs `jot`, which only slice `add` makes, and that goes",
        ]
    );
    let mut value = jot();
    value["services"] = json!([{"id": "web", "command": ["./jot"], "ready": {"tcp": true}}]);
    value["slices"][2]["owned_paths"] = json!(["jot"]);
    value["slices"][2]["checks"] = json!([{"id": "api", "kind": "api_probe", "service": "web", "path": "/"}]);
    assert_eq!(
        refused(&value, "R3"),
        ["no check can tell that the opposite of `api` holds, which is of kind `api_probe`"]
    );
    let mut value = jot();
    value["requirements"] = json!([{"id": "R1", "text": "Adds."}]);
    value["slices"].as_array_mut().unwrap().truncate(1);
    assert_eq!(refused(&value, "R1"), ["R1 is the only requirement: nothing would be left to build"]);
}

#[test]
fn what_only_had_to_stay_is_not_taken_out() {
    let mut value = jot();
    value["slices"][2]["checks"][0]["gate"] = json!("keeps");
    value["slices"][2]["owned_paths"] = json!(["jot"]);
    assert_eq!(retired(&value, "R3").slices.len(), 2, "nothing shows that anything was made for it");
}

/// The opposite of a check is green exactly where the check is red, for every expectation that it has.
#[test]
fn an_opposite_is_green_where_the_check_is_red() {
    let dir = tempfile::tempdir().unwrap();
    let program = "#!/bin/sh\nread line\necho \"it's $line\"; echo oops >&2; exit 3\n";
    std::fs::write(dir.path().join("x"), program).unwrap();
    let run = |check: &Check| {
        let check = opposite::opposite(check).unwrap();
        let crate::checks::model::CheckKind::CliProbe { shell: Some(shell), stdin, .. } = &check.kind else {
            panic!("{check:?}")
        };
        let mut child = std::process::Command::new("sh");
        child.arg("-c").arg(shell).current_dir(dir.path()).stdout(std::process::Stdio::piped());
        let input = dir.path().join("input");
        std::fs::write(&input, stdin.as_deref().unwrap_or_default()).unwrap();
        let out = child.stdin(std::fs::File::open(input).unwrap()).output().unwrap();
        (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
    };
    let check = |fields: Value| {
        let mut all = json!({"id": "c", "kind": "cli_probe", "shell": "sh ./x", "expect_exit": 3, "stdin": "tea\n"});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value::<Check>(all).unwrap()
    };
    let there = (1, "it still does that\n".to_owned());
    for holds in [
        json!({}),
        json!({"stdout": "it's tea\n"}),
        json!({"stdout_contains": ["'s t", "tea"]}),
        json!({"stderr_contains": ["oops"]}),
    ] {
        assert_eq!(run(&check(holds.clone())), there, "{holds}");
    }
    for fails in [
        json!({"expect_exit": 0}),
        json!({"stdout": "its tea\n"}),
        json!({"stdout_contains": ["tea", "coffee"]}),
        json!({"stderr_contains": ["good"]}),
        json!({"stdin": "milk\n", "stdout": "it's tea\n"}),
        json!({"shell": "./gone"}),
    ] {
        assert_eq!(run(&check(fails.clone())).0, 0, "{fails}");
    }
    // Where the tool is not there nothing is known.
    let tool = json!({"id": "c", "kind": "repo_test", "command": ["no-such-tool-here", "x"]});
    assert_eq!(run(&serde_json::from_value(tool).unwrap()).0, 2);
}

#[test]
fn what_the_base_says_of_itself_stays_whoever_goes() {
    let mut with = jot();
    with["cross_slice_checks"] = json!([{
        "slices": ["add", "list", "done"], "id": "baseline-test", "kind": "repo_test", "command": ["make", "test"],
        "gate": "keeps",
    }]);
    let after = retired(&with, "R3");
    let slices: Vec<&str> = after.cross_slice_checks[0].slices.iter().map(|s| s.as_str()).collect();
    assert_eq!(slices, ["add", "list", "remove-r3"]);
    // Of any other check nobody can tell.
    with["cross_slice_checks"][0]["id"] = json!("suite");
    assert!(refused(&with, "R3")[0].contains("`suite`"));
}
