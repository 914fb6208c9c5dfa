//! A spec as Markdown.
use crate::{base::Sha256, spec::model::Spec};
use std::collections::BTreeMap;
/// stub
pub fn render(_spec: &Spec, _files: &BTreeMap<Sha256, Vec<u8>>, _with_code: bool) -> String {
    String::new()
}
