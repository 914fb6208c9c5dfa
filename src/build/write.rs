//! One call of an agent for an attempt: its workspace, its conversation, what it left.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    Build, Ground,
    aside::blocked,
    diff_digest,
    renew::{Renewal, SILENT},
    request, scope,
};
use crate::{
    agent::{self, Agent, Call, Edit, Event, Outcome, Provider, Recorded, Session, Task, Work},
    base::{Cost, Exit, Failure, Oid, Point, SliceId},
    gate,
    git::{ByteSlice as _, NewCommit, Part},
    journal::{
        event::{AttemptFailure, Kind},
        state::SliceState,
    },
    plan::model::{blocks, current},
    store::run,
    workspace::{self, Attempt, MAX_FILE, Snapshot, Workspace},
};

/// Who is told what an agent does at a slice.
pub type Live<'a> = dyn Fn(&SliceId, &Event) + Send + Sync + 'a;

impl Build<'_> {
    /// Has the agent write in a workspace of its own and commits what it wrote; none if there is nothing to judge.
    pub(super) async fn write(&self, now: &SliceState, n: u32, ground: &Ground<'_>) -> Result<Option<Oid>, Failure> {
        let repo = self.gate.repo();
        let world = &self.gate.site.world;
        let embedded = Agent::new(Provider::Literate);
        // What the intent carries says nothing of what others need of it.
        let literate = !self.bounded && self.plan.spec.files.iter().any(|f| f.slice == self.slice.id);
        let agent = if literate { &embedded } else { self.team.writer(n.saturating_sub(now.earlier)) };
        let of = Attempt { slice: self.slice.id.clone(), r#gen: self.plan.generation(&self.slice.id), n };
        let whole = self.gate.log.read(|state| current(self.plan, state, &self.slice.id).clone());
        let mut session = conversation(&whole, agent);
        // Whoever goes on with its own conversation finds what it had written when it was cut off.
        let kept = run::wip(repo, &self.gate.run, &of.slice, ground.base, &of.written())?;
        let tree = kept.filter(|_| session.begun).unwrap_or(ground.tree);
        let by_hand = agent.provider == Provider::Manual;
        let part = if literate { self.carried_part(now, n, ground.base, tree)? } else { None };
        let (mut workspace, fresh) = self.workspace(&of, ground, tree, by_hand, part)?;
        if fresh && !matches!(agent.provider, Provider::Literate | Provider::Replay(_)) {
            self.gate.site.furnish(&mut workspace, tree).await?;
        }
        let task = self.task(now, n, ground, &workspace)?;
        // A request is seen even where the base ignores its name.
        let wanted: Vec<String> = self.slice.owned_paths.iter().cloned().chain([request::FILE.to_owned()]).collect();
        let workspace = Arc::new(workspace);
        let renewal = match agent.provider {
            Provider::Literate | Provider::Manual | Provider::Replay(_) => None,
            _ => Some(self.renewal(&workspace, &of, ground.base, wanted.clone())?),
        };
        let place = (&*workspace, (&of, ground.base), repo.read_commit(ground.base)?.tree, renewal.as_ref());
        if session.id.is_none() {
            session.id = agent::new_session(world, &agent.provider)?;
        }
        let (mut done, mut recorded) = self.call(now, n, agent, &task, place, session.clone()).await?;
        if session.begun && !done.ok && done.session.is_none() {
            // The conversation is gone, and nothing was said: another one begins.
            session = Session { id: agent::new_session(world, &agent.provider)?, ..Session::default() };
            (done, recorded) = self.call(now, n, agent, &task, place, session).await?;
        }
        drop(renewal);
        world.faults.hit(Point::BuildAgentAfter)?;
        let mut left = workspace.snapshot(repo, &wanted)?;
        if self.gate.records {
            self.record_call(recorded, tree, &left)?;
        }
        left.problems.extend(std::mem::take(&mut done.problems));
        let settled = self.settle(&of, ground, agent, done, &left)?;
        if let Some(workspace) = Arc::into_inner(workspace).filter(|_| !by_hand) {
            let whose = gate::Owner { of: &of, base: ground.base, literate };
            gate::put_away(&self.gate.site.store, &self.gate.run, whose, workspace, Ok(left))?;
        }
        Ok(settled)
    }

    /// What of a tree matters where nobody writes but the intent: the places of what it carries for an attempt, and whatever
    /// is not as on the base. None where only all of it will do.
    fn carried_part(&self, now: &SliceState, n: u32, base: Oid, tree: Oid) -> Result<Option<Part>, Failure> {
        let repo = self.gate.repo();
        let carried = blocks(&self.plan.spec, &self.slice.id, n.saturating_sub(now.earlier));
        let changes = repo.diff_trees(repo.read_commit(base)?.tree, tree)?;
        let changed: Option<Vec<&str>> = changes.iter().map(|change| change.path.to_str().ok()).collect();
        Ok(changed.map(|changed| Part::around(carried.into_iter().map(|b| b.path.as_str()).chain(changed))))
    }

    /// Calls the agent; its conversation is in the journal before anything is paid for, where its name is known by then.
    async fn call(
        &self,
        now: &SliceState,
        n: u32,
        agent: &Agent,
        task: &Task,
        (workspace, of, base_tree, renewal): (&Workspace, (&Attempt, Oid), Oid, Option<&Renewal>),
        session: Session,
    ) -> Result<(Outcome, Recorded), Failure> {
        let name = agent.recorded_as(task.role, Some(&task.slice), n);
        let started = |session: Option<String>| {
            let (provider, role) = (name.clone(), task.role.name().to_owned());
            let told = task.needs.iter().map(|need| need.id.clone()).collect();
            self.record(Some(n), vec![Kind::AgentStarted { provider, role, session, told }])
        };
        started(session.id.clone())?;
        let known = Mutex::new((session.id.clone(), Ok(())));
        let notice = |event: Event| {
            if let Event::Session(id) = &event {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.0.as_ref() != Some(id) {
                    known.0 = Some(id.clone());
                    known.1 = started(Some(id.clone()));
                }
            }
            renewal.inspect(|renewal| renewal.hear(&event));
            (self.live)(&self.slice.id, &event);
        };
        let (others, adding) = (self.others(), self.plan.spec.adding());
        let rules = self.rules(&others, &adding);
        let repo = self.gate.repo();
        let may_write = |path: &str| {
            let there = repo.entry(base_tree, path.into()).map_err(|e| e.to_string())?.map(|e| (e.mode, e.oid));
            scope::may_write(&rules, path, there)
        };
        let limits = &self.plan.limits;
        let left = (limits.slice_wall_s * 1000).saturating_sub(now.worked_ms()).max(1000);
        let call = Call {
            role: task.role,
            nth: n,
            prompt: &self.prompts.task(task)?,
            work: Work::Write(task),
            dir: workspace.dir(),
            scratch: workspace.scratch(),
            may_write: &may_write,
            session,
            sessions: &workspace::sessions(&self.gate.site.root),
            bounds: agent::Bounds {
                wall: Duration::from_millis(left),
                idle: Some(Duration::from_secs(limits.agent_idle_s)),
                usd_micros: self.money(now),
            },
            transcript: workspace.transcript(),
            notice: &notice,
        };
        let login = agent::variables::make_login(&self.gate.site.world, &agent.provider)?;
        let elsewhere = agent.provider.is_remote();
        let world = self.gate.site.sandbox.agent(&self.gate.site.world, elsewhere, call.dir, call.scratch, login);
        let done = match agent.provider {
            Provider::Manual => self.wait(workspace, of, task, call.prompt).await?,
            _ => agent::run(&gate::tools_first(&world, call.dir), agent, &call).await,
        };
        let recorded = Recorded::new(&call, name.clone(), &done);
        known.into_inner().unwrap_or_else(PoisonError::into_inner).1?;
        Ok((done, recorded))
    }

    /// Keeps what the agent has written, whenever it may have written something. What cannot be kept now is when it ends.
    fn renewal(
        &self,
        workspace: &Arc<Workspace>,
        of: &Attempt,
        base: Oid,
        wanted: Vec<String>,
    ) -> Result<Renewal, Failure> {
        let (store, run, of) = (self.gate.site.store.clone(), self.gate.run.clone(), of.clone());
        let (workspace, mut last) = (workspace.clone(), None);
        Ok(Renewal::start(SILENT, move || {
            let Ok(found) = workspace.snapshot(&store.repo, &wanted) else { return };
            if !found.changes.is_empty() && last != Some(found.tree) {
                let kept = run::keep_wip(&store, &run, &of.slice, base, found.tree, &of.written());
                last = kept.ok().map(|()| found.tree);
            }
        })?)
    }

    /// What is left to spend, the slice's or the run's, whichever is less.
    fn money(&self, now: &SliceState) -> Option<u64> {
        let limits = &self.plan.limits;
        let of_slice = limits.slice_usd_micros.map(|l| l.saturating_sub(now.cost.usd_micros));
        let spent = self.gate.log.read(|state| state.cost.usd_micros);
        let of_run = limits.run_usd_micros.map(|l| l.saturating_sub(spent));
        of_slice.into_iter().chain(of_run).min()
    }

    /// Keeps the call as it was, with what it made of the files that it found.
    fn record_call(&self, mut call: Recorded, found: Oid, left: &Snapshot) -> Result<(), Failure> {
        let repo = self.gate.repo();
        for change in repo.diff_trees(found, left.tree)? {
            let path = String::from_utf8(change.path.to_vec()).map_err(|_| {
                let text = format!("{:?} is not UTF-8, and a recording cannot name it", change.path);
                Failure::new(Exit::Invalid, text).hint("git otto resume --no-record")
            })?;
            let now = match change.new {
                Some((mode, blob)) => Some((mode.octal(), repo.read_blob(blob, MAX_FILE)?)),
                None => None,
            };
            call.edits.push(Edit::new(path, now));
        }
        call.problems = left.problems.clone();
        self.gate.keep_recording(&call.name(), call.line()?)
    }

    /// Takes what the agent left: a commit to be judged, or a failed attempt.
    fn settle(
        &self,
        of: &Attempt,
        ground: &Ground<'_>,
        agent: &Agent,
        done: Outcome,
        left: &Snapshot,
    ) -> Result<Option<Oid>, Failure> {
        let (repo, n) = (self.gate.repo(), of.n);
        let world = &self.gate.site.world;
        let duration_ms = done.duration.as_millis() as u64;
        let base_tree = repo.read_commit(ground.base)?.tree;
        let (tree, asked) = request::take(repo, base_tree, left.tree)?;
        let (tree, asked, awaited) = self.wanted(base_tree, tree, asked)?;
        let changes = repo.diff_trees(base_tree, tree)?;
        let ended = if done.ok {
            Kind::AgentFinished { cost: done.cost, duration_ms, summary: done.detail.clone() }
        } else {
            Kind::AgentFailed { cost: done.cost, duration_ms, detail: done.detail.clone() }
        };
        let ended = [ended].into_iter().chain(asked);
        let failure = if !done.ok {
            Some((AttemptFailure::Agent, done.detail.clone()))
        } else if !left.problems.is_empty() {
            Some((AttemptFailure::Scope, left.problems.join("; ")))
        } else if changes.is_empty() {
            Some((AttemptFailure::Empty, "the agent changed nothing".into()))
        } else {
            self.unresolved(ground, tree)?.map(|detail| (AttemptFailure::Conflict, detail))
        };
        let Some((reason, detail)) = failure else {
            let message = format!("Build {} of {}, attempt {n}\n", self.slice.id, self.plan.spec.title);
            let commit = self.commit(ground.base, tree, message)?;
            world.faults.hit(Point::BuildSnapshotAfter)?;
            // The event comes first: a commit without it would be judged without its cost.
            self.record(Some(n), ended.collect())?;
            run::record_attempt(&self.gate.site.store, &self.gate.run, &self.slice.id, n, commit)?;
            world.faults.hit(Point::BuildCommitAfter)?;
            return Ok(Some(commit));
        };
        if !changes.is_empty() {
            // An attempt that is made again goes on with these files.
            let (store, run, kept) =
                (&self.gate.site.store, &self.gate.run, if awaited.is_some() { tree } else { left.tree });
            run::keep_wip(store, run, &self.slice.id, ground.base, kept, &of.written())?;
        }
        if let Some(trouble) = done.trouble {
            // The attempt stays open: it is made again once a person has seen to it.
            self.record(Some(n), ended.collect())?;
            let message = format!("`{}` cannot be built by {}: {}", self.slice.id, agent.provider, done.detail);
            let hint = format!("{}\nthen: git otto resume {}", trouble.hint(&agent.provider), self.gate.run);
            return Err(Failure::new(Exit::Agent, message).hint(hint));
        }
        if let Some(awaited) = awaited.filter(|_| matches!(reason, AttemptFailure::Agent | AttemptFailure::Empty)) {
            // It goes on once that is settled: the attempt stays open.
            world.faults.hit(Point::ContractBlockBefore)?;
            return self.record(Some(n), ended.chain([blocked(awaited, None)]).collect()).map(|()| None);
        }
        // Two crashes are not the same change twice, unless they left the same files.
        let nothing = reason == AttemptFailure::Agent && changes.is_empty();
        let diff = (!nothing).then(|| diff_digest(&changes));
        let failed = Kind::AttemptFailed { reason, detail, commit: None, diff };
        self.record(Some(n), ended.chain([failed]).collect())?;
        Ok(None)
    }

    fn commit(&self, parent: Oid, tree: Oid, message: String) -> Result<Oid, Failure> {
        let (author, committer) = self.gate.repo().identity(self.gate.site.world.clock.now())?;
        let commit = NewCommit { tree, parents: vec![parent], author: &author, committer: &committer, message };
        Ok(self.gate.repo().write_commit(&commit)?)
    }
}

/// The conversation that an agent goes on with: its own last one at this slice, with what that has cost so far.
fn conversation(now: &SliceState, agent: &Agent) -> Session {
    let last = now.attempts.iter().rev().find(|a| a.session.is_some());
    // A recording tells its conversations anew.
    let Some(last) = last.filter(|a| a.provider == agent.name()) else { return Session::default() };
    let mut spent = Cost::default();
    for attempt in now.attempts.iter().filter(|a| a.session == last.session) {
        spent += attempt.cost;
    }
    Session { id: last.session.clone(), begun: true, spent }
}
