//! What people and agents write into events, before it is hashed: without secrets, and not longer than a line may be.

use crate::{
    base::{json::Limits, text::redact},
    journal::{
        Error, Result,
        event::{BaselineCommand, Event, Finding, Kind},
        line,
    },
};

/// Texts and lists are cut to these lengths, one after the other, until the line is short enough.
const CUTS: [usize; 5] = [100_000, 10_000, 1_000, 200, 40];

/// The line of an event, its texts redacted and cut; the event becomes what the line says.
pub fn line(event: &mut Event) -> Result<String> {
    for text in texts(&mut event.fact.kind) {
        let clean = redact(text.as_bytes());
        if clean != text.as_bytes() {
            *text = String::from_utf8_lossy(&clean).into_owned();
        }
    }
    let mut cuts = CUTS.iter();
    loop {
        let line = line::encode(event)?;
        if line.len() <= Limits::LINE.size {
            // What cannot be read back must not be written: it would end the journal.
            return match line::decode(line.as_bytes()) {
                Ok(read) if read == *event => Ok(line),
                Ok(_) => {
                    Err(Error::Unwritable { kind: event.fact.kind.name(), why: "it is not read back alike".into() })
                }
                Err(e) => Err(Error::Unwritable { kind: event.fact.kind.name(), why: e.what }),
            };
        }
        let Some(max) = cuts.next() else {
            let why = format!("{} bytes are more than a line may have", line.len());
            return Err(Error::Unwritable { kind: event.fact.kind.name(), why });
        };
        texts(&mut event.fact.kind).into_iter().for_each(|text| shorten(text, *max));
        cut_lists(&mut event.fact.kind, *max);
    }
}

/// Cuts a text to about `max` bytes and says so.
fn shorten(text: &mut String, max: usize) {
    if text.len() > max {
        let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let left_out = text.len() - end;
        text.truncate(end);
        text.push_str(&format!("… [{left_out} bytes left out]"));
    }
}

/// The texts of a kind that people, agents and programs write freely. Names that the program goes by are not among them.
fn texts(kind: &mut Kind) -> Vec<&mut String> {
    match kind {
        Kind::RunResumed { reason, .. } | Kind::RunPaused { reason } | Kind::AmendmentRequested { reason, .. } => {
            vec![reason]
        }
        Kind::AgentStarted { provider, .. } => vec![provider],
        Kind::AgentFinished { summary, .. } => vec![summary],
        Kind::AgentFailed { detail, .. }
        | Kind::SliceBlocked { detail, .. }
        | Kind::CheckFinished { detail, .. }
        | Kind::AttemptFailed { detail, .. }
        | Kind::MergeRepair { detail, .. }
        | Kind::MergeRedundant { detail, .. }
        | Kind::ContractSettled { detail, .. }
        | Kind::RepairFinished { detail, .. }
        | Kind::AmendmentRejected { detail, .. } => vec![detail],
        Kind::RunFinished { why, .. } => why.iter_mut().collect(),
        Kind::RecoveryPerformed { actions } => actions.iter_mut().collect(),
        Kind::ScopeViolation { paths } => paths.iter_mut().collect(),
        Kind::BaselineFinished { commands } => commands.iter_mut().flat_map(|c| &mut c.command).collect(),
        Kind::AuditFinished { findings, .. } | Kind::RepairStarted { findings, .. } => {
            findings.iter_mut().flat_map(|f| [&mut f.about, &mut f.text]).collect()
        }
        Kind::ControlRequested { action, by, hint } => {
            [Some(action), by.as_mut(), hint.as_mut()].into_iter().flatten().collect()
        }
        Kind::ControlApplied { result, .. } => vec![result],
        Kind::RunStarted { .. }
        | Kind::RunAmended { .. }
        | Kind::SliceStarted { .. }
        | Kind::SliceInvalidated { .. }
        | Kind::CheckStarted { .. }
        | Kind::MergeEligible { .. }
        | Kind::MergeStarted { .. }
        | Kind::MergeLanded { .. }
        | Kind::ContractBlocked { .. }
        | Kind::AuditStarted { .. }
        | Kind::BudgetExceeded { .. }
        | Kind::IntentLockViolated { .. } => vec![],
    }
}

/// Cuts the lists of a kind to `max` items and says so in the last one.
fn cut_lists(kind: &mut Kind, max: usize) {
    let more = |n: usize| format!("… and {n} more");
    match kind {
        Kind::RunFinished { why: list, .. }
        | Kind::RecoveryPerformed { actions: list }
        | Kind::ScopeViolation { paths: list } => {
            let left_out = list.len().saturating_sub(max);
            list.truncate(max);
            list.extend((left_out > 0).then(|| more(left_out)));
        }
        Kind::BaselineFinished { commands } => {
            let left_out = commands.len().saturating_sub(max);
            let passed = commands.iter().skip(max).all(|c| c.passed);
            commands.truncate(max);
            let rest = BaselineCommand { command: vec![more(left_out)], passed, duration_ms: 0 };
            commands.extend((left_out > 0).then_some(rest));
        }
        Kind::AuditFinished { findings, .. } | Kind::RepairStarted { findings, .. } => {
            let left_out = findings.len().saturating_sub(max);
            let cap = findings.iter().skip(max).map(|f| f.cap).min();
            findings.truncate(max);
            findings.extend(cap.map(|cap| Finding { about: "audit".into(), text: more(left_out), cap }));
        }
        _ => {}
    }
}
