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
        Some("git config otto.agent literate".into())
    }
}

impl FromStr for Provider {
    type Err = UnknownProvider;
    fn from_str(name: &str) -> Result<Self, UnknownProvider> {
        let bad = |why| UnknownProvider { name: text::one_line(name, 80), why };
        if name == "literate" {
            return Ok(Provider::Literate);
        }
        let Some(line) = name.strip_prefix("command:") else {
            return Err(bad("there are literate and command:<program and arguments>"));
        };
        let argv = shlex::split(line).ok_or_else(|| bad("a quote is not closed"))?;
        if argv.first().is_none_or(String::is_empty) {
            return Err(bad("no program is named after command:"));
        }
        if argv.iter().any(|word| word.contains('\0')) {
            return Err(bad("it contains NUL"));
        }
        Ok(Provider::Command(argv))
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provider::Literate => f.write_str("literate"),
            Provider::Command(argv) => {
                let line = shlex::try_join(argv.iter().map(String::as_str)).unwrap_or_default();
                write!(f, "command:{line}")
            }
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
            let provider: Provider = text.parse().unwrap();
            assert_eq!(provider, Provider::Command(argv.iter().map(|w| (*w).to_owned()).collect()));
            assert_eq!(provider.to_string().parse::<Provider>().unwrap(), provider);
        }
        assert_eq!("literate".parse::<Provider>().unwrap().to_string(), "literate");
    }

    #[test]
    fn anything_else_ends_with_what_there_is() {
        for bad in ["", "claude", "Literate", "command:", "command:  ", "command:''", "command:'x", "command:a\0b"] {
            let e = bad.parse::<Provider>().unwrap_err();
            assert_eq!(e.exit(), Exit::Agent, "{bad}");
            assert!(e.hint().is_some());
        }
        assert!("gpt".parse::<Provider>().unwrap_err().to_string().contains("literate and command:"));
    }
}
