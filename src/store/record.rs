//! Spec records: the history of a spec, one commit a record on `refs/otto/specs/<spec>`.
//!
//! A commit's tree holds `spec.json`, `record.json` and `files/<sha256>` (what the spec names by digest), all of mode
//! 100644 and nothing else. The message is prose for readers and carries no meaning. The store does not know what a
//! spec means: it keeps bytes.

mod bases;
mod read;
mod verify;
mod write;

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

pub use crate::base::Cost;
use crate::base::{Oid, Sha256, id::string_serde};

pub use bases::bases;
pub use read::{Step, history, list, load, objects, phase, tip};
pub use verify::{Looked, verify, verify_each};
pub use write::{Appended, By, Content, NewRecord, advance, append, prepare};

/// The newest format of `record.json` that this program reads and writes.
pub const FORMAT: u32 = 1;

/// `record.json`, format 1: who changed the spec, how and why. Keys stand in this order, two-space indent, a newline at
/// the end; all keys but `cost` are always there, `null` where there is nothing to say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Always 1.
    pub format: u32,
    /// What was done.
    pub kind: Kind,
    /// Who did it.
    pub actor: Actor,
    /// The commit's author.
    pub author: Person,
    /// The commit's committer.
    pub committer: Person,
    /// The time of author and committer.
    pub time: Time,
    /// Why, in the actor's words; may be empty before approval.
    pub reason: String,
    /// The spec commit that the actor read: the only parent. Of a merge the newest record that both sides have. `null`
    /// for the first record.
    pub base: Option<Oid>,
    /// The event that an agent's amendment answers.
    pub trigger: Option<String>,
    /// What kind of field an amendment touches: 1, 2 or 3; `null` for other kinds.
    pub tier: Option<u8>,
    /// The digest of the first parent's `spec.json`; `null` for the first record.
    pub before: Option<Sha256>,
    /// The digest of this `spec.json`.
    pub after: Sha256,
    /// What the agent's work cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The chain digest ([`super::chain`]); empty only while it is computed.
    #[serde(with = "maybe_empty")]
    pub chain: Option<Sha256>,
}

/// What a record does to a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Written from an intent.
    Compile,
    /// Changed by a person before approval.
    Edit,
    /// Approved as it stands.
    Approve,
    /// Changed after approval.
    Amend,
    /// Two amendments joined.
    Merge,
    /// A requirement taken back after approval.
    Retire,
    /// Finished and archived.
    Close,
}

impl Kind {
    /// The word of it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Compile => "compile",
            Kind::Edit => "edit",
            Kind::Approve => "approve",
            Kind::Amend => "amend",
            Kind::Merge => "merge",
            Kind::Retire => "retire",
            Kind::Close => "close",
        }
    }

    /// Where a spec stands after such a record.
    pub fn phase(self) -> Phase {
        match self {
            Kind::Compile | Kind::Edit => Phase::Draft,
            Kind::Approve | Kind::Amend | Kind::Merge | Kind::Retire => Phase::Approved,
            Kind::Close => Phase::Closed,
        }
    }

    /// Whether it may follow a spec in that phase; none is a spec without records.
    pub fn may_follow(self, phase: Option<Phase>) -> bool {
        match self {
            Kind::Compile | Kind::Edit => matches!(phase, None | Some(Phase::Draft)),
            Kind::Approve => phase == Some(Phase::Draft),
            Kind::Amend | Kind::Merge | Kind::Retire | Kind::Close => phase == Some(Phase::Approved),
        }
    }

    /// Whether it leaves the spec as it is.
    pub fn keeps_content(self) -> bool {
        matches!(self, Kind::Approve | Kind::Close)
    }
}

/// Where a spec stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nobody approved it.
    Draft,
    /// It changes by amendment only.
    Approved,
    /// It is archived.
    Closed,
}

/// Who changed a spec: `user:<mail>`, `agent:<provider>/<model>` or `otto`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person, by the author's mail address.
    User(String),
    /// An agent.
    Agent {
        /// Such as `claude`.
        provider: String,
        /// Such as `opus`; may hold further slashes.
        model: String,
    },
    /// This program, by rule.
    Otto,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::User(mail) => write!(f, "user:{mail}"),
            Actor::Agent { provider, model } => write!(f, "agent:{provider}/{model}"),
            Actor::Otto => f.write_str("otto"),
        }
    }
}

/// A text names no actor.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no actor: user:<mail>, agent:<provider>/<model> or otto")]
pub struct NotAnActor(String);

impl FromStr for Actor {
    type Err = NotAnActor;
    fn from_str(s: &str) -> Result<Actor, NotAnActor> {
        let ok = |t: &str| !t.is_empty() && t.len() <= 400 && !t.chars().any(char::is_control);
        if s == "otto" {
            return Ok(Actor::Otto);
        }
        if let Some(mail) = s.strip_prefix("user:").filter(|m| m.len() <= 400 && !m.chars().any(char::is_control)) {
            return Ok(Actor::User(mail.to_owned()));
        }
        let agent = s.strip_prefix("agent:").and_then(|a| a.split_once('/')).filter(|(p, m)| ok(p) && ok(m));
        match agent {
            Some((provider, model)) => Ok(Actor::Agent { provider: provider.to_owned(), model: model.to_owned() }),
            None => Err(NotAnActor(s.chars().take(80).collect())),
        }
    }
}

string_serde!(Actor);

/// A name and a mail address, as a commit has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The mail address.
    pub email: String,
}

/// A point in time, as a commit has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub secs: i64,
    /// Always `+0000`.
    pub zone: String,
}

/// A record with what it records.
#[derive(Clone, Debug)]
pub struct StoredSpec {
    /// Its commit.
    pub commit: Oid,
    /// The commit's parents.
    pub parents: Vec<Oid>,
    /// The record.
    pub record: Record,
    /// The bytes of `spec.json`; their digest is `record.after`.
    pub spec_bytes: Vec<u8>,
    /// What the spec names by digest.
    pub files: BTreeMap<Sha256, Vec<u8>>,
}

/// A rule that a record breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which record.
    pub commit: Oid,
    /// Which rule.
    pub code: Code,
    /// What is wrong, one sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// The rules of a spec's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// An object is missing, damaged, too large, or not what its id says.
    Unreadable,
    /// It was written by a newer version of this program.
    FormatTooNew,
    /// `record.json` or `spec.json` is no strict JSON of the right shape.
    Malformed,
    /// The bytes are not the ones that this program writes for that content.
    NotCanonical,
    /// The tree holds something else, or lacks something.
    WrongEntries,
    /// A file's content is not what its name says.
    WrongFile,
    /// `before` or `after` is not the digest of the spec.
    WrongDigest,
    /// The parents, or `base`, do not fit.
    WrongParents,
    /// Author, committer or time are not the commit's.
    WrongIdentity,
    /// `chain` does not follow from what is there.
    ChainBroken,
    /// A record of this kind cannot stand here.
    WrongOrder,
    /// It changes nothing, or something that it must keep.
    NoChange,
    /// Nobody may do that, or not with this tier.
    WrongActor,
    /// An agent's amendment names no event.
    MissingTrigger,
    /// It belongs to another spec.
    WrongSpec,
    /// A user's record has no good signature though `otto.requireSigned` is on.
    Unsigned,
}

/// A digest, or an empty text for none.
mod maybe_empty {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::base::Sha256;

    pub fn serialize<S: Serializer>(value: &Option<Sha256>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(digest) => s.collect_str(digest),
            None => s.serialize_str(""),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Sha256>, D::Error> {
        let text = String::deserialize(d)?;
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(serde::de::Error::custom) }
    }
}

#[cfg(test)]
mod tests;
