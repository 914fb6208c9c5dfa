//! What people ask of the run that is played, and what they may rely on. What was granted is counted here once more, apart
//! from what the journal makes of it.

use std::collections::BTreeSet;

use super::{
    flaw::{Flaw, What},
    world::{Checked, World},
};
use crate::{
    base::{Sha256, SliceId},
    journal::{
        event::{Fact, Kind},
        state::{CANCEL, FIRST, PAUSE, RESUME, RETRY, Request, RunState, SKIP},
    },
    plan::{
        asked::{self, Answer, Standstill},
        model::lane::Entries,
    },
    spec::model::Slice,
};

/// What people have been granted.
#[derive(Default)]
pub struct People {
    paused: bool,
    held: BTreeSet<SliceId>,
    /// What they want first, the last wish first.
    first: Vec<SliceId>,
    /// What they do not want, as the generation that it was.
    stopped: BTreeSet<(SliceId, Sha256)>,
    /// What nobody hears any more, for a flaw.
    unheard: BTreeSet<String>,
}

impl World {
    /// Somebody asks for something, sensible or not.
    pub(super) fn ask(&mut self) {
        let all = [PAUSE, PAUSE, RESUME, CANCEL, SKIP, SKIP, FIRST, FIRST, RETRY];
        let action = all[self.dice.below(all.len())];
        let of_run = match action {
            PAUSE | RESUME => self.dice.once_in(3),
            CANCEL => self.dice.once_in(12),
            _ => false,
        };
        let n = self.dice.below(self.plan.spec.slices.len());
        self.request(action, (!of_run).then(|| self.plan.spec.slices[n].id.clone()));
    }

    fn request(&mut self, action: &str, slice: Option<SliceId>) {
        let kind = Kind::ControlRequested { action: action.into(), by: None, hint: None };
        let r#gen = slice.as_ref().map(|id| self.plan.generation(id));
        self.tell(Fact { kind, slice, r#gen, attempt: None });
    }

    fn open(&self) -> Vec<Request> {
        let open = self.state.requests.iter().filter(|r| r.result.is_none());
        open.filter(|r| !self.people.unheard.contains(&r.id)).cloned().collect()
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_asked(&self) -> bool {
        !self.open().is_empty()
    }

    /// The run's owner answers what it can.
    pub(super) fn listen(&mut self) -> Checked {
        self.open().iter().try_for_each(|request| self.answer(request))
    }

    /// Whoever asks answers, where nobody owns the run.
    pub(super) fn settle(&mut self) -> Checked {
        self.open().iter().filter(|r| r.action != RETRY).try_for_each(|request| self.answer(request))
    }

    fn answer(&mut self, request: &Request) -> Checked {
        let mut answer = asked::judge(&self.plan, &self.state, &self.busy, request);
        if let Answer::Granted(_, blocked) = &answer
            && self.flaw != Some(Flaw::StopsNothing)
        {
            for slice in blocked {
                if self.busy.lane.get(slice).is_some() {
                    self.saw(What::CancelledTest);
                }
                self.busy.building.remove(slice);
                self.busy.lane.remove(slice);
            }
            answer = asked::judge(&self.plan, &self.state, &self.busy, request);
        }
        if answer == Answer::Later {
            self.saw(What::SkippedLater);
        }
        match (self.flaw, &request.slice) {
            (Some(Flaw::SkipsAtWork), Some(slice)) if answer == Answer::Later => {
                answer = Answer::Granted("skipped".into(), BTreeSet::from([slice.clone()]));
            }
            (Some(Flaw::RetriesAnything), Some(_)) if request.action == RETRY => {
                answer = Answer::Granted("begins anew".into(), BTreeSet::new());
            }
            _ => {}
        }
        let mut facts = asked::facts(&self.plan, &self.state, request, &answer);
        if self.flaw == Some(Flaw::NeverLetsGo) && request.action == RESUME {
            facts.iter_mut().for_each(|fact| fact.r#gen = None);
        }
        if self.flaw == Some(Flaw::AnswersTwice) {
            facts.extend(facts.first().cloned());
        }
        facts.into_iter().for_each(|fact| self.tell(fact));
        match answer {
            Answer::Granted(_, blocked) => self.granted(request, blocked),
            Answer::Refused(_) | Answer::Later => Ok(()),
        }
    }

    fn granted(&mut self, request: &Request, blocked: BTreeSet<SliceId>) -> Checked {
        let people = &mut self.people;
        let what = match (request.action.as_str(), request.slice.clone()) {
            (PAUSE, None) => {
                people.paused = true;
                What::Paused
            }
            (RESUME, None) => {
                people.paused = false;
                What::LetGo
            }
            (PAUSE, Some(slice)) => {
                people.held.insert(slice);
                What::Held
            }
            (RESUME, Some(slice)) => {
                people.held.remove(&slice);
                What::LetGo
            }
            (FIRST, Some(slice)) => {
                people.first.retain(|s| *s != slice);
                people.first.insert(0, slice);
                What::Reordered
            }
            (RETRY, Some(slice)) => {
                people.held.remove(&slice);
                people.stopped.retain(|(s, _)| *s != slice);
                What::Retried
            }
            (SKIP, _) => What::Skipped,
            _ => What::Cancelled,
        };
        for slice in blocked {
            if self.busy.has(&slice) {
                return Err(format!("`{slice}` is stopped, and still under way"));
            }
            let which = self.plan.generation(&slice);
            self.people.stopped.insert((slice, which));
        }
        self.saw(what);
        Ok(())
    }

    /// The journal has to say what people were granted.
    pub(super) fn people_are_heard(&self) -> Checked {
        let (people, state) = (&self.people, &self.state);
        if people.paused != state.paused.is_some() || !people.held.iter().eq(state.held.keys()) {
            return Err("other slices are paused than people paused".into());
        }
        match people.first == state.order {
            true => Ok(()),
            false => Err("other slices come first than people want first".into()),
        }
    }

    /// Nobody may go on with what people keep from going on.
    pub(super) fn may_go_on(&self, id: &SliceId, done: &str) -> Checked {
        let stopped = self.people.stopped.contains(&(id.clone(), self.plan.generation(id)));
        match (self.people.paused, self.people.held.contains(id), stopped) {
            (true, ..) => Err(format!("`{id}` is {done} in a paused run")),
            (_, true, _) => Err(format!("`{id}` is {done} and was paused")),
            (_, _, true) => Err(format!("`{id}` is {done} and was stopped")),
            _ => Ok(()),
        }
    }

    /// Nothing that people want before a slice, or that the spec has before it, may be left behind by it.
    pub(super) fn is_next(&self, id: &SliceId, done: &str, ready: impl Fn(&Slice) -> bool) -> Checked {
        let rank = |s: &SliceId| self.people.first.iter().position(|f| f == s).unwrap_or(self.people.first.len());
        let place = |s: &Slice| (rank(&s.id), self.plan.spec.slices.iter().position(|o| o.id == s.id));
        let Some(own) = self.plan.spec.slice(id).map(place) else { return Ok(()) };
        let before = |s: &&Slice| place(s) < own && !self.people.held.contains(&s.id) && ready(s);
        match self.plan.spec.slices.iter().find(before) {
            Some(other) => Err(format!("`{id}` is {done} before `{}`", other.id)),
            None => Ok(()),
        }
    }

    /// Nothing is left to do but for what people keep from going on: the process ends, and sooner or later they let it go.
    pub(super) fn let_go(&mut self, still: Standstill) -> Checked {
        self.saw(What::StoodStill);
        self.tell(Fact::run(Kind::RunPaused { reason: still.why }));
        if let Some(slice) = still.slice {
            self.request(RESUME, Some(slice));
            self.settle()?;
        }
        self.rise()
    }

    /// A process takes the run up, which ends its pause; what was asked for while nobody worked on it says nothing any more.
    pub(super) fn taken_up(&mut self) {
        self.tell(Fact::run(Kind::RunResumed { reason: String::new(), term: 0 }));
        self.people.paused = false;
        for request in self.open() {
            if self.flaw == Some(Flaw::DeafAfterCrash) {
                self.people.unheard.insert(request.id);
            } else if request.action == PAUSE && request.slice.is_none() {
                let answer = Answer::Refused("the run was taken up anew since".into());
                let facts = asked::facts(&self.plan, &self.state, &request, &answer);
                facts.into_iter().for_each(|fact| self.tell(fact));
            }
        }
    }

    /// The state as it is judged by, with the flaw.
    pub(super) fn as_judged(&self) -> RunState {
        let mut state = self.state.clone();
        match self.flaw {
            Some(Flaw::PausesNothing) => state.paused = None,
            Some(Flaw::HoldsNothing) => state.held.clear(),
            Some(Flaw::ForgetsFirst) => state.order.clear(),
            _ => {}
        }
        state
    }

    /// The lane as it is judged by, with the flaw.
    pub(super) fn lane_as_judged(&self) -> Entries {
        let mut lane = self.busy.lane.clone();
        if self.flaw == Some(Flaw::KeepsOldSpec) {
            lane.0.iter_mut().for_each(|entry| entry.spec = self.plan.spec_commit);
        }
        lane
    }
}
