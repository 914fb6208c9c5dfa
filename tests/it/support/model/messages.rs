//! Anthropic Messages.

use serde_json::{Value, json};

use super::{
    Call, Usage,
    turn::{Message, Read, Turn, answers, list, names, pieces, present, text_of},
};

pub fn read(body: &Value) -> Read {
    let mut messages = vec![Message::System(text_of(&body["system"]))];
    for message in list(&body["messages"]) {
        let content = &message["content"];
        let results: Vec<_> = list(content).filter(|part| part["type"] == "tool_result").collect();
        match message["role"].as_str() {
            Some("assistant") => messages.push(Message::Model),
            Some("system") => messages.push(Message::System(text_of(content))),
            // Words beside a result are the program's, as are reminders.
            _ if !results.is_empty() => {
                messages.extend(results.into_iter().map(|r| Message::Result(text_of(&r["content"]))));
            }
            _ => messages.push(Message::User(text_of(&said(content)))),
        }
    }
    let own = list(&body["tools"]).find(|t| answers(t["name"].as_str().unwrap_or_default()));
    let own = own.map(|t| t["input_schema"].clone());
    let schemas = [&body["output_config"]["format"]["schema"], &body["output_format"]["schema"]];
    let schema = schemas.into_iter().find_map(present).or(own);
    Read { messages, tools: names(&body["tools"], "/name"), schema }
}

/// A content without the reminders that Claude Code puts beside what the user said.
fn said(content: &Value) -> Value {
    let reminder = |part: &Value| part["text"].as_str().is_some_and(|t| t.starts_with("<system-reminder>"));
    match content {
        Value::Array(parts) => parts.iter().filter(|part| !reminder(part)).cloned().collect(),
        other => other.clone(),
    }
}

pub fn frames(turn: &Turn, text: &str, calls: &[Call], usage: Usage) -> Vec<String> {
    let mut message = whole(turn, text, calls, usage);
    let (blocks, reason) = (message["content"].take(), message["stop_reason"].take());
    message["content"] = json!([]);
    let mut events = vec![json!({"type": "message_start", "message": message})];
    for (index, block) in list(&blocks).enumerate() {
        let mut begun = block.clone();
        let deltas: Vec<_> = if block["type"] == "text" {
            begun["text"] = "".into();
            pieces(text).into_iter().map(|p| json!({"type": "text_delta", "text": p})).collect()
        } else {
            begun["input"] = json!({});
            let input = block["input"].to_string();
            pieces(&input).into_iter().map(|p| json!({"type": "input_json_delta", "partial_json": p})).collect()
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": begun}));
        for delta in deltas {
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let delta = json!({"stop_reason": reason, "stop_sequence": null});
    events.push(json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage.output}}));
    events.push(json!({"type": "message_stop"}));
    events.iter().map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap_or_default())).collect()
}

pub fn whole(turn: &Turn, text: &str, calls: &[Call], usage: Usage) -> Value {
    let text_block = (!text.is_empty() || calls.is_empty()).then(|| json!({"type": "text", "text": text}));
    let calls_blocks = calls.iter().enumerate().map(|(i, call)| {
        json!({"type": "tool_use", "id": format!("toolu_{:03}_{i}", turn.nth), "name": call.name, "input": call.input})
    });
    json!({
        "id": format!("msg_{:03}", turn.nth),
        "type": "message",
        "role": "assistant",
        "model": turn.body["model"],
        "content": text_block.into_iter().chain(calls_blocks).collect::<Vec<_>>(),
        "stop_reason": if calls.is_empty() { "end_turn" } else { "tool_use" },
        "stop_sequence": null,
        "usage": {
            "input_tokens": usage.input - usage.cached,
            "cache_read_input_tokens": usage.cached,
            "cache_creation_input_tokens": 0,
            "output_tokens": usage.output,
        },
    })
}
