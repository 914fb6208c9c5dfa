//! `git otto fetch`: brings specs and runs from a remote.

use crate::{
    base::{Exit, Failure},
    cli::{Start, share},
    sync,
};

/// Fetch specs and runs from a remote, verify them, and bring what is here up to them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    whom: share::Whom,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let options = args.whom.options(start, &store, None)?;
    let report = sync::fetch(&store, &options)?;
    share::tell(start, "fetch", &report, options.dry_run)
}
