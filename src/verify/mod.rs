//! The one verifier: what may become of the refs and of the checked-in copies of specs. Hooks, servers, `git otto verify`,
//! sharing and the program's own swaps all ask it.
//!
//! It re-hashes what it reads, walks explicit parents, and ignores replaced objects.

use serde::Serialize;

use crate::{
    base::{Failure, Oid, SpecId},
    git::Repo,
    store::{names, record},
};

/// A rule that a ref, a record or a file breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which rule.
    pub code: Code,
    /// Where: a ref, a spec, a run, or a path with its commit.
    pub place: String,
    /// The first commit that breaks it.
    pub commit: Option<Oid>,
    /// What is wrong, one sentence.
    pub message: String,
    /// The command that puts it right.
    pub hint: String,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A record of a spec's history breaks one of the record's own rules.
    Record(record::Code),
    /// A ref that only moves forward would move elsewhere, or one that never moves would move.
    NotForward,
    /// A ref would be removed that must stay.
    Deleted,
    /// No ref of this program has that name, or not on a server.
    BadName,
}

/// A ref that is to move, or has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Its full name.
    pub name: String,
    /// What it is; none if it does not exist.
    pub old: Option<Oid>,
    /// What it becomes; none if it is removed.
    pub new: Option<Oid>,
}

/// Everything wrong with a spec's history up to `tip`, oldest record first.
pub fn spec(repo: &Repo, id: &SpecId, tip: Oid) -> Vec<Violation> {
    let place = format!("spec {id}");
    let found = record::verify(repo, id, tip).into_iter();
    let told = |v: record::Violation| Violation {
        code: Code::Record(v.code),
        place: place.clone(),
        commit: Some(v.commit),
        message: format!("the record {}: {}", v.commit.short(), v.message),
        hint: v.hint,
    };
    found.map(told).collect()
}

/// Everything that must not be in a set of ref moves that belong together, such as one push. `repo` must see the new
/// objects. Names that are not this program's are looked at for the copies of specs that their commits hold.
pub fn updates(repo: &Repo, updates: &[Update]) -> Result<Vec<Violation>, Failure> {
    let mut out = Vec::new();
    for update in updates {
        let Some(id) = names::parse_spec(&update.name) else { continue };
        let broken = |code: Code, message: &str, hint: String| Violation {
            code,
            place: update.name.clone(),
            commit: update.new,
            message: message.into(),
            hint,
        };
        let Some(new) = update.new else {
            out.push(broken(Code::Deleted, "the history of a spec is never removed", format!("git otto close {id}")));
            continue;
        };
        let forward = match update.old {
            Some(old) => repo.is_ancestor(old, new)?,
            None => true,
        };
        if !forward {
            out.push(broken(Code::NotForward, "the history of a spec only grows", format!("git otto sync {id}")));
        }
        out.extend(spec(repo, &id, new));
    }
    Ok(out)
}
