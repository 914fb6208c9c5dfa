//! Putting right what a dead process left of a run, before it goes on: git is the judge of what happened.

use crate::{
    base::{
        Failure, SliceId,
        procs::{self, ProcId},
    },
    gate::Gate,
    journal::{
        event::{Fact, Kind},
        state::{Merge, Phase},
    },
    plan::model::{Plan, current},
    store::{lane::Lane, run},
    workspace::{self, Left},
};

/// What has to be put right, found before anything is changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Slices whose merge is on the target, though nothing says so.
    pub landed: Vec<SliceId>,
    /// Slices whose merge is not on the target: they are merged and tested again.
    pub unlanded: Vec<SliceId>,
    /// Agents and checks of the dead process that run on.
    pub orphans: Vec<ProcId>,
    /// Workspaces that nobody works in.
    pub workspaces: usize,
}

impl Repairs {
    /// The plan in words, one line each.
    pub fn words(&self) -> Vec<String> {
        let mut out = Vec::new();
        out.extend(self.landed.iter().map(|s| format!("`{s}` is on the target: record its landing and its receipt")));
        out.extend(self.unlanded.iter().map(|s| format!("`{s}` was under test: merge and test it again")));
        let still = |id: &ProcId| format!("end process group {}, which the process that died left running", id.pid);
        out.extend(self.orphans.iter().map(still));
        if self.workspaces > 0 {
            let n = self.workspaces;
            out.push(format!("remove {n} workspace{} of the process that died", if n == 1 { "" } else { "s" }));
        }
        out
    }
}

/// Compares the journal with git.
pub fn survey(gate: &Gate, plan: &Plan, lane: &Lane) -> Result<Repairs, Failure> {
    let repo = gate.repo();
    let tip = lane.tip()?.commit;
    let (workspaces, orphans) = (workspace::leftovers(&gate.site.root)?, procs::orphans(&gate.site.root)?);
    let mut repairs = Repairs { workspaces, orphans, ..Default::default() };
    for slice in &plan.spec.slices {
        let now = gate.log.read(|state| current(plan, state, &slice.id).clone());
        let Some(merge) = now.merge.as_ref().filter(|_| now.phase == Phase::Merging) else { continue };
        // A merge that the target does not contain may be gone from the repository: then it did not land.
        let there = repo.read_commit(merge.commit).is_ok() && repo.is_ancestor(merge.commit, tip)?;
        if there { &mut repairs.landed } else { &mut repairs.unlanded }.push(slice.id.clone());
    }
    Ok(repairs)
}

/// Keeps what agents had written that work no more, before their workspaces go, and removes these; says so in words. A
/// workspace that cannot be read any more is no reason to go on never. People keep their workspaces as they are.
pub fn keep(gate: &Gate, plan: &Plan, left: impl IntoIterator<Item = Left>) -> Result<Vec<String>, Failure> {
    let mut told = Vec::new();
    for one in left.into_iter().filter(|l| !l.is_theirs()) {
        let Left { of, base, workspace } = one;
        // What the intent itself carries is not lost.
        let literate = plan.spec.files.iter().any(|f| f.slice == of.slice);
        if let Some(slice) = plan.spec.slice(&of.slice).filter(|_| !literate) {
            match workspace.snapshot(gate.repo(), &slice.owned_paths) {
                Ok(snapshot) if snapshot.changes.is_empty() => {}
                Ok(snapshot) => {
                    run::keep_wip(&gate.site.store, &gate.run, &of.slice, base, snapshot.tree, &of.left_behind())?;
                    told.push(format!("keep what the agent of `{}` had written", of.slice));
                }
                Err(e) => told.push(format!("what the agent of `{}` had written cannot be read: {e}", of.slice)),
            }
        }
        workspace.remove(&gate.site.world)?;
    }
    Ok(told)
}

/// Removes the workspaces of people whose slices are done. What they wrote in them and did not hand in is kept.
pub fn clear(gate: &Gate, plan: &Plan) -> Result<(), Failure> {
    let repo = gate.repo();
    for Left { of, base, workspace } in workspace::left(repo, &gate.site.root)? {
        let commits: Vec<_> = gate.log.read(|state| {
            let attempts = state.slices.get(&of.slice).map(|s| s.attempts.as_slice()).unwrap_or_default();
            attempts.iter().filter_map(|a| a.commit).collect()
        });
        let owned = plan.spec.slice(&of.slice).map(|s| s.owned_paths.clone()).unwrap_or_default();
        let found = workspace.snapshot(repo, &owned)?;
        let taken = commits.iter().any(|c| repo.read_commit(*c).is_ok_and(|c| c.tree == found.tree));
        if !found.changes.is_empty() && !taken {
            run::keep_wip(&gate.site.store, &gate.run, &of.slice, base, found.tree, &of.left_behind())?;
        }
        workspace.remove(&gate.site.world)?;
    }
    Ok(())
}

/// Performs the repairs; `record_landing` writes the landing and its receipt.
pub fn perform(
    gate: &Gate,
    plan: &Plan,
    lane: &Lane,
    repairs: &Repairs,
    record_landing: &dyn Fn(&SliceId, &Merge) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut actions = repairs.words();
    // First of all: what runs on could write into what is swept.
    for orphan in &repairs.orphans {
        procs::end(orphan, &gate.site.root)?;
    }
    if let Some((branch, to)) = lane.catch_up()? {
        actions.push(format!("{branch} caught up with the landings, to {}", to.short()));
    }
    for id in &repairs.landed {
        let merge = gate.log.read(|state| current(plan, state, id).merge.clone());
        if let Some(merge) = merge {
            record_landing(id, &merge)?;
        }
    }
    lane.unpin_all()?;
    actions.extend(keep(gate, plan, workspace::left(gate.repo(), &gate.site.root)?)?);
    workspace::sweep(&gate.site.world, &gate.site.root)?;
    if !actions.is_empty() {
        gate.log.record(&[Fact::run(Kind::RecoveryPerformed { actions })])?;
    }
    Ok(())
}
