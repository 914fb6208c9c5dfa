//! What the packet and `status` call things.

use super::model::{Diffstat, Proven};
use crate::journal::{
    event::{AttemptFailure, BlockReason, Cost, Verdict},
    state::Phase,
};

/// A verdict as its word.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Partial => "partial",
        Verdict::Blocked => "blocked",
    }
}

/// How far a requirement is proven.
pub fn proven(proven: Proven) -> &'static str {
    match proven {
        Proven::Yes => "proven",
        Proven::SelfWritten => "proven only by tests that its slice wrote itself",
        Proven::No => "not proven",
    }
}

/// A phase as its word.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending => "pending",
        Phase::Building => "building",
        Phase::Checking => "checking",
        Phase::Eligible => "waiting for the queue",
        Phase::Merging => "merging",
        Phase::Landed => "landed",
        Phase::Redundant => "redundant",
        Phase::Blocked => "blocked",
    }
}

/// Why a slice cannot go on.
pub fn block(reason: BlockReason) -> &'static str {
    match reason {
        BlockReason::DepBlocked => "a slice that it needs is blocked",
        BlockReason::BaseUnfit => "the base is not fit for it",
        BlockReason::SameDiff => "two attempts made the same change",
        BlockReason::Attempts => "all attempts are used up",
        BlockReason::Scope => "it changed what it does not own, again and again",
        BlockReason::Budget => "it cost or took too much",
        BlockReason::Merge => "it could not be merged",
        BlockReason::Contract => "a contract could not be settled",
        BlockReason::Unknown => "a check could not be evaluated",
        BlockReason::Skipped => "it was skipped",
    }
}

/// Why an attempt failed.
pub fn attempt_failure(reason: AttemptFailure) -> &'static str {
    match reason {
        AttemptFailure::Agent => "the agent failed",
        AttemptFailure::Empty => "nothing was changed",
        AttemptFailure::Scope => "out of scope",
        AttemptFailure::Checks => "checks",
        AttemptFailure::Conflict => "conflict with the target",
        AttemptFailure::Integration => "on the integrated tree",
        AttemptFailure::Lost => "the process died",
    }
}

/// Dollars and cents; none for nothing.
pub fn dollars(cost: Cost) -> Option<String> {
    match cost.usd_micros {
        0 => None,
        1..5_000 => Some("less than $0.01".into()),
        micros => Some(format!("${}.{:02}", (micros + 5_000) / 1_000_000, (micros + 5_000) / 10_000 % 100)),
    }
}

/// Files and lines.
pub fn diffstat(d: Diffstat) -> String {
    let s = if d.files == 1 { "" } else { "s" };
    format!("{} file{s}, +{} −{} lines", d.files, d.added, d.removed)
}

/// How long something took.
pub fn took(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms / 100 % 10),
        _ => format!("{} min {} s", ms / 60_000, ms / 1_000 % 60),
    }
}

/// once, twice, 3 times.
pub fn times(n: u32) -> String {
    match n {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_to_cents_and_never_shown_as_nothing() {
        let d = |usd_micros| dollars(Cost { usd_micros, ..Cost::default() });
        assert_eq!(d(0), None);
        assert_eq!(d(1).as_deref(), Some("less than $0.01"));
        assert_eq!(d(5_000).as_deref(), Some("$0.01"));
        assert_eq!(d(1_234_567).as_deref(), Some("$1.23"));
        assert_eq!(d(995_000).as_deref(), Some("$1.00"));
        assert_eq!(d(u64::MAX - 5_000).map(|s| s.len() > 10), Some(true));
    }
}
