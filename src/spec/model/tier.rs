//! Who may change what of an approved spec. Pure: the program judges an amendment with it before it is stored, and the
//! verifier judges every stored one again.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use super::{
    Spec,
    change::{Change, changes},
    parts::{List, Place},
};
use crate::base::{Exit, Explain, SliceId, SpecId, glob, text};

/// What kind of field an amendment touches. Of several the first one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// The intent: what was asked for.
    Intent = 1,
    /// Everything that is named nowhere else.
    Whole = 2,
    /// What only a slice is concerned with: its title, tasks, dependencies, paths and checks, and the content of files.
    Slice = 3,
}

impl Tier {
    /// The number that records have.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The tier of one changed piece.
    pub fn of(change: &Change) -> Tier {
        match &change.place {
            Place::Field("intent") => Tier::Intent,
            // A slice that comes or goes is more than another title.
            Place::Slice(_) if change.before.is_some() && change.after.is_some() => Tier::Slice,
            Place::SliceField(_, "tasks" | "deps" | "owned_paths") => Tier::Slice,
            Place::Check(Some(_), _) | Place::Order(List::Checks(_)) => Tier::Slice,
            Place::File(..) if only_content(change) => Tier::Slice,
            _ => Tier::Whole,
        }
    }
}

/// Whether a file block says the same but for what the file holds.
fn only_content(change: &Change) -> bool {
    let but = |v: &Option<serde_json::Value>| {
        let mut fields = v.as_ref()?.as_object()?.clone();
        fields.remove("sha256").map(|_| fields)
    };
    but(&change.before).is_some_and(|before| but(&change.after) == Some(before))
}

/// Who amends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author<'a> {
    /// A person.
    User {
        /// Whether they said that they change the intent on purpose.
        override_intent: bool,
    },
    /// An agent.
    Agent {
        /// The slice that it builds; where that is not known, the only one that it touches.
        slice: Option<&'a SliceId>,
        /// The event that it answers.
        trigger: Option<&'a str>,
    },
}

/// Why an amendment is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It changes the intent.
    #[serde(rename = "tier_1_violation")]
    Tier1Violation,
    /// It changes what only a person may change.
    #[serde(rename = "tier_2_violation")]
    Tier2Violation,
    /// It changes another slice than the agent's own.
    ScopeViolation,
    /// There is no such slice.
    UnknownSlice,
    /// It takes back or changes a check.
    ChecksWeakened,
    /// An agent's amendment names no event.
    MissingTrigger,
    /// The event that it names does not exist.
    TriggerNotFound,
    /// Nothing changes.
    NoChange,
    /// What comes out is no valid spec.
    InvalidField,
    /// The spec has moved on since its author read it.
    StaleBase,
    /// The spec's history is not what it was.
    ChainBroken,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Why an amendment is refused, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{code}: {}{message}", if place.is_empty() { String::new() } else { format!("{place}: ") })]
pub struct Rejection {
    /// Which rule.
    pub code: Code,
    /// Which piece, in words, or the JSON pointer of an invalid field; empty for the whole.
    pub place: String,
    /// What is wrong with it, one sentence.
    pub message: String,
    /// The next command.
    pub hint: String,
}

impl Explain for Rejection {
    fn exit(&self) -> Exit {
        Exit::Invalid
    }
    fn hint(&self) -> Option<String> {
        Some(self.hint.clone())
    }
}

impl Rejection {
    /// Each part is made fit to be shown.
    pub fn new(code: Code, place: impl fmt::Display, message: impl AsRef<str>, hint: impl Into<String>) -> Rejection {
        let place = text::one_line(&place.to_string(), 300);
        Rejection { code, place, message: text::one_line(message.as_ref(), 600), hint: hint.into() }
    }

    /// The event that an agent names is not there.
    pub fn trigger_not_found(spec: &SpecId, trigger: &str) -> Rejection {
        let trigger = text::one_line(trigger, 80);
        let message = format!("no event `{trigger}` of an agent that builds this slice is in the run's journal");
        Rejection::new(Code::TriggerNotFound, "", message, by_hand(spec))
    }

    /// The spec says so already.
    pub fn no_change(spec: &SpecId) -> Rejection {
        Rejection::new(Code::NoChange, "", "the spec says that already", format!("git otto show {spec}"))
    }

    /// A part of the amended spec is wrong.
    pub fn invalid_field(pointer: &str, message: &str) -> Rejection {
        Rejection::new(Code::InvalidField, pointer, message, "git otto schema spec")
    }

    /// The history of the spec cannot be trusted.
    pub fn chain_broken(spec: &SpecId, what: &str) -> Rejection {
        let message = format!("the history of {spec} is broken, and nothing is added to it: {what}");
        Rejection::new(Code::ChainBroken, "", message, format!("git otto verify {spec}"))
    }

    /// The spec is another one than the author read.
    pub fn stale_base(spec: &SpecId, place: impl fmt::Display, message: impl AsRef<str>) -> Rejection {
        Rejection::new(
            Code::StaleBase,
            place,
            message,
            format!("git otto log -p {spec}    (then make the change again)"),
        )
    }
}

/// What a person types to change it themselves.
fn by_hand(spec: &SpecId) -> String {
    format!("git otto amend {spec}")
}

/// The tier of an amendment, or everything for which it is refused.
pub fn judge(before: &Spec, after: &Spec, author: Author<'_>) -> Result<Tier, Vec<Rejection>> {
    let id = &before.id;
    if after.id != *id {
        let message = format!("a spec keeps its id: this one is `{id}`, not `{}`", after.id);
        return Err(vec![Rejection::invalid_field("/id", &message)]);
    }
    let changes = changes(before, after);
    let Some(tier) = changes.iter().map(Tier::of).min() else { return Err(vec![Rejection::no_change(id)]) };
    let rejected = match author {
        Author::User { override_intent } if tier == Tier::Intent && !override_intent => {
            let message = "the intent is what was asked for and approved: it is changed on purpose or not at all";
            let hint = format!("git otto amend {id} --override-intent …");
            vec![Rejection::new(Code::Tier1Violation, Place::Field("intent"), message, hint)]
        }
        Author::User { .. } => Vec::new(),
        Author::Agent { slice, trigger } => agents(before, &changes, slice, trigger),
    };
    if rejected.is_empty() { Ok(tier) } else { Err(rejected) }
}

/// Everything for which an agent's amendment is refused.
fn agents(before: &Spec, changes: &[Change], slice: Option<&SliceId>, trigger: Option<&str>) -> Vec<Rejection> {
    let id = &before.id;
    let mut out = Vec::new();
    let mut reject = |code, place: &dyn fmt::Display, message: String| {
        out.push(Rejection::new(code, place, message, by_hand(id)));
    };
    if trigger.is_none_or(|t| t.trim().is_empty()) {
        reject(
            Code::MissingTrigger,
            &"",
            "an agent's amendment names the event that it answers; this names none".into(),
        );
    }
    if let Some(slice) = slice.filter(|s| before.slice(s).is_none()) {
        reject(Code::UnknownSlice, &"", format!("the spec has no slice `{slice}`"));
        return out;
    }
    let touched: BTreeSet<&SliceId> = changes.iter().filter_map(|c| c.place.slice()).collect();
    let own = match (slice, touched.len()) {
        (None, 2..) => {
            let names: Vec<String> = touched.iter().map(|s| format!("`{s}`")).collect();
            let message = format!("an agent changes its own slice only; this changes {}", names.join(", "));
            reject(Code::ScopeViolation, &"", message);
            return out;
        }
        (None, _) => touched.first().copied(),
        (own, _) => own,
    };
    let may = "an agent may add checks, edit tasks and narrow the paths of its own slice";
    for change in changes {
        let place = &change.place;
        match place {
            Place::Field("intent") => {
                reject(Code::Tier1Violation, place, "what was asked for is for a person to change".into());
            }
            _ if Tier::of(change) == Tier::Whole => {
                reject(Code::Tier2Violation, place, format!("that is for a person to change; {may}"));
            }
            _ if place.slice() != own => {
                let own = own.map(|s| format!(" `{s}`")).unwrap_or_default();
                reject(Code::ScopeViolation, place, format!("an agent changes its own slice{own} only"));
            }
            Place::Check(..) if change.before.is_none() => {}
            Place::Check(..) | Place::Order(_) => {
                let how = match (place, &change.after) {
                    (Place::Order(_), _) => "moved",
                    (_, None) => "removed",
                    _ => "changed",
                };
                reject(Code::ChecksWeakened, place, format!("it is {how}, and an agent may only add checks"));
            }
            Place::SliceField(_, "tasks") => {}
            Place::SliceField(_, "owned_paths") => {
                let old = patterns(&change.before);
                for new in patterns(&change.after).iter().filter(|new| !old.iter().any(|old| glob::covers(old, new))) {
                    let old = old.join("`, `");
                    let message = format!("`{new}` goes beyond `{old}`, and an agent may only narrow its paths");
                    reject(Code::Tier2Violation, place, message);
                }
            }
            _ => reject(Code::Tier2Violation, place, format!("that is for a person to change; {may}")),
        }
    }
    out
}

fn patterns(value: &Option<serde_json::Value>) -> Vec<String> {
    value.clone().and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
