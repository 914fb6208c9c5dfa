//! What a spec fixes before anybody writes code.

use std::collections::{BTreeMap, BTreeSet};

use super::model::Spec;
use crate::base::{SliceId, glob};

/// What one slice must produce.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Skeleton {
    /// Files that it must write: owned paths without wildcards, file blocks, its contracts.
    pub files: BTreeSet<String>,
    /// Names that its contracts must export, as `<path>#<export>`.
    pub exports: BTreeSet<String>,
}

/// What each slice must produce: two specs with one skeleton leave a builder the same freedom.
pub fn skeleton(spec: &Spec) -> BTreeMap<SliceId, Skeleton> {
    let mut out = BTreeMap::new();
    for slice in &spec.slices {
        let mut one = Skeleton::default();
        one.files.extend(slice.owned_paths.iter().filter(|p| glob::is_literal(p)).cloned());
        one.files.extend(spec.files.iter().filter(|f| f.slice == slice.id).map(|f| f.path.clone()));
        for contract in spec.contracts.iter().filter(|c| c.owner == slice.id) {
            one.files.insert(contract.path.clone());
            one.exports.extend(contract.exports.iter().map(|e| format!("{}#{e}", contract.path)));
        }
        out.insert(slice.id.clone(), one);
    }
    out
}

/// In what two skeletons differ, one sentence each; `names` say which is which.
pub fn differences(a: &Spec, b: &Spec, names: (&str, &str)) -> Vec<String> {
    let (a, b) = (skeleton(a), skeleton(b));
    let mut out = Vec::new();
    let all: BTreeSet<&SliceId> = a.keys().chain(b.keys()).collect();
    for id in all {
        let mut one_sided = |what: &str, (x, y): (&BTreeSet<String>, &BTreeSet<String>)| {
            out.extend(x.difference(y).map(|n| format!("slice `{id}`: {what} `{n}` is in {} only", names.0)));
            out.extend(y.difference(x).map(|n| format!("slice `{id}`: {what} `{n}` is in {} only", names.1)));
        };
        match (a.get(id), b.get(id)) {
            (Some(left), Some(right)) => {
                one_sided("the file", (&left.files, &right.files));
                one_sided("the export", (&left.exports, &right.exports));
            }
            (Some(only), None) | (None, Some(only)) => {
                let name = if a.contains_key(id) { names.0 } else { names.1 };
                let files: Vec<String> = only.files.iter().map(|f| format!("`{f}`")).collect();
                let with = if files.is_empty() { String::new() } else { format!(", with {}", files.join(", ")) };
                out.push(format!("the slice `{id}` is in {name} only{with}"));
            }
            (None, None) => {}
        }
    }
    out
}
