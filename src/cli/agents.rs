//! `git otto agents`: who there is to write, and who does what here.

use std::{path::PathBuf, time::Duration};

use serde::Serialize;

use crate::{
    agent::{self, Provider, Role, variables},
    base::{
        Exit, Failure,
        procs::{self, Ended},
        text::one_line,
    },
    cli::{Start, endpoint, team},
    output::Style,
};

/// Say which agents there are, which of them can be used, and who does what here.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Start each program to ask for its version, and ask each endpoint whether it takes the key; nothing is spent
    #[arg(long)]
    probe: bool,
}

/// An agent as it was found.
#[derive(Debug, Serialize)]
struct Found {
    agent: &'static str,
    /// Whether it can be tried: its program is there, or its key.
    usable: bool,
    /// What was found, one sentence.
    text: String,
    /// What `--version` says, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// What came of asking the endpoint, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// What its login consists of: variables that are set and paths that exist.
    login: Vec<String>,
}

/// Who does one thing here.
#[derive(Debug, Serialize)]
struct Chosen {
    role: &'static str,
    agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    schema: &'static str,
    agents: &'a [Found],
    roles: &'a [Chosen],
}

/// Runs the command.
pub fn run(args: Args, start: &Start) -> Result<Exit, Failure> {
    // Outside of a repository there is nobody's choice to show.
    let store = start.store().ok();
    let roles = store.as_ref().map(|store| chosen(start, store)).unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut agents: Vec<Found> = Provider::plain().map(|(name, provider)| look(start, name, provider)).collect();
    for (found, (_, provider)) in agents.iter_mut().zip(Provider::plain()).filter(|_| args.probe) {
        match provider.program() {
            Some(program) if found.usable => found.version = Some(runtime.block_on(version(start, program))),
            None if provider.is_remote() => {
                // The keys are looked up first: helpers are programs that a runtime of their own waits for.
                let reached = endpoint::of(start, store.as_ref(), provider)
                    .map_err(|e| e.message)
                    .and_then(|at| runtime.block_on(agent::probe(&start.world, provider, &at)));
                found.usable = reached.is_ok();
                found.endpoint = Some(reached.unwrap_or_else(|why| why));
            }
            _ => {}
        }
    }
    if start.ui.is_json() {
        start.ui.answer_json(&Answer { schema: "otto.agents/1", agents: &agents, roles: &roles })?;
        return Ok(Exit::Done);
    }
    for a in &agents {
        let (style, word) = if a.usable { (Style::Good, "ok") } else { (Style::Dim, "-") };
        let probed = [&a.version, &a.endpoint].into_iter().flatten().map(|said| format!(", {said}"));
        let probed: String = probed.collect();
        let login = if a.login.is_empty() { String::new() } else { format!("; login: {}", a.login.join(", ")) };
        let line = one_line(&format!("{}{probed}{login}", a.text), 300);
        start.ui.answer(&format!("{}  {:10} {line}\n", start.ui.paint_answer(style, &format!("{word:2}")), a.agent))?;
    }
    start.ui.answer("    acp:       any agent of the Agent Client Protocol: acp:<command>\n")?;
    start.ui.answer("    command:   any program that reads a task as JSON: command:<command>\n")?;
    start.ui.answer("    replay:    a recorded run, or a file: replay:<run or file>\n")?;
    if !roles.is_empty() {
        start.ui.answer("\n")?;
    }
    for r in &roles {
        let with: Vec<&str> = [&r.model, &r.effort].into_iter().flatten().map(String::as_str).collect();
        let with = if with.is_empty() { String::new() } else { format!(" ({})", with.join(", ")) };
        start.ui.answer(&format!("{:13} {}{with}\n", r.role, one_line(&r.agent, 200)))?;
    }
    start.ui.say("to choose: git config otto.agent <agent>")?;
    Ok(Exit::Done)
}

fn chosen(start: &Start, store: &crate::store::Store) -> Vec<Chosen> {
    let of = |role: Role| {
        let (agent, model, effort) = team::shown(start, store, role);
        Chosen { role: role.name(), agent, model, effort }
    };
    [Role::Compile, Role::Build, Role::Repair, Role::Audit].map(of).into()
}

fn look(start: &Start, name: &'static str, provider: &Provider) -> Found {
    let own = variables::login(provider);
    let set = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(beginning) => start.world.env.vars.keys().any(|k| k.to_string_lossy().starts_with(beginning)),
        None => start.world.env.var(pattern).is_some_and(|v| !v.is_empty()),
    };
    let mut login: Vec<String> = own.variables.into_iter().filter(set).map(str::to_owned).collect();
    let home = start.world.env.home.as_deref();
    let short = |path: PathBuf| match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    };
    login.extend(variables::login_paths(&start.world, provider).into_iter().filter(|path| path.exists()).map(short));
    let (usable, text) = match (provider, provider.program()) {
        (Provider::Manual, _) => (true, "a person: works in the slice's folder, then `git otto submit`".to_owned()),
        (Provider::Literate, _) => (true, "embedded: writes what an intent carries".to_owned()),
        (Provider::Anthropic | Provider::OpenAi, _) => {
            let key = endpoint::key_variable(provider).unwrap_or_default();
            match start.world.env.var(key).filter(|v| !v.is_empty()) {
                Some(_) => (true, format!("a model over HTTP; {key} is set")),
                None => (false, format!("a model over HTTP; {key} is not set (git's credential helpers are asked, too)")),
            }
        }
        (_, Some(program)) if team::is_there(start, program) => (true, "on PATH".to_owned()),
        (_, Some(program)) => (false, format!("{program} is not on PATH")),
        (_, None) => (false, String::new()),
    };
    Found { agent: name, usable, text, version: None, endpoint: None, login }
}

/// What a program says of its version, or why it says nothing.
async fn version(start: &Start, program: &str) -> String {
    let spec = procs::Spec {
        argv: vec![program.into(), "--version".into()],
        cwd: "/".into(),
        env: start.world.env.vars.clone().into_iter().collect(),
        ..Default::default()
    };
    let bounds = procs::Bounds { wall: Duration::from_secs(20), idle: None, keep: 4096 };
    match procs::run(&*start.world.procs, &spec, bounds).await {
        Ok(done) if done.ended == Ended::Exit(0) && done.limit.is_none() => {
            one_line(&String::from_utf8_lossy(&done.stdout.bytes()), 80)
        }
        Ok(done) => {
            let said = one_line(&String::from_utf8_lossy(&done.stderr.bytes()), 120);
            format!("but it does not work: {}", if said.is_empty() { format!("{:?}", done.ended) } else { said })
        }
        Err(e) => format!("but it cannot be started: {e}"),
    }
}
