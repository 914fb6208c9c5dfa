//! `git otto approve`: a person approves the draft of a spec.

use crate::{
    base::{Exit, Failure, Oid, SpecId},
    baseline::{Baseline, Measured},
    cli::{
        Start,
        revise::{self, Input, Manner},
        session::{self, Choices, approved, refuse_unrunnable},
        team::{self, Whom},
        working_copy::{self, When},
    },
    plan::{
        model::{blocks, is_self_written},
        screen::{self, ScreenFacts},
    },
    spec::model::Spec,
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
    /// Show what there is to approve; approve nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
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
    if args.dry_run && stored.record.kind.phase() == Phase::Draft {
        show(start, &store, &approved(&store, tip)?.0, Vec::new(), &Asking::default())?;
        if start.ui.is_json() {
            let value = serde_json::json!({"schema": "otto.approve/1", "spec": args.spec, "commit": null, "new": false});
            start.ui.answer_json(&value)?;
        }
        return Ok(Exit::Done);
    }
    match stored.record.kind.phase() {
        Phase::Draft => match approve(start, &store, tip, args.yes, &[], &Asking::default())? {
            Decision::Approved(commit) => answer(commit, true)?,
            Decision::Later | Decision::Again { .. } => return Ok(Exit::Refused),
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
    /// They want another one.
    Again {
        /// The draft as they left it.
        draft: Oid,
        /// What should be different.
        remark: String,
    },
}

/// What a person may be offered.
#[derive(Default)]
pub struct Asking<'a> {
    /// Whom they chose to write.
    pub whom: Option<&'a Whom>,
    /// Whether an agent can be asked for another spec.
    pub again: bool,
    /// What the project's own commands said of the base, where they were just run.
    pub baseline: Option<&'a Baseline>,
}

/// Whether an agent compiled a draft from prose, so that it can be asked again.
pub fn is_of_prose(store: &Store, draft: Oid) -> Result<bool, Failure> {
    Ok(matches!(record::load(&store.repo, draft)?.record.actor, record::Actor::Agent { .. }))
}

/// Shows a draft on one screen and asks; what its reader changes in the editor is shown and asked again. Without a
/// terminal and without `yes` nobody can be asked, and nothing is approved.
pub fn approve(
    start: &Start,
    store: &Store,
    mut draft: Oid,
    yes: bool,
    guessed: &[String],
    asking: &Asking<'_>,
) -> Result<Decision, Failure> {
    let mut guessed = guessed.to_vec();
    let spec = loop {
        let (spec, _) = approved(store, draft)?;
        let id = &spec.id;
        show(start, store, &spec, std::mem::take(&mut guessed), asking)?;
        // After the screen: it shows what stands in the way beside all else.
        refuse_unrunnable(&spec)?;
        if yes {
            break spec;
        }
        if !start.ui.can_ask() {
            let text = format!("the spec {id} is not approved; its draft is kept");
            return Err(Failure::new(Exit::Refused, text)
                .hint(format!("git otto run {id}    (asks on a terminal; --yes approves)")));
        }
        match ask(start, asking.again)? {
            Key::Approve => break spec,
            Key::Edit => {
                edit(start, id)?;
                draft = record::tip(&store.repo, id)?.unwrap_or(draft);
            }
            Key::Again(remark) => return Ok(Decision::Again { draft, remark }),
            Key::Quit => {
                start.ui.say(&format!("not approved; the draft is kept. Later: git otto run {id}"))?;
                return Ok(Decision::Later);
            }
        }
    };
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
    Ok(Decision::Approved(record::append(store, &spec.id, new, Some(draft))?.commit))
}

/// The screen.
pub fn show(start: &Start, store: &Store, spec: &Spec, guessed: Vec<String>, asking: &Asking<'_>) -> Result<(), Failure> {
    if start.ui.is_json() {
        return Ok(());
    }
    let limits = session::limits(store, &Choices::default())?;
    let measured = asking.baseline.filter(|b| !b.measured.is_empty());
    let facts = ScreenFacts {
        guessed,
        self_written: spec.checks().map(|(_, c)| c.id.clone()).filter(|c| is_self_written(spec, c)).collect(),
        writer: asking.whom.and_then(|whom| team::team(start, store, whom, spec).ok()).map(|t| t.build.name()),
        agent_calls: spec.slices.iter().filter(|s| blocks(spec, &s.id, 1).is_empty()).count() as u32
            * (limits.attempts + limits.repairs),
        usd_micros: limits.run_usd_micros.unwrap_or(0),
        baseline: measured.map(|b| b.measured.iter().map(Measured::words).collect()).unwrap_or_default(),
        baseline_s: measured.map(|b| b.took().as_millis().div_ceil(1000) as u64),
    };
    Ok(start.ui.say(&screen::screen(spec, &facts))?)
}

/// What a person chose.
enum Key {
    Approve,
    Edit,
    Again(String),
    Quit,
}

fn ask(start: &Start, again: bool) -> Result<Key, Failure> {
    let (keys, none_of) = match again {
        true => ("[y]es, [e]dit, [a]sk again, [q]uit", "y, e, a and q"),
        false => ("[y]es, [e]dit, [q]uit", "y, e and q"),
    };
    loop {
        match start.ui.ask(&format!("approve? {keys}: "))?.to_lowercase().as_str() {
            "y" | "yes" => return Ok(Key::Approve),
            "e" | "edit" => return Ok(Key::Edit),
            "a" | "ask" if again => {
                let remark = start.ui.ask("what should be different? ")?;
                if !remark.is_empty() {
                    return Ok(Key::Again(remark));
                }
            }
            "q" | "quit" | "n" | "no" | "" => return Ok(Key::Quit),
            other => start.ui.say(&format!("{other:?} is none of {none_of}"))?,
        }
    }
}

/// The draft in the user's editor. What goes wrong there is told; the draft that is there then is asked about again.
fn edit(start: &Start, id: &SpecId) -> Result<(), Failure> {
    let manner = Manner { kind: Kind::Edit, retire: Vec::new(), override_intent: false, is_asked: true };
    if let Err(failure) = revise::revise(start, id, &Input::default(), &manner) {
        start.ui.fail(&failure);
    }
    Ok(())
}
