//! `git otto why`: why a slice stands where it stands, and what to do about it.

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure, RunId, SliceId,
        text::{count, one_line},
    },
    cli::{
        Start,
        place::short,
        show::{run_named, spec_in},
    },
    gate, journal,
    plan::{
        model::{Limits, Plan},
        schedule::{Over, dollars},
        why::{Because, Next, Standing, Why, why},
    },
    report::words,
    store::{
        lease::{self, Owner},
        run,
    },
};

/// Say why a slice stands where it stands, and what to do about it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The slice
    #[arg(value_name = "SLICE")]
    slice: SliceId,
    /// The run, or the spec whose newest run is meant [default: the newest run]
    #[arg(long, value_name = "SPEC|RUN")]
    run: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    run: &'a RunId,
    standing: Standing,
    /// Who works on the run, or did last.
    owner: Option<String>,
    #[serde(flatten)]
    why: &'a Why,
    /// The commands to go on with.
    commands: Vec<String>,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let store = start.store()?;
    let id = run_named(&store.repo, args.run.as_deref())?;
    let (at, anchor) = run::load(&store.repo, &id)?;
    // The owner first: a run that ends meanwhile is never told as left.
    let owner = lease::owner(&store, &id)?;
    let state = journal::read(&store.repo, &id, at)?.state;
    let version = state.spec().unwrap_or(anchor.spec_commit);
    let plan = Plan::new(version, spec_in(&store.repo, version)?, anchor.limits);
    let slice = plan.spec.slice(&args.slice).ok_or_else(|| {
        let known: Vec<&str> = plan.spec.slices.iter().map(|s| s.id.as_str()).collect();
        let text = format!("the run {id} has no slice `{}`", args.slice);
        Failure::new(Exit::Usage, text).hint(format!("its slices: {}", known.join(", ")))
    })?;
    let standing = match (&state.finished, &owner) {
        (Some(_), _) => Standing::Finished,
        (None, Owner::Live(_) | Owner::Elsewhere(_)) => Standing::AtWork,
        (None, _) => Standing::Interrupted,
    };
    let owner = match owner {
        Owner::None => None,
        Owner::Live(t) => Some(format!("{t}, which lives")),
        Owner::Dead(t) => Some(format!("{t}, which is gone")),
        Owner::Elsewhere(t) => Some(format!("{t}, which gave a sign of life lately")),
        Owner::Expired(t) => Some(format!("{t}, which has been silent for too long")),
    };
    let why = why(&plan, &state, slice, standing);
    let commands = commands(&id, &why);
    if start.ui.is_json() {
        let answer = Answer { schema: "otto.why/1", run: &id, standing, owner, why: &why, commands };
        start.ui.answer_json(&answer)?;
        return Ok(Exit::Done);
    }
    let ui = &*start.ui;
    let title = one_line(&slice.title, 80);
    let title = if title.to_lowercase() == slice.id.as_str() { String::new() } else { format!(" ({title})") };
    ui.answer(&format!("{}{title}: {} in {id}\n", slice.id, words::phase(why.phase)))?;
    for because in &why.because {
        ui.answer(&format!("  {}\n", sentence(&id, short(&anchor.target), because)))?;
    }
    match (standing, owner) {
        (Standing::AtWork, Some(by)) => ui.answer(&format!("  the run is worked on by {by}\n"))?,
        (Standing::Interrupted, Some(by)) => ui.answer(&format!("  nobody works on the run; the last was {by}\n"))?,
        (Standing::Interrupted, None) => ui.answer("  nobody works on the run\n")?,
        _ => {}
    }
    for command in commands {
        ui.answer(&format!("next: {command}\n"))?;
    }
    Ok(Exit::Done)
}

/// One thing that explains where a slice stands, in words.
fn sentence(run: &RunId, target: &str, because: &Because) -> String {
    let list = |all: &[SliceId]| all.iter().map(|s| format!("`{s}`")).collect::<Vec<_>>().join(", ");
    let said = |text: &str| one_line(text, 300);
    match because {
        Because::Landed { commit, checks } => {
            let proof = format!("{} passed on exactly its tree", count(*checks, "check"));
            format!("landed on {target} as {}: {proof}; git log -1 --notes='otto/*' {}", commit.short(), commit.short())
        }
        Because::Redundant { why } => format!("nothing had to be built: {}", said(why)),
        Because::Blocked { reason, detail } => format!("{}: {}", words::block(*reason), said(detail)),
        Because::Needs { slice, phase, root } if root.is_empty() => {
            format!("it needs `{slice}`, which is {}", words::phase(*phase))
        }
        Because::Needs { slice, phase, root } => {
            format!("it needs `{slice}`, which is {} for the sake of {}", words::phase(*phase), list(root))
        }
        Because::Failed { attempt, reason, detail } => {
            format!("attempt {attempt} failed: {}: {}", words::attempt_failure(*reason), said(detail))
        }
        Because::Red { check, round, cause, detail, evidence } => {
            let seen = format!("git otto evidence show {} {run}", evidence.short());
            format!("check `{check}` {} ({round}): {}; {seen}", gate::words(*cause), said(detail))
        }
        Because::Outside { paths } => {
            let shown: Vec<String> = paths.iter().take(5).map(|p| format!("`{}`", one_line(p, 100))).collect();
            let more = if paths.len() > 5 { format!(" and {} more", paths.len() - 5) } else { String::new() };
            format!("it changed what it does not own: {}{more}", shown.join(", "))
        }
        Because::Refused { code, why } => format!("its agent asked for a change and was refused: {}: {}", said(code), said(why)),
        Because::Queued { behind } if behind.is_empty() => "it has passed its checks and is next in the queue".into(),
        Because::Queued { behind } => format!("it has passed its checks and waits in the queue behind {}", list(behind)),
        Because::Paused { slice: Some(_), held } => held.words(),
        Because::Paused { slice: None, held } => format!("the run is {}", held.words()),
        Because::Asked { action, by } => {
            format!("{} asked for {}, and nobody has answered yet", said(by.as_deref().unwrap_or("a person")), said(action))
        }
        Because::AtWork { attempt, provider, since } => {
            let since = since.map(|at| format!(" since {}", at.human())).unwrap_or_default();
            format!("attempt {attempt} at it by {} is under way{since}", one_line(provider, 80))
        }
        Because::ByHand { attempt } => format!("it waits for a person to hand in attempt {attempt}"),
        Because::Testing { commit, on, after } => {
            let with = if after.is_empty() { String::new() } else { format!(", with {} in it", list(after)) };
            format!("it passed its checks and is under test as {} on {}{with}", commit.short(), on.short())
        }
        Because::Used { limits } => {
            let one = |over: &Over| match over.what {
                Limits::SLICE_WALL => format!("{} of {} s", over.used, over.limit),
                Limits::SLICE_USD => format!("{} of {}", dollars(over.used), dollars(over.limit)),
                Limits::RUN_USD => format!("{} of {} for the run", dollars(over.used), dollars(over.limit)),
                what => format!("{} of {} {what}", over.used, over.limit),
            };
            format!("used: {}", limits.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Because::Ready => "nothing keeps it: it is begun next".into(),
        Because::NoPlace { jobs } => format!("it waits for a free place: at most {} at once", count(*jobs as usize, "slice")),
    }
}

/// What to type next.
fn commands(run: &RunId, why: &Why) -> Vec<String> {
    let spec = run.spec();
    match &why.next {
        Next::Nothing => Vec::new(),
        Next::Wait => vec![format!("git otto status {run}")],
        Next::Resume => vec![format!("git otto resume {run}")],
        Next::LetGo => vec![format!("git otto resume {} --run {run}", why.slice)],
        Next::Submit => vec![format!("git otto submit {} --run {run}", why.slice)],
        Next::Run => vec![format!("git otto run {spec}")],
        Next::Retry { slices } => {
            let retry = slices.iter().map(|s| format!("git otto retry {s} --run {run} -m <hint>"));
            retry.chain([format!("git otto amend {spec}    (where the spec asks for the wrong thing)")]).collect()
        }
        Next::Amend => vec![format!("git otto amend {spec}    (no agent can mend that), then: git otto run {spec}")],
    }
}
