//! Something half done is given up: the checkout goes back to where it was before.
//!
//! The order makes it safe to die anywhere: files, index, HEAD, what was stashed before, and git's own notes last. As long
//! as those are there the same plan is made again, and what is done already has nothing left to do.

use super::{
    Refused,
    rescue::{self, Rescue},
};
use crate::{
    base::{Oid, Point},
    git::{self, Back, Head, Old, Output, Paused, PausedKind, RefEdit, Repo, Scope, Signature, Swap},
    store::Store,
};

/// What giving up would do.
#[derive(Debug)]
pub struct Plan {
    /// What is given up.
    pub paused: Paused,
    /// Where HEAD goes; none where it stays and git's notes are only removed.
    pub to: Option<Goal>,
    /// What happens to index and files.
    pub back: Back,
}

/// Where a checkout goes back to.
#[derive(Clone, Debug)]
pub struct Goal {
    /// Its tree.
    pub tree: Oid,
    /// HEAD.
    pub head: Head,
    /// Where HEAD was seen.
    from: Head,
    /// What the reflog says; none where HEAD is not written at all.
    why: Option<String>,
    scope: Scope,
    /// What becomes `ORIG_HEAD`, as after every `git reset`.
    orig_head: Option<Oid>,
}

/// What came of what was stashed before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stashed {
    /// There was nothing.
    Nothing,
    /// It is in the files again.
    Applied(Oid),
    /// It is the newest entry of the stash: it could not be applied without overwriting something.
    Kept(Oid),
    /// It is not in the repository any more: a `git gc` took it.
    Lost(Oid),
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// What was kept before.
    pub rescue: Rescue,
    /// What came of the stash.
    pub stashed: Stashed,
    /// What the hook said that git starts after a checkout; none where git starts none.
    pub hook: Option<Output>,
}

/// Plans to give something up; touches nothing. `store` is that of the checkout.
pub fn plan(store: &Store, paused: Paused) -> Result<Plan, Refused> {
    let repo = &store.repo;
    if !paused.worktree.is_dir() {
        return Err(Refused::NoFolder(paused.worktree.display().to_string()));
    }
    let to = goal(repo, &paused)?;
    let back = match &to {
        Some(goal) => repo.plan_back(goal.tree, goal.scope)?,
        None => Back::default(),
    };
    let command = paused.kind.abort();
    if let Some((path, driver)) = &back.filtered {
        return Err(Refused::Filtered { path: path.to_string(), driver: driver.clone(), command });
    }
    if back.sparse && !back.is_empty() {
        return Err(Refused::Sparse { command });
    }
    if paused.kind == PausedKind::Bisect && !back.overwritten.is_empty() {
        return Err(Refused::Changed(back.overwritten.iter().map(ToString::to_string).collect()));
    }
    Ok(Plan { paused, to, back })
}

/// Gives it up.
pub fn perform(store: &Store, plan: &Plan) -> Result<Done, Refused> {
    let (repo, faults) = (&store.repo, &store.world.faults);
    // Before anything is kept; it is taken later, for as short as can be.
    let index = repo.git_dir().join("index.lock");
    if repo.lock_files()?.iter().any(|lock| lock.path == index && !lock.ours) {
        let why = "a git works on it, or has died".into();
        return Err(git::Error::Locked { name: index.display().to_string(), why }.into());
    }
    let who = repo.identity(store.world.clock.now()).map_or_else(|_| store.otto(), |(_, committer)| committer);
    let rescue = rescue::keep(store, &plan.paused, &[&plan.back.overwritten[..], &plan.back.kept].concat())?;
    faults.hit(Point::MendRescueAfter)?;
    let (mut stashed, mut hook) = (Stashed::Nothing, None);
    if let Some(goal) = &plan.to {
        repo.go_back(&plan.back, goal.tree)?;
        faults.hit(Point::MendFilesAfter)?;
        if let Some(id) = goal.orig_head {
            repo.refs().set_own("ORIG_HEAD", id, &who, goal.why.as_deref().unwrap_or_default())?;
        }
        if let Some(why) = &goal.why {
            repo.refs().move_head(&goal.from, &goal.head, &who, why)?;
        }
        let moves = plan.paused.kind == PausedKind::Bisect && goal.why.is_some();
        if let (true, Some(from), Some(to)) = (moves, goal.from.at(), goal.head.at()) {
            let args = ["hook", "run", "--ignore-missing", "post-checkout", "--"];
            hook = Some(repo.in_person(&[&args[..], &[&from.to_string(), &to.to_string(), "1"]].concat(), false)?);
        }
        faults.hit(Point::MendHeadAfter)?;
    }
    let mut auto_merge = None;
    if let Some(stash) = plan.paused.autostash {
        let tree = plan.to.as_ref().map(|goal| goal.tree);
        stashed = match repo.peel(stash) {
            Ok(Some(_)) => {
                // git keeps what was stashed for a squash as an entry: only a merge puts it back.
                auto_merge = if plan.paused.kind == PausedKind::Squash { None } else { apply(repo, stash, tree)? };
                match auto_merge {
                    Some(_) => Stashed::Applied(stash),
                    None => enter(repo, stash, &who).map(|()| Stashed::Kept(stash))?,
                }
            }
            _ => Stashed::Lost(stash),
        };
    }
    faults.hit(Point::MendStashAfter)?;
    if matches!(plan.paused.kind, PausedKind::Rebase | PausedKind::RebaseApply | PausedKind::Am) {
        // Conflicts that nobody has resolved are forgotten; the others git knows how to resolve again.
        repo.in_person(&["rerere", "clear"], false)?.ok()?;
    }
    let gone = gone(repo, &plan.paused, plan.to.is_some())?;
    repo.remove_paused_files(&gone.files)?;
    faults.hit(Point::MendStateMid)?;
    repo.refs().remove_own(&gone.refs.iter().map(String::as_str).collect::<Vec<_>>())?;
    if let Some(tree) = auto_merge {
        // As git leaves it after every stash that it applies.
        repo.refs().set_own("AUTO_MERGE", tree, &who, "autostash")?;
    }
    repo.remove_paused_files(gone.mark.as_slice())?;
    Ok(Done { rescue, stashed, hook })
}

/// Where a checkout goes back to, as git would have it.
fn goal(repo: &Repo, paused: &Paused) -> Result<Option<Goal>, Refused> {
    let now = repo.head()?;
    let at = now.at();
    let from = now.clone();
    let unknown = |why: &str| {
        let (what, command) = (paused.kind.words(), paused.kind.abort());
        Refused::Unknown { what, why: why.into(), command }
    };
    let begun = || {
        let id = paused.orig_head.ok_or_else(|| unknown("git has not written it down"))?;
        match repo.peel(id) {
            Ok(Some(id)) => Ok(id),
            _ => Err(unknown("that commit is not there any more")),
        }
    };
    let tree = |id: Oid| repo.read_commit(id).map(|c| c.tree);
    let with = |head: Head, id: Oid| match head {
        Head::Branch(name, _) => Head::Branch(name, Some(id)),
        Head::Detached(_) => Head::Detached(id),
    };
    // HEAD is elsewhere since: git would forget what was under way and move nothing.
    if paused.moved {
        return Ok(None);
    }
    let goal = match paused.kind {
        PausedKind::Merge | PausedKind::Squash | PausedKind::CherryPick | PausedKind::Revert => {
            let id = begun()?;
            let to = match paused.kind {
                PausedKind::Merge | PausedKind::Squash => "HEAD".into(),
                _ => id.to_string(),
            };
            // Where HEAD was; after a death in between, where git has written that it was.
            let orig_head = if at == Some(id) { repo.paused_at().or(at) } else { at };
            let why = Some(format!("reset: moving to {to}"));
            Goal { tree: tree(id)?, head: with(now, id), from, why, scope: Scope::Whole, orig_head }
        }
        PausedKind::Rebase | PausedKind::RebaseApply => {
            let id = begun()?;
            let (head, name) = match &paused.head_name {
                Some(name) => (Head::Branch(name.clone(), Some(id)), name.clone()),
                None => (Head::Detached(id), id.to_string()),
            };
            let why = Some(format!("rebase (abort): returning to {name}"));
            Goal { tree: tree(id)?, head, from, why, scope: Scope::Whole, orig_head: None }
        }
        PausedKind::Am => {
            let why = Some("am --abort".into());
            let (tree, head) = match (paused.orig_head, now) {
                // It began on a branch without a commit.
                (None, Head::Branch(name, _)) => (repo.empty_tree()?, Head::Branch(name, None)),
                (_, now) => (tree(begun()?)?, with(now, begun()?)),
            };
            Goal { tree, head, from, why, scope: Scope::Whole, orig_head: None }
        }
        PausedKind::Bisect => {
            let left = tree(at.ok_or_else(|| unknown("HEAD has no commit"))?)?;
            let branch = match &paused.head_name {
                Some(name) => {
                    Some((name.clone(), repo.refs().read(name)?.ok_or_else(|| unknown("that branch is gone"))?))
                }
                None => None,
            };
            let id = branch.as_ref().map_or_else(begun, |(_, id)| Ok(*id))?;
            let said = |head: &Head| match head {
                Head::Branch(name, _) => name.trim_start_matches("refs/heads/").to_owned(),
                Head::Detached(id) => id.to_string(),
            };
            let head = branch.map_or(Head::Detached(id), |(name, id)| Head::Branch(name, Some(id)));
            // A bisection with --no-checkout has moved nothing.
            let moved = !repo.refs().own()?.contains_key("BISECT_HEAD");
            let why = moved.then(|| format!("checkout: moving from {} to {}", said(&now), said(&head)));
            let tree = if moved { tree(id)? } else { left };
            Goal { tree, head, from, why, scope: Scope::Since(left), orig_head: None }
        }
        PausedKind::Unmerged => {
            let tree = at.map_or_else(|| repo.empty_tree(), tree)?;
            Goal { tree, head: now, from, why: None, scope: Scope::Unmerged, orig_head: None }
        }
    };
    Ok(Some(goal))
}

/// Puts what was stashed back into the files, where it was stashed on just what the checkout is again and nothing stands in
/// its way; answers what the files are then. Doing it twice is doing it once.
fn apply(repo: &Repo, stash: Oid, tree: Option<Oid>) -> Result<Option<Oid>, Refused> {
    let commit = repo.read_commit(stash)?;
    let Some(base) = commit.parents.first() else { return Ok(None) };
    let base = repo.read_commit(*base)?.tree;
    if tree != Some(base) {
        return Ok(None);
    }
    let back = repo.plan_back(commit.tree, Scope::Stash(base))?;
    if !back.overwritten.is_empty() || back.filtered.is_some() || back.sparse {
        return Ok(None);
    }
    repo.go_back(&back, commit.tree)?;
    Ok(Some(commit.tree))
}

/// Makes it the newest entry of the stash, as `git stash store` does.
fn enter(repo: &Repo, stash: Oid, who: &Signature) -> Result<(), Refused> {
    const STASH: &str = "refs/stash";
    loop {
        let old = repo.refs().read(STASH)?;
        if old == Some(stash) {
            return Ok(());
        }
        repo.sync()?;
        let edit = RefEdit { name: STASH.into(), old: old.map_or(Old::Absent, Old::Is), new: Some(stash) };
        if repo.refs().swap(&[edit], who, "autostash")? == Swap::Done {
            return Ok(());
        }
    }
}

/// git's notes that go, in this order.
#[derive(Default)]
struct Gone {
    files: Vec<&'static str>,
    refs: Vec<String>,
    /// What says that something is under way.
    mark: Option<&'static str>,
}

/// What git removes when it gives something up. `all` is false where HEAD has moved on, and only the list of steps goes.
fn gone(repo: &Repo, paused: &Paused, all: bool) -> Result<Gone, Refused> {
    const MERGE: [&str; 5] = ["MERGE_RR", "MERGE_MSG", "MERGE_MODE", "SQUASH_MSG", "MERGE_HEAD"];
    const PICKED: [&str; 5] = ["AUTO_MERGE", "MERGE_AUTOSTASH", "REBASE_HEAD", "REVERT_HEAD", "CHERRY_PICK_HEAD"];
    const BISECT: [&str; 6] =
        ["BISECT_NAMES", "BISECT_RUN", "BISECT_TERMS", "BISECT_FIRST_PARENT", "BISECT_ANCESTORS_OK", "BISECT_LOG"];
    let mark = match paused.kind {
        PausedKind::Rebase => "rebase-merge",
        PausedKind::RebaseApply | PausedKind::Am => "rebase-apply",
        PausedKind::CherryPick | PausedKind::Revert => "sequencer",
        PausedKind::Merge => "MERGE_HEAD",
        PausedKind::Squash => "SQUASH_MSG",
        PausedKind::Bisect => "BISECT_START",
        // Nothing says so but the index.
        PausedKind::Unmerged => return Ok(Gone::default()),
    };
    if !all {
        return Ok(Gone { mark: Some(mark), ..Gone::default() });
    }
    let own = repo.refs().own()?;
    if paused.kind == PausedKind::Bisect {
        let refs = own.into_keys().filter(|name| name.starts_with("refs/bisect/") || name.starts_with("BISECT_"));
        return Ok(Gone { files: BISECT.to_vec(), refs: refs.collect(), mark: Some(mark) });
    }
    let mut refs: Vec<String> = own.keys().filter(|name| name.starts_with("refs/rewritten/")).cloned().collect();
    // A pick that is no series is under way by its head alone, which goes last.
    refs.extend(PICKED.iter().filter(|name| own.contains_key(**name)).map(|name| (*name).to_owned()));
    Ok(Gone { files: MERGE.into_iter().filter(|file| *file != mark).collect(), refs, mark: Some(mark) })
}
