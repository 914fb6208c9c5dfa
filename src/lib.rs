//! `git otto` turns an intent into a product inside git: compile the intent into a spec, have a person approve it, build
//! each slice, gate it with checks, land it through a merge queue, audit the whole, and show what proves it.
//!
//! The layout is in `ARCHITECTURE.md`; `tests/it/layering.rs` holds the modules to it.

pub mod base;
