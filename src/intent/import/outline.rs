//! A Markdown document as its headings with what stands below each.

use std::ops::Range;

use crate::{
    base::text,
    intent::{
        blocks::{Kind, blocks},
        door,
        error::{Found, IntentErrors},
    },
};

/// A document in sections.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub sections: Vec<Section>,
}

/// What stands below one heading, up to the next one of any level.
#[derive(Debug)]
pub(super) struct Section {
    /// 0 before the first heading.
    pub level: u8,
    pub title: String,
    pub place: Place,
    pub pieces: Vec<Piece>,
}

/// A paragraph, an entry of a list, or anything else that is shown, as its source.
#[derive(Debug)]
pub(super) struct Piece {
    pub is_entry: bool,
    pub text: String,
    pub place: Place,
}

/// Where something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

impl Outline {
    /// Reads an untrusted document.
    pub(super) fn read(file: &str, bytes: &[u8]) -> Result<Outline, IntentErrors> {
        let source = door::text(bytes).map_err(|(shown, found)| IntentErrors::new(file, &shown, found))?;
        let source = without_front_matter(source);
        let starts: Vec<usize> = std::iter::once(0).chain(source.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let place =
            |at: usize| Place { file: file.to_owned(), line: starts.partition_point(|start| *start <= at).max(1) };
        let section = |level, title, at| Section { level, title, place: place(at), pieces: Vec::new() };
        let mut sections = vec![section(0, String::new(), 0)];
        for block in blocks(&source) {
            let raw = |span: Range<usize>| without_comments(source.get(span).unwrap_or_default());
            let mut add = |is_entry, span: Range<usize>| {
                let piece = Piece { is_entry, text: raw(span.clone()), place: place(span.start) };
                if let Some(section) = sections.last_mut().filter(|_| !piece.text.is_empty()) {
                    section.pieces.push(piece);
                }
            };
            match block.kind {
                Kind::Heading { level, .. } => {
                    let title = raw(block.span.clone());
                    let title = title.lines().next().unwrap_or_default().trim_matches('#');
                    sections.push(section(level, flat(title), block.span.start));
                }
                Kind::List(entries) => entries.into_iter().for_each(|span| add(true, span)),
                Kind::Silent | Kind::Wrong(_) => {}
                Kind::Fence { closed: false, .. } => {
                    let message = "this block is never closed: everything below would be lost in it".to_owned();
                    let found = Found { span: block.span, message, accepted: None };
                    return Err(IntentErrors::new(file, &source, vec![found]));
                }
                _ => add(false, block.span),
            }
        }
        Ok(Outline { sections })
    }

    /// The first heading of level 1, without a label before it as in `Tasks: Notes`.
    pub(super) fn title(&self) -> Option<String> {
        let title = &self.sections.iter().find(|s| s.level == 1)?.title;
        let labels = ["Feature Specification:", "Implementation Plan:", "Tasks:", "Change:", "Proposal:"];
        let bare = labels.iter().find_map(|label| title.strip_prefix(label)).unwrap_or(title);
        Some(bare.trim().to_owned()).filter(|t| !t.is_empty())
    }

    /// The positions of the sections below one, however deep.
    pub(super) fn below(&self, at: usize) -> Range<usize> {
        let level = self.sections.get(at).map_or(0, |s| s.level);
        let deeper = self.sections.iter().skip(at + 1).take_while(|s| s.level > level).count();
        at + 1..at + 1 + deeper
    }
}

impl Piece {
    /// Whether it cannot stand on one line: code, a table.
    pub(super) fn is_block(&self) -> bool {
        !self.is_entry && ["```", "~~~", "|"].iter().any(|start| self.text.starts_with(start))
    }
}

impl Section {
    /// All of it as Markdown.
    pub(super) fn prose(&self) -> String {
        let mut out = String::new();
        let mut after_entry = false;
        for piece in &self.pieces {
            if !out.is_empty() {
                out.push_str(if after_entry && piece.is_entry { "\n" } else { "\n\n" });
            }
            out.push_str(if piece.is_entry { "- " } else { "" });
            out.push_str(&piece.text);
            after_entry = piece.is_entry;
        }
        out
    }
}

/// A text on one line: runs of blanks become one, comments go.
pub(super) fn flat(raw: &str) -> String {
    text::printable(raw).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Front matter of YAML says nothing that a spec has; its lines stay, empty, so that places are right.
fn without_front_matter(source: String) -> String {
    let Some(rest) = source.strip_prefix("---\n") else { return source };
    let Some(end) = rest.find("\n---\n") else { return source };
    let (front, rest) = rest.split_at(end);
    let lines = front.matches('\n').count() + 2;
    "\n".repeat(lines) + rest.strip_prefix("\n---").unwrap_or(rest)
}

/// Comments are hints of a template to who fills it in.
fn without_comments(raw: &str) -> String {
    let mut out = String::new();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = after.split_once("-->").map_or("", |(_, rest)| rest);
    }
    (out + rest).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_its_headings_with_what_stands_below() {
        let source = "---\ntitle: x\n---\n# Tasks: Notes\n\nAbove.\n\n## One <!-- hint -->\n\n- [ ] a\n  more\n- b <!-- c -->\n\n<!-- all\nof it -->\n\n### Deep\n\n> said\n\n## Two\n";
        let outline = Outline::read("t.md", source.as_bytes()).unwrap();
        let seen: Vec<(u8, &str, usize, usize)> =
            outline.sections.iter().map(|s| (s.level, s.title.as_str(), s.place.line, s.pieces.len())).collect();
        assert_eq!(
            seen,
            [(0, "", 1, 0), (1, "Tasks: Notes", 4, 1), (2, "One", 8, 2), (3, "Deep", 17, 1), (2, "Two", 21, 0)]
        );
        assert_eq!(outline.title().as_deref(), Some("Notes"));
        assert_eq!((outline.below(1), outline.below(2), outline.below(4)), (2..5, 3..4, 5..5));
        assert_eq!(outline.sections[2].prose(), "- [ ] a\n  more\n- b");
        assert_eq!(outline.sections[2].pieces[1].place.to_string(), "t.md:12");
        assert!(Outline::read("t.md", b"# a\n\n```\nb\n").is_err() && Outline::read("t.md", b"\xff").is_err());
    }
}
