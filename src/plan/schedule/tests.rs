use proptest::prelude::*;

use super::*;
use crate::{
    base::{Oid, Sha256},
    journal::{
        event::{Finding, Verdict},
        state::{Attempt, Audit},
    },
    plan::model::{
        Plan, generation,
        lane::{self, Entry, Move, Stage},
    },
    spec::model::{Cli, Command, FileBlock, FileMode, ProjectKind, Slice, Spec, Structure},
    store::run::Limits,
};

fn spec(deps: &[Vec<usize>]) -> Spec {
    let id = |n: usize| format!("s{n}").parse::<SliceId>().unwrap();
    let slice = |n: usize| Slice {
        id: id(n),
        title: String::new(),
        requirements: Vec::new(),
        tasks: Vec::new(),
        deps: deps[n].iter().map(|d| id(*d)).collect(),
        owned_paths: vec![format!("s{n}/")],
        checks: Vec::new(),
    };
    let command = Command { name: "x".into(), summary: "x".into(), args: Vec::new(), exit_codes: Default::default() };
    Spec {
        schema: crate::spec::model::SCHEMA.into(),
        id: "p".parse().unwrap(),
        title: "P".into(),
        intent: String::new(),
        project_kind: ProjectKind::Cli,
        structure: Structure::Cli(Cli { entrypoint: "p".into(), commands: vec![command] }),
        requirements: Vec::new(),
        slices: (0..deps.len()).map(slice).collect(),
        cross_slice_checks: Vec::new(),
        shared_scaffold: Vec::new(),
        contracts: Vec::new(),
        services: Vec::new(),
        setup: Vec::new(),
        files: Vec::new(),
        non_goals: Vec::new(),
        done_means: Vec::new(),
        min_version: None,
    }
}

pub(in crate::plan) fn oid() -> Oid {
    "1234567890123456789012345678901234567890".parse().unwrap()
}

pub(in crate::plan) fn plan(deps: &[Vec<usize>], jobs: u32) -> Plan {
    Plan::new(oid(), spec(deps), Limits { jobs, ..Limits::default() })
}

pub(in crate::plan) fn at<'s>(plan: &Plan, state: &'s mut RunState, n: usize) -> &'s mut SliceState {
    let slice = &plan.spec.slices[n];
    let entry = state.slices.entry(slice.id.clone()).or_default();
    entry.r#gen = Some(generation(&plan.spec, slice));
    entry
}

pub(in crate::plan) fn failed(n: u32, reason: AttemptFailure, diff: &str) -> Attempt {
    let diff = (!diff.is_empty()).then(|| Sha256::of(diff));
    Attempt { n, failed: Some((reason, "why".into())), diff, ..Default::default() }
}

#[test]
fn people_reorder_hold_and_pause() {
    let plan = plan(&[vec![], vec![], vec![0], vec![]], 2);
    let mut state = RunState::default();
    let ids: Vec<SliceId> = plan.spec.slices.iter().map(|s| s.id.clone()).collect();
    let [s0, s1, s2, s3] = [0, 1, 2, 3].map(|n| ids[n].clone());
    let gone: SliceId = "gone".parse().unwrap();
    state.order = vec![s3.clone(), gone, s2.clone()];
    let order: Vec<&SliceId> = ordered(&plan, &state).into_iter().map(|s| &s.id).collect();
    assert_eq!(order, [&s3, &s2, &s0, &s1], "first what a person wants, as far as it is there, and each once");
    assert_eq!(next(&plan, &state, &Busy::default()), [Step::Build(s3.clone()), Step::Build(s0.clone())]);
    let held = crate::journal::state::Held { by: None, why: None, since: crate::base::Timestamp::from_millis(0) };
    state.held.insert(s0.clone(), held.clone());
    assert_eq!(next(&plan, &state, &Busy::default()), [Step::Build(s3.clone()), Step::Build(s1.clone())]);
    for n in [0, 1, 3] {
        at(&plan, &mut state, n).phase = Phase::Eligible;
    }
    for n in [0, 1, 3] {
        at(&plan, &mut state, n).candidate = Some(oid());
    }
    let tries = |state: &RunState| match lane::next(&plan, state, oid(), &Entries::default(), 1).pop() {
        Some(Move::Try(entry, _)) => Some(entry.slice),
        _ => None,
    };
    assert_eq!(tries(&state), Some(s3.clone()));
    state.held.insert(s3, held.clone());
    assert_eq!(tries(&state), Some(s1));
    state.paused = Some(held);
    assert_eq!((next(&plan, &state, &Busy::default()), tries(&state)), (vec![], None));
}

#[test]
fn slices_start_in_spec_order_once_what_they_need_is_done() {
    let plan = plan(&[vec![], vec![0], vec![], vec![]], 2);
    let mut state = RunState::default();
    let [s0, s1, s2, s3] = [0, 1, 2, 3].map(|n| plan.spec.slices[n].id.clone());
    let mut busy = Busy::default();
    assert_eq!(next(&plan, &state, &busy), [Step::Build(s0.clone()), Step::Build(s2.clone())]);
    busy.building.insert(s2.clone());
    at(&plan, &mut state, 0).phase = Phase::Landed;
    assert_eq!(next(&plan, &state, &busy), [Step::Build(s1.clone())]);
    at(&plan, &mut state, 3).phase = Phase::Eligible;
    assert_eq!(next(&plan, &state, &busy), [Step::Build(s1)], "a candidate is the lane's");
    let (on, stage) = (oid(), Stage::Merging);
    busy.lane.push(Entry { slice: s3.clone(), candidate: on, spec: on, on, stage });
    assert!(busy.has(&s3) && !busy.is_idle());
}

#[test]
fn dependents_of_a_blocked_slice_are_blocked_without_an_attempt_and_the_others_go_on() {
    let plan = plan(&[vec![], vec![0], vec![1], vec![]], 9);
    let mut state = RunState::default();
    at(&plan, &mut state, 0).phase = Phase::Blocked;
    let steps = next(&plan, &state, &Busy::default());
    let s = |n: usize| plan.spec.slices[n].id.clone();
    let dep_blocked = |why: &str| Stop { reason: BlockReason::DepBlocked, detail: why.into(), over: None };
    assert_eq!(steps, [Step::Block(s(1), dep_blocked("`s0` is blocked")), Step::Build(s(3))]);
    at(&plan, &mut state, 1).phase = Phase::Blocked;
    assert!(next(&plan, &state, &Busy::default()).contains(&Step::Block(s(2), dep_blocked("`s1` is blocked"))));
}

#[test]
fn a_result_of_an_older_generation_does_not_count() {
    let plan = plan(&[vec![]], 1);
    let mut state = RunState::default();
    at(&plan, &mut state, 0).phase = Phase::Landed;
    let id = plan.spec.slices[0].id.clone();
    state.slices.get_mut(&id).unwrap().r#gen = Some(Sha256::of("older"));
    assert_eq!(next(&plan, &state, &Busy::default()), [Step::Build(id)]);
}

#[test]
fn stop_rules_hold_in_their_order() {
    use AttemptFailure::*;
    let plan = plan(&[vec![]], 1);
    let reason = |attempts: Vec<Attempt>, change: fn(&mut SliceState)| {
        let mut slice = SliceState { attempts, ..Default::default() };
        change(&mut slice);
        stop(&plan, &RunState::default(), &slice).map(|stop| stop.reason)
    };
    let none: fn(&mut SliceState) = |_| {};
    assert_eq!(reason(vec![], none), None);
    assert_eq!(reason(vec![failed(1, Checks, "a"), failed(2, Checks, "b")], none), None);
    assert_eq!(reason(vec![failed(1, Checks, "a"), failed(2, Checks, "a")], none), Some(BlockReason::SameDiff));
    assert_eq!(reason(vec![failed(1, Agent, ""), failed(2, Agent, "")], none), None, "two crashes are no change");
    assert_eq!(
        reason(vec![failed(1, Checks, "a"), failed(2, Checks, "b"), failed(3, Checks, "c")], none),
        Some(BlockReason::Attempts)
    );
    assert_eq!(
        reason(vec![failed(1, Scope, "a"), failed(2, Scope, "b"), failed(3, Scope, "c")], none),
        Some(BlockReason::Scope)
    );
    assert_eq!(reason(vec![failed(1, Checks, "a")], |s| s.agent_ms = 1_800_000), Some(BlockReason::Budget));
    assert_eq!(reason(vec![failed(1, Integration, "")], |s| s.repairs = 1), None);
    assert_eq!(reason(vec![failed(1, Conflict, "")], |s| s.repairs = 3), Some(BlockReason::Merge));
    let under_way = Attempt { n: 2, ..Default::default() };
    assert_eq!(reason(vec![failed(1, Checks, "a"), under_way], |s| s.agent_ms = 1_800_000), None);
}

#[test]
fn without_money_nothing_that_costs_is_begun() {
    let mut plan = plan(&[vec![], vec![], vec![]], 3);
    let mut spec = (*plan.spec).clone();
    let [s0, s1, s2] = [0, 1, 2].map(|n| spec.slices[n].id.clone());
    let (path, mode, sha256) = ("s1/x".into(), FileMode::Plain, Sha256::of("x"));
    spec.files.push(FileBlock { slice: s1.clone(), attempt: 1, path, mode, sha256 });
    plan = Plan::new(oid(), spec, Limits { run_usd_micros: Some(1_000_000), ..plan.limits });
    let mut state = RunState::default();
    state.cost.usd_micros = 999_999;
    let all = [&s0, &s1, &s2].map(|s| Step::Build(s.clone()));
    assert_eq!(next(&plan, &state, &Busy::default()), all);
    state.cost.usd_micros = 1_250_000;
    at(&plan, &mut state, 2).attempts.push(Attempt { n: 1, ..Default::default() });
    let why = "the run cost $1.25 of $1.00".to_owned();
    let over = Some(Over { what: "run_usd_micros", limit: 1_000_000, used: 1_250_000 });
    let stop = Stop { reason: BlockReason::Budget, detail: why, over };
    let steps = [Step::Block(s0, stop), Step::Build(s1), Step::Build(s2)];
    assert_eq!(next(&plan, &state, &Busy::default()), steps, "what is carried costs nothing, what is paid for goes on");
}

/// Plays a run against arbitrary outcomes: what the schedule asks for is done at once, with a random result.
fn play(plan: &Plan, mut dice: impl FnMut() -> u8) -> RunState {
    let (mut state, mut lane) = (RunState::default(), Entries::default());
    for _ in 0..10_000 {
        let steps = next(plan, &state, &Busy::default());
        let index = |id: &SliceId| plan.spec.slices.iter().position(|s| s.id == *id).unwrap();
        for step in lane::next(plan, &state, oid(), &lane, 1) {
            match step {
                Move::Try(entry, _) if dice().is_multiple_of(3) => {
                    lane.push(Entry { stage: Stage::Failed(AttemptFailure::Integration, "red".into()), ..entry });
                }
                Move::Try(entry, _) => lane.push(Entry { stage: Stage::Passed(oid()), ..entry }),
                Move::Land(id) => {
                    lane.remove(&id);
                    at(plan, &mut state, index(&id)).phase = Phase::Landed;
                    state.landings.push((id, oid()));
                }
                Move::GiveBack(id) => {
                    lane.remove(&id);
                    let slice = at(plan, &mut state, index(&id));
                    let last = slice.attempts.last_mut().unwrap();
                    last.failed = Some((AttemptFailure::Integration, "red".into()));
                    slice.repairs += 1;
                    slice.phase = Phase::Building;
                }
                Move::Drop(id) => panic!("`{id}` stands where it should"),
            }
        }
        for step in steps {
            match step {
                Step::Block(id, Stop { reason, detail: why, .. }) => {
                    let slice = at(plan, &mut state, index(&id));
                    slice.phase = Phase::Blocked;
                    slice.blocked = Some((reason, why));
                }
                Step::Build(id) => {
                    let n = index(&id);
                    for dep in &plan.spec.slices[n].deps {
                        assert!(current(plan, &state, dep).phase.is_done(), "{id} started before {dep} was done");
                    }
                    let slice = at(plan, &mut state, n);
                    let attempt = slice.attempts.len() as u32 + 1;
                    match dice() % 4 {
                        0 => slice.attempts.push(failed(attempt, AttemptFailure::Checks, &attempt.to_string())),
                        1 => slice.attempts.push(failed(attempt, AttemptFailure::Agent, "")),
                        2 => slice.phase = Phase::Redundant,
                        _ => {
                            slice.attempts.push(Attempt { n: attempt, ..Default::default() });
                            (slice.phase, slice.candidate) = (Phase::Eligible, Some(oid()));
                        }
                    }
                }
                Step::Audit => {
                    let findings: Vec<Finding> = Vec::new();
                    state.audit =
                        Some(Audit { round: 1, commit: oid(), verdict: Some(Verdict::Passed), findings, agent: None });
                }
                Step::Ask(..) | Step::Settle(..) => panic!("nobody asked for a contract"),
                Step::Finish => return state,
            }
        }
    }
    panic!("the run does not end");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_run_ends_and_no_slice_is_left_open_or_landed_twice(
        edges in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..10),
        jobs in 1_u32..5,
        rolls in prop::collection::vec(any::<u8>(), 1..64),
    ) {
        let deps: Vec<Vec<usize>> = edges
            .iter()
            .enumerate()
            .map(|(n, of)| if n == 0 { vec![] } else { of.iter().map(|i| i.index(n)).collect::<BTreeSet<_>>().into_iter().collect() })
            .collect();
        let plan = plan(&deps, jobs);
        let mut turn = 0;
        let end = play(&plan, || { turn += 1; rolls[turn % rolls.len()].wrapping_add((turn / rolls.len()) as u8) });
        let mut landed: Vec<_> = end.landings.iter().map(|(id, _)| id.clone()).collect();
        landed.sort();
        landed.dedup();
        prop_assert_eq!(landed.len(), end.landings.len());
        for slice in &plan.spec.slices {
            let now = current(&plan, &end, &slice.id);
            prop_assert!(now.phase.is_final());
            if now.blocked.as_ref().is_some_and(|(reason, _)| *reason == BlockReason::DepBlocked) {
                prop_assert!(now.attempts.is_empty());
            }
        }
    }
}
