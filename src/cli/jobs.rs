//! What a run has under way: tasks, each known by what it is for, so that it can be stopped alone.

use std::collections::HashMap;

use tokio::task::{AbortHandle, Id, JoinSet};

use crate::{
    base::{Exit, Failure, SliceId},
    plan::schedule::Busy,
};

/// What a task is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// An attempt at a slice.
    Build(SliceId),
    /// Bringing a candidate onto the target.
    Land(SliceId),
    /// Judging the whole.
    Audit,
}

/// The tasks that are under way.
#[derive(Default)]
pub struct Jobs {
    tasks: JoinSet<Result<(), Failure>>,
    known: HashMap<Id, (Job, AbortHandle)>,
}

impl Jobs {
    /// Starts one.
    pub fn start(&mut self, job: Job, work: impl Future<Output = Result<(), Failure>> + Send + 'static) {
        let handle = self.tasks.spawn(work);
        self.known.insert(handle.id(), (job, handle));
    }

    /// What they are for.
    pub fn busy(&self) -> Busy {
        let mut busy = Busy::default();
        for (job, _) in self.known.values() {
            match job {
                Job::Build(id) => drop(busy.building.insert(id.clone())),
                Job::Land(id) => busy.landing = Some(id.clone()),
                Job::Audit => busy.auditing = true,
            }
        }
        busy
    }

    /// Waits until one has ended.
    pub async fn one(&mut self) -> Result<(), Failure> {
        let (id, done) = match self.tasks.join_next_with_id().await {
            Some(Ok((id, done))) => (id, done),
            Some(Err(e)) if e.is_cancelled() => (e.id(), Ok(())),
            Some(Err(e)) => return Err(Failure::new(Exit::Internal, format!("a task broke off: {e}"))),
            None => return Err(Failure::new(Exit::Internal, "nothing is left to do and the run is not finished")),
        };
        self.known.remove(&id);
        done
    }

    /// Stops some. Each ends where it waits: what it has not journalled did not happen.
    pub async fn stop(&mut self, which: impl Fn(&Job) -> bool) -> Result<(), Failure> {
        let stopped: Vec<Id> = self.known.iter().filter(|(_, (job, _))| which(job)).map(|(id, _)| *id).collect();
        for (_, handle) in stopped.iter().filter_map(|id| self.known.get(id)) {
            handle.abort();
        }
        while stopped.iter().any(|id| self.known.contains_key(id)) {
            self.one().await?;
        }
        Ok(())
    }

    /// Stops all. None may outlive the runtime, which would make its waiting fail, as if a check had.
    pub async fn stop_all(&mut self) {
        self.tasks.shutdown().await;
        self.known.clear();
    }
}
