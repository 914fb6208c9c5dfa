//! `git otto evidence`: what is kept of the checks of a run.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, RunId, Timestamp, json, text::one_line},
    checks::model::{Cause, Evidence},
    cli::{Start, show},
    gate::{self, Kept, RESULT},
    git::Repo,
    output::Style,
    report::words,
    store::evidence::MAX_FILE,
};

mod one;

/// Show what is kept of the checks of a run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the results of a run, in the order in which they came
    List(ListArgs),
    /// Show one result: what came of the check, and what it printed
    Show(one::ShowArgs),
    /// Take the files of one result out, and open them
    Open(one::OpenArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The run, or the spec whose newest run is meant [default: the newest run]
    #[arg(value_name = "SPEC|RUN")]
    name: Option<String>,
    /// Only those of this slice; `_cross` for what was run for none
    #[arg(value_name = "SLICE")]
    slice: Option<String>,
    /// Only those of this check
    #[arg(value_name = "CHECK")]
    check: Option<String>,
    /// Only those that are not green
    #[arg(long)]
    red: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    match args.command {
        Command::List(args) => list(args, start),
        Command::Show(args) => one::show(args, start),
        Command::Open(args) => one::open(args, start),
    }
}

/// One result, and where it is kept.
struct Found {
    kept: Kept,
    blob: Oid,
    /// What came of it, or why that cannot be read.
    result: Result<Evidence, String>,
}

impl Found {
    fn cause(&self) -> Cause {
        self.result.as_ref().map_or(Cause::Unknown, |r| r.cause)
    }
    fn slice(&self) -> &str {
        self.kept.place.slice.as_ref().map_or("_cross", |s| s.as_str())
    }
    fn style(&self) -> Style {
        match self.cause() {
            Cause::Holds => Style::Good,
            _ if self.kept.place.round == "base" => Style::Dim,
            _ => Style::Bad,
        }
    }
}

/// Every result of a run, in the order in which they came.
fn all(repo: &Repo, run: &RunId) -> Result<Vec<Found>, Failure> {
    let mut out = Vec::new();
    for kept in gate::kept(repo, run)? {
        let Some(blob) = kept.files.get(RESULT).copied() else { continue };
        let bytes = repo.read_blob(blob, MAX_FILE as u64).map_err(|e| e.to_string());
        let result = bytes.and_then(|b| json::read(&b, json::Limits::RECORD).map_err(|e| e.to_string()));
        out.push(Found { kept, blob, result });
    }
    let when = |f: &Found| f.result.as_ref().ok().map(|r| r.started_at);
    out.sort_by_cached_key(|f| (when(f), f.kept.place.clone()));
    Ok(out)
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    results: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    path: String,
    slice: Option<&'a str>,
    attempt: u32,
    round: &'a str,
    check: &'a str,
    cause: Cause,
    detail: &'a str,
    started_at: Option<Timestamp>,
    duration_ms: Option<u64>,
    exit: Option<i32>,
    blob: Oid,
}

impl<'a> Line<'a> {
    fn new(f: &'a Found) -> Line<'a> {
        let (place, result) = (&f.kept.place, f.result.as_ref());
        Line {
            path: place.to_string(),
            slice: place.slice.as_ref().map(|s| s.as_str()),
            attempt: place.attempt,
            round: &place.round,
            check: &place.check,
            cause: f.cause(),
            detail: result.map_or_else(|e| e.as_str(), |r| &r.detail),
            started_at: result.ok().map(|r| r.started_at),
            duration_ms: result.ok().map(|r| r.duration_ms),
            exit: result.ok().and_then(|r| r.exit),
            blob: f.blob,
        }
    }
}

fn list(args: ListArgs, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let run = show::run_named(&repo, args.name.as_deref())?;
    let mut found = all(&repo, &run)?;
    let kept = found.len();
    found.retain(|f| {
        args.slice.as_ref().is_none_or(|s| s == f.slice())
            && args.check.as_ref().is_none_or(|c| *c == f.kept.place.check)
            && !(args.red && f.cause().passed())
    });
    let ui = &*start.ui;
    if ui.is_json() {
        let results = found.iter().map(Line::new).collect();
        ui.answer_json(&Answer { schema: "otto.evidence-list/1", run: &run, results })?;
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        ui.answer(&format!("{}\n", if kept == 0 { "nothing is kept of this run's checks" } else { "none is such a result" }))?;
        return Ok(Exit::Done);
    }
    let head = ["id", "slice", "attempt", "round", "check", "result", "took"].map(str::to_owned);
    let rows: Vec<[String; 7]> = found.iter().map(row).collect();
    let width = |column: usize| rows.iter().chain([&head]).map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let line = |cells: &[String; 7], style: Style| {
        let padded = cells.iter().zip(widths).enumerate().map(|(n, (cell, width))| {
            let cell = format!("{cell:width$}");
            if n == 5 || style == Style::Bold { ui.paint_answer(style, &cell) } else { cell }
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    ui.answer(&line(&head, Style::Bold))?;
    for (found, row) in found.iter().zip(&rows) {
        ui.answer(&line(row, found.style()))?;
    }
    ui.say("to read one: git otto evidence show <id>")?;
    Ok(Exit::Done)
}

fn row(f: &Found) -> [String; 7] {
    let place = &f.kept.place;
    [
        f.blob.short(),
        f.slice().to_owned(),
        if place.attempt == 0 { "-".into() } else { place.attempt.to_string() },
        one_line(&place.round, 20),
        one_line(&place.check, 40),
        if f.result.is_ok() { gate::words(f.cause()).into() } else { "cannot be read".into() },
        f.result.as_ref().map_or_else(|_| "-".into(), |r| words::took(r.duration_ms)),
    ]
}
