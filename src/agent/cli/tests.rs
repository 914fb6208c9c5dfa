//! Recorded streams through the adapters, and stand-ins for the programs that print them, called through the one door.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use serde_json::json;

use super::*;
use crate::{
    agent::{Answer, Bounds, Product, Role, Session, TASK_SCHEMA, Task, Work},
    base::{Cost, Env, procs::Ended},
};

const ID: &str = "11111111-2222-4333-8444-555555555555";

/// A room with a program that stands in for a real one.
struct Room {
    dir: tempfile::TempDir,
    agent: Agent,
    session: Session,
    bounds: Bounds,
    prompt: String,
    events: Mutex<Vec<Event>>,
}

impl Room {
    fn new(provider: Provider) -> Room {
        let dir = tempfile::tempdir().unwrap();
        for name in ["tree", "scratch", "got", "bin"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        let bounds = Bounds { wall: Duration::from_secs(60), idle: None, usd_micros: None };
        let (agent, prompt) = (Agent::new(provider), "Do it.\n".to_owned());
        Room { dir, agent, session: Session::default(), bounds, prompt, events: Mutex::default() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// Calls the agent; its program does what the script says after it wrote down how it was called.
    fn call(&self, work: Work<'_>, script: &str) -> Outcome {
        let program = self.at("bin").join(self.agent.provider.program().unwrap());
        let got = self.at("got");
        let note =
            r#"for a; do printf '%s\n' "$a"; done >"$GOT/argv"; cat >"$GOT/stdin"; env >"$GOT/env"; pwd >"$GOT/cwd""#;
        let script = format!("#!/bin/sh\nGOT='{}'\n{note}\n{script}\n", got.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut env = Env::default();
        env.vars.insert("PATH".into(), format!("{}:/usr/bin:/bin", self.at("bin").display()).into());
        env.vars.insert("HOME".into(), self.at("home").into());
        env.vars.insert("SECRET_OF_ANOTHER".into(), "not for agents".into());
        let world = World::real(env).unwrap();
        let call = Call {
            role: Role::Build,
            nth: 1,
            prompt: &self.prompt,
            work,
            dir: &self.at("tree"),
            scratch: &self.at("scratch"),
            may_write: &|_| Ok(()),
            sessions: &self.at("scratch"),
            session: self.session.clone(),
            bounds: self.bounds,
            transcript: &self.at("logs/1.txt"),
            notice: &|event| {
                // When a program prints is chance.
                if event != Event::Stirred {
                    self.events.lock().unwrap().push(event);
                }
            },
        };
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        rt.block_on(crate::agent::run(&world, &self.agent, &call))
    }

    fn write(&self, script: &str) -> Outcome {
        self.call(Work::Write(&task(&self.at("tree"))), script)
    }

    fn answer(&self, script: &str) -> Outcome {
        self.call(Work::Answer(&strict()), script)
    }

    fn got(&self, what: &str) -> String {
        std::fs::read_to_string(self.at("got").join(what)).unwrap()
    }

    /// The arguments, with this room's folder as `ROOM`.
    fn argv(&self) -> Vec<String> {
        let room = self.at("");
        self.got("argv").lines().map(|a| a.replace(room.to_str().unwrap(), "ROOM/")).collect()
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }
}

fn task(workspace: &Path) -> Task {
    Task {
        schema: TASK_SCHEMA,
        role: Role::Build,
        slice: "store".parse().unwrap(),
        title: "Keep notes".into(),
        attempt: 1,
        product: Product { title: "Notes".into(), intent: "A note keeper.".into(), kind: "cli".into() },
        requirements: Default::default(),
        tasks: vec![],
        owned_paths: vec![],
        shared_scaffold: vec![],
        checks: Default::default(),
        green_on_base: vec![],
        failures: vec![],
        hint: None,
        conflicts: vec![],
        contract: None,
        needs: vec![],
        granted: vec![],
        contracts: vec![],
        workspace: workspace.to_owned(),
        blocks: vec![],
    }
}

/// A schema that the strictest endpoint takes.
fn strict() -> Value {
    json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": {"a": {"type": "integer"}}})
}

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// A script that prints a recorded stream and exits.
fn replay(capture: &str, exit: i32) -> String {
    let file = captures().join(capture);
    assert!(file.is_file(), "{capture}");
    format!("cat '{}'; exit {exit}", file.display())
}

fn provider(capture: &str) -> Provider {
    capture.split('-').next().unwrap().parse().unwrap()
}

fn cost(usd_micros: u64, input_tokens: u64, output_tokens: u64) -> Cost {
    Cost { usd_micros, input_tokens, output_tokens }
}

/// One capture, how its program exited, and what a careful person makes of it: whether it is done, what its detail
/// begins with, its cost.
type Case = (&'static str, i32, bool, &'static str, Cost);

const CLAUDE_EDIT: Cost = Cost { usd_micros: 1600, input_tokens: 200, output_tokens: 40 };
const NOTHING: Cost = Cost { usd_micros: 0, input_tokens: 0, output_tokens: 0 };

const CASES: [Case; 19] = [
    // It had no tool to write with, and says that it wrote.
    ("claude-bare-edit.jsonl", 0, false, "denied to it: Write, which it does not have", CLAUDE_EDIT),
    ("claude-dontask-stream.jsonl", 0, false, "denied to it: Write", CLAUDE_EDIT),
    // Nothing in this document tells of the denial that there was: who looks at the workspace finds it unchanged. The
    // stream tells, which is why it is what is asked for.
    ("claude-dontask-denied.json", 0, true, "Done: wrote hello.txt", CLAUDE_EDIT),
    ("claude-http-400.jsonl", 1, false, "it failed: API Error: 400 bad request", NOTHING),
    ("claude-http-400.jsonl", 0, false, "it failed: API Error: 400 bad request", NOTHING),
    ("claude-json-schema.json", 1, false, "it failed: Reached maximum number of turns (2)", CLAUDE_EDIT),
    (
        "claude-max-budget.json",
        1,
        false,
        "it failed: Reached maximum budget ($1e-7)",
        Cost { usd_micros: 800, input_tokens: 100, output_tokens: 20 },
    ),
    (
        "claude-max-turns.json",
        1,
        false,
        "it failed: Reached maximum number of turns (1)",
        Cost { usd_micros: 800, input_tokens: 100, output_tokens: 20 },
    ),
    (
        "claude-resume.json",
        0,
        true,
        "Done: wrote hello.txt",
        Cost { usd_micros: 2400, input_tokens: 300, output_tokens: 60 },
    ),
    (
        "codex-edit.jsonl",
        0,
        true,
        "Done: wrote hello.txt",
        Cost { usd_micros: 0, input_tokens: 200, output_tokens: 40 },
    ),
    (
        "codex-resume.jsonl",
        0,
        true,
        "Done: wrote hello.txt",
        Cost { usd_micros: 0, input_tokens: 300, output_tokens: 60 },
    ),
    ("codex-http-400.jsonl", 1, false, "its turn failed: bad request", NOTHING),
    ("codex-endpoint-down.jsonl", 0, false, "it ended without a result", NOTHING),
    (
        "gemini-edit.jsonl",
        0,
        true,
        "Done: wrote hello.txt",
        Cost { usd_micros: 0, input_tokens: 200, output_tokens: 40 },
    ),
    (
        "gemini-tool-missing.jsonl",
        0,
        false,
        "denied to it: write_file, which it does not have",
        Cost { usd_micros: 0, input_tokens: 200, output_tokens: 40 },
    ),
    (
        "gemini-resume.json",
        0,
        true,
        "Done: wrote hello.txt",
        Cost { usd_micros: 0, input_tokens: 100, output_tokens: 20 },
    ),
    ("opencode-edit.jsonl", 0, true, "Done", Cost { usd_micros: 280, input_tokens: 200, output_tokens: 40 }),
    ("opencode-resume.jsonl", 0, true, "Done", Cost { usd_micros: 140, input_tokens: 100, output_tokens: 20 }),
    ("opencode-error.jsonl", 1, false, "it failed: Unexpected server error.", NOTHING),
];

#[test]
fn every_recorded_stream_is_judged_as_a_careful_person_would() {
    for (capture, exit, ok, detail, cost) in CASES {
        let room = Room::new(provider(capture));
        let o = room.write(&replay(capture, exit));
        assert_eq!((o.ok, o.cost), (ok, cost), "{capture}: {}", o.detail);
        assert!(o.detail.starts_with(detail), "{capture}: {}", o.detail);
        assert_eq!((o.trouble, o.answer), (None, None), "{capture}");
        assert!(o.session.is_some(), "{capture}");
        assert!(o.transcript.unwrap().is_file(), "{capture}");
        // Whatever it printed before: a bad exit code is a failure, and so is a signal.
        for script in [replay(capture, 9), format!("{}; kill -9 $$", replay(capture, 0).replace("exit 0", "true"))] {
            let o = room.write(&script);
            assert!(!o.ok, "{capture}: {script}");
        }
    }
    let mut seen: Vec<&str> = CASES.iter().map(|case| case.0).collect();
    seen.dedup();
    let all = std::fs::read_dir(captures()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    for name in all.filter(|name| name.contains(".json") && !name.starts_with("acp-")) {
        assert!(seen.contains(&name.as_str()), "{name} goes through no adapter");
    }
}

#[test]
fn a_cost_over_a_resumed_conversation_enters_the_ledger_once() {
    for (capture, spent, new) in [
        ("claude-resume.json", cost(1600, 200, 40), cost(800, 100, 20)),
        ("codex-resume.jsonl", cost(0, 200, 40), cost(0, 100, 20)),
        // These count a call, whatever was before it.
        ("gemini-resume.json", cost(0, 200, 40), cost(0, 100, 20)),
        ("opencode-resume.jsonl", cost(280, 200, 40), cost(140, 100, 20)),
        // It began anew: less than what was spent and this call's own together.
        ("claude-resume.json", cost(2400, 300, 60), cost(2400, 300, 60)),
        ("codex-endpoint-down.jsonl", cost(0, 200, 40), NOTHING),
    ] {
        let mut room = Room::new(provider(capture));
        room.session = Session { id: Some(ID.into()), begun: true, spent };
        assert_eq!(room.write(&replay(capture, 0)).cost, new, "{capture}");
    }
}

#[test]
fn the_conversations_name_is_told_as_soon_as_it_is_known() {
    for (capture, named) in [
        ("claude-bare-edit.jsonl", ID),
        ("codex-edit.jsonl", "01a208db-b200-75c0-a5f9-4ab374b172df"),
        ("gemini-edit.jsonl", "2dca07b6-f75b-4901-af79-04de934ef7ef"),
        ("opencode-edit.jsonl", "ses_df721b4c1ffeOBfkSutK0S39OS"),
    ] {
        let mut room = Room::new(provider(capture));
        let o = room.write(&replay(capture, 0));
        assert_eq!(o.session.as_deref(), Some(named));
        assert_eq!(room.events().first(), Some(&Event::Session(named.to_owned())), "{capture}");
        room.session = Session { id: Some(named.into()), begun: true, spent: NOTHING };
        room.write(&replay(capture, 0));
        assert!(!room.events().iter().any(|e| matches!(e, Event::Session(_))), "{capture}: known already");
    }
    let room = Room::new(Provider::Codex);
    let o = room.write(r#"echo '{"type":"thread.started","thread_id":"--dangerous"}'"#);
    assert_eq!((o.session, room.events()), (None, vec![]), "a flag is no name");
}

#[test]
fn what_it_does_is_told_while_it_does_it() {
    let tool = |name: &str, what: &str| Event::Tool(name.into(), what.into());
    let said = |words: &str| Event::Text(words.into());
    let wrote = "Done: wrote hello.txt";
    for (capture, told) in [
        (
            "claude-dontask-stream.jsonl",
            vec![tool("Write", "/repo/hello.txt"), Event::Denied("Write".into()), said(wrote)],
        ),
        ("codex-edit.jsonl", vec![tool("command_execution", "/bin/bash -lc 'echo hi > hello.txt'"), said(wrote)]),
        ("gemini-edit.jsonl", vec![tool("write_file", "/repo/hello.txt"), said(wrote)]),
        ("opencode-edit.jsonl", vec![tool("bash", "echo hi > hello.txt"), said("Done")]),
    ] {
        let room = Room::new(provider(capture));
        room.write(&replay(capture, 0));
        assert_eq!(room.events()[1..], told, "{capture}");
    }
    let room = Room::new(Provider::Codex);
    room.write(&replay("codex-endpoint-down.jsonl", 0));
    let waits = room.events().iter().filter(|e| matches!(e, Event::Waiting(_))).count();
    assert_eq!(waits, 5);
    let room = Room::new(Provider::Claude);
    room.write(r#"echo '{"type":"system","subtype":"api_retry","attempt":2,"max_retries":10,"error":"rate_limit"}'"#);
    assert_eq!(room.events(), [Event::Waiting("rate_limit, try 2 of 10".into())]);
}

/// The arguments, the environment that is the program's own, and the file that holds the prompt, of three calls.
fn called(mut room: Room, first: &str, resumed: &str, answer: &str, env: &[&str], asked: &[&str]) {
    room.agent.model = Some("m".into());
    room.agent.effort = Some("high".into());
    room.bounds.usd_micros = Some(2_500_000);
    // More than an argument can hold.
    room.prompt = "Do it.\n".repeat(60_000);
    let argv = |line: &str| line.split_ascii_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let names = matches!(room.agent.provider, Provider::Claude | Provider::Gemini);
    room.session.id = names.then(|| ID.to_owned());
    let check = |room: &Room, line: &str, env: &[&str]| {
        assert_eq!(room.argv(), argv(line));
        let prompt = match room.agent.provider {
            Provider::Aider => std::fs::read_to_string(room.at("scratch/aider-message.md")).unwrap(),
            _ => room.got("stdin"),
        };
        assert!(prompt == room.prompt);
        assert_eq!(room.got("cwd").trim(), room.at("tree").to_str().unwrap());
        let vars = room.got("env");
        assert!(vars.contains("OTTO_ROLE=build") && !vars.contains("SECRET"), "{vars}");
        for var in env {
            assert!(vars.lines().any(|line| line == *var), "{var}: {vars}");
        }
    };
    room.write("");
    check(&room, first, env);
    room.session = Session { id: Some(ID.into()), begun: true, spent: cost(1_000_000, 1, 1) };
    room.write("");
    check(&room, resumed, env);
    room.session = Session { id: names.then(|| ID.to_owned()), begun: false, spent: NOTHING };
    room.answer("");
    check(&room, answer, &[env, asked].concat());
    assert_eq!(std::fs::read_dir(room.at("tree")).unwrap().count(), 0, "nothing of ours in the workspace");
}

#[test]
fn claude_is_called_by_its_flags() {
    let common = "-p --output-format stream-json --verbose --setting-sources user --strict-mcp-config \
                  --disable-slash-commands --model=m --effort=high";
    let write = "--permission-mode acceptEdits --allowedTools Bash,Edit,Write,NotebookEdit,WebFetch,WebSearch";
    let schema = strict();
    called(
        Room::new(Provider::Claude),
        &format!("{common} --session-id {ID} --max-budget-usd 2.500000 {write}"),
        &format!("{common} --resume {ID} --max-budget-usd 3.500000 {write}"),
        &format!(
            "{common} --session-id {ID} --max-budget-usd 2.500000 --permission-mode dontAsk --tools Read,Glob,Grep \
             --json-schema {schema}"
        ),
        &["DISABLE_AUTOUPDATER=1"],
        &[],
    );
}

#[test]
fn codex_is_called_by_its_flags() {
    let common = "exec --json --skip-git-repo-check -C ROOM/tree";
    let chosen = "--model=m --config=model_reasoning_effort=\"high\"";
    called(
        Room::new(Provider::Codex),
        &format!("{common} -s workspace-write {chosen} -"),
        &format!("{common} -s workspace-write {chosen} resume {ID} -"),
        &format!("{common} -s read-only --output-schema ROOM/scratch/answer-schema.json {chosen} -"),
        &[],
        &[],
    );
    let room = Room::new(Provider::Codex);
    room.answer("");
    let file = std::fs::read(room.at("scratch/answer-schema.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&file).unwrap(), strict());
    // A schema that the endpoint would refuse is left to the prompt.
    let room = Room::new(Provider::Codex);
    let open = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"properties": {"b": {}}}}}});
    room.call(Work::Answer(&open), "");
    assert!(!room.argv().contains(&"--output-schema".to_owned()));
}

#[test]
fn gemini_is_called_by_its_flags() {
    let common = "--output-format stream-json --skip-trust --extensions=none --allowed-mcp-server-names=none";
    called(
        Room::new(Provider::Gemini),
        &format!("{common} --approval-mode yolo --model=m --session-id {ID}"),
        &format!("{common} --approval-mode yolo --model=m --resume {ID}"),
        &format!("{common} --approval-mode default --model=m --session-id {ID}"),
        &[],
        &[],
    );
}

#[test]
fn opencode_is_called_by_its_flags() {
    let common = "run --format json --dir ROOM/tree --model=m --variant=high";
    called(
        Room::new(Provider::OpenCode),
        &format!("{common} --auto"),
        &format!("{common} --session {ID} --auto"),
        common,
        &["OPENCODE_DISABLE_PROJECT_CONFIG=1", "OPENCODE_DISABLE_AUTOUPDATE=1"],
        &[r#"OPENCODE_PERMISSION={"edit":"deny","bash":"deny"}"#],
    );
}

#[test]
fn aider_is_called_by_its_flags() {
    let common = "--yes-always --no-stream --no-pretty --no-fancy-input --no-auto-commits --no-dirty-commits \
                  --no-gitignore --no-auto-lint --no-auto-test --no-suggest-shell-commands --no-detect-urls \
                  --no-check-update --no-show-release-notes --no-analytics --load=/dev/null \
                  --chat-history-file ROOM/scratch/aider-chat.md --input-history-file ROOM/scratch/aider-input.txt";
    let end = "--model=m --reasoning-effort=high --message-file ROOM/scratch/aider-message.md";
    called(
        Room::new(Provider::Aider),
        &format!("{common} {end}"),
        &format!("{common} {end}"),
        &format!("{common} --chat-mode ask --dry-run {end}"),
        &[],
        &[],
    );
}

#[test]
fn answers_are_what_was_asked_for() {
    let text = |words: &str| Some(Answer::Text(words.into()));
    for (capture, answer) in [
        ("claude-resume.json", text("Done: wrote hello.txt")),
        ("codex-edit.jsonl", text("Done: wrote hello.txt")),
        ("gemini-edit.jsonl", text("Done: wrote hello.txt")),
        ("gemini-resume.json", text("Done: wrote hello.txt")),
        ("opencode-edit.jsonl", text("Done")),
        // To be denied a tool that writes is no failure of an answer.
        ("claude-dontask-stream.jsonl", text("Done: wrote hello.txt")),
        ("gemini-tool-missing.jsonl", text("Done: wrote hello.txt")),
    ] {
        let o = Room::new(provider(capture)).answer(&replay(capture, 0));
        assert!(o.ok, "{capture}: {}", o.detail);
        assert_eq!(o.answer, answer, "{capture}");
    }
    let result = |more: &str| format!(r#"echo '{{"type":"result","subtype":"success","is_error":false{more}}}'"#);
    let o = Room::new(Provider::Claude).answer(&result(r#","result":"{}","structured_output":{"a":1}"#));
    assert_eq!((o.ok, o.answer), (true, Some(Answer::Value(json!({"a": 1})))));
    let o = Room::new(Provider::Claude).answer(&result(""));
    assert_eq!((o.ok, o.answer), (true, None));
    // Aider prints text: the value is somewhere in it.
    let room = Room::new(Provider::Aider);
    let o =
        room.answer("echo 'Aider v0.86.2'; echo '<spec_json>{}</spec_json>'; echo 'Tokens: 1.2k sent, 345 received.'");
    assert!(o.ok, "{}", o.detail);
    assert!(matches!(&o.answer, Some(Answer::Text(t)) if t.contains("<spec_json>{}</spec_json>")));
    assert_eq!(o.cost, cost(0, 1200, 345));
}

#[test]
fn aider_is_judged_by_the_line_that_counts_its_tokens() {
    let room = Room::new(Provider::Aider);
    let o = room.write(
        "echo 'I wrote it.'
         echo 'Tokens: 1.2k sent, 3k cache hit, 345 received. Cost: $0.01 message, $0.01 session.'
         echo 'Tokens: 12k sent, 1 received. Cost: $0.004 message, $0.014 session.'",
    );
    assert!(o.ok, "{}", o.detail);
    assert_eq!((o.cost, o.session), (cost(14_000, 13_200, 346), None));
    // It exits with 0 whatever happened.
    let o = room.write("echo 'litellm.AuthenticationError: AnthropicException - invalid x-api-key'; exit 0");
    assert_eq!((o.ok, o.trouble), (false, Some(Trouble::Login)));
    assert!(o.detail.starts_with("it ended without a result: litellm.AuthenticationError"), "{}", o.detail);
    for line in ["Tokens: many sent, 3 received.", "Tokens: ", "Tokens: 3 sent", "Tokens: 1k sent, k received."] {
        assert!(!room.write(&format!("echo '{line}'")).ok, "{line}");
    }
}

#[test]
fn why_another_try_is_of_no_use_is_told_by_codes_then_by_words() {
    let claude = |status: &str, words: &str| {
        format!(
            r#"echo '{{"type":"result","subtype":"success","is_error":true,"api_error_status":{status},"result":"{words}"}}'; exit 1"#
        )
    };
    let codex = |message: &str| format!(r#"echo '{{"type":"turn.failed","error":{{"message":"{message}"}}}}'; exit 1"#);
    let gemini = |exit: u8| {
        format!(
            r#"echo '{{"type":"result","status":"error","error":{{"type":"unknown","message":"no"}}}}'; exit {exit}"#
        )
    };
    let opencode = |error: &str| format!(r#"echo '{{"type":"error","error":{error}}}'; exit 1"#);
    for (provider, script, trouble) in [
        (Provider::Claude, claude("401", "no"), Some(Trouble::Login)),
        (Provider::Claude, claude("429", "no"), Some(Trouble::Quota)),
        (Provider::Claude, claude("404", "no"), Some(Trouble::Model)),
        // The code counts, not the words.
        (Provider::Claude, claude("500", "Invalid API key"), None),
        (Provider::Claude, claude("null", "Not logged in · Please run /login"), Some(Trouble::Login)),
        (Provider::Codex, codex("unexpected status 401 Unauthorized: bad, url: x"), Some(Trouble::Login)),
        (Provider::Codex, codex("exceeded retry limit, last status: 429 Too Many Requests"), Some(Trouble::Quota)),
        (Provider::Codex, codex("unexpected status 404 Not Found: no such model"), Some(Trouble::Model)),
        (Provider::Codex, codex("Missing environment variable: `OPENAI_API_KEY`."), Some(Trouble::Login)),
        (
            Provider::Codex,
            codex(r#"{\"error\":{\"message\":\"no\",\"code\":\"insufficient_quota\"}}"#),
            Some(Trouble::Quota),
        ),
        (Provider::Codex, codex("We are currently experiencing high demand"), None),
        (Provider::Gemini, "echo 'Please set an Auth method' >&2; exit 41".into(), Some(Trouble::Login)),
        (Provider::Gemini, gemini(145), Some(Trouble::Login)),
        (Provider::Gemini, gemini(173), Some(Trouble::Quota)),
        (Provider::Gemini, gemini(1), None),
        (Provider::OpenCode, opencode(r#"{"name":"ProviderAuthError","data":{"message":"no"}}"#), Some(Trouble::Login)),
        (Provider::OpenCode, opencode(r#"{"name":"APIError","data":{"statusCode":429}}"#), Some(Trouble::Quota)),
        (Provider::OpenCode, opencode(r#"{"name":"ProviderModelNotFoundError","data":{}}"#), Some(Trouble::Model)),
        (Provider::Aider, "echo 'litellm.RateLimitError: no'".into(), Some(Trouble::Quota)),
    ] {
        let o = Room::new(provider).write(&script);
        assert_eq!((o.ok, o.trouble), (false, trouble), "{script}: {}", o.detail);
    }
    // What its model says is no evidence, of a failure either.
    let o = Room::new(Provider::Codex).write(
        r#"echo '{"type":"item.completed","item":{"type":"agent_message","text":"I handle the rate limit"}}'; exit 1"#,
    );
    assert_eq!((o.ok, o.trouble), (false, None));
}

#[test]
fn a_hang_after_the_result_is_ended_and_judged_by_the_result() {
    let hang = |(capture, ok): (&str, bool)| {
        let mut room = Room::new(provider(capture));
        // The time that is left is less than the grace.
        room.bounds.wall = Duration::from_secs(10);
        let o = room.write(&replay(capture, 0).replace("exit 0", "sleep 1000"));
        assert_eq!(o.ok, ok, "{capture}: {}", o.detail);
        assert!(!o.detail.contains("was ended"), "{capture}: {}", o.detail);
    };
    std::thread::scope(|threads| {
        for case in [
            ("claude-resume.json", true),
            ("claude-http-400.jsonl", false),
            ("codex-edit.jsonl", true),
            ("codex-http-400.jsonl", false),
            ("gemini-edit.jsonl", true),
            ("opencode-edit.jsonl", true),
        ] {
            threads.spawn(move || hang(case));
        }
    });
}

#[test]
fn a_conversation_that_is_not_known_any_more_has_no_name() {
    let claude = r#"{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["No conversation found with session ID: x"]}"#;
    for (provider, script) in [
        (Provider::Claude, format!("echo '{claude}'; exit 1")),
        (Provider::Codex, "echo 'Error: thread/resume: no rollout found for thread id x' >&2; exit 1".into()),
        (Provider::Gemini, "echo 'Invalid session identifier' >&2; exit 42".into()),
        (Provider::OpenCode, "echo 'Error: Session not found' >&2; exit 1".into()),
    ] {
        let mut room = Room::new(provider);
        room.session = Session { id: Some(ID.into()), begun: true, spent: NOTHING };
        let o = room.write(&script);
        assert_eq!((o.ok, o.session, o.trouble), (false, None, None), "{script}");
        let o = room.write("echo 'no such luck' >&2; exit 1");
        assert_eq!((o.ok, o.session.as_deref()), (false, Some(ID)), "it may still be there");
    }
}

#[test]
fn an_endpoint_that_never_answers_ends_at_the_limit() {
    let mut room = Room::new(Provider::Codex);
    room.bounds.idle = Some(Duration::from_millis(500));
    let o = room.write(&replay("codex-endpoint-down.jsonl", 0).replace("exit 0", "sleep 1000"));
    assert!(!o.ok && o.detail.contains("was silent for more than"), "{}", o.detail);
    // One that goes on saying so is never silent.
    room.bounds = Bounds { wall: Duration::from_secs(2), idle: Some(Duration::from_secs(60)), usd_micros: None };
    let cat = replay("codex-endpoint-down.jsonl", 0).replace("; exit 0", "");
    let o = room.write(&format!("while :; do {cat}; sleep 0.1; done"));
    assert!(!o.ok && o.detail.contains("ran for more than"), "{}", o.detail);
}

#[test]
fn a_program_that_goes_on_after_its_result_is_not_over() {
    let room = Room::new(Provider::Claude);
    let result = r#"{"type":"result","subtype":"success","is_error":false,"result":"first"}"#;
    let more = r#"{"type":"assistant","message":{"content":[{"type":"text","text":"more"}]}}"#;
    let o = room.write(&format!("echo '{result}'; echo '{more}'"));
    assert!(!o.ok && o.detail.starts_with("it ended without a result"), "{}", o.detail);
    let o = room.write(&format!("echo '{result}'; echo '{more}'; echo '{result}'"));
    assert!(o.ok, "{}", o.detail);
    // Nor is it judged by that result where its time is up.
    let mut room = Room::new(Provider::Claude);
    room.bounds.wall = Duration::from_secs(8);
    let o = room.write(&format!("echo '{result}'; sleep 0.2; echo '{more}'; sleep 1000"));
    assert!(!o.ok && o.detail.contains("ran for more than"), "{}", o.detail);
}

#[test]
fn noise_and_huge_lines_are_passed_over() {
    for (capture, ok) in [
        ("claude-resume.json", true),
        ("codex-edit.jsonl", true),
        ("gemini-edit.jsonl", true),
        ("opencode-edit.jsonl", true),
    ] {
        let cat = replay(capture, 0).replace("; exit 0", "");
        let noise = r#"head -c 100000 /dev/urandom; printf '\n\0\n{\n[]\n{"type":1}\n{"type":"new"}\nnull\n"x"\n{"type":[]}\n'"#;
        let o = Room::new(provider(capture)).write(&format!("{noise}; {cat}; {noise}"));
        assert_eq!(o.ok, ok, "{capture}: {}", o.detail);
    }
    let cat = replay("codex-edit.jsonl", 0).replace("; exit 0", "");
    let huge = r#"printf '{"type":"turn.failed","x":"'; head -c 200000000 /dev/zero | tr '\0' x; echo '"}'"#;
    let o = Room::new(Provider::Codex).write(&format!("{huge}; {cat}"));
    assert!(o.ok, "{}", o.detail);
    let o = Room::new(Provider::Codex).write(&format!("{cat}; {huge}").replace("turn.failed", "turn.completed"));
    assert!(o.ok, "{}", o.detail);
}

/// A stream cut at any byte: never a panic, never done before the last word was said whole.
#[test]
fn a_cut_stream_is_never_done() {
    let scratch = tempfile::tempdir().unwrap();
    let task = task(scratch.path());
    let call = Call {
        role: Role::Build,
        nth: 1,
        prompt: "",
        work: Work::Write(&task),
        dir: scratch.path(),
        scratch: scratch.path(),
        may_write: &|_| Ok(()),
        sessions: scratch.path(),
        session: Session::default(),
        bounds: Bounds { wall: Duration::from_secs(1), idle: None, usd_micros: None },
        transcript: scratch.path(),
        notice: &|_| {},
    };
    for capture in CASES.map(|case| case.0) {
        let whole = std::fs::read(captures().join(capture)).unwrap();
        let trimmed = whole.trim_ascii_end().len();
        // A stream is done with its last line; a step of one is as good as the last until another begins.
        for cut in 0..trimmed {
            let bytes = &whole[..cut];
            let mut adapter: Box<dyn Adapter> = match provider(capture) {
                Provider::Claude => Box::new(claude::Stream::new(&call)),
                Provider::Codex => Box::new(codex::Stream::new(&call)),
                Provider::Gemini => Box::new(gemini::Stream::new(&call)),
                _ => Box::new(opencode::Stream::new(&call)),
            };
            bytes.split(|b| *b == b'\n').for_each(|line| adapter.line(line, &|_| {}));
            let mut stdout = Captured::new(1 << 20);
            stdout.push(bytes);
            let said = adapter.judge(Ended::Exit(0), &stdout, &Captured::new(0));
            assert!(!said.ok, "{capture} cut at {cut}: {}", said.detail);
            adapter.usage();
        }
    }
}
