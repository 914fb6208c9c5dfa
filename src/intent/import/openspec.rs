//! OpenSpec: a capability (`spec.md`), all capabilities (`specs/`), or a change (`proposal.md`, `tasks.md`, `design.md`,
//! `specs/` with what it adds, modifies and removes).

use super::{
    Claim, Document, Gathered, NoImport, Notes, Part, Place, Proof, outline,
    outline::{Outline, Piece, Section, flat},
    scenario::Scenario,
};

/// Reads what the folder is.
pub(super) fn gather(documents: &[Document], notes: &mut Notes) -> Result<Gathered, NoImport> {
    let mut out = Gathered::default();
    let is_change = documents.iter().any(|d| d.path == "proposal.md");
    for document in documents {
        let Some(bytes) = &document.bytes else {
            lose_document(document, notes);
            continue;
        };
        let capability = match document.path.strip_suffix("spec.md").map(|folder| folder.trim_end_matches('/')) {
            Some("") => capability_of(&document.shown),
            Some(folder) if !folder.starts_with("changes/") => {
                folder.strip_prefix("specs/").unwrap_or(folder).to_owned()
            }
            _ => {
                lose_document(document, notes);
                continue;
            }
        };
        let outline = Outline::read(&document.shown, bytes)?;
        out.place = outline.sections.first().map(|s| s.place.clone()).unwrap_or_default();
        out.parts.push(capability_part(&capability, &outline, &mut out.prose, notes));
    }
    out.parts.retain(|part| !part.claims.is_empty());
    match &out.parts[..] {
        [one] if !is_change => out.title = Some(one.title.clone()),
        _ => {}
    }
    if let Some(proposal) = outline(documents, "proposal.md")? {
        proposal_prose(&proposal, &mut out);
    }
    if let Some(design) = outline(documents, "design.md")? {
        design_prose(&design, &mut out);
    }
    if let Some(tasks) = outline(documents, "tasks.md")? {
        read_tasks(&tasks, &mut out, notes);
    }
    Ok(out)
}

/// A document that is read in its own way, or not at all.
fn lose_document(document: &Document, notes: &mut Notes) {
    if ["proposal.md", "design.md", "tasks.md"].contains(&&*document.path) {
        return;
    }
    let place = Place { file: document.shown.clone(), line: 0 };
    match document.path.strip_prefix("changes/").and_then(|rest| rest.split_once('/')) {
        Some((change, "proposal.md")) => {
            let folder = document.shown.trim_end_matches("/proposal.md");
            let advice = format!("git otto import --from openspec {folder}");
            notes.lose(format!("the change {change}"), &place, "it is work of its own, not what holds now", &advice);
        }
        Some(_) => {}
        None => {
            let why = "a spec holds no other documents";
            notes.lose(format!("the document {}", document.path), &place, why, "keep it in the repository");
        }
    }
}

/// The name of a capability whose file was named itself: its folder.
fn capability_of(shown: &str) -> String {
    let folder = shown.trim_end_matches("spec.md").trim_end_matches('/');
    folder.rsplit('/').next().filter(|name| !name.is_empty() && *name != ".").unwrap_or("capability").to_owned()
}

/// What a section of requirements does to what held before.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Delta {
    Holds,
    Modified,
    Removed,
    Renamed,
}

fn delta(title: &str) -> Option<Delta> {
    match title.to_uppercase().as_str() {
        "REQUIREMENTS" | "ADDED REQUIREMENTS" => Some(Delta::Holds),
        "MODIFIED REQUIREMENTS" => Some(Delta::Modified),
        "REMOVED REQUIREMENTS" => Some(Delta::Removed),
        "RENAMED REQUIREMENTS" => Some(Delta::Renamed),
        _ => None,
    }
}

fn capability_part(name: &str, spec: &Outline, prose: &mut Vec<(String, String)>, notes: &mut Notes) -> Part {
    let title = name.replace(['-', '/'], " ");
    let mut part = Part { id: name.to_owned(), title, ..Part::default() };
    let mut now = None;
    for (n, section) in spec.sections.iter().enumerate() {
        if section.level == 2 {
            now = delta(&section.title);
            if now == Some(Delta::Renamed) {
                for piece in &section.pieces {
                    let why = "a requirement is known by its id here, not by its name";
                    notes.lose(format!("the new name {}", flat(&piece.text)), &piece.place, why, "nothing to do");
                }
            } else if now.is_none() {
                prose.push((format!("{name}: {}", section.title), section.prose()));
            }
        } else if section.level == 3 {
            match now {
                Some(Delta::Renamed) | None => {
                    let why = "it stands outside of the requirements";
                    notes.lose(
                        format!("the part {}", section.title),
                        &section.place,
                        why,
                        "move it into them, or leave it",
                    );
                }
                Some(kind) => {
                    part.claims.extend(requirement(kind, section, spec, n, notes));
                    let blocks = section.pieces.iter().filter(|p| p.is_block());
                    prose.extend(blocks.map(|p| (format!("{name}: {}", section.title), p.text.clone())));
                }
            }
        }
    }
    part
}

/// One requirement with its scenarios.
fn requirement(kind: Delta, section: &Section, spec: &Outline, at: usize, notes: &mut Notes) -> Option<Claim> {
    let name = section.title.strip_prefix("Requirement:").unwrap_or(&section.title).trim();
    let lines = section.pieces.iter().filter(|p| !p.is_block()).map(|p| p.text.replace("**", ""));
    let body = flat(&lines.collect::<Vec<_>>().join(" "));
    if name.is_empty() && body.is_empty() {
        return None;
    }
    let told = if body.is_empty() { name.to_owned() } else { format!("{name}: {body}") };
    let text = match kind {
        Delta::Removed => format!("No longer there: {told}"),
        _ => told,
    };
    if kind == Delta::Modified {
        let why = "a spec says what is to hold, not what held before";
        let advice = "its checks may pass on the base already: say `keeps` of those";
        notes.lose(format!("that {name:?} replaces an older requirement"), &section.place, why, advice);
    }
    let mut proofs = Vec::new();
    for scenario in spec.sections.get(spec.below(at)).unwrap_or_default() {
        let mut steps = Scenario::default();
        for piece in &scenario.pieces {
            steps.add(&piece.text);
        }
        let title = scenario.title.strip_prefix("Scenario:").unwrap_or(&scenario.title).trim();
        let words = match steps.is_whole() {
            true => format!("{title}: {}", steps.words()),
            false => format!("{title}: {}", flat(&scenario.prose())),
        };
        proofs.push(Proof { words, probe: steps.probe(), also: Vec::new() });
    }
    Some(Claim { id: String::new(), text, part: None, proofs })
}

fn proposal_prose(proposal: &Outline, out: &mut Gathered) {
    out.title = proposal.title();
    for section in &proposal.sections {
        // Its capabilities are the slices.
        if !["capabilities", "new capabilities", "modified capabilities"].contains(&&*section.title.to_lowercase()) {
            let title = if section.level <= 1 { String::new() } else { section.title.clone() };
            out.prose.push((title, section.prose()));
        }
    }
}

/// The design is prose, but for what it leaves out on purpose.
fn design_prose(design: &Outline, out: &mut Gathered) {
    for section in &design.sections {
        let mut rest =
            Section { level: 3, title: section.title.clone(), place: section.place.clone(), pieces: Vec::new() };
        let mut in_non_goals = section.title.to_lowercase().starts_with("non-goal");
        for piece in &section.pieces {
            let text = flat(&piece.text).replace("**", "").to_lowercase();
            if !piece.is_entry {
                in_non_goals = text.starts_with("non-goal") && text.len() < 20;
            }
            match (in_non_goals, piece.is_entry) {
                (true, true) => out.non_goals.push(flat(&piece.text)),
                (true, false) => {}
                _ => rest.pieces.push(Piece {
                    is_entry: piece.is_entry,
                    text: piece.text.clone(),
                    place: piece.place.clone(),
                }),
            }
        }
        let title = if section.level <= 1 { String::new() } else { format!(": {}", section.title) };
        out.prose.push((format!("Design{title}"), rest.prose()));
    }
}

/// Tasks belong to the capability that they or their group name; the others to the first one.
fn read_tasks(tasks: &Outline, out: &mut Gathered, notes: &mut Notes) {
    let names: Vec<String> = out.parts.iter().map(|part| part.id.to_lowercase()).collect();
    let of = |text: &str| {
        let text = text.to_lowercase();
        names.iter().position(|name| text.contains(name.as_str()) || text.contains(&name.replace('-', " ")))
    };
    let (mut ticked, mut strays) = (Vec::new(), Vec::new());
    for section in &tasks.sections {
        for piece in section.pieces.iter().filter(|p| p.is_entry) {
            let text = flat(&piece.text);
            let Some((mark, said)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) else { continue };
            let said = said.trim().to_owned();
            if mark.trim() != "" {
                ticked.push((said.clone(), piece.place.clone()));
            }
            let owner = of(&said).or_else(|| of(&section.title));
            if owner.is_none() && names.len() > 1 {
                strays.push(said.clone());
            }
            if let Some(part) = out.parts.get_mut(owner.unwrap_or(0)) {
                part.take(said, &piece.place, notes);
            }
        }
    }
    if let Some(first) = strays.first() {
        let slice = names.first().map_or("", String::as_str);
        let n = strays.len();
        notes.guess(format!(
            "in the slice `{slice}`: what {n} of the tasks say that name no capability, the first: {first}"
        ));
    }
    notes.ticked(&ticked);
}
