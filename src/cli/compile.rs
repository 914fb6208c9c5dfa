//! `git otto compile`: an intent becomes a draft spec.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, Oid, Sha256, SpecId},
    cli::{
        Start,
        source::{self, Source},
    },
    spec,
    store::record::{By, Phase},
};

/// Compile an intent into a draft spec.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The intent: a Markdown file, or - for standard input
    #[arg(value_name = "INTENT", required_unless_present = "spec")]
    intent: Option<String>,
    /// Take this spec, in JSON, instead of an intent (- for standard input)
    #[arg(long, value_name = "FILE", conflicts_with = "intent")]
    spec: Option<String>,
    /// The id of the spec [default: from its title]
    #[arg(long, value_name = "ID")]
    id: Option<SpecId>,
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
    let (named, is_spec) = match (&args.spec, &args.intent) {
        (Some(spec), _) => (spec.as_str(), true),
        (None, intent) => (intent.as_deref().unwrap_or("-"), false),
    };
    let (text, name, folder) = match source::resolve(start, &store, named, false)? {
        Source::Text(text, name, folder) => (text, name, folder),
        Source::Spec(id) => {
            let text = format!("{id} is a spec already; compile takes an intent");
            return Err(Failure::new(Exit::Usage, text).hint(format!("git otto show {id}")));
        }
    };
    let draft = if is_spec {
        source::read_spec(&text, &name, folder.as_deref())?
    } else {
        source::compile(start, &store, &text, &name, args.id.as_ref())?
    };
    if is_spec && args.id.as_ref().is_some_and(|id| *id != draft.spec.id) {
        return Err(Failure::new(Exit::Usage, format!("{name} is the spec {}, which --id cannot change", draft.spec.id)));
    }
    let bytes = spec::write(&draft.spec);
    if args.dry_run {
        start.ui.answer_bytes(&bytes)?;
        return Ok(Exit::Done);
    }
    store.repo.identity(start.world.clock.now())?;
    let by = if is_spec { By::User } else { By::Otto };
    let (appended, phase) = source::record(&store, &draft, by)?;
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
