//! The main job from end to end: the built program, scripted agents, real repositories, and git as the witness.

mod after;
mod agents;
mod baseline;
mod by_hand;
mod checkout;
mod contracts;
mod control;
mod ends;
mod flight;
mod gc;
mod half_done;
mod kinds;
mod models;
mod parallel;
mod people;
mod places;
mod prose;
mod queue;
mod real;
mod refusals;
mod repair;
mod requests;
mod rerun;
mod resolve;
mod retry;
mod slices;
mod turns;
mod watched;

use std::path::Path;

use serde_json::{Value, json};

use super::support::{Output, Sandbox};

/// A sandbox whose runs do not wait for the disk: nothing here pulls the plug.
fn sandbox() -> Sandbox {
    let s = Sandbox::new();
    s.git(&["config", "--global", "otto.fsync", "false"]);
    s
}

/// One slice of an intent: its id, what it needs, and what stands below its requirement.
type Part<'a> = (&'a str, &'a [&'a str], String);

/// An intent that carries no code. Requirements are R1, R2, … in the order of the slices.
fn intent(title: &str, head: &str, parts: &[Part<'_>], tail: &str) -> String {
    let mut text =
        format!("# {title}\n\nSome files.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n{head}\n\n");
    for (i, (id, deps, body)) in parts.iter().enumerate() {
        let deps: Vec<String> = deps.iter().map(|d| format!("`{d}`")).collect();
        let after = if deps.is_empty() { String::new() } else { format!(", after {}", deps.join(" and ")) };
        text += &format!("## Slice `{id}`{after}\n\n**R{}** The part {id} is there.\n\n{body}\n\n", i + 1);
    }
    text + tail + "\n"
}

/// A slice that has to write its id into a file of that name.
fn plain(id: &str) -> String {
    format!("Owns: `{id}.txt`.\n\nCheck: `cat {id}.txt` prints `{id}`.")
}

/// The step that does what [`plain`] asks for.
fn right(id: &str) -> Value {
    write(&format!("{id}.txt"), &format!("{id}\n"))
}

fn write(path: &str, content: &str) -> Value {
    json!({"write": {"path": path, "content": content}})
}

/// A result that says what it cost, in cents.
fn costs(cents: u64) -> Value {
    let cost = json!({"usd_micros": cents * 10_000, "input_tokens": 100, "output_tokens": 10});
    json!({"result": {"schema": "otto.result/1", "ok": true, "summary": "done", "cost": cost}})
}

/// Writes a script of what the agent does at each attempt of each slice; the agent's name.
fn agent(s: &Sandbox, slices: Value) -> String {
    let script = s.write("script.json", json!({"log": s.path("agent.log"), "slices": slices}).to_string());
    format!("command:{} {}", env!("CARGO_BIN_EXE_git-otto-fake-agent"), script.display())
}

/// How often the agent was started for a slice.
fn starts(s: &Sandbox, slice: &str) -> usize {
    let log = std::fs::read_to_string(s.path("agent.log")).unwrap_or_default();
    log.lines().filter(|l| l.split(' ').next() == Some(slice)).count()
}

/// What a run came to.
struct Run {
    out: Output,
    /// One event a line.
    events: Vec<Value>,
    answer: Value,
    packet: Value,
    markdown: String,
}

impl Run {
    /// Reads what `run --json` or `resume --json` said.
    #[track_caller]
    fn read(out: Output) -> Run {
        let lines = out.stdout.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}\n{out}")));
        let mut events: Vec<Value> = lines.collect();
        let answer = events.pop().unwrap_or_else(|| panic!("no answer: {out}"));
        assert_eq!(answer["schema"], "otto.run/1", "{out}");
        let text = |key: &str| std::fs::read_to_string(answer[key].as_str().unwrap()).unwrap();
        let packet: Value = serde_json::from_str(&text("packet_json")).unwrap();
        assert_valid(include_str!("../../../schemas/packet.json"), &packet);
        let markdown = text("packet");
        Run { out, events, answer, packet, markdown }
    }

    /// The exit code must be this one, and the verdict its word.
    #[track_caller]
    fn ends(self, code: i32) -> Run {
        assert_eq!(self.out.code, code, "{}\n{}", self.out, self.markdown);
        let word = match code {
            0 => "passed",
            4 => "partial",
            5 => "blocked",
            other => panic!("{other} is no end of a run"),
        };
        assert_eq!((&self.answer["verdict"], &self.packet["verdict"]), (&json!(word), &json!(word)));
        self
    }

    /// The packet's part about a slice.
    #[track_caller]
    fn slice(&self, id: &str) -> &Value {
        let all = self.packet["slices"].as_array().unwrap();
        all.iter().find(|s| s["id"] == id).unwrap_or_else(|| panic!("the packet lacks {id}"))
    }

    /// Where a slice stands and how many attempts it took.
    #[track_caller]
    fn stands(&self, id: &str, phase: &str, attempts: usize) -> &Value {
        let slice = self.slice(id);
        assert_eq!(slice["phase"], phase, "{slice:#}");
        assert_eq!(slice["attempts"].as_array().unwrap().len(), attempts, "{slice:#}");
        slice
    }

    /// A slice is blocked for that reason after so many attempts.
    #[track_caller]
    fn blocked(&self, id: &str, reason: &str, attempts: usize) -> &Value {
        let slice = self.stands(id, "blocked", attempts);
        assert_eq!(slice["blocked"]["reason"], reason, "{slice:#}");
        let missing = self.packet["missing"]["slices"].as_array().unwrap();
        assert!(missing.iter().any(|m| m["id"] == id), "{missing:?}");
        assert!(self.markdown.contains(&format!("`{id}`")), "{}", self.markdown);
        slice
    }

    /// The reasons that the attempts at a slice failed for; none for one that did not.
    fn failures(&self, id: &str) -> Vec<Option<String>> {
        let attempts = self.slice(id)["attempts"].as_array().unwrap().clone();
        attempts.iter().map(|a| a["failed"]["reason"].as_str().map(str::to_owned)).collect()
    }

    fn run(&self) -> &str {
        self.answer["run"].as_str().unwrap()
    }

    /// The events of a kind about a slice.
    fn told(&self, kind: &str, slice: &str) -> Vec<&Value> {
        self.events.iter().filter(|e| e["kind"] == kind && e["slice"] == slice).collect()
    }
}

/// Runs an intent in the repository with an agent.
#[track_caller]
fn run(s: &Sandbox, intent: &str, agent: &str, more: &[&str]) -> Run {
    s.write("intent.md", intent);
    let args = [&["run", "--yes", "--json", "../intent.md", "--agent", agent], more].concat();
    Run::read(s.otto(&args))
}

/// A value must obey a schema.
#[track_caller]
fn assert_valid(schema: &str, value: &Value) {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(errors, Vec::<String>::new(), "{value:#}");
}

/// The landings on a branch since a commit, oldest first: the commit and the receipt in its note. Each must be a merge
/// of its candidate whose tree is the one that was tested. Commits without a receipt are given with `null`.
#[track_caller]
fn landings(s: &Sandbox, from: &str, to: &str) -> Vec<(String, Value)> {
    let range = format!("{from}..{to}");
    let commits = s.git(&["rev-list", "--first-parent", "--reverse", &range]);
    let receipt = |commit: &str| {
        let note = s.git(&["log", "-1", "--notes=otto/*", "--format=%N", commit]);
        let line = note.lines().find(|l| l.starts_with("{\"receipt\":"))?;
        let receipt: Value = serde_json::from_str(line).unwrap();
        let parse = |what: &str| s.git(&["rev-parse", &format!("{commit}{what}")]);
        assert_eq!(receipt["tested_tree"], parse("^{tree}").as_str(), "{commit}");
        assert_eq!(receipt["candidate"], parse("^2").as_str(), "{commit}");
        let checks = receipt["checks"].as_array().unwrap();
        assert!(!checks.is_empty() && checks.iter().all(|c| c["integrated"] == "holds"), "{receipt:#}");
        Some(receipt)
    };
    commits.lines().map(|c| (c.to_owned(), receipt(c).unwrap_or_default())).collect()
}

/// The slices of landings, in order.
fn order(landings: &[(String, Value)]) -> Vec<&str> {
    landings.iter().map(|(_, r)| r["slice"].as_str().unwrap_or("by hand")).collect()
}

/// Everything that git and otto can verify holds.
#[track_caller]
fn assert_sound(s: &Sandbox) {
    s.try_git("repo", &["fsck", "--full", "--strict", "--no-dangling"]).exits(0);
    s.otto(&["verify", "--all"]).exits(0);
}

/// An error in words and as JSON: its exit code, and texts that its message and its hint contain.
#[track_caller]
fn refuses(s: &Sandbox, dir: &str, args: &[&str], code: i32, message: &str, hint: &str) {
    let before = s.path("repo/.git").exists().then(|| refs(s));
    let plain = s.otto_in(dir, args).exits(code);
    assert!(plain.stderr.contains("error: ") && plain.stderr.contains(message), "{message:?} is not in {plain}");
    assert!(plain.stderr.contains("hint: ") && plain.stderr.contains(hint), "{hint:?} is not in {plain}");
    let out = s.otto_in(dir, &[&["--json"], args].concat()).exits(code);
    let said: Value = serde_json::from_str(&out.stderr).unwrap_or_else(|e| panic!("{e}: {out}"));
    let error = &said["error"];
    let all = format!("{} {}", error["message"].as_str().unwrap(), error["causes"]);
    assert!(error["code"].is_string() && all.contains(message), "{out}");
    assert!(error["hint"].as_str().unwrap().contains(hint), "{out}");
    assert_eq!(out.stdout, "", "{out}");
    if let Some(before) = before {
        assert_eq!(before, refs(s), "a refusal writes no ref");
    }
}

/// The process whose id stands in a file must have ended; whether its new parent has noticed is not our concern.
#[track_caller]
fn assert_dead(s: &Sandbox, file: &Path) {
    let pid = std::fs::read_to_string(file).unwrap();
    let state = s.spawn(s.command("ps", "").args(["-o", "stat=", "-p", pid.trim()]), None).wait().stdout;
    assert!(state.trim().is_empty() || state.starts_with('Z'), "{} is {state}", pid.trim());
}

fn refs(s: &Sandbox) -> String {
    s.git(&["for-each-ref"])
}

/// Waits for a marker that something else makes, and fails with what `running` said if that ends first.
#[track_caller]
fn await_marker(running: super::support::Running, marker: &Path) -> super::support::Running {
    let mut running = running;
    if !running.wait_for(marker) {
        panic!("{} was not made: {}", marker.display(), running.wait());
    }
    running
}
