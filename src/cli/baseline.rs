//! What the project's own commands say of the base, before a new spec is recorded: shared by `run` and `compile`.

use std::collections::BTreeMap;

use crate::{
    base::{Failure, Oid, procs},
    baseline::{self, Baseline, Told, has_command},
    cli::{Start, prose::to_the_end, session, source::Draft, supply},
    git::Head,
    spec::{self, model::Spec},
    store::{Store, names, record::StoredSpec},
    workspace,
};

/// The key that leaves the baseline out.
const KEY: &str = "otto.baseline";

/// Has a draft keep what the spec keeps that is there already: its base is not asked again.
pub fn take_along(draft: &mut Draft, known: &StoredSpec) {
    // One that cannot be read is told when it is loaded.
    if let Ok(before) = spec::parse(&known.spec_bytes) {
        baseline::take_along(&before, &mut draft.spec);
    }
}

/// Has the draft of a new spec keep what is green on its base.
pub fn keep(
    start: &Start,
    store: &Store,
    draft: &mut Draft,
    wanted: bool,
    target: Option<&str>,
) -> Result<Baseline, Failure> {
    let branch = match target {
        Some(name) => session::branch(name),
        None => names::default_branch(&draft.spec.id),
    };
    let measured = measure(start, store, Some(&branch), Some(&draft.spec), wanted)?;
    measured.keep(&mut draft.spec);
    Ok(measured)
}

/// Runs the project's own commands on the base of a run onto a branch, but those that the spec runs itself.
pub fn measure(
    start: &Start,
    store: &Store,
    branch: Option<&str>,
    spec: Option<&Spec>,
    wanted: bool,
) -> Result<Baseline, Failure> {
    if !store.repo.config_bool(KEY)?.unwrap_or(true) || !wanted {
        return Ok(Baseline::default());
    }
    let Some(base) = base(store, branch)? else { return Ok(Baseline::default()) };
    let tree = store.repo.read_commit(base)?.tree;
    let mut found = baseline::find(&store.repo, tree)?;
    found.retain(|f| spec.is_none_or(|spec| !has_command(spec, &f.command)));
    if found.is_empty() {
        return Ok(Baseline::default());
    }
    let root = workspace::root(&start.world, &store.repo)?.join("baseline");
    // Commands of a process that died.
    for orphan in procs::orphans(&root)? {
        procs::end(&orphan, &root)?;
    }
    let setup = spec.map(|spec| spec.setup.clone()).unwrap_or_default();
    let site = session::site(start, store, root, supply::supply(start, store, tree)?, setup, BTreeMap::new())?;
    let tell = &mut |told: Told<'_>| tell(start, &told);
    to_the_end(baseline::measure(&site, tree, found, tell))
}

/// The commit that a run onto a branch would start from; none in a repository without commits.
fn base(store: &Store, branch: Option<&str>) -> Result<Option<Oid>, Failure> {
    if let Some(tip) = branch.map(|branch| store.repo.refs().read(branch)).transpose()?.flatten() {
        return Ok(Some(tip));
    }
    Ok(match store.repo.head()? {
        Head::Detached(commit) => Some(commit),
        Head::Branch(_, commit) => commit,
    })
}

fn tell(start: &Start, told: &Told<'_>) -> Result<(), Failure> {
    if start.ui.is_json() {
        return Ok(());
    }
    let line = match told {
        Told::Runs(..) if !start.ui.is_live() => return Ok(()),
        Told::Runs(check, time) => {
            let (command, time) = (baseline::shown(check), baseline::seconds(*time));
            format!(
                "baseline: {command} … {time} (limit {} s; Ctrl-C ends it, --no-baseline leaves it out)",
                check.timeout_s()
            )
        }
        Told::Ended(one) => format!("baseline: {}", one.words()),
    };
    Ok(start.ui.say(&line)?)
}
