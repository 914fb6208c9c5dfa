//! What a run has under way: tasks, each known by what it is for, so that it can be stopped alone.

use std::collections::HashMap;

use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinSet},
};

use crate::{
    base::{Exit, Failure, SliceId},
    plan::{
        model::lane::{Entries, Entry, Stage},
        schedule::Busy,
    },
};

/// What a task is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// An attempt at a slice.
    Build(SliceId),
    /// Testing a candidate as it would land.
    Test(SliceId),
    /// Judging the whole.
    Audit,
}

/// The tasks that are under way, and what those in the lane have come to.
pub struct Jobs {
    tasks: JoinSet<Result<(), Failure>>,
    known: HashMap<Id, (Job, AbortHandle)>,
    lane: Entries,
    tell: mpsc::UnboundedSender<(SliceId, Stage)>,
    told: mpsc::UnboundedReceiver<(SliceId, Stage)>,
}

impl Default for Jobs {
    fn default() -> Jobs {
        let (tasks, known, lane) = Default::default();
        let (tell, told) = mpsc::unbounded_channel();
        Jobs { tasks, known, lane, tell, told }
    }
}

impl Jobs {
    /// What is in the lane.
    pub fn lane(&self) -> &Entries {
        &self.lane
    }

    /// Begins to test a candidate; the work says by what it is given how far it is.
    pub fn test<W>(&mut self, entry: Entry, work: impl FnOnce(Box<dyn Fn(Stage) + Send + Sync>) -> W)
    where
        W: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let (slice, tell) = (entry.slice.clone(), self.tell.clone());
        let job = Job::Test(slice.clone());
        self.lane.push(entry);
        // Nobody listens any more once the run has come to its end.
        self.start(job, work(Box::new(move |stage| drop(tell.send((slice.clone(), stage))))));
    }

    /// Takes a slice out of the lane; what is under way for it is stopped.
    pub async fn take_out(&mut self, slice: &SliceId) -> Result<(), Failure> {
        self.stop(|job| matches!(job, Job::Test(id) if id == slice)).await?;
        while let Ok((slice, stage)) = self.told.try_recv() {
            self.lane.set(&slice, stage);
        }
        self.lane.remove(slice);
        Ok(())
    }

    /// Starts one.
    pub fn start(&mut self, job: Job, work: impl Future<Output = Result<(), Failure>> + Send + 'static) {
        let handle = self.tasks.spawn(work);
        self.known.insert(handle.id(), (job, handle));
    }

    /// What they are for.
    pub fn busy(&self) -> Busy {
        let mut busy = Busy { lane: self.lane.clone(), ..Busy::default() };
        for (job, _) in self.known.values() {
            match job {
                Job::Build(id) => drop(busy.building.insert(id.clone())),
                // It is in the lane.
                Job::Test(_) => {}
                Job::Audit => busy.auditing = true,
            }
        }
        busy
    }

    /// Waits until one has ended or come further.
    pub async fn one(&mut self) -> Result<(), Failure> {
        let ended = tokio::select! {
            biased;
            Some((slice, stage)) = self.told.recv() => {
                self.lane.set(&slice, stage);
                return Ok(());
            }
            ended = self.tasks.join_next_with_id() => ended,
        };
        let (id, done) = match ended {
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
