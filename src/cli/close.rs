//! `git otto close`: a finished spec is archived.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, RunId, SpecId},
    cli::{
        Start,
        resume::is_finished,
        session::approved,
        working_copy::{self, Copy},
    },
    store::{
        Store, lease, names,
        record::{self, By, Kind, NewRecord, Phase},
        run,
    },
};

/// Archive a finished spec: it changes no more, and is built no more.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec
    #[arg(value_name = "SPEC")]
    spec: SpecId,
    /// Why [default: it is finished]
    #[arg(long, short = 'm', value_name = "REASON", default_value = "Finished.")]
    reason: String,
    /// Remove the checked-in copy of the spec from this checkout, too
    #[arg(long)]
    write: bool,
    /// Say what would be done; do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    /// The record that closes it; none where that is not written.
    commit: Option<Oid>,
    new: bool,
    left: Left,
}

/// What is left of a closed spec.
#[derive(Serialize)]
struct Left {
    runs: Vec<RunId>,
    /// The branch that it landed on by default.
    branch: Option<String>,
    /// The copy in this checkout.
    working_copy: Copy,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    store.repo.identity(start.world.clock.now())?;
    let id = &args.spec;
    // A run of it holds this lock as long as it lives.
    let _held = lease::lock_spec(&store, id, "git otto close")?;
    let none = || Failure::new(Exit::Usage, format!("there is no spec {id} here")).hint("git otto status");
    let tip = record::tip(&store.repo, id)?.ok_or_else(none)?;
    let (spec, stored) = approved(&store, tip)?;
    let runs = run::list(&store.repo, Some(id))?;
    match stored.record.kind.phase() {
        Phase::Draft => {
            let text = format!("the spec {id} is a draft: there is nothing to archive");
            return Err(Failure::new(Exit::Refused, text).hint(format!("git otto discard {id}")));
        }
        Phase::Approved => refuse_unfinished(&store, id, &runs)?,
        Phase::Closed => {}
    }
    let new = NewRecord {
        kind: Kind::Close,
        by: By::User,
        title: &spec.title,
        reason: &args.reason,
        trigger: None,
        tier: None,
        content: None,
        cost: None,
        merges: None,
    };
    let done = if args.dry_run { None } else { Some(record::append(&store, id, new, Some(tip))?) };
    let working_copy = working_copy::remove(&store.repo, id, tip, args.write && done.is_some())?;
    let branch = names::default_branch(id);
    let branch = store.repo.refs().read(&branch)?.is_some().then_some(branch);
    tell(start, id, done, Left { runs, branch, working_copy })
}

/// What was begun is gone on with or discarded first.
fn refuse_unfinished(store: &Store, id: &SpecId, runs: &[RunId]) -> Result<(), Failure> {
    let mut open = Vec::new();
    for run in runs {
        if !is_finished(store, run)? {
            open.push(run);
        }
    }
    let Some(run) = open.first() else { return Ok(()) };
    let (n, s) = (open.len(), if open.len() == 1 { " is" } else { "s are" });
    let hint = format!("to go on: git otto resume {run}\nto give it up: git otto discard {run}");
    Err(Failure::new(Exit::Refused, format!("{n} run{s} unfinished: the spec {id} is not closed")).hint(hint))
}

fn tell(start: &Start, id: &SpecId, done: Option<record::Appended>, left: Left) -> Result<Exit, Failure> {
    if start.ui.is_json() {
        let (commit, new) = (done.map(|d| d.commit), done.is_some_and(|d| d.new));
        start.ui.answer_json(&Answer { schema: "otto.close/1", spec: id, commit, new, left })?;
        return Ok(Exit::Done);
    }
    match done {
        None => start.ui.answer(&format!("would be closed: spec {id}; nothing was written\n"))?,
        Some(d) if d.new => start.ui.answer(&format!("closed: spec {id} at {}\n", d.commit.short()))?,
        Some(d) => start.ui.answer(&format!("closed before: spec {id} at {}\n", d.commit.short()))?,
    }
    if let Some(branch) = &left.branch {
        start.ui.say(&format!("left: the branch {}", branch.strip_prefix("refs/heads/").unwrap_or(branch)))?;
    }
    let copy = names::working_copy(id);
    match left.working_copy {
        Copy::Removed => start.ui.say(&format!("removed: {copy}"))?,
        Copy::Edited => start.ui.say(&format!("left: {copy}, which holds edits that are in no version of the spec"))?,
        Copy::None => {}
        Copy::Current | Copy::Written => {
            start.ui.say(&format!("left: {copy}; to remove it: git otto close {id} --write"))?;
        }
    }
    if !left.runs.is_empty() {
        let (n, s) = (left.runs.len(), if left.runs.len() == 1 { "" } else { "s" });
        start.ui.say(&format!("left: {n} run{s} with all evidence; to remove that: git otto discard {id}"))?;
    }
    Ok(Exit::Done)
}
