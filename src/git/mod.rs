//! The one door to gix, and the one place that starts `git`.

pub mod types;
pub use types::*;
