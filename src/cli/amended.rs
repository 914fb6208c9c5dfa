//! How a run takes up amendments: it works on one version of its spec, looks whether there is a later one, and goes over to
//! that. What changed is stopped, kept and built anew; everything else goes on.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    base::{Exit, Failure, Oid, Point, Sha256, SliceId, SpecId},
    cli::{
        Start,
        drive::Driver,
        jobs::{Job, Jobs},
        session::{approved, refuse_unrunnable},
        team,
    },
    git::BString,
    journal::{
        event::{Fact, Kind},
        state::RunState,
    },
    plan::model::{Limits, Plan, current, invalidated},
    recover,
    spec::model::{Spec, change::changes, parts::Place, tier::Code},
    store::{
        Store, names,
        record::{self, Phase, Step},
    },
    workspace,
};

/// What a version of a spec brings to a run.
pub struct Version {
    /// What is to be done.
    pub plan: Plan,
    /// The contents that the spec names.
    pub contents: BTreeMap<Sha256, Vec<u8>>,
    /// The copy of the spec that landings contain, where wanted.
    pub working_copy: Option<(BString, Vec<u8>)>,
}

impl Version {
    /// The version at a commit of the spec's history.
    pub fn load(store: &Store, commit: Oid, limits: Limits) -> Result<Version, Failure> {
        let (spec, stored) = approved(store, commit)?;
        let working_copy = match store.repo.config("otto.workingCopy").as_deref() {
            Some("off") => None,
            _ => Some((names::working_copy(&spec.id).into(), stored.spec_bytes)),
        };
        Ok(Version { plan: Plan::new(commit, spec, limits), contents: stored.files, working_copy })
    }
}

/// The records of a spec after `from`, newest first, where `tip` is a version that can follow it.
pub fn since(store: &Store, spec: &SpecId, from: Oid, tip: Oid) -> Result<Vec<Step>, Failure> {
    if let Some(broken) = record::verify(&store.repo, spec, tip).into_iter().next() {
        let text = format!("the record {}: {}", broken.commit.short(), broken.message);
        return Err(Failure::new(Exit::Refused, text).hint(broken.hint));
    }
    let steps = record::history(&store.repo, tip)?;
    let descends = steps.iter().any(|s| s.commit == from);
    let approved = steps.first().is_some_and(|s| s.record.kind.phase() != Phase::Draft);
    if !descends || !approved {
        let text = format!("{} does not follow {}, the version that is built", tip.short(), from.short());
        return Err(Failure::new(Exit::Refused, text).hint(format!("git otto log {spec}")));
    }
    // A merge brings records that are older than some that were known before.
    let known = record::history(&store.repo, from)?;
    Ok(steps.into_iter().filter(|s| known.iter().all(|k| k.commit != s.commit)).collect())
}

/// Goes over to the newest version of the run's spec, if that is another one than the run works on.
pub async fn take_up(start: &Start, driver: &Arc<Driver>, jobs: &mut Jobs) -> Result<Option<Arc<Driver>>, Failure> {
    let (store, before) = (&driver.gate.site.store, &driver.plan);
    let id = &before.spec.id;
    let Some(tip) = record::tip(&store.repo, id)?.filter(|tip| *tip != before.spec_commit) else { return Ok(None) };
    let next = since(store, id, before.spec_commit, tip).and_then(|records| {
        let version = Version::load(store, tip, before.limits.clone())?;
        refuse_unrunnable(&version.plan.spec)?;
        let team = team::fit(start, store, driver.team.clone(), &version.plan.spec)?;
        Ok((records, version, team))
    });
    let (records, mut version, team) = match next {
        Ok(next) => next,
        Err(why) => return Err(pause(driver, tip, why)?),
    };
    version.plan.known = driver.gate.log.read(|state| before.carried(state));
    let changed = invalidated(before, &version.plan);
    let is_changed = |slice: &SliceId| changed.iter().any(|(id, _)| id == slice);
    // What is under test is tested again, by the version that lands it.
    let outdated = |job: &Job| match job {
        Job::Build(slice) => is_changed(slice),
        Job::Test(_) | Job::Audit => true,
    };
    jobs.stop(outdated).await?;
    driver.lane.unpin_all()?;
    let left = workspace::left(driver.gate.repo(), &driver.gate.site.root)?;
    let outdated = left.into_iter().filter(|l| !l.is_theirs() && is_changed(&l.of.slice));
    recover::keep(store, &driver.gate.run, &before.spec, outdated)?;
    driver.gate.site.world.faults.hit(Point::RunAmendBefore)?;
    driver.gate.log.record(&facts(driver, tip, &records, &changed))?;
    driver.gate.site.world.faults.hit(Point::RunAmendAfter)?;
    Ok(Some(Arc::new(driver.with(version, team))))
}

/// What the journal is told of a new version, as one batch.
fn facts(driver: &Driver, tip: Oid, records: &[Step], changed: &[(SliceId, Sha256)]) -> Vec<Fact> {
    let answers = |id: &str| records.iter().any(|s| s.record.trigger.as_deref() == Some(id));
    let asked = driver.gate.log.read(|state| state.asked.clone());
    let mut facts = vec![Fact::run(Kind::RunAmended { spec: tip })];
    // An agent got what it asked for, and somebody took it back before the run took it up.
    for a in asked.iter().filter(|a| answers(&a.id) && changed.iter().all(|(slice, _)| *slice != a.slice)) {
        let detail = "you got it, and it was taken back since".to_owned();
        let kind = Kind::AmendmentRejected { code: Code::StaleBase.to_string(), detail, request: Some(a.id.clone()) };
        facts.push(Fact::slice(&a.slice, a.r#gen, Some(a.attempt), kind));
    }
    for (slice, r#gen) in changed {
        let request = asked.iter().find(|a| a.slice == *slice && answers(&a.id)).map(|a| a.id.clone());
        facts.push(Fact::slice(slice, *r#gen, None, Kind::SliceInvalidated { by: tip, request }));
    }
    facts
}

/// The run stays on its version, and a person has to see to it.
fn pause(driver: &Driver, tip: Oid, why: Failure) -> Result<Failure, Failure> {
    let (spec, run) = (&driver.plan.spec.id, &driver.gate.run);
    let reason = format!("{spec} was amended to {}, and the run cannot go on with that: {}", tip.short(), why.message);
    driver.gate.log.record(&[Fact::run(Kind::RunPaused { reason: reason.clone() })])?;
    let then = format!("put it right: git otto amend {spec}\nthen: git otto resume {run}");
    let hint = why.hint.map_or(then.clone(), |hint| format!("{hint}\n{then}"));
    Ok(Failure { exit: Exit::Refused, message: reason, causes: why.causes, hint: Some(hint) })
}

/// What a new run does with a spec that was amended since the last one, in words.
pub fn anew(then: &Plan, state: &RunState, now: &Spec) -> String {
    let next = Plan::new(then.spec_commit, now.clone(), then.limits.clone());
    let built = |id: &SliceId| {
        let same = then.generations.get(id) == Some(&next.generation(id));
        same && current(then, state, id).is_done()
    };
    let (all, open) = (now.slices.len(), now.slices.iter().filter(|s| !built(&s.id)).count());
    let changes = changes(&then.spec, now);
    let mut places: Vec<String> = changes.iter().map(|c| short(&c.place)).collect();
    places.dedup();
    let more = places.len().saturating_sub(SHOWN);
    places.truncate(SHOWN);
    if more > 0 {
        places.push(format!("{more} more"));
    }
    let what = if places.is_empty() { "nothing".into() } else { places.join(", ") };
    format!("{what} changed: building {open} of {all} slice{}", if all == 1 { "" } else { "s" })
}

/// Changed pieces that are named.
const SHOWN: usize = 6;

/// A piece in as few words as say which it is.
fn short(place: &Place) -> String {
    match place {
        Place::Requirement(id) => id.clone(),
        Place::Check(_, id) => format!("check `{id}`"),
        other => other.to_string(),
    }
}
