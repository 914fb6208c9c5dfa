//! Workspaces that a dead process left: what an agent had written in them is not lost.

use std::path::Path;

use super::{Attempt, Result, Workspace, io_at, stat};
use crate::{base::Oid, git::Repo};

/// The file beside a workspace's tree that says whose it is.
const MARK: &str = "attempt";

/// A workspace that was left.
pub struct Left {
    /// Whose it is.
    pub of: Attempt,
    /// The commit that it is on.
    pub base: Oid,
    /// The workspace.
    pub workspace: Workspace,
}

/// Says whose workspace a folder is.
pub(super) fn mark(home: &Path, of: &Attempt, base: Oid) -> Result<()> {
    let file = home.join(MARK);
    let text = format!("{} {} {} {base}\n", of.slice, of.r#gen, of.n);
    std::fs::write(&file, text).map_err(io_at("write", file))
}

/// The workspaces of agents in a run's folder whose base is still there. What cannot be read is none: it is swept.
pub fn left(repo: &Repo, root: &Path) -> Result<Vec<Left>> {
    let folders = super::folders(root)?;
    Ok(folders.into_iter().filter_map(|home| read(repo, &home)).collect())
}

fn read(repo: &Repo, home: &Path) -> Option<Left> {
    let text = std::fs::read_to_string(home.join(MARK)).ok()?;
    let [slice, r#gen, n, base] = text.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let of = Attempt { slice: slice.parse().ok()?, r#gen: r#gen.parse().ok()?, n: n.parse().ok()? };
    let base: Oid = base.parse().ok()?;
    let base_tree = repo.read_commit(base).ok()?.tree;
    let (dir, scratch) = (home.join("tree"), home.join("scratch"));
    let (home, transcript, seen) = (home.to_owned(), home.join("transcript"), stat::Cache::default());
    Some(Left { of, base, workspace: Workspace { home, dir, scratch, transcript, base_tree, seen } })
}
