//! Reading one sentence from left to right, remembering the furthest place that made sense.

use std::ops::Range;

use super::{
    blocks::{Item, What},
    error::Found,
};

/// A sentence that is being read.
pub(super) struct Cursor<'a> {
    source: &'a str,
    items: &'a [Item],
    at: usize,
    furthest: usize,
}

/// The sentence is none of the grammar; where, the cursor knows.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// A better explanation than "not understood", with its place.
    told: Option<(Range<usize>, String)>,
}

pub(super) type Read<T> = Result<T, Mismatch>;

impl<'a> Cursor<'a> {
    pub fn new(source: &'a str, items: &'a [Item]) -> Self {
        Cursor { source, items, at: 0, furthest: 0 }
    }

    fn reach(&mut self, at: usize) {
        self.at = at;
        self.furthest = self.furthest.max(at);
    }

    /// Reads exactly this text, if it is next. A blank also matches a line break.
    pub fn try_text(&mut self, text: &str) -> bool {
        let mut at = self.at;
        for want in text.chars() {
            match self.items.get(at).map(|i| &i.what) {
                Some(What::Char(c)) if *c == want => at += 1,
                Some(What::Break) if want == ' ' => at += 1,
                _ => {
                    self.furthest = self.furthest.max(at);
                    return false;
                }
            }
        }
        self.reach(at);
        true
    }

    /// Reads exactly this text.
    pub fn text(&mut self, text: &str) -> Read<()> {
        if self.try_text(text) { Ok(()) } else { Err(Mismatch::plain()) }
    }

    /// Reads a code span, if one is next.
    pub fn try_code(&mut self) -> Option<(String, Range<usize>)> {
        let item = self.items.get(self.at)?;
        let What::Code(code) = &item.what else { return None };
        self.reach(self.at + 1);
        Some((code.clone(), item.span.clone()))
    }

    /// Reads a code span.
    pub fn code(&mut self) -> Read<(String, Range<usize>)> {
        self.try_code().ok_or(Mismatch::plain())
    }

    /// Reads a bold text, if one is next.
    pub fn try_strong(&mut self) -> Option<(String, Range<usize>)> {
        let item = self.items.get(self.at)?;
        let What::Strong(text) = &item.what else { return None };
        self.reach(self.at + 1);
        Some((text.clone(), item.span.clone()))
    }

    /// Reads code spans joined by commas and `and`, at least one.
    pub fn codes(&mut self) -> Read<Vec<(String, Range<usize>)>> {
        let mut out = vec![self.code()?];
        loop {
            let before = self.at;
            if !self.joint() {
                return Ok(out);
            }
            match self.try_code() {
                Some(code) => out.push(code),
                None => {
                    self.at = before;
                    return Ok(out);
                }
            }
        }
    }

    /// Reads what joins two parts: `, and `, ` and ` or `, `.
    pub fn joint(&mut self) -> bool {
        self.try_text(", and ") || self.try_text(" and ") || self.try_text(", ")
    }

    /// Reads a number below a million.
    pub fn number(&mut self) -> Read<u32> {
        let digits: String = self.items[self.at..].iter().map_while(|i| digit(&i.what)).take(7).collect();
        match digits.parse() {
            Ok(n) if digits.len() <= 6 => {
                self.reach(self.at + digits.len());
                Ok(n)
            }
            _ => Err(Mismatch::plain()),
        }
    }

    /// Reads a word of ASCII letters.
    pub fn word(&mut self) -> String {
        let word: String = self.items[self.at..].iter().map_while(|i| letter(&i.what)).take(40).collect();
        self.reach(self.at + word.len());
        word
    }

    /// Goes back to a place that [`Cursor::mark`] told.
    pub fn back(&mut self, mark: usize) {
        self.at = mark;
    }

    /// Where the cursor stands.
    pub fn mark(&self) -> usize {
        self.at
    }

    /// Whether nothing but blanks is left.
    pub fn is_at_end(&self) -> bool {
        self.items[self.at..].iter().all(|i| matches!(i.what, What::Char(' ' | '\t') | What::Break))
    }

    /// Reads the final full stop, after which nothing may come.
    pub fn stop(&mut self) -> Read<()> {
        self.text(".")?;
        if self.is_at_end() { Ok(()) } else { Err(Mismatch::plain()) }
    }

    /// Reads the rest as the text that a person wrote, line breaks as blanks; it may not be empty.
    pub fn rest(&mut self) -> Read<(String, Range<usize>)> {
        let (Some(first), Some(last)) = (self.items.get(self.at), self.items.last()) else {
            return Err(Mismatch::plain());
        };
        let span = first.span.start..last.span.end;
        let text = plain(&self.source[span.clone()]);
        if text.is_empty() {
            return Err(Mismatch::plain());
        }
        self.reach(self.items.len());
        Ok((text, span))
    }

    /// What is wrong, at the furthest place that made sense.
    pub fn found(&self, mismatch: Mismatch, whole: &Range<usize>, accepted: &str) -> Found {
        let (span, message) = mismatch.told.unwrap_or_else(|| match self.items.get(self.furthest) {
            Some(item) => (item.span.start..whole.end, "this is not understood from here on".into()),
            None => (whole.end..whole.end, "this sentence ends too early".into()),
        });
        Found { span, message, accepted: Some(accepted.into()) }
    }
}

impl Mismatch {
    /// A mismatch at the furthest place that made sense.
    pub fn plain() -> Self {
        Mismatch { told: None }
    }

    /// A mismatch that explains itself.
    pub fn told(span: &Range<usize>, message: impl Into<String>) -> Self {
        Mismatch { told: Some((span.clone(), message.into())) }
    }
}

fn digit(what: &What) -> Option<char> {
    match what {
        What::Char(c) if c.is_ascii_digit() => Some(*c),
        _ => None,
    }
}

fn letter(what: &What) -> Option<char> {
    match what {
        What::Char(c) if c.is_ascii_alphabetic() => Some(*c),
        _ => None,
    }
}

/// A text of several lines as one, with the blanks around each break made one.
pub(super) fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(|l| l.trim_matches([' ', '\t'])).filter(|l| !l.is_empty()).collect();
    lines.join(" ")
}
