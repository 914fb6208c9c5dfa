//! Plans: what a spec means for a run.

pub mod asked;
pub mod contracts;
pub mod model;
pub mod schedule;
pub mod screen;
pub mod turns;
pub mod why;
