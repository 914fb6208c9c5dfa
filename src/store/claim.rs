//! The lease of a run at a remote that several machines share: claimed by compare-and-swap, renewed with each heartbeat,
//! given back with the run.
//!
//! A remote that cannot be asked stops nothing: what is swapped there is a courtesy to other machines until it answers
//! again. What it says, once it answers, counts: whoever owns a run there owns it, and the lease here then says so, too,
//! so that the next landing, which verifies it, cannot be.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::{
    base::{Oid, RunId, text::one_line},
    git::{Old, Output, RefEdit, Repo, Swap},
    store::{
        Result, Store,
        lease::{self, HEARTBEAT, Tenure},
        names,
    },
};

/// How long a remote may take to answer one question.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a swap is tried that others were faster than.
const RACES: usize = 8;

/// What the remote said, or why it could not be asked.
pub(super) type Reached<T> = std::result::Result<T, String>;

/// The lease that a remote has, and what it says where that can be read.
pub(super) type There = (Oid, Option<Tenure>);

/// The remote on which the leases of this repository's runs are claimed: the one that `otto.leaseRemote` names, else the
/// first by name that `git otto remote add` has set up.
pub fn remote(repo: &Repo) -> Result<Option<String>> {
    if let Some(name) = repo.config("otto.leaseRemote") {
        return Ok(Some(name).filter(|name| repo.config(&format!("remote.{name}.url")).is_some()));
    }
    let all = repo.git(&["remote"], None)?.ok()?;
    let all = String::from_utf8_lossy(&all).into_owned();
    let set_up = |name: &&str| {
        let have = repo.config_all(&format!("remote.{name}.fetch"));
        names::fetch_refspecs(name, false).iter().all(|spec| have.contains(spec))
    };
    Ok(all.lines().find(set_up).map(str::to_owned))
}

/// What came of a swap at the remote.
pub(super) enum Set {
    /// It is as wanted.
    Done,
    /// Somebody else owns the run there.
    Theirs(Box<There>),
    /// What this owner had there is gone: somebody took the run over, and has given it back since.
    Gone,
}

/// The claim of one owner.
pub struct Claim {
    store: Store,
    run: RunId,
    remote: String,
    /// What makes this owner's lease its own.
    nonce: String,
    /// When the remote was last asked, whether it answered or not; milliseconds.
    asked: AtomicI64,
    /// Whether somebody was told that the remote could not be asked.
    told: AtomicBool,
    at: Mutex<At>,
}

/// Locked for as long as a question takes.
#[derive(Default)]
struct At {
    /// What the remote has.
    last: Option<Oid>,
    /// Why the remote could not be asked the last time.
    trouble: Option<String>,
}

impl Claim {
    pub(super) fn new(store: &Store, run: &RunId, remote: String, nonce: String) -> Claim {
        let (asked, at) = (AtomicI64::new(store.world.clock.now().millis()), Mutex::default());
        Claim { store: store.clone(), run: run.clone(), remote, nonce, asked, told: AtomicBool::new(false), at }
    }

    /// Why the remote could not be asked the last time, in words; none where it answered, or where it was told already.
    pub fn new_trouble(&self) -> Option<String> {
        let at = self.at();
        let why = at.trouble.clone().filter(|_| !self.told.swap(true, Ordering::SeqCst))?;
        Some(format!("{} could not be told that this machine runs {}: {why}", one_line(&self.remote, 100), self.run))
    }

    /// Has the remote say that the owner lives; `mine` is the lease here. Where somebody else owns the run there, the
    /// lease here says so afterwards, and that is the answer.
    pub fn renew(&self, mine: Oid) -> Result<Option<Tenure>> {
        let set = self.set(&mut self.at(), Some(mine));
        let (theirs, tenure) = match set {
            Ok(Set::Theirs(there)) => (Some(there.0), there.1),
            Ok(Set::Gone) => (None, None),
            Ok(Set::Done) | Err(_) => return Ok(None),
        };
        for _ in 0..RACES {
            let name = names::lease(&self.run);
            let Some(here) = self.store.repo.refs().read(&name)? else { break };
            if !self.is_mine(here) {
                break;
            }
            let edit = RefEdit { name, old: Old::Is(here), new: theirs };
            if self.store.swap(&[edit], &format!("{} was taken over", self.run))? == Swap::Done {
                break;
            }
        }
        Ok(tenure)
    }

    /// Asks the remote who owns the run if nobody has asked for so long that another machine may have taken it: this one
    /// has slept. Called before a landing, which then verifies the lease.
    pub(super) fn sure(&self, mine: Oid) -> Result<()> {
        let since = || self.store.world.clock.now().millis() - self.asked.load(Ordering::SeqCst);
        let long = 2 * HEARTBEAT.as_millis() as i64;
        if since() <= long {
            return Ok(());
        }
        // Whoever is asking at this moment may answer it.
        drop(self.at());
        if since() > long { self.renew(mine).map(drop) } else { Ok(()) }
    }

    /// Gives the run back there, if the remote answers.
    pub(super) fn release(&self) {
        let mut at = self.at();
        if at.last.is_some() && at.trouble.is_none() {
            // Whoever takes it up finds that this process is gone, or that it has been silent.
            let _ = self.set(&mut at, None);
        }
    }

    /// That the remote goes on saying that this machine runs it, since it could not be told that it was given back.
    pub fn still_there(&self) -> Option<String> {
        let at = self.at();
        let why = at.trouble.as_ref().filter(|_| at.last.is_some())?;
        let remote = one_line(&self.remote, 100);
        Some(format!("{remote} could not be told that this machine has given {} back: {why}", self.run))
    }

    /// Takes the run over there from whoever is known to have it.
    pub(super) fn take(&self, from: Option<Oid>, mine: Oid) -> Reached<Set> {
        let mut at = self.at();
        at.last = from;
        self.set(&mut at, Some(mine))
    }

    /// What the remote has.
    pub(super) fn look(&self) -> Reached<Option<There>> {
        self.asks();
        let found = self.look_up();
        self.at().trouble = found.as_ref().err().cloned();
        found
    }

    fn look_up(&self) -> Reached<Option<There>> {
        let name = names::lease(&self.run);
        let out = self.talk(&["ls-remote", "--refs", "--end-of-options", &self.remote, &name])?;
        if out.code != Some(0) {
            return Err(said(&out));
        }
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let Some(oid) = text.split('\t').next().and_then(|oid| oid.trim().parse::<Oid>().ok()) else { return Ok(None) };
        let repo = &self.store.repo;
        if let Ok(tenure) = lease::load(repo, oid) {
            return Ok(Some((oid, Some(tenure))));
        }
        let kept = names::tracking(&self.remote, &name).unwrap_or_default();
        let spec = format!("+{name}:{kept}");
        let options =
            ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--no-recurse-submodules"];
        let out = self.talk(&[&["fetch"], &options[..], &["--end-of-options", &self.remote, &spec]].concat())?;
        if out.code != Some(0) {
            return Err(said(&out));
        }
        // It may have moved between the two questions.
        let oid = repo.refs().read(&kept).ok().flatten().unwrap_or(oid);
        Ok(Some((oid, lease::load(repo, oid).ok())))
    }

    fn set(&self, at: &mut At, new: Option<Oid>) -> Reached<Set> {
        self.asks();
        let set = self.swap(&mut at.last, new);
        at.trouble = set.as_ref().err().cloned();
        set
    }

    /// Notes that the remote is asked now. An answer is as old as its question: the machine may sleep in between.
    fn asks(&self) {
        self.asked.store(self.store.world.clock.now().millis(), Ordering::SeqCst);
    }

    /// Swaps until the remote has `new`, or somebody else's. A push of this repository may have brought a lease of the same
    /// owner there meanwhile.
    fn swap(&self, last: &mut Option<Oid>, new: Option<Oid>) -> Reached<Set> {
        let name = names::lease(&self.run);
        let mut told = String::new();
        for _ in 0..RACES {
            let expected = format!("--force-with-lease={name}:{}", last.map(|o| o.to_string()).unwrap_or_default());
            let to = format!("{}:{name}", new.map(|o| o.to_string()).unwrap_or_default());
            let options = ["push", "--porcelain", "--no-verify", "--no-recurse-submodules", &expected];
            let out = self.talk(&[&options[..], &["--end-of-options", &self.remote, &to]].concat())?;
            if out.code == Some(0) {
                *last = new;
                return Ok(Set::Done);
            }
            told = said(&out);
            let found = self.look_up()?;
            let oid = found.as_ref().map(|(oid, _)| *oid);
            match found {
                // It is what it was expected to be: the remote does not want it.
                _ if oid == *last => return Err(told),
                Some((oid, Some(t))) if t.nonce == self.nonce => *last = Some(oid),
                Some(theirs) => return Ok(Set::Theirs(Box::new(theirs))),
                None if new.is_none() => return Ok(Set::Done),
                None if last.is_some_and(|oid| self.is_mine(oid)) => return Ok(Set::Gone),
                None => *last = None,
            }
        }
        Err(told)
    }

    fn is_mine(&self, oid: Oid) -> bool {
        lease::load(&self.store.repo, oid).is_ok_and(|t| t.nonce == self.nonce)
    }

    fn talk(&self, args: &[&str]) -> Reached<Output> {
        let said = self.store.repo.talk_briefly(&*self.store.world.procs, args, PATIENCE);
        said.map_err(|e| one_line(&e.to_string(), 300))
    }

    fn at(&self) -> MutexGuard<'_, At> {
        // What a panic elsewhere left is what was known before it.
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What git had to say, in one line.
fn said(out: &Output) -> String {
    let rejected = String::from_utf8_lossy(&out.stdout).into_owned();
    let rejected = rejected.lines().find_map(|l| l.strip_prefix("!\t")).map(|l| one_line(l, 200));
    let line = out.stderr.lines().map(|l| one_line(l, 200)).find(|l| !l.is_empty());
    rejected.or(line).unwrap_or_else(|| "git said nothing".into())
}

#[cfg(test)]
mod tests;
