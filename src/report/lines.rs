//! How many lines a landing added and removed, by our own count: git's depends on attributes and configuration of whoever
//! asks, and a packet must not.

use std::collections::HashMap;

use super::model::Diffstat;
use crate::{
    base::Oid,
    git::{self, Change, Mode, Repo},
};

/// Bytes of a file whose lines are counted.
const MAX_FILE: u64 = 16 << 20;
/// Changed lines of a file that are searched for; beyond, what lies between the common start and end counts as replaced.
const MAX_EDITS: usize = 2000;

/// What changed between two trees, apart from the checked-in copy of the spec, which is no slice's work. Nothing of a file that is too large or not there, or of a submodule, is counted but
/// that it changed.
pub fn between(repo: &Repo, before: Oid, after: Oid) -> git::Result<Diffstat> {
    let mut sum = Diffstat::default();
    for Change { path, old, new } in repo.diff_trees(before, after)? {
        if path.starts_with(b".otto/specs/") {
            continue;
        }
        let content = |side: Option<(Mode, Oid)>| match side {
            Some((Mode::Submodule, _)) => None,
            Some((_, id)) => repo.read_blob(id, MAX_FILE).ok(),
            None => Some(Vec::new()),
        };
        sum.files += 1;
        if let (Some(old), Some(new)) = (content(old), content(new)) {
            let (added, removed) = count(&old, &new);
            sum.added += added as u64;
            sum.removed += removed as u64;
        }
    }
    Ok(sum)
}

/// Lines added and removed from one text to another.
fn count(old: &[u8], new: &[u8]) -> (usize, usize) {
    let mut names: HashMap<&[u8], usize> = HashMap::new();
    let mut lines = |text| -> Vec<usize> {
        let split = <[u8]>::split_inclusive(text, |b| *b == b'\n');
        split
            .map(|line| {
                let next = names.len();
                *names.entry(line).or_insert(next)
            })
            .collect()
    };
    let (a, b): (Vec<usize>, Vec<usize>) = (lines(old), lines(new));
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    match edits(a, b) {
        // Of d edits, added minus removed is the difference of the lengths.
        Some(d) => ((d + b.len()).saturating_sub(a.len()) / 2, (d + a.len()).saturating_sub(b.len()) / 2),
        None => (b.len(), a.len()),
    }
}

/// The fewest removals and additions from one sequence to another: the greedy search of Myers 1986, for the number alone.
/// None if there are more than [`MAX_EDITS`].
fn edits(a: &[usize], b: &[usize]) -> Option<usize> {
    let most = (a.len() + b.len()).min(MAX_EDITS);
    let middle = most as isize + 1;
    // The furthest place in `a` on each diagonal.
    let mut furthest = vec![0_usize; 2 * most + 3];
    let at = |k: isize| usize::try_from(k + middle).unwrap_or(0);
    for d in 0..=most as isize {
        for k in (-d..=d).step_by(2) {
            let down = k == -d || (k != d && furthest[at(k - 1)] < furthest[at(k + 1)]);
            let mut x = if down { furthest[at(k + 1)] } else { furthest[at(k - 1)] + 1 };
            let Some(mut y) = x.checked_add_signed(-k) else { continue };
            while x < a.len() && y < b.len() && a[x] == b[y] {
                (x, y) = (x + 1, y + 1);
            }
            furthest[at(k)] = x;
            if x >= a.len() && y >= b.len() {
                return Some(d.unsigned_abs());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_are_counted_as_git_counts_them() {
        for (old, new, expected) in [
            ("", "", (0, 0)),
            ("", "a\nb\n", (2, 0)),
            ("a\nb\n", "", (0, 2)),
            ("a\nb\nc\n", "a\nx\nc\n", (1, 1)),
            ("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n", (2, 3)),
            ("a\n", "a", (1, 1)),
            ("a\nb\n", "b\na\n", (1, 1)),
        ] {
            assert_eq!(count(old.as_bytes(), new.as_bytes()), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn what_is_too_different_counts_as_replaced() {
        let text = |from: usize| (from..from + 3000).map(|n| format!("{n}\n")).collect::<String>();
        assert_eq!(count(text(0).as_bytes(), text(9000).as_bytes()), (3000, 3000));
    }

    /// The textbook way: the longest common subsequence in a table.
    fn slow(a: &[usize], b: &[usize]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for (i, x) in a.iter().enumerate() {
            for (j, y) in b.iter().enumerate() {
                table[i + 1][j + 1] = if x == y { table[i][j] + 1 } else { table[i][j + 1].max(table[i + 1][j]) };
            }
        }
        a.len() + b.len() - 2 * table[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn the_search_finds_the_fewest(
            a in proptest::collection::vec(0_usize..5, 0..30),
            b in proptest::collection::vec(0_usize..5, 0..30),
        ) {
            prop_assert_eq!(edits(&a, &b), Some(slow(&a, &b)));
            let text = |s: &[usize]| s.iter().map(|n| format!("{n}\n")).collect::<String>();
            let (added, removed) = count(text(&a).as_bytes(), text(&b).as_bytes());
            prop_assert_eq!(added + removed, slow(&a, &b));
            prop_assert_eq!(added as isize - removed as isize, b.len() as isize - a.len() as isize);
        }
    }
}
