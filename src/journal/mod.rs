//! The journal: append-only events in git notes, and their replay.

mod apply;
pub mod event;
pub mod line;
pub mod replay;
pub mod segment;
pub mod state;
