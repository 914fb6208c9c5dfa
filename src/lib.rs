//! `git otto` turns an intent into a product inside git: compile the intent into a spec, have a person approve it, build
//! each slice, gate it with checks, land it through a merge queue, audit the whole, and show what proves it.
//!
//! The layout is in `ARCHITECTURE.md`; `tests/it/layering.rs` holds the modules to it.

pub mod agent;
pub mod audit;
pub mod base;
pub mod baseline;
pub mod build;
pub mod checks;
pub mod cli;
pub mod gate;
pub mod git;
pub mod hook;
pub mod intent;
pub mod journal;
pub mod mend;
pub mod output;
pub mod plan;
pub mod queue;
pub mod recover;
pub mod report;
pub mod sandbox;
pub mod spec;
pub mod store;
pub mod sync;
pub mod verify;
pub mod workspace;
