//! `git otto status`: where a run stands. Derived from refs each time, never stored.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, RunId, SliceId, SpecId, Timestamp, text::{count, one_line}},
    cli::{
        Start,
        place::short,
        run::delivered,
        show::{Named, named, spec_in},
    },
    journal::{
        self,
        event::{BaselineCommand, Cost, Verdict},
        state::{Held, Phase, RunState, SliceState},
    },
    output::{Style, Ui},
    plan::{
        asked,
        model::{Plan, current, ordered},
        schedule::{self, Busy},
    },
    report::words,
    store::{
        Store,
        lease::{self, Owner, Tenure},
        record, run,
    },
    workspace,
};

/// Show where a run stands and what to do next.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the spec whose newest run is meant [default: the newest run]
    #[arg(value_name = "SPEC|RUN")]
    name: Option<String>,
}

/// Where things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    /// There is no spec.
    NoSpec,
    /// There are specs, but no run.
    NoRun,
    /// Somebody works on the run.
    Running,
    /// Nobody does, and it has not ended.
    Interrupted,
    /// Nobody does, since people keep it from going on.
    Paused,
    /// It has ended.
    Finished,
}

#[derive(Serialize)]
struct Status {
    schema: &'static str,
    standing: Standing,
    run: Option<RunId>,
    spec: Option<SpecId>,
    target: Option<String>,
    /// Whether what is checked out here contains what the run ended with.
    delivered: bool,
    /// The version of the spec that the run works on, or worked on last.
    version: Option<Oid>,
    /// The spec's newest record, where that is another one.
    amended: Option<Oid>,
    verdict: Option<Verdict>,
    why: Vec<String>,
    slices: Vec<Line>,
    owner: Option<OwnerLine>,
    resumes: u32,
    cost: Cost,
    /// That people keep the whole run from going on.
    paused: Option<Held>,
    /// What the project's own commands said of the base, where they were tried.
    baseline: Vec<BaselineCommand>,
    problems: Vec<String>,
    /// Specs that are not the run's.
    specs: Vec<SpecLine>,
    next: String,
}

#[derive(Serialize)]
struct Line {
    id: SliceId,
    title: String,
    phase: Phase,
    attempts: usize,
    reason: Option<String>,
    landing: Option<Oid>,
    /// That a person keeps it from going on: who, since when and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    paused: Option<Held>,
    /// The agent that is at work on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<Agent>,
    /// Whether a person had it begin anew.
    retried: bool,
    /// Where a person works on it, and how they hand it in; none where it waits for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<Waits>,
}

#[derive(Serialize)]
struct Agent {
    provider: String,
    attempt: u32,
    since: Option<Timestamp>,
}

#[derive(Serialize)]
struct Waits {
    workspace: PathBuf,
    /// The file that says what is to be done.
    task: PathBuf,
    command: String,
}

#[derive(Serialize)]
struct OwnerLine {
    /// live, dead, elsewhere or expired.
    state: &'static str,
    pid: i32,
    host: String,
    since: Timestamp,
}

#[derive(Serialize)]
struct SpecLine {
    id: SpecId,
    phase: record::Phase,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let id = match &args.name {
        None => run::latest(&store.repo)?,
        Some(name) => match named(&store.repo, Some(name))? {
            Named::Run(id) => Some(id),
            Named::Spec { id, .. } => match run::newest(&store.repo, &id)? {
                Some(run) => Some(run),
                None => return tell(start, &without_run(&store, Some(&id))?),
            },
        },
    };
    let status = match id {
        Some(id) => of_run(&store, id)?,
        None => without_run(&store, None)?,
    };
    tell(start, &status)
}

fn without_run(store: &Store, only: Option<&SpecId>) -> Result<Status, Failure> {
    let mut specs = Vec::new();
    for (id, tip) in record::list(&store.repo)?.into_iter().filter(|(id, _)| only.is_none_or(|o| o == id)) {
        let phase = record::load(&store.repo, tip)?.record.kind.phase();
        specs.push(SpecLine { id, phase });
    }
    let next = match specs.first() {
        None => "git otto run <intent.md>".to_owned(),
        Some(s) if s.phase == record::Phase::Draft => format!("git otto approve {}", s.id),
        Some(s) => format!("git otto run {}", s.id),
    };
    let standing = if specs.is_empty() { Standing::NoSpec } else { Standing::NoRun };
    Ok(Status {
        schema: "otto.status/1",
        standing,
        run: None,
        spec: None,
        target: None,
        delivered: false,
        version: None,
        amended: None,
        verdict: None,
        why: Vec::new(),
        slices: Vec::new(),
        owner: None,
        resumes: 0,
        cost: Cost::default(),
        paused: None,
        baseline: Vec::new(),
        problems: Vec::new(),
        specs,
        next,
    })
}

fn of_run(store: &Store, id: RunId) -> Result<Status, Failure> {
    let repo = &store.repo;
    let (at, anchor) = run::load(repo, &id).map_err(|e| Failure { hint: Some("git otto status".into()), ..e.into() })?;
    // The owner first: what is read later is no older, so a run that ends meanwhile is never shown as left.
    let owner = lease::owner(store, &id)?;
    let state = journal::read(repo, &id, at)?.state;
    let version = state.spec().unwrap_or(anchor.spec_commit);
    let plan = Plan::new(version, spec_in(repo, version)?, anchor.limits);
    let tip = record::tip(repo, id.spec())?;
    let amended = tip.filter(|tip| *tip != version);
    let still = asked::standstill(&plan, &state).filter(|_| schedule::next(&plan, &state, &Busy::default()).is_empty());
    let standing = match (&state.finished, &owner) {
        (Some(_), _) => Standing::Finished,
        (None, Owner::Live(_) | Owner::Elsewhere(_)) => Standing::Running,
        (None, _) if still.is_some() => Standing::Paused,
        (None, _) => Standing::Interrupted,
    };
    let landed = state.finished.as_ref().filter(|_| !state.landings.is_empty()).map(|end| end.target);
    let delivered = landed.map(|commit| delivered(store, commit)).transpose()?;
    let next = match (standing, &owner) {
        (Standing::Finished, _) if amended.is_some() => format!("git otto run {}", id.spec()),
        (Standing::Finished, _) if delivered == Some(false) => format!("git otto deliver {}", id.spec()),
        (Standing::Finished, _) => format!("git otto show {id}"),
        (Standing::Running, Owner::Elsewhere(_)) => format!("git otto resume --take-over {id}, only if that machine is gone"),
        (Standing::Running, _) => format!("git otto status {id}"),
        _ => match still.as_ref().and_then(|s| s.slice.as_ref()) {
            Some(slice) => format!("git otto resume {slice} --run {id}"),
            None => format!("git otto resume {id}"),
        },
    };
    let others = record::list(repo)?.into_iter().filter(|(other, _)| other != id.spec());
    let mut specs = Vec::new();
    for (other, tip) in others {
        let phase = record::load(repo, tip)?.record.kind.phase();
        specs.push(SpecLine { id: other, phase });
    }
    Ok(Status {
        schema: "otto.status/1",
        standing,
        spec: Some(id.spec().clone()),
        target: Some(anchor.target),
        delivered: delivered.unwrap_or(false),
        version: Some(version),
        amended,
        verdict: state.finished.as_ref().map(|f| f.verdict),
        why: state.finished.as_ref().map(|f| f.why.clone()).unwrap_or_default(),
        slices: lines(&plan, &state, standing, &workspace::root(&store.world, repo)?.join(id.as_str())),
        owner: owner_line(owner),
        resumes: state.resumes,
        cost: state.cost,
        paused: state.paused.filter(|_| state.finished.is_none()),
        baseline: state.baseline,
        problems: state.problems,
        specs,
        next,
        run: Some(id),
    })
}

fn lines(plan: &Plan, state: &RunState, standing: Standing, root: &Path) -> Vec<Line> {
    // Whoever was at work for a process that is gone is not any more.
    let at_work = |now: &SliceState| standing == Standing::Running && now.phase == Phase::Building;
    let line = |s: &crate::spec::model::Slice| {
        let now = current(plan, state, &s.id);
        Line {
            id: s.id.clone(),
            title: s.title.clone(),
            phase: now.phase,
            attempts: now.attempts.len(),
            reason: reason(now),
            landing: now.landing,
            paused: state.held.get(&s.id).filter(|_| !now.phase.is_final()).cloned(),
            agent: now.open_attempt().filter(|a| !a.agent_ended && at_work(now)).map(|a| Agent {
                provider: a.provider.clone(),
                attempt: a.n,
                since: a.began,
            }),
            retried: now.retried.is_some(),
            waits: now.by_hand().filter(|_| state.finished.is_none()).map(|_| {
                let (workspace, task) = workspace::theirs(root, &s.id);
                Waits { workspace, task, command: format!("git otto submit {}", s.id) }
            }),
        }
    };
    ordered(plan, state).into_iter().map(line).collect()
}

/// Why a slice stands where it stands, where that needs telling.
fn reason(now: &SliceState) -> Option<String> {
    if let Some(wait) = now.waits_for() {
        return Some(format!("set aside: it waits for `{}`, which owns `{}`", wait.owner, wait.path));
    }
    let failed = now.in_task().attempts.iter().rev().find_map(|a| a.failed.clone());
    if let Some(task) = &now.task {
        let why = failed.map(|(why, _)| format!("; the last attempt at that: {}", words::attempt_failure(why)));
        return Some(format!("changes `{}` for others{}", task.path, why.unwrap_or_default()));
    }
    match (&now.blocked, &now.redundant, now.phase) {
        (Some((why, detail)), _, _) => Some(format!("{}: {detail}", words::block(*why))),
        (_, Some(why), _) => Some(why.clone()),
        (_, _, Phase::Landed) => None,
        _ => {
            let (why, detail) = now.attempts.iter().rev().find_map(|a| a.failed.as_ref())?;
            Some(format!("last attempt failed: {}: {detail}", words::attempt_failure(*why)))
        }
    }
}

fn owner_line(owner: Owner) -> Option<OwnerLine> {
    let line = |state, t: Tenure| Some(OwnerLine { state, pid: t.proc.pid, host: t.host, since: t.started });
    match owner {
        Owner::None => None,
        Owner::Live(t) => line("live", t),
        Owner::Dead(t) => line("dead", t),
        Owner::Elsewhere(t) => line("elsewhere", t),
        Owner::Expired(t) => line("expired", t),
    }
}

fn tell(start: &Start, s: &Status) -> Result<Exit, Failure> {
    let ui = &*start.ui;
    if ui.is_json() {
        ui.answer_json(s)?;
        return Ok(Exit::Done);
    }
    let Some(run) = &s.run else { return Ok(tell_without_run(ui, s)?) };
    let (style, word) = match (s.standing, s.verdict) {
        (Standing::Finished, Some(Verdict::Passed)) => (Style::Good, "finished, passed"),
        (Standing::Finished, Some(Verdict::Partial)) => (Style::Warn, "finished, partial"),
        (Standing::Finished, _) => (Style::Bad, "finished, blocked"),
        (Standing::Running, _) => (Style::Good, "running"),
        (Standing::Paused, _) => (Style::Warn, "paused"),
        _ => (Style::Warn, "interrupted"),
    };
    ui.answer(&format!("{}: {}\n", ui.paint_answer(Style::Bold, run.as_str()), ui.paint_answer(style, word)))?;
    for why in &s.why {
        ui.answer(&format!("  {}\n", one_line(why, 200)))?;
    }
    let width = s.slices.iter().map(|l| l.id.as_str().len()).max().unwrap_or(0).min(24);
    for l in &s.slices {
        ui.answer(&slice_line(ui, l, width))?;
        if let Some(Waits { workspace, task, command }) = &l.waits {
            ui.answer(&format!("  {:width$}    waits for you in {}\n", "", workspace.display()))?;
            ui.answer(&format!("  {:width$}    what is to be done: {}\n", "", task.display()))?;
            ui.answer(&format!("  {:width$}    when it is done: {command}\n", ""))?;
        }
    }
    if s.standing == Standing::Finished {
        ui.answer(&format!("packet: git otto report {run} --open, or --format html -o packet.html\n"))?;
    }
    let target = s.target.as_deref().unwrap_or_default();
    let delivered = if s.delivered { ", delivered into what is checked out here" } else { "" };
    ui.answer(&format!("target: {}{delivered}\n", short(target)))?;
    if let (Some(to), Some(version)) = (s.amended, s.version) {
        let when = if s.standing == Standing::Finished { "" } else { ", which the run takes up next" };
        ui.answer(&format!("spec: amended to {} since {}{when}\n", to.short(), version.short()))?;
    }
    if let Some(o) = &s.owner {
        let (pid, host, since) = (o.pid, one_line(&o.host, 80), o.since.human());
        let state = match o.state {
            "live" => "alive",
            "dead" => "gone",
            "elsewhere" => "on another machine, gave a sign of life lately",
            _ => "on another machine, silent for too long",
        };
        ui.answer(&format!("owner: process {pid} on {host} since {since} ({state})\n"))?;
    }
    if let Some(held) = &s.paused {
        ui.answer(&format!("{}\n", held.words()))?;
    }
    let red: Vec<String> = s.baseline.iter().filter(|c| !c.passed).map(|c| one_line(&c.command.join(" "), 80)).collect();
    if !s.baseline.is_empty() {
        let green = s.baseline.len() - red.len();
        let red = if red.is_empty() { String::new() } else { format!("; red: {}", red.join(", ")) };
        ui.answer(&format!("baseline: {green} of {} green{red}\n", count(s.baseline.len(), "command")))?;
    }
    for problem in &s.problems {
        ui.answer(&format!("{} {}\n", ui.paint_answer(Style::Bad, "problem:"), one_line(problem, 300)))?;
    }
    if !s.specs.is_empty() {
        let names: Vec<&str> = s.specs.iter().map(|s| s.id.as_str()).collect();
        ui.answer(&format!("other specs: {}\n", names.join(", ")))?;
    }
    ui.answer(&format!("next: {}\n", s.next))?;
    Ok(Exit::Done)
}

fn tell_without_run(ui: &Ui, s: &Status) -> std::io::Result<Exit> {
    if s.specs.is_empty() {
        ui.answer("no spec here yet\n")?;
        ui.answer("to see an example built in a new repository: git otto demo\n")?;
    }
    for spec in &s.specs {
        let phase = match spec.phase {
            record::Phase::Draft => "draft, not approved",
            record::Phase::Approved => "approved, no run yet",
            record::Phase::Closed => "closed",
        };
        ui.answer(&format!("{}: {phase}\n", spec.id))?;
    }
    ui.answer(&format!("next: {}\n", s.next))?;
    Ok(Exit::Done)
}

fn slice_line(ui: &Ui, l: &Line, width: usize) -> String {
    let style = match l.phase {
        Phase::Landed | Phase::Redundant => Style::Good,
        Phase::Blocked => Style::Bad,
        Phase::Pending => Style::Dim,
        _ => Style::Warn,
    };
    let phase = ui.paint_answer(style, &format!("{:21}", words::phase(l.phase)));
    let attempts = match l.attempts {
        0 => String::new(),
        1 => "1 attempt".to_owned(),
        n => format!("{n} attempts"),
    };
    let attempts = if l.retried { format!("{attempts}, retried") } else { attempts };
    let at_work = l.agent.as_ref().filter(|_| l.waits.is_none()).map(|a| {
        let since = a.since.map(|at| format!(" since {}", at.human())).unwrap_or_default();
        format!("{} at work{since}", one_line(&a.provider, 60))
    });
    let words = [l.paused.as_ref().map(Held::words), at_work, l.reason.as_deref().map(|r| one_line(r, 160))];
    let words: Vec<String> = words.into_iter().flatten().collect();
    let reason = if words.is_empty() { String::new() } else { format!("  {}", words.join("; ")) };
    format!("  {:width$}  {phase}  {attempts:11}{reason}", l.id.as_str()).trim_end().to_owned() + "\n"
}
