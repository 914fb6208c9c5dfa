//! `git otto remote`: has git fetch specs and runs from a remote.

use serde::Serialize;

use crate::{
    base::{Exit, Failure},
    cli::Start,
    sync,
};

/// Set up what git itself fetches from a remote.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Have every `git fetch` and `git pull` bring specs and runs along, into refs that nothing local depends on
    Add {
        /// The remote; it is made if there is none of that name
        name: String,
        /// Where it is; needed for a new one
        url: Option<String>,
        /// Say what would be added to the configuration
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    remote: &'a str,
    new: bool,
    refspecs: &'a [String],
    dry_run: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    let What::Add { name, url, dry_run } = args.what;
    let added = sync::add(&repo, &name, url.as_deref(), dry_run)?;
    if start.ui.is_json() {
        let (new, refspecs) = (added.new, added.refspecs.as_slice());
        start.ui.answer_json(&Answer { schema: "otto.remote/1", remote: &name, new, refspecs, dry_run })?;
        return Ok(Exit::Done);
    }
    if added.refspecs.is_empty() {
        start.ui.answer(&format!("git fetches specs and runs from {name} already\n"))?;
    }
    for refspec in &added.refspecs {
        start.ui.answer(&format!("remote.{name}.fetch = {refspec}\n"))?;
    }
    start.ui.say(&format!("next: git otto fetch {name}"))?;
    Ok(Exit::Done)
}
