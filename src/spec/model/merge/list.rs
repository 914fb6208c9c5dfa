//! Pieces that are lists, merged by what is in them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Side, Three, order};
use crate::spec::model::parts::Place;

/// How the entries of a list are told apart.
#[derive(Clone, Copy, PartialEq)]
enum Entries {
    /// Ids: an entry is there or not.
    Ids,
    /// Texts: one that is replaced is a text that was changed, so additions go with additions only, removals with removals.
    Texts,
    /// Objects, each with a name.
    Named,
}

/// What both sides of a piece say together; none where they contradict, or where it is no list.
pub(super) fn merge(place: &Place, three: &Three<'_>) -> Option<Option<Value>> {
    match place {
        Place::Order(_) => entries(three, Entries::Ids),
        Place::SliceField(_, "requirements" | "deps") => entries(three, Entries::Ids),
        Place::SliceField(..) | Place::Field("shared_scaffold" | "non_goals" | "done_means") => {
            entries(three, Entries::Texts)
        }
        Place::Field("structure") => structure(three, None).map(Some),
        _ => None,
    }
}

/// What a piece is once a person has decided for a side: that side's, but for what does not contradict it.
pub(super) fn decided(place: &Place, three: &Three<'_>, side: Side) -> Option<Value> {
    let whole = || three.of(side).cloned();
    match place {
        Place::Field("structure") => structure(three, Some(side)).or_else(whole),
        _ => whole(),
    }
}

/// The shape of a product: field by field, lists entry by entry.
fn structure(three: &Three<'_>, tie: Option<Side>) -> Option<Value> {
    let object = |v: Option<&Value>| v.and_then(Value::as_object).cloned();
    let (base, ours, theirs) = (object(three.base)?, object(three.ours)?, object(three.theirs)?);
    let mut out = Map::new();
    let names: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    for name in names {
        let three = Three { base: base.get(name), ours: ours.get(name), theirs: theirs.get(name) };
        let named = [three.base, three.ours, three.theirs]
            .into_iter()
            .flatten()
            .all(|v| v.as_array().is_some_and(|list| list.iter().all(Value::is_object)));
        let kind = if named { Entries::Named } else { Entries::Texts };
        let merged = match (three.plain(), tie) {
            (Some(value), _) => value.cloned(),
            (None, None) => entries(&three, kind)?,
            (None, Some(side)) => entries(&three, kind).unwrap_or_else(|| with_additions(&three, kind, side)),
        };
        out.extend(merged.map(|v| (name.clone(), v)));
    }
    Some(Value::Object(out))
}

/// A list of three versions; a list that is empty is none.
fn entries(three: &Three<'_>, kind: Entries) -> Option<Option<Value>> {
    let (base, ours, theirs) = (read(three.base, kind)?, read(three.ours, kind)?, read(three.theirs, kind)?);
    let rewritten = order::rewritten(&base.keys, &ours.keys)
        || order::rewritten(&base.keys, &theirs.keys)
        || (ours.keys.len() > base.keys.len()) != (theirs.keys.len() > base.keys.len());
    if kind == Entries::Texts && rewritten {
        return None;
    }
    let order = order::merge(&base.keys, &ours.keys, &theirs.keys)?;
    let one = |key| Three { base: base.values.get(key), ours: ours.values.get(key), theirs: theirs.values.get(key) };
    // One that a side removed must be as it was on the other.
    if base.keys.iter().any(|key| one(key).plain().is_none()) {
        return None;
    }
    let values = order.iter().map(|key| one(key).plain().map(Option::<&Value>::cloned));
    let values: Vec<Value> = values.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
    Some((!values.is_empty()).then_some(Value::Array(values)))
}

/// The list of a side, and what the other has added to it under other names.
fn with_additions(three: &Three<'_>, kind: Entries, side: Side) -> Option<Value> {
    let other = three.of(if side == Side::Ours { Side::Theirs } else { Side::Ours });
    let (Some(base), Some(mine), Some(other)) = (read(three.base, kind), read(three.of(side), kind), read(other, kind))
    else {
        return three.of(side).cloned();
    };
    let mut keys = mine.keys.clone();
    order::insert_missing(
        &mut keys,
        other.keys.into_iter().filter(|k| !base.values.contains_key(k) || mine.values.contains_key(k)),
    );
    let values = keys.iter().filter_map(|k| mine.values.get(k).or_else(|| other.values.get(k)).cloned());
    Some(Value::Array(values.collect()))
}

/// A list by what tells its entries apart.
struct Keyed {
    keys: Vec<String>,
    values: BTreeMap<String, Value>,
}

/// None where it is no list, or holds an entry twice.
fn read(list: Option<&Value>, kind: Entries) -> Option<Keyed> {
    let list = match list {
        None => &[][..],
        Some(value) => value.as_array()?,
    };
    let name = |v: &Value| match kind {
        Entries::Named => {
            let names = ["path", "method", "name", "symbol"].map(|field| v.get(field).cloned());
            Value::from_iter(names.into_iter().map(Option::unwrap_or_default)).to_string()
        }
        _ => v.to_string(),
    };
    let keys: Vec<String> = list.iter().map(name).collect();
    let values: BTreeMap<String, Value> = keys.iter().cloned().zip(list.iter().cloned()).collect();
    (values.len() == keys.len()).then_some(Keyed { keys, values })
}
