//! One exclusion: a run has one owner, who holds, always in this order,
//!
//! 1. the flock of the spec, `<common dir>/otto/locks/spec-<spec>.lock`: processes of this machine, released by the
//!    kernel when the holder dies;
//! 2. the flock of the target, `target-<digest of its name>.lock`;
//! 3. the lease `refs/otto/lease/<run>`: a commit that nobody else can make (a nonce is in it), so that two processes
//!    that create the same ref cannot both believe to have won. Its tree holds `lease.json`.
//!
//! Landing verifies the lease in the same transaction.

use std::{
    fmt,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        Oid, Point, RunId, Sha256, SpecId, Timestamp, json,
        lock::{Holder, Lock, Taken},
        procs::ProcId,
    },
    git::{BStr, BString, Mode, NewCommit, Old, RefEdit, Repo, Swap},
    store::{Error, Result, Store, names, pretty},
};

/// How often an owner says that it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(60);
/// How long after its last sign of life an owner on another machine counts as alive.
pub const STALE: Duration = Duration::from_secs(15 * 60);

/// `lease.json`, format 1: who owns a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenure {
    /// Always 1.
    pub format: u32,
    /// 32 random hex digits: what makes the lease's commit unique.
    pub nonce: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub proc: ProcId,
    /// Since when it owns the run.
    pub started: Timestamp,
    /// Until when it counts as alive without another sign of life.
    pub expires: Timestamp,
    /// What it runs: a run id; a command where no run exists yet.
    pub run: String,
}

impl fmt::Display for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |text: &str| crate::base::text::one_line(text, 120);
        let (pid, host) = (self.proc.pid, show(&self.host));
        write!(f, "process {pid} on {host} since {} ({})", self.started.human(), show(&self.run))
    }
}

/// Who owns a run, as far as this machine can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Nobody.
    None,
    /// A process of this machine that lives.
    Live(Tenure),
    /// A process of this machine that is gone.
    Dead(Tenure),
    /// A process of another machine that gave a sign of life lately.
    Elsewhere(Tenure),
    /// A process of another machine that has been silent too long.
    Expired(Tenure),
}

/// The flock of a spec: enough to exclude others before a run has an id. Dropping it gives it back.
#[derive(Debug)]
pub struct SpecLock {
    lock: Lock,
    spec: SpecId,
}

/// Takes the flock of a spec, or says who has it ([`Error::Locked`]). `what` tells others what it is held for.
pub fn lock_spec(store: &Store, spec: &SpecId, what: &str) -> Result<SpecLock> {
    let lock = flock(store, format!("spec-{spec}.lock"), spec, format!("the spec {spec}"), what)?;
    Ok(SpecLock { lock, spec: spec.clone() })
}

/// Takes all three locks of a run that lands on the ref `target`.
pub fn acquire(store: &Store, run: &RunId, target: &str, take_over: bool) -> Result<Lease> {
    lock_spec(store, run.spec(), run.as_str())?.lease(store, run, target, take_over)
}

/// Runs whose owner was a process of this machine that is gone, with the edit that gives each back.
pub fn abandoned(store: &Store) -> Result<Vec<(RunId, RefEdit)>> {
    let mut out = Vec::new();
    for (name, oid) in store.repo.refs().list(names::lease_prefix())? {
        // A lease that cannot be read is for a person to judge.
        let dead = || load(&store.repo, oid).is_ok_and(|t| matches!(judge(store, t), Owner::Dead(_)));
        if let Some(run) = names::parse_lease(&name).filter(|_| dead()) {
            out.push((run, RefEdit { name, old: Old::Is(oid), new: None }));
        }
    }
    Ok(out)
}

impl SpecLock {
    /// The spec that is locked.
    pub fn spec(&self) -> &SpecId {
        &self.spec
    }

    /// Goes on to own a run of the spec. `take_over` takes the lease of an owner on another machine that may live.
    pub fn lease(self, store: &Store, run: &RunId, target: &str, take_over: bool) -> Result<Lease> {
        if self.spec != *run.spec() {
            let why = format!("the lock is of another spec than the run {run}");
            return Err(Error::Refused { spec: self.spec, why });
        }
        let file = format!("target-{}.lock", Sha256::of(target).short());
        let target = flock(store, file, &self.spec, format!("the target {target}"), run.as_str())?;
        let found = store.repo.refs().read(&names::lease(run))?;
        let busy = |holder: Option<Tenure>, elsewhere: bool| Error::Locked {
            what: format!("the run {run}"),
            holder: holder.map(Box::new),
            elsewhere,
            spec: run.spec().clone(),
        };
        if let Some(oid) = found {
            match (load(&store.repo, oid).map(|t| judge(store, t)), take_over) {
                // A lease of this very process is one that it dropped: it has the flock, so nothing else of it runs.
                (Ok(Owner::Live(t)), _) if t.proc != store.world.procs.me() => return Err(busy(Some(t), false)),
                (Ok(Owner::Elsewhere(t)), false) => return Err(busy(Some(t), true)),
                // Nobody can tell whose it is: only a person can say that it does not matter.
                (Err(Error::Malformed { .. } | Error::TooNew { .. }), false) => return Err(busy(None, true)),
                (Err(e @ (Error::Git(_) | Error::Io(_))), false) => return Err(e),
                _ => {}
            }
        }
        let now = store.world.clock.now();
        let tenure = Tenure {
            format: 1,
            nonce: store.world.ids.hex(32)?,
            host: store.world.procs.host(),
            proc: store.world.procs.me(),
            started: now,
            expires: later(now, STALE),
            run: run.to_string(),
        };
        let oid = write(store, &tenure)?;
        let edit = RefEdit { name: names::lease(run), old: found.map_or(Old::Absent, Old::Is), new: Some(oid) };
        if let Swap::Lost { found, .. } = store.swap(&[edit], &format!("own {run}"))? {
            let winner = found.and_then(|oid| load(&store.repo, oid).ok());
            let elsewhere = winner.as_ref().is_some_and(|t| t.host != tenure.host);
            return Err(busy(winner, elsewhere));
        }
        store.world.faults.hit(Point::LeaseTaken)?;
        let state = Mutex::new(State { oid, tenure });
        Ok(Lease { store: store.clone(), run: run.clone(), state, _target: target, _spec: self.lock })
    }
}

/// The ownership of a run. Dropping it without [`Lease::release`] leaves the ref, as a crash would: the next owner sees
/// that the process is gone.
pub struct Lease {
    store: Store,
    run: RunId,
    state: Mutex<State>,
    // Released in this order, the reverse of taking.
    _target: Lock,
    _spec: Lock,
}

struct State {
    oid: Oid,
    tenure: Tenure,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({}, {})", self.run, self.oid())
    }
}

impl Lease {
    /// The run that is owned.
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The lease's current commit; a heartbeat changes it.
    pub fn oid(&self) -> Oid {
        self.state().oid
    }

    /// The edit that verifies the lease. [`Lease::swap`] is safe against heartbeats, this alone is not.
    pub fn edit(&self) -> RefEdit {
        verifying(&self.run, self.oid())
    }

    /// Does the edits in one transaction that also verifies the lease; no heartbeat comes in between.
    pub fn swap(&self, edits: &[RefEdit], why: &str) -> Result<Swap> {
        let state = self.state();
        let mut all = edits.to_vec();
        all.push(verifying(&self.run, state.oid));
        match self.store.swap(&all, why)? {
            Swap::Lost { name, found } if name == names::lease(&self.run) => Err(self.lost(found)),
            other => Ok(other),
        }
    }

    /// Gives a sign of life: others count this owner as alive for [`STALE`] from now.
    pub fn renew(&self) -> Result<()> {
        let mut state = self.state();
        let expires = later(self.store.world.clock.now(), STALE);
        let tenure = Tenure { expires, ..state.tenure.clone() };
        let new = write(&self.store, &tenure)?;
        let edit = RefEdit { name: names::lease(&self.run), old: Old::Is(state.oid), new: Some(new) };
        match self.store.swap(&[edit], &format!("still own {}", self.run))? {
            Swap::Done => *state = State { oid: new, tenure },
            Swap::Lost { found, .. } => return Err(self.lost(found)),
        }
        Ok(())
    }

    /// Gives the run back. A lease that was taken over in the meantime stays with its new owner.
    pub fn release(self) -> Result<()> {
        let edit = RefEdit { name: names::lease(&self.run), old: Old::Is(self.oid()), new: None };
        self.store.swap(&[edit], &format!("give {} back", self.run)).map(drop)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is replaced as a whole, so a panic elsewhere cannot have left half of it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self, found: Option<Oid>) -> Error {
        let by = found.and_then(|oid| load(&self.store.repo, oid).ok());
        let by = by.map_or("another process".to_owned(), |t| t.to_string());
        Error::LeaseLost { run: self.run.to_string(), by }
    }
}

/// Who owns a run: for status, and for a person who wonders.
pub fn owner(store: &Store, run: &RunId) -> Result<Owner> {
    match store.repo.refs().read(&names::lease(run))? {
        None => Ok(Owner::None),
        Some(oid) => Ok(judge(store, load(&store.repo, oid)?)),
    }
}

fn judge(store: &Store, t: Tenure) -> Owner {
    let procs = &store.world.procs;
    if t.host != procs.host() {
        let fresh = store.world.clock.now() <= t.expires;
        return if fresh { Owner::Elsewhere(t) } else { Owner::Expired(t) };
    }
    if procs.alive(&t.proc) { Owner::Live(t) } else { Owner::Dead(t) }
}

fn verifying(run: &RunId, oid: Oid) -> RefEdit {
    RefEdit { name: names::lease(run), old: Old::Is(oid), new: Some(oid) }
}

fn later(now: Timestamp, d: Duration) -> Timestamp {
    Timestamp::from_millis(now.millis().saturating_add(d.as_millis() as i64))
}

fn write(store: &Store, tenure: &Tenure) -> Result<Oid> {
    let blob = store.repo.write_blob(&pretty(tenure)?)?;
    let tree = store.repo.write_tree(None, &[(BString::from("lease.json"), Some((Mode::Plain, blob)))])?;
    let who = store.otto();
    let message = format!("Own {}\n\n{tenure}\n", tenure.run);
    Ok(store.repo.write_commit(&NewCommit { tree, parents: vec![], author: &who, committer: &who, message })?)
}

/// What the commit of a lease says.
pub fn load(repo: &Repo, oid: Oid) -> Result<Tenure> {
    let what = format!("lease.json of {}", oid.short());
    let malformed = |why: String| Error::Malformed { what: what.clone(), why };
    let tree = repo.read_commit(oid)?.tree;
    let entry = repo.entry(tree, BStr::new("lease.json"))?.ok_or_else(|| malformed("it is not there".into()))?;
    let tenure: Tenure =
        json::read(&repo.read_blob(entry.oid, 64 << 10)?, json::Limits::LINE).map_err(|e| malformed(e.to_string()))?;
    match tenure.format {
        1 => Ok(tenure),
        format => Err(Error::TooNew { what, format: format.into(), known: 1 }),
    }
}

/// Takes a flock without waiting. Between taking and writing its record a holder is unknown for an instant, and so is
/// one that is about to release: the few short retries are for that instant only.
fn flock(store: &Store, file: String, spec: &SpecId, what: String, purpose: &str) -> Result<Lock> {
    let path: PathBuf = store.repo.common_dir().join("otto/locks").join(file);
    let procs = &store.world.procs;
    let me = Holder { proc: procs.me(), host: procs.host(), since: store.world.clock.now(), what: purpose.to_owned() };
    let mut tries = 0;
    loop {
        let taken = Lock::take(&path, &me);
        match taken.map_err(|source| Error::LockFile { path: path.display().to_string(), source })? {
            Taken::Mine(lock) => return Ok(lock),
            Taken::Theirs(None) if tries < 40 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            Taken::Theirs(holder) => {
                let tenure = holder.map(|h| Tenure {
                    format: 1,
                    nonce: String::new(),
                    host: h.host,
                    proc: h.proc,
                    started: h.since,
                    expires: h.since,
                    run: h.what,
                });
                let holder = tenure.map(Box::new);
                return Err(Error::Locked { what, holder, elsewhere: false, spec: spec.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests;
