//! `git otto show`: a spec, one of its versions, or a run.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, RunId, Sha256, SpecId, json, text},
    cli::{
        Start, team,
        working_copy::{self, Copy, When},
    },
    git::Repo,
    intent, report,
    spec::model::Spec,
    store::{Store, names, record, run},
};

/// Show a spec as Markdown, one of its versions, or the packet of a run.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A spec, `<spec>@{2}` for its version before the last two records, or a run [default: the only spec]
    #[arg(value_name = "SPEC|RUN")]
    name: Option<String>,
    /// Leave the code that the slices carry out of the Markdown
    #[arg(long)]
    without_code: bool,
    /// Of a run: the recorded calls of its agents, one JSON object a line
    #[arg(long)]
    recording: bool,
    /// Of a spec: write its checked-in copy into this checkout, and show nothing
    #[arg(long, conflicts_with_all = ["without_code", "recording"])]
    write: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    match named(&repo, args.name.as_deref())? {
        Named::Run(id) if args.recording => {
            let store = Store::new(repo, start.world.clone());
            let calls = team::recorded_calls(&store, &id)?;
            if calls.is_empty() {
                let text = format!("nothing of {id} was recorded");
                return Err(Failure::new(Exit::Usage, text).hint("git otto run --record …"));
            }
            start.ui.answer_bytes(&calls)?;
        }
        Named::Run(_) if args.write => {
            let text = "--write is for specs: a run has no copy in a checkout";
            return Err(Failure::new(Exit::Usage, text));
        }
        Named::Spec { id, back } if args.write => return write(start, &repo, &id, back),
        Named::Run(id) => show_run(start, &repo, &id)?,
        Named::Spec { id, back } => show_spec(start, &repo, &id, back, !args.without_code)?,
    }
    Ok(Exit::Done)
}

/// What a name means.
pub enum Named {
    /// A run.
    Run(RunId),
    /// A spec before its last `back` records.
    Spec {
        /// Which.
        id: SpecId,
        /// How many records back.
        back: usize,
    },
}

/// Finds out what a name means; without one the only spec is meant. A run is known by its id alone, and need not exist.
pub fn named(repo: &Repo, name: Option<&str>) -> Result<Named, Failure> {
    let Some(name) = name else {
        return match &record::list(repo)?[..] {
            [] => Err(Failure::new(Exit::Usage, "there is no spec here").hint("git otto run <intent.md>")),
            [(id, _)] => Ok(Named::Spec { id: id.clone(), back: 0 }),
            many => {
                let names: Vec<&str> = many.iter().map(|(id, _)| id.as_str()).collect();
                Err(Failure::new(Exit::Usage, format!("there are {} specs: say which", many.len())).hint(names.join("\n")))
            }
        };
    };
    if let Ok(id) = name.parse::<RunId>() {
        return Ok(Named::Run(id));
    }
    let unknown = || {
        let shown = text::one_line(name, 80);
        Failure::new(Exit::Usage, format!("there is no spec and no run {shown:?} here")).hint("git otto status")
    };
    let (spec, back) = match name.split_once("@{") {
        Some((spec, n)) => (spec, n.strip_suffix('}').and_then(|n| n.parse().ok()).ok_or_else(unknown)?),
        None => (name, 0),
    };
    let id: SpecId = spec.parse().map_err(|_| unknown())?;
    record::tip(repo, &id)?.ok_or_else(unknown)?;
    Ok(Named::Spec { id, back })
}

/// The run that a name means: itself, the newest of a spec, or without a name the newest of all.
pub fn run_named(repo: &Repo, name: Option<&str>) -> Result<RunId, Failure> {
    let no_run = |text: String| Failure::new(Exit::Usage, text).hint("git otto status");
    let Some(name) = name else {
        return run::latest(repo)?.ok_or_else(|| no_run("there is no run here".into()));
    };
    match named(repo, Some(name))? {
        Named::Run(id) => {
            run::load(repo, &id).map_err(|e| Failure { hint: Some("git otto status".into()), ..e.into() })?;
            Ok(id)
        }
        Named::Spec { id, .. } => run::newest(repo, &id)?.ok_or_else(|| no_run(format!("{id} has no run yet"))),
    }
}

/// The spec in a commit, without its files.
pub fn spec_in(repo: &Repo, commit: Oid) -> Result<Spec, Failure> {
    let tree = repo.read_commit(commit)?.tree;
    let broken = |why: String| {
        Failure::new(Exit::Invalid, format!("the spec commit {} {why}", commit.short())).hint("git otto verify --all")
    };
    let entry = repo.entry(tree, "spec.json".into())?.ok_or_else(|| broken("has no spec.json".into()))?;
    let bytes = repo.read_blob(entry.oid, json::Limits::RECORD.size as u64)?;
    json::read(&bytes, json::Limits::RECORD).map_err(|e| broken(format!("holds no spec: {e}")))
}

/// Writes the checked-in copy of the newest version.
fn write(start: &Start, repo: &Repo, id: &SpecId, back: usize) -> Result<Exit, Failure> {
    let path = names::working_copy(id);
    if back > 0 {
        let text = format!("{path} holds the newest version, not {id}@{{{back}}}");
        return Err(Failure::new(Exit::Usage, text).hint(format!("git otto show {id} --write")));
    }
    let tip = record::tip(repo, id)?.ok_or_else(|| Failure::new(Exit::Usage, format!("there is no spec {id}")))?;
    let stored = record::load(repo, tip)?;
    if stored.record.kind.phase() == record::Phase::Draft {
        let text = format!("the spec {id} is a draft, and only approved specs have copies in checkouts");
        return Err(Failure::new(Exit::Refused, text).hint(format!("git otto approve {id}")));
    }
    let copy = working_copy::update(start, repo, id, &stored, None, When::Always)?;
    if start.ui.is_json() {
        let value = serde_json::json!({"schema": "otto.show/1", "spec": id, "path": path, "working_copy": copy});
        start.ui.answer_json(&value)?;
    } else if copy == Copy::Current {
        start.ui.answer(&format!("unchanged: {path} says what the spec says\n"))?;
    }
    Ok(if copy == Copy::Edited { Exit::Refused } else { Exit::Done })
}

#[derive(Serialize)]
struct SpecAnswer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    back: usize,
    commit: Oid,
    phase: record::Phase,
    record: &'a record::Record,
    digest: Sha256,
    /// `spec.json` as it is stored: SHA-256 over this text is `digest`.
    spec_json: &'a str,
}

fn show_spec(start: &Start, repo: &Repo, id: &SpecId, back: usize, with_code: bool) -> Result<(), Failure> {
    let tip = record::tip(repo, id)?.ok_or_else(|| Failure::new(Exit::Usage, format!("there is no spec {id}")))?;
    let steps = record::history(repo, tip)?;
    let step = steps.get(back).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{id} has {} records, so there is no {id}@{{{back}}}", steps.len()))
            .hint(format!("git otto log {id}"))
    })?;
    let stored = record::load(repo, step.commit)?;
    if start.ui.is_json() {
        let spec_json = std::str::from_utf8(&stored.spec_bytes)
            .map_err(|_| Failure::new(Exit::Invalid, format!("spec.json of {} is not UTF-8", step.commit)))?;
        let answer = SpecAnswer {
            schema: "otto.show/1",
            spec: id,
            back,
            commit: step.commit,
            phase: stored.record.kind.phase(),
            record: &stored.record,
            digest: stored.record.after,
            spec_json,
        };
        return Ok(start.ui.answer_json(&answer)?);
    }
    let spec: Spec = json::read(&stored.spec_bytes, json::Limits::RECORD)?;
    Ok(start.ui.answer(&text::printable(&intent::render(&spec, &stored.files, with_code)))?)
}

#[derive(Serialize)]
struct RunAnswer<'a> {
    schema: &'static str,
    run: &'a RunId,
    packet: &'a report::model::Packet,
}

fn show_run(start: &Start, repo: &Repo, id: &RunId) -> Result<(), Failure> {
    run::load(repo, id).map_err(|e| Failure { hint: Some("git otto status".into()), ..e.into() })?;
    let packet = report::packet(repo, id)?;
    if start.ui.is_json() {
        let answer = RunAnswer { schema: "otto.show/1", run: id, packet: &packet };
        return Ok(start.ui.answer_json(&answer)?);
    }
    start.ui.answer(&report::markdown(&packet)?)?;
    Ok(start.ui.say(&format!("as a page: git otto report {id} --open, or --format html -o packet.html"))?)
}
