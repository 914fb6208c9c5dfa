//! One exclusion: a run has one owner, who holds, always in this order,
//!
//! 1. the flock of the spec, `<common dir>/otto/locks/spec-<spec>.lock`: processes of this machine, released by the
//!    kernel when the holder dies;
//! 2. the flock of the target, `target-<digest of its name>.lock`;
//! 3. the lease `refs/otto/lease/<run>`: a commit that nobody else can make (a nonce is in it), so that two processes
//!    that create the same ref cannot both believe to have won. Its tree holds `lease.json`.
//!
//! Landing verifies the lease in the same transaction. Where several machines share a remote, the lease is claimed there,
//! too ([`Claim`]): an owner on another machine that is silent for too long is followed only by whoever swaps it there, and
//! without such a remote only on request.

use std::{
    fmt,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        Oid, Point, RunId, Sha256, SpecId, Timestamp, json,
        lock::{Holder, Lock, Taken},
        procs::{Fate, ProcId},
    },
    git::{BStr, BString, Mode, NewCommit, Old, RefEdit, Repo, Swap},
    store::{
        Error, Result, Store,
        claim::{self, Claim, Set},
        names, pretty,
    },
};

/// How often an owner says that it lives.
pub const HEARTBEAT: Duration = Duration::from_secs(60);
/// How long after its last sign of life an owner on another machine counts as alive.
pub const STALE: Duration = Duration::from_secs(15 * 60);
/// How far the clocks of two machines may be apart.
pub const SKEW: Duration = Duration::from_secs(2 * 60);

/// How often others may be faster at the remote.
const RACES: usize = 8;

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
    /// How many owners the run had before, as far as this one knew: who follows has a larger one.
    #[serde(default)]
    pub term: u64,
    /// Which repository of the machine it has locked: whoever has those locks now knows that it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl Tenure {
    /// Whether this one counts where both are claimed: as the later sign of life of the same owner, or as who followed.
    pub fn succeeds(&self, other: &Tenure) -> bool {
        let order = |t: &Tenure| (t.term, t.started, t.nonce.clone());
        if self.nonce == other.nonce { self.expires > other.expires } else { order(self) > order(other) }
    }
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
    owners: u64,
}

/// Takes the flock of a spec, or says who has it ([`Error::Locked`]). `what` tells others what it is held for.
pub fn lock_spec(store: &Store, spec: &SpecId, what: &str) -> Result<SpecLock> {
    let lock = flock(store, format!("spec-{spec}.lock"), spec, format!("the spec {spec}"), what)?;
    Ok(SpecLock { lock, spec: spec.clone(), owners: 0 })
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

    /// Says how many owners the run had that is to be owned, as its journals tell: a lease that was given back tells nobody.
    pub fn after(self, owners: u64) -> SpecLock {
        SpecLock { owners, ..self }
    }

    /// Goes on to own a run of the spec. `take_over` takes the lease of an owner on another machine that may live.
    pub fn lease(self, store: &Store, run: &RunId, target: &str, take_over: bool) -> Result<Lease> {
        if self.spec != *run.spec() {
            let why = format!("the lock is of another spec than the run {run}");
            return Err(Error::Refused { spec: self.spec, why });
        }
        let file = format!("target-{}.lock", Sha256::of(target).short());
        let target = flock(store, file, &self.spec, format!("the target {target}"), run.as_str())?;
        let owned = Taking { store, run, take_over, owners: self.owners }.take()?;
        Ok(Lease { owned, _target: target, _spec: self.lock })
    }
}

/// The taking of a lease, under the locks.
struct Taking<'a> {
    store: &'a Store,
    run: &'a RunId,
    take_over: bool,
    owners: u64,
}

impl Taking<'_> {
    fn take(&self) -> Result<Owned> {
        let (store, run) = (self.store, self.run);
        let nonce = store.world.ids.hex(32)?;
        let claim = claim::remote(&store.repo)?.map(|remote| Arc::new(Claim::new(store, run, remote, nonce.clone())));
        // What the remote says counts; where it does not answer, what was fetched.
        let there = claim.as_ref().and_then(|claim| claim.look().ok());
        let found = store.repo.refs().read(&names::lease(run))?;
        if let Some((oid, tenure)) = there.as_ref().and_then(Option::as_ref)
            && let Some(refused) = self.refuse(tenure.clone(), true)
        {
            self.note(found, Some(*oid))?;
            return Err(refused);
        }
        let before = found.map(|oid| self.read(oid)).transpose()?;
        if let Some(tenure) = &before {
            // What was fetched of another machine's is older than what the remote has just said.
            let is_here = tenure.as_ref().is_some_and(|t| t.host == store.world.procs.host());
            if let Some(refused) = self.refuse(tenure.clone(), false).filter(|_| is_here || there.is_none()) {
                return Err(refused);
            }
        }
        let known = [before.flatten(), there.clone().flatten().and_then(|(_, tenure)| tenure)];
        let term = known.iter().flatten().map(|t| t.term.saturating_add(1)).fold(self.owners, u64::max);
        let now = store.world.clock.now();
        let tenure = Tenure {
            format: 1,
            nonce,
            host: store.world.procs.host(),
            proc: store.world.procs.me(),
            started: now,
            expires: later(now, STALE),
            run: run.to_string(),
            term,
            place: place(store),
        };
        let oid = write(store, &tenure)?;
        let edit = RefEdit { name: names::lease(run), old: found.map_or(Old::Absent, Old::Is), new: Some(oid) };
        if let Swap::Lost { found, .. } = store.swap(&[edit], &format!("own {run}"))? {
            let winner = found.and_then(|oid| load(&store.repo, oid).ok());
            let elsewhere = winner.as_ref().is_some_and(|t| t.host != tenure.host);
            return Err(self.busy(winner, elsewhere));
        }
        store.world.faults.hit(Point::LeaseTaken)?;
        if let (Some(claim), Some(there)) = (&claim, there) {
            self.claim(claim, there.map(|(oid, _)| oid), oid)?;
        }
        Ok(Owned { store: store.clone(), run: run.clone(), state: Mutex::new(State { oid, tenure }), claim })
    }

    /// Swaps the lease at the remote. A remote that stops answering stops nothing; somebody who was faster there does.
    fn claim(&self, claim: &Claim, mut from: Option<Oid>, mine: Oid) -> Result<()> {
        for _ in 0..RACES {
            let Ok(Set::Theirs(there)) = claim.take(from, mine) else { return Ok(()) };
            let (oid, tenure) = *there;
            if let Some(refused) = self.refuse(tenure, true) {
                self.note(Some(mine), Some(oid))?;
                return Err(refused);
            }
            from = Some(oid);
        }
        Ok(())
    }

    /// Why an owner cannot be followed, if it cannot. One that expired may be where the remote decides who follows.
    fn refuse(&self, tenure: Option<Tenure>, decided_there: bool) -> Option<Error> {
        match (tenure.map(|t| self.judge(t)), self.take_over) {
            // A lease of this very process is one that it dropped: it has the flock, so nothing else of it runs.
            (Some(Owner::Live(t)), _) if t.proc != self.store.world.procs.me() => Some(self.busy(Some(t), false)),
            (Some(Owner::Elsewhere(t)), false) => Some(self.busy(Some(t), true)),
            (Some(Owner::Expired(t)), false) if !decided_there => Some(self.busy(Some(t), true)),
            // Nobody can tell whose it is: only a person can say that it does not matter.
            (None, false) => Some(self.busy(None, true)),
            _ => None,
        }
    }

    /// Who an owner is for one who has the locks: an owner that had the same ones has let go of them.
    fn judge(&self, t: Tenure) -> Owner {
        let me = self.store.world.procs.me();
        let had_these = t.proc.boot_id == me.boot_id && t.proc.pid_ns != me.pid_ns && t.place == place(self.store);
        match judge(self.store, t) {
            Owner::Elsewhere(t) | Owner::Expired(t) if had_these && t.place.is_some() => Owner::Dead(t),
            other => other,
        }
    }

    /// What a lease here says; none where it cannot be understood.
    fn read(&self, oid: Oid) -> Result<Option<Tenure>> {
        match load(&self.store.repo, oid) {
            Ok(tenure) => Ok(Some(tenure)),
            Err(Error::Malformed { .. } | Error::TooNew { .. }) => Ok(None),
            Err(_) if self.take_over => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Has the lease here say what the remote's does, for whoever asks.
    fn note(&self, here: Option<Oid>, there: Option<Oid>) -> Result<()> {
        if here == there {
            return Ok(());
        }
        let edit = RefEdit { name: names::lease(self.run), old: here.map_or(Old::Absent, Old::Is), new: there };
        self.store.swap(&[edit], &format!("{} is owned elsewhere", self.run)).map(drop)
    }

    fn busy(&self, holder: Option<Tenure>, elsewhere: bool) -> Error {
        let (what, holder) = (format!("the run {}", self.run), holder.map(Box::new));
        Error::Locked { what, holder, elsewhere, spec: self.run.spec().clone() }
    }
}

/// The ownership of a run. Dropping it without [`Lease::release`] leaves the ref, as a crash would: the next owner sees
/// that the process is gone.
pub struct Lease {
    owned: Owned,
    // Released in this order, the reverse of taking.
    _target: Lock,
    _spec: Lock,
}

/// What is owned, without the flocks.
struct Owned {
    store: Store,
    run: RunId,
    state: Mutex<State>,
    claim: Option<Arc<Claim>>,
}

struct State {
    oid: Oid,
    tenure: Tenure,
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lease({}, {})", self.owned.run, self.oid())
    }
}

impl Lease {
    /// The run that is owned.
    pub fn run(&self) -> &RunId {
        &self.owned.run
    }

    /// The lease's current commit; a heartbeat changes it.
    pub fn oid(&self) -> Oid {
        self.state().oid
    }

    /// How many owners the run had before, as far as this one knew.
    pub fn term(&self) -> u64 {
        self.state().tenure.term
    }

    /// The edit that verifies the lease. [`Lease::swap`] is safe against heartbeats, this alone is not.
    pub fn edit(&self) -> RefEdit {
        verifying(&self.owned.run, self.oid())
    }

    /// Does the edits in one transaction that also verifies the lease; no heartbeat comes in between.
    pub fn swap(&self, edits: &[RefEdit], why: &str) -> Result<Swap> {
        let state = self.state();
        let mut all = edits.to_vec();
        all.push(verifying(&self.owned.run, state.oid));
        match self.owned.store.swap(&all, why)? {
            Swap::Lost { name, found } if name == names::lease(&self.owned.run) => Err(self.lost(found)),
            other => Ok(other),
        }
    }

    /// Gives a sign of life: others count this owner as alive for [`STALE`] from now.
    pub fn renew(&self) -> Result<()> {
        let mut state = self.state();
        let expires = later(self.owned.store.world.clock.now(), STALE);
        let tenure = Tenure { expires, ..state.tenure.clone() };
        let new = write(&self.owned.store, &tenure)?;
        let edit = RefEdit { name: names::lease(&self.owned.run), old: Old::Is(state.oid), new: Some(new) };
        match self.owned.store.swap(&[edit], &format!("still own {}", self.owned.run))? {
            Swap::Done => *state = State { oid: new, tenure },
            Swap::Lost { found, .. } => return Err(self.lost(found)),
        }
        Ok(())
    }

    /// The claim at the remote that several machines share; none without one. It can be renewed while the lease is used.
    pub fn claim(&self) -> Option<&Arc<Claim>> {
        self.owned.claim.as_ref()
    }

    /// Asks the shared remote who owns the run, where this machine may have slept through a take-over. A lost lease is for
    /// the next [`Lease::swap`] to tell.
    pub fn be_sure(&self) -> Result<()> {
        self.owned.claim.as_ref().map_or(Ok(()), |claim| claim.sure(self.oid()))
    }

    /// Gives the run back. A lease that was taken over in the meantime stays with its new owner.
    pub fn release(self) -> Result<()> {
        let edit = RefEdit { name: names::lease(&self.owned.run), old: Old::Is(self.oid()), new: None };
        if self.owned.store.swap(&[edit], &format!("give {} back", self.owned.run))? == Swap::Done
            && let Some(claim) = &self.owned.claim
        {
            claim.release();
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is replaced as a whole, so a panic elsewhere cannot have left half of it.
        self.owned.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self, found: Option<Oid>) -> Error {
        let by = found.and_then(|oid| load(&self.owned.store.repo, oid).ok());
        let by = by.map_or("another process".to_owned(), |t| t.to_string());
        Error::LeaseLost { run: self.owned.run.to_string(), by }
    }
}

/// Who owns a run: for status, and for a person who wonders.
pub fn owner(store: &Store, run: &RunId) -> Result<Owner> {
    match store.repo.refs().read(&names::lease(run))? {
        None => Ok(Owner::None),
        Some(oid) => Ok(judge(store, load(&store.repo, oid)?)),
    }
}

/// Whether that owner is a process of this machine that is gone.
pub fn is_dead(store: &Store, t: Tenure) -> bool {
    matches!(judge(store, t), Owner::Dead(_))
}

fn judge(store: &Store, t: Tenure) -> Owner {
    let (procs, now) = (&store.world.procs, store.world.clock.now());
    // Whoever has given a sign of life since this machine was booted was not ended by that.
    let lived_on = || {
        let since = |up: Duration| now.millis().saturating_sub(up.as_millis() as i64);
        procs
            .uptime()
            .is_some_and(|up| t.expires.millis().saturating_sub((STALE + SKEW).as_millis() as i64) > since(up))
    };
    let fate = (t.host == procs.host()).then(|| procs.fate(&t.proc));
    match fate {
        Some(Fate::Lives) => Owner::Live(t),
        Some(Fate::Gone) => Owner::Dead(t),
        Some(Fate::OtherBoot) if !lived_on() => Owner::Dead(t),
        // Another machine, be it one of the same name, or another container of this one.
        None | Some(Fate::OtherBoot | Fate::OutOfSight) if now <= later(t.expires, SKEW) => Owner::Elsewhere(t),
        None | Some(Fate::OtherBoot | Fate::OutOfSight) => Owner::Expired(t),
    }
}

/// The repository as this machine knows it; none where it does not tell. Containers may have it under other paths.
fn place(store: &Store) -> Option<String> {
    let meta = std::fs::metadata(store.repo.common_dir()).ok()?;
    Some(format!("{}:{}", meta.dev(), meta.ino()))
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
                    term: 0,
                    place: None,
                });
                let holder = tenure.map(Box::new);
                return Err(Error::Locked { what, holder, elsewhere: false, spec: spec.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests;
