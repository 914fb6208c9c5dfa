//! `git otto amend`: an approved spec changes, with a reason.

use crate::{
    base::{Exit, Failure, SpecId},
    cli::{
        Start,
        revise::{self, Input, Manner},
    },
    store::record::Kind,
};

/// Change an approved spec, in the editor or by one of the options, and say why.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec
    #[arg(value_name = "SPEC")]
    spec: SpecId,
    #[command(flatten)]
    input: Input,
    /// Take this requirement back, with a slice that removes what was built for it; may be repeated
    #[arg(long, value_name = "REQUIREMENT", conflicts_with_all = ["file", "set", "patch", "view"])]
    retire: Vec<String>,
    /// Change the intent itself: what was asked for
    #[arg(long)]
    override_intent: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let kind = if args.retire.is_empty() { Kind::Amend } else { Kind::Retire };
    let manner = Manner { kind, retire: args.retire, override_intent: args.override_intent, is_asked: false };
    revise::revise(start, &args.spec, &args.input, &manner)
}
