//! Recordings: written, read, cut anywhere, played back.

use std::time::Duration;

use super::*;
use crate::agent::{Bounds, Session};

fn call(nth: u32) -> Recorded {
    let edit = |path: &str, now: Option<(&str, &[u8])>| Edit::new(path.into(), now.map(|(m, c)| (m, c.to_vec())));
    Recorded {
        schema: SCHEMA.into(),
        role: Role::Compile,
        slice: None,
        nth,
        agent: "claude/opus".into(),
        prompt: Sha256::of("p"),
        ok: true,
        detail: "done".into(),
        cost: Cost { usd_micros: 5, input_tokens: 1, output_tokens: 2 },
        session: Some("s-1".into()),
        value: Some(serde_json::json!({"a": [1]})),
        text: None,
        denied: vec![],
        edits: vec![
            edit("a/b", None),
            edit("a", Some(("100755", b"#!/bin/sh\n"))),
            edit("bin", Some(("100644", b"\xff\0"))),
            edit("l", Some(("120000", b"a"))),
        ],
        problems: vec![],
    }
}

/// Plays a call in a folder; the events that it told.
fn play(recording: &Recording, dir: &Path, nth: u32) -> (Outcome, Vec<Event>) {
    let told = std::sync::Mutex::new(Vec::new());
    let call = Call {
        role: Role::Compile,
        nth,
        prompt: "p",
        work: Work::Answer(&Value::Null),
        dir,
        scratch: dir,
        may_write: &|_| Ok(()),
        session: Session::default(),
        sessions: dir,
        bounds: Bounds { wall: Duration::from_secs(1), idle: None, usd_micros: None },
        transcript: dir,
        notice: &|event| told.lock().unwrap().push(event),
    };
    let outcome = replay(recording, &call);
    (outcome, told.into_inner().unwrap())
}

#[test]
fn a_call_is_played_as_it_was() {
    let line = call(1).line().unwrap();
    let schema = json::parse(include_bytes!("../../../schemas/recording.json"), json::Limits::RECORD).unwrap();
    jsonschema::validator_for(&schema).unwrap().validate(&serde_json::from_slice(&line).unwrap()).unwrap();
    let recording = Recording::read(&line, "r").unwrap();
    assert_eq!(recording.calls(), [call(1)]);
    assert_eq!(recording.who(Role::Compile, None, 1), Some("claude/opus"));

    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("a/b"), "old").unwrap();
    let (o, told) = play(&recording, dir.path(), 1);
    assert!(o.ok, "{}", o.detail);
    assert_eq!((o.detail.as_str(), o.cost.usd_micros, o.session.as_deref()), ("done", 5, Some("s-1")));
    assert_eq!(o.answer, Some(Answer::Value(serde_json::json!({"a": [1]}))));
    assert_eq!(told, [Event::Session("s-1".into())]);
    assert_eq!(std::fs::read(dir.path().join("a")).unwrap(), b"#!/bin/sh\n");
    assert_eq!(std::fs::read(dir.path().join("bin")).unwrap(), b"\xff\0");
    assert_eq!(std::fs::read_link(dir.path().join("l")).unwrap(), Path::new("a"));

    let (o, _) = play(&recording, dir.path(), 2);
    assert_eq!((o.ok, o.detail.as_str()), (false, "the recording ends before compile 2"));
    assert_eq!(o.trouble, Some(Trouble::Missing));
}

#[test]
fn a_recording_is_read_however_it_was_cut() {
    let whole = [call(1).line().unwrap(), call(2).line().unwrap()].concat();
    let first = call(1).line().unwrap().len();
    for cut in 0..=whole.len() {
        let read = Recording::read(&whole[..cut], "r").unwrap();
        let expected = if cut < first - 1 { 0 } else { 1 + usize::from(cut >= whole.len() - 1) };
        assert_eq!(read.calls().len(), expected, "cut at {cut}");
    }
}

#[test]
fn what_is_no_recording_is_told_by_line() {
    let good = String::from_utf8(call(1).line().unwrap()).unwrap();
    for bad in ["{}", "[]", "nonsense", good.replace("otto.recording/1", "otto.recording/2").trim_end()] {
        let e = Recording::read(format!("{good}{bad}\n{good}").as_bytes(), "r").unwrap_err();
        assert_eq!(e.exit, Exit::Invalid);
        assert!(e.message.starts_with("line 2 of the recording r"), "{}", e.message);
    }
}

#[test]
fn an_edit_never_leaves_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("out")).unwrap();
    for path in ["../x", "/tmp/otto-x", ".git/hooks/x", "out/x"] {
        let mut evil = call(1);
        evil.edits = vec![Edit::new(path.into(), Some(("100644", b"x".to_vec())))];
        let recording = Recording::read(&evil.line().unwrap(), "r").unwrap();
        let (o, _) = play(&recording, dir.path(), 1);
        assert!(!o.ok && o.detail.contains("cannot be played"), "{path}: {}", o.detail);
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    for (mode, text) in [("160000", Some("x")), ("100644", None)] {
        let edit = Edit { path: "x".into(), mode: Some(mode.into()), text: text.map(str::to_owned), base64: None };
        assert!(edit.apply(dir.path()).is_err());
    }
}
