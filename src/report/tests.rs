use std::collections::BTreeMap;

use super::*;
use crate::{
    base::{Oid, RunId, Sha256, SliceId, Timestamp},
    checks::model::{Cause, Check, CheckKind, Gate},
    journal::{
        event::{AttemptFailure, BlockReason, Cost, Verdict},
        state::{Attempt, Audit, CheckResult, Finished, Merge, Phase, RunState, SliceState, Started, Wait},
    },
    plan::model::Plan,
    report::model::{Amendment, Diffstat, Proven},
    spec::model::{Cli, Command, CrossCheck, ProjectKind, Requirement, Slice, Spec, Structure},
};

mod page;
mod shown;

fn oid(n: u32) -> Oid {
    format!("{n:08x}").repeat(5).parse().unwrap()
}

fn slice_id(id: &str) -> SliceId {
    id.parse().unwrap()
}

fn check(id: &str, shell: &str, gate: Gate) -> Check {
    let kind = CheckKind::CliProbe {
        command: vec![],
        shell: Some(shell.into()),
        stdin: None,
        expect_exit: 0,
        stdout: None,
        stdout_contains: vec!["1:tea".into()],
        stdout_matches: None,
        stderr_contains: vec![],
    };
    Check { id: id.into(), kind, proves: vec![], gate, files: BTreeMap::new(), timeout_s: None }
}

fn own_test(id: &str) -> Check {
    let kind =
        CheckKind::RepoTest { command: vec!["sh".into(), "t/own.sh".into()], expect_exit: 0, stdout_contains: vec![] };
    Check { id: id.into(), kind, proves: vec!["R4".into()], gate: Gate::New, files: BTreeMap::new(), timeout_s: None }
}

fn slice(id: &str, requirement: &str, deps: &[&str], checks: Vec<Check>) -> Slice {
    Slice {
        id: slice_id(id),
        title: format!("The command {id}"),
        requirements: vec![requirement.into()],
        tasks: vec![],
        deps: deps.iter().map(|d| slice_id(d)).collect(),
        owned_paths: vec![format!("cmd/{id}")],
        checks,
    }
}

fn spec() -> Spec {
    let texts = ["prints the usage", "keeps a note", "prints every note", "finds a note"];
    let requirement = |(n, text): (usize, &&str)| Requirement { id: format!("R{}", n + 1), text: (*text).into() };
    let command = Command { name: "add".into(), summary: "keeps".into(), args: vec![], exit_codes: BTreeMap::new() };
    let all = ["front", "add"].map(slice_id).to_vec();
    Spec {
        schema: crate::spec::model::SCHEMA.into(),
        id: "jot".parse().unwrap(),
        title: "jot".into(),
        intent: "Keep one-line notes from the shell.\n\nNothing to install.\n".into(),
        project_kind: ProjectKind::Cli,
        structure: Structure::Cli(Cli { entrypoint: "./jot".into(), commands: vec![command] }),
        requirements: texts.iter().enumerate().map(requirement).collect(),
        slices: vec![
            slice("front", "R1", &[], vec![check("front-1", "./jot", Gate::New)]),
            slice(
                "add",
                "R2",
                &["front"],
                vec![check("add-1", "./jot add tea", Gate::New), check("add-2", "make test", Gate::Keeps)],
            ),
            slice("list", "R3", &["add"], vec![check("list-1", "./jot list", Gate::New)]),
            slice("find", "R4", &["list"], vec![own_test("find-1")]),
        ],
        cross_slice_checks: vec![CrossCheck {
            slices: all,
            check: check("all-1", "./jot add tea; ./jot list", Gate::New),
        }],
        shared_scaffold: vec![],
        contracts: vec![],
        services: vec![],
        setup: vec![],
        files: vec![],
        non_goals: vec!["editing".into()],
        done_means: vec![],
        min_version: None,
    }
}

fn result(check: &str, round: &str, cause: Cause, n: u32) -> CheckResult {
    let detail = if cause.passed() { "all that it states holds".into() } else { format!("{check} prints nothing") };
    CheckResult {
        check: check.into(),
        digest: Sha256::of(check),
        round: round.into(),
        tree: oid(500),
        cause,
        detail,
        duration_ms: 12,
        evidence: oid(n),
    }
}

fn attempt(n: u32, checks: Vec<CheckResult>) -> Attempt {
    Attempt { n, provider: "literate".into(), agent_ended: true, checks, ..Attempt::default() }
}

fn landed(commit: u32, attempts: Vec<Attempt>, base_checks: Vec<CheckResult>) -> SliceState {
    let merge = Merge { candidate: oid(9), tip: oid(8), commit: oid(commit), tree: oid(commit + 100), round: 1 };
    SliceState {
        phase: Phase::Landed,
        attempts,
        base_checks,
        merge: Some(merge),
        landing: Some(oid(commit)),
        ..SliceState::default()
    }
}

/// A run with a landing at once, one at the second attempt, one slice out of scope and one that needs it.
fn partial(plan: &Plan) -> RunState {
    let red = |check: &str| result(check, "base", Cause::Missing, 70);
    let green = |check: &str, round: &str, n| result(check, round, Cause::Holds, n);
    let failed = Attempt {
        failed: Some((AttemptFailure::Checks, "`add-1` does not hold: it prints 2".into())),
        ..attempt(1, vec![result("add-1", "candidate", Cause::Assertion, 71)])
    };
    let astray = |n| Attempt {
        failed: Some((AttemptFailure::Scope, "it changed README.md".into())),
        violations: vec!["README.md".into()],
        cost: Cost { usd_micros: 120_000, ..Cost::default() },
        provider: "command:agent".into(),
        ..attempt(n, vec![])
    };
    let passing = |check: &str, n| vec![green(check, "candidate", n), green(check, "queue-1", n + 1)];
    let mut slices = BTreeMap::from([
        ("front", landed(1, vec![attempt(1, passing("front-1", 72))], vec![red("front-1")])),
        ("add", {
            let base = vec![result("add-1", "base", Cause::Assertion, 74), green("add-2", "base", 75)];
            let mut checks = passing("add-1", 76);
            checks.extend([green("add-2", "queue-1", 79), green("all-1", "queue-1", 80)]);
            landed(2, vec![failed, attempt(2, checks)], base)
        }),
        (
            "list",
            SliceState {
                phase: Phase::Blocked,
                attempts: vec![astray(1), astray(2)],
                waits: vec![Wait {
                    id: "w-9".into(),
                    path: "src/`front`.js".into(),
                    owner: "front".parse().unwrap(),
                    attempt: 1,
                    reason: "a form that it can send".into(),
                    candidate: None,
                    lost: None,
                    settled: Some((true, String::new())),
                }],
                blocked: Some((BlockReason::Scope, "3 attempts in a row changed README.md".into())),
                cost: Cost { usd_micros: 240_000, ..Cost::default() },
                ..SliceState::default()
            },
        ),
        (
            "find",
            SliceState {
                phase: Phase::Blocked,
                blocked: Some((BlockReason::DepBlocked, "dep blocked: `list`".into())),
                ..SliceState::default()
            },
        ),
    ]);
    for (id, state) in &mut slices {
        state.r#gen = Some(plan.generation(&slice_id(id)));
    }
    RunState {
        started: Some(Started { spec: oid(3), target: "refs/heads/otto/jot".into(), base: oid(4), at: at(0) }),
        slices: slices.into_iter().map(|(id, s)| (slice_id(id), s)).collect(),
        landings: vec![(slice_id("front"), oid(1)), (slice_id("add"), oid(2))],
        checks: vec![
            green("front-1", "audit-1", 90),
            green("add-1", "audit-1", 91),
            green("add-2", "audit-1", 92),
            result("all-1", "audit-1", Cause::Assertion, 93),
        ],
        audit: Some(Audit { round: 1, commit: oid(2), verdict: Some(Verdict::Partial), findings: vec![], agent: None }),
        audits: 1,
        finished: Some(Finished {
            verdict: Verdict::Partial,
            why: vec!["slice `list` is blocked: out of scope".into(), "R3 is not proven".into()],
            target: oid(2),
            at: at(95_000),
        }),
        resumes: 1,
        cost: Cost { usd_micros: 240_000, ..Cost::default() },
        ..RunState::default()
    }
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + ms)
}

fn plan(spec: Spec) -> Plan {
    Plan::new(oid(3), spec, Default::default())
}

fn packet_of(plan: &Plan, state: &RunState) -> Packet {
    let run: RunId = "jot-20231114t221320z-0a1b2c".parse().unwrap();
    let stat = |n| Diffstat { files: n, added: 10 * n, removed: n - 1 };
    assemble(&Material {
        run: &run,
        plan,
        state,
        target: "refs/heads/otto/jot",
        base: oid(4),
        tip: oid(2),
        created: at(0),
        digest: Sha256::of("spec"),
        self_written: [("find-1".to_owned(), vec!["t/own.sh".to_owned()])].into(),
        trees: [(oid(1), oid(101)), (oid(2), oid(102))].into(),
        stats: [(oid(1), stat(1)), (oid(2), stat(2))].into(),
        amendments: vec![Amendment {
            commit: oid(6),
            kind: "amend".into(),
            actor: "user:ann@example.org".into(),
            time: at(-5000),
            reason: "the usage is longer".into(),
            tier: Some(2),
            trigger: None,
            changes: vec!["tasks of slice `find`: + Print `none` for <nothing>".into()],
        }],
        actions: vec!["`front` is on the target: record its landing and its receipt".into()],
    })
}

fn is_valid(packet: &Packet) {
    let schema = serde_json::from_str(model::JSON_SCHEMA).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&json(packet).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn a_partial_run_reads_as_it_was() {
    let plan = plan(spec());
    let packet = packet_of(&plan, &partial(&plan));
    insta::assert_snapshot!("partial", markdown(&packet).unwrap());
    insta::assert_snapshot!("partial_json", String::from_utf8(json(&packet).unwrap()).unwrap());
    is_valid(&packet);
    let proven: Vec<Proven> = packet.requirements.iter().map(|r| r.proven).collect();
    assert_eq!(proven, [Proven::Yes, Proven::Yes, Proven::No, Proven::No]);
    let missing: Vec<&str> = packet.missing.slices.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(missing, ["list", "find"]);
    assert_eq!(packet.missing.checks, ["list-1", "find-1", "all-1"]);
}

#[test]
fn a_passed_run_of_an_intent_with_its_own_code_says_so() {
    let mut spec = spec();
    spec.slices.truncate(2);
    spec.requirements.truncate(2);
    let plan = plan(spec);
    let mut state = partial(&plan);
    state.checks.iter_mut().for_each(|c| c.cause = Cause::Holds);
    state.finished = Some(Finished { verdict: Verdict::Passed, why: vec![], target: oid(2), at: at(1) });
    let packet = packet_of(&plan, &state);
    is_valid(&packet);
    assert!(packet.missing.is_empty());
    let text = markdown(&packet).unwrap();
    assert!(text.starts_with("# jot: passed\n\n- Every requirement is proven"), "{text}");
    assert!(text.contains("No model was used: this intent carries its own code; otto ordered, checked and landed it."));
    assert!(text.contains("## What is missing\n\nNothing.\n"), "{text}");
}

#[test]
fn tests_that_a_slice_writes_itself_prove_nothing_alone() {
    let plan = plan(spec());
    let mut state = partial(&plan);
    state.checks.push(result("find-1", "audit-1", Cause::Holds, 94));
    let packet = packet_of(&plan, &state);
    assert_eq!(packet.requirements[3].proven, Proven::SelfWritten);
    assert_eq!(packet.missing.requirements, ["R3", "R4"]);
    let text = markdown(&packet).unwrap();
    assert!(text.contains("R4 **proven only by tests that its slice wrote itself**"), "{text}");
    assert!(text.contains("self-written (t/own.sh)"), "{text}");
}

#[test]
fn the_newest_audit_decides_and_not_an_earlier_one() {
    let plan = plan(spec());
    let mut state = partial(&plan);
    state.checks.push(result("front-1", "audit-10", Cause::Holds, 96));
    state.checks.push(result("front-1", "audit-9", Cause::Timeout, 95));
    let packet = packet_of(&plan, &state);
    assert_eq!(packet.checks[0].holds, Some(true));
    assert_eq!(packet.checks[0].results.last().unwrap().blob, oid(96));
}

#[test]
fn a_landing_that_git_does_not_confirm_is_a_problem_and_no_landing() {
    let plan = plan(spec());
    let mut state = partial(&plan);
    state.landings.push((slice_id("list"), oid(77)));
    state.landings.push((slice_id("add"), oid(2)));
    if let Some(merge) = state.slices.get_mut(&slice_id("front")).and_then(|s| s.merge.as_mut()) {
        merge.tree = oid(999);
    }
    state.problems.push("writer 0a, line 3: torn".into());
    let packet = packet_of(&plan, &state);
    assert_eq!(packet.landings.len(), 2);
    assert_eq!(packet.problems.len(), 4, "{:?}", packet.problems);
    assert_eq!(packet.problems[0], "writer 0a, line 3: torn");
    assert!(packet.problems[1].contains("is not the one that was tested"), "{:?}", packet.problems);
    assert!(packet.problems[2].contains("not in the target's history"), "{:?}", packet.problems);
    assert!(packet.problems[3].contains("told twice"), "{:?}", packet.problems);
    assert!(markdown(&packet).unwrap().contains("## Problems found\n\n- writer 0a, line 3: torn\n"));
}

#[test]
fn a_run_that_has_not_finished_has_no_verdict() {
    let plan = plan(spec());
    let packet = packet_of(&plan, &RunState::default());
    is_valid(&packet);
    assert_eq!(packet.verdict, None);
    assert_eq!(packet.why, ["The run has not finished: 4 of 4 slices are not on the target."]);
    let text = markdown(&packet).unwrap();
    assert!(text.starts_with("# jot: not finished\n"), "{text}");
    assert!(text.contains("- Slice `list`: not finished: pending\n  - waiting for it: find\n"), "{text}");
}

/// Every text that comes from outside, set to something hostile: the structure of the document stays the same.
#[test]
fn hostile_texts_change_no_structure() {
    use pulldown_cmark::{Event, Parser, Tag};
    let evil = "# <script>x</script>\u{1b}[2J [a](javascript:1) ![p](http://e/x) *b* | `` ` \n\n## What is missing\n\nNothing.";
    let structure = |text: &str| -> Vec<String> {
        let kept = |e: Event<'_>| match e {
            Event::Start(Tag::Heading { level, .. }) => Some(format!("heading {level}")),
            Event::Start(Tag::Item) => Some("item".into()),
            Event::Start(tag @ (Tag::Link { .. } | Tag::Image { .. } | Tag::Emphasis | Tag::HtmlBlock)) => {
                Some(format!("{tag:?}"))
            }
            Event::Html(h) | Event::InlineHtml(h) => Some(format!("html {h}")),
            _ => None,
        };
        Parser::new(text).filter_map(kept).collect()
    };
    let clean_plan = plan(spec());
    let clean = markdown(&packet_of(&clean_plan, &partial(&clean_plan))).unwrap();
    let mut hostile = spec();
    hostile.title = evil.into();
    hostile.intent = "> ***x*** <b>\n- a\n===\n".into();
    hostile.non_goals = vec![evil.into()];
    hostile.requirements.iter_mut().for_each(|r| r.text = evil.into());
    hostile.slices.iter_mut().for_each(|s| s.title = evil.into());
    for check in hostile.slices.iter_mut().flat_map(|s| &mut s.checks) {
        if let CheckKind::CliProbe { shell, stdout_contains, .. } = &mut check.kind {
            *shell = Some(evil.into());
            *stdout_contains = vec![evil.into()];
        }
    }
    let plan = plan(hostile);
    let mut state = partial(&plan);
    for s in state.slices.values_mut() {
        s.blocked.iter_mut().for_each(|b| b.1 = evil.into());
        s.waits.iter_mut().for_each(|w| (w.path, w.reason) = (evil.into(), evil.into()));
        for a in &mut s.attempts {
            a.provider = evil.into();
            a.failed.iter_mut().for_each(|f| f.1 = evil.into());
            a.violations.iter_mut().for_each(|v| *v = evil.into());
            a.checks.iter_mut().for_each(|c| c.detail = evil.into());
        }
    }
    state.checks.iter_mut().for_each(|c| c.detail = evil.into());
    state.finished.iter_mut().for_each(|f| f.why.iter_mut().for_each(|w| *w = evil.into()));
    let packet = packet_of(&plan, &state);
    is_valid(&packet);
    let text = markdown(&packet).unwrap();
    assert_eq!(structure(&text), structure(&clean), "{text}");
    assert!(!text.contains('\u{1b}'));
}
