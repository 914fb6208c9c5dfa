//! `git otto log`: the history of a spec.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId, Timestamp, text::one_line},
    cli::{
        Start, difference,
        show::{Named, named},
        version,
    },
    git::Repo,
    output::Style,
    spec::model::{
        Spec,
        change::{Change, changes},
    },
    store::record::{self, Step},
};

/// Show the history of a spec, newest record first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec [default: the only one]
    #[arg(value_name = "SPEC")]
    spec: Option<String>,
    /// Show what each record changed, in full
    #[arg(long, short)]
    patch: bool,
    /// Show one line a record
    #[arg(long, conflicts_with = "patch")]
    oneline: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    phase: record::Phase,
    records: Vec<Line<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    /// How many records came later: the n of `<spec>@{n}`.
    back: usize,
    commit: Oid,
    parents: &'a [Oid],
    kind: record::Kind,
    actor: String,
    time: Timestamp,
    reason: &'a str,
    tier: Option<u8>,
    before: Option<Sha256>,
    after: Sha256,
    changes: Vec<difference::Line>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let (id, skip) = match named(&repo, args.spec.as_deref())? {
        Named::Spec { id, back } => (id, back),
        Named::Run(run) => (run.spec().clone(), 0),
    };
    let tip = record::tip(&repo, &id)?.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no spec {id} here")).hint("git otto status")
    })?;
    let steps = record::history(&repo, tip)?;
    if start.ui.is_json() {
        let phase = steps.first().map_or(record::Phase::Draft, |s| s.record.kind.phase());
        let mut known = None;
        let records: Result<Vec<_>, Failure> =
            steps.iter().enumerate().skip(skip).map(|(back, step)| line(&repo, back, step, &mut known)).collect();
        start.ui.answer_json(&Answer { schema: "otto.log/1", spec: &id, phase, records: records? })?;
        return Ok(Exit::Done);
    }
    let mut known = None;
    for (back, step) in steps.iter().enumerate().skip(skip) {
        let r = &step.record;
        let commit = start.ui.paint_answer(Style::Warn, &step.commit.short());
        let place = start.ui.paint_answer(Style::Dim, &format!("@{{{back}}}"));
        let kind = start.ui.paint_answer(Style::Bold, r.kind.word());
        let tier = r.tier.map(|t| format!(" (tier {t})")).unwrap_or_default();
        let reason = match one_line(&r.reason, 120) {
            r if r.is_empty() => r,
            r => format!(": {r}"),
        };
        let (actor, time) = (one_line(&r.actor.to_string(), 80), Timestamp::from_secs(r.time.secs));
        start.ui.answer(&format!("{commit} {place} {kind}{tier} by {actor}, {}{reason}\n", time.human()))?;
        if args.oneline {
            continue;
        }
        let changed = changed(&repo, step, &mut known)?;
        if args.patch {
            start.ui.answer(&difference::text(start, &changed, "    "))?;
        } else if !changed.is_empty() {
            start.ui.answer(&format!("    {}\n", difference::summary(&changed, 120)))?;
        }
    }
    Ok(Exit::Done)
}

/// What a record changed, against its first parent; that one is `known` afterwards, since it is mostly looked at next.
fn changed(repo: &Repo, step: &Step, known: &mut Option<(Oid, Spec)>) -> Result<Vec<Change>, Failure> {
    let Some(parent) = step.parents.first().filter(|_| step.record.before != Some(step.record.after)) else {
        return Ok(Vec::new());
    };
    let after = match known.take().filter(|(commit, _)| *commit == step.commit) {
        Some((_, spec)) => spec,
        None => version::load(repo, step.commit)?.0,
    };
    let before = version::load(repo, *parent)?.0;
    let found = changes(&before, &after);
    *known = Some((*parent, before));
    Ok(found)
}

fn line<'a>(
    repo: &Repo,
    back: usize,
    step: &'a Step,
    known: &mut Option<(Oid, Spec)>,
) -> Result<Line<'a>, Failure> {
    let r = &step.record;
    Ok(Line {
        back,
        commit: step.commit,
        parents: &step.parents,
        kind: r.kind,
        actor: r.actor.to_string(),
        time: Timestamp::from_secs(r.time.secs),
        reason: &r.reason,
        tier: r.tier,
        before: r.before,
        after: r.after,
        changes: difference::lines(&changed(repo, step, known)?),
    })
}
