//! Workspaces: a folder of its own for each attempt of an agent, outside the repository, and clean checkouts that no
//! agent wrote in for the checks.
//!
//! A workspace has its own `.git` that borrows the repository's objects, for the agent's use only. Otto never runs git
//! through it and reads nothing from it: it looks at the files itself (`walk`), from what it remembers of the base.

pub mod carry;
mod ignore;
mod kept;
mod left;
mod look;
mod place;
mod private;
mod snapshot;
mod stat;
mod turn;
mod walk;

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

pub use carry::Carried;
pub use kept::{Kept, aside, checkouts, leftovers, set_unreadable_aside, sweep};
pub use left::{Left, left, theirs};
pub use look::Look;
pub use place::{CheckoutDir, clean_checkout, clean_checkout_of, folder};
pub use snapshot::Snapshot;

use crate::{
    base::{Exit, Explain, Oid, Point, Sha256, SliceId, World},
    git::{self, BString, Part, Repo},
};

/// The largest file that a workspace may bring, bytes.
pub const MAX_FILE: u64 = 50 << 20;

/// Where transcripts of agents are kept, beside the workspaces of a run.
const TRANSCRIPTS: &str = "transcripts";

/// Where conversations with models are kept that no program keeps, beside them.
const SESSIONS: &str = "sessions";

/// What can go wrong with a workspace.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither `XDG_STATE_HOME` nor `HOME` is set.
    #[error("there is no place for workspaces: neither XDG_STATE_HOME nor HOME is set")]
    NoStateDir,
    /// The disk.
    #[error("could not {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// More is to be carried than is sensible.
    #[error("{0}")]
    TooMuch(String),
    /// The repository.
    #[error(transparent)]
    Git(#[from] git::Error),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::NoStateDir | Error::TooMuch(_) => Exit::Usage,
            Error::Io { .. } => Exit::Internal,
            Error::Git(e) => e.exit(),
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            Error::NoStateDir => Some("export XDG_STATE_HOME=/path/with/room".into()),
            Error::TooMuch(_) => {
                Some("git config otto.carry false    (carries nothing; or narrow .worktreeinclude)".into())
            }
            Error::Io { .. } => None,
            Error::Git(e) => e.hint(),
        }
    }
}

/// The result of everything here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

fn io_at(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::Io { what, path, source }
}

/// The folder of all runs of a repository: `$XDG_STATE_HOME/git-otto/<digest of its path>`. Each run has a folder of its
/// id in it, which is the `root` of everything below.
pub fn root(world: &World, repo: &Repo) -> Result<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    let state = world.env.state_dir().ok_or(Error::NoStateDir)?;
    let common = repo.common_dir();
    let common = common.canonicalize().map_err(io_at("find", common))?;
    Ok(state.join(Sha256::of(common.as_os_str().as_bytes()).short()))
}

/// Whose attempt a workspace is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The slice.
    pub slice: SliceId,
    /// Its generation.
    pub r#gen: Sha256,
    /// Which attempt, from 1.
    pub n: u32,
}

impl Attempt {
    /// The message under which what it has written is kept.
    pub fn written(&self) -> String {
        let (n, slice) = (self.n, &self.slice);
        format!("What attempt {n} at {slice} has written\n\nGeneration {}\n", self.r#gen)
    }
}

/// A folder where one agent works on one attempt. Not removed when dropped: what an agent wrote is removed on purpose.
#[derive(Debug)]
pub struct Workspace {
    home: PathBuf,
    dir: PathBuf,
    scratch: PathBuf,
    transcript: PathBuf,
    base_tree: Oid,
    /// What of the trees it has; all, where there is none.
    part: Option<Part>,
    seen: stat::Cache,
    carried: BTreeSet<BString>,
}

impl Workspace {
    /// A new workspace for an attempt at a slice, on a commit, with the files of `tree` (the commit's own, or what an
    /// earlier attempt left). It appears whole or not at all: what a crash leaves is a folder that [`sweep`] removes.
    ///
    /// All attempts at a slice find it in the same place, since agents tie their conversations to it.
    pub fn create(repo: &Repo, world: &World, root: &Path, of: &Attempt, base: Oid, tree: Oid) -> Result<Workspace> {
        Workspace::create_part(repo, world, root, of, (base, tree), None)
    }

    /// The same with a part of the files, for whoever writes nothing but in that part. No git works in it.
    pub fn create_part(
        repo: &Repo,
        world: &World,
        root: &Path,
        of: &Attempt,
        (base, tree): (Oid, Oid),
        part: Option<Part>,
    ) -> Result<Workspace> {
        let base_tree = repo.read_commit(base)?.tree;
        let new = place::folder(world, root, &format!("new-{}", place::plain(of.slice.as_str())))?;
        world.faults.hit(Point::WorkspaceCreateMid).map_err(io_at("create", &new))?;
        let (dir, scratch) = (new.join("tree"), new.join("scratch"));
        std::fs::create_dir(&scratch).map_err(io_at("create", &scratch))?;
        repo.checkout_part(tree, &dir, part.as_ref())?;
        let seen = match &part {
            Some(part) => {
                left::note_part(&new, part)?;
                stat::Cache::default()
            }
            None => {
                let marker = stat::now_in(&new).map_err(io_at("write", &new))?;
                let files = repo.tree_entries(tree)?;
                let seen = stat::Cache::of(&dir, &files, marker).map_err(io_at("look at", &dir))?;
                let entries = if tree == base_tree { files } else { repo.tree_entries(base_tree)? };
                private::create(repo, &dir, base, &entries, &seen)?;
                seen
            }
        };
        left::mark(&new, of, base)?;
        let home = kept::home(root, &of.slice);
        std::fs::rename(&new, &home).map_err(io_at("rename", &new))?;
        world.faults.hit(Point::WorkspaceCreateAfter).map_err(io_at("create", &home))?;
        let (dir, scratch) = (home.join("tree"), home.join("scratch"));
        let last = new.file_name().map(|n| n.to_string_lossy().replacen("new-", "", 1)).unwrap_or_default();
        let transcript = transcript(root, &format!("{last}-{}", of.n));
        Ok(Workspace { home, dir, scratch, transcript, base_tree, part, seen, carried: BTreeSet::new() })
    }

    /// Where the agent works.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A folder beside it for the agent's temporary files.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// A file for the agent's transcript; it stays when the workspace goes.
    pub fn transcript(&self) -> &Path {
        &self.transcript
    }
}

/// The folder for conversations with models in a run's folder; it stays when workspaces go.
pub fn sessions(root: &Path) -> PathBuf {
    root.join(SESSIONS)
}

/// The folder for what agents of a run printed; it stays when the workspaces go.
pub fn transcripts(root: &Path) -> PathBuf {
    root.join(TRANSCRIPTS)
}

/// The file for the transcript of that name; it stays when the workspaces go.
pub fn transcript(root: &Path, name: &str) -> PathBuf {
    transcripts(root).join(format!("{}.txt", place::plain(name)))
}

fn folders(root: &Path) -> Result<Vec<PathBuf>> {
    let read = match std::fs::read_dir(root) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(io_at("read", root))?,
    };
    let mut out = Vec::new();
    for entry in read {
        let entry = entry.map_err(io_at("read", root))?;
        let stays = [TRANSCRIPTS, SESSIONS].iter().any(|name| entry.file_name() == *name);
        if !stays && entry.file_type().is_ok_and(|t| t.is_dir()) {
            out.push(entry.path());
        }
    }
    out.sort();
    Ok(out)
}

#[cfg(test)]
mod tests;
