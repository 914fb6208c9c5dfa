use std::{
    io::{BufRead, BufReader, Read},
    process::{Command, Stdio},
    sync::{Arc, atomic::AtomicI64},
};

use super::*;
use crate::{
    base::{Exit, Failure},
    store::testing::{Fixture, TestClock, open},
};

const TARGET: &str = "refs/heads/otto/jot";

fn run(nonce: u8) -> RunId {
    format!("jot-20231114t221320z-{nonce:06x}").parse().unwrap()
}

fn locked(e: Error) -> Failure {
    assert!(matches!(e, Error::Locked { .. }), "{e}");
    Failure::from(e)
}

#[test]
fn a_lease_excludes_until_it_is_released() {
    let f = Fixture::new();
    let lease = acquire(&f.store, &run(1), TARGET, false).unwrap();
    for (other, what) in [(run(1), "the spec jot"), (run(2), "the spec jot")] {
        let e = locked(acquire(&f.again(), &other, TARGET, false).unwrap_err());
        assert_eq!(e.exit, Exit::Locked);
        assert!(e.message.contains(what) && e.message.contains(&std::process::id().to_string()), "{e}");
        assert!(e.message.contains("2023-11-14 22:13:20 UTC") && e.message.contains(run(1).as_str()), "{e}");
        assert_eq!(e.hint.as_deref(), Some("git otto status"));
    }
    let other: RunId = "other-20231114t221320z-000001".parse().unwrap();
    let e = locked(acquire(&f.again(), &other, TARGET, false).unwrap_err());
    assert!(e.message.contains("the target refs/heads/otto/jot"), "{e}");
    drop(acquire(&f.again(), &other, "refs/heads/otto/other", false).unwrap());

    lease.release().unwrap();
    assert_eq!(owner(&f.store, &run(1)).unwrap(), Owner::None);
    acquire(&f.again(), &run(2), TARGET, false).unwrap().release().unwrap();
}

#[test]
fn the_spec_lock_goes_into_the_lease() {
    let f = Fixture::new();
    let lock = lock_spec(&f.store, run(1).spec(), "git otto run").unwrap();
    let e = locked(lock_spec(&f.again(), run(1).spec(), "git otto run").unwrap_err());
    assert!(e.message.contains("(git otto run)"), "{e}");
    let lease = lock.lease(&f.store, &run(1), TARGET, false).unwrap();
    locked(lock_spec(&f.again(), run(1).spec(), "x").unwrap_err());
    drop(lease);
    let wrong = lock_spec(&f.again(), &"other".parse().unwrap(), "x").unwrap().lease(&f.store, &run(1), TARGET, false);
    assert!(matches!(wrong, Err(Error::Refused { .. })));
}

#[test]
fn landing_verifies_the_lease_across_heartbeats() {
    let f = Fixture::new();
    let lease = acquire(&f.store, &run(1), TARGET, false).unwrap();
    let edit = |name: &str| RefEdit { name: name.into(), old: Old::Absent, new: Some(f.head()) };
    assert_eq!(lease.swap(&[edit("refs/heads/one")], "land").unwrap(), Swap::Done);
    let before = lease.oid();
    f.advance(60);
    lease.renew().unwrap();
    assert_ne!(lease.oid(), before);
    assert_eq!(lease.swap(&[edit("refs/heads/two")], "land").unwrap(), Swap::Done);
    let Owner::Live(t) = owner(&f.store, &run(1)).unwrap() else { panic!("nobody owns it") };
    assert_eq!(t.expires.millis() - t.started.millis(), 60_000 + 900_000);

    f.git(&["update-ref", &names::lease(&run(1)), "HEAD"]);
    assert!(matches!(lease.swap(&[edit("refs/heads/three")], "land"), Err(Error::LeaseLost { .. })));
    assert!(f.store.repo.refs().read("refs/heads/three").unwrap().is_none());
    assert!(matches!(lease.renew(), Err(Error::LeaseLost { .. })));
    lease.release().unwrap();
    assert_eq!(f.store.repo.refs().read(&names::lease(&run(1))).unwrap(), Some(f.head()), "not ours any more");
}

#[test]
fn another_machine_counts_as_alive_until_it_is_stale() {
    let f = Fixture::new();
    drop(acquire(&f.elsewhere(), &run(1), TARGET, false).unwrap());
    f.advance((STALE + SKEW).as_secs() as i64);
    assert!(matches!(owner(&f.store, &run(1)).unwrap(), Owner::Elsewhere(_)));
    let e = locked(acquire(&f.store, &run(1), TARGET, false).unwrap_err());
    assert!(e.message.contains("on elsewhere") && e.hint.unwrap().contains("--take-over"), "{}", e.message);
    f.advance(1);
    assert!(matches!(owner(&f.store, &run(1)).unwrap(), Owner::Expired(_)));
    // Nothing that both machines see says who follows: a person does.
    let e = locked(acquire(&f.store, &run(1), TARGET, false).unwrap_err());
    assert!(e.hint.unwrap().contains("--take-over"), "{}", e.message);
    drop(acquire(&f.store, &run(1), TARGET, true).unwrap());
}

#[test]
fn a_lease_that_cannot_be_read_is_taken_only_on_request() {
    let f = Fixture::new();
    f.git(&["update-ref", &names::lease(&run(1)), "HEAD"]);
    let e = locked(acquire(&f.store, &run(1), TARGET, false).unwrap_err());
    assert!(e.hint.unwrap().contains("--take-over"));
    acquire(&f.store, &run(1), TARGET, true).unwrap().release().unwrap();
}

#[test]
fn of_many_threads_one_owns() {
    let f = Fixture::new();
    let stores: Vec<Store> = (0..8).map(|_| f.again()).collect();
    let start = std::sync::Barrier::new(8);
    let won: Vec<Option<Lease>> = std::thread::scope(|s| {
        let threads: Vec<_> = stores
            .iter()
            .map(|store| {
                s.spawn(|| {
                    start.wait();
                    acquire(store, &run(1), TARGET, false).ok()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(won.iter().flatten().count(), 1);
}

#[cfg(feature = "faults")]
#[test]
fn who_fails_right_after_taking_can_take_it_again() {
    let f = Fixture::new();
    let failing = f.failing(Point::LeaseTaken, "eio");
    assert!(matches!(acquire(&failing, &run(1), TARGET, false), Err(Error::Io(_))));
    assert!(f.store.repo.refs().read(&names::lease(&run(1))).unwrap().is_some());
    acquire(&f.store, &run(1), TARGET, false).unwrap().release().unwrap();
}

/// Owns the run until its input ends.
fn own_the_run(dir: &std::path::Path) {
    let store = open(dir, Arc::new(TestClock(AtomicI64::new(1_700_000_000_000))));
    let lease = acquire(&store, &run(1), TARGET, false).unwrap();
    println!("\nowned");
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(lease);
}

#[test]
fn a_killed_owner_is_followed_at_once() {
    // The test is its own other process: started again with this variable, it is the owner that gets killed.
    if let Some(dir) = std::env::var_os("OTTO_TEST_REPO") {
        return own_the_run(dir.as_ref());
    }
    let f = Fixture::new();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "store::lease::tests::a_killed_owner_is_followed_at_once"])
        .env("OTTO_TEST_REPO", f.dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(std::result::Result::ok).any(|l| l == "owned"), "the child took the lease");

    let e = locked(acquire(&f.store, &run(1), TARGET, true).unwrap_err());
    assert!(e.message.contains(&format!("process {} on ", child.id())), "{e}");
    assert!(matches!(owner(&f.store, &run(1)).unwrap(), Owner::Live(t) if t.proc.pid == child.id() as i32));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(matches!(owner(&f.store, &run(1)).unwrap(), Owner::Dead(_)));
    let lease = acquire(&f.store, &run(1), TARGET, false).unwrap();
    lease.release().unwrap();
}
