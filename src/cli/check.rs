//! `git otto check`: the checks of a spec, run by hand on the user's checkout or on any commit. No run, no journal.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, SliceId, SpecId, text::count},
    checks::model::Check,
    cli::{
        Start,
        amended::Version,
        by_hand::{self, Bench, Line},
        show::{Named, named},
    },
    spec::model::Spec,
    store::{Store, record, run::Limits},
};

/// Run the checks of a spec on your checkout as it is, or on any commit. Nothing of it is kept.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec [default: the only one]
    #[arg(value_name = "SPEC")]
    spec: Option<String>,
    /// Only the checks of these slices; `_cross` for those of no slice
    #[arg(long, value_name = "SLICE")]
    slice: Vec<String>,
    /// Only these checks
    #[arg(long, value_name = "CHECK")]
    check: Vec<String>,
    /// The commit to check [default: the checkout, with everything that is not committed and not ignored]
    #[arg(long, value_name = "REV")]
    tree: Option<String>,
    /// List the checks; run nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// How the checks of no slice are called.
const CROSS: &str = "_cross";

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    version: Oid,
    tree: Oid,
    passed: bool,
    checks: &'a [Line],
}

type Wanted<'a> = (Option<&'a SliceId>, &'a Check);

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let version = version(&store, args.spec.as_deref())?;
    let (spec, commit) = (version.plan.spec.clone(), version.plan.spec_commit);
    let wanted = wanted(&spec, &args)?;
    let (tree, on) = tree(&store, args.tree.as_deref(), &args)?;
    if args.dry_run {
        return list(start, &wanted, &on);
    }
    start.ui.say(&format!("running {} of {} on {on}", count(wanted.len(), "check"), spec.id))?;
    let lines = Bench::open(start, &store, version, tree)?.run(&wanted)?;
    let green = lines.iter().filter(|l| l.passed()).count();
    let passed = green == lines.len();
    if start.ui.is_json() {
        let (spec, checks) = (&spec.id, &lines[..]);
        start.ui.answer_json(&Answer { schema: "otto.check/1", spec, version: commit, tree, passed, checks })?;
    } else {
        by_hand::tell(start, &lines)?;
        start.ui.answer(&format!("{}\n", by_hand::sum(&lines)))?;
        if !passed && !start.ui.is_verbose() {
            start.ui.say("with -v: what each check printed")?;
        }
    }
    Ok(match green {
        _ if passed => Exit::Done,
        0 => Exit::Blocked,
        _ => Exit::Partial,
    })
}

/// The newest version of a spec that somebody has approved: nobody else's commands are run.
fn version(store: &Store, name: Option<&str>) -> Result<Version, Failure> {
    let id = match named(&store.repo, name)? {
        Named::Run(id) => id.spec().clone(),
        Named::Spec { id, back: 0 } => id,
        Named::Spec { id, .. } => {
            let text = "only the newest version of a spec is checked";
            return Err(Failure::new(Exit::Usage, text).hint(format!("git otto check {id}")));
        }
    };
    let none = || Failure::new(Exit::Usage, format!("there is no spec {id} here")).hint("git otto status");
    let tip = record::tip(&store.repo, &id)?.ok_or_else(none)?;
    if record::load(&store.repo, tip)?.record.kind.phase() == record::Phase::Draft {
        let text = format!("the spec {id} is a draft, and its commands are run only once you have approved them");
        return Err(Failure::new(Exit::Refused, text).hint(format!("git otto approve {id}")));
    }
    Version::load(store, tip, Limits::default())
}

/// The checks that are meant; names that the spec does not know are an error.
fn wanted<'a>(spec: &'a Spec, args: &Args) -> Result<Vec<Wanted<'a>>, Failure> {
    let all: Vec<Wanted<'a>> = spec.checks().map(|(slice, check)| (slice.map(|s| &s.id), check)).collect();
    let slice_of = |slice: Option<&SliceId>| slice.map_or(CROSS, SliceId::as_str).to_owned();
    let unknown = |what: &str, name: &str, known: Vec<&str>| {
        let text = format!("the spec {} has no {what} {:?}", spec.id, crate::base::text::one_line(name, 80));
        Err(Failure::new(Exit::Usage, text).hint(known.join("\n")))
    };
    for name in &args.slice {
        if name != CROSS && spec.slices.iter().all(|s| s.id.as_str() != name) {
            return unknown("slice", name, spec.slices.iter().map(|s| s.id.as_str()).collect());
        }
    }
    for name in &args.check {
        if all.iter().all(|(_, c)| c.id != *name) {
            return unknown("check", name, all.iter().map(|(_, c)| c.id.as_str()).collect());
        }
    }
    let mut out = all;
    out.retain(|(slice, check)| {
        (args.slice.is_empty() || args.slice.contains(&slice_of(*slice)))
            && (args.check.is_empty() || args.check.contains(&check.id))
    });
    if out.is_empty() {
        let text = format!("none of the checks of {} is meant by that", spec.id);
        return Err(Failure::new(Exit::Usage, text).hint(format!("git otto check {} -n    (lists them)", spec.id)));
    }
    Ok(out)
}

/// The tree to be checked, and what it is in words.
fn tree(store: &Store, rev: Option<&str>, args: &Args) -> Result<(Oid, String), Failure> {
    if let Some(rev) = rev {
        let commit = store.repo.resolve(rev)?;
        return Ok((store.repo.read_commit(commit)?.tree, format!("commit {}", commit.short())));
    }
    if store.repo.work_dir().is_none() {
        let spec = args.spec.as_deref().unwrap_or("<spec>");
        let text = "this repository has no checkout to check";
        return Err(Failure::new(Exit::Usage, text).hint(format!("git otto check {spec} --tree <commit>")));
    }
    let tree = store.repo.everything()?;
    Ok((tree, "your checkout as it is".to_owned()))
}

fn list(start: &Start, wanted: &[Wanted<'_>], on: &str) -> Result<Exit, Failure> {
    if start.ui.is_json() {
        let item = |(slice, c): &Wanted<'_>| serde_json::json!({"check": c.id, "slice": slice, "kind": c.kind.name()});
        let checks: Vec<_> = wanted.iter().map(item).collect();
        start.ui.answer_json(&serde_json::json!({"schema": "otto.check/1", "passed": null, "checks": checks}))?;
        return Ok(Exit::Done);
    }
    for (slice, check) in wanted {
        let slice = slice.map_or(CROSS, SliceId::as_str);
        let says = crate::checks::sentence(check);
        start.ui.answer(&format!("{slice}  {}: {says}\n", check.id))?;
    }
    start.ui.say(&format!("nothing was run; without -n they are run on {on}"))?;
    Ok(Exit::Done)
}
