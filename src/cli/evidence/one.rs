//! One result: shown, as its streams, or taken out as files.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::{Found, Line, all};
use crate::{
    base::{
        Exit, Failure, RunId, files,
        text::{one_line, printable},
    },
    cli::{Start, opener, show},
    gate::RESULT,
    git::Repo,
    output::Style,
    report::{excerpts, words},
    store::evidence::MAX_FILE,
};

#[derive(Debug, clap::Args)]
pub(super) struct Which {
    /// The id of a result or how it begins, its path, or a check, whose last result is meant
    #[arg(value_name = "ID|PATH|CHECK")]
    which: String,
    /// The run, or the spec whose newest run is meant [default: the newest run]
    #[arg(value_name = "SPEC|RUN")]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    which: Which,
    /// Print this stream as it was kept, byte for byte
    #[arg(long, value_enum, value_name = "STREAM")]
    stream: Option<Stream>,
}

#[derive(Debug, clap::Args)]
pub(super) struct OpenArgs {
    #[command(flatten)]
    which: Which,
    /// Open only this file of it, such as stdout
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// Take the files out and say where they are; open nothing
    #[arg(long)]
    no_open: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    fn file(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// The result that is meant.
fn find(which: &Which, repo: &Repo) -> Result<(RunId, Found), Failure> {
    let run = show::run_named(repo, which.name.as_deref())?;
    let wanted = which.which.trim_end_matches('/');
    let path = wanted.strip_suffix(&format!("/{RESULT}")).unwrap_or(wanted);
    let mut all = all(repo, &run)?;
    let hint = format!("git otto evidence list {run}");
    let of_check = all.iter().rposition(|f| f.kept.place.check == wanted);
    let at = of_check.or_else(|| all.iter().position(|f| f.kept.place.to_string() == path));
    let at = match at {
        Some(at) => at,
        None => {
            let is_id = wanted.len() >= 4 && wanted.bytes().all(|b| b.is_ascii_hexdigit());
            let mut begin = (0..all.len()).filter(|i| is_id && all[*i].blob.to_string().starts_with(wanted));
            match (begin.next(), begin.next()) {
                (Some(at), None) => at,
                (Some(_), Some(_)) => {
                    let text = format!("several results of {run} begin with {wanted}");
                    return Err(Failure::new(Exit::Usage, text).hint(hint));
                }
                (None, _) => {
                    let text = format!("{run} has no result, no check and no path {:?}", one_line(wanted, 120));
                    return Err(Failure::new(Exit::Usage, text).hint(hint));
                }
            }
        }
    };
    Ok((run, all.swap_remove(at)))
}

fn content(repo: &Repo, found: &Found, file: &str) -> Result<Option<Vec<u8>>, Failure> {
    let blob = found.kept.files.get(file);
    Ok(blob.map(|blob| repo.read_blob(*blob, MAX_FILE as u64)).transpose()?)
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    #[serde(flatten)]
    line: Line<'a>,
    files: Vec<&'a str>,
    /// The ends of the streams, control characters removed.
    stdout: String,
    stderr: String,
}

pub(super) fn show(args: ShowArgs, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let (run, found) = find(&args.which, &repo)?;
    let ui = &*start.ui;
    let stream = |stream: Stream| Ok::<_, Failure>(content(&repo, &found, stream.file())?.unwrap_or_default());
    if let Some(wanted) = args.stream {
        ui.answer_bytes(&stream(wanted)?)?;
        return Ok(Exit::Done);
    }
    let (stdout, stderr) = (stream(Stream::Stdout)?, stream(Stream::Stderr)?);
    if ui.is_json() {
        let (line, files) = (Line::new(&found), found.kept.files.keys().map(String::as_str).collect());
        let (stdout, stderr) = (excerpts::end(&stdout), excerpts::end(&stderr));
        ui.answer_json(&Answer { schema: "otto.evidence-show/1", run: &run, line, files, stdout, stderr })?;
        return Ok(Exit::Done);
    }
    ui.answer(&head(start, &found))?;
    for (wanted, bytes) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
        let name = wanted.file();
        let text = excerpts::end(&bytes);
        if text.is_empty() {
            continue;
        }
        let cut = if text.starts_with('…') { ", its end" } else { "" };
        ui.answer(&format!("\n{}\n", ui.paint_answer(Style::Bold, &format!("{name}{cut}:"))))?;
        ui.answer(&text.lines().map(|l| format!("    {l}").trim_end().to_owned() + "\n").collect::<String>())?;
        if !cut.is_empty() {
            ui.say(&format!("all of it: git otto evidence show {} {run} --stream {name}", found.blob.short()))?;
        }
    }
    Ok(Exit::Done)
}

/// What came of it, in words.
fn head(start: &Start, f: &Found) -> String {
    let ui = &*start.ui;
    let place = &f.kept.place;
    let whose = match (&place.slice, place.attempt) {
        (None, _) => String::new(),
        (Some(slice), 0) => format!(" for slice {slice}"),
        (Some(slice), n) => format!(" for slice {slice}, attempt {n}"),
    };
    let mut out = match &f.result {
        Ok(r) => {
            let word = ui.paint_answer(f.style(), crate::gate::words(r.cause));
            let exit = r.exit.map(|code| format!(", exit {code}")).unwrap_or_default();
            let detail = printable(&r.detail);
            let detail: String = detail.lines().take(20).map(|l| format!("  {l}\n")).collect();
            format!(
                "{}: {word}\n{detail}round {}{whose}, {}, {}{exit}\ntree {}\nsandbox {}\n",
                ui.paint_answer(Style::Bold, &one_line(&r.check, 80)),
                one_line(&place.round, 40),
                r.started_at.human(),
                words::took(r.duration_ms),
                r.tree,
                one_line(&r.sandbox, 80),
            )
        }
        Err(why) => {
            let word = ui.paint_answer(Style::Bad, "cannot be read");
            format!("{}: {word}: {}\n", one_line(&place.check, 80), one_line(why, 200))
        }
    };
    out.push_str(&format!("evidence {} at {}\n", f.blob, one_line(&place.to_string(), 300)));
    let artifacts = f.kept.files.keys().filter(|name| name.starts_with("artifacts/"));
    for name in artifacts.take(100) {
        out.push_str(&format!("file {}\n", one_line(name, 300)));
    }
    out
}

#[derive(Serialize)]
struct Opened<'a> {
    schema: &'static str,
    run: &'a RunId,
    folder: String,
    files: Vec<&'a str>,
}

pub(super) fn open(args: OpenArgs, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let (run, found) = find(&args.which, &repo)?;
    if let Some(file) = args.file.as_ref().filter(|file| !found.kept.files.contains_key(*file)) {
        let there: Vec<&str> = found.kept.files.keys().map(String::as_str).collect();
        let text = format!("this result has no file {:?}", one_line(file, 120));
        return Err(Failure::new(Exit::Usage, text).hint(format!("its files are {}", there.join(", "))));
    }
    let folder = take_out(&repo, &found)?;
    if start.ui.is_json() {
        let files = found.kept.files.keys().map(String::as_str).collect();
        let folder = folder.display().to_string();
        start.ui.answer_json(&Opened { schema: "otto.evidence-open/1", run: &run, folder, files })?;
    } else {
        start.ui.answer(&format!("{}\n", folder.display()))?;
    }
    match args.file {
        _ if args.no_open => Ok(Exit::Done),
        Some(file) => opener::open(start, &folder.join(file)),
        None => opener::open(start, &folder),
    }
}

/// Writes the files of a result into a new folder that outlives this program: whoever opens them reads them later.
fn take_out(repo: &Repo, found: &Found) -> Result<PathBuf, Failure> {
    let folder = tempfile::Builder::new().prefix("git-otto-evidence-").tempdir()?;
    for file in found.kept.files.keys() {
        let bytes = content(repo, found, file)?.unwrap_or_default();
        let cannot = |e| Failure::new(Exit::Internal, format!("cannot write {}: {e}", one_line(file, 200)));
        files::write_beneath(folder.path(), file.as_bytes(), &bytes, false).map_err(cannot)?;
    }
    Ok(folder.keep())
}
