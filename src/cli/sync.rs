//! `git otto sync`: brings what is new there here, and what is new here there.

use crate::{
    base::{Exit, Failure},
    cli::{Start, share},
    spec::model::merge::Side,
    sync::{self, Decision, Options},
};

/// Fetch what is new at a remote, bring together what both sides changed, and push what is new here.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    whom: share::Whom,
    /// Leave the branches that runs land on out of the push
    #[arg(long)]
    no_branch: bool,
    /// Where both sides changed the same, what was changed here counts
    #[arg(long, conflicts_with = "theirs")]
    ours: bool,
    /// Where both sides changed the same, what was changed there counts
    #[arg(long)]
    theirs: bool,
    /// Why, for the record of that decision
    #[arg(long, short = 'm', value_name = "TEXT", default_value = "")]
    reason: String,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let side = match (args.ours, args.theirs) {
        (true, _) => Some(Side::Ours),
        (_, true) => Some(Side::Theirs),
        _ => None,
    };
    if side.is_some() {
        // A decision is somebody's.
        store.repo.identity(start.world.clock.now())?;
    }
    let decision = side.map(|side| Decision { side, reason: args.reason.clone() });
    let options = Options { branches: !args.no_branch, ..args.whom.options(start, &store, decision)? };
    let report = sync::sync(&store, &options)?;
    share::tell(start, "sync", &report, options.dry_run)
}
