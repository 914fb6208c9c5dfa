//! What is under way in a run, as lines that stand below the narration: one for each slice at work, and one for the whole.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    base::{SliceId, text::one_line},
    journal::state::{Phase, RunState},
    plan::{
        model::{Plan, current},
        schedule::Busy,
    },
};

/// What is known of a slice at work besides its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sign {
    /// For how long it has been at work.
    pub since: Duration,
    /// What its agent did last, or for how long it has been quiet; nothing where no agent works.
    pub last: Option<String>,
}

/// Slices that get a line of their own.
const SHOWN: usize = 16;

/// The lines.
pub fn lines(plan: &Plan, state: &RunState, busy: &Busy, signs: &BTreeMap<SliceId, Sign>) -> Vec<String> {
    let at_work: Vec<&SliceId> = plan.spec.slices.iter().map(|s| &s.id).filter(|id| busy.has(id)).collect();
    let mut out: Vec<String> = at_work
        .iter()
        .take(SHOWN)
        .map(|id| {
            let now = current(plan, state, id);
            let sign = signs.get(id).cloned().unwrap_or_default();
            let attempt = now.last_attempt().max(1);
            let what = match now.phase {
                _ if busy.lane.get(id).is_some() => "landing".to_owned(),
                _ if now.by_hand().is_some() => format!("waits for you: git otto submit {id}"),
                Phase::Pending => "checks on the base".to_owned(),
                Phase::Checking => format!("checks of attempt {attempt}"),
                _ => match now.open_attempt().filter(|a| !a.agent_ended) {
                    Some(a) => format!("attempt {attempt} by {}", a.provider),
                    None => format!("attempt {attempt}"),
                },
            };
            let last = sign.last.map(|last| format!("  {last}")).unwrap_or_default();
            format!("{:>12} {}", id.as_str(), one_line(&format!("{what}  {}{last}", spell(sign.since)), 300))
        })
        .collect();
    if at_work.len() > SHOWN {
        out.push(format!("{:>12} and {} more", "", at_work.len() - SHOWN));
    }
    let count = |wanted: fn(Phase) -> bool| {
        plan.spec.slices.iter().filter(|s| wanted(current(plan, state, &s.id).phase)).count()
    };
    let mut parts = vec![format!("{} of {} landed", count(|p| p == Phase::Landed), plan.spec.slices.len())];
    for (n, what) in [(count(|p| p == Phase::Redundant), "not needed"), (count(|p| p == Phase::Blocked), "blocked")] {
        parts.extend((n > 0).then(|| format!("{n} {what}")));
    }
    parts.push(format!("{} at work", at_work.len()));
    parts.extend(busy.auditing.then(|| "audit".to_owned()));
    let cents = state.cost.usd_micros / 10_000;
    parts.extend((state.cost.usd_micros > 0).then(|| format!("${}.{:02}", cents / 100, cents % 100)));
    out.push(format!("{:>12} {}", "", parts.join(", ")));
    out
}

/// A time in as few words as say it.
fn spell(time: Duration) -> String {
    match time.as_secs() {
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s / 60 % 60),
    }
}

#[cfg(test)]
mod tests;
