//! Differences between two versions of a spec, in words: shared by `diff`, `log`, `amend` and `edit`.

use serde::Serialize;
use serde_json::Value;

use crate::{
    base::{SliceId, text},
    cli::Start,
    output::Style,
    plan::model::generation,
    spec::model::{
        Spec,
        change::{Change, Sign},
    },
};

/// A difference as JSON.
#[derive(Serialize)]
pub struct Line {
    place: String,
    what: &'static str,
    before: Option<Value>,
    after: Option<Value>,
    /// What it said and says, in words.
    lines: Vec<Words>,
}

#[derive(Serialize)]
struct Words {
    sign: &'static str,
    text: String,
}

/// Differences as JSON.
pub fn lines(changes: &[Change]) -> Vec<Line> {
    let words = |(sign, text): (Sign, String)| Words { sign: mark(sign), text };
    let line = |c: &Change| Line {
        place: c.place.to_string(),
        what: match (&c.before, &c.after) {
            (None, _) => "new",
            (_, None) => "gone",
            _ => "changed",
        },
        before: c.before.clone(),
        after: c.after.clone(),
        lines: c.lines().into_iter().map(words).collect(),
    };
    changes.iter().map(line).collect()
}

fn mark(sign: Sign) -> &'static str {
    match sign {
        Sign::Minus => "-",
        Sign::Plus => "+",
    }
}

/// Differences for a person: each piece, and below it what it said and says.
pub fn text(start: &Start, changes: &[Change], indent: &str) -> String {
    let mut out = String::new();
    for change in changes {
        out += &format!("{indent}{}\n", start.ui.paint_answer(Style::Bold, &text::printable(&change.head())));
        for (sign, line) in change.lines() {
            let style = if sign == Sign::Minus { Style::Bad } else { Style::Good };
            let line = format!("{} {}", mark(sign), text::printable(&line));
            out += &format!("{indent}  {}\n", start.ui.paint_answer(style, &line));
        }
    }
    out
}

/// Everything that changed, in one line of at most so many characters.
pub fn summary(changes: &[Change], max: usize) -> String {
    let heads: Vec<String> = changes.iter().map(Change::head).collect();
    text::one_line(&heads.join("; "), max)
}

/// What a change means for the next run.
#[derive(Serialize)]
pub struct Effect {
    /// Slices that are taken up again, since something that they are built from is new.
    pub again: Vec<SliceId>,
    /// Slices that are there no more.
    pub gone: Vec<SliceId>,
    /// How many stay as they are.
    pub unchanged: usize,
}

impl Effect {
    /// Of a change.
    pub fn of(before: &Spec, after: &Spec) -> Effect {
        let was = |id: &SliceId| before.slice(id).map(|s| generation(before, s));
        let (same, again): (Vec<_>, Vec<_>) =
            after.slices.iter().partition(|s| was(&s.id) == Some(generation(after, s)));
        let gone = before.slices.iter().filter(|s| after.slice(&s.id).is_none());
        Effect {
            again: again.into_iter().map(|s| s.id.clone()).collect(),
            gone: gone.map(|s| s.id.clone()).collect(),
            unchanged: same.len(),
        }
    }

    /// In one sentence.
    pub fn sentence(&self) -> String {
        let names = |ids: &[SliceId]| {
            let ids: Vec<String> = ids.iter().map(|id| format!("`{id}`")).collect();
            ids.join(", ")
        };
        let slices = |n: usize| if n == 1 { "slice stays as it is" } else { "slices stay as they are" };
        let mut parts = Vec::new();
        match self.again.as_slice() {
            [] => parts.push("the next run takes up no slice".to_owned()),
            again => parts.push(format!("the next run takes up {}", names(again))),
        }
        if self.unchanged > 0 {
            parts.push(format!("{} {}", self.unchanged, slices(self.unchanged)));
        }
        if !self.gone.is_empty() {
            parts.push(format!("{} {} gone", names(&self.gone), if self.gone.len() == 1 { "is" } else { "are" }));
        }
        parts.join("; ")
    }
}
