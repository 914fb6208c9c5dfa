//! Objects: written loose, remembered until they are durable, read with their size known.

use std::{
    collections::HashSet,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
    sync::{
        PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use gix::{
    ObjectId,
    objs::Kind,
    prelude::FindExt as _,
    zlib::{Compression, stream::deflate},
};

use super::{Error, Repo, Result};
use crate::base::{Oid, scratch};

pub use gix::objs::Kind as ObjectKind;

/// How the names of our temporary files begin: git prunes `tmp_obj_*`; the mark of the process and a number follow.
const LEFTOVER: &str = "tmp_obj_otto_";

/// No zlib stream becomes more than 1,032 times as long (zlib's technical notes); rounded up.
const INFLATES: u64 = 1100;

/// Loose objects that this process relied on, and which of them are known to be durable.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pending: HashSet<ObjectId>,
    synced: HashSet<ObjectId>,
    /// Whether what dead processes left was removed.
    swept: bool,
}

pub(super) fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What the locks guard stays consistent at every point, so a panic elsewhere is no reason to stop.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Repo {
    /// Writes a blob.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Oid> {
        self.write_raw(&self.local(), Kind::Blob, bytes)
    }

    /// Reads a blob of at most `max` bytes.
    pub fn read_blob(&self, id: Oid, max: u64) -> Result<Vec<u8>> {
        self.object(&self.local(), id, Kind::Blob, max)
    }

    /// Reads any object of at most `max` bytes, and hashes it again: what is returned is what the id promises.
    pub fn raw_object(&self, id: Oid, max: u64) -> Result<(ObjectKind, Vec<u8>)> {
        let repo = self.local();
        let (kind, bytes) = self.any_object(&repo, id, max)?;
        let found = gix::objs::compute_hash(id.0.kind(), kind, &bytes).map_err(Error::gix("hash an object"))?;
        if found != id.0 {
            return Err(Error::Corrupt { id, why: format!("its content has the id {found}") });
        }
        Ok((kind, bytes))
    }

    /// The kind and size of an object, without reading all of it.
    pub fn object_header(&self, id: Oid) -> Result<(ObjectKind, u64)> {
        header(&self.local(), id)
    }

    /// Makes everything written so far durable: the objects and their folders, each once. With `otto.fsync=false` it
    /// does nothing.
    pub fn sync(&self) -> Result<()> {
        if !self.durable() {
            return Ok(());
        }
        let _all_done = lock(&self.inner.syncing);
        let batch = std::mem::take(&mut lock(&self.inner.writes).pending);
        let done = self.sync_all(&batch);
        let mut writes = lock(&self.inner.writes);
        if done.is_ok() {
            writes.synced.extend(batch)
        } else {
            writes.pending.extend(batch)
        }
        done
    }

    fn sync_all(&self, batch: &HashSet<ObjectId>) -> Result<()> {
        let mut folders = HashSet::new();
        for id in batch {
            let path = self.loose_path(*id);
            match fs::File::open(&path) {
                Ok(file) => file.sync_all().map_err(Error::io("sync", &path))?,
                // A repack has moved it into a pack, which git makes durable.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    header(&self.local(), Oid(*id))?;
                    continue;
                }
                Err(e) => return Err(Error::io("open", &path)(e)),
            }
            folders.extend(path.parent().map(PathBuf::from));
        }
        if !folders.is_empty() {
            folders.insert(self.common_dir().join("objects"));
        }
        folders.iter().try_for_each(|dir| sync_dir(dir))
    }

    fn loose_path(&self, id: ObjectId) -> PathBuf {
        let hex = id.to_string();
        let (fan, rest) = hex.split_at(2);
        self.common_dir().join("objects").join(fan).join(rest)
    }

    /// Writes an object unless it is there, whole. A loose object that is empty, cut short or otherwise not what its id
    /// promises is replaced: git would take it as written.
    pub(super) fn write_raw(&self, repo: &gix::Repository, kind: Kind, bytes: &[u8]) -> Result<Oid> {
        let id = gix::objs::compute_hash(repo.object_hash(), kind, bytes).map_err(Error::gix("hash an object"))?;
        let present = if fs::symlink_metadata(self.loose_path(id)).is_ok() {
            let mut buf = Vec::new();
            repo.objects.find(&id, &mut buf).is_ok_and(|found| found.kind == kind && found.data == bytes)
        } else {
            repo.objects.exists_without_refresh(&id)
        };
        if !present {
            self.write_loose(kind, bytes, id)?;
        }
        self.remember(id);
        Ok(Oid(id))
    }

    /// Writes a loose object beside its place, then renames it. gix would do, but the names of its temporary files tell
    /// neither git nor us what they are; git prunes ours in time, and the next process that writes one at once.
    fn write_loose(&self, kind: Kind, bytes: &[u8], id: ObjectId) -> Result<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        if !std::mem::replace(&mut lock(&self.inner.writes).swept, true) {
            self.remove_leftovers();
        }
        let path = self.loose_path(id);
        let folder = path.parent().unwrap_or(&path);
        let name = format!("{LEFTOVER}{}_{}", scratch::mark(), COUNT.fetch_add(1, Ordering::Relaxed));
        // All in one place, where they are found without a look into every folder.
        let temporary = self.common_dir().join("objects").join(name);
        let write = || -> std::io::Result<()> {
            fs::create_dir(folder).or_else(|e| if e.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(e) })?;
            // Read-only from the start, as all objects are.
            let file = OpenOptions::new().write(true).create_new(true).mode(0o444).open(&temporary)?;
            let mut zlib = deflate::Write::new(file, Compression::BEST_SPEED);
            zlib.write_all(&gix::objs::encode::loose_header(kind, bytes.len() as u64))?;
            zlib.write_all(bytes)?;
            zlib.flush()?;
            fs::rename(&temporary, &path)
        };
        write().map_err(|e| {
            let _ = fs::remove_file(&temporary);
            Error::io("write object", &path)(e)
        })
    }

    /// Removes the temporary files of our processes that died while writing an object. What cannot be removed is in
    /// nobody's way.
    pub fn remove_leftovers(&self) {
        for file in fs::read_dir(self.common_dir().join("objects")).into_iter().flatten().flatten() {
            let name = file.file_name();
            let owner = name.to_str().and_then(|n| n.strip_prefix(LEFTOVER)?.rsplit_once('_'));
            if owner.is_some_and(|(mark, _)| scratch::is_of_the_dead(mark, &file.path())) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    /// Has the next `sync` make an object durable, unless it is known to be. One that is in a pack already is.
    pub(super) fn remember(&self, id: ObjectId) {
        let mut writes = lock(&self.inner.writes);
        if !writes.synced.contains(&id) {
            writes.pending.insert(id);
        }
    }

    /// Writes what gix kept in memory.
    pub(super) fn write_memory(&self, mut repo: gix::Repository) -> Result<()> {
        let Some(memory) = repo.objects.take_object_memory() else { return Ok(()) };
        memory.iter().try_for_each(|(_, (kind, bytes))| self.write_raw(&repo, *kind, bytes).map(drop))
    }

    /// Reads an object of a kind and of at most `max` bytes.
    pub(super) fn object(&self, repo: &gix::Repository, id: Oid, kind: Kind, max: u64) -> Result<Vec<u8>> {
        let (found, bytes) = self.any_object(repo, id, max)?;
        if found != kind {
            return Err(Error::WrongKind { id, wanted: word(kind), found: found.to_string() });
        }
        Ok(bytes)
    }

    fn any_object(&self, repo: &gix::Repository, id: Oid, max: u64) -> Result<(Kind, Vec<u8>)> {
        let fits = |size: u64| if size > max { Err(Error::TooLarge { id, size, max }) } else { Ok(()) };
        // A loose object that cannot be larger is not opened twice.
        let stored = fs::symlink_metadata(self.loose_path(id.0)).map(|meta| meta.len());
        if !stored.is_ok_and(|stored| stored.saturating_mul(INFLATES) <= max) {
            fits(header(repo, id)?.1)?;
        }
        let mut bytes = Vec::new();
        let kind = repo.objects.find(&id.0, &mut bytes).map_err(|e| unreadable(id, &e))?.kind;
        fits(bytes.len() as u64)?;
        Ok((kind, bytes))
    }
}

/// The kind and size of an object.
pub(super) fn header(repo: &gix::Repository, id: Oid) -> Result<(Kind, u64)> {
    if id.0.kind() != repo.object_hash() {
        return Err(Error::NoObject(id));
    }
    let found = gix::prelude::HeaderExt::header(&repo.objects, id.0).map_err(|e| unreadable(id, &e))?;
    Ok((found.kind(), found.size()))
}

/// Fails unless an object is there and of a kind: gix would write trees and commits that name what does not exist.
pub(super) fn require(repo: &gix::Repository, id: Oid, kind: Kind) -> Result<()> {
    let (found, _) = header(repo, id)?;
    if found == kind { Ok(()) } else { Err(Error::WrongKind { id, wanted: word(kind), found: found.to_string() }) }
}

fn unreadable(id: Oid, e: &gix::Error) -> Error {
    if e.is_not_found() { Error::NoObject(id) } else { Error::Corrupt { id, why: e.probable_cause().to_string() } }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Blob => "blob",
        Kind::Tree => "tree",
        Kind::Commit => "commit",
        Kind::Tag => "tag",
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_dir(dir: &std::path::Path) -> Result<()> {
    fs::File::open(dir).and_then(|d| d.sync_all()).map_err(Error::io("sync", dir))
}
