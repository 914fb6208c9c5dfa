//! A spec as Markdown of the same grammar: the view for review and for editing.

use std::collections::BTreeMap;

use crate::{
    base::{Sha256, SliceId},
    checks::model::Check,
    spec::model::{FileMode, Slice, Spec},
};

use super::{full, reader::ATTEMPTS};

mod checks;
mod head;

/// The Markdown of a spec. With the code that its slices carry, compiling it gives the same spec again; without, slices
/// name their paths instead of their files. The files of checks are part of what is wanted, and always there. What no
/// sentence says is given as JSON. Text that Markdown cannot carry
/// (a title of two lines, a file that is no text or has no final line end) comes back changed: whoever edits compares digests.
pub fn render(spec: &Spec, files: &BTreeMap<Sha256, Vec<u8>>, with_code: bool) -> String {
    let mut out = Out { files, with_code, blocks: vec![format!("# {}", spec.title)], declared: Vec::new() };
    out.blocks.extend((!spec.intent.is_empty()).then(|| spec.intent.clone()));
    head::write(spec, &mut out.blocks);
    // Requirements stand with their slices where that keeps their order, else in front.
    let start = out.blocks.len();
    out.slices(spec);
    let order = spec.requirements.iter().map(|r| r.id.as_str());
    if !out.declared.iter().map(String::as_str).eq(order) {
        out.blocks.truncate(start);
        out.blocks.push("## Requirements".into());
        out.blocks.extend(spec.requirements.iter().map(|r| format!("**{}** {}", r.id, r.text)));
        out.declared = spec.requirements.iter().map(|r| r.id.clone()).collect();
        out.slices(spec);
    }
    out.across(spec);
    out.blocks.join("\n\n") + "\n"
}

/// Whether compiling a Markdown gives exactly this spec with these contents.
pub fn carries(markdown: &str, spec: &Spec, files: &BTreeMap<Sha256, Vec<u8>>) -> bool {
    super::compile(markdown.as_bytes(), "", Some(&spec.id)).is_ok_and(|c| c.spec == *spec && c.files == *files)
}

struct Out<'a> {
    files: &'a BTreeMap<Sha256, Vec<u8>>,
    with_code: bool,
    blocks: Vec<String>,
    /// Ids of the requirements whose text was written.
    declared: Vec<String>,
}

impl Out<'_> {
    fn slices(&mut self, spec: &Spec) {
        for slice in &spec.slices {
            let mut heading = format!("## Slice `{}`", slice.id);
            if !slice.deps.is_empty() {
                let deps: Vec<String> = slice.deps.iter().map(|d| format!("`{d}`")).collect();
                heading += &format!(", after {}", joined(&deps));
            }
            if slice.title != slice.id.as_str() {
                heading += &format!(": {}", slice.title);
            }
            self.blocks.push(heading);
            let (start, declared) = (self.blocks.len(), self.declared.len());
            if !self.proofs(spec, slice, false) {
                self.blocks.truncate(start);
                self.declared.truncate(declared);
                self.proofs(spec, slice, true);
            }
            if !slice.tasks.is_empty() {
                let tasks: Vec<String> = slice.tasks.iter().map(|t| format!("- {t}")).collect();
                self.blocks.push(tasks.join("\n"));
            }
            let mut shown: Vec<&str> = Vec::new();
            for file in spec.files.iter().filter(|f| f.slice == slice.id) {
                if !shown.contains(&file.path.as_str()) {
                    shown.push(&file.path);
                }
            }
            if !self.with_code || shown != slice.owned_paths {
                let paths: Vec<String> = slice.owned_paths.iter().filter_map(|p| span(p)).collect();
                self.blocks.push(format!("Owns: {}.", joined(&paths)));
            }
            if self.with_code {
                self.code(spec, slice);
            }
        }
    }

    fn code(&mut self, spec: &Spec, slice: &Slice) {
        for file in spec.files.iter().filter(|f| f.slice == slice.id) {
            let (Some(path), Some(content)) = (span(&file.path), self.files.get(&file.sha256)) else { continue };
            let mode = if file.mode == FileMode::Executable { ", executable" } else { "" };
            let attempt = (file.attempt as usize).checked_sub(2).and_then(|n| ATTEMPTS.get(n));
            let attempt = attempt.map(|a| format!(", {a} attempt")).unwrap_or_default();
            self.blocks.push(format!("File {path}{mode}{attempt}:"));
            let text = String::from_utf8_lossy(content);
            let info = if text.starts_with("#!/bin/sh") { "sh" } else { "" };
            self.blocks.push(fence(info, &text));
        }
    }

    /// Requirements with the checks below them; `first` writes all requirements before any check. Tells whether the
    /// slice's requirements come out in their order.
    fn proofs(&mut self, spec: &Spec, slice: &Slice, first: bool) -> bool {
        let mut met: Vec<&str> = Vec::new();
        let mut group: Option<Vec<String>> = Some(Vec::new());
        if first {
            for id in &slice.requirements {
                self.requirement(spec, id);
                met.push(id);
            }
            group = None;
        }
        for (n, check) in slice.checks.iter().enumerate() {
            if group.as_ref() != Some(&check.proves) {
                let new = |id: &&String| slice.requirements.contains(id) && !met.contains(&id.as_str());
                let fresh: Vec<&String> = check.proves.iter().filter(new).collect();
                let undeclared = fresh.iter().all(|id| !self.declared.contains(id));
                for id in &fresh {
                    self.requirement(spec, id);
                    met.push(id);
                }
                if fresh.len() != check.proves.len() || fresh.is_empty() || !undeclared {
                    self.blocks.push(proves(&check.proves));
                }
                group = Some(check.proves.clone());
            }
            self.check(check, &format!("{}-{}", slice.id, n + 1));
        }
        for id in &slice.requirements {
            if !met.contains(&id.as_str()) {
                self.requirement(spec, id);
                met.push(id);
            }
        }
        met == slice.requirements
    }

    fn requirement(&mut self, spec: &Spec, id: &str) {
        let text = spec.requirements.iter().find(|r| r.id == id).map(|r| &r.text);
        match text {
            Some(text) if !self.declared.iter().any(|d| d == id) => {
                self.blocks.push(format!("**{id}** {text}"));
                self.declared.push(id.to_owned());
            }
            _ => self.blocks.push(format!("Meets: `{id}`.")),
        }
    }

    fn across(&mut self, spec: &Spec) {
        let mut last: Option<&[SliceId]> = None;
        let mut group: &[String] = &[];
        for (n, cross) in spec.cross_slice_checks.iter().enumerate() {
            if last != Some(cross.slices.as_slice()) {
                let slices: Vec<String> = cross.slices.iter().map(|s| format!("`{s}`")).collect();
                self.blocks.push(format!("## Across {}", joined(&slices)));
                (last, group) = (Some(cross.slices.as_slice()), &[]);
            }
            if group != cross.check.proves {
                self.blocks.push(proves(&cross.check.proves));
                group = &cross.check.proves;
            }
            self.check(&cross.check, &format!("across-{}", n + 1));
        }
    }

    fn check(&mut self, check: &Check, default_id: &str) {
        let mut own = Vec::new();
        for (path, digest) in &check.files {
            let content = self.files.get(digest);
            let text = content.and_then(|c| std::str::from_utf8(c).ok()).filter(|t| t.is_empty() || t.ends_with('\n'));
            if let (Some(path), Some(text)) = (span(path), text) {
                own.push(format!("With file {path}:"));
                own.push(fence("", text));
            }
        }
        match checks::blocks(check, default_id) {
            Some(blocks) if own.len() == 2 * check.files.len() => {
                self.blocks.extend(blocks);
                self.blocks.extend(own);
            }
            _ => {
                self.blocks.push("Check, in full:".into());
                self.blocks.push(fence("json", &full::write(check)));
            }
        }
    }
}

fn proves(ids: &[String]) -> String {
    if ids.is_empty() {
        return "Proves: all.".into();
    }
    let ids: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
    format!("Proves: {}.", joined(&ids))
}

/// A code span of exactly this text, if there is one (CommonMark, 6.1).
fn span(text: &str) -> Option<String> {
    if text.is_empty() || text.chars().any(|c| c.is_control() && c != '\t') {
        return None;
    }
    let mark = "`".repeat(longest_run(text) + 1);
    let stripped = text.starts_with(' ') && text.ends_with(' ') && !text.trim_matches(' ').is_empty();
    let pad = if stripped || text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    // A single back quote less than the longest run would do; more is still the same text.
    Some(format!("{mark}{pad}{text}{pad}{mark}"))
}

/// A fenced block of this text.
fn fence(info: &str, text: &str) -> String {
    let mark = "`".repeat(longest_run(text).max(2) + 1);
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{mark}{info}\n{text}{end}{mark}")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// `a`, `b` and `c`.
fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// Text that a sentence carries as it is.
fn is_line(text: &str) -> bool {
    !text.is_empty() && text.trim() == text && !text.chars().any(char::is_control)
}
