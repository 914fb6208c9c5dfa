//! Some of the paths of a tree: what a checkout has that need not have all of it.

use super::{BStr, ByteSlice as _};
use crate::base::glob;

/// The paths that one of some patterns matches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part(Vec<String>);

impl Part {
    /// What the patterns match, in the dialect of owned paths.
    pub fn of(patterns: impl IntoIterator<Item = String>) -> Part {
        let mut patterns: Vec<String> = patterns.into_iter().collect();
        patterns.sort();
        patterns.dedup();
        Part(patterns)
    }

    /// All that decides what becomes of writing at these paths: whatever is there, above them or below them.
    pub fn around<'p>(paths: impl IntoIterator<Item = &'p str>) -> Part {
        Part::of(paths.into_iter().flat_map(|path| {
            let above = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
            above.chain([path.to_owned(), format!("{path}/")]).collect::<Vec<_>>()
        }))
    }

    /// The patterns, sorted.
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Whether it has a file of that path.
    pub fn has(&self, path: &BStr) -> bool {
        glob::any(&self.0, path)
    }

    /// Whether it may have a file below a folder: never wrongly denied.
    pub fn reaches(&self, folder: &BStr) -> bool {
        let Ok(folder) = folder.to_str() else { return true };
        let below = format!("{folder}/");
        self.0.iter().any(|pattern| glob::intersects(pattern, &below))
    }
}
