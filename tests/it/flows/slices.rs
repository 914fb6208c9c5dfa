//! Slices that need no agent, cannot be built, or would judge themselves.

use super::*;

fn one(s: &Sandbox, body: &str, steps: Value) -> Run {
    let agent = agent(s, json!({"a": {"*": steps}, "b": {"*": [right("b")]}, "c": {"*": [right("c")]}}));
    let parts = [("a", &[][..], body.to_owned()), ("b", &[], plain("b")), ("c", &["b"], plain("c"))];
    run(s, &intent("Three", "", &parts, ""), &agent, &[])
}

#[test]
fn a_slice_that_brings_nothing_new_starts_no_agent() {
    let s = sandbox();
    s.commit("There already", &[("a.txt", "a\n")]);
    let run = one(&s, &plain("a"), json!([{"exit": 9}])).ends(0);
    let a = run.stands("a", "redundant", 0);
    assert!(a["redundant"].as_str().unwrap().contains("already"), "{a:#}");
    assert_eq!(starts(&s, "a"), 0);
    assert_eq!(run.packet["requirements"][0]["proven"], "yes", "the audit has run its check");
    assert_eq!(order(&landings(&s, "main", "otto/three")), ["b", "c"]);
}

#[test]
fn what_is_green_already_is_told_and_the_rest_is_built() {
    let s = sandbox();
    s.commit("There already", &[("old.txt", "old\n")]);
    let body = "Owns: `a.txt`, `old.txt`.\n\nCheck: `cat old.txt` prints `old`.\n\nCheck: `cat a.txt` prints `a`.";
    let run = one(&s, body, json!([{"keep_task": s.path("task")}, right("a")])).ends(0);
    run.stands("a", "landed", 1);
    let task: Value = serde_json::from_slice(&std::fs::read(s.path("task")).unwrap()).unwrap();
    assert_eq!(task["green_on_base"], json!(["a-1"]));
}

#[test]
fn what_must_be_kept_has_to_be_green_before() {
    let s = sandbox();
    let body = plain("a") + "\n\nKeeps: `cat LICENSE` exits 0.";
    let run = one(&s, &body, json!([right("a")])).ends(4);
    let a = run.blocked("a", "base_unfit", 0);
    assert!(a["blocked"]["detail"].as_str().unwrap().contains("`a-2`"), "{a:#}");
    assert_eq!(starts(&s, "a"), 0);
}

#[test]
fn what_must_be_kept_is_not_broken_unnoticed() {
    let s = sandbox();
    s.commit("Licence", &[("LICENSE", "free\n")]);
    let body = "Owns: `a.txt`, `LICENSE`.\n\nCheck: `cat a.txt` prints `a`.\n\nKeeps: `cat LICENSE` prints `free`.";
    let run = one(&s, body, json!([right("a"), write("LICENSE", "mine\n")])).ends(4);
    run.blocked("a", "same_diff", 2);
    assert_eq!(run.failures("a"), [Some("checks".into()), Some("checks".into())]);
}

#[test]
fn a_runner_that_is_not_there_proves_nothing() {
    let s = sandbox();
    let body = "Owns: `a.txt`.\n\nTest: `frobnicate-the-tests` `all`.";
    let run = one(&s, body, json!([right("a")])).ends(4);
    let a = run.blocked("a", "unknown", 0);
    assert!(a["blocked"]["detail"].as_str().unwrap().contains("frobnicate-the-tests is not on PATH"), "{a:#}");
    assert_eq!(starts(&s, "a"), 0);
    assert_eq!(run.packet["requirements"][0]["proven"], "no");
}

#[test]
fn a_setup_that_fails_proves_nothing() {
    let s = sandbox();
    let agent = agent(&s, json!({"a": {"*": [right("a")]}}));
    let text = intent("One", "Setup: `sh` `-c` `echo no network >&2; exit 3`.", &[("a", &[], plain("a"))], "");
    let run = run(&s, &text, &agent, &[]).ends(5);
    let a = run.blocked("a", "unknown", 0);
    assert!(a["blocked"]["detail"].as_str().unwrap().contains("no network"), "{a:#}");
}

#[test]
fn a_setup_leaves_nothing_in_what_lands() {
    let s = sandbox();
    let body = "Owns: `a.txt`.\n\nCheck: `cat made a.txt` prints a line with `made` and `a`.";
    let agent = agent(&s, json!({"a": {"*": [right("a")]}}));
    run(&s, &intent("One", "Setup: `sh` `-c` `echo made > made`.", &[("a", &[], body.into())], ""), &agent, &[])
        .ends(0);
    assert_eq!(s.git(&["ls-tree", "-r", "--name-only", "otto/one"]), ".otto/specs/one.json\nREADME.md\na.txt");
}

const OWN_TEST: &str = "Owns: `a.txt`, `tests/a.sh`.\n\nTest: `sh` `tests/a.sh`.";

#[test]
fn tests_that_a_slice_wrote_itself_are_no_proof_alone() {
    let s = sandbox();
    let steps = json!([right("a"), write("tests/a.sh", "test \"$(cat a.txt)\" = a\n")]);
    let run = one(&s, OWN_TEST, steps).ends(4);
    run.stands("a", "landed", 1);
    assert_eq!(run.packet["requirements"][0]["proven"], "self_written");
    assert_eq!(run.packet["missing"]["requirements"], json!(["R1"]));
    assert_eq!(run.packet["checks"][0]["self_written"], json!(["tests/a.sh"]));
    assert!(run.packet["why"][0].as_str().unwrap().contains("wrote itself"), "{}", run.packet["why"]);
    assert!(run.markdown.contains("self-written"), "{}", run.markdown);
}

#[test]
fn a_slice_whose_own_tests_pass_already_is_not_built_again() {
    let s = sandbox();
    let steps = json!([right("a"), write("tests/a.sh", "test \"$(cat a.txt)\" = a\n")]);
    let first = one(&s, OWN_TEST, steps).ends(4);
    std::fs::remove_file(s.path("agent.log")).unwrap();
    let second = one(&s, OWN_TEST, json!([{"exit": 9}])).ends(4);
    assert_ne!(first.run(), second.run());
    second.stands("a", "redundant", 0);
    assert_eq!((starts(&s, "a"), &second.packet["requirements"][0]["proven"]), (0, &json!("self_written")));
}

#[test]
fn a_test_of_its_own_that_is_there_before_is_kept_beside_what_is_new() {
    let s = sandbox();
    s.commit("A test", &[("tests/a.sh", "exit 0\n")]);
    let body = format!("{OWN_TEST}\n\nCheck: `cat a.txt` prints `a`.");
    let run = one(&s, &body, json!([right("a")])).ends(0);
    run.stands("a", "landed", 1);
}

#[test]
fn the_audit_believes_no_earlier_result() {
    let s = sandbox();
    // Holds on the candidate and in the queue, and never again.
    let runs = s.path("runs");
    let (runs, judge) = (runs.display(), s.path("judge"));
    s.script("judge", &format!("#!/bin/sh\necho x >> '{runs}'\n[ $(grep -c x '{runs}') -lt 4 ] && cat a.txt\n"));
    let body = format!("Owns: `a.txt`.\n\nCheck: `{}` prints `a`.", judge.display());
    let run = one(&s, &body, json!([right("a")])).ends(4);
    run.stands("a", "landed", 1);
    assert_eq!(run.packet["requirements"][0]["proven"], "no");
    assert_eq!(run.packet["missing"]["checks"], json!(["a-1"]));
    let results = run.packet["checks"][0]["results"].as_array().unwrap();
    let told: Vec<_> = results.iter().map(|r| (r["round"].as_str().unwrap(), r["cause"].as_str().unwrap())).collect();
    assert_eq!(told, [("base", "assertion"), ("candidate", "holds"), ("queue-1", "holds"), ("audit-1", "assertion")]);
}

#[test]
fn a_check_that_takes_too_long_is_red_and_leaves_nothing_running() {
    let s = sandbox();
    let pid = s.path("pid");
    let body = format!(
        "Owns: `a.txt`.\n\nCheck: `test -e a.txt || {{ echo $$ > '{}'; sleep 600; }}; cat a.txt` prints `a`, within 3 s.",
        pid.display()
    );
    let run = one(&s, &body, json!([right("a")])).ends(0);
    assert_eq!(run.packet["checks"][0]["results"][0]["cause"], "timeout");
    assert_dead(&s, &pid);
}

#[test]
fn beside_another_check_they_are_welcome() {
    let s = sandbox();
    let steps = json!([right("a"), write("tests/a.sh", "test \"$(cat a.txt)\" = a\n")]);
    let run = one(&s, &format!("{OWN_TEST}\n\nCheck: `cat a.txt` prints `a`."), steps).ends(0);
    assert_eq!(run.packet["requirements"][0]["proven"], "yes");
}

#[test]
fn a_test_that_passes_without_the_work_is_refused() {
    let s = sandbox();
    let agent = agent(
        &s,
        json!({"a": {
            "1": [right("a"), write("tests/a.sh", "exit 0\n")],
            "2": [{"keep_task": s.path("task")}, right("a"), write("tests/a.sh", "test -e a.txt\n")],
        }}),
    );
    let run = run(&s, &intent("One", "", &[("a", &[], OWN_TEST.into())], ""), &agent, &[]).ends(4);
    run.stands("a", "landed", 2);
    assert_eq!(run.failures("a"), [Some("checks".into()), None]);
    let task = std::fs::read_to_string(s.path("task")).unwrap();
    assert!(task.contains("passes on the base too, so it proves nothing"), "{task}");
}

#[test]
fn files_of_a_check_judge_whatever_the_slice_wrote_in_their_place() {
    let s = sandbox();
    let body = "Owns: `a.txt`, `tests/`.\n\nTest: `sh` `tests/judge.sh`.\n\nWith file `tests/judge.sh`:\n\n```sh\n\
                test \"$(cat a.txt)\" = a\n```";
    let agent = agent(
        &s,
        json!({"a": {
            "1": [write("a.txt", "wrong\n"), write("tests/judge.sh", "exit 0\n")],
            "2": [right("a")],
        }}),
    );
    let run = run(&s, &intent("One", "", &[("a", &[], body.into())], ""), &agent, &[]).ends(0);
    assert_eq!(run.failures("a"), [Some("checks".into()), None]);
    assert_eq!(run.packet["checks"][0]["self_written"], json!([]));
}
