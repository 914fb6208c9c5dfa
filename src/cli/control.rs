//! What other processes ask of a run. Each writes it into a journal of its own; the process that owns the run does it, once,
//! and says what came of it.

use std::collections::BTreeMap;

use crate::{
    base::{Failure, Oid, SliceId},
    cli::{
        drive::Driver,
        jobs::{Job, Jobs},
    },
    journal::{
        self,
        event::{Fact, Kind},
        state::{PAUSE, Request, RunState, SUBMIT},
    },
    plan::{
        asked::{self, Answer},
        model::current,
    },
    recover,
    store::{names, run},
    workspace,
};

/// Listens to the journals of others.
pub struct Ears {
    anchor: Oid,
    own: String,
    /// Where each journal stood when it was read last.
    read: BTreeMap<String, Oid>,
}

impl Ears {
    /// Nothing was read yet. Whoever wanted the run paused before it was taken up is told that it goes on.
    pub fn new(driver: &Driver) -> Result<Ears, Failure> {
        let log = &driver.gate.log;
        let (anchor, _) = run::load(driver.gate.repo(), &driver.gate.run)?;
        for request in log.read(open).iter().filter(|r| r.action == PAUSE && r.slice.is_none()) {
            let answer = Answer::Refused("the run was taken up anew since".into());
            log.record(&log.read(|state| asked::facts(&driver.plan, state, request, &answer)))?;
        }
        Ok(Ears { anchor, own: log.writer(), read: BTreeMap::new() })
    }

    /// Reads what is new in them, and does what is asked for. What cannot be done yet is left for the next time.
    pub async fn listen(&mut self, driver: &Driver, jobs: &mut Jobs) -> Result<(), Failure> {
        let (repo, log) = (driver.gate.repo(), &driver.gate.log);
        for (name, tip) in repo.refs().list(&names::journal_prefix(&driver.gate.run))? {
            let Some((_, writer)) = names::parse_journal(&name).filter(|(_, writer)| *writer != self.own) else {
                continue;
            };
            if self.read.get(&writer) != Some(&tip) {
                log.hear(&journal::of_writer(repo, &writer, self.anchor, tip)?.events);
                self.read.insert(writer, tip);
            }
        }
        for request in log.read(open) {
            match request.action.as_str() {
                SUBMIT => submit(driver, &request)?,
                _ => answer(driver, jobs, &request).await?,
            }
        }
        Ok(())
    }
}

fn open(state: &RunState) -> Vec<Request> {
    state.requests.iter().filter(|r| r.result.is_none()).cloned().collect()
}

/// Does what is asked for, and says so; says why not, otherwise.
async fn answer(driver: &Driver, jobs: &mut Jobs, request: &Request) -> Result<(), Failure> {
    let (gate, plan) = (&driver.gate, &driver.plan);
    let judge = |jobs: &Jobs| gate.log.read(|state| asked::judge(plan, state, &jobs.busy(), request));
    let mut answer = judge(jobs);
    if let Answer::Granted(_, blocked) = &answer
        && blocked.iter().any(|slice| jobs.busy().has(slice))
    {
        // Stopped first and judged again: what lands until it stops has landed.
        jobs.stop(|job| matches!(job, Job::Build(slice) | Job::Test(slice) if blocked.contains(slice))).await?;
        let left = workspace::left(gate.repo(), &gate.site.root)?;
        let left = left.into_iter().filter(|l| blocked.contains(&l.of.slice) && !l.is_theirs());
        recover::keep(&gate.site.store, &gate.run, &plan.spec, left)?;
        answer = judge(jobs);
    }
    let facts = gate.log.read(|state| asked::facts(plan, state, request, &answer));
    Ok(gate.log.record(&facts)?)
}

/// Takes what a person hands in, and says so; says why not, otherwise.
fn submit(driver: &Driver, request: &Request) -> Result<(), Failure> {
    let taken = match &request.slice {
        Some(slice) => submitted(driver, slice, request).map(|taken| taken.map(|text| (text, slice))),
        None => Err("it names no slice".into()),
    };
    let id = request.id.clone();
    let fact = match taken {
        Ok(None) => return Ok(()),
        Ok(Some((result, slice))) => {
            let kind = Kind::ControlApplied { request: id, result };
            Fact::slice(slice, driver.plan.generation(slice), request.attempt, kind)
        }
        // Without a generation: nothing was done to any.
        Err(why) => {
            Fact { slice: request.slice.clone(), ..Fact::run(Kind::ControlApplied { request: id, result: why }) }
        }
    };
    Ok(driver.gate.log.record(&[fact])?)
}

/// Hands in what a person wrote at one attempt; none where the attempt is not ready to take it.
fn submitted(driver: &Driver, slice: &SliceId, request: &Request) -> Result<Option<String>, String> {
    let now = driver.gate.log.read(|state| current(&driver.plan, state, slice).clone());
    let n = request.attempt.unwrap_or(0);
    if request.r#gen != Some(driver.plan.generation(slice)) {
        return Err(format!("`{slice}` was amended since; what it must bring now is told where you work"));
    }
    if now.by_hand().is_none_or(|a| a.n != n) {
        // A process that took it and died before it could say so.
        return match now.attempts.iter().any(|a| a.n == n && a.agent_ended) {
            true => Ok(Some(format!("taken as attempt {n}"))),
            false => Err(format!("`{slice}` does not wait for attempt {n}")),
        };
    }
    let note = request.hint.clone().unwrap_or_default();
    Ok(driver.desk.hand_in(slice, note).then(|| format!("taken as attempt {n}")))
}
