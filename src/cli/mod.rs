//! The command line: one file a command, and one place that turns an error into words and an exit code.

use std::{
    ffi::OsString,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, OnceLock},
};

use clap::{ColorChoice, Parser, Subcommand, ValueEnum};

use crate::{
    base::{
        Env, Exit, Failure, World,
        procs::{self, Ended, Pager, die_by},
        text::one_line,
    },
    checks,
    git::Repo,
    output::{Color, Manner, Ui},
    sandbox,
    sandbox::Available,
    store::Store,
};

mod amended;
mod asking;
mod baseline;
mod by_hand;
mod control;
mod difference;
mod drive;
mod editor;
mod endpoint;
mod expressions;
mod foresee;
mod heartbeat;
mod interrupt;
mod jobs;
mod landing;
mod live;
mod opener;
mod pager;
mod place;
mod preview;
mod progress;
mod prose;
mod requests;
mod rerun;
mod revise;
mod session;
mod share;
mod source;
mod supply;
mod team;
mod version;
mod working_copy;

/// Turns an intent into a tested product inside git.
#[derive(Debug, Parser)]
#[command(name = "git otto", bin_name = "git otto", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    /// Run as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true)]
    directory: Option<PathBuf>,
    /// Answer in JSON, errors too
    #[arg(long, global = true)]
    json: bool,
    /// Leave out the narration
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Narrate more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
    /// When to use colour
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", global = true)]
    color: When,
    /// Do not show long answers through a pager
    #[arg(short = 'P', long, global = true)]
    no_pager: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

const EXIT_CODES: &str = "Exit codes: 0 done and passed, 1 internal or I/O error, 2 usage or configuration, \
3 spec or intent invalid, 4 finished partial, 5 finished blocked, 6 locked by another live run, 7 agent unavailable or \
failed, 8 refused or not approved, 9 repository needs recovery first, 130 interrupted and resumable.";

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident = $module:ident,)*) => {
        $(pub mod $module;)*

        #[derive(Debug, Subcommand)]
        enum Command { $($(#[$doc])* $variant($module::Args),)* }

        impl Command {
            fn name(&self) -> &'static str {
                match self { $(Command::$variant(_) => stringify!($module),)* }
            }

            fn run(self, start: &Start) -> Result<Exit, Failure> {
                match self { $(Command::$variant(args) => $module::run(args, start),)* }
            }
        }
    };
}

commands! {
    /// Turn an intent into a landed, proven product
    Run = run,
    /// Write an intent to start from
    New = new,
    /// Compile an intent into a draft spec
    Compile = compile,
    /// Read a specification of another tool into a draft spec
    Import = import,
    /// Approve the draft of a spec
    Approve = approve,
    /// Change the draft of a spec
    Edit = edit,
    /// Change an approved spec, with a reason
    Amend = amend,
    /// Show a spec, one of its versions, or a run
    Show = show,
    /// Write a spec as an intent in Markdown, or as JSON
    Export = export,
    /// Show in what two versions of a spec differ
    Diff = diff,
    /// Show the history of a spec
    Log = log,
    /// Show where a run stands
    Status = status,
    /// Show what was asked, what was built, what proves it and what is missing
    Report = report,
    /// Show what is kept of the checks of a run
    Evidence = evidence,
    /// Go on with a run that was interrupted
    Resume = resume,
    /// Say what git has left half done, give it up, or go on
    Recover = recover,
    /// Bring what a run has landed into your branch
    Deliver = deliver,
    /// Take a delivery back
    Undo = undo,
    /// Run the checks of a spec on your checkout, or on any commit
    Check = check,
    /// Judge a finished run once more
    Audit = audit,
    /// Say why a slice stands where it stands
    Why = why,
    /// Show the queue of a run, or have slices come first
    Queue = queue,
    /// Hand in what you built by hand
    Submit = submit,
    /// Have a slice that came to nothing begin anew
    Retry = retry,
    /// Keep slices, or a whole run, from going on
    Pause = pause,
    /// Stop slices, or a whole run, at once
    Cancel = cancel,
    /// Leave slices out of a run
    Skip = skip,
    /// Archive a finished spec
    Close = close,
    /// Remove everything that is kept of a run, or of a spec
    Discard = discard,
    /// Remove what nobody needs any more, and say what is kept and why
    Gc = gc,
    /// Bring what is new there here, and what is new here there
    Sync = sync,
    /// Bring specs and runs from a remote
    Fetch = fetch,
    /// Bring specs and runs to a remote
    Push = push,
    /// Have git fetch specs and runs from a remote
    Remote = remote,
    /// Put specs and runs into one file, or take them out of one
    Bundle = bundle,
    /// Recheck specs, journals, landings and receipts from git alone
    Verify = verify,
    /// Have git call on specs before it commits, pushes and moves refs
    Hooks = hooks,
    /// Answer a hook of git
    #[command(hide = true)]
    Hook = hook,
    /// Say which agents there are and who does what
    Agents = agents,
    /// List the configuration, say one key of it, or set it
    Config = config,
    /// Print a JSON Schema
    Schema = schema,
    /// Build the example in a new repository
    Demo = demo,
    /// Say what this machine and this repository can do
    Doctor = doctor,
    /// Print a script that completes commands and options in a shell
    Completions = completions,
    /// Write the manual pages into a folder
    Man = man,
}

/// What every command starts from.
pub struct Start {
    /// The outside world.
    pub world: World,
    /// The user.
    pub ui: Arc<Ui>,
    /// The repository around the current directory, where there is one and no hook asks.
    pub repo: Option<Repo>,
    /// What credential helpers have said: nobody is asked twice.
    pub keys: endpoint::Keys,
    /// What this machine can enforce, once it has been tried.
    pub confinement: OnceLock<Arc<Available>>,
}

impl Start {
    /// The repository around the current directory.
    pub fn repo(&self) -> Result<Repo, Failure> {
        match &self.repo {
            Some(repo) => Ok(repo.clone()),
            None => Ok(Repo::discover(&self.world.env)?),
        }
    }

    /// Its store.
    pub fn store(&self) -> Result<Store, Failure> {
        Ok(Store::new(self.repo()?, self.world.clone()))
    }
}

/// Runs the program with these arguments, the program's name first.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let argv: Vec<OsString> = args.into_iter().collect();
    say_panics(argv.iter().any(|a| a == "--json"));
    // Before anything looks at the environment: it is the confined program's.
    if let Some(done) = sandbox::supervise(&argv) {
        return match done {
            Ok(ended) => end_as(ended),
            Err(failure) => {
                Ui::new(Manner::default(), true).fail(&failure);
                ExitCode::from(CANNOT_START)
            }
        };
    }
    if let Some(done) = checks::evaluator::serve(&argv) {
        let ui = Ui::new(Manner::default(), true);
        return match done.map(|answer| ui.answer(&answer)) {
            Ok(Ok(())) => ExitCode::SUCCESS,
            Ok(Err(_)) => ExitCode::FAILURE,
            Err(why) => {
                ui.fail(&Failure::new(Exit::Internal, why));
                ExitCode::FAILURE
            }
        };
    }
    let args = match Args::try_parse_from(&argv) {
        Ok(args) => args,
        Err(e) if e.use_stderr() && argv.iter().take_while(|a| *a != "--").any(|a| a == "--json") => {
            let ui = Ui::new(Manner { json: true, ..Manner::default() }, true);
            return ExitCode::from(ui.fail(&usage(&e)) as u8);
        }
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { Exit::Usage as u8 } else { Exit::Done as u8 });
        }
    };
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    let (quiet, verbose, json) = (args.quiet, args.verbose, args.json);
    let mut manner = Manner { color: Color::Auto, quiet, verbose, json, dumb };
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let world = match open_world(args.directory) {
        Ok(world) => world,
        Err(failure) => return ExitCode::from(Ui::new(manner, no_color).fail(&failure) as u8),
    };
    // Hooks are called at every turn, and nobody sets their colours.
    let repo = if args.command.name() == "hook" { None } else { Repo::discover(&world.env).ok() };
    manner.color = match args.color {
        When::Auto => pager::color(repo.as_ref()),
        When::Always => Color::Always,
        When::Never => Color::Never,
    };
    let ui = Arc::new(Ui::new(manner, no_color && matches!(args.color, When::Auto)));
    let start = Start { world, ui, repo, keys: Default::default(), confinement: OnceLock::new() };
    let pager = match args.no_pager || args.json || !pager::PAGED.contains(&args.command.name()) {
        true => None,
        false => pager::start(&start),
    };
    let exit = args.command.run(&start).unwrap_or_else(|failure| {
        // Where the machine failed, what is wrong with it is the next thing to know.
        let doctor = || (failure.exit == Exit::Internal).then(|| "git otto doctor".to_owned());
        start.ui.fail(&Failure { hint: failure.hint.clone().or_else(doctor), ..failure })
    });
    pager.map(Pager::finish);
    ExitCode::from(exit as u8)
}

/// Has a panic, in whatever thread, end the program as any failure does: what was durable is there, the rest is for the
/// next command to put right, and nobody waits for a thread that is gone. What the operating system denies to the program's
/// own machinery, such as the pipe that wakes it, comes here.
fn say_panics(json: bool) {
    std::panic::set_hook(Box::new(move |panic| {
        let said = panic.payload();
        let why = said.downcast_ref::<String>().map(String::as_str).or(said.downcast_ref::<&str>().copied());
        let why = why.unwrap_or("no reason was given");
        let text = format!("git otto cannot go on: {}", one_line(why, 300));
        let failure =
            Failure::new(Exit::Internal, text).hint("git otto resume    (if no run was under way: git otto doctor)");
        let place = panic.location().map(|at| format!("this was not foreseen in {}:{}", at.file(), at.line()));
        let failure = Failure { causes: place.into_iter().collect(), ..failure };
        let exit = Ui::new(Manner { json, ..Manner::default() }, true).fail(&failure);
        procs::kill_descendants();
        std::process::exit(exit as i32)
    }));
}

/// How shells tell that a program could not be started.
const CANNOT_START: u8 = 126;

/// Ends as another program ended.
fn end_as(ended: Ended) -> ExitCode {
    let code = match ended {
        Ended::Exit(code) => code,
        Ended::Signal(signal) => {
            die_by(signal);
            128 + signal
        }
    };
    ExitCode::from(code as u8)
}

/// What is wrong with the arguments: the first paragraph of what clap says of it.
fn usage(e: &clap::Error) -> Failure {
    let text = e.render().to_string();
    let lines: Vec<&str> = text.lines().take_while(|l| !l.trim().is_empty()).map(str::trim).collect();
    let text = lines.join(" ");
    Failure::new(Exit::Usage, text.strip_prefix("error: ").unwrap_or(&text)).hint("git otto -h")
}

fn open_world(directory: Option<PathBuf>) -> Result<World, Failure> {
    if let Some(dir) = directory {
        let place = |e| Failure::new(Exit::Usage, format!("cannot change to {}: {e}", dir.display()));
        std::env::set_current_dir(&dir).map_err(place)?;
    }
    World::real(Env::read()?)
}

/// The command as clap sees it, for man pages and completions.
pub fn command() -> clap::Command {
    use clap::CommandFactory;
    Args::command().color(ColorChoice::Never)
}
