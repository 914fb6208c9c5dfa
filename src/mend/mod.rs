//! What git has left half done in a person's checkout, ended at their wish: everything that could be lost is kept first
//! ([`rescue`]), then the checkout goes back to where it was ([`abort`]), or on ([`go_on`]), as git's own `--abort` and
//! `--continue` would have it go.

pub mod abort;
pub mod go_on;
pub mod rescue;

#[cfg(test)]
mod tests;

use crate::{
    base::{Exit, Explain},
    git, store,
};

/// Why something half done cannot be ended here. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// git has not written down, or no longer holds, where it began.
    #[error("where {what} began cannot be told: {why}")]
    Unknown {
        /// What is under way.
        what: &'static str,
        /// What is missing.
        why: String,
        /// git's own command.
        command: &'static str,
    },
    /// A program outside of git would have to write a file.
    #[error("{path:?} has to be written by the filter {driver:?}, and git otto runs no such program")]
    Filtered {
        /// The file.
        path: String,
        /// The name of the filter.
        driver: String,
        /// git's own command.
        command: &'static str,
    },
    /// Only a part of the files is there.
    #[error("this checkout is sparse, and git otto does not know which of its files are wanted")]
    Sparse {
        /// git's own command.
        command: &'static str,
    },
    /// A bisection is left with a checkout, which overwrites nothing.
    #[error("going back would overwrite what you changed in {}", .0.join(", "))]
    Changed(Vec<String>),
    /// There is still a conflict.
    #[error("still in conflict: {}", .0.join(", "))]
    Unresolved(Vec<String>),
    /// Only a person can say what comes next.
    #[error("how {what} goes on is yours to say")]
    Yours {
        /// What is under way.
        what: &'static str,
        /// git's own command.
        command: &'static str,
    },
    /// The folder of the checkout is gone.
    #[error("the folder of this checkout is not there: {0}")]
    NoFolder(String),
    /// The repository refused.
    #[error(transparent)]
    Git(#[from] git::Error),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A failure of the disk.
    #[error("could not go back")]
    Io(#[from] std::io::Error),
}

impl Explain for Refused {
    fn exit(&self) -> Exit {
        match self {
            Refused::Git(e) => e.exit(),
            Refused::Store(e) => e.exit(),
            Refused::Io(_) => Exit::Internal,
            _ => Exit::Refused,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Refused::Unknown { command, .. } | Refused::Filtered { command, .. } | Refused::Sparse { command } => {
                Some(format!("{command}    (git itself; commit or copy first what it would overwrite)"))
            }
            Refused::Changed(_) => Some("git stash, then: git otto recover --abort".into()),
            Refused::Unresolved(paths) => {
                let first = paths.first().map(String::as_str).unwrap_or_default();
                Some(format!("git add -- '{first}'    (once it is resolved; then: git otto recover --continue)"))
            }
            Refused::Yours { command, .. } => Some((*command).to_owned()),
            Refused::NoFolder(_) => Some("git worktree repair, or git worktree prune".into()),
            Refused::Git(git::Error::Locked { .. }) => {
                Some("git otto recover    (says how old the lock file is)".into())
            }
            Refused::Git(e) => e.hint(),
            Refused::Store(e) => e.hint(),
            Refused::Io(_) => None,
        }
    }
}
