//! What every other module stands on: ids, digests, time, the environment, processes, locks and failpoints.
//!
//! Imports nothing from this crate. What is particular to an operating system sits here.

pub mod cost;
pub mod digest;
pub mod error;
pub mod faults;
pub mod files;
pub mod glob;
pub mod http;
pub mod id;
pub mod json;
pub mod keys;
pub mod lock;
pub mod oid;
pub mod procs;
pub mod scratch;
pub mod text;
pub mod time;
pub mod world;

pub use cost::Cost;
pub use digest::Sha256;
pub use error::{Exit, Explain, Failure};
pub use faults::{Faults, Point};
pub use id::{RunId, SliceId, SpecId};
pub use oid::Oid;
pub use time::Timestamp;
pub use world::{Env, World};
