//! The proof packet as plain data: what was asked, what was built, what proves it and what is missing.

use serde::Serialize;

use crate::{
    base::{Oid, RunId, Sha256, SliceId, SpecId, Timestamp},
    checks::model::{Cause, Gate},
    journal::{
        event::{AttemptFailure, BlockReason, Cost, Verdict},
        state::Phase,
    },
};

/// The value of a packet's `schema` field.
pub const SCHEMA: &str = "otto.packet/1";

/// The JSON Schema of a packet (draft 2020-12).
pub const JSON_SCHEMA: &str = include_str!("../../schemas/packet.json");

/// What is said of a product that no model wrote.
pub const NO_MODEL: &str = "No model was used: this intent carries its own code; otto ordered, checked and landed it.";

/// A proof packet: a function of the repository's refs and of nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Packet {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// The run that it is about.
    pub run: RunId,
    /// What was asked.
    pub spec: Asked,
    /// The commit that the run started from.
    pub base: Oid,
    /// Where the product is.
    pub target: Target,
    /// When the run began; none if its journal does not say.
    pub started: Option<Timestamp>,
    /// When it ended; none while it has not.
    pub finished: Option<Timestamp>,
    /// How good the product is; none while the run has not ended.
    pub verdict: Option<Verdict>,
    /// Why, one sentence each.
    pub why: Vec<String>,
    /// Who built it.
    pub built_by: BuiltBy,
    /// Each requirement and what proves it.
    pub requirements: Vec<Proof>,
    /// Every check of the spec, cross-slice checks last.
    pub checks: Vec<Checked>,
    /// Every slice, in spec order.
    pub slices: Vec<Built>,
    /// What landed, in that order.
    pub landings: Vec<Landed>,
    /// What is missing.
    pub missing: Missing,
    /// Records of the spec after its approval, oldest first.
    pub amendments: Vec<Amendment>,
    /// How often the run was interrupted, and what was put right.
    pub recovery: Recovery,
    /// What is wrong with the journal or does not agree with git.
    pub problems: Vec<String>,
    /// How somebody who has only git checks all this.
    pub verify: Vec<HowTo>,
}

impl Packet {
    /// Whether the intent carried all the code, and no model judged it either.
    pub fn is_literate(&self) -> bool {
        self.built_by.sentence == NO_MODEL
    }
}

/// The version of the spec that the run builds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// Its id.
    pub id: SpecId,
    /// Its title.
    pub title: String,
    /// What kind of product it describes.
    pub kind: String,
    /// The intent's prose.
    pub intent: String,
    /// What is left out on purpose.
    pub non_goals: Vec<String>,
    /// The commit of the version.
    pub commit: Oid,
    /// The digest of its `spec.json`.
    pub digest: Sha256,
}

/// Where the product is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Target {
    /// The full name of the branch.
    pub name: String,
    /// The last landing, or the base before the first.
    pub commit: Oid,
}

/// Who built the product.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BuiltBy {
    /// In words.
    pub sentence: String,
    /// Each agent, by name.
    pub agents: Vec<Agent>,
    /// What all of it cost.
    pub cost: Cost,
}

/// What one agent did.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agent {
    /// Its name.
    pub provider: String,
    /// How many slices it worked on.
    pub slices: usize,
    /// How many attempts it made.
    pub attempts: usize,
    /// What they cost.
    pub cost: Cost,
}

/// How far a requirement is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proven {
    /// All its checks hold on the product, at least one of them not written by who built it.
    Yes,
    /// All its checks hold, but each is a test that its slice wrote itself.
    SelfWritten,
    /// A check of it does not hold, was not run, or there is none.
    No,
}

/// A requirement and what proves it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proof {
    /// The requirement.
    pub id: String,
    /// What must hold.
    pub text: String,
    /// Whether it does.
    pub proven: Proven,
    /// Ids of the checks that prove it.
    pub checks: Vec<String>,
}

/// A check and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Checked {
    /// Its id.
    pub id: String,
    /// Its slice; none of a cross-slice check.
    pub slice: Option<SliceId>,
    /// Its kind.
    pub kind: String,
    /// What it states, one sentence.
    pub sentence: String,
    /// When it is a gate.
    pub gate: Gate,
    /// The digest of its definition.
    pub digest: Sha256,
    /// The tests that its own slice writes; such a check proves nothing alone.
    pub self_written: Vec<String>,
    /// What red on the base says of a `new` check, in words; none where it was not run there.
    pub on_base: Option<String>,
    /// Whether it holds on the product: by the audit, else by the queue. None if neither ran it.
    pub holds: Option<bool>,
    /// The last result of each round: base, candidate, queue, audit.
    pub results: Vec<Evidence>,
}

/// One result of a check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// base, candidate, queue-n or audit-n.
    pub round: String,
    /// The tree that it ran on.
    pub tree: Oid,
    /// Why it is green or red.
    pub cause: Cause,
    /// In words.
    pub detail: String,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// The blob of its `result.json`.
    pub blob: Oid,
    /// The command that shows it.
    pub command: String,
    /// Its folder in the run's evidence, where that is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of a red result on the product or its candidate: the end of what it printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// The same of its standard error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// Pictures among its artifacts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
}

/// A picture among the artifacts of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Its name beside the result.
    pub name: String,
    /// Its blob.
    pub blob: Oid,
    /// Its media type, told by its first bytes.
    pub media: &'static str,
    /// Its content, for the page.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// A slice and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Built {
    /// Its id.
    pub id: SliceId,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub phase: Phase,
    /// The slices that it needs.
    pub deps: Vec<SliceId>,
    /// Its attempts, first to last.
    pub attempts: Vec<Attempt>,
    /// How often the queue gave it back.
    pub repairs: u32,
    /// What it cost.
    pub cost: Cost,
    /// How long agents worked on it, milliseconds.
    pub agent_ms: u64,
    /// Why it was not needed, if it was not.
    pub redundant: Option<String>,
    /// Why it cannot go on, if it cannot.
    pub blocked: Option<Blocked>,
    /// What it was set aside for, first to last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Waited>,
}

/// That a slice was set aside until the owner of a contract changed it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Waited {
    /// The contract.
    pub path: String,
    /// Who owns it.
    pub owner: SliceId,
    /// The attempt that needed it.
    pub attempt: u32,
    /// What for, in the words of its agent.
    pub reason: String,
    /// Whether the owner has done it; none while that is open.
    pub done: Option<bool>,
}

/// One attempt at a slice.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    /// From 1.
    pub n: u32,
    /// Who made it.
    pub provider: String,
    /// Its commit, where it came to one.
    pub commit: Option<Oid>,
    /// Why it failed, if it did.
    pub failed: Option<Failed>,
    /// Paths that it changed without owning them.
    pub violations: Vec<String>,
    /// What it cost.
    pub cost: Cost,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Failed {
    /// The kind of reason.
    pub reason: AttemptFailure,
    /// In words.
    pub detail: String,
}

/// Why a slice cannot go on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Blocked {
    /// The kind of reason.
    pub reason: BlockReason,
    /// In words.
    pub detail: String,
}

/// A landing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Landed {
    /// What landed.
    pub slice: SliceId,
    /// The commit on the target.
    pub commit: Oid,
    /// The tree that was tested, which is the commit's.
    pub tree: Oid,
    /// What it changed against its first parent; none where git could not say.
    pub diffstat: Option<Diffstat>,
}

/// How much a landing changed, apart from the copy of the spec in it. Lines are counted in every file, binary or not; a
/// rename is a removal and an addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diffstat {
    /// Files.
    pub files: u64,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
}

/// What is missing.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Missing {
    /// Slices that did not come to a good end.
    pub slices: Vec<MissingSlice>,
    /// Ids of requirements that are not proven.
    pub requirements: Vec<String>,
    /// Ids of checks that do not hold on the product.
    pub checks: Vec<String>,
}

impl Missing {
    /// Nothing is.
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty() && self.requirements.is_empty() && self.checks.is_empty()
    }
}

/// A slice that did not come to a good end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MissingSlice {
    /// Which.
    pub id: SliceId,
    /// Why, one sentence.
    pub why: String,
    /// Slices that need it, directly or not.
    pub dependents: Vec<SliceId>,
}

/// A record of the spec after its approval.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Amendment {
    /// Its commit.
    pub commit: Oid,
    /// amend, merge, retire or close.
    pub kind: String,
    /// Who made it.
    pub actor: String,
    /// When.
    pub time: Timestamp,
    /// Why.
    pub reason: String,
    /// Its tier, of an amendment.
    pub tier: Option<u8>,
    /// The event that an agent's amendment answers.
    pub trigger: Option<String>,
    /// What it changed, one line each.
    pub changes: Vec<String>,
}

/// How often the run was interrupted, and what was put right.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// How often a process took it up again.
    pub resumes: u32,
    /// What was put right, in order.
    pub actions: Vec<String>,
}

/// A command that checks something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HowTo {
    /// What it shows.
    pub what: String,
    /// The command, ready to be copied.
    pub command: String,
}
