//! OpenAI Chat Completions.

use serde_json::{Value, json};

use super::{
    Call, Usage,
    turn::{Message, Read, Turn, frame, list, names, pieces, present, text_of},
};

pub fn read(body: &Value) -> Read {
    let messages = list(&body["messages"]).map(|m| match m["role"].as_str() {
        Some("system" | "developer") => Message::System(text_of(&m["content"])),
        Some("user") => Message::User(text_of(&m["content"])),
        Some("tool") => Message::Result(text_of(&m["content"])),
        _ => Message::Model,
    });
    Read {
        messages: messages.collect(),
        tools: names(&body["tools"], "/function/name"),
        schema: present(&body["response_format"]["json_schema"]["schema"]),
    }
}

pub fn frames(turn: &Turn, text: &str, calls: &[Call], usage: Usage) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        json!({"id": id(turn), "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": turn.body["model"], "choices": [choice]})
    };
    let mut events = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    for piece in pieces(text) {
        events.push(chunk(json!({"content": piece}), Value::Null));
    }
    for (index, call) in tool_calls(turn, calls).into_iter().enumerate() {
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default().to_owned();
        let mut begun = call;
        begun["index"] = index.into();
        begun["function"]["arguments"] = "".into();
        events.push(chunk(json!({"tool_calls": [begun]}), Value::Null));
        for piece in pieces(&arguments) {
            let part = json!({"index": index, "function": {"arguments": piece}});
            events.push(chunk(json!({"tool_calls": [part]}), Value::Null));
        }
    }
    events.push(chunk(json!({}), finish(calls)));
    if turn.body["stream_options"]["include_usage"] == true {
        let mut last = chunk(Value::Null, Value::Null);
        (last["choices"], last["usage"]) = (json!([]), tokens(usage));
        events.push(last);
    }
    events.iter().map(frame).chain(["data: [DONE]\n\n".to_owned()]).collect()
}

pub fn whole(turn: &Turn, text: &str, calls: &[Call], usage: Usage) -> Value {
    let mut message = json!({"role": "assistant", "content": text});
    if !calls.is_empty() {
        message["tool_calls"] = tool_calls(turn, calls).into();
    }
    let choice = json!({"index": 0, "message": message, "finish_reason": finish(calls)});
    json!({"id": id(turn), "object": "chat.completion", "created": 1_700_000_000,
        "model": turn.body["model"], "choices": [choice], "usage": tokens(usage)})
}

fn id(turn: &Turn) -> String {
    format!("chatcmpl-{}", turn.nth)
}

fn finish(calls: &[Call]) -> Value {
    if calls.is_empty() { "stop" } else { "tool_calls" }.into()
}

fn tool_calls(turn: &Turn, calls: &[Call]) -> Vec<Value> {
    let call = |(i, call): (usize, &Call)| {
        let function = json!({"name": call.name, "arguments": call.input.to_string()});
        json!({"id": format!("call_{}_{i}", turn.nth), "type": "function", "function": function})
    };
    calls.iter().enumerate().map(call).collect()
}

fn tokens(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
    })
}
