//! The loop of a run: ask what can be done now, have it done, until the run has come to its end.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinSet;

use crate::{
    agent::Provider,
    audit,
    base::{Exit, Failure, Point, SliceId},
    build::{self, Build},
    gate::Gate,
    git::BString,
    journal::event::{Fact, Kind, Verdict},
    plan::{
        model::Plan,
        schedule::{self, Busy, Step},
    },
    queue::Queue,
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
    /// Who writes.
    pub agent: Provider,
    /// The copy of the spec that landings contain.
    pub working_copy: Option<(BString, Vec<u8>)>,
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
}

impl Driver {
    fn queue(&self) -> Queue<'_> {
        let working_copy = self.working_copy.clone();
        Queue { gate: &self.gate, plan: &self.plan, lane: &self.lane, working_copy }
    }

    async fn build(&self, id: &SliceId) -> Result<(), Failure> {
        let slice = build::slice(&self.plan, id)?;
        let tip = self.lane.tip()?.commit;
        Build { gate: &self.gate, plan: &self.plan, agent: &self.agent, slice }.attempt(tip).await
    }

    async fn land(&self, id: &SliceId) -> Result<(), Failure> {
        self.queue().land(build::slice(&self.plan, id)?).await
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

async fn work(driver: Arc<Driver>) -> Result<Driven, Failure> {
    let mut tasks: JoinSet<(Done, Result<(), Failure>)> = JoinSet::new();
    let mut busy = Busy::default();
    let mut heartbeat = tokio::time::interval(lease::HEARTBEAT);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    heartbeat.tick().await;
    let log = driver.gate.log.clone();
    loop {
        let mut moved = false;
        for step in log.read(|state| schedule::next(&driver.plan, state, &busy)) {
            let driver = driver.clone();
            match step {
                Step::Block(id, reason, detail) => {
                    let fact = Kind::SliceBlocked { reason, detail };
                    log.record(&[Fact::slice(&id, driver.plan.generation(&id), None, fact)])?;
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
                    let tip = driver.lane.tip()?.commit;
                    audit::audit(&driver.gate, &driver.plan, tip).await?;
                    moved = true;
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
                    }
                    result?;
                }
                Some(Err(e)) => return Err(Failure::new(Exit::Internal, format!("a task broke off: {e}"))),
                None => return Err(Failure::new(Exit::Internal, "nothing is left to do and the run is not finished")),
            },
            _ = heartbeat.tick() => driver.lease.renew()?,
            _ = tokio::signal::ctrl_c() => {
                tasks.abort_all();
                log.record(&[Fact::run(Kind::RunPaused { reason: "interrupted by the user".into() })])?;
                return Ok(Driven::Interrupted);
            }
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
