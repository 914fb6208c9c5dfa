//! Whether a checkout is still as it was: so that several checks can share one, and none sees what another left behind.

use std::{io, path::Path};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};

use super::{CheckoutDir, Result, io_at, stat};

/// How often the clock of the file system is read until it has moved on.
const TICKS: usize = 100_000;

/// How everything in a checkout looked at a moment: every file, link and folder below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Look(Vec<(Vec<u8>, stat::Stat)>);

impl CheckoutDir {
    /// How the checkout looks now; none if a change right after could leave no trace, because the clock of the file system
    /// did not move on.
    pub fn look(&self) -> Result<Option<Look>> {
        let look = Look::of(self.dir()).map_err(io_at("look at", self.dir()))?;
        let newest = look.0.iter().map(|(_, s)| s.ctime).max();
        for _ in 0..TICKS {
            let now = stat::now_in(self.scratch()).map_err(io_at("write", self.scratch()))?;
            if Some(now) > newest {
                return Ok(Some(look));
            }
        }
        Ok(None)
    }

    /// Whether nothing in the checkout has changed since.
    pub fn still_looks_like(&self, look: &Look) -> bool {
        Look::of(self.dir()).is_ok_and(|now| now == *look)
    }
}

impl Look {
    /// Folder by folder, each by names.
    fn of(dir: &Path) -> io::Result<Look> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(dir, flags, Mode::empty())?;
        let mut look = vec![(Vec::new(), stat::Stat::from(&rustix::fs::fstat(&root)?))];
        let mut open = vec![Vec::new()];
        while let Some(path) = open.pop() {
            let name: &[u8] = if path.is_empty() { b"." } else { &path };
            let folder = rustix::fs::openat(&root, name, flags, Mode::empty())?;
            let names = Dir::read_from(&folder)?.map(|entry| entry.map(|entry| entry.file_name().to_owned()));
            let mut names = names.collect::<Result<Vec<_>, _>>()?;
            names.retain(|name| !matches!(name.to_bytes(), b"." | b".."));
            names.sort_unstable();
            for name in names {
                let meta = rustix::fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW)?;
                let at = if path.is_empty() { name.into_bytes() } else { [&path, &b"/"[..], name.to_bytes()].concat() };
                if FileType::from_raw_mode(meta.st_mode) == FileType::Directory {
                    open.push(at.clone());
                }
                look.push((at, stat::Stat::from(&meta)));
            }
        }
        Ok(Look(look))
    }
}
