//! What becomes of slices that wait for the owner of a contract: pure functions of the plan and of the run's state.
//!
//! A slice is set aside by an event; its owner is asked once it is on the target, by a task that may write that contract
//! alone, unless one of its own attempts was told of the need and landed. Whoever was told of in the attempt that lands is
//! settled by it; whoever waits when a task ends otherwise is blocked. At most [`crate::plan::model::needs::MOST`] times a
//! slice and contract.

use crate::{
    base::SliceId,
    journal::{
        event::{BlockReason, Fact, Kind},
        state::{Phase, RunState, SliceState, Wait},
    },
    plan::{
        model::{Plan, current, needs},
        schedule::{Busy, Step, Stop},
    },
};

/// What can be done for a slice that waits.
pub fn next(plan: &Plan, state: &RunState, busy: &Busy, slice: &SliceId, wait: &Wait) -> Option<Step> {
    let settle = |detail: Option<String>| Some(Step::Settle(slice.clone(), detail));
    let Wait { path, owner, .. } = wait;
    if !plan.spec.contracts.iter().any(|c| c.path == *path && c.owner == *owner) {
        return settle(Some(format!("`{path}` is no contract of `{owner}` any more")));
    }
    if let Some(why) = &wait.lost {
        return settle(Some(format!("`{owner}`, which owns `{path}`, could not change it: {why}")));
    }
    let theirs = current(plan, state, owner);
    match theirs.phase {
        Phase::Blocked => {
            let why = theirs.blocked.as_ref().map(|(_, why)| format!(": {why}")).unwrap_or_default();
            settle(Some(format!("`{owner}`, which owns `{path}`, is blocked{why}")))
        }
        Phase::Landed if told(theirs, wait) => settle(None),
        Phase::Landed | Phase::Redundant => (!busy.has(owner)).then(|| Step::Ask(owner.clone(), path.clone())),
        _ if needs::waits_on(plan, state, owner, slice) => {
            settle(Some(format!("`{owner}`, which owns `{path}`, waits for `{slice}` itself")))
        }
        _ => None,
    }
}

/// Whether the attempt that landed last was told what is waited for.
fn told(theirs: &SliceState, wait: &Wait) -> bool {
    theirs.attempts.last().is_some_and(|a| a.told.contains(&wait.id))
}

/// Whether nobody needs any more what a slice does for others.
pub fn is_unneeded(plan: &Plan, state: &RunState, owner: &SliceId) -> bool {
    current(plan, state, owner).task.is_some() && needs::of_owner(plan, state, owner).is_empty()
}

/// What the journal is told of a slice that is settled: `lost` is why it does not get what it waits for.
pub fn settled(plan: &Plan, state: &RunState, slice: &SliceId, lost: Option<String>) -> Vec<Fact> {
    let Some(wait) = current(plan, state, slice).waits_for() else { return Vec::new() };
    let fact = |kind| Fact::slice(slice, plan.generation(slice), None, kind);
    let (path, passed) = (wait.path.clone(), lost.is_none());
    let mut out = vec![fact(Kind::ContractSettled { path, passed, detail: lost.clone().unwrap_or_default() })];
    out.extend(lost.map(|detail| fact(Kind::SliceBlocked { reason: BlockReason::Contract, detail })));
    out
}

/// What the journal is told of a slice that must stop: what is on the target already stays so.
pub fn stopped(plan: &Plan, state: &RunState, slice: &SliceId, stop: Stop) -> Vec<Fact> {
    let Stop { reason, detail, over } = stop;
    // With the limit that stopped it, in one record: once for each slice that one stops.
    let over = over.map(|o| Kind::BudgetExceeded { what: o.what.into(), limit: o.limit, used: o.used });
    let end = match current(plan, state, slice).task {
        Some(_) => Kind::RepairFinished { passed: false, detail },
        None => Kind::SliceBlocked { reason, detail },
    };
    over.into_iter().chain([end]).map(|kind| Fact::slice(slice, plan.generation(slice), None, kind)).collect()
}

/// What the journal is told of an owner that is asked.
pub fn asked(plan: &Plan, owner: &SliceId, path: String) -> Fact {
    let kind = Kind::RepairStarted { findings: Vec::new(), contract: Some(path) };
    Fact::slice(owner, plan.generation(owner), None, kind)
}

#[cfg(test)]
mod tests;
