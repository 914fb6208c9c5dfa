//! What could be lost, kept under refs before anything is touched.

use std::collections::BTreeMap;

use super::Refused;
use crate::{
    base::Oid,
    git::{BString, Mode, NewCommit, Old, Paused, RefEdit, Repo, Swap},
    store::{Store, names},
};

/// What was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rescue {
    /// What all its refs start with.
    pub prefix: String,
    /// The refs, and what they name.
    pub refs: BTreeMap<String, Oid>,
}

/// The sides of a conflict, as people say them.
const SIDES: [&str; 4] = ["index", "base", "ours", "theirs"];

/// Keeps HEAD, the index with every side of its conflicts, these files (those that are changed or in the way), every commit
/// that git has written down, and git's own notes on what is under way. All refs are made at once.
pub fn keep(store: &Store, paused: &Paused, files: &[BString]) -> Result<Rescue, Refused> {
    let repo = &store.repo;
    let head = repo.refs().read("HEAD")?;
    let commit = |tree: Oid, what: &str| {
        let who = store.otto();
        let message = format!("Rescue of {} in {}: {what}\n", paused.kind.words(), paused.worktree.display());
        let parents = head.into_iter().collect();
        repo.write_commit(&NewCommit { tree, parents, author: &who, committer: &who, message })
    };
    let mut parts: BTreeMap<String, Oid> = BTreeMap::new();
    parts.extend(head.map(|id| ("head".to_owned(), id)));
    for (side, tree) in SIDES.iter().zip(repo.keep_index()?) {
        if let Some(tree) = tree {
            parts.insert((*side).to_owned(), commit(tree, side)?);
        }
    }
    if !files.is_empty() {
        parts.insert("work".into(), commit(repo.keep_files(files)?, "files")?);
    }
    let notes: Vec<_> = repo
        .paused_files()?
        .into_iter()
        .map(|(path, bytes)| Ok((path, Some((Mode::Plain, repo.write_blob(&bytes)?)))))
        .collect::<Result<_, Refused>>()?;
    if !notes.is_empty() {
        parts.insert("state".into(), commit(repo.write_tree(None, &notes)?, "git's notes")?);
    }
    for (name, id) in commits(repo, paused)? {
        parts.insert(name, id);
    }
    let stamp = format!("{}-{}", store.world.clock.now().compact(), store.world.ids.hex(6)?);
    let refs: BTreeMap<String, Oid> =
        parts.into_iter().map(|(part, id)| (names::rescue_checkout(&stamp, &part), id)).collect();
    let edit = |(name, id): (&String, &Oid)| RefEdit { name: name.clone(), old: Old::Absent, new: Some(*id) };
    let edits: Vec<RefEdit> = refs.iter().map(edit).collect();
    match store.swap(&edits, "rescue")? {
        Swap::Done => Ok(Rescue { prefix: names::rescue_checkout(&stamp, ""), refs }),
        Swap::Lost { name, found } => Err(store_lost(name, found)),
    }
}

fn store_lost(name: String, found: Option<Oid>) -> Refused {
    Refused::Store(crate::store::Error::Exists { name, found })
}

/// The commits that git has written down, by the last part of a ref name.
fn commits(repo: &Repo, paused: &Paused) -> Result<BTreeMap<String, Oid>, Refused> {
    let mut all: BTreeMap<String, Oid> = BTreeMap::new();
    for (name, id) in repo.refs().own()? {
        let name = name.strip_prefix("refs/").unwrap_or(&name);
        all.insert(name.to_lowercase().replace(['_', '/'], "-"), id);
    }
    let numbered = |(i, id): (usize, &Oid)| (format!("step-{}", i + 1), *id);
    all.extend(paused.heads.iter().enumerate().map(numbered));
    let known = [("onto", paused.onto), ("begun", paused.orig_head), ("autostash", paused.autostash)];
    all.extend(known.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?))));
    // What is not there any more cannot be kept.
    all.retain(|_, id| matches!(repo.peel(*id), Ok(Some(_))));
    Ok(all)
}
