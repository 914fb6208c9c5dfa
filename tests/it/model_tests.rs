//! The scripted model is tested too: a server that says the wrong thing would test nothing.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

use super::support::model::{Dialect, Model, Reply, Usage};

/// Sends one request and answers all that comes back, until the server ends the connection.
fn send(server: &Model, request: &str) -> String {
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // A connection that is cut may end in an error.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

fn post(server: &Model, path: &str, body: &Value) -> String {
    let body = body.to_string();
    send(server, &format!("POST {path} HTTP/1.1\r\nHost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

/// One conversation in a dialect: a path, a request with a prompt, a tool called "run" and its result, a stream wanted.
fn conversation(dialect: Dialect, stream: bool) -> (&'static str, Value) {
    let chat = |tools: Value, call: Value, result: Value| {
        let messages = json!([{"role": "user", "content": "Do it."}, call, result]);
        let options = json!({"include_usage": true});
        json!({"model": "m", "stream": stream, "stream_options": options, "messages": messages, "tools": tools})
    };
    match dialect {
        Dialect::Messages => {
            let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "run"}]});
            let result = json!({"role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "a", "content": "done"}]});
            ("/v1/messages", chat(json!([{"name": "run"}]), call, result))
        }
        Dialect::Chat => {
            let call = json!({"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "run"}}]});
            let result = json!({"role": "tool", "tool_call_id": "a", "content": "done"});
            ("/v1/chat/completions", chat(json!([{"type": "function", "function": {"name": "run"}}]), call, result))
        }
        Dialect::Responses => {
            let input = json!([
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Do it."}]},
                {"type": "function_call", "name": "run", "call_id": "a", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "done"},
            ]);
            let tools = json!([{"type": "function", "name": "run"}]);
            ("/v1/responses", json!({"model": "m", "stream": stream, "input": input, "tools": tools}))
        }
        Dialect::Gemini => {
            let contents = json!([
                {"role": "user", "parts": [{"text": "Do it."}]},
                {"role": "model", "parts": [{"functionCall": {"name": "run"}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": "run", "response": {"output": "done"}}}]},
            ]);
            let path = match stream {
                true => "/v1beta/models/m:streamGenerateContent?alt=sse",
                false => "/v1beta/models/m:generateContent",
            };
            (path, json!({"contents": contents, "tools": [{"functionDeclarations": [{"name": "run"}]}]}))
        }
    }
}

const DIALECTS: [Dialect; 4] = [Dialect::Messages, Dialect::Chat, Dialect::Responses, Dialect::Gemini];

#[test]
fn a_script_sees_the_same_in_every_dialect() {
    for dialect in DIALECTS {
        for stream in [false, true] {
            let server = Model::start(|turn| {
                let next = turn.run("ls -l");
                assert_eq!(next.name, "run");
                Reply::calls(vec![next]).usage(Usage { input: 7, cached: 3, output: 11 })
            });
            let (path, body) = conversation(dialect, stream);
            let answer = post(&server, path, &body);
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert_eq!(answer.contains("text/event-stream"), stream, "{answer}");
            assert!(answer.contains("\"run\"") && answer.contains("11"), "{answer}");
            let [turn] = server.requests().try_into().unwrap();
            assert_eq!((turn.dialect, turn.stream, turn.nth), (dialect, stream, 0));
            assert_eq!((turn.prompt.as_str(), turn.tools), ("Do it.", vec!["run".to_owned()]));
            assert!(matches!(turn.results.as_slice(), [result] if result.contains("done")), "{:?}", turn.results);
        }
    }
}

#[test]
fn pieces_of_a_stream_are_the_whole_text() {
    for dialect in DIALECTS {
        let server = Model::start(|_| Reply::text("Grüße an alle"));
        let (path, body) = conversation(dialect, true);
        let answer = post(&server, path, &body);
        let events: Vec<Value> = answer
            .lines()
            .filter_map(|l| l.strip_prefix("data: "))
            .filter_map(|l| serde_json::from_str(l).ok())
            .collect();
        let pointers = ["/delta/text", "/choices/0/delta/content", "/candidates/0/content/parts/0/text"];
        let deltas = events.iter().filter_map(|e| {
            let plain = e["type"] == "response.output_text.delta";
            pointers.iter().find_map(|p| e.pointer(p)?.as_str()).or_else(|| e["delta"].as_str().filter(|_| plain))
        });
        assert_eq!(deltas.collect::<String>(), "Grüße an alle", "{dialect:?}: {answer}");
    }
}

#[test]
fn faults_reach_the_client() {
    let (path, body) = conversation(Dialect::Messages, true);
    let answers = |reply: Reply| {
        let server = Model::start(move |_| reply.clone());
        post(&server, path, &body)
    };
    let whole = answers(Reply::text("Hello"));
    assert!(whole.ends_with("0\r\n\r\n"), "{whole}");
    assert_eq!(answers(Reply::text("Hello").drip(5, Duration::from_millis(1))), whole);
    let cut = answers(Reply::text("Hello").cut(100));
    assert!(whole.starts_with(&cut) && cut.len() < whole.len(), "{cut}");
    let limited = answers(Reply::status(429).header("retry-after", "2"));
    assert!(limited.starts_with("HTTP/1.1 429 ") && limited.contains("retry-after: 2\r\n"), "{limited}");
    assert!(limited.contains("rate_limit_error"), "{limited}");
    assert!(answers(Reply::raw("{\"type\":")).ends_with("\r\n\r\n{\"type\":"));
    // Nobody answers, and yet the server ends when it is dropped and when the client gives up.
    assert_eq!(answers(Reply::hang()), "");
    let server = Model::start(|_| Reply::hang());
    let body = body.to_string();
    let mut waiting = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    write!(waiting, "POST {path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    while server.requests().is_empty() {
        std::thread::yield_now();
    }
    drop(server);
    assert!(!matches!(waiting.read(&mut [0]), Ok(1)));
}

#[test]
fn a_schema_is_answered_as_it_is_asked_for() {
    let server = Model::start(|turn| Reply::structured(json!({"asked": turn.schema.is_some()})));
    let schema = json!({"type": "object"});
    let asked = json!({"messages": [], "response_format": {"json_schema": {"schema": schema}}});
    assert!(post(&server, "/v1/chat/completions", &asked).contains(r#""content":"{\"asked\":true}""#));
    let forced = json!({"messages": [], "tools": [{"name": "give"}], "tool_choice": {"name": "give"}});
    assert!(post(&server, "/v1/messages", &forced).contains(r#""name":"give","input":{"asked":false}"#));
}

#[test]
fn connections_are_kept_and_bodies_may_come_in_chunks() {
    let server = Model::start(|turn| Reply::text(format!("answer {}", turn.nth)));
    let chunked = "POST /v1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
                   10\r\n{\"messages\": [] \r\n1\r\n}\r\n0\r\n\r\n";
    let mut stream = TcpStream::connect(server.url().trim_start_matches("http://")).unwrap();
    for n in 0..2 {
        stream.write_all(chunked.as_bytes()).unwrap();
        let mut answer = String::new();
        while !answer.contains(&format!("answer {n}")) {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "{answer}");
            answer.push(byte[0] as char);
        }
        // The rest of this answer.
        while !answer.ends_with("}}") {
            let mut byte = [0];
            assert_eq!(stream.read(&mut byte).unwrap(), 1, "{answer}");
            answer.push(byte[0] as char);
        }
    }
}

#[test]
#[should_panic(expected = "the script of the model failed: not what I was told")]
fn a_script_that_fails_fails_the_test() {
    let server = Model::start(|_| panic!("not what I was told"));
    let (path, body) = conversation(Dialect::Chat, false);
    post(&server, path, &body);
}
