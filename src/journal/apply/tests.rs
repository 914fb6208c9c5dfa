use proptest::prelude::*;

use super::*;
use crate::{
    base::{Oid, Sha256, Timestamp},
    journal::{
        event::{BlockReason, Cost, Verdict},
        line,
        replay::replay,
    },
};

fn oid(c: char) -> Oid {
    String::from(c).repeat(40).parse().unwrap()
}

fn generation(text: &str) -> Sha256 {
    Sha256::of(text)
}

fn event(writer: &str, seq: u64, lamport: u64, fact: Fact) -> Event {
    let (ts, prev) = (Timestamp::from_secs(seq as i64), String::new());
    Event { v: 1, id: format!("{writer}-{seq}"), seq, lamport, ts, prev, fact }
}

/// A story told by one writer.
#[derive(Default)]
struct Story {
    events: Vec<Event>,
    state: RunState,
}

impl Story {
    fn run(&mut self, kind: Kind) -> &mut Self {
        self.tell(Fact::run(kind))
    }
    fn at(&mut self, text: &str, attempt: Option<u32>, kind: Kind) -> &mut Self {
        self.tell(Fact::slice(&"add".parse().unwrap(), generation(text), attempt, kind))
    }
    fn tell(&mut self, fact: Fact) -> &mut Self {
        let n = self.events.len() as u64 + 1;
        let next = event("a", n, n, fact);
        self.state.apply(&next);
        self.events.push(next);
        self
    }
    fn slice(&self) -> &SliceState {
        &self.state.slices[&"add".parse::<SliceId>().unwrap()]
    }
    /// The next event is refused and changes nothing else.
    fn refuses(&mut self, text: &str, attempt: Option<u32>, kind: Kind, why: &str) -> &mut Self {
        let mut before = self.state.clone();
        self.at(text, attempt, kind);
        let problem = self.state.problems.last().unwrap_or_else(|| panic!("not refused: {why}")).clone();
        assert!(problem.contains(why), "{problem}");
        before.problems.push(problem);
        before.lamport = self.state.lamport;
        assert_eq!(self.state, before);
        self
    }
}

fn agent() -> Kind {
    Kind::AgentStarted { provider: "literate".into(), role: "build".into(), session: None, told: vec![] }
}
fn started() -> Kind {
    Kind::SliceStarted { base: oid('2'), green: vec!["exists".into()] }
}
fn agent_ended(usd_micros: u64) -> Kind {
    Kind::AgentFinished { cost: Cost { usd_micros, ..Cost::default() }, duration_ms: 10, summary: "done".into() }
}
fn check(round: &str, cause: crate::checks::model::Cause) -> Kind {
    Kind::CheckFinished {
        check: "adds".into(),
        digest: generation("check"),
        round: round.into(),
        tree: oid('5'),
        passed: cause.passed(),
        cause,
        detail: "exit".into(),
        duration_ms: 1,
        evidence: oid('6'),
    }
}
fn invalidated(by: char) -> Kind {
    Kind::SliceInvalidated { by: oid(by), request: None }
}
fn failed(reason: AttemptFailure) -> Kind {
    Kind::AttemptFailed { reason, detail: "why".into(), commit: None, diff: None }
}
fn merge(candidate: char, commit: char) -> Kind {
    Kind::MergeStarted { candidate: oid(candidate), tip: oid('2'), commit: oid(commit), tree: oid('9'), round: 1 }
}
fn landed(commit: char) -> Kind {
    Kind::MergeLanded { commit: oid(commit), tree: oid('9'), tip: oid('2') }
}

use crate::checks::model::Cause::{Assertion, Holds};

/// Up to a candidate in the queue, at the second attempt.
fn eligible() -> Story {
    let mut s = Story::default();
    s.run(Kind::RunStarted { spec: oid('1'), target: "refs/heads/otto/jot".into(), base: oid('2') });
    s.at("g1", None, check("base", Assertion)).at("g1", None, started()).at("g1", Some(1), agent());
    s.at("g1", Some(1), agent_ended(5)).at("g1", Some(1), check("candidate", Assertion));
    assert_eq!(s.slice().phase, Phase::Checking);
    s.at("g1", Some(1), failed(AttemptFailure::Checks));
    assert_eq!(s.slice().phase, Phase::Building);
    s.at("g1", Some(2), agent()).at("g1", Some(2), agent_ended(7)).at("g1", Some(2), check("candidate", Holds));
    s.at("g1", Some(2), Kind::MergeEligible { candidate: oid('7') });
    assert_eq!((s.slice().phase, s.state.problems.len()), (Phase::Eligible, 0), "{:?}", s.state.problems);
    s
}

#[test]
fn a_slice_goes_from_pending_to_landed_and_lands_once() {
    let mut s = eligible();
    assert_eq!(s.slice().base_checks.len(), 1);
    assert_eq!((s.slice().cost.usd_micros, s.state.cost.usd_micros, s.slice().agent_ms), (12, 12, 20));
    s.at("g1", Some(2), merge('7', '8')).at("g1", Some(2), check("queue-1", Holds));
    s.refuses("g1", None, landed('a'), "not the merge that was tested");
    s.at("g1", None, landed('8'));
    assert_eq!((s.slice().phase, s.slice().landing), (Phase::Landed, Some(oid('8'))));
    assert_eq!(s.state.landings, [("add".parse().unwrap(), oid('8'))]);
    assert_eq!(s.slice().attempts[1].checks.len(), 2);
    s.refuses("g1", None, landed('8'), "a slice that is landed cannot do that");
    s.refuses("g1", None, merge('7', '8'), "a slice that is landed");
    s.refuses("g1", None, started(), "a slice that is landed");
    let blocked = Kind::SliceBlocked { reason: BlockReason::Attempts, detail: "x".into() };
    s.refuses("g1", None, blocked, "a slice that is landed");
    // Its checks run again when a later slice touches what it owns.
    s.at("g1", None, check("queue-2", Holds));
    assert_eq!(s.slice().attempts[1].checks.len(), 3);
}

#[test]
fn what_the_queue_gives_back_is_built_again() {
    let mut s = eligible();
    s.refuses("g1", None, merge('f', '8'), "is not its candidate");
    s.at("g1", None, merge('7', '8'));
    s.at("g1", None, Kind::MergeRepair { reason: AttemptFailure::Integration, detail: "red".into() });
    let slice = s.slice();
    assert_eq!((slice.phase, slice.repairs, slice.candidate), (Phase::Building, 1, None));
    assert_eq!(slice.attempts[1].failed, Some((AttemptFailure::Integration, "red".into())));
    s.refuses("g1", None, merge('7', '8'), "a slice that is building");
    s.refuses("g1", Some(2), Kind::MergeEligible { candidate: oid('7') }, "attempt 2 has failed");
    s.refuses("g1", Some(4), agent(), "attempt 4 does not follow attempt 2");
    s.at("g1", Some(3), agent()).at("g1", Some(3), Kind::MergeEligible { candidate: oid('b') });
    s.at("g1", None, merge('b', 'c')).at("g1", None, landed('c'));
    assert_eq!((s.slice().phase, s.state.problems.len()), (Phase::Landed, 4));
}

#[test]
fn an_attempt_whose_process_died_begins_anew_and_counts_once() {
    let mut s = Story::default();
    s.at("g1", None, started()).at("g1", Some(1), agent()).at("g1", Some(1), agent_ended(5));
    s.at("g1", Some(1), check("candidate", Assertion)).run(Kind::RunResumed { reason: "it died".into(), term: 0 });
    s.at("g1", None, started()).at("g1", Some(1), agent());
    assert_eq!(s.slice().attempts.len(), 1);
    let attempt = &s.slice().attempts[0];
    assert_eq!((attempt.agent_ended, attempt.checks.len(), attempt.cost.usd_micros), (false, 0, 5));
    s.at("g1", Some(1), failed(AttemptFailure::Lost)).at("g1", Some(2), failed(AttemptFailure::Agent));
    assert_eq!((s.slice().attempts.len(), s.state.resumes), (2, 1));
    s.refuses("g1", Some(2), failed(AttemptFailure::Lost), "attempt 2 has failed already");
    s.refuses("g1", Some(1), failed(AttemptFailure::Lost), "attempt 1 is not the last one");
    s.refuses("g1", None, agent(), "it names no attempt");
}

#[test]
fn a_newer_generation_begins_anew_and_the_older_one_is_over() {
    for opening in [started(), check("base", Assertion), invalidated('4')] {
        let mut s = eligible();
        s.at("g1", None, merge('7', '8')).at("g1", None, landed('8'));
        s.refuses("g2", Some(1), agent(), "a generation that has not begun");
        s.at("g2", None, opening).at("g2", None, started());
        assert_eq!((s.slice().phase, s.slice().attempts.len()), (Phase::Building, 0));
        assert_eq!(s.slice().r#gen, Some(generation("g2")));
        s.refuses("g1", None, started(), "its generation was replaced");
        s.refuses("g1", Some(3), agent(), "its generation was replaced");
        // Numbers of attempts go on: each has a ref of its own.
        s.refuses("g2", Some(1), agent(), "attempt 1 does not follow attempt 2");
        s.at("g2", Some(3), agent()).at("g2", Some(3), Kind::MergeEligible { candidate: oid('b') });
        s.at("g2", None, merge('b', 'c')).at("g2", None, landed('c'));
        assert_eq!(s.state.landings.len(), 2);
        // An amendment may go back to what was.
        s.at("g1", None, invalidated('d')).at("g1", None, started());
        assert_eq!((s.slice().phase, s.state.problems.len()), (Phase::Building, 4), "{:?}", s.state.problems);
        s.refuses("g2", None, started(), "its generation was replaced");
    }
    // An invalidation may name the generation that ends.
    let mut s = eligible();
    s.at("g1", None, invalidated('4'));
    assert_eq!((s.slice().phase, s.slice().r#gen), (Phase::Pending, None));
    s.refuses("g1", None, landed('8'), "its generation was replaced");
    s.at("g2", None, started());
    assert_eq!((s.slice().phase, s.slice().r#gen), (Phase::Building, Some(generation("g2"))));
    s.refuses("g1", None, started(), "its generation was replaced");
}

#[test]
fn a_generation_that_its_own_agent_asked_for_gains_nothing_by_it() {
    let asks = || Kind::AmendmentRequested { reason: "why".into(), change: Some("{}".into()), contract: None };
    let by_agent = |id: &str| Kind::SliceInvalidated { by: oid('4'), request: Some(id.into()) };
    let mut s = eligible();
    s.at("g1", Some(2), asks());
    let id = s.events.last().unwrap().id.clone();
    assert_eq!((s.state.asked.len(), s.state.asked[0].attempt), (1, 2));
    s.at("g2", None, by_agent(&id));
    let now = s.slice();
    assert_eq!((now.earlier, now.counted, now.cost.usd_micros, now.agent_ms), (2, 2, 12, 20));
    assert!(s.state.asked.is_empty());
    s.at("g2", None, started()).at("g2", Some(3), agent()).at("g2", Some(3), asks());
    let id = s.events.last().unwrap().id.clone();
    s.at("g3", None, by_agent(&id));
    assert_eq!((s.slice().earlier, s.slice().counted), (3, 3));
    // A person's amendment is a new start.
    s.at("g4", None, invalidated('5'));
    assert_eq!((s.slice().earlier, s.slice().counted, s.slice().cost.usd_micros), (3, 0, 0));
    assert!(s.state.problems.is_empty(), "{:?}", s.state.problems);
}

#[test]
fn a_refused_request_is_told_at_its_attempt_and_closed_once() {
    let mut s = eligible();
    s.at("g1", Some(2), Kind::AmendmentRequested { reason: "a contract".into(), change: None, contract: None });
    assert!(s.state.asked.is_empty(), "what nobody decides on waits for nobody");
    s.at("g1", Some(2), Kind::AmendmentRequested { reason: "why".into(), change: Some("{}".into()), contract: None });
    let id = s.events.last().unwrap().id.clone();
    let refused = |id: &str| Kind::AmendmentRejected {
        code: "no_change".into(),
        detail: "it says so".into(),
        request: Some(id.into()),
    };
    s.refuses("g1", Some(2), refused("a-1"), "nobody waits for that");
    s.at("g1", Some(2), refused(&id));
    assert_eq!(s.slice().attempts[1].refused, [("no_change".into(), "it says so".into())]);
    s.refuses("g1", Some(2), refused(&id), "nobody waits for that");
}

#[test]
fn an_amendment_is_the_runs_version_and_opens_what_waited() {
    let amended = |to| Kind::RunAmended { spec: oid(to) };
    let mut s = Story::default();
    s.run(amended('3'));
    assert!(s.state.problems.pop().unwrap().contains("has not begun"));
    s.run(Kind::RunStarted { spec: oid('1'), target: "refs/heads/otto/jot".into(), base: oid('2') });
    assert_eq!(s.state.spec(), Some(oid('1')));
    s.at("g1", None, Kind::SliceBlocked { reason: BlockReason::DepBlocked, detail: "x".into() });
    s.run(Kind::AuditStarted { round: 1, commit: oid('2') }).run(amended('3'));
    assert_eq!((s.state.spec(), s.slice().phase, &s.slice().blocked), (Some(oid('3')), Phase::Pending, &None));
    assert_eq!((&s.state.audit, s.state.audits), (&None, 1));
    s.run(amended('3'));
    assert!(s.state.problems.pop().unwrap().contains("already"));
    s.at("g1", None, Kind::SliceBlocked { reason: BlockReason::Attempts, detail: "x".into() });
    s.run(amended('1'));
    assert_eq!((s.state.spec(), s.slice().phase), (Some(oid('1')), Phase::Blocked), "its own reason stays");
    s.run(Kind::RunFinished { verdict: Verdict::Blocked, why: vec![], target: oid('2') }).run(amended('4'));
    assert!(s.state.problems.pop().unwrap().contains("finished already"));
    assert!(s.state.problems.is_empty(), "{:?}", s.state.problems);
}

#[test]
fn the_run_finishes_once_and_a_landing_outdates_an_audit() {
    let mut s = eligible();
    let audit = |round| Kind::AuditStarted { round, commit: oid('2') };
    let judged = |round| Kind::AuditFinished { round, verdict: Verdict::Passed, findings: vec![] };
    s.run(audit(1)).run(audit(1)).run(judged(1));
    assert_eq!((s.state.audits, s.state.audit.as_ref().and_then(|a| a.verdict)), (1, Some(Verdict::Passed)));
    s.at("g1", None, merge('7', '8')).at("g1", None, landed('8'));
    assert_eq!(s.state.audit, None);
    s.run(judged(1));
    assert_eq!(s.state.problems.pop(), Some("event a-17 (audit.finished): audit 1 is not under way".into()));
    s.run(audit(2)).run(judged(2));
    s.run(Kind::RunFinished { verdict: Verdict::Passed, why: vec![], target: oid('8') });
    assert!(s.state.finished.is_some() && s.state.problems.is_empty());
    s.refuses("g1", None, check("queue-3", Holds), "the run has finished already");
    s.at("g2", None, started());
    assert_eq!(s.state.finished, None);
}

#[test]
fn requests_wait_until_they_are_applied() {
    let mut s = Story::default();
    s.tell(Fact::run(Kind::ControlRequested { action: "pause".into(), by: None, hint: None }));
    assert_eq!(s.state.requests[0].result, None);
    let applied = || Kind::ControlApplied { request: "a-1".into(), result: "paused".into() };
    s.run(applied());
    assert_eq!(s.state.requests[0].result.as_deref(), Some("paused"));
    s.run(applied()).run(started());
    assert!(s.state.problems[0].contains("nobody waits") && s.state.problems[1].contains("names no slice"));
}

#[test]
fn results_that_contradict_themselves_and_unknown_rounds_are_refused() {
    let mut s = eligible();
    let mut lie = check("queue-1", Assertion);
    if let Kind::CheckFinished { passed, .. } = &mut lie {
        *passed = true;
    }
    s.refuses("g1", Some(2), lie, "both that the check passed and why it did not");
    s.refuses("g1", Some(2), check("base", Holds), "no check of round base runs on a slice that is eligible");
    s.refuses("g1", Some(2), check("queue-x", Holds), "its round is none of");
    s.at("g1", None, check("audit-1", Holds));
    assert_eq!(s.state.checks.len(), 1);
}

#[test]
fn an_agent_of_the_run_judges_it_and_is_paid_once() {
    let mut s = Story::default();
    let asked = || Kind::AgentStarted { provider: "claude".into(), role: "audit".into(), session: None, told: vec![] };
    let cost = Cost { usd_micros: 7, input_tokens: 2, output_tokens: 1 };
    s.run(asked());
    assert_eq!(s.state.problems.pop(), Some("event a-1 (agent.started): no audit is under way".into()));
    s.run(Kind::AuditStarted { round: 1, commit: oid('2') }).run(asked());
    s.run(Kind::AgentFinished { cost, duration_ms: 1, summary: String::new() });
    assert_eq!(s.state.audit.as_ref().and_then(|a| a.agent.as_deref()), Some("claude"));
    assert_eq!(s.state.cost, cost);
    assert!(s.state.slices.is_empty() && s.state.problems.is_empty(), "{:?}", s.state.problems);
}

#[test]
fn problems_are_bounded() {
    let mut s = Story::default();
    for _ in 0..1500 {
        s.run(started());
    }
    assert_eq!(s.state.problems.len(), 1001);
    assert_eq!(s.state.problems[1000], "500 more problems");
}

/// Any golden event, for one of two slices, two generations and three attempts.
fn facts() -> impl Strategy<Value = Fact> {
    let text = include_str!("../../../tests/golden/journal-v1/chain/5eed0001.jsonl");
    let golden = text.lines().map(|l| line::decode(l.as_bytes()).unwrap().fact.kind);
    let by_agent = Kind::SliceInvalidated { by: oid('4'), request: Some("a-1".into()) };
    let kinds: Vec<Kind> = golden.chain([Kind::RunAmended { spec: oid('4') }, by_agent]).collect();
    let slice = proptest::option::weighted(0.9, proptest::sample::select(vec!["add", "list"]));
    let generation = proptest::option::weighted(0.95, proptest::sample::select(vec!["g1", "g2"]));
    let round = proptest::sample::select(vec!["base", "candidate", "queue-1", "audit-1", "?"]);
    let attempt = proptest::option::of(0..4_u32);
    (proptest::sample::select(kinds), slice, generation, attempt, round).prop_map(|(mut kind, slice, g, attempt, r)| {
        if let Kind::CheckStarted { round, .. } | Kind::CheckFinished { round, .. } = &mut kind {
            *round = r.to_owned();
        }
        let slice = slice.map(|s| s.parse().unwrap());
        Fact { kind, slice, r#gen: g.map(Sha256::of), attempt }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_events_give_a_state_that_agrees_with_itself(
        told in proptest::collection::vec((facts(), 0..3_usize, 1..60_u64), 0..120), turn in 0..120_usize,
    ) {
        let mut seq = [0; 3];
        let mut events: Vec<Event> = Vec::new();
        for (fact, writer, lamport) in told {
            seq[writer] += 1;
            events.push(event(["a", "b", "c"][writer], seq[writer], lamport, fact));
        }
        let once = replay(events.clone(), vec![], vec![]);
        let mut again = events.clone();
        again.extend(events.iter().take(turn).cloned());
        again.rotate_left(turn.min(events.len()));
        again.reverse();
        prop_assert_eq!(&replay(again, vec![], vec![]), &once);
        let state = once.state;
        for (id, s) in &state.slices {
            prop_assert_eq!(s.phase == Phase::Landed, s.landing.is_some());
            prop_assert_eq!(s.phase == Phase::Blocked, s.blocked.is_some());
            prop_assert_eq!(s.phase == Phase::Redundant, s.redundant.is_some());
            prop_assert!(s.phase != Phase::Eligible || s.candidate.is_some());
            prop_assert!(s.landing.is_none_or(|l| state.landings.contains(&(id.clone(), l))));
            prop_assert!(s.attempts.iter().zip(s.earlier + 1..).all(|(a, n)| a.n == n));
        }
    }
}

fn asks(action: &str, hint: Option<&str>) -> Kind {
    Kind::ControlRequested { action: action.into(), by: None, hint: hint.map(str::to_owned) }
}

fn done(request: u64) -> Kind {
    Kind::ControlApplied { request: format!("a-{request}"), result: "begins anew".into() }
}

#[test]
fn a_retried_slice_begins_anew_in_a_finished_run_with_what_waited_for_it() {
    let mut s = Story::default();
    let blocked = |reason| Kind::SliceBlocked { reason, detail: "x".into() };
    let failed = Kind::AttemptFailed { reason: AttemptFailure::Checks, detail: "red".into(), commit: None, diff: None };
    s.at("g", None, Kind::SliceStarted { base: oid('1'), green: vec![] });
    s.at("g", Some(1), failed.clone()).at("g", None, blocked(BlockReason::Attempts));
    s.tell(Fact::slice(&"sub".parse().unwrap(), generation("s"), None, blocked(BlockReason::DepBlocked)));
    s.run(Kind::AuditStarted { round: 1, commit: oid('1') });
    s.run(Kind::AuditFinished { round: 1, verdict: Verdict::Blocked, findings: vec![] });
    s.run(Kind::RunFinished { verdict: Verdict::Blocked, why: vec![], target: oid('1') });
    s.at("g", None, asks(RETRY, Some("mind the case")));
    let n = s.events.len() as u64;
    s.at("g", None, done(n));

    assert_eq!((&s.state.finished, &s.state.audit, &s.state.problems), (&None, &None, &vec![]));
    let now = s.slice();
    assert_eq!((now.phase, now.base, now.last_attempt(), &now.blocked), (Phase::Pending, None, 1, &None));
    assert_eq!(now.retried.as_ref().map(|r| (r.after, r.hint.as_deref())), Some((1, Some("mind the case"))));
    assert_eq!(now.counting().count(), 0, "what was before counts no more");
    assert_eq!(s.state.slices[&"sub".parse::<SliceId>().unwrap()].phase, Phase::Pending);
    // Attempts are numbered on, and the request is done for good.
    s.refuses("g", None, done(n), "nobody waits for that");
    s.at("g", None, Kind::SliceStarted { base: oid('2'), green: vec![] }).at("g", Some(2), failed);
    assert_eq!((s.slice().last_attempt(), s.slice().counting().count()), (2, 1));
}

#[test]
fn what_has_landed_or_is_at_work_is_not_begun_anew() {
    let mut s = Story::default();
    let tree = oid('5');
    s.at("g", None, Kind::SliceStarted { base: oid('1'), green: vec![] });
    s.at("g", None, asks(RETRY, None)).refuses("g", None, done(2), "no attempt at it has failed");
    let started = Kind::AgentStarted { provider: "x".into(), role: "build".into(), session: None, told: vec![] };
    s.at("g", Some(1), started).refuses("g", None, done(2), "is under way");
    s.at("g", Some(1), Kind::MergeEligible { candidate: oid('2') }).refuses("g", None, done(2), "on its way");
    s.at("g", None, Kind::MergeStarted { candidate: oid('2'), tip: oid('1'), commit: oid('3'), tree, round: 1 });
    s.at("g", None, Kind::MergeLanded { commit: oid('3'), tree, tip: oid('1') });
    s.refuses("g", None, done(2), "what has landed stays").refuses("h", None, done(2), "has not begun");
    // Refused, it is done too: nobody asks twice.
    s.run(done(2));
    assert_eq!(s.state.requests.iter().map(|r| (r.result.is_some(), r.granted)).collect::<Vec<_>>(), [(true, false)]);
}

#[test]
fn a_person_holds_and_orders_slices_and_the_run_until_somebody_lets_them_go_on() {
    let mut s = Story::default();
    let [a, b]: [SliceId; 2] = ["a", "b"].map(|id| id.parse().unwrap());
    let grant = |s: &mut Story, action: &str, slice: Option<&SliceId>| {
        let of = |kind, r#gen| Fact { kind, slice: slice.cloned(), r#gen, attempt: None };
        s.tell(of(Kind::ControlRequested { action: action.into(), by: Some("Ada".into()), hint: None }, None));
        let applied = Kind::ControlApplied { request: format!("a-{}", s.events.len()), result: "so it is".into() };
        s.tell(of(applied, Some(generation("g"))));
    };
    for (action, slice) in [(PAUSE, Some(&a)), (PAUSE, Some(&b)), (PAUSE, None), (FIRST, Some(&a)), (FIRST, Some(&b))] {
        grant(&mut s, action, slice);
    }
    let by = s.state.paused.as_ref().and_then(|h| h.by.as_deref());
    assert_eq!((by, s.state.held.len(), s.state.order.as_slice()), (Some("Ada"), 2, &[b.clone(), a.clone()][..]));
    grant(&mut s, FIRST, Some(&a));
    grant(&mut s, RESUME, Some(&a));
    grant(&mut s, RESUME, None);
    assert_eq!((&s.state.paused, s.state.order.as_slice()), (&None, &[a, b.clone()][..]));
    assert_eq!(s.state.held.keys().collect::<Vec<_>>(), [&b]);
    // Who takes the run up lets it go on, but not a slice that somebody holds.
    grant(&mut s, PAUSE, None);
    s.run(Kind::RunResumed { reason: "x".into(), term: 0 });
    assert_eq!((&s.state.paused, s.state.held.len()), (&None, 1));
    assert!(s.state.problems.is_empty() && s.state.requests.iter().all(|r| r.granted));
}
