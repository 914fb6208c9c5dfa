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
pub(super) struct InFlight(File);

impl InFlight {
    /// Waits for the transactions of others, removes the lock files of one that died, records the files that are to be
    /// locked (relative to `dir`). None if somebody keeps it for too long.
    pub(super) fn begin(dir: &Path, name: &str, files: &[String]) -> Result<Option<InFlight>> {
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
        file.write_all((files.join("\n") + "\n").as_bytes()).map_err(failed("write"))?;
        Ok(Some(InFlight(file)))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // Explicitly, since a child started by another thread in between may have the descriptor for a moment.
        let _ = self.0.set_len(0);
        let _ = flock(&self.0, FlockOperation::Unlock);
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
    if before.is_empty() {
        return Ok(());
    }
    std::thread::sleep(STILL);
    for (path, was) in before {
        if identity(&path) == Some(was) {
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}
