//! The state of a run: a function of its events, never stored.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Serialize;

use crate::{
    base::{Oid, Sha256, SliceId, Timestamp, text::one_line},
    checks::model::Cause,
    journal::event::{AttemptFailure, BaselineCommand, BlockReason, Cost, Finding, Verdict},
};

/// Where a slice stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing was done.
    #[default]
    Pending,
    /// An attempt is being made.
    Building,
    /// Its checks run.
    Checking,
    /// A candidate waits for the queue.
    Eligible,
    /// It is merged and under test.
    Merging,
    /// It is on the target.
    Landed,
    /// It was not needed.
    Redundant,
    /// It cannot go on.
    Blocked,
}

impl SliceState {
    /// The number of the newest attempt, of this generation or an earlier one; 0 if there was none.
    pub fn last_attempt(&self) -> u32 {
        self.attempts.last().map_or(self.earlier, |a| a.n)
    }

    /// The attempt that is under way.
    pub fn open_attempt(&self) -> Option<&Attempt> {
        let before = self.task.as_ref().map_or(0, |t| t.after);
        let open = !self.phase.is_final() && self.waits_for().is_none();
        self.attempts.last().filter(|a| open && a.failed.is_none() && a.n > before)
    }

    /// What it is set aside for.
    pub fn waits_for(&self) -> Option<&Wait> {
        self.waits.last().filter(|w| w.settled.is_none() && !self.phase.is_final())
    }

    /// What it promises is on the target, also while it changes one of its contracts there for others.
    pub fn is_done(&self) -> bool {
        self.phase.is_done() || self.task.is_some()
    }

    /// What counts in the task that it has for others: as of a slice that is begun with it. Without one, all that there is.
    pub fn in_task(&self) -> Cow<'_, SliceState> {
        let Some(task) = &self.task else { return Cow::Borrowed(self) };
        Cow::Owned(SliceState {
            base: None,
            earlier: task.after,
            counted: 0,
            attempts: self.attempts.iter().filter(|a| a.n > task.after).cloned().collect(),
            repairs: self.repairs.saturating_sub(task.repairs),
            retried: Some(Retried { after: task.after, agent_ms: task.agent_ms, hint: None }),
            ..self.clone()
        })
    }

    /// The attempt that waits for a person.
    pub fn by_hand(&self) -> Option<&Attempt> {
        let theirs = |a: &&Attempt| a.provider.split('/').next() == Some(BY_HAND) && !a.agent_ended;
        self.open_attempt().filter(theirs).filter(|_| self.phase == Phase::Building)
    }

    /// The attempts that count against its limits.
    pub fn counting(&self) -> impl Iterator<Item = &Attempt> {
        let after = self.retried.as_ref().map_or(0, |r| r.after);
        self.attempts.iter().filter(move |a| a.n > after)
    }

    /// How long agents worked on it, as far as that counts against its limits, milliseconds.
    pub fn worked_ms(&self) -> u64 {
        self.agent_ms.saturating_sub(self.retried.as_ref().map_or(0, |r| r.agent_ms))
    }

    /// Why a person cannot have it begin anew, if that is so.
    pub fn not_to_retry(&self) -> Option<&'static str> {
        match self.phase {
            _ if self.task.is_some() => Some("it has landed, and changes a contract for others"),
            Phase::Landed => Some("it has landed, and what has landed stays"),
            Phase::Redundant => Some("everything that it must bring holds already"),
            Phase::Pending => Some("it was not begun yet"),
            Phase::Eligible | Phase::Merging => Some("it passed and is on its way to the target"),
            Phase::Building | Phase::Checking if self.open_attempt().is_some() => Some("an attempt at it is under way"),
            Phase::Building | Phase::Checking if self.attempts.is_empty() => Some("no attempt at it has failed"),
            Phase::Building | Phase::Checking | Phase::Blocked => None,
        }
    }
}

impl Phase {
    /// Nothing more happens to it within its generation.
    pub fn is_final(self) -> bool {
        matches!(self, Phase::Landed | Phase::Redundant | Phase::Blocked)
    }
    /// What it promises is on the target.
    pub fn is_done(self) -> bool {
        matches!(self, Phase::Landed | Phase::Redundant)
    }
}

/// Everything known about a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunState {
    /// The spec commit, the target ref and the base, once started.
    pub started: Option<Started>,
    /// The later versions of the spec that the run went over to, in order.
    pub amended: Vec<Oid>,
    /// The slices that events speak of.
    pub slices: BTreeMap<SliceId, SliceState>,
    /// The slices in the order of their landing, with the landing's commit.
    pub landings: Vec<(SliceId, Oid)>,
    /// Results of cross-slice checks and of the audit: the last of each (round, check).
    pub checks: Vec<CheckResult>,
    /// The last audit.
    pub audit: Option<Audit>,
    /// How often the run was audited.
    pub audits: u32,
    /// The run's end.
    pub finished: Option<Finished>,
    /// How often a process took it up again.
    pub resumes: u32,
    /// How many owners the newest one knew before it.
    #[serde(skip)]
    pub term: u64,
    /// What the agents cost.
    pub cost: Cost,
    /// What other processes asked for, in order.
    pub requests: Vec<Request>,
    /// Changes of the spec that agents asked for and nobody has decided on, in order.
    pub asked: Vec<Asked>,
    /// The slices that a person wants first, in that order.
    pub order: Vec<SliceId>,
    /// The slices that a person keeps from going on.
    pub held: BTreeMap<SliceId, Held>,
    /// That a person keeps the whole run from going on, until somebody takes it up again.
    pub paused: Option<Held>,
    /// What the project's own commands said of the base.
    pub baseline: Vec<BaselineCommand>,
    /// Generations of slices that an amendment has replaced.
    pub replaced: BTreeMap<SliceId, Vec<Sha256>>,
    /// What replay could not take: illegal transitions, unknown kinds, bad lines, each with its place.
    pub problems: Vec<String>,
    /// The largest logical time seen.
    pub lamport: u64,
}

impl RunState {
    /// How many processes have owned the run so far, as far as they knew of each other.
    pub fn owners(&self) -> u64 {
        self.term.saturating_add(1)
    }

    /// The version of the spec that the run works on, once it has begun.
    pub fn spec(&self) -> Option<Oid> {
        self.amended.last().copied().or(self.started.as_ref().map(|s| s.spec))
    }
}

/// That a person keeps something from going on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held {
    /// Who; none where that is not known.
    pub by: Option<String>,
    /// Why, in their words.
    pub why: Option<String>,
    /// Since when.
    pub since: Timestamp,
}

impl Held {
    /// By whom, since when and why, in words.
    pub fn words(&self) -> String {
        let by = self.by.as_deref().map_or("a person".into(), |by| one_line(by, 80));
        let why = self.why.as_deref().map(|why| format!(": {}", one_line(why, 200))).unwrap_or_default();
        format!("paused by {by} since {}{why}", self.since.human())
    }
}

/// A change of the spec that an agent asks for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Asked {
    /// The id of the event that asks.
    pub id: String,
    /// The agent's slice.
    pub slice: SliceId,
    /// The generation that it builds.
    pub r#gen: Sha256,
    /// Its attempt.
    pub attempt: u32,
    /// Why, in its words.
    pub reason: String,
    /// What should be different: a JSON object.
    pub change: String,
}

/// How a run began.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Started {
    /// The spec commit.
    pub spec: Oid,
    /// The full name of the target ref.
    pub target: String,
    /// The commit that the target started from.
    pub base: Oid,
    /// When.
    pub at: Timestamp,
}

/// The action of a request that has a slice begin anew.
pub const RETRY: &str = "retry";
/// The action of a request that hands in what a person wrote.
pub const SUBMIT: &str = "submit";

/// The action of a request that keeps a slice or the run from going on.
pub const PAUSE: &str = "pause";
/// The action of a request that lets it go on.
pub const RESUME: &str = "resume";
/// The action of a request that stops a slice or the run at once, for good.
pub const CANCEL: &str = "cancel";
/// The action of a request that leaves a slice out, once nobody is at work on it.
pub const SKIP: &str = "skip";
/// The action of a request that has a slice come before all others.
pub const FIRST: &str = "first";

/// How records name a person who builds.
pub const BY_HAND: &str = "manual";

/// What another process asked for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Request {
    /// The id of the event that asks.
    pub id: String,
    /// What for: pause, resume, cancel, retry, skip, submit or first.
    pub action: String,
    /// Who asks; none where that is not known.
    pub by: Option<String>,
    /// What a person says about it.
    pub hint: Option<String>,
    /// For which slice.
    pub slice: Option<SliceId>,
    /// For which generation of it.
    pub r#gen: Option<Sha256>,
    /// For which attempt at it.
    pub attempt: Option<u32>,
    /// What came of it; none while it waits.
    pub result: Option<String>,
    /// Whether it was done.
    pub granted: bool,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finished {
    /// How good the product is.
    pub verdict: Verdict,
    /// Why, one sentence each.
    pub why: Vec<String>,
    /// The last landing.
    pub target: Oid,
    /// When.
    pub at: Timestamp,
}

/// What an audit said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audit {
    /// Which one, from 1.
    pub round: u32,
    /// The commit that it judged.
    pub commit: Oid,
    /// None while it runs.
    pub verdict: Option<Verdict>,
    /// What it found.
    pub findings: Vec<Finding>,
    /// The agent that was asked, where one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// Where a slice stands, within its newest generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SliceState {
    /// The generation: the digest of the slice's inputs.
    pub r#gen: Option<Sha256>,
    /// Where it stands.
    pub phase: Phase,
    /// The commit that it is built on.
    pub base: Option<Oid>,
    /// Results of its checks on the base.
    pub base_checks: Vec<CheckResult>,
    /// `new` checks that were green on the base.
    pub green_on_base: Vec<String>,
    /// How many attempts at earlier generations there were: the numbers go on.
    pub earlier: u32,
    /// How many of those count as this generation's own: its agent asked for this generation itself.
    pub counted: u32,
    /// Its attempts, first to last; the last one may still be under way.
    pub attempts: Vec<Attempt>,
    /// Its passing commit.
    pub candidate: Option<Oid>,
    /// The merge under test, or the last one that was.
    pub merge: Option<Merge>,
    /// How often the queue gave it back.
    pub repairs: u32,
    /// Its landing.
    pub landing: Option<Oid>,
    /// Where a person had it begin anew.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retried: Option<Retried>,
    /// What it was set aside for, first to last; the last one may still be open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits: Vec<Wait>,
    /// What it does for others on what has landed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// Why it cannot go on.
    pub blocked: Option<(BlockReason, String)>,
    /// Why it was not needed.
    pub redundant: Option<String>,
    /// What it cost.
    pub cost: Cost,
    /// How long agents worked on it, milliseconds.
    pub agent_ms: u64,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it came to its end.
    pub ended_at: Option<Timestamp>,
}

/// Where a person had a slice begin anew: what was before counts no more against its limits, but for money.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Retried {
    /// The last attempt before that.
    pub after: u32,
    /// How long agents had worked until then, milliseconds.
    pub agent_ms: u64,
    /// What the person says to whoever builds it.
    pub hint: Option<String>,
}

/// That a slice is set aside until the owner of a contract has changed it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wait {
    /// The id of the event that says so.
    pub id: String,
    /// The contract.
    pub path: String,
    /// Who owns it.
    pub owner: SliceId,
    /// The attempt that needs it.
    pub attempt: u32,
    /// What for, in the words of its agent.
    pub reason: String,
    /// What the attempt made; none where it goes on.
    pub candidate: Option<Oid>,
    /// Why the owner will not do it, once that is known.
    pub lost: Option<String>,
    /// What came of it: whether the owner has done it, and why not.
    pub settled: Option<(bool, String)>,
}

/// The bounded task of a slice that is on the target: to change one of its contracts as others need it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Task {
    /// The contract: all that it may write.
    pub path: String,
    /// The last attempt before it.
    pub after: u32,
    /// How long agents had worked until then, milliseconds.
    pub agent_ms: u64,
    /// How often the queue had given the slice back until then.
    pub repairs: u32,
    /// The merge as which it is on the target.
    pub merge: Option<Merge>,
}

/// One attempt at a slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Attempt {
    /// From 1; the numbers go on through the generations of a slice.
    pub n: u32,
    /// Who made it.
    pub provider: String,
    /// When its agent was started last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// The agent's session.
    pub session: Option<String>,
    /// Whether the agent has ended.
    pub agent_ended: bool,
    /// Its commit, once known.
    pub commit: Option<Oid>,
    /// Results of its checks: rounds base, candidate and queue-n.
    pub checks: Vec<CheckResult>,
    /// Why it failed, if it did.
    pub failed: Option<(AttemptFailure, String)>,
    /// The digest of its change, where it failed.
    pub diff: Option<Sha256>,
    /// Paths that it changed without owning them.
    pub violations: Vec<String>,
    /// Requests of its agent that were refused, each with its code and why.
    pub refused: Vec<(String, String)>,
    /// The contract of another slice that its agent needs a change in, and what for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wants: Option<(String, String)>,
    /// The needs of others that its agent was told, by the events that tell them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// What it cost.
    pub cost: Cost,
}

/// A candidate merged with the tip.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Merge {
    /// The slice's passing commit.
    pub candidate: Oid,
    /// The tip that it was merged with.
    pub tip: Oid,
    /// The merge commit.
    pub commit: Oid,
    /// Its tree.
    pub tree: Oid,
    /// Which try of the queue it is, from 1.
    pub round: u32,
}

/// What came of one check on one tree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckResult {
    /// Its id.
    pub check: String,
    /// The digest of its definition.
    pub digest: Sha256,
    /// base, candidate, queue-n or audit-n.
    pub round: String,
    /// The tree.
    pub tree: Oid,
    /// Why it is green or red.
    pub cause: Cause,
    /// In words.
    pub detail: String,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// The blob of its `result.json`.
    pub evidence: Oid,
}
