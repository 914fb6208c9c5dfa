//! `git otto demo`: the example, from its intent to its packet, in a new repository.

use std::{ffi::OsString, path::PathBuf};

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    base::{Env, Exit, Failure, World, procs},
    cli::{
        Start,
        progress::Progress,
        prose::Wish,
        rerun::Consent,
        resume,
        run::run_source,
        session::Choices,
        source::Source,
    },
    git::Repo,
    journal::event::{Event, Kind},
    store::{Store, lease, run},
};

/// The intent of the example.
const INTENT: &str = include_str!("../../examples/jot.md");
/// The landing after which `--crash` strikes.
const CRASH_AFTER: u32 = 2;

/// Build the example in a new repository.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to make the repository [default: a new folder for temporary files]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Kill the run midway with SIGKILL, then go on with it
    #[arg(long)]
    crash: bool,
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    let dir = match args.into {
        Some(dir) => start.world.env.cwd.join(dir),
        None => std::env::temp_dir().join(format!("git-otto-demo-{}", start.world.ids.hex(8)?)),
    };
    let occupied = dir.exists() && std::fs::read_dir(&dir).map_or(true, |mut entries| entries.next().is_some());
    if occupied {
        let text = format!("{} is there already, and the demo works in a new repository", dir.display());
        return Err(Failure::new(Exit::Usage, text).hint("git otto demo --into <new folder>"));
    }
    std::fs::create_dir_all(&dir)?;
    let repo = Repo::init(&dir)?;
    // An identity of its own: the demo also runs where git knows nobody yet.
    for (key, value) in [("user.name", "Demo"), ("user.email", "demo@localhost")] {
        repo.git(&["config", "--local", key, value], None)?.ok()?;
    }
    std::fs::write(dir.join("jot.md"), INTENT)?;
    let env = Env { cwd: dir.clone(), git: Default::default(), ..(*start.world.env).clone() };
    let world = World { env: env.into(), ..start.world.clone() };
    let (ui, confinement) = (start.ui.clone(), start.confinement.clone());
    let there = Start { world: world.clone(), ui, repo: None, keys: Default::default(), confinement };
    let store = Store::new(Repo::discover(&world.env)?, world);
    start.ui.say(&format!("repository: {}", dir.display()))?;
    start.ui.say("intent:     jot.md, which carries its own code")?;
    if args.crash {
        return crash(&there, &store);
    }
    let source = Source::Text(INTENT.into(), "jot.md".into(), Some(dir));
    let consent = Consent { yes: true, ..Consent::default() };
    run_source(&there, &store, source, &Wish::default(), &consent, &Choices::default())
}

/// Runs the example in a process of its own, kills it midway, and goes on in front of the user.
fn crash(start: &Start, store: &Store) -> Result<Exit, Failure> {
    let program = std::env::current_exe()?;
    let argv = [program.as_os_str(), "run".as_ref(), "--yes".as_ref(), "--json".as_ref(), "jot.md".as_ref()];
    let spec = procs::Spec {
        argv: argv.map(OsString::from).to_vec(),
        cwd: start.world.env.cwd.clone(),
        env: start.world.env.vars.clone().into_iter().collect(),
        ..Default::default()
    };
    let progress = Progress::new(start.ui.clone(), start.world.clock.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let landed = runtime.block_on(async {
        let mut child = start.world.procs.spawn(&spec)?;
        let id = child.id.pid;
        let mut landed = 0;
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            while let Some(line) = lines.next_line().await? {
                let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
                progress.event(&event);
                landed += u32::from(matches!(event.fact.kind, Kind::MergeLanded { .. }));
                if landed >= CRASH_AFTER {
                    break;
                }
            }
        }
        child.kill();
        child.wait().await?;
        start.ui.say(&format!("kill -9 {id}: the run is dead, in the middle of its work"))?;
        std::io::Result::Ok(landed)
    })?;
    if landed < CRASH_AFTER {
        return Err(Failure::new(Exit::Internal, "the demo's run ended before it could be killed")
            .hint(format!("git -C {} otto status", start.world.env.cwd.display())));
    }
    let found = run::list(&store.repo, None)?.pop();
    let id = found.ok_or_else(|| Failure::new(Exit::Internal, "the killed run left no trace"))?;
    start.ui.say(&format!("git otto resume {id}"))?;
    let held = lease::lock_spec(store, id.spec(), "git otto demo")?;
    resume::go_on(start, store, held, &id, &Choices::default())
}
