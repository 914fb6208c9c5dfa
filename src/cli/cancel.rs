//! `git otto cancel`: a slice or a run is stopped at once, for good.

use crate::{
    base::{Exit, Failure},
    cli::{
        Start,
        asking::{Said, meant},
    },
    journal::state::CANCEL,
};

/// Stop slices, or a whole run, at once. What agents had written is kept, what has landed stays, what needs a cancelled slice
/// is not built. A cancelled run is judged as it is and ends. To begin a slice anew: git otto retry.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The slices; or the run, or the spec whose newest run is meant
    #[arg(value_name = "SLICE|RUN")]
    names: Vec<String>,
    #[command(flatten)]
    said: Said,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    if args.names.is_empty() && args.said.run.is_none() {
        let text = "a run is not cancelled without its name";
        return Err(Failure::new(Exit::Usage, text).hint("git otto cancel <slice or run>    (git otto status names them)"));
    }
    let store = start.store()?;
    let (known, slices) = meant(&store, &args.names, args.said.run.as_deref(), "git otto cancel")?;
    let asked = known.have(start, &store, CANCEL, &slices, &args.said)?;
    let exit = known.tell(start, "otto.cancel/1", &asked, args.said.dry_run)?;
    known.say_who_goes_on(start, &store)?;
    Ok(exit)
}
