//! `git otto pause`: a slice or a run goes no further for now.

use crate::{
    base::{Exit, Failure},
    cli::{
        Start,
        asking::{Said, meant},
    },
    journal::state::PAUSE,
};

/// Keep slices, or a whole run, from going on. What is under way ends its step; a paused slice is neither begun nor landed,
/// and the process that works on a paused run ends. To go on: git otto resume.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The slices; or the run, or the spec whose newest run is meant [default: the one unfinished run]
    #[arg(value_name = "SLICE|RUN")]
    names: Vec<String>,
    #[command(flatten)]
    said: Said,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let (known, slices) = meant(&store, &args.names, args.said.run.as_deref(), "git otto pause")?;
    let asked = known.have(start, &store, PAUSE, &slices, &args.said)?;
    let exit = known.tell(start, "otto.pause/1", &asked, args.said.dry_run)?;
    let go_on = match slices.as_slice() {
        [] => format!("git otto resume {}", known.id),
        [first, ..] => format!("git otto resume {first} --run {}", known.id),
    };
    start.ui.say(&format!("to go on: {go_on}"))?;
    Ok(exit)
}
