//! What was asked, the same for every dialect.

use serde_json::{Value, json};

use super::{Reply, chat, gemini, http::Request, messages, responses};

/// A protocol between programs and models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic Messages.
    Messages,
    /// OpenAI Chat Completions.
    Chat,
    /// OpenAI Responses.
    Responses,
    /// Gemini's generateContent.
    Gemini,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Turn {
    /// How it was asked.
    pub dialect: Dialect,
    /// How many requests came before, not counting those aside.
    pub nth: usize,
    /// Path and query.
    pub path: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// The request as it came.
    pub body: Value,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// What the program says to the model of itself.
    pub system: String,
    /// All that the user's side said, in its order, without results of tools.
    pub text: String,
    /// What the user's side said last.
    pub prompt: String,
    /// The results of tools since then.
    pub results: Vec<String>,
    /// The schema that the answer must follow.
    pub schema: Option<Value>,
    /// The names of the tools offered.
    pub tools: Vec<String>,
    /// Whether this is no part of the work: a title, a probe, a choice of model. The script is not asked.
    pub aside: bool,
}

/// A message of a conversation, as dialects read it.
pub enum Message {
    /// What the program says to the model of itself.
    System(String),
    /// What the user's side said.
    User(String),
    /// What the model said or called.
    Model,
    /// What a tool gave.
    Result(String),
}

/// What a dialect finds in a request.
#[derive(Default)]
pub struct Read {
    pub messages: Vec<Message>,
    pub tools: Vec<String>,
    pub schema: Option<Value>,
}

impl Turn {
    /// Reads a request; nothing if it asks no model.
    pub(super) fn read(request: &Request) -> Option<Turn> {
        let path = request.path.split('?').next().unwrap_or_default();
        let ends = |end: &str| path.ends_with(end);
        let dialect = if ends("/messages") || ends("/messages/count_tokens") {
            Dialect::Messages
        } else if ends("/chat/completions") {
            Dialect::Chat
        } else if ends("/responses") {
            Dialect::Responses
        } else if ends(":generateContent") || ends(":streamGenerateContent") || ends(":countTokens") {
            Dialect::Gemini
        } else {
            return None;
        };
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        let read = match dialect {
            Dialect::Messages => messages::read(&body),
            Dialect::Chat => chat::read(&body),
            Dialect::Responses => responses::read(&body),
            Dialect::Gemini => gemini::read(&body),
        };
        let mut turn = Turn {
            dialect,
            nth: 0,
            path: request.path.clone(),
            headers: request.headers.clone(),
            stream: body["stream"] == true || ends(":streamGenerateContent"),
            body,
            system: String::new(),
            text: String::new(),
            prompt: String::new(),
            results: Vec::new(),
            schema: read.schema,
            tools: read.tools,
            aside: false,
        };
        for message in read.messages {
            turn.add(message);
        }
        turn.aside = turn.is_aside();
        Some(turn)
    }

    fn add(&mut self, message: Message) {
        match message {
            Message::System(text) => self.system += &(text + "\n"),
            Message::User(text) => {
                self.text += &format!("{text}\n");
                self.prompt = text;
                self.results.clear();
            }
            Message::Result(text) => self.results.push(text),
            Message::Model => {}
        }
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The tool by whose call the structured answer is given, if it is.
    pub(super) fn answer_tool(&self) -> Option<String> {
        let forced = [&self.body["tool_choice"]["name"], &self.body["tool_choice"]["function"]["name"]];
        let forced = forced.into_iter().find_map(Value::as_str);
        forced.or_else(|| self.tools.iter().map(String::as_str).find(|t| answers(t))).map(str::to_owned)
    }

    /// The answer, if the request only counts tokens.
    pub(super) fn count(&self) -> Option<Value> {
        let path = self.path.split('?').next().unwrap_or_default();
        match path {
            _ if path.ends_with("/count_tokens") => Some(json!({"input_tokens": 100})),
            _ if path.ends_with(":countTokens") => Some(json!({"totalTokens": 100})),
            _ => None,
        }
    }

    /// Whether this is one of the requests that programs make for themselves: OpenCode's titles, Gemini CLI's choice of
    /// a model and of who speaks next, Claude Code's probe and titles. The work of the last two always offers tools.
    fn is_aside(&self) -> bool {
        let from = |name| self.header("user-agent").is_some_and(|agent| agent.starts_with(name));
        self.system.contains("You are a title generator")
            || (from("GeminiCLI") || from("claude-cli")) && self.tools.is_empty()
            || self.body["max_tokens"] == 1
    }

    /// The answer to what was asked aside.
    pub(super) fn small_talk(&self) -> Reply {
        self.schema.as_ref().map_or_else(|| Reply::text("Work"), |schema| Reply::structured(sample(schema)))
    }
}

impl Dialect {
    /// The events of a streamed reply.
    pub(super) fn frames(self, turn: &Turn, reply: &Reply) -> Vec<String> {
        let (text, calls) = reply.words(turn);
        match self {
            Dialect::Messages => messages::frames(turn, &text, &calls, reply.usage),
            Dialect::Chat => chat::frames(turn, &text, &calls, reply.usage),
            Dialect::Responses => responses::frames(turn, &text, &calls, reply.usage),
            Dialect::Gemini => gemini::frames(turn, &text, &calls, reply.usage),
        }
    }

    /// The reply as one value.
    pub(super) fn whole(self, turn: &Turn, reply: &Reply) -> Value {
        let (text, calls) = reply.words(turn);
        match self {
            Dialect::Messages => messages::whole(turn, &text, &calls, reply.usage),
            Dialect::Chat => chat::whole(turn, &text, &calls, reply.usage),
            Dialect::Responses => responses::whole(turn, &text, &calls, reply.usage),
            Dialect::Gemini => gemini::whole(turn, &text, &calls, reply.usage),
        }
    }

    /// What a server of this dialect says with a status.
    pub(super) fn error(self, status: u16) -> String {
        let (kind, message) = match status {
            401 | 403 => ("authentication_error", "invalid api key"),
            404 => ("not_found_error", "no such model"),
            429 => ("rate_limit_error", "too many requests"),
            500.. => ("api_error", "internal server error"),
            _ => ("invalid_request_error", "bad request"),
        };
        match self {
            Dialect::Messages => json!({"type": "error", "error": {"type": kind, "message": message}}),
            Dialect::Gemini => json!({"error": {"code": status, "message": message, "status": kind}}),
            _ => json!({"error": {"message": message, "type": kind, "code": kind}}),
        }
        .to_string()
    }
}

/// A value that follows a plain schema.
fn sample(schema: &Value) -> Value {
    let first = |key: &str| schema[key].get(0).cloned();
    match schema["type"].as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("object") => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            properties.map(|(name, of)| (name.clone(), sample(of))).collect()
        }
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
        Some("boolean") => false.into(),
        Some("array") => json!([]),
        _ => first("enum").unwrap_or_else(|| "none".into()),
    }
}

/// Whether a tool of that name takes the structured answer: Claude Code's, and that of agents over HTTP.
pub fn answers(tool: &str) -> bool {
    ["StructuredOutput", "answer"].contains(&tool)
}

/// One event of a stream without a name.
pub fn frame(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// The text of a content that is a text or a list of parts with one.
pub fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|p| p["text"].as_str().or_else(|| p.as_str())).collect::<Vec<_>>().join("\n")
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A text in two pieces, as a stream has it.
pub fn pieces(text: &str) -> Vec<&str> {
    let middle = (0..=text.len() / 2).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
    let (a, b) = text.split_at(middle);
    [a, b].into_iter().filter(|piece| !piece.is_empty()).collect()
}

/// The entries of a list, or none.
pub fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The names of things that have one, at a pointer.
pub fn names(list_of: &Value, pointer: &str) -> Vec<String> {
    list(list_of).filter_map(|t| t.pointer(pointer)?.as_str()).map(str::to_owned).collect()
}

/// A value that is there.
pub fn present(value: &Value) -> Option<Value> {
    (!value.is_null()).then(|| value.clone())
}
