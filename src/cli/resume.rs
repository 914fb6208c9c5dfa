//! `git otto resume`: go on with a run that was interrupted.

use crate::{
    base::{Exit, Failure, RunId, procs, text::one_line},
    cli::{
        Start,
        asking::{self, Known, LetGo},
        foresee::{Foreseen, foresee},
        run::{conclude, drive_to_the_end},
        session::{self, Choices},
    },
    journal::{self, state::RETRY},
    recover,
    store::{
        Store,
        lease::{self, SpecLock},
        record, run,
    },
    workspace,
};

/// Go on with a run that was interrupted or paused, or with a slice that was paused.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The run, or the spec whose newest run is meant; or a slice that was paused [default: the one unfinished run]
    #[arg(value_name = "RUN|SLICE")]
    name: Option<String>,
    /// The run of the slice that is named, or the spec whose newest run is meant
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Say what would be done; do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    choices: Choices,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    resume(args, start).map_err(|failure| {
        let again = || (failure.exit == Exit::Internal).then(|| "git otto resume".to_owned());
        Failure { hint: failure.hint.clone().or_else(again), ..failure }
    })
}

fn resume(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    if !args.dry_run {
        for (run, _) in lease::abandoned(&store)? {
            // Whoever holds the lock sees to it, too.
            if let Ok(held) = lease::lock_spec(&store, run.spec(), "git otto resume") {
                tidy(start, &store, &held)?;
            }
        }
    }
    let name = match asking::let_go(start, &store, args.name.as_deref(), args.run.as_deref(), args.dry_run)? {
        LetGo::Told => return Ok(Exit::Done),
        LetGo::Goes(id) => Some(id.to_string()),
        LetGo::Nothing => args.name.or(args.run),
    };
    let Some(id) = find(&store, name.as_deref())? else {
        if start.ui.is_json() {
            start.ui.answer_json(&serde_json::json!({"schema": "otto.resume/1", "run": null}))?;
        } else {
            start.ui.answer("nothing to resume: no run is unfinished\n")?;
        }
        return Ok(Exit::Done);
    };
    if args.dry_run {
        return tell(start, &foresee(start, &store, &id)?);
    }
    store.repo.identity(start.world.clock.now())?;
    let held = lease::lock_spec(&store, id.spec(), &format!("git otto resume {id}"))?;
    let foreseen = foresee(start, &store, &id)?;
    for line in foreseen.lines().filter(|_| foreseen.owner.is_none()) {
        start.ui.say(&format!("next: {line}"))?;
    }
    go_on(start, &store, held, &id, &args.choices)
}

/// Says what would be done.
fn tell(start: &Start, foreseen: &Foreseen<'_>) -> Result<Exit, Failure> {
    if start.ui.is_json() {
        start.ui.answer_json(foreseen)?;
        return Ok(Exit::Done);
    }
    let run = foreseen.run;
    match &foreseen.owner {
        Some(by) => start.ui.answer(&format!("{run} is worked on by {by}; if nobody did, this would be next:\n"))?,
        None => start.ui.answer(&format!("would go on with {run}:\n"))?,
    }
    for line in foreseen.lines() {
        start.ui.answer(&format!("  {line}\n"))?;
    }
    if let Some(remote) = foreseen.unasked.as_deref().map(|name| one_line(name, 100)) {
        let text = format!("whether another machine says at `{remote}` that it works on it was not asked: git otto fetch {remote}");
        start.ui.answer(&format!("{text}; git otto resume asks before it acts\n"))?;
    }
    Ok(Exit::Done)
}

/// Takes a run up, puts right what was left, and drives it to its end.
pub fn go_on(start: &Start, store: &Store, held: SpecLock, id: &RunId, choices: &Choices) -> Result<Exit, Failure> {
    if is_finished(store, id)? {
        session::catch_up(start, store, held, id, choices)?;
        start.ui.say(&format!("{id} is finished"))?;
        return conclude(start, store, id);
    }
    let driver = session::reopen(start, store, held, id, choices)?;
    drive_to_the_end(start, store, driver)
}

/// Removes what processes that are gone left of the spec's runs that nobody will take up: those that had come to their
/// end, and those that had not begun. The lease goes last: as long as it is there, somebody comes by.
pub fn tidy(start: &Start, store: &Store, held: &SpecLock) -> Result<(), Failure> {
    for (id, give_back) in lease::abandoned(store)?.into_iter().filter(|(id, _)| id.spec() == held.spec()) {
        let begun = run::list(&store.repo, Some(held.spec()))?.contains(&id);
        if begun && !is_finished(store, &id)? {
            continue;
        }
        let root = session::run_root(start, store, &id)?;
        for orphan in procs::orphans(&root)? {
            procs::end(&orphan, &root)?;
        }
        if begun {
            let spec = Known::load(store, id.clone())?.plan.spec;
            recover::clear_folder(store, &id, &spec, &root)?;
        }
        workspace::sweep(&start.world, &root)?;
        store.swap(&[give_back], &format!("give {id} back: its owner is gone"))?;
    }
    Ok(())
}

/// Whether a run has come to its end, and nobody wants it to go on.
pub fn is_finished(store: &Store, id: &RunId) -> Result<bool, Failure> {
    let (at, _) = run::load(&store.repo, id)?;
    let state = journal::read(&store.repo, id, at)?.state;
    let goes_on = state.requests.iter().any(|r| r.action == RETRY && r.result.is_none());
    Ok(state.finished.is_some() && !goes_on)
}

/// The run that is meant: by its own id, by its spec, or the one that is unfinished.
pub fn find(store: &Store, name: Option<&str>) -> Result<Option<RunId>, Failure> {
    if let Some(name) = name {
        if let Ok(id) = name.parse::<RunId>() {
            return Ok(Some(id));
        }
        let newest = name.parse().ok().map(|spec| run::newest(&store.repo, &spec)).transpose()?.flatten();
        return newest.map(Some).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{name:?} is neither a run nor a spec with one")).hint("git otto status")
        });
    }
    let mut open = Vec::new();
    for (spec, _) in record::list(&store.repo)? {
        if let Some(id) = run::newest(&store.repo, &spec)?
            && !is_finished(store, &id)?
        {
            open.push(id);
        }
    }
    match open.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.clone())),
        many => {
            let hint = many.iter().map(|r| format!("git otto resume {r}")).collect::<Vec<_>>().join("\n");
            Err(Failure::new(Exit::Usage, format!("{} runs are unfinished: say which", many.len())).hint(hint))
        }
    }
}
