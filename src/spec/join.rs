//! Two histories of a spec, brought together: what each side says, and what both agreed on last.

use std::collections::BTreeMap;

use super::model::{
    Spec,
    merge::{self, Choice, Conflict},
    parts::{Parts, Place, take_apart},
};
use crate::{
    base::{Oid, Sha256, SpecId, json},
    git::Repo,
    store::{
        Error, Result,
        record::{self, StoredSpec},
    },
};

/// Two records of a spec, neither of which follows from the other.
pub struct Join {
    /// The spec.
    pub id: SpecId,
    /// The newest record that both have; of several the last one by time.
    pub base: Oid,
    /// What both agreed on: where the same records were merged twice, all that those merges agreed on.
    pub agreed: Parts,
    /// This side.
    pub ours: StoredSpec,
    /// The other one.
    pub theirs: StoredSpec,
}

/// Two records of a spec; none if their histories have nothing in common.
pub fn join(repo: &Repo, id: &SpecId, ours: Oid, theirs: Oid) -> Result<Option<Join>> {
    let bases = record::bases(repo, ours, theirs)?;
    let mut newest: Option<(i64, Oid)> = None;
    for base in &bases {
        newest = newest.max(Some((record::load(repo, *base)?.record.time.secs, *base)));
    }
    let (Some((_, base)), Some(agreed)) = (newest, agreed(repo, &bases)?) else { return Ok(None) };
    let (ours, theirs) = (record::load(repo, ours)?, record::load(repo, theirs)?);
    Ok(Some(Join { id: id.clone(), base, agreed, ours, theirs }))
}

impl Join {
    /// The one spec of both, a function of the two records; what stands in its way otherwise.
    pub fn merge(&self) -> Result<std::result::Result<Spec, Vec<Conflict>>> {
        self.merge_as(&|_| Choice::Open)
    }

    /// The same with decisions.
    pub fn merge_as(&self, decide: &dyn Fn(&Place) -> Choice) -> Result<std::result::Result<Spec, Vec<Conflict>>> {
        let (ours, theirs) = (take_apart(&read(&self.ours)?), take_apart(&read(&self.theirs)?));
        let parts = merge::merge_parts(&self.agreed, &ours, &theirs, decide);
        Ok(parts.and_then(|parts| merge::whole(&self.id, &parts)))
    }

    /// The contents that a spec out of both names.
    pub fn contents(&self, spec: &Spec) -> BTreeMap<Sha256, Vec<u8>> {
        merge::contents(spec, &self.ours.files, &self.theirs.files)
    }
}

/// The spec of a record, as it was when it was recorded: it may need a newer version of this program to be run.
pub fn read(stored: &StoredSpec) -> Result<Spec> {
    let what = || format!("spec.json of {}", stored.commit.short());
    json::read(&stored.spec_bytes, json::Limits::RECORD)
        .map_err(|e| Error::Malformed { what: what(), why: e.to_string() })
}

/// What several records agree on. Two that both followed from the same merges, each deciding on its own, may differ: then
/// nobody agreed on that piece.
fn agreed(repo: &Repo, bases: &[Oid]) -> Result<Option<Parts>> {
    let parts = |commit: Oid| record::load(repo, commit).and_then(|s| read(&s)).map(|spec| take_apart(&spec));
    let Some((first, rest)) = bases.split_first() else { return Ok(None) };
    let mut all = parts(*first)?;
    for other in rest {
        let below = agreed(repo, &record::bases(repo, *first, *other)?)?.unwrap_or_default();
        let merged = merge::merge_parts(&below, &all, &parts(*other)?, &|_| Choice::Undecided);
        all = merged.unwrap_or_default();
    }
    Ok(Some(all))
}
