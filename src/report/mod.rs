//! The proof packet: what was asked, what was built, what proves it and what is missing. Rendered from refs, never
//! stored in them: the same refs give the same bytes.

mod assemble;
mod escape;
mod markdown;
pub mod model;
#[cfg(test)]
mod tests;
pub mod words;

pub use assemble::{Material, assemble};
pub use markdown::markdown;

pub use model::NO_MODEL;
use model::Packet;

/// The packet as JSON: two-space indent, a newline at the end.
pub fn json(packet: &Packet) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = serde_json::to_vec_pretty(packet)?;
    bytes.push(b'\n');
    Ok(bytes)
}
