//! Putting right what a dead process left of a run, before it goes on: git is the judge of what happened.

use std::path::Path;

use crate::{
    base::{
        Failure, Oid, Point, RunId, SliceId,
        procs::{self, ProcId},
    },
    gate::{self, Away, Gate, Owner},
    git::Repo,
    journal::{
        event::{Fact, Kind},
        state::{Merge, Phase, RunState},
    },
    plan::model::{Plan, current},
    spec::model::Spec,
    store::{Store, lane::Lane},
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
    let tip = lane.tip()?.commit;
    gate.log.read(|state| examine(gate.repo(), &gate.site.root, plan, state, tip))
}

/// The same without owning the run, whose folder is `root` and whose target is at `tip`.
pub fn examine(repo: &Repo, root: &Path, plan: &Plan, state: &RunState, tip: Oid) -> Result<Repairs, Failure> {
    let (workspaces, orphans) = (workspace::leftovers(root)?, procs::orphans(root)?);
    let mut repairs = Repairs { workspaces, orphans, ..Default::default() };
    for slice in &plan.spec.slices {
        let now = current(plan, state, &slice.id);
        let Some(merge) = now.merge.as_ref().filter(|_| now.phase == Phase::Merging) else { continue };
        // A merge that the target does not contain may be gone from the repository: then it did not land.
        let there = repo.read_commit(merge.commit).is_ok() && repo.is_ancestor(merge.commit, tip)?;
        if there { &mut repairs.landed } else { &mut repairs.unlanded }.push(slice.id.clone());
    }
    Ok(repairs)
}

/// Keeps what was written in workspaces that nobody works in any more, and lets these go; says so in words.
pub fn keep(
    store: &Store,
    run: &RunId,
    spec: &Spec,
    left: impl IntoIterator<Item = Left>,
) -> Result<Vec<String>, Failure> {
    let mut told = Vec::new();
    for one in left {
        let slice = one.of.slice.clone();
        match put_away(store, run, spec, one)? {
            Away::Gone => {}
            Away::Kept => told.push(format!("keep what the agent of `{slice}` had written")),
            Away::Aside(dir, why) => {
                told.push(format!(
                    "what the agent of `{slice}` had written cannot all be kept ({why}): {}",
                    stays(&dir)
                ));
            }
        }
    }
    Ok(told)
}

/// The same with one of them; what became of it.
pub fn put_away(store: &Store, run: &RunId, spec: &Spec, left: Left) -> Result<Away, Failure> {
    let Left { of, base, workspace } = left;
    let owned = spec.slice(&of.slice).map(|s| s.owned_paths.clone()).unwrap_or_default();
    let whose = Owner { of: &of, base, literate: spec.files.iter().any(|f| f.slice == of.slice) };
    let found = workspace.snapshot(&store.repo, &owned);
    gate::put_away(store, run, whose, workspace, found)
}

/// The same, in a run's folder, with all that is left there; checkouts go. People keep their workspaces as they are.
pub fn clear_folder(store: &Store, run: &RunId, spec: &Spec, root: &Path) -> Result<Vec<String>, Failure> {
    let left = workspace::left(&store.repo, root)?.into_iter().filter(|l| !l.is_theirs());
    let mut told = keep(store, run, spec, left)?;
    for dir in workspace::set_unreadable_aside(&store.repo, &store.world, root)? {
        told.push(format!("a workspace cannot be read any more: {}", stays(&dir)));
    }
    workspace::sweep(&store.world, root)?;
    Ok(told)
}

/// That a folder stays. Journals travel: where it is on this machine is said by the command only.
fn stays(dir: &Path) -> String {
    format!("it stays as {} (git otto gc -n says where)", dir.file_name().unwrap_or_default().display())
}

/// Lets the workspaces of people go whose slices are done. What they wrote in them and did not hand in is kept.
pub fn clear(gate: &Gate, plan: &Plan) -> Result<Vec<String>, Failure> {
    let left = workspace::left(gate.repo(), &gate.site.root)?;
    keep(&gate.site.store, &gate.run, &plan.spec, left)
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
    actions.extend(clear_folder(&gate.site.store, &gate.run, &plan.spec, &gate.site.root)?);
    if !actions.is_empty() {
        gate.site.world.faults.hit(Point::RecoverBeforeEvent)?;
        gate.log.record(&[Fact::run(Kind::RecoveryPerformed { actions })])?;
    }
    Ok(())
}
