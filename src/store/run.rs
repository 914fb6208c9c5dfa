//! A run's fixed points: its anchor, the attempts at its slices, its target.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    base::{Oid, RunId, Sha256, SliceId, SpecId, Timestamp, json},
    git::{BStr, BString, Commit, Mode, NewCommit, Old, RefEdit, Repo, Signature, Swap},
    store::{Error, Result, Store, names, pretty},
};

/// The newest format of `run.json`.
pub const FORMAT: u32 = 1;

/// `run.json`, format 1: everything a run was started with. The anchor commit holds this file alone; its parents are the
/// spec commit and the base, so that both live as long as the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunAnchor {
    /// Always 1.
    pub format: u32,
    /// The run.
    pub run: RunId,
    /// The spec that it builds.
    pub spec: SpecId,
    /// The record that was in force at the start.
    pub spec_commit: Oid,
    /// The branch that it lands on, by full name.
    pub target: String,
    /// Where that branch started.
    pub base: Oid,
    /// What it may use up.
    pub limits: Limits,
    /// Who works, by role: `build` to `literate`.
    pub agents: BTreeMap<String, String>,
    /// Digests of the prompts, by name.
    pub prompts: BTreeMap<String, Sha256>,
    /// Digests of the schemas, by name.
    pub schemas: BTreeMap<String, Sha256>,
    /// When it was started.
    pub created: Timestamp,
}

/// What a run may use up. `null` is no limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Slices that are built at a time.
    pub jobs: u32,
    /// Attempts at a slice.
    pub attempts: u32,
    /// How often the queue gives a slice back to be mended.
    pub repairs: u32,
    /// Seconds that an agent may work on a slice.
    pub slice_wall_s: u64,
    /// Seconds that an agent may be silent.
    pub agent_idle_s: u64,
    /// Millionths of a US dollar for a slice.
    pub slice_usd_micros: Option<u64>,
    /// Millionths of a US dollar for the run.
    pub run_usd_micros: Option<u64>,
}

impl Limits {
    /// What a slice may cost, by its name in records.
    pub const SLICE_USD: &str = "slice_usd_micros";
    /// What a run may cost.
    pub const RUN_USD: &str = "run_usd_micros";
    /// How long agents may work at a slice.
    pub const SLICE_WALL: &str = "slice_wall_s";
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            jobs: 2,
            attempts: 3,
            repairs: 2,
            slice_wall_s: 30 * 60,
            agent_idle_s: 10 * 60,
            slice_usd_micros: None,
            run_usd_micros: Some(10_000_000),
        }
    }
}

/// Creates the anchor of a run, once: the same anchor again is success and gives the same commit.
pub fn create(store: &Store, anchor: &RunAnchor) -> Result<Oid> {
    let blob = store.repo.write_blob(&pretty(anchor)?)?;
    let tree = store.repo.write_tree(None, &[(BString::from("run.json"), Some((Mode::Plain, blob)))])?;
    let who = Signature { time: anchor.created, ..store.otto() };
    let message =
        format!("Start a run of {}\n\nIt builds on {} and lands on {}.\n", anchor.spec, anchor.base, anchor.target);
    let parents =
        if anchor.base == anchor.spec_commit { vec![anchor.base] } else { vec![anchor.spec_commit, anchor.base] };
    let commit = NewCommit { tree, parents, author: &who, committer: &who, message };
    let id = store.repo.write_commit(&commit)?;
    store.create_once(&names::run(&anchor.run), id, &format!("start {}", anchor.run))?;
    Ok(id)
}

/// The anchor's commit and what it says.
pub fn load(repo: &Repo, run: &RunId) -> Result<(Oid, RunAnchor)> {
    let name = names::run(run);
    let id = repo.refs().read(&name)?.ok_or_else(|| Error::Missing { what: format!("run {run}") })?;
    Ok((id, read(repo, run, id)?))
}

/// What the commit of an anchor says; it must be that run's.
pub fn read(repo: &Repo, run: &RunId, id: Oid) -> Result<RunAnchor> {
    let what = format!("run.json of {}", names::run(run));
    let malformed = |why: String| Error::Malformed { what: what.clone(), why };
    let tree = repo.read_commit(id)?.tree;
    let entry = repo.entry(tree, BStr::new("run.json"))?.ok_or_else(|| malformed("it is not there".into()))?;
    let value =
        json::parse(&repo.read_blob(entry.oid, 1 << 20)?, json::Limits::LINE).map_err(|e| malformed(e.to_string()))?;
    if let Some(format) = value.get("format").and_then(|f| f.as_u64()).filter(|f| *f > u64::from(FORMAT)) {
        return Err(Error::TooNew { what, format, known: FORMAT });
    }
    let anchor = RunAnchor::deserialize(value).map_err(|e| malformed(json::Error::from(e).to_string()))?;
    if anchor.format != FORMAT || anchor.run != *run || anchor.spec != *run.spec() {
        return Err(malformed("format, run or spec are not the ones of its name".into()));
    }
    Ok(anchor)
}

/// Every run, of one spec or of all, by spec, oldest first.
pub fn list(repo: &Repo, spec: Option<&SpecId>) -> Result<Vec<RunId>> {
    let all = repo.refs().list(names::run_prefix())?;
    let mut runs: Vec<RunId> = all.into_iter().filter_map(|(name, _)| names::parse_run(&name)).collect();
    runs.retain(|r| spec.is_none_or(|s| r.spec() == s));
    // The time stands right after the spec, so that runs of one spec sort by it.
    runs.sort_by(|a, b| (a.spec(), a.as_str()).cmp(&(b.spec(), b.as_str())));
    // Ids know the second; of two that began in one, the anchors know which came first.
    let second = |run: &RunId| run.as_str().rsplit_once('-').map(|(second, _)| second.to_owned());
    for together in runs.chunk_by_mut(|a, b| second(a) == second(b)).filter(|c| c.len() > 1) {
        together.sort_by_cached_key(|run| load(repo, run).ok().map(|(_, anchor)| anchor.created));
    }
    Ok(runs)
}

/// The newest run of a spec.
pub fn newest(repo: &Repo, spec: &SpecId) -> Result<Option<RunId>> {
    Ok(list(repo, Some(spec))?.pop())
}

/// The run that was created last, of whatever spec.
pub fn latest(repo: &Repo) -> Result<Option<RunId>> {
    let created = |id: &RunId| id.as_str().get(id.spec().as_str().len()..).map(str::to_owned);
    Ok(list(repo, None)?.into_iter().max_by_key(created))
}

/// Names the commit of an attempt, once: the same commit again is success, another one is an error.
pub fn record_attempt(store: &Store, run: &RunId, slice: &SliceId, attempt: u32, commit: Oid) -> Result<()> {
    store.create_once(&names::slice_attempt(run, slice, attempt), commit, &format!("attempt {attempt} at {slice}"))
}

/// The commit of an attempt.
pub fn attempt(repo: &Repo, run: &RunId, slice: &SliceId, attempt: u32) -> Result<Option<Oid>> {
    Ok(repo.refs().read(&names::slice_attempt(run, slice, attempt))?)
}

/// Keeps the tree of a workspace on a base as it was found, for people and for whoever goes on; `about` is the message. The
/// ref only moves forward: what was kept before stays behind what is kept now. What is kept already is not kept again.
pub fn keep_wip(store: &Store, run: &RunId, slice: &SliceId, base: Oid, tree: Oid, about: &str) -> Result<()> {
    let name = names::wip(run, slice);
    loop {
        let last = store.repo.refs().read(&name)?;
        if let Some(last) = last.map(|last| store.repo.read_commit(last)).transpose()?
            && is_wip(&last, base, about)
            && last.tree == tree
        {
            return Ok(());
        }
        let (author, committer) = store.repo.identity(store.world.clock.now())?;
        let parents = [base].into_iter().chain(last).collect();
        let commit = NewCommit { tree, parents, author: &author, committer: &committer, message: about.to_owned() };
        let new = Some(store.repo.write_commit(&commit)?);
        let old = last.map_or(Old::Absent, Old::Is);
        if store.swap(&[RefEdit { name: name.clone(), old, new }], "work in progress")? == Swap::Done {
            return Ok(());
        }
    }
}

/// The tree that [`keep_wip`] kept last, if it was kept with that message on that base.
pub fn wip(repo: &Repo, run: &RunId, slice: &SliceId, base: Oid, about: &str) -> Result<Option<Oid>> {
    let Some(kept) = repo.refs().read(&names::wip(run, slice))? else { return Ok(None) };
    let kept = repo.read_commit(kept)?;
    Ok(is_wip(&kept, base, about).then_some(kept.tree))
}

/// The commit that [`keep_wip`] made last, if it was kept with that message, on whatever base.
pub fn wip_of(repo: &Repo, run: &RunId, slice: &SliceId, about: &str) -> Result<Option<Oid>> {
    let Some(kept) = repo.refs().read(&names::wip(run, slice))? else { return Ok(None) };
    Ok((repo.read_commit(kept)?.message == about).then_some(kept))
}

fn is_wip(kept: &Commit, base: Oid, about: &str) -> bool {
    kept.message == about && kept.parents.first() == Some(&base)
}

/// Every attempt of a run, by slice and number.
pub fn attempts(repo: &Repo, run: &RunId) -> Result<Vec<(SliceId, u32, Oid)>> {
    let all = repo.refs().list(&names::slice_prefix(run))?;
    let mut out: Vec<_> = all
        .into_iter()
        .filter_map(|(name, oid)| names::parse_slice_attempt(&name).map(|(_, slice, n)| (slice, n, oid)))
        .collect();
    out.sort();
    Ok(out)
}

/// Every ref of a run: all that there is of it.
pub fn refs(repo: &Repo, run: &RunId) -> Result<Vec<(String, Oid)>> {
    let (single, several) = names::of_run(run);
    let mut out = Vec::new();
    for name in single {
        if let Some(oid) = repo.refs().read(&name)? {
            out.push((name, oid));
        }
    }
    for prefix in several {
        out.extend(repo.refs().list(&prefix)?);
    }
    Ok(out)
}

/// The last landing of a run, or its base before the first.
pub fn target(repo: &Repo, run: &RunId) -> Result<Option<Oid>> {
    Ok(repo.refs().read(&names::target(run))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::Fixture;

    fn anchor(f: &Fixture, run: &str) -> RunAnchor {
        let run: RunId = run.parse().unwrap();
        RunAnchor {
            format: 1,
            spec: run.spec().clone(),
            run,
            spec_commit: f.head(),
            target: "refs/heads/otto/jot".into(),
            base: f.head(),
            limits: Limits::default(),
            agents: [("build".into(), "literate".into())].into(),
            prompts: BTreeMap::new(),
            schemas: [("spec".into(), Sha256::of("x"))].into(),
            created: Timestamp::from_millis(1_700_000_000_042),
        }
    }

    #[test]
    fn an_anchor_is_created_once_and_read_back() {
        let f = Fixture::new();
        let a = anchor(&f, "jot-20231114t221320z-0a1b2c");
        let id = create(&f.store, &a).unwrap();
        assert_eq!(load(&f.store.repo, &a.run).unwrap(), (id, a.clone()));
        assert_eq!(create(&f.store, &a).unwrap(), id, "a retry is no new run");
        let other = RunAnchor { target: "refs/heads/x".into(), ..a.clone() };
        assert!(matches!(create(&f.store, &other), Err(Error::Exists { found: Some(x), .. }) if x == id));
        assert_eq!(load(&f.store.repo, &a.run).unwrap().0, id);
        assert!(f.git(&["fsck", "--full", "--strict"]).status.success());
        assert!(matches!(
            load(&f.store.repo, &"x-20231114t221320z-0a1b2c".parse().unwrap()),
            Err(Error::Missing { .. })
        ));
    }

    #[test]
    fn the_newest_run_is_of_that_spec_only() {
        let f = Fixture::new();
        for run in ["jot-20231114t221320z-ffffff", "jot-20240101t000000z-000000", "jot-b-20250101t000000z-000000"] {
            create(&f.store, &anchor(&f, run)).unwrap();
        }
        f.git(&["update-ref", "refs/otto/runs/Nonsense", "HEAD"]);
        let newest = |s: &str| newest(&f.store.repo, &s.parse().unwrap()).unwrap().map(|r| r.to_string());
        assert_eq!(newest("jot").as_deref(), Some("jot-20240101t000000z-000000"));
        assert_eq!(newest("jot-b").as_deref(), Some("jot-b-20250101t000000z-000000"));
        assert_eq!(newest("x"), None);
        assert_eq!(list(&f.store.repo, None).unwrap().len(), 3);
    }

    #[test]
    fn attempts_never_move() {
        let f = Fixture::new();
        let run: RunId = "jot-20231114t221320z-0a1b2c".parse().unwrap();
        let slice: SliceId = "store".parse().unwrap();
        let (one, two) = (f.head(), f.commit("two"));
        for n in [10, 2, 1] {
            record_attempt(&f.store, &run, &slice, n, one).unwrap();
        }
        record_attempt(&f.store, &run, &slice, 1, one).unwrap();
        let lost = record_attempt(&f.store, &run, &slice, 1, two);
        assert!(matches!(lost, Err(Error::Exists { found: Some(x), .. }) if x == one));
        let all: Vec<u32> = attempts(&f.store.repo, &run).unwrap().into_iter().map(|(_, n, _)| n).collect();
        assert_eq!(all, [1, 2, 10]);
        assert_eq!(attempt(&f.store.repo, &run, &slice, 2).unwrap(), Some(one));
    }

    #[test]
    fn a_newer_anchor_is_refused_with_its_format() {
        let f = Fixture::new();
        let a = RunAnchor { format: 2, ..anchor(&f, "jot-20231114t221320z-0a1b2c") };
        create(&f.store, &a).unwrap();
        assert!(matches!(load(&f.store.repo, &a.run), Err(Error::TooNew { format: 2, .. })));
    }
}
