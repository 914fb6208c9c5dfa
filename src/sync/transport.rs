//! Talking to a remote: through git's own fetch and push, with explicit refspecs.

use std::collections::BTreeMap;

use super::{Options, View, plan::Push};
use crate::{
    base::{Exit, Failure, Oid, text::one_line},
    git::{Old, Output, RefEdit, Swap},
    store::{Store, names},
};

/// What the remote had at the last fetch, by its own names.
pub(super) fn tracked(store: &Store, remote: &str) -> Result<View, Failure> {
    let all = store.repo.refs().list(&names::tracking_prefix(remote))?;
    Ok(all.into_iter().filter_map(|(name, oid)| Some((names::tracked(remote, &name)?, oid))).collect())
}

/// Whether the last fetch brought everything that the remote has.
pub(super) fn is_tracked(store: &Store, options: &Options, there: &View) -> Result<bool, Failure> {
    let mut known = tracked(store, &options.remote)?;
    if !options.wip {
        known.retain(|name, _| names::shared_prefixes(false).any(|p| name.starts_with(p)));
    }
    let shared = there.iter().filter(|(name, _)| names::shared_prefixes(options.wip).any(|p| name.starts_with(p)));
    Ok(shared.eq(known.iter()))
}

/// Brings everything that travels into tracking refs; those that the remote no longer has go.
pub(super) fn fetch(store: &Store, options: &Options) -> Result<(), Failure> {
    let mut args: Vec<String> = [
        "fetch",
        "--quiet",
        "--atomic",
        "--prune",
        "--no-tags",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--no-recurse-submodules",
        "--end-of-options",
    ]
    .map(str::to_owned)
    .into();
    args.push(options.remote.clone());
    args.extend(names::fetch_refspecs(&options.remote, options.wip));
    let out = store.repo.talk(&args, options.asks, false)?;
    if out.code == Some(0) { Ok(()) } else { Err(unreachable(&options.remote, &out)) }
}

/// What the remote has now: everything that travels, and the branches.
pub(super) fn look(store: &Store, options: &Options) -> Result<View, Failure> {
    let mut args: Vec<String> = ["ls-remote", "--refs", "--end-of-options"].map(str::to_owned).into();
    args.push(options.remote.clone());
    args.extend(names::shared_prefixes(options.wip).map(|prefix| format!("{prefix}*")));
    args.push("refs/heads/*".into());
    let out = store.repo.talk(&args, options.asks, false)?;
    if out.code != Some(0) {
        return Err(unreachable(&options.remote, &out));
    }
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let line = |line: &str| {
        let (oid, name) = line.split_once('\t')?;
        Some((name.to_owned(), oid.parse::<Oid>().ok()?))
    };
    Ok(text.lines().filter_map(line).collect())
}

/// What came of a push.
pub(super) enum Answer {
    /// All of it is there.
    Done,
    /// None is: the remote is not what it was.
    Moved(Vec<String>),
    /// None is: the remote does not want it.
    Refused(Vec<String>),
}

/// Pushes all or nothing, without force. A lease is no history and has to be exactly what it was.
pub(super) fn push(store: &Store, options: &Options, moves: &[Push]) -> Result<Answer, Failure> {
    let mut args: Vec<String> =
        ["push", "--porcelain", "--atomic", "--no-recurse-submodules"].map(str::to_owned).into();
    for m in moves.iter().filter(|m| m.exactly) {
        args.push(format!("--force-with-lease={}:{}", m.name, m.old.map(|o| o.to_string()).unwrap_or_default()));
    }
    args.extend(["--end-of-options".to_owned(), options.remote.clone()]);
    args.extend(moves.iter().map(|m| format!("{}:{}", m.new.map(|n| n.to_string()).unwrap_or_default(), m.name)));
    let out = store.repo.talk(&args, options.asks, true)?;
    if out.code == Some(0) {
        return Ok(Answer::Done);
    }
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    let rejected: Vec<String> = text.lines().filter_map(|l| l.strip_prefix("!\t")).map(|l| one_line(l, 300)).collect();
    if rejected.is_empty() {
        return Err(unreachable(&options.remote, &out));
    }
    // Of an atomic push all are rejected; those that are to blame say more.
    let blamed = |l: &&String| !l.contains("atomic");
    let mut words: Vec<String> = rejected.iter().filter(blamed).cloned().collect();
    if words.is_empty() {
        words = rejected;
    }
    let policy = ["declined", "denied", "prohibit", "protected", "hidden", "not permitted"];
    let refused = words.iter().any(|l| policy.iter().any(|p| l.contains(p)));
    let said = out.stderr.lines().filter_map(|l| l.strip_prefix("remote:")).map(|l| one_line(l, 300));
    words.extend(said.filter(|l| !l.is_empty()).take(40));
    words.dedup();
    Ok(if refused { Answer::Refused(words) } else { Answer::Moved(words) })
}

/// What the remote is known to have after a push.
pub(super) fn remember(store: &Store, options: &Options, moves: &[Push]) -> Result<(), Failure> {
    let mut edits = BTreeMap::new();
    for m in moves {
        let Some(name) = names::tracking(&options.remote, &m.name) else { continue };
        let old = store.repo.refs().read(&name)?;
        if old != m.new {
            edits.insert(name, (old, m.new));
        }
    }
    let edits: Vec<RefEdit> = edits
        .into_iter()
        .map(|(name, (old, new))| RefEdit { name, old: old.map_or(Old::Absent, Old::Is), new })
        .collect();
    if edits.is_empty() {
        return Ok(());
    }
    // Who lost a race against a fetch knows less than the fetch.
    match store.swap(&edits, &format!("pushed to {}", options.remote))? {
        Swap::Done | Swap::Lost { .. } => Ok(()),
    }
}

fn unreachable(remote: &str, out: &Output) -> Failure {
    let causes = out.stderr.lines().map(|l| one_line(l, 300)).filter(|l| !l.is_empty()).take(20).collect();
    let message = format!("git could not talk to {}", one_line(remote, 100));
    let hint = format!("git ls-remote {}", one_line(remote, 100));
    Failure { causes, ..Failure::new(Exit::Internal, message).hint(hint) }
}
