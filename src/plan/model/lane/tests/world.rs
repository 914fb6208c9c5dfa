//! A world in which a run is played: a target that others move too, agents, checks that come out red and green, people, and
//! processes that die. What the run knows is what its journal says.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    flaw::{Flaw, Seen, What},
    people::People,
};

use crate::{
    base::{Cost, Oid, Sha256, SliceId, Timestamp},
    journal::{
        event::{AttemptFailure, Event, Fact, Kind},
        state::{Phase, RunState, SliceState},
    },
    plan::{
        asked,
        model::{
            Plan, current, invalidated,
            lane::{self, Entries, Entry, Move, Stage},
        },
        schedule::{self, Busy, Step, Stop, tests::plan},
    },
    spec::model::Slice,
};

/// What a tree holds of each slice: which candidate, and the slices that this one was built with.
type Content = BTreeMap<SliceId, (u64, BTreeSet<SliceId>)>;

/// A commit: its parent and what its tree holds.
struct Commit {
    parent: Option<Oid>,
    content: Content,
}

/// A small generator (SplitMix64).
pub(super) struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
    pub(super) fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }
    pub(super) fn once_in(&mut self, n: u64) -> bool {
        self.roll().is_multiple_of(n)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(super) type Checked = Result<(), String>;

pub struct World {
    seed: u64,
    pub(super) dice: Dice,
    pub(super) flaw: Option<Flaw>,
    depth: usize,
    /// How many more times something disturbs the run.
    trouble: u32,
    pub(super) plan: Plan,
    events: Vec<Event>,
    pub(super) state: RunState,
    pub(super) busy: Busy,
    pub(super) people: People,
    commits: BTreeMap<Oid, Commit>,
    tip: Oid,
    /// What was tested: whether it passed, which slices counted as landed, and which version of the spec judged it.
    tested: BTreeMap<Oid, (bool, BTreeSet<SliceId>, Oid)>,
    /// The slices that count as landed for what is in the lane.
    with: BTreeMap<SliceId, BTreeSet<SliceId>>,
    /// What our landings have brought, each slice with its generation.
    landed: Vec<(SliceId, Sha256)>,
    /// Turns since something came of a candidate or disturbed the run, while there was a candidate.
    quiet: u32,
    /// Turns without a disturbance for which each candidate could have landed.
    waits: BTreeMap<SliceId, u32>,
    pub seen: Seen,
}

/// In so many turns without a disturbance something comes of a candidate, where there is one.
const PATIENCE: u32 = 400;
/// In so many turns without a disturbance something comes of every single candidate, whatever becomes of the others.
const TURNS: u32 = 2000;

impl World {
    /// A world with a run that anything can happen to.
    pub fn new(seed: u64, flaw: Option<Flaw>) -> World {
        let mut dice = Dice(seed);
        let depth = [1, 2, 3, 4, 8][dice.below(5)];
        let trouble = dice.below(12) as u32;
        World::build(seed, dice, flaw, depth, trouble)
    }

    /// What lands in a world in which the same content always comes to the same, and which nobody disturbs.
    pub fn steady(seed: u64, depth: usize) -> BTreeSet<SliceId> {
        let mut world = World::build(seed, Dice(seed), None, depth, 0);
        (world.plan.limits.repairs, world.plan.limits.attempts) = (1000, 1000);
        world.play().unwrap_or_else(|why| panic!("history {seed}: {why}\n{}", world.story()));
        world.landed.into_iter().map(|(slice, _)| slice).collect()
    }

    fn build(seed: u64, mut dice: Dice, flaw: Option<Flaw>, depth: usize, trouble: u32) -> World {
        let mut deps: Vec<Vec<usize>> = Vec::new();
        for n in 0..1 + dice.below(9) {
            deps.push((0..n).filter(|_| dice.once_in(5)).collect());
        }
        let plan = plan(&deps, 1 + dice.below(6) as u32);
        let base = oid(&[seed]);
        let mut world = World {
            seed,
            dice,
            flaw,
            depth,
            trouble,
            plan,
            events: Vec::new(),
            state: RunState::default(),
            busy: Busy::default(),
            people: People::default(),
            commits: BTreeMap::from([(base, Commit { parent: None, content: Content::new() })]),
            tip: base,
            tested: BTreeMap::new(),
            with: BTreeMap::new(),
            landed: Vec::new(),
            quiet: 0,
            waits: BTreeMap::new(),
            seen: Seen::default(),
        };
        let target = "refs/heads/otto/p".into();
        world.tell(Fact::run(Kind::RunStarted { spec: world.plan.spec_commit, target, base }));
        world
    }

    /// What its journal says, one event a line.
    pub fn story(&self) -> String {
        let slice = |e: &Event| e.fact.slice.as_ref().map(|s| s.to_string()).unwrap_or_default();
        self.events.iter().map(|e| format!("{:>4} {} {:?}\n", e.seq, slice(e), e.fact.kind)).collect()
    }

    /// Plays until the run has come to its end.
    pub fn play(&mut self) -> Checked {
        for _ in 0..20_000 {
            if self.turn()? {
                return self.ends();
            }
        }
        Err("the run does not end".into())
    }

    /// One turn of the loop of a run, and one thing that comes to pass; whether the run is at its end.
    fn turn(&mut self) -> Result<bool, String> {
        self.listen()?;
        let judged = self.as_judged();
        let mut moves = lane::next(&self.plan, &judged, self.tip, &self.lane_as_judged(), self.depth);
        self.spoil(&mut moves);
        let mut none = moves.is_empty();
        for step in moves {
            if !self.perform(step)? {
                self.rise()?;
                return Ok(false);
            }
        }
        for step in schedule::next(&self.plan, &self.as_judged(), &self.busy) {
            none = false;
            match step {
                Step::Block(id, Stop { reason, detail, .. }) => {
                    self.of(&id, None, Kind::SliceBlocked { reason, detail })
                }
                Step::Build(id) => self.begin(&id)?,
                Step::Ask(..) | Step::Settle(..) => return Err("nobody asked for a contract".into()),
                // Whatever was asked for until then is answered first.
                Step::Audit | Step::Finish => return Ok(!self.is_asked()),
            }
        }
        if let Some(problem) = self.state.problems.first() {
            return Err(format!("the journal refuses: {problem}"));
        }
        self.people_are_heard()?;
        if none && self.busy.is_idle() {
            let still = asked::standstill(&self.plan, &self.state).ok_or("it stands still, and nobody wants it to")?;
            self.let_go(still)?;
            return Ok(false);
        }
        self.nothing_starves()?;
        if none || self.dice.once_in(2) {
            self.happens()?;
        }
        Ok(false)
    }

    fn nothing_starves(&mut self) -> Checked {
        let eligible: Vec<SliceId> = lane::eligible(&self.plan, &self.state).map(|(id, _)| id.clone()).collect();
        let waits = self.state.paused.is_none() && !eligible.is_empty();
        self.quiet = if waits { self.quiet + 1 } else { 0 };
        self.waits.retain(|id, _| waits && eligible.contains(id));
        for id in eligible.iter().filter(|_| waits) {
            *self.waits.entry(id.clone()).or_default() += 1;
        }
        if self.quiet > PATIENCE {
            return Err("nothing comes of the candidates".into());
        }
        match self.waits.iter().find(|(_, turns)| **turns > TURNS) {
            Some((id, _)) => Err(format!("nothing comes of `{id}`, whatever becomes of the others")),
            None => Ok(()),
        }
    }

    /// Something that is under way comes further, or something disturbs the run.
    fn happens(&mut self) -> Checked {
        if self.trouble > 0 && self.dice.once_in(8) {
            (self.trouble, self.quiet) = (self.trouble - 1, 0);
            self.waits.clear();
            return self.disturb();
        }
        let at_test = |e: &&Entry| matches!(e.stage, Stage::Merging | Stage::Testing(_));
        let tested = self.busy.lane.0.iter().filter(at_test).map(|e| (e.slice.clone(), false));
        let building = self.busy.building.iter().cloned().map(|id| (id, true));
        let all: Vec<(SliceId, bool)> = building.chain(tested).collect();
        let chosen = all.get(self.dice.below(all.len())).cloned();
        match chosen {
            Some((id, true)) => self.built(&id),
            Some((id, false)) => self.tests(&id),
            None => {}
        }
        Ok(())
    }

    fn disturb(&mut self) -> Checked {
        let n = self.dice.below(self.plan.spec.slices.len());
        match self.dice.below(10) {
            0 | 1 => {
                // A person commits to the target.
                let content = self.commits[&self.tip].content.clone();
                self.tip = self.put(Commit { parent: Some(self.tip), content });
                self.saw(What::Moved);
            }
            2 | 3 => {
                self.saw(What::Died);
                self.busy = Busy::default();
                if self.dice.once_in(2) {
                    // Whoever asks owns the run for that moment.
                    self.ask();
                    self.settle()?;
                }
                self.rise()?;
            }
            4 => {
                self.saw(What::Amended);
                self.amend(n);
            }
            // Several terminals ask at once, or one does.
            _ => (0..1 + self.dice.below(3)).for_each(|_| self.ask()),
        }
        Ok(())
    }

    /// The run goes over to another version of its spec, and a slice is built anew.
    fn amend(&mut self, n: usize) {
        let mut spec = (*self.plan.spec).clone();
        spec.slices[n].title.push('!');
        let by = oid(&[self.seed, self.dice.roll()]);
        let next = Plan::new(by, spec, self.plan.limits.clone());
        self.tell(Fact::run(Kind::RunAmended { spec: by }));
        for (slice, r#gen) in invalidated(&self.plan, &next) {
            self.busy.building.remove(&slice);
            self.tell(Fact::slice(&slice, r#gen, None, Kind::SliceInvalidated { by, request: None }));
        }
        self.plan = next;
    }

    /// The process dies and another one takes the run up: it knows what the journal says, and sees the target.
    pub(super) fn rise(&mut self) -> Checked {
        let mut state = RunState::default();
        self.events.iter().for_each(|event| state.apply(event));
        if state != self.state {
            return Err("the journal does not tell what the process knew".into());
        }
        (self.busy, self.quiet) = (Busy::default(), 0);
        self.taken_up();
        let looks = self.flaw != Some(Flaw::ForgetsLanded);
        for slice in self.plan.spec.clone().slices.iter().filter(|_| looks) {
            let now = self.now(&slice.id);
            let merge = now.merge.as_ref().filter(|_| now.phase == Phase::Merging);
            if merge.is_some_and(|m| self.way().any(|at| at == m.commit)) {
                self.record_landing(&slice.id);
            }
        }
        Ok(())
    }

    /// The target and what it stands on.
    fn way(&self) -> impl Iterator<Item = Oid> {
        std::iter::successors(Some(self.tip), |at| self.commits[at].parent)
    }

    /// An agent begins. It builds on the target.
    fn begin(&mut self, id: &SliceId) -> Checked {
        self.may_go_on(id, "begun")?;
        let ready = |o: &Slice| {
            let open = matches!(self.now(&o.id).phase, Phase::Pending | Phase::Building | Phase::Checking);
            open && !self.busy.has(&o.id) && o.deps.iter().all(|dep| self.now(dep).phase.is_done())
        };
        self.is_next(id, "begun", ready)?;
        self.busy.building.insert(id.clone());
        self.of(id, None, Kind::SliceStarted { base: self.tip, green: Vec::new() });
        let now = self.now(id);
        let n = now.open_attempt().map_or(now.last_attempt() + 1, |a| a.n);
        self.of(
            id,
            Some(n),
            Kind::AgentStarted { provider: "a".into(), role: "build".into(), session: None, told: vec![] },
        );
        Ok(())
    }

    fn built(&mut self, id: &SliceId) {
        self.busy.building.remove(id);
        let Some(n) = self.now(id).open_attempt().map(|a| a.n) else { return };
        let (cost, summary) = (Cost::default(), String::new());
        self.of(id, Some(n), Kind::AgentFinished { cost, duration_ms: 1, summary });
        // Some come to nothing, however often they are tried.
        if mix(self.seed ^ mix(index(id) ^ 77)).is_multiple_of(12) {
            let (reason, diff) = (AttemptFailure::Checks, Some(Sha256::of("the same")));
            self.of(id, Some(n), Kind::AttemptFailed { reason, detail: "red".into(), commit: None, diff });
            return;
        }
        let base = self.now(id).base.unwrap_or(self.tip);
        let mut content = self.commits[&base].content.clone();
        let with = content.keys().cloned().collect();
        content.insert(id.clone(), (self.dice.roll(), with));
        let candidate = self.put(Commit { parent: Some(base), content });
        self.of(id, Some(n), Kind::MergeEligible { candidate });
    }

    /// The merge of a slice in the lane is made, or its checks have ended.
    fn tests(&mut self, id: &SliceId) {
        let Some(entry) = self.busy.lane.get(id).cloned() else { return };
        let red = |reason, why: &str| Stage::Failed(reason, why.into());
        let stage = match entry.stage {
            Stage::Merging => {
                let mut content = self.commits[&entry.on].content.clone();
                content.insert(id.clone(), self.commits[&entry.candidate].content[id].clone());
                if self.clash(&content, id, 20) {
                    red(AttemptFailure::Conflict, "both changed it")
                } else {
                    let commit = self.put(Commit { parent: Some(entry.on), content });
                    let round = self.now(id).merge.as_ref().map_or(1, |m| m.round + 1);
                    let (candidate, tip, tree) = (entry.candidate, entry.on, commit);
                    self.of(id, None, Kind::MergeStarted { candidate, tip, commit, tree, round });
                    Stage::Testing(commit)
                }
            }
            Stage::Testing(commit) => {
                let flakes = self.trouble > 0 && self.dice.once_in(25);
                if flakes {
                    self.saw(What::Flaked);
                }
                let passes = !flakes && !self.clash(&self.commits[&commit].content, id, 10);
                self.tested.insert(commit, (passes, self.with[id].clone(), entry.spec));
                if passes { Stage::Passed(commit) } else { red(AttemptFailure::Integration, "red") }
            }
            other => other,
        };
        self.busy.lane.set(id, stage);
    }

    /// Whether a slice does not go together with another one in a tree: one pair in so many, unless one of them was built
    /// with the other.
    fn clash(&self, content: &Content, id: &SliceId, once_in: u64) -> bool {
        let (_, built_with) = &content[id];
        content.iter().any(|(other, (_, with))| {
            let (a, b) = (index(id).min(index(other)), index(id).max(index(other)));
            let pair = mix(self.seed ^ mix(a * 100 + b + once_in * 10_000));
            other != id && pair.is_multiple_of(once_in) && !built_with.contains(other) && !with.contains(id)
        })
    }

    /// The slices that are on the target.
    fn done(&self) -> BTreeSet<SliceId> {
        let ids = self.plan.spec.slices.iter().map(|s| &s.id);
        ids.filter(|id| self.now(id).phase.is_done()).cloned().collect()
    }

    /// Does what the lane asks for; whether the process lives on.
    fn perform(&mut self, step: Move) -> Result<bool, String> {
        match step {
            Move::Try(entry, ahead) => {
                let mut with = self.done();
                let needs = self.plan.spec.slice(&entry.slice).map(|s| s.deps.clone()).unwrap_or_default();
                if !needs.iter().all(|dep| with.contains(dep)) {
                    return Err(format!("`{}` is tried before what it needs has landed", entry.slice));
                }
                self.may_go_on(&entry.slice, "tried")?;
                let waits = |o: &Slice| {
                    let waits = matches!(self.now(&o.id).phase, Phase::Eligible | Phase::Merging);
                    waits && self.busy.lane.get(&o.id).is_none() && o.deps.iter().all(|dep| with.contains(dep))
                };
                self.is_next(&entry.slice, "tried", waits)?;
                with.extend(ahead.into_iter().filter(|_| self.flaw != Some(Flaw::ForgetsAhead)));
                self.with.insert(entry.slice.clone(), with);
                self.busy.lane.push(entry);
            }
            Move::Drop(id) => {
                self.busy.lane.remove(&id);
                self.saw(What::Dropped);
            }
            Move::GiveBack(id) => {
                let entry = self.busy.lane.get(&id).cloned().ok_or("it is not in the lane")?;
                let Stage::Failed(reason, detail) = entry.stage else {
                    return Err(format!("`{id}` is given back and has not failed"));
                };
                if entry.on != self.tip {
                    return Err(format!("`{id}` is given back for what it came to on a guess"));
                }
                self.busy.lane.remove(&id);
                if self.flaw == Some(Flaw::RepairsNothing) {
                    return Ok(true);
                }
                self.of(&id, None, Kind::MergeRepair { reason, detail });
                self.quiet = 0;
                self.saw(What::GivenBack);
            }
            Move::Land(id) => return self.land(&id),
        }
        Ok(true)
    }

    fn land(&mut self, id: &SliceId) -> Result<bool, String> {
        let merge = self.now(id).merge.clone().ok_or("it lands without a merge")?;
        // The swap expects the target where it was tested on.
        if merge.tip != self.tip && self.flaw != Some(Flaw::LandsElsewhere) {
            return Ok(true);
        }
        if self.commits[&merge.commit].parent != Some(self.tip) {
            return Err(format!("`{id}` was tested on something else than the target"));
        }
        match self.tested.get(&merge.commit) {
            None => return Err(format!("`{id}` landed untested")),
            Some((false, ..)) => return Err(format!("`{id}` landed and did not pass")),
            Some((true, with, _)) if *with != self.done() => return Err(format!("other checks were due for `{id}`")),
            Some((true, _, spec)) if *spec != self.plan.spec_commit => {
                return Err(format!("`{id}` was judged by an older version of the spec"));
            }
            Some((true, ..)) => {}
        }
        self.may_go_on(id, "landed")?;
        let which = (id.clone(), self.plan.generation(id));
        if self.landed.contains(&which) {
            return Err(format!("`{id}` landed twice"));
        }
        self.landed.push(which);
        (self.tip, self.quiet) = (merge.commit, 0);
        self.saw(What::Landed);
        if self.trouble > 0 && self.dice.once_in(6) {
            self.trouble -= 1;
            self.saw(What::DiedLanding);
            return Ok(false);
        }
        self.record_landing(id);
        self.busy.lane.remove(id);
        Ok(true)
    }

    fn record_landing(&mut self, id: &SliceId) {
        if let Some(m) = self.now(id).merge.clone() {
            self.of(id, None, Kind::MergeLanded { commit: m.commit, tree: m.tree, tip: m.tip });
        }
    }

    /// Builds the flaw into what the lane asks for.
    fn spoil(&self, moves: &mut Vec<Move>) {
        let first = |stage: fn(&Stage) -> bool| {
            let found = self.busy.lane.0.iter().find(|e| stage(&e.stage));
            found.map(|e| e.slice.clone())
        };
        match self.flaw {
            Some(Flaw::LandsUntested) => moves.extend(first(|s| matches!(s, Stage::Testing(_))).map(Move::Land)),
            Some(Flaw::LandsFailed) => moves.iter_mut().for_each(|m| {
                if let Move::GiveBack(id) = m {
                    *m = Move::Land(id.clone());
                }
            }),
            Some(Flaw::LandsElsewhere) => {
                let stale = |e: &&Entry| matches!(e.stage, Stage::Passed(_)) && e.on != self.tip;
                let found = self.busy.lane.0.iter().find(stale).map(|e| Move::Land(e.slice.clone()));
                moves.splice(0..0, found);
            }
            Some(Flaw::JudgesEarly) => {
                moves.retain(|m| !matches!(m, Move::GiveBack(_)));
                moves.splice(0..0, first(|s| matches!(s, Stage::Failed(..))).map(Move::GiveBack));
            }
            Some(Flaw::KeepsStale) => moves.retain(|m| !matches!(m, Move::Drop(_))),
            Some(Flaw::KeepsFailed) => moves.retain(|m| !matches!(m, Move::GiveBack(_))),
            _ => {}
        }
    }

    /// What has to hold at the end.
    fn ends(&self) -> Checked {
        if let Some(open) = self.state.requests.iter().find(|r| r.result.is_none()) {
            return Err(format!("nobody has answered {} ({})", open.id, open.action));
        }
        if let Some(open) = self.plan.spec.slices.iter().find(|s| !self.now(&s.id).phase.is_final()) {
            return Err(format!("`{}` is left open", open.id));
        }
        let told: Vec<Oid> = self.state.landings.iter().rev().map(|(_, commit)| *commit).collect();
        let on_target: Vec<Oid> = self.way().filter(|at| self.tested.contains_key(at)).collect();
        if told != on_target {
            return Err("the journal's landings are not those on the target, in their order".into());
        }
        match self.busy.lane == Entries::default() {
            true => Ok(()),
            false => Err("something is left in the lane".into()),
        }
    }

    pub(super) fn now(&self, id: &SliceId) -> &SliceState {
        current(&self.plan, &self.state, id)
    }

    pub(super) fn of(&mut self, id: &SliceId, attempt: Option<u32>, kind: Kind) {
        self.tell(Fact::slice(id, self.plan.generation(id), attempt, kind));
    }

    pub(super) fn tell(&mut self, fact: Fact) {
        let n = self.events.len() as u64 + 1;
        let (ts, prev) = (Timestamp::from_secs(n as i64), String::new());
        let event = Event { v: 1, id: format!("a-{n}"), seq: n, lamport: n, ts, prev, fact };
        self.state.apply(&event);
        self.events.push(event);
    }

    fn put(&mut self, commit: Commit) -> Oid {
        let id = oid(&[self.seed, self.commits.len() as u64, 1]);
        self.commits.insert(id, commit);
        id
    }

    pub(super) fn saw(&mut self, what: What) {
        self.seen.0[what as usize] += 1;
    }
}

fn index(id: &SliceId) -> u64 {
    id.as_str().trim_start_matches('s').parse().unwrap()
}

fn oid(parts: &[u64]) -> Oid {
    let mixed = parts.iter().fold(1, |a, b| mix(a ^ mix(*b)));
    format!("{mixed:016x}{:016x}{:08x}", mix(mixed), mixed as u32).parse().unwrap()
}
