//! The blocks of a Markdown text with their places: what the grammar sees of CommonMark.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag};

/// A top-level block.
#[derive(Debug)]
pub(super) struct Block {
    pub span: Range<usize>,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Heading {
        level: u8,
        line: Vec<Item>,
    },
    Paragraph(Vec<Item>),
    Fence {
        info: String,
        text: String,
        closed: bool,
    },
    /// The places of the entries' contents.
    List(Vec<Range<usize>>),
    /// A comment or a rule: means nothing.
    Silent,
    /// Anything else, by the name that people know it by.
    Other(&'static str),
    /// What would swallow a part of the intent, and why it is wrong everywhere.
    Wrong(&'static str),
}

/// A character of plain text or an inline element, with its place.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub span: Range<usize>,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// A line break inside a paragraph is a blank that knows it.
    Char(char),
    Break,
    Code(String),
    Strong(String),
    Other,
}

/// The top-level blocks in the order of the text.
pub(super) fn blocks(source: &str) -> Vec<Block> {
    let mut out = Vec::new();
    let mut events = Parser::new_ext(source, Options::empty()).into_offset_iter();
    while let Some((event, span)) = events.next() {
        let kind = match event {
            Event::Start(tag) => block(tag, &mut events, source, &span),
            Event::Rule => Kind::Silent,
            _ => Kind::Other("text"),
        };
        out.push(Block { span, kind });
    }
    out
}

type Events<'a> = pulldown_cmark::OffsetIter<'a>;

fn block(tag: Tag<'_>, events: &mut Events<'_>, source: &str, span: &Range<usize>) -> Kind {
    match tag {
        Tag::Heading { level, .. } => Kind::Heading { level: number(level), line: inline(events) },
        Tag::Paragraph => Kind::Paragraph(inline(events)),
        Tag::CodeBlock(kind) => {
            let mut text = String::new();
            inside(events, |event, _, _| {
                if let Event::Text(t) = event {
                    text.push_str(t);
                }
            });
            match kind {
                CodeBlockKind::Fenced(info) => {
                    Kind::Fence { info: info.into_string(), text, closed: is_closed(&source[span.clone()]) }
                }
                CodeBlockKind::Indented => Kind::Other("an indented block"),
            }
        }
        Tag::List(_) => Kind::List(entries(events, source)),
        Tag::HtmlBlock => {
            inside(events, |_, _, _| {});
            match source[span.clone()].trim().strip_prefix("<!--").map(|c| (c.ends_with("-->"), c.contains("-->"))) {
                Some((true, _)) => Kind::Silent,
                Some((false, true)) => Kind::Wrong("what follows a comment in its line would be lost with it"),
                Some((false, false)) => Kind::Wrong("this comment is never closed"),
                None => Kind::Other("HTML"),
            }
        }
        _ => {
            inside(events, |_, _, _| {});
            Kind::Other("a quotation")
        }
    }
}

fn number(level: HeadingLevel) -> u8 {
    level as u8
}

/// Whether a fenced block ends with its closing fence: CommonMark lets it end with the text, and then a forgotten
/// fence would swallow everything after it.
fn is_closed(block: &str) -> bool {
    let block = block.trim_end();
    let open = block.trim_start();
    let Some(mark) = open.chars().next() else { return false };
    let length = open.chars().take_while(|c| *c == mark).count();
    let Some((_, last)) = block.rsplit_once('\n') else { return false };
    let last = last.trim_start_matches(['>', ' ']);
    last.chars().count() >= length && last.chars().all(|c| c == mark)
}

/// Feeds every event up to the end of the element just opened, with its depth below it.
fn inside<'a>(events: &mut Events<'a>, mut each: impl FnMut(&Event<'a>, Range<usize>, usize)) {
    let mut depth = 0_usize;
    for (event, span) in events.by_ref() {
        match event {
            Event::Start(_) => {
                each(&event, span, depth);
                depth += 1;
            }
            Event::End(_) if depth == 0 => return,
            Event::End(_) => depth -= 1,
            _ => each(&event, span, depth),
        }
    }
}

/// Collects the items of one paragraph, heading or list entry.
#[derive(Default)]
struct Line {
    items: Vec<Item>,
}

impl Line {
    fn add(&mut self, event: &Event<'_>, span: Range<usize>, depth: usize) {
        if depth > 0 {
            if let (Event::Text(t), Some(Item { what: What::Strong(text), .. })) = (event, self.items.last_mut()) {
                text.push_str(t);
            }
            return;
        }
        let what = match event {
            Event::Text(t) => {
                // An entity is shorter than its source: every character then stands where the entity does.
                let exact = t.len() == span.len();
                for (at, c) in t.char_indices() {
                    let place = if exact { span.start + at..span.start + at + c.len_utf8() } else { span.clone() };
                    self.items.push(Item { span: place, what: What::Char(c) });
                }
                return;
            }
            Event::SoftBreak | Event::HardBreak => What::Break,
            Event::Code(t) => What::Code(t.to_string()),
            Event::Start(Tag::Strong) => What::Strong(String::new()),
            _ => What::Other,
        };
        self.items.push(Item { span, what });
    }
}

fn inline(events: &mut Events<'_>) -> Vec<Item> {
    let mut line = Line::default();
    inside(events, |event, span, depth| line.add(event, span, depth));
    line.items
}

/// The places of the entries' contents, markers left out.
fn entries(events: &mut Events<'_>, source: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    inside(events, |event, span, depth| {
        if depth == 0 && matches!(event, Event::Start(Tag::Item)) {
            let text = &source[span.clone()];
            let marker = text.trim_start_matches(|c: char| c.is_ascii_digit() || c.is_whitespace());
            let content = marker.get(1..).unwrap_or_default().trim_start();
            let start = span.end - content.len();
            out.push(start..start + content.trim_end().len());
        }
    });
    out
}
