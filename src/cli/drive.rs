//! The loop of a run: ask what can be done now, have it done, until the run has come to its end.

use std::{sync::Arc, time::Duration};

use crate::{
    agent::{self, Team, prompt::Prompts},
    audit::{self, Auditor},
    base::{Failure, Point, SliceId, procs},
    build::{self, Build, Desk},
    cli::{
        Start,
        amended::{self, Version},
        control::Ears,
        heartbeat::Heartbeat,
        interrupt::Interrupts,
        jobs::{Job, Jobs},
        landing::Landing,
        progress::{self, Progress},
        requests,
    },
    gate::{Gate, Site},
    git::BString,
    journal::event::{Fact, Kind, Verdict},
    output::Ui,
    plan::{
        asked::{self, Standstill},
        contracts,
        model::{Plan, current, needs},
        schedule::{self, Step},
    },
    queue::{Full, Queue, message::Style},
    recover,
    store::{lane::Lane, lease::Lease},
    workspace,
};

/// A run that this process owns.
pub struct Driver {
    /// Where its checks are run, with its journal.
    pub gate: Gate,
    /// What is to be done.
    pub plan: Plan,
    /// The lane onto its target.
    pub lane: Arc<Lane>,
    /// The proof that this process owns it.
    pub lease: Arc<Lease>,
    /// Who writes and judges.
    pub team: Team,
    /// What agents are told.
    pub prompts: Prompts,
    /// Who watches it for the user.
    pub progress: Arc<Progress>,
    /// The copy of the spec that landings contain.
    pub working_copy: Option<(BString, Vec<u8>)>,
    /// How landings are told.
    pub style: Style,
    /// When the project's own commands run.
    pub full: Full,
    /// How many candidates are in the lane at a time.
    pub depth: usize,
    /// Where people hand in what they wrote.
    pub desk: Arc<Desk>,
}

/// How a drive ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driven {
    /// The run has come to its end.
    Finished(Verdict),
    /// The user interrupted it.
    Interrupted,
    /// People keep it from going on.
    Paused(Standstill),
}

impl Driver {
    /// The same run, going on with another version of its spec. What was begun before keeps the version that it began with.
    pub fn with(&self, version: Version, team: Team) -> Driver {
        let Version { plan, contents, working_copy } = version;
        Driver {
            gate: Gate {
                site: super::session::about(Site { contents, ..self.gate.site.clone() }, &plan.spec),
                ..self.gate.clone()
            },
            plan,
            lane: self.lane.clone(),
            lease: self.lease.clone(),
            team,
            prompts: self.prompts.clone(),
            progress: self.progress.clone(),
            working_copy,
            style: self.style.clone(),
            full: self.full,
            depth: self.depth,
            desk: self.desk.clone(),
        }
    }

    /// The way onto its target.
    pub fn queue(&self) -> Queue<'_> {
        let working_copy = self.working_copy.clone();
        Queue {
            gate: &self.gate,
            plan: &self.plan,
            lane: &self.lane,
            working_copy,
            style: &self.style,
            full: self.full,
        }
    }

    async fn build(&self, id: &SliceId) -> Result<(), Failure> {
        let slice = build::slice(&self.plan, id)?;
        let tip = self.lane.tip()?.commit;
        let Driver { gate, plan, team, prompts, progress, desk, .. } = self;
        let task = gate.log.read(|state| needs::bounded(plan, state, slice));
        let (slice, bounded) = (task.as_ref().unwrap_or(slice), task.is_some());
        let live = |slice: &SliceId, event: &agent::Event| progress.hear(slice, event);
        Build { gate, plan, team, prompts, live: &live, desk, slice, bounded }.attempt(tip).await
    }

    async fn audit(&self) -> Result<(), Failure> {
        let tip = self.lane.tip()?.commit;
        let auditor = self.team.audit.as_ref().map(|agent| Auditor { agent, prompts: &self.prompts });
        audit::audit(&self.gate, &self.plan, tip, auditor).await.map(drop)
    }

    /// Gives the run back, once it has come to its end.
    pub fn give_back(self, ui: &Ui) -> Result<(), Failure> {
        let Driver { gate, lane, lease, .. } = self;
        let (world, root) = (gate.site.world.clone(), gate.site.root.clone());
        // Its idle checkouts go first, and what could not be removed when it was done with: once the lease is gone, nobody
        // looks for them any more.
        drop((gate, lane));
        procs::orphans(&root)?;
        workspace::sweep(&world, &root)?;
        let claim = lease.claim().cloned();
        if let Some(lease) = Arc::into_inner(lease) {
            lease.release()?;
        }
        match claim.and_then(|claim| claim.still_there()) {
            Some(trouble) => Ok(ui.say(&format!("{trouble}; git otto push tells it"))?),
            None => Ok(()),
        }
    }

    /// What a dead process left of the run.
    pub fn survey(&self) -> Result<recover::Repairs, Failure> {
        recover::survey(&self.gate, &self.plan, &self.lane)
    }

    /// Puts it right.
    pub fn repair(&self, repairs: &recover::Repairs) -> Result<(), Failure> {
        recover::perform(&self.gate, &self.plan, &self.lane, repairs, &|id, merge| {
            self.queue().receipt(build::slice(&self.plan, id)?, merge)
        })
    }
}

/// Drives a run to its end.
pub fn drive(start: &Start, driver: Arc<Driver>) -> Result<Driven, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let driven = runtime.block_on(work(start, driver));
    // Whatever was under way has been told to stop; nobody waits for a thread that does not listen.
    runtime.shutdown_timeout(Duration::from_secs(5));
    driven
}

async fn work(start: &Start, driver: Arc<Driver>) -> Result<Driven, Failure> {
    let log = driver.gate.log.clone();
    let interrupts = Interrupts::listen(start.ui.clone())?;
    let mut jobs = Jobs::default();
    let driven = turn(start, driver, &mut jobs, &interrupts).await;
    start.ui.clear_below();
    jobs.stop_all().await;
    let reason = match &driven {
        Ok(Driven::Interrupted) => Some("interrupted by the user".to_owned()),
        Ok(Driven::Paused(still)) => Some(still.why.clone()),
        _ => None,
    };
    if let Some(reason) = reason {
        log.record(&[Fact::run(Kind::RunPaused { reason })])?;
    }
    interrupts.no_longer_heeded();
    driven
}

/// How often it is looked whether the spec was amended, and what others ask for.
const LOOK: Duration = Duration::from_secs(1);

async fn turn(
    start: &Start,
    mut driver: Arc<Driver>,
    jobs: &mut Jobs,
    interrupts: &Interrupts,
) -> Result<Driven, Failure> {
    let every = |period| {
        let mut timer = tokio::time::interval(period);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        timer
    };
    let (mut heartbeat, mut notices, mut looks) = (Heartbeat::new(), every(progress::EVERY), every(LOOK));
    let log = driver.gate.log.clone();
    let mut ears = Ears::new(&driver)?;
    let mut landing = Landing::default();
    loop {
        ears.listen(&driver, jobs).await?;
        if let Some(verdict) = log.read(|state| state.finished.as_ref().map(|end| end.verdict)) {
            return Ok(Driven::Finished(verdict));
        }
        if let Some(next) = amended::take_up(start, &driver, jobs).await? {
            driver = next;
        }
        if requests::decide(&driver)? {
            continue;
        }
        if log.read(|state| state.paused.is_some()) {
            // Who waits for a person does not come to the end of its step.
            let by_hand = |slice: &SliceId| log.read(|state| current(&driver.plan, state, slice).by_hand().is_some());
            jobs.stop(|job| matches!(job, Job::Build(slice) if by_hand(slice))).await?;
        }
        // Before it is judged whether all stands still: what can land does.
        let mut more = landing.turn(&driver, jobs).await?;
        let busy = jobs.busy();
        let steps = log.read(|state| schedule::next(&driver.plan, state, &busy));
        if !more
            && steps.is_empty()
            && busy.is_idle()
            && let Some(still) = log.read(|state| asked::standstill(&driver.plan, state))
        {
            return Ok(Driven::Paused(still));
        }
        for step in steps {
            let driver = driver.clone();
            match step {
                Step::Block(id, stop) => {
                    let facts = log.read(|state| contracts::stopped(&driver.plan, state, &id, stop));
                    log.record(&facts)?;
                    more = true;
                }
                Step::Ask(owner, path) => {
                    let facts = [contracts::asked(&driver.plan, &owner, path)];
                    driver.gate.site.world.faults.hit(Point::ContractAskBefore)?;
                    log.record(&facts)?;
                    more = true;
                }
                Step::Settle(id, lost) => {
                    let facts = log.read(|state| contracts::settled(&driver.plan, state, &id, lost));
                    driver.gate.site.world.faults.hit(Point::ContractSettleBefore)?;
                    log.record(&facts)?;
                    more = true;
                }
                Step::Build(id) => jobs.start(Job::Build(id.clone()), async move { driver.build(&id).await }),
                Step::Audit => jobs.start(Job::Audit, async move { driver.audit().await }),
                Step::Finish => return finish(&driver),
            }
        }
        if more {
            continue;
        }
        tokio::select! {
            ended = jobs.one() => ended?,
            _ = looks.tick() => log.read(|state| driver.progress.show(&driver.plan, state, &jobs.busy())),
            beat = heartbeat.beat(&start.ui, &driver.lease) => beat?,
            _ = notices.tick() => driver.progress.tell_of_agents(driver.plan.limits.agent_idle_s),
            () = interrupts.first() => return Ok(Driven::Interrupted),
        }
    }
}

/// Has a finished run judged once more; its verdict is what that says.
pub fn judge(start: &Start, driver: &Driver) -> Result<Driven, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let interrupts = Interrupts::listen(start.ui.clone())?;
        let mut heartbeat = Heartbeat::new();
        let mut audit = std::pin::pin!(driver.audit());
        loop {
            tokio::select! {
                judged = &mut audit => return judged.and_then(|()| finish(driver)),
                beat = heartbeat.beat(&start.ui, &driver.lease) => beat?,
                () = interrupts.first() => return Ok(Driven::Interrupted),
            }
        }
    })
}

fn finish(driver: &Driver) -> Result<Driven, Failure> {
    let target = driver.lane.tip()?.commit;
    let (verdict, why) = driver.gate.log.read(|state| {
        let audit = state.audit.as_ref();
        let verdict = audit.and_then(|a| a.verdict).unwrap_or(Verdict::Blocked);
        (verdict, audit.map(|a| a.findings.iter().map(|f| f.text.clone()).collect()).unwrap_or_default())
    });
    let actions = recover::clear(&driver.gate, &driver.plan)?;
    if !actions.is_empty() {
        driver.gate.log.record(&[Fact::run(Kind::RecoveryPerformed { actions })])?;
    }
    driver.gate.log.record(&[Fact::run(Kind::RunFinished { verdict, why, target })])?;
    driver.gate.site.world.faults.hit(Point::RunFinishBeforeRelease)?;
    Ok(Driven::Finished(verdict))
}
