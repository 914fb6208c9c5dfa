//! Specs: reading, validating, writing.

use serde_json::Value;

use crate::base::{
    Sha256,
    json::{self, Limits},
};

pub mod amend;
mod answer;
mod errors;
pub mod join;
pub mod model;
mod schema;
mod semantic;
mod skeleton;

pub use answer::answer_schema;
pub use errors::SpecError;
use model::Spec;
pub use schema::{schema, schema_digests, schema_names};
pub use skeleton::{Skeleton, differences, skeleton};

/// Reads a spec from untrusted bytes: bounds, then the schema, then what a schema cannot say. Each step tells all that it
/// finds; what a later step would say of a broken shape would only confuse.
pub fn parse(bytes: &[u8]) -> Result<Spec, Vec<SpecError>> {
    let one = |message: String| vec![SpecError::new("", message)];
    let value: Value = json::parse(bytes, Limits::RECORD).map_err(|e| one(e.to_string()))?;
    let errors = schema::check(&value);
    if !errors.is_empty() {
        return Err(errors::bounded(errors));
    }
    let spec: Spec = serde_json::from_value(value).map_err(|e| one(e.to_string()))?;
    validate(&spec)?;
    Ok(spec)
}

/// What no schema can say of a spec: all that is wrong, at JSON pointers.
pub fn validate(spec: &Spec) -> Result<(), Vec<SpecError>> {
    let errors = semantic::check(spec);
    if errors.is_empty() { Ok(()) } else { Err(errors::bounded(errors)) }
}

/// The canonical bytes: keys in the order of the fields, two spaces a level, no defaults, a newline at the end.
pub fn write(spec: &Spec) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(spec).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The digest of a spec: SHA-256 over its canonical bytes.
pub fn digest(spec: &Spec) -> Sha256 {
    Sha256::of(write(spec))
}

/// Whether bytes are exactly what [`write()`] gives for the spec that they hold.
pub fn is_canonical(bytes: &[u8]) -> bool {
    parse(bytes).is_ok_and(|spec| write(&spec) == bytes)
}

#[cfg(test)]
mod tests;
