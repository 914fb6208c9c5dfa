//! Runs in which agents ask for contracts at every turn, owners fail, people interfere and processes die: whoever waits is
//! settled, and nobody's owner is asked more often than it may be.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    base::{Cost, Oid, Timestamp},
    journal::{
        event::{AttemptFailure, Event},
        state::Attempt,
    },
    plan::{
        model::Plan,
        schedule::{self, tests::plan},
    },
    spec::model::{Contract, ContractMode},
};

/// A run that is played: what it knows is what its journal says.
struct Play {
    plan: Plan,
    events: Vec<Event>,
    state: RunState,
    rolls: Vec<u8>,
    turn: usize,
}

fn oid() -> Oid {
    "1".repeat(40).parse().unwrap()
}

/// Every slice owns a contract of its own.
fn contracted(deps: &[Vec<usize>], jobs: u32) -> Plan {
    let bare = plan(deps, jobs);
    let mut spec = (*bare.spec).clone();
    spec.contracts = spec.slices.iter().map(|s| of(&s.id)).collect();
    Plan::new(oid(), spec, bare.limits)
}

fn of(owner: &SliceId) -> Contract {
    let (path, exports, probes) = (format!("{owner}/api"), Vec::new(), Vec::new());
    Contract { path, owner: owner.clone(), mode: ContractMode::Semantic, exports, probes }
}

impl Play {
    fn new(plan: Plan, rolls: Vec<u8>) -> Play {
        let mut play = Play { plan, events: Vec::new(), state: RunState::default(), rolls, turn: 0 };
        let started = Kind::RunStarted { spec: oid(), target: "refs/heads/x".into(), base: oid() };
        play.tell(Fact::run(started));
        play
    }

    fn dice(&mut self, sides: u8) -> u8 {
        self.turn += 1;
        let round = (self.turn / self.rolls.len()) as u8;
        self.rolls[self.turn % self.rolls.len()].wrapping_add(round) % sides
    }

    fn tell(&mut self, fact: Fact) {
        let seq = self.events.len() as u64 + 1;
        let (id, ts, prev) = (format!("w-{seq}"), Timestamp::from_secs(seq as i64), String::new());
        let event = Event { v: 1, id, seq, lamport: seq, ts, prev, fact };
        self.state.apply(&event);
        self.events.push(event);
    }

    fn of(&mut self, id: &SliceId, attempt: Option<u32>, kind: Kind) {
        self.tell(Fact::slice(id, self.plan.generation(id), attempt, kind));
    }

    fn id(&self, n: usize) -> SliceId {
        self.plan.spec.slices[n].id.clone()
    }

    fn now(&self, n: usize) -> &SliceState {
        current(&self.plan, &self.state, &self.plan.spec.slices[n].id)
    }

    fn steps(&self) -> Vec<Step> {
        schedule::next(&self.plan, &self.state, &Busy::default())
    }

    /// Does a step at once; false at the end of the run.
    fn perform(&mut self, step: Step) -> bool {
        match step {
            Step::Block(id, stop) => stopped(&self.plan, &self.state, &id, stop).into_iter().for_each(|f| self.tell(f)),
            Step::Settle(id, lost) => {
                settled(&self.plan, &self.state, &id, lost).into_iter().for_each(|f| self.tell(f))
            }
            Step::Ask(owner, path) => self.tell(asked(&self.plan, &owner, path)),
            Step::Build(id) => self.attempt(&id),
            Step::Audit | Step::Finish => return false,
        }
        true
    }

    /// An agent begins; the number of its attempt.
    fn begin(&mut self, id: &SliceId) -> u32 {
        let now = current(&self.plan, &self.state, id).clone();
        assert!(now.waits_for().is_none(), "{id} is set aside");
        if now.task.is_none() && now.base.is_none() {
            self.of(id, None, Kind::SliceStarted { base: oid(), green: Vec::new() });
        }
        let n = now.open_attempt().map_or(now.last_attempt() + 1, |a| a.n);
        let told = needs::of_owner(&self.plan, &self.state, id).into_iter().map(|(_, w)| w.id.clone()).collect();
        let (provider, role) = ("a".to_owned(), "build".to_owned());
        self.of(id, Some(n), Kind::AgentStarted { provider, role, session: None, told });
        n
    }

    /// Its attempt passes.
    fn pass(&mut self, id: &SliceId, n: u32) {
        let ended = Kind::AgentFinished { cost: Cost::default(), duration_ms: 1, summary: String::new() };
        self.of(id, Some(n), ended);
        self.of(id, Some(n), Kind::MergeEligible { candidate: oid() });
    }

    /// What has passed lands.
    fn land(&mut self, id: &SliceId) {
        let (commit, tip) = ("2".repeat(40).parse().unwrap(), oid());
        let merge = Kind::MergeStarted { candidate: oid(), tip, commit, tree: oid(), round: 1 };
        self.of(id, None, merge);
        self.of(id, None, Kind::MergeLanded { commit, tree: oid(), tip });
    }

    /// All of that.
    fn build(&mut self, id: &SliceId) {
        let n = self.begin(id);
        self.pass(id, n);
        self.land(id);
    }

    /// An agent is at work, and something comes of it.
    fn attempt(&mut self, id: &SliceId) {
        let n = self.begin(id);
        let failed = |reason| Kind::AttemptFailed { reason, detail: format!("{n}"), commit: None, diff: None };
        match self.dice(8) {
            // The process died: the attempt begins anew.
            0 => {}
            1 => self.of(id, Some(n), failed(AttemptFailure::Agent)),
            2..5 => {
                let other = self.dice(self.plan.spec.slices.len() as u8) as usize;
                let path = format!("{}/api", self.id(other));
                match needs::owner(&self.plan, &self.state, id, &path).cloned() {
                    Ok(owner) => {
                        let candidate = Some(oid()).filter(|_| self.dice(2) == 0);
                        self.of(id, Some(n), Kind::ContractBlocked { path, owner, candidate });
                    }
                    Err(_) => self.of(id, Some(n), failed(AttemptFailure::Checks)),
                }
            }
            _ => self.pass(id, n),
        }
    }

    /// What waits in the queue lands, or goes back.
    fn lane(&mut self) {
        for n in 0..self.plan.spec.slices.len() {
            let (id, now) = (self.id(n), self.now(n).clone());
            let deps = self.plan.spec.slices[n].deps.clone();
            let may = deps.iter().all(|d| current(&self.plan, &self.state, d).is_done());
            if now.phase != Phase::Eligible || !may {
                continue;
            }
            if self.dice(4) == 0 {
                self.of(&id, None, Kind::MergeRepair { reason: AttemptFailure::Conflict, detail: "red".into() });
                continue;
            }
            self.land(&id);
        }
    }

    /// A person stops a slice.
    fn disturb(&mut self) {
        let n = self.dice(self.plan.spec.slices.len() as u8) as usize;
        let id = self.id(n);
        if !self.now(n).phase.is_final() {
            let stop = Stop { reason: BlockReason::Skipped, detail: "by a person".into(), over: None };
            stopped(&self.plan, &self.state, &id, stop).into_iter().for_each(|f| self.tell(f));
        }
    }

    fn play(&mut self) {
        for _ in 0..2000 {
            let steps = self.steps();
            let idle =
                steps.is_empty() && !(0..self.plan.spec.slices.len()).any(|n| self.now(n).phase == Phase::Eligible);
            assert!(!idle, "nothing is left to do, and the run is not at its end");
            for step in steps {
                if !self.perform(step) {
                    return;
                }
            }
            self.lane();
            if self.dice(16) == 0 {
                self.disturb();
            }
            // Whoever takes the run up knows the same.
            let mut again = RunState::default();
            self.events.iter().for_each(|event| again.apply(event));
            assert_eq!(again, self.state);
            assert_eq!(self.state.problems, Vec::<String>::new());
        }
        panic!("the run does not end");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_waits_is_settled_and_no_owner_is_asked_more_than_twice(
        edges in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..7),
        jobs in 1_u32..4,
        rolls in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let deps = edges.iter().enumerate().map(|(n, of)| {
            let mut deps: Vec<usize> = of.iter().filter(|_| n > 0).map(|i| i.index(n.max(1))).collect();
            deps.sort();
            deps.dedup();
            deps
        });
        let mut play = Play::new(contracted(&deps.collect::<Vec<_>>(), jobs), rolls);
        play.play();
        let mut tasks: BTreeMap<(SliceId, String), usize> = BTreeMap::new();
        for event in &play.events {
            if let Kind::ContractBlocked { path, .. } = &event.fact.kind {
                *tasks.entry((event.fact.slice.clone().unwrap(), path.clone())).or_default() += 1;
            }
        }
        prop_assert!(tasks.values().all(|n| *n <= needs::MOST), "{:?}", tasks);
        for slice in &play.plan.spec.slices {
            let now = current(&play.plan, &play.state, &slice.id);
            prop_assert!(now.phase.is_final() && now.task.is_none(), "{}: {:?}", slice.id, now.phase);
            // What landed stays, whatever came of tasks after that.
            prop_assert_eq!(now.landing.is_some(), now.phase == Phase::Landed);
            let open = now.waits.iter().filter(|w| w.settled.is_none()).count();
            let stopped = now.blocked.as_ref().is_some_and(|(why, _)| *why != BlockReason::Contract);
            prop_assert!(open == 0 || (open == 1 && stopped), "{}: {:?}", slice.id, now);
            for wait in now.waits.iter().filter(|w| matches!(w.settled, Some((true, _)))) {
                let owner = current(&play.plan, &play.state, &wait.owner);
                prop_assert!(owner.attempts.iter().any(|a| a.told.contains(&wait.id)), "{:?}", wait);
            }
        }
    }
}

/// The owner of a contract, two slices built on it, and a play in which the first has landed and the others begun.
fn begun() -> (Play, [SliceId; 3]) {
    let mut play = Play::new(contracted(&[vec![], vec![0], vec![0]], 3), vec![7]);
    let ids = [0, 1, 2].map(|n| play.id(n));
    play.build(&ids[0]);
    assert_eq!(play.now(0).phase, Phase::Landed);
    (play, ids)
}

fn waits(play: &mut Play, id: &SliceId, path: &str, candidate: Option<Oid>) {
    let owner = needs::owner(&play.plan, &play.state, id, path).unwrap().clone();
    let n = play.begin(id);
    let asks = Kind::AmendmentRequested { reason: "needs it".into(), change: None, contract: Some(path.into()) };
    play.of(id, Some(n), asks);
    play.of(id, Some(n), Kind::ContractBlocked { path: path.into(), owner, candidate });
}

#[test]
fn two_who_wait_share_a_task_and_go_on_from_where_each_was() {
    let (mut play, [owner, a, b]) = begun();
    waits(&mut play, &a, "s0/api", Some(oid()));
    assert_eq!(play.now(1).waits_for().unwrap().reason, "needs it");
    assert_eq!(play.now(1).not_to_retry(), None, "a person may have it begin anew");
    waits(&mut play, &b, "s0/api", None);
    assert_eq!(play.steps(), [Step::Ask(owner.clone(), "s0/api".into())]);
    play.perform(Step::Ask(owner.clone(), "s0/api".into()));
    assert!(play.now(0).is_done() && play.now(0).not_to_retry().is_some(), "it is on the target all the while");
    assert_eq!(play.steps(), [Step::Build(owner.clone())]);
    let bounded = needs::bounded(&play.plan, &play.state, &play.plan.spec.slices[0]).unwrap();
    assert_eq!(bounded.owned_paths, ["s0/api"]);
    play.build(&owner);
    assert_eq!(play.steps(), [Step::Settle(a.clone(), None), Step::Settle(b.clone(), None)]);
    for step in play.steps() {
        play.perform(step);
    }
    assert_eq!((play.now(1).phase, play.now(1).candidate), (Phase::Eligible, Some(oid())), "only its merge is made");
    assert_eq!(play.steps(), [Step::Build(b)]);
    assert_eq!(play.now(2).open_attempt().unwrap().n, 1, "the same attempt goes on");
    assert_eq!(play.state.landings.len(), 2);
}

#[test]
fn who_came_too_late_for_a_task_gets_another_one() {
    let (mut play, [owner, a, b]) = begun();
    waits(&mut play, &a, "s0/api", Some(oid()));
    play.perform(Step::Ask(owner.clone(), "s0/api".into()));
    let n = play.begin(&owner);
    waits(&mut play, &b, "s0/api", Some(oid()));
    play.pass(&owner, n);
    play.land(&owner);
    assert_eq!(play.steps(), [Step::Settle(a, None), Step::Ask(owner, "s0/api".into())]);
    let told: Vec<&Attempt> = play.now(0).attempts.iter().filter(|a| !a.told.is_empty()).collect();
    assert_eq!(told.len(), 1);
}

#[test]
fn a_task_that_fails_blocks_all_who_wait_and_leaves_what_landed() {
    let (mut play, [owner, a, b]) = begun();
    let before = play.now(0).merge.clone();
    waits(&mut play, &a, "s0/api", Some(oid()));
    waits(&mut play, &b, "s0/api", None);
    play.perform(Step::Ask(owner.clone(), "s0/api".into()));
    for n in 2..5 {
        assert_eq!(play.steps(), [Step::Build(owner.clone())]);
        assert_eq!(play.begin(&owner), n);
        let (reason, detail) = (AttemptFailure::Agent, "it crashed".to_owned());
        play.of(&owner, Some(n), Kind::AttemptFailed { reason, detail, commit: None, diff: None });
    }
    let steps = play.steps();
    let [Step::Block(_, stop)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!(stop.detail, "3 attempts failed: it crashed", "those before the task do not count");
    play.perform(steps[0].clone());
    assert_eq!((play.now(0).phase, &play.now(0).merge), (Phase::Landed, &before));
    let why = "`s0`, which owns `s0/api`, could not change it: 3 attempts failed: it crashed".to_owned();
    assert_eq!(play.steps(), [Step::Settle(a.clone(), Some(why.clone())), Step::Settle(b, Some(why.clone()))]);
    play.perform(play.steps()[0].clone());
    assert_eq!(play.now(1).blocked, Some((BlockReason::Contract, why)));
}

#[test]
fn an_owner_that_has_not_landed_is_told_with_its_next_attempt_and_settles_by_landing() {
    let mut play = Play::new(contracted(&[vec![], vec![]], 2), vec![7]);
    let [owner, a] = [0, 1].map(|n| play.id(n));
    waits(&mut play, &a, "s0/api", Some(oid()));
    assert_eq!(play.steps(), [Step::Build(owner.clone())]);
    play.build(&owner);
    assert_eq!(play.steps(), [Step::Settle(a, None)], "no task is needed");
}

#[test]
fn who_waits_for_each_other_is_found_out() {
    let mut play = Play::new(contracted(&[vec![], vec![], vec![1]], 3), vec![7]);
    let [a, b, c] = [0, 1, 2].map(|n| play.id(n));
    waits(&mut play, &a, "s1/api", None);
    let refused = |play: &Play, id, path| needs::owner(&play.plan, &play.state, id, path).unwrap_err();
    assert!(refused(&play, &b, "s0/api").contains("waits for this slice itself"));
    assert!(refused(&play, &b, "s2/api").contains("waits for this slice itself"), "what is built on it");
    assert!(refused(&play, &b, "s1/api").contains("this slice's own"));
    assert!(refused(&play, &b, "x").contains("there are `s0/api`, `s1/api`, `s2/api`"));
    assert!(needs::owner(&play.plan, &play.state, &c, "s1/api").is_ok());
    // Two that asked at one moment.
    let n = play.begin(&b);
    play.of(&b, Some(n), Kind::ContractBlocked { path: "s0/api".into(), owner: a.clone(), candidate: None });
    let steps = play.steps();
    assert!(
        matches!(&steps[..], [Step::Settle(x, Some(_)), Step::Settle(y, Some(_))] if *x == a && *y == b),
        "{steps:?}"
    );
}

#[test]
fn an_owner_that_is_blocked_or_whom_nobody_needs_any_more_is_not_waited_for() {
    let (mut play, [owner, a, _]) = begun();
    waits(&mut play, &a, "s0/api", None);
    play.perform(Step::Ask(owner.clone(), "s0/api".into()));
    let skipped = || Stop { reason: BlockReason::Skipped, detail: "by a person".into(), over: None };
    stopped(&play.plan, &play.state, &a, skipped()).into_iter().for_each(|f| play.tell(f));
    let steps = play.steps();
    assert!(steps.iter().any(|s| matches!(s, Step::Block(id, _) if *id == owner)), "{steps:?}");

    let mut play = Play::new(contracted(&[vec![], vec![]], 2), vec![7]);
    let [owner, a] = [0, 1].map(|n| play.id(n));
    waits(&mut play, &a, "s0/api", None);
    stopped(&play.plan, &play.state, &owner, skipped()).into_iter().for_each(|f| play.tell(f));
    let why = "`s0`, which owns `s0/api`, is blocked: by a person".to_owned();
    assert_eq!(play.steps(), [Step::Settle(a, Some(why))]);
}
