//! Anthropic Messages: <https://docs.anthropic.com/en/api/messages>.

use std::collections::BTreeMap;

use reqwest::header::HeaderName;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    dialect::{ApiError, Dialect, Reader, Unread, event},
    talk::{Ask, Message, Reply, Stop, Tokens, ToolCall, Words},
};

/// The tool by which the answer is given: its arguments are the answer.
pub const ANSWER: &str = "answer";

/// The most that one reply may have. Every current model allows it.
const MOST_TOKENS: u64 = 32_000;

/// The protocol.
pub struct Anthropic;

impl Dialect for Anthropic {
    fn home(&self) -> &'static str {
        "https://api.anthropic.com"
    }

    fn version(&self, base: &str) -> &'static str {
        if base.ends_with("/v1") { "" } else { "/v1" }
    }

    fn resource(&self) -> &'static str {
        "/messages"
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[("anthropic-version", "2023-06-01")]
    }

    fn key(&self, key: &str) -> (HeaderName, String) {
        (HeaderName::from_static("x-api-key"), key.to_owned())
    }

    fn body(&self, ask: &Ask<'_>) -> Value {
        let mut system = json!([{"type": "text", "text": ask.system}]);
        // What stands before a mark is cached: tools and system first, then the conversation as it grows.
        mark(&mut system);
        let mut body = json!({
            "model": ask.model,
            "max_tokens": MOST_TOKENS,
            "stream": true,
            "system": system,
            "messages": messages(ask.messages),
        });
        let tool = |name, description, schema: Value| json!({"name": name, "description": description, "input_schema": schema});
        let mut tools: Vec<Value> = ask.tools.iter().map(|t| tool(t.name, t.description, (t.parameters)())).collect();
        let thinks = ask.effort.is_some();
        if let Some(schema) = ask.schema {
            tools.push(tool(ANSWER, "Give your answer: its arguments are the answer.", schema.clone()));
            // Whoever thinks may not be forced; whoever is forced to use some tool can still look first.
            body["tool_choice"] = match (thinks, ask.now) {
                (true, _) => json!({"type": "auto"}),
                (false, false) => json!({"type": "any"}),
                (false, true) => json!({"type": "tool", "name": ANSWER}),
            };
        }
        if !tools.is_empty() {
            body["tools"] = tools.into();
        }
        match ask.effort.map(|effort| (effort, effort.parse::<u64>())) {
            // A number is a budget of tokens, for models that take one.
            Some((_, Ok(budget))) => {
                body["thinking"] = json!({"type": "enabled", "budget_tokens": budget});
                body["max_tokens"] = MOST_TOKENS.max(budget.saturating_add(MOST_TOKENS / 4)).into();
            }
            Some((effort, Err(_))) => {
                body["thinking"] = json!({"type": "adaptive"});
                body["output_config"] = json!({"effort": effort});
            }
            None => {}
        }
        body
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Reading::default())
    }
}

/// Marks the end of a list of parts as the end of what is cached.
fn mark(parts: &mut Value) {
    if let Some(part) = parts.as_array_mut().and_then(|parts| parts.last_mut()) {
        part["cache_control"] = json!({"type": "ephemeral"});
    }
}

fn messages(all: &[Message]) -> Vec<Value> {
    let mut out: Vec<Value> = all.iter().map(message).collect();
    // The last mark writes the cache that the one before it reads.
    for message in out.iter_mut().rev().filter(|m| m["role"] == "user").take(2) {
        mark(&mut message["content"]);
    }
    out
}

fn message(message: &Message) -> Value {
    match message {
        Message::User(text) => json!({"role": "user", "content": [{"type": "text", "text": text}]}),
        Message::Model(words) => {
            let mut parts = words.thinking.clone();
            // An empty text is refused.
            if !words.text.trim().is_empty() || (words.calls.is_empty() && parts.is_empty()) {
                let text = if words.text.trim().is_empty() { "(nothing)" } else { &words.text };
                parts.push(json!({"type": "text", "text": text}));
            }
            for call in &words.calls {
                let input = serde_json::from_str(&call.arguments).ok().filter(Value::is_object);
                let input = input.unwrap_or_else(|| json!({}));
                parts.push(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}));
            }
            json!({"role": "assistant", "content": parts})
        }
        Message::Results(results) => {
            let part = |r: &super::talk::ToolResult| json!({"type": "tool_result", "tool_use_id": r.call, "content": r.text, "is_error": r.error});
            json!({"role": "user", "content": results.iter().map(part).collect::<Vec<_>>()})
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Start,
    },
    ContentBlockStart {
        index: u64,
        content_block: Value,
    },
    ContentBlockDelta {
        index: u64,
        delta: Delta,
    },
    MessageDelta {
        delta: End,
        usage: Option<Usage>,
    },
    MessageStop,
    Error(Value),
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Start {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct End {
    stop_reason: Option<String>,
}

/// What a block grows by: one of these.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Delta {
    text: String,
    partial_json: String,
    thinking: String,
    signature: String,
}

/// Counts are for the whole message so far; later events leave out what they do not correct.
#[derive(Default, Deserialize)]
struct Usage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

#[derive(Default)]
struct Reading {
    blocks: BTreeMap<u64, Value>,
    /// What each block grew by: text, thought or JSON; and a signature.
    grown: BTreeMap<u64, [String; 2]>,
    usage: Usage,
    stop: Option<Stop>,
}

impl Reading {
    fn count(&mut self, usage: Option<Usage>) {
        let Some(usage) = usage else { return };
        let all = &mut self.usage;
        all.input_tokens = usage.input_tokens.or(all.input_tokens);
        all.cache_creation_input_tokens = usage.cache_creation_input_tokens.or(all.cache_creation_input_tokens);
        all.cache_read_input_tokens = usage.cache_read_input_tokens.or(all.cache_read_input_tokens);
        all.output_tokens = usage.output_tokens.or(all.output_tokens);
    }
}

impl Reader for Reading {
    fn event(&mut self, data: &str) -> Result<bool, Unread> {
        match event(data)? {
            Event::MessageStart { message } => self.count(message.usage),
            Event::ContentBlockStart { index, content_block } => drop(self.blocks.insert(index, content_block)),
            Event::ContentBlockDelta { index, delta } => {
                let [text, signature] = self.grown.entry(index).or_default();
                [delta.text, delta.partial_json, delta.thinking].iter().for_each(|more| text.push_str(more));
                signature.push_str(&delta.signature);
            }
            Event::MessageDelta { delta, usage } => {
                self.count(usage);
                self.stop = delta.stop_reason.as_deref().map(stop).or(self.stop);
            }
            Event::MessageStop => return Ok(true),
            Event::Error(value) => return Err(Unread::Error(ApiError::read(&value))),
            Event::Other => {}
        }
        Ok(false)
    }

    fn tokens(&self) -> Tokens {
        let of = |count: Option<u64>| count.unwrap_or(0);
        let cached = of(self.usage.cache_creation_input_tokens).saturating_add(of(self.usage.cache_read_input_tokens));
        Tokens { input: of(self.usage.input_tokens).saturating_add(cached), output: of(self.usage.output_tokens) }
    }

    fn reply(&mut self) -> Option<Reply> {
        let stop = self.stop?;
        let mut words = Words::default();
        for (index, mut block) in std::mem::take(&mut self.blocks) {
            let [text, signature] = self.grown.remove(&index).unwrap_or_default();
            let field = |name: &str| block[name].as_str().unwrap_or_default().to_owned();
            match block["type"].as_str() {
                Some("text") => words.text.push_str(&(field("text") + &text)),
                Some("tool_use") => {
                    let arguments = if text.is_empty() { block["input"].to_string() } else { text };
                    words.calls.push(ToolCall { id: field("id"), name: field("name"), arguments });
                }
                Some("thinking") => {
                    let (thinking, signature) = (field("thinking") + &text, field("signature") + &signature);
                    (block["thinking"], block["signature"]) = (thinking.into(), signature.into());
                    words.thinking.push(block);
                }
                Some("redacted_thinking") => words.thinking.push(block),
                _ => {}
            }
        }
        Some(Reply { words, stop })
    }
}

fn stop(reason: &str) -> Stop {
    match reason {
        "max_tokens" => Stop::Length,
        "model_context_window_exceeded" => Stop::Full,
        "refusal" => Stop::Refused,
        _ => Stop::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_thought_is_given_back_as_it_came() {
        let mut reading = Reading::default();
        let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
        let start =
            |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
        let usage = json!({"input_tokens": 5, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 200, "output_tokens": 1});
        for event in [
            json!({"type": "message_start", "message": {"usage": usage}}),
            start(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
            delta(0, json!({"type": "thinking_delta", "thinking": "Hm"})),
            delta(0, json!({"type": "thinking_delta", "thinking": "m."})),
            delta(0, json!({"type": "signature_delta", "signature": "c2ln"})),
            start(1, json!({"type": "redacted_thinking", "data": "eA=="})),
            start(2, json!({"type": "text", "text": ""})),
            delta(2, json!({"type": "text_delta", "text": "Now."})),
            start(3, json!({"type": "tool_use", "id": "t", "name": "list", "input": {}})),
            json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 50}}),
        ] {
            assert!(!reading.event(&event.to_string()).unwrap());
        }
        assert_eq!(reading.tokens(), Tokens { input: 235, output: 50 });
        let Reply { words, stop } = reading.reply().unwrap();
        assert_eq!((words.text.as_str(), words.calls[0].arguments.as_str(), stop), ("Now.", "{}", Stop::Done));
        let parts = message(&Message::Model(words))["content"].take();
        let expected = json!([
            {"type": "thinking", "thinking": "Hmm.", "signature": "c2ln"},
            {"type": "redacted_thinking", "data": "eA=="},
            {"type": "text", "text": "Now."},
            {"type": "tool_use", "id": "t", "name": "list", "input": {}},
        ]);
        assert_eq!(parts, expected);
    }

    #[test]
    fn no_message_is_empty() {
        let content = message(&Message::Model(Words::default()))["content"].take();
        assert_eq!(content, json!([{"type": "text", "text": "(nothing)"}]));
    }
}
