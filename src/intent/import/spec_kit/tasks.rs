//! `tasks.md`: phases, and the tasks of each story.

use super::{Patterns, Story};
use crate::intent::import::{
    Gathered, Notes, Part,
    outline::{Outline, Piece, Section, flat},
};

/// Makes parts of the stories and of the phases around them: what stands before the stories comes first, what stands
/// after them last.
pub(super) fn read(p: &Patterns, list: Option<&Outline>, out: &mut Gathered, stories: Vec<Story>, notes: &mut Notes) {
    let mut parts = Parts::new(p, &stories);
    let mut phase = None;
    let mut ticked = Vec::new();
    for section in list.map(|l| &l.sections[..]).unwrap_or_default() {
        if section.level == 2 {
            phase = Some(parts.phase(section));
            if section.title.to_lowercase().contains("strateg") {
                let why = "otto orders slices by what they come after and by what they own";
                notes.lose("the strategy in prose", &section.place, why, "say of a slice what it comes after");
            }
        }
        for piece in &section.pieces {
            let text = flat(&piece.text).replace("**", "");
            if let Some(task) = task(p, piece) {
                ticked.extend(task.done.then(|| (task.text.clone(), piece.place.clone())));
                parts.of(task.story, phase).take(task.text, &piece.place, notes);
            } else if let Some(done) = text.strip_prefix("Checkpoint:") {
                parts.of(None, phase).done = done.trim().to_owned();
            } else {
                parts.depends(&text);
            }
        }
    }
    notes.ticked(&ticked);
    parts.finish(out, stories);
}

/// A task of the list.
struct Task {
    story: Option<u32>,
    text: String,
    done: bool,
}

/// `[ ] T012 [P] [US1] Create …`.
fn task(p: &Patterns, piece: &Piece) -> Option<Task> {
    let text = flat(&piece.text);
    let found = p.task.captures(&text).filter(|_| piece.is_entry)?;
    let said = |n: usize| found.get(n).map_or("", |m| m.as_str());
    let story = said(3).split(['[', ']']).find_map(|label| label.strip_prefix("US")?.parse().ok());
    let text = format!("{} {}", said(2), said(4)).trim().to_owned();
    Some(Task { story, text, done: said(1) != " " })
}

/// When a part is built.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum When {
    Before,
    Story,
    After,
}

/// The parts while tasks are read: first one for each story, then the other phases.
struct Parts<'a> {
    p: &'a Patterns,
    numbers: Vec<u32>,
    all: Vec<(When, Part)>,
}

impl<'a> Parts<'a> {
    fn new(p: &'a Patterns, stories: &[Story]) -> Self {
        let all = stories.iter().map(|_| (When::Story, Part::default())).collect();
        Parts { p, numbers: stories.iter().map(|s| s.number).collect(), all }
    }

    fn story(&self, number: u32) -> Option<usize> {
        self.numbers.iter().position(|n| *n == number)
    }

    /// The position of the part whose phase a heading begins.
    fn phase(&mut self, section: &Section) -> usize {
        let title = match section.title.split_once(':') {
            Some((word, title)) if word.to_lowercase().starts_with("phase") => title.trim(),
            _ => section.title.as_str(),
        };
        let number = self.p.story.captures(title).and_then(|c| c.get(1)?.as_str().parse().ok());
        if let Some(at) = number.and_then(|n| self.story(n)) {
            return at;
        }
        let name = title.split('(').next().unwrap_or(title).trim();
        let known = ["setup", "foundation", "polish"];
        let id = known.iter().find(|id| name.to_lowercase().starts_with(**id)).copied().unwrap_or(name);
        let no_story_yet = self.all.iter().all(|(when, part)| *when != When::Story || part.tasks.is_empty());
        let when = if no_story_yet && id != "polish" { When::Before } else { When::After };
        self.add(when, id, name)
    }

    fn add(&mut self, when: When, id: &str, title: &str) -> usize {
        self.all.push((when, Part { id: id.to_owned(), title: title.to_owned(), ..Part::default() }));
        self.all.len() - 1
    }

    /// The part that something belongs to: its story's, else its phase's.
    fn of(&mut self, story: Option<u32>, phase: Option<usize>) -> &mut Part {
        let known = story.and_then(|n| self.story(n)).or(phase).filter(|at| *at < self.all.len());
        let at = known.unwrap_or_else(|| self.add(When::Before, "tasks", "Tasks"));
        &mut self.all[at].1
    }

    /// `User Story 2 (P2): … depends on US1`.
    fn depends(&mut self, text: &str) {
        let number = |c: &regex::Captures<'_>| c.get(1).and_then(|m| m.as_str().parse().ok());
        let late = self.p.story.captures(text).filter(|c| c.get(0).is_some_and(|m| m.start() == 0));
        let Some(late) = late.and_then(|c| number(&c)).and_then(|n| self.story(n)) else { return };
        for early in self.p.depends.captures_iter(text) {
            let early = number(&early).and_then(|n| self.story(n));
            if let (Some(early), Some((_, part))) = (early, self.all.get_mut(late)) {
                part.after.push(early);
            }
        }
    }

    /// Puts the parts in their order, and the stories' claims with them.
    fn finish(mut self, out: &mut Gathered, stories: Vec<Story>) {
        for (story, (_, part)) in stories.into_iter().zip(&mut self.all) {
            part.id = format!("us{}", story.number);
            part.title = if story.title.is_empty() { format!("User story {}", story.number) } else { story.title };
            part.tasks.splice(0..0, story.about);
            part.claims = story.claims;
            part.names = story.names;
        }
        self.all.retain(|(when, part)| *when == When::Story || !part.tasks.is_empty());
        let stories = self.all.iter().filter(|(when, _)| *when == When::Story).count();
        // Stories come first in `all`; a stable sort keeps the order within each time.
        self.all.sort_by_key(|(when, _)| *when);
        let first = self.all.iter().filter(|(when, _)| *when == When::Before).count();
        for (n, (when, mut part)) in self.all.into_iter().enumerate() {
            match when {
                When::Before => part.after.extend(n.checked_sub(1)),
                When::Story => {
                    part.after.iter_mut().for_each(|d| *d += first);
                    part.after.extend(first.checked_sub(1));
                }
                When::After if stories > 0 => part.after.extend(first..first + stories),
                When::After => part.after.extend(n.checked_sub(1)),
            }
            out.parts.push(part);
        }
    }
}
