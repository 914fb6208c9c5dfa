//! `git otto bundle`: specs and runs in one file.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    base::{Exit, Failure, SpecId, text::one_line},
    cli::{Start, share},
    sync::{self, Bundled, Options},
};

/// Put specs and runs into one file that can be verified offline, or take them out of one.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write specs, their runs and the branches that these landed on, with everything that they need
    Create {
        /// The file to write
        file: PathBuf,
        /// The specs [default: all]
        specs: Vec<SpecId>,
    },
    /// Recheck a file from nothing but itself
    Verify {
        /// The file
        file: PathBuf,
    },
    /// Take a file in, as a fetch takes in what a remote has
    Unbundle {
        /// The file
        file: PathBuf,
        /// Say what would move
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    ok: bool,
    #[serde(flatten)]
    bundled: &'a Bundled,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let there = |file: PathBuf| start.world.env.cwd.join(file);
    let bundled = match args.what {
        What::Create { file, specs } => sync::create(&start.store()?, &there(file), &specs)?,
        What::Verify { file } => sync::verify(&there(file))?,
        What::Unbundle { file, dry_run } => {
            let store = start.store()?;
            let options = Options { dry_run, ..Options::default() };
            let report = sync::unbundle(&store, &there(file), &options)?;
            return share::tell(start, "bundle", &report, dry_run);
        }
    };
    let ok = bundled.violations.is_empty();
    if start.ui.is_json() {
        start.ui.answer_json(&Answer { schema: "otto.bundle/1", ok, bundled: &bundled })?;
    } else {
        let specs: Vec<String> = bundled.specs.iter().map(ToString::to_string).collect();
        let runs = bundled.runs;
        let text = format!("{}: {runs} {}, {} refs", specs.join(", "), if runs == 1 { "run" } else { "runs" }, bundled.refs.len());
        start.ui.answer(&format!("{}{text}\n", if ok { "ok   " } else { "BAD  " }))?;
    }
    let mut bad = bundled.violations.iter().map(|v| format!("{}: {}", one_line(&v.place, 120), one_line(&v.message, 300)));
    let Some(first) = bad.next() else { return Ok(Exit::Done) };
    let causes = bad.map(|line| format!("also {line}")).collect();
    let hint = "ask whoever made the file".to_owned();
    Err(Failure { exit: Exit::Refused, message: first, causes, hint: Some(hint) })
}
