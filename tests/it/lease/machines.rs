//! Two machines with one remote: two clones under two host names, and a clock that both read.

use super::*;
use std::process::Command;

use crate::support::Running;
use rustix::process::Signal;

const HOSTS: [(&str, &str); 2] = [("repo", "alpha"), ("other", "beta")];

/// How a program is started where processes have numbers of their own.
const CONTAINER: [&str; 3] = ["-rpf", "--mount-proc", "--kill-child"];

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
        self.spawned(dir, self.s.otto_command(dir, args), vars)
    }

    /// The same in a container of the machine, where processes are numbered anew.
    fn contained(&self, dir: &str, args: &[&str]) -> Running {
        let mut command = self.s.command("unshare", dir);
        command.args(CONTAINER).arg(env!("CARGO_BIN_EXE_git-otto")).args(args);
        self.spawned(dir, command, &[])
    }

    fn spawned(&self, dir: &str, mut command: Command, vars: &[(&str, &str)]) -> Running {
        let host = HOSTS.iter().find(|(d, _)| *d == dir).unwrap().1;
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
        let tip = |dir| target(&self.s, dir);
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
    let target = |dir| target(&m.s, dir);
    let before = target(of_winner.0);
    asleep.signal(Signal::CONT);
    let woken = asleep.wait().exits(6);
    assert!(woken.stderr.contains("was taken over"), "{woken}");
    assert_eq!(target(of_winner.0), before, "nothing lands without the lease");
    m.are_settled();
}

#[test]
fn of_two_machines_with_four_processes_each_one_goes_on() {
    let m = Machines::new();
    let all: Vec<_> = (0..8).map(|i| HOSTS[i % 2]).map(|(dir, _)| (dir, m.spawn(dir, &["resume"], &[]))).collect();
    let (mut done, mut refused) = (0, 0);
    for (dir, one) in all {
        let out = one.wait();
        match out.code {
            0 => done += 1,
            6 => {
                refused += 1;
                assert!(out.stderr.contains(" is held by ") || out.stderr.contains("was taken over"), "{dir}: {out}");
            }
            _ => panic!("{dir}: {out}"),
        }
    }
    assert!(done > 0 && refused > 0, "{done} went on, {refused} were refused");
    m.are_settled();
}

#[test]
fn where_the_remote_is_away_a_second_machine_goes_on_only_when_told_to_and_both_settle_afterwards() {
    let m = Machines::new();
    // One owns the run, and the other has been told so.
    let mut first = m.spawn("repo", &["resume"], &[]);
    first.wait_until(|| owner(&m.s, "hub.git").is_some());
    first.signal(Signal::STOP);
    m.otto("other", &["fetch"]);
    std::fs::rename(m.s.path("hub.git"), m.s.path("away.git")).unwrap();
    // Nobody can be asked, however long the other is silent: a person says that it does not matter.
    for minutes in [0, 20] {
        m.pass(minutes);
        let refused = m.spawn("other", &["resume"], &[]).wait().exits(6);
        assert!(refused.stderr.contains("on alpha since"), "{refused}");
        assert!(refused.stderr.contains("hint: git otto resume jot --take-over"), "{refused}");
    }
    let taken = m.otto("other", &["resume", "--take-over"]);
    assert!(taken.stderr.contains("could not be told that this machine runs"), "{taken}");
    // What is made in another minute is another commit.
    m.pass(1);
    first.signal(Signal::CONT);
    let went_on = first.wait().exits(0);
    assert!(went_on.stderr.contains("could not be told that this machine has given"), "{went_on}");
    // Both have landed all of it. The remote is back: what it is told first counts, and the other is told what is kept.
    HOSTS.iter().for_each(|(dir, _)| settled(&m.s, dir));
    let target = |dir| target(&m.s, dir);
    let (landed, other) = (target("repo"), target("other"));
    assert_ne!(landed, other);
    std::fs::rename(m.s.path("away.git"), m.s.path("hub.git")).unwrap();
    m.otto("other", &["sync"]);
    let told = m.otto("repo", &["sync"]);
    assert!(told.stdout.contains("what landed here is kept as refs/otto/rescue/"), "{told}");
    assert_eq!(target("repo"), other);
    let rescued = m.s.git(&["for-each-ref", "--format=%(objectname)", "refs/otto/rescue/"]);
    assert!(rescued.lines().any(|id| id == landed), "{rescued}");
    m.are_settled();
}

#[test]
fn a_process_in_another_container_of_the_same_name_is_not_taken_for_one_that_is_gone() {
    let works = Command::new("unshare").args(CONTAINER).arg("true").status().is_ok_and(|status| status.success());
    assert!(works || std::env::var_os("GIT_OTTO_REQUIRE_UNSHARE").is_none(), "nobody may unshare processes here");
    if !works {
        eprintln!("not tried: nobody may unshare processes here");
        return;
    }
    let m = Machines::new();
    let mut contained = m.contained("repo", &["resume"]);
    contained.wait_until(|| owner(&m.s, "hub.git").is_some());
    contained.signal(Signal::STOP);
    // Its number means somebody else here, or nobody.
    let refused = m.spawn("other", &["resume"], &[("GIT_OTTO_HOST", HOSTS[0].1)]).wait().exits(6);
    assert!(refused.stderr.contains("git otto resume jot --take-over"), "{refused}");
    // Whoever has its own locks knows that it is gone, and need not wait until it has been silent for long.
    contained.kill();
    m.otto("repo", &["resume"]);
    m.otto("repo", &["push"]);
    m.are_settled();
}
