//! The lane onto the target: which candidates are merged and tested, each on the commit of the one before it, and what
//! becomes of them. Pure functions of the plan, the run's state, the target's tip and what is under way in this process.
//!
//! Every candidate in the lane stands on a commit: the first on the tip, each other one on the merge of the one before.
//! What passes waits until its commit's parent is the tip, and lands. What fails has failed on a guess, unless it stands on
//! the tip: those before it may not land. Until that is known the others go round it, and stand where it stood. Whatever
//! stands on something else than it should is taken out and comes again.

use crate::{
    base::{Oid, SliceId},
    journal::{
        event::AttemptFailure,
        state::{Phase, RunState},
    },
    plan::model::{Plan, current, ordered},
    spec::model::Slice,
};

/// Candidates that may be in the lane at once, at most.
pub const MAX_DEPTH: usize = 64;

/// A candidate in the lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub slice: SliceId,
    /// The candidate.
    pub candidate: Oid,
    /// The commit of the spec's version whose checks judge it.
    pub spec: Oid,
    /// The commit that it is merged with.
    pub on: Oid,
    /// How far it is.
    pub stage: Stage,
}

/// How far a candidate in the lane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is being merged.
    Merging,
    /// It is merged, and this commit is under test.
    Testing(Oid),
    /// This commit passed every check that is due.
    Passed(Oid),
    /// It conflicts with what it stands on, or did not pass there.
    Failed(AttemptFailure, String),
}

impl Entry {
    /// Its merge, as long as nothing speaks against it.
    pub fn commit(&self) -> Option<Oid> {
        match self.stage {
            Stage::Testing(commit) | Stage::Passed(commit) => Some(commit),
            Stage::Merging | Stage::Failed(..) => None,
        }
    }

    fn has_failed(&self) -> bool {
        matches!(self.stage, Stage::Failed(..))
    }
}

/// The candidates in the lane, in the order in which they are to land.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries(Vec<Entry>);

impl Entries {
    /// The slices.
    pub fn slices(&self) -> impl Iterator<Item = &SliceId> {
        self.0.iter().map(|e| &e.slice)
    }

    /// Nothing is in the lane.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is known of a slice in the lane.
    pub fn get(&self, slice: &SliceId) -> Option<&Entry> {
        self.0.iter().find(|e| e.slice == *slice)
    }

    /// Puts a candidate at the end: it is being merged.
    pub fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    /// Says how far a slice is.
    pub fn set(&mut self, slice: &SliceId, stage: Stage) {
        if let Some(entry) = self.0.iter_mut().find(|e| e.slice == *slice) {
            entry.stage = stage;
        }
    }

    /// Takes a slice out.
    pub fn remove(&mut self, slice: &SliceId) {
        self.0.retain(|e| e.slice != *slice);
    }
}

/// What to do in the lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Merge a candidate with the commit that it is to stand on, and test that as if the slices of the second part, which
    /// come before it, had landed.
    Try(Entry, Vec<SliceId>),
    /// Bring a tested commit onto the target, which is where it was tested on.
    Land(SliceId),
    /// Give a candidate back to its agent: it failed on the target as it is.
    GiveBack(SliceId),
    /// Take a slice out, and stop what is under way for it: it does not stand where it should, or must not land.
    Drop(SliceId),
}

/// Whether the lane has anything to do: only then does the target's tip matter.
pub fn is_idle(plan: &Plan, state: &RunState, lane: &Entries) -> bool {
    lane.is_empty() && eligible(plan, state).next().is_none()
}

/// What can be done now, in this order. `tip` is where the target is, `depth` how many candidates are under way at a time.
pub fn next(plan: &Plan, state: &RunState, tip: Oid, lane: &Entries, depth: usize) -> Vec<Move> {
    if state.finished.is_some() {
        return Vec::new();
    }
    let mut moves = Vec::new();
    // Where the next one has to stand; not known while one is being merged.
    let mut end = Some(tip);
    let mut ahead = Vec::new();
    for entry in &lane.0 {
        let slice = entry.slice.clone();
        if end != Some(entry.on) || !may_land(plan, state, entry) {
            moves.push(Move::Drop(slice));
            continue;
        }
        match &entry.stage {
            // What is under test goes on to its end; the rest comes again when the run does.
            Stage::Failed(..) | Stage::Passed(_) if state.paused.is_some() => {
                moves.push(Move::Drop(slice));
                continue;
            }
            Stage::Failed(..) if entry.on == tip => moves.push(Move::GiveBack(slice)),
            Stage::Passed(_) if entry.on == tip => moves.push(Move::Land(slice)),
            Stage::Failed(..) | Stage::Passed(_) | Stage::Testing(_) | Stage::Merging => {}
        }
        if !entry.has_failed() {
            end = entry.commit();
            ahead.push(entry.slice.clone());
        }
    }
    // What was taken out comes again in its order, before others.
    let dropped = moves.iter().any(|m| matches!(m, Move::Drop(_)));
    if let Some(on) = end.filter(|_| !dropped && state.paused.is_none() && ahead.len() < depth.clamp(1, MAX_DEPTH)) {
        let mut waiting = eligible(plan, state).filter(|(slice, _)| lane.get(slice).is_none());
        moves.extend(waiting.next().map(|(slice, candidate)| {
            let (slice, spec) = (slice.clone(), plan.spec_commit);
            Move::Try(Entry { slice, candidate, spec, on, stage: Stage::Merging }, ahead)
        }));
    }
    moves
}

/// The candidates that may land, in order: those whose dependencies are on the target and that nobody keeps from going on.
fn eligible<'a>(plan: &'a Plan, state: &'a RunState) -> impl Iterator<Item = (&'a SliceId, Oid)> {
    let done = |id: &SliceId| current(plan, state, id).is_done();
    let may = move |s: &&Slice| !state.held.contains_key(&s.id) && s.deps.iter().all(done);
    ordered(plan, state).into_iter().filter(may).filter_map(|s| {
        let now = current(plan, state, &s.id);
        let waits = matches!(now.phase, Phase::Eligible | Phase::Merging);
        now.candidate.filter(|_| waits).map(|candidate| (&s.id, candidate))
    })
}

/// Whether what is in the lane is still what is to land.
fn may_land(plan: &Plan, state: &RunState, entry: &Entry) -> bool {
    entry.spec == plan.spec_commit
        && eligible(plan, state).any(|(slice, candidate)| *slice == entry.slice && candidate == entry.candidate)
}

#[cfg(test)]
mod tests;
