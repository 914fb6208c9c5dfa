//! Checks that can judge: exactly one thing to run, patterns that compile, services that exist.

use regex::RegexBuilder;

use super::{Pass, shown};
use crate::{
    base::text,
    checks::model::{Check, CheckKind},
    spec::schema::escape,
};

impl Pass<'_> {
    pub(super) fn checks(&mut self) {
        let spec = self.spec;
        let all: Vec<(String, &Check)> = spec.checks_at().collect();
        self.unique("check", all.iter().map(|(at, c)| (format!("{at}/id"), c.id.as_str())));
        for (at, check) in &all {
            self.check(at, check);
        }
        for (i, cross) in spec.cross_slice_checks.iter().enumerate() {
            let at = format!("/cross_slice_checks/{i}/slices");
            // What a project's own commands say is over all slices, of which there may be one.
            if cross.slices.len() < if cross.check.is_baseline() { 1 } else { 2 } {
                self.wrong(&at, "a check over slices names at least two");
            }
            self.known_slices(&at, &cross.slices);
        }
    }

    fn check(&mut self, at: &str, check: &Check) {
        self.known_requirements(&format!("{at}/proves"), &check.proves);
        for path in check.files.keys() {
            self.path(&format!("{at}/files/{}", escape(path)), path);
        }
        match &check.kind {
            CheckKind::Pytest { selector } => {
                if selector.trim().is_empty() || selector.starts_with('-') {
                    self.wrong(format!("{at}/selector"), "names no test: a node id, a file or a folder");
                }
            }
            CheckKind::RepoTest { command, .. } => self.command(&format!("{at}/command"), command),
            CheckKind::CliProbe { command, shell, stdout_matches, .. } => {
                match shell {
                    Some(_) if !command.is_empty() => self.wrong(at, "has a command and a shell: give one of them"),
                    None if command.is_empty() => self.wrong(at, "has neither a command nor a shell: give one of them"),
                    Some(script) if script.trim().is_empty() || script.contains('\0') => {
                        self.wrong(format!("{at}/shell"), "runs nothing");
                    }
                    Some(_) => {}
                    None => self.command(&format!("{at}/command"), command),
                }
                if let Some(pattern) = stdout_matches {
                    self.pattern(&format!("{at}/stdout_matches"), pattern);
                }
            }
            CheckKind::ApiProbe { service, .. } => self.service(&format!("{at}/service"), service),
            CheckKind::BrowserJourney { command, evidence_globs, service, steps } => {
                let by_command = !command.is_empty() || !evidence_globs.is_empty();
                let by_steps = service.is_some() || !steps.is_empty();
                match (by_command, by_steps) {
                    (true, true) => self.wrong(at, "has a command and steps: give one of them"),
                    (false, false) => {
                        self.wrong(at, "has neither a command with evidence_globs nor a service with steps");
                    }
                    (true, false) => {
                        self.command(&format!("{at}/command"), command);
                        if evidence_globs.is_empty() {
                            self.wrong(format!("{at}/evidence_globs"), "is missing: a command must leave evidence");
                        }
                    }
                    (false, true) if steps.is_empty() => self.wrong(format!("{at}/steps"), "is missing"),
                    (false, true) if service.is_none() => self.wrong(format!("{at}/service"), "is missing"),
                    (false, true) => {}
                }
                self.patterns(&format!("{at}/evidence_globs"), evidence_globs);
                if let Some(service) = service {
                    self.service(&format!("{at}/service"), service);
                }
            }
            CheckKind::StateInvariant { description, expression } => {
                for (name, text) in [("description", description), ("expression", expression)] {
                    if text.trim().is_empty() {
                        self.wrong(format!("{at}/{name}"), "is blank");
                    }
                }
            }
        }
    }

    /// An argument vector that can be run.
    pub(super) fn command(&mut self, at: &str, argv: &[String]) {
        if argv.first().is_none_or(|program| program.trim().is_empty()) {
            self.wrong(at, "names no program");
        }
        if let Some(i) = argv.iter().position(|a| a.contains('\0')) {
            self.wrong(format!("{at}/{i}"), "contains a NUL, which no argument can");
        }
    }

    fn service(&mut self, at: &str, id: &str) {
        if !self.services.contains(id) {
            self.wrong(at, format!("there is no service {}", shown(id)));
        }
    }

    /// A pattern of the `regex` crate, with a bound on what it may cost.
    pub(super) fn pattern(&mut self, at: &str, pattern: &str) {
        if let Err(e) = RegexBuilder::new(pattern).size_limit(4 << 20).nest_limit(100).build() {
            let all = e.to_string();
            let why = all.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
            self.wrong(at, format!("is no pattern: {}", text::one_line(why.trim_start_matches("error: "), 200)));
        }
    }
}
