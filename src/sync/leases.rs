//! Leases between repositories: who runs a run now is who took it over last.

use super::{How, Moved, Options, Report, View, plan::Push, remote};
use crate::{
    base::{Failure, Oid, RunId},
    git::{Old, RefEdit, Swap},
    store::{
        Error, Store,
        lease::{self, Owner, Tenure},
        names,
    },
};

/// Takes over what the remote says of who runs what.
pub(super) fn bring(
    store: &Store,
    options: &Options,
    before: &View,
    theirs: &View,
    report: &mut Report,
) -> Result<(), Failure> {
    let ours = remote::ours(store, false)?;
    let named = ours.keys().chain(theirs.keys()).filter_map(|n| Some((n, names::parse_lease(n)?)));
    let named: std::collections::BTreeMap<&String, RunId> = named.collect();
    for (name, run) in named {
        if !options.covers(run.spec()) || store.repo.refs().read(&names::run(&run))?.is_none() {
            continue;
        }
        let (old, new) = (ours.get(name).copied(), theirs.get(name).copied());
        let moves = match (old, new) {
            (None, Some(new)) => read(store, new)?.is_some(),
            (Some(old), Some(new)) if old != new => match (read(store, old)?, read(store, new)?) {
                (Some(mine), Some(other)) => other.succeeds(&mine),
                (mine, other) => mine.is_none() && other.is_some(),
            },
            // It came from there, and was given back there.
            (Some(old), None) => before.get(name) == Some(&old) && !is_here(store, &run)?,
            _ => false,
        };
        if !moves {
            continue;
        }
        let edit = RefEdit { name: name.clone(), old: old.map_or(Old::Absent, Old::Is), new };
        if options.dry_run || store.swap(&[edit], &format!("fetched from {}", options.remote))? == Swap::Done {
            let how = match (old, new) {
                (None, _) => How::Created,
                (_, None) => How::Removed,
                _ => How::Replaced,
            };
            report.fetched.push(Moved { name: name.clone(), old, new, how });
        }
    }
    Ok(())
}

/// What the remote has to be told: the lease of a process that lives, and that a run of this machine was given back.
pub(super) fn push(store: &Store, options: &Options, ours: &View, there: &View) -> Result<Vec<Push>, Failure> {
    let mut out = Vec::new();
    let leases = |view: &View| -> Vec<(String, RunId)> {
        view.keys().filter_map(|n| Some((n.clone(), names::parse_lease(n)?))).collect()
    };
    for (name, run) in leases(ours) {
        let (new, old) = (ours.get(&name).copied(), there.get(&name).copied());
        let Ok(Owner::Live(mine)) = lease::owner(store, &run) else { continue };
        // Whoever took the run over there keeps it, and what is not known here is fetched before anything is pushed.
        let gives_way = match old {
            None => true,
            Some(old) => read(store, old)?.is_some_and(|theirs| mine.succeeds(&theirs)),
        };
        if options.covers(run.spec()) && old != new && gives_way {
            out.push(Push { name, old, new, exactly: true });
        }
    }
    for (name, run) in leases(there) {
        let Some(old) = there.get(&name).copied() else { continue };
        // Only a lease that this machine gave, and whose process is gone, is this machine's to give back.
        let gone = read(store, old)?.is_some_and(|tenure| lease::is_dead(store, tenure));
        if options.covers(run.spec()) && gone && !matches!(lease::owner(store, &run), Ok(Owner::Live(_))) {
            out.push(Push { name, old: Some(old), new: None, exactly: true });
        }
    }
    Ok(out)
}

/// What a lease says; none if it is not here, or no lease.
fn read(store: &Store, oid: Oid) -> Result<Option<Tenure>, Failure> {
    match lease::load(&store.repo, oid) {
        Ok(tenure) => Ok(Some(tenure)),
        Err(e @ Error::Io(_)) => Err(e.into()),
        Err(_) => Ok(None),
    }
}

fn is_here(store: &Store, run: &RunId) -> Result<bool, Failure> {
    Ok(matches!(lease::owner(store, run)?, Owner::Live(_) | Owner::Dead(_)))
}
