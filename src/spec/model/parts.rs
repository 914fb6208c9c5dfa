//! A spec taken apart into the pieces that people agree or disagree about, and put together again.
//!
//! Comparing, merging and judging amendments all work on these pieces: one place knows what a spec consists of.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{SCHEMA, Spec};
use crate::base::{SliceId, SpecId};

/// Where a piece of a spec stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A field of the whole, by name: one of [`FIELDS`].
    Field(&'static str),
    /// A requirement: its text.
    Requirement(String),
    /// A slice: its title.
    Slice(SliceId),
    /// A list of a slice, by name: one of [`SLICE_FIELDS`].
    SliceField(SliceId, &'static str),
    /// A check of a slice, or, without one, a cross-slice check.
    Check(Option<SliceId>, String),
    /// A contract, by path.
    Contract(String),
    /// A service.
    Service(String),
    /// A file block: slice, path, attempt.
    File(SliceId, String, u32),
    /// In what order the pieces of a list stand: their ids.
    Order(List),
}

/// A list of a spec whose pieces have places of their own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum List {
    /// The requirements.
    Requirements,
    /// The slices, in the order of the queue.
    Slices,
    /// The checks of a slice.
    Checks(SliceId),
    /// The checks over several slices.
    CrossChecks,
    /// The contracts.
    Contracts,
    /// The services.
    Services,
    /// The file blocks, each as `[slice, path, attempt]`.
    Files,
}

impl Place {
    /// The slice that the piece belongs to.
    pub fn slice(&self) -> Option<&SliceId> {
        match self {
            Place::Slice(id) | Place::SliceField(id, _) | Place::Check(Some(id), _) | Place::File(id, ..) => Some(id),
            Place::Order(List::Checks(id)) => Some(id),
            _ => None,
        }
    }
}

impl List {
    /// The place of the piece that an entry of the order names.
    pub fn place(&self, id: &Value) -> Option<Place> {
        let text = || id.as_str();
        Some(match self {
            List::Requirements => Place::Requirement(text()?.into()),
            List::Slices => Place::Slice(text()?.parse().ok()?),
            List::Checks(slice) => Place::Check(Some(slice.clone()), text()?.into()),
            List::CrossChecks => Place::Check(None, text()?.into()),
            List::Contracts => Place::Contract(text()?.into()),
            List::Services => Place::Service(text()?.into()),
            List::Files => match id.as_array()?.as_slice() {
                [slice, path, attempt] => Place::File(
                    slice.as_str()?.parse().ok()?,
                    path.as_str()?.to_owned(),
                    u32::try_from(attempt.as_u64()?).ok()?,
                ),
                _ => return None,
            },
        })
    }
}

/// The fields of a spec that are one piece each. Its id and its schema never change.
pub const FIELDS: [&str; 9] = [
    "title",
    "intent",
    "project_kind",
    "structure",
    "shared_scaffold",
    "setup",
    "non_goals",
    "done_means",
    "min_version",
];

/// The lists of a slice that are one piece each.
pub const SLICE_FIELDS: [&str; 4] = ["requirements", "tasks", "deps", "owned_paths"];

/// The pieces of a spec, by place.
pub type Parts = BTreeMap<Place, Value>;

/// Takes a spec apart. What a spec leaves out is no piece.
pub fn take_apart(spec: &Spec) -> Parts {
    let mut out = Parts::new();
    let mut whole = object(spec);
    for name in FIELDS {
        if let Some(value) = whole.remove(name) {
            out.insert(Place::Field(name), value);
        }
    }
    let mut order = |list: List, ids: Vec<Value>| {
        if !ids.is_empty() {
            out.insert(Place::Order(list), Value::Array(ids));
        }
    };
    let texts = |ids: &mut dyn Iterator<Item = &str>| ids.map(Value::from).collect::<Vec<_>>();
    order(List::Requirements, texts(&mut spec.requirements.iter().map(|r| r.id.as_str())));
    order(List::Slices, texts(&mut spec.slices.iter().map(|s| s.id.as_str())));
    for slice in &spec.slices {
        order(List::Checks(slice.id.clone()), texts(&mut slice.checks.iter().map(|c| c.id.as_str())));
    }
    order(List::CrossChecks, texts(&mut spec.cross_slice_checks.iter().map(|c| c.check.id.as_str())));
    order(List::Contracts, texts(&mut spec.contracts.iter().map(|c| c.path.as_str())));
    order(List::Services, texts(&mut spec.services.iter().map(|s| s.id.as_str())));
    order(List::Files, spec.files.iter().map(|f| json!([f.slice, f.path, f.attempt])).collect());

    for r in &spec.requirements {
        out.insert(Place::Requirement(r.id.clone()), json!(r.text));
    }
    for slice in &spec.slices {
        let mut fields = object(slice);
        out.insert(Place::Slice(slice.id.clone()), json!(slice.title));
        for name in SLICE_FIELDS {
            if let Some(value) = fields.remove(name) {
                out.insert(Place::SliceField(slice.id.clone(), name), value);
            }
        }
        for check in &slice.checks {
            out.insert(Place::Check(Some(slice.id.clone()), check.id.clone()), value(check));
        }
    }
    for cross in &spec.cross_slice_checks {
        out.insert(Place::Check(None, cross.check.id.clone()), value(cross));
    }
    for contract in &spec.contracts {
        out.insert(Place::Contract(contract.path.clone()), value(contract));
    }
    for service in &spec.services {
        out.insert(Place::Service(service.id.clone()), value(service));
    }
    for f in &spec.files {
        out.insert(Place::File(f.slice.clone(), f.path.clone(), f.attempt), value(f));
    }
    out
}

/// Puts a spec together again. A piece that no order names, or an order that names no piece, is left out: what is then
/// wrong with the whole is for [`crate::spec::validate`] to say. Fails where the pieces make no spec at all.
pub fn put_together(id: &SpecId, parts: &Parts) -> Result<Spec, String> {
    let mut whole = Map::new();
    whole.insert("schema".into(), json!(SCHEMA));
    whole.insert("id".into(), json!(id));
    for name in FIELDS {
        if let Some(value) = parts.get(&Place::Field(name)) {
            whole.insert(name.into(), value.clone());
        }
    }
    let order = |list: List| parts.get(&Place::Order(list)).and_then(Value::as_array).cloned().unwrap_or_default();
    let named = |list: List| -> Vec<(Value, Value)> {
        let ids = order(list.clone()).into_iter();
        ids.filter_map(|id| parts.get(&list.place(&id)?).cloned().map(|found| (id, found))).collect()
    };
    let values = |list: List| named(list).into_iter().map(|(_, value)| value).collect::<Vec<_>>();
    let requirements = named(List::Requirements);
    let requirements: Vec<_> = requirements.into_iter().map(|(id, text)| json!({"id": id, "text": text})).collect();
    let mut slices = Vec::new();
    for (id, title) in named(List::Slices) {
        let Some(slice) = id.as_str().and_then(|id| id.parse::<SliceId>().ok()) else { continue };
        let mut fields = Map::new();
        fields.insert("id".into(), id);
        fields.insert("title".into(), title);
        for name in SLICE_FIELDS {
            if let Some(value) = parts.get(&Place::SliceField(slice.clone(), name)) {
                fields.insert(name.into(), value.clone());
            }
        }
        fields.insert("checks".into(), values(List::Checks(slice)).into());
        slices.push(Value::Object(fields));
    }
    for (name, list) in [
        ("requirements", requirements),
        ("slices", slices),
        ("cross_slice_checks", values(List::CrossChecks)),
        ("contracts", values(List::Contracts)),
        ("services", values(List::Services)),
        ("files", values(List::Files)),
    ] {
        whole.insert(name.into(), Value::Array(list));
    }
    serde_json::from_value(Value::Object(whole)).map_err(|e| e.to_string())
}

fn value(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}

fn object(of: &impl Serialize) -> Map<String, Value> {
    match value(of) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The place in a person's words: "check `x` of slice `y`".
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Field(name) => f.write_str(&name.replace('_', " ")),
            Place::Requirement(id) => write!(f, "requirement {id}"),
            Place::Slice(id) => write!(f, "slice `{id}`"),
            Place::SliceField(id, name) => write!(f, "{} of slice `{id}`", name.replace('_', " ")),
            Place::Check(Some(slice), id) => write!(f, "check `{id}` of slice `{slice}`"),
            Place::Check(None, id) => write!(f, "cross-slice check `{id}`"),
            Place::Contract(path) => write!(f, "contract `{path}`"),
            Place::Service(id) => write!(f, "service `{id}`"),
            Place::File(slice, path, 1) => write!(f, "file `{path}` of slice `{slice}`"),
            Place::File(slice, path, n) => write!(f, "file `{path}` of slice `{slice}`, attempt {n}"),
            Place::Order(list) => match list {
                List::Requirements => f.write_str("order of the requirements"),
                List::Slices => f.write_str("order of the slices"),
                List::Checks(slice) => write!(f, "order of the checks of slice `{slice}`"),
                List::CrossChecks => f.write_str("order of the cross-slice checks"),
                List::Contracts => f.write_str("order of the contracts"),
                List::Services => f.write_str("order of the services"),
                List::Files => f.write_str("order of the file blocks"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apart_and_together_is_the_same() {
        let all: Spec = serde_json::from_str(include_str!("../../../tests/all-kinds.json")).unwrap();
        let parts = take_apart(&all);
        assert_eq!(put_together(&all.id, &parts).unwrap(), all);
        // Nothing of it stands in two pieces, and no piece is forgotten.
        for (place, _) in parts.iter().filter(|(place, _)| !matches!(place, Place::Order(_))) {
            let mut fewer = parts.clone();
            fewer.remove(place);
            assert_ne!(put_together(&all.id, &fewer).ok(), Some(all.clone()), "{place}");
        }
    }
}
