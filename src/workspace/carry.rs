//! Files of the user's working tree that git ignores and that `.worktreeinclude` names: read once, copied to where agents
//! and checks work, never part of a snapshot.

use std::{collections::BTreeSet, path::Path};

use super::{CheckoutDir, Error, MAX_FILE, Result, Workspace, io_at, left};
use crate::{
    base::{Oid, Sha256, files},
    git::{BString, ByteSlice as _, Mode, Repo},
};

/// The file that names what is carried, in git's syntax of ignore files, at the top of the repository.
pub const FILE: &str = ".worktreeinclude";

/// How large that file may be, and how many lines it may have.
const MAX_RULES: (u64, usize) = (64 << 10, 500);
/// How many files may be carried, and how many bytes they may have together.
const MAX: (usize, u64) = (1000, 64 << 20);

/// What is carried, as it was when it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried(Vec<File>);

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path from the top.
    pub path: BString,
    /// Its content.
    pub content: Vec<u8>,
    executable: bool,
}

/// What `.worktreeinclude` matches in the user's working tree.
#[derive(Debug, Default)]
pub struct Found {
    /// What can be carried.
    pub carried: Carried,
    /// What cannot: links, and what otto itself or git keeps.
    pub left_out: Vec<BString>,
}

/// The rules of a tree; none where it has no `.worktreeinclude`.
pub fn rules(repo: &Repo, tree: Oid) -> Result<Option<Vec<u8>>> {
    let Some(entry) = repo.entry(tree, FILE.into())? else { return Ok(None) };
    Ok(Some(repo.read_blob(entry.oid, MAX_RULES.0)?))
}

/// The lines of the rules that mean something, as git reads them.
fn patterns(rules: &[u8]) -> Vec<&[u8]> {
    let lines = rules.lines().map(|line| {
        let trimmed = line.trim_end_with(|c| c == ' ');
        // A blank after a backslash counts.
        if trimmed.ends_with(b"\\") && trimmed.len() < line.len() { &line[..=trimmed.len()] } else { trimmed }
    });
    lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")).collect()
}

/// Looks what the rules match in the working tree: only what git ignores, never what it tracks or what is merely new.
pub fn find(repo: &Repo, rules: &[u8]) -> Result<Found> {
    let (patterns, Some(top)) = (patterns(rules), repo.work_dir()) else { return Ok(Found::default()) };
    if patterns.is_empty() {
        return Ok(Found::default());
    }
    if patterns.len() > MAX_RULES.1 {
        return Err(Error::TooMuch(format!("{FILE} has more than {} lines", MAX_RULES.1)));
    }
    // First what the rules match among what is not tracked, then what of that git ignores.
    let mut args: Vec<std::ffi::OsString> = ["ls-files", "-z", "--others", "--ignored"].map(Into::into).to_vec();
    args.extend(patterns.iter().map(|p| {
        let mut arg = b"--exclude=".to_vec();
        arg.extend_from_slice(p);
        std::os::unix::ffi::OsStringExt::from_vec(arg)
    }));
    let matched = repo.git(&args, None)?.ok()?;
    if matched.is_empty() {
        return Ok(Found::default());
    }
    let ignored = repo.git(&["check-ignore", "-z", "--stdin"], Some(&matched))?;
    let mut paths: Vec<&[u8]> = ignored.stdout.split(|b| *b == 0).filter(|p| !p.is_empty()).collect();
    paths.sort_unstable();
    let mut found = Found::default();
    let mut total = 0;
    for path in paths {
        let own = path.starts_with(b".otto/") || path == b".otto" || files::bad_path(path).is_some();
        // No link is followed, and nothing but a file is read.
        let read = if own { None } else { files::read_beneath(top, path, MAX.1).ok() };
        let Some((content, executable)) = read else {
            found.left_out.push(path.into());
            continue;
        };
        total += content.len() as u64;
        if found.carried.0.len() == MAX.0 || total > MAX.1 {
            let text = format!("{FILE} matches more than {} files or {} MiB of ignored files", MAX.0, MAX.1 >> 20);
            return Err(Error::TooMuch(text));
        }
        found.carried.0.push(File { path: path.into(), content, executable });
    }
    Ok(found)
}

impl Carried {
    /// The files, by path.
    pub fn files(&self) -> &[File] {
        &self.0
    }

    /// The digest of names and contents; none where nothing is carried.
    pub fn digest(&self) -> Option<Sha256> {
        let parts = self.0.iter().flat_map(|f| [Sha256::of(&f.path[..]), Sha256::of(&f.content)]);
        let parts: Vec<String> = parts.map(|d| d.to_string()).collect();
        (!self.0.is_empty()).then(|| Sha256::of(parts.concat()))
    }

    /// Whether a tree has one of the paths itself, so that not all of it can be laid over.
    pub fn is_in(&self, repo: &Repo, tree: Oid) -> Result<bool> {
        for file in &self.0 {
            if repo.entry(tree, file.path.as_ref())?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Copies into a checkout of a tree what the tree has not itself; the paths of that.
    fn lay(&self, repo: &Repo, tree: Oid, dir: &Path) -> Result<BTreeSet<BString>> {
        let mut laid = BTreeSet::new();
        for file in &self.0 {
            if repo.entry(tree, file.path.as_ref())?.is_none() {
                files::write_beneath(dir, &file.path, &file.content, file.executable)
                    .map_err(io_at("carry a file into", dir))?;
                laid.insert(file.path.clone());
            }
        }
        Ok(laid)
    }
}

impl CheckoutDir {
    /// Copies carried files into the checkout of a tree.
    pub fn carry(&self, repo: &Repo, tree: Oid, carried: &Carried) -> Result<()> {
        carried.lay(repo, tree, self.dir()).map(drop)
    }
}

impl Workspace {
    /// Copies carried files into the workspace, which has the files of `tree`. No snapshot of it contains them, whoever
    /// takes it.
    pub fn carry(&mut self, repo: &Repo, tree: Oid, carried: &Carried) -> Result<()> {
        // The list comes first: a crash in between must not make the files those of an attempt.
        left::note_carried(&self.home, carried.0.iter().map(|f| &f.path))?;
        self.carried = carried.lay(repo, tree, &self.dir)?;
        Ok(())
    }

    /// Takes what a setup did to the files of `tree` back, and leaves what it added out of every snapshot: neither is the
    /// work of whoever comes next.
    pub fn disown(&mut self, repo: &Repo, tree: Oid) -> Result<()> {
        let now = self.snapshot(repo, &[])?;
        for change in repo.diff_trees(tree, now.tree)? {
            let dir = &self.dir;
            let put_back = match change.old {
                Some((Mode::Plain | Mode::Executable, blob)) => {
                    let executable = matches!(change.old, Some((Mode::Executable, _)));
                    files::write_beneath(dir, &change.path, &repo.read_blob(blob, MAX_FILE)?, executable)
                }
                Some(_) => Ok(()),
                None => {
                    self.carried.insert(change.path);
                    Ok(())
                }
            };
            put_back.map_err(io_at("put a file back in", dir))?;
        }
        left::note_carried(&self.home, self.carried.iter())
    }
}
