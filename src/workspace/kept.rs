//! How a workspace goes: only with the proof that nothing in it is lost; otherwise it stays, aside.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{Result, Snapshot, Workspace, folders, io_at, left, place};
use crate::{
    base::{Oid, Point, SliceId, World, files},
    git::Repo,
};

/// What the folders of workspaces begin with that are in use, or were when somebody died.
const AGENT: &str = "agent-";
/// What those begin with that could not be kept whole and are nobody's place of work any more.
const ASIDE: &str = "aside-";
/// What those begin with that are being removed.
const GONE: &str = "gone-";

/// A workspace of which nothing is lost when it goes: there is no other way to remove one.
#[derive(Debug)]
pub struct Kept(Workspace);

impl Workspace {
    /// The workspace as one that may go, where `found` is all that stands in it, and that is the base itself or the tree
    /// of a commit that one of the refs names; the workspace back, otherwise.
    pub fn kept(self, repo: &Repo, found: &Snapshot, refs: &[String]) -> Result<Result<Kept, Workspace>> {
        if !found.problems.is_empty() {
            return Ok(Err(self));
        }
        let mut held = found.tree == self.base_tree;
        for name in refs {
            if let Some(commit) = repo.refs().read(name)?.filter(|_| !held) {
                held = repo.read_commit(commit)?.tree == found.tree;
            }
        }
        Ok(if held { Ok(Kept(self)) } else { Err(self) })
    }

    /// The same for one in which nothing was written but what an intent carries: the tree of the commit that `spec` names
    /// holds every content.
    pub fn carried(self, repo: &Repo, found: &Snapshot, spec: &str) -> Result<Result<Kept, Workspace>> {
        let Some(commit) = repo.refs().read(spec)?.filter(|_| found.problems.is_empty()) else { return Ok(Err(self)) };
        let held: BTreeSet<Oid> = repo.tree_entries(repo.read_commit(commit)?.tree)?.iter().map(|e| e.oid).collect();
        let all = found.changes.iter().all(|c| c.new.is_none_or(|(_, oid)| held.contains(&oid)));
        Ok(if all { Ok(Kept(self)) } else { Err(self) })
    }

    /// Puts it where nobody works and nothing is swept; gives the folder.
    pub fn set_aside(self, world: &World) -> Result<PathBuf> {
        set_aside(world, &self.home)
    }
}

impl Kept {
    /// Removes the workspace. First it becomes what anybody may sweep: of half of it nobody could tell that it may go.
    pub fn remove(self, world: &World) -> Result<()> {
        let home = &self.0.home;
        world.faults.hit(Point::WorkspaceRemoveBefore).map_err(io_at("remove", home))?;
        let gone = move_to(world, home, GONE)?;
        world.faults.hit(Point::WorkspaceRemoveMid).map_err(io_at("remove", &gone))?;
        files::remove_tree(&gone).map_err(io_at("remove", &gone))
    }
}

/// The folder of the workspace for a slice.
pub(super) fn home(root: &Path, slice: &SliceId) -> PathBuf {
    root.join(format!("{AGENT}{}", place::plain(slice.as_str())))
}

/// Whether an agent may have worked in a folder, so that it is nothing that can be made again.
fn is_an_agents(dir: &Path) -> bool {
    let name = dir.file_name().unwrap_or_default().as_encoded_bytes();
    name.starts_with(AGENT.as_bytes()) || name.starts_with(ASIDE.as_bytes())
}

/// The workspaces in a run's folder that stand aside.
pub fn aside(root: &Path) -> Result<Vec<PathBuf>> {
    let is_aside = |dir: &PathBuf| dir.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(ASIDE.as_bytes()));
    Ok(folders(root)?.into_iter().filter(is_aside).collect())
}

/// Sets those aside that cannot be read, so that nobody can say what is in them; gives their new places.
pub fn set_unreadable_aside(repo: &Repo, world: &World, root: &Path) -> Result<Vec<PathBuf>> {
    let of_agents = folders(root)?.into_iter().filter(|dir| is_an_agents(dir));
    let known = aside(root)?;
    let unreadable = of_agents.filter(|dir| !known.contains(dir) && left::read(repo, dir).is_none());
    unreadable.map(|dir| set_aside(world, &dir)).collect()
}

fn set_aside(world: &World, home: &Path) -> Result<PathBuf> {
    move_to(world, home, ASIDE)
}

/// Gives the folder of a workspace another name, which begins so.
fn move_to(world: &World, home: &Path, begins: &str) -> Result<PathBuf> {
    let (root, name) = (home.parent().unwrap_or(home), home.file_name().unwrap_or_default().to_string_lossy());
    let name = format!("{begins}{}", name.strip_prefix(AGENT).unwrap_or(&name));
    let new = place::folder(world, root, &name)?;
    // An empty folder gives way.
    std::fs::rename(home, &new).map_err(io_at("rename", home)).map(|()| new)
}

/// The checkouts of a run, and what was to become a workspace: no agent wrote in them.
pub fn checkouts(root: &Path) -> Result<Vec<PathBuf>> {
    Ok(folders(root)?.into_iter().filter(|dir| !is_an_agents(dir)).collect())
}

/// Removes them: only the owner of the run may, before it starts anything.
pub fn sweep(world: &World, root: &Path) -> Result<()> {
    for dir in checkouts(root)? {
        world.faults.hit(Point::WorkspaceRemoveBefore).map_err(io_at("remove", &dir))?;
        files::remove_tree(&dir).map_err(io_at("remove", &dir))?;
    }
    Ok(())
}

/// How many workspaces and checkouts are left in a run's folder that whoever takes the run up sees to. People keep theirs.
pub fn leftovers(root: &Path) -> Result<usize> {
    let aside = aside(root)?;
    Ok(folders(root)?.iter().filter(|dir| !left::is_theirs(dir) && !aside.contains(dir)).count())
}
