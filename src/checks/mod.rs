//! Check kinds and evidence.

pub mod model;
