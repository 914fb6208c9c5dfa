//! Walks the blocks of an intent and collects what they say, and everything that is wrong with them.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    base::{Sha256, SliceId},
    checks::model::{Check, Gate},
    spec::model::{CrossCheck, FileBlock, FileMode, Requirement, Slice},
};

use super::{
    blocks::{Block, Item, Kind, What},
    checks::{self, Body, Stated},
    cursor::{Cursor, Mismatch, Read, plain},
    error::Found,
    head::{Head, Wants},
    sentence::{self, Place, Sentence},
    shape::{Shape, begins_slice, shape},
};

mod fence;

/// What was read so far.
pub(super) struct Reader<'a> {
    source: &'a str,
    pub errors: Vec<Found>,
    /// JSON pointers of the spec with the places that they come from.
    pub places: Vec<(String, Range<usize>)>,
    pub contents: BTreeMap<Sha256, Vec<u8>>,
    pub title: Option<String>,
    pub head: Head,
    /// Pieces of the head that are sentences, not prose.
    pub cut: Vec<Range<usize>>,
    /// Where the head ends.
    pub head_end: usize,
    pub requirements: Vec<Requirement>,
    pub slices: Vec<Slice>,
    pub cross: Vec<CrossCheck>,
    pub files: Vec<FileBlock>,
    section: Section,
    /// Whether the first sentence of a slice begins the only one.
    pub one_slice: bool,
    /// The heading of the section.
    heading: Range<usize>,
    /// The requirements that the next check proves, and where that is said; none: all of the slice's.
    group: Vec<(String, Range<usize>)>,
    /// Whether the last sentence was a requirement, so that the next one joins it.
    grouping: bool,
    pending: Option<(Pending, Range<usize>)>,
}

enum Section {
    Head,
    Requirements,
    Slice,
    Across(Vec<SliceId>),
    /// After a heading that is none: what stands there is read for its errors only.
    Lost,
}

/// A sentence that announced a fenced block.
enum Pending {
    File {
        path: String,
        mode: FileMode,
        attempt: u32,
    },
    With {
        path: String,
    },
    Transcript {
        id: Option<(String, Range<usize>)>,
        gate: Gate,
    },
    Check,
    Part(Wants),
    /// The sentence was not understood and is told; a block after it is no further error.
    Unread,
}

/// The id of a slice that no heading names.
pub(super) const ONLY: &str = "main";

pub(super) const ATTEMPTS: [&str; 8] = ["second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"];

impl<'a> Reader<'a> {
    pub fn new(source: &'a str) -> Self {
        Reader {
            source,
            errors: Vec::new(),
            places: Vec::new(),
            contents: BTreeMap::new(),
            title: None,
            head: Head::default(),
            cut: Vec::new(),
            head_end: source.len(),
            requirements: Vec::new(),
            slices: Vec::new(),
            cross: Vec::new(),
            files: Vec::new(),
            section: Section::Head,
            one_slice: false,
            heading: 0..0,
            group: Vec::new(),
            grouping: false,
            pending: None,
        }
    }

    /// Reads every block.
    pub fn read(&mut self, blocks: &[Block]) {
        self.one_slice = shape(self.source, blocks) == Shape::OneSlice;
        let mut end = 0;
        for block in blocks {
            self.gap(end..block.span.start);
            end = block.span.end;
            if !matches!(block.kind, Kind::Fence { .. } | Kind::Silent) {
                self.missed();
            }
            self.block(block);
        }
        self.gap(end..self.source.len());
        self.missed();
        if self.title.is_none() {
            self.wrong(&(0..0), "an intent begins with its title", Some(sentence::TITLE));
        }
    }

    pub fn wrong(&mut self, span: &Range<usize>, message: impl Into<String>, accepted: Option<&str>) {
        self.errors.push(Found { span: span.clone(), message: message.into(), accepted: accepted.map(String::from) });
    }

    /// What CommonMark takes for no block (link definitions) would be lost without a word.
    fn gap(&mut self, span: Range<usize>) {
        let text = &self.source[span.clone()];
        if !matches!(self.section, Section::Head) && !text.trim().is_empty() {
            let start = span.start + (text.len() - text.trim_start().len());
            self.wrong(&(start..span.end), "this means nothing here", None);
        }
    }

    /// An announced block that did not come.
    fn missed(&mut self) {
        if let Some((pending, span)) = self.pending.take()
            && !matches!(pending, Pending::Unread)
        {
            let message = "the fenced block that this sentence announces does not follow it";
            self.wrong(&span, message, Some("the sentence, a blank line, then a block between two lines of ```"));
        }
    }

    fn block(&mut self, block: &Block) {
        match &block.kind {
            Kind::Heading { level, line } => self.heading(*level, line, &block.span),
            Kind::Paragraph(items) => {
                for sentence in self.split(items) {
                    self.missed();
                    self.sentence(sentence);
                }
            }
            Kind::Fence { info, text, closed } => {
                if !closed {
                    let line = self.first_line(&block.span);
                    self.wrong(&line, "this block is never closed", Some("a last line of ``` as long as the first"));
                }
                self.fence(info, text, &block.span);
            }
            Kind::List(entries) => self.list(entries),
            // A comment is for who writes the intent, and no part of its prose.
            Kind::Silent if matches!(self.section, Section::Head) => {
                let text = self.source[block.span.clone()].trim();
                if text.starts_with("<!--") && text.ends_with("-->") {
                    self.cut.push(block.span.clone());
                }
            }
            Kind::Silent => {}
            Kind::Wrong(why) => self.wrong(&self.first_line(&block.span), *why, Some("<!-- a comment -->")),
            Kind::Other(what) if !matches!(self.section, Section::Head | Section::Lost) => {
                let line = self.first_line(&block.span);
                let message = format!("{what} means nothing here: it can stand in the prose before the first `##`");
                self.wrong(&line, message, None);
            }
            Kind::Other(_) => {}
        }
    }

    fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let text = &self.source[span.clone()];
        let indent = text.len() - text.trim_start().len();
        let end = text[indent..].find('\n').map_or(span.end, |i| span.start + indent + i);
        span.start + indent..end
    }

    /// A paragraph's sentences: a line that begins like a sentence begins one.
    fn split<'b>(&self, items: &'b [Item]) -> Vec<&'b [Item]> {
        let mut out = Vec::new();
        let mut from = 0;
        for (i, item) in items.iter().enumerate() {
            let (What::Break, Some(next)) = (&item.what, items.get(i + 1)) else { continue };
            let strong = matches!(&next.what, What::Strong(t) if sentence::is_numbered(t));
            if strong || sentence::like(&self.source[next.span.start..]).is_some() {
                out.push(&items[from..i]);
                from = i + 1;
            }
        }
        out.push(&items[from..]);
        out.retain(|s| !s.is_empty());
        out
    }

    fn heading(&mut self, level: u8, line: &[Item], span: &Range<usize>) {
        let span = self.first_line(span);
        let mut c = Cursor::new(self.source, line);
        match level {
            1 if self.title.is_none() => {
                let before = plain(&self.source[..span.start]);
                match c.rest() {
                    Ok((title, at)) => {
                        self.places.push(("/title".into(), at));
                        self.title = Some(title);
                    }
                    Err(_) => {
                        self.title = Some(String::new());
                        self.wrong(&span, "the title is empty", Some(sentence::TITLE));
                    }
                }
                if !before.is_empty() && !before.starts_with("<!--") {
                    self.wrong(&(0..0), "nothing may stand before the title", Some(sentence::TITLE));
                }
                self.cut.push(0..self.line_end(&span));
            }
            1 => self.wrong(&span, "there is one title only", Some(sentence::HEADINGS)),
            2 => {
                if matches!(self.section, Section::Head) {
                    self.head_end = span.start;
                }
                self.group.clear();
                self.grouping = false;
                self.heading = span.clone();
                match self.section(&mut c, &span) {
                    Ok(section) => self.section = section,
                    Err(e) => {
                        let text = plain(&self.source[span.clone()]).to_ascii_lowercase();
                        let slice = text.trim_start_matches(['#', ' ']).starts_with("slice");
                        let accepted = if slice { sentence::SLICE } else { sentence::HEADINGS };
                        self.errors.push(c.found(e, &span, accepted));
                        self.section = Section::Lost;
                    }
                }
            }
            _ if matches!(self.section, Section::Head | Section::Lost) => {}
            _ => self.wrong(&span, "slices have no headings inside", Some(sentence::HEADINGS)),
        }
    }

    fn line_end(&self, span: &Range<usize>) -> usize {
        // A title underlined with `=` has a second line that is no prose either.
        let after = self.source[span.end..].find('\n').map_or(self.source.len(), |i| span.end + i + 1);
        let next = &self.source[after..];
        let next = &next[..next.find('\n').unwrap_or(next.len())];
        let underline = !next.trim().is_empty() && next.trim().chars().all(|c| c == '=');
        if underline && !self.source[span.clone()].starts_with('#') { after + next.len() } else { after }
    }

    fn section(&mut self, c: &mut Cursor<'_>, span: &Range<usize>) -> Read<Section> {
        if c.try_text("Requirements") && c.is_at_end() {
            return Ok(Section::Requirements);
        }
        if c.try_text("Across ") {
            let ids = self.ids(c.codes()?)?;
            return if c.is_at_end() { Ok(Section::Across(ids)) } else { Err(Mismatch::plain()) };
        }
        c.text("Slice ")?;
        let id = self.ids(vec![c.code()?])?.remove(0);
        let deps = if c.try_text(", after ") { self.ids(c.codes()?)? } else { Vec::new() };
        let title = if c.try_text(": ") {
            c.rest()?.0
        } else if c.is_at_end() {
            id.to_string()
        } else {
            return Err(Mismatch::plain());
        };
        if self.slices.iter().any(|s| s.id == id) {
            return Err(Mismatch::told(span, format!("there are two slices `{id}`")));
        }
        self.places.push((format!("/slices/{}", self.slices.len()), span.clone()));
        let (requirements, tasks, owned_paths, checks) = Default::default();
        self.slices.push(Slice { id, title, requirements, tasks, deps, owned_paths, checks });
        Ok(Section::Slice)
    }

    fn ids(&self, found: Vec<(String, Range<usize>)>) -> Read<Vec<SliceId>> {
        found
            .into_iter()
            .map(|(id, at)| id.parse().map_err(|e: crate::base::id::BadId| Mismatch::told(&at, e.to_string())))
            .collect()
    }

    /// One sentence, or prose.
    fn sentence(&mut self, items: &[Item]) {
        let (Some(first), Some(last)) = (items.first(), items.last()) else { return };
        let span = first.span.start..last.span.end;
        let text = &self.source[span.clone()];
        if self.one_slice && matches!(self.section, Section::Head) && begins_slice(self.source, first) {
            self.begin_only_slice(&span);
        }
        let was_grouping = std::mem::take(&mut self.grouping);
        let mut c = Cursor::new(self.source, items);
        if let Some(s) = sentence::like(text) {
            if matches!(self.section, Section::Head) {
                self.cut.push(span.clone());
            }
            if let Some(reason) = self.misplaced(s) {
                self.wrong(&span, reason, None);
            }
            let read = match text.starts_with(s.word) {
                true => self.keyword(s, &mut c, &span),
                false => Err(Mismatch::told(&span, format!("this sentence begins with `{}`", s.word))),
            };
            if let Err(e) = read {
                self.errors.push(c.found(e, &span, s.accepted));
                self.pending = Some((Pending::Unread, span));
            }
            return;
        }
        if let Some(s) = sentence::nearly(text) {
            self.pending = Some((Pending::Unread, span.clone()));
            return self.wrong(&span, format!("this looks like a `{}` sentence", s.word), Some(s.accepted));
        }
        if let Some((id, at)) = c.try_strong() {
            let head = matches!(self.section, Section::Head);
            if !head || sentence::is_numbered(&id) {
                self.grouping = was_grouping;
                if let Err(e) = self.requirement(&id, &at, &mut c, &span) {
                    self.errors.push(c.found(e, &span, sentence::REQUIREMENT));
                }
            }
            return;
        }
        if sentence::is_slanted_id(text) && !matches!(self.section, Section::Head) {
            return self.wrong(&span, "a requirement begins with its id in bold", Some(sentence::REQUIREMENT));
        }
        match &self.section {
            Section::Head | Section::Lost => {}
            Section::Slice => {
                if let Some(label) = sentence::label(text) {
                    return self.wrong(
                        &span,
                        format!("no sentence begins with `{label}:`"),
                        Some("- guidance, as an entry of a list"),
                    );
                }
                let task = plain(text);
                if let Some(slice) = self.slices.last_mut() {
                    slice.tasks.push(task);
                }
            }
            Section::Requirements | Section::Across(_) => {
                self.wrong(&span, "prose means nothing here: it can stand before the first `##`", None);
            }
        }
    }

    /// Without a `##` the head ends where the first requirement, check, file or path stands.
    fn begin_only_slice(&mut self, span: &Range<usize>) {
        self.head_end = span.start;
        self.places.push(("/slices/0".into(), span.clone()));
        let Ok(id) = ONLY.parse::<SliceId>() else { return };
        let (requirements, tasks, deps, owned_paths, checks) = Default::default();
        self.slices.push(Slice { title: id.to_string(), id, requirements, tasks, deps, owned_paths, checks });
        self.section = Section::Slice;
    }

    fn misplaced(&self, s: &Sentence) -> Option<String> {
        let wanted = match (s.place, &self.section) {
            (_, Section::Lost)
            | (Place::Head, Section::Head)
            | (Place::Slice | Place::Checks, Section::Slice)
            | (Place::Checks, Section::Across(_)) => return None,
            (Place::Head, _) if self.one_slice => "before the first requirement, check, file or path",
            (Place::Head, _) => "before the first `##`",
            (Place::Slice, _) => "in a slice",
            (Place::Checks, _) => "in a slice or below `## Across`",
        };
        Some(format!("a `{}` sentence stands {wanted}", s.word))
    }

    fn keyword(&mut self, s: &'static Sentence, c: &mut Cursor<'_>, span: &Range<usize>) -> Read<()> {
        match (s.place, s.word) {
            (Place::Head, _) => {
                let wants = self.head.read(s, c, span)?;
                if wants != Wants::Nothing {
                    self.pending = Some((Pending::Part(wants), span.clone()));
                }
            }
            (_, "Owns") => {
                c.text("Owns: ")?;
                let paths = c.codes()?;
                c.stop()?;
                let at = self.slices.len().saturating_sub(1);
                let Some(slice) = self.slices.last_mut() else { return Ok(()) };
                for (path, place) in paths {
                    self.places.push((format!("/slices/{at}/owned_paths/{}", slice.owned_paths.len()), place));
                    slice.owned_paths.push(path);
                }
            }
            (_, "Meets" | "Proves") => {
                c.text(s.word)?;
                c.text(": ")?;
                if s.word == "Proves" && c.try_text("all.") && c.is_at_end() {
                    self.group.clear();
                    return Ok(());
                }
                let ids = c.codes()?;
                c.stop()?;
                let at = self.slices.len().saturating_sub(1);
                if let (Some(slice), "Meets") = (self.slices.last_mut(), s.word) {
                    for (id, place) in &ids {
                        if !slice.requirements.contains(id) {
                            let pointer = format!("/slices/{at}/requirements/{}", slice.requirements.len());
                            self.places.push((pointer, place.clone()));
                            slice.requirements.push(id.clone());
                        }
                    }
                }
                self.group = ids;
            }
            (_, "File") => {
                c.text("File ")?;
                let path = c.code()?.0;
                let mode = if c.try_text(", executable") { FileMode::Executable } else { FileMode::Plain };
                let mut attempt = 1;
                if c.try_text(", ") {
                    let word = c.word();
                    let n = ATTEMPTS.iter().position(|a| *a == word).ok_or(Mismatch::plain())?;
                    attempt = n as u32 + 2;
                    c.text(" attempt")?;
                }
                announced(c)?;
                self.pending = Some((Pending::File { path, mode, attempt }, span.clone()));
            }
            (_, "With file") => {
                c.text("With file ")?;
                let path = c.code()?.0;
                announced(c)?;
                self.pending = Some((Pending::With { path }, span.clone()));
            }
            (_, word) => {
                let Stated { id, gate, timeout_s, body } = checks::stated(word, c)?;
                let pending = match body {
                    Body::Is(kind) => {
                        let check = Check {
                            id: self.check_id(id),
                            kind: *kind,
                            proves: self.proven(),
                            gate,
                            files: BTreeMap::new(),
                            timeout_s,
                        };
                        self.check(check, span);
                        return Ok(());
                    }
                    Body::Transcript => Pending::Transcript { id, gate },
                    Body::InFull => Pending::Check,
                };
                self.pending = Some((pending, span.clone()));
            }
        }
        Ok(())
    }

    /// The id a check was given, else the section's name with the check's number.
    fn check_id(&self, given: Option<(String, Range<usize>)>) -> String {
        match (given, &self.section, self.slices.last()) {
            (Some((id, _)), _, _) => id,
            (None, Section::Slice, Some(s)) => format!("{}-{}", s.id, s.checks.len() + 1),
            _ => format!("across-{}", self.cross.len() + 1),
        }
    }

    fn proven(&self) -> Vec<String> {
        self.group.iter().map(|(id, _)| id.clone()).collect()
    }

    fn check(&mut self, check: Check, span: &Range<usize>) {
        let pointer = match (&self.section, self.slices.last()) {
            (Section::Across(_), _) => format!("/cross_slice_checks/{}", self.cross.len()),
            (_, Some(s)) => format!("/slices/{}/checks/{}", self.slices.len() - 1, s.checks.len()),
            _ => String::new(),
        };
        let proven = check.proves.iter().zip(&self.group).filter(|(id, (said, _))| *id == said).enumerate();
        self.places.extend(proven.map(|(i, (_, (_, at)))| (format!("{pointer}/proves/{i}"), at.clone())));
        match &self.section {
            Section::Across(slices) => {
                self.places.push((format!("{pointer}/slices"), self.heading.clone()));
                self.places.push((pointer, span.clone()));
                self.cross.push(CrossCheck { slices: slices.clone(), check });
            }
            Section::Slice => {
                self.places.push((pointer, span.clone()));
                if let Some(slice) = self.slices.last_mut() {
                    slice.checks.push(check);
                }
            }
            _ => {}
        }
    }

    fn requirement(&mut self, id: &str, at: &Range<usize>, c: &mut Cursor<'_>, span: &Range<usize>) -> Read<()> {
        if !sentence::is_requirement_id(id) {
            return Err(Mismatch::told(at, "bold text begins a requirement, and this is no id of one"));
        }
        c.text(" ")?;
        let text = c.rest()?.0;
        if matches!(self.section, Section::Head | Section::Across(_)) {
            return Err(Mismatch::told(span, format!("the requirement {id} stands outside a slice")));
        }
        if self.requirements.iter().any(|r| r.id == id) {
            return Err(Mismatch::told(at, format!("there are two requirements {id}")));
        }
        self.places.push((format!("/requirements/{}", self.requirements.len()), span.clone()));
        self.requirements.push(Requirement { id: id.into(), text });
        if let (Section::Slice, Some(slice)) = (&self.section, self.slices.last_mut()) {
            slice.requirements.push(id.into());
            if !std::mem::replace(&mut self.grouping, true) {
                self.group.clear();
            }
            self.group.push((id.into(), at.clone()));
        }
        Ok(())
    }

    fn list(&mut self, entries: &[Range<usize>]) {
        self.grouping = false;
        for entry in entries {
            let text = &self.source[entry.clone()];
            let found = sentence::like(text).or_else(|| sentence::nearly(text));
            let bold =
                text.strip_prefix("**").and_then(|t| t.split_once("**")).is_some_and(|(t, _)| sentence::is_numbered(t));
            if let Some(accepted) = found.map(|s| s.accepted).or(bold.then_some(sentence::REQUIREMENT)) {
                let line = self.first_line(entry);
                self.wrong(
                    &line,
                    "a sentence of the format stands in a paragraph of its own, not in a list",
                    Some(accepted),
                );
                continue;
            }
            match self.section {
                Section::Slice if text.is_empty() => {
                    self.wrong(entry, "this entry is empty", Some("- guidance for who builds it"))
                }
                Section::Slice => {
                    if let Some(slice) = self.slices.last_mut() {
                        slice.tasks.push(plain(text));
                    }
                }
                Section::Requirements | Section::Across(_) => {
                    let line = self.first_line(entry);
                    self.wrong(&line, "a list means nothing here: it is guidance in a slice", None);
                }
                Section::Head | Section::Lost => {}
            }
        }
    }
}

/// The colon that announces a block.
fn announced(c: &mut Cursor<'_>) -> Read<()> {
    c.text(":")?;
    if c.is_at_end() { Ok(()) } else { Err(Mismatch::plain()) }
}
