//! The merge queue: one candidate at a time is merged with the tip, tested as exactly the commit that lands, and lands.

use crate::{
    base::{Exit, Failure, Oid, Point, SliceId, glob, text},
    checks::model::{Check, Gate as When},
    gate::{Gate, Round, not_green},
    git::{BString, Merged, Mode, NewCommit, Swap},
    journal::{
        event::{AttemptFailure, Fact, Kind},
        state::{CheckResult, Merge, RunState, SliceState},
    },
    plan::model::{Plan, current},
    spec::model::{CrossCheck, Slice},
    store::lane::{Lane, Tip},
};

pub mod message;
pub mod receipt;
use receipt::{Proof, Receipt};

/// How often a landing tries again after somebody else moved the target.
const RACES: u32 = 20;

/// The queue of one run.
pub struct Queue<'a> {
    /// Where checks are run.
    pub gate: &'a Gate,
    /// The plan.
    pub plan: &'a Plan,
    /// The lane, whose holder is the only one who lands.
    pub lane: &'a Lane,
    /// The copy of the spec that every integrated tree contains (`.otto/specs/<spec>.json`), where wanted.
    pub working_copy: Option<(BString, Vec<u8>)>,
    /// How landings are told.
    pub style: &'a message::Style,
    /// When the project's own commands run.
    pub full: Full,
}

/// When what the project's own commands said of the base is held against what lands (`otto.checks.full`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Full {
    /// At each landing.
    #[default]
    Landing,
    /// At the landing that completes the spec.
    Final,
}

impl std::str::FromStr for Full {
    type Err = Failure;
    fn from_str(word: &str) -> Result<Full, Failure> {
        match word {
            "landing" => Ok(Full::Landing),
            "final" => Ok(Full::Final),
            other => {
                let text = format!("otto.checks.full is {:?}; there are landing and final", text::one_line(other, 80));
                Err(Failure::new(Exit::Usage, text).hint("git config otto.checks.full landing"))
            }
        }
    }
}

/// A cross-slice check that is due, before its slices are complete or with the last of them.
struct Due<'s> {
    check: &'s Check,
    early: bool,
}

/// A merge whose tree passed every check that was due: nothing else can land.
struct Tested {
    merge: Merge,
    results: Vec<CheckResult>,
}

impl Queue<'_> {
    /// Lands the candidate of a slice, or gives it back to its agent with the reason.
    pub async fn land(&self, slice: &Slice) -> Result<(), Failure> {
        for _ in 0..RACES {
            let now = self.gate.log.read(|state| current(self.plan, state, &slice.id).clone());
            let Some(candidate) = now.candidate else {
                return Err(Failure::new(Exit::Internal, format!("slice `{}` has no candidate", slice.id)));
            };
            let tip = self.lane.tip()?;
            let Some(tested) = self.test(slice, &now, candidate, &tip).await? else { return Ok(()) };
            self.gate.site.world.faults.hit(Point::QueueLandBeforeSwap)?;
            match self.lane.land(&tip, tested.merge.commit)? {
                Swap::Done => {
                    self.gate.site.world.faults.hit(Point::QueueLandAfterSwap)?;
                    self.receipt(slice, &tested.merge, &tested.results)?;
                    self.gate.site.world.faults.hit(Point::QueueLandAfterReceipt)?;
                    return Ok(());
                }
                // The target moved under the tests: what was tested is not what would land.
                Swap::Lost { .. } => self.lane.unpin_all()?,
            }
        }
        let text =
            format!("the target {} moved {RACES} times while slice `{}` was under test", self.lane.branch(), slice.id);
        Err(Failure::new(Exit::Internal, text).hint(format!("git otto resume {}", self.gate.run)))
    }

    /// Records a landing that a dead process made without saying so.
    pub fn recover(&self, slice: &Slice, merge: &Merge) -> Result<(), Failure> {
        let now = self.gate.log.read(|state| current(self.plan, state, &slice.id).clone());
        let round = format!("queue-{}", merge.round);
        let results = now.attempts.iter().flat_map(|a| &a.checks).filter(|r| r.round == round && r.tree == merge.tree);
        let results: Vec<CheckResult> = results.cloned().collect();
        self.receipt(slice, merge, &results)
    }

    /// Merges, and runs what is due on the merged tree; none if the slice goes back to its agent.
    async fn test(
        &self,
        slice: &Slice,
        now: &SliceState,
        candidate: Oid,
        tip: &Tip,
    ) -> Result<Option<Tested>, Failure> {
        let repo = self.gate.repo();
        let merged = match repo.merge(tip.commit, candidate)? {
            Merged::Clean(tree) => tree,
            Merged::Conflict(paths) => {
                let paths: Vec<_> = paths.iter().map(|p| format!("`{p}`")).collect();
                let detail = format!("it conflicts with the target in {}", paths.join(", "));
                self.give_back(slice, now, AttemptFailure::Conflict, detail)?;
                return Ok(None);
            }
        };
        let tree = match &self.working_copy {
            Some((path, bytes)) => {
                let blob = repo.write_blob(bytes)?;
                repo.write_tree(Some(merged), &[(path.clone(), Some((Mode::Plain, blob)))])?
            }
            None => merged,
        };
        let tip_tree = repo.read_commit(tip.commit)?.tree;
        let touched: Vec<BString> = repo.diff_trees(tip_tree, tree)?.into_iter().map(|c| c.path).collect();
        let (due, cross) = self.gate.log.read(|state| self.due(state, slice, &touched));
        let cross = self.cross_base(cross).await?;
        let commit = self.commit(slice, tip.commit, candidate, tree, due.len() + cross.len())?;
        let round = now.merge.as_ref().map_or(1, |m| m.round + 1);
        let attempt = now.attempts.last().map_or(0, |a| a.n);
        self.lane.pin(commit)?;
        self.gate.site.world.faults.hit(Point::QueueMergeAfter)?;
        let merge = Merge { candidate, tip: tip.commit, commit, tree, round };
        let started = Kind::MergeStarted { candidate, tip: tip.commit, commit, tree, round };
        self.gate.log.record(&[self.fact(slice, attempt, started)])?;
        let checks: Vec<&Check> = due.into_iter().chain(cross).collect();
        let name = format!("queue-{round}");
        let r#gen = self.plan.generation(&slice.id);
        let round = Round { slice: Some(&slice.id), r#gen, attempt, name, tree, overlay: Vec::new() };
        let results = self.gate.round(&round, &checks).await?;
        self.gate.site.world.faults.hit(Point::QueueChecksAfter)?;
        let bad = not_green(&results);
        if bad.is_empty() {
            return Ok(Some(Tested { merge, results }));
        }
        self.lane.unpin_all()?;
        let detail =
            format!("on the target with slice `{}` merged in: {bad}{}", slice.id, self.broken(&checks, &results));
        self.give_back(slice, now, AttemptFailure::Integration, detail)?;
        Ok(None)
    }

    /// The checks due on an integrated tree: the slice's, those of every landed slice that owns a touched path, and the
    /// cross-slice checks whose slices are complete with this one, or that must hold on the way there as well.
    fn due<'s>(&'s self, state: &RunState, slice: &'s Slice, touched: &[BString]) -> (Vec<&'s Check>, Vec<Due<'s>>) {
        let done = |id: &SliceId| current(self.plan, state, id).phase.is_done();
        let owns = |s: &Slice| touched.iter().any(|p| glob::any(&s.owned_paths, p));
        let spec = &self.plan.spec;
        let landed = spec.slices.iter().filter(|s| s.id != slice.id && done(&s.id) && owns(s));
        let own = std::iter::once(slice).chain(landed).flat_map(|s| &s.checks).collect();
        let complete = |ids: &[SliceId]| ids.iter().all(|id| *id == slice.id || done(id));
        let keeps = |c: &Check| c.gate == When::Keeps && !(c.is_baseline() && self.full == Full::Final);
        let due = |c: &'s CrossCheck| {
            let early = !complete(&c.slices);
            (!early || keeps(&c.check)).then_some(Due { check: &c.check, early })
        };
        (own, spec.cross_slice_checks.iter().filter_map(due).collect())
    }

    /// Which of the checks that are not green now were green before anything was built, as a clause.
    fn broken(&self, checks: &[&Check], results: &[CheckResult]) -> String {
        let bad = checks.iter().zip(results).filter(|(_, r)| !r.cause.passed()).map(|(c, _)| c);
        let was_green = |c: &&&Check| c.gate == When::Keeps && self.on_base(c) == Some(true);
        let broken: Vec<String> = bad.filter(was_green).map(|c| format!("`{}`", c.id)).collect();
        match broken.as_slice() {
            [] => String::new(),
            ids => format!("; {} was green before this slice and must stay so", ids.join(", ")),
        }
    }

    /// Runs cross-slice checks on the run's base, once, before the first landing that they are due at. Gives those that are
    /// due: what did not hold there cannot be kept on the way.
    async fn cross_base<'s>(&self, cross: Vec<Due<'s>>) -> Result<Vec<&'s Check>, Failure> {
        let base = self.gate.log.read(|state| state.started.as_ref().map(|s| s.base));
        if let Some(base) = base {
            let new: Vec<&Check> = cross.iter().map(|d| d.check).filter(|c| self.on_base(c).is_none()).collect();
            let tree = self.gate.repo().read_commit(base)?.tree;
            let round = Round::of_run(self.plan.spec_commit, "base".into(), tree);
            self.gate.round(&round, &new).await?;
        }
        Ok(cross.into_iter().filter(|d| !d.early || self.on_base(d.check) == Some(true)).map(|d| d.check).collect())
    }

    /// Whether a cross-slice check was green on the run's base, once that is known.
    fn on_base(&self, check: &Check) -> Option<bool> {
        let is_it = |r: &&CheckResult| r.check == check.id && r.round == "base";
        self.gate.log.read(|state| state.checks.iter().rfind(is_it).map(|r| r.cause.passed()))
    }

    fn commit(&self, slice: &Slice, tip: Oid, candidate: Oid, tree: Oid, checks: usize) -> Result<Oid, Failure> {
        let repo = self.gate.repo();
        let (author, committer) = repo.identity(self.gate.site.world.clock.now())?;
        let message = self.style.message(&self.plan.spec, slice, &self.gate.run, checks, &committer)?;
        let parents = vec![tip, candidate];
        let commit = NewCommit { tree, parents, author: &author, committer: &committer, message };
        Ok(repo.write_signed_commit(&commit)?)
    }

    fn receipt(&self, slice: &Slice, merge: &Merge, results: &[CheckResult]) -> Result<(), Failure> {
        let now = self.gate.log.read(|state| current(self.plan, state, &slice.id).clone());
        let known: Vec<&Check> = self.plan.spec.checks().map(|(_, c)| c).collect();
        let cross = self.gate.log.read(|state| state.checks.clone());
        let earlier: Vec<&CheckResult> =
            now.attempts.iter().flat_map(|a| &a.checks).chain(&now.base_checks).chain(&cross).collect();
        let proof = |r: &CheckResult| known.iter().find(|c| c.id == r.check).map(|c| Proof::new(c, r, &earlier));
        let last = now.attempts.last();
        let repo = self.gate.repo();
        let base = repo.read_commit(merge.candidate)?.parents.first().copied().unwrap_or(merge.candidate);
        let receipt = Receipt {
            receipt: 1,
            run: self.gate.run.clone(),
            slice: slice.id.clone(),
            r#gen: self.plan.generation(&slice.id),
            base,
            candidate: merge.candidate,
            tested_tree: merge.tree,
            checks: results.iter().filter_map(proof).collect(),
            agent: last.map(|a| a.provider.clone()).unwrap_or_default(),
            cost: now.cost,
        };
        let landed = Kind::MergeLanded { commit: merge.commit, tree: merge.tree, tip: merge.tip };
        let fact = self.fact(slice, last.map_or(0, |a| a.n), landed);
        // One batch: a landing is never told without its receipt.
        Ok(self.gate.log.record_with_note(&[fact], Some((merge.commit, &receipt.note())))?)
    }

    fn give_back(
        &self,
        slice: &Slice,
        now: &SliceState,
        reason: AttemptFailure,
        detail: String,
    ) -> Result<(), Failure> {
        let attempt = now.attempts.last().map_or(0, |a| a.n);
        Ok(self.gate.log.record(&[self.fact(slice, attempt, Kind::MergeRepair { reason, detail })])?)
    }

    fn fact(&self, slice: &Slice, attempt: u32, kind: Kind) -> Fact {
        Fact::slice(&slice.id, self.plan.generation(&slice.id), (attempt > 0).then_some(attempt), kind)
    }
}
