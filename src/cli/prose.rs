//! From prose to a draft spec, by an agent: shared by `run` and `compile`.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    agent::{Bounds, Event, answer::Told, variables},
    base::{
        Exit, Failure, Oid, SpecId, World,
        procs::{self, Recorded},
        text::one_line,
    },
    checks::model::CheckKind,
    cli::{
        Start, expressions,
        interrupt::until_interrupted,
        session::{self, Choices},
        source::{self, Draft, Source},
        team,
    },
    git::Head,
    intent::prose::{self, Ask, Compiled, Compiler, Place, Rules},
    plan::model::refusals,
    spec::{
        self,
        model::{ProjectKind, Spec},
    },
    store::{
        Store,
        record::{self, By, Phase},
    },
    workspace,
};

/// What a person may say of the spec that an intent becomes.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Wish {
    /// The id of the spec [default: from its title]
    #[arg(long, value_name = "ID")]
    pub id: Option<SpecId>,
    /// What the prose asks for: webapp, cli, library, api or service [default: the agent chooses]
    #[arg(long, value_name = "KIND", value_parser = kind)]
    pub kind: Option<ProjectKind>,
    /// Compile the prose N times and go on only if the same is to be built [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10))]
    pub trials: Option<u32>,
    /// Do not run the project's own tests, lints and format checks on the base, and keep none of them [config: otto.baseline]
    #[arg(long)]
    pub no_baseline: bool,
}

/// The kind of that name.
pub fn kind(name: &str) -> Result<ProjectKind, String> {
    let found = ProjectKind::ALL.into_iter().find(|k| k.name() == name);
    found.ok_or_else(|| format!("there are {}", ProjectKind::ALL.map(ProjectKind::name).join(", ")))
}

impl Wish {
    /// Refuses what only an agent could be told, for an intent that says everything itself.
    pub fn only_of_prose(&self) -> Result<(), Failure> {
        if self.kind.is_none() && self.trials.is_none() {
            return Ok(());
        }
        let text = "--kind and --trials are for prose, and this intent says itself what is to be built";
        Err(Failure::new(Exit::Usage, text).hint("leave them out"))
    }
}

/// What there is to run: a text of prose is prose, and prose that was compiled before is its spec.
pub fn settle(start: &Start, store: &Store, source: Source, wish: &Wish) -> Result<Source, Failure> {
    let source = source::settle(start, source)?;
    let Source::Prose(prose) = &source else {
        wish.only_of_prose()?;
        return Ok(source);
    };
    let Some(id) = known(store, prose, wish)? else { return Ok(source) };
    start.ui.say(&format!("{id} was compiled from this intent before; to compile it anew: git otto compile"))?;
    Ok(Source::Spec(id))
}

/// A spec that was compiled from exactly this prose and is not closed: it is not paid for twice.
fn known(store: &Store, prose: &str, wish: &Wish) -> Result<Option<SpecId>, Failure> {
    if wish.trials.is_some() {
        return Ok(None);
    }
    for (id, tip) in record::list(&store.repo)? {
        if wish.id.as_ref().is_some_and(|wanted| *wanted != id) {
            continue;
        }
        let stored = record::load(&store.repo, tip)?;
        let meant = |s: &Spec| s.intent == prose && wish.kind.is_none_or(|k| k == s.project_kind);
        if stored.record.kind.phase() != Phase::Closed && spec::parse(&stored.spec_bytes).is_ok_and(|s| meant(&s)) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Has an agent compile prose into a draft; `again` is one that it wrote before, and what the user says of it.
pub fn compile(
    start: &Start,
    store: &Store,
    prose: &str,
    again: Option<(&str, &str)>,
    wish: &Wish,
    choices: &Choices,
) -> Result<Draft, Failure> {
    if let Some(id) = &wish.id {
        is_open(store, id)?;
    }
    let agent = team::compiler(start, store, &choices.whom)?;
    let world = start.world.clone();
    let prompts = session::prompts(start, store)?;
    let limits = session::limits(store, choices)?;
    let root = workspace::root(&world, &store.repo)?.join("compile");
    // Agents of compiles that died.
    for orphan in procs::orphans(&root)? {
        procs::end(&orphan, &root)?;
    }
    let procs = Arc::new(Recorded::new(world.procs.clone(), &root));
    let world = World { procs, ..world };
    let tree = head_tree(store)?;
    let map = prose::map(&store.repo, tree)?;
    let checkout = workspace::clean_checkout(&store.repo, &world, &root, "compile", tree)?;
    let nonce = world.ids.hex(8)?;
    let schema = spec::answer_schema(wish.kind, &CheckKind::RUNNABLE, &[]);
    let login = variables::make_login(&world, &agent.provider)?;
    let sandbox = session::sandbox(start, store)?;
    let (dir, scratch) = (checkout.dir(), checkout.scratch());
    let calls = Mutex::new(Vec::new());
    let compiler = Compiler {
        world: &sandbox.agent(&world, agent.provider.is_remote(), dir, scratch, login),
        agent: &agent,
        prompts: &prompts,
        rules: Rules {
            schema: &schema,
            check_kinds: &CheckKind::RUNNABLE,
            read: &|bytes| read(&start.world, bytes),
            differences: &spec::differences,
        },
        place: Place {
            dir,
            scratch,
            sessions: &workspace::sessions(&root),
            transcript: &|trial, call| workspace::transcript(&root, &format!("{nonce}-{trial}-{call}")),
        },
        bounds: Bounds {
            wall: Duration::from_secs(limits.slice_wall_s),
            idle: Some(Duration::from_secs(limits.agent_idle_s)),
            usd_micros: limits.run_usd_micros,
        },
        listener: &|told| match told {
            Told::Ended(_, recorded) => {
                calls.lock().unwrap_or_else(PoisonError::into_inner).push(recorded.clone());
                Ok(())
            }
            told => narrate(start, agent.provider.family(), told),
        },
    };
    let ask = Ask {
        prose,
        again,
        id: wish.id.as_ref(),
        kind: wish.kind,
        map: map.as_deref(),
        trials: wish.trials.unwrap_or(1),
    };
    let Compiled { mut spec, guessed, cost } = to_the_end(compiler.compile(&ask))?;
    if wish.id.is_none() {
        let draft_of_it = |stored: &record::StoredSpec| {
            stored.record.kind.phase() == Phase::Draft && source::has_title(stored, &spec.title)
        };
        spec.id = source::free_id(store, &spec.id, &draft_of_it)?;
    }
    let calls = calls.into_inner().unwrap_or_else(PoisonError::into_inner);
    let model = agent.model.clone().unwrap_or_else(|| "default".into());
    let by = By::Agent { provider: agent.provider.family().to_owned(), model };
    Ok(Draft { spec, files: Default::default(), guessed, by, cost: Some(cost), calls })
}

/// Refuses to compile into a spec that no compile may follow, before anything is paid for.
pub fn is_open(store: &Store, id: &SpecId) -> Result<(), Failure> {
    let Some(tip) = record::tip(&store.repo, id)? else { return Ok(()) };
    if record::load(&store.repo, tip)?.record.kind.phase() == Phase::Draft {
        return Ok(());
    }
    let text = format!("the spec {id} is approved, and another intent cannot take its place");
    let hint = format!("to build what was approved: git otto run {id}\nto start another spec: --id <another id>");
    Err(Failure::new(Exit::Refused, text).hint(hint))
}

/// The tree of what is checked out; an empty one in a repository without commits.
fn head_tree(store: &Store) -> Result<Oid, Failure> {
    Ok(match store.repo.head()? {
        Head::Detached(commit) | Head::Branch(_, Some(commit)) => store.repo.read_commit(commit)?.tree,
        Head::Branch(_, None) => store.repo.empty_tree()?,
    })
}

/// Reads a spec as one that this version can run.
fn read(world: &World, bytes: &[u8]) -> Result<Spec, Vec<String>> {
    let texts = |errors: &[spec::SpecError]| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    let spec = spec::parse(bytes).map_err(|errors| texts(&errors))?;
    let faults = expressions::faults(world, &spec).map_err(|e| vec![e.message])?;
    if !faults.is_empty() {
        return Err(texts(&faults));
    }
    let refused: Vec<String> = refusals(&spec).into_iter().map(|r| format!("{r}, which cannot be run here")).collect();
    if refused.is_empty() { Ok(spec) } else { Err(refused) }
}

fn narrate(start: &Start, who: &str, told: Told<'_>) -> Result<(), Failure> {
    let line = match told {
        Told::Begins(session) if session.begun => format!("{who} is told what is wrong with its spec"),
        Told::Begins(_) => format!("{who} compiles the intent into a spec"),
        Told::Event(Event::Waiting(why)) => format!("{who} waits: {}", one_line(&why, 200)),
        Told::Event(Event::Tool(tool, what)) if start.ui.is_verbose() => {
            format!("{who}: {} {}", one_line(&tool, 40), one_line(&what, 200))
        }
        Told::Event(_) | Told::Ended(..) => return Ok(()),
    };
    Ok(start.ui.say(&line)?)
}

/// Waits for what comes before a spec is recorded; where it is interrupted, the programs that it started end.
pub fn to_the_end<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    until_interrupted(work, || {
        Failure::new(Exit::Interrupted, "interrupted: no spec was written").hint("the same command again")
    })
}
