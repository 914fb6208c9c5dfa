//! What only a reader of specs can say of a history: approved specs are whole, amendments are of the tier that they claim
//! and by somebody who may, and what an agent answers has happened.

use std::collections::{BTreeSet, HashMap};

use super::{Code, Violation, chains::Chains, of_record};
use crate::{
    base::{Oid, SpecId, text::one_line},
    git::Repo,
    journal,
    spec::{self, model::Spec},
    store::{
        names,
        record::{self, Actor, Kind, Looked, Phase, Step},
    },
};

/// Parsed specs that are kept: a record's parents are near.
const KEPT: usize = 16;

/// Everything wrong with a history, oldest record first, journals as they will be.
pub(super) fn check(repo: &Repo, id: &SpecId, tip: Oid, chains: &Chains<'_>) -> Vec<Violation> {
    let mut reader = Reader { repo, id, chains, specs: HashMap::new(), recent: Vec::new(), events: None };
    let mut out = Vec::new();
    record::verify_each(repo, id, tip, |looked| out.extend(reader.record(looked)));
    out
}

struct Reader<'a> {
    repo: &'a Repo,
    id: &'a SpecId,
    chains: &'a Chains<'a>,
    /// The specs of recent records; none where one cannot be read.
    specs: HashMap<Oid, Option<Spec>>,
    /// Their commits, in the order in which they came.
    recent: Vec<Oid>,
    /// The events of all journals of the spec, read when an agent first names one; none where there are no journals.
    events: Option<Option<BTreeSet<String>>>,
}

impl Reader<'_> {
    fn record(&mut self, looked: Looked<'_>) -> Vec<Violation> {
        let place = format!("spec {}", self.id);
        let sound = looked.found.is_empty();
        let mut out: Vec<_> = looked.found.into_iter().map(|v| of_record(place.clone(), v)).collect();
        let Some((step, bytes)) = looked.read else { return out };
        let (parsed, wrong) = parse(step, bytes);
        let mut told = Vec::new();
        // Of a record that is broken itself the spec means nothing.
        if let Some(wrong) = wrong.filter(|_| sound) {
            told.push((Code::SpecInvalid, format!("its spec is not valid: {wrong}")));
        }
        if matches!(step.record.kind, Kind::Amend | Kind::Retire)
            && let Some(after) = &parsed
            && let Some(before) = step.parents.first().and_then(|p| self.spec(*p))
        {
            told.extend(self.amendment(step, &before, after));
        }
        out.extend(told.into_iter().map(|(code, what)| {
            let message = format!("the record {}: {what}", step.commit.short());
            let hint = format!("git otto log {}", self.id);
            Violation { code, place: place.clone(), commit: Some(step.commit), message, hint }
        }));
        self.keep(step.commit, parsed);
        out
    }

    /// What is wrong with an amendment of one spec to another.
    fn amendment(&mut self, step: &Step, _before: &Spec, _after: &Spec) -> Vec<(Code, String)> {
        let mut out = Vec::new();
        if let (Actor::Agent { .. }, Some(trigger)) = (&step.record.actor, &step.record.trigger)
            && let Event::Missing = self.event(trigger)
        {
            let trigger = one_line(trigger, 80);
            out.push((
                Code::TriggerNotFound,
                format!("no journal of its runs has the event {trigger:?} that it answers"),
            ));
        }
        out
    }

    fn keep(&mut self, commit: Oid, spec: Option<Spec>) {
        if self.recent.len() == KEPT {
            self.specs.remove(&self.recent.remove(0));
        }
        self.recent.push(commit);
        self.specs.insert(commit, spec);
    }

    /// The spec of an earlier record: from memory, else from its commit, as one half of a merge may be far away.
    fn spec(&self, commit: Oid) -> Option<Spec> {
        match self.specs.get(&commit) {
            Some(known) => known.clone(),
            None => record::load(self.repo, commit).ok().and_then(|s| spec::parse(&s.spec_bytes).ok()),
        }
    }

    fn event(&mut self, id: &str) -> Event {
        if self.events.is_none() {
            self.events = Some(self.journals());
        }
        match &self.events {
            Some(Some(events)) => {
                if events.contains(id) {
                    Event::Found
                } else {
                    Event::Missing
                }
            }
            _ => Event::Unknown,
        }
    }

    fn journals(&self) -> Option<BTreeSet<String>> {
        let mut out: Option<BTreeSet<String>> = None;
        let runs = self.chains.names(names::run_prefix()).ok()?;
        for run in runs.iter().filter_map(|name| names::parse_run(name)).filter(|run| run.spec() == self.id) {
            let run = &run;
            let Some(anchor) = self.chains.tip(&names::run(run)).ok()? else { continue };
            for name in self.chains.names(&names::journal_prefix(run)).ok()? {
                let (Some((_, writer)), Some(tip)) = (names::parse_journal(&name), self.chains.tip(&name).ok()?) else {
                    continue;
                };
                let lines = journal::of_writer(self.repo, &writer, anchor, tip).ok()?.events;
                out.get_or_insert_default().extend(lines.into_iter().map(|e| e.id));
            }
        }
        out
    }
}

/// The spec of a record, and what is wrong with it. Drafts may be unfinished.
fn parse(step: &Step, bytes: &[u8]) -> (Option<Spec>, Option<String>) {
    if step.record.kind.phase() == Phase::Draft {
        return (None, None);
    }
    match spec::parse(bytes) {
        Ok(spec) if spec::write(&spec) == bytes => (Some(spec), None),
        Ok(_) => (None, Some("it is not written the way git otto writes it".into())),
        Err(errors) => {
            let first = errors.first().map(|e| one_line(&e.to_string(), 300)).unwrap_or_default();
            let more = errors.len().saturating_sub(1);
            (None, Some(if more > 0 { format!("{first}, and {more} more") } else { first }))
        }
    }
}

/// What is known of the event that an agent's amendment answers.
enum Event {
    /// It has happened.
    Found,
    /// There are journals, and it is in none.
    Missing,
    /// There are no journals here.
    Unknown,
}
