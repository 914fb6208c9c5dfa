//! The journals of a run as the repository holds them. What others wrote is bounded before it is read, and what is not as
//! a writer writes it is reported with its place.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{Oid, RunId, text::one_line},
    git::{self, ByteSlice, Mode, Repo},
    journal::{
        Error, Result,
        event::Event,
        notes::annotated,
        replay::{Receipt, Replayed, replay},
        segment::{self, Fault, What},
        writer::SEGMENT_BYTES,
    },
    store::names,
};

/// Writers of one run.
const MAX_WRITERS: usize = 10_000;
/// Notes of one writer.
const MAX_NOTES: usize = 100_000;
/// Bytes of all lines of a run.
const MAX_BYTES: usize = 1 << 30;
/// Bytes of one note: a segment may be one line of the largest size, and its newline.
const MAX_NOTE: u64 = SEGMENT_BYTES as u64 + 1;

/// Everything that the journals of a run say. Fails only if the repository cannot be read; what is wrong with a journal
/// is in the answer.
pub fn read(repo: &Repo, run: &RunId, anchor: Oid) -> Result<Replayed> {
    let refs = repo.refs().list(&names::journal_prefix(run))?;
    if refs.len() > MAX_WRITERS {
        return Err(Error::TooMany { run: run.clone(), what: "writers", found: refs.len(), max: MAX_WRITERS });
    }
    let mut all = Union { left: MAX_BYTES, ..Union::default() };
    for (name, tip) in refs {
        match names::parse_journal(&name) {
            Some((of, writer)) if &of == run => all.writer(repo, &writer, anchor, tip)?,
            _ => all.fault(&one_line(&name, 120), 0, "its ref is not named after a writer".into()),
        }
    }
    Ok(replay(all.events, all.faults, all.receipts))
}

/// The journal of one writer, as a commit of its ref holds it.
pub fn of_writer(repo: &Repo, writer: &str, anchor: Oid, tip: Oid) -> Result<Written> {
    let mut one = Union { left: MAX_BYTES, ..Union::default() };
    one.writer(repo, writer, anchor, tip)?;
    Ok(Written { events: one.events, faults: one.faults, receipts: one.receipts })
}

/// What one writer wrote.
#[derive(Debug)]
pub struct Written {
    /// The events of its good lines, in order.
    pub events: Vec<Event>,
    /// Where the journal is not what its writer wrote.
    pub faults: Vec<Fault>,
    /// Notes on landed commits.
    pub receipts: Vec<Receipt>,
}

/// What was read so far.
#[derive(Default)]
struct Union {
    events: Vec<Event>,
    faults: Vec<Fault>,
    receipts: Vec<Receipt>,
    /// How many bytes may still be read.
    left: usize,
}

impl Union {
    fn fault(&mut self, writer: &str, good: u64, why: String) {
        let what = What::Segment(why);
        self.faults.push(Fault { writer: writer.to_owned(), line: good + 1, good, what });
    }

    fn writer(&mut self, repo: &Repo, writer: &str, anchor: Oid, tip: Oid) -> Result<()> {
        let Some(notes) = self.notes(repo, writer, tip)? else { return Ok(()) };
        let Sorted { segments, receipts, lost } = match sort(repo, anchor, &notes) {
            Ok(sorted) => sorted,
            Err(e) => return self.broken(writer, 0, e),
        };
        self.receipts.extend(receipts.into_iter().map(|(commit, blob)| {
            let writer = writer.to_owned();
            Receipt { commit, writer, blob }
        }));
        let mut texts = Vec::new();
        let mut cut = None;
        for blob in segments {
            match repo.read_blob(blob, MAX_NOTE.min(self.left as u64)) {
                Ok(text) => {
                    self.left -= text.len().min(self.left);
                    texts.push(text);
                }
                Err(e) => {
                    cut = Some(e);
                    break;
                }
            }
        }
        let found = segment::check(writer, anchor, texts.iter().map(Vec::as_slice));
        let good = found.events.len() as u64;
        self.events.extend(found.events);
        match (found.fault, cut) {
            (Some(fault), _) => self.faults.push(fault),
            (None, Some(e)) => self.broken(writer, good, e)?,
            (None, None) => {}
        }
        if let Some(lost) = lost {
            self.fault(writer, good, lost);
        }
        Ok(())
    }

    /// The notes of a writer by annotated object; none, and a fault, if they are not to be had.
    fn notes(&mut self, repo: &Repo, writer: &str, tip: Oid) -> Result<Option<BTreeMap<Oid, Oid>>> {
        let entries = match repo.read_commit(tip).and_then(|c| repo.tree_entries(c.tree)) {
            Ok(entries) => entries,
            Err(e) => return self.broken(writer, 0, e).map(|()| None),
        };
        if entries.len() > MAX_NOTES {
            self.fault(writer, 0, format!("{} notes are more than the {MAX_NOTES} that are read", entries.len()));
            return Ok(None);
        }
        let hex_len = tip.to_string().len();
        let mut notes = BTreeMap::new();
        for entry in entries {
            let object = annotated(entry.path.as_bytes(), hex_len).filter(|_| entry.mode == Mode::Plain);
            if object.is_none_or(|object| notes.insert(object, entry.oid).is_some()) {
                let path = one_line(&entry.path.to_str_lossy(), 120);
                self.fault(writer, 0, format!("{path:?} in its tree is no note, or the second one of its object"));
            }
        }
        Ok(Some(notes))
    }

    /// A damaged or missing object is a fault of that journal; anything else stops the reading, since to go on without
    /// what was written could do work twice.
    fn broken(&mut self, writer: &str, good: u64, e: git::Error) -> Result<()> {
        use git::Error::{Corrupt, NoObject, TooLarge, WrongKind};
        match e {
            NoObject(_) | Corrupt { .. } | WrongKind { .. } | TooLarge { .. } => {
                self.fault(writer, good, e.to_string());
                Ok(())
            }
            other => Err(other.into()),
        }
    }
}

/// The notes of a writer, told apart.
struct Sorted {
    /// Blobs of the segments, in order.
    segments: Vec<Oid>,
    /// Landed commits and the blobs of their notes.
    receipts: Vec<(Oid, Oid)>,
    /// What is not there, in words.
    lost: Option<String>,
}

/// The id of the empty tree, in SHA-1 and SHA-256.
const EMPTY_TREES: [&str; 2] =
    ["4b825dc642cb6eb9a060e54bf8d69288fbee4904", "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"];

/// Tells segments from landed commits: a segment has the empty tree and follows from the anchor or from a segment.
fn sort(repo: &Repo, anchor: Oid, notes: &BTreeMap<Oid, Oid>) -> git::Result<Sorted> {
    let mut after: BTreeMap<Oid, Vec<Oid>> = BTreeMap::new();
    let (mut receipts, mut loose, mut lost) = (Vec::new(), BTreeSet::new(), None);
    for (object, blob) in notes.iter().filter(|(object, _)| **object != anchor) {
        let commit = match repo.read_commit(*object) {
            Ok(commit) => commit,
            Err(e @ (git::Error::NoObject(_) | git::Error::Corrupt { .. } | git::Error::WrongKind { .. })) => {
                lost = Some(format!("what a note stands on cannot be read: {e}"));
                continue;
            }
            Err(e) => return Err(e),
        };
        match commit.parents[..] {
            [parent] if EMPTY_TREES.contains(&commit.tree.to_string().as_str()) => {
                after.entry(parent).or_default().push(*object);
                loose.insert(*object);
            }
            _ => receipts.push((*object, *blob)),
        }
    }
    let mut segments: Vec<Oid> = notes.get(&anchor).copied().into_iter().collect();
    let mut at = anchor;
    while let Some(next) = after.remove(&at) {
        if next.len() > 1 {
            lost = Some(format!("{} segments follow from {}", next.len(), at.short()));
            break;
        }
        for segment in next {
            loose.remove(&segment);
            segments.extend(notes.get(&segment));
            at = segment;
        }
    }
    if lost.is_none() && (!loose.is_empty() || (!segments.is_empty() && !notes.contains_key(&anchor))) {
        let first = loose.first().map(|s| format!(" before {}", s.short())).unwrap_or_default();
        lost = Some(format!("the note of a segment{first} is gone"));
    }
    Ok(Sorted { segments, receipts, lost })
}
