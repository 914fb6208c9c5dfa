//! `git otto compile`: an intent becomes a draft spec.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId},
    cli::{
        Start,
        prose::{self, Wish},
        session::Choices,
        source::{self, Draft, Source},
        team::Whom,
    },
    spec,
    store::record::{By, Phase},
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
    let draft = match source {
        Source::Text(text, name, folder) if is_spec => {
            let draft = source::read_spec(&text, &name, folder.as_deref(), &Default::default())?;
            let id = &draft.spec.id;
            if args.wish.id.as_ref().is_some_and(|wanted| wanted != id) {
                let text = format!("{name} is the spec {id}, which --id cannot change");
                return Err(Failure::new(Exit::Usage, text));
            }
            Draft { by: By::User, ..draft }
        }
        Source::Text(text, name, _) => source::compile(start, &store, &text, &name, args.wish.id.as_ref())?,
        Source::Prose(_) if is_spec => {
            return Err(Failure::new(Exit::Usage, format!("{named:?} is no file")).hint("git otto compile --spec <file>"));
        }
        Source::Prose(prose) => {
            let choices = Choices { whom: args.whom.clone(), ..Choices::default() };
            prose::compile(start, &store, &prose, None, &args.wish, &choices)?
        }
        Source::Spec(id) => {
            let text = format!("{id} is a spec already; compile takes an intent");
            return Err(Failure::new(Exit::Usage, text).hint(format!("git otto show {id}")));
        }
    };
    let bytes = spec::write(&draft.spec);
    if args.dry_run {
        start.ui.answer_bytes(&bytes)?;
        return Ok(Exit::Done);
    }
    let (appended, phase) = source::record(&store, &draft)?;
    let id = &draft.spec.id;
    if start.ui.is_json() {
        start.ui.answer_json(&Answer {
            schema: "otto.compile/1",
            spec: id,
            digest: Sha256::of(&bytes),
            commit: Some(appended.commit),
            new: appended.new,
            approved: phase == Phase::Approved,
            guessed: &draft.guessed,
        })?;
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
