//! The project's own tests, lints and format checks: found in the base's files, run there, and kept green where they are.
//!
//! Nothing of what is found is trusted: it is read within bounds, only commands that are known by their words are taken,
//! and they are run as every check is.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use crate::{
    base::{Failure, Oid, Sha256, text::one_line},
    checks::model::{BASELINE, Cause, Check, CheckKind, Gate, Outcome},
    gate::{Round, Site},
    git::{self, BStr, ByteSlice as _, Repo},
    journal::event::BaselineCommand,
    spec::model::{CrossCheck, Spec},
};

mod ci;
mod known;
mod manifests;

/// The largest file that is read.
const MAX_FILE: u64 = 512 << 10;
/// The most files of one folder that are looked at.
const MAX_FILES: usize = 200;
/// The most commands that are run.
const MAX_COMMANDS: usize = 12;

/// What a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Tests.
    Test,
    /// Lints and types.
    Lint,
    /// Whether everything is formatted.
    Format,
}

impl What {
    fn word(self) -> &'static str {
        match self {
            What::Test => "test",
            What::Lint => "lint",
            What::Format => "format",
        }
    }
}

/// A command of the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it is for.
    pub what: What,
    /// Argument vector.
    pub command: Vec<String>,
    /// The file that it follows from.
    pub from: String,
    /// What says it best comes first: CI, then manifests, then makefiles.
    rank: u8,
}

/// A command of the project, and what came of it on the base.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The check that it is.
    pub check: Check,
    /// The file that it follows from.
    pub from: String,
    /// What came of it.
    pub outcome: Outcome,
}

/// How a command ended on the base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Result {
    /// Green: it is kept so.
    Green,
    /// Red: told, and no gate.
    Red,
    /// It could not be run, such as where its program is missing.
    NotRun,
}

/// What the base's own commands say of it.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    /// In the order in which they ran.
    pub measured: Vec<Measured>,
}

/// One command in an answer.
#[derive(Debug, Serialize)]
pub struct Line {
    command: Vec<String>,
    from: String,
    result: Result,
    duration_ms: u64,
    /// The check that keeps it green.
    check: Option<String>,
    /// Why it is not green.
    why: Option<String>,
}

/// What is told while commands run.
pub enum Told<'a> {
    /// A command has run for some time and goes on.
    Runs(&'a Check, Duration),
    /// It has ended.
    Ended(&'a Measured),
}

/// The files that commands are found in: by path, with their texts where those are looked at.
#[derive(Debug, Default)]
struct Files(BTreeMap<String, String>);

impl Files {
    /// What a tree has of them.
    fn read(repo: &Repo, tree: Oid) -> std::result::Result<Files, git::Error> {
        let mut files = BTreeMap::new();
        // Too large, not UTF-8, or not there in a partial clone: then nothing is known of it.
        let text = |id: Oid| repo.read_blob(id, MAX_FILE).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        for name in NAMES {
            if let Some(entry) = repo.entry(tree, BStr::new(name))? {
                files.insert(name.to_owned(), text(entry.oid).unwrap_or_default());
            }
        }
        for (folder, ends, read) in FOLDERS {
            let Some(found) = repo.subtree(tree, BStr::new(folder))? else { continue };
            let mut left = MAX_FILES;
            for entry in repo.tree_entries(found)? {
                let Ok(path) = entry.path.to_str() else { continue };
                if left > 0 && ends.iter().any(|end| path.ends_with(end)) {
                    left -= 1;
                    let content = if *read { text(entry.oid).unwrap_or_default() } else { String::new() };
                    files.insert(format!("{folder}/{path}"), content);
                }
            }
        }
        Ok(Files(files))
    }

    fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
    fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }
    fn table(&self, path: &str) -> Option<toml::Table> {
        toml::from_str(self.text(path)?).ok()
    }
    /// A file that Python's own runner takes for tests.
    fn python_test(&self) -> Option<&str> {
        let is_test =
            |path: &&str| path.rsplit('/').next().is_some_and(|n| n.starts_with("test") && n.ends_with(".py"));
        self.0.keys().map(String::as_str).find(is_test)
    }
}

/// The files at the top that are looked at.
const NAMES: [&str; 30] = [
    "Cargo.toml",
    "clippy.toml",
    ".clippy.toml",
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "bun.lockb",
    "pyproject.toml",
    "setup.cfg",
    "tox.ini",
    "pytest.ini",
    "mypy.ini",
    "ruff.toml",
    ".ruff.toml",
    ".flake8",
    "conftest.py",
    "requirements.txt",
    "requirements-dev.txt",
    "go.mod",
    "GNUmakefile",
    "makefile",
    "Makefile",
    "justfile",
    "Justfile",
    ".justfile",
    ".gitlab-ci.yml",
    ".gitlab-ci.yaml",
];

/// The folders, which of their files, and whether these are read.
const FOLDERS: &[(&str, &[&str], bool)] =
    &[(".github/workflows", &[".yml", ".yaml"], true), ("tests", &[".py"], false), ("test", &[".py"], false)];

/// The commands that a tree says are its own.
pub fn find(repo: &Repo, tree: Oid) -> std::result::Result<Vec<Found>, git::Error> {
    Ok(detect(&Files::read(repo, tree)?))
}

fn detect(files: &Files) -> Vec<Found> {
    let mut all = Vec::new();
    for (path, text) in &files.0 {
        if path.starts_with(".github/workflows/") {
            all.extend(ci::of_workflow(path, text));
        } else if path.starts_with(".gitlab-ci.") {
            all.extend(ci::of_pipeline(path, text));
        }
    }
    all.extend(manifests::of_languages(files));
    all.extend(manifests::of_makefiles(files));
    let mut out: Vec<Found> = Vec::new();
    for found in all {
        if out.iter().all(|known| known.command != found.command) {
            out.push(found);
        }
    }
    out.sort_by_key(|found| (found.what, found.rank));
    out
}

/// Runs commands on a tree, one after the other. For each purpose those of the first source that can be run are enough:
/// what CI runs, else what manifests say, else what a makefile has.
pub async fn measure(
    site: &Site,
    tree: Oid,
    found: Vec<Found>,
    tell: &mut dyn FnMut(Told<'_>) -> std::result::Result<(), Failure>,
) -> std::result::Result<Baseline, Failure> {
    let mut measured: Vec<Measured> = Vec::new();
    let mut enough: BTreeMap<What, u8> = BTreeMap::new();
    for Found { what, command, from, rank } in found {
        if measured.len() == MAX_COMMANDS || enough.get(&what).is_some_and(|known| *known < rank) {
            continue;
        }
        let is_free = |id: &str| measured.iter().all(|m| m.check.id != id);
        let check = check_of(&free_id(what.word(), is_free), command);
        let r#gen = Sha256::of(tree.to_string());
        let round = Round { slice: None, r#gen, attempt: 0, name: "base".into(), tree, overlay: Vec::new() };
        let begun = site.world.clock.mono();
        let outcome = {
            let checks = [&check];
            let running = site.outcomes(&round, &checks);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    ended = &mut running => break ended?.pop(),
                    () = tokio::time::sleep(EVERY) => tell(Told::Runs(&check, begun.elapsed()))?,
                }
            }
        };
        let Some(outcome) = outcome else { continue };
        let one = Measured { check, from, outcome };
        if one.result() != Result::NotRun {
            enough.entry(what).or_insert(rank);
        }
        tell(Told::Ended(&one))?;
        measured.push(one);
    }
    Ok(Baseline { measured })
}

/// How often is told that a command still runs.
const EVERY: Duration = Duration::from_secs(10);

fn check_of(id: &str, command: Vec<String>) -> Check {
    let kind = CheckKind::RepoTest { command, expect_exit: 0, stdout_contains: Vec::new() };
    Check { id: id.to_owned(), kind, proves: Vec::new(), gate: Gate::Keeps, files: BTreeMap::new(), timeout_s: None }
}

/// An id that no other check has.
fn free_id(word: &str, is_free: impl Fn(&str) -> bool) -> String {
    let first = format!("{BASELINE}{word}");
    let mut id = first.clone();
    let mut n = 1;
    while !is_free(&id) {
        n += 1;
        id = format!("{first}-{n}");
    }
    id
}

impl Measured {
    /// How it ended.
    pub fn result(&self) -> Result {
        match self.outcome.evidence.cause {
            Cause::Holds => Result::Green,
            Cause::Unknown => Result::NotRun,
            _ => Result::Red,
        }
    }

    /// Why it is not green: how it ended, and what it said last.
    fn why(&self, max: usize) -> String {
        let said: Vec<&str> = self.outcome.evidence.detail.lines().collect();
        let last = said.iter().skip(1).last();
        one_line(&said.first().into_iter().chain(last).copied().collect::<Vec<_>>().join("; "), max)
    }

    /// One line for a person.
    pub fn words(&self) -> String {
        let took = seconds(Duration::from_millis(self.outcome.evidence.duration_ms));
        let why = self.why(150);
        let command = shown(&self.check);
        match self.result() {
            Result::Green => format!("{command} green in {took}, kept"),
            Result::Red => format!("{command} red on the base after {took}, not a gate: {why}"),
            Result::NotRun => format!("{command} could not be run: {why}"),
        }
    }
}

/// A duration in words.
pub fn seconds(time: Duration) -> String {
    match time.as_millis().div_ceil(1000) {
        s if s < 90 => format!("{s} s"),
        s => format!("{} min", s.div_ceil(60)),
    }
}

/// The command of a check as a person reads it.
pub fn shown(check: &Check) -> String {
    format!("`{}`", one_line(&command_of(check).join(" "), 100))
}

fn command_of(check: &Check) -> &[String] {
    match &check.kind {
        CheckKind::RepoTest { command, .. } | CheckKind::CliProbe { command, .. } => command,
        _ => &[],
    }
}

/// Whether a spec runs a command in one of its checks.
pub fn has_command(spec: &Spec, command: &[String]) -> bool {
    spec.checks().any(|(_, check)| command_of(check) == command)
}

impl Baseline {
    /// What came of the checks.
    pub fn outcomes(&self) -> Vec<Outcome> {
        self.measured.iter().map(|m| m.outcome.clone()).collect()
    }

    /// How long everything took.
    pub fn took(&self) -> Duration {
        Duration::from_millis(self.measured.iter().map(|m| m.outcome.evidence.duration_ms).sum())
    }

    /// Has a spec keep what is green on its base.
    pub fn keep(&self, spec: &mut Spec) {
        for one in self.measured.iter().filter(|m| m.result() == Result::Green) {
            put(spec, one.check.clone());
        }
    }

    /// The commands for an answer; `spec` is the one that keeps what is green.
    pub fn lines(&self, spec: &Spec) -> Vec<Line> {
        let check = |one: &Measured| {
            let kept = spec.checks().find(|(_, c)| command_of(c) == command_of(&one.check));
            kept.map(|(_, c)| c.id.clone())
        };
        let line = |one: &Measured| Line {
            command: command_of(&one.check).to_vec(),
            from: one.from.clone(),
            result: one.result(),
            duration_ms: one.outcome.evidence.duration_ms,
            check: check(one),
            why: (one.result() != Result::Green).then(|| one.why(300)),
        };
        self.measured.iter().map(line).collect()
    }

    /// The same for a run's journal.
    pub fn commands(&self) -> Vec<BaselineCommand> {
        let command = |one: &Measured| BaselineCommand {
            command: command_of(&one.check).to_vec(),
            passed: one.result() == Result::Green,
            duration_ms: one.outcome.evidence.duration_ms,
        };
        self.measured.iter().map(command).collect()
    }
}

/// Has a spec keep what the version of it before keeps, over its own slices: the base is not asked again.
pub fn take_along(before: &Spec, spec: &mut Spec) {
    for cross in before.cross_slice_checks.iter().filter(|c| c.check.is_baseline()) {
        put(spec, cross.check.clone());
    }
}

/// Adds a check over all slices, unless the spec runs its command already.
fn put(spec: &mut Spec, mut check: Check) {
    if has_command(spec, command_of(&check)) {
        return;
    }
    let is_free = |id: &str| spec.checks().all(|(_, c)| !c.id.eq_ignore_ascii_case(id));
    if !is_free(&check.id) {
        let word = check.id.strip_prefix(BASELINE).unwrap_or(&check.id).to_owned();
        check.id = free_id(&word, is_free);
    }
    let slices = spec.slices.iter().map(|s| s.id.clone()).collect();
    spec.cross_slice_checks.push(CrossCheck { slices, check });
}

#[cfg(test)]
mod tests;
