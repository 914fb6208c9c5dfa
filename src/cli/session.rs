//! Opening a run: a new one, or one that was left, with everything that its driver needs.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use crate::{
    agent::{Team, prompt::Prompts},
    base::{Exit, Failure, Oid, Point, RunId, Sha256, SliceId, SpecId, World, procs::Recorded, text::one_line},
    baseline::Baseline,
    checks::model::Outcome,
    cli::{
        Start,
        amended::Version,
        config,
        drive::Driver,
        heartbeat,
        progress::Progress,
        supply,
        team::{self, Whom},
    },
    gate::{Gate, Site, Supply},
    git::{Head, NewCommit, Old, RefEdit, Swap},
    journal::{
        self, Log,
        event::{Fact, Kind},
    },
    plan::model::{current, lane, refusals},
    queue::{
        Full,
        message::{self, Style},
    },
    sandbox::{self, Available, Sandbox},
    spec::{
        self,
        model::{FileBlock, Spec},
    },
    store::{
        Store,
        lane::Lane,
        lease::{Lease, SpecLock},
        names, record,
        run::{self, Limits, RunAnchor},
    },
    workspace,
};

/// What a person may choose for a run.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Choices {
    #[command(flatten)]
    pub whom: Whom,
    /// Keep what the agents say and change, so that it can be played back with `--agent replay:<run>` [config: otto.record]
    #[arg(long)]
    pub record: bool,
    /// The branch to land on [default: otto/<spec>]
    #[arg(long, value_name = "BRANCH")]
    pub target: Option<String>,
    /// How many slices are built at once [config: otto.jobs]
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<u32>,
    /// Take the run over from another machine that may still be working on it
    #[arg(long)]
    pub take_over: bool,
}

/// The approved spec at a commit.
pub fn approved(store: &Store, commit: Oid) -> Result<(Spec, record::StoredSpec), Failure> {
    let stored = record::load(&store.repo, commit)?;
    let spec = spec::parse(&stored.spec_bytes).map_err(|e| super::source::spec_errors(&commit.short(), &e))?;
    Ok((spec, stored))
}

/// Refuses a spec that this version cannot run, naming everything that it cannot.
pub fn refuse_unrunnable(spec: &Spec) -> Result<(), Failure> {
    let causes = refusals(spec);
    if causes.is_empty() {
        return Ok(());
    }
    let unwritten = spec.checks().filter(|(_, c)| c.kind.is_unwritten().is_some()).count();
    if unwritten == causes.len() {
        let message =
            format!("{unwritten} checks of the spec {} are not written yet, and nothing is built unproven", spec.id);
        let hint = format!("git otto edit {}    (write them, or take them out)", spec.id);
        return Err(Failure { exit: Exit::Refused, message, causes, hint: Some(hint) });
    }
    let message = format!("this version cannot run the spec {}: nothing was started, nothing is skipped", spec.id);
    let hint =
        "express what must hold as `cli_probe`, `repo_test` or `pytest`, or use a version that can: git otto doctor";
    Err(Failure { exit: Exit::Usage, message, causes, hint: Some(hint.into()) })
}

/// Refuses what could not be run, before anything is written.
pub fn ready(start: &Start, store: &Store, spec: &Spec, choices: &Choices) -> Result<(), Failure> {
    refuse_unrunnable(spec)?;
    config::tell(start, &config::notes(&store.repo)?)?;
    team::team(start, store, &choices.whom, spec)?;
    target(store, &spec.id, choices.target.as_deref())?;
    limits(store, choices)?;
    sandbox(start, store)?;
    full(store)?;
    depth(store)?;
    for key in ["otto.baseline", "otto.fsync", "otto.sign", "commit.gpgSign", "format.signOff", "otto.record"] {
        store.repo.config_bool(key)?;
    }
    match store.repo.config("otto.workingCopy").as_deref() {
        None | Some("target" | "off") => Ok(()),
        Some(other) => {
            let text = format!("otto.workingCopy is {:?}; there are target and off", one_line(other, 80));
            Err(Failure::new(Exit::Usage, text).hint("git config otto.workingCopy target"))
        }
    }
}

/// What agents are told: the program's own words, or those of the folder that `otto.prompts` names.
pub fn prompts(start: &Start, store: &Store) -> Result<Prompts, Failure> {
    Prompts::load(store.repo.config("otto.prompts").map(|name| configured_path(start, store, &name)).as_deref())
}

/// A path from git's configuration: from the home after `~/`, else from the repository's top unless absolute.
fn configured_path(start: &Start, store: &Store, name: &str) -> PathBuf {
    match (name.strip_prefix("~/"), &start.world.env.home) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => store.repo.work_dir().unwrap_or(store.repo.git_dir()).join(name),
    }
}

/// What a run may use up: the choices, else the configuration.
pub fn limits(store: &Store, choices: &Choices) -> Result<Limits, Failure> {
    let defaults = Limits::default();
    let number = |key: &str, default: u64, min: i64| number(store, key, default, min);
    let dollars = |key: &str, default: Option<u64>| -> Result<Option<u64>, Failure> {
        let Some(text) = store.repo.config(key) else { return Ok(default) };
        let amount = text.parse::<f64>().ok().filter(|a| (0.0..1e9).contains(a));
        let amount = amount.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("{key} is {text:?}; it must be an amount in US dollars"))
                .hint(format!("git config {key} 10"))
        })?;
        Ok(Some((amount * 1e6) as u64))
    };
    let jobs = match choices.jobs {
        Some(0) => return Err(Failure::new(Exit::Usage, "--jobs must be at least 1")),
        Some(n) => n,
        None => number("otto.jobs", defaults.jobs.into(), 1)?.min(1024) as u32,
    };
    Ok(Limits {
        jobs,
        attempts: number("otto.attempts", defaults.attempts.into(), 1)?.min(100) as u32,
        repairs: number("otto.repairs", defaults.repairs.into(), 0)?.min(100) as u32,
        slice_wall_s: number("otto.slice.wall", defaults.slice_wall_s, 1)?,
        agent_idle_s: number("otto.agent.idle", defaults.agent_idle_s, 1)?,
        slice_usd_micros: dollars("otto.slice.budget.usd", defaults.slice_usd_micros)?,
        run_usd_micros: dollars("otto.budget.usd", defaults.run_usd_micros)?,
    })
}

/// A number of the configuration.
fn number(store: &Store, key: &str, default: u64, min: i64) -> Result<u64, Failure> {
    match store.repo.config_int(key)? {
        None => Ok(default),
        Some(n) if n >= min => Ok(n as u64),
        Some(n) => Err(Failure::new(Exit::Usage, format!("{key} is {n}; it must be at least {min}"))
            .hint(format!("git config {key} {default}"))),
    }
}

/// The full name of a branch that a person named.
pub fn branch(name: &str) -> String {
    format!("refs/heads/{}", name.strip_prefix("refs/heads/").unwrap_or(name))
}

/// The full name of the target branch. One that somebody has checked out is refused: a run never moves a checkout.
fn target(store: &Store, spec: &SpecId, choice: Option<&str>) -> Result<String, Failure> {
    let name = match choice {
        None => names::default_branch(spec),
        Some(name) => branch(name),
    };
    // As git sees it: no leading dash, not HEAD, and nothing that stands for another name.
    let short = name.strip_prefix("refs/heads/").unwrap_or(&name);
    let checked = store.repo.git(&["check-ref-format", "--branch", short], None)?;
    if checked.code != Some(0) || checked.stdout.trim_ascii_end() != short.as_bytes() {
        let text = format!("{:?} is no name for a branch", one_line(short, 200));
        return Err(Failure::new(Exit::Usage, text).hint("git otto run --target <branch> …"));
    }
    names::check_free(store.repo.refs(), &name)?;
    for (path, head) in store.repo.checked_out()? {
        if matches!(&head, Head::Branch(branch, _) if *branch == name) {
            let text = format!("{name} is checked out in {}, and a run never moves a checkout", path.display());
            return Err(
                Failure::new(Exit::Refused, text).hint("git switch <another branch>, or choose --target <branch>")
            );
        }
    }
    Ok(name)
}

/// The commit that a new run starts from: the target, else HEAD, else an empty start for a repository without commits.
fn base(start: &Start, store: &Store, target: &str, spec: &Spec) -> Result<Oid, Failure> {
    if let Some(tip) = store.repo.refs().read(target)? {
        return Ok(tip);
    }
    match store.repo.head()? {
        Head::Detached(commit) | Head::Branch(_, Some(commit)) => Ok(commit),
        Head::Branch(_, None) => {
            let (author, committer) = store.repo.identity(start.world.clock.now())?;
            let message = format!("Start {}\n", spec.title);
            let tree = store.repo.empty_tree()?;
            let commit = NewCommit { tree, parents: Vec::new(), author: &author, committer: &committer, message };
            Ok(store.repo.write_commit(&commit)?)
        }
    }
}

/// Creates a run of the approved spec at `commit`; it is durable before anything of it starts.
pub fn begin(
    start: &Start,
    store: &Store,
    lock: SpecLock,
    commit: Oid,
    choices: &Choices,
    measured: &Baseline,
) -> Result<Arc<Driver>, Failure> {
    let (spec, _) = approved(store, commit)?;
    refuse_unrunnable(&spec)?;
    let team = team::team(start, store, &choices.whom, &spec)?;
    let prompts = prompts(start, store)?;
    let target = target(store, &spec.id, choices.target.as_deref())?;
    let limits = limits(store, choices)?;
    let base = base(start, store, &target, &spec)?;
    let created = start.world.clock.now();
    let id = RunId::new(&spec.id, created, &start.world.ids.hex(6)?)
        .map_err(|e| Failure::new(Exit::Internal, e.to_string()))?;
    let lease = own(start, store, lock, &id, &target, choices)?;
    let schemas = spec::schema_digests();
    let agents = team::recorded(&team);
    let anchor = RunAnchor {
        format: run::FORMAT,
        run: id,
        spec: spec.id.clone(),
        spec_commit: commit,
        target,
        base,
        limits,
        agents,
        prompts: prompts.digests(),
        schemas,
        created,
    };
    let at = run::create(store, &anchor)?;
    start.world.faults.hit(Point::RunStartAfterAnchor)?;
    // A setup that was not known when the base was measured may change what its commands say.
    let known = if spec.setup.is_empty() { measured.outcomes() } else { Vec::new() };
    let driver = open(start, store, lease, (at, anchor), (team, prompts), choices.record, known)?;
    if !measured.measured.is_empty() {
        driver.gate.log.record(&[Fact::run(Kind::BaselineFinished { commands: measured.commands() })])?;
    }
    Ok(driver)
}

/// Takes the ownership of a run, and says so where other machines cannot be told.
fn own(
    start: &Start,
    store: &Store,
    lock: SpecLock,
    id: &RunId,
    target: &str,
    choices: &Choices,
) -> Result<Lease, Failure> {
    let lease = lock.lease(store, id, target, choices.take_over)?;
    heartbeat::tell_trouble(&start.ui, &lease)?;
    Ok(lease)
}

/// Takes up a run that was left.
pub fn reopen(
    start: &Start,
    store: &Store,
    lock: SpecLock,
    id: &RunId,
    choices: &Choices,
) -> Result<Arc<Driver>, Failure> {
    let (at, anchor) = run::load(&store.repo, id)?;
    let team = team::again(start, store, &choices.whom, &anchor.agents)?;
    let prompts = prompts(start, store)?;
    let lock = lock.after(journal::read(&store.repo, id, at)?.state.owners());
    let lease = own(start, store, lock, id, &anchor.target, choices)?;
    open(start, store, lease, (at, anchor), (team, prompts), choices.record, Vec::new())
}

/// Lets the branch of a finished run catch up with its landings: somebody had it checked out when they were made.
pub fn catch_up(start: &Start, store: &Store, lock: SpecLock, id: &RunId, choices: &Choices) -> Result<(), Failure> {
    let (_, anchor) = run::load(&store.repo, id)?;
    let (Some(landed), Some(found)) = (run::target(&store.repo, id)?, store.repo.refs().read(&anchor.target)?) else {
        return Ok(());
    };
    if found == landed || !store.repo.is_ancestor(found, landed)? {
        return Ok(());
    }
    let lease = Arc::new(own(start, store, lock, id, &anchor.target, choices)?);
    let lane = Lane::new(store.clone(), id.clone(), anchor.target, lease.clone());
    if let Some((branch, to)) = lane.catch_up()? {
        let branch = branch.strip_prefix("refs/heads/").unwrap_or(&branch);
        start.ui.say(&format!("{branch} caught up with what has landed, to {}", to.short()))?;
    }
    drop(lane);
    match Arc::into_inner(lease) {
        Some(lease) => Ok(lease.release()?),
        None => Ok(()),
    }
}

/// Brings a run's refs and journal to where its driver can start.
fn open(
    start: &Start,
    store: &Store,
    lease: Lease,
    (at, anchor): (Oid, RunAnchor),
    (team, prompts): (Team, Prompts),
    record: bool,
    known: Vec<Outcome>,
) -> Result<Arc<Driver>, Failure> {
    let lease = Arc::new(lease);
    ensure_target(store, &lease, &anchor)?;
    start.world.faults.hit(Point::RunStartAfterTarget)?;
    let replayed = journal::read(&store.repo, &anchor.run, at)?;
    let state = replayed.state;
    let Version { mut plan, contents, working_copy } =
        Version::load(store, state.spec().unwrap_or(anchor.spec_commit), anchor.limits.clone())?;
    plan.known = known_code(store, &anchor.run, &plan.spec)?;
    let team = team::fit(start, store, team, &plan.spec)?;
    let writer = journal::Writer::open(store, &anchor.run, at, state.lamport)?;
    let fresh = state.started.is_none();
    let progress = Arc::new(Progress::new(start.ui.clone(), start.world.clock.clone()));
    let told = progress.clone();
    let log = Arc::new(Log::new(writer, state, Box::new(move |event, _| told.event(event))));
    let opening = if fresh {
        Kind::RunStarted { spec: anchor.spec_commit, target: anchor.target.clone(), base: anchor.base }
    } else {
        Kind::RunResumed { reason: "taken up again".into(), term: lease.term() }
    };
    log.record(&[Fact::run(opening)])?;
    let style = style(start, store)?;
    // What was recorded from its start is recorded to its end.
    let records = record
        || store.repo.config_bool("otto.record")?.unwrap_or(false)
        || !team::recorded_calls(store, &anchor.run)?.is_empty();
    let supply = supply::supply(start, store, store.repo.read_commit(anchor.base)?.tree)?;
    let root = run_root(start, store, &anchor.run)?;
    let site = site(start, store, root, supply, plan.spec.setup.clone(), contents)?;
    let base = Some(store.repo.read_commit(anchor.base)?.tree);
    let site = Site { known: Arc::new(known), base, ..about(site, &plan.spec) };
    let gate = Gate { site, log, run: anchor.run.clone(), records };
    let lane = Arc::new(Lane::new(store.clone(), anchor.run.clone(), anchor.target.clone(), lease.clone()));
    Ok(Arc::new(Driver {
        gate,
        plan,
        lane,
        lease,
        team,
        prompts,
        progress,
        working_copy,
        style,
        full: full(store)?,
        depth: depth(store)?,
        desk: Default::default(),
    }))
}

/// How many candidates are under way to the target at a time. It is asked anew when a run is taken up.
fn depth(store: &Store) -> Result<usize, Failure> {
    let depth = number(store, "otto.queue.depth", 4, 1)?;
    Ok(usize::try_from(depth).map_or(lane::MAX_DEPTH, |depth| depth.min(lane::MAX_DEPTH)))
}

/// When the project's own commands run. It is asked anew when a run is taken up: what has landed is not touched by it.
fn full(store: &Store) -> Result<Full, Failure> {
    store.repo.config("otto.checks.full").as_deref().map_or(Ok(Full::default()), str::parse)
}

/// The code of a spec's slices that earlier runs brought into the product, of each slice the newest.
fn known_code(store: &Store, run: &RunId, spec: &Spec) -> Result<Vec<FileBlock>, Failure> {
    let mut known = Vec::new();
    let mut open: Vec<&SliceId> = spec.slices.iter().map(|s| &s.id).collect();
    open.retain(|id| spec.files.iter().any(|f| f.slice == **id));
    let mut earlier: Vec<RunId> = run::list(&store.repo, Some(&spec.id))?;
    earlier.truncate(earlier.iter().position(|id| id == run).unwrap_or(earlier.len()));
    for id in earlier.into_iter().rev() {
        if open.is_empty() {
            break;
        }
        // A run that cannot be read any more says nothing.
        let Ok((at, anchor)) = run::load(&store.repo, &id) else { continue };
        let Ok(replayed) = journal::read(&store.repo, &id, at) else { continue };
        let state = replayed.state;
        let version = Version::load(store, state.spec().unwrap_or(anchor.spec_commit), anchor.limits);
        let Ok(Version { plan: then, .. }) = version else { continue };
        open.retain(|id| {
            let done = current(&then, &state, id).is_done();
            if done {
                known.extend(then.spec.files.iter().filter(|f| f.slice == **id).cloned());
            }
            !done
        });
    }
    Ok(known)
}

/// Where checks are run, below the folder `root`.
pub fn site(
    start: &Start,
    store: &Store,
    root: PathBuf,
    supply: Supply,
    setup: Vec<Vec<String>>,
    contents: BTreeMap<Sha256, Vec<u8>>,
) -> Result<Site, Failure> {
    // What is started there is known in the folder, for whoever comes by after a crash.
    let procs = Arc::new(Recorded::new(start.world.procs.clone(), &root));
    let mut sandbox = sandbox(start, store)?;
    // What was fetched for all checkouts is found by what runs in one.
    sandbox.read.extend(supply.cache.iter().map(|cache| cache.join("packages")));
    Ok(Site {
        world: World { procs, ..start.world.clone() },
        store: store.clone(),
        root,
        setup,
        contents,
        services: Vec::new(),
        spec: Arc::default(),
        base: None,
        ports: Default::default(),
        probes: many(store, "otto.probe.allow"),
        check_env: check_env(start, store),
        sandbox,
        supply,
        idle: Default::default(),
        known: Default::default(),
    })
}

/// The same place with what a spec says of it.
pub fn about(site: Site, spec: &Spec) -> Site {
    // A spec was JSON before: it always is again.
    let value = serde_json::to_value(spec).unwrap_or_default();
    Site { setup: spec.setup.clone(), services: spec.services.clone(), spec: Arc::new(value), ..site }
}

/// Creates the refs of the target where a new run, or one that died at its start, lacks them.
fn ensure_target(store: &Store, lease: &Lease, anchor: &RunAnchor) -> Result<(), Failure> {
    let name = names::target(&anchor.run);
    if store.repo.refs().read(&name)?.is_some() {
        return Ok(());
    }
    let mut edits = vec![RefEdit { name, old: Old::Absent, new: Some(anchor.base) }];
    if store.repo.refs().read(&anchor.target)?.is_none() {
        edits.push(RefEdit { name: anchor.target.clone(), old: Old::Absent, new: Some(anchor.base) });
    }
    match lease.swap(&edits, "start")? {
        Swap::Done => Ok(()),
        Swap::Lost { name, .. } => {
            let text = format!("{name} was made by somebody else while the run {} started", anchor.run);
            Err(Failure::new(Exit::Locked, text).hint(format!("git otto resume {}", anchor.run)))
        }
    }
}

/// The folder of a run's workspaces.
pub fn run_root(start: &Start, store: &Store, run: &RunId) -> Result<PathBuf, Failure> {
    Ok(workspace::root(&start.world, &store.repo)?.join(run.as_str()))
}

/// How landings are told: the template that `otto.commit.template` names, from the repository's top unless absolute.
fn style(start: &Start, store: &Store) -> Result<Style, Failure> {
    let sign_off = store.repo.config_bool("format.signOff")?.unwrap_or(false);
    let Some(name) = store.repo.config("otto.commit.template") else { return Ok(Style { template: None, sign_off }) };
    let path = configured_path(start, store, &name);
    let unusable = |why: String| {
        let text = format!("otto.commit.template names {}, which {why}", path.display());
        Failure::new(Exit::Usage, text).hint("git config --unset otto.commit.template")
    };
    let template = std::fs::read(&path).map_err(|e| unusable(format!("cannot be read: {e}")))?;
    if template.len() > message::MAX {
        return Err(unusable(format!("is larger than {} bytes", message::MAX)));
    }
    let template = String::from_utf8(template).map_err(|_| unusable("is not UTF-8".into()))?;
    Ok(Style { template: Some(template), sign_off })
}

/// How the programs of a run are confined: what the configuration asks for, of what the machine offers.
pub fn sandbox(start: &Start, store: &Store) -> Result<Sandbox, Failure> {
    let available = match start.confinement.get() {
        Some(known) => known.clone(),
        None => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let tried = Arc::new(runtime.block_on(sandbox::probe(&start.world)));
            start.confinement.get_or_init(|| tried).clone()
        }
    };
    sandbox_of(start, store, available)
}

/// The same on a machine that was tried.
pub fn sandbox_of(start: &Start, store: &Store, available: Arc<Available>) -> Result<Sandbox, Failure> {
    let mode = store.repo.config("otto.sandbox").as_deref().unwrap_or("auto").parse()?;
    let network = store.repo.config("otto.sandbox.network").as_deref().unwrap_or("all").parse()?;
    let level = sandbox::choose(mode, &available)?;
    let home = start.world.env.home.clone().unwrap_or_default();
    let paths = |key: &str| -> Vec<PathBuf> {
        let named = store.repo.config_all(key).into_iter();
        named.map(|p| p.strip_prefix("~/").map(|rest| home.join(rest)).unwrap_or_else(|| p.into())).collect()
    };
    let mut read = paths("otto.sandbox.read");
    // Workspaces borrow the repository's objects.
    read.push(store.repo.common_dir().join("objects"));
    Ok(Sandbox { available, level, network, read, write: paths("otto.sandbox.write") })
}

/// Where managers of languages keep what the programs on PATH lead to, below HOME. Checks have another HOME.
const MANAGERS: [(&str, &str); 8] = [
    ("ASDF_DATA_DIR", ".asdf"),
    ("GOENV_ROOT", ".goenv"),
    ("MISE_DATA_DIR", ".local/share/mise"),
    ("NODENV_ROOT", ".nodenv"),
    ("PYENV_ROOT", ".pyenv"),
    ("RBENV_ROOT", ".rbenv"),
    ("RUSTUP_HOME", ".rustup"),
    ("VOLTA_HOME", ".volta"),
];

/// The variables that checks see besides the built ones: where managers of languages are, and what `otto.checkEnv` names.
pub fn check_env(start: &Start, store: &Store) -> Vec<(String, String)> {
    let env = &start.world.env;
    let manager = |(name, folder): (&str, &str)| {
        let below_home = || env.home.as_ref().map(|home| home.join(folder));
        let found = env.var(name).map(PathBuf::from).or_else(below_home).filter(|dir| dir.is_dir())?;
        Some((name.to_owned(), found.to_str()?.to_owned()))
    };
    let mut out: Vec<(String, String)> = MANAGERS.into_iter().filter_map(manager).collect();
    for name in many(store, "otto.checkEnv") {
        if let Some(value) = env.var(&name) {
            out.retain(|(known, _)| *known != name);
            out.push((name, value.to_owned()));
        }
    }
    out
}

/// The words of a key that may be given several times, each with several.
fn many(store: &Store, key: &str) -> Vec<String> {
    let values = store.repo.config_all(key);
    let words = values.iter().flat_map(|v| v.split([',', ' '])).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}
