//! Locks between processes of one machine: `flock(2)` on a file that says who holds it.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::base::{Timestamp, procs::ProcId};

/// Who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The process.
    pub proc: ProcId,
    /// Its machine.
    pub host: String,
    /// Since when.
    pub since: Timestamp,
    /// What for: a run id, a command.
    pub what: String,
}

/// A lock that is held until this value is dropped or the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// What came of trying to take a lock.
#[derive(Debug)]
pub enum Taken {
    /// It is ours.
    Mine(Lock),
    /// A live process has it; who, where it could be read.
    Theirs(Option<Holder>),
}

impl Lock {
    /// Takes the lock at `path` without waiting; the file is created and stays.
    pub fn take(path: &Path, holder: &Holder) -> io::Result<Taken> {
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut text = Vec::new();
                file.take(4096).read_to_end(&mut text)?;
                return Ok(Taken::Theirs(serde_json::from_slice(&text).ok()));
            }
            Err(e) => return Err(e.into()),
        }
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(&serde_json::to_vec(holder)?)?;
        Ok(Taken::Mine(Lock { file, path: path.to_owned() }))
    }

    /// The file of the lock.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // An empty record says that nobody holds it; the kernel releases the lock with the descriptor.
        let _ = self.file.set_len(0);
    }
}
