//! What an agent is asked to write: the packet of one slice, and of its peers only what it conflicts with.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;

use super::Role;
use crate::base::SliceId;

/// The value of a task's `schema` field.
pub const TASK_SCHEMA: &str = "otto.task/1";

/// What an agent is asked to do: the packet that a `command:` agent reads as JSON on standard input, and that the
/// prompts for models are rendered from.
#[derive(Clone, Debug, Serialize)]
pub struct Task {
    /// `otto.task/1`.
    pub schema: &'static str,
    /// build or repair.
    pub role: Role,
    /// The slice to build.
    pub slice: SliceId,
    /// Its title.
    pub title: String,
    /// Which attempt at the slice this is, from 1; attempts at earlier versions of it count.
    pub attempt: u32,
    /// The product's title and intent.
    pub product: Product,
    /// Texts of the slice's requirements by id.
    pub requirements: BTreeMap<String, String>,
    /// Guidance.
    pub tasks: Vec<String>,
    /// Path patterns that may be changed.
    pub owned_paths: Vec<String>,
    /// Path patterns that lines may be added to.
    pub shared_scaffold: Vec<String>,
    /// The slice's checks, one sentence each, by id.
    pub checks: BTreeMap<String, String>,
    /// `new` checks that are green already.
    pub green_on_base: Vec<String>,
    /// What failed in the last attempt, with evidence; empty in the first.
    pub failures: Vec<FailureNote>,
    /// Where the last candidate conflicts with what has landed; the workspace holds both.
    pub conflicts: Vec<Conflict>,
    /// What a person says who had the slice begin anew.
    pub hint: Option<String>,
    /// Of a task for others: the contract that it is about, and all that may be changed. The slice itself is on the target.
    pub contract: Option<String>,
    /// What other slices need of contracts of this one.
    pub needs: Vec<Need>,
    /// What this slice asked for in contracts of others, and is there now.
    pub granted: Vec<Granted>,
    /// Contracts of the slice's concern: its own, and those of slices that it builds on.
    pub contracts: Vec<Contract>,
    /// Where to work: the current directory of the agent.
    pub workspace: PathBuf,
    /// Files that the intent carries for this attempt (path, executable, content): what `literate` writes. Never shown
    /// to other agents.
    #[serde(skip)]
    pub blocks: Vec<Block>,
}

/// What the product is, for an agent that builds one slice of it.
#[derive(Clone, Debug, Serialize)]
pub struct Product {
    /// One line.
    pub title: String,
    /// The intent's prose.
    pub intent: String,
    /// webapp, cli, library, api or service.
    pub kind: String,
}

/// A file that several slices rely on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// Where it is.
    pub path: String,
    /// The slice that owns it.
    pub owner: SliceId,
    /// Whether this slice may change it.
    pub owned: bool,
    /// literal or semantic.
    pub mode: &'static str,
    /// What it must offer.
    pub exports: Vec<String>,
}

/// What another slice needs of a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Need {
    /// The event that tells it.
    pub id: String,
    /// Who needs it.
    pub slice: SliceId,
    /// Its title.
    pub title: String,
    /// The contract.
    pub path: String,
    /// What for, in the words of its agent.
    pub reason: String,
}

/// What a slice asked for in a contract of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Granted {
    /// The contract.
    pub path: String,
    /// What for, in the words of its agent.
    pub reason: String,
}

/// A path in which a candidate conflicts with what has landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// Where.
    pub path: String,
    /// In which ways: contents, add/add, modify/delete, binary, rename/delete, mode, symlink…
    pub kinds: Vec<String>,
    /// Whether the file in the workspace holds both sides between marks. Where it does not, one side stands there, or none;
    /// what is not the slice's to write stands as on the target.
    pub marked: bool,
    /// The slices that own it.
    pub owners: Vec<SliceId>,
    /// The slice that changed it last on the target; none where no slice of the run did.
    pub landed: Option<Landed>,
    /// What both sides come from; none where it was not there.
    pub base: Option<Side>,
    /// What the target has.
    pub target: Option<Side>,
    /// What the slice's candidate has.
    pub candidate: Option<Side>,
}

/// A slice that has landed, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Landed {
    /// The slice.
    pub slice: SliceId,
    /// Its title.
    pub title: String,
    /// Texts of its requirements by id.
    pub requirements: BTreeMap<String, String>,
}

/// One side of a conflict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The mode as git prints it.
    pub mode: &'static str,
    /// How many bytes it has.
    pub size: u64,
    /// What it holds; none of what is no text or too large.
    pub text: Option<String>,
}

/// A file that the intent carries.
#[derive(Clone, Debug)]
pub struct Block {
    /// Where it goes.
    pub path: String,
    /// Whether it is executable.
    pub executable: bool,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Something that did not hold, with evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureNote {
    /// The check, or `scope`, `agent`, `merge`, `amendment`.
    pub what: String,
    /// One or a few sentences.
    pub detail: String,
    /// The end of standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}
