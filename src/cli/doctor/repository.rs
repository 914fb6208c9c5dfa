//! What the repository is, and what earlier processes left in it.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::{Finding, Level};
use crate::{
    base::{Failure, SpecId, Timestamp, json, lock::Holder, procs::Fate},
    cli::config,
    store::{
        Store, names,
        lease::{self, Owner},
        record, run,
    },
    workspace,
};

/// Entries of folders that are looked at for lock files.
const MAX_ENTRIES: usize = 100_000;

/// Looks at the repository. What cannot be looked at is a finding too.
pub(super) fn look(store: &Store) -> Vec<Finding> {
    let repo = &store.repo;
    let backend = repo.config("extensions.refStorage").unwrap_or_else(|| "files".into());
    let kind = format!("{}, {} objects, refs in {backend}", repo.common_dir().display(), repo.object_format());
    let mut out = vec![Finding::new("repository", Level::Good, kind), identity(store)];
    let parts: [(&'static str, Result<Vec<Finding>, Failure>); 5] = [
        ("configuration", configuration(store)),
        ("branches", branches(store)),
        ("runs", runs(store)),
        ("locks", locks(store)),
        ("workspaces", workspaces(store)),
    ];
    for (what, found) in parts {
        match found {
            Ok(found) if found.is_empty() => out.push(Finding::new(what, Level::Good, "nothing in the way")),
            Ok(found) => out.extend(found),
            Err(e) => out.push(Finding::failed(what, e)),
        }
    }
    out
}

fn identity(store: &Store) -> Finding {
    match store.repo.identity(store.world.clock.now()) {
        Ok((author, _)) => Finding::new("identity", Level::Good, format!("{} <{}>", author.name, author.email)),
        Err(e) => Finding::failed("identity", e.into()),
    }
}

/// What is set and does not count.
fn configuration(store: &Store) -> Result<Vec<Finding>, Failure> {
    let notes = config::notes(&store.repo)?.into_iter();
    Ok(notes.map(|note| Finding::new("configuration", Level::Warning, note.text).mend(note.mend)).collect())
}

/// Branches that stand where targets would go.
fn branches(store: &Store) -> Result<Vec<Finding>, Failure> {
    let mut specs: Vec<SpecId> = record::list(&store.repo)?.into_iter().map(|(id, _)| id).collect();
    // Of a repository without specs any name shows whether the folder of targets is free.
    specs.extend("example".parse::<SpecId>().ok().filter(|_| specs.is_empty()));
    let blocked = specs.iter().find_map(|id| {
        let target = names::default_branch(id);
        names::check_free(store.repo.refs(), &target).err()
    });
    Ok(blocked.map(|e| Finding::failed("branches", e.into())).into_iter().collect())
}

/// Runs whose owner is gone.
fn runs(store: &Store) -> Result<Vec<Finding>, Failure> {
    let mut out = Vec::new();
    for id in run::list(&store.repo, None)? {
        match lease::owner(store, &id) {
            Ok(Owner::None) => {}
            Ok(Owner::Live(t)) => out.push(Finding::new("runs", Level::Note, format!("{id} is running: {t}"))),
            Ok(Owner::Elsewhere(t)) => {
                out.push(Finding::new("runs", Level::Note, format!("{id} is running on another machine: {t}")));
            }
            Ok(Owner::Dead(t) | Owner::Expired(t)) => {
                let text = format!("{id} was left by a process that is gone: {t}");
                out.push(Finding::new("runs", Level::Warning, text).mend(format!("git otto resume {id}")));
            }
            Err(e) => out.push(Finding::failed("runs", e.into())),
        }
    }
    Ok(out)
}

/// Lock files: otto's own records of processes that are gone, and git's own, which block until somebody removes them.
fn locks(store: &Store) -> Result<Vec<Finding>, Failure> {
    let repo = &store.repo;
    let mut out = Vec::new();
    let own = repo.common_dir().join("otto/locks");
    for path in below(&own, 1) {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let Ok(holder) = json::read::<Holder>(&bytes, json::Limits::LINE) else { continue };
        let procs = &store.world.procs;
        let (pid, what, since) = (holder.proc.pid, &holder.what, holder.since.human());
        let name = path.file_name().unwrap_or_default().display();
        let gone = matches!(procs.fate(&holder.proc), Fate::Gone | Fate::OtherBoot);
        let alive = holder.host == procs.host() && !gone;
        out.push(match alive {
            true => Finding::new("locks", Level::Note, format!("{name} is held by process {pid} since {since}: {what}")),
            // The kernel released it when the process died.
            false => Finding::new(
                "locks",
                Level::Note,
                format!("{name} was held by process {pid} since {since} ({what}), which is gone: the next run takes it"),
            ),
        });
    }
    let mut places = vec![(repo.common_dir().to_owned(), 1), (repo.common_dir().join("refs"), 12)];
    if repo.git_dir() != repo.common_dir() {
        places.push((repo.git_dir().to_owned(), 1));
    }
    for path in places.into_iter().flat_map(|(dir, depth)| below(&dir, depth)) {
        if path.extension() != Some(OsStr::new("lock")) {
            continue;
        }
        let age = age(&path, store.world.clock.now());
        let text = format!("git is locked by {}, {age} old; git itself never removes it", path.display());
        let path = path.to_string_lossy();
        let quoted = shlex::try_quote(&path).map(|p| p.into_owned()).unwrap_or_else(|_| path.clone().into_owned());
        out.push(Finding::new("locks", Level::Warning, text).mend(format!("rm {quoted}    (only if no git is running)")));
    }
    Ok(out)
}

fn age(path: &Path, now: Timestamp) -> String {
    let modified = std::fs::symlink_metadata(path).and_then(|m| m.modified()).ok();
    let since = modified.and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok());
    match since.map(|s| now.secs().saturating_sub(s.as_secs() as i64)) {
        None => "nobody knows how".to_owned(),
        Some(s @ ..120) => format!("{} s", s.max(0)),
        Some(s @ ..7200) => format!("{} min", s / 60),
        Some(s) => format!("{} h", s / 3600),
    }
}

/// Files below a folder, down to a depth.
fn below(dir: &Path, depth: u32) -> Vec<PathBuf> {
    let (mut out, mut todo, mut seen) = (Vec::new(), vec![(dir.to_owned(), depth)], 0);
    while let Some((dir, depth)) = todo.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            seen += 1;
            if seen > MAX_ENTRIES {
                return out;
            }
            match entry.file_type() {
                Ok(t) if t.is_dir() && depth > 1 => todo.push((entry.path(), depth - 1)),
                Ok(t) if t.is_file() => out.push(entry.path()),
                _ => {}
            }
        }
    }
    out.sort();
    out
}

/// Workspaces that nobody works in.
fn workspaces(store: &Store) -> Result<Vec<Finding>, Failure> {
    let root = workspace::root(&store.world, &store.repo)?;
    let mut out = Vec::new();
    for id in run::list(&store.repo, None)? {
        let left = workspace::leftovers(&root.join(id.as_str()))?;
        if left == 0 || matches!(lease::owner(store, &id), Ok(Owner::Live(_))) {
            continue;
        }
        let s = if left == 1 { "" } else { "s" };
        let text = format!("{left} workspace{s} of {id} left in {}", root.display());
        out.push(Finding::new("workspaces", Level::Warning, text).mend(format!("git otto resume {id}")));
    }
    Ok(out)
}
