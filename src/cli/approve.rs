//! `git otto approve`: a person approves the draft of a spec.

use crate::{
    base::{Exit, Failure, Oid, SpecId},
    cli::{
        Start,
        session::{self, Choices, approved, refuse_unrunnable},
    },
    plan::{
        model::is_self_written,
        screen::{self, ScreenFacts},
    },
    store::{
        Store, lease,
        record::{self, By, Kind, NewRecord, Phase},
    },
};

/// Approve the draft of a spec.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The spec
    #[arg(value_name = "SPEC")]
    spec: SpecId,
    /// Approve without asking
    #[arg(long, short)]
    yes: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    store.repo.identity(start.world.clock.now())?;
    let _held = lease::lock_spec(&store, &args.spec, "git otto approve")?;
    let tip = record::tip(&store.repo, &args.spec)?.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no spec {}", args.spec)).hint("git otto compile <intent>")
    })?;
    let stored = record::load(&store.repo, tip)?;
    let answer = |commit: Oid, new: bool| -> Result<(), Failure> {
        if start.ui.is_json() {
            let value = serde_json::json!({"schema": "otto.approve/1", "spec": args.spec, "commit": commit, "new": new});
            start.ui.answer_json(&value)?;
        } else {
            let what = if new { "approved" } else { "approved before" };
            start.ui.answer(&format!("{what}: spec {} at {}\n", args.spec, commit.short()))?;
            start.ui.say(&format!("next: git otto run {}", args.spec))?;
        }
        Ok(())
    };
    match stored.record.kind.phase() {
        Phase::Draft => match approve(start, &store, tip, args.yes, &[])? {
            Some(commit) => answer(commit, true)?,
            None => return Ok(Exit::Refused),
        },
        Phase::Approved => answer(tip, false)?,
        Phase::Closed => return Err(Failure::new(Exit::Refused, format!("the spec {} is closed", args.spec))),
    }
    Ok(Exit::Done)
}

/// Shows a draft on one screen and asks; gives the approving record, none if the person did not approve. Without a
/// terminal and without `yes` nobody can be asked, and nothing is approved.
pub fn approve(
    start: &Start,
    store: &Store,
    draft: Oid,
    yes: bool,
    guessed: &[String],
) -> Result<Option<Oid>, Failure> {
    let (spec, _) = approved(store, draft)?;
    refuse_unrunnable(&spec)?;
    let id = &spec.id;
    if !start.ui.is_json() {
        let limits = session::limits(store, &Choices::default())?;
        let facts = ScreenFacts {
            guessed: guessed.to_vec(),
            self_written: spec.checks().map(|(_, c)| c.id.clone()).filter(|c| is_self_written(&spec, c)).collect(),
            agent_calls: spec.slices.len() as u32 * (limits.attempts + limits.repairs),
            usd_micros: limits.run_usd_micros.unwrap_or(0),
            baseline_s: None,
        };
        start.ui.say(&screen::screen(&spec, &facts))?;
    }
    if !yes {
        let later = || {
            let text = format!("the spec {id} is not approved; its draft is kept");
            Failure::new(Exit::Refused, text).hint(format!("git otto run {id}    (asks on a terminal; --yes approves)"))
        };
        if !start.ui.can_ask() {
            return Err(later());
        }
        loop {
            match start.ui.ask("approve? [y]es, [q]uit: ")?.to_lowercase().as_str() {
                "y" | "yes" => break,
                "q" | "quit" | "n" | "no" | "" => {
                    start.ui.say(&format!("not approved; the draft is kept. Later: git otto run {id}"))?;
                    return Ok(None);
                }
                other => start.ui.say(&format!("{other:?} is neither y nor q"))?,
            }
        }
    }
    let new = NewRecord {
        kind: Kind::Approve,
        by: By::User,
        title: &spec.title,
        reason: if yes { "Approved with --yes." } else { "Approved on the approval screen." },
        trigger: None,
        tier: None,
        content: None,
        cost: None,
        merges: None,
    };
    Ok(Some(record::append(store, id, new, Some(draft))?.commit))
}
