//! What taking a run up would do, found without owning it: `git otto resume -n`, and what `resume` says before it acts.

use serde::Serialize;

use crate::{
    base::{Failure, RunId, SliceId, text::one_line},
    cli::{Start, session, show::spec_in},
    journal::{self, state::RunState},
    plan::{
        model::{
            Plan, current,
            lane::{self, Entries, Move},
        },
        schedule::{self, Busy, Step},
    },
    recover,
    store::{
        Store, claim,
        lease::{self, Owner},
        run,
    },
};

/// What would be done.
#[derive(Debug, Serialize)]
pub struct Foreseen<'a> {
    schema: &'static str,
    /// Which run.
    pub run: &'a RunId,
    /// Who works on it now: nothing is done as long as they do.
    pub owner: Option<String>,
    /// The remote at which machines tell each other who works on a run, where there is one: nobody asks it here.
    pub unasked: Option<String>,
    /// What is put right first, one sentence each.
    repairs: Vec<String>,
    /// What can be done then, one sentence each; later steps follow from what comes of these.
    steps: Vec<String>,
}

impl Foreseen<'_> {
    /// All of it, one line each.
    pub fn lines(&self) -> impl Iterator<Item = &String> {
        self.repairs.iter().chain(&self.steps)
    }
}

/// Compares what is recorded of a run with git and with what runs; changes nothing.
pub fn foresee<'a>(start: &Start, store: &Store, id: &'a RunId) -> Result<Foreseen<'a>, Failure> {
    let (at, anchor) = run::load(&store.repo, id)?;
    let mut state = journal::read(&store.repo, id, at)?.state;
    // Whoever takes it up ends the pause.
    state.paused = None;
    let version = state.spec().unwrap_or(anchor.spec_commit);
    let plan = Plan::new(version, spec_in(&store.repo, version)?, anchor.limits);
    let owner = match lease::owner(store, id)? {
        Owner::Live(t) => Some(t.to_string()),
        Owner::Elsewhere(t) => Some(format!("{t}, on another machine that gave a sign of life lately")),
        Owner::None | Owner::Dead(_) | Owner::Expired(_) => None,
    };
    let unasked = claim::remote(&store.repo)?;
    let tip = run::target(&store.repo, id)?.unwrap_or(anchor.base);
    let root = session::run_root(start, store, id)?;
    // What runs there is at work as long as its owner is.
    let found = match owner {
        Some(_) => recover::Repairs::default(),
        None => recover::examine(&store.repo, &root, &plan, &state, tip)?,
    };
    let tried = lane::next(&plan, &state, tip, &Entries::default(), lane::MAX_DEPTH);
    let tried = tried.iter().filter_map(|m| match m {
        Move::Try(entry, _) if !found.landed.contains(&entry.slice) => {
            Some(format!("merge what passed for `{}`, test exactly that, and land it", entry.slice))
        }
        _ => None,
    });
    let steps = schedule::next(&plan, &state, &Busy::default());
    let steps = tried.chain(steps.iter().map(|step| words(&plan, &state, step))).collect();
    Ok(Foreseen { schema: "otto.resume/1", run: id, owner, unasked, repairs: found.words(), steps })
}

fn words(plan: &Plan, state: &RunState, step: &Step) -> String {
    let attempt = |slice: &SliceId| {
        let now = current(plan, state, slice);
        let open = now.attempts.last().filter(|a| a.failed.is_none());
        match open {
            Some(open) => format!("attempt {} at `{slice}` begins anew: whoever ran it is gone", open.n),
            None => format!("build `{slice}`, attempt {}", now.last_attempt() + 1),
        }
    };
    match step {
        Step::Block(slice, stop) => format!("say that `{slice}` cannot go on: {}", one_line(&stop.detail, 200)),
        Step::Build(slice) => attempt(slice),
        Step::Ask(owner, path) => format!("have `{owner}` change `{path}`, as others need it"),
        Step::Settle(slice, None) => format!("go on with `{slice}`: what it waited for is there"),
        Step::Settle(slice, Some(why)) => format!("say that `{slice}` cannot go on: {}", one_line(why, 200)),
        Step::Audit => "judge the whole on its target".into(),
        Step::Finish => "say how it ended".into(),
    }
}
