//! Checks: what runs them, what they say in words, and who judges whom.

mod environ;
mod expect;
pub mod model;
mod pytest;
mod red;
mod run;
mod words;

pub use environ::{on_path, path_of, tools};
pub use run::{On, environment, run, unknown};
pub use words::{red_words, self_written, sentence};
