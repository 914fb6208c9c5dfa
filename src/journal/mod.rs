//! The journal: append-only events in git notes, and their replay.
//!
//! A [`Writer`] appends; [`read`] gives the events of all writers of a run and the state that follows from them.

mod apply;
pub mod event;
pub mod line;
pub mod log;
mod notes;
mod read;
pub mod replay;
pub mod segment;
pub mod state;
mod text;
mod writer;

pub use notes::annotated;
pub use read::{Written, of_writer, read};
pub use replay::{Receipt, Replayed};
pub use writer::Writer;

use crate::{
    base::{Exit, Explain, Oid, RunId, json},
    git, store,
};

/// The result of everything in this module.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Git's own trouble.
    #[error(transparent)]
    Git(#[from] git::Error),
    /// The store's trouble.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The disk, the random numbers, or a failpoint.
    #[error("the journal could not be written: {0}")]
    Io(#[from] std::io::Error),
    /// An event that is no JSON.
    #[error("the journal could not be written: {0}")]
    Json(#[from] json::Error),
    /// A journal has one author, and somebody else moved it.
    #[error("{name} was moved by somebody else{}: a journal has one writer", found.map(|o| format!(" to {o}")).unwrap_or_default())]
    Moved {
        /// The notes ref.
        name: String,
        /// Where it is now.
        found: Option<Oid>,
    },
    /// An event that no reader would take.
    #[error("an event {kind} cannot be written: {why}")]
    Unwritable {
        /// Its kind.
        kind: &'static str,
        /// Why.
        why: String,
    },
    /// A note on a commit that holds the journal itself.
    #[error("{0} holds events of the journal: no receipt can stand there")]
    OwnCommit(Oid),
    /// A note that is too large.
    #[error("the note on {commit} would have {size} bytes")]
    Receipt {
        /// The commit.
        commit: Oid,
        /// The size.
        size: usize,
    },
    /// More than this program reads.
    #[error("run {run} has {found} {what}; at most {max} are read")]
    TooMany {
        /// The run.
        run: RunId,
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        max: usize,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Git(e) => e.exit(),
            Error::Store(e) => e.exit(),
            Error::Moved { .. } => Exit::Refused,
            _ => Exit::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Git(e) => e.hint(),
            Error::Store(e) => e.hint(),
            Error::Moved { .. } => Some("git otto resume".into()),
            Error::TooMany { run, .. } => Some(format!("git for-each-ref {}", store::names::journal_prefix(run))),
            _ => None,
        }
    }
}
pub use log::Log;
