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
    /// Those of them that it needs from its first start on.
    pub folders: &'static [&'static str],
    /// Variables that move such a folder, and what of it is then below the folder that they name.
    pub moved: &'static [(&'static str, &'static str)],
}

/// What a provider's own login consists of: made available to that agent alone.
pub fn login(provider: &Provider) -> Login {
    let (variables, paths): (&[&str], &[&str]) = match provider {
        Provider::Claude => (
            &[
                "ANTHROPIC_*",
                "CLAUDE_*",
                "AWS_BEARER_TOKEN_BEDROCK",
                "AWS_REGION",
                "CLOUD_ML_REGION",
                "DISABLE_*",
                "IS_SANDBOX",
            ],
            &[".claude", ".claude.json"],
        ),
        Provider::Codex => (&["OPENAI_*", "CODEX_*"], &[".codex"]),
        Provider::Gemini => {
            (&["GEMINI_*", "GOOGLE_*"], &[".gemini", ".config/gcloud/application_default_credentials.json"])
        }
        Provider::OpenCode => (
            &[
                "OPENCODE_*",
                "XDG_STATE_HOME",
                "ANTHROPIC_API_KEY",
                "OPENAI_API_KEY",
                "GEMINI_API_KEY",
                "GOOGLE_GENERATIVE_AI_API_KEY",
                "OPENROUTER_API_KEY",
            ],
            &[".config/opencode", ".local/share/opencode", ".local/state/opencode", ".cache/opencode"],
        ),
        Provider::Aider => (
            &["AIDER_*", "ANTHROPIC_API_KEY", "OPENAI_*", "GEMINI_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY"],
            &[".aider", ".aider.conf.yml", ".aider.model.settings.yml", ".aider.model.metadata.json"],
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
    let moved: &[(&str, &str)] = match provider {
        Provider::Claude => &[("CLAUDE_CONFIG_DIR", "")],
        Provider::Codex => &[("CODEX_HOME", "")],
        Provider::Gemini => &[("GEMINI_CLI_HOME", ".gemini")],
        Provider::OpenCode => &[
            ("XDG_CONFIG_HOME", "opencode"),
            ("XDG_DATA_HOME", "opencode"),
            ("XDG_STATE_HOME", "opencode"),
            ("XDG_CACHE_HOME", "opencode"),
        ],
        Provider::Acp(_) => &[
            ("CLAUDE_CONFIG_DIR", ""),
            ("CODEX_HOME", ""),
            ("GEMINI_CLI_HOME", ".gemini"),
            ("XDG_CONFIG_HOME", "opencode"),
            ("XDG_DATA_HOME", "opencode"),
            ("XDG_CACHE_HOME", "opencode"),
        ],
        _ => &[],
    };
    let folders: &[&str] = match provider {
        Provider::Claude => &[".claude"],
        Provider::Codex => &[".codex"],
        Provider::Gemini => &[".gemini"],
        Provider::OpenCode => paths,
        _ => &[],
    };
    Login { variables, paths, folders, moved }
}

/// The login's paths in this user's home, and where variables of theirs have moved them.
pub fn login_paths(world: &World, provider: &Provider) -> Vec<PathBuf> {
    let home = world.env.home.as_deref().unwrap_or(Path::new("/nonexistent"));
    let login = login(provider);
    let moved = login.moved.iter().filter_map(|(variable, below)| {
        let dir = Path::new(world.env.var(variable)?);
        dir.is_absolute().then(|| dir.join(below))
    });
    login.paths.iter().map(|p| home.join(p)).chain(moved).collect()
}

/// The same, with the folders made that the provider keeps its conversations in: where the home is hidden it could not.
pub fn make_login(world: &World, provider: &Provider) -> std::io::Result<Vec<PathBuf>> {
    let home = world.env.home.as_deref().unwrap_or(Path::new("/nonexistent"));
    for folder in login(provider).folders {
        std::fs::create_dir_all(home.join(folder))?;
    }
    Ok(login_paths(world, provider))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Env;

    #[test]
    fn a_login_is_below_the_home_and_where_a_variable_moved_it() {
        let mut env = Env { home: Some("/home/me".into()), ..Env::default() };
        env.vars.insert("CODEX_HOME".into(), "/elsewhere/codex".into());
        env.vars.insert("XDG_DATA_HOME".into(), "/elsewhere/data".into());
        env.vars.insert("CLAUDE_CONFIG_DIR".into(), "not/absolute".into());
        let world = World::real(env).unwrap();
        let paths = |provider| login_paths(&world, &provider);
        assert_eq!(paths(Provider::Codex), [Path::new("/home/me/.codex"), Path::new("/elsewhere/codex")]);
        assert_eq!(paths(Provider::Claude), [Path::new("/home/me/.claude"), Path::new("/home/me/.claude.json")]);
        assert!(paths(Provider::OpenCode).contains(&"/elsewhere/data/opencode".into()));
        assert!(paths(Provider::Command(vec!["x".into()])).is_empty());
    }
}
