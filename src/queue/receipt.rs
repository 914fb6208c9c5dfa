//! The receipt of a landing: one line of JSON under one sentence, in a note on the landed commit.

use serde::{Deserialize, Serialize};

use crate::{
    base::{Oid, RunId, Sha256, SliceId},
    checks::model::{Cause, Check, Gate},
    journal::{event::Cost, state::CheckResult},
};

/// What proves a landing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Always 1.
    pub receipt: u32,
    /// The run.
    pub run: RunId,
    /// The slice.
    pub slice: SliceId,
    /// Its generation.
    pub r#gen: Sha256,
    /// The commit that it was built on.
    pub base: Oid,
    /// Its passing commit.
    pub candidate: Oid,
    /// The tree that was tested, which is the landed commit's.
    pub tested_tree: Oid,
    /// What was tested.
    pub checks: Vec<Proof>,
    /// Who built it.
    pub agent: String,
    /// What that cost.
    pub cost: Cost,
}

/// What one check said on each tree; none where it was not run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The check.
    pub id: String,
    /// The digest of its definition.
    pub digest: Sha256,
    /// When it is a gate.
    pub gate: Gate,
    /// On the base.
    pub base: Option<Cause>,
    /// On the candidate.
    pub candidate: Option<Cause>,
    /// On the integrated tree.
    pub integrated: Cause,
    /// The blob of the integrated result.
    pub evidence: Oid,
}

impl Proof {
    /// What is known of a check that was run on the integrated tree; `earlier` are the slice's results.
    pub fn new(check: &Check, integrated: &CheckResult, earlier: &[&CheckResult]) -> Proof {
        let on = |round: &str| {
            let found = earlier.iter().rev().find(|r| r.check == check.id && r.round == round);
            found.map(|r| r.cause)
        };
        Proof {
            id: check.id.clone(),
            digest: check.digest(),
            gate: check.gate,
            base: on("base"),
            candidate: on("candidate"),
            integrated: integrated.cause,
            evidence: integrated.evidence,
        }
    }
}

impl Receipt {
    /// The note: a sentence a person can read, then the receipt.
    pub fn note(&self) -> String {
        let n = self.checks.len();
        let checks = if n == 1 { "its one check".to_owned() } else { format!("all {n} checks") };
        let line = serde_json::to_string(self).unwrap_or_default();
        format!("Slice {} passed {checks} on exactly this tree (built by {}).\n{line}\n", self.slice, self.agent)
    }

    /// The receipt in a note, if there is one; of a note that several writers wrote, the first.
    pub fn find(note: &[u8]) -> Option<Result<Receipt, crate::base::json::Error>> {
        let line = note.split(|b| *b == b'\n').find(|l| l.starts_with(b"{\"receipt\":"))?;
        Some(crate::base::json::read(line, crate::base::json::Limits::RECORD))
    }
}
