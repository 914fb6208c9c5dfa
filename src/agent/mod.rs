//! Who writes: one trait, typed tasks in, one outcome out.

mod command;
mod literate;
mod provider;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

pub use provider::{Provider, UnknownProvider};

use crate::base::{Cost, SliceId, World};

/// The value of a task's `schema` field.
pub const TASK_SCHEMA: &str = "otto.task/1";

/// What an agent is asked to do: the packet that a `command:` agent reads as JSON on standard input.
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
    /// Which attempt this is, from 1.
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

/// What an agent is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Write a spec.
    Compile,
    /// Build a slice.
    Build,
    /// Mend an attempt.
    Repair,
    /// Judge the product.
    Audit,
}

/// Something that did not hold, with evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailureNote {
    /// The check, or `scope`, `agent`, `merge`.
    pub what: String,
    /// One or a few sentences.
    pub detail: String,
    /// The end of standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
}

/// What an agent may take, and where its transcript goes.
#[derive(Clone, Debug)]
pub struct AgentEnv {
    /// The longest it may run.
    pub wall: Duration,
    /// The longest it may stay silent.
    pub idle: Option<Duration>,
    /// The file for what it printed; beside the workspace, never in it.
    pub transcript: PathBuf,
}

/// What came of an agent's work. Whether it changed anything is judged by who looks at the workspace.
#[derive(Clone, Debug)]
pub struct AgentOutcome {
    /// It ended as an agent that is done does. No evidence of anything.
    pub ok: bool,
    /// What it says it did, or why it failed; one line.
    pub detail: String,
    /// What it says it cost.
    pub cost: Cost,
    /// How long it took.
    pub duration: Duration,
    /// What it printed, redacted and bounded; none where it printed nothing or nothing could be kept.
    pub transcript: Option<PathBuf>,
}

/// Lets an agent do a task in its workspace. A failure of the agent is an outcome, not an error.
pub async fn run(world: &World, provider: &Provider, task: &Task, env: &AgentEnv) -> AgentOutcome {
    let begun: Instant = world.clock.mono();
    let mut outcome = match provider {
        Provider::Literate => literate::run(task),
        Provider::Command(argv) => command::run(world, argv, task, env).await,
    };
    outcome.duration = begun.elapsed();
    outcome
}

impl AgentOutcome {
    fn new(ok: bool, detail: impl Into<String>) -> Self {
        let (detail, cost) = (detail.into(), Cost::default());
        AgentOutcome { ok, detail, cost, duration: Duration::ZERO, transcript: None }
    }
}
