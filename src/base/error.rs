//! How an error becomes words and an exit code: every module's error says what happened, and [`Explain`] adds the
//! exit code and the next command to type.

use std::fmt;

/// Exit codes of every command (the table stands in the man page).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done and passed.
    Done = 0,
    /// Internal or I/O error.
    Internal = 1,
    /// Usage or configuration.
    Usage = 2,
    /// A spec, an intent or an amendment is invalid.
    Invalid = 3,
    /// The run finished with a partial result.
    Partial = 4,
    /// The run finished blocked.
    Blocked = 5,
    /// Another live run holds the lock.
    Locked = 6,
    /// An agent is unavailable or failed.
    Agent = 7,
    /// Refused by policy, or not approved.
    Refused = 8,
    /// The repository needs recovery first.
    NeedsRecovery = 9,
    /// Interrupted; `git otto resume` goes on.
    Interrupted = 130,
}

impl Exit {
    /// The word that `--json` errors carry as `code`.
    pub fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Internal => "internal",
            Exit::Usage => "usage",
            Exit::Invalid => "invalid",
            Exit::Partial => "partial",
            Exit::Blocked => "blocked",
            Exit::Locked => "locked",
            Exit::Agent => "agent",
            Exit::Refused => "refused",
            Exit::NeedsRecovery => "needs-recovery",
            Exit::Interrupted => "interrupted",
        }
    }
}

/// An error that knows its exit code and the next command to type.
pub trait Explain: std::error::Error {
    /// The exit code of a command that ends with this error.
    fn exit(&self) -> Exit {
        Exit::Internal
    }
    /// What to do next: a complete, copyable command where there is one.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// An error on its way to the user: what happened and where, its causes, the next command, the exit code.
#[derive(Debug)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// What happened and where, one sentence.
    pub message: String,
    /// What it was caused by, outermost first.
    pub causes: Vec<String>,
    /// The next command to type.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure without a cause.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into(), causes: Vec::new(), hint: None }
    }
    /// The same failure with the next command to type.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(e: E) -> Self {
        let (exit, message, hint) = (e.exit(), e.to_string(), e.hint());
        let mut causes = Vec::new();
        let mut next = e.source();
        while let Some(cause) = next {
            causes.push(cause.to_string());
            next = cause.source();
        }
        Failure { exit, message, causes, hint }
    }
}

impl Explain for std::io::Error {}
