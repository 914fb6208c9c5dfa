//! What only a reader of specs can say of a history: approved specs are whole, amendments are of the tier that they claim
//! and by somebody who may, and what an agent answers has happened.

use std::collections::{BTreeMap, HashMap};

use super::{Code, Violation, chains::Chains, of_record};
use crate::{
    base::{Oid, SliceId, SpecId, text::one_line},
    git::Repo,
    journal,
    spec::{
        self, join,
        model::{
            Spec, merge,
            tier::{self, Author, Rejection},
        },
    },
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

/// The events of all journals of a spec, with their slices.
type Events = BTreeMap<String, Option<SliceId>>;

struct Reader<'a> {
    repo: &'a Repo,
    id: &'a SpecId,
    chains: &'a Chains<'a>,
    /// The specs of recent records; none where one cannot be read.
    specs: HashMap<Oid, Option<Spec>>,
    /// Their commits, in the order in which they came.
    recent: Vec<Oid>,
    /// The events of all journals of the spec, read when an agent first names one; none where there are no journals.
    events: Option<Option<Events>>,
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
        if let Some(lost) = parsed.iter().flat_map(Spec::contents).find(|digest| !looked.files.contains(digest)) {
            told.push((Code::SpecInvalid, format!("it names the content {lost} and does not hold it")));
        }
        if matches!(step.record.kind, Kind::Amend | Kind::Retire)
            && let Some(after) = &parsed
            && let Some(before) = step.parents.first().and_then(|p| self.spec(*p))
        {
            told.extend(self.amendment(step, &before, after));
        }
        if step.record.kind == Kind::Merge && sound && !self.is_merge(step, parsed.as_ref()) {
            told.push((Code::MergeForged, "it says something else than the two records that it joins".to_owned()));
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
    fn amendment(&mut self, step: &Step, before: &Spec, after: &Spec) -> Vec<(Code, String)> {
        let trigger = step.record.trigger.as_deref();
        let event = match (&step.record.actor, trigger) {
            (Actor::Agent { .. }, Some(trigger)) => self.event(trigger),
            _ => Event::Unknown,
        };
        let author = match (&step.record.actor, &event) {
            (Actor::Agent { .. }, Event::Found(slice)) => Author::Agent { slice: slice.as_ref(), trigger },
            (Actor::Agent { .. }, _) => Author::Agent { slice: None, trigger },
            // Whether a person meant to change the intent was asked when they did.
            (Actor::User(_) | Actor::Otto, _) => Author::User { override_intent: true },
        };
        let mut rejected = Vec::new();
        let mut out = Vec::new();
        match tier::judge(before, after, author) {
            Ok(tier) if step.record.tier == Some(tier.number()) => {}
            Ok(tier) => {
                let claimed = step.record.tier.map_or("none".into(), |t| t.to_string());
                out.push((Code::WrongTier, format!("it is of tier {}, not of {claimed} as it says", tier.number())));
            }
            Err(found) => rejected = found,
        }
        if let (Event::Missing, Some(trigger)) = (event, trigger) {
            rejected.push(Rejection::trigger_not_found(self.id, trigger));
        }
        out.extend(rejected.into_iter().map(|r| (Code::Amendment(r.code), r.to_string())));
        out
    }

    /// Whether a merge is what the program makes of its parents. It is nobody's amendment: what is in neither parent has no
    /// reason, and nobody who gave it.
    fn is_merge(&self, step: &Step, merged: Option<&Spec>) -> bool {
        let (&[ours, theirs], Some(base), Some(merged)) = (step.parents.as_slice(), step.record.base, merged) else {
            return false;
        };
        let three = (self.spec(base), self.spec(ours), self.spec(theirs));
        if let (Some(base), Some(ours), Some(theirs)) = &three
            && merge::merge(base, ours, theirs).as_ref() == Ok(merged)
        {
            return true;
        }
        // Where the same records were merged twice there is more to know than the one base.
        let join = join::join(self.repo, self.id, ours, theirs);
        matches!(join, Ok(Some(join)) if matches!(join.merge(), Ok(Ok(again)) if again == *merged))
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
            Some(Some(events)) => events.get(id).map_or(Event::Missing, |slice| Event::Found(slice.clone())),
            _ => Event::Unknown,
        }
    }

    fn journals(&self) -> Option<Events> {
        let mut out: Option<Events> = None;
        let runs = self.chains.names(names::run_prefix()).ok()?;
        for run in runs.iter().filter_map(|name| names::parse_run(name)).filter(|run| run.spec() == self.id) {
            let run = &run;
            let Some(anchor) = self.chains.tip(&names::run(run)).ok()? else { continue };
            for name in self.chains.names(&names::journal_prefix(run)).ok()? {
                let (Some((_, writer)), Some(tip)) = (names::parse_journal(&name), self.chains.tip(&name).ok()?) else {
                    continue;
                };
                let lines = journal::of_writer(self.repo, &writer, anchor, tip).ok()?.events;
                out.get_or_insert_default().extend(lines.into_iter().map(|e| (e.id, e.fact.slice)));
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
    /// It has happened, at that slice.
    Found(Option<SliceId>),
    /// There are journals, and it is in none.
    Missing,
    /// There are no journals here.
    Unknown,
}

#[cfg(test)]
mod tests;
