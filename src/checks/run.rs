//! Running one check on one tree.

use std::{collections::BTreeMap, ffi::OsString, io, path::Path, time::Duration};

use serde_json::{Map, Value};

use super::{
    api, artifacts, environ,
    evaluator::{self, Answer, Question},
    expect::{self, Expect},
    model::{Cause, Check, CheckKind, Evidence, Outcome},
    pytest, red,
    serve::Served,
};
use crate::base::{
    Oid, Sha256, World, files,
    procs::{self, Bounds, Finished, Spec},
    text,
};

/// How much of the head and of the tail of a stream is kept.
pub(super) const KEEP: usize = 1 << 20;

/// What a check runs on.
#[derive(Clone, Copy, Debug)]
pub struct On<'a> {
    /// A clean checkout of the tree with the check's own files laid over it.
    pub dir: &'a Path,
    /// The tree.
    pub tree: Oid,
    /// Where the check's HOME and TMPDIR go; outside `dir`.
    pub scratch: &'a Path,
    /// Additional variables (`otto.checkEnv`).
    pub extra_env: &'a [(String, String)],
    /// The digest of what was installed there, whose programs come first on the PATH; none where nothing was.
    pub supplied: Option<Sha256>,
}

impl On<'_> {
    /// The PATH of programs that run there.
    pub(super) fn path(&self, world: &World) -> OsString {
        let path = environ::path_of(&world.env);
        let first = self.supplied.map(|_| environ::tools(self.dir)).unwrap_or_default();
        std::env::join_paths(first.into_iter().chain(std::env::split_paths(&path))).unwrap_or(path)
    }
}

/// Runs a check. Whatever keeps it from being evaluated is a result too: cause unknown, not passed.
pub async fn run(world: &World, check: &Check, on: On<'_>) -> Outcome {
    let begun = world.clock.mono();
    let path = on.path(world);
    let outcome = unknown(world, check, &on, String::new());
    finished(outcome, evaluate(world, check, on, path).await, begun.elapsed())
}

/// Runs a check that talks to a service of its round. `world` is not confined: nothing but otto itself talks.
pub async fn probe(world: &World, check: &Check, on: On<'_>, served: &mut Served) -> Outcome {
    let begun = world.clock.mono();
    let mut outcome = unknown(world, check, &on, String::new());
    outcome.evidence.sandbox = served.confinement();
    finished(outcome, api::evaluate(world, check, served).await, begun.elapsed())
}

/// Whether an invariant holds over facts. The names of facts that were not collected are unknown to it.
pub async fn judge(world: &World, check: &Check, tree: Oid, facts: Map<String, Value>) -> Outcome {
    let begun = world.clock.mono();
    let nowhere = On { dir: Path::new("/"), tree, scratch: Path::new("/"), extra_env: &[], supplied: None };
    let outcome = unknown(world, check, &nowhere, String::new());
    let ran = match &check.kind {
        CheckKind::StateInvariant { expression, .. } => {
            let question = Question::Holds { expression: expression.clone(), facts };
            match evaluator::ask(world, &question).await {
                Ok(Answer::Holds) => Ok(Ran::new(Cause::Holds, "the expression is true".into())),
                Ok(Answer::Fails { told }) => Ok(Ran::new(Cause::Assertion, told.join("\n"))),
                Ok(Answer::Unknown { why }) => Err(why),
                Ok(_) => Err("the evaluator answered something else".into()),
                Err(why) => Err(why),
            }
        }
        other => Err(format!("a check of kind {} is no invariant", other.name())),
    };
    finished(outcome, ran, begun.elapsed())
}

/// What came of a check, written down.
fn finished(mut outcome: Outcome, ran: Result<Ran, String>, took: Duration) -> Outcome {
    let evidence = &mut outcome.evidence;
    match ran {
        Ok(ran) => {
            (evidence.cause, evidence.detail, evidence.exit) = (ran.cause, ran.detail, ran.exit);
            (outcome.stdout, outcome.stderr) = (text::redact(&ran.stdout), text::redact(&ran.stderr));
            evidence.artifacts = ran.artifacts.keys().cloned().collect();
            outcome.artifacts = ran.artifacts;
        }
        Err(why) => evidence.detail = why,
    }
    evidence.passed = evidence.cause.passed();
    evidence.duration_ms = took.as_millis().try_into().unwrap_or(u64::MAX);
    outcome
}

/// The outcome of a check that could not be evaluated, such as after a setup that failed: not passed, no proof of
/// anything.
pub fn unknown(world: &World, check: &Check, on: &On<'_>, why: String) -> Outcome {
    let path = environ::path_of(&world.env);
    let evidence = Evidence {
        schema: "otto.evidence/1".into(),
        check: check.id.clone(),
        digest: check.digest(),
        tree: on.tree,
        passed: false,
        cause: Cause::Unknown,
        started_at: world.clock.now(),
        duration_ms: 0,
        exit: None,
        detail: why,
        artifacts: Vec::new(),
        sandbox: world.procs.confinement(),
        environment: environ::fingerprint(
            &path,
            program_of(&check.kind).unwrap_or_default(),
            on.extra_env,
            on.supplied,
        ),
    };
    Outcome { evidence, stdout: Vec::new(), stderr: Vec::new(), artifacts: BTreeMap::new() }
}

/// The environment of a setup command: as a check's, with a HOME and a TMPDIR under `on.scratch` that all setup
/// commands of one checkout share.
pub fn environment(world: &World, on: &On<'_>) -> io::Result<Vec<(OsString, OsString)>> {
    let room = on.scratch.join("setup");
    std::fs::create_dir_all(room.join("home"))?;
    std::fs::create_dir_all(room.join("tmp"))?;
    Ok(environ::variables(&on.path(world), on.dir, &room, on.extra_env))
}

/// What came of it, before it is written down.
pub(super) struct Ran {
    pub(super) cause: Cause,
    pub(super) detail: String,
    pub(super) exit: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) artifacts: BTreeMap<String, Vec<u8>>,
}

impl Ran {
    /// Nothing was printed, nothing ended.
    pub(super) fn new(cause: Cause, detail: String) -> Ran {
        Ran { cause, detail, exit: None, stdout: Vec::new(), stderr: Vec::new(), artifacts: BTreeMap::new() }
    }

    /// The judgement of it.
    pub(super) fn told(&mut self, cause: Cause, detail: String) {
        (self.cause, self.detail) = (cause, detail);
    }

    /// A program that ended.
    fn of(cause: Cause, detail: String, done: &Finished) -> Ran {
        let exit = match done.ended {
            procs::Ended::Exit(code) => Some(code),
            procs::Ended::Signal(_) => None,
        };
        Ran { exit, stdout: done.stdout.bytes(), stderr: done.stderr.bytes(), ..Ran::new(cause, detail) }
    }
}

/// The program that a check starts.
fn program_of(kind: &CheckKind) -> Option<&str> {
    match kind {
        CheckKind::CliProbe { shell: Some(_), .. } => Some("sh"),
        CheckKind::CliProbe { command, .. }
        | CheckKind::RepoTest { command, .. }
        | CheckKind::BrowserJourney { command, .. } => command.first().map(String::as_str),
        CheckKind::Pytest { .. } => Some("python3"),
        _ => None,
    }
}

/// Runs and judges; an error is the reason why nothing could be evaluated.
async fn evaluate(world: &World, check: &Check, on: On<'_>, path: OsString) -> Result<Ran, String> {
    if let CheckKind::Pytest { selector } = &check.kind {
        return evaluate_pytest(world, check, selector, on, path).await;
    }
    let none = String::new();
    let (argv, shell, stdin, expect) = match &check.kind {
        CheckKind::RepoTest { command, expect_exit, stdout_contains } => {
            let expect = Expect { exit: *expect_exit, stdout_contains: stdout_contains.clone(), ..Expect::default() };
            (command, None, &none, expect)
        }
        CheckKind::BrowserJourney { command, service: None, .. } => (command, None, &none, Expect::default()),
        CheckKind::CliProbe {
            command,
            shell,
            stdin,
            expect_exit,
            stdout,
            stdout_contains,
            stdout_matches,
            stderr_contains,
        } => {
            let expect = Expect {
                exit: *expect_exit,
                stdout: stdout.clone(),
                stdout_contains: stdout_contains.clone(),
                stdout_matches: stdout_matches.as_deref().map(pattern).transpose()?,
                stderr_contains: stderr_contains.clone(),
            };
            (command, shell.as_deref(), stdin.as_ref().unwrap_or(&none), expect)
        }
        other => return Err(format!("this version cannot run checks of kind {}", other.name())),
    };
    if argv.is_empty() == shell.is_none() {
        return Err("the check states neither a command nor a script, or both".into());
    }
    let words: Vec<OsString> = match shell {
        Some(script) => ["sh", "-c", script].map(OsString::from).to_vec(),
        None => argv.iter().map(OsString::from).collect(),
    };
    let globs: &[String] = match &check.kind {
        CheckKind::BrowserJourney { evidence_globs, .. } => evidence_globs,
        _ => &[],
    };
    let of_evidence = |e: io::Error| format!("its evidence cannot be looked for: {e}");
    if !globs.is_empty() {
        artifacts::clear(on.dir, globs).map_err(of_evidence)?;
    }
    let room = Room::new(world, on.scratch).map_err(|e| format!("no folder for the check's HOME: {e}"))?;
    let env = environ::variables(&path, on.dir, &room.0, on.extra_env);
    let spec = Spec { argv: words, cwd: on.dir.to_owned(), env, stdin: stdin.clone().into_bytes(), ..Spec::default() };
    let bounds = Bounds { wall: Duration::from_secs(check.timeout_s().into()), idle: None, keep: KEEP };
    let done = match start(world, &spec, bounds).await {
        Ok(done) => done,
        Err(e) if !on.dir.is_dir() => return Err(format!("the checkout is gone: {e}")),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {
            let program = argv.first().map_or("sh", String::as_str);
            let (cause, detail) = red::spawn_failed(program, on.dir, &path, &e);
            return Ok(Ran::new(cause, detail));
        }
        Err(e) => return Err(format!("the program could not be run: {e}")),
    };
    let mut told = expect::failures(&expect, done.ended, &done.stdout, &done.stderr);
    let mut left = BTreeMap::new();
    if !globs.is_empty() {
        let (found, lacks) = artifacts::gather(on.dir, globs).map_err(of_evidence)?;
        left = found;
        told.extend(lacks);
    }
    let ran_to = |cause, detail| Ran { artifacts: left.clone(), ..Ran::of(cause, detail, &done) };
    if told.is_empty() && done.limit.is_none() {
        return Ok(ran_to(Cause::Holds, "everything it states holds".into()));
    }
    let ran = red::Ran {
        argv: shell.is_none().then_some(argv.as_slice()),
        shell,
        expect_exit: expect.exit,
        dir: on.dir,
        path: &path,
    };
    let (cause, why) = red::cause(&ran, &done);
    told.splice(0..0, why.map(|why| text::one_line(&why, 300)));
    let wrong_exit = done.ended != procs::Ended::Exit(expect.exit);
    if let Some(last) = wrong_exit.then(|| last_line(&done.stderr.bytes())).flatten() {
        told.push(format!("standard error ends with {last}"));
    }
    Ok(ran_to(cause, told.join("\n")))
}

/// Runs pytest and judges it by its report.
async fn evaluate_pytest(
    world: &World,
    check: &Check,
    selector: &str,
    on: On<'_>,
    path: OsString,
) -> Result<Ran, String> {
    let room = Room::new(world, on.scratch).map_err(|e| format!("no folder for the check's HOME: {e}"))?;
    let argv = pytest::command(selector, &room.0)?;
    let env = environ::variables(&path, on.dir, &room.0, on.extra_env);
    let spec = Spec { argv, cwd: on.dir.to_owned(), env, ..Spec::default() };
    let bounds = Bounds { wall: Duration::from_secs(check.timeout_s().into()), idle: None, keep: KEEP };
    let done = match start(world, &spec, bounds).await {
        Ok(done) => done,
        Err(e) if e.kind() == io::ErrorKind::NotFound && on.dir.is_dir() => {
            return Err("python3 is not on PATH, so the check could not run".into());
        }
        Err(e) => return Err(format!("pytest could not be run: {e}")),
    };
    let report = files::read_beneath(&room.0, pytest::REPORT.as_bytes(), pytest::MAX_REPORT);
    let report = report.ok().and_then(|(bytes, _)| String::from_utf8(bytes).ok());
    let (cause, detail) = pytest::judge(&done, report.as_deref(), selector, on.dir);
    Ok(Ran::of(cause, detail, &done))
}

/// Starts the program; a file that another thread's child still holds open for writing is waited for, shortly.
async fn start(world: &World, spec: &Spec, bounds: Bounds) -> io::Result<Finished> {
    let mut tries = 0;
    loop {
        match procs::run(world.procs.as_ref(), spec, bounds).await {
            Err(e) if e.kind() == io::ErrorKind::ExecutableFileBusy && tries < 20 => {
                tries += 1;
                world.clock.sleep(Duration::from_millis(5)).await;
            }
            other => return other,
        }
    }
}

/// A pattern of a spec, with a bound on what it may cost.
pub(super) fn pattern(text: &str) -> Result<regex::bytes::Regex, String> {
    let built = regex::bytes::RegexBuilder::new(text).size_limit(4 << 20).build();
    built.map_err(|e| format!("it is no pattern: {}", text::one_line(&e.to_string(), 300)))
}

/// The last line of an output, as a person reads it; none where there is none.
pub(super) fn last_line(stderr: &[u8]) -> Option<String> {
    let line = stderr.trim_ascii().rsplit(|b| *b == b'\n').next()?;
    (!line.is_empty()).then(|| expect::excerpt(line))
}

/// A folder for the HOME and TMPDIR of one check; gone with it.
struct Room(std::path::PathBuf);

impl Room {
    fn new(world: &World, scratch: &Path) -> io::Result<Room> {
        let room = Room(scratch.join(format!("check-{}", world.ids.hex(12)?)));
        std::fs::create_dir_all(room.0.join("home"))?;
        std::fs::create_dir_all(room.0.join("tmp"))?;
        Ok(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // What cannot be removed is swept with the workspaces of the run.
        let _ = files::remove_tree(&self.0);
    }
}

#[cfg(test)]
mod tests;
