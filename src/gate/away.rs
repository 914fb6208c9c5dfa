//! How a workspace that nobody works in any more goes: what stands in it is held by a ref first.

use std::path::PathBuf;

use crate::{
    base::{Failure, Oid, RunId},
    store::{Store, names, run},
    workspace::{self, Attempt, Snapshot, Workspace},
};

/// What became of a workspace.
#[derive(Debug, PartialEq, Eq)]
pub enum Away {
    /// Nothing stood in it that a ref did not hold already.
    Gone,
    /// What stood in it is a snapshot now.
    Kept,
    /// Not all of it can be kept in git: it stands aside, and why.
    Aside(PathBuf, String),
}

/// Whose a workspace was.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The attempt.
    pub of: &'a Attempt,
    /// The commit that it is on.
    pub base: Oid,
    /// Whether nobody wrote in it but the intent itself.
    pub literate: bool,
}

/// Lets a workspace for an attempt on a base go, with what it holds: `found` where that was looked at already. Where not all
/// of that can be a snapshot, what can be is one, and the workspace itself stays, aside.
pub fn put_away(
    store: &Store,
    run: &RunId,
    Owner { of, base, literate }: Owner<'_>,
    workspace: Workspace,
    found: workspace::Result<Snapshot>,
) -> Result<Away, Failure> {
    let (repo, world) = (&store.repo, &store.world);
    let found = match found {
        Ok(found) => found,
        // What cannot be written now can be later.
        Err(why @ workspace::Error::Git(_)) => return Err(why.into()),
        Err(why) => return Ok(Away::Aside(workspace.set_aside(world)?, why.to_string())),
    };
    let wip = names::wip(run, &of.slice);
    let attempts = repo.refs().list(&names::attempts_prefix(run, &of.slice))?;
    let refs: Vec<String> = attempts.into_iter().map(|(name, _)| name).chain([wip]).collect();
    let mut workspace = match workspace.kept(repo, &found, &refs)? {
        Ok(kept) => return Ok(kept.remove(world).map(|()| Away::Gone)?),
        Err(workspace) => workspace,
    };
    if literate {
        workspace = match workspace.carried(repo, &found, &names::spec(run.spec()))? {
            Ok(kept) => return Ok(kept.remove(world).map(|()| Away::Gone)?),
            Err(workspace) => workspace,
        };
    }
    if found.changes.is_empty() {
        return Ok(Away::Aside(workspace.set_aside(world)?, found.problems.join("; ")));
    }
    run::keep_wip(store, run, &of.slice, base, found.tree, &of.written())?;
    match workspace.kept(repo, &found, &refs)? {
        Ok(kept) => Ok(kept.remove(world).map(|()| Away::Kept)?),
        Err(workspace) => Ok(Away::Aside(workspace.set_aside(world)?, found.problems.join("; "))),
    }
}
