//! What documents say, as a spec: ids that a spec may have, an order in which no two slices own one path unasked, and a
//! check for each requirement.

use std::collections::{BTreeMap, BTreeSet};

use super::{Claim, Gathered, Imported, Lost, NoImport, Notes, Part, Place, Proof, Wanted, outline::flat, shape};
use crate::{
    base::{SliceId, SpecId, glob, text},
    checks::model::{Check, CheckKind},
    spec::model::{Requirement, SCHEMA, Slice, Spec},
};

/// What the schema of specs takes, in characters and pieces.
const LINE: usize = 1_000;
const WORDS: usize = 10_000;
const PROSE: usize = 200_000;
const PATHS: usize = 100;
/// More slices than this are no one spec.
const PARTS: usize = 200;

pub(super) fn assemble(gathered: Gathered, wanted: Wanted<'_>, mut notes: Notes) -> Result<Imported, NoImport> {
    let place = gathered.place.clone();
    let title = text::one_line(gathered.title.as_deref().unwrap_or(wanted.name), 200);
    let id = match wanted.id {
        Some(id) => id.clone(),
        None => SpecId::slug(wanted.name).or_else(|| SpecId::slug(&title)).ok_or(NoImport::NoId)?,
    };
    let kind = shape::kind(&gathered, &wanted, &mut notes);
    let Gathered { prose, requirements: mut claims, mut parts, done_means, non_goals, .. } = gathered;
    if parts.len() > PARTS {
        let what = format!("{} slices after the first {PARTS}", parts.len() - PARTS);
        notes.lose(what, &place, "a spec of so many is built by nobody", "import a part of it");
        parts.truncate(PARTS);
        claims.retain(|c| c.part.is_none_or(|p| p < PARTS));
    }
    for (n, part) in parts.iter_mut().enumerate() {
        let named = |id: &String| part.names.contains(id) || part.tasks.iter().any(|task| names(task, id));
        for claim in claims.iter_mut().filter(|c| c.part.is_none() && named(&c.id)) {
            claim.part = Some(n);
        }
        claims.extend(part.claims.drain(..).map(|c| Claim { part: Some(n), ..c }));
    }
    name_claims(&mut claims);
    let home = place_claims(&claims, &parts, &mut notes);
    let ids = slice_ids(&parts);
    let paths = own(&parts, &ids, &place, &mut notes);
    let after = order(&parts, &paths, &ids, &mut notes);
    let mut slices = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let Some(slice_id) = ids.get(n) else { continue };
        let mine: Vec<&Claim> = claims.iter().filter(|c| c.part.or(home) == Some(n)).collect();
        slices.push(Slice {
            id: slice_id.clone(),
            title: cut_line(&part.title, slice_id.as_str()),
            requirements: mine.iter().map(|c| c.id.clone()).collect(),
            tasks: part.tasks.iter().map(|t| cut(t, WORDS)).filter(|t| !t.is_empty()).take(1000).collect(),
            deps: after.get(n).into_iter().flatten().filter_map(|d| ids.get(*d).cloned()).collect(),
            owned_paths: paths.get(n).cloned().unwrap_or_default(),
            checks: checks(slice_id, part, &mine),
        });
    }
    let structure = shape::shape(kind, id.as_str(), &title, &slices, &mut notes);
    let spec = Spec {
        schema: SCHEMA.into(),
        intent: intent(&title, prose, &place, &mut notes),
        title,
        project_kind: kind,
        structure,
        requirements: claims.into_iter().map(|c| Requirement { id: c.id, text: cut(&c.text, WORDS) }).collect(),
        slices,
        cross_slice_checks: Vec::new(),
        shared_scaffold: Vec::new(),
        contracts: Vec::new(),
        services: Vec::new(),
        setup: Vec::new(),
        files: Vec::new(),
        non_goals: non_goals.iter().map(|t| cut(t, WORDS)).take(1000).collect(),
        done_means: done_means.iter().map(|t| cut(t, WORDS)).take(1000).collect(),
        min_version: None,
        id,
    };
    let (guessed, lost): (Vec<String>, Vec<Lost>) = notes.all_lost(&place);
    Ok(Imported { spec, guessed, lost })
}

/// The prose of the intent: headings from the third level, so that it can stand before the slices.
fn intent(title: &str, prose: Vec<(String, String)>, place: &Place, notes: &mut Notes) -> String {
    let mut out = String::new();
    for (heading, body) in prose.into_iter().filter(|(_, body)| !body.trim().is_empty()) {
        let head = if heading.is_empty() { String::new() } else { format!("### {}\n\n", flat(&heading)) };
        let block = format!("{head}{}", body.trim());
        if out.chars().count() + block.chars().count() + 2 > PROSE {
            let what = format!("the prose {heading:?}");
            let why = "the intent has as many characters as a spec keeps";
            notes.lose(what, place, why, "keep it as a file of the repository");
            continue;
        }
        out.push_str(if out.is_empty() { "" } else { "\n\n" });
        out.push_str(&block);
    }
    if out.is_empty() { title.to_owned() } else { out }
}

/// Gives each requirement an id that a spec may have, and that no other one has.
fn name_claims(claims: &mut [Claim]) {
    let mut seen = BTreeSet::new();
    let mut renamed: BTreeMap<String, String> = BTreeMap::new();
    for (n, claim) in claims.iter_mut().enumerate() {
        let plain: String =
            claim.id.chars().filter(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).take(60).collect();
        let plain = plain.trim_start_matches(['.', '_', '-']).to_owned();
        let base = if plain.is_empty() { format!("R{}", n + 1) } else { plain };
        let mut id = base.clone();
        let mut count = 2;
        while !seen.insert(id.to_lowercase()) {
            id = format!("{base}-{count}");
            count += 1;
        }
        renamed.entry(claim.id.clone()).or_insert_with(|| id.clone());
        claim.id = id;
    }
    for proof in claims.iter_mut().flat_map(|c| &mut c.proofs) {
        proof.also = proof.also.iter().filter_map(|id| renamed.get(id).cloned()).collect();
    }
}

/// Says which part meets what no document places: the first one that meets anything.
fn place_claims(claims: &[Claim], parts: &[Part], notes: &mut Notes) -> Option<usize> {
    let home = claims.iter().find_map(|c| c.part).or(if parts.is_empty() { None } else { Some(0) });
    let free: Vec<&str> = claims.iter().filter(|c| c.part.is_none()).map(|c| c.id.as_str()).collect();
    if let (Some(part), false) = (home.and_then(|h| parts.get(h)), free.is_empty() || parts.len() == 1) {
        notes.guess(format!("{}: in the slice `{}`, since nothing says which one meets it", listed(&free), part.id));
    }
    home
}

/// Whether a text names a requirement.
fn names(text: &str, id: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '-')).any(|word| word == id)
}

fn listed(names: &[&str]) -> String {
    match names {
        [first, _, .., last] if names.len() > 6 => format!("{first} to {last} ({} requirements)", names.len()),
        _ => names.join(", "),
    }
}

fn slice_ids(parts: &[Part]) -> Vec<SliceId> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for (n, part) in parts.iter().enumerate() {
        let slug = SpecId::slug(&part.id).map_or_else(|| format!("part-{}", n + 1), |s| s.to_string());
        let numbered = (2..).map(|k| format!("{}-{k}", slug.chars().take(56).collect::<String>()));
        let free = std::iter::once(slug.clone()).chain(numbered).find(|id| seen.insert(id.clone()));
        out.extend(free.and_then(|id| id.parse().ok()));
    }
    out
}

/// The paths of each slice: those that its tasks name, else a folder of its name.
fn own(parts: &[Part], ids: &[SliceId], place: &Place, notes: &mut Notes) -> Vec<Vec<String>> {
    let mut out = Vec::new();
    for (part, id) in parts.iter().zip(ids) {
        let mut paths: Vec<String> = Vec::new();
        for path in &part.paths {
            if !paths.contains(path) && path.chars().count() <= LINE {
                paths.push(path.clone());
            }
        }
        if paths.len() > PATHS {
            let what = format!("{} paths of the slice `{id}`", paths.len() - PATHS);
            notes.lose(what, place, "a slice owns a few paths or folders", "name folders: src/notes/");
            paths.truncate(PATHS);
        }
        if paths.is_empty() {
            notes.guess(format!("the slice `{id}` owns `{id}/`, since no task names a path: say what it may change"));
            paths.push(format!("{id}/"));
        }
        out.push(paths);
    }
    out
}

/// What each slice comes after: as stated, and after an earlier one with a path in common.
fn order(parts: &[Part], paths: &[Vec<String>], ids: &[SliceId], notes: &mut Notes) -> Vec<Vec<usize>> {
    let mut after: Vec<BTreeSet<usize>> = parts
        .iter()
        .enumerate()
        .map(|(n, part)| part.after.iter().copied().filter(|d| *d < n && *d < parts.len()).collect())
        .collect();
    // All that each one comes after, directly or not: every dependency is an earlier one.
    let mut all: Vec<BTreeSet<usize>> = Vec::new();
    for late in 0..after.len() {
        let mut mine = BTreeSet::new();
        let direct: Vec<usize> = after.get(late).into_iter().flatten().copied().collect();
        for dep in direct {
            mine.insert(dep);
            mine.extend(all.get(dep).into_iter().flatten());
        }
        for early in (0..late).rev() {
            let (Some(a), Some(b)) = (paths.get(early), paths.get(late)) else { continue };
            let common = || b.iter().find(|q| a.iter().any(|p| meet(p, q)));
            if !mine.contains(&early)
                && let Some(path) = common()
            {
                if let (Some(list), Some(first), Some(second)) = (after.get_mut(late), ids.get(early), ids.get(late)) {
                    list.insert(early);
                    notes.guess(format!("`{second}` after `{first}`, since both name {path}"));
                }
                mine.insert(early);
                mine.extend(all.get(early).into_iter().flatten());
            }
        }
        all.push(mine);
    }
    after.into_iter().map(|deps| deps.into_iter().collect()).collect()
}

fn meet(p: &str, q: &str) -> bool {
    let (a, b) = (glob::literal_prefix(p), glob::literal_prefix(q));
    (a.starts_with(b) || b.starts_with(a)) && glob::intersects(p, q)
}

/// The checks of a slice: one for each scenario; where a requirement has none, and where a slice has no requirement, one
/// that waits to be written.
fn checks(id: &SliceId, part: &Part, mine: &[&Claim]) -> Vec<Check> {
    let mut kinds: Vec<(CheckKind, Vec<String>)> = Vec::new();
    let spoken = |id: &String| mine.iter().flat_map(|c| &c.proofs).any(|p| p.also.contains(id));
    for claim in mine {
        for Proof { words, probe, also } in &claim.proofs {
            let kind = probe.clone().unwrap_or_else(|| CheckKind::unwritten(&cut_line(words, &claim.id)));
            let mut proves = vec![claim.id.clone()];
            // A check speaks for its own slice only.
            proves.extend(also.iter().filter(|id| **id != claim.id && mine.iter().any(|c| c.id == **id)).cloned());
            kinds.push((kind, proves));
        }
        if claim.proofs.is_empty() && !spoken(&claim.id) {
            kinds.push((CheckKind::unwritten(&cut_line(&claim.text, &claim.id)), vec![claim.id.clone()]));
        }
    }
    if kinds.is_empty() {
        let words =
            if part.done.is_empty() { format!("the tasks of {} are done", part.title) } else { part.done.clone() };
        kinds.push((CheckKind::unwritten(&cut_line(&words, id.as_str())), Vec::new()));
    }
    let check = |(n, (kind, proves)): (usize, (CheckKind, Vec<String>))| Check {
        id: format!("{id}-{}", n + 1),
        kind,
        proves,
        gate: Default::default(),
        files: BTreeMap::new(),
        timeout_s: None,
    };
    kinds.into_iter().take(500).enumerate().map(check).collect()
}

/// One line of bounded length that is never empty.
fn cut_line(raw: &str, instead: &str) -> String {
    let line = cut(&flat(raw), LINE);
    if line.is_empty() { instead.to_owned() } else { line }
}

/// Cuts a text that is longer than a spec takes; the sign at its end says so.
fn cut(raw: &str, max: usize) -> String {
    if raw.chars().count() <= max {
        return raw.to_owned();
    }
    raw.chars().take(max - 1).chain(['…']).collect()
}
