//! Refs as files, through gix.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::File,
    path::{Path, PathBuf},
    sync::Weak,
    time::Duration,
};

use gix::{
    lock::{Marker, acquire::Fail},
    refs::{
        FullName, TargetRef,
        file::Store,
        transaction::{Change, LogChange, PreviousValue, RefEdit as Edit, RefLog},
    },
};

use super::{
    Error, Head, Old, RefEdit, Refs, Result, Signature, Swap, Target,
    objects::sync_dir,
    refs::{self, Backend, Tried, expected},
    repo::{Inner, Repo},
};
use crate::base::{Oid, text};

/// A symbolic ref that needs more steps is taken as broken, as git does.
const MAX_STEPS: usize = 5;

pub(super) struct Files {
    pub(super) store: Store,
    pub(super) git_dir: PathBuf,
    pub(super) common_dir: PathBuf,
    /// How long to wait for the lock of a ref, and of the packed refs.
    pub(super) timeouts: (Duration, Duration),
    pub(super) repo: Weak<Inner>,
}

impl Refs for Files {
    fn read(&self, name: &str) -> Result<Option<Oid>> {
        let mut at = name.to_owned();
        for _ in 0..=MAX_STEPS {
            match self.raw(&at)? {
                None => return Ok(None),
                Some(Target::Oid(id)) => return Ok(Some(id)),
                Some(Target::Symbolic(next)) => at = next,
            }
        }
        Err(Error::Ref { name: name.into(), why: "its chain of symbolic refs does not end".into() })
    }

    fn list(&self, prefix: &str) -> Result<Vec<(String, Oid)>> {
        let failed = |e: String| Error::Ref { name: prefix.into(), why: e };
        // gix wants a folder; the rest of the prefix is compared here.
        let folder = prefix.rfind('/').map_or("refs/", |at| &prefix[..=at]);
        let platform = self.store.iter().map_err(|e| failed(e.probable_cause().to_string()))?;
        let folder = folder.as_bytes().try_into().map_err(|e: gix::Error| failed(e.to_string()))?;
        let mut out = Vec::new();
        for found in platform.prefixed(folder).map_err(|e| failed(e.to_string()))? {
            let found = found.map_err(|e| failed(e.probable_cause().to_string()))?;
            let name = found.name.as_bstr().to_string();
            if !name.starts_with(prefix) {
                continue;
            }
            let id = match found.target.to_ref() {
                TargetRef::Object(id) => Some(Oid(id.to_owned())),
                TargetRef::Symbolic(next) => self.read(&next.as_bstr().to_string())?,
            };
            out.extend(id.map(|id| (name, id)));
        }
        out.sort();
        Ok(out)
    }

    fn swap(&self, edits: &[RefEdit], who: &Signature, why: &str) -> Result<Swap> {
        refs::swap(self, edits, who, why)
    }

    fn own(&self) -> Result<BTreeMap<String, Oid>> {
        self.own_refs()
    }

    fn set_own(&self, name: &str, id: Oid, _: &Signature, _: &str) -> Result<()> {
        self.put_own(name, id)
    }

    fn remove_own(&self, names: &[&str]) -> Result<()> {
        self.delete_own(names)
    }

    fn move_head(&self, from: &Head, to: &Head, who: &Signature, why: &str) -> Result<()> {
        self.put_head(from, to, who, why)
    }
}

impl Backend for Files {
    fn raw(&self, name: &str) -> Result<Option<Target>> {
        let bad = |why: String| Error::Ref { name: text::one_line(name, 200), why };
        let full = full(name)?;
        let found = self.store.try_find(full.as_ref()).map_err(|e| bad(e.probable_cause().to_string()))?;
        // gix also tries `refs/tags/<name>` and the like, as a user's shorthand.
        let found = found.filter(|r| r.name == full);
        Ok(found.map(|r| match r.target {
            gix::refs::Target::Object(id) => Target::Oid(Oid(id)),
            gix::refs::Target::Symbolic(next) => Target::Symbolic(next.as_bstr().to_string()),
        }))
    }

    fn locks(&self, edits: &[RefEdit]) -> (&Path, Vec<String>) {
        let names = edits.iter().map(|e| e.name.clone());
        (&self.common_dir, names.chain(["packed-refs".into()]).collect())
    }

    fn attempt(&self, edits: &[RefEdit], who: &Signature, why: &str) -> Result<Tried> {
        let (wait, wait_packed) = (Fail::from(self.timeouts.0), Fail::from(self.timeouts.1));
        let (verified, changed): (Vec<_>, Vec<_>) = edits.iter().partition(|e| expected(e) == e.new);

        // gix would let go of the lock of a ref that does not change before the others have moved.
        let mut held = Vec::new();
        for edit in &verified {
            let boundary = Some(self.base(&edit.name).to_owned());
            match Marker::acquire_to_hold_resource(self.path(&edit.name), wait, boundary, 0) {
                Ok(marker) => held.push(marker),
                Err(e) => return failed(&edit.name, e),
            }
        }
        let moves = changed.iter().map(|e| edit(e, why)).collect::<Result<Vec<_>>>()?;
        let new_folders = self.new_folders(&changed);
        let prepared = self.store.transaction().prepare(moves, wait, wait_packed);
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(e) => return failed(&changed.first().map(|e| e.name.clone()).unwrap_or_default(), e),
        };
        // All locks are held. gix takes "must not exist" as fulfilled by a ref that has the same value already.
        if refs::lost(self, edits)?.is_some() {
            return Ok(Tried::Stale);
        }
        let durable = self.durable();
        let puts = || changed.iter().filter(|e| e.new.is_some()).map(|e| self.path(&e.name));
        if durable {
            // Before the rename: else a power cut could leave an empty file under the ref's name.
            for path in puts() {
                let lock = PathBuf::from([path.as_os_str(), ".lock".as_ref()].into_iter().collect::<OsString>());
                File::open(&lock).and_then(|f| f.sync_all()).map_err(Error::io("sync", &lock))?;
            }
        }
        let actor = who.actor();
        let mut time = Default::default();
        if let Err(e) = prepared.commit(actor.to_ref(&mut time)) {
            // It may have failed after the last ref moved.
            let done = edits.iter().try_fold(true, |all, e| Ok::<_, Error>(all && self.read(&e.name)? == e.new))?;
            if !done {
                return Err(Error::gix("commit a ref transaction")(e));
            }
        }
        for (edit, id) in changed.iter().filter_map(|e| Some((e, e.new?))) {
            // Nothing is lost without it, and the ref has moved: that is what counts.
            let _ = self.note_move(&edit.name, expected(edit), id, who, why);
        }
        if durable {
            self.sync(&changed, new_folders)?;
        }
        drop(held);
        Ok(Tried::Done)
    }
}

impl Files {
    pub(super) fn durable(&self) -> bool {
        self.repo.upgrade().is_some_and(|inner| Repo { inner }.durable())
    }

    /// Whether moves of HEAD are logged (`core.logAllRefUpdates`): by default where there is a checkout.
    pub(super) fn is_logged(&self) -> bool {
        let Some(repo) = self.repo.upgrade().map(|inner| Repo { inner }) else { return false };
        match repo.config("core.logAllRefUpdates").as_deref() {
            None => repo.work_dir().is_some(),
            Some(value) => !["false", "no", "off", "0", ""].contains(&value),
        }
    }

    pub(super) fn base(&self, name: &str) -> &Path {
        if name == "HEAD" { &self.git_dir } else { &self.common_dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.base(name).join(name)
    }

    /// The folders that a transaction will create names in: those of the refs, and those of folders still to be made.
    fn new_folders(&self, changed: &[&RefEdit]) -> BTreeSet<PathBuf> {
        let mut folders = BTreeSet::new();
        for edit in changed {
            for dir in self.path(&edit.name).ancestors().skip(1) {
                folders.insert(dir.to_owned());
                if dir.exists() {
                    break;
                }
            }
        }
        folders
    }

    /// Makes the names durable, and the packed refs after a removal.
    fn sync(&self, changed: &[&RefEdit], mut folders: BTreeSet<PathBuf>) -> Result<()> {
        if changed.iter().any(|e| e.new.is_none()) {
            let packed = self.common_dir.join("packed-refs");
            match File::open(&packed) {
                Ok(file) => file.sync_all().map_err(Error::io("sync", &packed))?,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(Error::io("open", &packed)(e)),
            }
            folders.insert(self.common_dir.clone());
        }
        // Removing the last ref of a folder removes the folder, here or by somebody else at any moment.
        folders.iter().try_for_each(|dir| match sync_dir(dir) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
    }
}

fn edit(e: &RefEdit, why: &str) -> Result<Edit> {
    let old = match e.old {
        Old::Absent => PreviousValue::MustNotExist,
        Old::Is(id) => PreviousValue::MustExistAndMatch(gix::refs::Target::Object(id.0)),
    };
    let change = match e.new {
        Some(id) => Change::Update {
            log: LogChange { mode: RefLog::AndReference, force_create_reflog: false, message: why.into() },
            expected: old,
            new: gix::refs::Target::Object(id.0),
        },
        None => Change::Delete { expected: old, log: RefLog::AndReference },
    };
    Ok(Edit { change, name: full(&e.name)?, deref: false })
}

fn full(name: &str) -> Result<FullName> {
    FullName::try_from(name).map_err(|e| Error::Ref { name: text::one_line(name, 200), why: e.to_string() })
}

/// What a failure before anything was changed means.
fn failed(name: &str, e: gix::Error) -> Result<Tried> {
    if e.is_retryable() {
        return Ok(Tried::Locked(e.probable_cause().to_string()));
    }
    if e.is_conflict() || e.is_not_found() {
        return Ok(Tried::Stale);
    }
    Err(Error::Ref { name: name.into(), why: e.probable_cause().to_string() })
}
