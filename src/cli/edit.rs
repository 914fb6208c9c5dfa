//! `git otto edit`: the draft of a spec changes before it is approved.

use crate::{
    base::{Exit, Failure, SpecId},
    cli::{
        Start,
        revise::{self, Input, Manner},
    },
    store::record::Kind,
};

/// Change the draft of a spec, in the editor or by one of the options.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec
    #[arg(value_name = "SPEC")]
    spec: SpecId,
    #[command(flatten)]
    input: Input,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let manner = Manner { kind: Kind::Edit, retire: Vec::new(), override_intent: false, is_asked: false };
    revise::revise(start, &args.spec, &args.input, &manner)
}
