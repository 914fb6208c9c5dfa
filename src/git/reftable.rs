//! Refs in reftables, through the `git` program: gix opens such a repository, but writes where git does not look.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{
    Error, Head, Old, RefEdit, Refs, Result, Signature, Swap, Target,
    cmd::{Git, Output},
    refs::{self, Backend, Tried},
};
use crate::base::Oid;

pub(super) struct Reftable {
    pub(super) git: Git,
    pub(super) common_dir: PathBuf,
}

/// A ref as `for-each-ref` prints it: name, what it points to if symbolic, object.
const FORMAT: &str = "--format=%(refname)%00%(symref)%00%(objectname)";

impl Reftable {
    /// What `for-each-ref` says about a name or a folder (with a `/` at its end).
    fn ask(&self, pattern: &str) -> Result<Vec<(String, String, Oid)>> {
        let args = ["for-each-ref", FORMAT, "--end-of-options", pattern].map(OsStr::new);
        let out = String::from_utf8_lossy(&self.git.run(&args, None, &[])?.ok()?).into_owned();
        let bad = |line: &str| Error::Ref { name: pattern.into(), why: format!("git said {line:?}") };
        out.lines()
            .map(|line| {
                let mut parts = line.split('\0');
                let (Some(name), Some(symref), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
                    return Err(bad(line));
                };
                Ok((name.to_owned(), symref.to_owned(), id.parse().map_err(|_| bad(line))?))
            })
            .collect()
    }
}

impl Refs for Reftable {
    fn read(&self, name: &str) -> Result<Option<Oid>> {
        if name == "HEAD" {
            return Ok(head(&self.git)?.at());
        }
        refs::check_name(name)?;
        Ok(self.ask(name)?.into_iter().find(|(n, ..)| n == name).map(|(.., id)| id))
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Oid)>> {
        let folder = prefix.rfind('/').map_or("refs/", |at| &prefix[..=at]);
        let mut all: Vec<_> = self.ask(folder)?.into_iter().map(|(name, _, id)| (name, id)).collect();
        all.retain(|(name, _)| name.starts_with(prefix));
        all.sort();
        Ok(all)
    }

    fn swap(&self, edits: &[RefEdit], who: &Signature, why: &str) -> Result<Swap> {
        refs::swap(self, edits, who, why)
    }

    fn own(&self) -> Result<BTreeMap<String, Oid>> {
        self.own_refs()
    }

    fn set_own(&self, name: &str, id: Oid, who: &Signature, why: &str) -> Result<()> {
        self.put_own(name, id, who, why)
    }

    fn remove_own(&self, names: &[&str]) -> Result<()> {
        self.delete_own(names)
    }

    fn move_head(&self, from: &Head, to: &Head, who: &Signature, why: &str) -> Result<()> {
        self.put_head(from, to, who, why)
    }
}

impl Backend for Reftable {
    fn raw(&self, name: &str) -> Result<Option<Target>> {
        let found = self.ask(name)?.into_iter().find(|(n, ..)| n == name);
        Ok(found.map(|(_, symref, id)| if symref.is_empty() { Target::Oid(id) } else { Target::Symbolic(symref) }))
    }

    fn locks(&self, _: &[RefEdit]) -> (&Path, Vec<String>) {
        (&self.common_dir, vec!["reftable/tables.list".into()])
    }

    fn attempt(&self, edits: &[RefEdit], who: &Signature, why: &str) -> Result<Tried> {
        let mut script = b"start\0".to_vec();
        for edit in edits {
            let name = &edit.name;
            let line = match (edit.old, edit.new) {
                (Old::Absent, None) => format!("verify {name}\0\0"),
                (Old::Is(old), Some(new)) if old == new => format!("verify {name}\0{old}\0"),
                (Old::Absent, Some(new)) => format!("create {name}\0{new}\0"),
                (Old::Is(old), Some(new)) => format!("update {name}\0{new}\0{old}\0"),
                (Old::Is(old), None) => format!("delete {name}\0{old}\0"),
            };
            // Applies to the next command only: never edit what a symbolic ref points to.
            script.extend_from_slice(b"option no-deref\0");
            script.extend_from_slice(line.as_bytes());
        }
        script.extend_from_slice(b"prepare\0commit\0");
        // `refs/otto` has no reflog unless asked for.
        let args = ["update-ref", "-m", why, "--create-reflog", "--stdin", "-z"];
        let out = self.as_committer(&args, Some(&script), who)?;
        if out.code == Some(0) {
            return Ok(Tried::Done);
        }
        // A non-zero exit says nothing sure: look.
        let done = edits.iter().try_fold(true, |all, e| Ok::<_, Error>(all && self.read(&e.name)? == e.new))?;
        if done {
            return Ok(Tried::Done);
        }
        if refs::lost(self, edits)?.is_some() {
            return Ok(Tried::Stale);
        }
        if out.stderr.contains("lock") { Ok(Tried::Locked(out.stderr)) } else { Err(out.failed()) }
    }
}

impl Reftable {
    /// Runs `git` as the person whom reflogs are to name.
    pub(super) fn as_committer(&self, args: &[&str], stdin: Option<&[u8]>, who: &Signature) -> Result<Output> {
        let actor = who.actor();
        let (name, email) = (actor.name.to_string(), actor.email.to_string());
        let date = format!("@{} +0000", actor.time.seconds);
        let vars = [
            ("GIT_COMMITTER_NAME", OsStr::new(&name)),
            ("GIT_COMMITTER_EMAIL", OsStr::new(&email)),
            ("GIT_COMMITTER_DATE", OsStr::new(&date)),
        ];
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        self.git.run(&args, stdin, &vars)
    }
}

/// The commit that a revision names, as git sees it.
pub(super) fn resolve(git: &Git, rev: &str) -> Result<Option<Oid>> {
    let rev = format!("{rev}^{{commit}}");
    let out = git.run(&["rev-parse", "--verify", "--quiet", "--end-of-options", &rev].map(OsStr::new), None, &[])?;
    Ok(String::from_utf8_lossy(&out.stdout).lines().next_back().and_then(|id| id.trim().parse().ok()))
}

/// What a ref has been, oldest first, as git tells it.
pub(super) fn reflog(git: &Git, name: &str) -> Result<Vec<Oid>> {
    refs::check_name(name)?;
    let args = ["log", "--walk-reflogs", "--format=%H", "--end-of-options", name].map(OsStr::new);
    let out = git.run(&args, None, &[])?;
    let mut all: Vec<Oid> = String::from_utf8_lossy(&out.stdout).lines().filter_map(|id| id.parse().ok()).collect();
    all.reverse();
    Ok(all)
}

/// Where this checkout's HEAD is, as git sees it.
pub(super) fn head(git: &Git) -> Result<Head> {
    let id = resolve(git, "HEAD")?;
    let out = git.run(&["symbolic-ref", "--quiet", "HEAD"].map(OsStr::new), None, &[])?;
    match (String::from_utf8_lossy(&out.stdout).trim(), id) {
        ("", Some(id)) => Ok(Head::Detached(id)),
        ("", None) => Err(Error::Ref { name: "HEAD".into(), why: "it is neither on a branch nor on a commit".into() }),
        (branch, id) => Ok(Head::Branch(branch.to_owned(), id)),
    }
}

/// Every checkout with its HEAD, as git sees them.
pub(super) fn checked_out(git: &Git) -> Result<Vec<(PathBuf, Head)>> {
    let out = git.run(&["worktree", "list", "--porcelain", "-z"].map(OsStr::new), None, &[])?.ok()?;
    let text = String::from_utf8_lossy(&out);
    let mut all = Vec::new();
    for block in text.split("\0\0") {
        let field = |name: &str| block.split('\0').find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let id = field("HEAD").and_then(|id| id.parse::<Oid>().ok()).filter(|id| !id.0.is_null());
        let head = match (field("branch"), id) {
            (Some(branch), id) => Head::Branch(branch.to_owned(), id),
            (None, Some(id)) => Head::Detached(id),
            (None, None) => continue,
        };
        all.extend(field("worktree").map(|dir| (PathBuf::from(dir), head)));
    }
    Ok(all)
}
