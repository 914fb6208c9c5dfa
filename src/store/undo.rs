//! Ways back: what a delivery did to a person's branch, written down before the branch moves, so that it can be taken back.
//!
//! The commit behind such a ref holds `move.json` and has both ends of the move as parents: neither can be lost.

use serde::{Deserialize, Serialize};

use crate::{
    base::{Oid, RunId, Timestamp, json},
    git::{BStr, BString, Mode, NewCommit, Old, RefEdit, Repo, Swap},
    store::{Error, Result, Store, names, pretty},
};

/// What a move was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A run was brought into the branch.
    Deliver,
    /// That was taken back.
    Undo,
}

/// `move.json`, format 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Always 1.
    pub format: u32,
    /// What it was.
    pub kind: Kind,
    /// The run.
    pub run: RunId,
    /// The branch, by full name.
    pub branch: String,
    /// Where it was; none where it had no commit yet.
    pub before: Option<Oid>,
    /// Where it was brought.
    pub after: Oid,
    /// When.
    pub at: Timestamp,
}

/// A move that is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The full name of its ref.
    pub name: String,
    /// The commit that holds it.
    #[serde(skip)]
    pub commit: Oid,
    /// The move.
    #[serde(flatten)]
    pub moved: Move,
}

impl Kept {
    /// The name without what all such names start with: `<run>/<n>`.
    pub fn short(&self) -> &str {
        self.name.strip_prefix(names::undos_prefix()).unwrap_or(&self.name)
    }

    /// The edit that forgets it.
    pub fn forget(&self) -> RefEdit {
        RefEdit { name: self.name.clone(), old: Old::Is(self.commit), new: None }
    }
}

/// Writes a move down; `with` is done in the same transaction, which is lost where that is. A move that is made apart
/// may have been written down by a process that died before it could make it: then that is the way back.
pub fn keep(store: &Store, moved: Move, with: Option<RefEdit>) -> Result<Option<Kept>> {
    let same = |k: &Kept| k.moved == Move { at: k.moved.at, ..moved.clone() };
    if with.is_none()
        && let Some(kept) = list(&store.repo)?.into_iter().find(same)
    {
        return Ok(Some(kept));
    }
    let commit = write(store, &moved)?;
    loop {
        let known = store.repo.refs().list(&names::undo_prefix(&moved.run))?;
        let last = known.iter().filter_map(|(name, _)| names::parse_undo(name)).map(|(_, n)| n).max();
        let name = names::undo(&moved.run, last.unwrap_or(0).saturating_add(1));
        let new = RefEdit { name: name.clone(), old: Old::Absent, new: Some(commit) };
        let edits: Vec<RefEdit> = [new].into_iter().chain(with.clone()).collect();
        match store.swap(&edits, &format!("{} {}", word(moved.kind), moved.run))? {
            Swap::Done => return Ok(Some(Kept { name, commit, moved })),
            // Somebody else took the number.
            Swap::Lost { name: lost, .. } if lost == name => {}
            Swap::Lost { .. } => return Ok(None),
        }
    }
}

fn write(store: &Store, moved: &Move) -> Result<Oid> {
    let blob = store.repo.write_blob(&pretty(moved)?)?;
    let tree = store.repo.write_tree(None, &[(BString::from("move.json"), Some((Mode::Plain, blob)))])?;
    let who = store.otto();
    let parents: Vec<Oid> = moved.before.into_iter().chain([moved.after]).collect();
    let message = format!("{} {} on {}\n", word(moved.kind), moved.run, moved.branch);
    Ok(store.repo.write_commit(&NewCommit { tree, parents, author: &who, committer: &who, message })?)
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Deliver => "deliver",
        Kind::Undo => "undo",
    }
}

/// The moves that are written down, oldest first.
pub fn list(repo: &Repo) -> Result<Vec<Kept>> {
    let mut out = Vec::new();
    for (name, commit) in repo.refs().list(names::undos_prefix())? {
        if let Some((run, n)) = names::parse_undo(&name) {
            let moved = read(repo, &name, commit, &run)?;
            out.push((moved.at, n, Kept { name, commit, moved }));
        }
    }
    out.sort_by(|a, b| (a.0, &a.2.moved.run, a.1).cmp(&(b.0, &b.2.moved.run, b.1)));
    Ok(out.into_iter().map(|(.., kept)| kept).collect())
}

fn read(repo: &Repo, name: &str, commit: Oid, run: &RunId) -> Result<Move> {
    let malformed = |why: String| Error::Malformed { what: format!("move.json of {name}"), why };
    let tree = repo.read_commit(commit)?.tree;
    let entry = repo.entry(tree, BStr::new("move.json"))?.ok_or_else(|| malformed("it is not there".into()))?;
    let moved: Move =
        json::read(&repo.read_blob(entry.oid, 1 << 16)?, json::Limits::LINE).map_err(|e| malformed(e.to_string()))?;
    if moved.format != 1 || moved.run != *run || !moved.branch.starts_with("refs/heads/") {
        return Err(malformed("format, run or branch are not what they have to be".into()));
    }
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Fixture;

    #[test]
    fn moves_are_numbered_read_back_and_keep_both_ends() {
        let f = Fixture::new();
        let moved = |kind| Move {
            format: 1,
            kind,
            run: "jot-20231114t221320z-0a1b2c".parse().unwrap(),
            branch: "refs/heads/topic".into(),
            before: Some(f.head()),
            after: f.head(),
            at: Timestamp::from_millis(1_700_000_000_042),
        };
        let first = keep(&f.store, moved(Kind::Deliver), None).unwrap().unwrap();
        let second = keep(&f.store, moved(Kind::Undo), None).unwrap().unwrap();
        assert_eq!((first.short(), second.short()), ("jot-20231114t221320z-0a1b2c/1", "jot-20231114t221320z-0a1b2c/2"));
        let later = Move { at: Timestamp::from_millis(1_700_000_001_000), ..moved(Kind::Undo) };
        assert_eq!(keep(&f.store, later, None).unwrap(), Some(second.clone()), "of one move there is one way back");
        assert_eq!(list(&f.store.repo).unwrap(), [first.clone(), second.clone()]);
        assert!(f.store.repo.read_commit(first.commit).unwrap().parents.contains(&f.head()));
        assert_eq!(f.store.swap(&[first.forget()], "test").unwrap(), Swap::Done);
        assert_eq!(list(&f.store.repo).unwrap(), [second]);

        let wrong = RefEdit { name: "refs/heads/topic".into(), old: Old::Is(f.head()), new: Some(f.head()) };
        assert_eq!(keep(&f.store, moved(Kind::Deliver), Some(wrong)).unwrap(), None, "the branch is not there");
        assert_eq!(list(&f.store.repo).unwrap().len(), 1, "nothing is kept of a move that was not made");
    }
}
