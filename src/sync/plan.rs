//! What the remote lacks.

use std::collections::{BTreeMap, BTreeSet};

use super::{How, Moved, Options, Report, View, leases, remote, secrets};
use crate::{
    base::{Failure, Oid, RunId, SpecId, text::one_line},
    store::{
        Store,
        lease::{self, Owner},
        names::{self, Named},
        run,
    },
    verify::{self, Update},
};

/// A ref of the remote that is to move.
#[derive(Clone, Debug)]
pub(super) struct Push {
    /// Its full name.
    pub name: String,
    /// What it is there.
    pub old: Option<Oid>,
    /// What it becomes; none if it goes.
    pub new: Option<Oid>,
    /// Whether it has to be exactly `old`; everything else has to move forward.
    pub exactly: bool,
}

impl Push {
    pub fn told(self) -> Moved {
        let how = match (self.old, self.new) {
            (None, _) => How::Created,
            (_, None) => How::Removed,
            _ if self.exactly => How::Replaced,
            _ => How::Forward,
        };
        Moved { name: self.name, old: self.old, new: self.new, how }
    }
}

/// What is to be pushed.
pub(super) struct Plan {
    /// The moves, all or nothing.
    pub moves: Vec<Push>,
    /// Whether the remote has something that has to be fetched first.
    pub behind: bool,
}

/// How a ref here stands to the one there.
enum Standing {
    Same,
    Ahead,
    Behind,
    Apart,
    /// What is there is not here.
    Unseen,
}

/// Compares what is here with what is there. What must not be shared is reported and left out, with all that needs it.
pub(super) fn plan(store: &Store, options: &Options, there: &View, report: &mut Report) -> Result<Plan, Failure> {
    let ours = remote::ours(store, options.wip)?;
    let mut plan = Plan { moves: Vec::new(), behind: false };
    // Who runs a run is known before anything of it is pushed.
    let unknown = |oid: &Oid| store.repo.object_header(*oid).is_err();
    plan.behind = there.iter().any(|(name, oid)| names::parse_lease(name).is_some() && unknown(oid));
    let settled = |report: &Report, id: &SpecId| report.open.iter().all(|o| o.spec != *id);
    for (name, new) in &ours {
        let (spec, grows) = match names::what(name) {
            Named::Spec(id) => (id, true),
            Named::Run(run) | Named::Attempt(run) => (run.spec().clone(), false),
            Named::Target(run) | Named::Evidence(run) | Named::Journal(run, _) => (run.spec().clone(), true),
            Named::Wip(run) => (run.spec().clone(), true),
            _ => continue,
        };
        if !options.covers(&spec) || !settled(report, &spec) || report.kept.iter().any(|k| k.name == *name) {
            continue;
        }
        // What a run landed is for the machine to push that owns it.
        if let Named::Target(run) = names::what(name)
            && matches!(lease::owner(store, &run), Ok(Owner::Elsewhere(_)))
        {
            continue;
        }
        let old = there.get(name).copied();
        match standing(store, *new, old)? {
            Standing::Ahead if grows || old.is_none() => {
                plan.moves.push(Push { name: name.clone(), old, new: Some(*new), exactly: false });
            }
            Standing::Unseen => plan.behind = true,
            // A spec that went apart is brought together by a fetch; a target and an attempt give way to the remote's.
            Standing::Apart if matches!(names::what(name), Named::Spec(_) | Named::Target(_) | Named::Attempt(_)) => {
                plan.behind = true;
            }
            Standing::Apart if !grows || matches!(names::what(name), Named::Evidence(_) | Named::Journal(..)) => {
                let text = format!("{} has another one; the one here stays here", options.remote);
                report.keep(name, text, "git otto verify --all");
            }
            _ => {}
        }
    }
    if options.branches {
        branches(store, options, there, &mut plan)?;
    }
    plan.moves.extend(leases::push(store, options, &ours, there)?);
    // Whoever pushes a run pushes what it builds: a spec that is not settled keeps its runs here.
    verified(store, options, &mut plan, report)?;
    secrets::hold_back(store, options, there, &mut plan, report)?;
    Ok(plan)
}

fn standing(store: &Store, here: Oid, there: Option<Oid>) -> Result<Standing, Failure> {
    let Some(there) = there else { return Ok(Standing::Ahead) };
    Ok(match there {
        _ if there == here => Standing::Same,
        _ if store.repo.object_header(there).is_err() => Standing::Unseen,
        _ if store.repo.is_ancestor(there, here)? => Standing::Ahead,
        _ if store.repo.is_ancestor(here, there)? => Standing::Behind,
        _ => Standing::Apart,
    })
}

/// The branches that runs land on, where they are ahead. One that went another way there is its user's to merge.
fn branches(store: &Store, options: &Options, there: &View, plan: &mut Plan) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    for id in run::list(&store.repo, None)?.into_iter().filter(|id| options.covers(id.spec())) {
        if let Ok((_, anchor)) = run::load(&store.repo, &id)
            && !matches!(lease::owner(store, &id), Ok(Owner::Elsewhere(_)))
        {
            names.insert(anchor.target);
        }
    }
    for name in names {
        let Some(here) = store.repo.refs().read(&name)? else { continue };
        let old = there.get(&name).copied();
        if let Standing::Ahead = standing(store, here, old)? {
            plan.moves.push(Push { name, old, new: Some(here), exactly: false });
        }
    }
    Ok(())
}

/// Leaves out what does not verify, with all that needs it: nobody else is handed what this program would refuse.
fn verified(store: &Store, options: &Options, plan: &mut Plan, report: &mut Report) -> Result<(), Failure> {
    let updates = |moves: &[Push]| -> Vec<Update> {
        let ours = moves.iter().filter(|m| m.new.is_some() && names::tracking(&options.remote, &m.name).is_some());
        ours.map(|m| Update { name: m.name.clone(), old: m.old, new: m.new }).collect()
    };
    let judge = |moves: &[Push]| -> Result<Option<String>, Failure> {
        let found = verify::updates(&store.repo, &updates(moves))?;
        Ok(found.first().map(|v| format!("{}: {}", one_line(&v.place, 120), one_line(&v.message, 300))))
    };
    let seen = |m: &Push| m.new.is_some_and(|new| report.sound.contains(&(m.name.clone(), new)));
    if plan.moves.iter().all(seen) {
        return Ok(());
    }
    if judge(&plan.moves)?.is_none() {
        report.sound.extend(plan.moves.iter().filter_map(|m| Some((m.name.clone(), m.new?))));
        return Ok(());
    }
    let mut bad = BTreeMap::new();
    for unit in units(&plan.moves) {
        let own: Vec<Push> = plan.moves.iter().filter(|m| unit.holds(&m.name)).cloned().collect();
        if let Some(what) = judge(&own)? {
            bad.insert(unit, what);
        }
    }
    for (unit, what) in bad {
        let hint = format!("git otto verify {}", unit.word());
        keep_here(plan, report, &unit, &format!("it does not verify and is not pushed: {what}"), &hint);
    }
    Ok(())
}

/// What is pushed or kept as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Unit {
    /// The history of a spec.
    Spec(SpecId),
    /// Everything of a run.
    Run(RunId),
}

impl Unit {
    /// The unit of a ref; none of a branch.
    pub fn of(name: &str) -> Option<Unit> {
        match names::what(name) {
            Named::Spec(id) => Some(Unit::Spec(id)),
            Named::Run(run) | Named::Attempt(run) | Named::Target(run) | Named::Evidence(run) => Some(Unit::Run(run)),
            Named::Journal(run, _) | Named::Lease(run) | Named::Wip(run) => Some(Unit::Run(run)),
            _ => None,
        }
    }

    pub fn holds(&self, name: &str) -> bool {
        Unit::of(name).as_ref() == Some(self)
    }

    fn word(&self) -> &str {
        match self {
            Unit::Spec(id) => id.as_str(),
            Unit::Run(run) => run.as_str(),
        }
    }

    pub fn name(&self) -> String {
        match self {
            Unit::Spec(id) => names::spec(id),
            Unit::Run(run) => names::run(run),
        }
    }
}

/// The units of a plan, specs first.
pub(super) fn units(moves: &[Push]) -> BTreeSet<Unit> {
    moves.iter().filter_map(|m| Unit::of(&m.name)).collect()
}

/// Leaves a unit out, with what needs it: the runs of a spec, and the branch that holds what a run landed.
pub(super) fn keep_here(plan: &mut Plan, report: &mut Report, unit: &Unit, message: &str, hint: &str) {
    report.keep(unit.name(), message, hint);
    let spec = match unit {
        Unit::Spec(id) => id.clone(),
        Unit::Run(run) => run.spec().clone(),
    };
    let needs = |m: &Push| match (Unit::of(&m.name), unit) {
        (Some(Unit::Run(run)), Unit::Spec(id)) => run.spec() == id,
        (Some(own), _) => own == *unit,
        (None, _) => m.name == names::default_branch(&spec) || m.name.starts_with("refs/heads/"),
    };
    plan.moves.retain(|m| !needs(m));
}
