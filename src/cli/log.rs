//! `git otto log`: the history of a spec.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId, Timestamp, text::one_line},
    cli::{
        Start,
        show::{Named, named},
    },
    output::Style,
    store::record::{self, Step},
};

/// Show the history of a spec, newest record first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec [default: the only one]
    #[arg(value_name = "SPEC")]
    spec: Option<String>,
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
    let lines = steps.iter().enumerate().skip(skip).map(|(back, step)| line(back, step));
    let lines: Vec<Line<'_>> = lines.collect();
    if start.ui.is_json() {
        let phase = steps.first().map_or(record::Phase::Draft, |s| s.record.kind.phase());
        start.ui.answer_json(&Answer { schema: "otto.log/1", spec: &id, phase, records: lines })?;
        return Ok(Exit::Done);
    }
    for l in &lines {
        let commit = start.ui.paint_answer(Style::Warn, &l.commit.short());
        let place = start.ui.paint_answer(Style::Dim, &format!("@{{{}}}", l.back));
        let kind = start.ui.paint_answer(Style::Bold, l.kind.word());
        let tier = l.tier.map(|t| format!(" (tier {t})")).unwrap_or_default();
        let reason = match one_line(l.reason, 120) {
            r if r.is_empty() => r,
            r => format!(": {r}"),
        };
        let who = one_line(&l.actor, 80);
        start.ui.answer(&format!("{commit} {place} {kind}{tier} by {who}, {}{reason}\n", l.time.human()))?;
    }
    Ok(Exit::Done)
}

fn line(back: usize, step: &Step) -> Line<'_> {
    let r = &step.record;
    Line {
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
    }
}
