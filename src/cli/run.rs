//! `git otto run`: an intent becomes a landed, proven product.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure, Oid, RunId,
        text::{count, one_line},
    },
    cli::{
        Start, amended,
        amended::Version,
        approve::{self, Decision},
        drive::{Driven, Driver, drive},
        progress::{verdict_style, verdict_word},
        prose::{self, Wish},
        resume,
        session::{self, Choices, approved},
        source::{self, Source},
        team,
    },
    git::Head,
    journal::{self, event::Verdict},
    report,
    store::{
        Store, lease, names,
        record::{self, Phase},
        run,
    },
};

/// Turn an intent into a landed, proven product.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The intent: a file, - for standard input, the id of a spec, or what is wanted in your own words
    #[arg(value_name = "INTENT")]
    intent: String,
    /// The intent is prose, not the name of a file or spec
    #[arg(long)]
    text: bool,
    #[command(flatten)]
    wish: Wish,
    /// Approve without asking
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    choices: Choices,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    store.repo.identity(start.world.clock.now())?;
    let source = source::resolve(start, &store, &args.intent, args.text)?;
    run_source(start, &store, source, &args.wish, args.yes, &args.choices).map_err(|failure| {
        // The machine failed, and how far it had come is for the next command to find out.
        let next = "git otto resume    (if there is nothing to resume yet: the same command again)".to_owned();
        let hint = failure.hint.or_else(|| (failure.exit == Exit::Internal).then_some(next));
        Failure { hint, ..failure }
    })
}

/// The story of a run: compile, approve, build and land, judge, show.
pub fn run_source(
    start: &Start,
    store: &Store,
    source: Source,
    wish: &Wish,
    yes: bool,
    choices: &Choices,
) -> Result<Exit, Failure> {
    let source = match source::settle(start, source)? {
        Source::Prose(prose) => match prose::known(store, &prose, wish)? {
            Some(id) => {
                start.ui.say(&format!("{id} was compiled from this intent before; to compile it anew: git otto compile"))?;
                Source::Spec(id)
            }
            None => Source::Prose(prose),
        },
        other => {
            wish.only_of_prose()?;
            other
        }
    };
    let mut calls = Vec::new();
    let (held, mut commit, phase, mut guessed) = match source {
        Source::Prose(prose) => {
            // Who is missing is told before anybody is paid.
            team::compiler(start, store, &choices.whom)?;
            if !team::has_builder(start, store, &choices.whom) {
                let text = "prose carries no code, and no agent is set up that builds it";
                return Err(Failure::new(Exit::Agent, text)
                    .hint("git config otto.agent <agent>    (git otto agents lists what there is)\nor write it yourself: docs/intent.md"));
            }
            let draft = prose::compile(start, store, &prose, None, wish, choices)?;
            let held = lease::lock_spec(store, &draft.spec.id, "git otto run")?;
            // What was paid for is kept, whatever else is not ready.
            let (appended, phase) = source::record(store, &draft)?;
            session::ready(start, store, &draft.spec, choices)?;
            calls = draft.calls;
            (held, appended.commit, phase, draft.guessed)
        }
        Source::Text(text, name, folder) => {
            let draft = match name.ends_with(".json") {
                true => source::read_spec(&text, &name, folder.as_deref(), &Default::default())?,
                false => source::compile(start, store, &text, &name, wish.id.as_ref())?,
            };
            let held = lease::lock_spec(store, &draft.spec.id, "git otto run")?;
            let tip = record::tip(&store.repo, &draft.spec.id)?;
            let known = tip.map(|tip| record::load(&store.repo, tip)).transpose()?;
            if known.is_none_or(|r| r.record.kind.phase() == Phase::Draft) {
                session::ready(start, store, &draft.spec, choices)?;
            }
            let (appended, phase) = source::record(store, &draft)?;
            (held, appended.commit, phase, draft.guessed)
        }
        Source::Spec(id) => {
            let held = lease::lock_spec(store, &id, "git otto run")?;
            let gone = || Failure::new(Exit::Usage, format!("the spec {id} is gone")).hint("git otto status");
            let commit = record::tip(&store.repo, &id)?.ok_or_else(gone)?;
            let phase = record::load(&store.repo, commit)?.record.kind.phase();
            if phase == Phase::Draft {
                session::ready(start, store, &approved(store, commit)?.0, choices)?;
            }
            (held, commit, phase, Vec::new())
        }
    };
    resume::tidy(start, store, &held)?;
    let commit = match phase {
        Phase::Draft => loop {
            let writer = approve::Asking { whom: Some(&choices.whom), again: approve::is_of_prose(store, commit)? };
            match approve::approve(start, store, commit, yes, &guessed, &writer)? {
                Decision::Approved(commit) => break commit,
                Decision::Later => return Ok(Exit::Refused),
                Decision::Again(remark) => {
                    let (spec, stored) = approved(store, commit)?;
                    let before = String::from_utf8_lossy(&stored.spec_bytes).into_owned();
                    let wish = Wish { id: Some(spec.id.clone()), kind: Some(spec.project_kind), trials: None };
                    let draft = prose::compile(start, store, &spec.intent, Some((&before, &remark)), &wish, choices)?;
                    commit = source::record(store, &draft)?.0.commit;
                    calls.extend(draft.calls);
                    guessed = draft.guessed;
                }
            }
        },
        Phase::Approved => commit,
        Phase::Closed => {
            let text = format!("the spec {} is closed", held.spec());
            return Err(Failure::new(Exit::Refused, text).hint("start another one: git otto run --id <id> <intent>"));
        }
    };
    if let Some(last) = run::newest(&store.repo, held.spec())? {
        let (at, anchor) = run::load(&store.repo, &last)?;
        let state = journal::read(&store.repo, &last, at)?.state;
        match &state.finished {
            None => {
                start.ui.say(&format!("going on with {last}"))?;
                return resume::go_on(start, store, held, &last, choices);
            }
            Some(end) => {
                let then = Version::load(store, state.spec().unwrap_or(anchor.spec_commit), anchor.limits)?.plan;
                if end.verdict == Verdict::Passed && then.spec_commit == commit {
                    start.ui.say("nothing changed since it passed")?;
                    session::catch_up(start, store, held, &last, choices)?;
                    return conclude(start, store, &last);
                }
                if then.spec_commit != commit {
                    start.ui.say(&amended::anew(&then, &state, &approved(store, commit)?.0))?;
                }
            }
        }
    }
    let driver = session::begin(start, store, held, commit, choices)?;
    for call in calls.iter().filter(|_| driver.gate.records) {
        driver.gate.keep_recording(&call.name(), call.line()?)?;
    }
    drive_to_the_end(start, store, driver)
}

/// Puts right what a dead process left, drives the run to its end, and says how it ended.
pub fn drive_to_the_end(start: &Start, store: &Store, driver: Arc<Driver>) -> Result<Exit, Failure> {
    let id = driver.gate.run.clone();
    let again = || format!("git otto resume {id}");
    let driven = driver.survey().and_then(|found| driver.repair(&found)).and_then(|()| drive(start, driver.clone()));
    if let Ok(driver) = Arc::try_unwrap(driver)
        && driven.is_ok()
    {
        driver.give_back()?;
    }
    match driven {
        Ok(Driven::Finished(_)) => conclude(start, store, &id),
        Ok(Driven::Interrupted) => {
            start.ui.say(&format!("interrupted; to go on: {}", again()))?;
            Ok(Exit::Interrupted)
        }
        Err(failure) => Err(Failure { hint: failure.hint.or_else(|| Some(again())), ..failure }),
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    verdict: Verdict,
    why: &'a [String],
    packet: String,
    packet_json: String,
}

/// Writes the packet of a finished run and says how it ended.
pub fn conclude(start: &Start, store: &Store, id: &RunId) -> Result<Exit, Failure> {
    let (at, anchor) = run::load(&store.repo, id)?;
    let state = journal::read(&store.repo, id, at)?.state;
    let packet = report::packet(&store.repo, id)?;
    let paths = report::write(&store.repo, id, &packet)?;
    let end = state.finished.ok_or_else(|| Failure::new(Exit::Internal, format!("{id} is not finished")))?;
    let exit = match end.verdict {
        Verdict::Passed => Exit::Done,
        Verdict::Partial => Exit::Partial,
        Verdict::Blocked => Exit::Blocked,
    };
    stays_behind(start, store, id, &anchor.target, end.target)?;
    if start.ui.is_json() {
        let (packet, packet_json) = (paths.markdown.display().to_string(), paths.json.display().to_string());
        let answer = Answer { schema: "otto.run/1", run: id, verdict: end.verdict, why: &end.why, packet, packet_json };
        start.ui.answer_json(&answer)?;
        return Ok(exit);
    }
    let word = start.ui.paint_answer(verdict_style(end.verdict), verdict_word(end.verdict));
    let branch = anchor.target.strip_prefix("refs/heads/").unwrap_or(&anchor.target);
    let spare = state.slices.values().filter(|s| s.redundant.is_some()).count();
    let spare = if spare == 0 { String::new() } else { format!(", {spare} not needed") };
    let landed = count(state.landings.len(), "slice");
    start.ui.answer(&format!("{word}: {landed} landed on {branch} ({}){spare}\n", end.target.short()))?;
    for why in &end.why {
        start.ui.answer(&format!("  {}\n", one_line(why, 300)))?;
    }
    if packet.is_literate() {
        start.ui.say(report::NO_MODEL)?;
    }
    start.ui.answer(&format!("packet: {}\n", paths.markdown.display()))?;
    Ok(exit)
}

/// Says where the landings are when the branch is not there yet, since somebody has it checked out.
fn stays_behind(start: &Start, store: &Store, id: &RunId, target: &str, landed: Oid) -> Result<(), Failure> {
    let behind = store.repo.refs().read(target)?.map(|found| store.repo.is_ancestor(landed, found)).transpose()?;
    let heads = store.repo.checked_out()?;
    let there = heads.iter().find(|(_, head)| matches!(head, Head::Branch(name, _) if name == target));
    if let (Some(false), Some((dir, _))) = (behind, there) {
        let branch = target.strip_prefix("refs/heads/").unwrap_or(target);
        start.ui.say(&format!("{branch} is checked out in {} and stays where it is; to move it:", dir.display()))?;
        start.ui.say(&format!("  git -C {} merge {}", dir.display(), names::target(id)))?;
    }
    Ok(())
}
