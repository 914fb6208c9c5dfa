//! The sign of life that the owner of a run gives: here, and at the remote that several machines share.

use std::sync::Arc;

use tokio::{
    task::JoinSet,
    time::{Instant, Interval},
};

use crate::{
    base::{Failure, Oid},
    output::Ui,
    store::{
        self,
        claim::Claim,
        lease::{HEARTBEAT, Lease, Tenure},
    },
};

/// Gives a sign of life every minute. The remote is told in the background: one that is slow, or away, holds nothing up.
pub struct Heartbeat {
    timer: Interval,
    asking: JoinSet<store::Result<Option<Tenure>>>,
}

impl Heartbeat {
    pub fn new() -> Heartbeat {
        let mut timer = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Heartbeat { timer, asking: JoinSet::new() }
    }

    /// Waits for the next beat and gives it; an error once somebody else owns the run. Nothing is lost if it is not waited
    /// for to the end.
    pub async fn beat(&mut self, ui: &Ui, lease: &Lease) -> Result<(), Failure> {
        tokio::select! {
            _ = self.timer.tick() => {
                lease.renew()?;
                if let Some(claim) = lease.claim().filter(|_| self.asking.is_empty()) {
                    let (claim, mine): (Arc<Claim>, Oid) = (claim.clone(), lease.oid());
                    self.asking.spawn_blocking(move || claim.renew(mine));
                }
            }
            Some(answer) = self.asking.join_next() => {
                let answer = answer.map_err(std::io::Error::other)??;
                if answer.is_some() {
                    // It says so here, too, by now: who has it is told.
                    lease.renew()?;
                }
                tell_trouble(ui, lease)?;
            }
        }
        Ok(())
    }
}

/// Says, once, that the shared remote cannot be asked.
pub fn tell_trouble(ui: &Ui, lease: &Lease) -> std::io::Result<()> {
    match lease.claim().and_then(|claim| claim.new_trouble()) {
        Some(trouble) => {
            ui.say(&format!("{trouble}; the run goes on, and what two machines land is settled by git otto sync"))
        }
        None => Ok(()),
    }
}
