//! Does what the lane asks for: the one place of a run that lands.

use std::sync::Arc;

use crate::{
    base::{Exit, Failure, Oid, SliceId},
    build,
    cli::{drive::Driver, jobs::Jobs},
    plan::model::lane::{self, Move, Stage},
};

/// How often the target may move under what is being tested, with nothing landed in between.
const RACES: u32 = 20;

/// The way of a run onto its target.
#[derive(Default)]
pub struct Landing {
    /// Where the target was last.
    tip: Option<Oid>,
    /// How often somebody else has moved it since the last landing.
    races: u32,
}

impl Landing {
    /// Does what can be done in the lane now; whether there may be more.
    pub async fn turn(&mut self, driver: &Arc<Driver>, jobs: &mut Jobs) -> Result<bool, Failure> {
        let log = &driver.gate.log;
        if log.read(|state| lane::is_idle(&driver.plan, state, jobs.lane())) {
            return Ok(false);
        }
        let tip = driver.lane.tip()?.commit;
        self.look(driver, jobs, tip)?;
        let mut more = false;
        for step in log.read(|state| lane::next(&driver.plan, state, tip, jobs.lane(), driver.depth)) {
            more |= !matches!(step, Move::Try(..));
            match step {
                Move::Try(entry, ahead) => {
                    let (driver, id, on) = (driver.clone(), entry.slice.clone(), entry.on);
                    jobs.test(entry, |tell| async move {
                        driver.queue().test(build::slice(&driver.plan, &id)?, on, &ahead, &tell).await
                    });
                }
                Move::Land(id) => self.land(driver, jobs, &id).await?,
                Move::GiveBack(id) => {
                    let failed = jobs.lane().get(&id).map(|entry| entry.stage.clone());
                    jobs.take_out(&id).await?;
                    if let Some(Stage::Failed(reason, detail)) = failed {
                        driver.queue().give_back(build::slice(&driver.plan, &id)?, reason, detail)?;
                    }
                }
                Move::Drop(id) => {
                    jobs.take_out(&id).await?;
                    // A slice that an amendment removed has nothing that is still under test.
                    if let Some(slice) = driver.plan.spec.slice(&id) {
                        driver.queue().let_go(slice)?;
                    }
                }
            }
        }
        Ok(more)
    }

    /// Lands a slice. Where somebody else was faster, the next turn sees the target elsewhere.
    async fn land(&mut self, driver: &Driver, jobs: &mut Jobs, id: &SliceId) -> Result<(), Failure> {
        let Some(commit) = jobs.lane().get(id).and_then(|entry| entry.commit()) else { return Ok(()) };
        if let Some(tip) = driver.queue().land(build::slice(&driver.plan, id)?, commit)? {
            jobs.take_out(id).await?;
            *self = Landing { tip: Some(tip), races: 0 };
        }
        Ok(())
    }

    /// Counts the moves of others, which let nothing land.
    fn look(&mut self, driver: &Driver, jobs: &Jobs, tip: Oid) -> Result<(), Failure> {
        if self.tip.replace(tip).is_some_and(|before| before != tip) && !jobs.lane().is_empty() {
            self.races += 1;
        }
        if self.races < RACES {
            return Ok(());
        }
        let text = format!("the target {} moved {RACES} times while slices were under test", driver.lane.branch());
        Err(Failure::new(Exit::Internal, text).hint(format!("git otto resume {}", driver.gate.run)))
    }
}
