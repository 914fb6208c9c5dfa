//! The state machine: what each event does to the state of a run (DESIGN, Journal). Total: an event that cannot be is
//! reported in `problems` and changes nothing else, except that money once spent is counted.

use crate::{
    base::SliceId,
    journal::{
        event::{AttemptFailure, BlockReason, Event, Fact, Kind},
        state::{
            Asked, Attempt, Audit, FIRST, Finished, Held, PAUSE, Phase, RESUME, RETRY, Request, Retried, RunState,
            SliceState, Started,
        },
    },
};

mod slice;
use slice::{keep, number, result, step};

/// More problems than this are counted, not listed.
const MAX_PROBLEMS: usize = 1000;

/// Why an event changes nothing.
type Refused = String;

impl RunState {
    /// Applies the next event.
    pub fn apply(&mut self, event: &Event) {
        self.lamport = self.lamport.max(event.lamport);
        if let Kind::AgentFinished { cost, .. } | Kind::AgentFailed { cost, .. } = &event.fact.kind {
            self.cost += *cost;
        }
        let applied = match &event.fact.slice {
            Some(slice) if is_of_slice(&event.fact) => self.apply_to_slice(event, slice),
            _ => self.apply_to_run(event),
        };
        if let Err(why) = applied {
            let slice = event.fact.slice.as_ref().map(|s| format!(" of `{s}`")).unwrap_or_default();
            self.report(format!("event {} ({}{slice}): {why}", event.id, event.fact.kind.name()));
        }
    }

    /// Adds a problem; past a thousand only their number grows.
    pub fn report(&mut self, problem: String) {
        match self.problems.len() {
            n if n < MAX_PROBLEMS => self.problems.push(problem),
            MAX_PROBLEMS => self.problems.push("1 more problem".into()),
            _ => {
                if let Some(last) = self.problems.last_mut() {
                    let n = last.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(1);
                    *last = format!("{} more problems", n.saturating_add(1));
                }
            }
        }
    }

    fn apply_to_run(&mut self, event: &Event) -> Result<(), Refused> {
        match &event.fact.kind {
            Kind::RunStarted { spec, target, base } => {
                if self.started.is_some() {
                    return Err("the run has begun already".into());
                }
                self.started = Some(Started { spec: *spec, target: target.clone(), base: *base, at: event.ts });
            }
            Kind::RunResumed { term, .. } => {
                self.term = self.term.max(*term);
                self.resumes = self.resumes.saturating_add(1);
                self.paused = None;
            }
            Kind::RunFinished { verdict, why, target } => {
                if self.finished.is_some() {
                    return Err("the run has finished already".into());
                }
                self.finished = Some(Finished { verdict: *verdict, why: why.clone(), target: *target, at: event.ts });
            }
            Kind::RunAmended { spec } => {
                if self.finished.is_some() {
                    return Err("the run has finished already".into());
                }
                match self.spec() {
                    None => return Err("the run has not begun".into()),
                    Some(now) if now == *spec => return Err("the run works on that version already".into()),
                    Some(_) => self.amended.push(*spec),
                }
                // What judged an older version does not judge this one, and what an older version kept waiting may go on.
                self.audit = None;
                self.slices.values_mut().for_each(unblock);
            }
            Kind::CheckFinished { .. } => keep(&mut self.checks, result(event)?),
            Kind::AuditStarted { round, commit } => {
                // A process that died while it judged is no audit: the same round begins anew.
                let anew = self.audit.as_ref().is_some_and(|a| a.round == *round && a.verdict.is_none());
                // A run that is judged once more comes to another end.
                self.finished = None;
                if !anew {
                    self.audits = self.audits.saturating_add(1);
                }
                self.audit =
                    Some(Audit { round: *round, commit: *commit, verdict: None, findings: Vec::new(), agent: None });
            }
            Kind::AuditFinished { round, verdict, findings } => {
                let open = self.audit.as_mut().filter(|a| a.round == *round && a.verdict.is_none());
                let audit = open.ok_or_else(|| format!("audit {round} is not under way"))?;
                audit.verdict = Some(*verdict);
                audit.findings = findings.clone();
            }
            // An agent of the run is one that judges it. What it costs is counted above.
            Kind::AgentStarted { provider, role, .. } if role == "audit" => {
                let open = self.audit.as_mut().filter(|a| a.verdict.is_none());
                open.ok_or("no audit is under way")?.agent = Some(provider.clone());
            }
            Kind::ControlRequested { action, by, hint } => self.requests.push(Request {
                id: event.id.clone(),
                action: action.clone(),
                by: by.clone(),
                hint: hint.clone(),
                slice: event.fact.slice.clone(),
                r#gen: event.fact.r#gen,
                attempt: event.fact.attempt,
                result: None,
                granted: false,
            }),
            Kind::ControlApplied { request, result } => {
                let waits = |r: &Request| &r.id == request && r.result.is_none();
                let at = self.requests.iter().position(waits).ok_or("nobody waits for that")?;
                // What is refused names no generation.
                let granted = event.fact.r#gen.is_some();
                if let Some(asked) = self.requests.get(at).filter(|_| granted).cloned() {
                    self.grant(event, &asked)?;
                }
                if let Some(open) = self.requests.get_mut(at) {
                    (open.result, open.granted) = (Some(result.clone()), granted);
                }
            }
            Kind::AmendmentRequested { reason, contract: Some(path), .. } => {
                if let Some(attempt) = self.attempt_of(event) {
                    attempt.wants = Some((path.clone(), reason.clone()));
                }
            }
            Kind::AmendmentRequested { reason, change: Some(change), .. } => {
                let (Some(slice), Some(r#gen)) = (&event.fact.slice, event.fact.r#gen) else {
                    return Err("it names no slice or no generation".into());
                };
                let (id, slice, attempt) = (event.id.clone(), slice.clone(), number(event)?);
                let (reason, change) = (reason.clone(), change.clone());
                self.asked.push(Asked { id, slice, r#gen, attempt, reason, change });
            }
            Kind::AmendmentRejected { code, detail, request } => {
                if let Some(id) = request {
                    let open = self.asked.iter().position(|a| a.id == *id).ok_or("nobody waits for that")?;
                    self.asked.remove(open);
                }
                if let Some(attempt) = self.attempt_of(event) {
                    // Without a request that waits it is about what the attempt needs of a contract.
                    attempt.wants = attempt.wants.take().filter(|_| request.is_some());
                    attempt.refused.push((code.clone(), detail.clone()));
                }
            }
            Kind::BaselineFinished { commands } => self.baseline = commands.clone(),
            Kind::RunPaused { .. }
            | Kind::AgentStarted { .. }
            | Kind::AgentFinished { .. }
            | Kind::AgentFailed { .. }
            | Kind::CheckStarted { .. }
            | Kind::ScopeViolation { .. }
            | Kind::AmendmentRequested { change: None, .. }
            | Kind::RecoveryPerformed { .. }
            | Kind::BudgetExceeded { .. }
            | Kind::IntentLockViolated { .. } => {}
            Kind::SliceStarted { .. }
            | Kind::SliceInvalidated { .. }
            | Kind::SliceBlocked { .. }
            | Kind::AttemptFailed { .. }
            | Kind::MergeEligible { .. }
            | Kind::MergeStarted { .. }
            | Kind::MergeRepair { .. }
            | Kind::MergeLanded { .. }
            | Kind::MergeRedundant { .. }
            | Kind::ContractBlocked { .. }
            | Kind::ContractSettled { .. }
            | Kind::RepairStarted { .. }
            | Kind::RepairFinished { .. } => return Err("it names no slice".into()),
        }
        Ok(())
    }

    /// Does what a person asked for. What is skipped or cancelled is blocked by an event of its own.
    fn grant(&mut self, event: &Event, asked: &Request) -> Result<(), Refused> {
        let held = || Held { by: asked.by.clone(), why: asked.hint.clone(), since: event.ts };
        match (asked.action.as_str(), &event.fact.slice) {
            (RETRY, Some(slice)) => {
                let state = self.slices.get_mut(slice).filter(|s| s.r#gen == event.fact.r#gen);
                begin_anew(state.ok_or("that generation has not begun")?, asked.hint.clone())?;
                self.held.remove(slice);
                // What waited for it waits again; what judged the run without it does not judge this one.
                self.slices.values_mut().for_each(unblock);
                (self.audit, self.finished) = (None, None);
            }
            (PAUSE, Some(slice)) => drop(self.held.insert(slice.clone(), held())),
            (PAUSE, None) => self.paused = Some(held()),
            (RESUME, Some(slice)) => drop(self.held.remove(slice)),
            (RESUME, None) => self.paused = None,
            (FIRST, Some(slice)) => {
                self.order.retain(|s| s != slice);
                self.order.insert(0, slice.clone());
            }
            _ => {}
        }
        Ok(())
    }

    /// The attempt that an event names, where that is the newest of its slice.
    fn attempt_of(&mut self, event: &Event) -> Option<&mut Attempt> {
        let state = self.slices.get_mut(event.fact.slice.as_ref()?)?;
        let last = state.attempts.last_mut().filter(|_| state.r#gen == event.fact.r#gen);
        last.filter(|a| Some(a.n) == event.fact.attempt)
    }

    /// A slice will not do what others need of its contract.
    fn give_up(&mut self, owner: &SliceId, path: &str, why: &str) {
        let open = self.slices.values_mut().filter(|s| s.waits_for().is_some()).filter_map(|s| s.waits.last_mut());
        for wait in open.filter(|w| w.owner == *owner && w.path == path) {
            wait.lost = Some(why.to_owned());
        }
    }

    fn apply_to_slice(&mut self, event: &Event, slice: &SliceId) -> Result<(), Refused> {
        let Some(generation) = event.fact.r#gen else { return Err("it names no generation".into()) };
        let kind = &event.fact.kind;
        let replaced = self.replaced.get(slice).is_some_and(|all| all.contains(&generation));
        let invalidates = matches!(kind, Kind::SliceInvalidated { .. });
        let old = self.slices.get(slice).map(|s| s.r#gen);
        let anew = match old {
            None => true,
            Some(Some(now)) if now == generation => false,
            // After an invalidation that named the generation that ended any may begin, also that one.
            Some(None) if !replaced || opens(kind) => false,
            Some(_) if invalidates => true,
            Some(_) if replaced => return Err("its generation was replaced".into()),
            Some(_) if opens(kind) => true,
            Some(_) => return Err("it belongs to a generation that has not begun".into()),
        };
        let goes_on = (anew && old.is_some()) || invalidates || matches!(kind, Kind::RepairStarted { .. });
        if self.finished.is_some() && !goes_on {
            return Err("the run has finished already".into());
        }
        if let Kind::MergeLanded { tip, .. } = kind {
            // What stands on another one's merge lands after that.
            let under_test =
                |s: &SliceState| s.phase == Phase::Merging && s.merge.as_ref().is_some_and(|m| m.commit == *tip);
            if self.slices.values().any(under_test) {
                return Err(format!("it stands on {}, which has not landed", tip.short()));
            }
        }
        let mut fresh = self.slices.get(slice).map(|s| followed(s, kind)).unwrap_or_default();
        let state = self.slices.get_mut(slice).filter(|_| !anew && !invalidates);
        let in_place = state.is_some();
        let state = state.unwrap_or(&mut fresh);
        let task = state.task.clone();
        let landed = step(state, event)?;
        let given_up = task.filter(|_| !landed && state.task.is_none());
        // An invalidation names the generation that ends, or the one that begins.
        state.r#gen = Some(generation).filter(|_| !(invalidates && old == Some(Some(generation))));
        let now = state.r#gen;
        if landed && let Some(commit) = state.landing {
            self.landings.push((slice.clone(), commit));
            // What judged an older target does not judge this one.
            self.audit = None;
        }
        if !in_place {
            self.slices.insert(slice.clone(), fresh);
        }
        if let Some(task) = given_up {
            self.give_up(slice, &task.path, ending(kind));
        }
        if old.flatten() != now || replaced {
            let all = self.replaced.entry(slice.clone()).or_default();
            all.extend(old.flatten().filter(|g| !all.contains(g)));
            all.retain(|g| Some(*g) != now);
        }
        if goes_on {
            self.finished = None;
        }
        if let Kind::SliceInvalidated { request: Some(id), .. } = kind {
            self.asked.retain(|a| a.id != *id);
        }
        Ok(())
    }
}

/// What a generation of a slice begins with after another one. Where the slice's own agent asked for it, it gains no
/// attempts, no time and no money by that.
fn followed(before: &SliceState, kind: &Kind) -> SliceState {
    let next = SliceState { earlier: before.last_attempt(), ..SliceState::default() };
    match kind {
        Kind::SliceInvalidated { request: Some(_), .. } => {
            let counted = before.counted.saturating_add(before.attempts.len() as u32);
            SliceState { counted, cost: before.cost, agent_ms: before.agent_ms, ..next }
        }
        _ => next,
    }
}

/// A person has a slice begin anew, from its base on: whatever stopped it counts no more.
fn begin_anew(s: &mut SliceState, hint: Option<String>) -> Result<(), Refused> {
    if let Some(why) = s.not_to_retry() {
        return Err(why.into());
    }
    s.retried = Some(Retried { after: s.last_attempt(), agent_ms: s.agent_ms, hint });
    (s.phase, s.base, s.repairs, s.counted) = (Phase::Pending, None, 0, 0);
    (s.candidate, s.merge, s.blocked, s.ended_at) = (None, None, None, None);
    s.waits.clear();
    if let Some(last) = s.attempts.last_mut().filter(|a| a.failed.is_none()) {
        // It passed, and could not be judged on the target.
        last.failed = Some((AttemptFailure::Integration, "begun anew by a person".into()));
    }
    Ok(())
}

/// A slice that waits for another one no longer does for good.
fn unblock(s: &mut SliceState) {
    if s.blocked.as_ref().is_some_and(|(reason, _)| *reason == BlockReason::DepBlocked) {
        (s.blocked, s.ended_at) = (None, None);
        s.phase = if s.base.is_some() { Phase::Building } else { Phase::Pending };
    }
}

/// Why a task comes to nothing, by the event that ends it.
fn ending(kind: &Kind) -> &str {
    match kind {
        Kind::RepairFinished { detail, .. } | Kind::SliceBlocked { detail, .. } => detail,
        _ => "",
    }
}

/// Whether an event that names a slice is about the state of that slice.
fn is_of_slice(fact: &Fact) -> bool {
    match &fact.kind {
        Kind::CheckStarted { round, .. } | Kind::CheckFinished { round, .. } => !round.starts_with("audit-"),
        Kind::AgentStarted { .. }
        | Kind::AgentFinished { .. }
        | Kind::AgentFailed { .. }
        | Kind::SliceStarted { .. }
        | Kind::SliceInvalidated { .. }
        | Kind::SliceBlocked { .. }
        | Kind::AttemptFailed { .. }
        | Kind::MergeEligible { .. }
        | Kind::MergeStarted { .. }
        | Kind::MergeRepair { .. }
        | Kind::MergeLanded { .. }
        | Kind::MergeRedundant { .. }
        | Kind::ScopeViolation { .. }
        | Kind::RepairStarted { .. } => true,
        Kind::ContractBlocked { .. } | Kind::ContractSettled { .. } | Kind::RepairFinished { .. } => true,
        _ => false,
    }
}

/// The kinds that may be the first of a generation.
fn opens(kind: &Kind) -> bool {
    match kind {
        Kind::CheckStarted { round, .. } | Kind::CheckFinished { round, .. } => round == "base",
        Kind::SliceStarted { .. }
        | Kind::SliceInvalidated { .. }
        | Kind::SliceBlocked { .. }
        | Kind::MergeRedundant { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
