//! What an agent gets of the user's environment and of their home: what every program needs, and its own provider's login.
//! Nothing else; none of git's variables, so that it is not led to another repository.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{Agent, Call, Provider, Work};
use crate::base::{World, world::NETWORK};

/// Variables that every agent sees, where they are set, besides those of the network.
const BASE: [&str; 16] = [
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
    "TRACEPARENT",
];

/// What a provider's own login consists of: made available to that agent alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Login {
    /// Variables by name; a trailing `*` stands for any ending.
    pub variables: Vec<&'static str>,
    /// Where it keeps its credentials, settings and conversations.
    pub places: Vec<Place>,
}

/// A file or a folder that an agent reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it is below the home.
    pub at: &'static str,
    /// Whether it is made where it is not there: in a hidden home the agent could not.
    pub made: bool,
    /// The variable that names a folder instead of the one in the home, and where it is below that.
    pub moved: Option<(&'static str, &'static str)>,
}

const fn file(at: &'static str) -> Place {
    Place { at, made: false, moved: None }
}

const fn folder(at: &'static str, variable: &'static str, below: &'static str) -> Place {
    Place { at, made: true, moved: Some((variable, below)) }
}

/// The programs that others speak the Agent Client Protocol for.
const SPOKEN_FOR: [Provider; 4] = [Provider::Claude, Provider::Codex, Provider::Gemini, Provider::OpenCode];

/// What a provider's own login consists of.
pub fn login(provider: &Provider) -> Login {
    let (variables, places): (&[&str], &[Place]) = match provider {
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
            &[folder(".claude", "CLAUDE_CONFIG_DIR", ""), file(".claude.json")],
        ),
        Provider::Codex => (&["OPENAI_*", "CODEX_*"], &[folder(".codex", "CODEX_HOME", "")]),
        Provider::Gemini => (
            &["GEMINI_*", "GOOGLE_*"],
            &[
                folder(".gemini", "GEMINI_CLI_HOME", ".gemini"),
                file(".config/gcloud/application_default_credentials.json"),
            ],
        ),
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
            &[
                folder(".config/opencode", "XDG_CONFIG_HOME", "opencode"),
                folder(".local/share/opencode", "XDG_DATA_HOME", "opencode"),
                folder(".local/state/opencode", "XDG_STATE_HOME", "opencode"),
                folder(".cache/opencode", "XDG_CACHE_HOME", "opencode"),
            ],
        ),
        Provider::Aider => (
            &["AIDER_*", "ANTHROPIC_API_KEY", "OPENAI_*", "GEMINI_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY"],
            &[
                file(".aider"),
                file(".aider.conf.yml"),
                file(".aider.model.settings.yml"),
                file(".aider.model.metadata.json"),
            ],
        ),
        Provider::Acp(argv) => return spoken_for(argv),
        Provider::Literate
        | Provider::Command(_)
        | Provider::Anthropic
        | Provider::OpenAi
        | Provider::Manual
        | Provider::Replay(_) => (&[], &[]),
    };
    Login { variables: variables.to_vec(), places: places.to_vec() }
}

/// The login of the program that a command line of the Agent Client Protocol is named after: `opencode acp`,
/// `npx -y @agentclientprotocol/claude-agent-acp`. Where none is to be recognised, those of all that are there.
fn spoken_for(argv: &[String]) -> Login {
    let mut words = argv.iter().filter(|word| !word.starts_with('-')).take(2);
    let is_in = |word: &String| SPOKEN_FOR.iter().find(|p| p.program().is_some_and(|name| word.contains(name)));
    if let Some(one) = words.find_map(is_in) {
        return login(one);
    }
    let mut all = Login::default();
    for one in SPOKEN_FOR.iter().map(login) {
        all.variables.extend(one.variables);
        all.places.extend(one.places.into_iter().map(|place| Place { made: false, ..place }));
    }
    all
}

/// Where the login's places are for this user.
pub fn login_paths(world: &World, provider: &Provider) -> Vec<PathBuf> {
    login(provider).places.iter().map(|place| place.path(world)).collect()
}

/// The same, with what the provider needs from its first start on made.
pub fn make_login(world: &World, provider: &Provider) -> std::io::Result<Vec<PathBuf>> {
    for place in login(provider).places.iter().filter(|place| place.made) {
        std::fs::create_dir_all(place.path(world))?;
    }
    Ok(login_paths(world, provider))
}

impl Place {
    fn path(&self, world: &World) -> PathBuf {
        let moved = self.moved.and_then(|(variable, below)| Some(Path::new(world.env.var(variable)?).join(below)));
        // Without the slash that an empty name leaves behind.
        let moved = moved.map(|path| path.components().collect::<PathBuf>());
        let home = || world.env.home.as_deref().unwrap_or(Path::new("/nonexistent")).join(self.at);
        moved.filter(|path| path.is_absolute()).unwrap_or_else(home)
    }
}

/// The whole environment of an agent's program.
pub fn of(world: &World, agent: &Agent, call: &Call<'_>) -> BTreeMap<OsString, OsString> {
    let own = login(&agent.provider).variables;
    let named = |name: &str| {
        BASE.contains(&name)
            || NETWORK.contains(&name)
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

    fn paths(vars: &[(&str, &str)], provider: &str) -> Vec<String> {
        let vars = vars.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let world = World::real(Env { vars, home: Some("/home/me".into()), ..Env::default() }).unwrap();
        login_paths(&world, &provider.parse().unwrap()).iter().map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn a_login_is_below_the_home_or_where_a_variable_moved_it() {
        let vars = [
            ("CODEX_HOME", "/elsewhere/codex"),
            ("XDG_DATA_HOME", "/elsewhere/data"),
            ("CLAUDE_CONFIG_DIR", "not/absolute"),
        ];
        assert_eq!(paths(&[], "codex"), ["/home/me/.codex"]);
        assert_eq!(paths(&vars, "codex"), ["/elsewhere/codex"]);
        assert_eq!(paths(&vars, "claude"), ["/home/me/.claude", "/home/me/.claude.json"]);
        let opencode = paths(&vars, "opencode");
        assert!(opencode.contains(&"/elsewhere/data/opencode".into()), "{opencode:?}");
        assert!(opencode.contains(&"/home/me/.config/opencode".into()), "{opencode:?}");
        assert_eq!(paths(&vars, "command:claude"), [""; 0]);
    }

    #[test]
    fn who_speaks_the_protocol_for_a_program_gets_its_login_alone() {
        for (line, name) in [
            ("acp:claude-agent-acp", "claude"),
            ("acp:npx -y @agentclientprotocol/claude-agent-acp", "claude"),
            ("acp:/opt/bin/gemini --acp --model x", "gemini"),
            ("acp:opencode acp", "opencode"),
            ("acp:codex-acp", "codex"),
        ] {
            assert_eq!(login(&line.parse().unwrap()), login(&name.parse().unwrap()), "{line}");
        }
        let all = login(&"acp:goose acp --model claude".parse().unwrap());
        assert!(all.places.len() == 9 && all.places.iter().all(|place| !place.made), "{all:?}");
    }
}
