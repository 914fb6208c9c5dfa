//! From tracking refs to local ones: verified first, then forward, or brought together.

use std::collections::{BTreeMap, BTreeSet};

use super::{How, Moved, Options, Report, View, leases, remote, specs, transport};
use crate::{
    base::{Exit, Failure, Oid, RunId, SpecId, text::one_line},
    git::{Head, Old, RefEdit, Swap},
    store::{
        Store,
        names::{self, Named},
        run,
    },
    verify::{self, Update, Violation},
};

/// How often everything is looked at again because something local moved meanwhile.
const TRIES: usize = 5;

/// Brings the local refs up to what the remote has; `before` is what it had at the fetch before.
pub(super) fn bring(store: &Store, options: &Options, before: &View, report: &mut Report) -> Result<(), Failure> {
    // What was in the way before may not be any more.
    report.kept.clear();
    report.open.clear();
    for _ in 0..TRIES {
        let (theirs, ours) = (transport::tracked(store, &options.remote)?, remote::ours(store, options.wip)?);
        let open = specs::bring(store, options, &theirs, &ours, report)?;
        if runs(store, options, &theirs, &ours, &open, report)? {
            return leases::bring(store, options, before, &theirs, report);
        }
    }
    Err(Failure::new(Exit::Internal, "the refs of this repository keep moving").hint("git otto fetch"))
}

/// One ref of a run that is to move.
struct Step {
    edit: RefEdit,
    how: How,
}

/// Everything of runs but their leases. Answers whether nothing had moved meanwhile.
fn runs(
    store: &Store,
    options: &Options,
    theirs: &View,
    ours: &View,
    open: &BTreeSet<SpecId>,
    report: &mut Report,
) -> Result<bool, Failure> {
    let mut steps: BTreeMap<RunId, Vec<Step>> = BTreeMap::new();
    for (name, new) in theirs {
        let run = match names::what(name) {
            Named::Run(run) | Named::Attempt(run) | Named::Target(run) | Named::Evidence(run) => run,
            Named::Journal(run, _) => run,
            Named::Wip(run) if options.wip => run,
            Named::Spec(_) | Named::Lease(_) | Named::Wip(_) => continue,
            _ => {
                report.keep(name, "no ref of git otto is named so", "ask whoever pushed it");
                continue;
            }
        };
        if !options.covers(run.spec()) {
            continue;
        }
        let old = ours.get(name).copied();
        if let Some(step) = step(store, options, name, old, *new, report)? {
            steps.entry(run).or_default().push(step);
        }
    }
    let sound = sound(store, options, &steps, open, report)?;
    let chosen = || steps.iter().filter(|(run, _)| sound.contains(run)).flat_map(|(_, s)| s);
    let mut edits: Vec<RefEdit> = Vec::new();
    for step in chosen() {
        edits.push(step.edit.clone());
        if let (How::Replaced | How::Forward, Old::Is(old)) = (step.how, step.edit.old) {
            edits.extend(goes_along(store, step, old)?);
        }
    }
    if !options.dry_run && !edits.is_empty() {
        match store.swap(&edits, &format!("fetched from {}", options.remote))? {
            Swap::Done => {}
            Swap::Lost { .. } => return Ok(false),
        }
    }
    for step in chosen() {
        let old = if let Old::Is(old) = step.edit.old { Some(old) } else { None };
        report.fetched.push(Moved { name: step.edit.name.clone(), old, new: step.edit.new, how: step.how });
    }
    Ok(true)
}

/// What goes with a ref of a run that becomes the remote's: one that gives way is kept, and a branch that is where the run's
/// target was goes where that is now, unless somebody has it checked out.
fn goes_along(store: &Store, step: &Step, old: Oid) -> Result<Vec<RefEdit>, Failure> {
    let (repo, edit, mut out) = (&store.repo, &step.edit, Vec::new());
    let (run, is_target) = match names::what(&edit.name) {
        Named::Target(run) => (run, true),
        Named::Attempt(run) => (run, false),
        _ => return Ok(out),
    };
    let rescue = names::rescue(&run, old);
    if matches!(step.how, How::Replaced) && repo.refs().read(&rescue)?.is_none() {
        out.push(RefEdit { name: rescue, old: Old::Absent, new: Some(old) });
    }
    if let Some((_, anchor)) = run::load(repo, &run).ok().filter(|_| is_target) {
        let is_out = |head: &Head| matches!(head, Head::Branch(name, _) if *name == anchor.target);
        let is_there = repo.refs().read(&anchor.target)? == Some(old);
        if is_there && !repo.checked_out()?.iter().any(|(_, head)| is_out(head)) {
            out.push(RefEdit { name: anchor.target, old: Old::Is(old), new: edit.new });
        }
    }
    Ok(out)
}

/// What is to become of one ref; what stands against it is reported.
fn step(
    store: &Store,
    options: &Options,
    name: &str,
    old: Option<Oid>,
    new: Oid,
    report: &mut Report,
) -> Result<Option<Step>, Failure> {
    let Some(old) = old else {
        return Ok(Some(Step {
            edit: RefEdit { name: name.into(), old: Old::Absent, new: Some(new) },
            how: How::Created,
        }));
    };
    let named = names::what(name);
    let grows = matches!(named, Named::Target(_) | Named::Evidence(_) | Named::Journal(..) | Named::Wip(_));
    let edit = RefEdit { name: name.into(), old: Old::Is(old), new: Some(new) };
    if old == new || (grows && store.repo.is_ancestor(new, old)?) {
        return Ok(None);
    }
    if grows && store.repo.is_ancestor(old, new)? {
        return Ok(Some(Step { edit, how: How::Forward }));
    }
    match named {
        // Both worked on the run: what the shared remote has counts, and the other's is integrated again on top of it.
        Named::Target(_) | Named::Attempt(_) => Ok(Some(Step { edit, how: How::Replaced })),
        Named::Wip(_) => Ok(None),
        _ => {
            let text =
                format!("{} has another one ({}); the one here ({}) stays", options.remote, new.short(), old.short());
            report.keep(name, text, "git otto verify --all");
            Ok(None)
        }
    }
}

/// The runs whose steps all verify, together with what is here. The others are reported, each by what is wrong with it.
fn sound(
    store: &Store,
    options: &Options,
    steps: &BTreeMap<RunId, Vec<Step>>,
    open: &BTreeSet<SpecId>,
    report: &mut Report,
) -> Result<BTreeSet<RunId>, Failure> {
    let updates = |steps: &[Step]| -> Vec<Update> {
        // What is replaced does not move forward, and that is the rule.
        let judged = steps.iter().filter(|s| s.how != How::Replaced);
        let old = |edit: &RefEdit| if let Old::Is(old) = edit.old { Some(old) } else { None };
        judged.map(|s| Update { name: s.edit.name.clone(), old: old(&s.edit), new: s.edit.new }).collect()
    };
    let all: Vec<Update> = steps.values().flat_map(|s| updates(s)).collect();
    if all.is_empty() || verify::updates(&store.repo, &all)?.is_empty() {
        return Ok(steps.keys().cloned().collect());
    }
    let mut out = BTreeSet::new();
    for (run, own) in steps {
        let found = verify::updates(&store.repo, &updates(own))?;
        let Some(first) = found.first() else {
            out.insert(run.clone());
            continue;
        };
        match open.contains(run.spec()) {
            true => {
                let text = format!("it waits for the spec {}, which is not settled", run.spec());
                report.keep(names::run(run), text, format!("git otto sync {}", options.remote));
            }
            false => refuse(report, options, &names::run(run), first, found.len()),
        }
    }
    Ok(out)
}

/// Reports what does not verify.
pub(super) fn refuse(report: &mut Report, options: &Options, name: &str, first: &Violation, n: usize) {
    let more = if n > 1 { format!(" (and {} more)", n - 1) } else { String::new() };
    let place = if first.place == name { String::new() } else { format!("{}: ", one_line(&first.place, 120)) };
    let text = format!("what {} has does not verify: {place}{}{more}", options.remote, one_line(&first.message, 300));
    let kept = names::tracking(&options.remote, name).unwrap_or_default();
    report.keep(name, text, format!("git log {kept}    (left there; ask whoever pushed it)"));
}
