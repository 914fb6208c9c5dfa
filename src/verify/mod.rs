//! The one verifier: what may become of the refs and of the checked-in copies of specs. Hooks, servers, `git otto verify`,
//! sharing and the program's own swaps all ask it.
//!
//! It re-hashes the records that it reads, walks explicit parents, and ignores replaced objects.

use serde::Serialize;

use crate::{
    base::{Oid, SpecId},
    git::Repo,
    store::record,
};

mod chains;
mod copies;
mod journals;
mod moves;
#[cfg(test)]
mod testing;

pub use copies::{COPIES, commits, copy, index};
pub use moves::updates;

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
    /// It is no lease.
    LeaseMalformed,
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

/// Everything wrong with a spec's history up to `tip`, oldest record first.
pub fn spec(repo: &Repo, id: &SpecId, tip: Oid) -> Vec<Violation> {
    let place = format!("spec {id}");
    record::verify(repo, id, tip).into_iter().map(|v| of_record(place.clone(), v)).collect()
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
