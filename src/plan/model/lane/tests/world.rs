//! A world in which a run is played: a target that others move too, agents, checks that come out red and green, people, and
//! processes that die. What the run knows is what its journal says.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Cost, Oid, Sha256, SliceId, Timestamp},
    journal::{
        event::{AttemptFailure, BlockReason, Event, Fact, Kind},
        state::{Phase, RunState, SliceState},
    },
    plan::{
        model::{
            Plan, current, invalidated,
            lane::{self, Entries, Entry, Move, Stage},
        },
        schedule::{self, Busy, Step, Stop, tests::plan},
    },
};

/// A flaw of the lane, as somebody might build it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It lands what is still under test.
    LandsUntested,
    /// It lands what has failed.
    LandsFailed,
    /// It lands what was tested on something else than the target.
    LandsElsewhere,
    /// It takes a failure for a verdict while those before it may not land.
    JudgesEarly,
    /// Those before it do not count when its checks are chosen.
    ForgetsAhead,
    /// It keeps what does not stand where it should.
    KeepsStale,
    /// It does not look at the target after a crash.
    ForgetsLanded,
    /// It never gives anything back.
    KeepsFailed,
}

impl Flaw {
    pub const ALL: [Flaw; 8] = [
        Flaw::LandsUntested,
        Flaw::LandsFailed,
        Flaw::LandsElsewhere,
        Flaw::JudgesEarly,
        Flaw::ForgetsAhead,
        Flaw::KeepsStale,
        Flaw::ForgetsLanded,
        Flaw::KeepsFailed,
    ];
}

/// How often what happened, by [`What`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen([u64; 9]);

#[derive(Clone, Copy)]
enum What {
    Landed,
    GivenBack,
    Dropped,
    Moved,
    Died,
    DiedLanding,
    Flaked,
    Amended,
    Cancelled,
}

impl Seen {
    pub fn all(&self) -> bool {
        self.0.iter().all(|n| *n > 0)
    }
    pub fn add(&mut self, other: Seen) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a += b);
    }
}

/// What a tree holds of each slice: which candidate, and the slices that this one was built with.
type Content = BTreeMap<SliceId, (u64, BTreeSet<SliceId>)>;

/// A commit: its parent and what its tree holds.
struct Commit {
    parent: Option<Oid>,
    content: Content,
}

/// A small generator (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
    fn below(&mut self, n: usize) -> usize {
        (self.roll() % n.max(1) as u64) as usize
    }
    fn once_in(&mut self, n: u64) -> bool {
        self.roll().is_multiple_of(n)
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

type Checked = Result<(), String>;

pub struct World {
    seed: u64,
    dice: Dice,
    flaw: Option<Flaw>,
    depth: usize,
    /// How many more times something disturbs the run.
    trouble: u32,
    plan: Plan,
    events: Vec<Event>,
    state: RunState,
    busy: Busy,
    commits: BTreeMap<Oid, Commit>,
    tip: Oid,
    /// What was tested: whether it passed, and which slices counted as landed.
    tested: BTreeMap<Oid, (bool, BTreeSet<SliceId>)>,
    /// The slices that count as landed for what is in the lane.
    with: BTreeMap<SliceId, BTreeSet<SliceId>>,
    /// What our landings have brought, each slice with its generation.
    landed: Vec<(SliceId, Sha256)>,
    /// Turns since something came of a candidate or disturbed the run, while there was a candidate.
    quiet: u32,
    pub seen: Seen,
}

/// In so many turns without a disturbance something comes of a candidate, where there is one.
const PATIENCE: u32 = 400;

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
            commits: BTreeMap::from([(base, Commit { parent: None, content: Content::new() })]),
            tip: base,
            tested: BTreeMap::new(),
            with: BTreeMap::new(),
            landed: Vec::new(),
            quiet: 0,
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
        for step in schedule::next(&self.plan, &self.state, &self.busy) {
            match step {
                Step::Block(id, Stop { reason, detail, .. }) => {
                    self.of(&id, None, Kind::SliceBlocked { reason, detail })
                }
                Step::Build(id) => self.begin(&id),
                Step::Audit | Step::Finish => return Ok(true),
            }
        }
        let mut moves = lane::next(&self.plan, &self.state, self.tip, &self.busy.lane, self.depth);
        self.spoil(&mut moves);
        let none = moves.is_empty();
        for step in moves {
            if !self.perform(step)? {
                self.rise()?;
                return Ok(false);
            }
        }
        if let Some(problem) = self.state.problems.first() {
            return Err(format!("the journal refuses: {problem}"));
        }
        let waits = lane::eligible(&self.plan, &self.state).next().is_some();
        self.quiet = if waits { self.quiet + 1 } else { 0 };
        if self.quiet > PATIENCE {
            return Err("nothing comes of the candidates".into());
        }
        if none || self.dice.once_in(2) {
            self.happens()?;
        }
        Ok(false)
    }

    /// Something that is under way comes further, or something disturbs the run.
    fn happens(&mut self) -> Checked {
        if self.trouble > 0 && self.dice.once_in(8) {
            (self.trouble, self.quiet) = (self.trouble - 1, 0);
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
        match self.dice.below(5) {
            0 | 1 => {
                // A person commits to the target.
                let content = self.commits[&self.tip].content.clone();
                self.tip = self.put(Commit { parent: Some(self.tip), content });
                self.saw(What::Moved);
            }
            2 => {
                self.saw(What::Died);
                self.rise()?;
            }
            3 => {
                self.saw(What::Amended);
                self.amend(n);
            }
            _ => {
                let id = self.plan.spec.slices[n].id.clone();
                if !self.now(&id).phase.is_final() && self.dice.once_in(2) {
                    self.saw(What::Cancelled);
                    self.busy.building.remove(&id);
                    let detail = "a person does not want it".into();
                    self.of(&id, None, Kind::SliceBlocked { reason: BlockReason::Skipped, detail });
                }
            }
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
    fn rise(&mut self) -> Checked {
        let mut state = RunState::default();
        self.events.iter().for_each(|event| state.apply(event));
        if state != self.state {
            return Err("the journal does not tell what the process knew".into());
        }
        (self.busy, self.quiet) = (Busy::default(), 0);
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
    fn begin(&mut self, id: &SliceId) {
        self.busy.building.insert(id.clone());
        self.of(id, None, Kind::SliceStarted { base: self.tip, green: Vec::new() });
        let now = self.now(id);
        let n = now.open_attempt().map_or(now.last_attempt() + 1, |a| a.n);
        self.of(id, Some(n), Kind::AgentStarted { provider: "a".into(), role: "build".into(), session: None });
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
                self.tested.insert(commit, (passes, self.with[id].clone()));
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
        match self.tested.get(&merge.commit) {
            None => return Err(format!("`{id}` landed untested")),
            Some((false, _)) => return Err(format!("`{id}` landed and did not pass")),
            Some((true, with)) if *with != self.done() => return Err(format!("other checks were due for `{id}`")),
            Some((true, _)) => {}
        }
        if self.commits[&merge.commit].parent != Some(self.tip) {
            return Err(format!("`{id}` was tested on something else than the target"));
        }
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
                *moves = first(|s| matches!(s, Stage::Passed(_))).map(Move::Land).into_iter().collect()
            }
            Some(Flaw::JudgesEarly) => {
                moves.retain(|m| !matches!(m, Move::GiveBack(_)));
                moves.splice(0..0, first(|s| matches!(s, Stage::Failed(..))).map(Move::GiveBack));
            }
            Some(Flaw::KeepsStale) => moves.retain(|m| !matches!(m, Move::Drop(_))),
            Some(Flaw::KeepsFailed) => moves.retain(|m| !matches!(m, Move::GiveBack(_))),
            Some(Flaw::ForgetsAhead | Flaw::ForgetsLanded) | None => {}
        }
    }

    /// What has to hold at the end.
    fn ends(&self) -> Checked {
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

    fn now(&self, id: &SliceId) -> &SliceState {
        current(&self.plan, &self.state, id)
    }

    fn of(&mut self, id: &SliceId, attempt: Option<u32>, kind: Kind) {
        self.tell(Fact::slice(id, self.plan.generation(id), attempt, kind));
    }

    fn tell(&mut self, fact: Fact) {
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

    fn saw(&mut self, what: What) {
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
