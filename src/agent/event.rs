//! What an agent does while it works, as events that progress, journal and ledger consume.

/// One thing that an agent did. Texts are the agent's own: redact and strip them before they are kept or shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The conversation got a name by which it can be continued. Told before anything is paid for where the program says
    /// so in time.
    Session(String),
    /// It said something.
    Text(String),
    /// It used a tool: the tool's name and what for, where told.
    Tool(String, String),
    /// A tool was denied to it.
    Denied(String),
    /// It made a sign of life that says nothing of its work.
    Stirred,
    /// It waits, and why: a retry after an error of its endpoint, a limit of its rate.
    Waiting(String),
}
