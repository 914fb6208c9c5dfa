//! The loop of a run: ask what can be done now, have it done, until the run has come to its end.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use crate::{
    agent::{self, Team, prompt::Prompts},
    audit::{self, Auditor},
    base::{Exit, Failure, Point, SliceId},
    build::{self, Build},
    cli::progress::{self, Progress},
    gate::Gate,
    git::BString,
    journal::event::{Fact, Kind, Verdict},
    plan::{
        model::Plan,
        schedule::{self, Busy, Over, Step, Stop},
    },
    queue::{Queue, message::Style},
    recover,
    store::{
        lane::Lane,
        lease::{self, Lease},
    },
};

/// A run that this process owns.
pub struct Driver {
    /// Where its checks are run, with its journal.
    pub gate: Gate,
    /// What is to be done.
    pub plan: Plan,
    /// The lane onto its target.
    pub lane: Lane,
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
}

/// How a drive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driven {
    /// The run has come to its end.
    Finished(Verdict),
    /// The user interrupted it.
    Interrupted,
}

enum Done {
    Built(SliceId),
    Landed,
    Audited,
}

impl Driver {
    fn queue(&self) -> Queue<'_> {
        let working_copy = self.working_copy.clone();
        Queue { gate: &self.gate, plan: &self.plan, lane: &self.lane, working_copy, style: &self.style }
    }

    async fn build(&self, id: &SliceId) -> Result<(), Failure> {
        let slice = build::slice(&self.plan, id)?;
        let tip = self.lane.tip()?.commit;
        let Driver { gate, plan, team, prompts, progress, .. } = self;
        let live = |slice: &SliceId, event: &agent::Event| progress.hear(slice, event);
        Build { gate, plan, team, prompts, live: &live, slice }.attempt(tip).await
    }

    async fn land(&self, id: &SliceId) -> Result<(), Failure> {
        self.queue().land(build::slice(&self.plan, id)?).await
    }

    async fn audit(&self) -> Result<(), Failure> {
        let tip = self.lane.tip()?.commit;
        let auditor = self.team.audit.as_ref().map(|agent| Auditor { agent, prompts: &self.prompts });
        audit::audit(&self.gate, &self.plan, tip, auditor).await.map(drop)
    }

    /// Gives the run back, once it has come to its end.
    pub fn give_back(self) -> Result<(), Failure> {
        drop(self.lane);
        match Arc::into_inner(self.lease) {
            Some(lease) => Ok(lease.release()?),
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
            self.queue().recover(build::slice(&self.plan, id)?, merge)
        })
    }
}

/// Drives a run to its end.
pub fn drive(driver: Arc<Driver>) -> Result<Driven, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let driven = runtime.block_on(work(driver));
    // Whatever was under way has been told to stop; nobody waits for a thread that does not listen.
    runtime.shutdown_timeout(Duration::from_secs(5));
    driven
}

type Tasks = JoinSet<(Done, Result<(), Failure>)>;

async fn work(driver: Arc<Driver>) -> Result<Driven, Failure> {
    let mut tasks = Tasks::new();
    let driven = turn(&driver, &mut tasks).await;
    // Each task ends where it waits: what it has not journalled did not happen. None may outlive the runtime, which
    // would make its waiting fail, as if a check had.
    tasks.shutdown().await;
    if let Ok(Driven::Interrupted) = driven {
        let reason = "interrupted by the user".into();
        driver.gate.log.record(&[Fact::run(Kind::RunPaused { reason })])?;
    }
    driven
}

async fn turn(driver: &Arc<Driver>, tasks: &mut Tasks) -> Result<Driven, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut busy = Busy::default();
    let mut heartbeat = tokio::time::interval(lease::HEARTBEAT);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    heartbeat.tick().await;
    let mut notices = tokio::time::interval(progress::EVERY);
    notices.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let log = driver.gate.log.clone();
    loop {
        let mut moved = false;
        for step in log.read(|state| schedule::next(&driver.plan, state, &busy)) {
            let driver = driver.clone();
            match step {
                Step::Block(id, Stop { reason, detail, over }) => {
                    // With the limit that stopped it, in one record: once for each slice that one stops.
                    let over =
                        over.map(|Over { what, limit, used }| Kind::BudgetExceeded { what: what.into(), limit, used });
                    let kinds = over.into_iter().chain([Kind::SliceBlocked { reason, detail }]);
                    let fact = |kind| Fact::slice(&id, driver.plan.generation(&id), None, kind);
                    log.record(&kinds.map(fact).collect::<Vec<_>>())?;
                    moved = true;
                }
                Step::Build(id) => {
                    busy.building.insert(id.clone());
                    tasks.spawn(async move {
                        let done = driver.build(&id).await;
                        (Done::Built(id), done)
                    });
                }
                Step::Land(id) => {
                    busy.landing = Some(id.clone());
                    tasks.spawn(async move {
                        let done = driver.land(&id).await;
                        (Done::Landed, done)
                    });
                }
                Step::Audit => {
                    busy.auditing = true;
                    tasks.spawn(async move { (Done::Audited, driver.audit().await) });
                }
                Step::Finish => return finish(&driver),
            }
        }
        if moved {
            continue;
        }
        tokio::select! {
            done = tasks.join_next() => match done {
                Some(Ok((what, result))) => {
                    match what {
                        Done::Built(id) => drop(busy.building.remove(&id)),
                        Done::Landed => busy.landing = None,
                        Done::Audited => busy.auditing = false,
                    }
                    result?;
                }
                Some(Err(e)) => return Err(Failure::new(Exit::Internal, format!("a task broke off: {e}"))),
                None => return Err(Failure::new(Exit::Internal, "nothing is left to do and the run is not finished")),
            },
            _ = heartbeat.tick() => driver.lease.renew()?,
            _ = notices.tick() => driver.progress.tell_of_agents(driver.plan.limits.agent_idle_s),
            _ = interrupt.recv() => return Ok(Driven::Interrupted),
            _ = terminate.recv() => return Ok(Driven::Interrupted),
        }
    }
}

fn finish(driver: &Driver) -> Result<Driven, Failure> {
    let target = driver.lane.tip()?.commit;
    let (verdict, why) = driver.gate.log.read(|state| {
        let audit = state.audit.as_ref();
        let verdict = audit.and_then(|a| a.verdict).unwrap_or(Verdict::Blocked);
        (verdict, audit.map(|a| a.findings.iter().map(|f| f.text.clone()).collect()).unwrap_or_default())
    });
    driver.gate.log.record(&[Fact::run(Kind::RunFinished { verdict, why, target })])?;
    driver.gate.world.faults.hit(Point::RunFinishBeforeRelease)?;
    Ok(Driven::Finished(verdict))
}
