//! Building slices.

pub mod scope;
