use std::path::Path;

use super::*;
use crate::{
    base::World,
    store::{
        Error,
        lease::{Lease, Owner, acquire, owner},
        testing::{Fixture, git, open},
    },
};

const TARGET: &str = "refs/heads/otto/jot";

fn run() -> RunId {
    "jot-20231114t221320z-000001".parse().unwrap()
}

/// Two clones on two machines with one remote, set up as `git otto remote add` does.
struct Two {
    hub: tempfile::TempDir,
    here: Fixture,
    there: Fixture,
}

impl Two {
    fn new() -> Two {
        let hub = tempfile::tempdir().unwrap();
        git(hub.path(), &["init", "-q", "--bare", "."]);
        let two = Two { hub, here: Fixture::new(), there: Fixture::new() };
        for f in [&two.here, &two.there] {
            f.git(&["remote", "add", "origin", two.hub.path().to_str().unwrap()]);
            for spec in names::fetch_refspecs("origin", false) {
                f.git(&["config", "--add", "remote.origin.fetch", &spec]);
            }
        }
        two
    }

    fn here(&self) -> Store {
        self.here.again()
    }

    /// The other machine, with the clock of this one.
    fn there(&self) -> Store {
        let store = open(self.there.dir.path(), self.here.clock.clone());
        let world = World { procs: self.there.elsewhere().world.procs, ..store.world };
        Store::new(store.repo, world)
    }

    fn at_hub(&self) -> Option<Oid> {
        let out = git(self.hub.path(), &["for-each-ref", "--format=%(objectname)", "refs/otto/lease/"]);
        String::from_utf8(out.stdout).unwrap().trim().parse().ok()
    }
}

fn acquired(store: &Store, take_over: bool) -> Result<Lease> {
    acquire(store, &run(), TARGET, take_over)
}

fn renew(lease: &Lease) -> Option<Tenure> {
    lease.renew().unwrap();
    lease.claim().unwrap().renew(lease.oid()).unwrap()
}

#[test]
fn a_lease_is_claimed_renewed_and_given_back_at_the_remote() {
    let two = Two::new();
    let lease = acquired(&two.here(), false).unwrap();
    assert_eq!(two.at_hub(), Some(lease.oid()));
    two.here.advance(60);
    assert_eq!(renew(&lease), None);
    assert_eq!(two.at_hub(), Some(lease.oid()));
    // Somebody pushes the lease of the same owner meanwhile.
    lease.renew().unwrap();
    two.here.git(&["push", "-q", "-f", "origin", &names::lease(&run())]);
    assert_eq!(renew(&lease), None);
    assert_eq!(two.at_hub(), Some(lease.oid()));
    lease.release().unwrap();
    assert_eq!(two.at_hub(), None);
    assert!(two.here().repo.refs().read(&names::lease(&run())).unwrap().is_none());
}

#[test]
fn of_two_machines_one_owns_until_it_is_silent_for_too_long() {
    let two = Two::new();
    let lease = acquired(&two.here(), false).unwrap();
    let e = acquired(&two.there(), false).unwrap_err();
    assert!(matches!(e, Error::Locked { elsewhere: true, holder: Some(_), .. }), "{e}");
    assert!(matches!(owner(&two.there(), &run()).unwrap(), Owner::Elsewhere(_)), "and it is known there from now on");
    two.here.advance(14 * 60);
    assert_eq!(renew(&lease), None);
    two.here.advance(14 * 60);
    assert!(acquired(&two.there(), false).is_err());
    two.here.advance(10 * 60);
    let follower = acquired(&two.there(), false).unwrap();
    assert_eq!(two.at_hub(), Some(follower.oid()));

    // The first wakes up. Before it lands it asks, and then its lease says whose the run is.
    lease.be_sure().unwrap();
    let e = lease.swap(&[], "land").unwrap_err();
    assert!(matches!(&e, Error::LeaseLost { by, .. } if by.contains("elsewhere")), "{e}");
    assert!(matches!(lease.renew(), Err(Error::LeaseLost { .. })));
    lease.release().unwrap();
    assert_eq!(two.at_hub(), Some(follower.oid()), "what is another's is not given back");
    follower.release().unwrap();
    acquired(&two.here(), false).unwrap().release().unwrap();
}

#[test]
fn a_person_may_take_a_run_over_before_that() {
    let two = Two::new();
    let lease = acquired(&two.here(), false).unwrap();
    let follower = acquired(&two.there(), true).unwrap();
    // A heartbeat is enough to know.
    let by = lease.claim().unwrap().renew(lease.oid()).unwrap().unwrap();
    assert_eq!((by.host.as_str(), by.term), ("elsewhere", 1));
    assert!(matches!(lease.renew(), Err(Error::LeaseLost { .. })));
    drop(follower);
}

#[test]
fn of_machines_that_claim_at_once_one_wins() {
    let two = Two::new();
    let start = std::sync::Barrier::new(2);
    let won = std::thread::scope(|s| {
        let both = [two.here(), two.there()].map(|store| {
            let start = &start;
            s.spawn(move || {
                start.wait();
                acquired(&store, false)
            })
        });
        both.map(|t| t.join().unwrap())
    });
    let owner: Vec<&Lease> = won.iter().flatten().collect();
    assert_eq!(owner.len(), 1, "{won:?}");
    assert_eq!(two.at_hub(), Some(owner[0].oid()));
}

#[test]
fn a_remote_that_cannot_be_asked_stops_nothing() {
    let two = Two::new();
    let away = two.hub.path().with_extension("away");
    let moved = |from: &Path, to: &Path| std::fs::rename(from, to).unwrap();
    moved(two.hub.path(), &away);
    let lease = acquired(&two.here(), false).unwrap();
    let trouble = lease.claim().unwrap().new_trouble().unwrap();
    assert!(trouble.starts_with("origin could not be told that this machine runs jot-"), "{trouble}");
    assert_eq!(lease.claim().unwrap().new_trouble(), None, "once");
    lease.be_sure().unwrap();
    assert_eq!(lease.swap(&[], "land").unwrap(), Swap::Done);
    // It comes back, and is told.
    moved(&away, two.hub.path());
    assert_eq!(renew(&lease), None);
    assert_eq!(two.at_hub(), Some(lease.oid()));
    moved(two.hub.path(), &away);
    assert_eq!(renew(&lease), None);
    lease.release().unwrap();
    moved(&away, two.hub.path());
    assert!(two.at_hub().is_some(), "it is stale there, which the next owner sees");
    two.here.advance(60 * 60);
    acquired(&two.there(), false).unwrap().release().unwrap();
}

#[test]
fn the_remote_is_the_one_that_was_set_up_or_is_named() {
    let two = Two::new();
    let (store, set) = (two.here(), |key: &str, value: &str| two.here.git(&["config", key, value]));
    assert_eq!(remote(&store.repo).unwrap().as_deref(), Some("origin"));
    two.here.git(&["remote", "add", "other", "/nowhere"]);
    assert_eq!(remote(&two.here().repo).unwrap().as_deref(), Some("origin"));
    set("otto.leaseRemote", "other");
    assert_eq!(remote(&two.here().repo).unwrap().as_deref(), Some("other"));
    set("otto.leaseRemote", "none");
    assert_eq!(remote(&two.here().repo).unwrap(), None);
    assert_eq!(remote(&Fixture::new().store.repo).unwrap(), None);
}
