//! What an agent is asked to write: the packet of one slice, and nothing of its peers.

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
    /// What a person says who had the slice begin anew.
    pub hint: Option<String>,
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
    /// Whether this slice may change it.
    pub owned: bool,
    /// literal or semantic.
    pub mode: &'static str,
    /// What it must offer.
    pub exports: Vec<String>,
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
