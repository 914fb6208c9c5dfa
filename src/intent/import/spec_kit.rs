//! GitHub's spec-kit: the folder of a feature, with `spec.md` (stories, requirements), `tasks.md` (phases) and `plan.md`.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Claim, Document, Gathered, NoImport, Notes, Proof, outline,
    outline::{Outline, Piece, Section, flat},
    scenario::Scenario,
};

mod tasks;

/// Documents that are kept as prose, each with the heading that its parts get.
const PROSE: [(&str, &str); 4] = [
    ("plan.md", "Plan"),
    ("research.md", "Research"),
    ("data-model.md", "Data model"),
    ("quickstart.md", "Quick start"),
];

struct Patterns {
    story: Regex,
    priority: Regex,
    bold_id: Regex,
    any_id: Regex,
    task: Regex,
    depends: Regex,
    unclear: Regex,
}

static PATTERNS: LazyLock<Option<Patterns>> = LazyLock::new(|| {
    let new = |pattern: &str| Regex::new(pattern).ok();
    Some(Patterns {
        story: new(r"(?i)user story (\d+)\s*(?:[-–—:]+\s*(.*))?")?,
        priority: new(r"(?i)\s*\(priority:\s*P?(\d+)\).*$")?,
        bold_id: new(r"^\*\*([A-Z]{1,5}-?\d{1,5}[a-z]?)\*\*:?\s*(.*)$|^\*\*([A-Z]{1,5}-?\d{1,5}[a-z]?):\*\*\s*(.*)$")?,
        any_id: new(r"\b[A-Z]{2,5}-\d{1,5}[a-z]?\b")?,
        task: new(r"^\[([ xX])\]\s*(T\d+[a-z]?\b)?\s*((?:\[[A-Za-z0-9]+\]\s*)*)(.*)$")?,
        depends: new(r"(?i)(?:depends on|requires|needs|after)\s+(?:completion of\s+)?(?:US|user story )\s*(\d+)")?,
        unclear: new(r"\[NEEDS CLARIFICATION[^\]]*\]")?,
    })
});

/// Reads a feature.
pub(super) fn gather(documents: &[Document], notes: &mut Notes) -> Result<Gathered, NoImport> {
    let Some(p) = PATTERNS.as_ref() else { return Err(NoImport::Nothing) };
    let mut out = Gathered::default();
    let mut stories: Vec<Story> = Vec::new();
    let Some(spec) = outline(documents, "spec.md")? else { return Err(NoImport::Nothing) };
    out.title = spec.title();
    out.place = spec.sections.first().map(|s| s.place.clone()).unwrap_or_default();
    read_spec(p, &spec, &mut out, &mut stories, notes);
    let list = outline(documents, "tasks.md")?;
    tasks::read(p, list.as_ref(), &mut out, stories, notes);
    for (path, heading) in PROSE {
        if let Some(document) = outline(documents, path)? {
            read_prose(&document, heading, &mut out);
        }
    }
    for document in documents {
        let known =
            PROSE.iter().any(|(path, _)| *path == document.path) || ["spec.md", "tasks.md"].contains(&&*document.path);
        if !known {
            let place = super::Place { file: document.shown.clone(), line: 0 };
            let why = "a spec names files of the repository, and holds no other documents";
            let advice = "keep it in the repository, and name what it asks for in a requirement or a task";
            notes.lose(format!("the document {}", document.path), &place, why, advice);
        }
    }
    Ok(out)
}

/// A user story.
struct Story {
    number: u32,
    title: String,
    /// What a person reads of it.
    about: Vec<String>,
    priority: u32,
    claims: Vec<Claim>,
    /// Ids of requirements that it names.
    names: Vec<String>,
}

fn read_spec(p: &Patterns, spec: &Outline, out: &mut Gathered, stories: &mut Vec<Story>, notes: &mut Notes) {
    let mut skip_to = 0;
    for (n, section) in spec.sections.iter().enumerate() {
        if n < skip_to {
            continue;
        }
        let title = section.title.to_lowercase();
        if section.level <= 1 {
            header(section, out, notes);
        } else if let Some(found) = p.story.captures(&section.title).filter(|_| section.level >= 3) {
            let number = found.get(1).and_then(|m| m.as_str().parse().ok()).unwrap_or(0);
            let below = spec.below(n);
            skip_to = below.end;
            let parts = std::iter::once(section).chain(spec.sections.get(below).unwrap_or_default());
            let blocks = parts.clone().flat_map(|s| &s.pieces).filter(|piece| piece.is_block());
            out.prose.extend(blocks.map(|piece| (section.title.clone(), piece.text.clone())));
            stories.push(story(p, number, found.get(2).map_or("", |m| m.as_str()), parts, notes));
        } else if title.contains("edge case") {
            for piece in &section.pieces {
                let why = "it is no requirement: nothing says what must hold then";
                notes.lose(flat(&piece.text), &piece.place, why, "state it as a requirement, with a check");
            }
        } else if title.contains("out of scope") || title.contains("non-goal") {
            out.non_goals.extend(section.pieces.iter().map(|piece| flat(&piece.text)));
        } else {
            plain_section(p, section, out, notes);
        }
    }
    // The order of the slices is that of the priorities.
    stories.sort_by_key(|s| s.priority);
}

/// Requirements and criteria are taken out of a section, the rest of it is prose.
fn plain_section(p: &Patterns, section: &Section, out: &mut Gathered, notes: &mut Notes) {
    let mut rest = Section { level: 3, title: section.title.clone(), place: section.place.clone(), pieces: Vec::new() };
    for piece in &section.pieces {
        let Some((id, text)) = bold_id(p, &flat(&piece.text)) else {
            rest.pieces.push(Piece { is_entry: piece.is_entry, text: piece.text.clone(), place: piece.place.clone() });
            continue;
        };
        if id.starts_with("SC") {
            out.done_means.push(format!("{id}: {text}"));
            continue;
        }
        if let Some(open) = p.unclear.find(&text) {
            let why = "it is an open question, and the spec has only its words";
            notes.lose(
                format!("{id} {}", open.as_str()),
                &piece.place,
                why,
                "answer it in the text of the requirement",
            );
        }
        out.requirements.push(Claim { id, text, part: None, proofs: Vec::new() });
    }
    let prose = rest.prose();
    if !prose.is_empty() {
        let heading = section.title.replace("*(mandatory)*", "");
        out.prose.push((heading, prose));
    }
}

/// `**FR-001**: text` and `**FR-001:** text`.
fn bold_id(p: &Patterns, text: &str) -> Option<(String, String)> {
    let found = p.bold_id.captures(text)?;
    let part = |n: usize| found.get(n).map(|m| m.as_str().trim().to_owned());
    let (id, text) = (part(1).or_else(|| part(3))?, part(2).or_else(|| part(4))?);
    Some((id.clone(), if text.is_empty() { id } else { text }))
}

/// What stands before the first `##`: the user's own words are the intent.
fn header(section: &Section, out: &mut Gathered, notes: &mut Notes) {
    for piece in &section.pieces {
        let text = flat(&piece.text);
        let Some((_, said)) = text.split_once("**Input**:") else {
            if text.starts_with("**") {
                let why = "a spec has no such field: its record says who wrote it and when";
                notes.lose(text, &piece.place, why, "nothing to do");
            } else {
                out.prose.push((String::new(), piece.text.clone()));
            }
            continue;
        };
        let said = said.trim().trim_start_matches("User description:").trim().trim_matches(['"', '“', '”']);
        out.prose.insert(0, (String::new(), said.to_owned()));
        out.kind_words.push_str(said);
    }
}

fn story<'a>(
    p: &Patterns,
    number: u32,
    title: &str,
    sections: impl Iterator<Item = &'a Section>,
    notes: &mut Notes,
) -> Story {
    let priority = p.priority.captures(title).and_then(|c| c.get(1)?.as_str().parse().ok()).unwrap_or(u32::MAX);
    let title = p.priority.replace(title, "").trim().to_owned();
    let mut story = Story { number, title, about: Vec::new(), priority, claims: Vec::new(), names: Vec::new() };
    for piece in sections.flat_map(|s| &s.pieces).filter(|piece| !piece.is_block()) {
        let text = flat(&piece.text);
        story.names.extend(p.any_id.find_iter(&text).map(|m| m.as_str().to_owned()));
        let mut scenario = Scenario::default();
        scenario.add(&piece.text);
        if scenario.is_whole() {
            let words = scenario.words();
            let id = format!("US{number}-{}", story.claims.len() + 1);
            let also = p.any_id.find_iter(&words).map(|m| m.as_str().to_owned()).collect();
            let proof = Proof { words: words.clone(), probe: scenario.probe(), also };
            story.claims.push(Claim { id, text: words, part: None, proofs: vec![proof] });
        } else if !text.starts_with("**Acceptance Scenarios") {
            if p.unclear.is_match(&text) {
                let why = "it is an open question, and the slice has only its words";
                notes.lose(&text, &piece.place, why, "answer it in a requirement");
            }
            story.about.push(text.replace("**", ""));
        }
    }
    story
}

/// A document that says how, not what.
fn read_prose(document: &Outline, heading: &str, out: &mut Gathered) {
    for section in &document.sections {
        let prose = section.prose();
        if let Some((_, kind)) = prose.split_once("**Project Type**:") {
            out.kind_words = kind.lines().next().unwrap_or_default().to_owned();
        }
        let title = if section.level <= 1 { String::new() } else { format!(": {}", section.title) };
        out.prose.push((format!("{heading}{title}"), prose));
    }
}
