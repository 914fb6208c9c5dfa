//! One ref transaction of ours at a time on a machine, with a record of the lock files it takes: so that those of a
//! process that died in the middle are known, and do not block for ever.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock};

use super::{Error, Result};

/// How long to wait for the transactions of others; each takes milliseconds.
const WAIT: Duration = Duration::from_secs(5);
/// git holds the lock of a ref for milliseconds; one that stays as it is for so long belonged to the process that died.
const STILL: Duration = Duration::from_millis(250);

/// The record of those who change refs, of all checkouts.
pub(super) const REFS: &str = "refs";
/// The record of those who change the index of a checkout, in its own git directory.
pub(super) const INDEX: &str = "index";

/// Held during a transaction. Dropping it says that its lock files are gone.
pub(super) struct InFlight<'a> {
    file: File,
    dir: &'a Path,
    record: String,
    /// Whether all of these locks were taken, so that whatever is left of them is nobody else's.
    held: bool,
}

impl InFlight<'_> {
    /// Waits for the transactions of others, removes the lock files of one that died, records the files that are to be
    /// locked (relative to `dir`). None if somebody keeps it for too long.
    pub(super) fn begin<'a>(dir: &'a Path, name: &str, files: &[String]) -> Result<Option<InFlight<'a>>> {
        let path = dir.join("otto/locks").join(name);
        let failed = |what| Error::io(what, &path);
        fs::create_dir_all(dir.join("otto/locks")).map_err(failed("create the folder of"))?;
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(&path).map_err(failed("open"))?;
        let start = Instant::now();
        let mut pause = Duration::from_micros(200);
        // A kernel queue would be fairer, but a stopped process would then stop everybody for ever.
        while let Err(e) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if e != rustix::io::Errno::WOULDBLOCK {
                return Err(failed("lock")(e.into()));
            }
            if start.elapsed() > WAIT {
                return Ok(None);
            }
            std::thread::sleep(pause);
            pause = (pause * 3 / 2).min(Duration::from_millis(5));
        }
        let mut left = String::new();
        // Not text means that a power cut tore it: then every lock is younger than the boot, and none is ours.
        let _ = (&file).take(1 << 20).read_to_string(&mut left);
        if !left.is_empty() {
            remove_dead(dir, &left)?;
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(failed("write"))?;
        let record = files.join("\n") + "\n";
        file.write_all(record.as_bytes()).map_err(failed("write"))?;
        Ok(Some(InFlight { file, dir, record, held: false }))
    }

    /// All the recorded locks were taken: those that could not be removed go with this value, or are for the next one.
    pub(super) fn held(&mut self) {
        self.held = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.held || remove_dead(self.dir, &self.record).is_ok() {
            let _ = self.file.set_len(0);
        }
        // Explicitly, since a child started by another thread in between may have the descriptor for a moment.
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// The recorded lock files that are there although nobody is at work.
pub(super) fn left(dir: &Path, name: &str) -> Vec<PathBuf> {
    let Ok(file) = File::open(dir.join("otto/locks").join(name)) else { return Vec::new() };
    if flock(&file, FlockOperation::NonBlockingLockShared).is_err() {
        return Vec::new();
    }
    let mut record = String::new();
    let read = (&file).take(1 << 20).read_to_string(&mut record);
    let _ = flock(&file, FlockOperation::Unlock);
    if read.is_err() {
        return Vec::new();
    }
    recorded(dir, &record).filter(|path| path.exists()).collect()
}

/// The lock files that a record names.
fn recorded<'a>(common_dir: &'a Path, record: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    let safe = |name: &&str| !name.is_empty() && !name.starts_with('/') && !name.split('/').any(|part| part == "..");
    record.lines().filter(safe).map(|name| common_dir.join(format!("{name}.lock")))
}

/// Removes the recorded lock files that do not change any more.
fn remove_dead(common_dir: &Path, record: &str) -> Result<()> {
    let identity = |path: &Path| fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino(), m.mtime(), m.mtime_nsec()));
    let before: Vec<(PathBuf, _)> =
        recorded(common_dir, record).filter_map(|path| Some((path.clone(), identity(&path)?))).collect();
    let is_still = |(path, was): &(PathBuf, _)| identity(path) == Some(*was);
    let start = Instant::now();
    while before.iter().any(is_still) && start.elapsed() < STILL {
        std::thread::sleep(Duration::from_millis(5));
    }
    for (path, _) in before.iter().filter(|one| is_still(one)) {
        fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_could_not_be_removed_goes_with_the_transaction_that_held_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join("x.lock");
        let begin = || InFlight::begin(dir.path(), REFS, &["x".to_owned()]).unwrap().unwrap();
        std::fs::write(&lock, "").unwrap();
        drop(begin());
        assert!(lock.exists(), "somebody else's: it was never taken");
        let mut ours = begin();
        ours.held();
        drop(ours);
        assert!(!lock.exists());
        assert_eq!(left(dir.path(), REFS), Vec::<PathBuf>::new());
        // One that cannot be removed at all is known to the next one, and to whoever looks.
        std::fs::create_dir(&lock).unwrap();
        let mut ours = begin();
        ours.held();
        drop(ours);
        assert_eq!(left(dir.path(), REFS), [lock]);
    }
}
