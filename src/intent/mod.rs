//! Intents: Markdown as a person writes it, compiled into a spec; and a spec shown as such Markdown.
//!
//! The grammar is CommonMark with fixed sentences (`docs/intent.md`). Whatever begins like one of them and is none is an
//! error that shows the accepted sentence; everything that is wrong is told at once.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    base::{Sha256, SpecId},
    spec::model::{self, Spec},
};

mod blocks;
mod checks;
mod cursor;
mod door;
mod error;
mod full;
mod head;
pub mod import;
pub mod prose;
mod reader;
mod render;
mod sentence;
mod shape;

use error::Found;
pub use error::{IntentError, IntentErrors};
use reader::Reader;
pub use render::{carries, render};

/// An intent that was understood.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The spec.
    pub spec: Spec,
    /// The contents that the spec names by digest.
    pub files: BTreeMap<Sha256, Vec<u8>>,
    /// Whether it carries code of its own.
    pub literate: bool,
    /// Whether every slice carries its code: no other agent is needed.
    pub has_all_code: bool,
    /// What was derived, not said; a phrase each.
    pub guessed: Vec<String>,
    origin: Origin,
}

/// Where the parts of a spec come from.
#[derive(Clone, Debug)]
struct Origin {
    file_name: String,
    source: String,
    /// JSON pointers of the spec with the bytes that say them.
    places: Vec<(String, Range<usize>)>,
}

impl Compiled {
    /// What validation of the spec found, by JSON pointer and message, told at the places of the intent.
    pub fn refuse(&self, found: impl IntoIterator<Item = (String, String)>) -> IntentErrors {
        let Origin { file_name, source, places } = &self.origin;
        let above = |pointer: &str, p: &str| {
            pointer.strip_prefix(p).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let title = places.iter().find(|(p, _)| p == "/title").map_or(0..0, |(_, span)| span.clone());
        let nearest = |pointer: &str| places.iter().filter(|(p, _)| above(pointer, p)).max_by_key(|(p, _)| p.len());
        let place = |(pointer, message): (String, String)| {
            let found = nearest(&pointer);
            let below = found.map_or(&*pointer, |(p, _)| &pointer[p.len()..]).trim_start_matches('/');
            let line = |pointer: &str| Some(source[..nearest(pointer)?.1.start].matches('\n').count() + 1);
            let message = in_words(&message, below, &line);
            Found { span: found.map_or(title.clone(), |(_, span)| span.clone()), message, accepted: None }
        };
        IntentErrors::new(file_name, source, found.into_iter().map(place).collect())
    }
}

/// What validation says of a spec, for who reads the intent: with the field that is meant where the sentence does not name
/// its subject, and with lines instead of pointers.
fn in_words(message: &str, below: &str, line: &dyn Fn(&str) -> Option<usize>) -> String {
    let mut message = message.to_owned();
    if let Some((start, rest)) = message.split_once(" stands at /") {
        let (pointer, end) = rest.split_at(rest.find([' ', ',']).unwrap_or(rest.len()));
        if let Some(n) = line(&format!("/{pointer}")) {
            message = format!("{start} stands in line {n}{end}");
        }
    }
    let verbs = ["must", "is", "does", "has", "names", "runs", "says"];
    match below.is_empty() || !message.split(' ').next().is_some_and(|word| verbs.contains(&word)) {
        true => message,
        false => format!("{below}: {message}"),
    }
}

/// Whether a text is prose, which takes an agent: it has no slice, and no requirement, check, file or path of one. What is
/// no text at all is left to [`compile`], which says why.
pub fn is_prose(source: &[u8]) -> bool {
    door::text(source).is_ok_and(|text| shape::shape(&text, &blocks::blocks(&text)) == shape::Shape::Prose)
}

/// The text of prose as a spec keeps it, with line ends as LF.
pub fn prose_text(source: &[u8], file_name: &str) -> Result<String, IntentErrors> {
    let text = door::text(source).map_err(|(shown, found)| IntentErrors::new(file_name, &shown, found))?;
    Ok(text.trim().to_owned())
}

/// Compiles an intent. `id` names the spec; without one its title does.
pub fn compile(source: &[u8], file_name: &str, id: Option<&SpecId>) -> Result<Compiled, IntentErrors> {
    let source = door::text(source).map_err(|(shown, found)| IntentErrors::new(file_name, &shown, found))?;
    let mut reader = Reader::new(&source);
    reader.read(&blocks::blocks(&source));
    let mut guessed = Vec::new();
    let spec = assemble(&mut reader, &source, id, &mut guessed);
    let errors = std::mem::take(&mut reader.errors);
    match spec {
        Some(spec) if errors.is_empty() => {
            let coded = |id| spec.files.iter().any(|f| &f.slice == id && f.attempt == 1);
            let has_all_code = spec.slices.iter().all(|s| coded(&s.id));
            let (literate, files) = (!spec.files.is_empty(), std::mem::take(&mut reader.contents));
            let places = std::mem::take(&mut reader.places);
            let origin = Origin { file_name: file_name.to_owned(), places, source: source.clone() };
            Ok(Compiled { spec, files, literate, has_all_code, guessed, origin })
        }
        _ => Err(IntentErrors::new(file_name, &source, errors)),
    }
}

/// Puts the parts together; what is missing becomes errors.
fn assemble(r: &mut Reader<'_>, source: &str, id: Option<&SpecId>, guessed: &mut Vec<String>) -> Option<Spec> {
    let title_at = r.places.iter().find(|(p, _)| p == "/title").map_or(0..0, |(_, span)| span.clone());
    let title = r.title.clone().unwrap_or_default();
    let id = id.cloned().or_else(|| {
        let id = SpecId::slug(&title);
        match &id {
            Some(id) => guessed.push(format!("the id `{id}`, from the title")),
            None if title.is_empty() => {}
            None => r.wrong(&title_at, "no id can be made of this title: name one with --id", None),
        }
        id
    });
    if r.slices.is_empty() && r.errors.is_empty() {
        r.wrong(&(source.len()..source.len()), "there is no slice", Some(sentence::SLICE));
    }
    if r.one_slice {
        guessed.push(format!("one slice `{}`: no `## Slice` parts the intent", reader::ONLY));
    }
    own_what_is_shown(r);
    let mut derived = Vec::new();
    let structure = match r.head.structure(&r.requirements, &mut derived) {
        Ok(structure) => Some(structure),
        // The kind may stand in a sentence that was not understood.
        Err(_) if r.head.kind.is_none() && r.errors.iter().any(|e| e.accepted.as_deref() == Some(sentence::KIND)) => {
            None
        }
        Err(found) => {
            r.errors.extend(
                found.into_iter().map(|f| if f.span == (0..0) { Found { span: title_at.clone(), ..f } } else { f }),
            );
            None
        }
    };
    guessed.append(&mut derived);
    let intent = prose(source, r.head_end, &r.cut);
    let head = std::mem::take(&mut r.head);
    fn at<T>(r: &mut Reader<'_>, list: &str, parts: Vec<(T, Range<usize>)>) -> Vec<T> {
        let each = parts.into_iter().enumerate().map(|(i, (part, span))| {
            r.places.push((format!("/{list}/{i}"), span));
            part
        });
        each.collect()
    }
    let (project_kind, kind_at) = head.kind?;
    let min_version = head.min_version.map(|(version, at)| {
        r.places.push(("/min_version".into(), at));
        version
    });
    r.places.push(("/project_kind".into(), kind_at.clone()));
    r.places.push(("/structure".into(), kind_at));
    Some(Spec {
        schema: model::SCHEMA.into(),
        id: id?,
        title,
        intent,
        project_kind,
        structure: structure?,
        requirements: std::mem::take(&mut r.requirements),
        slices: std::mem::take(&mut r.slices),
        cross_slice_checks: std::mem::take(&mut r.cross),
        shared_scaffold: at(r, "shared_scaffold", head.shared),
        contracts: at(r, "contracts", head.contracts),
        services: at(r, "services", head.services),
        setup: at(r, "setup", head.setup),
        files: std::mem::take(&mut r.files),
        non_goals: head.non_goals,
        done_means: head.done_means,
        min_version,
    })
}

/// A slice that says nothing else owns the files that it shows.
fn own_what_is_shown(r: &mut Reader<'_>) {
    let mut nothing = Vec::new();
    for (i, slice) in r.slices.iter_mut().enumerate() {
        if slice.owned_paths.is_empty() {
            for (n, file) in r.files.iter().enumerate().filter(|(_, f)| f.slice == slice.id) {
                if !slice.owned_paths.contains(&file.path) {
                    let shown = r.places.iter().find(|(p, _)| *p == format!("/files/{n}")).map(|(_, at)| at.clone());
                    let own = format!("/slices/{i}/owned_paths/{}", slice.owned_paths.len());
                    r.places.extend(shown.map(|at| (own, at)));
                    slice.owned_paths.push(file.path.clone());
                }
            }
        }
        if slice.owned_paths.is_empty() {
            nothing.push((i, slice.id.clone()));
        }
    }
    for (i, id) in nothing {
        let start =
            |i: usize| r.places.iter().find(|(p, _)| *p == format!("/slices/{i}")).map(|(_, span)| span.clone());
        let span = start(i).unwrap_or(0..0);
        // What it owns may stand in a sentence that was not understood.
        let end = start(i + 1).map_or(usize::MAX, |s| s.start);
        if r.errors.iter().any(|e| (span.start..end).contains(&e.span.start)) {
            continue;
        }
        r.wrong(
            &span,
            format!("the slice `{id}` shows no file and owns no path"),
            Some("Owns: `src/add.rs`, `tests/add/**`."),
        );
    }
}

/// The prose of the head: its text without the title and the sentences.
fn prose(source: &str, end: usize, cut: &[Range<usize>]) -> String {
    let mut parts = Vec::new();
    let mut from = 0;
    for span in cut.iter().chain([&(end..end)]) {
        let part = source.get(from..span.start.min(end)).unwrap_or_default();
        let part = part.trim_start_matches([' ', '\n', '\t']).trim_end();
        if !part.is_empty() {
            parts.push(part);
        }
        from = from.max(span.end);
    }
    parts.join("\n\n")
}

#[cfg(test)]
mod tests;
