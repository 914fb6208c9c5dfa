//! What git has begun in a checkout and not ended: found by the files that it leaves, told as one type.

use std::{
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use gix::index::{File as Index, decode, entry};
use serde::Serialize;

use super::{BString, Error, Repo, Result, inflight};
use crate::base::{Oid, Timestamp, files::remove_tree};

/// The longest state file that is read: a list of steps has a line for each commit.
const MAX_STATE: u64 = 16 << 20;

/// Where git keeps what it notes of something that is under way.
const FOLDERS: [&str; 3] = ["rebase-merge", "rebase-apply", "sequencer"];
const FILES: [&str; 11] = [
    "MERGE_HEAD",
    "MERGE_MSG",
    "MERGE_MODE",
    "MERGE_RR",
    "SQUASH_MSG",
    "BISECT_START",
    "BISECT_LOG",
    "BISECT_NAMES",
    "BISECT_TERMS",
    "BISECT_RUN",
    "BISECT_FIRST_PARENT",
];

/// What kind of operation is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PausedKind {
    /// A merge, before its commit.
    Merge,
    /// `merge --squash`, before its commit.
    Squash,
    /// A rebase of the default backend, interactive or not: git keeps both in the same way.
    Rebase,
    /// A rebase of the apply backend.
    RebaseApply,
    /// `git am`.
    Am,
    /// One cherry-pick, or a series of them.
    CherryPick,
    /// One revert, or a series of them.
    Revert,
    /// A bisection.
    Bisect,
    /// Paths in conflict, and nothing that says of what: a stash that was popped, a `checkout -m`.
    Unmerged,
}

impl PausedKind {
    /// As people say it.
    pub fn words(self) -> &'static str {
        match self {
            PausedKind::Merge => "a merge",
            PausedKind::Squash => "a squashed merge",
            PausedKind::Rebase => "a rebase",
            PausedKind::RebaseApply => "a rebase (apply)",
            PausedKind::Am => "git am",
            PausedKind::CherryPick => "a cherry-pick",
            PausedKind::Revert => "a revert",
            PausedKind::Bisect => "a bisection",
            PausedKind::Unmerged => "paths in conflict",
        }
    }

    /// git's own command that gives it up.
    pub fn abort(self) -> &'static str {
        match self {
            PausedKind::Merge => "git merge --abort",
            PausedKind::Squash => "git reset --merge",
            PausedKind::Rebase | PausedKind::RebaseApply => "git rebase --abort",
            PausedKind::Am => "git am --abort",
            PausedKind::CherryPick => "git cherry-pick --abort",
            PausedKind::Revert => "git revert --abort",
            PausedKind::Bisect => "git bisect reset",
            PausedKind::Unmerged => "git checkout HEAD -- <paths>",
        }
    }

    /// git's own command that goes on with it.
    pub fn go_on(self) -> &'static str {
        match self {
            PausedKind::Merge => "git merge --continue",
            PausedKind::Squash => "git commit",
            PausedKind::Rebase | PausedKind::RebaseApply => "git rebase --continue",
            PausedKind::Am => "git am --continue",
            PausedKind::CherryPick => "git cherry-pick --continue",
            PausedKind::Revert => "git revert --continue",
            PausedKind::Bisect => "git bisect good, or git bisect bad",
            PausedKind::Unmerged => "git add <paths>",
        }
    }

    /// Whether git itself can go on with it once nothing is in conflict; the others only a person ends.
    pub fn goes_on(self) -> bool {
        !matches!(self, PausedKind::Squash | PausedKind::Bisect | PausedKind::Unmerged)
    }
}

/// How far something of several steps has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Steps {
    /// The step at which it stands, counted from 1; none where git does not say.
    pub at: Option<u32>,
    /// The steps after that one.
    pub left: u32,
}

/// An operation of git's that is under way in a checkout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// The checkout.
    pub worktree: PathBuf,
    /// Its git directory.
    pub git_dir: PathBuf,
    /// What it is.
    pub kind: PausedKind,
    /// When git last wrote down where it stands.
    pub since: Option<Timestamp>,
    /// What is being merged, picked or reverted at this step.
    pub heads: Vec<Oid>,
    /// What a rebase builds on.
    pub onto: Option<Oid>,
    /// Where HEAD was when it began: what giving up goes back to. None where that cannot be told.
    pub orig_head: Option<Oid>,
    /// The branch that HEAD was on, by full name, where HEAD has left it.
    pub head_name: Option<String>,
    /// Whether HEAD has been moved since by something else, so that git would not rewind it.
    pub moved: bool,
    /// The stash of what was changed before it began.
    pub autostash: Option<Oid>,
    /// The paths in conflict.
    pub unmerged: Vec<BString>,
    /// How far it has come, where it has several steps.
    pub steps: Option<Steps>,
}

/// A lock file that somebody holds, or has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockFile {
    /// The file.
    pub path: PathBuf,
    /// When it was made.
    pub since: Option<Timestamp>,
    /// Whether a git otto that died left it: the next one that moves a ref removes it.
    pub ours: bool,
}

impl Repo {
    /// The repository as it is seen from each of its checkouts: the main one first, unless it is bare, then the linked ones.
    pub fn checkouts(&self) -> Result<Vec<Repo>> {
        let local = self.local();
        let main = local.main_repo().map_err(Error::gix("open the main checkout"))?;
        let mut all = Vec::new();
        // What this checkout is was said by whoever opened it, perhaps by the environment.
        let mut add = |git_dir: &Path, work_dir: Option<PathBuf>| -> Result<()> {
            match work_dir {
                _ if same(git_dir, self.git_dir()) => all.extend(self.work_dir().map(|_| self.clone())),
                Some(dir) => all.push(self.beside(git_dir, dir)?),
                None => {}
            }
            Ok(())
        };
        add(main.git_dir(), main.workdir().filter(|_| !main.is_bare()).map(Into::into))?;
        for linked in main.worktrees().map_err(Error::gix("list the checkouts"))? {
            if let Ok(base) = linked.base() {
                add(linked.git_dir(), Some(base))?;
            }
        }
        Ok(all)
    }

    /// What git has begun in this checkout and not ended. What stands first has to be ended first.
    pub fn paused(&self) -> Result<Vec<Paused>> {
        let Some(worktree) = self.work_dir() else { return Ok(Vec::new()) };
        let git_dir = self.git_dir();
        let own = self.refs().own()?;
        let unmerged = self.unmerged()?;
        let blank = Paused {
            worktree: worktree.to_owned(),
            git_dir: git_dir.to_owned(),
            kind: PausedKind::Unmerged,
            since: None,
            heads: Vec::new(),
            onto: None,
            orig_head: None,
            head_name: None,
            moved: false,
            autostash: None,
            unmerged,
            steps: None,
        };
        let here = Here { dir: git_dir, own, head: self.refs().read("HEAD").unwrap_or_default() };
        let mut all = Vec::new();
        all.extend(here.operation(&blank));
        if all.is_empty() && !blank.unmerged.is_empty() {
            all.push(Paused { since: mtime(&git_dir.join("index")), orig_head: here.head, ..blank.clone() });
        }
        // A bisection goes on around anything else.
        all.extend(here.bisection(&blank));
        Ok(all)
    }

    /// The paths that the index of this checkout holds in conflict.
    pub fn unmerged(&self) -> Result<Vec<BString>> {
        let Some(index) = self.read_index()? else { return Ok(Vec::new()) };
        let conflicted = index.entries().iter().filter(|e| e.stage() != entry::Stage::Unconflicted);
        let mut paths: Vec<BString> = conflicted.map(|e| e.path(&index).to_owned()).collect();
        paths.dedup();
        Ok(paths)
    }

    /// The index of this checkout; none where there is no file.
    pub(super) fn read_index(&self) -> Result<Option<Index>> {
        let path = self.git_dir().join("index");
        match Index::at(&path, self.hash_kind(), true, decode::Options::default()) {
            Ok(index) => Ok(Some(index)),
            Err(_) if !path.exists() => Ok(None),
            Err(e) => Err(Error::gix("read the index")(e)),
        }
    }

    /// What git has noted about what is under way in this checkout: its files, by path in the git directory. One that is
    /// longer than any that git writes is left out.
    pub fn paused_files(&self) -> Result<Vec<(BString, Vec<u8>)>> {
        let mut paths: Vec<String> = FILES.iter().map(|f| (*f).to_owned()).collect();
        for folder in FOLDERS {
            for file in fs::read_dir(self.git_dir().join(folder)).into_iter().flatten().flatten() {
                paths.extend(file.file_name().to_str().map(|name| format!("{folder}/{name}")));
            }
        }
        let mut all = Vec::new();
        for path in paths {
            let at = self.git_dir().join(&path);
            if fs::symlink_metadata(&at).is_ok_and(|m| m.is_file() && m.len() <= MAX_STATE) {
                all.push((path.into(), fs::read(&at).map_err(Error::io("read", &at))?));
            }
        }
        Ok(all)
    }

    /// The commits of the steps that git has yet to take, as far as its lists name them.
    pub fn steps_left(&self) -> Vec<Oid> {
        let mut all = Vec::new();
        for list in ["rebase-merge/git-rebase-todo", "sequencer/todo"] {
            for step in todo(&self.git_dir().join(list)) {
                // `pick <id> …`, `fixup -C <id> …`, `merge -C <id> …`
                let ids = step.split_whitespace().skip(1).take(2);
                for id in ids.filter(|word| word.len() >= 4 && word.bytes().all(|b| b.is_ascii_hexdigit())) {
                    all.extend(self.resolve(id).ok());
                }
            }
        }
        all
    }

    /// The paths in the patches that git has yet to apply.
    pub fn patches_left(&self) -> Result<Vec<BString>> {
        let dir = self.git_dir().join("rebase-apply");
        let next = line(&dir.join("next")).and_then(|n| n.parse::<u32>().ok()).unwrap_or_default();
        let mut all = Vec::new();
        for patch in fs::read_dir(&dir).into_iter().flatten().flatten().map(|file| file.path()) {
            let number = patch.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
            if number.is_some_and(|number| number >= next) {
                let args = ["apply".as_ref(), "--numstat".as_ref(), "-z".as_ref(), patch.as_os_str()];
                // One that is none has no paths.
                let said = self.git(&args, None)?.ok().unwrap_or_default();
                let lines = said.split(|b| *b == 0).filter_map(|line| line.splitn(3, |b| *b == b'\t').nth(2));
                all.extend(lines.map(BString::from));
            }
        }
        Ok(all)
    }

    /// The commit at which git left HEAD at the last step of a series.
    pub fn paused_at(&self) -> Option<Oid> {
        line(&self.git_dir().join("sequencer/abort-safety"))?.parse().ok()
    }

    /// Removes notes of git's, files or folders of the git directory; a folder goes at once, as far as anybody can see.
    pub fn remove_paused_files(&self, names: &[&str]) -> Result<()> {
        let aside = self.git_dir().join("otto/ended");
        for name in names {
            let path = self.git_dir().join(name);
            let failed = |e| Error::io("remove", &path)(e);
            match fs::symlink_metadata(&path) {
                Err(_) => {}
                Ok(m) if m.is_dir() => {
                    remove_tree(&aside).map_err(failed)?;
                    fs::create_dir_all(self.git_dir().join("otto")).map_err(failed)?;
                    fs::rename(&path, &aside).map_err(failed)?;
                    remove_tree(&aside).map_err(failed)?;
                }
                Ok(_) => fs::remove_file(&path).map_err(failed)?,
            }
        }
        Ok(())
    }

    /// The lock files in the git directory of this checkout and in what all checkouts share.
    pub fn lock_files(&self) -> Result<Vec<LockFile>> {
        let recorded =
            [inflight::left(self.common_dir(), inflight::REFS), inflight::left(self.git_dir(), inflight::INDEX)]
                .concat();
        let mut found = Vec::new();
        let mut look = |dir: &Path| {
            for file in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = file.path();
                if path.extension().is_some_and(|e| e == "lock") && !found.contains(&path) {
                    found.push(path);
                }
            }
        };
        look(self.git_dir());
        look(self.common_dir());
        let mut folders = vec![self.common_dir().join("refs"), self.common_dir().join("reftable")];
        while let Some(dir) = folders.pop() {
            look(&dir);
            let below = fs::read_dir(&dir).into_iter().flatten().flatten();
            folders.extend(below.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        }
        found.sort();
        let tell = |path: PathBuf| LockFile { since: mtime(&path), ours: recorded.contains(&path), path };
        Ok(found.into_iter().map(tell).collect())
    }
}

/// What the files of one checkout say.
struct Here<'a> {
    dir: &'a Path,
    own: std::collections::BTreeMap<String, Oid>,
    head: Option<Oid>,
}

impl Here<'_> {
    fn operation(&self, blank: &Paused) -> Option<Paused> {
        let own = |name: &str| self.own.get(name).copied();
        let folder = |name: &str| Some(self.dir.join(name)).filter(|d| d.is_dir());
        if let Some(dir) = folder("rebase-merge") {
            return Some(self.rebase(&dir, PausedKind::Rebase, blank));
        }
        if let Some(dir) = folder("rebase-apply") {
            if !dir.join("applying").exists() {
                return Some(self.rebase(&dir, PausedKind::RebaseApply, blank));
            }
            let orig_head = own("ORIG_HEAD");
            return Some(Paused {
                kind: PausedKind::Am,
                since: mtime(&dir.join("next")).or_else(|| mtime(&dir)),
                orig_head,
                moved: self.moved(&dir.join("abort-safety"), orig_head),
                steps: applied(&dir),
                ..blank.clone()
            });
        }
        let merging = self.dir.join("MERGE_HEAD");
        if merging.exists() {
            return Some(Paused {
                kind: PausedKind::Merge,
                since: mtime(&merging),
                heads: lines(&merging).iter().filter_map(|l| l.parse().ok()).collect(),
                orig_head: self.head,
                autostash: own("MERGE_AUTOSTASH"),
                ..blank.clone()
            });
        }
        self.picking(blank).or_else(|| {
            let squashed = self.dir.join("SQUASH_MSG");
            squashed.exists().then(|| Paused {
                kind: PausedKind::Squash,
                since: mtime(&squashed),
                orig_head: self.head,
                autostash: own("MERGE_AUTOSTASH"),
                ..blank.clone()
            })
        })
    }

    fn rebase(&self, dir: &Path, kind: PausedKind, blank: &Paused) -> Paused {
        let id = |name: &str| line(&dir.join(name)).and_then(|l| l.parse().ok());
        let steps = match kind {
            PausedKind::RebaseApply => applied(dir),
            _ => Some(Steps {
                at: line(&dir.join("msgnum")).and_then(|n| n.parse().ok()),
                left: todo(&dir.join("git-rebase-todo")).len() as u32,
            }),
        };
        let stopped = id("stopped-sha").or_else(|| self.own.get("REBASE_HEAD").copied());
        Paused {
            kind,
            since: mtime(&dir.join("done")).or_else(|| mtime(&dir.join("next"))).or_else(|| mtime(dir)),
            heads: stopped.into_iter().collect(),
            onto: id("onto"),
            // `head` is how older versions of git named it.
            orig_head: id("orig-head").or_else(|| id("head")),
            head_name: line(&dir.join("head-name")).filter(|name| name.starts_with("refs/")),
            autostash: id("autostash"),
            steps,
            ..blank.clone()
        }
    }

    /// One cherry-pick or revert, or a series; what is left of a series where somebody has made the commit by hand.
    fn picking(&self, blank: &Paused) -> Option<Paused> {
        let series = self.dir.join("sequencer");
        let left = todo(&series.join("todo"));
        let (pick, revert) = (self.own.get("CHERRY_PICK_HEAD").copied(), self.own.get("REVERT_HEAD").copied());
        let reverts = left.first().is_some_and(|l| l.starts_with("revert") || l.starts_with("r "));
        let kind = match (pick, revert) {
            (Some(_), _) => PausedKind::CherryPick,
            (None, Some(_)) => PausedKind::Revert,
            (None, None) if !series.is_dir() => return None,
            (None, None) if reverts => PausedKind::Revert,
            (None, None) => PausedKind::CherryPick,
        };
        let head = pick.or(revert);
        let (start, is_series) = (series.join("head"), series.join("head").exists());
        let orig_head = if is_series { line(&start).and_then(|l| l.parse().ok()) } else { self.head };
        let mark = match kind {
            PausedKind::CherryPick => "CHERRY_PICK_HEAD",
            _ => "REVERT_HEAD",
        };
        Some(Paused {
            kind,
            since: mtime(&self.dir.join(mark)).or_else(|| mtime(&series.join("todo"))).or_else(|| mtime(&series)),
            heads: head.into_iter().collect(),
            orig_head,
            moved: is_series && self.moved(&series.join("abort-safety"), orig_head),
            // The step at which a series stands is the first of its list until its commit is made.
            steps: is_series.then(|| Steps { at: None, left: left.len().saturating_sub(head.iter().len()) as u32 }),
            ..blank.clone()
        })
    }

    fn bisection(&self, blank: &Paused) -> Option<Paused> {
        let (start, log) = (self.dir.join("BISECT_START"), self.dir.join("BISECT_LOG"));
        let begun = line(&start)?;
        let id = begun.parse::<Oid>().ok();
        Some(Paused {
            kind: PausedKind::Bisect,
            since: mtime(&log).or_else(|| mtime(&start)),
            orig_head: id,
            head_name: id.is_none().then(|| format!("refs/heads/{}", begun.trim_start_matches("refs/heads/"))),
            unmerged: Vec::new(),
            ..blank.clone()
        })
    }

    /// Whether HEAD is neither where git left it (which it wrote down) nor where it would be brought.
    fn moved(&self, safety: &Path, back: Option<Oid>) -> bool {
        let expected: Option<Oid> = line(safety).and_then(|l| l.parse().ok());
        self.head != expected && self.head != back
    }
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || a.canonicalize().is_ok_and(|a| b.canonicalize().is_ok_and(|b| a == b))
}

/// `next` and `last`, as the apply backend counts.
fn applied(dir: &Path) -> Option<Steps> {
    let number = |name: &str| line(&dir.join(name)).and_then(|n| n.parse::<u32>().ok());
    let (at, last) = (number("next")?, number("last")?);
    Some(Steps { at: Some(at), left: last.saturating_sub(at) })
}

/// The steps of a list: lines that are neither empty nor comments.
fn todo(path: &Path) -> Vec<String> {
    lines(path).into_iter().filter(|l| !l.is_empty() && !l.starts_with('#')).collect()
}

fn line(path: &Path) -> Option<String> {
    lines(path).into_iter().next()
}

pub(super) fn lines(path: &Path) -> Vec<String> {
    let mut text = Vec::new();
    let read = File::open(path).and_then(|f| f.take(MAX_STATE).read_to_end(&mut text));
    match read {
        Ok(_) => String::from_utf8_lossy(&text).lines().map(|l| l.trim().to_owned()).collect(),
        Err(_) => Vec::new(),
    }
}

fn mtime(path: &Path) -> Option<Timestamp> {
    fs::symlink_metadata(path).ok().map(|m| Timestamp::from_secs(m.mtime()))
}
