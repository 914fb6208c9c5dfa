//! The verdict: facts cap it, the strictest wins, and every cap is told. Pure.

use serde::Deserialize;

use crate::{
    base::text,
    checks::model::Cause,
    journal::{
        event::{Finding, Verdict},
        state::{CheckResult, Phase, RunState},
    },
    plan::model::{Plan, current, proves},
};

pub mod history;

use history::History;

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

/// What an agent says that was asked to judge.
#[derive(Clone, Debug, PartialEq)]
pub enum Opinion {
    /// This.
    Said(Judgement),
    /// Nothing that could be read, and why.
    Nothing(String),
}

/// What an agent that judges answers (`schemas/audit.json`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// How good it finds the product.
    pub verdict: Verdict,
    /// What it found.
    pub findings: Vec<Remark>,
}

/// One thing that an agent found.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// A requirement, a slice or a check.
    pub about: String,
    /// What.
    pub text: String,
    /// In which file.
    #[serde(default)]
    pub path: Option<String>,
    /// How much it weighs; a defect where it does not say.
    #[serde(default)]
    pub severity: Option<Severity>,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It keeps the product from passing.
    Defect,
    /// It does not.
    Note,
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

/// Judges the integrated product by the results of all checks on it, by what contracts lack in it, a clause each, and by the
/// history of its spec. An agent's opinion can
/// make the verdict stricter, never better.
pub fn judge(
    plan: &Plan,
    state: &RunState,
    results: &[CheckResult],
    broken: &[String],
    history: &History,
    self_written: &dyn Fn(&str) -> bool,
    opinion: Option<&Opinion>,
) -> (Verdict, Vec<Finding>) {
    let mut findings = history::judge(&plan.spec.id, history);
    let mut find = |about: &str, cap, text: String| findings.push(Finding { about: about.to_owned(), text, cap });
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
    for lack in broken {
        find(plan.spec.id.as_str(), Verdict::Partial, lack.clone());
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
    findings.extend(opinion.map(|o| of_opinion(plan, o)).unwrap_or_default());
    let verdict = findings.iter().map(|f| f.cap).min().unwrap_or(Verdict::Passed);
    (verdict, findings)
}

/// What an opinion caps, and what it says besides.
fn of_opinion(plan: &Plan, opinion: &Opinion) -> Vec<Finding> {
    let spec = &plan.spec;
    let whole = |cap, text| Finding { about: spec.id.to_string(), text, cap };
    let said = match opinion {
        Opinion::Nothing(why) => {
            return vec![whole(Verdict::Blocked, format!("the auditor gave no verdict: {}", clean(why)))];
        }
        Opinion::Said(said) => said,
    };
    let mut out: Vec<Finding> = match said.verdict {
        Verdict::Passed => Vec::new(),
        Verdict::Partial => vec![whole(Verdict::Partial, "the auditor finds that only a part of it is there".into())],
        Verdict::Blocked => vec![whole(Verdict::Blocked, "the auditor finds that it should not be used".into())],
    };
    let known = |id: &str| {
        spec.requirements.iter().any(|r| r.id == id)
            || spec.slices.iter().any(|s| s.id.as_str() == id)
            || spec.checks().any(|(_, c)| c.id == id)
    };
    out.extend(said.findings.iter().map(|r| {
        let cap = match r.severity {
            Some(Severity::Note) => Verdict::Passed,
            None | Some(Severity::Defect) => said.verdict.min(Verdict::Partial),
        };
        let place = r.path.as_deref().map(|p| format!(" (`{}`)", clean(p))).unwrap_or_default();
        let about = if known(&r.about) { r.about.clone() } else { spec.id.to_string() };
        let word = if r.severity == Some(Severity::Note) { "notes" } else { "found" };
        let text = format!("the auditor {word}, about `{}`: {}{place}", clean(&r.about), clean(&r.text));
        Finding { about, text, cap }
    }));
    out
}

/// An agent's words on one line, without secrets.
fn clean(words: &str) -> String {
    let words = text::redact(words.as_bytes());
    text::one_line(&String::from_utf8_lossy(&words).split_whitespace().collect::<Vec<_>>().join(" "), 600)
}

#[cfg(test)]
mod tests;
