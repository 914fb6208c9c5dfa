//! Whether a checkout is still as it was: so that several checks can share one, and none sees what another left behind.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{CheckoutDir, Result, io_at, stat};

/// How often the clock of the file system is read until it has moved on.
const TICKS: usize = 100_000;

/// How everything in a checkout looked at a moment: every file, link and folder below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Look(Vec<(PathBuf, stat::Stat)>);

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
    fn of(dir: &Path) -> io::Result<Look> {
        let mut out = Vec::new();
        let mut open = vec![dir.to_owned()];
        out.push((PathBuf::new(), stat::Stat::from(&std::fs::symlink_metadata(dir)?)));
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                let meta = entry.metadata()?;
                if meta.is_dir() {
                    open.push(entry.path());
                }
                out.push((entry.path(), stat::Stat::from(&meta)));
            }
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(Look(out))
    }
}
