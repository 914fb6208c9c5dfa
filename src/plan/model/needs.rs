//! What slices need of contracts that others own: whether one may be set aside for it, and what its owner is told.

use std::collections::BTreeSet;

use crate::{
    base::SliceId,
    journal::state::{RunState, Wait},
    plan::model::{Plan, current},
    spec::model::Slice,
};

/// How often a slice may have the owner of one contract asked.
pub const MOST: usize = 2;

/// The owner of a contract that a slice may be set aside for; why not, otherwise.
pub fn owner<'p>(plan: &'p Plan, state: &RunState, slice: &SliceId, path: &str) -> Result<&'p SliceId, String> {
    let contracts = &plan.spec.contracts;
    let Some(contract) = contracts.iter().find(|c| c.path == path) else {
        let all: Vec<String> = contracts.iter().map(|c| format!("`{}`", c.path)).collect();
        let there = if all.is_empty() { "there are none".into() } else { format!("there are {}", all.join(", ")) };
        return Err(format!("`{path}` is no contract: {there}"));
    };
    let (owner, now) = (&contract.owner, current(plan, state, slice));
    if let Some(task) = &now.task {
        return Err(format!("a task for others is about `{}` alone: ask for nothing more", task.path));
    }
    if owner == slice {
        return Err(format!("`{path}` is this slice's own: change it"));
    }
    let before = now.waits.iter().filter(|w| w.path == path).count();
    if before >= MOST {
        return Err(format!(
            "`{owner}` was asked {before} times to change `{path}`, and that is as often as it may be"
        ));
    }
    match waits_on(plan, state, owner, slice) {
        true => Err(format!("`{owner}`, which owns `{path}`, waits for this slice itself")),
        false => Ok(owner),
    }
}

/// Whether a slice cannot be done before another one is: it needs that, waits for that, or for one of which that is so.
pub fn waits_on(plan: &Plan, state: &RunState, slice: &SliceId, other: &SliceId) -> bool {
    let mut known = BTreeSet::new();
    let mut left = vec![slice];
    while let Some(id) = left.pop() {
        let now = current(plan, state, id);
        if now.is_done() || !known.insert(id) {
            continue;
        }
        if id == other {
            return true;
        }
        left.extend(plan.spec.slice(id).into_iter().flat_map(|s| &s.deps));
        left.extend(now.waits_for().map(|w| &w.owner));
    }
    false
}

/// What others wait for that a slice owns, in spec order; with its task for others, of that contract alone.
pub fn of_owner<'a>(plan: &'a Plan, state: &'a RunState, owner: &SliceId) -> Vec<(&'a Slice, &'a Wait)> {
    let task = current(plan, state, owner).task.as_ref();
    let open = plan.spec.slices.iter().filter_map(|s| Some((s, current(plan, state, &s.id).waits_for()?)));
    open.filter(|(_, w)| w.owner == *owner && w.lost.is_none() && task.is_none_or(|t| t.path == w.path)).collect()
}

/// A slice as its task for others bounds it: it may write that contract alone. None without such a task.
pub fn bounded(plan: &Plan, state: &RunState, slice: &Slice) -> Option<Slice> {
    let task = current(plan, state, &slice.id).task.as_ref()?;
    Some(Slice { owned_paths: vec![task.path.clone()], tasks: Vec::new(), ..slice.clone() })
}
