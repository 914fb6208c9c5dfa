//! What must not be kept, shown or sent to a model: the key, and whatever looks like a secret.

use serde_json::Value;

use super::{
    super::Endpoint,
    talk::{Message, ToolCall, ToolResult, Words},
};
use crate::base::{json, text};

/// A key shorter than this is a placeholder (`x`, `ollama`), not a secret: replacing it would mangle every text.
const SHORTEST_KEY: usize = 8;

/// Redacts texts.
pub struct Secrets {
    key: Option<String>,
}

impl Secrets {
    /// With the endpoint's key among them.
    pub fn of(endpoint: &Endpoint) -> Secrets {
        let key = endpoint.key.as_ref().map(|key| key.reveal().trim().to_owned());
        Secrets { key: key.filter(|key| key.len() >= SHORTEST_KEY) }
    }

    /// Whether the key itself stands in a text.
    pub fn in_text(&self, text: &str) -> bool {
        self.key.as_ref().is_some_and(|key| text.contains(key.as_str()))
    }

    /// The text without secrets.
    pub fn redact(&self, text: &str) -> String {
        let text = match &self.key {
            Some(key) => text.replace(key.as_str(), "[redacted]"),
            None => text.to_owned(),
        };
        String::from_utf8_lossy(&text::redact(text.as_bytes())).into_owned()
    }

    /// One line of it, to be shown.
    pub fn line(&self, text: &str) -> String {
        text::one_line(&self.redact(text), 300)
    }

    /// The message without secrets. JSON stays JSON.
    pub fn message(&self, message: &Message) -> Message {
        match message {
            Message::User(text) => Message::User(self.redact(text)),
            Message::Model(words) => {
                let calls = words.calls.iter();
                let calls = calls.map(|c| ToolCall { arguments: self.arguments(&c.arguments), ..c.clone() }).collect();
                Message::Model(Words { text: self.redact(&words.text), calls, thinking: words.thinking.clone() })
            }
            Message::Results(results) => {
                let results = results.iter();
                Message::Results(
                    results.map(|r| ToolResult { text: self.redact(&r.text), ..r.clone() }).collect::<Vec<_>>(),
                )
            }
        }
    }

    fn arguments(&self, arguments: &str) -> String {
        match json::parse(arguments.as_bytes(), json::Limits::LINE) {
            Ok(mut value) => {
                self.value(&mut value);
                value.to_string()
            }
            Err(_) => self.redact(arguments),
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.redact(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(fields) => fields.values_mut().for_each(|field| self.value(field)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::Key, *};

    #[test]
    fn the_key_is_nowhere_and_json_stays_json() {
        let endpoint = Endpoint { key: Some(Key::new(" plain-words-key \n".into())), ..Endpoint::default() };
        let secrets = Secrets::of(&endpoint);
        assert_eq!(secrets.redact("a plain-words-key b"), "a [redacted] b");
        let arguments = serde_json::json!({"path": "x", "content": "-----BEGIN PRIVATE KEY-----\nabc", "n": [1, "plain-words-key"]});
        let call = ToolCall { id: "1".into(), name: "write".into(), arguments: arguments.to_string() };
        let words = Words { text: "plain-words-key".into(), calls: vec![call], thinking: Vec::new() };
        let Message::Model(words) = secrets.message(&Message::Model(words)) else { panic!() };
        assert_eq!(words.text, "[redacted]");
        let arguments: Value = serde_json::from_str(&words.calls[0].arguments).unwrap();
        assert_eq!(arguments, serde_json::json!({"path": "x", "content": "[redacted]", "n": [1, "[redacted]"]}));
    }

    #[test]
    fn a_placeholder_is_no_secret() {
        let endpoint = Endpoint { key: Some(Key::new("x".into())), ..Endpoint::default() };
        assert_eq!(Secrets::of(&endpoint).redact("six boxes"), "six boxes");
    }
}
