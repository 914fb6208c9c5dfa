//! A candidate brought together with what has landed, in memory: git's three-way merge, and for files that every slice may
//! add lines to ([`crate::spec::model::Spec::adding`]) both sides' lines in spec order, whoever landed first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use crate::{
    base::{Failure, Oid, SliceId, Timestamp, glob, text},
    git::{
        BStr, BString, Merged, Mode, NewCommit, Repo, Signature, Unmerged,
        adding::{self, Version},
    },
    journal::state::RunState,
    plan::model::Plan,
};

/// The largest file that lines are added to.
const MAX_ADDED_TO: u64 = 4 << 20;
/// The most landings that are looked through for who added a line.
const MAX_LANDINGS: usize = 10_000;

/// What made each commit of the target, as far as slices did: the slice's place in the spec.
pub type Makers = BTreeMap<Oid, usize>;

/// Commits of the target, the newest first, and the one before them.
type Since = (Vec<Oid>, Oid);

/// Files that both sides agree on.
type Agreed = Vec<(BString, Option<(Mode, Oid)>)>;

/// Who made what is on the target, and what is under test before it.
pub fn makers(plan: &Plan, state: &RunState) -> Makers {
    let place = |id: &SliceId| plan.spec.slices.iter().position(|s| s.id == *id);
    let landed = state.landings.iter().map(|(id, commit)| (id, *commit));
    let tested = state.slices.iter().filter_map(|(id, s)| Some((id, s.merge.as_ref()?.commit)));
    landed.chain(tested).filter_map(|(id, commit)| Some((commit, place(id)?))).collect()
}

/// A candidate of a slice and the commit that it is to follow. What history says of both is looked up once.
pub struct Integration<'a> {
    repo: &'a Repo,
    plan: &'a Plan,
    makers: Makers,
    slice: &'a SliceId,
    tip: Oid,
    candidate: Oid,
    history: OnceLock<Vec<Oid>>,
    since: OnceLock<Option<Since>>,
}

impl<'a> Integration<'a> {
    /// A candidate of a slice, to follow `tip`, with who made what is there.
    pub fn new(
        repo: &'a Repo,
        plan: &'a Plan,
        makers: Makers,
        slice: &'a SliceId,
        tip: Oid,
        candidate: Oid,
    ) -> Integration<'a> {
        let (history, since) = Default::default();
        Integration { repo, plan, makers, slice, tip, candidate, history, since }
    }

    /// The tree of both, or the paths that conflict.
    pub fn merge(&self) -> Result<Merged, Failure> {
        let paths = match self.repo.merge(self.tip, self.candidate)? {
            Merged::Clean(tree) => return Ok(Merged::Clean(tree)),
            Merged::Conflict(paths) => paths,
        };
        let added = self.added(&paths)?;
        if added.is_empty() {
            return Ok(Merged::Conflict(paths));
        }
        let (ours, theirs) = self.sides(&added)?;
        Ok(self.repo.merge(ours, theirs)?)
    }

    /// What git leaves of both where they conflict, with everything merged that can be.
    pub fn unmerged(&self) -> Result<Unmerged, Failure> {
        let added = match self.repo.merge(self.tip, self.candidate)? {
            Merged::Clean(tree) => return Ok(Unmerged { tree, clashes: Vec::new() }),
            Merged::Conflict(paths) => self.added(&paths)?,
        };
        let (ours, theirs) = self.sides(&added)?;
        let labels = |path: &BStr| {
            let maker = self.last_change(path).ok().flatten().and_then(|n| self.plan.spec.slices.get(n));
            let of = maker.map(|s| format!(": {}", text::one_line(&s.title, 60))).unwrap_or_default();
            [format!("target{of}"), format!("candidate: {}", self.slice)]
        };
        Ok(self.repo.merge_with_marks(ours, theirs, &labels)?)
    }

    /// The slice that changed a path last on the target, by its place in the spec; none where no slice of the run did.
    pub fn last_change(&self, path: &BStr) -> Result<Option<usize>, Failure> {
        let history = self.history()?;
        for (commit, before) in history.iter().zip(history.iter().skip(1)) {
            if self.at(*commit, path)? != self.at(*before, path)? {
                return Ok(self.makers.get(commit).copied());
            }
        }
        Ok(None)
    }

    /// What slices changed on the target, of the paths that the candidate changes, since the candidate was begun; by their
    /// place in the spec.
    pub fn neighbours(&self) -> Result<Vec<(usize, Vec<BString>)>, Failure> {
        let tree = |commit: Oid| -> Result<Oid, Failure> { Ok(self.repo.read_commit(commit)?.tree) };
        let Some((since, base)) = self.since()? else { return Ok(Vec::new()) };
        let base = *base;
        let own: Vec<BString> =
            self.repo.diff_trees(tree(base)?, tree(self.candidate)?)?.into_iter().map(|c| c.path).collect();
        let mut out: BTreeMap<usize, Vec<BString>> = BTreeMap::new();
        for (n, commit) in since.iter().enumerate() {
            let Some(maker) = self.makers.get(commit) else { continue };
            let before = since.get(n + 1).copied().unwrap_or(base);
            let theirs = self.repo.diff_trees(tree(before)?, tree(*commit)?)?.into_iter().map(|c| c.path);
            let both: Vec<BString> = theirs.filter(|path| own.contains(path)).collect();
            if !both.is_empty() {
                out.entry(*maker).or_default().extend(both);
            }
        }
        Ok(out.into_iter().collect())
    }

    /// The commits of the target since the candidate was begun, the newest first, and the one that it was begun on.
    fn since(&self) -> Result<Option<&Since>, Failure> {
        if self.since.get().is_none() {
            let own: BTreeSet<Oid> = self.repo.first_parents(self.candidate, MAX_LANDINGS)?.into_iter().collect();
            let history = self.history()?;
            let at = history.iter().position(|commit| own.contains(commit));
            let found = at.and_then(|at| Some((history.get(..at)?.to_vec(), *history.get(at)?)));
            let _ = self.since.set(found);
        }
        Ok(self.since.get().and_then(Option::as_ref))
    }

    /// The target and what it stands on, the newest first.
    fn history(&self) -> Result<&[Oid], Failure> {
        if self.history.get().is_none() {
            let _ = self.history.set(self.repo.first_parents(self.tip, MAX_LANDINGS)?);
        }
        Ok(self.history.get().map_or(&[], Vec::as_slice))
    }

    /// Both sides as if they agreed on some files already: git and gix merge what is left.
    fn sides(&self, agreed: &[(BString, Option<(Mode, Oid)>)]) -> Result<(Oid, Oid), Failure> {
        if agreed.is_empty() {
            return Ok((self.tip, self.candidate));
        }
        let nobody = Signature { name: "git-otto".into(), email: "git-otto".into(), time: Timestamp::from_secs(0) };
        let side = |commit: Oid| -> Result<Oid, Failure> {
            let tree = self.repo.write_tree(Some(self.repo.read_commit(commit)?.tree), agreed)?;
            let message = "Agree on files that lines are added to\n".to_owned();
            let new = NewCommit { tree, parents: vec![commit], author: &nobody, committer: &nobody, message };
            Ok(self.repo.write_commit(&new)?)
        };
        Ok((side(self.tip)?, side(self.candidate)?))
    }

    /// Those of the paths that both sides only added lines to, each with both sides' lines.
    fn added(&self, paths: &[BString]) -> Result<Agreed, Failure> {
        let patterns = self.plan.spec.adding();
        let mut out = Vec::new();
        for path in paths.iter().filter(|p| glob::any(&patterns, p)) {
            if let Some((mode, text)) = self.both(path.as_ref())? {
                out.push((path.clone(), Some((mode, self.repo.write_blob(&text)?))));
            }
        }
        Ok(out)
    }

    fn both(&self, path: &BStr) -> Result<Option<(Mode, Vec<u8>)>, Failure> {
        let Some((since, base)) = self.since()? else { return Ok(None) };
        let (Some((mode, ours)), Some((same, theirs))) = (self.at(self.tip, path)?, self.at(self.candidate, path)?)
        else {
            return Ok(None);
        };
        let old = self.at(*base, path)?;
        let plain = matches!(mode, Mode::Plain | Mode::Executable) && old.is_none_or(|(m, _)| m == mode);
        if !plain || mode != same {
            return Ok(None);
        }
        let read = |id: Oid| self.repo.read_blob(id, MAX_ADDED_TO).ok();
        let mut versions: Vec<(Vec<u8>, Option<usize>)> = Vec::new();
        for commit in since.iter().rev() {
            let Some((_, id)) = self.at(*commit, path)? else { continue };
            let Some(text) = read(id) else { return Ok(None) };
            versions.push((text, self.makers.get(commit).copied()));
        }
        let (Some(base), Some(ours), Some(theirs)) =
            (old.map_or(Some(Vec::new()), |(_, id)| read(id)), read(ours), read(theirs))
        else {
            return Ok(None);
        };
        let told: Vec<Version<'_>> = versions.iter().map(|(text, by)| Version { text, by: *by }).collect();
        let own = self.plan.spec.slices.iter().position(|s| s.id == *self.slice);
        let theirs = Version { text: &theirs, by: own };
        let merged = adding::merge(&base, &told, theirs)
            // Who took lines back again on the way leaves only what is there now.
            .or_else(|| adding::merge(&base, &[Version { text: &ours, by: None }], theirs));
        Ok(merged.map(|text| (mode, text)))
    }

    fn at(&self, commit: Oid, path: &BStr) -> Result<Option<(Mode, Oid)>, Failure> {
        let tree = self.repo.read_commit(commit)?.tree;
        Ok(self.repo.entry(tree, path)?.map(|e| (e.mode, e.oid)))
    }
}

#[cfg(test)]
mod tests;
