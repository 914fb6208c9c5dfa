//! What is remembered of files, so that those nobody touched need not be read again.

use std::{
    collections::HashMap,
    io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::Path,
};

use crate::{
    base::Oid,
    git::{BStr, BString, Entry, Mode},
};

/// What changes when a file does. `ctime` is set by the system at every change and cannot be set back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub size: u64,
    pub mtime: (i64, i64),
    pub ctime: (i64, i64),
    pub ino: u64,
    pub dev: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

impl From<&std::fs::Metadata> for Stat {
    fn from(m: &std::fs::Metadata) -> Stat {
        Stat {
            size: m.size(),
            mtime: (m.mtime(), m.mtime_nsec()),
            ctime: (m.ctime(), m.ctime_nsec()),
            ino: m.ino(),
            dev: m.dev(),
            mode: m.mode(),
            uid: m.uid(),
            gid: m.gid(),
        }
    }
}

impl From<&rustix::fs::Stat> for Stat {
    #[allow(clippy::unnecessary_cast, reason = "the types of these fields differ between systems")]
    fn from(m: &rustix::fs::Stat) -> Stat {
        Stat {
            size: m.st_size as u64,
            mtime: (m.st_mtime as i64, m.st_mtime_nsec as i64),
            ctime: (m.st_ctime as i64, m.st_ctime_nsec as i64),
            ino: m.st_ino as u64,
            dev: m.st_dev as u64,
            mode: m.st_mode as u32,
            uid: m.st_uid,
            gid: m.st_gid,
        }
    }
}

/// The time by the clock of the file system that holds `dir`.
pub fn now_in(dir: &Path) -> io::Result<(i64, i64)> {
    let marker = dir.join("marker");
    std::fs::write(&marker, b"")?;
    let meta = std::fs::symlink_metadata(&marker)?;
    std::fs::remove_file(&marker)?;
    Ok((meta.ctime(), meta.ctime_nsec()))
}

/// What files looked like when their content was known.
#[derive(Debug, Default)]
pub struct Cache(HashMap<BString, (Stat, Mode, Oid)>);

impl Cache {
    /// Of files that were just checked out. One that changed in the same tick of the clock as `marker`, or later, could
    /// change again without a trace: it is not remembered.
    pub fn of(dir: &Path, files: &[Entry], marker: (i64, i64)) -> io::Result<Cache> {
        let mut out = HashMap::with_capacity(files.len());
        for file in files.iter().filter(|f| f.mode != Mode::Submodule) {
            let meta = std::fs::symlink_metadata(dir.join(std::ffi::OsStr::from_bytes(&file.path)))?;
            let stat = Stat::from(&meta);
            if stat.ctime < marker {
                out.insert(file.path.clone(), (stat, file.mode, file.oid));
            }
        }
        Ok(Cache(out))
    }

    /// What a file is, if it still looks as it did then.
    pub fn known(&self, path: &BStr, now: &Stat) -> Option<(Mode, Oid)> {
        self.0.get(path).filter(|(then, ..)| then == now).map(|(_, mode, oid)| (*mode, *oid))
    }

    /// How a file with that content looked.
    pub fn stat_of(&self, path: &BStr, mode: Mode, oid: Oid) -> Option<Stat> {
        self.0.get(path).filter(|(_, m, o)| (*m, *o) == (mode, oid)).map(|(stat, ..)| *stat)
    }
}
