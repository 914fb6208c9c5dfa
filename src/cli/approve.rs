//! `git otto approve`: a person approves the draft of a spec.

use crate::{
    base::{Exit, Failure, Oid, SpecId},
    cli::{
        Start,
        session::{self, Choices, approved, refuse_unrunnable},
        team::{self, Whom},
        working_copy::{self, When},
    },
    plan::{
        model::{blocks, is_self_written},
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
    /// Write the checked-in copy of the spec, also where there is none yet
    #[arg(long)]
    write: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    store.repo.identity(start.world.clock.now())?;
    let when = When::asked(args.write);
    working_copy::place(&store.repo, when)?;
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
        working_copy::update(start, &store.repo, &args.spec, &record::load(&store.repo, commit)?, None, when)?;
        Ok(())
    };
    match stored.record.kind.phase() {
        Phase::Draft => match approve(start, &store, tip, args.yes, &[], &Asking::default())? {
            Decision::Approved(commit) => answer(commit, true)?,
            Decision::Later | Decision::Again(_) => return Ok(Exit::Refused),
        },
        Phase::Approved => answer(tip, false)?,
        Phase::Closed => return Err(Failure::new(Exit::Refused, format!("the spec {} is closed", args.spec))),
    }
    Ok(Exit::Done)
}

/// What a person decided about a draft.
pub enum Decision {
    /// They approved it: the approving record.
    Approved(Oid),
    /// They did not.
    Later,
    /// They want another one, and say why.
    Again(String),
}

/// What a person may be offered.
#[derive(Default)]
pub struct Asking<'a> {
    /// Whom they chose to write.
    pub whom: Option<&'a Whom>,
    /// Whether an agent can be asked for another spec.
    pub again: bool,
}

/// Whether an agent compiled a draft from prose, so that it can be asked again.
pub fn is_of_prose(store: &Store, draft: Oid) -> Result<bool, Failure> {
    Ok(matches!(record::load(&store.repo, draft)?.record.actor, record::Actor::Agent { .. }))
}

/// Shows a draft on one screen and asks. Without a terminal and without `yes` nobody can be asked, and nothing is
/// approved.
pub fn approve(
    start: &Start,
    store: &Store,
    draft: Oid,
    yes: bool,
    guessed: &[String],
    asking: &Asking<'_>,
) -> Result<Decision, Failure> {
    let (spec, _) = approved(store, draft)?;
    let id = &spec.id;
    if !start.ui.is_json() {
        let limits = session::limits(store, &Choices::default())?;
        let facts = ScreenFacts {
            guessed: guessed.to_vec(),
            self_written: spec.checks().map(|(_, c)| c.id.clone()).filter(|c| is_self_written(&spec, c)).collect(),
            writer: asking.whom.and_then(|whom| team::team(start, store, whom, &spec).ok()).map(|t| t.build.name()),
            agent_calls: spec.slices.iter().filter(|s| blocks(&spec, &s.id, 1).is_empty()).count() as u32
                * (limits.attempts + limits.repairs),
            usd_micros: limits.run_usd_micros.unwrap_or(0),
            baseline_s: None,
        };
        start.ui.say(&screen::screen(&spec, &facts))?;
    }
    // After the screen: it shows what stands in the way beside all else.
    refuse_unrunnable(&spec)?;
    if !yes {
        let later = || {
            let text = format!("the spec {id} is not approved; its draft is kept");
            Failure::new(Exit::Refused, text).hint(format!("git otto run {id}    (asks on a terminal; --yes approves)"))
        };
        if !start.ui.can_ask() {
            return Err(later());
        }
        loop {
            let question = if asking.again { "approve? [y]es, [a]sk again, [q]uit: " } else { "approve? [y]es, [q]uit: " };
            match start.ui.ask(question)?.to_lowercase().as_str() {
                "y" | "yes" => break,
                "a" | "ask" if asking.again => {
                    let remark = start.ui.ask("what should be different? ")?;
                    if !remark.is_empty() {
                        return Ok(Decision::Again(remark));
                    }
                }
                "q" | "quit" | "n" | "no" | "" => {
                    start.ui.say(&format!("not approved; the draft is kept. Later: git otto run {id}"))?;
                    return Ok(Decision::Later);
                }
                other if asking.again => start.ui.say(&format!("{other:?} is none of y, a and q"))?,
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
    Ok(Decision::Approved(record::append(store, id, new, Some(draft))?.commit))
}
