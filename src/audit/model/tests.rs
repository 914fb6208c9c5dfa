//! The verdict: an opinion makes it stricter, never better, and what caps it is told.

use super::*;
use crate::base::{Oid, Sha256};

fn oid(c: char) -> Oid {
    String::from(c).repeat(40).parse().unwrap()
}

fn plan() -> Plan {
    let spec = serde_json::json!({
        "schema": "otto.spec/1", "id": "t", "title": "T", "intent": "A thing.", "project_kind": "cli",
        "structure": {"entrypoint": "./t", "commands": [{"name": "t", "summary": "s"}]},
        "requirements": [{"id": "R1", "text": "x"}],
        "slices": [{"id": "main", "title": "M", "requirements": ["R1"], "owned_paths": ["t"],
            "checks": [{"id": "main-1", "kind": "cli_probe", "shell": "./t"}]}],
    });
    let spec = crate::spec::parse(spec.to_string().as_bytes()).unwrap();
    Plan::new(oid('1'), spec, Default::default())
}

fn result(cause: Cause) -> CheckResult {
    CheckResult {
        check: "main-1".into(),
        digest: Sha256::of("x"),
        round: "audit-1".into(),
        tree: oid('2'),
        cause,
        detail: "it printed nothing".into(),
        duration_ms: 1,
        evidence: oid('3'),
    }
}

fn judged(cause: Cause, opinion: Option<Opinion>) -> (Verdict, Vec<Finding>) {
    judge(&plan(), &RunState::default(), &[result(cause)], &[], &History::default(), &|_| false, opinion.as_ref())
}

fn said(json: serde_json::Value) -> Option<Opinion> {
    Some(Opinion::Said(serde_json::from_value(json).unwrap()))
}

#[test]
fn without_an_opinion_facts_alone_decide() {
    assert_eq!(judged(Cause::Holds, None), (Verdict::Passed, vec![]));
    let (verdict, findings) = judged(Cause::Assertion, None);
    assert_eq!((verdict, findings.len()), (Verdict::Partial, 2));
    let lack = ["the contract `a` is not there".to_owned()];
    let green = [result(Cause::Holds)];
    let (verdict, findings) =
        judge(&plan(), &RunState::default(), &green, &lack, &History::default(), &|_| false, None);
    assert_eq!((verdict, findings[0].text.as_str()), (Verdict::Partial, lack[0].as_str()));
}

#[test]
fn an_opinion_that_is_satisfied_adds_nothing_and_overrules_nothing() {
    let passed = || said(serde_json::json!({"verdict": "passed", "findings": []}));
    assert_eq!(judged(Cause::Holds, passed()), (Verdict::Passed, vec![]));
    assert_eq!(judged(Cause::Assertion, passed()), judged(Cause::Assertion, None));
}

#[test]
fn what_it_finds_caps_at_partial_unless_it_blocks() {
    let finding = serde_json::json!({"about": "R1", "text": "only the\ntested case holds", "path": "src/t"});
    for (word, cap) in [("passed", Verdict::Partial), ("partial", Verdict::Partial), ("blocked", Verdict::Blocked)] {
        let (verdict, findings) =
            judged(Cause::Holds, said(serde_json::json!({"verdict": word, "findings": [finding]})));
        assert_eq!(verdict, cap, "{word}");
        let last = findings.last().unwrap();
        assert_eq!((last.about.as_str(), last.cap), ("R1", cap));
        assert_eq!(last.text, "the auditor found, about `R1`: only the tested case holds (`src/t`)");
    }
}

#[test]
fn a_verdict_without_findings_is_told_too() {
    for (word, cap) in [("partial", Verdict::Partial), ("blocked", Verdict::Blocked)] {
        let (verdict, findings) = judged(Cause::Holds, said(serde_json::json!({"verdict": word, "findings": []})));
        assert_eq!((verdict, findings.len(), findings[0].cap), (cap, 1, cap));
        assert!(findings[0].text.starts_with("the auditor finds"), "{}", findings[0].text);
    }
}

#[test]
fn a_note_is_told_and_caps_nothing() {
    let note = serde_json::json!({"about": "elsewhere", "text": "token=abcdefghijklmnopqrst", "severity": "note"});
    let (verdict, findings) = judged(Cause::Holds, said(serde_json::json!({"verdict": "passed", "findings": [note]})));
    assert_eq!(verdict, Verdict::Passed);
    assert_eq!((findings[0].about.as_str(), findings[0].cap), ("t", Verdict::Passed));
    assert_eq!(findings[0].text, "the auditor notes, about `elsewhere`: token=[redacted]");
}

#[test]
fn no_opinion_where_one_was_due_blocks() {
    let (verdict, findings) = judged(Cause::Holds, Some(Opinion::Nothing("it ended with exit code 3".into())));
    assert_eq!(verdict, Verdict::Blocked);
    assert_eq!(findings[0].text, "the auditor gave no verdict: it ended with exit code 3");
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("../../../schemas/audit.json")).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for value in [
        serde_json::json!({"verdict": "passed", "findings": []}),
        serde_json::json!({"verdict": "blocked", "findings": [{"about": "R1", "text": "x", "path": null, "severity": null}]}),
        serde_json::json!({"verdict": "partial", "findings": [{"about": "R1", "text": "x", "severity": "defect"}]}),
        serde_json::json!({"verdict": "fine", "findings": []}),
        serde_json::json!({"verdict": "passed"}),
        serde_json::json!({"findings": []}),
        serde_json::json!({"verdict": "passed", "findings": [{"text": "x"}]}),
        serde_json::json!({"verdict": "passed", "findings": [{"about": "R1", "text": "x", "severity": "huge"}]}),
        serde_json::json!({"verdict": "passed", "findings": [], "more": 1}),
        serde_json::json!([]),
    ] {
        let read = serde_json::from_value::<Judgement>(value.clone()).is_ok();
        assert_eq!(validator.is_valid(&value), read, "{value}");
    }
}
