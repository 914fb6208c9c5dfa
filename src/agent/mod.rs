//! Who writes: one door to every agent. A typed call goes in, events come out while it works, one outcome at its end.
//!
//! The outcome is judged by what can be seen from outside: the terminal event, the error flag, the exit code, denied
//! permissions. What it changed is judged by who looks at the workspace. Its prose is no evidence of anything.

mod acp;
pub mod answer;
mod cli;
mod command;
mod event;
mod http;
mod literate;
mod program;
pub mod prompt;
mod provider;
mod recording;
pub mod request;
mod task;
mod transcript;
pub mod variables;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use event::Event;
pub use provider::{Provider, UnknownProvider};
pub use recording::{Edit, Recorded, Recording};
pub use task::{Block, Conflict, Contract, FailureNote, Granted, Landed, Need, Product, Side, TASK_SCHEMA, Task};

use crate::base::{Cost, SliceId, World};

/// What an agent is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Write a spec.
    Compile,
    /// Build a slice.
    Build,
    /// Mend an attempt.
    Repair,
    /// Judge the product.
    Audit,
}

impl Role {
    /// Its name in records, configuration and prompts.
    pub fn name(self) -> &'static str {
        match self {
            Role::Compile => "compile",
            Role::Build => "build",
            Role::Repair => "repair",
            Role::Audit => "audit",
        }
    }
}

/// An agent as it was chosen: who, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Who.
    pub provider: Provider,
    /// The model, in the provider's own words; its default otherwise.
    pub model: Option<String>,
    /// How hard it thinks, in the provider's own words.
    pub effort: Option<String>,
    /// For models over HTTP: where, with which key, at which price.
    pub endpoint: Endpoint,
    /// Names of further variables of the user's that it may see.
    pub variables: Vec<String>,
    /// What is played back by [`Provider::Replay`].
    pub recording: Recording,
}

impl Agent {
    /// An agent with everything at its default.
    pub fn new(provider: Provider) -> Agent {
        Agent {
            provider,
            model: None,
            effort: None,
            endpoint: Endpoint::default(),
            variables: Vec::new(),
            recording: Recording::default(),
        }
    }

    /// Its name with its model.
    pub fn name(&self) -> String {
        match &self.model {
            Some(model) => format!("{}/{model}", self.provider),
            None => self.provider.to_string(),
        }
    }

    /// How records name whoever makes a call: `claude`, `claude/opus`; of a recording, who made it then.
    pub fn recorded_as(&self, role: Role, slice: Option<&SliceId>, nth: u32) -> String {
        match self.recording.who(role, slice, nth) {
            Some(who) => who.to_owned(),
            None => self.name(),
        }
    }
}

/// Who does what in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Team {
    /// Who builds.
    pub build: Agent,
    /// Who mends.
    pub repair: Agent,
    /// Who judges the whole, if anybody.
    pub audit: Option<Agent>,
}

impl Team {
    /// Who writes at an attempt.
    pub fn writer(&self, attempt: u32) -> &Agent {
        if attempt == 1 { &self.build } else { &self.repair }
    }
}

/// Where a model over HTTP is reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
    /// The base URL; the provider's own otherwise.
    pub url: Option<String>,
    /// The key.
    pub key: Option<Key>,
    /// Millionths of a US dollar for a million tokens read, and for a million written.
    pub price: Option<(u64, u64)>,
}

impl Endpoint {
    /// The key, where it is one.
    pub fn key(&self) -> Option<&Key> {
        self.key.as_ref().filter(|key| !key.reveal().trim().is_empty())
    }
}

/// A secret. It is never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// Takes a secret.
    pub fn new(secret: String) -> Key {
        Key(secret)
    }
    /// Gives the secret to whoever sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What an agent is to do.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// Change files: build and repair.
    Write(&'a Task),
    /// Answer with a JSON value of this schema and change nothing: compile and audit.
    Answer(&'a Value),
}

/// Whether a path, relative to the workspace, may be written; why not, otherwise.
pub type MayWrite<'a> = dyn Fn(&str) -> Result<(), String> + Send + Sync + 'a;

/// One call of an agent.
pub struct Call<'a> {
    /// What for.
    pub role: Role,
    /// The attempt at a slice, or which call of its role, from 1.
    pub nth: u32,
    /// What it is told.
    pub prompt: &'a str,
    /// What it is to do.
    pub work: Work<'a>,
    /// Where it works: its current directory.
    pub dir: &'a Path,
    /// A folder of its own outside `dir`, for files that a program is given by name, and for its `TMPDIR`.
    pub scratch: &'a Path,
    /// What it may write below `dir`, where the protocol lets it be asked beforehand.
    pub may_write: &'a MayWrite<'a>,
    /// The conversation.
    pub session: Session,
    /// Where conversations are kept that no program keeps; it outlives `dir`.
    pub sessions: &'a Path,
    /// What it may take.
    pub bounds: Bounds,
    /// The file for what it printed; outside `dir`.
    pub transcript: &'a Path,
    /// Who is told what it does.
    pub notice: &'a (dyn Fn(Event) + Send + Sync),
}

/// The conversation that a call belongs to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// Its name; none where the program names it itself.
    pub id: Option<String>,
    /// Whether it has begun: then it is continued.
    pub begun: bool,
    /// What is in the ledger for it already: programs that count over a whole conversation say it again.
    pub spent: Cost,
}

/// What a call may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest it may run.
    pub wall: Duration,
    /// The longest it may stay silent.
    pub idle: Option<Duration>,
    /// Millionths of a US dollar that are left.
    pub usd_micros: Option<u64>,
}

/// Why another try is of no use before a person has done something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The program is not there.
    Missing,
    /// It is not logged in, or its key is wrong.
    Login,
    /// Its quota is used up.
    Quota,
    /// The model is not known.
    Model,
}

impl Trouble {
    /// What to do, for an agent of that provider: a command where there is one.
    pub fn hint(self, provider: &Provider) -> String {
        let name = provider.family();
        match self {
            Trouble::Missing => {
                format!("install {}, or choose another agent: git otto agents", provider.program().unwrap_or(name))
            }
            Trouble::Login => format!("git otto agents --probe    (says how {name} is given its key or login)"),
            Trouble::Quota => "wait until there is quota again, then: git otto resume".into(),
            Trouble::Model => "git config otto.model <model>".into(),
        }
    }
}

/// What came of a call. Whether it changed anything is judged by who looks at the workspace.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// It ended as an agent that is done does. No evidence of anything.
    pub ok: bool,
    /// What it says it did, or why it failed; one line.
    pub detail: String,
    /// Why another try is of no use, where that is so.
    pub trouble: Option<Trouble>,
    /// What this call cost: the difference to what the ledger had for the conversation.
    pub cost: Cost,
    /// How long it took.
    pub duration: Duration,
    /// The conversation, where it has a name; none where the program does not know it any more.
    pub session: Option<String>,
    /// Its answer to [`Work::Answer`]: the value, or the text that should hold one.
    pub answer: Option<Answer>,
    /// What was denied to it, one phrase each.
    pub denied: Vec<String>,
    /// What a recording says that it left and no tree can hold.
    pub problems: Vec<String>,
    /// What it printed, redacted and bounded; none where it printed nothing or nothing could be kept.
    pub transcript: Option<PathBuf>,
}

/// What an agent answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A value that the provider itself held to the schema.
    Value(Value),
    /// A text; the value is somewhere in it.
    Text(String),
}

impl Outcome {
    /// It failed, and why.
    pub fn failed(detail: impl Into<String>) -> Self {
        Outcome { detail: detail.into(), ..Outcome::default() }
    }
    /// It is done, and what it says.
    pub fn done(detail: impl Into<String>) -> Self {
        Outcome { ok: true, detail: detail.into(), ..Outcome::default() }
    }
    /// The same with the reason why another try is of no use.
    pub fn trouble(mut self, trouble: Trouble) -> Self {
        self.trouble = Some(trouble);
        self
    }
}

/// The name of a new conversation, where the provider takes one beforehand: a random UUID (RFC 9562, version 4).
pub fn new_session(world: &World, provider: &Provider) -> std::io::Result<Option<String>> {
    if !matches!(provider, Provider::Claude | Provider::Gemini | Provider::Anthropic | Provider::OpenAi) {
        return Ok(None);
    }
    let h = world.ids.hex(31)?;
    Ok(Some(format!("{}-{}-4{}-a{}-{}", &h[..8], &h[8..12], &h[12..15], &h[15..18], &h[18..30])))
}

/// Finds out whether an agent that works elsewhere can be reached, without asking it anything: what it says, or why it is
/// of no use.
pub async fn probe(world: &World, provider: &Provider, endpoint: &Endpoint) -> Result<String, String> {
    match provider {
        Provider::Anthropic => http::probe(world, endpoint, &http::Anthropic).await,
        Provider::OpenAi => http::probe(world, endpoint, &http::OpenAi).await,
        _ => Err("it does not work elsewhere".into()),
    }
}

/// Calls an agent. A failure of the agent is an outcome, not an error.
pub async fn run(world: &World, agent: &Agent, call: &Call<'_>) -> Outcome {
    let begun: Instant = world.clock.mono();
    let mut outcome = match &agent.provider {
        Provider::Literate => literate::run(call),
        Provider::Command(argv) => command::run(world, agent, argv, call).await,
        // Who waits for them does so without a program.
        Provider::Manual => Outcome::failed("a person builds and mends slices, and answers no agent's questions"),
        Provider::Replay(_) => recording::replay(&agent.recording, call),
        Provider::Anthropic => http::run(world, agent, call, &http::Anthropic).await,
        Provider::OpenAi => http::run(world, agent, call, &http::OpenAi).await,
        Provider::Claude | Provider::Codex | Provider::Gemini | Provider::OpenCode | Provider::Aider => {
            cli::run(world, agent, call).await
        }
        Provider::Acp(argv) => acp::run(world, agent, argv, call).await,
    };
    // A denial is a failure of a call that is to write, whatever the program claims. One that is to answer may well be
    // denied what it must not do.
    if outcome.ok && !outcome.denied.is_empty() && matches!(call.work, Work::Write(_)) {
        outcome.ok = false;
        outcome.detail = format!("denied to it: {}", outcome.denied.join("; "));
    }
    outcome.duration = begun.elapsed();
    outcome
}
