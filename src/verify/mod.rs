//! The one verifier: what may become of the refs and of the checked-in copies of specs. Hooks, servers, `git otto verify`,
//! sharing and the program's own swaps all ask it.
//!
//! It re-hashes the records that it reads, walks explicit parents, and ignores replaced objects.

use serde::Serialize;

use crate::{
    base::{Failure, Oid, SpecId},
    git::Repo,
    spec::model::tier,
    store::{names, record},
};

mod chains;
mod copies;
mod delivered;
mod journals;
mod moves;
mod range;
mod records;
mod runs;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod traces;

use chains::Chains;
pub use copies::{COPIES, commits, copy, index};
pub use delivered::{Delivery, Proof};
pub use moves::updates;
pub use range::{Range, range};
pub use runs::run;

/// A rule that a ref, a record or a file breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which rule.
    pub code: Code,
    /// Where: a ref, a spec, a run, or a path.
    pub place: String,
    /// The first commit that breaks it.
    pub commit: Option<Oid>,
    /// What is wrong, one sentence; of an edited copy, in what it differs on the lines below.
    pub message: String,
    /// The command that puts it right.
    pub hint: String,
}

impl Violation {
    /// Where and what, in one sentence; a place that it names itself is not said twice.
    pub fn words(&self) -> String {
        match self.message.starts_with(&self.place) {
            true => self.message.clone(),
            false => format!("{}: {}", self.place, self.message),
        }
    }
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A ref that only moves forward would move elsewhere, or one that never moves would move.
    NotForward,
    /// A ref would be removed that must stay.
    Deleted,
    /// No ref of this program has that name, or not on a server.
    BadName,
    /// The anchor of a run cannot be read, or is of another run.
    AnchorMalformed,
    /// There is no anchor of the run.
    AnchorMissing,
    /// What a run builds is no version of the spec.
    VersionUnknown,
    /// Stored evidence was changed or removed.
    EvidenceChanged,
    /// A line of a journal or a receipt was changed or removed.
    JournalChanged,
    /// The lines of a journal do not follow from each other.
    JournalBroken,
    /// A receipt does not match the landing that it stands on.
    ReceiptMismatch,
    /// Evidence that a journal or a receipt names is not there.
    EvidenceMissing,
    /// The target of a run is gone, or does not hold what the run started from.
    TargetLost,
    /// A landing is told twice, is damaged, or is not in the target's history.
    LandingWrong,
    /// A landing has no receipt.
    ReceiptMissing,
    /// The spec of a record from the approval on is not valid.
    SpecInvalid,
    /// An amendment is of another tier than its record says.
    WrongTier,
    /// A record that the ref had is no longer in the history.
    Rewound,
    /// Git is made to show something else for a part of a history.
    Replaced,
    /// A history is cut: this is a shallow clone.
    Shallow,
    /// It is no lease.
    LeaseMalformed,
    /// A merge says something else than the two records that it joins.
    MergeForged,
    /// A checked-in copy is no version of the spec.
    CopyNotInChain,
    /// A checked-in copy cannot be read as a spec.
    CopyMalformed,
    /// A checked-in copy is of another spec than its name says.
    CopyMisnamed,
    /// The copy of an open spec was removed.
    CopyRemoved,
    /// There is no history here to hold a copy against.
    NoChain,
    /// A record of a spec's history breaks one of the record's own rules.
    #[serde(untagged)]
    Record(record::Code),
    /// An amendment is one that is refused.
    #[serde(untagged)]
    Amendment(tier::Code),
}

/// What is worth telling and breaks no rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// A path.
    pub place: String,
    /// The commit, where there is one.
    pub commit: Option<Oid>,
    /// One sentence.
    pub message: String,
}

/// What came of looking.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// What breaks a rule.
    pub violations: Vec<Violation>,
    /// What does not.
    pub notes: Vec<Note>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Commits of a branch.
    pub commits: usize,
    /// Records of a spec.
    pub records: usize,
    /// Events of a run.
    pub events: usize,
    /// Landings.
    pub landings: usize,
    /// Receipts.
    pub receipts: usize,
    /// Results of checks.
    pub evidence: usize,
}

/// A ref that is to move, or has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its full name.
    pub name: String,
    /// What it is; none if it does not exist.
    pub old: Option<Oid>,
    /// What it becomes; none if it is removed.
    pub new: Option<Oid>,
}

/// Everything wrong with a spec's history up to `tip`: first what git is made to show of it, then each record, oldest
/// first.
pub fn spec(repo: &Repo, id: &SpecId, tip: Oid) -> Vec<Violation> {
    history(repo, id, tip, &Chains::after(repo, &[]))
}

/// The same with refs as they will be.
fn history(repo: &Repo, id: &SpecId, tip: Oid, chains: &Chains<'_>) -> Vec<Violation> {
    let mut out = traces::faked(repo, id, tip);
    out.extend(records::check(repo, id, tip, chains));
    // What a shallow clone lacks is not damaged.
    let cut = out.iter().filter(|v| v.code == Code::Shallow).filter_map(|v| v.commit);
    let beyond: Vec<Oid> = cut.filter_map(|c| repo.read_commit(c).ok()).flat_map(|c| c.parents).collect();
    let missing = Code::Record(record::Code::Unreadable);
    out.retain(|v| v.code != missing || !v.commit.is_some_and(|c| beyond.contains(&c)));
    out
}

/// Everything wrong with a spec as this repository has it: its history, and what its ref has lost of it.
pub fn spec_here(repo: &Repo, id: &SpecId) -> Result<(Seen, Vec<Violation>), Failure> {
    let Some(tip) = record::tip(repo, id)? else {
        let (place, message) = (format!("spec {id}"), format!("{} is gone", names::spec(id)));
        let hint = "restore it from a clone or its reflog".into();
        return Ok((Seen::default(), vec![Violation { code: Code::Deleted, place, commit: None, message, hint }]));
    };
    let mut found = spec(repo, id, tip);
    // A history that does not verify may not be readable to its end.
    let records = if found.is_empty() { record::history(repo, tip)?.len() } else { 0 };
    found.extend(traces::lost(repo, id, tip)?);
    Ok((Seen { records, ..Seen::default() }, found))
}

/// Everything wrong with one version of a spec as what a later one follows from, and with that one's history.
pub fn versions(repo: &Repo, id: &SpecId, old: Oid, new: Oid) -> Vec<Violation> {
    let mut out = spec(repo, id, new);
    out.extend(traces::follows(repo, id, old, new));
    out
}

/// A record's own violation, at a place.
fn of_record(place: String, v: record::Violation) -> Violation {
    Violation {
        code: Code::Record(v.code),
        place,
        commit: Some(v.commit),
        message: format!("the record {}: {}", v.commit.short(), v.message),
        hint: v.hint,
    }
}
