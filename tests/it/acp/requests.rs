//! What an agent asks for is granted within its scope and refused outside it, before anything is there.

use git_otto::agent::{Answer, Event};
use serde_json::{Value, json};

use super::{Room, begun, says, turn};

fn write(path: impl serde::Serialize, content: &str) -> Value {
    json!({"ask": "fs/write_text_file", "params": {"sessionId": "s", "path": path, "content": content}})
}

fn read(path: impl serde::Serialize, more: Value) -> Value {
    let mut params = json!({"sessionId": "s", "path": path});
    params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"ask": "fs/read_text_file", "params": params})
}

/// Asks for leave for a tool, with the usual ways to answer.
fn leave(tool: Value) -> Value {
    let option = |kind: &str| json!({"optionId": format!("the {kind}"), "name": kind, "kind": kind});
    leave_with(tool, ["allow_always", "allow_once", "reject_once", "reject_always"].map(option).into())
}

fn leave_with(mut tool: Value, options: Value) -> Value {
    tool["toolCallId"] = "t".into();
    json!({"ask": "session/request_permission", "params": {"sessionId": "s", "toolCall": tool, "options": options}})
}

fn at(kind: &str, paths: &[&str]) -> Value {
    let places: Vec<Value> = paths.iter().map(|path| json!({"path": path})).collect();
    json!({"title": format!("{kind} it"), "kind": kind, "locations": places})
}

#[test]
fn a_write_in_scope_happens() {
    use std::os::unix::fs::PermissionsExt as _;
    let r = Room::new();
    let mine = r.tree().join("mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("tool"), "old").unwrap();
    std::fs::set_permissions(mine.join("tool"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let done = r.build(&turn([
        write(mine.join("a/b"), "deep"),
        write("./mine/c", "relative"),
        write(mine.join("tool"), "new"),
        says("wrote it"),
    ]));
    assert!(done.outcome.ok, "{:?}", done.outcome);
    assert_eq!(done.outcome.detail, "wrote it");
    assert_eq!(r.read("mine/a/b").unwrap() + &r.read("mine/c").unwrap(), "deeprelative");
    assert_eq!(r.read("mine/tool").unwrap(), "new");
    assert_ne!(mine.join("tool").metadata().unwrap().permissions().mode() & 0o100, 0);
    assert!(done.answers().len() == 3 && done.answers().iter().all(|a| a["result"].is_object()));
    assert!(done.denials().is_empty());
}

#[test]
fn a_write_outside_the_scope_is_refused_before_anything_is_there() {
    let r = Room::new();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), r.tree().join("link")).unwrap();
    std::fs::create_dir(r.tree().join("mine")).unwrap();
    std::os::unix::fs::symlink(outside.path(), r.tree().join("mine/link")).unwrap();
    let beside = r.dir.path().join("scratch/x");
    for (path, why) in [
        (r.tree().join("theirs/x").display().to_string(), "is not one of the files that this slice owns"),
        (r.tree().join(".git/config").display().to_string(), "means .git"),
        ("mine/.GIT/config".into(), "means .git"),
        ("../scratch/x".into(), "leaves its folder"),
        ("mine/../../scratch/x".into(), "leaves its folder"),
        (r.tree().join("mine/../../scratch/x").display().to_string(), "leaves its folder"),
        (beside.display().to_string(), "outside the workspace"),
        (outside.path().join("x").display().to_string(), "outside the workspace"),
        ("mine/link/x".into(), "symbolic link"),
        (r.tree().join("link/x").display().to_string(), "symbolic link"),
        (r.tree().display().to_string(), "empty"),
        (String::new(), "empty"),
        ("mine/\0".into(), "NUL"),
    ] {
        let done = r.build(&turn([write(&path, "x"), says("all done")]));
        let answer = done.answers()[0];
        assert!(answer["error"]["message"].as_str().unwrap().contains(why), "{path:?}: {answer}");
        assert!(done.denials().len() == 1 && done.denials()[0].contains(why), "{:?}", done.events);
        done.fails_with("denied to it: writing");
        assert_eq!(done.outcome.denied.len(), 1);
    }
    let names = |dir: &std::path::Path| std::fs::read_dir(dir).unwrap().count();
    assert_eq!((names(&r.tree()), names(&r.tree().join("mine")), names(outside.path())), (2, 1, 0));
    assert!(!beside.exists());
}

#[test]
fn a_refusal_is_put_right_by_what_is_granted_after_it() {
    let r = Room::new();
    let done = r.build(&turn([write("theirs", "x"), write("mine/x", "x")]));
    assert!(done.outcome.ok && done.outcome.denied.is_empty(), "{:?}", done.outcome);
    assert_eq!(done.denials().len(), 1);
    let done = r.build(&turn([write("mine/x", "x"), write("theirs", "x"), read("mine/x", json!({}))]));
    done.fails_with("denied to it");
}

#[test]
fn a_link_in_place_of_a_file_is_replaced_and_not_followed() {
    let r = Room::new();
    let victim = r.dir.path().join("victim");
    std::fs::write(&victim, "mine").unwrap();
    std::fs::create_dir(r.tree().join("mine")).unwrap();
    std::os::unix::fs::symlink(&victim, r.tree().join("mine/x")).unwrap();
    assert!(r.build(&turn([write("mine/x", "theirs")])).outcome.ok);
    assert_eq!(std::fs::read_to_string(victim).unwrap() + &r.read("mine/x").unwrap(), "minetheirs");
}

#[test]
fn files_of_the_workspace_are_read_and_no_others() {
    let r = Room::new();
    let secret = r.dir.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    std::fs::write(r.tree().join("text"), "1\n2\n3\n4").unwrap();
    std::fs::write(r.tree().join("binary"), b"\xff").unwrap();
    std::fs::create_dir(r.tree().join(".git")).unwrap();
    std::fs::write(r.tree().join(".git/config"), "x").unwrap();
    std::fs::File::create(r.tree().join("large")).unwrap().set_len(5 << 20).unwrap();
    std::os::unix::fs::symlink(&secret, r.tree().join("link")).unwrap();
    let done = r.build(&turn([
        read(r.tree().join("text"), json!({})),
        read("text", json!({"line": 2, "limit": 2})),
        read("text", json!({"line": 4})),
        read("text", json!({"limit": 1})),
        read("text", json!({"line": 0, "limit": 1})),
        read("text", json!({"line": 9})),
        // It is to be written: some read it before.
        read("none", json!({})),
        read("binary", json!({})),
        read(".git/config", json!({})),
        read("large", json!({})),
        read("link", json!({})),
        read(&secret, json!({})),
        read("../secret", json!({})),
        json!({"ask": "terminal/create", "params": {"sessionId": "s", "command": "sh"}}),
    ]));
    assert!(done.outcome.ok, "{:?}", done.outcome);
    let (contents, errors) = done.answers().into_iter().partition::<Vec<_>, _>(|a| a.get("result").is_some());
    let contents: Vec<&str> = contents.iter().map(|a| a["result"]["content"].as_str().unwrap()).collect();
    assert_eq!(contents, ["1\n2\n3\n4", "2\n3\n", "4", "1\n", "1\n", "", ""]);
    let whys = ["no text", "means .git", "more than", "cannot be read", "outside", "leaves", "not found"];
    assert_eq!(errors.len(), whys.len());
    for (error, why) in errors.iter().zip(whys) {
        assert!(error["error"]["message"].as_str().unwrap().contains(why), "{error} for {why}");
    }
    let done = r.ask(&turn([read("none", json!({}))]));
    assert_eq!(done.answers()[0]["error"]["code"], -32002);
}

#[test]
fn leave_is_given_by_what_the_call_allows() {
    let diff = json!({"title": "d", "kind": "edit", "content": [{"type": "diff", "path": "theirs", "newText": "x"}]});
    for (tool, allowed, why) in [
        (at("edit", &["mine/x"]), true, ""),
        (at("edit", &["mine/x", "theirs/x"]), false, "not one of the files"),
        (at("delete", &["/etc/passwd"]), false, "outside the workspace"),
        (at("move", &["mine/x", "../x"]), false, "leaves its folder"),
        (at("edit", &[".git/hooks/x"]), false, "means .git"),
        (at("edit", &[]), false, "does not say which file"),
        (diff, false, "not one of the files"),
        (at("execute", &[]), true, ""),
        (at("fetch", &[]), true, ""),
        (at("read", &["/etc/passwd"]), true, ""),
        (at("search", &[]), true, ""),
        (at("other", &[]), false, "nobody is there"),
        (at("switch_mode", &[]), false, "nobody is there"),
        (json!({"title": "?"}), false, "nobody is there"),
    ] {
        let r = Room::new();
        let done = r.build(&turn([leave(tool.clone())]));
        let expected = if allowed { "the allow_once" } else { "the reject_once" };
        let outcome = &done.answers()[0]["result"]["outcome"];
        assert_eq!((&outcome["outcome"], &outcome["optionId"]), (&"selected".into(), &expected.into()), "{tool}");
        assert_eq!((done.outcome.ok, done.denials().is_empty()), (allowed, allowed), "{tool}: {:?}", done.outcome);
        assert!(allowed || done.denials()[0].contains(why), "{:?}", done.denials());
    }
}

#[test]
fn leave_is_judged_by_what_was_said_of_the_tool_before() {
    let r = Room::new();
    let call = json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "Edit theirs", "kind": "edit",
        "locations": [{"path": "theirs"}]});
    let done = r.build(&turn([json!({"update": call}), leave(json!({}))]));
    done.fails_with("denied to it: Edit theirs");
    assert!(done.events.contains(&Event::Tool("edit".into(), "Edit theirs".into())));
}

#[test]
fn without_a_fitting_option_the_answer_is_cancelled() {
    let option = |kind: &str| json!([{"optionId": "o", "name": "o", "kind": kind}]);
    for (tool, options) in [
        (at("edit", &["mine/x"]), option("allow_always")),
        (at("edit", &["mine/x"]), json!([])),
        (at("edit", &["theirs"]), option("allow_once")),
    ] {
        let done = Room::new().build(&turn([leave_with(tool, options)]));
        assert_eq!(done.answers()[0]["result"]["outcome"], json!({"outcome": "cancelled"}));
        assert_eq!(done.denials().len(), 1);
    }
}

#[test]
fn who_is_asked_for_an_answer_changes_nothing() {
    let r = Room::new();
    std::fs::write(r.tree().join("x"), "content").unwrap();
    let done = r.ask(&turn([
        says("Let me "),
        says("look."),
        write("mine/x", "x"),
        leave(at("edit", &["mine/x"])),
        leave(at("execute", &[])),
        leave(at("read", &["x"])),
        read("x", json!({})),
        says("{\"verdict\":"),
        says("\"passed\"}\n"),
    ]));
    assert!(done.outcome.ok, "{:?}", done.outcome);
    let text = "Let me look.\n{\"verdict\":\"passed\"}".to_owned();
    assert_eq!(done.outcome.answer, Some(Answer::Text(text)));
    assert_eq!((done.denials().len(), r.read("mine/x")), (3, None));
    let chosen: Vec<&Value> = done.answers()[1..4].iter().map(|a| &a["result"]["outcome"]["optionId"]).collect();
    assert_eq!(chosen, ["the reject_once", "the reject_once", "the allow_once"]);
    assert!(done.answers()[0]["error"]["message"].as_str().unwrap().contains("asked for an answer"));
    assert_eq!(done.answers()[4]["result"]["content"], "content");
}

#[test]
fn malformed_requests_are_answered_with_errors() {
    let done = Room::new().build(&turn([
        json!({"ask": "fs/write_text_file", "params": {"path": 5}}),
        json!({"ask": "session/request_permission", "params": {"options": {}}}),
        json!({"ask": "no/such/method"}),
    ]));
    assert!(done.outcome.ok, "{:?}", done.outcome);
    assert!(done.answers().len() == 3 && done.answers().iter().all(|a| a["error"]["code"].is_i64()));
}

#[test]
fn an_agent_that_asks_and_does_not_listen_is_ended() {
    let mut r = Room::new();
    std::fs::write(r.tree().join("large"), "x".repeat(1 << 20)).unwrap();
    r.bounds.idle = Some(std::time::Duration::from_millis(500));
    let asked = |n: u32| {
        let params = json!({"sessionId": "s", "path": "large"});
        json!({"jsonrpc": "2.0", "id": n, "method": "fs/read_text_file", "params": params})
    };
    let mut steps = begun();
    steps.extend((0..4000).map(|n| json!({"raw": asked(n).to_string()})));
    let all_read = r.dir.path().join("all_read");
    steps.extend([json!({"touch": all_read}), json!({"hang": true})]);
    r.build(&steps).fails_with("was silent for more than");
    assert!(!all_read.exists(), "its answers would have piled up");
}
