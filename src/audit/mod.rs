//! The audit: every check once more, on a fresh checkout of the integrated product, never from an earlier result; then,
//! where one is set up, an agent that can find more and overrule nothing.

use crate::{
    agent::{Agent, prompt::Prompts},
    base::{Failure, Oid, Point},
    checks::model::Check,
    gate::{Gate, Round},
    journal::event::{Fact, Kind, Verdict},
    plan::model::{Plan, is_self_written},
    store::record,
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
    gate.world.faults.hit(Point::AuditAfterChecks)?;
    let chain: Vec<String> = record::verify(gate.repo(), &plan.spec.id, plan.spec_commit)
        .into_iter()
        .map(|v| format!("{}: {}", v.commit.short(), v.message))
        .collect();
    let opinion = match auditor {
        Some(auditor) => Some(auditor::opinion(gate, plan, (number, &round), &results, auditor).await?),
        None => None,
    };
    let self_written = |check: &str| is_self_written(&plan.spec, check);
    let (verdict, findings) =
        gate.log.read(|state| model::judge(plan, state, &results, &chain, &self_written, opinion.as_ref()));
    gate.log.record(&[Fact::run(Kind::AuditFinished { round: number, verdict, findings })])?;
    gate.world.faults.hit(Point::AuditAfterEvent)?;
    Ok(verdict)
}
