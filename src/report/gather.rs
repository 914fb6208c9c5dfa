//! What git knows of a run: refs and objects, nothing else.

use std::collections::BTreeMap;

use super::{
    assemble::{Material, assemble},
    excerpts, lines,
    model::{Amendment, Packet},
};
use crate::{
    base::{Failure, Oid, RunId, Sha256, Timestamp, glob, json},
    checks,
    git::{self, Repo},
    journal::{self, Replayed, event::Kind},
    plan::model::Plan,
    spec::model::{
        Spec,
        change::{Change, changes},
    },
    store::{record, run},
};

/// Changes of one amendment that are told.
const MAX_CHANGES: usize = 20;

/// The packet of a run.
pub fn packet(repo: &Repo, id: &RunId) -> Result<Packet, Failure> {
    let (at, anchor) = run::load(repo, id)?;
    let Replayed { events, state, .. } = journal::read(repo, id, at)?;
    let version = state.spec().unwrap_or(anchor.spec_commit);
    let stored = record::load(repo, version)?;
    let spec: Spec = json::read(&stored.spec_bytes, json::Limits::RECORD)?;
    let recovered = events.into_iter().filter_map(|e| match e.fact.kind {
        Kind::RecoveryPerformed { actions } => Some(actions),
        _ => None,
    });
    let actions = recovered.flatten().collect();
    let tip = run::target(repo, id)?.unwrap_or(anchor.base);
    let plan = Plan::new(version, spec, Default::default());
    let landed = landed(repo, tip, state.landings.iter().map(|(_, commit)| *commit))?;
    let stat = |(commit, (before, after)): (&Oid, &(Option<Oid>, Oid))| {
        // Numbers are no proof: without them the packet is still whole.
        Some((*commit, lines::between(repo, (*before)?, *after).ok()?))
    };
    let stats = landed.iter().filter_map(stat).collect();
    let mut packet = assemble(&Material {
        run: id,
        state: &state,
        target: &anchor.target,
        base: anchor.base,
        tip,
        created: anchor.created,
        digest: Sha256::of(&stored.spec_bytes),
        self_written: self_written(&plan),
        trees: landed.iter().map(|(commit, trees)| (*commit, trees.1)).collect(),
        stats,
        amendments: amendments(repo, version)?,
        actions,
        plan: &plan,
    });
    excerpts::attach(repo, &mut packet);
    Ok(packet)
}

/// Of each check that is judged by tests of its own slice, those tests.
fn self_written(plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let own = plan.spec.checks().filter_map(|(slice, check)| {
        let owned = &slice?.owned_paths;
        let tests = checks::self_written(check, |path| glob::any(owned, path));
        (!tests.is_empty()).then(|| (check.id.clone(), tests))
    });
    own.collect()
}

/// The landings that are in the target's history, each with the trees of its first parent and of itself.
fn landed(repo: &Repo, tip: Oid, commits: impl Iterator<Item = Oid>) -> git::Result<BTreeMap<Oid, (Option<Oid>, Oid)>> {
    let commits: Vec<Oid> = commits.collect();
    // Landings follow each other; only commits of people can stand between them.
    let line = repo.first_parents(tip, 4 * commits.len() + 100)?;
    let mut out = BTreeMap::new();
    for id in commits {
        let commit = match repo.read_commit(id) {
            Ok(commit) => commit,
            Err(git::Error::NoObject(_)) => continue,
            Err(e) => return Err(e),
        };
        if line.contains(&id) || repo.is_ancestor(id, tip)? {
            let before = commit.parents.first().and_then(|p| repo.read_commit(*p).ok()).map(|p| p.tree);
            out.insert(id, (before, commit.tree));
        }
    }
    Ok(out)
}

/// The records after the approval, oldest first.
fn amendments(repo: &Repo, commit: Oid) -> Result<Vec<Amendment>, Failure> {
    let steps = record::history(repo, commit)?;
    let after = steps.into_iter().take_while(|s| s.record.kind != record::Kind::Approve);
    let mut out = Vec::new();
    for s in after.filter(|s| s.record.kind.phase() != record::Phase::Draft) {
        out.push(Amendment {
            commit: s.commit,
            kind: s.record.kind.word().to_owned(),
            actor: s.record.actor.to_string(),
            time: Timestamp::from_secs(s.record.time.secs),
            changes: what_changed(repo, s.parents.first().copied(), s.commit)?,
            reason: s.record.reason,
            tier: s.record.tier,
            trigger: s.record.trigger,
        });
    }
    out.reverse();
    Ok(out)
}

/// In what a record differs from its first parent, in words.
fn what_changed(repo: &Repo, before: Option<Oid>, after: Oid) -> Result<Vec<String>, Failure> {
    let spec = |commit: Oid| -> Result<Spec, Failure> {
        Ok(json::read(&record::load(repo, commit)?.spec_bytes, json::Limits::RECORD)?)
    };
    let Some(before) = before else { return Ok(Vec::new()) };
    let mut told: Vec<String> = changes(&spec(before)?, &spec(after)?).iter().map(Change::sentence).collect();
    if told.len() > MAX_CHANGES {
        let more = told.len() - MAX_CHANGES;
        told.truncate(MAX_CHANGES);
        told.push(format!("… and {more} more changes"));
    }
    Ok(told)
}
