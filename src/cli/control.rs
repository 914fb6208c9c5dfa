//! What other processes ask of a run. Each writes it into a journal of its own; the process that owns the run does it, once,
//! and says what came of it.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    base::{
        Exit, Failure, Oid, RunId, Sha256, SliceId,
        text::{one_line, printable, redact},
    },
    cli::{drive::Driver, resume, show::spec_in},
    journal::{
        self,
        event::{Fact, Kind},
        state::{RETRY, Request, RunState, SUBMIT, SliceState},
    },
    plan::{
        model::{Plan, blocks, current},
        schedule,
    },
    store::{Store, names, record, run},
};

/// Characters of what a person says.
const MAX_HINT: usize = 4000;

/// Listens to the journals of others.
pub struct Ears {
    anchor: Oid,
    own: String,
    /// Where each journal stood when it was read last.
    read: BTreeMap<String, Oid>,
}

impl Ears {
    /// Nothing was read yet.
    pub fn new(driver: &Driver) -> Result<Ears, Failure> {
        let (anchor, _) = run::load(driver.gate.repo(), &driver.gate.run)?;
        Ok(Ears { anchor, own: driver.gate.log.writer(), read: BTreeMap::new() })
    }

    /// Reads what is new in them, and does what is asked for. What cannot be done yet is left for the next time.
    pub fn listen(&mut self, driver: &Driver) -> Result<(), Failure> {
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
        let open = |state: &RunState| state.requests.iter().filter(|r| r.result.is_none()).cloned().collect::<Vec<_>>();
        log.read(open).iter().try_for_each(|request| answer(driver, request))
    }
}

/// Does what is asked for, and says so; says why not, otherwise.
fn answer(driver: &Driver, request: &Request) -> Result<(), Failure> {
    let done = match (request.action.as_str(), &request.slice) {
        (RETRY, Some(slice)) => {
            let may = driver.gate.log.read(|state| may_retry(&driver.plan, state, slice));
            may.map(|()| Some(("begins anew".to_owned(), slice)))
        }
        (SUBMIT, Some(slice)) => submitted(driver, slice, request).map(|done| done.map(|text| (text, slice))),
        (RETRY | SUBMIT, None) => Err("it names no slice".into()),
        (other, _) => Err(format!("this version does not know how to {}", one_line(other, 80))),
    };
    let id = request.id.clone();
    let fact = match done {
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

/// Why a slice cannot begin anew, if it cannot.
pub fn may_retry(plan: &Plan, state: &RunState, slice: &SliceId) -> Result<(), String> {
    if plan.spec.slice(slice).is_none() {
        return Err(format!("the spec {} has no slice `{slice}`", plan.spec.id));
    }
    let now = current(plan, state, slice);
    if let Some(why) = now.not_to_retry() {
        return Err(why.into());
    }
    // What the intent carries costs nothing.
    match schedule::spent(&plan.limits, state, now).filter(|_| blocks(&plan.spec, slice, 1).is_empty()) {
        Some(stop) => Err(format!("{}; a new run has money of its own", stop.detail)),
        None => Ok(()),
    }
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

/// A run as its journals tell of it.
pub struct Known {
    /// Which.
    pub id: RunId,
    /// Its anchor's commit.
    pub anchor: Oid,
    /// The version that it works on.
    pub plan: Plan,
    /// How it stands.
    pub state: RunState,
}

impl Known {
    /// Reads a run.
    pub fn load(store: &Store, id: RunId) -> Result<Known, Failure> {
        let (anchor, about) = run::load(&store.repo, &id)?;
        let state = journal::read(&store.repo, &id, anchor)?.state;
        let version = state.spec().unwrap_or(about.spec_commit);
        let plan = Plan::new(version, spec_in(&store.repo, version)?, about.limits);
        Ok(Known { id, anchor, plan, state })
    }

    /// The run that is named, or the newest of each spec.
    pub fn candidates(store: &Store, name: Option<&str>) -> Result<Vec<Known>, Failure> {
        if let Some(name) = name {
            let id = resume::find(store, Some(name))?;
            return id.into_iter().map(|id| Known::load(store, id)).collect();
        }
        let mut out = Vec::new();
        for (spec, _) in record::list(&store.repo)? {
            out.extend(run::newest(&store.repo, &spec)?.map(|id| Known::load(store, id)).transpose()?);
        }
        Ok(out)
    }

    /// How one of its slices stands.
    pub fn slice(&self, id: &SliceId) -> &SliceState {
        current(&self.plan, &self.state, id)
    }

    /// The slices that wait for a person.
    pub fn waiting(&self) -> Vec<&SliceId> {
        let open = self.plan.spec.slices.iter().map(|s| &s.id).filter(|_| self.state.finished.is_none());
        open.filter(|id| self.slice(id).by_hand().is_some()).collect()
    }

    /// Writes down what is asked for; gives the request's id. Whoever owns the run finds it.
    pub fn ask(
        &self,
        store: &Store,
        action: &str,
        slice: &SliceId,
        attempt: Option<u32>,
        hint: Option<&str>,
    ) -> Result<String, Failure> {
        let hint = hint.map(said).filter(|hint| !hint.is_empty());
        let kind = Kind::ControlRequested { action: action.into(), hint };
        let r#gen: Sha256 = self.plan.generation(slice);
        let mut writer = journal::Writer::open(store, &self.id, self.anchor, self.state.lamport)?;
        let written = writer.append(&[Fact::slice(slice, r#gen, attempt, kind)])?;
        let none = || Failure::new(Exit::Internal, "nothing was written");
        Ok(written.first().ok_or_else(none)?.id.clone())
    }

    /// What comes of a request, in words, where a process works on the run; none where it says nothing for some seconds.
    pub fn result(&self, store: &Store, request: &str) -> Result<Option<String>, Failure> {
        const EVERY: Duration = Duration::from_millis(100);
        for _ in 0..100 {
            let state = journal::read(&store.repo, &self.id, self.anchor)?.state;
            if let Some(done) = state.requests.into_iter().find(|r| r.id == request && r.result.is_some()) {
                let result = done.result.unwrap_or_default();
                let hint = format!("git otto status {}", self.id);
                return match done.granted {
                    true => Ok(Some(result)),
                    false => Err(Failure::new(Exit::Refused, result).hint(hint)),
                };
            }
            std::thread::sleep(EVERY);
        }
        Ok(None)
    }
}

/// What a person says, as a record keeps it.
fn said(text: &str) -> String {
    let text = String::from_utf8_lossy(&redact(text.as_bytes())).into_owned();
    printable(text.trim()).chars().take(MAX_HINT).collect()
}
