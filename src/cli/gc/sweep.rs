//! What goes and what stays.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Days, Item, What};
use crate::{
    base::{
        Failure, Oid, RunId, SliceId, Timestamp, files, json,
        lock::{Holder, Lock, Taken},
        procs::Fate,
        procs::{self, ProcId},
    },
    cli::asking::Known,
    gate::{self, Away},
    git::{Old, RefEdit},
    recover,
    store::{
        Store,
        lease::{self, Owner},
        names,
    },
    workspace::{self, Left},
};

const DAY: i64 = 24 * 3600;

/// What was found so far.
pub struct Sweep<'a> {
    store: &'a Store,
    days: Days,
    dry_run: bool,
    removed: Vec<Item>,
    kept: Vec<Item>,
    edits: Vec<RefEdit>,
}

impl<'a> Sweep<'a> {
    /// Nothing was looked at yet.
    pub fn new(store: &'a Store, days: Days, dry_run: bool) -> Sweep<'a> {
        Sweep { store, days, dry_run, removed: Vec::new(), kept: Vec::new(), edits: Vec::new() }
    }

    /// What went, what stays, and the refs that are to go.
    pub fn done(self) -> (Vec<Item>, Vec<Item>, Vec<RefEdit>) {
        (self.removed, self.kept, self.edits)
    }

    fn keep(&mut self, what: What, name: impl ToString, why: impl Into<String>) {
        self.kept.push(Item { what, name: name.to_string(), why: why.into() });
    }

    fn goes(&mut self, what: What, name: impl ToString, why: impl Into<String>) {
        self.removed.push(Item { what, name: name.to_string(), why: why.into() });
    }

    fn forget(&mut self, name: String, id: Oid, why: &str) {
        self.goes(What::Ref, &name, why);
        self.edits.push(RefEdit { name, old: Old::Is(id), new: None });
    }

    /// The runs of one spec. Whoever works on it holds its lock: then all of them stay as they are.
    pub fn spec(&mut self, runs: &[RunId], known: &[RunId], root: &Path) -> Result<(), Failure> {
        let Some(spec) = runs.first().map(RunId::spec) else { return Ok(()) };
        let held = match lease::lock_spec(self.store, spec, "git otto gc") {
            Ok(held) => held,
            Err(e) => {
                let why = Failure::from(e).message;
                runs.iter().for_each(|run| self.keep(What::Run, run, why.clone()));
                return Ok(());
            }
        };
        for run in runs {
            let folder = root.join(run.as_str());
            match lease::owner(self.store, run) {
                Ok(Owner::Live(t) | Owner::Elsewhere(t)) => self.keep(What::Run, run, format!("{t} works on it")),
                Err(e) => self.keep(What::Run, run, Failure::from(e).message),
                Ok(_) if !known.contains(run) => self.gone(run, &folder)?,
                Ok(_) => match Known::load(self.store, run.clone()) {
                    Ok(known) => self.run(&known, &folder)?,
                    Err(e) => self.keep(What::Run, run, e.message),
                },
            }
        }
        drop(held);
        Ok(())
    }

    /// A run of which there are no refs: what can be made again goes.
    fn gone(&mut self, run: &RunId, folder: &Path) -> Result<(), Failure> {
        if !self.is_quiet(run, folder)? {
            return Ok(());
        }
        self.checkouts(folder)?;
        let left = workspace::left(&self.store.repo, folder)?;
        let all = left.iter().map(|l| l.workspace.dir().to_owned()).chain(workspace::aside(folder)?);
        let text = "its run is not in this repository, so that no ref can hold what stands in it";
        all.collect::<Vec<PathBuf>>().iter().for_each(|dir| self.keep(What::Workspace, dir.display(), text));
        Ok(())
    }

    /// A run that nobody works on.
    fn run(&mut self, known: &Known, folder: &Path) -> Result<(), Failure> {
        let run = &known.id;
        if !self.is_quiet(run, folder)? {
            return Ok(());
        }
        let finished = known.state.finished.is_some();
        for left in workspace::left(&self.store.repo, folder)? {
            self.workspace(known, left)?;
        }
        if !self.dry_run {
            workspace::set_unreadable_aside(&self.store.repo, &self.store.world, folder)?;
        }
        for dir in workspace::aside(folder)? {
            let why = "not all that stands in it can be kept in git: look into it, and remove it yourself";
            self.keep(What::Workspace, dir.display(), why);
        }
        self.checkouts(folder)?;
        self.transcripts(folder, finished)?;
        for (name, id) in self.store.repo.refs().list(&names::pin_prefix(run))? {
            self.forget(name, id, "nobody works on its run");
        }
        for (name, id) in self.store.repo.refs().list(&names::wip_prefix(run))? {
            match names::parse_wip(&name).map(|(_, slice)| self.superseded(known, &slice, id)).transpose()? {
                Some(Ok(())) => self.forget(name, id, "its slice has landed since"),
                Some(Err(why)) => self.keep(What::Ref, name, why),
                None => self.keep(What::Ref, name, "it is no snapshot of a slice"),
            }
        }
        if !finished {
            self.keep(What::Run, run, format!("it is not finished: git otto resume {run}"));
        }
        Ok(())
    }

    /// Whether no process of the run is left in its folder.
    fn is_quiet(&mut self, run: &RunId, folder: &Path) -> Result<bool, Failure> {
        let orphans = procs::orphans(folder)?;
        for ProcId { pid, .. } in &orphans {
            self.keep(What::Run, run, format!("process {pid} of it still runs: git otto resume {run}"));
        }
        Ok(orphans.is_empty())
    }

    fn workspace(&mut self, known: &Known, left: Left) -> Result<(), Failure> {
        let (dir, slice) = (left.workspace.dir().display().to_string(), left.of.slice.clone());
        if left.is_theirs() && known.state.finished.is_none() {
            self.keep(What::Workspace, dir, format!("a person works there: git otto submit {slice}"));
            return Ok(());
        }
        let why = "nobody works there, and a ref holds what was written in it";
        if self.dry_run {
            self.goes(What::Workspace, dir, why);
            return Ok(());
        }
        match recover::put_away(self.store, &known.id, &known.plan.spec, left)? {
            Away::Gone | Away::Kept => self.goes(What::Workspace, dir, why),
            // It is told with all that stand aside.
            Away::Aside(..) => {}
        }
        Ok(())
    }

    fn checkouts(&mut self, folder: &Path) -> Result<(), Failure> {
        for dir in workspace::checkouts(folder)? {
            if !self.dry_run {
                files::remove_tree(&dir)?;
            }
            self.goes(What::Checkout, dir.display(), "nobody works there, and it is made from git");
        }
        Ok(())
    }

    /// Transcripts that are old, and old conversations that nobody goes on with.
    fn transcripts(&mut self, folder: &Path, finished: bool) -> Result<(), Failure> {
        let old = Duration::from_secs(self.days.transcripts.unsigned_abs().saturating_mul(DAY.unsigned_abs()));
        let mut folders = vec![workspace::transcripts(folder)];
        folders.extend(finished.then(|| workspace::sessions(folder)));
        for file in folders.iter().filter_map(|dir| std::fs::read_dir(dir).ok()).flatten().flatten() {
            let path = file.path();
            if files::untouched_for(&path, self.store.world.clock.now()).is_none_or(|age| age < old) {
                continue;
            }
            match file.file_type()?.is_dir() {
                _ if self.dry_run => {}
                true => files::remove_tree(&path)?,
                false => std::fs::remove_file(&path)?,
            }
            self.goes(What::Transcript, path.display(), format!("older than {} days", self.days.transcripts));
        }
        Ok(())
    }

    /// Whether what was kept of a slice is of no use any more: the attempt that landed is not older. Why not, otherwise.
    fn superseded(&self, known: &Known, slice: &SliceId, kept: Oid) -> Result<Result<(), String>, Failure> {
        let repo = &self.store.repo;
        if known.state.finished.is_none() {
            return Ok(Err(format!("its run is not finished: git otto resume {}", known.id)));
        }
        if known.plan.spec.slice(slice).is_none() {
            return Ok(Err("its slice is not in the spec any more, and nothing of it landed".into()));
        }
        if !known.slice(slice).is_done() {
            return Ok(Err(format!("its slice did not land: git otto why {slice}")));
        }
        let kept = repo.read_commit(kept)?;
        for (_, attempt) in repo.refs().list(&names::attempts_prefix(&known.id, slice))? {
            let attempt = repo.read_commit(attempt)?;
            if attempt.tree == kept.tree || attempt.committer.time.secs() >= kept.committer.time.secs() {
                return Ok(Ok(()));
            }
        }
        Ok(Err("it was written after the last attempt, and nobody handed it in".into()))
    }

    /// Refs that recoveries and deliveries made to go back.
    pub fn ways_back(&mut self, prefix: &str) -> Result<(), Failure> {
        let now = self.store.world.clock.now();
        for (name, id) in self.store.repo.refs().list(prefix)? {
            let Ok(commit) = self.store.repo.read_commit(id) else {
                self.keep(What::Ref, name, "it is no commit, so that nobody can say how old it is");
                continue;
            };
            let age = now.secs().saturating_sub(commit.committer.time.secs()) / DAY;
            match age >= self.days.undo {
                true => self.forget(name, id, &format!("a way back, {age} days old")),
                false => self.keep(What::Ref, name, format!("a way back, {age} of {} days old", self.days.undo)),
            }
        }
        Ok(())
    }

    /// What setups installed and nobody used for long.
    pub fn setups(&mut self, cache: &Path) -> Result<(), Failure> {
        for layer in gate::unused_layers(cache, self.store.world.clock.now())? {
            if !self.dry_run {
                files::remove_tree(&layer)?;
            }
            self.goes(What::Setup, layer.display(), "no run used it for two weeks");
        }
        Ok(())
    }

    /// Records of locks whose holders are gone. The kernel released the locks themselves.
    pub fn locks(&mut self) -> Result<(), Failure> {
        let procs = &self.store.world.procs;
        let now: Timestamp = self.store.world.clock.now();
        let own = self.store.repo.common_dir().join("otto/locks");
        for path in std::fs::read_dir(own).into_iter().flatten().flatten().map(|e| e.path()) {
            let is_lock = path.extension() == Some(OsStr::new("lock"));
            let bytes = if is_lock { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
            let Ok(holder) = json::read::<Holder>(&bytes, json::Limits::LINE) else { continue };
            if holder.host != procs.host() || procs.fate(&holder.proc) == Fate::Lives {
                continue;
            }
            let me = Holder { since: now, what: "git otto gc".into(), ..holder.clone() };
            if self.dry_run || matches!(Lock::take(&path, &me)?, Taken::Mine(_)) {
                self.goes(What::Lock, path.display(), format!("process {} is gone", holder.proc.pid));
            }
        }
        Ok(())
    }
}
