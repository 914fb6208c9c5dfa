//! What can go wrong in the store.

use crate::{
    base::{Exit, Explain, Oid, SpecId, json},
    git,
    store::{
        lease::Tenure,
        record::{Code, Violation},
    },
};

/// What came of a call to the store.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong in the store, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Git's own trouble.
    #[error(transparent)]
    Git(#[from] git::Error),
    /// The disk, or a failpoint.
    #[error("the store could not be written: {0}")]
    Io(#[from] std::io::Error),
    /// A lock file could not be used.
    #[error("the lock {path} could not be taken: {source}")]
    LockFile {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A value could not be written as JSON.
    #[error(transparent)]
    Json(#[from] json::Error),
    /// A ref stands in the way of another.
    #[error("{name} cannot be created: {by} is in the way (git keeps refs like files and folders)")]
    Blocked {
        /// The ref that is wanted.
        name: String,
        /// The one that is there.
        by: String,
    },
    /// A ref that never moves has another value already.
    #[error("{name} exists already{}", found.map(|o| format!(" and is {o}")).unwrap_or_default())]
    Exists {
        /// The ref.
        name: String,
        /// Its value.
        found: Option<Oid>,
    },
    /// There is no such ref.
    #[error("there is no {what}")]
    Missing {
        /// What was looked for.
        what: String,
    },
    /// A spec record is not what it has to be.
    #[error("the record {} is not valid: {}", .0.commit.short(), .0.message)]
    Record(Violation),
    /// A stored file of a run is not what it has to be.
    #[error("{what} is not valid: {why}")]
    Malformed {
        /// Which file of which ref.
        what: String,
        /// Why.
        why: String,
    },
    /// A record was written by a newer version of this program.
    #[error("{what} has format {format}; this version reads up to {known}")]
    TooNew {
        /// Which.
        what: String,
        /// Its format.
        format: u64,
        /// The newest that is known.
        known: u32,
    },
    /// What is to be recorded breaks a rule.
    #[error("the spec {spec} cannot take this record: {why}")]
    Refused {
        /// The spec.
        spec: SpecId,
        /// The rule.
        why: String,
    },
    /// Somebody else recorded something in the meantime.
    #[error("the spec {spec} has moved since it was read: {what}")]
    Moved {
        /// The spec.
        spec: SpecId,
        /// Where it is now.
        found: Option<Oid>,
        /// Who did what, when.
        what: String,
    },
    /// Another process holds the lock.
    #[error("{what} is held by {}", holder.as_ref().map_or("another process".to_owned(), |h| h.to_string()))]
    Locked {
        /// The spec, target or run.
        what: String,
        /// Who has it, where that is known.
        holder: Option<Box<Tenure>>,
        /// Whether the holder is on another machine, so that nobody can tell if it lives.
        elsewhere: bool,
        /// The spec that is meant, for the hint.
        spec: SpecId,
    },
    /// The lease is no longer ours.
    #[error("the lease of {run} was taken over by {by}")]
    LeaseLost {
        /// The run.
        run: String,
        /// By whom.
        by: String,
    },
    /// A path or size that evidence may not have.
    #[error("the evidence {path:?} cannot be stored: {why}")]
    BadEvidence {
        /// Its path, cut.
        path: String,
        /// Why.
        why: String,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::Git(e) => e.exit(),
            Error::Blocked { .. } => Exit::Usage,
            Error::Record(v) if v.code == Code::FormatTooNew => Exit::Refused,
            Error::Record(_) | Error::Refused { .. } | Error::Moved { .. } => Exit::Invalid,
            Error::TooNew { .. } => Exit::Refused,
            Error::Missing { .. } => Exit::Usage,
            Error::Locked { .. } | Error::LeaseLost { .. } => Exit::Locked,
            _ => Exit::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Error::Git(e) => e.hint(),
            Error::Blocked { by, .. } => Some(match by.strip_prefix("refs/heads/") {
                Some(branch) => format!("git branch -m {branch} <new-name>"),
                None => format!("git for-each-ref {by}"),
            }),
            Error::Record(v) => Some(v.hint.clone()),
            Error::TooNew { .. } => Some("install a newer git otto".into()),
            Error::Moved { spec, .. } => Some(format!("git otto log {spec}")),
            Error::Locked { elsewhere: true, spec, .. } => {
                Some(format!("git otto resume {spec} --take-over    (only if that machine works on it no more)"))
            }
            Error::Locked { .. } | Error::LeaseLost { .. } => Some("git otto status".into()),
            _ => None,
        }
    }
}
