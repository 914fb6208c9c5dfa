//! `git otto audit`: a finished run is judged once more, and its journal says so.

use std::sync::Arc;

use crate::{
    base::{Exit, Failure, text::count},
    cli::{
        Start, drive,
        run::ended,
        session::{self, Choices},
        show::{run_named, spec_in},
        team::Whom,
    },
    journal,
    plan::model::Plan,
    store::{lease, run},
};

/// Judge a finished run once more: all checks on a fresh checkout of its target, and the auditor where one is set up.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the spec whose newest run is meant [default: the newest run]
    #[arg(value_name = "SPEC|RUN")]
    name: Option<String>,
    /// Say what would be done; do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    whom: Whom,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let id = run_named(&store.repo, args.name.as_deref())?;
    let held = lease::lock_spec(&store, id.spec(), &format!("git otto audit {id}"))?;
    let (at, anchor) = run::load(&store.repo, &id)?;
    let state = journal::read(&store.repo, &id, at)?.state;
    if state.finished.is_none() {
        let text = format!("the run {id} has not come to its end, which an audit is part of");
        return Err(Failure::new(Exit::Refused, text).hint(format!("git otto resume {id}")));
    }
    if args.dry_run {
        let version = state.spec().unwrap_or(anchor.spec_commit);
        let plan = Plan::new(version, spec_in(&store.repo, version)?, anchor.limits);
        let checks = count(plan.spec.checks().count(), "check");
        start.ui.answer(&format!("would run {checks} of {id} on a fresh checkout of {}\n", anchor.target))?;
        return Ok(Exit::Done);
    }
    store.repo.identity(start.world.clock.now())?;
    let choices = Choices { whom: args.whom, ..Choices::default() };
    let driver = session::reopen(start, &store, held, &id, &choices)?;
    let driven = drive::judge(start, &driver);
    if let (Ok(driver), true) = (Arc::try_unwrap(driver), driven.is_ok()) {
        driver.give_back(&start.ui)?;
    }
    ended(start, &store, &id, driven)
}
