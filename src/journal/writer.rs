//! One process's journal of one run: a notes ref of its own, lines in the note of the run's anchor, and past 256 events
//! in notes of fresh segment commits. The notes commit that first names a commit has it as an additional parent, so that
//! `git gc` and `git notes prune` keep both.

use crate::{
    base::{Oid, Point, RunId, Sha256},
    git::{NewCommit, Old, RefEdit, Swap},
    journal::{
        Error, Result,
        event::{Event, Fact},
        line::VERSION,
        notes::Notes,
        segment, text,
    },
    store::{Store, names},
};

/// Events of one note.
pub const SEGMENT_EVENTS: usize = 256;
/// Bytes of one note, unless a single line is longer: what a reader must take in at once.
pub const SEGMENT_BYTES: usize = 1 << 20;
/// Bytes of the note on a landed commit.
const MAX_RECEIPT: usize = 1 << 20;

/// One process's journal of one run.
pub struct Writer {
    store: Store,
    run: RunId,
    id: String,
    name: String,
    anchor: Oid,
    now: Tip,
}

/// Where a journal stands; replaced as a whole when a batch is durable.
#[derive(Clone)]
struct Tip {
    commit: Option<Oid>,
    notes: Notes,
    /// The commit whose note takes the next line: the anchor or a segment.
    segment: Oid,
    segments: Vec<Oid>,
    text: Vec<u8>,
    events: usize,
    seq: u64,
    lamport: u64,
    prev: Sha256,
}

impl Writer {
    /// A journal of a new writer; `lamport` is the largest logical time that it has seen. Nothing is written yet.
    pub fn open(store: &Store, run: &RunId, anchor: Oid, lamport: u64) -> Result<Writer> {
        let id = store.world.ids.hex(12)?;
        let now = Tip {
            commit: None,
            notes: Notes::default(),
            segment: anchor,
            segments: Vec::new(),
            text: Vec::new(),
            events: 0,
            seq: 0,
            lamport,
            prev: segment::first(anchor),
        };
        Ok(Writer { store: store.clone(), run: run.clone(), name: names::journal(run, &id), id, anchor, now })
    }

    /// The writer's id, which its events begin with.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Says that another writer's event of this logical time was seen: what follows is later.
    pub fn saw(&mut self, lamport: u64) {
        self.now.lamport = self.now.lamport.max(lamport);
    }

    /// Appends facts as one commit; durable when it returns. After an error nothing is appended, or all is: read the run
    /// again to know.
    pub fn append(&mut self, facts: &[Fact]) -> Result<Vec<Event>> {
        self.append_with_note(facts, None)
    }

    /// Appends facts and puts a note on a landed commit, as one commit: either both are there or none.
    pub fn append_with_note(&mut self, facts: &[Fact], receipt: Option<(Oid, &str)>) -> Result<Vec<Event>> {
        let Some(head) = facts.first() else { return Ok(Vec::new()) };
        let repo = &self.store.repo;
        let otto = self.store.otto();
        let mut tip = self.now.clone();
        // Full segments of this batch, and the commits that it is the first to name.
        let (mut notes, mut first) = (Vec::new(), Vec::new());
        if tip.seq == 0 {
            first.push(self.anchor);
        }
        let mut events = Vec::with_capacity(facts.len());
        for fact in facts {
            tip.seq += 1;
            tip.lamport = tip.lamport.saturating_add(1);
            let mut event = Event {
                v: VERSION,
                id: format!("{}-{}", self.id, tip.seq),
                seq: tip.seq,
                lamport: tip.lamport,
                ts: self.store.world.clock.now(),
                prev: format!("sha256:{}", tip.prev),
                fact: fact.clone(),
            };
            let line = text::line(&mut event)?;
            tip.prev = segment::link(line.as_bytes());
            if tip.events > 0 && (tip.events >= SEGMENT_EVENTS || tip.text.len() + line.len() >= SEGMENT_BYTES) {
                notes.push((tip.segment, repo.write_blob(&tip.text)?));
                let message = format!("Events of {} from number {} on, by writer {}\n", self.run, tip.seq, self.id);
                let commit = NewCommit {
                    tree: repo.empty_tree()?,
                    parents: vec![tip.segment],
                    author: &otto,
                    committer: &otto,
                    message,
                };
                tip.segment = repo.write_commit(&commit)?;
                first.push(tip.segment);
                tip.segments.push(tip.segment);
                (tip.text, tip.events) = (Vec::new(), 0);
            }
            tip.text.extend_from_slice(line.as_bytes());
            tip.text.push(b'\n');
            tip.events += 1;
            events.push(event);
        }
        notes.push((tip.segment, repo.write_blob(&tip.text)?));
        if let Some((commit, text)) = receipt
            && let Some((blob, new)) = self.receipt(commit, text)?
        {
            notes.push((commit, blob));
            first.extend(new.then_some(commit));
        }
        let slice = head.slice.as_ref().map(|s| format!(" of {s}")).unwrap_or_default();
        let more = if facts.len() > 1 { format!(" and {} more", facts.len() - 1) } else { String::new() };
        let message = format!("{}{slice}{more} in {}\n", head.kind.name(), self.run);
        self.commit(tip, &notes, first, message)?;
        Ok(events)
    }

    /// Puts a note on a landed commit: a sentence for people, then the receipt. Telling the same again does nothing;
    /// another text is added below.
    pub fn note(&mut self, commit: Oid, text: &str) -> Result<()> {
        let Some((blob, new)) = self.receipt(commit, text)? else { return Ok(()) };
        let message = format!("Receipt of {} in {}\n", commit.short(), self.run);
        self.commit(self.now.clone(), &[(commit, blob)], new.then_some(commit).into_iter().collect(), message)
    }

    /// The blob of a commit's note with this text in it, and whether it is the first; none if it says so already.
    fn receipt(&self, commit: Oid, text: &str) -> Result<Option<(Oid, bool)>> {
        let mut bytes = crate::base::text::redact(text.as_bytes());
        if !bytes.ends_with(b"\n") {
            bytes.push(b'\n');
        }
        if commit == self.anchor || self.now.segments.contains(&commit) {
            return Err(Error::OwnCommit(commit));
        }
        let repo = &self.store.repo;
        let old = self.now.notes.get(commit);
        if let Some(old) = old {
            let old = repo.read_blob(old, MAX_RECEIPT as u64)?;
            if old == bytes || old.ends_with(&[b"\n", &bytes[..]].concat()) {
                return Ok(None);
            }
            bytes = [&old[..], b"\n", &bytes].concat();
        }
        if bytes.len() > MAX_RECEIPT {
            return Err(Error::Receipt { commit, size: bytes.len() });
        }
        Ok(Some((repo.write_blob(&bytes)?, old.is_none())))
    }

    /// Makes notes durable and `tip` the journal's place.
    fn commit(&mut self, mut tip: Tip, notes: &[(Oid, Oid)], first: Vec<Oid>, message: String) -> Result<()> {
        let (repo, otto) = (&self.store.repo, self.store.otto());
        let tree = tip.notes.put(repo, notes)?;
        let parents = tip.commit.into_iter().chain(first).collect();
        let new = repo.write_commit(&NewCommit { tree, parents, author: &otto, committer: &otto, message })?;
        let old = tip.commit.map_or(Old::Absent, Old::Is);
        tip.commit = Some(new);
        self.store.world.faults.hit(Point::JournalAppendBeforeSwap)?;
        match self.store.swap(&[RefEdit { name: self.name.clone(), old, new: Some(new) }], "journal") {
            Ok(Swap::Done) => {}
            Ok(Swap::Lost { name, found }) => return Err(Error::Moved { name, found }),
            Err(e) => {
                // Unknown: what the ref says now is what happened, even if nobody knows whether it is durable.
                if repo.refs().read(&self.name).is_ok_and(|found| found == Some(new)) {
                    self.now = tip;
                }
                return Err(e.into());
            }
        }
        self.now = tip;
        Ok(self.store.world.faults.hit(Point::JournalAppendAfterSwap)?)
    }
}

#[cfg(test)]
mod tests;
