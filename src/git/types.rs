//! The plain data that goes in and out of the git door.

pub use gix::bstr::{BStr, BString, ByteSlice};

use crate::base::{Oid, Timestamp};

/// Who made an object, and when: always UTC, so that a commit is a function of its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The name, without `<`, `>` and newlines.
    pub name: String,
    /// The mail address.
    pub email: String,
    /// When; a commit keeps whole seconds.
    pub time: Timestamp,
}

/// What an entry of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// A plain file, 100644.
    Plain,
    /// An executable file, 100755.
    Executable,
    /// A symbolic link, 120000.
    Symlink,
    /// A submodule, 160000.
    Submodule,
}

impl Mode {
    /// The mode as git prints it.
    pub fn octal(self) -> &'static str {
        match self {
            Mode::Plain => "100644",
            Mode::Executable => "100755",
            Mode::Symlink => "120000",
            Mode::Submodule => "160000",
        }
    }
}

/// One file of a tree, at any depth.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its path from the root, with `/`.
    pub path: BString,
    /// What it is.
    pub mode: Mode,
    /// Its content.
    pub oid: Oid,
}

/// One path in which two trees differ. Renames are a removal and an addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its path from the root.
    pub path: BString,
    /// What it was; none if it is new.
    pub old: Option<(Mode, Oid)>,
    /// What it is; none if it is gone.
    pub new: Option<(Mode, Oid)>,
}

/// A commit to be written.
#[derive(Clone, Debug)]
pub struct NewCommit<'a> {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// Who wrote the content.
    pub author: &'a Signature,
    /// Who made the commit.
    pub committer: &'a Signature,
    /// The whole message.
    pub message: String,
}

/// A commit as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its tree.
    pub tree: Oid,
    /// Its parents, in order.
    pub parents: Vec<Oid>,
    /// Who wrote the content.
    pub author: Signature,
    /// Offset from UTC of the author's time, seconds.
    pub author_offset: i32,
    /// Who made the commit.
    pub committer: Signature,
    /// Offset from UTC of the committer's time, seconds.
    pub committer_offset: i32,
    /// The whole message.
    pub message: BString,
}

/// What a ref points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An object.
    Oid(Oid),
    /// Another ref, by full name.
    Symbolic(String),
}

/// What a ref must be for an edit to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// It must not exist.
    Absent,
    /// It must be exactly this.
    Is(Oid),
}

/// One edit of one ref by compare-and-swap. `new: None` deletes it; `new` equal to `old` only verifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefEdit {
    /// The full name.
    pub name: String,
    /// What it must be.
    pub old: Old,
    /// What it becomes.
    pub new: Option<Oid>,
}

/// What came of a swap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// All edits are done, durable and read back.
    Done,
    /// Nothing was done: this ref was not what it had to be.
    Lost {
        /// The full name.
        name: String,
        /// What it is.
        found: Option<Oid>,
    },
}

/// Where a HEAD is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Head {
    /// On a branch, by full name; without a commit while unborn.
    Branch(String, Option<Oid>),
    /// On a commit.
    Detached(Oid),
}

impl Head {
    /// The commit; none while unborn.
    pub fn at(&self) -> Option<Oid> {
        match self {
            Head::Branch(_, at) => *at,
            Head::Detached(at) => Some(*at),
        }
    }
}

/// What came of a three-way merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The tree.
    Clean(Oid),
    /// These paths conflict, in words where more is known.
    Conflict(Vec<BString>),
}
