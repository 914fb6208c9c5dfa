//! What is wrong with an intent: every place at once, each with the sentence that would have been accepted.

use std::{fmt, ops::Range};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet, renderer::DecorStyle};
use serde::Serialize;

use crate::base::{Exit, Explain, text};

/// More places than this are counted, not listed.
const MOST: usize = 100;

/// One place of an intent that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IntentError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// A sentence of the grammar that would be accepted there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// The bytes meant, in the text as it was read (line ends as LF).
    #[serde(skip)]
    pub span: Range<usize>,
}

/// Everything that is wrong with one intent, in the order of the text.
#[derive(Clone, Debug)]
pub struct IntentErrors {
    /// The file's name, as the user gave it.
    pub file_name: String,
    /// The places, at least one, at most 100.
    pub list: Vec<IntentError>,
    /// How many more there are.
    pub more: usize,
    source: String,
}

impl IntentErrors {
    pub(super) fn new(file_name: &str, source: &str, mut found: Vec<Found>) -> Self {
        found.sort_by_key(|f| (f.span.start, f.span.end));
        found.dedup();
        let more = found.len().saturating_sub(MOST);
        found.truncate(MOST);
        let list = found.into_iter().map(|f| f.place(source)).collect();
        IntentErrors { file_name: text::one_line(file_name, 200), list, more, source: source.to_owned() }
    }

    /// The places in their source lines, for a person; `colour` for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut out = String::new();
        for e in &self.list {
            // Only the lines meant: the renderer would otherwise walk the whole text once for each place.
            let from = self.source[..e.span.start].rfind('\n').map_or(0, |i| i + 1);
            let to = self.source[e.span.end..].find('\n').map_or(self.source.len(), |i| e.span.end + i);
            let line = &self.source[from..to];
            let title = Level::ERROR.primary_title(e.message.as_str());
            let mark = AnnotationKind::Primary.span(e.span.start - from..e.span.end - from);
            let snippet = Snippet::source(line).line_start(e.line).path(self.file_name.as_str()).annotation(mark);
            let mut group = title.element(snippet);
            if let Some(accepted) = &e.accepted {
                group = group.element(Level::HELP.message(format!("accepted: {accepted}")));
            }
            out.push_str(&renderer.render(&[group]));
            out.push_str("\n\n");
        }
        if self.more > 0 {
            out.push_str(&format!("and {} more\n", self.more));
        }
        out
    }
}

impl fmt::Display for IntentErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len() + self.more;
        let many = if count == 1 { "place" } else { "places" };
        write!(f, "{} cannot be compiled: {count} {many} to correct", self.file_name)?;
        match self.list.first() {
            Some(e) => write!(f, ", the first at line {} column {}: {}", e.line, e.column, e.message),
            None => Ok(()),
        }
    }
}

impl std::error::Error for IntentErrors {}

impl Explain for IntentErrors {
    fn exit(&self) -> Exit {
        Exit::Invalid
    }
}

/// A place while it is being collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub span: Range<usize>,
    pub message: String,
    pub accepted: Option<String>,
}

impl Found {
    fn place(self, source: &str) -> IntentError {
        let start = floor(source, self.span.start.min(source.len()));
        // One line is shown: a mark over several would hide what it points at.
        let line_end = source[start..].find('\n').map_or(source.len(), |i| start + i);
        let end = floor(source, self.span.end.clamp(start, line_end)).max(start);
        let before = &source[..start];
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        IntentError { line, column, message: self.message, accepted: self.accepted, span: start..end }
    }
}

fn floor(s: &str, mut at: usize) -> usize {
    while !s.is_char_boundary(at) {
        at -= 1;
    }
    at
}
