//! Building slices.
