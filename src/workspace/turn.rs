//! Turning a clean checkout of one tree into that of another: only what differs is written.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use super::{CheckoutDir, MAX_FILE, Result, io_at};
use crate::{
    base::{Oid, files},
    git::{Mode, Repo},
};

impl CheckoutDir {
    /// Turns a checkout of the tree `from`, in which nothing has changed, into one of `to`. False where that would take
    /// more than writing and removing files; the checkout is then as it was.
    pub fn turn(&self, repo: &Repo, from: Oid, to: Oid) -> Result<bool> {
        let changes = repo.diff_trees(from, to)?;
        let is_file = |side: Option<(Mode, Oid)>| matches!(side, None | Some((Mode::Plain | Mode::Executable, _)));
        if !changes.iter().all(|c| is_file(c.old) && is_file(c.new)) {
            return Ok(false);
        }
        for change in changes.iter().filter(|c| c.new.is_none()) {
            let path = self.dir().join(OsStr::from_bytes(&change.path));
            std::fs::remove_file(&path).map_err(io_at("remove", &path))?;
            // A tree has no empty folders.
            let above = path.ancestors().skip(1).take_while(|folder| *folder != self.dir());
            let _ = above.map(std::fs::remove_dir::<&Path>).take_while(|removed| removed.is_ok()).count();
        }
        for change in &changes {
            let Some((mode, blob)) = change.new else { continue };
            let content = repo.read_blob(blob, MAX_FILE)?;
            files::write_beneath(self.dir(), &change.path, &content, mode == Mode::Executable)
                .map_err(io_at("write a file in", self.dir()))?;
        }
        Ok(true)
    }
}
