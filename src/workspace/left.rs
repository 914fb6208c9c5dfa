//! Workspaces that a dead process left: what an agent had written in them is not lost.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use super::{Attempt, Result, Workspace, io_at, stat};
use crate::{
    base::{Oid, SliceId},
    git::{BString, Part, Repo},
};

/// The file beside a workspace's tree that says whose it is.
const MARK: &str = "attempt";

/// The file beside it that says what was carried there, each path ended by a NUL.
const CARRIED: &str = "carried";

/// The file beside it that says what of the tree it has, each pattern ended by a NUL; where it is missing, all.
const PART: &str = "part";

/// A workspace that was left.
pub struct Left {
    /// Whose it is.
    pub of: Attempt,
    /// The commit that it is on.
    pub base: Oid,
    /// The workspace.
    pub workspace: Workspace,
}

/// The file beside a workspace that tells a person what is to be done there. Where it stands, the workspace is theirs:
/// it is not removed before their slice is done.
const TASK: &str = "TASK.md";

/// Whether a folder is a person's.
pub(super) fn is_theirs(home: &Path) -> bool {
    home.join(TASK).exists()
}

/// Where a person's workspace for a slice is, and the file that tells them the task.
pub fn theirs(root: &Path, slice: &SliceId) -> (PathBuf, PathBuf) {
    let home = super::kept::home(root, slice);
    (home.join("tree"), home.join(TASK))
}

impl Workspace {
    /// Gives it to a person, with what is to be done: for this attempt, and, when there is another one on the same
    /// commit, for that.
    pub fn hand_over(&self, of: &Attempt, base: Oid, task: &str) -> Result<()> {
        mark(&self.home, of, base)?;
        let file = self.home.join(TASK);
        std::fs::write(&file, task).map_err(io_at("write", file))
    }
}

impl Left {
    /// Whether it is a person's.
    pub fn is_theirs(&self) -> bool {
        is_theirs(&self.workspace.home)
    }
}

/// Says whose workspace a folder is.
pub(super) fn mark(home: &Path, of: &Attempt, base: Oid) -> Result<()> {
    let file = home.join(MARK);
    let text = format!("{} {} {} {base}\n", of.slice, of.r#gen, of.n);
    std::fs::write(&file, text).map_err(io_at("write", file))
}

/// Says what is carried into a workspace.
pub(super) fn note_carried<'a>(home: &Path, paths: impl Iterator<Item = &'a BString>) -> Result<()> {
    note(&home.join(CARRIED), paths.map(|path| path.as_slice()))
}

/// Says what of the tree a workspace has.
pub(super) fn note_part(home: &Path, part: &Part) -> Result<()> {
    note(&home.join(PART), part.patterns().iter().map(String::as_bytes))
}

fn note<'a>(file: &Path, words: impl Iterator<Item = &'a [u8]>) -> Result<()> {
    let list: Vec<u8> = words.flat_map(|word| word.iter().copied().chain([0])).collect();
    std::fs::write(file, list).map_err(io_at("write", file))
}

fn noted(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|b| *b == 0).filter(|word| !word.is_empty())
}

fn carried(home: &Path) -> BTreeSet<BString> {
    noted(&std::fs::read(home.join(CARRIED)).unwrap_or_default()).map(BString::from).collect()
}

/// What of the tree a workspace has; none where nobody can say.
fn part(home: &Path) -> Option<Option<Part>> {
    let list = match std::fs::read(home.join(PART)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Some(None),
        read => read.ok()?,
    };
    let patterns: Option<Vec<String>> = noted(&list).map(|word| String::from_utf8(word.to_vec()).ok()).collect();
    Some(Some(Part::of(patterns?)))
}

/// The workspaces of agents in a run's folder whose base is still there. What cannot be read is none of them.
pub fn left(repo: &Repo, root: &Path) -> Result<Vec<Left>> {
    let folders = super::folders(root)?;
    let aside = super::aside(root)?;
    Ok(folders.into_iter().filter(|home| !aside.contains(home)).filter_map(|home| read(repo, &home)).collect())
}

pub(super) fn read(repo: &Repo, home: &Path) -> Option<Left> {
    let text = std::fs::read_to_string(home.join(MARK)).ok()?;
    let [slice, r#gen, n, base] = text.split_whitespace().collect::<Vec<_>>().try_into().ok()?;
    let of = Attempt { slice: slice.parse().ok()?, r#gen: r#gen.parse().ok()?, n: n.parse().ok()? };
    let base: Oid = base.parse().ok()?;
    let base_tree = repo.read_commit(base).ok()?.tree;
    let (dir, scratch) = (home.join("tree"), home.join("scratch"));
    let (home, transcript, seen, carried, part) =
        (home.to_owned(), home.join("transcript"), stat::Cache::default(), carried(home), part(home)?);
    Some(Left { of, base, workspace: Workspace { home, dir, scratch, transcript, base_tree, part, seen, carried } })
}
