//! `git otto retry`: a slice that came to nothing begins anew.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, RunId, SliceId},
    cli::{
        Start,
        asking::Known,
        run::drive_to_the_end,
        session::{self, Choices},
    },
    journal::state::RETRY,
    plan::asked::may_retry,
    store::lease::{self, Owner},
};

/// Have a slice that came to nothing begin anew, with a word to whoever builds it. Its limits count from there on, but for
/// money; slices that were blocked for its sake go on, too; what has landed stays.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The slice
    #[arg(value_name = "SLICE")]
    slice: SliceId,
    /// The run, or the spec whose newest run is meant [default: the newest run with that slice]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// What the agent is told with its next attempt
    #[arg(long, short = 'm', value_name = "HINT")]
    message: Option<String>,
    /// Say what would be done; do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    choices: Choices,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    slice: &'a SliceId,
    /// The event that asks; none where that was not written.
    request: Option<String>,
    /// What the process that works on the run says.
    result: Option<String>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    store.repo.identity(start.world.clock.now())?;
    let slice = &args.slice;
    let of_run = Known::with(
        Known::candidates(&store, args.run.as_deref())?,
        std::slice::from_ref(slice),
        |run| format!("git otto retry {slice} --run {run}"),
    )?;
    let id = &of_run.id;
    may_retry(&of_run.plan, &of_run.state, slice).map_err(|why| {
        let text = format!("`{slice}` cannot begin anew in {id}: {why}");
        Failure::new(Exit::Refused, text).hint(format!("git otto status {id}\nor a new run: git otto run {}", id.spec()))
    })?;
    let answer = |request, result| Answer { schema: "otto.retry/1", run: id, slice, request, result };
    if args.dry_run {
        match start.ui.is_json() {
            true => start.ui.answer_json(&answer(None, None))?,
            false => start.ui.answer(&format!("`{slice}` would begin anew in {id}\n"))?,
        }
        return Ok(Exit::Done);
    }
    let ask = || of_run.ask(&store, RETRY, slice, None, args.message.as_deref());
    if let Owner::Live(_) | Owner::Elsewhere(_) = lease::owner(&store, id)? {
        let request = ask()?;
        let result = of_run.result(start, &store, &request)?;
        if start.ui.is_json() {
            start.ui.answer_json(&answer(Some(request.id), result))?;
        } else {
            match result {
                Some(result) => start.ui.answer(&format!("{slice}: {result}\n"))?,
                None => start.ui.answer(&format!(
                    "{slice}: asked for; the process that works on the run has not said anything yet: git otto resume {id}\n"
                ))?,
            }
        }
        return Ok(Exit::Done);
    }
    let held = lease::lock_spec(&store, id.spec(), &format!("git otto retry {slice}"))?;
    ask()?;
    let driver = session::reopen(start, &store, held, id, &args.choices)?;
    drive_to_the_end(start, &store, driver)
}
