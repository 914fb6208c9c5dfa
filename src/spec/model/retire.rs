//! A requirement is taken back: what proved only it goes, what was built only for it goes, and a slice is added that removes
//! the code. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Slice, Spec, Structure};
use crate::{
    base::{SliceId, glob, text},
    checks::{
        self,
        model::{Check, CheckKind, Gate},
    },
};

mod opposite;

/// The spec without these requirements, or why that cannot be, by name.
pub fn retire(spec: &Spec, ids: &[String]) -> Result<Spec, Vec<String>> {
    let mut out = spec.clone();
    for id in ids {
        out = one(&out, id)?;
    }
    Ok(out)
}

fn one(spec: &Spec, id: &str) -> Result<Spec, Vec<String>> {
    let Some(requirement) = spec.requirements.iter().find(|r| r.id == id) else {
        let known: Vec<&str> = spec.requirements.iter().map(|r| r.id.as_str()).collect();
        return Err(vec![format!("there is no requirement {id}; there are {}", known.join(", "))]);
    };
    if spec.requirements.len() == 1 {
        return Err(vec![format!("{id} is the only requirement: nothing would be left to build")]);
    }
    let mut wrong = Vec::new();
    let mut parted = Parted::of(spec, id);
    parted.across(spec, id, &mut wrong);
    for contract in &spec.contracts {
        if parted.gone.contains(&contract.owner) {
            wrong.push(format!("the contract `{}` is owned by slice `{}`, which goes", contract.path, contract.owner));
        }
        for probe in contract.probes.iter().filter(|p| parted.dropped.iter().any(|(_, c)| c.id == **p)) {
            wrong.push(format!("the contract `{}` is shown by check `{probe}`, which goes", contract.path));
        }
    }
    let mut after = spec.clone();
    after.requirements.retain(|r| r.id != id);
    after.slices = std::mem::take(&mut parted.kept);
    after.cross_slice_checks = std::mem::take(&mut parted.cross);
    after.files.retain(|f| !parted.gone.contains(&f.slice));
    parted.relied_on(spec, &after, &mut wrong);
    for slice in after.slices.iter().filter(|s| s.checks.is_empty()) {
        wrong.push(format!("slice `{}` would have no check left: give one to what stays of it", slice.id));
    }
    if after.slices.is_empty() {
        wrong.push("no slice would be left".into());
    }
    match removal(spec, &after, id, &requirement.text, &parted) {
        Ok(slice) => after.slices.extend(slice),
        Err(more) => wrong.extend(more),
    }
    let all: Vec<SliceId> = after.slices.iter().map(|s| s.id.clone()).collect();
    for cross in after.cross_slice_checks.iter_mut().filter(|c| c.check.is_baseline()) {
        cross.slices.clone_from(&all);
    }
    if wrong.is_empty() { Ok(after) } else { Err(wrong) }
}

/// A spec parted into what stays and what goes with a requirement.
struct Parted<'a> {
    kept: Vec<Slice>,
    cross: Vec<super::CrossCheck>,
    /// Slices that were there for that requirement only.
    gone: BTreeSet<SliceId>,
    /// Checks that proved nothing else, with the slices that they were of.
    dropped: Vec<(Option<&'a Slice>, &'a Check)>,
    /// Slices that had anything to do with it.
    concerned: Vec<&'a Slice>,
}

impl<'a> Parted<'a> {
    fn of(spec: &'a Spec, id: &str) -> Parted<'a> {
        let mut out = Parted {
            kept: Vec::new(),
            cross: Vec::new(),
            gone: BTreeSet::new(),
            dropped: Vec::new(),
            concerned: Vec::new(),
        };
        for slice in &spec.slices {
            let goes = |check: &Check| {
                let proves = if check.proves.is_empty() { &slice.requirements } else { &check.proves };
                proves.iter().any(|p| p == id) && proves.iter().all(|p| p == id)
            };
            let (dropped, stay): (Vec<&Check>, Vec<&Check>) = slice.checks.iter().partition(|c| goes(c));
            if !dropped.is_empty() || slice.requirements.iter().any(|r| r == id) {
                out.concerned.push(slice);
            }
            out.dropped.extend(dropped.into_iter().map(|c| (Some(slice), c)));
            let mut left = Slice { checks: stay.into_iter().cloned().collect(), ..slice.clone() };
            left.requirements.retain(|r| r != id);
            for check in &mut left.checks {
                check.proves.retain(|p| p != id);
            }
            match left.checks.is_empty() && left.requirements.is_empty() && !slice.requirements.is_empty() {
                true => drop(out.gone.insert(slice.id.clone())),
                false => out.kept.push(left),
            }
        }
        // Whoever needed a slice that goes needs what that one needed.
        let needs: BTreeMap<&SliceId, &Vec<SliceId>> = spec.slices.iter().map(|s| (&s.id, &s.deps)).collect();
        for slice in &mut out.kept {
            while let Some(at) = slice.deps.iter().position(|d| out.gone.contains(d)) {
                let dep = slice.deps.remove(at);
                let more = needs.get(&dep).into_iter().flat_map(|d| d.iter());
                let new: Vec<SliceId> = more.filter(|d| !slice.deps.contains(d)).cloned().collect();
                slice.deps.splice(at..at, new);
            }
        }
        out
    }

    /// Checks over several slices: what proved only the requirement goes with it.
    fn across(&mut self, spec: &'a Spec, id: &str, wrong: &mut Vec<String>) {
        for cross in &spec.cross_slice_checks {
            let check = &cross.check;
            if check.proves.iter().any(|p| p == id) && check.proves.iter().all(|p| p == id) {
                self.dropped.push((None, check));
                continue;
            }
            // What the project's own commands say is no matter of slices.
            let gone = cross.slices.iter().filter(|s| self.gone.contains(s) && !check.is_baseline());
            for slice in gone {
                let text = "which goes, and proves more than that: whether it still holds cannot be told";
                wrong.push(format!("the cross-slice check `{}` runs on slice `{slice}`, {text}", check.id));
            }
            let mut cross = cross.clone();
            cross.check.proves.retain(|p| p != id);
            self.cross.push(cross);
        }
    }
}

/// The slice that takes out what was built; none where nothing shows that anything was.
fn removal(
    before: &Spec,
    after: &Spec,
    id: &str,
    said: &str,
    parted: &Parted<'_>,
) -> Result<Option<Slice>, Vec<String>> {
    let name = free(&format!("remove-{}", slug(id)), |n| after.slices.iter().any(|s| s.id.as_str() == n));
    let name: SliceId = name.parse().map_err(|_| vec![format!("no slice can be named after {id}")])?;
    let mut checks: Vec<Check> = Vec::new();
    let (mut wrong, mut tasks) = (Vec::new(), Vec::new());
    tasks.push(format!(
        "Requirement {id} is retired: take out what exists only for it, and leave everything else as it is. It said: {}",
        text::one_line(said, 2000)
    ));
    let taken = |checks: &[Check], n: &str| checks.iter().any(|c| c.id == n) || after.checks().any(|(_, c)| c.id == n);
    if let Some(check) = parted.absence(before, after) {
        let own = free(&format!("{name}-files"), |n| taken(&checks, n));
        checks.push(Check { id: own, ..check });
    }
    for slice in before.slices.iter().filter(|s| parted.gone.contains(&s.id)) {
        let tasks_of = slice.tasks.iter().map(|t| format!(" {}", text::one_line(t, 500))).collect::<String>();
        let owned = slice.owned_paths.join("`, `");
        tasks.push(format!("The slice `{}` ({}) is gone; it owned `{owned}`.{tasks_of}", slice.id, slice.title));
    }
    let files = !checks.is_empty();
    for (slice, check) in &parted.dropped {
        tasks.push(format!("This must hold no more: {}", checks::sentence(check)));
        match opposite::opposite(check) {
            Some(opposite) => {
                let own = free(&format!("{}-gone", check.id), |n| taken(&checks, n));
                checks.push(Check { id: own, ..opposite });
            }
            None if check.gate == Gate::Keeps => {}
            // Its files being gone says enough.
            None if files && slice.is_some_and(|s| parted.gone.contains(&s.id)) => {}
            None => wrong.push(format!(
                "no check can tell that the opposite of `{}` holds, which is of kind `{}`",
                check.id,
                check.kind.name()
            )),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    if checks.is_empty() {
        return Ok(None);
    }
    let mut owned_paths: Vec<String> = Vec::new();
    for pattern in parted.concerned.iter().flat_map(|s| &s.owned_paths) {
        if !owned_paths.contains(pattern) {
            owned_paths.push(pattern.clone());
        }
    }
    // A check over slices shows code of all of them.
    if owned_paths.is_empty() {
        let crossed =
            before.cross_slice_checks.iter().filter(|c| parted.dropped.iter().any(|(_, d)| d.id == c.check.id));
        let slices: Vec<&SliceId> = crossed.flat_map(|c| &c.slices).collect();
        for pattern in before.slices.iter().filter(|s| slices.contains(&&s.id)).flat_map(|s| &s.owned_paths) {
            if !owned_paths.contains(pattern) {
                owned_paths.push(pattern.clone());
            }
        }
    }
    let meets = |s: &Slice| s.owned_paths.iter().any(|p| owned_paths.iter().any(|q| glob::intersects(p, q)));
    let deps = after.slices.iter().filter(|s| meets(s)).map(|s| s.id.clone()).collect();
    let title = format!("Remove what {id} asked for");
    Ok(Some(Slice { id: name, title, requirements: Vec::new(), tasks, deps, owned_paths, checks }))
}

impl Parted<'_> {
    /// Files that slices which go made, and which no other slice can make.
    fn orphans<'s>(&self, before: &'s Spec, after: &Spec) -> BTreeMap<&'s str, &'s SliceId> {
        let gone = before.slices.iter().filter(|s| self.gone.contains(&s.id));
        let paths = gone.flat_map(|s| {
            let blocks = before.files.iter().filter(|f| f.slice == s.id).map(|f| f.path.as_str());
            let literal = s.owned_paths.iter().map(String::as_str).filter(|p| glob::is_literal(p));
            blocks.chain(literal).map(|path| (path, &s.id))
        });
        let stays = |path: &str| {
            after.slices.iter().any(|s| glob::any(&s.owned_paths, path))
                || after.contracts.iter().any(|c| c.path == path)
                || glob::any(&after.shared_scaffold, path)
        };
        paths.filter(|(path, _)| !stays(path)).collect()
    }

    /// Whoever stays must not run what goes.
    fn relied_on(&self, before: &Spec, after: &Spec, wrong: &mut Vec<String>) {
        let started = match &after.structure {
            Structure::Cli(cli) => cli.entrypoint.as_str(),
            _ => "",
        };
        for (path, slice) in self.orphans(before, after) {
            if words(started).any(|word| word == path) {
                wrong.push(format!(
                    "the product is started by `{path}`, which only slice `{slice}` makes, and that goes"
                ));
            }
            for (_, check) in after.checks() {
                let run = match &check.kind {
                    CheckKind::CliProbe { command, shell, .. } => [command.as_slice(), shell.as_slice()].concat(),
                    CheckKind::RepoTest { command, .. } | CheckKind::BrowserJourney { command, .. } => command.clone(),
                    CheckKind::Pytest { selector } => vec![selector.clone()],
                    CheckKind::ApiProbe { .. } | CheckKind::StateInvariant { .. } => Vec::new(),
                };
                if run.iter().flat_map(|text| words(text)).any(|word| word == path) {
                    let text = format!("which only slice `{slice}` makes, and that goes");
                    wrong.push(format!("check `{}` runs `{path}`, {text}", check.id));
                }
            }
        }
    }

    /// A check that the files of the slices that go are gone too, as far as nobody else can need them.
    fn absence(&self, before: &Spec, after: &Spec) -> Option<Check> {
        let needed = |id: &SliceId| before.slices.iter().any(|s| !self.gone.contains(&s.id) && s.deps.contains(id));
        let paths = self.orphans(before, after).into_iter().filter(|(_, slice)| !needed(slice));
        opposite::absence(&paths.map(|(path, _)| path).collect())
    }
}

/// What may be paths in a script.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| !(c.is_alphanumeric() || "._-/+@".contains(c));
    text.split(part).map(|word| word.strip_prefix("./").unwrap_or(word))
}

/// A name as slices may have one.
fn slug(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    id.chars().map(plain).take(40).collect()
}

/// The name, or the first numbered one, that is not taken.
fn free(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|n| !taken(n)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
