//! The verdict: facts cap it, the strictest wins, and every cap is told. Pure.

use crate::{
    checks::model::Cause,
    journal::{
        event::{Finding, Verdict},
        state::{CheckResult, Phase, RunState},
    },
    plan::model::{Plan, current, proves},
};

/// How far a requirement is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proven {
    /// A check that nobody judged themselves by holds.
    Yes,
    /// Only checks that the slice wrote itself hold.
    SelfWritten,
    /// A check of it does not hold, or could not be evaluated.
    No,
}

/// How far a requirement is proven by results on one tree; `self_written` says of a check id whether its slice wrote it.
pub fn proven(plan: &Plan, requirement: &str, results: &[CheckResult], self_written: &dyn Fn(&str) -> bool) -> Proven {
    let of_it = plan.spec.checks().filter(|(slice, check)| proves(*slice, check).iter().any(|r| r == requirement));
    let mut best = Proven::No;
    for (_, check) in of_it {
        let cause = results.iter().rev().find(|r| r.check == check.id).map_or(Cause::Unknown, |r| r.cause);
        if !cause.passed() {
            return Proven::No;
        }
        if !self_written(&check.id) {
            best = Proven::Yes;
        } else if best == Proven::No {
            best = Proven::SelfWritten;
        }
    }
    best
}

/// Judges the integrated product by the results of all checks on it; `chain` are violations of the spec's history.
pub fn judge(
    plan: &Plan,
    state: &RunState,
    results: &[CheckResult],
    chain: &[String],
    self_written: &dyn Fn(&str) -> bool,
) -> (Verdict, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut find = |about: &str, cap, text: String| findings.push(Finding { about: about.to_owned(), text, cap });
    for violation in chain {
        find(plan.spec.id.as_str(), Verdict::Blocked, format!("the spec's history is broken: {violation}"));
    }
    let phase = |id| current(plan, state, id).phase;
    let blocked = plan.spec.slices.iter().filter(|s| phase(&s.id) == Phase::Blocked).count();
    let most = blocked * 2 > plan.spec.slices.len();
    for slice in &plan.spec.slices {
        let now = current(plan, state, &slice.id);
        if let Some((_, why)) = &now.blocked {
            let cap = if most { Verdict::Blocked } else { Verdict::Partial };
            find(slice.id.as_str(), cap, format!("slice `{}` is blocked: {why}", slice.id));
        }
    }
    for (slice, check) in plan.spec.checks() {
        if slice.is_some_and(|s| phase(&s.id) == Phase::Blocked) {
            continue;
        }
        match results.iter().rev().find(|r| r.check == check.id) {
            Some(r) if r.cause.passed() => {}
            Some(r) => find(&check.id, Verdict::Partial, format!("check `{}`: {}", check.id, r.detail)),
            None => find(&check.id, Verdict::Partial, format!("check `{}` was not run", check.id)),
        }
    }
    for requirement in &plan.spec.requirements {
        match proven(plan, &requirement.id, results, self_written) {
            Proven::Yes => {}
            Proven::SelfWritten => {
                let text = format!("{} is proven only by tests that its slice wrote itself", requirement.id);
                find(&requirement.id, Verdict::Partial, text);
            }
            Proven::No => find(&requirement.id, Verdict::Partial, format!("{} is not proven", requirement.id)),
        }
    }
    let verdict = findings.iter().map(|f| f.cap).min().unwrap_or(Verdict::Passed);
    (verdict, findings)
}
