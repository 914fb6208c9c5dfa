//! `git otto queue`: the slices of a run that are still to land, in the order in which they come, and another order of them.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, RunId, SliceId, text::count},
    cli::{
        Start,
        asking::{Asked, Known, Said},
        place::short,
        show::run_named,
        why::{owned_by, sentence, who_works},
    },
    journal::state::{FIRST, Held, Phase},
    plan::{
        turns::{Turn, turns},
        why::{Because, Standing},
    },
    report::words,
    store::{Store, lease},
};

/// Show which slices are still to land, in the order in which they come: what is under test on what, and what waits for what.
/// With --first, have slices come before all others, in that order, also in a run that another process works on: they are
/// built and tested first. What is under test by then stays where it is, and what a slice needs comes before it as ever.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the spec whose newest run is meant [default: the newest run; with --first, the newest with those slices]
    #[arg(value_name = "SPEC|RUN")]
    name: Option<String>,
    /// Have these slices come first, in this order
    #[arg(long, value_name = "SLICE", num_args = 1..)]
    first: Vec<SliceId>,
    /// Why they come first
    #[arg(long, short = 'm', value_name = "REASON", requires = "first")]
    message: Option<String>,
    /// Say what would be done; do nothing
    #[arg(long, short = 'n', requires = "first")]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    standing: Standing,
    /// Who works on the run, or did last.
    owner: Option<&'a str>,
    /// That people keep the whole run from going on.
    paused: Option<&'a Held>,
    /// What was asked for here, and what came of it.
    asked: &'a [Asked],
    /// How many slices have landed and are not changed again.
    landed: usize,
    /// The slices that are still to land, in the order in which they come.
    turns: &'a [Turn],
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let (id, asked) = match args.first.is_empty() {
        true => (run_named(&store.repo, args.name.as_deref())?, Vec::new()),
        false => first(&args, start, &store)?,
    };
    // The owner first: a run that ends meanwhile is never told as left.
    let owner = lease::owner(&store, &id)?;
    let known = Known::load(&store, id)?;
    let standing = known.standing(&owner);
    let tips = known.tips(&store)?;
    let turns = turns(known.sight(standing, &tips));
    let owner = owned_by(&owner);
    if start.ui.is_json() {
        start.ui.answer_json(&Answer {
            schema: "otto.queue/1",
            run: &known.id,
            standing,
            owner: owner.as_deref(),
            paused: known.state.paused.as_ref().filter(|_| standing != Standing::Finished),
            asked: &asked,
            landed: landed(&known),
            turns: &turns,
        })?;
    }
    known.told(start, &asked, args.dry_run)?;
    if !start.ui.is_json() {
        tell(start, &known, &turns, who_works(standing, owner.as_deref()))?;
    }
    Ok(Exit::Done)
}

/// Has slices come first, whoever works on their run.
fn first(args: &Args, start: &Start, store: &Store) -> Result<(RunId, Vec<Asked>), Failure> {
    // Whoever is asked for last comes first.
    let mut slices: Vec<SliceId> = Vec::new();
    for slice in &args.first {
        if !slices.contains(slice) {
            slices.insert(0, slice.clone());
        }
    }
    let list = args.first.iter().map(SliceId::as_str).collect::<Vec<_>>().join(" ");
    let known = match &args.name {
        Some(name) => Known::load(store, run_named(&store.repo, Some(name))?)?,
        None => {
            let typed = |run: &RunId| format!("git otto queue {run} --first {list}");
            Known::with(Known::candidates(store, None)?, &slices, typed)?
        }
    };
    let said = Said { run: None, message: args.message.clone(), dry_run: args.dry_run };
    let mut asked = known.have(start, store, FIRST, &slices, &said)?;
    asked.reverse();
    Ok((known.id, asked))
}

fn landed(known: &Known) -> usize {
    known.plan.spec.slices.iter().filter(|s| known.slice(&s.id).phase == Phase::Landed).count()
}

fn tell(start: &Start, known: &Known, turns: &[Turn], who: Option<String>) -> Result<(), Failure> {
    let ui = &start.ui;
    let landed = count(landed(known), "slice");
    let target = short(&known.target);
    let left = if turns.is_empty() { "nothing is left to land".into() } else { format!("{} still to land", turns.len()) };
    ui.answer(&format!("{}: {landed} landed on {target}, {left}\n", known.id))?;
    let width = turns.iter().map(|t| t.slice.as_str().len()).max().unwrap_or(0).min(24);
    let digits = turns.len().to_string().len();
    for (n, turn) in turns.iter().enumerate() {
        let keeps = match turn.because.as_slice() {
            [] => vec![Because::Ready],
            some => some.to_vec(),
        };
        let keeps: Vec<String> = keeps.iter().map(|because| sentence(&known.id, target, because)).collect();
        let phase = words::phase(turn.phase);
        let line = format!("  {:>digits$}. {:width$}  {phase:14}  {}", n + 1, turn.slice.as_str(), keeps.join("; "));
        ui.answer(&format!("{}\n", line.trim_end()))?;
    }
    if let Some(who) = who {
        ui.answer(&format!("{who}\n"))?;
    }
    Ok(())
}
