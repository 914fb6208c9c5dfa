//! Asking something of a run: its owner does it; where nobody owns it, whoever asks becomes the owner for that moment.

use std::{collections::BTreeSet, time::Duration};

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure, Oid, Point, RunId, SliceId, procs,
        text::{one_line, printable, redact},
    },
    cli::{Start, resume, session, show::spec_in},
    journal::{
        self, Log,
        event::{Fact, Kind},
        state::{CANCEL, PAUSE, RESUME, RETRY, Request, RunState, SKIP, SUBMIT, SliceState},
    },
    plan::{
        asked::{self, Answer},
        model::{Plan, current},
        schedule::Busy,
        why::{Sight, Standing},
    },
    store::{
        self, Store,
        lease::{self, Owner},
        record, run,
    },
};

/// Characters of what a person says.
const MAX_HINT: usize = 4000;
/// How often it is looked whether there is an answer, how many times, and how many times where what is under way comes first.
const EVERY: Duration = Duration::from_millis(100);
const LOOKS: u32 = 300;
const LOOKS_LATER: u32 = 30;

/// What goes with a request.
#[derive(Debug, clap::Args)]
pub struct Said {
    /// The run, or the spec whose newest run is meant [default: the newest run with those slices]
    #[arg(long, value_name = "RUN")]
    pub run: Option<String>,
    /// Why
    #[arg(long, short = 'm', value_name = "REASON")]
    pub message: Option<String>,
    /// Say what would be done; do nothing
    #[arg(long, short = 'n')]
    pub dry_run: bool,
}

/// A run as its journals tell of it.
pub struct Known {
    /// Which.
    pub id: RunId,
    /// Its anchor's commit.
    pub anchor: Oid,
    /// The full name of the branch that it lands on.
    pub target: String,
    /// The version that it works on.
    pub plan: Plan,
    /// How it stands.
    pub state: RunState,
}

/// What was asked for a slice, or for the run.
#[derive(Clone, Debug, Serialize)]
pub struct Asked {
    /// The slice; none for the run.
    pub slice: Option<SliceId>,
    /// The event that asks; none where that was not written.
    pub request: Option<String>,
    /// What came of it; none while it waits.
    pub result: Option<String>,
    /// Whether it was done.
    pub granted: bool,
}

#[derive(Serialize)]
struct Told<'a> {
    schema: &'a str,
    run: &'a RunId,
    asked: &'a [Asked],
}

impl Known {
    /// Reads a run.
    pub fn load(store: &Store, id: RunId) -> Result<Known, Failure> {
        let (anchor, about) = run::load(&store.repo, &id)?;
        let state = journal::read(&store.repo, &id, anchor)?.state;
        let version = state.spec().unwrap_or(about.spec_commit);
        let plan = Plan::new(version, spec_in(&store.repo, version)?, about.limits);
        Ok(Known { id, anchor, target: about.target, plan, state })
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

    /// The one run that has all these slices; of several the one that is not at its end. `typed` is what the user
    /// typed, for a run that is named.
    pub fn with(
        candidates: Vec<Known>,
        slices: &[SliceId],
        typed: impl Fn(&RunId) -> String,
    ) -> Result<Known, Failure> {
        let has = |k: &Known| slices.iter().all(|s| k.plan.spec.slice(s).is_some());
        let mut with: Vec<Known> = candidates.into_iter().filter(has).collect();
        if with.iter().any(|k| k.state.finished.is_none()) {
            with.retain(|k| k.state.finished.is_none());
        }
        let names = slices.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(" and ");
        match (with.pop(), with.as_slice()) {
            (None, _) => {
                Err(Failure::new(Exit::Usage, format!("no run here has a slice {names}")).hint("git otto status"))
            }
            (Some(one), []) => Ok(one),
            (Some(last), more) => {
                let all = more.iter().chain([&last]).map(|k| typed(&k.id));
                let hint = all.collect::<Vec<_>>().join("\n");
                Err(Failure::new(Exit::Usage, format!("several runs have a slice {names}: say which")).hint(hint))
            }
        }
    }

    /// How one of its slices stands.
    pub fn slice(&self, id: &SliceId) -> &SliceState {
        current(&self.plan, &self.state, id)
    }

    /// What becomes of it, where this is its owner.
    pub fn standing(&self, owner: &Owner) -> Standing {
        match (&self.state.finished, owner) {
            (Some(_), _) => Standing::Finished,
            (None, Owner::Live(_) | Owner::Elsewhere(_)) => Standing::AtWork,
            (None, _) => Standing::Interrupted,
        }
    }

    /// Where its target is: what it has landed, and where the branch stands that it lands on.
    pub fn tips(&self, store: &Store) -> Result<Vec<Oid>, Failure> {
        let branch = store.repo.refs().read(&self.target)?;
        Ok(run::target(&store.repo, &self.id)?.into_iter().chain(branch).collect())
    }

    /// What its slices are explained by.
    pub fn sight<'a>(&'a self, standing: Standing, tips: &'a [Oid]) -> Sight<'a> {
        Sight { plan: &self.plan, state: &self.state, standing, tips }
    }

    /// The slices that wait for a person.
    pub fn waiting(&self) -> Vec<&SliceId> {
        let open = self.plan.spec.slices.iter().map(|s| &s.id).filter(|_| self.state.finished.is_none());
        open.filter(|id| self.slice(id).by_hand().is_some()).collect()
    }

    /// Writes down what is asked for, as one batch; gives the requests' ids. Whoever owns the run finds them.
    fn write(&self, store: &Store, facts: &[Fact]) -> Result<Vec<String>, Failure> {
        let mut writer = journal::Writer::open(store, &self.id, self.anchor, self.state.lamport)?;
        let written = writer.append(facts)?;
        store.world.faults.hit(Point::ControlAfterRequest)?;
        Ok(written.into_iter().map(|event| event.id).collect())
    }

    /// Writes down what is asked for a slice; gives the request.
    pub fn ask(
        &self,
        store: &Store,
        action: &str,
        slice: &SliceId,
        attempt: Option<u32>,
        hint: Option<&str>,
    ) -> Result<Request, Failure> {
        let request = Request { attempt, ..self.request(store, action, Some(slice), hint)? };
        let none = || Failure::new(Exit::Internal, "nothing was written");
        let id = self.write(store, &[fact(&request)])?.pop().ok_or_else(none)?;
        Ok(Request { id, ..request })
    }

    /// A request that was not written yet.
    fn request(
        &self,
        store: &Store,
        action: &str,
        slice: Option<&SliceId>,
        hint: Option<&str>,
    ) -> Result<Request, Failure> {
        let (_, who) = store.repo.identity(store.world.clock.now())?;
        Ok(Request {
            id: String::new(),
            action: action.into(),
            by: Some(who.name),
            hint: hint.map(said).filter(|hint| !hint.is_empty()),
            slice: slice.cloned(),
            r#gen: slice.map(|s| self.plan.generation(s)),
            attempt: None,
            result: None,
            granted: false,
        })
    }

    /// What comes of a request, in words, where a process works on the run; none where it says nothing for some seconds.
    pub fn result(&self, start: &Start, store: &Store, request: &Request) -> Result<Option<String>, Failure> {
        let asked = self.wait(start, store, std::slice::from_ref(request))?.pop();
        match asked.and_then(|asked| Some((asked.result?, asked.granted))) {
            Some((why, false)) => {
                self.refuse(vec![why])?;
                Ok(None)
            }
            done => Ok(done.map(|(result, _)| result)),
        }
    }

    /// Asks for the same for some slices, or for the run where none is named, and waits for what comes of it. What is
    /// refused as things stand is not written.
    pub fn have(
        &self,
        start: &Start,
        store: &Store,
        action: &str,
        slices: &[SliceId],
        said: &Said,
    ) -> Result<Vec<Asked>, Failure> {
        let whom: Vec<Option<&SliceId>> = match slices {
            [] => vec![None],
            some => some.iter().map(Some).collect(),
        };
        let make = |slice: &Option<&SliceId>| self.request(store, action, *slice, said.message.as_deref());
        let mut requests = whom.iter().map(make).collect::<Result<Vec<Request>, Failure>>()?;
        let judge = |r: &Request| asked::judge(&self.plan, &self.state, &Busy::default(), r);
        let refused = requests.iter().filter_map(|r| match judge(r) {
            Answer::Refused(why) => Some(self.named(r.slice.as_ref(), &why)),
            _ => None,
        });
        let mut refused: Vec<String> = refused.collect();
        let owner = lease::owner(store, &self.id)?;
        let works = matches!(owner, Owner::Live(_) | Owner::Elsewhere(_));
        if refused.is_empty() && slices.is_empty() && !works && matches!(action, PAUSE | RESUME) {
            refused.push(format!("{}: nobody works on it, so it stands still as it is", self.id));
        }
        self.refuse(refused)?;
        if said.dry_run {
            let asked = |r: Request| Asked { slice: r.slice, request: None, result: None, granted: false };
            return Ok(requests.into_iter().map(asked).collect());
        }
        let ids = self.write(store, &requests.iter().map(fact).collect::<Vec<_>>())?;
        requests.iter_mut().zip(ids).for_each(|(request, id)| request.id = id);
        self.wait(start, store, &requests)
    }

    /// Waits until all are answered, by whoever owns the run. Where nobody does, this process does it for that moment; what
    /// needs somebody who goes on with the run waits for them.
    fn wait(&self, start: &Start, store: &Store, requests: &[Request]) -> Result<Vec<Asked>, Failure> {
        let later = requests.iter().any(|r| r.action == SKIP);
        let mut looks = if later { LOOKS_LATER } else { LOOKS };
        let mut settled = false;
        loop {
            let owner = lease::owner(store, &self.id)?;
            let known = journal::read(&store.repo, &self.id, self.anchor)?.state.requests;
            let asked = requests.iter().map(|r| known.iter().find(|k| k.id == r.id).unwrap_or(r)).map(|r| Asked {
                slice: r.slice.clone(),
                request: Some(r.id.clone()),
                result: r.result.clone(),
                granted: r.granted,
            });
            let asked: Vec<Asked> = asked.collect();
            let hears = matches!(owner, Owner::Live(_));
            let nobody = settled && !hears;
            looks -= 1;
            if looks == 0 || nobody || matches!(owner, Owner::Elsewhere(_)) || asked.iter().all(|a| a.result.is_some())
            {
                return Ok(asked);
            }
            settled = !hears && self.settle(start, store)?;
            if !settled {
                std::thread::sleep(EVERY);
            }
        }
    }

    /// Answers what waits for an answer, as the owner; false where somebody else owns the run by now.
    fn settle(&self, start: &Start, store: &Store) -> Result<bool, Failure> {
        let lease = match lease::acquire(store, &self.id, &self.target, false) {
            Err(store::Error::Locked { .. }) => return Ok(false),
            taken => taken?,
        };
        let Known { plan, state, .. } = Known::load(store, self.id.clone())?;
        let mut open: Vec<Request> = state.requests.iter().filter(|r| r.result.is_none()).cloned().collect();
        // Those need somebody who goes on with the run.
        open.retain(|r| !matches!(r.action.as_str(), RETRY | SUBMIT));
        if open.iter().any(|r| r.action == CANCEL) {
            let root = session::run_root(start, store, &self.id)?;
            for orphan in procs::orphans(&root)? {
                procs::end(&orphan, &root)?;
            }
        }
        let writer = journal::Writer::open(store, &self.id, self.anchor, state.lamport)?;
        let log = Log::new(writer, state, Box::new(|_, _| {}));
        for request in &open {
            let facts = log.read(|state| {
                let answer = asked::judge(&plan, state, &Busy::default(), request);
                asked::facts(&plan, state, request, &answer)
            });
            log.record(&facts)?;
        }
        lease.release()?;
        Ok(true)
    }

    /// Says how the run goes on, where nobody works on it.
    pub fn say_who_goes_on(&self, start: &Start, store: &Store) -> Result<(), Failure> {
        if let Owner::None | Owner::Dead(_) | Owner::Expired(_) = lease::owner(store, &self.id)? {
            start.ui.say(&format!("nobody works on the run; to go on: git otto resume {}", self.id))?;
        }
        Ok(())
    }

    fn named(&self, slice: Option<&SliceId>, what: &str) -> String {
        match slice {
            Some(slice) => format!("`{slice}`: {what}"),
            None => format!("{}: {what}", self.id),
        }
    }

    fn refuse(&self, mut all: Vec<String>) -> Result<(), Failure> {
        let hint = format!("git otto status {}", self.id);
        match all.pop() {
            None => Ok(()),
            Some(one) if all.is_empty() => Err(Failure::new(Exit::Refused, one).hint(hint)),
            Some(last) => {
                all.push(last);
                let message = format!("nothing of that can be done in {}", self.id);
                Err(Failure { exit: Exit::Refused, message, causes: all, hint: Some(hint) })
            }
        }
    }

    /// Says what came of it; what was refused is an error.
    pub fn tell(&self, start: &Start, schema: &str, asked: &[Asked], dry_run: bool) -> Result<Exit, Failure> {
        if start.ui.is_json() {
            start.ui.answer_json(&Told { schema, run: &self.id, asked })?;
        }
        self.told(start, asked, dry_run)?;
        Ok(Exit::Done)
    }

    /// The same in words alone.
    pub fn told(&self, start: &Start, asked: &[Asked], dry_run: bool) -> Result<(), Failure> {
        let mut refused = Vec::new();
        for one in asked {
            let words = match &one.result {
                Some(why) if !one.granted => {
                    refused.push(self.named(one.slice.as_ref(), why));
                    continue;
                }
                Some(result) => result.as_str(),
                None if dry_run => "could be done",
                None => "asked for; whoever works on the run has not said anything yet",
            };
            if !start.ui.is_json() {
                let name = one.slice.as_ref().map_or(self.id.as_str(), SliceId::as_str);
                start.ui.answer(&format!("{name}: {words}\n"))?;
            }
        }
        self.refuse(refused)
    }
}

/// What is meant by names: slices of a run, or, where they name none, a run.
pub fn meant(
    store: &Store,
    names: &[String],
    run: Option<&str>,
    command: &str,
) -> Result<(Known, Vec<SliceId>), Failure> {
    let whole = |id: Option<RunId>| {
        let none = || Failure::new(Exit::Usage, "no run is unfinished").hint("git otto status");
        Ok((Known::load(store, id.ok_or_else(none)?)?, Vec::new()))
    };
    if names.is_empty() {
        return whole(resume::find(store, run)?);
    }
    let slices: Option<Vec<SliceId>> = names.iter().map(|name| name.parse().ok()).collect();
    let as_run = match (names, run) {
        ([name], None) => resume::find(store, Some(name)).ok().flatten(),
        _ => None,
    };
    if let (Some(id), [name]) = (as_run, names) {
        if is_slice(store, name, None)? {
            let text = format!("`{name}` is a slice and a spec with a run: say which");
            let hint = format!("{command} {name} --run {id}    (the slice)\n{command} {id}    (the run)");
            return Err(Failure::new(Exit::Usage, text).hint(hint));
        }
        return whole(Some(id));
    }
    let list = names.join(" ");
    let none = || {
        let text = format!("{} is neither a slice nor a run", one_line(&list, 80));
        Failure::new(Exit::Usage, text).hint("git otto status")
    };
    let mut slices = slices.ok_or_else(none)?;
    let mut seen = BTreeSet::new();
    slices.retain(|slice| seen.insert(slice.clone()));
    let typed = |run: &RunId| format!("{command} {list} --run {run}");
    Ok((Known::with(Known::candidates(store, run)?, &slices, typed)?, slices))
}

/// Whether a name is that of a slice of a run.
fn is_slice(store: &Store, name: &str, run: Option<&str>) -> Result<bool, Failure> {
    let Ok(slice) = name.parse::<SliceId>() else { return Ok(false) };
    Ok(Known::candidates(store, run)?.iter().any(|k| k.plan.spec.slice(&slice).is_some()))
}

/// What was paused and goes on.
pub enum LetGo {
    /// Nothing that is named was paused.
    Nothing,
    /// It does, and somebody works on it.
    Told,
    /// It does once somebody takes up this run.
    Goes(RunId),
}

/// Lets a slice go on that was paused, or a run that was while its process still ends what is under way.
pub fn let_go(
    start: &Start,
    store: &Store,
    name: Option<&str>,
    run: Option<&str>,
    dry_run: bool,
) -> Result<LetGo, Failure> {
    let id = if run.is_none() { resume::find(store, name).ok().flatten() } else { None };
    let (known, slices) = match (id, name) {
        (Some(id), _) => (Known::load(store, id)?, Vec::new()),
        (None, Some(name)) if is_slice(store, name, run)? => meant(store, &[name.to_owned()], run, "git otto resume")?,
        _ => return Ok(LetGo::Nothing),
    };
    let works = matches!(lease::owner(store, &known.id)?, Owner::Live(_));
    let asks = |r: &Request| r.action == PAUSE && r.slice.is_none() && r.result.is_none();
    let pauses = works && (known.state.paused.is_some() || known.state.requests.iter().any(asks));
    if slices.is_empty() && (!pauses || dry_run) {
        return Ok(LetGo::Nothing);
    }
    let said = Said { run: None, message: None, dry_run };
    let asked = known.have(start, store, RESUME, &slices, &said)?;
    let answered = dry_run || asked.iter().all(|a| a.result.is_some());
    match matches!(lease::owner(store, &known.id)?, Owner::Live(_) | Owner::Elsewhere(_)) || dry_run {
        true => known.tell(start, "otto.resume/1", &asked, dry_run).map(|_| LetGo::Told),
        // The process ended first, or none was there.
        false if answered || slices.is_empty() => Ok(LetGo::Goes(known.id)),
        false => Ok(LetGo::Nothing),
    }
}

/// The event that asks.
fn fact(request: &Request) -> Fact {
    let kind =
        Kind::ControlRequested { action: request.action.clone(), by: request.by.clone(), hint: request.hint.clone() };
    Fact { kind, slice: request.slice.clone(), r#gen: request.r#gen, attempt: request.attempt }
}

/// What a person says, as a record keeps it.
fn said(text: &str) -> String {
    let text = String::from_utf8_lossy(&redact(text.as_bytes())).into_owned();
    printable(text.trim()).chars().take(MAX_HINT).collect()
}
