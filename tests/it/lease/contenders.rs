//! Eight processes that take up the same run.

use std::cell::{Cell, RefCell};

use super::*;
use crate::support::Running;
use rustix::process::Signal;

/// How often eight begin at once; more by hand.
fn rounds() -> usize {
    std::env::var("OTTO_TEST_ROUNDS").ok().map_or(2, |n| n.parse().expect("OTTO_TEST_ROUNDS is a number"))
}

/// A run that died after its first attempt.
fn begun() -> Sandbox {
    let s = Sandbox::new();
    approved(&s);
    s.otto_with(&["run", "jot"], &[("GIT_OTTO_FAULT", "build.commit.after:1:abort")], None).exits(128 + 9);
    s
}

#[test]
fn of_eight_processes_one_goes_on_and_seven_are_told_who_does() {
    let mut s = begun();
    let mut rng = s.rng();
    let (mut killed, mut refused, mut ended) = (0, 0, 0);
    for _ in 0..rounds() {
        let mut all: Vec<Running> = (0..8).map(|_| s.start(&["resume"], &[])).collect();
        // Whoever wins is killed some steps later, wherever it is by then.
        let steps = 1 + rng.below(8);
        let heads = || s.git(&["for-each-ref", "--format=%(objectname)", "refs/notes/otto/", "refs/otto/slices/"]);
        let (seen, known) = (Cell::new(0), RefCell::new(heads()));
        // The lease of the one before is there until one of these has it, or all were too late.
        let pids: Vec<u32> = all.iter().map(Running::pid).collect();
        let at = || owner(&s, "repo").and_then(|pid| pids.iter().position(|p| *p == pid));
        if all.iter_mut().any(|one| one.wait_until(|| at().is_some()))
            && let Some(at) = at()
        {
            all[at].wait_until(|| {
                let now = heads();
                seen.set(seen.get() + u64::from(known.replace(now.clone()) != now));
                seen.get() >= steps
            });
            all[at].signal(Signal::KILL);
        }
        for one in all {
            let out = one.wait();
            match out.code {
                // The one that went on to the end, or came when that was reached.
                0 => {}
                6 => {
                    refused += 1;
                    assert!(out.stderr.contains(" is held by "), "{out}");
                    assert!(out.stderr.contains("hint: git otto status"), "{out}");
                }
                137 => killed += 1,
                _ => panic!("{out}"),
            }
        }
        let status = s.otto(&["status", "--json"]).exits(0).json();
        if status["standing"] == "finished" {
            end(&s);
            (s, ended) = (begun(), ended + 1);
        }
    }
    assert!(killed > 0 && refused > 0, "{killed} killed, {refused} refused");
    eprintln!("{killed} winners killed, {refused} refused, {ended} runs came to their end meanwhile");
    end(&s);
}

/// Goes on to the end; nothing is left of those who died.
fn end(s: &Sandbox) {
    s.otto(&["resume"]).exits(0);
    settled(s, "repo");
    assert_eq!(s.git(&["for-each-ref", "refs/otto/lease/", "refs/otto/pin/"]), "");
}

#[test]
fn what_taking_a_run_up_would_do_is_told_without_owning_it() {
    let s = Sandbox::new();
    approved(&s);
    s.otto_with(&["run", "jot"], &[("GIT_OTTO_FAULT", "queue.land.after_swap:1:abort")], None).exits(128 + 9);
    let refs = s.git(&["for-each-ref"]);
    let out = s.otto(&["resume", "-n"]).exits(0);
    assert!(out.stdout.contains("is on the target: record its landing and its receipt"), "{out}");
    assert!(!out.stdout.contains("land it"), "what has landed is not landed again: {out}");
    let json = s.otto(&["resume", "-n", "--json"]).exits(0).json();
    assert_eq!((&json["schema"], &json["owner"]), (&"otto.resume/1".into(), &serde_json::Value::Null), "{json}");
    assert_ne!(json["repairs"], serde_json::json!([]), "{json}");
    assert!(json["unasked"].is_null() && !out.stdout.contains("was not asked"), "no remote is shared: {out}");
    s.git_in(".", &["init", "-q", "--bare", "hub.git"]);
    s.git(&["remote", "add", "origin", "../hub.git"]);
    s.otto(&["remote", "add", "origin"]).exits(0);
    let out = s.otto(&["resume", "-n"]).exits(0);
    assert!(out.stdout.contains("at `origin`") && out.stdout.contains("was not asked: git otto fetch origin"), "{out}");
    assert_eq!(s.otto(&["resume", "-n", "--json"]).exits(0).json()["unasked"], "origin");
    assert_eq!(s.git(&["for-each-ref"]), refs, "nothing changed");
    s.otto(&["resume"]).exits(0);
    settled(&s, "repo");
}
