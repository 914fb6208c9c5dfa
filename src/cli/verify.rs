//! `git otto verify`: rechecks specs, journals, landings and receipts from git alone.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, RunId, SpecId, text::one_line},
    cli::{
        Start,
        show::{Named, named},
    },
    git::Repo,
    output::Style,
    store::{names, record, run},
};

mod runs;

/// Recheck specs, journals, landings and receipts from git alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A spec and its runs, or one run [default: everything]
    #[arg(value_name = "SPEC|RUN", conflicts_with = "all")]
    name: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

/// One thing that is not as it has to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Problem {
    /// The spec or run.
    place: String,
    /// What is wrong, one sentence.
    what: String,
    /// What to do.
    hint: String,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Seen {
    records: usize,
    events: usize,
    landings: usize,
    receipts: usize,
    evidence: usize,
}

/// A spec or run, and what was found in it.
#[derive(Debug, Serialize)]
struct Checked {
    place: String,
    ok: bool,
    #[serde(flatten)]
    seen: Seen,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    ok: bool,
    checked: &'a [Checked],
    problems: &'a [Problem],
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let (specs, runs) = chosen(&repo, args.name.as_deref())?;
    let (mut checked, mut problems) = (Vec::new(), Vec::new());
    for id in &specs {
        let before = problems.len();
        let seen = spec(&repo, id, &mut problems)?;
        checked.push(Checked { place: format!("spec {id}"), ok: problems.len() == before, seen });
    }
    for id in &runs {
        let before = problems.len();
        let seen = runs::check(&repo, id, &mut problems)?;
        checked.push(Checked { place: format!("run {id}"), ok: problems.len() == before, seen });
    }
    let ok = problems.is_empty();
    if start.ui.is_json() {
        start.ui.answer_json(&Answer { schema: "otto.verify/1", ok, checked: &checked, problems: &problems })?;
    } else {
        tell(start, &checked)?;
    }
    match problems.first() {
        None => Ok(Exit::Done),
        Some(first) => {
            let line = |p: &Problem| format!("{}: {}", p.place, one_line(&p.what, 400));
            let causes = problems.iter().skip(1).map(|p| format!("also {}", line(p))).collect();
            Err(Failure { exit: Exit::Refused, message: line(first), causes, hint: Some(first.hint.clone()) })
        }
    }
}

/// The specs and runs that are meant.
fn chosen(repo: &Repo, name: Option<&str>) -> Result<(Vec<SpecId>, Vec<RunId>), Failure> {
    let Some(name) = name else {
        let specs = record::list(repo)?.into_iter().map(|(id, _)| id).collect();
        return Ok((specs, run::list(repo, None)?));
    };
    match named(repo, Some(name))? {
        Named::Spec { id, .. } => Ok((vec![id.clone()], run::list(repo, Some(&id))?)),
        Named::Run(id) => {
            let spec = record::tip(repo, id.spec())?.map(|_| id.spec().clone());
            Ok((spec.into_iter().collect(), vec![id]))
        }
    }
}

fn spec(repo: &Repo, id: &SpecId, problems: &mut Vec<Problem>) -> Result<Seen, Failure> {
    let place = format!("spec {id}");
    let Some(tip) = record::tip(repo, id)? else {
        let what = format!("{} is gone", names::spec(id));
        problems.push(Problem { place, what, hint: "restore it from a clone or its reflog".into() });
        return Ok(Seen::default());
    };
    let found = record::verify(repo, id, tip);
    let problem = |v: record::Violation| {
        let what = format!("the record {} {}", v.commit.short(), v.message);
        Problem { place: place.clone(), what, hint: v.hint }
    };
    let clean = found.is_empty();
    problems.extend(found.into_iter().map(problem));
    // A history that does not verify may not be readable to its end.
    let records = if clean { record::history(repo, tip)?.len() } else { 0 };
    Ok(Seen { records, ..Seen::default() })
}

fn tell(start: &Start, checked: &[Checked]) -> Result<(), Failure> {
    if checked.is_empty() {
        return Ok(start.ui.answer("nothing to verify: there is no spec and no run here\n")?);
    }
    for c in checked {
        let word = match c.ok {
            true => start.ui.paint_answer(Style::Good, "ok "),
            false => start.ui.paint_answer(Style::Bad, "BAD"),
        };
        let n = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let s = &c.seen;
        let parts = [
            (s.records, n(s.records, "record", "records")),
            (s.events, n(s.events, "event", "events")),
            (s.landings, n(s.landings, "landing", "landings")),
            (s.receipts, n(s.receipts, "receipt", "receipts")),
            (s.evidence, n(s.evidence, "result of a check", "results of checks")),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(_, text)| text).collect();
        start.ui.answer(&format!("{word} {}: {}\n", c.place, parts.join(", ")))?;
    }
    Ok(())
}
