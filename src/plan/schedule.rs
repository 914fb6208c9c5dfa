//! What to do next: pure functions of the plan and of the run's state, so that a resumed run decides as an undisturbed
//! one does.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    base::SliceId,
    journal::{
        event::{AttemptFailure, BlockReason},
        state::{Phase, RunState, SliceState},
    },
    plan::{
        contracts,
        model::{Plan, current, lane::Entries, ordered},
    },
    spec::model::Slice,
    store::run::Limits,
};

/// What is under way in this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// Slices being built.
    pub building: BTreeSet<SliceId>,
    /// What is in the queue's lane.
    pub lane: Entries,
    /// The audit.
    pub auditing: bool,
}

impl Busy {
    /// Whether a slice is at work.
    pub fn has(&self, slice: &SliceId) -> bool {
        self.building.contains(slice) || self.lane.get(slice).is_some()
    }

    /// Nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.building.is_empty() && self.lane.is_empty() && !self.auditing
    }
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Say that a slice cannot go on.
    Block(SliceId, Stop),
    /// Build a slice, from its first or its next attempt on.
    Build(SliceId),
    /// Have a slice that is on the target change a contract of its own as others need it.
    Ask(SliceId, String),
    /// Have a slice go on that waited for the owner of a contract; with why it does not get what it waited for, if so.
    Settle(SliceId, Option<String>),
    /// Judge the whole.
    Audit,
    /// Say how it ended.
    Finish,
}

/// Why a slice cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// In a word.
    pub reason: BlockReason,
    /// In a sentence.
    pub detail: String,
    /// The limit that was reached, if one was.
    pub over: Option<Over>,
}

/// A limit and what was used, in the limit's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Over {
    /// The limit's name, as a run's record has it.
    pub what: &'static str,
    /// The limit.
    pub limit: u64,
    /// What was used.
    pub used: u64,
}

impl Stop {
    fn new(reason: BlockReason, detail: String) -> Stop {
        Stop { reason, detail, over: None }
    }
    fn over(what: &'static str, limit: u64, used: u64, detail: String) -> Stop {
        Stop { reason: BlockReason::Budget, detail, over: Some(Over { what, limit, used }) }
    }
}

/// The steps that can be taken now, but for those in the lane ([`crate::plan::model::lane::next`]). Steps of one answer do not depend on each other.
pub fn next(plan: &Plan, state: &RunState, busy: &Busy) -> Vec<Step> {
    if state.finished.is_some() || state.paused.is_some() {
        return Vec::new();
    }
    let mut steps = Vec::new();
    let mut free = (plan.limits.jobs.max(1) as usize).saturating_sub(busy.building.len());
    let mut open = false;
    for slice in ordered(plan, state) {
        let now = current(plan, state, &slice.id);
        if now.phase.is_final() {
            continue;
        }
        open = true;
        if busy.has(&slice.id) {
            continue;
        }
        let dep = |wanted: fn(&SliceState) -> bool| slice.deps.iter().find(|d| wanted(current(plan, state, d)));
        let dep_blocked = dep(|d| d.phase == Phase::Blocked);
        match now.phase {
            Phase::Pending | Phase::Building | Phase::Checking => {
                if let Some(dep) = dep_blocked {
                    let stop = Stop::new(BlockReason::DepBlocked, format!("`{dep}` is blocked"));
                    steps.push(Step::Block(slice.id.clone(), stop));
                } else if let Some(wait) = now.waits_for() {
                    // Two who wait for one owner have it asked once.
                    let step = contracts::next(plan, state, busy, &slice.id, wait);
                    let again = |s: &Step| matches!((s, &step), (Step::Ask(a, _), Some(Step::Ask(b, _))) if a == b);
                    if !steps.iter().any(again) {
                        steps.extend(step);
                    }
                } else if contracts::is_unneeded(plan, state, &slice.id) {
                    let stop = Stop::new(BlockReason::Contract, "nobody waits for it any more".into());
                    steps.push(Step::Block(slice.id.clone(), stop));
                } else if let Some(stop) = stop(plan, state, now).or_else(|| unpaid(plan, state, slice, now)) {
                    steps.push(Step::Block(slice.id.clone(), stop));
                } else if free > 0 && !state.held.contains_key(&slice.id) && dep(|d| !d.is_done()).is_none() {
                    free -= 1;
                    steps.push(Step::Build(slice.id.clone()));
                }
            }
            // What it was built on was replaced, and that came to nothing.
            Phase::Eligible | Phase::Merging => {
                if let Some(dep) = dep_blocked {
                    let stop = Stop::new(BlockReason::DepBlocked, format!("`{dep}` is blocked"));
                    steps.push(Step::Block(slice.id.clone(), stop));
                }
            }
            Phase::Landed | Phase::Redundant | Phase::Blocked => {}
        }
    }
    if !open && busy.is_idle() {
        let judged = state.audit.as_ref().is_some_and(|a| a.verdict.is_some());
        steps.push(if judged { Step::Finish } else { Step::Audit });
    }
    steps
}

/// Whether a slice must stop before its next attempt, and why. In order: the same change twice, its cost, the run's
/// cost, its wall time, scope, attempts.
pub fn stop(plan: &Plan, state: &RunState, slice: &SliceState) -> Option<Stop> {
    let (limits, slice) = (&plan.limits, &*slice.in_task());
    let asks_money = slice.task.is_some() && slice.attempts.is_empty();
    let goes_on = slice.waits.last().is_some_and(|w| w.settled.is_some()) && slice.open_attempt().is_some();
    if asks_money || goes_on {
        return spent(limits, state, slice);
    }
    if slice.counted >= limits.attempts && slice.counting().next().is_none() {
        let text = format!("{} attempts ended with an amendment that the agent asked for", slice.counted);
        return Some(Stop::new(BlockReason::Attempts, text));
    }
    let failed: Vec<_> = slice.counting().filter(|a| a.failed.is_some()).collect();
    let last = failed.last().filter(|_| slice.attempts.last().is_some_and(|a| a.failed.is_some()))?;
    let why = last.failed.as_ref().map_or("", |(_, detail)| detail.as_str());
    if let [.., before, last] = failed.as_slice()
        && last.diff.is_some()
        && before.diff == last.diff
    {
        let text = format!("attempt {} made the same change as attempt {}: {why}", last.n, before.n);
        return Some(Stop::new(BlockReason::SameDiff, text));
    }
    if let Some(stop) = spent(limits, state, slice) {
        return Some(Stop { detail: format!("{}: {why}", stop.detail), ..stop });
    }
    let took = slice.worked_ms() / 1000;
    if took >= limits.slice_wall_s {
        let text = format!("it took {took} s of {}: {why}", limits.slice_wall_s);
        return Some(Stop::over(Limits::SLICE_WALL, limits.slice_wall_s, took, text));
    }
    let scope = |a: &&crate::journal::state::Attempt| matches!(a.failed, Some((AttemptFailure::Scope, _)));
    if failed.iter().rev().take_while(|a| scope(a)).count() >= 3 {
        return Some(Stop::new(BlockReason::Scope, why.to_owned()));
    }
    let given_back = matches!(last.failed, Some((AttemptFailure::Conflict | AttemptFailure::Integration, _)));
    if given_back && slice.repairs > limits.repairs {
        let text = format!("given back by the queue {} times: {why}", slice.repairs);
        return Some(Stop::new(BlockReason::Merge, text));
    }
    let own = own_attempts(slice);
    if own >= limits.attempts {
        return Some(Stop::new(BlockReason::Attempts, format!("{own} attempts failed: {why}")));
    }
    None
}

/// How many attempts count against a slice. What the queue gave back had passed on its base: a repair does not use up an
/// attempt.
fn own_attempts(slice: &SliceState) -> u32 {
    let failed = slice.counting().filter(|a| a.failed.is_some()).count() as u32;
    slice.counted + failed - slice.repairs.min(failed)
}

/// What a slice has used of what it may.
pub fn used(plan: &Plan, state: &RunState, slice: &SliceState) -> Vec<Over> {
    let limits = &plan.limits;
    let of = |what, limit: u64, used: u64| Over { what, limit, used };
    let mut out = vec![
        of(ATTEMPTS, limits.attempts.into(), own_attempts(&slice.in_task()).into()),
        of(Limits::SLICE_WALL, limits.slice_wall_s, slice.in_task().worked_ms() / 1000),
    ];
    out.extend(limits.slice_usd_micros.map(|limit| of(Limits::SLICE_USD, limit, slice.cost.usd_micros)));
    out.extend(limits.run_usd_micros.map(|limit| of(Limits::RUN_USD, limit, state.cost.usd_micros)));
    out
}

/// What attempts are called where a limit is named.
pub const ATTEMPTS: &str = "attempts";

/// Whether a slice's money is used up, or the run's.
pub fn spent(limits: &Limits, state: &RunState, slice: &SliceState) -> Option<Stop> {
    let (cost, of_run) = (slice.cost.usd_micros, state.cost.usd_micros);
    if let Some(limit) = limits.slice_usd_micros.filter(|limit| cost >= *limit) {
        let text = format!("it cost {} of {}", dollars(cost), dollars(limit));
        return Some(Stop::over(Limits::SLICE_USD, limit, cost, text));
    }
    let limit = limits.run_usd_micros.filter(|limit| of_run >= *limit)?;
    let text = format!("the run cost {} of {}", dollars(of_run), dollars(limit));
    Some(Stop::over(Limits::RUN_USD, limit, of_run, text))
}

/// Whether a slice must not be begun because the run has no money left. What the intent carries costs nothing.
fn unpaid(plan: &Plan, state: &RunState, slice: &Slice, now: &SliceState) -> Option<Stop> {
    let used = state.cost.usd_micros;
    let limit = plan.limits.run_usd_micros.filter(|limit| used >= *limit)?;
    let begun = now.task.is_some() || !now.attempts.is_empty() || plan.spec.files.iter().any(|f| f.slice == slice.id);
    let text = || format!("the run cost {} of {}", dollars(used), dollars(limit));
    (!begun).then(|| Stop::over(Limits::RUN_USD, limit, used, text()))
}

/// Money, in words.
pub fn dollars(micros: u64) -> String {
    format!("${}.{:02}", micros / 1_000_000, micros / 10_000 % 100)
}

#[cfg(test)]
pub(super) mod tests;
