//! Paths that stay inside the repository, and slices that stay out of each other's way.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Pass, owns, shown};
use crate::base::glob;

/// How much comparing a spec may cause: steps of [`glob::intersects`], about a second of them.
const EFFORT: usize = 200_000_000;

impl Pass<'_> {
    pub(super) fn path(&mut self, at: &str, path: &str) {
        if let Some(why) = glob::path_problem(path) {
            self.wrong(at, format!("{} {why}", shown(path)));
        }
    }

    pub(super) fn patterns(&mut self, at: &str, patterns: &[String]) {
        for (i, pattern) in patterns.iter().enumerate() {
            if let Some(why) = glob::pattern_problem(pattern) {
                self.wrong(format!("{at}/{i}"), format!("{} {why}", shown(pattern)));
            }
        }
        self.distinct(at, patterns.iter().map(String::as_str));
    }

    pub(super) fn paths(&mut self) {
        let spec = self.spec;
        for (i, slice) in spec.slices.iter().enumerate() {
            self.patterns(&format!("/slices/{i}/owned_paths"), &slice.owned_paths);
        }
        self.patterns("/shared_scaffold", &spec.shared_scaffold);
        self.apart();
        self.files();
    }

    /// Two slices can own one path only if one of them depends on the other.
    fn apart(&mut self) {
        let Some(before) = self.before() else { return };
        let spec = self.spec;
        let mut all: Vec<(&str, usize, usize)> = Vec::new();
        for (i, slice) in spec.slices.iter().enumerate() {
            let fit = slice.owned_paths.iter().enumerate().filter(|(_, p)| glob::pattern_problem(p).is_none());
            all.extend(fit.map(|(k, p)| (p.as_str(), i, k)));
        }
        // Two patterns can meet only where the fixed start of one begins with that of the other; in this order all that
        // begin with one stand together.
        all.sort_by_key(|(p, i, k)| (glob::literal_prefix(p), *i, *k));
        let mut told = HashSet::new();
        let mut effort = 0_usize;
        for (n, (p, i, k)) in all.iter().enumerate() {
            let start = glob::literal_prefix(p);
            for (q, j, l) in all.iter().skip(n + 1).take_while(|(q, _, _)| glob::literal_prefix(q).starts_with(start)) {
                effort += 10;
                if i != j && !before.related(*i, *j) && !told.contains(&(*i.min(j), *i.max(j))) {
                    effort += p.len() * q.len();
                    if glob::intersects(p, q) {
                        told.insert((*i.min(j), *i.max(j)));
                        let ((late, at, mine), (early, other)) =
                            if i < j { ((*j, *l, *q), (*i, *p)) } else { ((*i, *k, *p), (*j, *q)) };
                        let owner = spec.slices.get(early).map_or("", |s| s.id.as_str());
                        let text = format!(
                            "{} and {} of the slice `{owner}` can be one path, and neither slice depends on the other",
                            shown(mine),
                            shown(other)
                        );
                        self.wrong(format!("/slices/{late}/owned_paths/{at}"), text);
                    }
                }
                if effort > EFFORT || told.len() > 1000 {
                    self.wrong("/slices", "too many patterns that may overlap: own folders instead");
                    return;
                }
            }
        }
    }

    /// File blocks belong to slices that may write them, and attempts are told without gaps.
    fn files(&mut self) {
        let spec = self.spec;
        let mut attempts: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        let mut seen: HashMap<(&str, u32, &str), usize> = HashMap::new();
        let paths: HashSet<&str> = spec.files.iter().map(|f| f.path.as_str()).collect();
        for (i, file) in spec.files.iter().enumerate() {
            let at = format!("/files/{i}");
            self.path(&format!("{at}/path"), &file.path);
            if let Some(first) = seen.insert((file.slice.as_str(), file.attempt, &file.path), i) {
                self.wrong(format!("{at}/path"), format!("stands at /files/{first} already, for the same attempt"));
            }
            let folder = file.path.match_indices('/').map(|(end, _)| &file.path[..end]).find(|f| paths.contains(f));
            if let Some(folder) = folder {
                self.wrong(
                    format!("{at}/path"),
                    format!("{} is a file already, and cannot be a folder", shown(folder)),
                );
            }
            let Some(slice) = self.slices.get(file.slice.as_str()).and_then(|n| spec.slices.get(*n)) else {
                self.wrong(format!("{at}/slice"), format!("there is no slice {}", shown(file.slice.as_str())));
                continue;
            };
            attempts.entry(file.slice.as_str()).or_default().insert(file.attempt);
            let shared = || glob::any(&spec.shared_scaffold, &file.path);
            if !owns(slice, &file.path) && !shared() {
                let text = format!("the slice `{}` does not own {}", slice.id, shown(&file.path));
                self.wrong(format!("{at}/path"), text);
            }
        }
        for (i, file) in spec.files.iter().enumerate() {
            let known = attempts.get(file.slice.as_str());
            if file.attempt > 1 && known.is_some_and(|k| !k.contains(&(file.attempt - 1))) {
                let text = format!("there is no attempt {} before it", file.attempt - 1);
                self.wrong(format!("/files/{i}/attempt"), text);
            }
        }
    }
}
