//! The hooks of git: what they answer, and how they come to be called.
//!
//! Nothing is judged here: a hook is told what is about to happen, and asks `verify`.

mod answer;
mod files;
mod install;
mod program;
mod shim;
mod status;

use std::{fmt, str::FromStr};

pub use answer::{CANARY, Said, answer, is_unreadable};
pub use files::{Change, Keep, Planned, Record};
pub use install::{Plan, Seat, plan, undo};
pub use status::{Hook, State, look, server_settings};

/// A hook that this program answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Before a commit is made.
    PreCommit,
    /// Before a merge is committed.
    PreMergeCommit,
    /// Before refs are pushed.
    PrePush,
    /// Before refs are moved, whoever moves them through git.
    ReferenceTransaction,
    /// On a server, before any ref of a push is moved.
    PreReceive,
    /// On a server, before one ref of a push is moved.
    Update,
}

/// Where a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where people work: it tells and stops.
    Client,
    /// Where people push: it prevents.
    Server,
}

impl Name {
    /// All of them.
    pub const ALL: [Name; 6] = [
        Name::PreCommit,
        Name::PreMergeCommit,
        Name::PrePush,
        Name::ReferenceTransaction,
        Name::PreReceive,
        Name::Update,
    ];

    /// As git calls it.
    pub fn word(self) -> &'static str {
        match self {
            Name::PreCommit => "pre-commit",
            Name::PreMergeCommit => "pre-merge-commit",
            Name::PrePush => "pre-push",
            Name::ReferenceTransaction => "reference-transaction",
            Name::PreReceive => "pre-receive",
            Name::Update => "update",
        }
    }

    /// Where it runs.
    pub fn side(self) -> Side {
        match self {
            Name::PreReceive | Name::Update => Side::Server,
            _ => Side::Client,
        }
    }

    /// Those of a side.
    pub fn of(side: Side) -> impl Iterator<Item = Name> {
        Name::ALL.into_iter().filter(move |name| name.side() == side)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Name::ALL.into_iter().find(|name| name.word() == text).ok_or_else(|| format!("no hook {text:?} is answered"))
    }
}
