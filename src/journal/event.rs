//! What can happen in a run. One enum defines the kinds; serialisation, replay, documentation and packet derive from it.
//! How an event becomes a line, and a line an event, is in [`crate::journal::line`].

use serde::{Deserialize, Serialize};

pub use crate::base::Cost;
use crate::{
    base::{Oid, Sha256, SliceId, Timestamp},
    checks::model::Cause,
};

/// One line of a journal.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Always 1.
    pub v: u32,
    /// `<writer>-<seq>`.
    pub id: String,
    /// Position in its writer's journal, from 1.
    pub seq: u64,
    /// Logical time: larger than of every event that its writer had seen (Lamport 1978).
    pub lamport: u64,
    /// When, by the writer's clock.
    pub ts: Timestamp,
    /// `sha256:` and the digest of the writer's previous line without its newline; of the anchor's id for the first.
    pub prev: String,
    /// What happened: `kind` and `data`, and to whom.
    pub fact: Fact,
}

/// What happened, and to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What happened.
    pub kind: Kind,
    /// To which slice.
    pub slice: Option<SliceId>,
    /// To which generation of it: the digest of the slice's inputs.
    pub r#gen: Option<Sha256>,
    /// To which attempt at the slice, from 1; the numbers go on through its generations.
    pub attempt: Option<u32>,
}

/// How good the product is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Too little of it is proven.
    Blocked,
    /// Some of it is proven.
    Partial,
    /// All of it is proven.
    Passed,
}

/// Why a slice cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockReason {
    /// A slice that it needs is blocked.
    DepBlocked,
    /// A `keeps` check is not green on the base, or no `new` check is red there in a way that says something.
    BaseUnfit,
    /// Two attempts made the same change.
    SameDiff,
    /// All attempts are used up.
    Attempts,
    /// Three attempts in a row changed what the slice does not own.
    Scope,
    /// It cost or took too much.
    Budget,
    /// It could not be merged, or what was merged did not pass, after repairs.
    Merge,
    /// A contract that it needs could not be settled.
    Contract,
    /// A check could not be evaluated at all.
    Unknown,
    /// A person skipped or cancelled it.
    Skipped,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptFailure {
    /// The agent failed, crashed or was stopped.
    Agent,
    /// The agent changed nothing.
    Empty,
    /// It changed what the slice does not own.
    Scope,
    /// A check is not green.
    Checks,
    /// It could not be merged onto the target.
    Conflict,
    /// Checks failed on the integrated tree.
    Integration,
    /// The process that ran it died.
    Lost,
}

/// One finding of an audit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Which check, requirement or slice it is about.
    pub about: String,
    /// What was found, one sentence.
    pub text: String,
    /// The best verdict that it allows.
    pub cap: Verdict,
}

/// Whether nobody had owned the run before, as far as was known.
fn is_first(term: &u64) -> bool {
    *term == 0
}

/// The kinds of event and their data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "data", deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are explained by `schemas/event.json`; tests hold both together")]
pub enum Kind {
    /// The run began.
    #[serde(rename = "run.started")]
    RunStarted { spec: Oid, target: String, base: Oid },
    /// Another process went on with it.
    #[serde(rename = "run.resumed")]
    RunResumed {
        reason: String,
        #[serde(default, skip_serializing_if = "is_first")]
        term: u64,
    },
    /// It was interrupted in order.
    #[serde(rename = "run.paused")]
    RunPaused { reason: String },
    /// It came to its end.
    #[serde(rename = "run.finished")]
    RunFinished { verdict: Verdict, why: Vec<String>, target: Oid },
    /// It works on this version of its spec from now on.
    #[serde(rename = "run.amended")]
    RunAmended { spec: Oid },
    /// The project's own commands were tried on the base.
    #[serde(rename = "baseline.finished")]
    BaselineFinished { commands: Vec<BaselineCommand> },
    /// An agent was started on an attempt, or, without a slice, on the audit that is under way. Told again for the same
    /// attempt when its program says what it calls the conversation, and when the process that ran it died: then the
    /// attempt begins anew and is not counted twice. `told` are the `contract.blocked` events whose needs its task tells.
    #[serde(rename = "agent.started")]
    AgentStarted {
        provider: String,
        role: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        session: Option<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        told: Vec<String>,
    },
    /// It ended well.
    #[serde(rename = "agent.finished")]
    AgentFinished { cost: Cost, duration_ms: u64, summary: String },
    /// It did not.
    #[serde(rename = "agent.failed")]
    AgentFailed { cost: Cost, duration_ms: u64, detail: String },
    /// A slice is being built on this commit; `green` are the `new` checks that already hold there.
    #[serde(rename = "slice.started")]
    SliceStarted { base: Oid, green: Vec<String> },
    /// An amendment changed its inputs: the generation that is named begins, or, where it is the one that was, ends.
    /// `request` is the event by which the slice's own agent asked for that: its attempts go on to count.
    #[serde(rename = "slice.invalidated")]
    SliceInvalidated {
        by: Oid,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<String>,
    },
    /// It cannot go on.
    #[serde(rename = "slice.blocked")]
    SliceBlocked { reason: BlockReason, detail: String },
    /// A check is running on a tree; `round` is base, candidate, queue-n or audit-n. Those of round base come before
    /// `slice.started` and belong to no attempt; those of the audit belong to no slice.
    #[serde(rename = "slice.check.started")]
    CheckStarted { check: String, round: String, tree: Oid },
    /// It came to its end; `evidence` is the blob of its `result.json`.
    #[serde(rename = "slice.check.finished")]
    CheckFinished {
        check: String,
        digest: Sha256,
        round: String,
        tree: Oid,
        passed: bool,
        cause: Cause,
        detail: String,
        duration_ms: u64,
        evidence: Oid,
    },
    /// An attempt failed; `diff` is the digest of its change, to notice the same one twice.
    #[serde(rename = "slice.attempt.failed")]
    AttemptFailed {
        reason: AttemptFailure,
        detail: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<Oid>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diff: Option<Sha256>,
    },
    /// Its candidate passed and waits for the queue.
    #[serde(rename = "slice.merge.eligible")]
    MergeEligible { candidate: Oid },
    /// The candidate was merged with the tip; `commit` is under test.
    #[serde(rename = "slice.merge.started")]
    MergeStarted { candidate: Oid, tip: Oid, commit: Oid, tree: Oid, round: u32 },
    /// It conflicts or does not pass on the tip; its agent gets it back.
    #[serde(rename = "slice.merge.repair")]
    MergeRepair { reason: AttemptFailure, detail: String },
    /// It is on the target.
    #[serde(rename = "slice.merge.landed")]
    MergeLanded { commit: Oid, tree: Oid, tip: Oid },
    /// Everything it promises holds already.
    #[serde(rename = "slice.merge.redundant")]
    MergeRedundant { tree: Oid, detail: String },
    /// An attempt changed what the slice does not own.
    #[serde(rename = "scope.violation")]
    ScopeViolation { paths: Vec<String> },
    /// An agent asks for another spec, or for a change in another slice's file. With `change`, a JSON object as text, it
    /// waits for a decision: an amendment that names this event, or a rejection that does. With `contract`, the path of one,
    /// its attempt cannot pass without a change there; whether that is so its checks say.
    #[serde(rename = "amendment.requested")]
    AmendmentRequested {
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        change: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contract: Option<String>,
    },
    /// It does not get it; without `request` what it wrote could not be read.
    #[serde(rename = "amendment.rejected")]
    AmendmentRejected {
        code: String,
        detail: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<String>,
    },
    /// A slice is set aside: what its attempt asked for is for the owner of a contract to do. `candidate` is what the attempt
    /// made, which is merged once that is done; without one the attempt goes on then.
    #[serde(rename = "contract.blocked")]
    ContractBlocked {
        path: String,
        owner: SliceId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        candidate: Option<Oid>,
    },
    /// It waits no longer: the owner has done it, or it will not be done, and why.
    #[serde(rename = "contract.settled")]
    ContractSettled {
        path: String,
        passed: bool,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// The whole is being judged.
    #[serde(rename = "audit.started")]
    AuditStarted { round: u32, commit: Oid },
    /// It was judged.
    #[serde(rename = "audit.finished")]
    AuditFinished { round: u32, verdict: Verdict, findings: Vec<Finding> },
    /// Findings go back to a slice, or, with `contract`, what others need of that file, which it owns.
    #[serde(rename = "repair.started")]
    RepairStarted {
        findings: Vec<Finding>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        contract: Option<String>,
    },
    /// What came of it, where it did not land: the slice stands where it stood before.
    #[serde(rename = "repair.finished")]
    RepairFinished {
        passed: bool,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        detail: String,
    },
    /// What a dead process left was put right.
    #[serde(rename = "recovery.performed")]
    RecoveryPerformed { actions: Vec<String> },
    /// A limit was reached.
    #[serde(rename = "budget.exceeded")]
    BudgetExceeded { what: String, limit: u64, used: u64 },
    /// The intent is not the one that was approved.
    #[serde(rename = "intent.lock.violated")]
    IntentLockViolated { expected: Sha256, found: Sha256 },
    /// Another process asks for something, in whose name, with what a person says about it.
    #[serde(rename = "control.requested")]
    ControlRequested {
        action: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// It was done, or, where no generation is named, refused.
    #[serde(rename = "control.applied")]
    ControlApplied { request: String, result: String },
}

macro_rules! names {
    ($($variant:ident = $name:literal,)*) => {
        impl Kind {
            /// The names of all kinds, in source order.
            pub const NAMES: &'static [&'static str] = &[$($name,)*];

            /// The name that a line carries as `kind`.
            pub fn name(&self) -> &'static str {
                match self { $(Kind::$variant { .. } => $name,)* }
            }
        }
    };
}

names! {
    RunStarted = "run.started",
    RunResumed = "run.resumed",
    RunPaused = "run.paused",
    RunFinished = "run.finished",
    RunAmended = "run.amended",
    BaselineFinished = "baseline.finished",
    AgentStarted = "agent.started",
    AgentFinished = "agent.finished",
    AgentFailed = "agent.failed",
    SliceStarted = "slice.started",
    SliceInvalidated = "slice.invalidated",
    SliceBlocked = "slice.blocked",
    CheckStarted = "slice.check.started",
    CheckFinished = "slice.check.finished",
    AttemptFailed = "slice.attempt.failed",
    MergeEligible = "slice.merge.eligible",
    MergeStarted = "slice.merge.started",
    MergeRepair = "slice.merge.repair",
    MergeLanded = "slice.merge.landed",
    MergeRedundant = "slice.merge.redundant",
    ScopeViolation = "scope.violation",
    AmendmentRequested = "amendment.requested",
    AmendmentRejected = "amendment.rejected",
    ContractBlocked = "contract.blocked",
    ContractSettled = "contract.settled",
    AuditStarted = "audit.started",
    AuditFinished = "audit.finished",
    RepairStarted = "repair.started",
    RepairFinished = "repair.finished",
    RecoveryPerformed = "recovery.performed",
    BudgetExceeded = "budget.exceeded",
    IntentLockViolated = "intent.lock.violated",
    ControlRequested = "control.requested",
    ControlApplied = "control.applied",
}

/// One of the project's own commands, tried on the base.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineCommand {
    /// Argument vector.
    pub command: Vec<String>,
    /// Whether it is green.
    pub passed: bool,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
}

impl Fact {
    /// A fact about the whole run.
    pub fn run(kind: Kind) -> Fact {
        Fact { kind, slice: None, r#gen: None, attempt: None }
    }
    /// A fact about one generation of a slice.
    pub fn slice(slice: &SliceId, r#gen: Sha256, attempt: Option<u32>, kind: Kind) -> Fact {
        Fact { kind, slice: Some(slice.clone()), r#gen: Some(r#gen), attempt }
    }
}
