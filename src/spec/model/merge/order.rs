//! Two orders made one.
//!
//! Of what the base has, the order is the base's unless one side moved it. What is new stands after the piece of the base
//! that it was put behind. Where both put something behind the same piece, the two runs are merged as sorted lists are,
//! by comparing their heads; so whatever a smaller id follows stays in front of it. That is the union of two trees, in
//! which the parent of each new piece is the nearest larger one in front of it: the reason why the result does not depend
//! on who merges first.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

/// A side's order, in relation to the base.
struct Sequence<'a, K> {
    /// What the base has, too, in this side's order.
    kept: Vec<&'a K>,
    /// What is new, and where.
    new: BTreeMap<&'a K, Spot<'a, K>>,
}

/// Where a new piece stands: after which one of the base, and below which new one.
type Spot<'a, K> = (Option<&'a K>, Option<&'a K>);

fn sequence<'a, K: Ord>(of: &'a [K], base: &BTreeSet<&K>) -> Sequence<'a, K> {
    let (mut kept, mut new) = (Vec::new(), BTreeMap::new());
    let (mut anchor, mut above): (Option<&K>, Vec<&K>) = (None, Vec::new());
    for k in of {
        if base.contains(k) {
            kept.push(k);
            (anchor, above) = (Some(k), Vec::new());
        } else {
            while above.last().is_some_and(|top| *top < k) {
                above.pop();
            }
            new.insert(k, (anchor, above.last().copied()));
            above.push(k);
        }
    }
    Sequence { kept, new }
}

/// One order out of two; none where they contradict: both moved something and not the same way, one moved what the other
/// removed from, or one put something behind what the other removed. No list holds a piece twice.
pub(super) fn merge<K: Ord + Clone + Debug>(base: &[K], ours: &[K], theirs: &[K]) -> Option<Vec<K>> {
    let in_base: BTreeSet<&K> = base.iter().collect();
    let (a, b) = (sequence(ours, &in_base), sequence(theirs, &in_base));
    let all: Vec<&K> = base.iter().collect();
    let kept: Vec<&K> = match (moved(&all, &a.kept), moved(&all, &b.kept)) {
        _ if a.kept == b.kept || b.kept == all => a.kept,
        _ if a.kept == all => b.kept,
        (false, false) => {
            let (a, b): (BTreeSet<_>, BTreeSet<_>) = (a.kept.iter().collect(), b.kept.iter().collect());
            all.iter().filter(|k| a.contains(k) && b.contains(k)).copied().collect()
        }
        _ => return None,
    };
    if a.new.iter().any(|(k, spot)| b.new.get(k).is_some_and(|other| other != spot)) {
        return None;
    }
    let mut below: BTreeMap<Spot<'_, K>, BTreeSet<&K>> = BTreeMap::new();
    for (k, spot) in a.new.iter().chain(&b.new) {
        below.entry(*spot).or_default().insert(k);
    }
    let anchors: BTreeSet<&K> = kept.iter().copied().collect();
    if below.keys().any(|(anchor, _)| anchor.is_some_and(|a| !anchors.contains(a))) {
        return None;
    }
    let mut out = Vec::new();
    for anchor in std::iter::once(None).chain(kept.into_iter().map(Some)) {
        out.extend(anchor.cloned());
        let mut todo: Vec<&K> = below.get(&(anchor, None)).into_iter().flatten().rev().copied().collect();
        while let Some(k) = todo.pop() {
            out.push(k.clone());
            todo.extend(below.get(&(anchor, Some(k))).into_iter().flatten().rev());
        }
    }
    Some(out)
}

/// Whether what is left of the base stands in another order.
fn moved<K: Ord>(base: &[&K], kept: &[&K]) -> bool {
    let mut rest = base.iter();
    !kept.iter().all(|k| rest.any(|b| b == k))
}

/// Whether a side did more than to add, or more than to remove.
pub(super) fn rewritten<K: Ord>(base: &[K], side: &[K]) -> bool {
    let in_base: BTreeSet<&K> = base.iter().collect();
    let all: Vec<&K> = base.iter().collect();
    let s = sequence(side, &in_base);
    moved(&all, &s.kept) || (!s.new.is_empty() && s.kept.len() < all.len())
}

/// Puts in what is missing, each piece behind the one that it follows in `from`.
pub(super) fn insert_missing<K: PartialEq + Clone>(into: &mut Vec<K>, from: impl Iterator<Item = K>) {
    let mut before: Option<K> = None;
    for k in from {
        if !into.contains(&k) {
            let at = before.as_ref().and_then(|b| into.iter().position(|x| x == b)).map_or(0, |at| at + 1);
            into.insert(at, k.clone());
        }
        before = Some(k);
    }
}
