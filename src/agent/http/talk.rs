//! A conversation with a model, in no provider's words.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// What we say.
    User(String),
    /// What the model says.
    Model(Words),
    /// What came of the tools that it used, in their order.
    Results(Vec<ToolResult>),
}

/// What a model says in one turn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Words {
    /// Its text.
    pub text: String,
    /// The tools that it wants used.
    pub calls: Vec<ToolCall>,
    /// What it thought, as the provider wants it back. It is signed, so nothing can be redacted in it: it is not kept.
    #[serde(skip)]
    pub thinking: Vec<Value>,
}

/// A tool that a model wants used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's name for this use.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as the model wrote them: not always JSON.
    pub arguments: String,
}

/// What came of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The provider's name for the use.
    pub call: String,
    /// What it gave, or what was wrong.
    pub text: String,
    /// Whether something was wrong.
    pub error: bool,
}

/// A whole turn of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What it says.
    pub words: Words,
    /// Why it stopped.
    pub stop: Stop,
}

/// Why a model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It had said what it had to say, or wants tools used.
    Done,
    /// It reached the limit of what it may say at once.
    Length,
    /// The conversation has become too long for it.
    Full,
    /// It or its provider refused.
    Refused,
}

/// How many tokens something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Read, from a cache too.
    pub input: u64,
    /// Written.
    pub output: u64,
}

impl Tokens {
    /// Counts more.
    pub fn add(&mut self, more: Tokens) {
        self.input = self.input.saturating_add(more.input);
        self.output = self.output.saturating_add(more.output);
    }
    /// As many as these, or as others if those are more.
    pub fn at_least(self, others: Tokens) -> Tokens {
        let Tokens { input, output } = others;
        Tokens { input: self.input.max(input), output: self.output.max(output) }
    }
    /// What is left without others; never less than nothing.
    pub fn less(self, others: Tokens) -> Tokens {
        let Tokens { input, output } = others;
        Tokens { input: self.input.saturating_sub(input), output: self.output.saturating_sub(output) }
    }
}

/// What a model is asked, in no provider's words.
pub struct Ask<'a> {
    /// The model.
    pub model: &'a str,
    /// How hard it thinks.
    pub effort: Option<&'a str>,
    /// What it is told of its work.
    pub system: &'a str,
    /// The tools that it may use.
    pub tools: &'a [Tool],
    /// The schema of the answer, where the provider is to hold it to one.
    pub schema: Option<&'a Value>,
    /// Whether it must answer now, without a look at anything more.
    pub now: bool,
    /// The conversation so far.
    pub messages: &'a [Message],
}

/// A tool as a model is told of it.
#[derive(Clone, Copy)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// The JSON Schema of its arguments.
    pub parameters: fn() -> Value,
}
