//! Turning a clean checkout of one tree into that of another: only what differs is written.

use super::{CheckoutDir, MAX_FILE, Result, io_at};
use crate::{
    base::{Oid, files},
    git::{ByteSlice as _, Mode, Part, Repo},
};

impl CheckoutDir {
    /// Turns a checkout of the tree `from`, in which nothing has changed, or of a part of it, into one of the same part of
    /// `to`. False where that would take more than writing and removing files and links; the checkout is then as it was.
    /// After an error it is neither.
    pub fn turn(&self, repo: &Repo, from: Oid, to: Oid, part: Option<&Part>) -> Result<bool> {
        let mut changes = repo.diff_trees(from, to)?;
        changes.retain(|c| part.is_none_or(|part| part.has(c.path.as_bstr())));
        let sides = || changes.iter().flat_map(|c| [c.old, c.new]).flatten();
        if sides().any(|(mode, _)| mode == Mode::Submodule) {
            return Ok(false);
        }
        let dir = self.dir();
        // Removals first: a folder may come where a file or a link was, and the other way round.
        for change in changes.iter().filter(|c| c.old.is_some()) {
            files::remove_beneath(dir, &change.path).map_err(io_at("remove a file of", dir))?;
        }
        for change in &changes {
            let Some((mode, blob)) = change.new else { continue };
            let content = repo.read_blob(blob, MAX_FILE)?;
            let written = match mode {
                Mode::Symlink => files::link_beneath(dir, &change.path, &content),
                _ => files::write_beneath(dir, &change.path, &content, mode == Mode::Executable),
            };
            written.map_err(io_at("write a file in", dir))?;
        }
        Ok(true)
    }
}
