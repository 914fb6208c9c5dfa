//! Specs and their runs in one file, which is a bundle of git.

use std::path::Path;

use serde::Serialize;

use super::{Options, Report, View, bring, remote, transport};
use crate::{
    base::{Exit, Failure, Oid, SpecId, scratch, text::one_line},
    git::Repo,
    store::{
        Store,
        names::{self, Named},
        run,
    },
    verify::{self, Update, Violation},
};

/// The name under which a bundle's refs are kept.
const REMOTE: &str = "bundle";

/// What a bundle holds.
#[derive(Debug, Serialize)]
pub struct Bundled {
    /// The specs.
    pub specs: Vec<SpecId>,
    /// How many runs.
    pub runs: usize,
    /// Every ref.
    pub refs: View,
    /// What does not verify.
    pub violations: Vec<Violation>,
}

/// Writes specs with their runs, and the branches that these land on, with everything that they need.
pub fn create(store: &Store, file: &Path, specs: &[SpecId]) -> Result<Bundled, Failure> {
    let repo = &store.repo;
    let options = Options { specs: specs.to_vec(), ..Options::default() };
    let mut refs = View::new();
    for (name, oid) in remote::ours(store, false)? {
        let spec = match names::what(&name) {
            Named::Spec(id) => id,
            Named::Run(run) | Named::Attempt(run) | Named::Target(run) | Named::Evidence(run) => run.spec().clone(),
            Named::Journal(run, _) => run.spec().clone(),
            // Who runs it now means nothing to whoever reads the file.
            _ => continue,
        };
        if options.covers(&spec) {
            refs.insert(name, oid);
        }
    }
    for id in run::list(repo, None)?.into_iter().filter(|id| options.covers(id.spec())) {
        let (_, anchor) = run::load(repo, &id)?;
        refs.extend(repo.refs().read(&anchor.target)?.map(|oid| (anchor.target, oid)));
    }
    for id in specs {
        if !refs.contains_key(&names::spec(id)) {
            return Err(Failure::new(Exit::Usage, format!("there is no spec {id} here")).hint("git otto status"));
        }
    }
    if refs.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no spec here").hint("git otto run <intent>"));
    }
    if let Some((name, message)) = super::secrets::first(repo, &refs)? {
        let text = format!("{name}: {message}");
        return Err(Failure::new(Exit::Refused, text).hint("git otto bundle create <file> <another spec>"));
    }
    let input: String = refs.keys().map(|name| format!("{name}\n")).collect();
    let args = ["bundle".as_ref(), "create".as_ref(), "--quiet".as_ref(), file.as_os_str(), "--stdin".as_ref()];
    repo.git(&args, Some(input.as_bytes()))?.ok()?;
    Ok(contents(refs, Vec::new()))
}

/// Checks a file from nothing but itself: in an empty repository.
pub fn verify(file: &Path) -> Result<Bundled, Failure> {
    let dir = scratch::folder()?;
    let repo = Repo::init(dir.path())?;
    // As `<name>:<name>`: what is judged is what the file says, under its own names.
    let mut args: Vec<String> =
        ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-head-ok", "--end-of-options"]
            .map(str::to_owned)
            .into();
    args.push(text(file)?);
    args.extend(names::shared_prefixes(true).map(|p| format!("+{p}*:{p}*")));
    args.push("+refs/heads/*:refs/heads/*".into());
    repo.talk(&args, false, false)?.ok().map_err(|e| unreadable(file, &e.to_string()))?;
    let mut refs = View::new();
    for prefix in names::shared_prefixes(true).chain(["refs/heads/"]) {
        refs.extend(repo.refs().list(prefix)?);
    }
    let update = |(name, oid): (&String, &Oid)| Update { name: name.clone(), old: None, new: Some(*oid) };
    let updates: Vec<Update> = refs.iter().map(update).collect();
    // Nothing is there before: the refs that were fetched to be read are no old values.
    let gone: String = refs.keys().map(|name| format!("delete {name}\n")).collect();
    repo.git(&["update-ref", "--stdin"], Some(gone.as_bytes()))?.ok()?;
    let violations = verify::updates(&repo, &updates)?;
    Ok(contents(refs, violations))
}

/// Reads a file into tracking refs, and goes on as a fetch does.
pub fn unbundle(store: &Store, file: &Path, options: &Options) -> Result<Report, Failure> {
    let options = Options { remote: REMOTE.into(), ..options.clone() };
    let mut report = Report { remote: REMOTE.into(), ..Report::default() };
    let before = transport::tracked(store, REMOTE)?;
    let mut args: Vec<String> =
        ["fetch", "--quiet", "--atomic", "--prune", "--no-tags", "--no-write-fetch-head", "--end-of-options"]
            .map(str::to_owned)
            .into();
    args.push(text(file)?);
    args.extend(names::fetch_refspecs(REMOTE, options.wip));
    store.repo.talk(&args, false, false)?.ok().map_err(|e| unreadable(file, &e.to_string()))?;
    bring::bring(store, &options, &before, &mut report)?;
    Ok(report)
}

fn contents(refs: View, violations: Vec<Violation>) -> Bundled {
    let specs = refs.keys().filter_map(|n| names::parse_spec(n)).collect();
    let runs = refs.keys().filter(|n| names::parse_run(n).is_some()).count();
    Bundled { specs, runs, refs, violations }
}

/// An absolute path, so that it is no URL and no option.
fn text(file: &Path) -> Result<String, Failure> {
    let path = std::path::absolute(file)?;
    let unusable = || Failure::new(Exit::Usage, format!("{} is no path that git can be told", file.display()));
    if !path.is_file() {
        return Err(Failure::new(Exit::Usage, format!("there is no file {}", file.display()))
            .hint("git otto bundle create <file>"));
    }
    path.to_str().map(str::to_owned).ok_or_else(unusable)
}

fn unreadable(file: &Path, why: &str) -> Failure {
    let text = format!("{} cannot be read as a bundle: {}", file.display(), one_line(why, 300));
    Failure::new(Exit::Refused, text).hint(format!("git bundle verify {}", file.display()))
}
