//! Something half done is gone on with, once nothing is in conflict any more: the commit that ends a merge, a cherry-pick or
//! a revert is made here; what is more than one commit git does itself, with the user's own hooks, settings and editor.

use super::{
    Refused,
    rescue::{self, Rescue},
};
use crate::{
    base::{Oid, Point, faults::Faults, text::one_line},
    git::{self, BString, Concluded, Output, Paused, PausedKind, Repo},
    store::Store,
};

/// What going on would do.
#[derive(Debug)]
pub struct Plan {
    /// What is gone on with.
    pub paused: Paused,
    /// By whom, and how.
    pub by: Concluded,
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// What was kept before.
    pub rescue: Rescue,
    /// The commit that was made here; none where git went on.
    pub commit: Option<Oid>,
    /// How git ended, where it went on.
    pub git: Option<Output>,
    /// What is half done now: it stopped again, or this was inside of something else.
    pub left: Option<Paused>,
}

/// Plans to go on; touches nothing. `store` is that of the checkout.
pub fn plan(store: &Store, paused: Paused) -> Result<Plan, Refused> {
    if !paused.worktree.is_dir() {
        return Err(Refused::NoFolder(paused.worktree.display().to_string()));
    }
    if !paused.unmerged.is_empty() {
        return Err(Refused::Unresolved(paused.unmerged.iter().map(|p| one_line(&p.to_string(), 400)).collect()));
    }
    if !paused.kind.goes_on() {
        return Err(Refused::Yours { what: paused.kind.words(), command: paused.kind.go_on() });
    }
    let by = match paused.kind {
        PausedKind::Merge | PausedKind::CherryPick | PausedKind::Revert => store.repo.conclusion(&paused)?,
        _ => Concluded::ByGit("it has steps of its own".into()),
    };
    Ok(Plan { paused, by })
}

/// Goes on. git has the terminal where `on_terminal` says that there is one.
pub fn perform(store: &Store, plan: &Plan, on_terminal: bool) -> Result<Done, Refused> {
    let (repo, faults) = (&store.repo, &store.world.faults);
    let mut files = repo.modified()?;
    if matches!(plan.by, Concluded::ByGit(_)) {
        files.extend(in_the_way(repo)?);
    }
    let rescue = rescue::keep(store, &plan.paused, &files)?;
    faults.hit(Point::MendRescueAfter)?;
    let (mut commit, mut git) = (None, None);
    match &plan.by {
        Concluded::Here(conclusion) => {
            let id = repo.make(conclusion)?;
            faults.hit(Point::MendCommitAfter)?;
            repo.arrive(conclusion, id)?;
            faults.hit(Point::MendHeadAfter)?;
            clear(repo, faults)?;
            commit = Some(id);
        }
        Concluded::Made(id) => {
            clear(repo, faults)?;
            commit = Some(*id);
        }
        Concluded::ByGit(_) => {
            let words: Vec<&str> = plan.paused.kind.go_on().split(' ').skip(1).collect();
            git = Some(repo.in_person(&words, on_terminal)?);
        }
    }
    Ok(Done { rescue, commit, git, left: repo.paused()?.into_iter().next() })
}

/// Files that git does not know, standing where a step that is left puts one: git overwrites those that it ignores.
fn in_the_way(repo: &Repo) -> Result<Vec<BString>, Refused> {
    let mut all = repo.untracked_of(repo.patches_left()?)?;
    let step_in_the_way = |step: Oid| -> Result<_, git::Error> {
        let commit = repo.read_commit(step)?;
        let before = match commit.parents.first() {
            Some(parent) => repo.read_commit(*parent)?.tree,
            None => repo.empty_tree()?,
        };
        // Picked, or reverted.
        Ok([repo.in_the_way(before, commit.tree)?, repo.in_the_way(commit.tree, before)?].concat())
    };
    // What is not in this repository cannot be looked at.
    all.extend(repo.steps_left().into_iter().flat_map(|step| step_in_the_way(step).unwrap_or_default()));
    Ok(all)
}

/// Removes git's notes on what has become a commit; what says that something is under way goes last of them.
fn clear(repo: &Repo, faults: &Faults) -> Result<(), Refused> {
    repo.remove_paused_files(&["MERGE_RR", "MERGE_MSG", "MERGE_MODE"])?;
    faults.hit(Point::MendStateMid)?;
    let own = repo.refs().own()?;
    let gone = ["AUTO_MERGE", "CHERRY_PICK_HEAD", "REVERT_HEAD"].into_iter().filter(|name| own.contains_key(*name));
    repo.refs().remove_own(&gone.collect::<Vec<_>>())?;
    repo.remove_paused_files(&["MERGE_HEAD"])?;
    faults.hit(Point::MendStateAfter)?;
    Ok(repo.forget_conclusion()?)
}
