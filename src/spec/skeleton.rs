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
