//! The journal: append-only events in git notes, and their replay.

pub mod event;
pub mod line;
pub mod segment;
pub mod state;
