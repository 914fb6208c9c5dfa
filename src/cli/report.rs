//! `git otto report`: the packet of a run, as Markdown, as a page, as JSON, or as the body of a pull request.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Serialize;
use serde_json::Value;

use crate::{
    base::{Exit, Failure, RunId, files},
    cli::{Start, opener, show},
    report::{self, model::Packet},
};

/// Show the proof packet of a run: what was asked, what was built, what proves it and what is missing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the spec whose newest run is meant [default: the newest run]
    #[arg(value_name = "SPEC|RUN")]
    name: Option<String>,
    /// As what [default: by the name of the file, else md]
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "pr")]
    format: Option<Format>,
    /// The body of a pull request: verdict, requirements, what is missing, how to verify
    #[arg(long)]
    pr: bool,
    /// Write it into FILE instead
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Open the page in the browser
    #[arg(long, conflicts_with_all = ["format", "pr"])]
    open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// Markdown
    Md,
    /// One self-contained page
    Html,
    /// `otto.packet/1`
    Json,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    /// md, html, json, or pr.
    format: &'static str,
    /// Where it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The report where it was not written: an object where it is JSON, else a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let id = show::run_named(&repo, args.name.as_deref())?;
    let packet = report::packet(&repo, &id)?;
    let format = format(&args, start.ui.is_json());
    let bytes = rendered(&packet, format)?;
    let written = match &args.output {
        Some(path) => Some(write(path, &bytes)?),
        None if args.open => Some(report::write(&repo, &id, &packet)?.html),
        None => None,
    };
    if start.ui.is_json() {
        let content = match (&written, format) {
            (Some(_), _) => None,
            (None, Some(Format::Json)) => Some(serde_json::to_value(&packet).map_err(std::io::Error::from)?),
            (None, _) => Some(String::from_utf8_lossy(&bytes).into()),
        };
        let path = written.as_ref().map(|p| p.display().to_string());
        let format = match format {
            Some(Format::Md) => "md",
            Some(Format::Html) => "html",
            Some(Format::Json) => "json",
            None => "pr",
        };
        start.ui.answer_json(&Answer { schema: "otto.report/1", run: &id, format, path, content })?;
    } else if let Some(path) = &written {
        start.ui.answer(&format!("wrote {}\n", path.display()))?;
    } else {
        start.ui.answer_bytes(&bytes)?;
    }
    match written {
        Some(path) if args.open => opener::open(start, &path),
        _ => Ok(Exit::Done),
    }
}

/// As what it is wanted; none for a pull request.
fn format(args: &Args, json: bool) -> Option<Format> {
    if args.pr {
        return None;
    }
    let by_name = || match args.output.as_deref().and_then(Path::extension)?.to_str()? {
        "html" | "htm" => Some(Format::Html),
        "json" => Some(Format::Json),
        _ => None,
    };
    let page = args.open.then_some(Format::Html);
    Some(args.format.or(page).or_else(by_name).unwrap_or(if json { Format::Json } else { Format::Md }))
}

fn rendered(packet: &Packet, format: Option<Format>) -> Result<Vec<u8>, Failure> {
    match format {
        Some(Format::Md) => Ok(report::markdown(packet)?.into_bytes()),
        Some(Format::Html) => Ok(report::html(packet)?.into_bytes()),
        Some(Format::Json) => report::json(packet),
        None => Ok(report::pull_request(packet)?.into_bytes()),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let cannot = |e| Failure::new(Exit::Usage, format!("cannot write {}: {e}", path.display()));
    files::replace(path, bytes, true).map_err(cannot)?;
    Ok(std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()))
}
