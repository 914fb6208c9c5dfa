//! A run is recorded, and done again without its agent: in a fresh clone, from a file, cut anywhere.
#![cfg(feature = "faults")]

use regex::Regex;
use serde_json::{Value, json};

use crate::support::{Output, Sandbox};

/// Two slices, the second with a red attempt, an attempt that goes out of its paths, and a binary file.
fn intent() -> &'static str {
    "# Pair\n\nTwo files.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n\
     ## Slice `a`\n\n**R1** The part a is there.\n\nOwns: `a.txt`.\n\nCheck: `cat a.txt` prints `a`.\n\n\
     ## Slice `b`, after `a`\n\n**R2** The part b is there.\n\nOwns: `b.txt` and `lib/`.\n\nCheck: `cat b.txt` prints `b`.\n"
}

fn agent(s: &Sandbox) -> String {
    let write = |path: &str, content: &str| json!({"write": {"path": path, "content": content}});
    let cost = json!({"usd_micros": 1200, "input_tokens": 10, "output_tokens": 5});
    let costs = json!({"result": {"schema": "otto.result/1", "ok": true, "summary": "done", "cost": cost}});
    let script = json!({"slices": {
        "a": {"1": [write("a.txt", "a\n"), costs]},
        "b": {
            "1": [write("b.txt", "wrong\n"), {"symlink": {"path": "lib/link", "to": "../b.txt"}}, costs],
            "2": [write("b.txt", "b\n"), {"delete": "lib/link"}, write("a.txt", "mine\n"), costs],
            "3": [write("b.txt", "b\n"), {"write": {"path": "lib/run", "content": "x", "executable": true}}, costs],
        },
    }});
    let path = s.write("script.json", script.to_string());
    format!("command:{} {}", env!("CARGO_BIN_EXE_git-otto-fake-agent"), path.display())
}

fn last(out: &Output) -> Value {
    serde_json::from_str(out.stdout.lines().last().unwrap()).unwrap()
}

fn packet(answer: &Value) -> Value {
    serde_json::from_str(&std::fs::read_to_string(answer["packet_json"].as_str().unwrap()).unwrap()).unwrap()
}

/// A packet, as JSON and as Markdown, without ids and times.
fn timeless(answer: &Value) -> (Value, String) {
    let ids = Regex::new(r"pair-\d{8}t\d{6}z-[0-9a-f]{6}|\b[0-9a-f]{10,64}\b").unwrap();
    let times = Regex::new(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?|\b\d+(\.\d+)? (ms|s)\b").unwrap();
    let plain = |text: &str| times.replace_all(&ids.replace_all(text, "<id>"), "<time>").into_owned();
    fn walk(value: &Value, plain: &dyn Fn(&str) -> String) -> Value {
        match value {
            Value::Object(map) => {
                let kept = map.iter().filter(|(key, _)| !key.ends_with("_ms"));
                kept.map(|(key, value)| (key.clone(), walk(value, plain))).collect()
            }
            Value::Array(list) => list.iter().map(|v| walk(v, plain)).collect(),
            Value::String(text) => plain(text).into(),
            other => other.clone(),
        }
    }
    let markdown = std::fs::read_to_string(answer["packet"].as_str().unwrap()).unwrap();
    (walk(&packet(answer), &plain), plain(&markdown))
}

fn trees(s: &Sandbox, dir: &str) -> String {
    s.git_in(dir, &["log", "--first-parent", "--format=%T %s", "main..otto/pair"])
}

#[test]
fn a_recorded_run_is_played_back_in_a_fresh_clone_without_its_agent() {
    let s = Sandbox::new();
    s.write("intent.md", intent());
    let first = s.otto(&["run", "--json", "--yes", "--record", "--agent", &agent(&s), "../intent.md"]).exits(0);
    let answer = last(&first);
    let run = answer["run"].as_str().unwrap();
    let calls = s.otto(&["show", "--recording", run]).exits(0).stdout;
    assert_eq!(calls.lines().count(), 4, "{calls}");
    assert!(calls.contains("\"120000\"") && calls.contains("\"100755\""), "{calls}");

    // The agent is gone; what it said and changed is in git.
    std::fs::remove_file(s.path("script.json")).unwrap();
    s.git_in("", &["clone", "-q", "repo", "clone"]);
    s.git_in("clone", &["fetch", "-q", "origin", "refs/otto/evidence/*:refs/otto/evidence/*"]);
    let replay = format!("replay:{run}");
    let again = s.otto_in("clone", &["run", "--json", "--yes", "--agent", &replay, "../intent.md"]).exits(0);
    assert_eq!(trees(&s, "clone"), trees(&s, "repo"));
    assert_eq!(last(&again)["verdict"], "passed");
    let ((json, markdown), (json_again, markdown_again)) = (timeless(&answer), timeless(&last(&again)));
    for (key, value) in json.as_object().unwrap() {
        assert_eq!(json_again[key], *value, "{key}");
    }
    assert_eq!((json_again, markdown_again), (json, markdown));
    assert!(packet(&answer)["built_by"]["agents"][0]["provider"].as_str().unwrap().contains("fake-agent"));
    s.otto_in("clone", &["verify", "--all"]).exits(0);
}

#[test]
fn what_a_compiler_and_a_judge_said_is_played_back_too() {
    let s = Sandbox::new();
    let spec: Value = {
        s.write("intent.md", intent());
        serde_json::from_str(&s.otto(&["compile", "--dry-run", "../intent.md"]).exits(0).stdout).unwrap()
    };
    // The same program in every role: a spec, the files, a verdict.
    s.write("answer.json", json!({"ok": true, "summary": "compiled", "answer": spec}).to_string());
    s.write(
        "verdict.json",
        json!({"ok": true, "summary": "judged", "answer": {"verdict": "passed", "findings": []}}).to_string(),
    );
    let script = format!(
        "cat > /dev/null; cd '{0}'; case $OTTO_ROLE in compile) cat answer.json; exit ;; audit) cat verdict.json; exit ;; esac; \
         cd \"$OLDPWD\"; echo $OTTO_SLICE > $OTTO_SLICE.txt; echo '{{\"ok\":true,\"summary\":\"built\"}}'",
        s.path("").display()
    );
    let program = s.script("agent.sh", &format!("#!/bin/sh\n{script}\n"));
    let agent = format!("command:{}", program.display());
    s.git(&["config", "otto.audit.agent", &agent]);
    let prose = "Two files, a and b.";
    let first = s.otto(&["run", "--json", "--yes", "--record", "--agent", &agent, prose]).exits(0);
    let run = last(&first)["run"].as_str().unwrap().to_owned();
    let calls = s.otto(&["show", "--recording", &run]).exits(0).stdout;
    let roles: Vec<Value> = calls.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["role"].clone()).collect();
    assert_eq!(roles, ["audit", "build", "build", "compile"]);

    std::fs::remove_file(&program).unwrap();
    s.git_in("", &["clone", "-q", "repo", "clone"]);
    s.git_in("clone", &["fetch", "-q", "origin", "refs/otto/evidence/*:refs/otto/evidence/*"]);
    let replay = format!("replay:{run}");
    s.git_in("clone", &["config", "otto.audit.agent", &replay]);
    let again = s.otto_in("clone", &["run", "--json", "--yes", "--agent", &replay, prose]).exits(0);
    assert_eq!(trees(&s, "clone"), trees(&s, "repo"));
    assert_eq!(timeless(&last(&again)), timeless(&last(&first)));
}

#[test]
fn a_recording_that_was_cut_is_played_to_its_end_and_goes_on_with_another_agent() {
    let s = Sandbox::new();
    s.write("intent.md", intent());
    let first = s.otto(&["run", "--json", "--yes", "--record", "--agent", &agent(&s), "../intent.md"]).exits(0);
    let calls = s.otto(&["show", "--recording", last(&first)["run"].as_str().unwrap()]).exits(0).stdout;
    let expected = trees(&s, "repo");
    let lines: Vec<&str> = calls.lines().collect();
    for cut in 0..=lines.len() {
        let dir = format!("cut{cut}");
        s.git_in("", &["init", "-q", "-b", "main", &dir]);
        s.git_in(&dir, &["fetch", "-q", "../repo", "main:refs/heads/base"]);
        s.git_in(&dir, &["reset", "-q", "--hard", "base"]);
        // Cut in the middle of the line after the last whole one.
        let half = lines.get(cut).map_or("", |l| &l[..l.len() / 2]);
        let file =
            s.write(&format!("{dir}.jsonl"), lines[..cut].iter().map(|l| format!("{l}\n")).collect::<String>() + half);
        let replay = format!("replay:{}", file.display());
        let out = s.otto_in(&dir, &["run", "--yes", "--agent", &replay, "../intent.md"]);
        if cut == lines.len() {
            out.exits(0);
        } else {
            let out = out.exits(7);
            assert!(out.stderr.contains("the recording ends before"), "{out}");
            assert!(out.stderr.contains("git otto resume pair-"), "{out}");
            s.otto_in(&dir, &["resume", "--agent", &agent(&s)]).exits(0);
        }
        assert_eq!(trees(&s, &dir), expected, "cut after {cut}");
        s.otto_in(&dir, &["verify", "--all"]).exits(0);
    }
}

#[test]
fn what_is_no_recording_is_told() {
    let s = Sandbox::new();
    s.write("intent.md", intent());
    let bad = s.write("bad.jsonl", "{\"schema\":\"otto.recording/9\"}\n{}\n");
    for (what, code, part) in [
        ("nothing", 7, "neither a file nor a run"),
        ("pair-20260101t000000z-abcdef", 7, "no such run"),
        (bad.to_str().unwrap(), 3, "line 1"),
    ] {
        let out = s.otto(&["run", "--yes", "--agent", &format!("replay:{what}"), "../intent.md"]).exits(code);
        assert!(out.stderr.contains(part), "{out}");
    }
    let run = last(&s.otto(&["run", "--json", "--yes", "--agent", &agent(&s), "../intent.md"]).exits(0));
    let out = s.otto(&["show", "--recording", run["run"].as_str().unwrap()]).exits(2);
    assert!(out.stderr.contains("was recorded") && out.stderr.contains("--record"), "{out}");
}
