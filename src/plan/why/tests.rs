use super::*;
use crate::{
    base::Sha256,
    journal::state::{Attempt, Merge},
    plan::schedule::tests::{at, failed, oid, plan},
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
    why(plan, state, &plan.spec.slices[n], standing)
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
    assert_eq!(said.because, [why, failure, last, Because::Outside { paths: vec!["x/y".into()] }]);
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
        (BlockReason::Unknown, Next::Amend),
        (BlockReason::Contract, Next::Amend),
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
