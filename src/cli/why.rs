//! `git otto why`: why a slice stands where it stands, and what to do about it.

use serde::Serialize;

use crate::{
    base::{
        Exit, Failure, RunId, SliceId,
        text::{count, one_line},
    },
    cli::{Start, asking::Known, place::short, show::run_named},
    gate,
    plan::{
        model::Limits,
        schedule::{Over, dollars},
        why::{Because, Next, Standing, Why, why},
    },
    report::words,
    store::lease::{self, Owner},
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
    // The owner first: a run that ends meanwhile is never told as left.
    let owner = lease::owner(&store, &id)?;
    let known = Known::load(&store, id)?;
    let (id, plan) = (&known.id, &known.plan);
    let slice = plan.spec.slice(&args.slice).ok_or_else(|| {
        let known: Vec<&str> = plan.spec.slices.iter().map(|s| s.id.as_str()).collect();
        let text = format!("the run {id} has no slice `{}`", args.slice);
        Failure::new(Exit::Usage, text).hint(format!("its slices: {}", known.join(", ")))
    })?;
    let standing = known.standing(&owner);
    let owner = owned_by(&owner);
    let tips = known.tips(&store)?;
    let why = why(known.sight(standing, &tips), slice);
    let commands = commands(id, &why);
    if start.ui.is_json() {
        let answer = Answer { schema: "otto.why/1", run: id, standing, owner, why: &why, commands };
        start.ui.answer_json(&answer)?;
        return Ok(Exit::Done);
    }
    let ui = &*start.ui;
    let title = one_line(&slice.title, 80);
    let title = if title.to_lowercase() == slice.id.as_str() { String::new() } else { format!(" ({title})") };
    ui.answer(&format!("{}{title}: {} in {id}\n", slice.id, words::phase(why.phase)))?;
    for because in &why.because {
        ui.answer(&format!("  {}\n", sentence(id, short(&known.target), because)))?;
    }
    if let Some(words) = who_works(standing, owner.as_deref()) {
        ui.answer(&format!("  {words}\n"))?;
    }
    for command in commands {
        ui.answer(&format!("next: {command}\n"))?;
    }
    Ok(Exit::Done)
}

/// Who owns a run, in words; none where nobody does.
pub fn owned_by(owner: &Owner) -> Option<String> {
    match owner {
        Owner::None => None,
        Owner::Live(t) => Some(format!("{t}, which lives")),
        Owner::Dead(t) => Some(format!("{t}, which is gone")),
        Owner::Elsewhere(t) => Some(format!("{t}, which gave a sign of life lately")),
        Owner::Expired(t) => Some(format!("{t}, which has been silent for too long")),
    }
}

/// Whether somebody works on a run that has not ended, and who, in words.
pub fn who_works(standing: Standing, owner: Option<&str>) -> Option<String> {
    match (standing, owner) {
        (Standing::AtWork, Some(by)) => Some(format!("the run is worked on by {by}")),
        (Standing::Interrupted, Some(by)) => Some(format!("nobody works on the run; the last was {by}")),
        (Standing::Interrupted, None) => Some("nobody works on the run".into()),
        _ => None,
    }
}

/// One thing that explains where a slice stands, in words.
pub fn sentence(run: &RunId, target: &str, because: &Because) -> String {
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
        Because::Awaits { path, owner, phase, reason } => {
            let (path, phase) = (one_line(path, 100), words::phase(*phase));
            format!("it is set aside until `{owner}` ({phase}) has changed `{path}`, which that owns: {}", said(reason))
        }
        Because::Serves { path, slices } => {
            format!("it has landed, and changes `{}` of its own for {}", one_line(path, 100), list(slices))
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
        Because::BrokenOff { attempt, provider } => {
            format!("attempt {attempt} at it by {} begins anew: whoever ran it is gone", one_line(provider, 80))
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
