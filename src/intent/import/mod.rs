//! Specifications of other tools, read into a spec.
//!
//! They say in words what must hold, and name no way to find out. A scenario that says what a command prints becomes a
//! check; every other one becomes a check that can only fail (`CheckKind::unwritten`), until somebody writes it. Nothing
//! here invents a check that could pass, and what a spec has no place for is told, each with its place.

use serde::Serialize;

use super::IntentErrors;
use crate::{
    base::{SpecId, text},
    spec::model::{ProjectKind, Spec},
};

mod assemble;
mod openspec;
mod outline;
mod paths;
mod scenario;
mod shape;
mod spec_kit;

use outline::Outline;
pub use outline::Place;

/// A file of another tool.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its path below the folder that was named, with `/`.
    pub path: String,
    /// The path by which a person finds it.
    pub shown: String,
    /// Its content; of a file that is no Markdown, none.
    pub bytes: Option<Vec<u8>>,
}

/// Whose documents they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// GitHub's spec-kit: one feature.
    SpecKit,
    /// OpenSpec: a capability, all capabilities, or a change.
    OpenSpec,
}

/// What a person said of the spec.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Its id.
    pub id: Option<&'a SpecId>,
    /// Its kind.
    pub kind: Option<ProjectKind>,
    /// The name of what is read, where the documents have no title.
    pub name: &'a str,
}

/// A spec that was read from documents.
#[derive(Debug)]
pub struct Imported {
    /// The spec, still to be validated.
    pub spec: Spec,
    /// What no document says, a phrase each.
    pub guessed: Vec<String>,
    /// What could not be carried.
    pub lost: Vec<Lost>,
}

/// Something that a spec has no place for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// What, a short phrase.
    pub what: String,
    /// Where it stands: file and line.
    pub at: String,
    /// Why it could not be carried.
    pub why: String,
    /// What a person can do.
    pub advice: String,
}

/// More than this is not listed one by one.
const MOST_LOST: usize = 500;

/// Collects what is told beside the spec.
#[derive(Debug, Default)]
struct Notes {
    guessed: Vec<String>,
    lost: Vec<Lost>,
    more: usize,
}

impl Notes {
    fn guess(&mut self, what: impl AsRef<str>) {
        self.guessed.push(text::one_line(what.as_ref(), 300));
    }

    fn lose(&mut self, what: impl AsRef<str>, place: &Place, why: &str, advice: &str) {
        let lost = Lost {
            what: text::one_line(what.as_ref(), 200),
            at: place.to_string(),
            why: why.to_owned(),
            advice: advice.to_owned(),
        };
        if self.lost.len() < MOST_LOST {
            self.lost.push(lost);
        } else {
            self.more += 1;
        }
    }

    /// A tick in a list of tasks is nobody's proof.
    fn ticked(&mut self, ticked: &[(String, Place)]) {
        if let Some((first, place)) = ticked.first() {
            let what = match ticked.len() {
                1 => format!("that a task is ticked: {first}"),
                n => format!("that {n} tasks are ticked, the first: {first}"),
            };
            self.lose(what, place, "a tick is no evidence: a check says what is done", "nothing to do");
        }
    }

    /// What was lost, the uncounted rest as one entry.
    fn all_lost(self, place: &Place) -> (Vec<String>, Vec<Lost>) {
        let Notes { guessed, mut lost, more } = self;
        lost.extend((more > 0).then(|| Lost {
            what: format!("{more} more things"),
            at: place.to_string(),
            why: "more than a list is read".into(),
            advice: "import a part of it: one feature, one capability, one change".into(),
        }));
        (guessed, lost)
    }
}

/// What the documents say, whichever tool they are of.
#[derive(Debug, Default)]
struct Gathered {
    title: Option<String>,
    /// The parts of the intent: a heading, which may be empty, and Markdown.
    prose: Vec<(String, String)>,
    /// Words that say what kind of product it is.
    kind_words: String,
    requirements: Vec<Claim>,
    parts: Vec<Part>,
    done_means: Vec<String>,
    non_goals: Vec<String>,
    place: Place,
}

/// Something that must hold, with what may show that it does.
#[derive(Debug)]
struct Claim {
    id: String,
    text: String,
    /// The position of the part that meets it; none where no document says which.
    part: Option<usize>,
    /// Its scenarios.
    proofs: Vec<Proof>,
}

/// What a check is made of.
#[derive(Debug)]
struct Proof {
    words: String,
    probe: Option<crate::checks::model::CheckKind>,
    /// Further requirements that it speaks of.
    also: Vec<String>,
}

/// What becomes a slice.
#[derive(Debug, Default)]
struct Part {
    id: String,
    title: String,
    tasks: Vec<String>,
    /// The paths that they name.
    paths: Vec<String>,
    /// Positions of the parts before it.
    after: Vec<usize>,
    /// What shows that it is done where it meets no requirement.
    done: String,
    /// What must hold, by its scenarios.
    claims: Vec<Claim>,
    /// Ids of requirements that it names.
    names: Vec<String>,
}

impl Part {
    /// Takes a task, and the paths that it names.
    fn take(&mut self, task: String, place: &Place, notes: &mut Notes) {
        let (found, refused) = paths::named(&task);
        for (path, why) in refused {
            notes.lose(format!("the path {path}"), place, &format!("it {why}"), "name the path in the slice");
        }
        self.paths.extend(found);
        self.tasks.push(task);
    }
}

/// Reads the documents of a tool.
pub fn read(tool: Tool, documents: &[Document], wanted: Wanted<'_>) -> Result<Imported, NoImport> {
    let mut notes = Notes::default();
    let gathered = match tool {
        Tool::SpecKit => spec_kit::gather(documents, &mut notes)?,
        Tool::OpenSpec => openspec::gather(documents, &mut notes)?,
    };
    if gathered.parts.is_empty() {
        return Err(NoImport::Nothing);
    }
    assemble::assemble(gathered, wanted, notes)
}

/// Why documents could not be read at all.
#[derive(Debug)]
pub enum NoImport {
    /// A document is no text, too large, or hides what it says.
    Document(IntentErrors),
    /// No requirement, story or capability was found.
    Nothing,
    /// A title has no letter that an id could be made of.
    NoId,
}

impl From<IntentErrors> for NoImport {
    fn from(e: IntentErrors) -> Self {
        NoImport::Document(e)
    }
}

/// The outline of the document at a path, if it is there.
fn outline(documents: &[Document], path: &str) -> Result<Option<Outline>, IntentErrors> {
    let found = documents.iter().find(|d| d.path == path);
    found.and_then(|d| Some((d, d.bytes.as_ref()?))).map(|(d, bytes)| Outline::read(&d.shown, bytes)).transpose()
}

#[cfg(test)]
mod tests;
