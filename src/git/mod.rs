//! The one door to gix, and the one place that starts `git`.

pub mod adding;
mod back;
mod checkout;
mod cmd;
mod commits;
mod conclude;
mod config;
mod convert;
mod error;
mod files;
mod hooks;
mod incoming;
mod index;
mod inflight;
mod marked;
mod merge;
mod objects;
mod own;
mod part;
mod paused;
mod refs;
mod reftable;
mod repo;
mod trees;
pub mod types;
mod user;
mod walk;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use back::{Back, Scope};
pub use cmd::Output;
pub use conclude::{Concluded, Conclusion};
pub use config::Setting;
pub use error::{Error, Result};
pub use hooks::HooksPath;
pub use marked::{Clash, Unmerged};
pub use objects::ObjectKind;
pub use part::Part;
pub use paused::{LockFile, Paused, PausedKind, Steps};
pub use refs::Refs;
pub use repo::Repo;
pub use types::*;
pub use walk::Link;
