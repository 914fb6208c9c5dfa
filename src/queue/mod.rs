//! The merge queue.
