//! Which agents there are, by name.

use std::{fmt, str::FromStr};

use crate::base::{Exit, Explain, text};

/// Who does the writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The intent itself: it carries its code.
    Literate,
    /// A program that reads a task and prints a result.
    Command(Vec<String>),
    /// Claude Code, the program `claude`.
    Claude,
    /// The program `codex`.
    Codex,
    /// Gemini CLI, the program `gemini`.
    Gemini,
    /// The program `opencode`.
    OpenCode,
    /// The program `aider`.
    Aider,
    /// Any agent of the Agent Client Protocol.
    Acp(Vec<String>),
    /// A model behind the Anthropic Messages API.
    Anthropic,
    /// A model behind an OpenAI-compatible API.
    OpenAi,
    /// A person, who says when it is done.
    Manual,
    /// A recording: a run of this repository, or a file.
    Replay(String),
}

/// The providers that are a plain word.
const PLAIN: [(&str, Provider); 9] = [
    ("literate", Provider::Literate),
    ("claude", Provider::Claude),
    ("codex", Provider::Codex),
    ("gemini", Provider::Gemini),
    ("opencode", Provider::OpenCode),
    ("aider", Provider::Aider),
    ("anthropic", Provider::Anthropic),
    ("openai", Provider::OpenAi),
    ("manual", Provider::Manual),
];

impl Provider {
    /// The providers that are a plain word, by their names.
    pub fn plain() -> impl Iterator<Item = (&'static str, &'static Provider)> {
        PLAIN.iter().map(|(name, provider)| (*name, provider))
    }

    /// The program that it is, where it is one.
    pub fn program(&self) -> Option<&str> {
        match self {
            Provider::Claude | Provider::Codex | Provider::Gemini | Provider::OpenCode | Provider::Aider => {
                PLAIN.iter().find(|(_, p)| p == self).map(|(name, _)| *name)
            }
            Provider::Command(argv) | Provider::Acp(argv) => argv.first().map(String::as_str),
            _ => None,
        }
    }

    /// Whether it works elsewhere: what it has run here, it asks for.
    pub fn is_remote(&self) -> bool {
        matches!(self, Provider::Anthropic | Provider::OpenAi)
    }

    /// The short name for records: `claude`, `command`, `acp`.
    pub fn family(&self) -> &'static str {
        match self {
            Provider::Command(_) => "command",
            Provider::Acp(_) => "acp",
            Provider::Replay(_) => "replay",
            plain => PLAIN.iter().find(|(_, p)| p == plain).map_or("literate", |(name, _)| name),
        }
    }
}

/// A text names no agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no agent: {why}")]
pub struct UnknownProvider {
    name: String,
    why: &'static str,
}

impl Explain for UnknownProvider {
    fn exit(&self) -> Exit {
        Exit::Agent
    }
    fn hint(&self) -> Option<String> {
        Some("git otto agents    (lists what there is)".into())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;
    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        let bad = |why| UnknownProvider { name: text::one_line(name, 80), why };
        if let Some((_, provider)) = PLAIN.iter().find(|(plain, _)| *plain == name) {
            return Ok(provider.clone());
        }
        let argv = |line: &str| {
            let argv = shlex::split(line).ok_or_else(|| bad("a quote is not closed"))?;
            if argv.first().is_none_or(String::is_empty) {
                return Err(bad("no program is named after the colon"));
            }
            if argv.iter().any(|word| word.contains('\0')) {
                return Err(bad("it contains NUL"));
            }
            Ok(argv)
        };
        match name.split_once(':') {
            Some(("command", line)) => argv(line).map(Provider::Command),
            Some(("acp", line)) => argv(line).map(Provider::Acp),
            Some(("replay", what)) if what.is_empty() || what.contains('\0') => Err(bad("no recording is named")),
            Some(("replay", what)) => Ok(Provider::Replay(what.to_owned())),
            _ => Err(bad(
                "there are literate, claude, codex, gemini, opencode, aider, anthropic, openai, manual, acp:<program and \
                 arguments>, command:<program and arguments> and replay:<run or file>",
            )),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provider::Command(argv) | Provider::Acp(argv) => {
                let line = shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_default();
                write!(f, "{}:{line}", self.family())
            }
            Provider::Replay(what) => write!(f, "replay:{what}"),
            plain => f.write_str(plain.family()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_back() {
        for (text, argv) in [
            ("command:my-agent --fast 'a b'", &["my-agent", "--fast", "a b"][..]),
            ("command:./x", &["./x"]),
            ("command:sh -c \"echo \\\"hi\\\"\"", &["sh", "-c", "echo \"hi\""]),
        ] {
            let argv = || argv.iter().map(|w| (*w).to_owned()).collect();
            let provider: Provider = text.parse().unwrap();
            assert_eq!(provider, Provider::Command(argv()));
            assert_eq!(provider.to_string().parse::<Provider>().unwrap(), provider);
            let acp: Provider = text.replace("command:", "acp:").parse().unwrap();
            assert_eq!(acp, Provider::Acp(argv()));
            assert_eq!(acp.to_string().parse::<Provider>().unwrap(), acp);
        }
        for (name, _) in Provider::plain() {
            assert_eq!(name.parse::<Provider>().unwrap().to_string(), name);
        }
        let replay = "replay:jot-20261124t000000z-abcdef".parse::<Provider>().unwrap();
        assert_eq!(replay.to_string().parse::<Provider>().unwrap(), replay);
    }

    #[test]
    fn anything_else_ends_with_what_there_is() {
        for bad in
            ["", "gpt", "Literate", "command:", "command:  ", "command:''", "acp:'x", "command:a\0b", "replay:", "x:y"]
        {
            let e = bad.parse::<Provider>().unwrap_err();
            assert_eq!(e.exit(), Exit::Agent, "{bad}");
            assert!(e.hint().is_some());
        }
        assert!("gpt".parse::<Provider>().unwrap_err().to_string().contains("literate, claude"));
    }
}
