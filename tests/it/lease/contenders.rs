//! Eight processes that take up the same run.

use std::cell::{Cell, RefCell};

use super::*;
use crate::support::Running;
use rustix::process::Signal;

/// How often eight begin at once; more by hand.
fn rounds() -> usize {
    std::env::var("OTTO_TEST_ROUNDS").ok().map_or(2, |n| n.parse().expect("OTTO_TEST_ROUNDS is a number"))
}

#[test]
fn of_eight_processes_one_goes_on_and_seven_are_told_who_does() {
    let s = Sandbox::new();
    approved(&s);
    s.otto_with(&["run", "jot"], &[("GIT_OTTO_FAULT", "build.commit.after:1:abort")], None).exits(128 + 9);
    let mut rng = s.rng();
    let (mut killed, mut refused) = (0, 0);
    for _ in 0..rounds() {
        let mut all: Vec<Running> = (0..8).map(|_| s.start(&["resume"], &[])).collect();
        // Whoever wins is killed some steps later, wherever it is by then.
        let steps = 1 + rng.below(12);
        let heads = || s.git(&["for-each-ref", "--format=%(objectname)", "refs/notes/otto/", "refs/otto/slices/"]);
        let (seen, known) = (Cell::new(0), RefCell::new(heads()));
        all[0].wait_until(|| owner(&s, "repo").is_some());
        let winner = |all: &[Running]| all.iter().position(|p| owner(&s, "repo") == Some(p.pid()));
        if let Some(at) = winner(&all) {
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
    }
    assert!(refused > 0, "nobody met another ({killed} killed)");
    s.otto(&["resume"]).exits(0);
    settled(&s, "repo");
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
    assert_eq!(s.git(&["for-each-ref"]), refs, "nothing changed");
    s.otto(&["resume"]).exits(0);
    settled(&s, "repo");
}
