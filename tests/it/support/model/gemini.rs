//! Gemini's generateContent.

use serde_json::{Value, json};

use super::{
    Call, Usage,
    turn::{Message, Read, Turn, frame, list, names, pieces, present, text_of},
};

pub fn read(body: &Value) -> Read {
    let mut messages = vec![Message::System(text_of(&body["systemInstruction"]["parts"]))];
    for content in list(&body["contents"]) {
        let results: Vec<_> = list(&content["parts"]).filter_map(|part| present(&part["functionResponse"])).collect();
        if content["role"] == "model" {
            messages.push(Message::Model);
        } else if results.is_empty() {
            messages.push(Message::User(text_of(&content["parts"])));
        } else {
            messages.extend(results.iter().map(|r| Message::Result(r["response"].to_string())));
        }
    }
    let tools = list(&body["tools"]).flat_map(|t| names(&t["functionDeclarations"], "/name")).collect();
    let wanted = &body["generationConfig"];
    let schema = [&wanted["responseJsonSchema"], &wanted["responseSchema"]].into_iter().find_map(present);
    Read { messages, tools, schema }
}

pub fn frames(turn: &Turn, text: &str, calls: &[Call], usage: Usage) -> Vec<String> {
    let mut events: Vec<_> = pieces(text).into_iter().map(|p| candidate(vec![json!({"text": p})])).collect();
    events.push(whole(turn, "", calls, usage));
    events.iter().map(frame).collect()
}

pub fn whole(turn: &Turn, text: &str, calls: &[Call], usage: Usage) -> Value {
    let words = (!text.is_empty() || calls.is_empty()).then(|| json!({"text": text}));
    let called = calls.iter().map(|call| json!({"functionCall": {"name": call.name, "args": call.input}}));
    let mut answer = candidate(words.into_iter().chain(called).collect());
    answer["candidates"][0]["finishReason"] = "STOP".into();
    answer["responseId"] = format!("gem-{}", turn.nth).into();
    answer["usageMetadata"] = json!({
        "promptTokenCount": usage.input,
        "cachedContentTokenCount": usage.cached,
        "candidatesTokenCount": usage.output,
        "totalTokenCount": usage.input + usage.output,
    });
    answer
}

fn candidate(parts: Vec<Value>) -> Value {
    json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": parts}}]})
}
