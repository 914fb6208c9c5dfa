//! What an agent gets of the user's environment and of their home: what every program needs, and its own provider's login.
//! Nothing else; none of git's variables, so that it is not led to another repository.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{Agent, Call, Provider, Work};
use crate::base::World;

/// Variables that every agent sees, where they are set.
pub const BASE: [&str; 27] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TZ",
    "TERM",
    "COLORTERM",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_CACHE_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "TRACEPARENT",
];

/// What a provider's own login consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// Variables by name; a trailing `*` stands for any ending.
    pub variables: &'static [&'static str],
    /// Files and folders below the home that it reads and writes: credentials, settings, conversations.
    pub paths: &'static [&'static str],
}

/// What a provider's own login consists of: made available to that agent alone.
pub fn login(provider: &Provider) -> Login {
    let (variables, paths): (&[&str], &[&str]) = match provider {
        Provider::Claude => (
            &["ANTHROPIC_*", "CLAUDE_*", "AWS_BEARER_TOKEN_BEDROCK", "DISABLE_*", "IS_SANDBOX"],
            &[".claude", ".claude.json"],
        ),
        Provider::Codex => (&["OPENAI_*", "CODEX_*"], &[".codex"]),
        Provider::Gemini => (&["GEMINI_*", "GOOGLE_*"], &[".gemini"]),
        Provider::OpenCode => (
            &["OPENCODE_*", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"],
            &[".config/opencode", ".local/share/opencode", ".local/state/opencode", ".cache/opencode"],
        ),
        Provider::Aider => (
            &["AIDER_*", "ANTHROPIC_API_KEY", "OPENAI_*", "GEMINI_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY"],
            &[".aider", ".aider.conf.yml", ".aider.model.settings.yml"],
        ),
        // Whatever it is: the same as the programs that speak the protocol.
        Provider::Acp(_) => (
            &["ANTHROPIC_*", "CLAUDE_*", "OPENAI_*", "CODEX_*", "GEMINI_*", "GOOGLE_*", "OPENCODE_*"],
            &[
                ".claude",
                ".claude.json",
                ".codex",
                ".gemini",
                ".config/opencode",
                ".local/share/opencode",
                ".local/state/opencode",
                ".cache/opencode",
            ],
        ),
        Provider::Literate | Provider::Command(_) | Provider::Anthropic | Provider::OpenAi | Provider::Replay(_) => {
            (&[], &[])
        }
    };
    Login { variables, paths }
}

/// The login's paths in this user's home.
pub fn login_paths(world: &World, provider: &Provider) -> Vec<PathBuf> {
    let home = world.env.home.as_deref().unwrap_or(Path::new("/nonexistent"));
    login(provider).paths.iter().map(|p| home.join(p)).collect()
}

/// The whole environment of an agent's program.
pub fn of(world: &World, agent: &Agent, call: &Call<'_>) -> BTreeMap<OsString, OsString> {
    let own = login(&agent.provider).variables;
    let named = |name: &str| {
        BASE.contains(&name)
            || own.iter().any(|v| v.strip_suffix('*').map_or(*v == name, |start| name.starts_with(start)))
            || agent.variables.iter().any(|v| v == name)
    };
    let mut out: BTreeMap<OsString, OsString> = world
        .env
        .vars
        .iter()
        .filter(|(k, _)| k.to_str().is_some_and(named))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    out.insert("TMPDIR".into(), call.scratch.into());
    out.insert("OTTO_ROLE".into(), call.role.name().into());
    if let Work::Write(task) = call.work {
        out.insert("OTTO_SLICE".into(), task.slice.as_str().into());
        out.insert("OTTO_ATTEMPT".into(), task.attempt.to_string().into());
    }
    let around = call.dir.parent().unwrap_or(call.dir);
    out.insert("GIT_CEILING_DIRECTORIES".into(), around.into());
    out
}
