//! What never enters a snapshot, because the base ignores it or because every tool leaves it behind. Rules come from
//! the base alone: an agent cannot hide a file by ignoring it.

use std::path::Path;

use gix::{
    glob::pattern::Case,
    ignore::{Search, search::Ignore},
};

use super::Result;
use crate::git::{BStr, Entry, Mode, Repo};

/// Left behind by setup, by test runs and by agents, in whatever project.
const OWN: &[u8] =
    b"node_modules/\n.venv/\n__pycache__/\n*.pyc\n.pytest_cache/\n.mypy_cache/\n.ruff_cache/\n.tox/\n.DS_Store\n\
    .aider.tags.cache*/\n";

/// The largest ignore file that is read.
const MAX: u64 = 1 << 20;

/// The rules.
pub struct Rules(Search);

impl Rules {
    /// The rules of a base tree: its `.gitignore` files at any depth, deeper ones first, and otto's own list. The
    /// user's excludes play no part, so that a snapshot is the same on every machine.
    pub fn of(repo: &Repo, base: &[Entry]) -> Result<Rules> {
        let is_rules = |e: &&Entry| {
            matches!(e.mode, Mode::Plain | Mode::Executable)
                && (e.path == ".gitignore" || e.path.ends_with(b"/.gitignore"))
        };
        let mut files: Vec<&Entry> = base.iter().filter(is_rules).collect();
        files.sort_by_key(|e| e.path.iter().filter(|b| **b == b'/').count());
        let mut rules = Rules(Search::default());
        rules.add(OWN, ".gitignore".into());
        for file in files {
            rules.add(&repo.read_blob(file.oid, MAX)?, file.path.as_ref());
        }
        Ok(rules)
    }

    fn add(&mut self, bytes: &[u8], file: &BStr) {
        use std::os::unix::ffi::OsStrExt as _;
        let root = Path::new("/");
        let source = root.join(std::ffi::OsStr::from_bytes(file));
        // It fails only where the file is not below the root, which it is by construction.
        let _ = self.0.add_patterns_buffer(bytes, source, Some(root), Ignore::default());
    }

    /// Whether a path is ignored, apart from its folders.
    pub fn ignores(&self, path: &BStr, is_dir: bool) -> bool {
        let found = self.0.pattern_matching_relative_path(path, Some(is_dir), Case::Sensitive);
        found.is_some_and(|m| !m.pattern.is_negative())
    }
}
