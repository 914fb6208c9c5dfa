//! Refs that only one checkout has: HEAD, what stands beside it (`ORIG_HEAD`, `CHERRY_PICK_HEAD`…), and what lies below
//! `refs/bisect/` and `refs/rewritten/`. Never packed, and never moved by anybody but whoever works in the checkout.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    path::Path,
};

use gix::lock::acquire::Fail;

use super::{
    Error, Head, Old, RefEdit, Refs, Result, Signature, Swap, Target,
    files::Files,
    inflight::{self, InFlight},
    paused::lines,
    refs::Backend as _,
    reftable::{self, Reftable},
};
use crate::base::{Oid, text};

/// What may stand beside HEAD and is a ref to git.
const ROOTS: [&str; 8] = [
    "ORIG_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "MERGE_AUTOSTASH",
    "AUTO_MERGE",
    "BISECT_HEAD",
    "BISECT_EXPECTED_REV",
];
/// Folders of refs that each checkout has for itself.
const FOLDERS: [&str; 2] = ["refs/bisect/", "refs/rewritten/"];

/// Fails unless a name is one of a ref that only one checkout has.
fn check(name: &str) -> Result<()> {
    let below = FOLDERS.iter().any(|f| name.starts_with(f)) && gix::validate::reference::name(name.into()).is_ok();
    if below || ROOTS.contains(&name) {
        return Ok(());
    }
    Err(Error::Ref { name: text::one_line(name, 200), why: "not a ref that one checkout has for itself".into() })
}

/// HEAD or a branch is not where it was seen.
fn moved(name: &str) -> Error {
    Error::Locked { name: name.into(), why: "somebody else moved it meanwhile".into() }
}

/// Brings the branch of a move of HEAD to its commit.
fn move_branch(refs: &dyn Refs, from: &Head, to: &Head, who: &Signature, why: &str) -> Result<()> {
    let Head::Branch(name, id) = to else { return Ok(()) };
    let at = match from {
        Head::Branch(on, at) if on == name => *at,
        _ => refs.read(name)?,
    };
    if at == *id {
        return Ok(());
    }
    let edit = RefEdit { name: name.clone(), old: at.map_or(Old::Absent, Old::Is), new: *id };
    match refs.swap(&[edit], who, why)? {
        Swap::Done => Ok(()),
        Swap::Lost { name, .. } => Err(moved(&name)),
    }
}

/// Removes a folder in which there is no file.
fn remove_empty(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        remove_empty(&entry?.path())?;
    }
    fs::remove_dir(dir)
}

impl Files {
    pub(super) fn own_refs(&self) -> Result<BTreeMap<String, Oid>> {
        let id = |path: &Path| lines(path).into_iter().next().and_then(|line| line.parse().ok());
        let root = |name: &&str| Some(((*name).to_owned(), id(&self.git_dir.join(name))?));
        let mut all: BTreeMap<String, Oid> = ROOTS.iter().filter_map(root).collect();
        let mut folders: Vec<String> = FOLDERS.iter().map(|f| (*f).to_owned()).collect();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(self.git_dir.join(&folder)).into_iter().flatten().flatten() {
                let Ok(name) = entry.file_name().into_string() else { continue };
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => folders.push(format!("{folder}{name}/")),
                    _ => all.extend(id(&entry.path()).map(|id| (format!("{folder}{name}"), id))),
                }
            }
        }
        Ok(all)
    }

    /// git writes a line into HEAD's reflog even where its commit stays, which a ref transaction of gix does not.
    pub(super) fn put_head(&self, from: &Head, to: &Head, who: &Signature, why: &str) -> Result<()> {
        let target = |head: &Head| match head {
            Head::Branch(name, _) => Target::Symbolic(name.clone()),
            Head::Detached(id) => Target::Oid(*id),
        };
        let (old, was, new, target) = (from.at(), Some(target(from)), to.at(), target(to));
        let stays = || self.raw("HEAD").and_then(|now| if now == was { Ok(()) } else { Err(moved("HEAD")) });
        stays()?;
        move_branch(self, from, to, who, why)?;
        let content = match &target {
            Target::Symbolic(name) => format!("ref: {name}\n"),
            Target::Oid(id) => format!("{id}\n"),
        };
        let path = self.git_dir.join("HEAD");
        self.write_own(&path, &content, was.as_ref() != Some(&target), || {
            stays()?;
            // Nor does git where HEAD itself is a commit and stays it.
            let silent = matches!(to, Head::Detached(_)) && was == Some(target.clone());
            let (Some(new), true) = (new, self.is_logged() && !silent) else { return Ok(()) };
            self.note_move("HEAD", old, new, who, why)
        })
    }

    /// Adds to a reflog that a ref has moved.
    pub(super) fn note_move(&self, name: &str, old: Option<Oid>, new: Oid, who: &Signature, why: &str) -> Result<()> {
        let none = gix::ObjectId::null(new.0.kind());
        let actor = who.actor();
        let (old, secs) = (old.map_or(none, |id| id.0), actor.time.seconds);
        let line = format!("{old} {new} {} <{}> {secs} +0000\t{why}\n", actor.name, actor.email);
        let log = self.base(name).join("logs").join(name);
        let failed = |e| Error::io("write", &log)(e);
        fs::create_dir_all(log.parent().unwrap_or(&log)).map_err(failed)?;
        if log.is_dir() {
            // Of refs that were below this name.
            remove_empty(&log).map_err(failed)?;
        }
        let mut file = OpenOptions::new().append(true).create(true).open(&log).map_err(failed)?;
        file.write_all(line.as_bytes()).map_err(failed)
    }

    pub(super) fn put_own(&self, name: &str, id: Oid) -> Result<()> {
        check(name)?;
        self.write_own(&self.git_dir.join(name), &format!("{id}\n"), true, || Ok(()))
    }

    pub(super) fn delete_own(&self, names: &[&str]) -> Result<()> {
        for name in names {
            check(name)?;
            for path in [self.git_dir.join("logs").join(name), self.git_dir.join(name)] {
                match fs::remove_file(&path) {
                    Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io("remove", &path)(e)),
                    _ => {}
                }
                // Folders that are empty now; the first that is not ends it.
                let above = path.ancestors().skip(1).take(name.matches('/').count().saturating_sub(1));
                above.take_while(|dir| fs::remove_dir(dir).is_ok()).for_each(drop);
            }
        }
        Ok(())
    }

    /// Replaces a file under its lock, which is recorded as one of ours; `before` is done while it is held.
    fn write_own(&self, path: &Path, content: &str, changes: bool, before: impl FnOnce() -> Result<()>) -> Result<()> {
        let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let locked = |why: String| Error::Locked { name: name(), why };
        let relative = path.strip_prefix(&self.common_dir).ok().and_then(Path::to_str);
        let record: Vec<String> = relative.into_iter().map(str::to_owned).collect();
        let alone = InFlight::begin(&self.common_dir, inflight::REFS, &record)?;
        let mut alone = alone.ok_or_else(|| locked("another git otto keeps changing refs".into()))?;
        let held = gix::lock::File::acquire_to_update_resource(path, Fail::from(self.timeouts.0), None, 0);
        let mut held = held.map_err(|e| locked(e.probable_cause().to_string()))?;
        alone.held();
        let failed = |e| Error::io("write", path)(e);
        held.with_mut(|file| {
            file.write_all(content.as_bytes())?;
            if self.durable() { file.sync_all() } else { Ok(()) }
        })
        .map_err(failed)?;
        before()?;
        if !changes {
            return Ok(());
        }
        held.commit().map_err(|e| failed(e.error))?;
        match path.parent() {
            Some(dir) if self.durable() => super::objects::sync_dir(dir),
            _ => Ok(()),
        }
    }
}

impl Reftable {
    pub(super) fn own_refs(&self) -> Result<BTreeMap<String, Oid>> {
        let args = ["for-each-ref", "--include-root-refs", "--format=%(refname) %(objectname)"].map(OsStr::new);
        let out = String::from_utf8_lossy(&self.git.run(&args, None, &[])?.ok()?).into_owned();
        let all = out.lines().filter_map(|line| line.split_once(' ')).filter(|(name, _)| check(name).is_ok());
        Ok(all.filter_map(|(name, id)| Some((name.to_owned(), id.parse().ok()?))).collect())
    }

    pub(super) fn put_head(&self, from: &Head, to: &Head, who: &Signature, why: &str) -> Result<()> {
        if reftable::head(&self.git)? != *from {
            return Err(moved("HEAD"));
        }
        let was = from.at().map(|id| id.to_string()).unwrap_or_default();
        let id;
        let args: Vec<&str> = match (to, from) {
            (Head::Branch(name, Some(at)), Head::Branch(now, Some(_))) if name == now => {
                // Moves the branch, and writes a line into both reflogs.
                id = at.to_string();
                vec!["update-ref", "-m", why, "HEAD", &id, &was]
            }
            (Head::Branch(name, _), _) => {
                move_branch(self, from, to, who, why)?;
                vec!["symbolic-ref", "-m", why, "HEAD", name]
            }
            (Head::Detached(at), Head::Detached(_)) => {
                id = at.to_string();
                vec!["update-ref", "--no-deref", "-m", why, "HEAD", &id, &was]
            }
            (Head::Detached(at), Head::Branch(..)) => {
                id = at.to_string();
                vec!["update-ref", "--no-deref", "-m", why, "HEAD", &id]
            }
        };
        self.as_committer(&args, None, who)?.ok().map(drop)
    }

    pub(super) fn put_own(&self, name: &str, id: Oid, who: &Signature, why: &str) -> Result<()> {
        check(name)?;
        self.as_committer(&["update-ref", "--no-deref", "-m", why, name, &id.to_string()], None, who)?.ok().map(drop)
    }

    pub(super) fn delete_own(&self, names: &[&str]) -> Result<()> {
        let mut script = Vec::new();
        for name in names {
            check(name)?;
            script.extend_from_slice(format!("option no-deref\0delete {name}\0\0").as_bytes());
        }
        self.git.run(&["update-ref", "--stdin", "-z"].map(OsStr::new), Some(&script), &[])?.ok().map(drop)
    }
}
