//! What an attempt goes on from that the queue gave back: the target with the slice's candidate merged in, conflicts and all,
//! and what the slice's agent is told of them.

use super::{Build, Ground, scope};
use crate::{
    agent::{Conflict, Landed, Side},
    base::{Failure, Oid, glob},
    git::{BStr, ByteSlice, Clash, Mode},
    journal::{
        event::AttemptFailure,
        state::{Attempt, SliceState},
    },
    plan::model::integrate::{self, Integration},
};

/// The largest side of a conflict that is told in full, bytes, and how much all of them may be.
const MAX_SIDE: u64 = 64 << 10;
const MAX_SIDES: u64 = 512 << 10;
/// The largest file that is searched for marks, bytes.
const MAX_SEARCHED: u64 = 16 << 20;

/// The candidate that the queue gave back last and nothing was built on since.
pub(super) fn given_back(now: &SliceState) -> Option<Oid> {
    let of_queue = |a: &&Attempt| {
        matches!(a.failed, Some((AttemptFailure::Conflict | AttemptFailure::Integration, _))) && a.commit.is_some()
    };
    let last = now.attempts.iter().rfind(|a| a.failed.is_some()).filter(of_queue);
    last.or(now.counting().filter(of_queue).last())?.commit
}

impl Build<'_> {
    /// The target with a candidate merged in. What is not the slice's to write stays as it is on the target.
    pub(super) fn joined(&self, tip: Oid, candidate: Oid) -> Result<Ground<'_>, Failure> {
        let repo = self.gate.repo();
        let makers = self.gate.log.read(|state| integrate::makers(self.plan, state));
        let both = Integration::new(repo, self.plan, makers, &self.slice.id, tip, candidate);
        let mut unmerged = both.unmerged()?;
        let target = repo.read_commit(tip)?.tree;
        let (others, adding) = (self.others(), self.plan.spec.adding());
        let rules = self.rules(&others, &adding);
        let may_write = |path: &BStr, old: Option<(Mode, Oid)>| {
            path.to_str().is_ok_and(|path| scope::may_write(&rules, path, old).is_ok())
        };
        let changes = repo.diff_trees(target, unmerged.tree)?;
        let foreign = changes.into_iter().filter(|c| !may_write(c.path.as_bstr(), c.old));
        let back: Vec<_> = foreign.map(|c| (c.path, c.old)).collect();
        for clash in unmerged.clashes.iter_mut().filter(|c| back.iter().any(|(path, _)| *path == c.path)) {
            clash.marks.clear();
        }
        let tree = repo.write_tree(Some(unmerged.tree), &back)?;
        Ok(Ground { base: tip, tree, joined: Some(both), clashes: unmerged.clashes })
    }

    /// What an agent is told of the conflicts that it goes on from.
    pub(super) fn conflicts(&self, ground: &Ground<'_>) -> Result<Vec<Conflict>, Failure> {
        let Some(integration) = &ground.joined else { return Ok(Vec::new()) };
        let spec = &self.plan.spec;
        let mut left = MAX_SIDES;
        let mut out = Vec::new();
        for clash in &ground.clashes {
            let by = integration.last_change(clash.path.as_bstr())?.and_then(|n| spec.slices.get(n));
            let mut side = |side| self.side(side, &mut left);
            let owners = spec.slices.iter().filter(|s| glob::any(&s.owned_paths, &clash.path));
            out.push(Conflict {
                path: clash.path.to_str_lossy().into_owned(),
                kinds: kinds(clash),
                marked: !clash.marks.is_empty(),
                owners: owners.map(|s| s.id.clone()).collect(),
                landed: by.map(|s| Landed {
                    slice: s.id.clone(),
                    title: s.title.clone(),
                    requirements: spec
                        .requirements
                        .iter()
                        .filter(|r| s.requirements.contains(&r.id))
                        .map(|r| (r.id.clone(), r.text.clone()))
                        .collect(),
                }),
                base: side(clash.base)?,
                target: side(clash.ours)?,
                candidate: side(clash.theirs)?,
            });
        }
        Ok(out)
    }

    fn side(&self, side: Option<(Mode, Oid)>, left: &mut u64) -> Result<Option<Side>, Failure> {
        let Some((mode, id)) = side else { return Ok(None) };
        let repo = self.gate.repo();
        let size = if mode == Mode::Submodule { 0 } else { repo.object_header(id)?.1 };
        let told = mode != Mode::Submodule && size <= MAX_SIDE.min(*left);
        let text = if told { String::from_utf8(repo.read_blob(id, MAX_SIDE)?).ok() } else { None };
        let text = text.filter(|t| !t.contains('\0'));
        *left -= text.as_ref().map_or(0, |_| size);
        Ok(Some(Side { mode: mode.octal(), size, text }))
    }

    /// What else landed on the paths of a candidate since it was begun, in a sentence.
    pub(super) fn neighbours(&self, integration: &Integration<'_>) -> Result<Option<String>, Failure> {
        let found = integration.neighbours()?;
        let one = |(slice, paths): &(usize, Vec<_>)| {
            let slice = self.plan.spec.slices.get(*slice)?;
            let paths: Vec<String> = paths.iter().take(20).map(|p| format!("`{p}`")).collect();
            Some(format!("slice `{}` ({}) changed {}", slice.id, slice.title, paths.join(", ")))
        };
        let all: Vec<String> = found.iter().filter_map(one).collect();
        Ok((!all.is_empty()).then(|| format!("what landed meanwhile on the same paths: {}", all.join("; "))))
    }

    /// What an agent left of conflicts, in a sentence: marks that were put into a file, and names that nothing can stand
    /// under. Text that looks like marks and was not put there is nobody's concern.
    pub(super) fn unresolved(&self, ground: &Ground<'_>, tree: Oid) -> Result<Option<String>, Failure> {
        let repo = self.gate.repo();
        let (mut marked, mut aside) = (Vec::new(), Vec::new());
        for clash in &ground.clashes {
            let Some(found) = repo.entry(tree, clash.path.as_bstr())? else { continue };
            if clash.aside {
                aside.push(format!("`{}`", clash.path));
            } else if !clash.marks.is_empty() && matches!(found.mode, Mode::Plain | Mode::Executable) {
                let text = repo.read_blob(found.oid, MAX_SEARCHED)?;
                if text.lines().any(|line| clash.marks.iter().any(|mark| mark == line)) {
                    marked.push(format!("`{}`", clash.path));
                }
            }
        }
        let mut out = Vec::new();
        if !marked.is_empty() {
            out.push(format!("conflict marks are left in {}", marked.join(", ")));
        }
        if !aside.is_empty() {
            out.push(format!("what a conflict set aside is left as {}", aside.join(", ")));
        }
        Ok((!out.is_empty()).then(|| out.join("; ")))
    }
}

/// In which ways a path conflicts: git's words, and what can be seen of its sides.
fn kinds(clash: &Clash) -> Vec<String> {
    let mut out = clash.kinds.clone();
    let mut add = |kind: &str| {
        if !out.iter().any(|k| k == kind) {
            out.push(kind.to_owned());
        }
    };
    let [ours, theirs] = [clash.ours, clash.theirs].map(|side| side.map(|(mode, _)| mode));
    if clash.base.is_none() && ours.is_some() && theirs.is_some() {
        add("add/add");
    }
    if [ours, theirs].contains(&Some(Mode::Symlink)) {
        add("symlink");
    }
    if ours.is_some() && theirs.is_some() && ours != theirs {
        add("mode");
    }
    out
}
