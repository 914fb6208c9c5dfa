//! A branch of the user's that moves at their wish: where it is, what keeps it from moving, and how it does.

use crate::{
    base::{
        Exit, Failure, Oid, Point, RunId,
        text::{count, one_line},
    },
    git::{BString, Head, Old, PausedKind, RefEdit, Swap},
    store::{
        Store,
        undo::{self, Kept, Kind, Move},
    },
};

/// A branch.
pub struct Place {
    /// Its full name.
    pub branch: String,
    /// Where it is; none where it has no commit yet.
    pub at: Option<Oid>,
    /// Whether it is checked out here.
    here: bool,
}

/// A branch without what all full names start with.
pub fn short(branch: &str) -> &str {
    branch.strip_prefix("refs/heads/").unwrap_or(branch)
}

impl Place {
    /// The branch that is checked out here. `command` is what the user typed, for hints.
    pub fn here(store: &Store, command: &str) -> Result<Place, Failure> {
        if store.repo.work_dir().is_none() {
            let text = "this repository has no checkout";
            return Err(Failure::new(Exit::Refused, text).hint("git otto deliver --into <branch>"));
        }
        refuse_under_way(store, command)?;
        match store.repo.head()? {
            Head::Branch(branch, at) => Ok(Place { branch, at, here: true }),
            Head::Detached(at) => {
                let text = format!("HEAD is detached at {}: there is no branch to move", at.short());
                Err(Failure::new(Exit::Refused, text).hint(format!("git switch <branch> && {command}")))
            }
        }
    }

    /// A branch by name; one that is checked out elsewhere is moved there.
    pub fn named(store: &Store, name: &str, command: &str) -> Result<Place, Failure> {
        let branch = format!("refs/heads/{}", short(name));
        for (dir, head) in store.repo.checked_out()? {
            if !matches!(&head, Head::Branch(other, _) if *other == branch) {
                continue;
            }
            let is_here = |own: &std::path::Path| own.canonicalize().ok() == dir.canonicalize().ok();
            if store.repo.work_dir().is_some_and(is_here) {
                return Place::here(store, command);
            }
            let text = format!("{} is checked out in {}", short(name), dir.display());
            let there = command.replacen("git", &format!("git -C {}", dir.display()), 1);
            return Err(Failure::new(Exit::Refused, text).hint(there));
        }
        let none = || {
            let text = format!("there is no branch {:?}", one_line(short(name), 80));
            Failure::new(Exit::Usage, text).hint(format!("git branch {} <start>", one_line(short(name), 80)))
        };
        let at = store.repo.refs().read(&branch).ok().flatten().ok_or_else(none)?;
        Ok(Place { branch, at: Some(at), here: false })
    }

    /// Its name as people say it.
    pub fn short(&self) -> &str {
        short(&self.branch)
    }

    /// Its tree.
    pub fn tree(&self, store: &Store) -> Result<Oid, Failure> {
        match self.at {
            Some(at) => Ok(store.repo.read_commit(at)?.tree),
            None => Ok(store.repo.empty_tree()?),
        }
    }

    /// Refuses to move a checkout to another tree where something of the user's is at risk.
    pub fn refuse_at_risk(&self, store: &Store, to: Oid, command: &str) -> Result<(), Failure> {
        if !self.here {
            return Ok(());
        }
        let modified = store.repo.modified()?;
        if !modified.is_empty() {
            let text = format!("{} changed here and not committed: nothing was moved", count(modified.len(), "file"));
            let hint = format!("git commit -a, or git stash; then: {command}");
            return Err(Failure { causes: shown(&modified), ..Failure::new(Exit::Refused, text).hint(hint) });
        }
        let untracked = store.repo.in_the_way(self.tree(store)?, to)?;
        if !untracked.is_empty() {
            let text = format!(
                "{} that git does not track would be overwritten: nothing was moved",
                count(untracked.len(), "file")
            );
            let hint = format!("move them elsewhere, or commit them; then: {command}");
            return Err(Failure { causes: shown(&untracked), ..Failure::new(Exit::Refused, text).hint(hint) });
        }
        Ok(())
    }

    /// Moves it, once the way back is written down. In a checkout git itself moves it, with its own safety and the user's
    /// hooks; elsewhere both happen in one transaction.
    pub fn go(&self, store: &Store, kind: Kind, run: &RunId, after: Oid) -> Result<Kept, Failure> {
        let (branch, before, at) = (self.branch.clone(), self.at, store.world.clock.now());
        let moved = Move { format: 1, kind, run: run.clone(), branch, before, after, at };
        if !self.here {
            let old = self.at.map_or(Old::Absent, Old::Is);
            let edit = RefEdit { name: self.branch.clone(), old, new: Some(after) };
            let kept = undo::keep(store, moved, Some(edit))?.ok_or_else(|| {
                let text = format!("{} was moved by somebody else meanwhile, and stays where it is", self.short());
                Failure::new(Exit::Locked, text).hint("the same command again")
            })?;
            store.world.faults.hit(Point::DeliverAfterMove)?;
            return Ok(kept);
        }
        let gone = || Failure::new(Exit::Internal, "the way back could not be written down");
        let kept = undo::keep(store, moved, None)?.ok_or_else(gone)?;
        store.world.faults.hit(Point::DeliverBeforeMove)?;
        let to = after.to_string();
        let git: &[&str] = match kind {
            Kind::Deliver => &["merge", "--ff-only", "--no-overwrite-ignore", "--quiet", &to],
            Kind::Undo => &["reset", "--keep", "--quiet", &to],
        };
        let said = store.repo.as_user(git)?;
        // What git says last is not what counts: where the branch is now does.
        let found = store.repo.refs().read(&self.branch)?;
        if found == Some(after) {
            store.world.faults.hit(Point::DeliverAfterMove)?;
            return Ok(kept);
        }
        if found == self.at {
            store.swap(&[kept.forget()], "not moved")?;
        }
        let causes = said.stderr.lines().filter(|l| !l.trim().is_empty()).take(20).map(|l| one_line(l, 200)).collect();
        let text = format!("git did not move {} to {}", self.short(), after.short());
        Err(Failure { causes, ..Failure::new(Exit::Refused, text).hint(format!("git {}", git.join(" "))) })
    }

    /// Forgets a way back that was gone.
    pub fn forget(store: &Store, kept: &Kept) -> Result<(), Failure> {
        match store.swap(&[kept.forget()], "taken back")? {
            Swap::Done | Swap::Lost { .. } => Ok(()),
        }
    }
}

fn refuse_under_way(store: &Store, command: &str) -> Result<(), Failure> {
    let Some(paused) = store.repo.paused()?.into_iter().next() else { return Ok(()) };
    let text = match paused.kind {
        PausedKind::Unmerged => "files are in conflict in this checkout".to_owned(),
        kind => format!("{} is under way in this checkout", kind.words()),
    };
    let hint = format!("git otto recover    (says what it is, and what ends it)\nthen: {command}");
    Err(Failure::new(Exit::NeedsRecovery, text).hint(hint))
}

/// The first of many paths.
fn shown(paths: &[BString]) -> Vec<String> {
    let mut out: Vec<String> = paths.iter().take(10).map(|p| one_line(&p.to_string(), 200)).collect();
    if paths.len() > out.len() {
        out.push(format!("and {} more", paths.len() - out.len()));
    }
    out
}
