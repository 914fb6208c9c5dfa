//! Chat Completions as OpenAI has them, and Ollama, vLLM, llama.cpp and others after it:
//! <https://platform.openai.com/docs/api-reference/chat>.

use reqwest::header::{AUTHORIZATION, HeaderName};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    dialect::{ApiError, Dialect, Reader, Unread, event},
    talk::{Ask, Message, Reply, Stop, Tokens, ToolCall, Words},
};

/// The protocol.
pub struct OpenAi;

impl Dialect for OpenAi {
    fn home(&self) -> &'static str {
        "https://api.openai.com/v1"
    }

    fn version(&self, base: &str) -> &'static str {
        // Whoever names a path names the right one: not every server has `/v1`.
        if base.is_empty() { "/v1" } else { "" }
    }

    fn resource(&self) -> &'static str {
        "/chat/completions"
    }

    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    fn key(&self, key: &str) -> (HeaderName, String) {
        (AUTHORIZATION, format!("Bearer {key}"))
    }

    fn body(&self, ask: &Ask<'_>) -> Value {
        let system = json!({"role": "system", "content": ask.system});
        let messages: Vec<Value> = [system].into_iter().chain(ask.messages.iter().flat_map(messages)).collect();
        let mut body = json!({
            "model": ask.model,
            "stream": true,
            "stream_options": {"include_usage": true},
            "messages": messages,
        });
        let tool = |t: &super::talk::Tool| {
            let function = json!({"name": t.name, "description": t.description, "parameters": (t.parameters)()});
            json!({"type": "function", "function": function})
        };
        if !ask.tools.is_empty() {
            body["tools"] = ask.tools.iter().map(tool).collect();
            if ask.now {
                body["tool_choice"] = "none".into();
            }
        }
        if let Some(schema) = ask.schema {
            let schema = json!({"name": "answer", "schema": schema});
            body["response_format"] = json!({"type": "json_schema", "json_schema": schema});
        }
        if let Some(effort) = ask.effort {
            body["reasoning_effort"] = effort.into();
        }
        body
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(Reading::default())
    }
}

fn messages(message: &Message) -> Vec<Value> {
    match message {
        Message::User(text) => vec![json!({"role": "user", "content": text})],
        Message::Model(words) => {
            let mut said = json!({"role": "assistant", "content": words.text});
            if !words.calls.is_empty() {
                let call = |c: &ToolCall| {
                    // Servers read the arguments again; what is no JSON would end the conversation.
                    let valid = serde_json::from_str::<Value>(&c.arguments).is_ok();
                    let arguments = if valid { &c.arguments } else { "{}" };
                    let function = json!({"name": c.name, "arguments": arguments});
                    json!({"id": c.id, "type": "function", "function": function})
                };
                said["tool_calls"] = words.calls.iter().map(call).collect();
            }
            vec![said]
        }
        Message::Results(results) => {
            let of = |r: &super::talk::ToolResult| {
                let content = if r.error { format!("error: {}", r.text) } else { r.text.clone() };
                json!({"role": "tool", "tool_call_id": r.call, "content": content})
            };
            results.iter().map(of).collect()
        }
    }
}

#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<Part>>,
}

#[derive(Deserialize)]
struct Part {
    index: Option<u64>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

#[derive(Default)]
struct Reading {
    text: String,
    refused: bool,
    calls: Vec<(u64, ToolCall)>,
    usage: Usage,
    stop: Option<Stop>,
}

impl Reading {
    fn call(&mut self, part: Part) {
        let id = part.id.unwrap_or_default();
        let index = part.index.unwrap_or(0);
        // Some servers number no calls, or all of them alike, and send each in one piece.
        let same =
            |(at, call): &(u64, ToolCall)| *at == index && (id.is_empty() || call.id.is_empty() || call.id == id);
        let at = match self.calls.iter().rposition(same) {
            Some(at) => at,
            None => {
                self.calls.push((index, ToolCall::default()));
                self.calls.len() - 1
            }
        };
        let Some((_, call)) = self.calls.get_mut(at) else { return };
        if call.id.is_empty() {
            call.id = id;
        }
        if let Some(function) = part.function {
            if call.name.is_empty() {
                call.name = function.name.unwrap_or_default();
            }
            call.arguments.push_str(&function.arguments.unwrap_or_default());
        }
    }
}

impl Reader for Reading {
    fn event(&mut self, data: &str) -> Result<bool, Unread> {
        if data.trim() == "[DONE]" {
            return Ok(true);
        }
        let chunk: Chunk = event(data)?;
        if let Some(error) = chunk.error {
            return Err(Unread::Error(ApiError::read(&error)));
        }
        if let Some(usage) = chunk.usage {
            self.usage = usage;
        }
        let Some(choice) = chunk.choices.and_then(|all| all.into_iter().next()) else { return Ok(false) };
        if let Some(delta) = choice.delta {
            self.text.push_str(&delta.content.unwrap_or_default());
            if let Some(refusal) = delta.refusal.filter(|r| !r.is_empty()) {
                self.refused = true;
                self.text.push_str(&refusal);
            }
            delta.tool_calls.into_iter().flatten().for_each(|part| self.call(part));
        }
        let reason = choice.finish_reason.filter(|reason| !reason.is_empty());
        self.stop = reason.as_deref().map(stop).or(self.stop);
        Ok(false)
    }

    fn tokens(&self) -> Tokens {
        let of = |count: Option<u64>| count.unwrap_or(0);
        Tokens { input: of(self.usage.prompt_tokens), output: of(self.usage.completion_tokens) }
    }

    fn reply(&mut self) -> Option<Reply> {
        let stop = if self.refused { self.stop.map(|_| Stop::Refused) } else { self.stop }?;
        let mut calls: Vec<ToolCall> = std::mem::take(&mut self.calls).into_iter().map(|(_, call)| call).collect();
        for (n, call) in calls.iter_mut().enumerate().filter(|(_, call)| call.id.is_empty()) {
            call.id = format!("call_{n}");
        }
        Some(Reply { words: Words { text: std::mem::take(&mut self.text), calls, thinking: Vec::new() }, stop })
    }
}

fn stop(reason: &str) -> Stop {
    match reason {
        "length" => Stop::Length,
        "content_filter" => Stop::Refused,
        _ => Stop::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[Value]) -> Option<Reply> {
        let mut reading = Reading::default();
        for chunk in chunks {
            assert!(!reading.event(&chunk.to_string()).unwrap());
        }
        reading.reply()
    }

    #[test]
    fn calls_are_told_apart_however_they_are_numbered() {
        let part = |index: Option<u64>, id: &str, name: &str, arguments: &str| {
            let function = json!({"name": name, "arguments": arguments});
            json!({"choices": [{"delta": {"tool_calls": [{"index": index, "id": id, "function": function}]}}]})
        };
        let end = json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]});
        let pieces =
            [part(Some(0), "a", "read", "{"), part(Some(1), "b", "list", ""), part(Some(0), "", "", "}"), end.clone()];
        let whole = [part(None, "a", "read", "{}"), part(None, "b", "list", ""), end];
        for chunks in [&pieces[..], &whole] {
            let calls = read(chunks).unwrap().words.calls;
            let calls: Vec<_> = calls.iter().map(|c| [c.id.as_str(), &c.name, &c.arguments]).collect();
            assert_eq!(calls, [["a", "read", "{}"], ["b", "list", ""]]);
        }
    }

    #[test]
    fn a_reply_is_whole_with_its_reason_to_stop_alone() {
        let chunk =
            |finish: Value| json!({"choices": [{"delta": {"content": "x"}, "finish_reason": finish}], "usage": null});
        assert_eq!(read(&[chunk(Value::Null), chunk("".into()), json!({"choices": null})]), None);
        let reply = read(&[chunk(Value::Null), chunk("stop".into())]).unwrap();
        assert_eq!((reply.words.text.as_str(), reply.stop), ("xx", Stop::Done));
        let refusal = json!({"choices": [{"delta": {"refusal": "no"}, "finish_reason": "stop"}]});
        assert_eq!(read(&[refusal]).unwrap().stop, Stop::Refused);
    }
}
