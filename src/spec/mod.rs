//! Specs: reading, validating, writing.

pub mod model;
