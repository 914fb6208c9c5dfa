//! The audit: every check once more, on a fresh checkout of the integrated product, never from an earlier result.

use crate::{
    base::{Failure, Oid, Point},
    checks::model::Check,
    gate::{Gate, Round},
    journal::event::{Fact, Kind, Verdict},
    plan::model::{Plan, is_self_written},
    store::record,
};

pub mod model;

/// Judges what is on the target at `tip`; the verdict is journalled.
pub async fn audit(gate: &Gate, plan: &Plan, tip: Oid) -> Result<Verdict, Failure> {
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
    let (verdict, findings) =
        gate.log.read(|state| model::judge(plan, state, &results, &chain, &|check| is_self_written(&plan.spec, check)));
    gate.log.record(&[Fact::run(Kind::AuditFinished { round: number, verdict, findings })])?;
    gate.world.faults.hit(Point::AuditAfterEvent)?;
    Ok(verdict)
}
