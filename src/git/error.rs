//! What can go wrong at the git door.

use std::path::PathBuf;

use crate::base::{Exit, Explain, Oid, text};

/// The result of everything at this door.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be read from or written to a repository.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No repository here or above.
    #[error("{} is not in a git repository", .0.display())]
    NoRepository(PathBuf),
    /// The repository uses something this program does not know; going on could damage it.
    #[error("the repository at {} uses {what}, which git otto does not know", git_dir.display())]
    Unsupported {
        /// The repository.
        git_dir: PathBuf,
        /// The extension or version.
        what: String,
    },
    /// An object is not in the repository.
    #[error("object {0} is not in the repository")]
    NoObject(Oid),
    /// An object cannot be read back as what its id promises.
    #[error("object {id} is damaged: {why}")]
    Corrupt {
        /// Its id.
        id: Oid,
        /// What was found.
        why: String,
    },
    /// An object is of another kind.
    #[error("object {id} is a {found}, not a {wanted}")]
    WrongKind {
        /// Its id.
        id: Oid,
        /// What it had to be.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// An object is larger than what the caller reads.
    #[error("object {id} has {size} bytes; at most {max} are read here")]
    TooLarge {
        /// Its id.
        id: Oid,
        /// Its size, bytes.
        size: u64,
        /// The limit, bytes.
        max: u64,
    },
    /// A path that would leave the tree, or cannot stand in one.
    #[error("path {path:?} cannot be used: {why}")]
    BadPath {
        /// The path.
        path: String,
        /// Why not.
        why: String,
    },
    /// A ref's name or content is unusable.
    #[error("ref {name:?}: {why}")]
    Ref {
        /// The full name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A ref is symbolic, and no edit goes through such a ref.
    #[error("ref {name} is symbolic (it points to {target}); git otto never writes through it")]
    Symbolic {
        /// The full name.
        name: String,
        /// Where it points.
        target: String,
    },
    /// A ref cannot exist beside another, as a file cannot beside a folder of the same name.
    #[error("ref {name} cannot exist while {other} does")]
    Blocks {
        /// The ref to be made.
        name: String,
        /// The one in its way.
        other: String,
    },
    /// Somebody holds a ref's lock for too long.
    #[error("ref {name} is locked: {why}")]
    Locked {
        /// One of the refs of the edit.
        name: String,
        /// What stands in the way.
        why: String,
    },
    /// An edit was reported as done, but is not there.
    #[error("ref {name} was written, but reading it back gives {found}")]
    Swallowed {
        /// The full name.
        name: String,
        /// What was found.
        found: String,
    },
    /// Nobody knows who commits.
    #[error("git does not know who you are: {0} is not set")]
    NoIdentity(&'static str),
    /// A revision given by the user names no commit.
    #[error("{rev:?} names no commit: {why}")]
    Revision {
        /// What was given.
        rev: String,
        /// Why.
        why: String,
    },
    /// The tracked configuration is none.
    #[error("HEAD:.otto/config cannot be read as configuration: {0}")]
    TrackedConfig(String),
    /// A value in the configuration is of the wrong type.
    #[error("configuration {key}={value:?} is not {wanted}")]
    Config {
        /// The key.
        key: String,
        /// Its value.
        value: String,
        /// The type.
        wanted: &'static str,
    },
    /// The file system refused.
    #[error("could not {what} {}", path.display())]
    Io {
        /// The verb.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// gix could not do it.
    #[error("could not {what}")]
    Gix {
        /// The verb and its object.
        what: &'static str,
        /// Why.
        source: Box<gix::Error>,
    },
    /// `git` said less than it had to say, and did not tell.
    #[error("git {0} did not answer to the end")]
    CutOff(&'static str),
    /// There is a repository, and it does not open.
    #[error("the repository at {} cannot be opened", .0.display())]
    Unreadable(PathBuf),
    /// The `git` program failed.
    #[error("git {command} failed ({status}): {stderr}")]
    Git {
        /// The subcommand.
        command: String,
        /// How it ended.
        status: String,
        /// The first line of what it said.
        stderr: String,
    },
}

impl Error {
    pub(super) fn gix(what: &'static str) -> impl FnOnce(gix::Error) -> Error {
        move |source| Error::Gix { what, source: Box::new(source) }
    }

    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { what, path, source }
    }

    pub(super) fn bad_path(path: &[u8], why: impl ToString) -> Error {
        Error::BadPath { path: text::one_line(&String::from_utf8_lossy(path), 200), why: why.to_string() }
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Error::NoRepository(_)
            | Error::NoIdentity(_)
            | Error::Revision { .. }
            | Error::Config { .. }
            | Error::TrackedConfig(_) => Exit::Usage,
            Error::Unsupported { .. } | Error::Symbolic { .. } | Error::Blocks { .. } => Exit::Refused,
            Error::Locked { .. } => Exit::NeedsRecovery,
            _ => Exit::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::NoRepository(_) => "git init".into(),
            Error::NoIdentity(_) => {
                "git config --global user.name \"Your Name\"\ngit config --global user.email you@example.org".into()
            }
            Error::TrackedConfig(_) => "git config --file .otto/config --list    (mend it, and commit it)".into(),
            Error::Config { key, .. } => format!("git config --unset {key}"),
            Error::NoObject(_) | Error::Corrupt { .. } => "git fsck --full".into(),
            Error::Locked { .. } => "git otto doctor".into(),
            Error::Blocks { other, .. } => format!("git branch -m or git update-ref -d {other}"),
            _ => return None,
        })
    }
}
