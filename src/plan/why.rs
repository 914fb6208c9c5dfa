//! Why a slice stands where it stands, and what to do about it: a pure function of the plan and of the run's state.

use serde::Serialize;

use super::{
    model::{Plan, current, needs::of_owner},
    schedule::{Over, used},
    turns::in_turn,
};
use crate::{
    base::{Oid, SliceId, Timestamp},
    checks::model::Cause,
    journal::{
        event::{AttemptFailure, BlockReason},
        state::{CheckResult, Held, Merge, Phase, RunState, SliceState},
    },
    spec::model::Slice,
};

/// Where a slice stands, and everything that explains it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Why {
    /// The slice.
    pub slice: SliceId,
    /// Where it stands.
    pub phase: Phase,
    /// What explains that, what weighs most first.
    pub because: Vec<Because>,
    /// What to do.
    pub next: Next,
}

/// One thing that explains where a slice stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "because", rename_all = "snake_case")]
pub enum Because {
    /// It is on the target: as this commit, on whose tree so many checks passed.
    Landed {
        /// The landing.
        commit: Oid,
        /// How many checks passed on exactly its tree.
        checks: usize,
    },
    /// It was not needed.
    Redundant {
        /// Why.
        why: String,
    },
    /// It cannot go on.
    Blocked {
        /// Why, in a word.
        reason: BlockReason,
        /// In a sentence.
        detail: String,
    },
    /// It waits for a slice that it needs, directly.
    Needs {
        /// The slice.
        slice: SliceId,
        /// Where that one stands.
        phase: Phase,
        /// The slices at the root of it, where that one is blocked for the sake of others.
        root: Vec<SliceId>,
    },
    /// It is set aside until the owner of a contract has changed it.
    Awaits {
        /// The contract.
        path: String,
        /// Who owns it.
        owner: SliceId,
        /// Where that one stands.
        phase: Phase,
        /// What for, in the words of its agent.
        reason: String,
    },
    /// It is on the target, and changes a contract of its own there for others.
    Serves {
        /// The contract.
        path: String,
        /// Who waits for it.
        slices: Vec<SliceId>,
    },
    /// Its last attempt failed.
    Failed {
        /// Which attempt.
        attempt: u32,
        /// Why, in a word.
        reason: AttemptFailure,
        /// In a sentence.
        detail: String,
    },
    /// A check is not green.
    Red {
        /// Which.
        check: String,
        /// On what: base, candidate or queue-n.
        round: String,
        /// Why.
        cause: Cause,
        /// In words.
        detail: String,
        /// The blob of its `result.json`.
        evidence: Oid,
    },
    /// Its last attempt changed what the slice does not own.
    Outside {
        /// The paths.
        paths: Vec<String>,
    },
    /// Its agent asked for something and was refused.
    Refused {
        /// The code.
        code: String,
        /// Why.
        why: String,
    },
    /// A person keeps it from going on, or, where no slice is named, the whole run.
    Paused {
        /// The slice; none for the run.
        slice: Option<SliceId>,
        /// Who, since when, and why.
        held: Held,
    },
    /// A person asked for something that was not done yet.
    Asked {
        /// What for.
        action: String,
        /// Who.
        by: Option<String>,
    },
    /// An agent is at work on it, or its checks run.
    AtWork {
        /// Which attempt.
        attempt: u32,
        /// Who makes it.
        provider: String,
        /// Since when.
        since: Option<Timestamp>,
    },
    /// An agent was at work on it when whoever ran it stopped: that attempt begins anew.
    BrokenOff {
        /// Which attempt.
        attempt: u32,
        /// Who made it.
        provider: String,
    },
    /// It waits for a person who builds it by hand.
    ByHand {
        /// Which attempt.
        attempt: u32,
    },
    /// It is merged and under test.
    Testing {
        /// The merge.
        commit: Oid,
        /// What it was merged with.
        on: Oid,
        /// The slices whose merges under test that contains.
        after: Vec<SliceId>,
    },
    /// What it may use up, and what it has.
    Used {
        /// Each limit that something was used of.
        limits: Vec<Over>,
    },
    /// Nothing keeps it: it is begun next.
    Ready,
    /// It waits in the queue until these have landed, which come before it.
    Queued {
        /// The slices.
        behind: Vec<SliceId>,
    },
    /// It waits for a free place: so many slices are built at once.
    NoPlace {
        /// How many.
        jobs: u32,
    },
}

/// What becomes of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Somebody works on it.
    AtWork,
    /// Nobody does, and it has not ended.
    Interrupted,
    /// It has ended.
    Finished,
}

/// What to do about a slice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Next {
    /// Nothing: it is done.
    Nothing,
    /// Wait: somebody works on it.
    Wait,
    /// Go on with the run.
    Resume,
    /// Let the slice go on.
    LetGo,
    /// Hand in what was built by hand.
    Submit,
    /// Have these slices begin anew, with a hint.
    Retry {
        /// The slices: itself, or what it is blocked for.
        slices: Vec<SliceId>,
    },
    /// Change the spec: what it is built from does not fit.
    Amend,
    /// Start another run: this one ended before the slice was built.
    Run,
}

/// What is known of a run where its slices are explained.
#[derive(Clone, Copy)]
pub struct Sight<'a> {
    /// The version that it works on.
    pub plan: &'a Plan,
    /// What its journals say.
    pub state: &'a RunState,
    /// What becomes of it.
    pub standing: Standing,
    /// Where its target is: what is tested on something else is not under test any more.
    pub tips: &'a [Oid],
}

/// Explains where a slice of the plan stands.
pub fn why(seen: Sight<'_>, slice: &Slice) -> Why {
    let Sight { plan, state, standing, .. } = seen;
    let now = current(plan, state, &slice.id);
    let phase = now.phase;
    let mut because = match phase {
        Phase::Landed => landed(now),
        Phase::Redundant => vec![Because::Redundant { why: now.redundant.clone().unwrap_or_default() }],
        Phase::Blocked => serves(plan, state, slice, now).into_iter().chain(blocked(plan, state, slice, now)).collect(),
        Phase::Eligible | Phase::Merging => keeps(seen, slice),
        Phase::Pending | Phase::Building | Phase::Checking => {
            let mut out = keeps(seen, slice);
            out.extend(attempt(now));
            out
        }
    };
    if !phase.is_done() {
        let limits: Vec<Over> = used(plan, state, now).into_iter().filter(|over| over.used > 0).collect();
        because.extend((!limits.is_empty()).then_some(Because::Used { limits }));
    }
    if because.is_empty() {
        because.push(Because::Ready);
    }
    Why { slice: slice.id.clone(), phase, because, next: next(plan, state, slice, now, standing) }
}

/// What keeps a slice that is still to land, as things are now.
pub(super) fn keeps(seen: Sight<'_>, slice: &Slice) -> Vec<Because> {
    let now = current(seen.plan, seen.state, &slice.id);
    let mut out: Vec<Because> = serves(seen.plan, seen.state, slice, now).into_iter().collect();
    if seen.state.finished.is_none() {
        out.extend(people(seen.state, &slice.id));
    }
    out.extend(needs(seen.plan, seen.state, slice));
    match now.phase {
        Phase::Eligible | Phase::Merging => out.push(queued(seen, slice, now)),
        _ => out.extend(open(seen, slice, now)),
    }
    out
}

/// That it changes a contract on the target for others, where it does.
fn serves(plan: &Plan, state: &RunState, slice: &Slice, now: &SliceState) -> Option<Because> {
    let path = now.task.as_ref()?.path.clone();
    let slices = of_owner(plan, state, &slice.id).into_iter().map(|(s, _)| s.id.clone()).collect();
    Some(Because::Serves { path, slices })
}

fn landed(now: &SliceState) -> Vec<Because> {
    let Some(commit) = now.landing else { return Vec::new() };
    let tested = now.merge.as_ref().filter(|m| m.commit == commit).map(|m| m.tree);
    let of_it = |r: &&CheckResult| r.round.starts_with("queue-") && Some(r.tree) == tested && r.cause.passed();
    let checks = now.attempts.iter().flat_map(|a| &a.checks).filter(of_it).count();
    vec![Because::Landed { commit, checks }]
}

fn blocked(plan: &Plan, state: &RunState, slice: &Slice, now: &SliceState) -> Vec<Because> {
    let mut out = Vec::new();
    if let Some((reason, detail)) = &now.blocked {
        out.push(Because::Blocked { reason: *reason, detail: detail.clone() });
        match reason {
            BlockReason::DepBlocked => out.extend(needs(plan, state, slice)),
            // Before anything is built, only what the base says can speak against it.
            _ if now.attempts.is_empty() => out.extend(red(&now.base_checks)),
            _ => {}
        }
    }
    out.extend(attempt(now));
    out
}

/// What people want of it.
fn people(state: &RunState, slice: &SliceId) -> Vec<Because> {
    let paused = |slice: Option<&SliceId>, held: &Held| Because::Paused { slice: slice.cloned(), held: held.clone() };
    let of_run = state.paused.iter().map(|held| paused(None, held));
    let of_slice = state.held.get(slice).map(|held| paused(Some(slice), held));
    let open = state.requests.iter().filter(|r| r.result.is_none() && r.slice.as_ref().is_none_or(|s| s == slice));
    let asked = open.map(|r| Because::Asked { action: r.action.clone(), by: r.by.clone() });
    of_run.chain(of_slice).chain(asked).collect()
}

/// The slices whose merges a commit contains that are not on the target, first to last, and what they stand on.
pub(super) fn beneath(plan: &Plan, state: &RunState, commit: Oid) -> (Vec<SliceId>, Oid) {
    let merging = |s: &&Slice| current(plan, state, &s.id).phase == Phase::Merging;
    let mut left: Vec<&Slice> = plan.spec.slices.iter().filter(merging).collect();
    let (mut at, mut out) = (commit, Vec::new());
    let merge = |s: &&Slice| current(plan, state, &s.id).merge.as_ref();
    while let Some(i) = left.iter().position(|s| merge(s).is_some_and(|m| m.commit == at)) {
        let slice = left.remove(i);
        out.insert(0, slice.id.clone());
        at = merge(&slice).map_or(at, |m| m.tip);
    }
    (out, at)
}

/// The merge of a slice that is under test, with the slices that it stands on.
pub(super) fn under_test<'a>(seen: Sight<'a>, now: &'a SliceState) -> Option<(&'a Merge, Vec<SliceId>)> {
    let at_work = now.phase == Phase::Merging && seen.standing == Standing::AtWork;
    let merge = now.merge.as_ref().filter(|_| at_work)?;
    let (after, on) = beneath(seen.plan, seen.state, merge.tip);
    seen.tips.contains(&on).then_some((merge, after))
}

fn queued(seen: Sight<'_>, slice: &Slice, now: &SliceState) -> Because {
    if let Some((merge, after)) = under_test(seen, now) {
        return Because::Testing { commit: merge.commit, on: merge.tip, after };
    }
    let behind = in_turn(seen).into_iter().take_while(|s| s.id != slice.id);
    let waits = |s: &&Slice| {
        let queued = matches!(current(seen.plan, seen.state, &s.id).phase, Phase::Eligible | Phase::Merging);
        queued && !seen.state.held.contains_key(&s.id)
    };
    Because::Queued { behind: behind.filter(waits).map(|s| s.id.clone()).collect() }
}

fn open(seen: Sight<'_>, slice: &Slice, now: &SliceState) -> Option<Because> {
    let Sight { plan, state, standing, .. } = seen;
    if let Some(wait) = now.waits_for() {
        let phase = current(plan, state, &wait.owner).phase;
        let (path, owner, reason) = (wait.path.clone(), wait.owner.clone(), wait.reason.clone());
        return Some(Because::Awaits { path, owner, phase, reason });
    }
    if let Some(open) = now.open_attempt().filter(|_| state.finished.is_none()) {
        let (attempt, provider) = (open.n, open.provider.clone());
        return Some(match now.by_hand() {
            Some(_) => Because::ByHand { attempt },
            None if standing == Standing::AtWork => Because::AtWork { attempt, provider, since: open.began },
            None => Because::BrokenOff { attempt, provider },
        });
    }
    let building = |s: &&Slice| matches!(current(plan, state, &s.id).phase, Phase::Building | Phase::Checking);
    let busy = plan.spec.slices.iter().filter(building).count();
    let jobs = plan.limits.jobs.max(1);
    let free = now.phase == Phase::Pending && needs(plan, state, slice).is_empty();
    (free && standing == Standing::AtWork && busy >= jobs as usize).then_some(Because::NoPlace { jobs })
}

/// The slices that it needs and that are not on the target.
fn needs(plan: &Plan, state: &RunState, slice: &Slice) -> Vec<Because> {
    let mut out = Vec::new();
    for dep in &slice.deps {
        let now = current(plan, state, dep);
        if !now.is_done() {
            let mut root = roots(plan, state, dep);
            root.retain(|id| id != dep);
            out.push(Because::Needs { slice: dep.clone(), phase: now.phase, root });
        }
    }
    out
}

/// The blocked slices at the root of a slice's being blocked: itself, unless it is so for the sake of others.
fn roots(plan: &Plan, state: &RunState, slice: &SliceId) -> Vec<SliceId> {
    let own = |id: &SliceId| match &current(plan, state, id).blocked {
        Some((BlockReason::DepBlocked, _)) | None => false,
        Some(_) => true,
    };
    let all = plan.needs(slice).into_iter().map(|s| &s.id).chain([slice]);
    all.filter(|id| own(id)).cloned().collect()
}

/// What the last attempt that failed came to.
fn attempt(now: &SliceState) -> Vec<Because> {
    let Some(last) = now.attempts.iter().rev().find(|a| a.failed.is_some()) else { return Vec::new() };
    let mut out = Vec::new();
    if let Some((reason, detail)) = &last.failed {
        out.push(Because::Failed { attempt: last.n, reason: *reason, detail: detail.clone() });
    }
    out.extend(red(&last.checks));
    if !last.violations.is_empty() {
        out.push(Because::Outside { paths: last.violations.clone() });
    }
    out.extend(last.refused.iter().map(|(code, why)| Because::Refused { code: code.clone(), why: why.clone() }));
    out
}

/// The checks whose last result is not green. A `new` check is red on the base by right: that explains nothing once
/// something was built.
fn red(results: &[CheckResult]) -> Vec<Because> {
    let last = |r: &&CheckResult| {
        results.iter().rev().find(|other| other.check == r.check).is_some_and(|other| std::ptr::eq(other, *r))
    };
    let bad = results.iter().filter(last).filter(|r| !r.cause.passed());
    let red = |r: &CheckResult| Because::Red {
        check: r.check.clone(),
        round: r.round.clone(),
        cause: r.cause,
        detail: r.detail.clone(),
        evidence: r.evidence,
    };
    bad.map(red).collect()
}

fn next(plan: &Plan, state: &RunState, slice: &Slice, now: &SliceState, standing: Standing) -> Next {
    if now.phase.is_done() {
        return Next::Nothing;
    }
    if now.phase != Phase::Blocked {
        return match standing {
            Standing::AtWork | Standing::Interrupted if state.held.contains_key(&slice.id) => Next::LetGo,
            Standing::AtWork if state.paused.is_some() => Next::Resume,
            Standing::AtWork if now.by_hand().is_some() => Next::Submit,
            Standing::AtWork => Next::Wait,
            Standing::Interrupted => Next::Resume,
            Standing::Finished => Next::Run,
        };
    }
    let mut slices = roots(plan, state, &slice.id);
    // Whoever owns what it waited for comes first, where that one is blocked itself.
    let owner = now.waits.last().map(|w| &w.owner).filter(|id| current(plan, state, id).phase == Phase::Blocked);
    if let Some(owner) = owner.filter(|id| !slices.contains(id)) {
        slices.insert(0, owner.clone());
    }
    let fits = |id: &SliceId| {
        let why = current(plan, state, id).blocked.as_ref().map(|(reason, _)| *reason);
        !matches!(why, Some(BlockReason::BaseUnfit))
    };
    match slices.iter().all(fits) && !slices.is_empty() {
        true => Next::Retry { slices },
        false => Next::Amend,
    }
}

#[cfg(test)]
mod tests;
