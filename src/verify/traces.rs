//! What shows that a history was tampered with though each of its records is fine: objects that git replaces, a shallow
//! clone's edge, and records that the ref once named.

use std::collections::HashSet;

use super::{Code, Violation};
use crate::{
    base::{Failure, Oid, SpecId},
    git::Repo,
    store::{names, record},
};

/// What git is made to show instead of the history up to `tip`; each named by the first record that it concerns.
pub(super) fn faked(repo: &Repo, id: &SpecId, tip: Oid) -> Vec<Violation> {
    let (edge, replaced) = (repo.shallow(), repo.refs().list(REPLACED).unwrap_or_default());
    if edge.is_empty() && replaced.is_empty() {
        return Vec::new();
    }
    let (objects, mut out) = (record::objects(repo, tip), Vec::new());
    let mut bad = |code, commit: Oid, message: String, hint: String| {
        out.push(Violation { code, place: format!("spec {id}"), commit: Some(commit), message, hint });
    };
    for (name, _) in replaced {
        let object = name.strip_prefix(REPLACED).and_then(|hex| hex.parse::<Oid>().ok());
        if let Some((object, commit)) = object.and_then(|o| Some((o, *objects.get(&o)?))) {
            let text =
                format!("git shows something else for {object}, a part of the record {}: {name}", commit.short());
            bad(Code::Replaced, commit, text, format!("git replace -d {object}"));
        }
    }
    for commit in edge.iter().filter(|c| objects.get(c) == Some(c)) {
        let text = format!("the history is cut at the record {}: this is a shallow clone", commit.short());
        bad(Code::Shallow, *commit, text, UNSHALLOW.into());
    }
    out
}

/// The way out of a shallow clone.
pub(super) const UNSHALLOW: &str = "git fetch --unshallow; then git otto fetch";

/// Where git keeps what it shows instead of objects.
pub(super) const REPLACED: &str = "refs/replace/";

/// Lines of a reflog that are followed: a history that was moved about more often shows by fewer.
const FOLLOWED: usize = 8;

/// The first record that the ref of a spec once named, by its reflog, and whose history up to `tip` no longer holds it: a
/// history only grows, so somebody moved it back or onto another line. What was never a sound history is no loss.
pub(super) fn lost(repo: &Repo, id: &SpecId, tip: Oid) -> Result<Option<Violation>, Failure> {
    let name = names::spec(id);
    let had = repo.reflog(&name)?;
    if had.iter().all(|h| *h == tip) {
        return Ok(None);
    }
    // What is held, and then what was found to be lost: the newest line holds most of the others.
    let mut known: HashSet<Oid> = record::objects(repo, tip).into_keys().collect();
    // What gave way when two histories were brought together is kept, and named.
    for (_, kept) in repo.refs().list(&names::rescue_spec_prefix(id))? {
        known.extend(record::objects(repo, kept).into_keys());
    }
    let (mut lost, mut followed) = (Vec::new(), 0);
    for last in had.into_iter().rev() {
        if followed == FOLLOWED || !known.insert(last) {
            continue;
        }
        followed += 1;
        if !record::verify(repo, id, last).is_empty() {
            continue;
        }
        for step in record::history(repo, last)? {
            if step.commit == last || known.insert(step.commit) {
                lost.push((step.record.time.secs, step.commit, last));
            }
        }
    }
    Ok(lost.into_iter().min().map(|(_, first, last)| {
        let message = format!("the record {} is no longer in the history, though {name} has held it", first.short());
        let (last, tip) = (last.short(), tip.short());
        let hint =
            format!("git update-ref {name} {last}; if {tip} is right after all: git reflog expire --expire=all {name}");
        Violation { code: Code::Rewound, place: format!("spec {id}"), commit: Some(first), message, hint }
    }))
}

/// What is wrong with `new` as a later version of `old`: every record of the one must be in the other.
pub(super) fn follows(repo: &Repo, id: &SpecId, old: Oid, new: Oid) -> Option<Violation> {
    let held = record::objects(repo, new);
    if held.get(&old) == Some(&old) {
        return None;
    }
    let steps = record::history(repo, old).unwrap_or_default();
    let first = steps.iter().rev().map(|s| s.commit).find(|c| held.get(c) != Some(c)).unwrap_or(old);
    let message =
        format!("{} does not follow from {}: it lacks the record {}", new.short(), old.short(), first.short());
    let hint = format!("git otto log {id}; restore the spec's ref from a clone or its reflog");
    Some(Violation { code: Code::Rewound, place: format!("spec {id}"), commit: Some(first), message, hint })
}
