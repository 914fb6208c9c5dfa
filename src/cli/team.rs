//! Who does what: from flags and configuration to the agents of a run.

use std::{collections::BTreeMap, path::Path};

use crate::{
    agent::{Agent, Provider, Recording, Role, Team, Trouble},
    base::{
        Exit, Failure, RunId,
        text::{one_line, redact},
    },
    cli::{Start, endpoint},
    gate::RECORDING,
    plan::model::blocks,
    spec::model::Spec,
    store::{Store, evidence, run},
};

/// The largest recording that is read.
const MAX_RECORDING: u64 = 256 << 20;

/// Whom a person chose.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Whom {
    /// Who writes: claude, codex, gemini, opencode, aider, anthropic, openai, manual, `acp:<command>`,
    /// `command:<command>`, `replay:<run or file>` [config: otto.agent]
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// Its model, in the agent's own words [config: otto.model]
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// How hard it thinks, in the agent's own words [config: otto.effort]
    #[arg(long, value_name = "EFFORT")]
    pub effort: Option<String>,
}

/// The programs that are looked for where nobody is chosen, in this order.
const SOUGHT: [Provider; 4] = [Provider::Claude, Provider::Codex, Provider::Gemini, Provider::OpenCode];

/// What was chosen for one role, before it is known whether it can be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Choice {
    agent: Option<String>,
    model: Option<String>,
    effort: Option<String>,
}

/// The keys of each role: agent, model, effort.
const KEYS: [(Role, [&str; 3]); 4] = [
    (Role::Compile, ["otto.compile.agent", "otto.compile.model", "otto.compile.effort"]),
    (Role::Build, ["otto.build.agent", "otto.build.model", "otto.build.effort"]),
    (Role::Repair, ["otto.repair.agent", "otto.repair.model", "otto.repair.effort"]),
    (Role::Audit, ["otto.audit.agent", "otto.audit.model", "otto.audit.effort"]),
];

/// The keys of all roles that have none of their own; the audit has no agent unless it is given one.
const GENERAL: [&str; 3] = ["otto.agent", "otto.model", "otto.effort"];

impl Choice {
    /// From the configuration: the role's own keys, else the general ones. A role with an agent of its own does not get
    /// the model of another.
    fn configured(store: &Store, role: Role) -> Choice {
        let keys = KEYS.iter().find(|(r, _)| *r == role).map_or(GENERAL, |(_, keys)| *keys);
        let [agent, model, effort] = keys.map(|key| store.repo.config(key));
        let general = GENERAL.map(|key| store.repo.config(key).filter(|_| agent.is_none()));
        let [any_agent, any_model, any_effort] = general;
        Choice { agent: agent.or(any_agent), model: model.or(any_model), effort: effort.or(any_effort) }
    }

    fn with(self, whom: &Whom) -> Choice {
        match &whom.agent {
            Some(agent) => {
                Choice { agent: Some(agent.clone()), model: whom.model.clone(), effort: whom.effort.clone() }
            }
            None => Choice {
                agent: self.agent,
                model: whom.model.clone().or(self.model),
                effort: whom.effort.clone().or(self.effort),
            },
        }
    }
}

/// Who compiles prose: the choice, the configuration, else the first program that is there.
pub fn compiler(start: &Start, store: &Store, whom: &Whom) -> Result<Agent, Failure> {
    let choice = Choice::configured(store, Role::Compile).with(whom);
    match &choice.agent {
        Some(_) => asked(made(start, store, choice)?, Role::Compile),
        None => match sought(start) {
            Some(provider) => made(start, store, Choice { agent: Some(provider.to_string()), ..choice }),
            None => {
                let nobody = nobody("prose needs an agent that compiles it into a spec, and none is set up");
                let hint = nobody.hint.as_deref().unwrap_or_default();
                let hint = format!("{hint}\nor write slices and checks yourself: docs/intent.md");
                Err(nobody.hint(hint))
            }
        },
    }
}

/// Whether anybody is there who builds what an intent carries no files for.
pub fn has_builder(start: &Start, store: &Store, whom: &Whom) -> bool {
    Choice::configured(store, Role::Build).with(whom).agent.is_some() || sought(start).is_some()
}

/// Who would take a role here, with model and effort, in words.
pub fn shown(start: &Start, store: &Store, role: Role) -> (String, Option<String>, Option<String>) {
    let mut choice = Choice::configured(store, role);
    if role == Role::Repair && choice.agent.is_none() {
        choice = Choice::configured(store, Role::Build);
    }
    let own = store.repo.config("otto.audit.agent");
    let agent = match (role, choice.agent) {
        (Role::Audit, _) => own.unwrap_or_else(|| "none: the checks alone judge".into()),
        (_, Some(agent)) => agent,
        (_, None) => sought(start).map_or("nobody is set up".into(), |p| format!("{p}, the first that is there")),
    };
    (agent, choice.model, choice.effort)
}

/// Who builds, mends and audits a spec.
pub fn team(start: &Start, store: &Store, whom: &Whom, spec: &Spec) -> Result<Team, Failure> {
    let bare: Vec<_> = spec.slices.iter().filter(|s| blocks(spec, &s.id, 1).is_empty()).collect();
    let build = Choice::configured(store, Role::Build).with(whom);
    let build = match (&build.agent, bare.is_empty()) {
        (Some(_), _) => build,
        (None, true) => Choice { agent: Some(Provider::Literate.to_string()), ..Choice::default() },
        (None, false) => match sought(start) {
            Some(provider) => Choice { agent: Some(provider.to_string()), ..build },
            None => {
                let names: Vec<_> = bare.iter().map(|s| format!("`{}`", s.id)).collect();
                let names = names.join(", ");
                return Err(nobody(&format!("no agent is set up, and the intent carries no files for {names}")));
            }
        },
    };
    let own = store.repo.config("otto.repair.agent").is_some() && whom.agent.is_none();
    let repair = if own { Choice::configured(store, Role::Repair).with(whom) } else { build.clone() };
    let audit = Choice::configured(store, Role::Audit);
    let audit = match store.repo.config("otto.audit.agent").as_deref() {
        None | Some("none") => None,
        Some(_) => Some(asked(made(start, store, audit)?, Role::Audit)?),
    };
    let build = made(start, store, build)?;
    let repair = if own { made(start, store, repair)? } else { build.clone() };
    Ok(Team { build, repair, audit })
}

/// The team that a run was begun with, unless another is chosen now.
pub fn again(start: &Start, store: &Store, whom: &Whom, recorded: &BTreeMap<String, String>) -> Result<Team, Failure> {
    let of = |role: Role| {
        let part = |what: &str| recorded.get(&format!("{}{what}", role.name())).cloned();
        part("").map(|agent| Choice { agent: Some(agent), model: part(".model"), effort: part(".effort") })
    };
    let build =
        of(Role::Build).unwrap_or_else(|| Choice { agent: Some(Provider::Literate.to_string()), ..Choice::default() });
    let build = build.with(whom);
    let repair = of(Role::Repair).filter(|_| whom.agent.is_none()).unwrap_or_else(|| build.clone());
    let audit = of(Role::Audit).map(|choice| made(start, store, choice)).transpose()?;
    Ok(Team { build: made(start, store, build)?, repair: made(start, store, repair)?, audit })
}

/// A team that can build a spec: another one where it was made for a spec that carries all of its code, and this one does
/// not.
pub fn fit(start: &Start, store: &Store, made: Team, spec: &Spec) -> Result<Team, Failure> {
    let carried = spec.slices.iter().all(|s| !blocks(spec, &s.id, 1).is_empty());
    if carried || made.build.provider != Provider::Literate {
        return Ok(made);
    }
    let audit = made.audit;
    team(start, store, &Whom::default(), spec).map(|team| Team { audit, ..team })
}

/// What a run's records say of its team.
pub fn recorded(team: &Team) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut put = |role: Role, agent: &Agent| {
        out.insert(role.name().to_owned(), agent.provider.to_string());
        for (what, value) in [("model", &agent.model), ("effort", &agent.effort)] {
            if let Some(value) = value {
                out.insert(format!("{}.{what}", role.name()), value.clone());
            }
        }
    };
    put(Role::Build, &team.build);
    if team.repair != team.build {
        put(Role::Repair, &team.repair);
    }
    if let Some(audit) = &team.audit {
        put(Role::Audit, audit);
    }
    out
}

/// Somebody who is to answer: a person builds.
fn asked(agent: Agent, role: Role) -> Result<Agent, Failure> {
    if agent.provider != Provider::Manual {
        return Ok(agent);
    }
    let role = role.name();
    let text = format!("a person builds and mends slices; to {role} is for an agent");
    Err(Failure::new(Exit::Agent, text).hint(format!("git config otto.{role}.agent <agent>")))
}

fn nobody(message: &str) -> Failure {
    let hint = "git config otto.agent <agent>    (git otto agents lists what there is)";
    Failure::new(Exit::Agent, message).hint(hint)
}

/// The first program on PATH that is an agent.
fn sought(start: &Start) -> Option<Provider> {
    SOUGHT.into_iter().find(|p| p.program().is_some_and(|name| is_there(start, name)))
}

/// Whether a program can be found as an agent's would be: on PATH, or by its absolute path.
pub fn is_there(start: &Start, program: &str) -> bool {
    let runs = |p: &Path| p.is_file() && rustix::fs::access(p, rustix::fs::Access::EXEC_OK).is_ok();
    if program.contains('/') {
        return !program.starts_with('/') || runs(Path::new(program));
    }
    let path = start.world.env.vars.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_default();
    std::env::split_paths(&path).any(|dir| runs(&dir.join(program)))
}

/// An agent as it was chosen, with everything that it needs; an error where that cannot be had.
fn made(start: &Start, store: &Store, choice: Choice) -> Result<Agent, Failure> {
    for part in [&choice.agent, &choice.model, &choice.effort].into_iter().flatten() {
        // The names go into the run's records, which are shared.
        if redact(part.as_bytes()) != part.as_bytes() {
            let text = "the agent's command line holds what looks like a secret, and the run's records would keep it";
            return Err(
                Failure::new(Exit::Refused, text).hint("give it to the agent in a variable or a file of its own")
            );
        }
        if part.starts_with('-') || part.chars().any(char::is_control) {
            let text = format!("{:?} names no agent, model or effort", one_line(part, 80));
            return Err(Failure::new(Exit::Usage, text).hint("git otto agents"));
        }
    }
    let provider: Provider = choice.agent.as_deref().unwrap_or_default().parse()?;
    if let Some(program) = provider.program().filter(|p| !is_there(start, p)) {
        let text = format!("{program} is not on PATH, and it is to be the agent");
        return Err(Failure::new(Exit::Agent, text).hint(Trouble::Missing.hint(&provider)));
    }
    if provider.is_remote() && choice.model.as_deref().is_none_or(|m| m.trim().is_empty()) {
        let text = format!("{provider} is to be the agent, and no model is set: it has none of its own");
        return Err(Failure::new(Exit::Agent, text).hint(Trouble::Model.hint(&provider)));
    }
    let recording = match &provider {
        Provider::Replay(what) => recording(start, store, what)?,
        _ => Recording::default(),
    };
    let variables = store.repo.config_all("otto.agentEnv");
    let variables = variables.iter().flat_map(|v| v.split([',', ' '])).filter(|n| !n.is_empty());
    Ok(Agent {
        model: choice.model,
        effort: choice.effort,
        endpoint: endpoint::of(start, Some(store), &provider)?,
        variables: variables.map(str::to_owned).collect(),
        recording,
        provider,
    })
}

/// A recording: a file, else a recorded run of this repository.
fn recording(start: &Start, store: &Store, what: &str) -> Result<Recording, Failure> {
    let path = start.world.env.cwd.join(what);
    if path.is_file() {
        use std::io::Read as _;
        let cannot = |e: std::io::Error| Failure::new(Exit::Usage, format!("cannot read {}: {e}", path.display()));
        let mut bytes = Vec::new();
        std::fs::File::open(&path).and_then(|f| f.take(MAX_RECORDING).read_to_end(&mut bytes)).map_err(cannot)?;
        return Recording::read(&bytes, what);
    }
    let missing = |why: &str| {
        let text = format!("{:?} is no recording: {why}", one_line(what, 100));
        Failure::new(Exit::Agent, text).hint("git otto run --record …    (records a run)")
    };
    let id: RunId = what.parse().map_err(|_| missing("it is neither a file nor a run"))?;
    let bytes = recorded_calls(store, &id)?;
    if bytes.is_empty() {
        return Err(missing(if run::load(&store.repo, &id).is_ok() {
            "nothing of that run was recorded"
        } else {
            "there is no such run here"
        }));
    }
    Recording::read(&bytes, what)
}

/// The recorded calls of a run, one a line; nothing where none were recorded.
pub fn recorded_calls(store: &Store, id: &RunId) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    for (path, blob) in evidence::list(&store.repo, id)? {
        if path.starts_with(&format!("{RECORDING}/")) {
            bytes.extend(store.repo.read_blob(blob, evidence::MAX_FILE as u64)?);
        }
    }
    Ok(bytes)
}
