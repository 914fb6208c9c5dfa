//! Models over HTTP in whole runs, in both dialects: a scripted server compiles, builds, mends and judges.

mod confined;
mod faults;
mod keys;
mod limits;
mod whole;

use std::path::PathBuf;

use super::{
    super::support::model::{Call, Model, Reply, Turn},
    *,
};

/// Nothing but its own letters makes it known as a secret.
const KEY: &str = "plain-letters-and-nothing-else";

const PROSE: &str = "Keep the words `a` and `b` in files. Nothing more.";

/// What a reply costs at [`priced`]: 100 tokens read, 20 written.
const USD_MICROS: u64 = 600;

const BOTH: [&str; 2] = ["anthropic", "openai"];

/// A sandbox in which a provider is the server.
fn reaching(provider: &str, model: &Model) -> Sandbox {
    let s = sandbox();
    reach(&s, provider, model);
    s
}

fn reach(s: &Sandbox, provider: &str, model: &Model) {
    s.git(&["config", &format!("otto.{provider}.url"), &model.url()]);
}

/// 3 and 15 US dollars for a million tokens.
fn priced(s: &Sandbox, provider: &str) {
    s.git(&["config", &format!("otto.{provider}.price"), "3 15"]);
}

/// Runs the program with the provider's key in the environment.
fn otto(s: &Sandbox, provider: &str, args: &[&str]) -> Output {
    s.otto_with(args, &[(key_variable(provider), KEY)], None)
}

fn key_variable(provider: &str) -> &'static str {
    if provider == "anthropic" { "ANTHROPIC_API_KEY" } else { "OPENAI_API_KEY" }
}

fn run_prose(s: &Sandbox, provider: &str) -> Output {
    otto(s, provider, &["run", "--yes", "--json", "--text", PROSE, "--agent", provider, "--model", "m"])
}

/// Runs an intent of slices that have to write their ids.
fn run_slices(s: &Sandbox, provider: &str, ids: &[&str]) -> Output {
    write_intent(s, ids);
    otto(s, provider, &["run", "--yes", "--json", "../intent.md", "--agent", provider, "--model", "m"])
}

fn write_intent(s: &Sandbox, ids: &[&str]) {
    let parts: Vec<Part<'_>> = ids.iter().map(|id| (*id, &[][..], plain(id))).collect();
    s.write("intent.md", intent("Words", "", &parts, ""));
}

fn call(name: &str, input: Value) -> Call {
    Call { name: name.into(), input }
}

fn look() -> Call {
    call("list", json!({}))
}

/// The next of these uses of tools, one a turn; then the turn's end.
fn steps(turn: &Turn, calls: &[Call]) -> Reply {
    calls.get(turn.results.len()).map_or_else(|| Reply::text("Done."), |next| Reply::call(next.clone()))
}

/// Which slice a conversation is about.
fn slice(turn: &Turn) -> &'static str {
    let about = |id: &&&str| turn.text.contains(&format!("Your slice is `{id}`"));
    ["a", "b"].iter().find(about).unwrap_or_else(|| panic!("no slice: {}", turn.text))
}

fn compiles(turn: &Turn) -> bool {
    turn.text.starts_with("You turn an intent into a spec")
}

fn judges(turn: &Turn) -> bool {
    turn.text.starts_with("You judge")
}

/// A model that does everything rightly, at once.
fn right_at_once(turn: &Turn) -> Reply {
    match () {
        () if compiles(turn) => Reply::structured(prose::spec(&["a", "b"])),
        () if judges(turn) => Reply::structured(json!({"verdict": "passed", "findings": []})),
        () => writes(turn),
    }
}

/// It writes its slice's id.
fn writes(turn: &Turn) -> Reply {
    let id = slice(turn);
    steps(turn, &[call("write", json!({"path": format!("{id}.txt"), "content": format!("{id}\n")}))])
}

/// The requests of a slice's conversation.
fn about<'t>(turns: &'t [Turn], id: &str) -> Vec<&'t Turn> {
    turns.iter().filter(|t| t.text.contains(&format!("Your slice is `{id}`"))).collect()
}

/// Nothing that was made or said holds the key.
#[track_caller]
fn keeps_the_key(s: &Sandbox, outs: &[&Output]) {
    for out in outs {
        assert!(!format!("{out}").replace(&format!("\"{KEY}\""), "").contains(KEY), "{out}");
    }
    let mut read = 0;
    for folder in ["home", "state", "tmp", "repo"] {
        for file in files(&s.path(folder)) {
            let bytes = std::fs::read(&file).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(KEY), "{}", file.display());
            read += 1;
        }
    }
    assert!(read > 20, "only {read} files were read");
    let objects = s.git(&["cat-file", "--batch-all-objects", "--batch", "--buffer"]);
    assert!(objects.contains("agent.started") && !objects.contains(KEY));
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let of = |entry: std::fs::DirEntry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => files(&entry.path()),
        kind if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    };
    entries.flat_map(|entry| of(entry.unwrap())).collect()
}
