//! Fenced blocks: files, transcripts, and parts of a spec as JSON, as the sentence before them announced.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    base::{Sha256, json},
    checks::model::{Check, Gate},
    spec::model::{FileBlock, FileMode},
};

use super::{Pending, Reader, Section};
use crate::intent::{checks, full, head::Wants};

impl Reader<'_> {
    pub(super) fn fence(&mut self, info: &str, text: &str, span: &Range<usize>) {
        self.grouping = false;
        let line = self.first_line(span);
        let Some((pending, announced)) = self.pending.take() else {
            let console = info.split_whitespace().next() == Some("console");
            match self.section {
                Section::Head => {}
                Section::Slice | Section::Across(_) if console => self.transcript(None, Gate::New, text, &line),
                Section::Lost => {}
                _ => {
                    let accepted = "File `path`, executable: before the block, or ```console for a transcript";
                    self.wrong(&line, "nothing says what this block is", Some(accepted));
                }
            }
            return;
        };
        if matches!(self.section, Section::Head) {
            self.cut.push(span.clone());
        }
        match pending {
            Pending::File { path, mode, attempt } => self.file(path, mode, attempt, text, &announced),
            Pending::With { path } => {
                let digest = self.keep(text);
                let (at, count) = match (&self.section, self.slices.last()) {
                    (Section::Across(_), _) => ("/cross_slice_checks".to_owned(), self.cross.len()),
                    (_, slice) => {
                        let at = format!("/slices/{}/checks", self.slices.len().saturating_sub(1));
                        (at, slice.map_or(0, |s| s.checks.len()))
                    }
                };
                let key = path.replace('~', "~0").replace('/', "~1");
                self.places.push((format!("{at}/{}/files/{key}", count.saturating_sub(1)), announced.clone()));
                let last = match self.section {
                    Section::Across(_) => self.cross.last_mut().map(|c| &mut c.check),
                    _ => self.slices.last_mut().and_then(|s| s.checks.last_mut()),
                };
                match last {
                    Some(check) if !check.files.contains_key(&path) => {
                        check.files.insert(path, digest);
                    }
                    Some(_) => self.wrong(&announced, format!("the check has two files `{path}`"), None),
                    None => self.wrong(&announced, "a check's own file stands below the check", None),
                }
            }
            Pending::Transcript { id, gate } => self.transcript(id, gate, text, &line),
            Pending::Check => match full::check(text) {
                Ok(check) => self.check(check, &announced),
                Err(e) => self.inner(&line, e),
            },
            Pending::Unread => {}
            Pending::Part(wants) => self.part(wants, text, &announced, &line),
        }
    }

    fn part(&mut self, wants: Wants, text: &str, announced: &Range<usize>, line: &Range<usize>) {
        let read = match (wants, &self.head.kind) {
            (Wants::Structure, Some((kind, _))) => full::structure(*kind, text).map(|s| self.head.full = Some(s)),
            (Wants::Service, _) => full::read(text).map(|s| self.head.services.push((s, announced.clone()))),
            (Wants::Contract, _) => full::read(text).map(|c| self.head.contracts.push((c, announced.clone()))),
            _ => Ok(()),
        };
        if let Err(e) = read {
            self.inner(line, e);
        }
    }

    /// An error inside a block of JSON, at its own line where it has one.
    fn inner(&mut self, fence: &Range<usize>, e: json::Error) {
        let lines = self.source[fence.start..].split_inclusive('\n').take(e.line);
        let start = fence.start + lines.map(str::len).sum::<usize>();
        // A value that was read is wrong as a whole: what the message quotes says where.
        let quoted = e.what.split('`').nth(1).map(|word| format!("\"{word}\""));
        let below = self.source[fence.start..].split("\n```").next().unwrap_or_default();
        let span = match quoted.and_then(|word| Some((below.find(&word)?, word.len()))) {
            Some((at, len)) if e.line == 0 => fence.start + at..fence.start + at + len,
            _ if e.line == 0 => fence.clone(),
            _ => start + e.column.saturating_sub(1)..start + e.column,
        };
        self.wrong(&span, e.what, Some("the same part of a spec as JSON: git otto schema spec"));
    }

    fn transcript(&mut self, id: Option<(String, Range<usize>)>, gate: Gate, text: &str, line: &Range<usize>) {
        match checks::transcript(text) {
            Ok(kind) => {
                let (id, proves) = (self.check_id(id), self.proven());
                self.check(Check { id, kind, proves, gate, files: BTreeMap::new(), timeout_s: None }, line);
            }
            Err(why) => self.wrong(line, why, Some("$ ./name word, then the lines that it prints")),
        }
    }

    fn keep(&mut self, text: &str) -> Sha256 {
        let digest = Sha256::of(text);
        self.contents.entry(digest).or_insert_with(|| text.as_bytes().to_vec());
        digest
    }

    fn file(&mut self, path: String, mode: FileMode, attempt: u32, text: &str, span: &Range<usize>) {
        let sha256 = self.keep(text);
        let (Section::Slice, Some(slice)) = (&self.section, self.slices.last()) else { return };
        let slice = slice.id.clone();
        if self.files.iter().any(|f| f.slice == slice && f.path == path && f.attempt == attempt) {
            return self.wrong(span, format!("the slice has two files `{path}` for one attempt"), None);
        }
        self.places.push((format!("/files/{}", self.files.len()), span.clone()));
        self.files.push(FileBlock { slice, attempt, path, mode, sha256 });
    }
}
