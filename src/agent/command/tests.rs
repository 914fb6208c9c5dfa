//! `command:` and `literate` agents against real files and programs.

use std::{path::PathBuf, time::Duration};

use super::super::{Block, Bounds, FailureNote, Product, Provider, Role, Session, TASK_SCHEMA, Task, Trouble};
use super::*;
use crate::base::Env;

struct Room {
    dir: tempfile::TempDir,
    world: World,
    bounds: Bounds,
}

fn room() -> Room {
    let dir = tempfile::tempdir().unwrap();
    for name in ["tree", "scratch"] {
        std::fs::create_dir(dir.path().join(name)).unwrap();
    }
    let mut env = Env::default();
    env.vars.insert("PATH".into(), std::env::var_os("PATH").unwrap());
    env.vars.insert("HOME".into(), "/home/me".into());
    env.vars.insert("AWS_SECRET_ACCESS_KEY".into(), "not for agents".into());
    env.vars.insert("MY_OWN".into(), "asked for".into());
    env.git.insert("GIT_DIR".into(), "/elsewhere/.git".into());
    let bounds = Bounds { wall: Duration::from_secs(60), idle: None, usd_micros: None };
    Room { world: World::real(env).unwrap(), bounds, dir }
}

impl Room {
    fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    fn task(&self, blocks: Vec<Block>) -> Task {
        Task {
            schema: TASK_SCHEMA,
            role: Role::Build,
            slice: "store".parse().unwrap(),
            title: "Keep notes".into(),
            attempt: 2,
            product: Product { title: "Notes".into(), intent: "A note keeper.".into(), kind: "cli".into() },
            requirements: [("R1".to_owned(), "notes are kept".to_owned())].into(),
            tasks: vec!["write it".into()],
            owned_paths: vec!["notes".into()],
            shared_scaffold: vec![],
            checks: [("c1".to_owned(), "`./notes` exits 0.".to_owned())].into(),
            green_on_base: vec![],
            hint: None,
            failures: vec![FailureNote {
                what: "c1".into(),
                detail: "exit code 1".into(),
                stdout: "".into(),
                stderr: "".into(),
            }],
            conflicts: vec![],
            contract: None,
            needs: vec![],
            granted: vec![],
            contracts: vec![],
            workspace: self.tree(),
            blocks,
        }
    }

    fn call(&self, provider: Provider, role: Role, work: Work<'_>) -> Outcome {
        let call = Call {
            role,
            nth: 1,
            prompt: "Do it.",
            work,
            dir: &self.tree(),
            scratch: &self.dir.path().join("scratch"),
            may_write: &|_| Ok(()),
            session: Session::default(),
            sessions: &self.dir.path().join("sessions"),
            bounds: self.bounds,
            transcript: &self.dir.path().join("logs/1.txt"),
            notice: &|_| {},
        };
        let agent = Agent { variables: vec!["MY_OWN".into()], ..Agent::new(provider) };
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(super::super::run(&self.world, &agent, &call))
    }

    fn go(&self, provider: Provider, task: &Task) -> Outcome {
        self.call(provider, Role::Build, Work::Write(task))
    }

    fn sh(&self, script: &str) -> Outcome {
        self.go(sh(script), &self.task(vec![]))
    }

    fn literate(&self, path: &str, executable: bool) -> Outcome {
        let block = Block { path: path.into(), executable, content: b"hi\n".to_vec() };
        self.go(Provider::Literate, &self.task(vec![block]))
    }
}

fn sh(script: &str) -> Provider {
    Provider::Command(["sh", "-c", script].map(str::to_owned).to_vec())
}

fn schema(text: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&json::parse(text.as_bytes(), json::Limits::RECORD).unwrap()).unwrap()
}

#[test]
fn the_task_arrives_as_its_schema_says_and_the_result_counts() {
    let r = room();
    let o = r.sh(r#"cat > packet; env > vars; pwd > cwd; echo made > made
        echo '{"type":"progress"}'; echo not json
        echo '{"schema":"otto.result/1","ok":true,"summary":"done it","cost":{"usd_micros":5,"output_tokens":7}}'"#);
    assert!(o.ok, "{}", o.detail);
    assert_eq!((o.detail.as_str(), o.cost), ("done it", Cost { usd_micros: 5, input_tokens: 0, output_tokens: 7 }));
    let packet = json::parse(&std::fs::read(r.tree().join("packet")).unwrap(), json::Limits::RECORD).unwrap();
    schema(include_str!("../../../schemas/task.json")).validate(&packet).unwrap();
    assert_eq!(packet["attempt"], 2);
    assert!(packet.get("blocks").is_none());
    let vars = std::fs::read_to_string(r.tree().join("vars")).unwrap();
    assert!(vars.contains("OTTO_SLICE=store") && vars.contains("OTTO_ATTEMPT=2") && vars.contains("HOME=/home/me"));
    assert!(!vars.contains("GIT_DIR") && !vars.contains("not for agents"), "{vars}");
    assert!(vars.contains("MY_OWN=asked for") && vars.contains("TMPDIR="), "{vars}");
    let cwd = std::fs::read_to_string(r.tree().join("cwd")).unwrap();
    assert_eq!(PathBuf::from(cwd.trim()), r.tree().canonicalize().unwrap());
}

#[test]
fn results_are_read_as_their_schema_says() {
    let schema = schema(include_str!("../../../schemas/result.json"));
    let said = |line: &str| {
        let mut results = Results::default();
        line.split('\n').for_each(|l| results.line(l.as_bytes(), &|_| {}));
        results.read()
    };
    for good in [r#"{"ok":true}"#, r#"{"schema":"otto.result/1","ok":false,"summary":"x","cost":{},"answer":[1]}"#] {
        assert!(said(good).is_ok() && schema.is_valid(&serde_json::from_str(good).unwrap()), "{good}");
    }
    for bad in [
        r#"{"ok":"true"}"#,
        r#"{"summary":"x"}"#,
        r#"{"ok":true,"more":1}"#,
        r#"{"schema":"otto.result/2","ok":true}"#,
        r#"{"ok":true,"cost":{"usd_micros":-1}}"#,
        r#"{"ok":true,"cost":{"usd":1}}"#,
    ] {
        assert!(said(bad).is_err() && !schema.is_valid(&serde_json::from_str(bad).unwrap()), "{bad}");
    }
    // The last object counts, also where an earlier one was fine.
    assert!(said("{\"ok\":true}\n{\"ok\":1}\n").is_err());
    assert!(!said("{\"ok\":true}\n{\"ok\":false}\nbye\n").unwrap().ok);
    assert!(said("{\"ok\":true,\"ok\":true}").is_err());
}

#[test]
fn no_result_a_bad_exit_code_or_a_signal_is_a_failure() {
    let r = room();
    let ok = r#"echo '{"ok":true,"summary":"all good"}'"#;
    for (script, why) in [
        ("echo done".to_owned(), "without a result"),
        (String::new(), "without a result"),
        (format!("{ok}; exit 3"), "exit code 3: all good"),
        (format!("{ok}; kill -9 $$"), "signal 9"),
        ("echo 'no login' >&2; exit 1".to_owned(), "exit code 1: no login"),
        (r#"echo '{"ok":false,"summary":"too hard"}'"#.to_owned(), "it says that it failed: too hard"),
        (r#"echo '{"ok":"yes"}'"#.to_owned(), "otto.result/1"),
    ] {
        let o = r.sh(&script);
        assert!(!o.ok && o.detail.contains(why), "{script}: {}", o.detail);
    }
    let o = r.go(Provider::Command(vec!["no-such-agent".into()]), &r.task(vec![]));
    assert_eq!(o.trouble, Some(Trouble::Missing));
    assert!(!o.ok && o.detail.contains("no-such-agent is not on PATH"), "{}", o.detail);
    let o = r.sh(r#"echo '{"ok":false,"cost":{"usd_micros":9}}'; exit 1"#);
    assert_eq!((o.ok, o.cost.usd_micros), (false, 9));
}

#[test]
fn limits_end_the_whole_group() {
    let mut r = room();
    r.bounds.wall = Duration::from_millis(300);
    let o = r.sh(r#"echo '{"ok":true}'; sleep 1000 & sleep 1000"#);
    assert!(!o.ok && o.detail.contains("ran for more than"), "{}", o.detail);
    r.bounds.wall = Duration::from_secs(60);
    r.bounds.idle = Some(Duration::from_millis(300));
    let o = r.sh("sleep 1000");
    assert!(!o.ok && o.detail.contains("was silent for more than"), "{}", o.detail);
}

#[test]
fn transcripts_are_redacted_bounded_and_private() {
    use std::os::unix::fs::PermissionsExt as _;
    let r = room();
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ0123";
    let o = r.sh(&format!(
        "echo {secret}; head -c 5000000 /dev/zero | tr '\\0' x; echo; echo {secret} >&2; echo '{{\"ok\":true,\"summary\":\"{secret}\"}}'"
    ));
    assert!(o.ok, "{}", o.detail);
    assert_eq!(o.detail, "[redacted]");
    let file = o.transcript.unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.len() < 3 << 20 && text.contains("bytes left out") && !text.contains(secret));
    assert!(text.contains("=== standard error\n[redacted]"));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(r.tree()).unwrap().count(), 0, "nothing of ours in the workspace");
}

#[test]
fn a_flood_without_line_ends_has_no_result() {
    let r = room();
    let o = r.sh("printf '{\"ok\":true,\"summary\":\"'; head -c 20000000 /dev/zero | tr '\\0' x; printf '\"}'");
    assert!(!o.ok && o.detail.contains("without a result"), "{}", o.detail);
}

#[test]
fn literate_writes_its_blocks_and_nothing_else() {
    use std::os::unix::fs::PermissionsExt as _;
    let r = room();
    let o = r.literate("bin/notes", true);
    assert!(o.ok && o.detail.contains("no model was used"), "{}", o.detail);
    let file = r.tree().join("bin/notes");
    assert_eq!(std::fs::read(&file).unwrap(), b"hi\n");
    assert_ne!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o100, 0);
    assert!(r.literate("bin/notes", false).ok);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o111, 0);
    let o = r.go(Provider::Literate, &r.task(vec![]));
    assert_eq!((o.ok, o.detail.as_str()), (false, "the intent carries no files for attempt 2 of slice store"));
}

#[test]
fn literate_never_leaves_the_workspace() {
    let r = room();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), r.tree().join("link")).unwrap();
    for path in ["../out", "/tmp/otto-out", "a/../../out", "link/out", ".git/config", "a//b", ""] {
        let o = r.literate(path, false);
        assert!(!o.ok, "{path}");
    }
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(!r.dir.path().join("out").exists());
}

#[test]
fn a_question_is_answered_with_a_value() {
    let r = room();
    let wanted = serde_json::json!({"type": "object"});
    let script = r#"cat > ../question; echo '{"ok":true,"summary":"judged","answer":{"verdict":"passed"}}'"#;
    let o = r.call(sh(script), Role::Audit, Work::Answer(&wanted));
    assert!(o.ok, "{}", o.detail);
    assert_eq!(o.answer, Some(Answer::Value(serde_json::json!({"verdict": "passed"}))));
    let question = json::parse(&std::fs::read(r.dir.path().join("question")).unwrap(), json::Limits::RECORD).unwrap();
    schema(include_str!("../../../schemas/question.json")).validate(&question).unwrap();
    assert_eq!((&question["role"], &question["answer"]), (&"audit".into(), &wanted));
    let o = r.call(Provider::Literate, Role::Audit, Work::Answer(&wanted));
    assert!(!o.ok && o.answer.is_none());
}
