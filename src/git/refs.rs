//! Refs: read, listed, and edited by compare-and-swap only. What both backends share.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use super::{
    Error, Head, Old, RefEdit, Result, Signature, Swap, Target,
    inflight::{self, InFlight},
};
use crate::base::{Oid, text};

/// How often an edit that met a lock is tried again; with what a backend waits itself, a few seconds in all.
const TRIES: u32 = 12;

/// The refs of a repository. Full names only (`refs/…`), and `HEAD` for reading.
pub trait Refs: Send + Sync {
    /// What a ref is, symbolic refs followed; none if it does not exist.
    fn read(&self, name: &str) -> Result<Option<Oid>>;

    /// All refs whose names begin with `prefix` (`refs/otto/specs/`), in name order, symbolic refs followed.
    fn list(&self, prefix: &str) -> Result<Vec<(String, Oid)>>;

    /// Makes all edits or none: each ref must be exactly what its edit says, an edit that changes nothing only verifies,
    /// under the same locks. `Lost` if one is something else. The reflog is always written, with `who` and `why`. When it
    /// returns `Done` the refs are durable (unless `otto.fsync=false`) and were read back.
    fn swap(&self, edits: &[RefEdit], who: &Signature, why: &str) -> Result<Swap>;

    /// The refs that only this checkout has, but HEAD, by full name: `ORIG_HEAD` and its like, `refs/bisect/…`,
    /// `refs/rewritten/…`.
    fn own(&self) -> Result<BTreeMap<String, Oid>>;

    /// Sets a ref that only this checkout has.
    fn set_own(&self, name: &str, id: Oid, who: &Signature, why: &str) -> Result<()>;

    /// Removes refs that only this checkout has; those that are not there are gone already.
    fn remove_own(&self, names: &[&str]) -> Result<()>;

    /// Moves HEAD from just where it was seen: to a branch, which is brought to the commit given with it (or removed where
    /// there is none), or to a commit. The reflogs get a line even where nothing moves, as git's do.
    fn move_head(&self, from: &Head, to: &Head, who: &Signature, why: &str) -> Result<()>;
}

/// What a backend has to give; the rest is [`swap`].
pub(super) trait Backend: Refs {
    /// What a ref is, not followed.
    fn raw(&self, name: &str) -> Result<Option<Target>>;
    /// The common directory, and the files that are locked for these edits, relative to it and without `.lock`.
    fn locks(&self, edits: &[RefEdit]) -> (&Path, Vec<String>);
    /// One try of an edit whose expectations held a moment ago.
    fn attempt(&self, edits: &[RefEdit], who: &Signature, why: &str) -> Result<Tried>;
}

/// What came of one try.
pub(super) enum Tried {
    /// Done and durable.
    Done,
    /// Not done: an expectation did not hold, or may not have.
    Stale,
    /// Not done: somebody holds a lock.
    Locked(String),
}

pub(super) fn swap(refs: &dyn Backend, edits: &[RefEdit], who: &Signature, why: &str) -> Result<Swap> {
    check(edits)?;
    // git refuses an empty message, and a newline would forge a second line of the log.
    let why = Some(text::one_line(why, 1000)).filter(|w| !w.is_empty()).unwrap_or_else(|| "otto".into());
    let mut held = String::new();
    for attempt in 0..TRIES {
        let (common_dir, files) = refs.locks(edits);
        let Some(mut alone) = InFlight::begin(common_dir, inflight::REFS, &files)? else {
            held = "another git otto keeps changing refs".into();
            continue;
        };
        if let Some(lost) = lost(refs, edits)? {
            return Ok(lost);
        }
        check_folders(refs, edits)?;
        match refs.attempt(edits, who, &why)? {
            Tried::Done => {
                alone.held();
                return read_back(refs, edits).map(|()| Swap::Done);
            }
            Tried::Stale => {
                alone.held();
                held = "its value keeps changing".into();
            }
            Tried::Locked(by) => held = by,
        }
        drop(alone);
        std::thread::sleep(pause(attempt));
    }
    let name = edits.first().map(|e| e.name.clone()).unwrap_or_default();
    Err(Error::Locked { name, why: held })
}

/// A growing pause with jitter, so that those who met do not meet again. The address of a fresh allocation and the thread
/// are random enough; nothing depends on the value.
fn pause(attempt: u32) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let jitter = RandomState::new().hash_one(attempt) % 1000;
    let most = 2000u64 << attempt.min(7);
    Duration::from_micros(most / 4 + most * jitter / 1000)
}

/// The first ref that is not what its edit says.
pub(super) fn lost(refs: &dyn Backend, edits: &[RefEdit]) -> Result<Option<Swap>> {
    for edit in edits {
        let found = match refs.raw(&edit.name)? {
            Some(Target::Symbolic(target)) => return Err(Error::Symbolic { name: edit.name.clone(), target }),
            Some(Target::Oid(id)) => Some(id),
            None => None,
        };
        if found != expected(edit) {
            return Ok(Some(Swap::Lost { name: edit.name.clone(), found }));
        }
    }
    Ok(None)
}

/// What an edit expects.
pub(super) fn expected(edit: &RefEdit) -> Option<Oid> {
    match edit.old {
        Old::Absent => None,
        Old::Is(id) => Some(id),
    }
}

fn check(edits: &[RefEdit]) -> Result<()> {
    let mut names = BTreeSet::new();
    for edit in edits {
        check_name(&edit.name)?;
        if !names.insert(edit.name.as_str()) {
            return Err(Error::Ref { name: edit.name.clone(), why: "it is edited twice at once".into() });
        }
    }
    Ok(())
}

/// Fails unless a name is a full ref name of the shared refs: never HEAD, nothing that only one checkout sees (a gc run
/// elsewhere would drop what such a ref keeps).
pub(super) fn check_name(name: &str) -> Result<()> {
    let bad = |why: String| Error::Ref { name: text::one_line(name, 200), why };
    gix::validate::reference::name(name.into()).map_err(|e| bad(e.to_string()))?;
    let private = ["refs/worktree/", "refs/bisect/", "refs/rewritten/"].iter().any(|p| name.starts_with(p));
    if !name.starts_with("refs/") || private || name.split('/').any(|part| part.starts_with('-')) {
        return Err(bad("not the full name of a shared ref".into()));
    }
    Ok(())
}

/// No ref may be the folder of another: gix does not see this in packed refs.
fn check_folders(refs: &dyn Backend, edits: &[RefEdit]) -> Result<()> {
    let created = || edits.iter().filter(|e| e.old == Old::Absent && e.new.is_some()).map(|e| e.name.as_str());
    let gone = |name: &str| edits.iter().any(|e| e.name == name && e.new.is_none());
    for name in created() {
        let blocks = |other: &str| Error::Blocks { name: name.into(), other: other.into() };
        let folders = name.match_indices('/').map(|(at, _)| &name[..at]).filter(|f| f.len() > "refs".len());
        for folder in folders {
            if created().any(|c| c == folder) || (refs.raw(folder)?.is_some() && !gone(folder)) {
                return Err(blocks(folder));
            }
        }
        if let Some((inside, _)) = refs.list(&format!("{name}/"))?.iter().find(|(inside, _)| !gone(inside)) {
            return Err(blocks(inside));
        }
    }
    Ok(())
}

/// A backend that writes where git does not look would report success: the old value must be gone. A newer one is fine,
/// others may have moved on.
fn read_back(refs: &dyn Backend, edits: &[RefEdit]) -> Result<()> {
    for edit in edits {
        let found = refs.read(&edit.name)?;
        if found != edit.new && found == expected(edit) {
            let found = found.map_or("nothing".into(), |id| id.to_string());
            return Err(Error::Swallowed { name: edit.name.clone(), found });
        }
    }
    Ok(())
}
