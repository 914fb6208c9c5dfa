//! Journals and receipts on the move: lines are only added, they follow from each other, and a receipt is that of the
//! landing it stands on.

use std::collections::BTreeMap;

use crate::{
    base::{Failure, Oid, RunId},
    git::{self, ByteSlice, Commit, Mode, Repo},
    journal::{self, Receipt as Noted},
    queue::receipt::Receipt,
};

/// Bytes of a commit or a note.
pub(super) const MAX_NOTE: u64 = 16 << 20;

/// What was changed or removed between two commits of a notes ref, in words; none where lines were only added.
pub(super) fn changed(repo: &Repo, old: Oid, new: Oid) -> Result<Option<String>, Failure> {
    let width = new.to_string().len();
    let mut notes: BTreeMap<Oid, (Option<Oid>, Option<Oid>)> = BTreeMap::new();
    // One note may stand at another path, since folders of notes grow deeper.
    for change in repo.diff_trees(repo.read_commit(old)?.tree, repo.read_commit(new)?.tree)? {
        let Some(object) = journal::annotated(change.path.as_bytes(), width) else {
            return Ok(Some(format!("{:?} is no note", change.path.to_str_lossy())));
        };
        let (before, after) = notes.entry(object).or_default();
        *before = before.or(change.old.map(|(_, blob)| blob));
        *after = after.or(change.new.filter(|(mode, _)| *mode == Mode::Plain).map(|(_, blob)| blob));
    }
    for (object, (before, after)) in notes {
        let Some(before) = before else { continue };
        let Some(after) = after else { return Ok(Some(format!("the note on {object} is gone"))) };
        let (before, after) = (repo.read_blob(before, MAX_NOTE)?, repo.read_blob(after, MAX_NOTE)?);
        if !after.starts_with(&before) {
            return Ok(Some(format!("lines of the note on {object} were changed")));
        }
    }
    Ok(None)
}

/// What is wrong with the receipt that a note holds, against the commit that it stands on; none where it is right.
pub(super) fn receipt(repo: &Repo, run: &RunId, noted: &Noted) -> Result<Option<String>, Failure> {
    let read = || -> git::Result<(Vec<u8>, Commit)> {
        repo.raw_object(noted.commit, MAX_NOTE)?;
        Ok((repo.raw_object(noted.blob, MAX_NOTE)?.1, repo.read_commit(noted.commit)?))
    };
    let (note, landed) = match read() {
        Ok(read) => read,
        Err(e) => return Ok(Some(format!("it cannot be read: {e}"))),
    };
    Ok(match Receipt::find(&note) {
        None => Some("its note holds no receipt".into()),
        Some(Err(e)) => Some(format!("its receipt cannot be read: {e}")),
        Some(Ok(receipt)) => mismatch(run, noted.commit, &landed, &receipt).into_iter().next(),
    })
}

/// Where a receipt is not of the landing that it stands on.
pub(super) fn mismatch(run: &RunId, commit: Oid, landed: &Commit, receipt: &Receipt) -> Vec<String> {
    let mut out = Vec::new();
    if receipt.run != *run {
        out.push(format!("the receipt on {commit} is of the run {}", receipt.run));
    }
    if receipt.tested_tree != landed.tree {
        out.push(format!("{commit} has the tree {}, but {} was tested", landed.tree, receipt.tested_tree));
    }
    if landed.parents.get(1) != Some(&receipt.candidate) {
        out.push(format!("{commit} does not merge {}, the candidate of its receipt", receipt.candidate));
    }
    if receipt.checks.is_empty() {
        out.push(format!("the receipt on {commit} names no check"));
    }
    out
}
