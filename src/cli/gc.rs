//! `git otto gc`: removes what nobody needs any more, and says what it keeps and why.

mod sweep;

use std::path::Path;

use serde::Serialize;

use crate::{
    base::{Exit, Failure, RunId},
    cli::{Start, discard},
    gate,
    git::{Old, Swap},
    store::{Store, names, run},
    workspace,
};
use sweep::Sweep;

/// Remove what nobody needs any more of finished and of dead runs, and say what is kept and why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Say what would be removed; remove nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// What `git maintenance` may do: no object ever goes. The second wants a pack, which the first makes.
const MAINTENANCE: [&str; 2] = ["--task=loose-objects", REPACK];
const REPACK: &str = "--task=incremental-repack";

/// How old something must be before it goes, days.
struct Days {
    /// What agents printed.
    transcripts: i64,
    /// Ways back of deliveries and recoveries.
    undo: i64,
}

impl Days {
    fn of(store: &Store) -> Result<Days, Failure> {
        let days = |key: &str| match store.repo.config_int(key)? {
            None => Ok(90),
            Some(n) if n >= 0 => Ok(n),
            Some(n) => Err(Failure::new(Exit::Usage, format!("{key} is {n}; it must be at least 0"))
                .hint(format!("git config {key} 90"))),
        };
        Ok(Days { transcripts: days("otto.gc.transcripts")?, undo: days("otto.gc.undo")? })
    }
}

/// What a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// A folder in which an agent or a person worked.
    Workspace,
    /// A checkout for checks.
    Checkout,
    /// What an agent printed, or a conversation with a model.
    Transcript,
    /// What a setup installed.
    Setup,
    /// A ref.
    Ref,
    /// The record of a lock.
    Lock,
    /// A run as a whole.
    Run,
}

/// One thing, and why it goes or stays.
#[derive(Serialize)]
struct Item {
    what: What,
    name: String,
    why: String,
}

#[derive(Serialize)]
struct Answer {
    schema: &'static str,
    /// Whether nothing was removed.
    dry_run: bool,
    removed: Vec<Item>,
    kept: Vec<Item>,
    /// The command that brings removed refs back.
    restore: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let mut sweep = Sweep::new(&store, Days::of(&store)?, args.dry_run);
    let root = workspace::root(&store.world, &store.repo)?;
    let known = run::list(&store.repo, None)?;
    let mut runs = known.clone();
    runs.extend(folders(&root)?.into_iter().filter(|id| !known.contains(id)));
    runs.sort_by(|a, b| (a.spec(), a.as_str()).cmp(&(b.spec(), b.as_str())));
    for of_spec in runs.chunk_by(|a, b| a.spec() == b.spec()) {
        sweep.spec(of_spec, &known, &root)?;
    }
    sweep.ways_back(names::rescues_prefix())?;
    sweep.ways_back(names::undos_prefix())?;
    sweep.setups(&gate::cache(&store.world, &store.repo)?)?;
    sweep.locks()?;
    let (removed, kept, edits) = sweep.done();
    let mut restore = None;
    if !args.dry_run {
        if !edits.is_empty() {
            let refs = edits.iter().filter_map(|e| match e.old {
                Old::Is(id) => Some((e.name.as_str(), id)),
                _ => None,
            });
            let undo = discard::keep_undo(&store, "gc", refs)?;
            if let Swap::Lost { name, .. } = store.swap(&edits, "gc")? {
                let text = format!("{name} was moved by somebody else, and no ref was removed");
                return Err(Failure::new(Exit::Locked, text).hint("git otto gc"));
            }
            restore = Some(format!("git update-ref --stdin < '{}'", undo.display()));
        }
        store.repo.remove_leftovers();
        for task in MAINTENANCE {
            if task != REPACK || has_packs(&store) {
                store.repo.git(&["maintenance", "run", "--quiet", task], None)?.ok()?;
            }
        }
    }
    let answer = Answer { schema: "otto.gc/1", dry_run: args.dry_run, removed, kept, restore };
    tell(start, &answer)?;
    Ok(Exit::Done)
}

fn has_packs(store: &Store) -> bool {
    let packs = std::fs::read_dir(store.repo.common_dir().join("objects/pack"));
    packs.into_iter().flatten().flatten().any(|e| e.path().extension().is_some_and(|ext| ext == "pack"))
}

/// The runs that have a folder of workspaces.
fn folders(root: &Path) -> Result<Vec<RunId>, Failure> {
    let entries = match std::fs::read_dir(root) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    Ok(entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect())
}

fn tell(start: &Start, answer: &Answer) -> Result<(), Failure> {
    if start.ui.is_json() {
        return Ok(start.ui.answer_json(answer)?);
    }
    let verb = if answer.dry_run { "would remove" } else { "removed" };
    for (verb, items) in [(verb, &answer.removed), ("kept", &answer.kept)] {
        for Item { name, why, .. } in items {
            start.ui.answer(&format!("{verb}: {name}: {why}\n"))?;
        }
    }
    if answer.removed.is_empty() {
        start.ui.answer("nothing to remove\n")?;
    }
    if let Some(restore) = &answer.restore {
        start.ui.say(&format!("to bring the refs back, until git collects what no ref names: {restore}"))?;
    }
    Ok(())
}
