//! Where the evidence of a check stands among that of its run, and how it is found again.

use std::{collections::BTreeMap, fmt};

use crate::{
    base::{Oid, RunId, SliceId},
    git::Repo,
    store::{self, evidence},
};

/// The file that says what came of a check.
pub const RESULT: &str = "result.json";
/// Who a check belongs to that is no slice's.
const CROSS: &str = "_cross";

/// One evaluation of a check, and so the folder of its evidence:
/// `<slice|_cross>/<generation>.<attempt>/<round>/<check>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The slice that it was run for, if it was for one.
    pub slice: Option<SliceId>,
    /// The beginning of the slice's generation, or of the digest of the spec commit.
    pub generation: String,
    /// The attempt, 0 for none.
    pub attempt: u32,
    /// base, candidate, queue-n or audit-n.
    pub round: String,
    /// The check.
    pub check: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.slice.as_ref().map_or(CROSS, |s| s.as_str());
        write!(f, "{whose}/{}.{}/{}/{}", self.generation, self.attempt, self.round, self.check)
    }
}

impl Place {
    /// Takes the path of a file of evidence apart: the place, and the file's name there. None for what is no check's.
    fn of(path: &str) -> Option<(Place, &str)> {
        let mut parts = path.splitn(5, '/');
        let (whose, numbers, round, check, file) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (generation, attempt) = numbers.split_once('.')?;
        let slice = if whose == CROSS { None } else { Some(whose.parse().ok()?) };
        let place = Place {
            slice,
            generation: generation.to_owned(),
            attempt: attempt.parse().ok()?,
            round: round.to_owned(),
            check: check.to_owned(),
        };
        Some((place, file))
    }
}

/// What is kept of one evaluation of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Which.
    pub place: Place,
    /// Its files with their blobs: [`RESULT`], the streams `stdout` and `stderr`, `artifacts/…`.
    pub files: BTreeMap<String, Oid>,
}

/// Everything that is kept of the checks of a run, in the order of the places.
pub fn kept(repo: &Repo, run: &RunId) -> store::Result<Vec<Kept>> {
    let mut all: BTreeMap<Place, BTreeMap<String, Oid>> = BTreeMap::new();
    for (path, blob) in evidence::list(repo, run)? {
        if let Some((place, file)) = Place::of(&path) {
            all.entry(place).or_default().insert(file.to_owned(), blob);
        }
    }
    let whole = all.into_iter().filter(|(_, files)| files.contains_key(RESULT));
    Ok(whole.map(|(place, files)| Kept { place, files }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_apart_as_it_was_put_together() {
        let place = |slice: Option<&str>| Place {
            slice: slice.map(|s| s.parse().unwrap()),
            generation: "0a1b2c3d4e".into(),
            attempt: 2,
            round: "queue-1".into(),
            check: "add-1".into(),
        };
        for place in [place(None), place(Some("add"))] {
            let path = format!("{place}/artifacts/a/b.png");
            assert_eq!(Place::of(&path), Some((place, "artifacts/a/b.png")));
        }
        for other in ["_recording/1", "x", "add/0a.x/base/c/stdout", "add/0a/base/c/stdout", "A!/0a.1/base/c/stdout"] {
            assert_eq!(Place::of(other), None, "{other}");
        }
    }
}
