//! Receipts found again after a forge has merged, squashed or rebased what a run has landed: by commit, by tree, and, where
//! the branch had moved, by content. Only what was tested as a whole counts as verified.

use std::collections::HashMap;

use serde::Serialize;

use super::{COPIES, journals, runs};
use crate::{
    base::{Failure, Oid, RunId, SliceId},
    git::{BString, Change, Link, Repo},
    journal,
    queue::receipt::Receipt,
    store::run,
};

/// A commit that brings what a run has landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// The commit.
    pub commit: Oid,
    /// The run.
    pub run: RunId,
    /// The slice that landed last of what it brings.
    pub slice: SliceId,
    /// The landing.
    pub landing: Oid,
    /// How much is proven.
    pub proof: Proof,
}

/// How much a receipt proves of another commit than the landing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Its tree is, to the byte, the one that the checks passed on.
    Verified,
    /// All that the run changed up to the landing stands in it as landed, but beside other changes: nobody tested the whole.
    ContentKnown,
}

impl Proof {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Proof::Verified => "verified",
            Proof::ContentKnown => "content known, merged tree not tested",
        }
    }
}

/// A landing whose receipt is right.
struct Landed {
    run: RunId,
    commit: Oid,
    receipt: Receipt,
    /// What the run had changed when it had landed, but for the copies of specs: the rebase button of a forge leaves out
    /// what only merge commits hold.
    changes: Vec<Change>,
}

/// Those of the commits that bring landings, in the same order.
pub(super) fn among(repo: &Repo, links: &[Link]) -> Result<Vec<Delivery>, Failure> {
    let mut landed = Vec::new();
    for run in run::list(repo, None)? {
        landed.extend(of_run(repo, &run)?);
    }
    let mut by_tree: HashMap<Oid, &Landed> = HashMap::new();
    for l in &landed {
        by_tree.insert(l.receipt.tested_tree, l);
    }
    let mut out = Vec::new();
    if landed.is_empty() {
        return Ok(out);
    }
    for link in links {
        let told = |l: &Landed, proof| Delivery {
            commit: link.commit,
            run: l.run.clone(),
            slice: l.receipt.slice.clone(),
            landing: l.commit,
            proof,
        };
        // A landing itself comes before another one with the same tree.
        let exact = landed.iter().find(|l| l.commit == link.commit).or_else(|| by_tree.get(&link.tree).copied());
        if let Some(l) = exact {
            out.push(told(l, Proof::Verified));
            continue;
        }
        let before = link.parents.first().map(|p| repo.read_commit(*p)).transpose()?.map(|c| c.tree);
        for l in landed.iter().rev() {
            if holds(repo, link.tree, &l.changes)?
                && !before.is_some_and(|b| holds(repo, b, &l.changes).unwrap_or(true))
            {
                out.push(told(l, Proof::ContentKnown));
                break;
            }
        }
    }
    Ok(out)
}

/// The landings of a run, oldest first; none of a run with which anything is wrong: nothing it says proves a thing.
fn of_run(repo: &Repo, id: &RunId) -> Result<Vec<Landed>, Failure> {
    let (_, wrong) = runs::run(repo, id)?;
    if !wrong.is_empty() {
        return Ok(Vec::new());
    }
    let (at, anchor) = run::load(repo, id)?;
    let base = repo.read_commit(anchor.base)?.tree;
    let journal::Replayed { state, receipts, .. } = journal::read(repo, id, at)?;
    let mut out = Vec::new();
    for (_, commit) in &state.landings {
        let Some(noted) = receipts.iter().find(|r| r.commit == *commit) else { continue };
        let note = repo.raw_object(noted.blob, journals::MAX_NOTE)?.1;
        let Some(Ok(receipt)) = Receipt::find(&note) else { continue };
        let mut changes = repo.diff_trees(base, receipt.tested_tree)?;
        changes.retain(|c| !c.path.starts_with(COPIES.as_bytes()));
        out.push(Landed { run: id.clone(), commit: *commit, receipt, changes });
    }
    Ok(out)
}

/// Whether a tree has all of these changes, each file as it came out of them.
fn holds(repo: &Repo, tree: Oid, changes: &[Change]) -> Result<bool, Failure> {
    for change in changes {
        let path: &BString = &change.path;
        let found = repo.entry(tree, path.as_ref())?.map(|e| (e.mode, e.oid));
        if found != change.new {
            return Ok(false);
        }
    }
    Ok(!changes.is_empty())
}
