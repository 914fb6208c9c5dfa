//! What an event does to the state of one slice, within its generation.

use super::Refused;
use crate::{
    base::Timestamp,
    journal::{
        event::{AttemptFailure, Event, Kind},
        state::{Attempt, CheckResult, Merge, Phase, SliceState, Task, Wait},
    },
};

/// Moves a slice within its generation; true if it landed. What fails changes nothing but costs.
pub(super) fn step(s: &mut SliceState, event: &Event) -> Result<bool, Refused> {
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
            if s.task.is_some() {
                // What is on the target stays there, whoever stops what is done to it.
                give_task_up(s, event.ts);
                return Ok(false);
            }
            s.phase = Phase::Blocked;
            s.blocked = Some((*reason, detail.clone()));
            s.ended_at = Some(event.ts);
        }
        Kind::RepairStarted { contract: Some(path), .. } => {
            must(&[Phase::Landed, Phase::Redundant])?;
            let (path, after, agent_ms) = (path.clone(), s.last_attempt(), s.agent_ms);
            s.task = Some(Task { path, after, agent_ms, repairs: s.repairs, merge: s.merge.clone() });
            (s.phase, s.candidate, s.ended_at) = (Phase::Building, None, None);
        }
        Kind::RepairFinished { .. } if s.task.is_some() => {
            must(&[OPEN, IN_QUEUE].concat())?;
            give_task_up(s, event.ts);
        }
        Kind::ContractBlocked { path, owner, candidate } => {
            must(AT_WORK)?;
            if s.waits_for().is_some() || s.task.is_some() {
                return Err("it cannot wait for that now".into());
            }
            let attempt = attempt(s, event)?;
            if attempt.failed.is_some() {
                return Err(format!("attempt {} has failed", attempt.n));
            }
            attempt.agent_ended = true;
            attempt.commit = candidate.or(attempt.commit);
            let reason = attempt.wants.as_ref().map(|(_, why)| why.clone()).unwrap_or_default();
            let (id, path, owner, attempt) = (event.id.clone(), path.clone(), owner.clone(), attempt.n);
            let (candidate, lost, settled) = (*candidate, None, None);
            s.waits.push(Wait { id, path, owner, attempt, reason, candidate, lost, settled });
            s.phase = Phase::Building;
        }
        Kind::ContractSettled { path, passed, detail } => {
            if s.waits_for().is_none_or(|w| w.path != *path) {
                return Err("it waits for no such contract".into());
            }
            let Some(wait) = s.waits.last_mut() else { return Ok(false) };
            wait.settled = Some((*passed, detail.clone()));
            if let Some(candidate) = wait.candidate.filter(|_| *passed) {
                // What the attempt made is merged with what the owner has done: the queue judges it.
                (s.candidate, s.phase) = (Some(candidate), Phase::Eligible);
            }
        }
        Kind::RepairStarted { .. } => {
            must(&[Phase::Landed, Phase::Redundant, Phase::Blocked])?;
            // A repair is a new start on what is there: it may land once more.
            s.phase = Phase::Building;
            (s.candidate, s.merge, s.landing, s.blocked, s.redundant) = (None, None, None, None, None);
            s.ended_at = None;
        }
        Kind::AgentStarted { provider, session, told, .. } => {
            must(AT_WORK)?;
            let anew = Attempt {
                n: number(event)?,
                provider: provider.clone(),
                began: Some(event.ts),
                session: session.clone(),
                told: told.clone(),
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
            (s.phase, s.task) = (Phase::Landed, None);
            s.ended_at = Some(event.ts);
            return Ok(true);
        }
        Kind::MergeRedundant { detail, .. } => {
            must(&[OPEN, IN_QUEUE].concat())?;
            s.redundant = Some(detail.clone());
            (s.phase, s.task) = (Phase::Redundant, None);
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

pub(super) fn number(event: &Event) -> Result<u32, Refused> {
    event.fact.attempt.filter(|n| *n > 0).ok_or_else(|| "it names no attempt".into())
}

/// The attempt that an event names: only the last one can still change.
fn attempt<'a>(s: &'a mut SliceState, event: &Event) -> Result<&'a mut Attempt, Refused> {
    let n = number(event)?;
    s.attempts.last_mut().filter(|a| a.n == n).ok_or_else(|| format!("attempt {n} is not the last one"))
}

pub(super) fn result(event: &Event) -> Result<CheckResult, Refused> {
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
pub(super) fn keep(results: &mut Vec<CheckResult>, found: CheckResult) {
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

/// A slice stands again where it stood before its task for others.
fn give_task_up(s: &mut SliceState, ts: Timestamp) {
    let Some(task) = s.task.take() else { return };
    s.phase = if s.landing.is_some() { Phase::Landed } else { Phase::Redundant };
    (s.candidate, s.merge, s.ended_at) = (None, task.merge, Some(ts));
}
