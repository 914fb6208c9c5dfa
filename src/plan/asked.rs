//! What comes of what people ask of a run: a pure function of the plan, of the run's state and of what is under way, so
//! that whoever answers says the same.

use std::collections::BTreeSet;

use crate::{
    base::{SliceId, text::one_line},
    journal::{
        event::{AttemptFailure, BlockReason, Fact, Kind},
        state::{CANCEL, FIRST, PAUSE, Phase, RESUME, RETRY, Request, RunState, SKIP},
    },
    plan::{
        contracts,
        model::{Plan, blocks, current},
        schedule::{self, Busy, Stop},
    },
};

/// What comes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done: in words, with the slices that are blocked by it.
    Granted(String, BTreeSet<SliceId>),
    /// It is not, and why.
    Refused(String),
    /// It is, once what is under way at the slice has ended.
    Later,
}

/// Judges a request.
pub fn judge(plan: &Plan, state: &RunState, busy: &Busy, request: &Request) -> Answer {
    let done = |text: String| Ok(Answer::Granted(text, BTreeSet::new()));
    let open = |phase: Phase| match phase {
        Phase::Landed => Err("it has landed, and what has landed stays"),
        Phase::Redundant => Err("everything that it must bring holds already"),
        Phase::Blocked => Err("it is blocked already"),
        _ => Ok(()),
    };
    let judged = || -> Result<Answer, String> {
        let action = request.action.as_str();
        if state.finished.is_some() && action != RETRY {
            return Err("the run has come to its end".into());
        }
        let Some(slice) = &request.slice else {
            return match (action, &state.paused) {
                (PAUSE, Some(held)) => Err(format!("it is already {}", held.words())),
                (PAUSE, None) => done("paused: nothing new is begun, and what is under way ends its step".into()),
                (RESUME, None) => Err("it is not paused".into()),
                (RESUME, Some(_)) => done("goes on".into()),
                (CANCEL, _) => {
                    let ids = plan.spec.slices.iter().map(|s| &s.id);
                    let open: BTreeSet<SliceId> =
                        ids.filter(|id| !current(plan, state, id).phase.is_final()).cloned().collect();
                    match open.len() {
                        0 => Err("nothing of it is open any more: it is being judged".into()),
                        _ => Ok(Answer::Granted("cancelled: what has landed stays, and is judged".into(), open)),
                    }
                }
                (RETRY | SKIP | FIRST, _) => Err("it names no slice".into()),
                (other, _) => Err(unknown(other)),
            };
        };
        if plan.spec.slice(slice).is_none() {
            return Err(format!("the spec {} has no slice `{slice}`", plan.spec.id));
        }
        let phase = current(plan, state, slice).phase;
        let amended = request.r#gen != Some(plan.generation(slice));
        match action {
            RETRY => may_retry(plan, state, slice).and_then(|()| done("begins anew".into())),
            CANCEL | SKIP if amended => Err("it was amended since, and is another one now".into()),
            RESUME => match state.held.get(slice) {
                None => Err("it is not paused".into()),
                Some(_) => done("goes on".into()),
            },
            PAUSE => {
                open(phase)?;
                if let Some(held) = state.held.get(slice) {
                    return Err(format!("it is already {}", held.words()));
                }
                done(if busy.building.contains(slice) { "paused once its step has ended" } else { "paused" }.into())
            }
            FIRST => {
                open(phase)?;
                let waits = |dep: &&SliceId| !current(plan, state, dep).is_done();
                let needs = plan.spec.slice(slice).into_iter().flat_map(|s| &s.deps).find(waits);
                done(match (busy.lane.get(slice), needs) {
                    (Some(_), _) => "comes first where it is tested again: it is under test already".into(),
                    (None, Some(dep)) => format!("comes first once `{dep}` has landed"),
                    (None, None) => "comes first".into(),
                })
            }
            CANCEL | SKIP => {
                open(phase)?;
                if action == SKIP && busy.has(slice) {
                    return Ok(Answer::Later);
                }
                let word = if action == SKIP { "skipped" } else { "cancelled" };
                Ok(Answer::Granted(word.into(), BTreeSet::from([slice.clone()])))
            }
            other => Err(unknown(other)),
        }
    };
    judged().unwrap_or_else(Answer::Refused)
}

/// What the journal is told of an answer, as one batch; nothing where that is for later.
pub fn facts(plan: &Plan, state: &RunState, request: &Request, answer: &Answer) -> Vec<Fact> {
    let (result, slices) = match answer {
        Answer::Later => return Vec::new(),
        Answer::Refused(why) => (why, None),
        Answer::Granted(result, slices) => (result, Some(slices)),
    };
    // What is refused names no generation.
    let r#gen = slices.map(|_| request.slice.as_ref().map_or_else(|| plan.whole(), |s| plan.generation(s)));
    let kind = Kind::ControlApplied { request: request.id.clone(), result: result.clone() };
    let mut facts = vec![Fact { kind, slice: request.slice.clone(), r#gen, attempt: request.attempt }];
    let verb = if request.action == SKIP { "skipped" } else { "cancelled" };
    let by = request.by.as_deref().unwrap_or("a person");
    let why = request.hint.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    let detail = format!("{verb} by {by}{why}");
    for slice in slices.into_iter().flatten() {
        let now = current(plan, state, slice);
        let fact = |attempt, kind| Fact::slice(slice, plan.generation(slice), attempt, kind);
        // An attempt that is broken off has come to nothing, and is no open one when the slice begins anew.
        let at_work = matches!(now.phase, Phase::Building | Phase::Checking);
        if let Some(open) = now.open_attempt().filter(|_| at_work) {
            let (reason, detail) = (AttemptFailure::Agent, detail.clone());
            facts.push(fact(Some(open.n), Kind::AttemptFailed { reason, detail, commit: None, diff: None }));
        }
        let stop = Stop { reason: BlockReason::Skipped, detail: detail.clone(), over: None };
        facts.extend(contracts::stopped(plan, state, slice, stop));
    }
    facts
}

/// That people keep a run from going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// Why, in words.
    pub why: String,
    /// A slice that would have to go on first; none where the whole run is paused.
    pub slice: Option<SliceId>,
}

/// Why a run stands still that has nothing under way and is not at its end, where people want it so.
pub fn standstill(plan: &Plan, state: &RunState) -> Option<Standstill> {
    if let Some(held) = &state.paused {
        return Some(Standstill { why: held.words(), slice: None });
    }
    let open = |id: &&SliceId| plan.spec.slice(id).is_some() && !current(plan, state, id).phase.is_final();
    let held: Vec<&SliceId> = state.held.keys().filter(open).collect();
    let first = held.first().copied()?;
    let names = held.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    let are = if held.len() == 1 { "is" } else { "are" };
    Some(Standstill { why: format!("{names} {are} paused, and nothing else can go on"), slice: Some(first.clone()) })
}

/// Why a slice cannot begin anew, if it cannot.
pub fn may_retry(plan: &Plan, state: &RunState, slice: &SliceId) -> Result<(), String> {
    let now = current(plan, state, slice);
    if let Some(why) = now.not_to_retry() {
        return Err(why.into());
    }
    // What the intent carries costs nothing.
    match schedule::spent(&plan.limits, state, now).filter(|_| blocks(&plan.spec, slice, 1).is_empty()) {
        Some(stop) => Err(format!("{}; a new run has money of its own", stop.detail)),
        None => Ok(()),
    }
}

fn unknown(action: &str) -> String {
    format!("this version does not know how to {}", one_line(action, 80))
}

#[cfg(test)]
mod tests;
