//! What looks like a secret stays here: once pushed, it cannot be taken back.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Options, Report, View,
    plan::{self, Plan, Push, Unit},
};
use crate::{
    base::{Failure, Oid, text},
    git::{self, ObjectKind, Repo},
    store::{Store, names, run},
};

/// Larger objects are no text that somebody wrote.
const MAX: u64 = 8 << 20;

/// Leaves out of a push what holds a secret that the remote does not have yet, and what needs it.
pub(super) fn hold_back(
    store: &Store,
    options: &Options,
    there: &View,
    plan: &mut Plan,
    report: &mut Report,
) -> Result<(), Failure> {
    if plan.moves.is_empty() {
        return Ok(());
    }
    let repo = &store.repo;
    let known = known(repo, &options.remote, there)?;
    let allowed: BTreeSet<String> = repo.config_all("otto.allowSecret").into_iter().collect();
    // All at once where there is none: the common case.
    if found(repo, &plan.moves, &known, &allowed)?.is_none() {
        return Ok(());
    }
    let mut bad: BTreeMap<Unit, Found> = BTreeMap::new();
    for unit in plan::units(&plan.moves) {
        let own: Vec<Push> = plan.moves.iter().filter(|m| unit.holds(&m.name)).cloned().collect();
        if let Some(secret) = found(repo, &own, &known, &allowed)? {
            bad.insert(unit, secret);
        }
    }
    for (unit, secret) in bad {
        let (message, hint) = secret.told();
        plan::keep_here(plan, report, &unit, &message, &hint);
    }
    // A branch can hold what no run does: a person's commit.
    let branches: Vec<Push> = plan.moves.iter().filter(|m| Unit::of(&m.name).is_none()).cloned().collect();
    for branch in branches {
        if let Some(secret) = found(repo, std::slice::from_ref(&branch), &known, &allowed)? {
            let (message, hint) = secret.told();
            report.keep(&branch.name, message, hint);
            plan.moves.retain(|m| m.name != branch.name);
        }
    }
    Ok(())
}

/// The first ref that brings a secret to somebody who has nothing yet, with what it is.
pub(super) fn first(repo: &Repo, refs: &View) -> Result<Option<(String, String)>, Failure> {
    let known = known(repo, "", &View::new())?;
    let allowed: BTreeSet<String> = repo.config_all("otto.allowSecret").into_iter().collect();
    let push = |(name, oid): (&String, &Oid)| Push { name: name.clone(), old: None, new: Some(*oid), exactly: false };
    let moves: Vec<Push> = refs.iter().map(push).collect();
    if found(repo, &moves, &known, &allowed)?.is_none() {
        return Ok(None);
    }
    for m in &moves {
        if let Some(secret) = found(repo, std::slice::from_ref(m), &known, &allowed)? {
            return Ok(Some((m.name.clone(), secret.told().0)));
        }
    }
    Ok(None)
}

/// Where a secret is.
struct Found {
    object: Oid,
    path: String,
}

impl Found {
    fn told(&self) -> (String, String) {
        let place = match self.path.is_empty() {
            true => format!("the message of {}", self.object.short()),
            false => format!("{} ({})", text::one_line(&self.path, 200), self.object.short()),
        };
        let message = format!("{place} holds what looks like a secret; it is not pushed, nor what needs it");
        (message, format!("if it is none: git config --add otto.allowSecret {}", self.object))
    }
}

/// What does not have to be looked at: what the remote has, and what runs began from, which their users committed.
fn known(repo: &Repo, remote: &str, there: &View) -> Result<BTreeSet<Oid>, Failure> {
    let mut out: BTreeSet<Oid> = there.values().copied().collect();
    if !remote.is_empty() {
        out.extend(repo.refs().list(&format!("refs/remotes/{remote}/"))?.into_iter().map(|(_, oid)| oid));
    }
    for id in run::list(repo, None)? {
        out.extend(run::load(repo, &id).ok().map(|(_, anchor)| anchor.base));
    }
    out.retain(|oid| repo.object_header(*oid).is_ok());
    Ok(out)
}

/// The first secret in what the moves bring.
fn found(
    repo: &Repo,
    moves: &[Push],
    known: &BTreeSet<Oid>,
    allowed: &BTreeSet<String>,
) -> Result<Option<Found>, Failure> {
    let new = moves.iter().filter(|m| names::parse_lease(&m.name).is_none()).filter_map(|m| m.new);
    let mut input: String = new.map(|oid| format!("{oid}\n")).collect();
    input.extend(known.iter().map(|oid| format!("^{oid}\n")));
    let out = repo.git(&["rev-list", "--objects", "--stdin"], Some(input.as_bytes()))?.ok()?;
    for line in String::from_utf8_lossy(&out).lines() {
        let (id, path) = line.split_once(' ').unwrap_or((line, ""));
        let Ok(object) = id.parse::<Oid>() else { continue };
        if allowed.contains(id) {
            continue;
        }
        let bytes = match repo.raw_object(object, MAX) {
            Ok((ObjectKind::Blob, bytes)) => bytes,
            Ok((ObjectKind::Commit, bytes)) => {
                // Signatures and ids are no text; the message is.
                let message = bytes.windows(2).position(|w| w == b"\n\n").unwrap_or(bytes.len());
                bytes.get(message..).unwrap_or_default().to_vec()
            }
            Ok(_) | Err(git::Error::TooLarge { .. }) => continue,
            Err(e) => return Err(e.into()),
        };
        if text::has_secret(&bytes) {
            return Ok(Some(Found { object, path: path.to_owned() }));
        }
    }
    Ok(None)
}
