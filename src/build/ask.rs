//! What the agent of one attempt is asked.

use super::{Build, Ground};
use crate::{
    agent::{Block, Contract, FailureNote, Granted, Need, Product, Role, TASK_SCHEMA, Task},
    base::{Exit, Failure, SliceId},
    checks,
    journal::{event::AttemptFailure, state::SliceState},
    plan::model::{blocks, needs},
    spec::model::{ContractMode, FileBlock, FileMode},
    workspace::Workspace,
};

impl Build<'_> {
    /// The task of attempt `n`, to be done in `workspace`.
    pub(super) fn task(
        &self,
        now: &SliceState,
        n: u32,
        ground: &Ground<'_>,
        workspace: &Workspace,
    ) -> Result<Task, Failure> {
        let spec = &self.plan.spec;
        let slice = self.slice;
        let of_slice = spec.requirements.iter().filter(|r| slice.requirements.contains(&r.id));
        let nth = n.saturating_sub(now.earlier);
        Ok(Task {
            schema: TASK_SCHEMA,
            role: if nth == 1 && ground.joined.is_none() { Role::Build } else { Role::Repair },
            slice: slice.id.clone(),
            title: slice.title.clone(),
            attempt: n,
            product: Product {
                title: spec.title.clone(),
                intent: spec.intent.clone(),
                kind: spec.project_kind.name().to_owned(),
            },
            requirements: of_slice.map(|r| (r.id.clone(), r.text.clone())).collect(),
            tasks: slice.tasks.clone(),
            owned_paths: slice.owned_paths.clone(),
            shared_scaffold: if self.bounded { Vec::new() } else { spec.adding() },
            checks: slice.checks.iter().map(|c| (c.id.clone(), checks::sentence(c))).collect(),
            green_on_base: now.green_on_base.clone(),
            failures: self.failures(now, ground)?,
            conflicts: self.conflicts(ground)?,
            hint: now.retried.as_ref().and_then(|r| r.hint.clone()),
            contract: self.bounded.then(|| slice.owned_paths.concat()),
            needs: self.needs(),
            granted: granted(now),
            contracts: self.contracts(),
            workspace: workspace.dir().to_owned(),
            blocks: blocks(spec, &slice.id, nth).into_iter().map(|b| self.block(b)).collect::<Result<_, _>>()?,
        })
    }

    fn block(&self, b: &FileBlock) -> Result<Block, Failure> {
        let content = self.gate.site.contents.get(&b.sha256).cloned().ok_or_else(|| {
            let text = format!("the spec's commit lacks the content of `{}` (files/{})", b.path, b.sha256);
            Failure::new(Exit::Invalid, text)
        })?;
        Ok(Block { path: b.path.clone(), executable: b.mode == FileMode::Executable, content })
    }

    /// The contracts of the slice's concern: its own, and those of the slices that it builds on.
    fn contracts(&self) -> Vec<Contract> {
        let needs = self.plan.needs(&self.slice.id);
        let concerns = |owner: &SliceId| *owner == self.slice.id || needs.iter().any(|s| s.id == *owner);
        let of_it = self.plan.spec.contracts.iter().filter(|c| concerns(&c.owner));
        let told = of_it.map(|c| Contract {
            path: c.path.clone(),
            owner: c.owner.clone(),
            owned: c.owner == self.slice.id,
            mode: match c.mode {
                ContractMode::Literal => "literal",
                ContractMode::Semantic => "semantic",
            },
            exports: c.exports.clone(),
        });
        told.collect()
    }

    /// What others need of the slice's contracts.
    fn needs(&self) -> Vec<Need> {
        self.gate.log.read(|state| {
            let all = needs::of_owner(self.plan, state, &self.slice.id).into_iter();
            let told = all.map(|(slice, wait)| Need {
                id: wait.id.clone(),
                slice: slice.id.clone(),
                title: slice.title.clone(),
                path: wait.path.clone(),
                reason: wait.reason.clone(),
            });
            told.collect()
        })
    }

    /// What the last attempt failed of, with the ends of its streams, and what its agent asked for and did not get.
    fn failures(&self, now: &SliceState, ground: &Ground<'_>) -> Result<Vec<FailureNote>, Failure> {
        let Some(last) = now.attempts.iter().rev().find(|a| a.failed.is_some()) else { return Ok(Vec::new()) };
        let r#gen = self.plan.generation(&self.slice.id);
        let red = last.checks.iter().filter(|r| r.round != "base" && !r.cause.passed());
        let mut notes: Vec<FailureNote> = red
            .map(|r| {
                let [stdout, stderr] = self.gate.streams(Some(&self.slice.id), r#gen, last.n, r);
                FailureNote { what: r.check.clone(), detail: r.detail.clone(), stdout, stderr }
            })
            .collect();
        let of_queue =
            |reason: &AttemptFailure| matches!(reason, AttemptFailure::Conflict | AttemptFailure::Integration);
        if let Some((reason, detail)) = last.failed.as_ref().filter(|(r, _)| notes.is_empty() || of_queue(r)) {
            let what = match reason {
                AttemptFailure::Scope => "scope",
                AttemptFailure::Conflict | AttemptFailure::Integration => "merge",
                AttemptFailure::Checks => "checks",
                AttemptFailure::Agent | AttemptFailure::Empty | AttemptFailure::Lost => "agent",
            };
            let meanwhile = ground.joined.as_ref().map(|both| self.neighbours(both)).transpose()?.flatten();
            let detail = [Some(detail.clone()), meanwhile].into_iter().flatten().collect::<Vec<_>>().join("; ");
            let what = what.to_owned();
            notes.push(FailureNote { what, detail, stdout: String::new(), stderr: String::new() });
        }
        notes.extend(last.refused.iter().map(|(code, detail)| {
            let (what, detail) = ("amendment".to_owned(), format!("your request was refused, {code}: {detail}"));
            FailureNote { what, detail, stdout: String::new(), stderr: String::new() }
        }));
        Ok(notes)
    }
}

/// What the slice waited for and is on the target now.
fn granted(now: &SliceState) -> Vec<Granted> {
    let passed = now.waits.iter().filter(|w| w.settled.as_ref().is_some_and(|(passed, _)| *passed));
    passed.map(|w| Granted { path: w.path.clone(), reason: w.reason.clone() }).collect()
}
