//! `git otto push`: brings specs and runs to a remote.

use crate::{
    base::{Exit, Failure},
    cli::{Start, share},
    sync::{self, Options},
};

/// Push specs and runs to a remote, with the branches that the runs land on; what the remote has meanwhile is fetched and
/// brought together first.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    whom: share::Whom,
    /// Leave the branches that runs land on out of it
    #[arg(long)]
    no_branch: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let options = Options { branches: !args.no_branch, ..args.whom.options(start, &store, None)? };
    let report = sync::push(&store, &options)?;
    share::tell(start, "push", &report, options.dry_run)
}
