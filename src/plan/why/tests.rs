use super::*;
use crate::{
    base::Sha256,
    journal::state::{Attempt, Merge},
    plan::{
        schedule::tests::{at, failed, oid, plan},
        turns::turns,
    },
};

fn result(check: &str, round: &str, cause: Cause) -> CheckResult {
    let (digest, detail) = (Sha256::of(check), format!("{check} on {round}"));
    CheckResult {
        check: check.into(),
        digest,
        round: round.into(),
        tree: oid(),
        cause,
        detail,
        duration_ms: 1,
        evidence: oid(),
    }
}

fn ask(plan: &Plan, state: &RunState, n: usize, standing: Standing) -> Why {
    why(Sight { plan, state, standing, tips: &["1".repeat(40).parse().unwrap()] }, &plan.spec.slices[n])
}

#[test]
fn what_waits_names_what_it_waits_for() {
    let plan = plan(&[vec![], vec![0], vec![1], vec![]], 1);
    let [s0, s1] = [0, 1].map(|n| plan.spec.slices[n].id.clone());
    let mut state = RunState::default();
    at(&plan, &mut state, 0).phase = Phase::Building;
    let said = ask(&plan, &state, 1, Standing::AtWork);
    assert_eq!(said.because, [Because::Needs { slice: s0.clone(), phase: Phase::Building, root: vec![] }]);
    assert_eq!(said.next, Next::Wait);
    let said = ask(&plan, &state, 2, Standing::Interrupted);
    assert_eq!(said.because, [Because::Needs { slice: s1, phase: Phase::Pending, root: vec![] }]);
    assert_eq!(said.next, Next::Resume);
    let said = ask(&plan, &state, 3, Standing::AtWork);
    assert_eq!(said.because, [Because::NoPlace { jobs: 1 }]);
    assert_eq!(ask(&plan, &state, 3, Standing::Finished).next, Next::Run);
    let free = ask(&super::super::schedule::tests::plan(&[vec![]], 1), &RunState::default(), 0, Standing::AtWork);
    assert_eq!(free.because, [Because::Ready]);

    at(&plan, &mut state, 0).phase = Phase::Merging;
    at(&plan, &mut state, 3).phase = Phase::Eligible;
    assert_eq!(ask(&plan, &state, 3, Standing::AtWork).because, [Because::Queued { behind: vec![s0] }]);
}

#[test]
fn what_has_landed_names_the_commit_and_the_checks_on_exactly_its_tree() {
    let plan = plan(&[vec![]], 1);
    let mut state = RunState::default();
    let now = at(&plan, &mut state, 0);
    (now.phase, now.landing) = (Phase::Landed, Some(oid()));
    now.merge = Some(Merge { candidate: oid(), tip: oid(), commit: oid(), tree: oid(), round: 1 });
    let of = |round, cause| result("c", round, cause);
    let checks = vec![of("candidate", Cause::Holds), of("queue-1", Cause::Holds), of("queue-1", Cause::Holds)];
    now.attempts = vec![Attempt { n: 1, checks, ..Default::default() }];
    let said = ask(&plan, &state, 0, Standing::Finished);
    assert_eq!((said.because, said.next), (vec![Because::Landed { commit: oid(), checks: 2 }], Next::Nothing));
}

#[test]
fn what_is_blocked_names_the_last_red_checks_and_the_root() {
    let plan = plan(&[vec![], vec![0], vec![1]], 1);
    let [s0, s1] = [0, 1].map(|n| plan.spec.slices[n].id.clone());
    let mut state = RunState::default();
    let now = at(&plan, &mut state, 0);
    let blocked = |reason| Some((reason, "so".to_owned()));
    (now.phase, now.blocked) = (Phase::Blocked, blocked(BlockReason::Attempts));
    now.base_checks = vec![result("a", "base", Cause::Missing)];
    let red = [("a", Cause::Assertion), ("b", Cause::Timeout), ("a", Cause::Holds), ("b", Cause::Error)];
    now.attempts = vec![failed(1, AttemptFailure::Empty, ""), failed(2, AttemptFailure::Checks, "x")];
    now.attempts[1].checks = red.map(|(c, cause)| result(c, "candidate", cause)).to_vec();
    now.attempts[1].violations = vec!["x/y".into()];
    let said = ask(&plan, &state, 0, Standing::Finished);
    let last = Because::Red {
        check: "b".into(),
        round: "candidate".into(),
        cause: Cause::Error,
        detail: "b on candidate".into(),
        evidence: oid(),
    };
    let why = Because::Blocked { reason: BlockReason::Attempts, detail: "so".into() };
    let failure = Because::Failed { attempt: 2, reason: AttemptFailure::Checks, detail: "why".into() };
    let used = Because::Used { limits: vec![Over { what: "attempts", limit: 3, used: 2 }] };
    assert_eq!(said.because, [why, failure, last, Because::Outside { paths: vec!["x/y".into()] }, used]);
    assert_eq!(said.next, Next::Retry { slices: vec![s0.clone()] });

    for n in [1, 2] {
        let now = at(&plan, &mut state, n);
        (now.phase, now.blocked) = (Phase::Blocked, blocked(BlockReason::DepBlocked));
    }
    let said = ask(&plan, &state, 2, Standing::Finished);
    assert_eq!(said.because[1], Because::Needs { slice: s1, phase: Phase::Blocked, root: vec![s0.clone()] });
    assert_eq!(said.next, Next::Retry { slices: vec![s0] }, "what it is blocked for begins anew");
}

#[test]
fn what_no_agent_can_mend_is_the_specs_to_change() {
    for (reason, expected) in [
        (BlockReason::BaseUnfit, Next::Amend),
        (BlockReason::Contract, Next::Retry { slices: vec!["s0".parse().unwrap()] }),
        // What kept it from being evaluated may be the machine's fault, and over.
        (BlockReason::Unknown, Next::Retry { slices: vec!["s0".parse().unwrap()] }),
        (BlockReason::Budget, Next::Retry { slices: vec!["s0".parse().unwrap()] }),
        (BlockReason::SameDiff, Next::Retry { slices: vec!["s0".parse().unwrap()] }),
    ] {
        let plan = plan(&[vec![]], 1);
        let mut state = RunState::default();
        let now = at(&plan, &mut state, 0);
        (now.phase, now.blocked) = (Phase::Blocked, Some((reason, String::new())));
        now.base_checks = vec![result("a", "base", Cause::Unknown)];
        let said = ask(&plan, &state, 0, Standing::Finished);
        assert_eq!(said.next, expected, "{reason:?}");
        assert!(matches!(&said.because[1], Because::Red { check, .. } if check == "a"), "{:?}", said.because);
    }
}

#[test]
fn under_test_it_names_what_it_stands_on() {
    let plan = plan(&[vec![], vec![], vec![]], 1);
    let mut state = RunState::default();
    let id = |c: char| c.to_string().repeat(40).parse::<Oid>().unwrap();
    for (n, tip, commit) in [(0, '1', '2'), (1, '2', '3'), (2, '3', '4')] {
        let now = at(&plan, &mut state, n);
        let (tip, commit) = (id(tip), id(commit));
        (now.phase, now.merge) = (Phase::Merging, Some(Merge { candidate: oid(), tip, commit, tree: oid(), round: 1 }));
    }
    let ids: Vec<SliceId> = plan.spec.slices.iter().map(|s| s.id.clone()).collect();
    for (n, on, commit) in [(0, '1', '2'), (1, '2', '3'), (2, '3', '4')] {
        let after = ids[..n].to_vec();
        let said = ask(&plan, &state, n, Standing::AtWork);
        assert_eq!(said.because, [Because::Testing { commit: id(commit), on: id(on), after: after.clone() }]);
        // What nobody runs is under test no more.
        let said = ask(&plan, &state, n, Standing::Interrupted);
        assert_eq!(said.because, [Because::Queued { behind: after }]);
    }
    // The target was moved under it.
    at(&plan, &mut state, 0).phase = Phase::Building;
    let said = ask(&plan, &state, 1, Standing::AtWork);
    assert_eq!(said.because, [Because::Queued { behind: vec![] }]);
}

#[test]
fn turns_go_from_what_is_under_test_to_what_has_not_begun_in_the_order_that_people_want() {
    let plan = plan(&[vec![], vec![], vec![], vec![], vec![], vec![]], 1);
    let mut state = RunState::default();
    let ids: Vec<SliceId> = plan.spec.slices.iter().map(|s| s.id.clone()).collect();
    let id = |c: char| c.to_string().repeat(40).parse::<Oid>().unwrap();
    let seen = |state: &RunState, standing| {
        let tips = [id('1')];
        let turns = turns(Sight { plan: &plan, state, standing, tips: &tips });
        turns.into_iter().map(|t| ids.iter().position(|id| *id == t.slice).unwrap()).collect::<Vec<_>>()
    };
    at(&plan, &mut state, 0).phase = Phase::Landed;
    at(&plan, &mut state, 2).phase = Phase::Building;
    at(&plan, &mut state, 3).phase = Phase::Eligible;
    for (n, tip, commit) in [(5, '1', '2'), (4, '2', '3')] {
        let now = at(&plan, &mut state, n);
        let (tip, commit) = (id(tip), id(commit));
        (now.phase, now.merge) = (Phase::Merging, Some(Merge { candidate: oid(), tip, commit, tree: oid(), round: 1 }));
    }
    assert_eq!(seen(&state, Standing::AtWork), [5, 4, 3, 2, 1]);
    assert_eq!(seen(&state, Standing::Interrupted), [3, 4, 5, 2, 1], "what waits is tested anew, in its order");
    state.order = vec![ids[4].clone()];
    assert_eq!(seen(&state, Standing::AtWork), [5, 4, 3, 2, 1], "what is under test stays where it is");
    assert_eq!(seen(&state, Standing::Interrupted), [4, 3, 5, 2, 1]);
}

/// Wherever a slice stands, something explains it and something can be done about it.
#[test]
fn every_phase_in_every_standing_is_explained_with_what_people_want_first() {
    let plan = plan(&[vec![], vec![0]], 1);
    let held = Held { by: Some("Ada".into()), why: None, since: Timestamp::from_millis(0) };
    let all = [Phase::Pending, Phase::Building, Phase::Checking, Phase::Eligible, Phase::Merging, Phase::Landed];
    for phase in all.into_iter().chain([Phase::Redundant, Phase::Blocked]) {
        for standing in [Standing::AtWork, Standing::Interrupted, Standing::Finished] {
            let mut state = RunState::default();
            let now = at(&plan, &mut state, 0);
            (now.phase, now.landing) = (phase, Some(oid()));
            now.merge = Some(Merge { candidate: oid(), tip: oid(), commit: oid(), tree: oid(), round: 1 });
            now.attempts = vec![failed(1, AttemptFailure::Checks, "x"), Attempt { n: 2, ..Default::default() }];
            now.blocked = (phase == Phase::Blocked).then(|| (BlockReason::Budget, "spent".into()));
            let said = ask(&plan, &state, 0, standing);
            assert!(!said.because.is_empty(), "{phase:?} {standing:?}");
            assert_eq!(said.next == Next::Nothing, phase.is_done(), "{phase:?} {standing:?}");
            let used = said.because.iter().any(|b| matches!(b, Because::Used { limits } if limits[0].used == 1));
            assert_eq!(used, !phase.is_done(), "{phase:?}: one of its attempts counts");
            let at_work = said.because.iter().any(|b| match b {
                Because::AtWork { attempt: 2, .. } => standing == Standing::AtWork,
                Because::BrokenOff { attempt: 2, .. } => standing != Standing::AtWork,
                _ => false,
            });
            assert_eq!(at_work, matches!(phase, Phase::Pending | Phase::Building | Phase::Checking));

            state.held.insert("s0".parse().unwrap(), held.clone());
            let said = ask(&plan, &state, 0, standing);
            let first = matches!(&said.because[0], Because::Paused { slice: Some(_), held } if held.by.is_some());
            assert_eq!(first, !phase.is_final(), "{phase:?}");
            assert_eq!(said.next == Next::LetGo, !phase.is_final() && standing != Standing::Finished);
        }
    }
}
