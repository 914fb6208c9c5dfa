//! The state machine: what each event does to the state of a run (DESIGN, Journal). Total: an event that cannot be is
//! reported in `problems` and changes nothing else, except that money once spent is counted.

use crate::{
    base::SliceId,
    journal::{
        event::{AttemptFailure, BlockReason, Event, Fact, Kind},
        state::{
            Asked, Attempt, Audit, CheckResult, FIRST, Finished, Held, Merge, PAUSE, Phase, RESUME, RETRY, Request,
            Retried, RunState, SliceState, Started,
        },
    },
};

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
            Kind::AmendmentRequested { reason, change: Some(change) } => {
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
                let of = event.fact.slice.as_ref().and_then(|slice| self.slices.get_mut(slice));
                let of = of.filter(|s| s.r#gen == event.fact.r#gen).and_then(|s| s.attempts.last_mut());
                if let Some(attempt) = of.filter(|a| Some(a.n) == event.fact.attempt) {
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
        let landed = step(state, event)?;
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

/// Moves a slice within its generation; true if it landed. What fails changes nothing but costs.
fn step(s: &mut SliceState, event: &Event) -> Result<bool, Refused> {
    let from = s.phase;
    let must = |allowed: &[Phase]| match allowed.contains(&from) {
        true => Ok(()),
        false => Err(format!("a slice that is {} cannot do that", word(from))),
    };
    const OPEN: &[Phase] = &[Phase::Pending, Phase::Building, Phase::Checking];
    const AT_WORK: &[Phase] = &[Phase::Building, Phase::Checking];
    const IN_QUEUE: &[Phase] = &[Phase::Eligible, Phase::Merging];
    match &event.fact.kind {
        Kind::SliceStarted { base, green } => {
            must(OPEN)?;
            s.phase = Phase::Building;
            s.base = Some(*base);
            s.green_on_base = green.clone();
            s.started_at = s.started_at.or(Some(event.ts));
        }
        Kind::SliceBlocked { reason, detail } => {
            must(&[OPEN, IN_QUEUE].concat())?;
            s.phase = Phase::Blocked;
            s.blocked = Some((*reason, detail.clone()));
            s.ended_at = Some(event.ts);
        }
        Kind::RepairStarted { .. } => {
            must(&[Phase::Landed, Phase::Redundant, Phase::Blocked])?;
            // A repair is a new start on what is there: it may land once more.
            s.phase = Phase::Building;
            (s.candidate, s.merge, s.landing, s.blocked, s.redundant) = (None, None, None, None, None);
            s.ended_at = None;
        }
        Kind::AgentStarted { provider, session, .. } => {
            must(AT_WORK)?;
            let anew = Attempt {
                n: number(event)?,
                provider: provider.clone(),
                began: Some(event.ts),
                session: session.clone(),
                ..Attempt::default()
            };
            let last = s.last_attempt();
            match s.attempts.last_mut() {
                // The process that ran it died: the same attempt begins anew. What it cost stays.
                Some(open) if open.n == anew.n && open.failed.is_none() => {
                    *open = Attempt { cost: open.cost, session: anew.session.or(open.session.take()), ..anew };
                }
                _ if Some(anew.n) == last.checked_add(1) => s.attempts.push(anew),
                _ => return Err(format!("attempt {} does not follow attempt {last}", anew.n)),
            }
            s.phase = Phase::Building;
        }
        Kind::AgentFinished { cost, duration_ms, .. } | Kind::AgentFailed { cost, duration_ms, .. } => {
            s.cost += *cost;
            s.agent_ms = s.agent_ms.saturating_add(*duration_ms);
            let attempt = attempt(s, event)?;
            attempt.cost += *cost;
            attempt.agent_ended = true;
        }
        Kind::ScopeViolation { paths } => {
            must(AT_WORK)?;
            let known = &mut attempt(s, event)?.violations;
            known.extend(paths.iter().filter(|p| !known.contains(p)).cloned().collect::<Vec<_>>());
        }
        Kind::CheckStarted { round, .. } => {
            s.phase = check_phase(from, round)?.unwrap_or(from);
        }
        Kind::CheckFinished { round, .. } => {
            let found = result(event)?;
            let phase = check_phase(from, round)?;
            match round.as_str() {
                "base" => keep(&mut s.base_checks, found),
                _ => match event.fact.attempt.is_none() {
                    // The queue may check a slice without saying which attempt made its candidate.
                    true => keep(&mut s.attempts.last_mut().ok_or("it has no attempt")?.checks, found),
                    false => keep(&mut attempt(s, event)?.checks, found),
                },
            }
            s.phase = phase.unwrap_or(s.phase);
        }
        Kind::AttemptFailed { reason, detail, commit, diff } => {
            must(AT_WORK)?;
            let n = number(event)?;
            let last = s.last_attempt();
            if Some(n) == last.checked_add(1) && s.attempts.last().is_none_or(|a| a.failed.is_some()) {
                // It failed before its agent was started.
                s.attempts.push(Attempt { n, ..Attempt::default() });
            }
            let attempt = attempt(s, event)?;
            let queue = |r: &AttemptFailure| matches!(r, AttemptFailure::Conflict | AttemptFailure::Integration);
            if attempt.failed.as_ref().is_some_and(|(r, _)| !queue(r)) {
                return Err(format!("attempt {n} has failed already"));
            }
            attempt.failed = Some((*reason, detail.clone()));
            attempt.agent_ended = true;
            attempt.commit = commit.or(attempt.commit);
            attempt.diff = diff.or(attempt.diff);
            s.phase = Phase::Building;
        }
        Kind::MergeEligible { candidate } => {
            must(AT_WORK)?;
            let attempt = match event.fact.attempt {
                Some(_) => attempt(s, event)?,
                None => s.attempts.last_mut().ok_or("it has no attempt")?,
            };
            if attempt.failed.is_some() {
                return Err(format!("attempt {} has failed", attempt.n));
            }
            attempt.commit = Some(*candidate);
            s.candidate = Some(*candidate);
            s.phase = Phase::Eligible;
        }
        Kind::MergeStarted { candidate, tip, commit, tree, round } => {
            must(IN_QUEUE)?;
            if s.candidate != Some(*candidate) {
                return Err(format!("{} is not its candidate", candidate.short()));
            }
            s.merge = Some(Merge { candidate: *candidate, tip: *tip, commit: *commit, tree: *tree, round: *round });
            s.phase = Phase::Merging;
        }
        Kind::MergeRepair { reason, detail } => {
            must(IN_QUEUE)?;
            s.repairs = s.repairs.saturating_add(1);
            s.candidate = None;
            if let Some(last) = s.attempts.last_mut() {
                last.failed = Some((*reason, detail.clone()));
            }
            s.phase = Phase::Building;
        }
        Kind::MergeLanded { commit, tree, .. } => {
            must(&[Phase::Merging])?;
            if s.merge.as_ref().is_none_or(|m| m.commit != *commit || m.tree != *tree) {
                return Err(format!("{} is not the merge that was tested", commit.short()));
            }
            s.landing = Some(*commit);
            s.phase = Phase::Landed;
            s.ended_at = Some(event.ts);
            return Ok(true);
        }
        Kind::MergeRedundant { detail, .. } => {
            must(&[OPEN, IN_QUEUE].concat())?;
            s.redundant = Some(detail.clone());
            s.phase = Phase::Redundant;
            s.ended_at = Some(event.ts);
        }
        _ => {}
    }
    Ok(false)
}

/// The phase that a check of a round brings a slice to, if another.
fn check_phase(from: Phase, round: &str) -> Result<Option<Phase>, Refused> {
    match (round, from) {
        ("base", Phase::Pending | Phase::Building | Phase::Checking) => Ok(None),
        ("candidate", Phase::Building | Phase::Checking) => Ok(Some(Phase::Checking)),
        ("base" | "candidate", _) => Err(format!("no check of round {round} runs on a slice that is {}", word(from))),
        // The queue also runs the checks of slices that landed before.
        (_, Phase::Eligible | Phase::Merging | Phase::Landed | Phase::Redundant) if numbered(round, "queue-") => {
            Ok(None)
        }
        _ if numbered(round, "queue-") => Err(format!("a slice that is {} is not in the queue", word(from))),
        _ => Err("its round is none of base, candidate, queue-n, audit-n".into()),
    }
}

fn numbered(round: &str, prefix: &str) -> bool {
    round.strip_prefix(prefix).is_some_and(|n| n.parse::<u32>().is_ok())
}

fn number(event: &Event) -> Result<u32, Refused> {
    event.fact.attempt.filter(|n| *n > 0).ok_or_else(|| "it names no attempt".into())
}

/// The attempt that an event names: only the last one can still change.
fn attempt<'a>(s: &'a mut SliceState, event: &Event) -> Result<&'a mut Attempt, Refused> {
    let n = number(event)?;
    s.attempts.last_mut().filter(|a| a.n == n).ok_or_else(|| format!("attempt {n} is not the last one"))
}

fn result(event: &Event) -> Result<CheckResult, Refused> {
    let Kind::CheckFinished { check, digest, round, tree, passed, cause, detail, duration_ms, evidence } =
        &event.fact.kind
    else {
        return Err("it is no result".into());
    };
    if *passed != cause.passed() {
        return Err("it says both that the check passed and why it did not".into());
    }
    Ok(CheckResult {
        check: check.clone(),
        digest: *digest,
        round: round.clone(),
        tree: *tree,
        cause: *cause,
        detail: detail.clone(),
        duration_ms: *duration_ms,
        evidence: *evidence,
    })
}

/// Of each check in each round the last result counts.
fn keep(results: &mut Vec<CheckResult>, found: CheckResult) {
    match results.iter_mut().find(|r| r.check == found.check && r.round == found.round) {
        Some(old) => *old = found,
        None => results.push(found),
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Building => "building",
        Phase::Checking => "checking",
        Phase::Eligible => "eligible",
        Phase::Merging => "merging",
        Phase::Landed => "landed",
        Phase::Redundant => "redundant",
        Phase::Blocked => "blocked",
    }
}

#[cfg(test)]
mod tests;
