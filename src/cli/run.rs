//! `git otto run`: an intent becomes a landed, proven product.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure, Oid, RunId,
        text::{count, one_line},
    },
    baseline::{Baseline, take_along},
    cli::{
        Start, amended,
        amended::Version,
        approve::{self, Decision},
        baseline,
        drive::{Driven, Driver, drive},
        preview,
        progress::{verdict_style, verdict_word},
        prose::{self, Wish},
        rerun::{self, Consent},
        resume,
        session::{self, Choices, approved},
        source::{self, Source},
        team,
    },
    git::Head,
    journal::{self, event::Verdict},
    report, spec,
    store::{
        Store, lease,
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
    #[command(flatten)]
    consent: Consent,
    /// Say what would be done; write nothing, run nothing, ask nobody
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    choices: Choices,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    store.repo.identity(start.world.clock.now())?;
    let source = source::resolve(start, &store, &args.intent, args.text)?;
    if args.dry_run {
        return preview::preview(start, &store, source, &args.wish, &args.choices);
    }
    run_source(start, &store, source, &args.wish, &args.consent, &args.choices).map_err(|failure| {
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
    consent: &Consent,
    choices: &Choices,
) -> Result<Exit, Failure> {
    let (mut calls, mut measured) = (Vec::new(), Baseline::default());
    let (held, mut commit, phase, mut guessed) = match prose::settle(start, store, source, wish)? {
        Source::Prose(prose) => {
            // Who is missing is told before anybody is paid.
            team::compiler(start, store, &choices.whom)?;
            if !team::has_builder(start, store, &choices.whom) {
                let text = "prose carries no code, and no agent is set up that builds it";
                return Err(Failure::new(Exit::Agent, text)
                    .hint("git config otto.agent <agent>    (git otto agents lists what there is)\nor write it yourself: docs/intent.md"));
            }
            if let Some(id) = &wish.id {
                prose::is_open(store, id)?;
            }
            let branch = choices.target.as_deref().map(session::branch);
            measured = baseline::measure(start, store, branch.as_deref(), None, !wish.no_baseline)?;
            let mut draft = prose::compile(start, store, &prose, None, wish, choices)?;
            measured.keep(&mut draft.spec);
            let held = lease::lock_spec(store, &draft.spec.id, "git otto run")?;
            // What was paid for is kept, whatever else is not ready.
            let (appended, phase) = source::record(store, &draft)?;
            session::ready(start, store, &draft.spec, choices)?;
            calls = draft.calls;
            (held, appended.commit, phase, draft.guessed)
        }
        Source::Text(text, name, folder) => {
            let is_whole = source::is_json(&name);
            let mut draft = source::draft(start, store, &text, &name, folder.as_deref(), wish.id.as_ref())?;
            let held = lease::lock_spec(store, &draft.spec.id, "git otto run")?;
            let tip = record::tip(&store.repo, &draft.spec.id)?;
            let known = tip.map(|tip| record::load(&store.repo, tip)).transpose()?;
            if let Some(known) = known.as_ref().filter(|_| !is_whole) {
                baseline::take_along(&mut draft, known);
            }
            let phase = known.as_ref().map_or(Phase::Draft, |known| known.record.kind.phase());
            if phase == Phase::Draft {
                session::ready(start, store, &draft.spec, choices)?;
            }
            if known.is_none() && !is_whole {
                measured = baseline::keep(start, store, &mut draft, !wish.no_baseline, choices.target.as_deref())?;
            }
            match known.filter(|_| phase == Phase::Approved) {
                Some(known) => {
                    if known.spec_bytes != spec::write(&draft.spec) {
                        session::ready(start, store, &draft.spec, choices)?;
                    }
                    let commit = rerun::amend(start, store, &draft, known.commit, consent, &name)?;
                    (held, commit, phase, Vec::new())
                }
                None => {
                    let (appended, phase) = source::record(store, &draft)?;
                    (held, appended.commit, phase, draft.guessed)
                }
            }
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
            let again = approve::is_of_prose(store, commit)?;
            let writer = approve::Asking { whom: Some(&choices.whom), again, baseline: Some(&measured) };
            match approve::approve(start, store, commit, consent.yes, &guessed, &writer)? {
                Decision::Approved(commit) => break commit,
                Decision::Later => return Ok(Exit::Refused),
                Decision::Again { draft, remark } => {
                    let (spec, stored) = approved(store, draft)?;
                    let before = String::from_utf8_lossy(&stored.spec_bytes).into_owned();
                    let (id, kind) = (Some(spec.id.clone()), Some(spec.project_kind));
                    let wish = Wish { id, kind, ..Wish::default() };
                    let again = Some((before.as_str(), remark.as_str()));
                    let mut draft = prose::compile(start, store, &spec.intent, again, &wish, choices)?;
                    take_along(&spec, &mut draft.spec);
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
    let driver = session::begin(start, store, held, commit, choices, &measured)?;
    for call in calls.iter().filter(|_| driver.gate.records) {
        driver.gate.keep_recording(&call.name(), call.line()?)?;
    }
    drive_to_the_end(start, store, driver)
}

/// Puts right what a dead process left, drives the run to its end, and says how it ended.
pub fn drive_to_the_end(start: &Start, store: &Store, driver: Arc<Driver>) -> Result<Exit, Failure> {
    let id = driver.gate.run.clone();
    let driven = driver.survey().and_then(|found| driver.repair(&found)).and_then(|()| drive(start, driver.clone()));
    if let Ok(driver) = Arc::try_unwrap(driver)
        && driven.is_ok()
    {
        driver.give_back(&start.ui)?;
    }
    ended(start, store, &id, driven)
}

/// Says how the work on a run ended.
pub fn ended(start: &Start, store: &Store, id: &RunId, driven: Result<Driven, Failure>) -> Result<Exit, Failure> {
    let again = || format!("git otto resume {id}");
    match driven {
        Ok(Driven::Finished(_)) => conclude(start, store, id),
        Ok(Driven::Interrupted) => {
            start.ui.say(&format!("interrupted; to go on: {}", again()))?;
            Ok(Exit::Interrupted)
        }
        Ok(Driven::Paused(still)) => {
            let go_on = still.slice.map_or_else(again, |slice| format!("git otto resume {slice} --run {id}"));
            start.ui.say(&format!("{}; to go on: {go_on}", still.why))?;
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
    packet_html: String,
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
        let [packet, packet_html, packet_json] =
            [&paths.markdown, &paths.html, &paths.json].map(|path| path.display().to_string());
        let (verdict, why) = (end.verdict, &end.why);
        let answer = Answer { schema: "otto.run/1", run: id, verdict, why, packet, packet_html, packet_json };
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
    start.ui.answer(&format!("page: {}\n", paths.html.display()))?;
    let partial = if end.verdict == Verdict::Passed { "" } else { " --partial" };
    if !state.landings.is_empty() && !delivered(store, end.target)? {
        start.ui.say(&format!("to bring it into your branch: git otto deliver {}{partial}", id.spec()))?;
    }
    start.ui.answer(&format!("packet: {}\n", paths.markdown.display()))?;
    Ok(exit)
}

/// Whether what is checked out contains what a run ended with.
pub fn delivered(store: &Store, commit: Oid) -> Result<bool, Failure> {
    match store.repo.head()? {
        Head::Detached(at) | Head::Branch(_, Some(at)) => Ok(store.repo.is_ancestor(commit, at)?),
        Head::Branch(_, None) => Ok(false),
    }
}

/// Says where the landings are when the branch is not there yet, since somebody has it checked out.
fn stays_behind(start: &Start, store: &Store, id: &RunId, target: &str, landed: Oid) -> Result<(), Failure> {
    let behind = store.repo.refs().read(target)?.map(|found| store.repo.is_ancestor(landed, found)).transpose()?;
    let heads = store.repo.checked_out()?;
    let there = heads.iter().find(|(_, head)| matches!(head, Head::Branch(name, _) if name == target));
    if let (Some(false), Some((dir, _))) = (behind, there) {
        let branch = target.strip_prefix("refs/heads/").unwrap_or(target);
        start.ui.say(&format!("{branch} is checked out in {} and stays where it is; to move it:", dir.display()))?;
        start.ui.say(&format!("  git -C {} otto deliver {id}", dir.display()))?;
    }
    Ok(())
}
