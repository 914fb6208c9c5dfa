//! The histories of specs as they are after a set of ref moves, read when they are asked for.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashSet},
    rc::Rc,
};

use super::Update;
use crate::{
    base::{Oid, Sha256, SpecId},
    git::{self, Repo},
    store::{Result, names, record},
};

/// The refs as they will be, and the histories behind them.
pub(super) struct Chains<'a> {
    repo: &'a Repo,
    moved: BTreeMap<&'a str, Option<Oid>>,
    read: RefCell<BTreeMap<SpecId, Option<Rc<Chain>>>>,
}

/// The approved versions of a spec.
pub(super) struct Chain {
    /// Newest first; of records that leave the spec as it is, each.
    pub versions: Vec<Version>,
    /// Whether it is archived.
    pub closed: bool,
}

/// A record from the approval on.
pub(super) struct Version {
    /// Its commit.
    pub commit: Oid,
    /// The digest of its `spec.json`.
    pub digest: Sha256,
    /// How a person names it: `jot@{2}`, or its commit where only another repository has it.
    pub name: String,
}

impl<'a> Chains<'a> {
    /// After those moves.
    pub fn after(repo: &'a Repo, updates: &'a [Update]) -> Chains<'a> {
        let moved = updates.iter().map(|u| (u.name.as_str(), u.new)).collect();
        Chains { repo, moved, read: RefCell::default() }
    }

    /// What a ref will be.
    pub fn tip(&self, name: &str) -> Result<Option<Oid>> {
        match self.moved.get(name) {
            Some(new) => Ok(*new),
            None => Ok(self.repo.refs().read(name)?),
        }
    }

    /// The refs below a prefix that will be there.
    pub fn names(&self, prefix: &str) -> Result<BTreeSet<String>> {
        let mut names: BTreeSet<String> = self.repo.refs().list(prefix)?.into_iter().map(|(name, _)| name).collect();
        for (name, new) in self.moved.iter().filter(|(name, _)| name.starts_with(prefix)) {
            match new {
                Some(_) => names.insert((*name).to_owned()),
                None => names.remove(*name),
            };
        }
        Ok(names)
    }

    /// The versions of a spec, those that were only fetched so far included: who pulls a branch has the copy on it before
    /// the spec itself is merged. None where there is no history.
    pub fn chain(&self, id: &SpecId) -> Result<Option<Rc<Chain>>> {
        if let Some(known) = self.read.borrow().get(id) {
            return Ok(known.clone());
        }
        let found = self.load(id)?.map(Rc::new);
        self.read.borrow_mut().insert(id.clone(), found.clone());
        Ok(found)
    }

    /// The specs whose histories were asked for and are there.
    pub fn read(&self) -> Vec<SpecId> {
        self.read.borrow().iter().filter(|(_, chain)| chain.is_some()).map(|(id, _)| id.clone()).collect()
    }

    /// Where the histories of a spec end: its own and those that were only fetched, each that no other one holds.
    pub fn tips(&self, id: &SpecId) -> Result<Vec<Oid>> {
        let own = self.tip(&names::spec(id))?;
        let fetched = names::fetched_specs(self.repo.refs(), id)?.into_iter().map(|(_, tip)| tip);
        let mut all: Vec<Oid> = own.into_iter().chain(fetched).collect();
        all.sort();
        all.dedup();
        let mut out = Vec::new();
        for tip in &all {
            let others = || all.iter().filter(|other| *other != tip);
            let held = others().map(|other| self.repo.is_ancestor(*tip, *other));
            if !held.collect::<git::Result<Vec<_>>>()?.contains(&true) {
                out.push(*tip);
            }
        }
        Ok(out)
    }

    fn load(&self, id: &SpecId) -> Result<Option<Chain>> {
        let own = self.tip(&names::spec(id))?;
        let fetched = names::fetched_specs(self.repo.refs(), id)?.into_iter().map(|(_, tip)| tip);
        let (mut seen, mut out) = (HashSet::new(), None);
        for (tip, is_own) in own.map(|tip| (tip, true)).into_iter().chain(fetched.map(|tip| (tip, false))) {
            if seen.contains(&tip) {
                continue;
            }
            let steps = record::history(self.repo, tip)?;
            let ahead = own.is_none_or(|own| steps.iter().any(|s| s.commit == own));
            let closed = steps.first().is_some_and(|s| s.record.kind.phase() == record::Phase::Closed);
            let fresh = steps.into_iter().enumerate().filter(|(_, s)| seen.insert(s.commit));
            let versions: Vec<Version> = fresh
                .filter(|(_, s)| s.record.kind.phase() != record::Phase::Draft)
                .map(|(back, s)| Version {
                    commit: s.commit,
                    digest: s.record.after,
                    name: if is_own { format!("{id}@{{{back}}}") } else { s.commit.short() },
                })
                .collect();
            let chain = out.get_or_insert(Chain { versions: Vec::new(), closed });
            match ahead {
                true => chain.versions.splice(..0, versions).for_each(drop),
                false => chain.versions.extend(versions),
            }
            chain.closed |= closed && ahead;
        }
        Ok(out)
    }
}

impl Chain {
    /// Where a version stands, 0 for the newest; of equal ones the newest.
    pub fn position(&self, digest: &Sha256) -> Option<usize> {
        self.versions.iter().position(|v| v.digest == *digest)
    }
}
