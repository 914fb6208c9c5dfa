//! A workspace as a tree: every file that counts, by its raw bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Result, Workspace, ignore, io_at, walk};
use crate::{
    base::Oid,
    git::{self, BString, ByteSlice as _, Change, Mode, Repo},
};

/// How much changed content one snapshot may bring, bytes.
const MAX_TOTAL: u64 = 1 << 30;

/// What an agent left in its workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The files as a tree.
    pub tree: Oid,
    /// What differs from the base, in path order.
    pub changes: Vec<Change>,
    /// What could not be taken, or must not be there: any makes the attempt a failure.
    pub problems: Vec<String>,
}

impl Workspace {
    /// Looks at the files and writes what changed into the repository. Paths among `owned` that have no wildcard are
    /// taken even where the base ignores them.
    pub fn snapshot(&self, repo: &Repo, owned: &[String]) -> Result<Snapshot> {
        let part = self.part.as_ref();
        let entries = repo.tree_entries_below(self.base_tree, &|folder| part.is_none_or(|p| p.reaches(folder)))?;
        let rules = ignore::Rules::of(repo, &entries)?;
        let here = entries.into_iter().filter(|e| part.is_none_or(|p| p.has(e.path.as_bstr())));
        let base: BTreeMap<BString, (Mode, Oid)> = here.map(|e| (e.path, (e.mode, e.oid))).collect();
        let literal = owned.iter().filter(|p| !p.contains(['*', '?']) && !p.ends_with('/'));
        let wanted: BTreeSet<BString> = literal.map(|p| p.as_str().into()).collect();
        let mut found: BTreeMap<BString, (Mode, Oid)> = BTreeMap::new();
        let mut total = 0_u64;
        let mut look = walk::Walk::new(&base, &rules, &wanted, &self.seen, &self.carried);
        let mut each = |path: BString, content: walk::Content| -> Result<(), git::Error> {
            let (mode, oid) = match content {
                walk::Content::Known(mode, oid) => (mode, oid),
                walk::Content::Read(mode, bytes) => {
                    total += bytes.len() as u64;
                    if total > MAX_TOTAL {
                        return Ok(());
                    }
                    (mode, repo.write_blob(&bytes)?)
                }
            };
            found.insert(path, (mode, oid));
            Ok(())
        };
        look.run(&self.dir, &mut each).map_err(io_at("look at", &self.dir))??;
        let mut problems = look.problems;
        if total > MAX_TOTAL {
            problems.push(format!("more than {} MiB of changed files", MAX_TOTAL >> 20));
        }
        let mut changes: Vec<Change> = Vec::new();
        for (path, old) in &base {
            let gone = !found.contains_key(path);
            // Of a submodule there is nothing here that could go.
            if gone && old.0 != Mode::Submodule {
                changes.push(Change { path: path.clone(), old: Some(*old), new: None });
            }
        }
        for (path, new) in found {
            let old = base.get(&path).copied();
            if old != Some(new) {
                changes.push(Change { path, old, new: Some(new) });
            }
        }
        // Removals first: a file may stand where a folder was.
        let mut edits: Vec<_> = changes.iter().map(|c| (c.path.clone(), c.new)).collect();
        edits.sort_by_key(|(_, new)| new.is_some());
        let tree = repo.write_tree(Some(self.base_tree), &edits)?;
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Snapshot { tree, changes, problems })
    }
}
