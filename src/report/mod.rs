//! The proof packet: what was asked, what was built, what proves it and what is missing. Rendered from refs, never
//! stored in them: the same refs give the same bytes.

use std::{io, path::PathBuf};

use crate::{
    base::{Failure, RunId, files},
    git::Repo,
};

mod assemble;
mod escape;
pub mod excerpts;
mod gather;
mod html;
mod lines;
mod markdown;
pub mod model;
#[cfg(test)]
mod tests;
mod view;
pub mod words;

pub use assemble::{Material, assemble};
pub use gather::packet;
pub use html::html;
pub use markdown::{markdown, pull_request};
pub use model::NO_MODEL;
use model::Packet;

/// The packet as JSON: two-space indent, a newline at the end.
pub fn json(packet: &Packet) -> Result<Vec<u8>, Failure> {
    let mut bytes = serde_json::to_vec_pretty(packet).map_err(io::Error::from)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Where a packet was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// For people.
    pub markdown: PathBuf,
    /// For browsers.
    pub html: PathBuf,
    /// For programs.
    pub json: PathBuf,
}

/// The folder of a run's packet.
pub fn folder(repo: &Repo, run: &RunId) -> PathBuf {
    repo.common_dir().join("otto/packets").join(run.as_str())
}

/// Writes a packet beside the repository's objects, for people and programs that do not ask otto: a copy, never read.
pub fn write(repo: &Repo, run: &RunId, packet: &Packet) -> Result<Paths, Failure> {
    let dir = folder(repo, run);
    std::fs::create_dir_all(&dir)?;
    let at = |name| dir.join(name);
    let paths = Paths { markdown: at("packet.md"), html: at("packet.html"), json: at("packet.json") };
    files::replace(&paths.json, &json(packet)?, false)?;
    files::replace(&paths.html, html(packet)?.as_bytes(), false)?;
    files::replace(&paths.markdown, markdown(packet)?.as_bytes(), false)?;
    Ok(paths)
}
