//! What no schema can say: names that must be known and unique, an order that must exist, paths that must stay inside and
//! apart, checks that must be able to judge. Everything wrong is told at once.

use std::collections::{HashMap, HashSet};

use super::{
    SpecError,
    model::{Slice, Spec},
};
use crate::{
    base::{SliceId, glob, text},
    checks::model::Check,
};

mod checks;
mod order;
mod paths;

/// Everything that is wrong with a spec of the right shape.
pub(super) fn check(spec: &Spec) -> Vec<SpecError> {
    let mut pass = Pass::new(spec);
    pass.header();
    pass.slices();
    pass.checks();
    pass.contracts();
    pass.services();
    pass.order();
    pass.paths();
    pass.proofs();
    pass.errors
}

/// One walk over a spec.
struct Pass<'a> {
    spec: &'a Spec,
    errors: Vec<SpecError>,
    /// Position of each slice; of the first, where an id is used twice.
    slices: HashMap<&'a str, usize>,
    requirements: HashSet<&'a str>,
    services: HashSet<&'a str>,
    checks: HashSet<&'a str>,
}

impl<'a> Pass<'a> {
    fn new(spec: &'a Spec) -> Self {
        let mut slices = HashMap::new();
        for (i, slice) in spec.slices.iter().enumerate() {
            slices.entry(slice.id.as_str()).or_insert(i);
        }
        Pass {
            spec,
            errors: Vec::new(),
            slices,
            requirements: spec.requirements.iter().map(|r| r.id.as_str()).collect(),
            services: spec.services.iter().map(|s| s.id.as_str()).collect(),
            checks: spec.checks().map(|(_, c)| c.id.as_str()).collect(),
        }
    }

    fn wrong(&mut self, at: impl AsRef<str>, what: impl AsRef<str>) {
        self.errors.push(SpecError::new(at, what));
    }

    /// No two of these are alike; names that differ in case only are alike.
    fn unique<'s>(&mut self, what: &str, names: impl Iterator<Item = (String, &'s str)>) {
        let mut seen: HashMap<String, String> = HashMap::new();
        for (at, name) in names {
            match seen.get(&name.to_lowercase()) {
                Some(first) => self.wrong(&at, format!("the {what} {} stands at {first} already", shown(name))),
                None => drop(seen.insert(name.to_lowercase(), at)),
            }
        }
    }

    /// No two paths of a list are the same.
    fn distinct<'s>(&mut self, at: &str, items: impl Iterator<Item = &'s str>) {
        let mut seen = HashSet::new();
        for (i, item) in items.enumerate() {
            if !seen.insert(item) {
                self.wrong(format!("{at}/{i}"), format!("{} stands here twice", shown(item)));
            }
        }
    }

    fn known_slices(&mut self, at: &str, ids: &[SliceId]) {
        for (i, id) in ids.iter().enumerate() {
            if !self.slices.contains_key(id.as_str()) {
                self.wrong(format!("{at}/{i}"), format!("there is no slice {}", shown(id.as_str())));
            }
        }
        self.distinct(at, ids.iter().map(SliceId::as_str));
    }

    fn known_requirements(&mut self, at: &str, ids: &[String]) {
        for (i, id) in ids.iter().enumerate() {
            if !self.requirements.contains(id.as_str()) {
                self.wrong(format!("{at}/{i}"), format!("there is no requirement {}", shown(id)));
            }
        }
        self.distinct(at, ids.iter().map(String::as_str));
    }

    fn header(&mut self) {
        let spec = self.spec;
        if spec.structure.kind() != spec.project_kind {
            self.wrong("/structure", format!("is not the shape of a {}", spec.project_kind.name()));
        }
        let own = version(env!("CARGO_PKG_VERSION"));
        if let Some(wanted) = spec.min_version.as_deref().filter(|v| version(v) > own) {
            let text = format!("needs git otto {wanted}, and this is {}", env!("CARGO_PKG_VERSION"));
            self.wrong("/min_version", text);
        }
        self.unique(
            "requirement",
            spec.requirements.iter().enumerate().map(|(i, r)| (format!("/requirements/{i}/id"), &*r.id)),
        );
        for (i, argv) in spec.setup.iter().enumerate() {
            self.command(&format!("/setup/{i}"), argv);
        }
    }

    fn slices(&mut self) {
        let spec = self.spec;
        self.unique("slice", spec.slices.iter().enumerate().map(|(i, s)| (format!("/slices/{i}/id"), s.id.as_str())));
        for (i, slice) in spec.slices.iter().enumerate() {
            self.known_requirements(&format!("/slices/{i}/requirements"), &slice.requirements);
            self.known_slices(&format!("/slices/{i}/deps"), &slice.deps);
        }
    }

    fn contracts(&mut self) {
        let spec = self.spec;
        self.unique(
            "contract",
            spec.contracts.iter().enumerate().map(|(i, c)| (format!("/contracts/{i}/path"), &*c.path)),
        );
        for (i, contract) in spec.contracts.iter().enumerate() {
            let at = format!("/contracts/{i}");
            self.path(&format!("{at}/path"), &contract.path);
            match self.slices.get(contract.owner.as_str()).and_then(|n| spec.slices.get(*n)) {
                None => {
                    self.wrong(format!("{at}/owner"), format!("there is no slice {}", shown(contract.owner.as_str())))
                }
                Some(owner) if !owns(owner, &contract.path) => {
                    let text = format!("the slice `{}` does not own {}", owner.id, shown(&contract.path));
                    self.wrong(format!("{at}/owner"), text);
                }
                Some(_) => {}
            }
            self.distinct(&format!("{at}/exports"), contract.exports.iter().map(String::as_str));
            self.distinct(&format!("{at}/probes"), contract.probes.iter().map(String::as_str));
            for (k, probe) in contract.probes.iter().enumerate() {
                if !self.checks.contains(probe.as_str()) {
                    self.wrong(format!("{at}/probes/{k}"), format!("there is no check {}", shown(probe)));
                }
            }
        }
    }

    fn services(&mut self) {
        let spec = self.spec;
        self.unique("service", spec.services.iter().enumerate().map(|(i, s)| (format!("/services/{i}/id"), &*s.id)));
        for (i, service) in spec.services.iter().enumerate() {
            let at = format!("/services/{i}");
            self.command(&format!("{at}/command"), &service.command);
            if !service.stop.is_empty() {
                self.command(&format!("{at}/stop"), &service.stop);
            }
            let ready = &service.ready;
            if ready.http.is_none() && ready.tcp.is_none() && ready.log.is_none() {
                self.wrong(format!("{at}/ready"), "says nothing: give http, tcp or log");
            }
            if let Some(log) = &ready.log {
                self.pattern(&format!("{at}/ready/log"), log);
            }
        }
    }

    /// Every requirement is proven by some check.
    fn proofs(&mut self) {
        let spec = self.spec;
        let mut proven: HashSet<&str> = HashSet::new();
        for (slice, check) in spec.checks() {
            proven.extend(proves(slice, check).iter().map(String::as_str));
        }
        for (i, requirement) in spec.requirements.iter().enumerate() {
            if !proven.contains(requirement.id.as_str()) {
                self.wrong(format!("/requirements/{i}"), format!("no check proves {}", shown(&requirement.id)));
            }
        }
    }
}

/// What a check proves: its own list, or all of its slice's.
fn proves<'a>(slice: Option<&'a Slice>, check: &'a Check) -> &'a [String] {
    match slice {
        Some(slice) if check.proves.is_empty() => &slice.requirements,
        _ => &check.proves,
    }
}

fn owns(slice: &Slice, path: &str) -> bool {
    // A pattern that is none may have meant the path: that it is none is told.
    glob::any(&slice.owned_paths, path) || slice.owned_paths.iter().any(|p| glob::pattern_problem(p).is_some())
}

fn shown(name: &str) -> String {
    format!("`{}`", text::one_line(name, 100))
}

fn version(text: &str) -> Vec<u32> {
    text.split(['.', '-', '+']).take(3).map(|n| n.parse().unwrap_or(0)).collect()
}
