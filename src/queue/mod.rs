//! The merge queue: a candidate is merged with the commit that it is to stand on, tested as exactly the commit that lands, and
//! lands once that is where the target is. Which candidate, and when: [`crate::plan::model::lane`].

use crate::{
    base::{Exit, Failure, Oid, Point, SliceId, glob, text},
    checks::model::{Check, Gate as When},
    gate::{Gate, Round, not_green},
    git::{BString, Merged, Mode, NewCommit, Swap},
    journal::{
        event::{AttemptFailure, Fact, Kind},
        state::{CheckResult, Merge, RunState, SliceState},
    },
    plan::model::{
        Plan, contracts, current,
        integrate::{self, Integration},
        lane::Stage,
    },
    spec::model::{CrossCheck, Slice},
    store::lane::Lane,
};

pub mod message;
pub mod receipt;
use receipt::{Proof, Receipt};

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

impl Queue<'_> {
    /// Merges the candidate of a slice with a commit, and runs what is due on the merged tree when it lands there: after the
    /// slices that are `ahead`. What is under test is told.
    pub async fn test(
        &self,
        slice: &Slice,
        on: Oid,
        ahead: &[SliceId],
        tell: &(dyn Fn(Stage) + Send + Sync),
    ) -> Result<(), Failure> {
        let now = self.now(slice);
        let Some(candidate) = now.candidate else {
            return Err(Failure::new(Exit::Internal, format!("slice `{}` has no candidate", slice.id)));
        };
        let repo = self.gate.repo();
        let makers = self.gate.log.read(|state| integrate::makers(self.plan, state));
        let both = Integration::new(repo, self.plan, makers, &slice.id, on, candidate);
        let merged = match both.merge()? {
            Merged::Clean(tree) => tree,
            Merged::Conflict(paths) => {
                let paths: Vec<_> = paths.iter().map(|p| format!("`{p}`")).collect();
                let detail = format!("it conflicts with the target in {}", paths.join(", "));
                tell(Stage::Failed(AttemptFailure::Conflict, detail));
                return Ok(());
            }
        };
        let tree = match &self.working_copy {
            Some((path, bytes)) => {
                let blob = repo.write_blob(bytes)?;
                repo.write_tree(Some(merged), &[(path.clone(), Some((Mode::Plain, blob)))])?
            }
            None => merged,
        };
        let before = repo.read_commit(on)?.tree;
        let touched: Vec<BString> = repo.diff_trees(before, tree)?.into_iter().map(|c| c.path).collect();
        let bearing = self.gate.log.read(|state| {
            let done = |id: &SliceId| self.is_done(state, ahead, id);
            contracts::bearing(&self.plan.spec, slice, &touched, &done)
        });
        let broken = contracts::broken(repo, tree, &bearing)?;
        if !broken.is_empty() {
            tell(Stage::Failed(AttemptFailure::Integration, broken.join("; ")));
            return Ok(());
        }
        let (due, cross) = self.gate.log.read(|state| self.due(state, slice, ahead, &touched));
        let cross = self.cross_base(cross).await?;
        let commit = self.commit(slice, on, candidate, tree, due.len() + cross.len())?;
        let round = now.merge.as_ref().map_or(1, |m| m.round + 1);
        let attempt = now.attempts.last().map_or(0, |a| a.n);
        self.lane.pin(commit)?;
        self.gate.site.world.faults.hit(Point::QueueMergeAfter)?;
        self.record(slice, &now, Kind::MergeStarted { candidate, tip: on, commit, tree, round })?;
        tell(Stage::Testing(commit));
        let checks: Vec<&Check> = due.into_iter().chain(cross).collect();
        let r#gen = self.plan.generation(&slice.id);
        let round = Round { slice: Some(&slice.id), r#gen, attempt, name: in_queue(round), tree, overlay: Vec::new() };
        let results = self.gate.round(&round, &checks).await?;
        self.gate.site.world.faults.hit(Point::QueueChecksAfter)?;
        let bad = not_green(&results);
        if bad.is_empty() {
            tell(Stage::Passed(commit));
            return Ok(());
        }
        let detail =
            format!("on the target with slice `{}` merged in: {bad}{}", slice.id, self.broken(&checks, &results));
        tell(Stage::Failed(AttemptFailure::Integration, detail));
        Ok(())
    }

    /// Lands the tested merge of a slice, if the target is where that was tested on; gives the target's new value.
    pub fn land(&self, slice: &Slice, commit: Oid) -> Result<Option<Oid>, Failure> {
        let tip = self.lane.tip()?;
        let tested = self.now(slice).merge.filter(|m| m.commit == commit && m.tip == tip.commit);
        let Some(merge) = tested else { return Ok(None) };
        self.gate.site.world.faults.hit(Point::QueueLandBeforeSwap)?;
        match self.lane.land(&tip, commit)? {
            Swap::Done => {
                self.gate.site.world.faults.hit(Point::QueueLandAfterSwap)?;
                self.receipt(slice, &merge)?;
                self.gate.site.world.faults.hit(Point::QueueLandAfterReceipt)?;
                Ok(Some(commit))
            }
            // The target moved under the tests: what was tested is not what would land.
            Swap::Lost { .. } => Ok(None),
        }
    }

    /// Gives the candidate of a slice back to its agent, with the reason.
    pub fn give_back(&self, slice: &Slice, reason: AttemptFailure, detail: String) -> Result<(), Failure> {
        self.let_go(slice)?;
        self.record(slice, &self.now(slice), Kind::MergeRepair { reason, detail })
    }

    /// Lets the merge of a slice go: it does not land.
    pub fn let_go(&self, slice: &Slice) -> Result<(), Failure> {
        match self.now(slice).merge {
            Some(merge) => Ok(self.lane.unpin(merge.commit)?),
            None => Ok(()),
        }
    }

    fn now(&self, slice: &Slice) -> SliceState {
        self.gate.log.read(|state| current(self.plan, state, &slice.id).clone())
    }

    /// Whether a slice is on the target, or will be once those `ahead` have landed.
    fn is_done(&self, state: &RunState, ahead: &[SliceId], id: &SliceId) -> bool {
        ahead.contains(id) || current(self.plan, state, id).is_done()
    }

    /// The checks due on an integrated tree: the slice's, those of every landed slice that owns a touched path, the probes of
    /// contracts that the change bears on, and the cross-slice checks whose slices are complete with this one, or that must
    /// hold on the way there as well. What is `ahead` counts as landed.
    fn due<'s>(
        &'s self,
        state: &RunState,
        slice: &'s Slice,
        ahead: &[SliceId],
        touched: &[BString],
    ) -> (Vec<&'s Check>, Vec<Due<'s>>) {
        let done = |id: &SliceId| self.is_done(state, ahead, id);
        let owns = |s: &Slice| touched.iter().any(|p| glob::any(&s.owned_paths, p));
        let spec = &self.plan.spec;
        let landed = spec.slices.iter().filter(|s| s.id != slice.id && done(&s.id) && owns(s));
        let mut own: Vec<&Check> = std::iter::once(slice).chain(landed).flat_map(|s| &s.checks).collect();
        let there = |id: &SliceId| *id == slice.id || done(id);
        let probes = contracts::probes(spec, &contracts::bearing(spec, slice, touched, &done), &there);
        own.extend(probes.into_iter().filter(|p| !own.iter().any(|c| c.id == p.id)).collect::<Vec<_>>());
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

    /// Records a landing with its receipt, also one that a dead process made without saying so.
    pub fn receipt(&self, slice: &Slice, merge: &Merge) -> Result<(), Failure> {
        let now = self.now(slice);
        let round = in_queue(merge.round);
        let results = now.attempts.iter().flat_map(|a| &a.checks).filter(|r| r.round == round && r.tree == merge.tree);
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
            checks: results.filter_map(proof).collect(),
            agent: last.map(|a| a.provider.clone()).unwrap_or_default(),
            cost: now.cost,
        };
        let landed = Kind::MergeLanded { commit: merge.commit, tree: merge.tree, tip: merge.tip };
        let fact = self.fact(slice, last.map_or(0, |a| a.n), landed);
        // One batch: a landing is never told without its receipt.
        Ok(self.gate.log.record_with_note(&[fact], Some((merge.commit, &receipt.note())))?)
    }

    fn record(&self, slice: &Slice, now: &SliceState, kind: Kind) -> Result<(), Failure> {
        let attempt = now.attempts.last().map_or(0, |a| a.n);
        Ok(self.gate.log.record(&[self.fact(slice, attempt, kind)])?)
    }

    fn fact(&self, slice: &Slice, attempt: u32, kind: Kind) -> Fact {
        Fact::slice(&slice.id, self.plan.generation(&slice.id), (attempt > 0).then_some(attempt), kind)
    }
}

/// What the results of a try of the queue are filed under.
fn in_queue(round: u32) -> String {
    format!("queue-{round}")
}
