//! The real programs from npm, driven by `git otto run` against a scripted model, each confined: compile, build with one
//! failing attempt, repair, land, audit; and runs that are killed in the middle of a call.
//!
//! `scripts/agents run` installs them and runs these tests. Where a program is missing its test says so and passes, but
//! for those that `GIT_OTTO_REQUIRE_AGENTS` names.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::*;
use crate::support::model::{Call, Model, Reply, Turn};

/// A program, how otto is told to use it, and what it needs to find a model on loopback.
struct Program {
    /// Its file in the folder of the programs.
    name: &'static str,
    /// As `--agent` names it.
    agent: &'static str,
    /// Variables; `{url}` stands for where the model listens.
    vars: &'static [(&'static str, &'static str)],
    /// Files below HOME and what stands in them.
    settings: &'static [(&'static str, &'static str)],
    /// Whether it writes with a tool for files, so that otto is asked before; in a shell otherwise.
    asks: bool,
    /// What it counts of the tokens of a run.
    counts: Counts,
    /// Whether it counts over a whole conversation, so that what a killed process has used is known to the next one.
    keeps_count: bool,
}

/// What a program counts.
enum Counts {
    /// Every request of its work.
    Work,
    /// Also what it asks aside.
    All,
    /// The last request of a call.
    Last,
}

const CLAUDE_VARS: &[(&str, &str)] = &[
    ("ANTHROPIC_BASE_URL", "{url}"),
    ("ANTHROPIC_API_KEY", "test"),
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
];

const CLAUDE: Program = Program {
    name: "claude",
    agent: "claude",
    vars: CLAUDE_VARS,
    settings: &[],
    asks: false,
    counts: Counts::Work,
    keeps_count: false,
};

const CLAUDE_ACP: Program = Program {
    name: "claude-agent-acp",
    agent: "acp:claude-agent-acp",
    vars: CLAUDE_VARS,
    settings: &[],
    asks: true,
    counts: Counts::Work,
    keeps_count: false,
};

const CODEX: Program = Program {
    name: "codex",
    agent: "codex",
    vars: &[("OPENAI_API_KEY", "test")],
    settings: &[(
        ".codex/config.toml",
        r#"model = "gpt-5"
model_provider = "local"
[model_providers.local]
name = "local"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
"#,
    )],
    asks: false,
    counts: Counts::Work,
    keeps_count: true,
};

const GEMINI: Program = Program {
    name: "gemini",
    agent: "gemini",
    vars: &[("GEMINI_API_KEY", "test"), ("GOOGLE_GEMINI_BASE_URL", "{url}")],
    settings: &[(
        ".gemini/settings.json",
        r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}, "general": {"enableAutoUpdate": false},
"privacy": {"usageStatisticsEnabled": false}, "telemetry": {"enabled": false}}"#,
    )],
    asks: false,
    counts: Counts::All,
    keeps_count: false,
};

const OPENCODE: Program = Program {
    name: "opencode",
    agent: "opencode",
    vars: &[
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
    ],
    settings: &[(
        ".config/opencode/opencode.json",
        r#"{"autoupdate": false, "share": "disabled", "model": "local/m", "small_model": "local/m",
"provider": {"local": {"npm": "@ai-sdk/openai-compatible", "options": {"baseURL": "{url}/v1", "apiKey": "test"},
"models": {"m": {"cost": {"input": 1, "output": 2}, "limit": {"context": 100000, "output": 8000}}}}}}"#,
    )],
    asks: false,
    counts: Counts::Work,
    keeps_count: false,
};

const OPENCODE_ACP: Program = Program { agent: "acp:opencode acp", asks: true, counts: Counts::Last, ..OPENCODE };

#[test]
fn claude() {
    whole_run(&CLAUDE);
}

#[test]
fn claude_agent_acp() {
    whole_run(&CLAUDE_ACP);
}

#[test]
fn codex() {
    whole_run(&CODEX);
}

#[test]
fn gemini() {
    whole_run(&GEMINI);
}

#[test]
fn opencode() {
    whole_run(&OPENCODE);
}

#[test]
fn opencode_acp() {
    whole_run(&OPENCODE_ACP);
}

#[test]
fn claude_killed_at_work() {
    killed_at_work(&CLAUDE);
}

#[test]
fn codex_killed_at_work() {
    killed_at_work(&CODEX);
}

#[test]
fn gemini_killed_at_work() {
    killed_at_work(&GEMINI);
}

#[test]
fn opencode_killed_at_work() {
    killed_at_work(&OPENCODE);
}

/// How the prompts begin by which the model knows what it is to do.
const COMPILE: &str = "You turn an intent into a spec";
const BUILD: &str = "You build one slice";
const REPAIR: &str = "You go on with slice";
const AUDIT: &str = "You judge a product";

/// A user who has set up one program, and the model that it asks.
struct Place {
    s: Sandbox,
    model: Model,
    vars: Vec<(&'static str, String)>,
}

impl Place {
    /// Nothing where the program is not installed.
    fn new(program: &Program, script: impl FnMut(&Turn) -> Reply + Send + 'static) -> Option<Place> {
        let folder = folder(program.name)?;
        let model = Model::start(script);
        let s = Sandbox::outside_of_tmp();
        for (key, value) in [("fsync", "false"), ("sandbox", "require"), ("audit.agent", program.agent)] {
            s.git(&["config", "--global", &format!("otto.{key}"), value]);
        }
        // The program is not to look for packages of its own.
        s.write("home/.npmrc", "offline=true\n");
        for (file, content) in program.settings {
            s.write(&format!("home/{file}"), content.replace("{url}", &model.url()));
        }
        let path = env::var_os("PATH").unwrap();
        let path = env::join_paths([folder].into_iter().chain(env::split_paths(&path))).unwrap();
        let mut vars = vec![("PATH", path.into_string().unwrap())];
        vars.extend(program.vars.iter().map(|(name, value)| (*name, value.replace("{url}", &model.url()))));
        Some(Place { s, model, vars })
    }

    fn args(&self, program: &Program) -> [&'static str; 7] {
        ["run", "--yes", "--json", "--agent", program.agent, "--text", "A greeting: hello, then bye."]
    }

    fn vars(&self) -> Vec<(&str, &str)> {
        self.vars.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// What holds of every whole run: both slices have landed, and the agent has judged them.
    fn assert_built(&self, run: &Run, program: &Program, base: &str) {
        assert_eq!(order(&landings(&self.s, base, "otto/greeting")), ["hello", "bye"]);
        assert_eq!(self.s.git(&["show", "otto/greeting:hello.sh"]), "echo hello");
        let audits: Vec<&Value> = run.events.iter().filter(|e| e["data"]["role"] == "audit").collect();
        assert!(!audits.is_empty() && audits.iter().all(|e| e["data"]["provider"] == program.agent), "{audits:?}");
        let sentence = run.packet["built_by"]["sentence"].as_str().unwrap();
        let named = format!("Built by {0}. Audited by {0}.", program.agent);
        assert!(sentence.starts_with(&named), "{sentence}");
        assert!(self.model.requests().iter().any(|t| t.text.contains(AUDIT)), "the model was not asked to judge");
        assert_sound(&self.s);
    }
}

/// The folder with the program in it, if it is installed.
fn folder(name: &str) -> Option<PathBuf> {
    let installed = env::var_os("GIT_OTTO_TEST_AGENTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/agents"), PathBuf::from);
    let folder = installed.join("node_modules/.bin");
    if folder.join(name).exists() {
        return Some(folder);
    }
    let required = env::var("GIT_OTTO_REQUIRE_AGENTS").unwrap_or_default();
    assert!(!required.split(',').any(|r| r == name), "{name} is required and not in {}", folder.display());
    // Not by a macro: what those print is shown of failed tests only.
    let _ =
        writeln!(io::stderr(), "not tried: {name} is not in {}; scripts/agents {name} installs it", folder.display());
    None
}

/// A greeting in two slices, the second of which stands on the first.
fn spec() -> Value {
    let slice = |id: &str, title: &str, requirement: &str, deps: Value, says: &str| {
        let check = json!({"id": format!("{id}-says"), "kind": "cli_probe", "command": ["sh", format!("{id}.sh")],
            "stdout": says});
        json!({"id": id, "title": title, "requirements": [requirement], "deps": deps,
            "owned_paths": [format!("{id}.sh")], "checks": [check]})
    };
    json!({
        "id": "greeting",
        "title": "Greeting",
        "project_kind": "cli",
        "structure": {"entrypoint": "sh bye.sh", "commands": [{"name": "bye", "summary": "says hello and bye"}]},
        "requirements": [
            {"id": "R1", "text": "hello.sh says hello."},
            {"id": "R2", "text": "bye.sh says hello, then bye."},
        ],
        "slices": [
            slice("hello", "Hello", "R1", json!([]), "hello\n"),
            slice("bye", "Bye", "R2", json!(["hello"]), "hello\nbye\n"),
        ],
    })
}

/// What the model does: the first attempt at `hello` is wrong. It looks before it judges, where it can.
fn answer(turn: &Turn, asks: bool) -> Reply {
    let told = |words: &str| turn.prompt.contains(words);
    let value = |value: Value, tag: &str| match turn.schema {
        Some(_) => Reply::structured(value),
        None => Reply::text(format!("Here it is.\n<{tag}>{value}</{tag}>")),
    };
    let write = |path: &str, content: &str| -> Call {
        if asks { turn.write_by_tool(path, content) } else { turn.write(path, content) }
    };
    if told(COMPILE) {
        return value(spec(), "spec_json");
    }
    if told(AUDIT) {
        let shell = turn.tools.iter().any(|tool| tool == "exec_command");
        return match turn.results.first() {
            None if shell => Reply::call(turn.run("sh bye.sh")),
            Some(seen) if !seen.contains("hello\nbye") => panic!("it sees nothing: {seen}"),
            _ => value(json!({"verdict": "passed", "findings": []}), "audit_json"),
        };
    }
    assert!(told(BUILD) || told(REPAIR), "an unknown prompt: {}", turn.prompt);
    if !turn.results.is_empty() {
        return Reply::text("It is done.");
    }
    Reply::call(match () {
        () if told("slice is `bye`") => write("bye.sh", "sh hello.sh\necho bye\n"),
        () if told(REPAIR) => write("hello.sh", "echo hello\n"),
        () => write("hello.sh", "echo helo\n"),
    })
}

/// The conversation of each attempt at a slice, as the journal has it last.
fn conversations(events: &[Value], slice: &str) -> Vec<Value> {
    let mut out = Vec::new();
    for event in events.iter().filter(|e| e["kind"] == "agent.started" && e["slice"] == slice) {
        let n = event["attempt"].as_u64().unwrap() as usize;
        out.resize(n, Value::Null);
        out[n - 1] = event["data"]["session"].clone();
    }
    out
}

fn whole_run(program: &Program) {
    let asks = program.asks;
    let Some(place) = Place::new(program, move |turn| answer(turn, asks)) else { return };
    let base = place.s.git(&["rev-parse", "HEAD"]);
    let run = Run::read(place.s.otto_with(&place.args(program), &place.vars(), None)).ends(0);

    run.stands("hello", "landed", 2);
    run.stands("bye", "landed", 1);
    assert_eq!(run.failures("hello"), [Some("checks".to_owned()), None]);
    place.assert_built(&run, program, &base);

    // The second attempt goes on where the first stopped: the journal says so, and the model hears both.
    let [first, again] = conversations(&run.events, "hello").try_into().unwrap();
    assert!(first.is_string() && first == again, "{first} {again}");
    let turns = place.model.requests();
    let repair = turns.iter().find(|t| !t.aside && t.prompt.contains(REPAIR)).expect("there was a repair");
    assert!(repair.text.contains(BUILD), "the conversation began anew: {}", repair.text);
    // And is told what failed.
    assert!(repair.prompt.contains("helo"), "{}", repair.prompt);

    assert_eq!(paid(&run), program.counted(&turns));
}

/// A run that is killed while the model thinks about what the agent has done, and goes on.
fn killed_at_work(program: &Program) {
    let asks = program.asks;
    let killed = Arc::new(AtomicBool::new(false));
    let goes_on = killed.clone();
    let script = move |turn: &Turn| {
        if !turn.prompt.contains("slice is `hello`") {
            return answer(turn, asks);
        }
        match (goes_on.load(Ordering::SeqCst), turn.results.is_empty()) {
            (false, true) => Reply::call(turn.write("hello.sh", "echo half\n")),
            (false, false) => Reply::hang(),
            // What it had written is there.
            (true, true) => Reply::call(turn.run("grep -q half hello.sh && echo 'echo hello' > hello.sh")),
            (true, false) => Reply::text("It is done."),
        }
    };
    let Some(place) = Place::new(program, script) else { return };
    let base = place.s.git(&["rev-parse", "HEAD"]);
    let mut run = place.s.start(&place.args(program), &place.vars());
    let hangs = |t: &Turn| t.text.contains(BUILD) && !t.results.is_empty();
    assert!(run.wait_until(|| place.model.requests().iter().any(hangs)));
    let before = run.kill();
    let asked = place.model.requests().len();
    killed.store(true, Ordering::SeqCst);
    let run = Run::read(place.s.otto_with(&["resume", "--json"], &place.vars(), None)).ends(0);

    run.stands("hello", "landed", 1);
    run.stands("bye", "landed", 1);
    place.assert_built(&run, program, &base);

    // The same conversation, by the journal and for the model, who hears the task twice.
    let before: Vec<Value> = before.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let [first] = conversations(&before, "hello").try_into().unwrap();
    let [again] = conversations(&run.events, "hello").try_into().unwrap();
    assert!(first.is_string() && first == again, "{first} {again}");
    let all = place.model.requests();
    let (before, after) = all.split_at(asked);
    let resumed = after.iter().find(|t| !t.aside).unwrap();
    assert_eq!(resumed.text.matches(BUILD).count(), 2, "{}", resumed.text);

    // Whoever keeps count of a conversation also counts what it had answered before; the others lost that with the process.
    let kept = before.iter().filter(|t| program.keeps_count && !hangs(t)).chain(after);
    assert_eq!(paid(&run), program.counted(kept));
}

/// The tokens in the packet: those of the run, for the compile's stand in the record of the spec.
fn paid(run: &Run) -> (u64, u64) {
    let cost = &run.packet["built_by"]["cost"];
    let part = |what: &str| cost[what].as_u64().unwrap();
    (part("input_tokens"), part("output_tokens"))
}

impl Program {
    /// The tokens of these requests, each counted once, as the program counts.
    fn counted<'a>(&self, turns: impl IntoIterator<Item = &'a Turn>) -> (u64, u64) {
        let counts = |t: &&Turn| match self.counts {
            Counts::Work => !t.aside,
            Counts::All => true,
            Counts::Last => !t.aside && (t.text.contains(AUDIT) || !t.results.is_empty()),
        };
        let n = turns.into_iter().filter(|t| !t.text.contains(COMPILE)).filter(counts).count() as u64;
        (100 * n, 20 * n)
    }
}
