//! `git otto skip`: a run goes on without a slice.

use crate::{
    base::{Exit, Failure},
    cli::{
        Start,
        asking::{Said, meant},
    },
    journal::state::SKIP,
};

/// Leave slices out of a run, with all that needs them. One that is at work is left out when its step has ended, unless it has
/// landed by then; git otto cancel stops it at once. To begin it anew: git otto retry.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The slices
    #[arg(value_name = "SLICE", required = true)]
    slices: Vec<String>,
    #[command(flatten)]
    said: Said,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let (known, slices) = meant(&store, &args.slices, args.said.run.as_deref(), "git otto skip")?;
    if slices.is_empty() {
        let text = format!("{} is a run, not a slice", known.id);
        return Err(Failure::new(Exit::Usage, text).hint(format!("git otto cancel {}", known.id)));
    }
    let asked = known.have(start, &store, SKIP, &slices, &args.said)?;
    let exit = known.tell(start, "otto.skip/1", &asked, args.said.dry_run)?;
    known.say_who_goes_on(start, &store)?;
    Ok(exit)
}
