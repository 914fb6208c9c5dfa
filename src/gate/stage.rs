//! The checkout in which a round's services run, for the checks that talk to them.

use super::{Locks, Round, Site, Supplied, on};
use crate::{
    base::Failure,
    checks::{
        self, Served,
        model::{Check, Outcome},
    },
    sandbox::Level,
    workspace::CheckoutDir,
};

/// One checkout for all services of a round, so that what one check brought about is there for the next one.
pub(super) struct Stage {
    /// The services, which end before their checkout goes.
    pub served: Result<Served, String>,
    place: CheckoutDir,
}

impl Site {
    /// A check that talks to a service.
    pub(super) async fn talk(
        &self,
        round: &Round<'_>,
        check: &Check,
        supplies: &(Locks, Supplied),
        stage: &mut Option<Stage>,
        broken: &mut Option<String>,
    ) -> Result<Outcome, Failure> {
        let Stage { served, place } = match stage {
            Some(stage) => stage,
            None => stage.insert(self.stage(round, check, supplies, broken).await?),
        };
        let on = on(round, place, &supplies.1);
        Ok(match served {
            Ok(served) => checks::probe(&self.world, check, on, served).await,
            Err(why) => checks::unknown(&self.confined(&on), check, &on, why.clone()),
        })
    }

    async fn stage(
        &self,
        round: &Round<'_>,
        check: &Check,
        supplies: &(Locks, Supplied),
        broken: &mut Option<String>,
    ) -> Result<Stage, Failure> {
        let (place, failed) = self.prepared(round, check, supplies, broken).await?;
        let on = on(round, &place, &supplies.1);
        let served = match failed {
            Some(why) => Err(why),
            None if !self.reachable() => Err(format!(
                "otto.sandbox.network is {}: what checks start has no network, so that nobody can talk to a service",
                self.sandbox.network
            )),
            None => Ok(Served::new(self.confined(&on), &self.services, &on, self.ports.clone(), self.probes.clone())?),
        };
        Ok(Stage { served, place })
    }

    /// Whether otto can talk to what a check starts.
    fn reachable(&self) -> bool {
        self.sandbox.level == Level::None || self.sandbox.network == crate::sandbox::Network::All
    }
}
