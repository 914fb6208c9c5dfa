//! The one lane onto a run's target: where its tip is, and how it moves.

use std::sync::Arc;

use crate::{
    base::{Exit, Explain, Oid, RunId},
    git::{self, Head, Old, RefEdit, Swap},
    store::{self, Store, lease::Lease, names},
};

/// Why the lane cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The branch is not ahead of what the run landed.
    #[error("{} is at {}, which does not contain {}, the last landing of run {}", .0.branch, .0.found, .0.landed, .0.run)]
    Diverged(Box<Diverged>),
    /// The run has no target ref.
    #[error("run {0} has no target ref")]
    NoTarget(RunId),
    /// The repository failed.
    #[error(transparent)]
    Git(#[from] git::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A target branch that went elsewhere.
#[derive(Debug)]
pub struct Diverged {
    branch: String,
    found: Oid,
    landed: Oid,
    run: RunId,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Diverged(_) | Error::NoTarget(_) => Exit::NeedsRecovery,
            Error::Git(e) => e.exit(),
            Error::Store(e) => e.exit(),
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            Error::Diverged(d) => {
                let short = d.branch.strip_prefix("refs/heads/").unwrap_or(&d.branch);
                Some(format!(
                    "to bring both together: git switch {short} && git merge {}, then leave it",
                    d.landed.short()
                ))
            }
            Error::NoTarget(_) => Some("git otto verify --all".into()),
            Error::Git(e) => e.hint(),
            Error::Store(e) => e.hint(),
        }
    }
}

/// The lane of a run that this process holds the lease of.
pub struct Lane {
    store: Store,
    run: RunId,
    branch: String,
    lease: Arc<Lease>,
}

/// Where the target is, and which refs say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The commit to build on.
    pub commit: Oid,
    /// The value of `refs/otto/targets/<run>`.
    landed: Oid,
    /// The branch's value where it moves along; none while somebody has it checked out.
    branch: Option<Old>,
}

impl Lane {
    /// The lane of `run` onto the branch of that full name.
    pub fn new(store: Store, run: RunId, branch: String, lease: Arc<Lease>) -> Lane {
        Lane { store, run, branch, lease }
    }

    /// The full name of the target branch.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// Where the target is now. A person's commits on the branch count, also on one that somebody has checked out: what
    /// lands is tested on top of them.
    pub fn tip(&self) -> Result<Tip, Error> {
        let repo = &self.store.repo;
        let landed = repo.refs().read(&names::target(&self.run))?.ok_or_else(|| Error::NoTarget(self.run.clone()))?;
        let moves = !self.is_checked_out()?;
        let Some(found) = repo.refs().read(&self.branch)? else {
            return Ok(Tip { commit: landed, landed, branch: moves.then_some(Old::Absent) });
        };
        let branch = moves.then_some(Old::Is(found));
        if repo.is_ancestor(landed, found)? {
            return Ok(Tip { commit: found, landed, branch });
        }
        // Landings made while the branch was checked out, or a swap that a crash cut in two: it catches up. One that is
        // checked out and went on by itself is its user's to merge.
        if !moves || repo.is_ancestor(found, landed)? {
            return Ok(Tip { commit: landed, landed, branch });
        }
        Err(Error::Diverged(Box::new(Diverged { branch: self.branch.clone(), found, landed, run: self.run.clone() })))
    }

    /// Names a commit under test, which has no other name: nothing may prune it.
    pub fn pin(&self, commit: Oid) -> Result<(), Error> {
        Ok(self.store.create_once(&names::pin(&self.run, commit), commit, "under test")?)
    }

    /// Drops the pin of a commit that is no longer under test.
    pub fn unpin(&self, commit: Oid) -> Result<(), Error> {
        let edit = RefEdit { name: names::pin(&self.run, commit), old: Old::Is(commit), new: None };
        // Without a pin there is nothing to drop.
        self.store.swap(&[edit], "no longer under test")?;
        Ok(())
    }

    /// Drops the pins of commits that are no longer under test.
    pub fn unpin_all(&self) -> Result<(), Error> {
        for (name, at) in self.store.repo.refs().list(&names::pin_prefix(&self.run))? {
            self.store.swap(&[RefEdit { name, old: Old::Is(at), new: None }], "no longer under test")?;
        }
        Ok(())
    }

    /// Moves the target from the tested tip to the tested commit, in one transaction that verifies the lease and drops
    /// the commit's pin.
    pub fn land(&self, tip: &Tip, commit: Oid) -> Result<Swap, Error> {
        let mut edits = vec![RefEdit { name: names::target(&self.run), old: Old::Is(tip.landed), new: Some(commit) }];
        if let Some(old) = tip.branch {
            edits.push(RefEdit { name: self.branch.clone(), old, new: Some(commit) });
        }
        let pin = names::pin(&self.run, commit);
        edits.push(RefEdit { name: pin, old: Old::Is(commit), new: None });
        self.lease.be_sure()?;
        Ok(self.lease.swap(&edits, "land")?)
    }

    /// Lets the branch catch up with the landings where it can; gives its name and new value if it moved.
    pub fn catch_up(&self) -> Result<Option<(String, Oid)>, Error> {
        let tip = self.tip()?;
        let Some(old) = tip.branch.filter(|old| *old != Old::Is(tip.commit)) else { return Ok(None) };
        let edit = RefEdit { name: self.branch.clone(), old, new: Some(tip.commit) };
        match self.lease.swap(&[edit], "catch up")? {
            Swap::Done => Ok(Some((self.branch.clone(), tip.commit))),
            Swap::Lost { .. } => Ok(None),
        }
    }

    /// Whether somebody has the branch checked out: then it does not move.
    pub fn is_checked_out(&self) -> Result<bool, Error> {
        let heads = self.store.repo.checked_out()?;
        Ok(heads.iter().any(|(_, head)| matches!(head, Head::Branch(name, _) if *name == self.branch)))
    }
}
