//! `git otto compile`: an intent becomes a draft spec.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId},
    baseline::{Baseline, Line},
    cli::{
        Start, baseline,
        prose::{self, Wish},
        session::Choices,
        source::{self, Draft, Source},
        team::{self, Whom},
    },
    spec,
    store::record::{self, Appended, By, Phase},
};

/// Compile an intent into a draft spec.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The intent: a file, - for standard input, or what is wanted in your own words
    #[arg(value_name = "INTENT", required_unless_present = "spec")]
    intent: Option<String>,
    /// Take this spec, in JSON, instead of an intent (- for standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "intent")]
    spec: Option<String>,
    /// The intent is prose, not the name of a file
    #[arg(long, conflicts_with = "spec")]
    text: bool,
    #[command(flatten)]
    wish: Wish,
    #[command(flatten)]
    whom: Whom,
    /// Check it and print it; write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    spec: &'a SpecId,
    digest: Sha256,
    commit: Option<Oid>,
    new: bool,
    approved: bool,
    guessed: &'a [String],
    baseline: Vec<Line>,
    /// Of a dry run: the spec as it would be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    spec_json: Option<&'a str>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    if !args.dry_run {
        store.repo.identity(start.world.clock.now())?;
    }
    let (named, is_spec) = match (&args.spec, &args.intent) {
        (Some(spec), _) => (spec.as_str(), true),
        (None, intent) => (intent.as_deref().unwrap_or("-"), false),
    };
    let source = source::resolve(start, &store, named, args.text)?;
    let source = if is_spec { source } else { source::settle(start, source)? };
    if !matches!(source, Source::Prose(_)) {
        args.wish.only_of_prose()?;
    }
    let mut measured = Baseline::default();
    let draft = match source {
        Source::Text(text, name, folder) if is_spec => {
            let draft = source::read_spec(start, &text, &name, folder.as_deref(), &Default::default())?;
            let id = &draft.spec.id;
            if args.wish.id.as_ref().is_some_and(|wanted| wanted != id) {
                let text = format!("{name} is the spec {id}, which --id cannot change");
                return Err(Failure::new(Exit::Usage, text));
            }
            Draft { by: By::User, ..draft }
        }
        Source::Text(text, name, _) => {
            let mut draft = source::compile(start, &store, &text, &name, args.wish.id.as_ref())?;
            let tip = record::tip(&store.repo, &draft.spec.id)?;
            let known = tip.map(|tip| record::load(&store.repo, tip)).transpose()?;
            // A draft may be compiled anew as often as one likes: then its base is asked anew as well.
            match known.filter(|known| known.record.kind.phase() != Phase::Draft) {
                Some(known) => baseline::take_along(&mut draft, &known),
                None => {
                    let wanted = !args.wish.no_baseline && !args.dry_run;
                    measured = baseline::keep(start, &store, &mut draft, wanted, None)?;
                }
            }
            draft
        }
        Source::Prose(_) if is_spec => {
            return Err(Failure::new(Exit::Usage, format!("{named:?} is no file")).hint("git otto compile --spec <file>"));
        }
        Source::Prose(prose) => {
            let choices = Choices { whom: args.whom.clone(), ..Choices::default() };
            team::compiler(start, &store, &args.whom)?;
            if let Some(id) = &args.wish.id {
                prose::is_open(&store, id)?;
            }
            measured = baseline::measure(start, &store, None, None, !args.wish.no_baseline && !args.dry_run)?;
            let mut draft = prose::compile(start, &store, &prose, None, &args.wish, &choices)?;
            measured.keep(&mut draft.spec);
            draft
        }
        Source::Spec(id) => {
            let text = format!("{id} is a spec already; compile takes an intent");
            return Err(Failure::new(Exit::Usage, text).hint(format!("git otto show {id}")));
        }
    };
    let bytes = spec::write(&draft.spec);
    let id = &draft.spec.id;
    let answer = |appended: Option<&Appended>, phase: Phase| Answer {
        schema: "otto.compile/1",
        spec: id,
        digest: Sha256::of(&bytes),
        commit: appended.map(|a| a.commit),
        new: appended.is_some_and(|a| a.new),
        approved: phase == Phase::Approved,
        guessed: &draft.guessed,
        baseline: measured.lines(&draft.spec),
        spec_json: appended.is_none().then(|| std::str::from_utf8(&bytes).unwrap_or_default()),
    };
    if args.dry_run {
        match start.ui.is_json() {
            true => start.ui.answer_json(&answer(None, Phase::Draft))?,
            false => start.ui.answer_bytes(&bytes)?,
        }
        return Ok(Exit::Done);
    }
    let (appended, phase) = source::record(&store, &draft)?;
    if start.ui.is_json() {
        start.ui.answer_json(&answer(Some(&appended), phase))?;
        return Ok(Exit::Done);
    }
    for guess in &draft.guessed {
        start.ui.say(&format!("guessed: {guess}"))?;
    }
    let what = if appended.new { "compiled" } else { "unchanged" };
    let (slices, checks) = (draft.spec.slices.len(), draft.spec.checks().count());
    start.ui.answer(&format!("{what}: spec {id} at {}, {slices} slices, {checks} checks\n", appended.commit.short()))?;
    if phase == Phase::Draft {
        start.ui.say(&format!("next: git otto approve {id}"))?;
    }
    Ok(Exit::Done)
}
