use super::*;
use crate::{
    base::{Sha256, Timestamp},
    journal::{
        event::{Event, Verdict},
        state::{Attempt, Finished, Held},
    },
    plan::{
        model::lane::{Entry, Stage},
        schedule::tests::{at, oid, plan},
    },
};

fn request(plan: &Plan, action: &str, slice: Option<&str>) -> Request {
    let slice = slice.map(|s| s.parse::<SliceId>().unwrap());
    let r#gen = slice.as_ref().map(|s| plan.generation(s));
    let by = Some("Ada".to_owned());
    let hint = Some("it can wait".to_owned());
    Request {
        id: "b-1".into(),
        action: action.into(),
        by,
        hint,
        slice,
        r#gen,
        attempt: None,
        result: None,
        granted: false,
    }
}

/// What an answer is, in one word: what comes first in its text, or later.
fn word(answer: &Answer) -> String {
    match answer {
        Answer::Granted(text, blocked) => format!("+{}/{}", text.split([' ', ':']).next().unwrap(), blocked.len()),
        Answer::Refused(why) => format!("-{why}"),
        Answer::Later => "later".into(),
    }
}

const PHASES: [Phase; 8] = [
    Phase::Pending,
    Phase::Building,
    Phase::Checking,
    Phase::Eligible,
    Phase::Merging,
    Phase::Landed,
    Phase::Redundant,
    Phase::Blocked,
];

#[test]
fn each_request_for_a_slice_is_granted_while_it_is_open_and_refused_with_the_reason_afterwards() {
    let plan = plan(&[vec![]], 1);
    for phase in PHASES {
        let mut state = RunState::default();
        at(&plan, &mut state, 0).phase = phase;
        let mut busy = Busy::default();
        let say = |busy: &Busy, action: &str| word(&judge(&plan, &state, busy, &request(&plan, action, Some("s0"))));
        let why = match phase {
            Phase::Landed => "-it has landed, and what has landed stays",
            Phase::Redundant => "-everything that it must bring holds already",
            Phase::Blocked => "-it is blocked already",
            _ => "",
        };
        for (action, granted) in
            [(PAUSE, "+paused/0"), (SKIP, "+skipped/1"), (CANCEL, "+cancelled/1"), (FIRST, "+comes/0")]
        {
            assert_eq!(say(&busy, action), if phase.is_final() { why } else { granted }, "{action} {phase:?}");
        }
        assert_eq!(say(&busy, RESUME), "-it is not paused");
        busy.building.insert("s0".parse().unwrap());
        if !phase.is_final() {
            // At work it is cancelled at once, and skipped later.
            assert_eq!((say(&busy, SKIP).as_str(), say(&busy, CANCEL).as_str()), ("later", "+cancelled/1"));
        }
    }
}

#[test]
fn what_is_old_unknown_or_at_its_end_is_refused() {
    let plan = plan(&[vec![], vec![]], 1);
    let idle = Busy::default();
    let mut state = RunState::default();
    let say = |state: &RunState, r: &Request| word(&judge(&plan, state, &idle, r));
    for action in [CANCEL, SKIP] {
        let old = Request { r#gen: Some(Sha256::of("old")), ..request(&plan, action, Some("s0")) };
        assert_eq!(say(&state, &old), "-it was amended since, and is another one now");
    }
    for action in [PAUSE, RESUME, CANCEL, SKIP, FIRST, RETRY, "dance"] {
        let gone = Request { r#gen: None, ..request(&plan, action, Some("gone")) };
        assert_eq!(say(&state, &gone), "-the spec p has no slice `gone`");
    }
    assert_eq!(say(&state, &request(&plan, "dance", Some("s0"))), "-this version does not know how to dance");
    assert_eq!(say(&state, &request(&plan, "dance", None)), "-this version does not know how to dance");
    assert_eq!(say(&state, &request(&plan, SKIP, None)), "-it names no slice");
    assert_eq!(say(&state, &request(&plan, CANCEL, None)), "+cancelled/2");
    for n in [0, 1] {
        at(&plan, &mut state, n).phase = Phase::Landed;
    }
    assert_eq!(say(&state, &request(&plan, CANCEL, None)), "-nothing of it is open any more: it is being judged");
    let (verdict, at) = (Verdict::Passed, Timestamp::from_millis(0));
    state.finished = Some(Finished { verdict, why: vec![], target: oid(), at });
    for (action, slice) in [(PAUSE, None), (CANCEL, None), (RESUME, None), (SKIP, Some("s0")), (FIRST, Some("s0"))] {
        assert_eq!(say(&state, &request(&plan, action, slice)), "-the run has come to its end", "{action}");
    }
}

#[test]
fn what_comes_first_is_told_what_comes_before_it_all_the_same() {
    let plan = plan(&[vec![], vec![0]], 1);
    let (mut state, mut busy) = (RunState::default(), Busy::default());
    let ask = |state: &RunState, busy: &Busy| match judge(&plan, state, busy, &request(&plan, FIRST, Some("s1"))) {
        Answer::Granted(text, blocked) if blocked.is_empty() => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(&state, &busy), "comes first once `s0` has landed");
    at(&plan, &mut state, 0).phase = Phase::Landed;
    assert_eq!(ask(&state, &busy), "comes first");
    let slice = "s1".parse().unwrap();
    busy.lane.push(Entry { slice, candidate: oid(), spec: oid(), on: oid(), stage: Stage::Merging });
    assert_eq!(ask(&state, &busy), "comes first where it is tested again: it is under test already");
}

/// Two terminals ask for the same, the owner answers both, and every reader of the journals comes to the same state.
#[test]
fn asked_twice_it_is_done_once_and_replayed_without_a_problem() {
    let plan = plan(&[vec![], vec![0], vec![]], 2);
    for (action, slice) in
        [(PAUSE, None), (PAUSE, Some("s0")), (CANCEL, Some("s0")), (SKIP, Some("s0")), (CANCEL, None)]
    {
        let mut state = RunState::default();
        let mut events: Vec<Event> = Vec::new();
        let mut tell = |state: &mut RunState, facts: Vec<Fact>| {
            for fact in facts {
                let seq = events.len() as u64 + 1;
                let (id, ts) = (format!("a-{seq}"), Timestamp::from_millis(0));
                let event = Event { v: 1, id, seq, lamport: seq, ts, prev: String::new(), fact };
                state.apply(&event);
                events.push(event);
            }
        };
        let s0: SliceId = "s0".parse().unwrap();
        let of = |attempt, kind| Fact::slice(&s0, plan.generation(&s0), attempt, kind);
        let started = Kind::AgentStarted { provider: "x".into(), role: "build".into(), session: None, told: vec![] };
        tell(&mut state, vec![of(None, Kind::SliceStarted { base: oid(), green: vec![] }), of(Some(1), started)]);
        let ask = |r: &Request| Fact {
            kind: Kind::ControlRequested { action: r.action.clone(), by: r.by.clone(), hint: r.hint.clone() },
            slice: r.slice.clone(),
            r#gen: r.r#gen,
            attempt: None,
        };
        let one = request(&plan, action, slice);
        tell(&mut state, vec![ask(&one), ask(&one)]);
        for request in state.requests.clone() {
            let answer = judge(&plan, &state, &Busy::default(), &request);
            let said = facts(&plan, &state, &request, &answer);
            tell(&mut state, said);
        }
        let granted: Vec<bool> = state.requests.iter().map(|r| r.granted).collect();
        assert_eq!((granted, &state.problems), (vec![true, false], &vec![]), "{action}");
        assert!(state.requests.iter().all(|r| r.result.is_some()));
        let mut again = RunState::default();
        events.iter().for_each(|event| again.apply(event));
        assert_eq!(again, state);
        let now = current(&plan, &state, &s0);
        if action == PAUSE {
            assert_eq!((now.phase, standstill(&plan, &state).is_some()), (Phase::Building, true));
            continue;
        }
        let detail = format!("{} by Ada: it can wait", if action == SKIP { "skipped" } else { "cancelled" });
        assert_eq!(now.blocked, Some((BlockReason::Skipped, detail.clone())));
        assert_eq!(now.attempts[0].failed, Some((AttemptFailure::Agent, detail)), "nothing of it stays open");
        assert_eq!((may_retry(&plan, &state, &s0), standstill(&plan, &state)), (Ok(()), None));
        let blocked = plan.spec.slices.iter().filter(|s| current(&plan, &state, &s.id).phase == Phase::Blocked).count();
        assert_eq!(blocked, if slice.is_some() { 1 } else { 3 });
    }
}

#[test]
fn a_run_stands_still_for_what_is_open_and_held() {
    let plan = plan(&[vec![], vec![]], 1);
    let mut state = RunState::default();
    let held = Held { by: Some("Ada".into()), why: None, since: Timestamp::from_millis(0) };
    state.held.insert("gone".parse().unwrap(), held.clone());
    assert_eq!(standstill(&plan, &state), None);
    state.held.insert("s1".parse().unwrap(), held.clone());
    let still = standstill(&plan, &state).unwrap();
    assert_eq!(
        (still.why.as_str(), still.slice.unwrap().as_str()),
        ("`s1` is paused, and nothing else can go on", "s1")
    );
    at(&plan, &mut state, 1).attempts.push(Attempt::default());
    at(&plan, &mut state, 1).phase = Phase::Landed;
    assert_eq!(standstill(&plan, &state), None);
    state.paused = Some(held);
    assert!(standstill(&plan, &state).unwrap().why.starts_with("paused by Ada since "));
}
