//! What kind of text an intent is, seen from afar: prose for an agent, or sentences for this compiler.

use super::{
    blocks::{Block, Item, Kind, What},
    sentence::{self, Place},
};

/// What kind of text an intent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// No heading of a slice and no sentence of one.
    Prose,
    /// Sentences of a slice, and no `##` heading that would part them.
    OneSlice,
    /// Anything else: read by the grammar, which tells what is wrong with it.
    Slices,
}

pub(super) fn shape(source: &str, blocks: &[Block]) -> Shape {
    let formal = ["slice", "across", "requirements"];
    let mut headings = false;
    let mut says_something = false;
    let mut of_slice = false;
    for block in blocks {
        says_something |= !matches!(block.kind, Kind::Silent);
        match &block.kind {
            Kind::Heading { level: 2, line } => {
                headings = true;
                let text =
                    line.first().and_then(|i| source.get(i.span.start..)).unwrap_or_default().to_ascii_lowercase();
                if formal.iter().any(|word| text.starts_with(word)) {
                    return Shape::Slices;
                }
            }
            Kind::Paragraph(items) => {
                let lines = items.iter().enumerate().filter(|(i, item)| *i == 0 || item.what == What::Break);
                let mut starts = lines.filter_map(|(i, _)| items.get(if i == 0 { 0 } else { i + 1 }));
                of_slice |= starts.any(|item| begins_slice(source, item));
            }
            _ => {}
        }
    }
    match (says_something, of_slice, headings) {
        (true, false, _) => Shape::Prose,
        (true, true, false) => Shape::OneSlice,
        _ => Shape::Slices,
    }
}

/// Whether a sentence that can stand in a slice only begins at an item: a requirement, a check, a file, a path.
pub(super) fn begins_slice(source: &str, item: &Item) -> bool {
    let text = source.get(item.span.start..).unwrap_or_default();
    matches!(&item.what, What::Strong(t) if sentence::is_numbered(t))
        || sentence::like(text).is_some_and(|s| matches!(s.place, Place::Slice | Place::Checks))
}
