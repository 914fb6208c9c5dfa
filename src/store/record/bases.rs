//! What two histories of a spec have in common.

use std::collections::HashSet;

use super::history;
use crate::{base::Oid, git::Repo, store::Result};

/// The newest records that both histories have: those that are no ancestor of another one. There is more than one where
/// the same two records were merged twice, in different ways.
pub fn bases(repo: &Repo, ours: Oid, theirs: Oid) -> Result<Vec<Oid>> {
    let ours: HashSet<Oid> = history(repo, ours)?.into_iter().map(|s| s.commit).collect();
    let common = history(repo, theirs)?.into_iter().filter(|s| ours.contains(&s.commit));
    // Between a record and an ancestor of it there are only common ones: whoever is older has a child among them.
    let (mut all, mut older) = (Vec::new(), HashSet::new());
    for step in common {
        all.push(step.commit);
        older.extend(step.parents);
    }
    all.retain(|commit| !older.contains(commit));
    all.sort();
    Ok(all)
}
