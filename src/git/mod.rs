//! The one door to gix, and the one place that starts `git`.

mod checkout;
mod cmd;
mod commits;
mod config;
mod error;
mod files;
mod hooks;
mod incoming;
mod index;
mod inflight;
mod merge;
mod objects;
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

pub use cmd::Output;
pub use config::Setting;
pub use error::{Error, Result};
pub use hooks::HooksPath;
pub use objects::ObjectKind;
pub use refs::Refs;
pub use repo::Repo;
pub use types::*;
pub use user::UnderWay;
pub use walk::Link;
