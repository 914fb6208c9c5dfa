//! Checks: what runs them, what they say in words, and who judges whom.

mod api;
mod artifacts;
mod environ;
pub mod evaluator;
mod expect;
pub mod model;
mod ports;
mod pytest;
mod red;
mod run;
mod serve;
mod words;

pub use environ::{on_path, path_of, tools};
pub use ports::Ports;
pub use run::{On, environment, judge, probe, run, unknown};
pub use serve::Served;
pub use words::{red_words, self_written, sentence};
