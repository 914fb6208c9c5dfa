//! `git otto discard`: removes everything that is kept of a run, or of a spec that is a draft or closed.

use std::{io::Write as _, path::PathBuf};

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Point, RunId, SpecId, files::remove_tree, scratch},
    cli::{
        Start, session,
        show::{Named, named},
    },
    git::{Old, RefEdit, Swap},
    report,
    store::{
        Store,
        lease::{self, Owner},
        names,
        record::{self, Phase},
        run,
    },
};

/// Remove everything that is kept of a run, or of a spec that is a draft or closed. Branches stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run or the spec
    #[arg(value_name = "RUN|SPEC")]
    name: String,
    /// Remove without asking
    #[arg(long, short)]
    yes: bool,
    /// List what would be removed; remove nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    name: &'a str,
    /// Whether they are gone.
    removed: bool,
    refs: &'a [Ref],
    folders: &'a [PathBuf],
    /// The command that brings the refs back.
    restore: Option<String>,
}

#[derive(Serialize)]
struct Ref {
    name: String,
    id: Oid,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let (spec, whole) = match named(&store.repo, Some(&args.name))? {
        Named::Run(id) => (id.spec().clone(), Some(id)),
        Named::Spec { id, back: 0 } => (id, None),
        Named::Spec { id, .. } => {
            let text = "one version of a spec cannot be removed: its history only grows";
            return Err(Failure::new(Exit::Usage, text).hint(format!("git otto log {id}    (all versions)")));
        }
    };
    // Whoever works on the spec holds this lock.
    let held = lease::lock_spec(&store, &spec, "git otto discard")?;
    let runs = match whole {
        Some(id) => vec![id],
        None => run::list(&store.repo, Some(&spec))?,
    };
    let refs = refs(&store, &args.name, &spec, &runs)?;
    let folders = folders(start, &store, &runs)?;
    let answer = |removed, restore| Answer {
        schema: "otto.discard/1",
        name: &args.name,
        removed,
        refs: &refs,
        folders: &folders,
        restore,
    };
    if !start.ui.is_json() {
        for Ref { name, id } in &refs {
            start.ui.answer(&format!("{id} {name}\n"))?;
        }
        for folder in &folders {
            start.ui.answer(&format!("{}\n", folder.display()))?;
        }
    }
    if args.dry_run {
        if start.ui.is_json() {
            start.ui.answer_json(&answer(false, None))?;
        }
        return Ok(Exit::Done);
    }
    if !args.yes {
        let refused = || {
            Failure::new(Exit::Refused, format!("nothing of {} was removed", args.name))
                .hint(format!("git otto discard --yes {}", args.name))
        };
        if !start.ui.can_ask() {
            return Err(refused());
        }
        match start.ui.ask(&format!("remove these {}? [y]es, [n]o: ", refs.len()))?.to_lowercase().as_str() {
            "y" | "yes" => {}
            _ => return Err(refused()),
        }
    }
    let undo = keep_undo(&store, &args.name, refs.iter().map(|r| (r.name.as_str(), r.id)))?;
    start.world.faults.hit(Point::DiscardBefore)?;
    // Folders first: once the refs are gone, nothing leads to the folders any more.
    for folder in &folders {
        remove_tree(folder)?;
    }
    start.world.faults.hit(Point::DiscardBeforeRefs)?;
    let edits: Vec<RefEdit> =
        refs.iter().map(|r| RefEdit { name: r.name.clone(), old: Old::Is(r.id), new: None }).collect();
    if let Swap::Lost { name, .. } = store.swap(&edits, &format!("discard {}", args.name))? {
        let text = format!("{name} was moved by somebody else, and no ref was removed");
        return Err(Failure::new(Exit::Locked, text).hint(format!("git otto discard {}", args.name)));
    }
    drop(held);
    let restore = format!("git update-ref --stdin < '{}'", undo.display());
    if start.ui.is_json() {
        start.ui.answer_json(&answer(true, Some(restore)))?;
    } else {
        let n = refs.len();
        start.ui.answer(&format!("removed: {n} ref{} of {}\n", if n == 1 { "" } else { "s" }, args.name))?;
        start.ui.say(&format!("to bring them back, until git collects what no ref names: {restore}"))?;
    }
    Ok(Exit::Done)
}

/// Everything that is to be removed; refuses what is in use.
fn refs(store: &Store, name: &str, spec: &SpecId, runs: &[RunId]) -> Result<Vec<Ref>, Failure> {
    let mut found = Vec::new();
    for id in runs {
        if let Owner::Live(t) | Owner::Elsewhere(t) = lease::owner(store, id)? {
            let text = format!("the run {id} is worked on by {t}");
            return Err(Failure::new(Exit::Locked, text).hint(format!("git otto status {id}")));
        }
        found.extend(run::refs(&store.repo, id)?);
    }
    if name == spec.as_str() {
        let tip = record::tip(&store.repo, spec)?;
        let phase = tip.map(|tip| record::load(&store.repo, tip)).transpose()?.map(|s| s.record.kind.phase());
        if phase == Some(Phase::Approved) {
            let text = format!("the spec {spec} is approved, and not closed");
            return Err(Failure::new(Exit::Refused, text).hint(format!("git otto close {spec}")));
        }
        found.extend(tip.map(|tip| (names::spec(spec), tip)));
    }
    if found.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("there is nothing of {name} here")).hint("git otto status"));
    }
    Ok(found.into_iter().map(|(name, id)| Ref { name, id }).collect())
}

/// What lies outside of the refs: workspaces, transcripts and packets, which are copies or worthless without them.
fn folders(start: &Start, store: &Store, runs: &[RunId]) -> Result<Vec<PathBuf>, Failure> {
    let mut out = Vec::new();
    for id in runs {
        out.push(session::run_root(start, store, id)?);
        out.push(report::folder(&store.repo, id));
    }
    out.retain(|folder| folder.is_dir());
    Ok(out)
}

/// Writes down what git needs to make the refs again, before they go.
pub fn keep_undo<'r>(
    store: &Store,
    name: &str,
    refs: impl Iterator<Item = (&'r str, Oid)>,
) -> Result<PathBuf, Failure> {
    let dir = store.repo.common_dir().join("otto/discarded");
    std::fs::create_dir_all(&dir)?;
    let lines: String = refs.map(|(name, id)| format!("create {name} {id}\n")).collect();
    let mut file = scratch::file_in(&dir, 0o600)?;
    file.write_all(lines.as_bytes())?;
    file.as_file().sync_all()?;
    let path = dir.join(format!("{name}-{}", store.world.clock.now().millis()));
    file.persist(&path).map_err(|e| e.error)?;
    Ok(path)
}
