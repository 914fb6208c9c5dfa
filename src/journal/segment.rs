//! The chain of a writer's lines: each names the SHA-256 of the one before it, so that what was torn off, forged,
//! dropped, swapped or doubled is found, and its place named.

use crate::{
    base::{Oid, Sha256},
    journal::{event::Event, line},
};

/// What the first line of a writer follows from: the anchor of the run.
pub fn first(anchor: Oid) -> Sha256 {
    Sha256::of(anchor.to_string())
}

/// What the line after this one (without its newline) follows from.
pub fn link(line: &[u8]) -> Sha256 {
    Sha256::of(line)
}

/// Where a journal stops being what its writer wrote, and how it shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of writer {writer}: {what}; {good} lines before it are good")]
pub struct Fault {
    /// Whose journal it is.
    pub writer: String,
    /// The first bad line, from 1 over all segments.
    pub line: u64,
    /// How many lines from the first on are as they were written.
    pub good: u64,
    /// What is wrong.
    pub what: What,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum What {
    #[error("torn: it has no end")]
    Torn,
    #[error("not an event: {0}")]
    Malformed(String),
    #[error("its id {0:?} is not of this writer and place")]
    Id(String),
    #[error("the line of number {of} stands here again")]
    Duplicated { of: u64 },
    #[error("lines {from} to {to} are gone")]
    Dropped { from: u64, to: u64 },
    #[error("the line of number {found} stands here: lines are out of order")]
    Swapped { found: u64 },
    #[error("forged: its digest is not the one that the next line follows from")]
    Forged,
    #[error("forged: it does not follow from the line before it, or that one was changed")]
    Unlinked,
    #[error("{0}")]
    Segment(String),
}

/// The good lines of a writer's journal, and what is wrong with the rest.
#[derive(Debug, Default)]
pub struct Checked {
    /// Events of the good lines, in order.
    pub events: Vec<Event>,
    /// What follows from the last of them.
    pub next: Option<Sha256>,
    /// Why there are no more.
    pub fault: Option<Fault>,
}

/// Reads the segments of one writer's journal in order. Never fails: what is bad ends the good lines.
pub fn check<'a>(writer: &str, anchor: Oid, segments: impl IntoIterator<Item = &'a [u8]>) -> Checked {
    let lines: Vec<&[u8]> = segments.into_iter().flat_map(|s| s.split_inclusive(|b| *b == b'\n')).collect();
    let mut events: Vec<Event> = Vec::with_capacity(lines.len());
    let mut prev = first(anchor);
    let mut before = None;
    for (at, raw) in lines.iter().enumerate() {
        let number = at as u64 + 1;
        let found = match read(writer, raw) {
            Ok(event) if event.seq == number && names(&event, &prev) => {
                before = Some(prev);
                prev = link(end_off(raw));
                events.push(event);
                continue;
            }
            Ok(event) => event,
            Err(what) => return stop(writer, events, prev, before, Place { line: number, what, doubt: false }),
        };
        let place = explain(writer, &lines, at, &found);
        return stop(writer, events, prev, before, place);
    }
    Checked { events, next: Some(prev), fault: None }
}

struct Place {
    line: u64,
    what: What,
    /// Whether the line before the place may be the changed one.
    doubt: bool,
}

fn stop(writer: &str, mut events: Vec<Event>, prev: Sha256, before: Option<Sha256>, place: Place) -> Checked {
    let mut next = Some(prev);
    if place.doubt && events.pop().is_some() {
        next = before;
    }
    let good = events.len() as u64;
    let fault = Some(Fault { writer: writer.to_owned(), line: place.line, good, what: place.what });
    Checked { events, next, fault }
}

/// Why a line that is an event of this writer does not stand at its place.
fn explain(writer: &str, lines: &[&[u8]], at: usize, found: &Event) -> Place {
    let number = at as u64 + 1;
    let here = |what| Place { line: number, what, doubt: false };
    if found.seq < number {
        return here(What::Duplicated { of: found.seq });
    }
    if found.seq > number {
        // The missing lines are gone, unless one of them stands further on.
        let later = lines.iter().skip(at + 1).any(|l| read(writer, l).is_ok_and(|e| e.seq == number));
        return here(match later {
            true => What::Swapped { found: found.seq },
            false => What::Dropped { from: number, to: found.seq - 1 },
        });
    }
    // It has the right number and does not follow from the line before: one of the two was changed. Where the next
    // line follows from this one, this one is as it was written. Where in doubt, the line before is not trusted.
    let intact = lines.get(at + 1).and_then(|next| read(writer, next).ok()).is_some_and(|next| {
        next.seq == number + 1 && names(&next, &link(end_off(lines.get(at).copied().unwrap_or_default())))
    });
    match intact && number > 1 {
        true => Place { line: number - 1, what: What::Forged, doubt: true },
        false => Place { line: number, what: What::Unlinked, doubt: true },
    }
}

fn names(event: &Event, prev: &Sha256) -> bool {
    event.prev.strip_prefix("sha256:").and_then(|hex| hex.parse::<Sha256>().ok()).as_ref() == Some(prev)
}

fn end_off(raw: &[u8]) -> &[u8] {
    raw.strip_suffix(b"\n").unwrap_or(raw)
}

fn read(writer: &str, raw: &[u8]) -> Result<Event, What> {
    let line = raw.strip_suffix(b"\n").ok_or(What::Torn)?;
    let event = line::decode(line).map_err(|e| What::Malformed(e.what))?;
    let own = event.id.strip_prefix(writer).and_then(|rest| rest.strip_prefix('-'));
    if own.is_none_or(|n| n.starts_with('0') || n.parse() != Ok(event.seq)) {
        return Err(What::Id(event.id.chars().take(80).collect()));
    }
    Ok(event)
}

#[cfg(test)]
mod tests;
