//! What git knows of a run: refs and objects, nothing else.

use std::collections::BTreeMap;

use super::{
    assemble::{Material, assemble},
    model::{Amendment, Diffstat, Packet},
};
use crate::{
    base::{Failure, Oid, RunId, Sha256, Timestamp, glob, json},
    checks,
    git::{self, Repo},
    journal::{self, Replayed, event::Kind},
    plan::model::Plan,
    spec::model::Spec,
    store::{record, run},
};

/// The packet of a run.
pub fn packet(repo: &Repo, id: &RunId) -> Result<Packet, Failure> {
    let (at, anchor) = run::load(repo, id)?;
    let stored = record::load(repo, anchor.spec_commit)?;
    let spec: Spec = json::read(&stored.spec_bytes, json::Limits::RECORD)?;
    let Replayed { events, state, .. } = journal::read(repo, id, at)?;
    let recovered = events.into_iter().filter_map(|e| match e.fact.kind {
        Kind::RecoveryPerformed { actions } => Some(actions),
        _ => None,
    });
    let actions = recovered.flatten().collect();
    let tip = run::target(repo, id)?.unwrap_or(anchor.base);
    let plan = Plan::new(anchor.spec_commit, spec, Default::default());
    let landed = landed(repo, tip, state.landings.iter().map(|(_, commit)| *commit))?;
    Ok(assemble(&Material {
        run: id,
        state: &state,
        target: &anchor.target,
        base: anchor.base,
        tip,
        created: anchor.created,
        digest: Sha256::of(&stored.spec_bytes),
        self_written: self_written(&plan),
        trees: landed.iter().map(|(commit, trees)| (*commit, trees.1)).collect(),
        stats: stats(repo, &landed),
        amendments: amendments(repo, anchor.spec_commit)?,
        actions,
        plan: &plan,
    }))
}

/// Of each check that is judged by tests of its own slice, those tests.
fn self_written(plan: &Plan) -> BTreeMap<String, Vec<String>> {
    let own = plan.spec.checks().filter_map(|(slice, check)| {
        let owned = &slice?.owned_paths;
        let tests = checks::self_written(check, |path| owned.iter().any(|p| glob::matches(p, path)));
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

/// What each landing changed, by one `git diff-tree`. Neither configuration nor attributes have a say, so that everybody
/// gets the same numbers.
fn stats(repo: &Repo, landed: &BTreeMap<Oid, (Option<Oid>, Oid)>) -> BTreeMap<Oid, Diffstat> {
    let pairs = landed.iter().filter_map(|(id, (before, after))| before.map(|b| (*id, format!("{b} {after}"))));
    let pairs: Vec<(Oid, String)> = pairs.collect();
    if pairs.is_empty() {
        return BTreeMap::new();
    }
    let input: String = pairs.iter().map(|(_, pair)| format!("{pair}\n")).collect();
    let args = [
        "diff-tree",
        "--stdin",
        "-r",
        "--numstat",
        "--no-renames",
        "--text",
        "--no-ext-diff",
        "--no-textconv",
        "--diff-algorithm=myers",
    ];
    // Numbers are no proof: without them the packet is still whole.
    let Ok(out) = repo.git(&args, Some(input.as_bytes())).and_then(|o| o.ok()) else { return BTreeMap::new() };
    let by_pair = numstat(&String::from_utf8_lossy(&out));
    pairs.into_iter().map(|(id, pair)| (id, by_pair.get(&pair).copied().unwrap_or_default())).collect()
}

/// The sums of `git diff-tree --stdin --numstat` by the two ids that stand before the lines of each pair.
fn numstat(text: &str) -> BTreeMap<String, Diffstat> {
    let mut out: BTreeMap<String, Diffstat> = BTreeMap::new();
    let mut pair = String::new();
    for line in text.lines() {
        let mut columns = line.splitn(3, '\t');
        let number = |text: Option<&str>| text.and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
        match (columns.next(), columns.next(), columns.next()) {
            (added, removed @ Some(_), Some(_)) => {
                let sum = out.entry(pair.clone()).or_default();
                sum.files += 1;
                sum.added += number(added);
                sum.removed += number(removed);
            }
            _ => pair = line.to_owned(),
        }
    }
    out
}

/// The records after the approval, oldest first.
fn amendments(repo: &Repo, commit: Oid) -> Result<Vec<Amendment>, Failure> {
    let steps = record::history(repo, commit)?;
    let mut after: Vec<Amendment> = steps
        .into_iter()
        .take_while(|s| s.record.kind != record::Kind::Approve)
        .filter(|s| s.record.kind.phase() != record::Phase::Draft)
        .map(|s| Amendment {
            commit: s.commit,
            kind: s.record.kind.word().to_owned(),
            actor: s.record.actor.to_string(),
            time: Timestamp::from_secs(s.record.time.secs),
            reason: s.record.reason,
            tier: s.record.tier,
        })
        .collect();
    after.reverse();
    Ok(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_summed_by_pair() {
        let text = "aa bb\n3\t1\ta b\n-\t-\tbin\ncc dd\n0\t2\t\"q\\tx\"\n";
        let found = numstat(text);
        assert_eq!(found["aa bb"], Diffstat { files: 2, added: 3, removed: 1 });
        assert_eq!(found["cc dd"], Diffstat { files: 1, added: 0, removed: 2 });
    }
}
