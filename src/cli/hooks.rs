//! `git otto hooks`: installs the hooks of git beside what is there, takes them away again, and says what they enforce.

use serde::Serialize;

use crate::{
    base::{Exit, Failure, text::printable},
    cli::Start,
    git::Repo,
    hook::{self, Change, Hook, Keep, Plan, Planned, Side, State},
    output::Style,
};

/// Install the hooks of git beside those that are there, take them away again, or say what they enforce.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do
    #[arg(value_name = "ACTION", value_enum)]
    action: Action,
    /// Install for a server: what is pushed here
    #[arg(long)]
    server: bool,
    /// Install into the tracked folder of hooks, for everybody who has this repository
    #[arg(long, conflicts_with = "server")]
    tracked: bool,
    /// Show what would change; change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Change it without asking
    #[arg(long, short)]
    yes: bool,
}

/// What can be done with hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Action {
    /// Show every change, ask, and make it
    Install,
    /// Give every file its bytes back
    Uninstall,
    /// Have git call each hook, and say which answer
    Status,
}

/// What a client hook cannot do.
const LIMITS: &str = "Client hooks tell and stop; they can be passed by: with --no-verify, with -c core.hooksPath, and by programs \
     that move refs without git. A server with `git otto hooks install --server` prevents; elsewhere `git otto verify --ci` detects.";

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let repo = start.repo()?;
    match args.action {
        Action::Install => install(&args, start, &repo),
        Action::Uninstall => uninstall(&args, start, &repo),
        Action::Status => status(&args, start, &repo),
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    /// Whether the changes were made.
    done: bool,
    changes: Vec<File<'a>>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct File<'a> {
    path: &'a std::path::Path,
    difference: String,
}

fn install(args: &Args, start: &Start, repo: &Repo) -> Result<Exit, Failure> {
    let side = if args.server { Side::Server } else { Side::Client };
    let plan = hook::plan(repo, side, args.tracked)?;
    let mut notes = plan.notes.clone();
    if !plan.changes.is_empty() {
        let folder = Keep::new(repo.common_dir()).folder();
        notes.push(format!("what is there now is kept in {}, and `git otto hooks uninstall` brings it back", folder.display()));
    }
    let done = shown(args, start, &plan.changes, &notes, "install")?;
    if done {
        plan.perform(repo, &start.world.faults)?;
    }
    if !start.ui.is_json() {
        told(start, &plan, done)?;
    }
    Ok(Exit::Done)
}

fn told(start: &Start, plan: &Plan, done: bool) -> Result<(), Failure> {
    if plan.changes.is_empty() {
        start.ui.answer("installed before: nothing to change\n")?;
    } else if done {
        let names: Vec<&str> = plan.seats.iter().map(|(name, _)| name.word()).collect();
        start.ui.answer(&format!("installed: {}\n", names.join(", ")))?;
        start.ui.say("next: git otto hooks status")?;
    }
    Ok(())
}

fn uninstall(args: &Args, start: &Start, repo: &Repo) -> Result<Exit, Failure> {
    let keep = Keep::new(repo.common_dir());
    let Some(record) = keep.load()? else {
        return Err(Failure::new(Exit::Usage, "no hooks are installed here").hint("git otto hooks status"));
    };
    let mut planned = Planned::default();
    let left = hook::undo(repo, &keep, &record, &mut planned)?;
    let left = left.iter().map(|path| format!("{} was changed by somebody else and is left as it is", path.display()));
    let (changes, notes) = (planned.changes()?, left.collect::<Vec<_>>());
    if shown(args, start, &changes, &notes, "uninstall")? {
        changes.iter().try_for_each(|change| change.make(&start.world.faults))?;
        keep.forget(&record)?;
        if !start.ui.is_json() {
            let rest = if notes.is_empty() { "every file is as it was" } else { "every other file is as it was" };
            start.ui.answer(&format!("uninstalled: {rest}\n"))?;
        }
    }
    Ok(Exit::Done)
}

/// Shows every byte that will change, and finds out whether it may. What only says how it would be answers no.
fn shown(args: &Args, start: &Start, changes: &[Change], notes: &[String], what: &str) -> Result<bool, Failure> {
    let go = !args.dry_run && (args.yes || start.ui.can_ask());
    if start.ui.is_json() {
        let file = |c: &'_ Change| c.words(changes);
        let changed = changes.iter().map(|c| File { path: &c.path, difference: file(c) }).collect();
        start.ui.answer_json(&Answer { schema: "otto.hooks/1", done: go, changes: changed, notes })?;
    } else {
        for change in changes {
            start.ui.answer(&format!("{}\n", change.words(changes)))?;
        }
        for note in notes {
            start.ui.say(&format!("note: {}", printable(note)))?;
        }
    }
    if changes.is_empty() || args.dry_run {
        return Ok(go);
    }
    if !go {
        let text = "nothing was changed: nobody can be asked here";
        let more = if args.server { " --server" } else { "" };
        let tracked = if args.tracked { " --tracked" } else { "" };
        return Err(Failure::new(Exit::Refused, text).hint(format!("git otto hooks {what}{more}{tracked} --yes")));
    }
    if args.yes {
        return Ok(true);
    }
    let answer = start.ui.ask("change these files? [y]es, [q]uit: ")?;
    if !matches!(answer.to_lowercase().as_str(), "y" | "yes") {
        return Err(Failure::new(Exit::Refused, "nothing was changed"));
    }
    Ok(true)
}

#[derive(Serialize)]
struct Status<'a> {
    schema: &'static str,
    server: bool,
    hooks: &'a [Hook],
    notes: &'a [String],
    limits: &'static str,
}

fn status(args: &Args, start: &Start, repo: &Repo) -> Result<Exit, Failure> {
    let record = Keep::new(repo.common_dir()).load()?;
    let server = args.server || repo.work_dir().is_none() || record.is_some_and(|r| r.server);
    let side = if server { Side::Server } else { Side::Client };
    let hooks = hook::look(repo, side, &start.world.ids.hex(16)?)?;
    let notes = if server { hook::server_settings(repo)? } else { Vec::new() };
    let limits = if server { "" } else { LIMITS };
    if start.ui.is_json() {
        start.ui.answer_json(&Status { schema: "otto.hooks/1", server, hooks: &hooks, notes: &notes, limits })?;
        return Ok(Exit::Done);
    }
    for h in &hooks {
        let (style, word) = match h.state {
            State::Answered => (Style::Good, "enforced"),
            State::Job => (Style::Warn, "a job"),
            State::Silent => (Style::Bad, "silent"),
            State::Missing => (Style::Dim, "missing"),
        };
        let word = start.ui.paint_answer(style, &format!("{word:8}"));
        start.ui.answer(&format!("{word}  {:21}  {}\n", h.name, printable(&h.text)))?;
    }
    for note in &notes {
        start.ui.answer(&format!("note: {}\n", printable(note)))?;
    }
    if !server {
        start.ui.say(LIMITS)?;
    }
    if hooks.iter().all(|h| matches!(h.state, State::Missing)) {
        start.ui.say(&format!("next: git otto hooks install{}", if server { " --server" } else { "" }))?;
    }
    Ok(Exit::Done)
}
