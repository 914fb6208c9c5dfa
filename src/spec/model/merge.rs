//! Three versions of a spec made one, piece by piece.
//!
//! A piece that one side changed is that side's; a piece that both changed the same way is that; anything else is a conflict,
//! which a person decides. The rules are such that it does not matter who merges with whom in which order: merging is
//! commutative, associative over a common base, and idempotent, in what it gives and in what it refuses. So all clones of
//! a spec come to the same content, whatever ways its records travel.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Spec,
    change::{Change, Sign},
    parts::{List, Parts, Place, put_together, take_apart},
};
use crate::{
    base::{Sha256, SliceId, SpecId},
    spec,
};

mod list;
mod order;

/// Which of the two that are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one at hand.
    Ours,
    /// The other one.
    Theirs,
}

/// What stands in the way of a merge.
#[derive(Clone, Debug, PartialEq)]
pub enum Conflict {
    /// Both sides changed a piece, and not the same way.
    Piece(Box<Disputed>),
    /// Each side is fine, and together they break this rule.
    Whole(String),
}

/// A piece in the three versions that do not go together.
#[derive(Clone, Debug, PartialEq)]
pub struct Disputed {
    /// Which.
    pub place: Place,
    /// What it was for both; none if it was not there, `null` if the sides never agreed on it.
    pub base: Option<Value>,
    /// What it is on this side; none if it is gone.
    pub ours: Option<Value>,
    /// What it is on the other side.
    pub theirs: Option<Value>,
}

impl Conflict {
    /// What it is about, in a person's words.
    pub fn head(&self) -> String {
        match self {
            Conflict::Piece(piece) => piece.place.to_string(),
            Conflict::Whole(rule) => format!("both together: {rule}"),
        }
    }

    /// What a side did, one line each.
    pub fn said(&self, side: Side) -> Vec<String> {
        let Conflict::Piece(piece) = self else { return Vec::new() };
        let Disputed { place, base, ours, theirs } = piece.as_ref();
        let after = if side == Side::Ours { ours } else { theirs };
        let before = base.clone().filter(|v| !v.is_null());
        match after {
            None if before.is_some() => return vec!["removed it".into()],
            None => return vec!["does not have it".into()],
            _ if *after == before => return vec!["kept it".into()],
            _ => {}
        }
        let change = Change { place: place.clone(), before, after: after.clone() };
        let sign = |s: Sign| if s == Sign::Minus { "-" } else { "+" };
        change.lines().into_iter().map(|(s, line)| format!("{} {line}", sign(s))).collect()
    }
}

/// What becomes of a piece that both sides changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nobody decided: it is a conflict.
    Open,
    /// It is what that side says.
    Take(Side),
    /// It is marked as never agreed on, so that whoever merges with it as base finds both sides changed.
    Undecided,
}

/// The one spec that says what both say; what stands in its way otherwise.
pub fn merge(base: &Spec, ours: &Spec, theirs: &Spec) -> Result<Spec, Vec<Conflict>> {
    let parts = merge_parts(&take_apart(base), &take_apart(ours), &take_apart(theirs), &|_| Choice::Open)?;
    whole(&ours.id, &parts)
}

/// The same between pieces, with decisions about those that both changed.
pub fn merge_parts(
    base: &Parts,
    ours: &Parts,
    theirs: &Parts,
    decide: &dyn Fn(&Place) -> Choice,
) -> Result<Parts, Vec<Conflict>> {
    if ours == theirs || theirs == base {
        return Ok(ours.clone());
    }
    if ours == base {
        return Ok(theirs.clone());
    }
    let clashes = clashes(base, ours, theirs);
    let (mut merged, mut conflicts) = (Parts::new(), Vec::new());
    let places: BTreeSet<&Place> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    // Orders last: they follow from what there is. `Place` sorts them so.
    for place in places {
        let three = Three { base: base.get(place), ours: ours.get(place), theirs: theirs.get(place) };
        let clash = place.slice().is_some_and(|id| clashes.contains(id)) && three.ours != three.theirs;
        let agreed = if clash { None } else { agreed(place, &three) };
        let choice = if agreed.is_none() { decide(place) } else { Choice::Open };
        let value = match (agreed, choice, place) {
            (Some(value), _, Place::Order(list)) => complete(list, value, &three, &merged, Side::Ours),
            (Some(value), ..) => value,
            (None, Choice::Undecided, _) => Some(Value::Null),
            (None, Choice::Take(side), Place::Order(list)) => {
                complete(list, three.of(side).cloned(), &three, &merged, side)
            }
            (None, Choice::Take(side), _) => list::decided(place, &three, side),
            (None, Choice::Open, _) => {
                // Of a slice that one side removed, only what the other changed is worth telling.
                let unchanged = three.base.is_some() && (three.base == three.ours || three.base == three.theirs);
                let kept = clash && unchanged && !matches!(place, Place::Slice(_));
                if !kept {
                    let [base, ours, theirs] = [three.base, three.ours, three.theirs].map(Option::<&Value>::cloned);
                    conflicts.push(Conflict::Piece(Box::new(Disputed { place: place.clone(), base, ours, theirs })));
                }
                None
            }
        };
        merged.extend(value.map(|v| (place.clone(), v)));
    }
    if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
}

/// A spec of merged pieces, as valid as every other one.
pub fn whole(id: &SpecId, parts: &Parts) -> Result<Spec, Vec<Conflict>> {
    let refuse = |rule: String| vec![Conflict::Whole(rule)];
    let merged = put_together(id, parts).map_err(refuse)?;
    if let Some((place, _)) = parts.iter().find(|(place, value)| take_apart(&merged).get(place) != Some(value)) {
        return Err(refuse(format!("{place} has no place")));
    }
    match spec::parse(&spec::write(&merged)) {
        Ok(spec) => Ok(spec),
        Err(errors) => Err(errors.iter().map(|e| Conflict::Whole(e.to_string())).collect()),
    }
}

/// The contents that a spec names by digest, out of those that both sides have.
pub fn contents(
    spec: &Spec,
    ours: &BTreeMap<Sha256, Vec<u8>>,
    theirs: &BTreeMap<Sha256, Vec<u8>>,
) -> BTreeMap<Sha256, Vec<u8>> {
    spec.contents().filter_map(|d| Some((d, ours.get(&d).or_else(|| theirs.get(&d))?.clone()))).collect()
}

/// One piece in three versions.
struct Three<'a> {
    base: Option<&'a Value>,
    ours: Option<&'a Value>,
    theirs: Option<&'a Value>,
}

impl<'a> Three<'a> {
    fn of(&self, side: Side) -> Option<&'a Value> {
        if side == Side::Ours { self.ours } else { self.theirs }
    }

    /// What it is where at most one side changed it, or both did the same.
    fn plain(&self) -> Option<Option<&'a Value>> {
        match self {
            t if t.ours == t.theirs || t.theirs == t.base => Some(t.ours),
            t if t.ours == t.base => Some(t.theirs),
            _ => None,
        }
    }
}

/// What a piece is if nobody has to decide.
fn agreed(place: &Place, three: &Three<'_>) -> Option<Option<Value>> {
    match three.plain() {
        Some(value) => Some(value.cloned()),
        None => list::merge(place, three),
    }
}

/// Slices that one side removed while the other changed anything in them, or that both added, and not alike.
fn clashes<'a>(base: &'a Parts, ours: &'a Parts, theirs: &'a Parts) -> BTreeSet<&'a SliceId> {
    let (base, ours, theirs) = (groups(base), groups(ours), groups(theirs));
    let has = |of: &Groups<'_>, id: &SliceId| of.get(id).is_some_and(|g| g.contains_key(&Place::Slice(id.clone())));
    // The files of a new slice are pieces of their own.
    let own = |of: &Groups<'a>, id: &SliceId| {
        let group = of.get(id).cloned().unwrap_or_default();
        group.into_iter().filter(|(place, _)| !matches!(place, Place::File(..))).collect::<BTreeMap<_, _>>()
    };
    let clash = |id: &SliceId| {
        let (b, o, t) = (base.get(id), ours.get(id), theirs.get(id));
        match (has(&base, id), has(&ours, id), has(&theirs, id)) {
            (true, true, false) => o != b,
            (true, false, true) => t != b,
            (false, true, true) => own(&ours, id) != own(&theirs, id),
            _ => false,
        }
    };
    ours.keys().chain(theirs.keys()).copied().filter(|id| clash(id)).collect()
}

type Groups<'a> = BTreeMap<&'a SliceId, BTreeMap<&'a Place, &'a Value>>;

fn groups(parts: &Parts) -> Groups<'_> {
    let mut out = Groups::new();
    for (place, value) in parts {
        if let Some(id) = place.slice() {
            out.entry(id).or_default().insert(place, value);
        }
    }
    out
}

/// An order that names exactly the pieces that there are: decisions can keep a piece that the other side removed.
fn complete(list: &List, order: Option<Value>, three: &Three<'_>, merged: &Parts, side: Side) -> Option<Value> {
    let other = three.of(if side == Side::Ours { Side::Theirs } else { Side::Ours });
    let there = |id: &Value| list.place(id).is_some_and(|place| merged.contains_key(&place));
    let ids = |v: Option<&Value>| v.and_then(Value::as_array).cloned().unwrap_or_default();
    let mut out: Vec<Value> = ids(order.as_ref()).into_iter().filter(there).collect();
    for from in [three.of(side), other] {
        order::insert_missing(&mut out, ids(from).into_iter().filter(there));
    }
    (!out.is_empty()).then_some(Value::Array(out))
}

#[cfg(test)]
mod tests;
