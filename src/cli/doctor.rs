//! `git otto doctor`: what this machine and this repository can do, and what stands in the way.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, text::one_line},
    cli::Start,
    output::Style,
    store::Store,
};

mod machine;
mod repository;

/// Say what this machine and this repository can do, and what to type where something is wrong.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// How a finding is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// As it should be.
    Good,
    /// To be known.
    Note,
    /// Something to mend; otto works all the same.
    Warning,
    /// otto cannot work like this.
    Broken,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    what: &'static str,
    level: Level,
    /// What was found, one sentence.
    text: String,
    /// The command that mends it.
    mend: Option<String>,
}

impl Finding {
    fn new(what: &'static str, level: Level, text: impl Into<String>) -> Finding {
        Finding { what, level, text: text.into(), mend: None }
    }

    fn mend(mut self, command: impl Into<String>) -> Finding {
        self.mend = Some(command.into());
        self
    }

    fn failed(what: &'static str, failure: Failure) -> Finding {
        Finding { what, level: Level::Broken, text: failure.to_string(), mend: failure.hint }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    ok: bool,
    findings: &'a [Finding],
}

/// Runs the command.
pub fn run(_: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.repo().map(|repo| Store::new(repo, start.world.clone()));
    let mut findings = machine::look(start, store.as_ref().ok())?;
    match store {
        Ok(store) => findings.extend(repository::look(&store)),
        Err(e) if e.exit == Exit::Usage => {
            findings.push(Finding::new("repository", Level::Note, e.to_string()).mend("git init"));
        }
        Err(e) => findings.push(Finding::failed("repository", e)),
    }
    let ok = findings.iter().all(|f| f.level != Level::Broken);
    let exit = if ok { Exit::Done } else { Exit::Usage };
    if start.ui.is_json() {
        start.ui.answer_json(&Answer { schema: "otto.doctor/1", ok, findings: &findings })?;
        return Ok(exit);
    }
    for f in &findings {
        let (style, word) = match f.level {
            Level::Good => (Style::Good, "ok"),
            Level::Note => (Style::Dim, "note"),
            Level::Warning => (Style::Warn, "warning"),
            Level::Broken => (Style::Bad, "broken"),
        };
        let word = start.ui.paint_answer(style, &format!("{word:7}"));
        start.ui.answer(&format!("{word}  {:13}  {}\n", f.what, one_line(&f.text, 300)))?;
        for line in f.mend.iter().flat_map(|m| m.lines()) {
            start.ui.answer(&format!("{:24}{}\n", "", one_line(line, 300)))?;
        }
    }
    Ok(exit)
}
