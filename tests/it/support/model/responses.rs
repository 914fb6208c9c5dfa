//! OpenAI Responses, as Codex uses it.

use serde_json::{Value, json};

use super::{
    Call, Usage,
    turn::{Message, Read, Turn, frame, list, names, pieces, present, text_of},
};

pub fn read(body: &Value) -> Read {
    let mut messages = vec![Message::System(text_of(&body["instructions"]))];
    if let Some(text) = body["input"].as_str() {
        messages.push(Message::User(text.to_owned()));
    }
    messages.extend(list(&body["input"]).map(|item| match (item["type"].as_str(), item["role"].as_str()) {
        (Some("function_call_output" | "custom_tool_call_output"), _) => Message::Result(text_of(&item["output"])),
        (_, Some("system" | "developer")) => Message::System(text_of(&item["content"])),
        (_, Some("user")) => Message::User(text_of(&item["content"])),
        _ => Message::Model,
    }));
    let mut tools = names(&body["tools"], "/name");
    tools.extend(names(&body["tools"], "/type").into_iter().filter(|kind| kind == "local_shell"));
    Read { messages, tools, schema: present(&body["text"]["format"]["schema"]) }
}

pub fn frames(turn: &Turn, text: &str, calls: &[Call], usage: Usage) -> Vec<String> {
    let whole = whole(turn, text, calls, usage);
    let begun = json!({"id": whole["id"], "object": "response", "status": "in_progress", "output": []});
    let mut events = vec![json!({"type": "response.created", "response": begun})];
    for (at, item) in list(&whole["output"]).enumerate() {
        let mut empty = item.clone();
        if item["type"] == "message" {
            empty["content"] = json!([]);
        }
        events.push(json!({"type": "response.output_item.added", "output_index": at, "item": empty}));
        if item["type"] == "message" {
            let delta = |piece| {
                json!({"type": "response.output_text.delta", "item_id": item["id"], "output_index": at,
                    "content_index": 0, "delta": piece})
            };
            events.extend(pieces(text).into_iter().map(delta));
        }
        events.push(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": whole}));
    for (number, event) in events.iter_mut().enumerate() {
        event["sequence_number"] = number.into();
    }
    events.iter().map(|e| format!("event: {}\n{}", e["type"].as_str().unwrap_or_default(), frame(e))).collect()
}

pub fn whole(turn: &Turn, text: &str, calls: &[Call], usage: Usage) -> Value {
    let mut output = Vec::new();
    if !text.is_empty() || calls.is_empty() {
        let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
        output.push(json!({"type": "message", "id": format!("msg_{}", turn.nth), "role": "assistant",
            "status": "completed", "content": content}));
    }
    output.extend(calls.iter().enumerate().map(|(i, call)| {
        let (id, call_id) = (format!("fc_{}_{i}", turn.nth), format!("call_{}_{i}", turn.nth));
        match call.input.as_str() {
            // A tool that takes a text instead of arguments.
            Some(input) => json!({"type": "custom_tool_call", "id": id, "call_id": call_id, "name": call.name,
                "input": input, "status": "completed"}),
            None => json!({"type": "function_call", "id": id, "call_id": call_id, "name": call.name,
                "arguments": call.input.to_string(), "status": "completed"}),
        }
    }));
    json!({
        "id": format!("resp_{}", turn.nth),
        "object": "response",
        "created_at": 1_700_000_000,
        "status": "completed",
        "model": turn.body["model"],
        "output": output,
        "usage": {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage.input + usage.output,
        },
    })
}
