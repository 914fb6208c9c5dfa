//! The audit: every check once more, on a fresh checkout of the integrated product, never from an earlier result; then,
//! where one is set up, an agent that can find more and overrule nothing.

use std::collections::BTreeSet;

use model::history::{Agent as Amender, Amended, History};

use crate::{
    agent::{Agent, prompt::Prompts},
    base::{Failure, Oid, Point},
    checks::model::Check,
    gate::{Gate, Round},
    journal::{
        self,
        event::{Fact, Kind, Verdict},
    },
    plan::model::{Plan, contracts, is_self_written},
    store::{
        record::{self, Actor, Code},
        run,
    },
};

mod auditor;
pub mod model;

/// An agent that judges, and what it is told.
#[derive(Clone, Copy, Debug)]
pub struct Auditor<'a> {
    /// Who.
    pub agent: &'a Agent,
    /// The templates.
    pub prompts: &'a Prompts,
}

/// Judges what is on the target at `tip`; the verdict is journalled.
pub async fn audit(gate: &Gate, plan: &Plan, tip: Oid, auditor: Option<Auditor<'_>>) -> Result<Verdict, Failure> {
    let number = gate.log.read(|state| state.audits) + 1;
    gate.log.record(&[Fact::run(Kind::AuditStarted { round: number, commit: tip })])?;
    let tree = gate.repo().read_commit(tip)?.tree;
    let name = format!("audit-{number}");
    let round = Round::of_run(plan.spec_commit, name, tree);
    let all: Vec<&Check> = plan.spec.checks().map(|(_, c)| c).collect();
    let results = gate.round(&round, &all).await?;
    gate.site.world.faults.hit(Point::AuditAfterChecks)?;
    let history = history(gate, plan)?;
    let opinion = match auditor {
        Some(auditor) => Some(auditor::opinion(gate, plan, (number, &round), &results, auditor).await?),
        None => None,
    };
    let done = gate.log.read(|state| contracts::done(plan, state));
    let broken = contracts::broken(gate.repo(), tree, &done)?;
    let self_written = |check: &str| is_self_written(&plan.spec, check);
    let (verdict, findings) =
        gate.log.read(|state| model::judge(plan, state, &results, &broken, &history, &self_written, opinion.as_ref()));
    gate.log.record(&[Fact::run(Kind::AuditFinished { round: number, verdict, findings })])?;
    gate.site.world.faults.hit(Point::AuditAfterEvent)?;
    Ok(verdict)
}

/// The history of the spec up to the version that is judged. What an agent lacks in it caps, and breaks nothing.
fn history(gate: &Gate, plan: &Plan) -> Result<History, Failure> {
    let violations = record::verify(gate.repo(), &plan.spec.id, plan.spec_commit).into_iter();
    let broken = violations.filter(|v| v.code != Code::MissingTrigger);
    let broken: Vec<String> = broken.map(|v| format!("{}: {}", v.commit.short(), v.message)).collect();
    if !broken.is_empty() {
        return Ok(History { broken, amended: Vec::new() });
    }
    let steps = record::history(gate.repo(), plan.spec_commit)?.into_iter();
    let amendments = steps.filter(|s| matches!(s.record.kind, record::Kind::Amend | record::Kind::Retire));
    let mut amended: Vec<Amended> = amendments
        .map(|s| Amended {
            commit: s.commit,
            agent: match &s.record.actor {
                Actor::Agent { .. } => {
                    let name = s.record.actor.to_string();
                    Some(Amender { name, trigger: s.record.trigger, known: false })
                }
                _ => None,
            },
        })
        .collect();
    let known = requests(gate, plan, amended.iter().filter_map(|a| a.agent.as_ref()?.trigger.clone()).collect())?;
    for agent in amended.iter_mut().filter_map(|a| a.agent.as_mut()) {
        agent.known = agent.trigger.as_ref().is_some_and(|t| known.contains(t));
    }
    Ok(History { broken, amended })
}

/// Those of some events that are in the journal of a run of the spec, and by which an agent asks for an amendment.
fn requests(gate: &Gate, plan: &Plan, mut wanted: BTreeSet<String>) -> Result<BTreeSet<String>, Failure> {
    let mut known = BTreeSet::new();
    // The newest run is this one.
    for id in run::list(gate.repo(), Some(&plan.spec.id))?.iter().rev() {
        if wanted.is_empty() {
            break;
        }
        let (at, _) = run::load(gate.repo(), id)?;
        for event in journal::read(gate.repo(), id, at)?.events {
            if matches!(event.fact.kind, Kind::AmendmentRequested { .. }) && wanted.remove(&event.id) {
                known.insert(event.id);
            }
        }
    }
    Ok(known)
}
