//! `git otto verify`: rechecks specs, journals, landings, receipts and checked-in copies from git alone.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, RunId, SpecId, json, text},
    cli::{
        Start,
        show::{Named, named},
    },
    git::Repo,
    output::Style,
    store::{record, run},
    verify::{self, Delivery, Note, Seen, Violation},
};

/// Recheck specs, journals, landings, receipts and checked-in copies from git alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A spec and its runs, one run, two versions of a spec or two commits as `<old>..<new>`, or one commit
    /// [default: everything]
    #[arg(value_name = "WHAT", conflicts_with = "all")]
    what: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
    /// Judge every commit of a push or of a merge request; zeros as BASE mean a new branch
    #[arg(long, value_name = "BASE..HEAD", conflicts_with_all = ["what", "all"])]
    ci: Option<String>,
}

/// What is to be judged.
enum Subject {
    Spec(SpecId),
    Run(RunId),
    /// A version of a spec and a later one.
    Versions(SpecId, Oid, Oid),
    /// The commits that the last one reaches and the others do not.
    Commits(Vec<Oid>, Oid),
}

/// Something that was judged.
#[derive(Debug, Serialize)]
struct Checked {
    place: String,
    ok: bool,
    #[serde(flatten)]
    seen: Seen,
}

/// All that came of it.
#[derive(Default, Serialize)]
struct Answer {
    schema: &'static str,
    ok: bool,
    checked: Vec<Checked>,
    violations: Vec<Violation>,
    notes: Vec<Note>,
    delivered: Vec<Delivery>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let subjects = match (&args.ci, &args.what) {
        (Some(range), _) => vec![ci(&repo, range)?],
        (None, Some(what)) => chosen(&repo, what)?,
        (None, None) => {
            let specs = record::list(&repo)?.into_iter().map(|(id, _)| Subject::Spec(id));
            specs.chain(run::list(&repo, None)?.into_iter().map(Subject::Run)).collect()
        }
    };
    let mut answer = Answer { schema: "otto.verify/1", ..Answer::default() };
    for subject in subjects {
        judge(&repo, subject, &mut answer)?;
    }
    answer.ok = answer.violations.is_empty();
    if start.ui.is_json() {
        start.ui.answer_json(&answer)?;
    } else {
        tell(start, &answer)?;
    }
    match answer.violations.first() {
        None => Ok(Exit::Done),
        Some(first) => {
            let causes = answer.violations.iter().skip(1).map(|v| format!("also {}", v.words())).collect();
            Err(Failure { exit: Exit::Refused, message: first.words(), causes, hint: Some(first.hint.clone()) })
        }
    }
}

fn judge(repo: &Repo, subject: Subject, answer: &mut Answer) -> Result<(), Failure> {
    let (place, seen, violations) = match subject {
        Subject::Spec(id) => {
            let (seen, found) = verify::spec_here(repo, &id)?;
            (format!("spec {id}"), seen, found)
        }
        Subject::Run(id) => {
            let (seen, found) = verify::run(repo, &id)?;
            (format!("run {id}"), seen, found)
        }
        Subject::Versions(id, old, new) => {
            let found = verify::versions(repo, &id, old, new);
            let records = if found.is_empty() { record::history(repo, new)?.len() } else { 0 };
            let place = format!("spec {id} from {} to {}", old.short(), new.short());
            (place, Seen { records, ..Seen::default() }, found)
        }
        Subject::Commits(known, head) => {
            let found = verify::range(repo, &known, head)?;
            answer.notes.extend(found.findings.notes);
            answer.delivered.extend(found.delivered);
            let seen = Seen { commits: found.commits, ..Seen::default() };
            (format!("commits up to {}", head.short()), seen, found.findings.violations)
        }
    };
    answer.checked.push(Checked { place, ok: violations.is_empty(), seen });
    answer.violations.extend(violations);
    Ok(())
}

/// What a person means.
fn chosen(repo: &Repo, what: &str) -> Result<Vec<Subject>, Failure> {
    if let Some((old, new)) = what.split_once("..") {
        return Ok(vec![match (side(repo, old)?, side(repo, new)?) {
            ((Some(a), old), (Some(b), new)) if a == b => Subject::Versions(a, old, new),
            ((None, old), (None, new)) => Subject::Commits(vec![old], new),
            _ => {
                let shown = text::one_line(what, 120);
                let text = format!("{shown:?} names no two versions of one spec and no two commits of a branch");
                return Err(Failure::new(Exit::Usage, text).hint("git otto verify <spec>@{2}..<spec>"));
            }
        }]);
    }
    match named(repo, Some(what)) {
        Ok(Named::Spec { id, .. }) => {
            let runs = run::list(repo, Some(&id))?.into_iter().map(Subject::Run);
            Ok(std::iter::once(Subject::Spec(id)).chain(runs).collect())
        }
        Ok(Named::Run(id)) => {
            let spec = record::tip(repo, id.spec())?.map(|_| Subject::Spec(id.spec().clone()));
            Ok(spec.into_iter().chain([Subject::Run(id)]).collect())
        }
        Err(unknown) => match repo.resolve(what) {
            Ok(commit) => Ok(vec![Subject::Commits(repo.read_commit(commit)?.parents, commit)]),
            Err(_) => Err(unknown),
        },
    }
}

/// One side of a range: a version of a spec, by name or by its commit, or any other commit.
fn side(repo: &Repo, name: &str) -> Result<(Option<SpecId>, Oid), Failure> {
    if let Ok(Named::Spec { id, back }) = named(repo, Some(name))
        && let Some(tip) = record::tip(repo, &id)?
    {
        let steps = record::history(repo, tip)?;
        let Some(step) = steps.get(back) else {
            let text = format!("{id} has {} records, so there is no {id}@{{{back}}}", steps.len());
            return Err(Failure::new(Exit::Usage, text).hint(format!("git otto log {id}")));
        };
        return Ok((Some(id), step.commit));
    }
    let commit = repo.resolve(name)?;
    let spec = record::load(repo, commit).ok().and_then(|s| json::parse(&s.spec_bytes, json::Limits::RECORD).ok());
    Ok((spec.and_then(|s| s.get("id")?.as_str()?.parse().ok()), commit))
}

/// The range that a forge names: full ids, or anything else that names commits.
fn ci(repo: &Repo, range: &str) -> Result<Subject, Failure> {
    let Some((base, head)) = range.split_once("..") else {
        let shown = text::one_line(range, 120);
        return Err(Failure::new(Exit::Usage, format!("{shown:?} is no range")).hint("git otto verify --ci <base>..<head>"));
    };
    let new = !base.is_empty() && base.bytes().all(|b| b == b'0');
    // An id is taken as it stands: that it is not here is for the verifier to tell.
    let commit = |name: &str| match name.parse::<Oid>() {
        Ok(id) => Ok(id),
        Err(_) => repo.resolve(name),
    };
    let known = if new { Vec::new() } else { vec![commit(base)?] };
    Ok(Subject::Commits(known, commit(head)?))
}

fn tell(start: &Start, answer: &Answer) -> Result<(), Failure> {
    if answer.checked.is_empty() {
        return Ok(start.ui.answer("nothing to verify: there is no spec and no run here\n")?);
    }
    for c in &answer.checked {
        let word = match c.ok {
            true => start.ui.paint_answer(Style::Good, "ok "),
            false => start.ui.paint_answer(Style::Bad, "BAD"),
        };
        let n = |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let s = &c.seen;
        let parts = [
            (s.commits, n(s.commits, "commit", "commits")),
            (s.records, n(s.records, "record", "records")),
            (s.events, n(s.events, "event", "events")),
            (s.landings, n(s.landings, "landing", "landings")),
            (s.receipts, n(s.receipts, "receipt", "receipts")),
            (s.evidence, n(s.evidence, "result of a check", "results of checks")),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(_, text)| text).collect();
        start.ui.answer(&format!("{word} {}: {}\n", c.place, parts.join(", ")))?;
    }
    for d in &answer.delivered {
        let (commit, words) = (d.commit.short(), d.proof.words());
        start.ui.answer(&format!("    {commit} brings {} up to slice `{}`: {words}\n", d.run, d.slice))?;
    }
    for note in &answer.notes {
        let at = note.commit.map(|c| format!(" (in {})", c.short())).unwrap_or_default();
        start.ui.answer(&format!("note: {}{at}\n", text::printable(&note.message)))?;
    }
    Ok(())
}
