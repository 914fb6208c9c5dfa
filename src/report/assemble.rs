//! From what is known of a run to its packet. Pure: what it needs from git stands in [`Material`].

use std::collections::{BTreeMap, BTreeSet};

use super::model::{
    Agent, Amendment, Asked, Attempt, Blocked, Built, BuiltBy, Checked, Diffstat, Evidence, Failed, HowTo, Landed,
    Missing, MissingSlice, NO_MODEL, Packet, Proof, Proven, Recovery, SCHEMA, Target, Waited,
};
use super::words;
use crate::{
    base::{Oid, RunId, Sha256, SliceId, Timestamp},
    checks::{
        self,
        model::{Check, Gate},
    },
    journal::{
        event::{Cost, Verdict},
        state::{CheckResult, RunState, SliceState},
    },
    plan::model::{Plan, current, proves},
    spec::model::Slice,
};

/// Everything that a packet is made from.
pub struct Material<'a> {
    /// The run.
    pub run: &'a RunId,
    /// What it builds.
    pub plan: &'a Plan,
    /// What its journal says.
    pub state: &'a RunState,
    /// The full name of its target branch.
    pub target: &'a str,
    /// Where that started.
    pub base: Oid,
    /// The last landing, or the base.
    pub tip: Oid,
    /// When the run was created, where the journal does not say when it began.
    pub created: Timestamp,
    /// The digest of `spec.json`.
    pub digest: Sha256,
    /// Of each check that is judged by tests of its own slice, those tests.
    pub self_written: BTreeMap<String, Vec<String>>,
    /// The tree of each landing that is in the target's history.
    pub trees: BTreeMap<Oid, Oid>,
    /// What each landing changed.
    pub stats: BTreeMap<Oid, Diffstat>,
    /// Records after the approval.
    pub amendments: Vec<Amendment>,
    /// What recoveries put right.
    pub actions: Vec<String>,
}

/// Makes the packet.
pub fn assemble(m: &Material<'_>) -> Packet {
    let spec = &m.plan.spec;
    let checks: Vec<Checked> = spec.checks().map(|(slice, check)| checked(m, slice, check)).collect();
    let requirements: Vec<Proof> = spec
        .requirements
        .iter()
        .map(|r| {
            let of_it = spec.checks().filter(|(slice, check)| proves(*slice, check).contains(&r.id));
            let ids: Vec<String> = of_it.map(|(_, check)| check.id.clone()).collect();
            let of_it: Vec<&Checked> = checks.iter().filter(|c| ids.contains(&c.id)).collect();
            Proof { id: r.id.clone(), text: r.text.clone(), proven: proven(&of_it), checks: ids }
        })
        .collect();
    let slices: Vec<Built> = spec.slices.iter().map(|s| built(s, current(m.plan, m.state, &s.id))).collect();
    let (landings, mut problems) = landings(m);
    problems.splice(0..0, m.state.problems.iter().cloned());
    let missing = missing(m, &requirements, &checks);
    let finished = m.state.finished.as_ref();
    let why = why(m, &missing);
    Packet {
        schema: SCHEMA.to_owned(),
        run: m.run.clone(),
        spec: Asked {
            id: spec.id.clone(),
            title: spec.title.clone(),
            kind: spec.project_kind.name().to_owned(),
            intent: spec.intent.clone(),
            non_goals: spec.non_goals.clone(),
            commit: m.plan.spec_commit,
            digest: m.digest,
        },
        base: m.base,
        target: Target { name: m.target.to_owned(), commit: m.tip },
        started: m.state.started.as_ref().map(|s| s.at).or(Some(m.created)),
        finished: finished.map(|f| f.at),
        verdict: finished.map(|f| f.verdict),
        why,
        built_by: built_by(m),
        requirements,
        checks,
        slices,
        verify: how_to_verify(m, &landings),
        landings,
        missing,
        amendments: m.amendments.clone(),
        recovery: Recovery { resumes: m.state.resumes, actions: m.actions.clone() },
        problems,
    }
}

/// The order of rounds, by their kind.
const ROUNDS: [&str; 4] = ["base", "candidate", "queue", "audit"];

fn kind_of(round: &str) -> &str {
    round.split('-').next().unwrap_or(round)
}

fn checked(m: &Material<'_>, slice: Option<&Slice>, check: &Check) -> Checked {
    let own = slice.map(|s| current(m.plan, m.state, &s.id));
    let of_slice = own.into_iter().flat_map(|s| s.base_checks.iter().chain(s.attempts.iter().flat_map(|a| &a.checks)));
    // A cross-slice check is run in the rounds of the slices that land.
    let of_others = m.plan.spec.slices.iter().filter(|_| slice.is_none());
    let of_others = of_others.flat_map(|s| current(m.plan, m.state, &s.id).attempts.iter().flat_map(|a| &a.checks));
    let all: Vec<&CheckResult> =
        of_slice.chain(of_others).chain(&m.state.checks).filter(|r| r.check == check.id).collect();
    let last = |kind: &str| -> Option<&CheckResult> {
        let number = |r: &CheckResult| r.round.split_once('-').and_then(|(_, n)| n.parse::<u64>().ok()).unwrap_or(0);
        let mut of_kind = all.iter().copied().filter(|r| kind_of(&r.round) == kind);
        match kind {
            "audit" => of_kind.max_by_key(|r| number(r)),
            _ => of_kind.next_back(),
        }
    };
    let base = last("base").filter(|_| check.gate == Gate::New);
    Checked {
        id: check.id.clone(),
        slice: slice.map(|s| s.id.clone()),
        kind: check.kind.name().to_owned(),
        sentence: checks::sentence(check),
        gate: check.gate,
        digest: check.digest(),
        self_written: m.self_written.get(&check.id).cloned().unwrap_or_default(),
        on_base: base.map(|r| checks::red_words(r.cause).to_owned()),
        holds: last("audit").or_else(|| last("queue")).map(|r| r.cause.passed()),
        results: ROUNDS.iter().filter_map(|kind| last(kind)).map(evidence).collect(),
    }
}

fn evidence(r: &CheckResult) -> Evidence {
    Evidence {
        round: r.round.clone(),
        tree: r.tree,
        cause: r.cause,
        detail: r.detail.clone(),
        duration_ms: r.duration_ms,
        blob: r.evidence,
        command: format!("git cat-file blob {}", r.evidence),
        path: None,
        stdout: None,
        stderr: None,
        pictures: Vec::new(),
    }
}

fn proven(checks: &[&Checked]) -> Proven {
    if checks.is_empty() || checks.iter().any(|c| c.holds != Some(true)) {
        Proven::No
    } else if checks.iter().all(|c| !c.self_written.is_empty()) {
        Proven::SelfWritten
    } else {
        Proven::Yes
    }
}

fn built(slice: &Slice, now: &SliceState) -> Built {
    let attempts = now.attempts.iter().map(|a| Attempt {
        n: a.n,
        provider: a.provider.clone(),
        commit: a.commit,
        failed: a.failed.as_ref().map(|(reason, detail)| Failed { reason: *reason, detail: detail.clone() }),
        violations: a.violations.clone(),
        cost: a.cost,
    });
    let waits = now.waits.iter().map(|w| Waited {
        path: w.path.clone(),
        owner: w.owner.clone(),
        attempt: w.attempt,
        reason: w.reason.clone(),
        done: w.settled.as_ref().map(|(passed, _)| *passed),
    });
    Built {
        waits: waits.collect(),
        id: slice.id.clone(),
        title: slice.title.clone(),
        phase: now.phase,
        deps: slice.deps.clone(),
        attempts: attempts.collect(),
        repairs: now.repairs,
        cost: now.cost,
        agent_ms: now.agent_ms,
        redundant: now.redundant.clone(),
        blocked: now.blocked.as_ref().map(|(reason, detail)| Blocked { reason: *reason, detail: detail.clone() }),
    }
}

/// The landings that git confirms, and a problem for each that it does not.
fn landings(m: &Material<'_>) -> (Vec<Landed>, Vec<String>) {
    let (mut out, mut problems, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (slice, commit) in &m.state.landings {
        let Some(tree) = m.trees.get(commit) else {
            problems.push(format!(
                "the journal says that `{slice}` landed as {commit}, which is not in the target's history"
            ));
            continue;
        };
        if !seen.insert(*commit) {
            problems.push(format!("the landing {commit} of `{slice}` is told twice"));
            continue;
        }
        let tested = current(m.plan, m.state, slice).merge.as_ref().filter(|t| t.commit == *commit).map(|t| t.tree);
        if tested.is_some_and(|t| t != *tree) {
            problems.push(format!("`{slice}` landed as {commit}, whose tree {tree} is not the one that was tested"));
        }
        let diffstat = m.stats.get(commit).copied();
        out.push(Landed { slice: slice.clone(), commit: *commit, tree: *tree, diffstat });
    }
    (out, problems)
}

fn missing(m: &Material<'_>, requirements: &[Proof], checks: &[Checked]) -> Missing {
    let spec = &m.plan.spec;
    let phase = |id: &SliceId| current(m.plan, m.state, id).phase;
    let slice = |s: &Slice| MissingSlice {
        id: s.id.clone(),
        why: match &current(m.plan, m.state, &s.id).blocked {
            Some((reason, detail)) if detail.is_empty() => words::block(*reason).to_owned(),
            Some((reason, detail)) => format!("{}: {detail}", words::block(*reason)),
            None => format!("not finished: {}", words::phase(phase(&s.id))),
        },
        dependents: spec
            .slices
            .iter()
            .filter(|d| m.plan.needs(&d.id).iter().any(|n| n.id == s.id) && !phase(&d.id).is_done())
            .map(|d| d.id.clone())
            .collect(),
    };
    Missing {
        slices: spec.slices.iter().filter(|s| !phase(&s.id).is_done()).map(slice).collect(),
        requirements: requirements.iter().filter(|r| r.proven != Proven::Yes).map(|r| r.id.clone()).collect(),
        checks: checks.iter().filter(|c| c.holds != Some(true)).map(|c| c.id.clone()).collect(),
    }
}

fn why(m: &Material<'_>, missing: &Missing) -> Vec<String> {
    let open = missing.slices.len();
    match &m.state.finished {
        // What is found about a product that passed is told after why it did.
        Some(f) if f.verdict == Verdict::Passed => {
            let proven = "Every requirement is proven by a check that holds on the integrated product.".to_owned();
            [proven].into_iter().chain(f.why.iter().cloned()).collect()
        }
        Some(f) if !f.why.is_empty() => f.why.clone(),
        Some(_) => vec!["The journal does not say why.".into()],
        None if open == 0 => vec!["The run has not finished: everything is built, and the audit is due.".into()],
        None => {
            let all = m.plan.spec.slices.len();
            let are = if open == 1 { "is" } else { "are" };
            vec![format!("The run has not finished: {open} of {all} slices {are} not on the target.")]
        }
    }
}

fn built_by(m: &Material<'_>) -> BuiltBy {
    let mut agents: BTreeMap<&str, (BTreeSet<&SliceId>, usize, Cost)> = BTreeMap::new();
    for slice in &m.plan.spec.slices {
        for attempt in &current(m.plan, m.state, &slice.id).attempts {
            let (slices, attempts, cost) = agents.entry(&attempt.provider).or_default();
            slices.insert(&slice.id);
            *attempts += 1;
            *cost += attempt.cost;
        }
    }
    let auditor = m.state.audit.as_ref().and_then(|a| a.agent.as_deref());
    let mut sentence = match agents.keys().copied().collect::<Vec<_>>()[..] {
        [] => "Nobody: no agent was started.".to_owned(),
        ["literate"] if auditor.is_none() => NO_MODEL.to_owned(),
        ["literate"] => "The intent carries its own code; otto ordered, checked and landed it.".to_owned(),
        ref names => format!("Built by {}.", names.join(", ")),
    };
    if let Some(auditor) = auditor {
        sentence.push_str(&format!(" Audited by {auditor}."));
    }
    let agents = agents.into_iter().map(|(provider, (slices, attempts, cost))| Agent {
        provider: provider.to_owned(),
        slices: slices.len(),
        attempts,
        cost,
    });
    BuiltBy { sentence, agents: agents.collect(), cost: m.state.cost }
}

fn how_to_verify(m: &Material<'_>, landings: &[Landed]) -> Vec<HowTo> {
    let how = |what: &str, command: String| HowTo { what: what.to_owned(), command };
    let spec = &m.plan.spec.id;
    let mut out = vec![
        how(
            "Recheck the spec's history, the journal, the receipts and the landings",
            format!("git otto verify {spec}"),
        ),
        how(
            &format!("See that the spec is the approved one: the digest must be {}", m.digest),
            format!("git cat-file blob {}:spec.json | sha256sum", m.plan.spec_commit),
        ),
        how(
            "Read the landings with their receipts",
            format!("git log --first-parent --notes='otto/*' {}..{}", m.base, m.tip),
        ),
    ];
    for landed in landings {
        let what = format!("See that `{}` landed as exactly the tree that was tested, {}", landed.slice, landed.tree);
        out.push(HowTo { what, command: format!("git rev-parse '{}^{{tree}}'", landed.commit) });
    }
    out
}
