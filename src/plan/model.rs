//! A plan: one version of a spec with the limits of one run. Pure.

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

pub mod contracts;
pub mod integrate;
pub mod lane;
pub mod needs;

pub use crate::store::run::Limits;
use crate::{
    base::{Oid, Sha256, SliceId, glob, text},
    checks::{self, model::Check},
    journal::{
        event::Cost,
        state::{Phase, RunState, SliceState},
    },
    spec::model::{FileBlock, Requirement, Slice, Spec},
};

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The commit of the spec's version.
    pub spec_commit: Oid,
    /// The spec.
    pub spec: Arc<Spec>,
    /// The generation of each slice: the digest of its inputs.
    pub generations: BTreeMap<SliceId, Sha256>,
    /// How much the run may use.
    pub limits: Limits,
    /// Code that an intent carried into the product before, each slice's newest. What somebody changed there since stays.
    pub known: Vec<FileBlock>,
}

impl Plan {
    /// The plan of a spec.
    pub fn new(spec_commit: Oid, spec: Spec, limits: Limits) -> Plan {
        let generations = spec.slices.iter().map(|s| (s.id.clone(), generation(&spec, s))).collect();
        Plan { spec_commit, spec: Arc::new(spec), generations, limits, known: Vec::new() }
    }

    /// The code that the product holds where a run has come to that state: that of slices that are done, and of others what
    /// was known before.
    pub fn carried(&self, state: &RunState) -> Vec<FileBlock> {
        let done = |id: &SliceId| self.spec.slice(id).is_some() && current(self, state, id).is_done();
        let now = self.spec.files.iter().filter(|f| done(&f.slice));
        now.chain(self.known.iter().filter(|f| !done(&f.slice))).cloned().collect()
    }

    /// The generation of a slice of the plan.
    pub fn generation(&self, slice: &SliceId) -> Sha256 {
        self.generations.get(slice).copied().unwrap_or_else(|| Sha256::of(slice.as_str()))
    }

    /// What stands for the whole where a slice's generation stands for a slice: the digest of the spec's version.
    pub fn whole(&self) -> Sha256 {
        Sha256::of(self.spec_commit.to_string())
    }

    /// The slices that a slice needs, directly or not, in spec order.
    pub fn needs(&self, slice: &SliceId) -> Vec<&Slice> {
        let mut wanted = vec![slice];
        let mut at = 0;
        while let Some(next) = wanted.get(at).copied() {
            at += 1;
            for dep in self.spec.slice(next).into_iter().flat_map(|s| &s.deps) {
                if !wanted.contains(&dep) {
                    wanted.push(dep);
                }
            }
        }
        self.spec.slices.iter().filter(|s| &s.id != slice && wanted.contains(&&s.id)).collect()
    }
}

/// The slices that another version of the spec has otherwise or not at all, each with the generation that begins, or,
/// where it is gone, with the one that ends; in the order of the version before.
pub fn invalidated(before: &Plan, after: &Plan) -> Vec<(SliceId, Sha256)> {
    let ids = before.spec.slices.iter().map(|s| &s.id);
    ids.filter_map(|id| {
        let (old, new) = (before.generation(id), after.generations.get(id).copied());
        (new != Some(old)).then(|| (id.clone(), new.unwrap_or(old)))
    })
    .collect()
}

static NOTHING: SliceState = SliceState {
    r#gen: None,
    phase: Phase::Pending,
    base: None,
    base_checks: Vec::new(),
    green_on_base: Vec::new(),
    earlier: 0,
    counted: 0,
    attempts: Vec::new(),
    candidate: None,
    merge: None,
    repairs: 0,
    landing: None,
    retried: None,
    waits: Vec::new(),
    task: None,
    blocked: None,
    redundant: None,
    cost: Cost { usd_micros: 0, input_tokens: 0, output_tokens: 0 },
    agent_ms: 0,
    started_at: None,
    ended_at: None,
};

/// The state of a slice in the plan's generation of it; what an older generation did does not count.
pub fn current<'a>(plan: &Plan, state: &'a RunState, slice: &SliceId) -> &'a SliceState {
    let known = state.slices.get(slice).filter(|s| s.r#gen == Some(plan.generation(slice)));
    known.unwrap_or(&NOTHING)
}

/// The slices in the order in which they have their turn: those that a person wants first, then the others as the spec has
/// them.
pub fn ordered<'a>(plan: &'a Plan, state: &RunState) -> Vec<&'a Slice> {
    let first = state.order.iter().filter_map(|id| plan.spec.slice(id));
    first.chain(plan.spec.slices.iter().filter(|s| !state.order.contains(&s.id))).collect()
}

/// The digest of everything that a slice is built from: itself, its requirements' texts, its file blocks, and what the
/// spec says for all slices. The intent's prose is guidance and not among it: a corrected word rebuilds nothing.
pub fn generation(spec: &Spec, slice: &Slice) -> Sha256 {
    #[derive(Serialize)]
    struct Inputs<'a> {
        slice: &'a Slice,
        requirements: Vec<&'a Requirement>,
        files: Vec<&'a FileBlock>,
        shared_scaffold: &'a [String],
        contracts: &'a [crate::spec::model::Contract],
        services: &'a [crate::spec::model::Service],
        setup: &'a [Vec<String>],
    }
    let inputs = Inputs {
        slice,
        requirements: spec.requirements.iter().filter(|r| slice.requirements.contains(&r.id)).collect(),
        files: spec.files.iter().filter(|f| f.slice == slice.id).collect(),
        shared_scaffold: &spec.shared_scaffold,
        contracts: &spec.contracts,
        services: &spec.services,
        setup: &spec.setup,
    };
    Sha256::of_parts([&b"otto-generation/1\n"[..], &serde_json::to_vec(&inputs).unwrap_or_default()])
}

/// Everything in a spec that this version cannot run, one sentence each. A plan with any of it is refused before
/// anything starts: nothing is ever skipped, and nothing passes unrun.
pub fn refusals(spec: &Spec) -> Vec<String> {
    let unrunnable = |c: &Check| match c.kind.is_unwritten() {
        Some(what) => Some(format!("check `{}` is not written yet: {}", c.id, text::one_line(what, 200))),
        None => (!c.kind.is_runnable()).then(|| format!("check `{}` is of kind `{}`, with steps", c.id, c.kind.name())),
    };
    spec.checks().filter_map(|(_, c)| unrunnable(c)).collect()
}

/// The requirements that a check proves: its own list, or all of its slice's.
pub fn proves<'a>(slice: Option<&'a Slice>, check: &'a Check) -> &'a [String] {
    match slice {
        Some(slice) if check.proves.is_empty() => &slice.requirements,
        _ => &check.proves,
    }
}

/// The file blocks of a slice that hold in an attempt (from 1): of each path the newest.
pub fn blocks<'a>(spec: &'a Spec, slice: &SliceId, attempt: u32) -> Vec<&'a FileBlock> {
    let mut by_path: BTreeMap<&str, &FileBlock> = BTreeMap::new();
    for block in spec.files.iter().filter(|f| &f.slice == slice && f.attempt <= attempt) {
        let newest = by_path.entry(&block.path).or_insert(block);
        if block.attempt > newest.attempt {
            *newest = block;
        }
    }
    by_path.into_values().collect()
}

/// Whether a check is a test that its own slice writes, and so no proof by itself.
pub fn is_self_written(spec: &Spec, check: &str) -> bool {
    let owns = |slice: &Slice, path: &str| glob::any(&slice.owned_paths, path);
    let mut all = spec.checks().filter(|(_, c)| c.id == check);
    all.any(|(slice, c)| slice.is_some_and(|s| !checks::self_written(c, |path| owns(s, path)).is_empty()))
}

#[cfg(test)]
mod tests;
