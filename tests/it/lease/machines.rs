//! Two machines with one remote: two clones under two host names, and a clock that both read.

use super::*;
use crate::support::Running;
use rustix::process::Signal;

const HOSTS: [(&str, &str); 2] = [("repo", "alpha"), ("other", "beta")];

/// Two clones of `hub.git` that share leases there.
struct Machines {
    s: Sandbox,
    now: std::cell::Cell<i64>,
}

impl Machines {
    /// With a run that died on the first machine after its first landing, and is pushed.
    fn new() -> Machines {
        let s = Sandbox::new();
        s.git_in(".", &["init", "-q", "--bare", "-b", "main", "hub.git"]);
        s.git(&["remote", "add", "origin", s.path("hub.git").to_str().unwrap()]);
        s.git(&["push", "-q", "-u", "origin", "main"]);
        approved(&s);
        s.otto(&["remote", "add", "origin"]).exits(0);
        let m = Machines { s, now: 1_700_000_000_000.into() };
        m.pass(0);
        let fault = [("GIT_OTTO_FAULT", "queue.land.after_receipt:1:abort")];
        m.spawn("repo", &["run", "jot"], &fault).wait().exits(128 + 9);
        m.otto("repo", &["push"]);
        m.s.git_in(".", &["clone", "-q", "hub.git", "other"]);
        m.s.otto_in("other", &["remote", "add", "origin"]).exits(0);
        m.otto("other", &["fetch"]);
        m
    }

    /// Lets so many minutes pass.
    fn pass(&self, minutes: i64) {
        self.now.set(self.now.get() + minutes * 60_000);
        let new = self.s.write("clock.new", self.now.get().to_string());
        std::fs::rename(new, self.s.path("clock")).unwrap();
    }

    fn spawn(&self, dir: &str, args: &[&str], vars: &[(&str, &str)]) -> Running {
        let host = HOSTS.iter().find(|(d, _)| *d == dir).unwrap().1;
        let mut command = self.s.otto_command(dir, args);
        command.env("GIT_OTTO_HOST", host).env("GIT_OTTO_CLOCK", self.s.path("clock")).envs(vars.iter().copied());
        command.env("XDG_STATE_HOME", self.s.path(format!("state-{host}")));
        self.s.spawn(&mut command, None)
    }

    fn otto(&self, dir: &str, args: &[&str]) -> crate::support::Output {
        self.spawn(dir, args, &[]).wait().exits(0)
    }

    /// Both have the same, and it is whole.
    fn are_settled(&self) {
        for dir in ["repo", "other", "repo"] {
            self.otto(dir, &["sync"]);
        }
        for (dir, _) in HOSTS {
            settled(&self.s, dir);
            let status = self.otto(dir, &["status", "--json"]).json();
            assert_eq!(
                (&status["verdict"], &status["problems"]),
                (&"passed".into(), &serde_json::json!([])),
                "{status}"
            );
        }
        settled(&self.s, "hub.git");
        let tip = |dir| self.s.git_in(dir, &["rev-parse", "otto/jot"]);
        assert_eq!((tip("repo"), tip("other")), (tip("hub.git"), tip("hub.git")));
        assert_eq!(self.s.git_in("hub.git", &["for-each-ref", "refs/otto/lease/"]), "");
    }
}

#[test]
fn of_two_machines_one_goes_on_and_the_other_follows_when_it_falls_silent() {
    let m = Machines::new();
    // The push has given back what the process that died had.
    assert_eq!(owner(&m.s, "hub.git"), None);
    let mut both = HOSTS.map(|(dir, _)| m.spawn(dir, &["resume"], &[]));
    both[0].wait_until(|| owner(&m.s, "hub.git").is_some());
    let won = owner(&m.s, "hub.git");
    let winner = both.iter().position(|p| Some(p.pid()) == won).expect("one of both owns the run");
    both[winner].signal(Signal::STOP);
    let [first, second] = both;
    let (asleep, other) = if winner == 0 { (first, second) } else { (second, first) };
    let (of_winner, of_other) = (HOSTS[winner], HOSTS[1 - winner]);
    let refused = other.wait().exits(6);
    assert!(refused.stderr.contains(&format!("on {} since", of_winner.1)), "{refused}");
    assert!(refused.stderr.contains("git otto resume jot --take-over"), "{refused}");

    // It sleeps for too long; the other goes on, and tells.
    m.pass(20);
    m.otto(of_other.0, &["resume"]);
    m.otto(of_other.0, &["push"]);
    let target = |dir| m.s.git_in(dir, &["for-each-ref", "--format=%(objectname)", "refs/otto/targets/"]);
    let before = target(of_winner.0);
    asleep.signal(Signal::CONT);
    let woken = asleep.wait().exits(6);
    assert!(woken.stderr.contains("was taken over"), "{woken}");
    assert_eq!(target(of_winner.0), before, "nothing lands without the lease");
    m.are_settled();
}
