//! Checks that send a request to a service (`api_probe`): how it is sent, and what its answer says.

use std::{fmt::Write as _, time::Duration};

use futures_util::StreamExt as _;
use reqwest::{Method, Url, header};
use serde_json::Value;

use super::{
    evaluator::{self, Answer, Question},
    expect,
    model::{Cause, Check, CheckKind},
    run::Ran,
    serve::Served,
};
use crate::base::{World, http, json, text};

/// The longest answer that is judged, bytes.
const MAX_BODY: usize = 8 << 20;
/// The longest answer that invariants see, bytes.
const MAX_FACT: usize = 256 << 10;
/// How much of an answer is evidence, bytes.
const SHOWN: usize = 1 << 20;

/// An answer.
struct Answered {
    status: u16,
    head: String,
    body: Vec<u8>,
    /// Whether the body ended before the bound.
    whole: bool,
}

/// Sends the request of a check to its service and judges the answer; an error is the reason why nothing could be
/// evaluated.
pub(super) async fn evaluate(world: &World, check: &Check, served: &mut Served) -> Result<Ran, String> {
    let CheckKind::ApiProbe { service, expect_status, expect_body_contains, expect_json, .. } = &check.kind else {
        return Err(format!("a check of kind {} sends no request", check.kind.name()));
    };
    let at = match served.at(service).await {
        Ok(at) => at,
        Err(not) => {
            served.no_answer(&check.id, not.cause);
            return Ok(Ran { stderr: not.log, ..Ran::new(not.cause, not.detail) });
        }
    };
    let client = served.client(!(300..400).contains(expect_status)).clone();
    let (request, shown) = request(&client, &check.kind, &format!("http://{at}"))?;
    let limit = Duration::from_secs(check.timeout_s().into());
    let answered = tokio::time::timeout(limit, send(&client, request)).await;
    if matches!(answered, Ok(Err(_))) {
        served.settle(service).await;
    }
    let (log, lives) = served.log(service);
    let mut ran = Ran { stdout: shown.into_bytes(), stderr: log, ..Ran::new(Cause::Holds, String::new()) };
    let fell = |why: String| match lives {
        true => why,
        false => format!("{why}; service `{service}` ended during the request"),
    };
    let answered = match answered {
        Err(_) => {
            served.no_answer(&check.id, Cause::Timeout);
            ran.told(Cause::Timeout, fell(format!("it was not answered within {} s", limit.as_secs())));
            return Ok(ran);
        }
        Ok(Err(why)) => {
            served.no_answer(&check.id, Cause::Error);
            ran.told(Cause::Error, fell(format!("it was not answered: {why}")));
            return Ok(ran);
        }
        Ok(Ok(answered)) => answered,
    };
    ran.stdout.extend_from_slice(answered.head.as_bytes());
    ran.stdout.extend_from_slice(&answered.body[..answered.body.len().min(SHOWN)]);
    if !answered.whole {
        ran.told(Cause::Error, format!("the answer is longer than {} MiB", MAX_BODY >> 20));
        return Ok(ran);
    }
    let document = json::parse(&answered.body, json::Limits { size: MAX_BODY, depth: 64 });
    served.answered(&check.id, fact(&answered, document.as_ref().ok()));
    let mut told = Vec::new();
    if answered.status != *expect_status {
        let body = expect::excerpt(&answered.body);
        told.push(format!("status {}, expected {expect_status}; the body is {body}", answered.status));
    }
    if let Some(wanted) = expect_body_contains
        && !text::holds(&answered.body, wanted)
    {
        let (wanted, body) = (expect::excerpt(wanted.as_bytes()), expect::excerpt(&answered.body));
        told.push(format!("the body lacks {wanted}; it is {body}"));
    }
    if !expect_json.is_empty() {
        match document {
            Err(e) => told.push(format!("the body is no JSON ({e}); it is {}", expect::excerpt(&answered.body))),
            Ok(document) => told.extend(values(world, expect_json.iter(), document).await?),
        }
    }
    match told.is_empty() {
        true => ran.told(Cause::Holds, "everything it states holds".into()),
        // A route that is not there is red only because nothing is: that proves little.
        false if matches!(answered.status, 404 | 405 | 501) && answered.status != *expect_status => {
            ran.told(Cause::Missing, told.join("\n"));
        }
        false => ran.told(Cause::Assertion, told.join("\n")),
    }
    Ok(ran)
}

/// An answer as invariants see it.
fn fact(answered: &Answered, document: Option<&Value>) -> Value {
    let mut out = serde_json::json!({"status": answered.status});
    let short = answered.body.len() <= MAX_FACT;
    let text = std::str::from_utf8(&answered.body).ok().map(Value::from);
    for (name, value) in [("text", text), ("json", document.cloned())] {
        if let (Some(value), Some(out), true) = (value, out.as_object_mut(), short) {
            out.insert(name.into(), value);
        }
    }
    out
}

/// The request, and how it is shown.
fn request(client: &reqwest::Client, kind: &CheckKind, base: &str) -> Result<(reqwest::Request, String), String> {
    let CheckKind::ApiProbe { method, path, headers, body, .. } = kind else { return Err("it is no request".into()) };
    let base = Url::parse(base).map_err(|e| format!("{base} is no address: {e}"))?;
    let url = path.starts_with('/').then(|| base.join(path)).and_then(Result::ok);
    // `//host/` and the like would lead elsewhere.
    let url = url.filter(|url| url.origin() == base.origin());
    let url = url.ok_or_else(|| format!("{:?} is no path of a service", text::one_line(path, 80)))?;
    let name = Method::from_bytes(method.as_bytes()).map_err(|e| format!("{method:?} is no method: {e}"))?;
    let mut builder = client.request(name, url);
    let typed = headers.keys().any(|name| name.eq_ignore_ascii_case(header::CONTENT_TYPE.as_str()));
    let text = body.as_ref().map(|body| match body {
        Value::String(text) => ("text/plain; charset=utf-8", text.clone()),
        value => ("application/json", value.to_string()),
    });
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    if let Some((kind, text)) = &text {
        builder = builder.body(text.clone());
        builder = if typed { builder } else { builder.header(header::CONTENT_TYPE, *kind) };
    }
    let request = builder.build().map_err(|e| format!("the request cannot be sent: {}", http::chain(&e)))?;
    let mut shown = format!("{method} {path}\n");
    for (name, value) in request.headers() {
        let _ = writeln!(shown, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    shown.push('\n');
    if let Some((_, text)) = text {
        shown += &text;
        shown.push('\n');
    }
    shown.push('\n');
    Ok((request, shown))
}

async fn send(client: &reqwest::Client, request: reqwest::Request) -> Result<Answered, String> {
    let why = |e: reqwest::Error| http::chain(&e.without_url());
    let asked = request.url().clone();
    let answer = client.execute(request).await.map_err(why)?;
    let status = answer.status().as_u16();
    let mut head = format!("{status}\n");
    if *answer.url() != asked {
        let _ = writeln!(head, "(redirected to {})", answer.url().path());
    }
    for (name, value) in answer.headers() {
        let _ = writeln!(head, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    head.push('\n');
    let (mut body, mut stream) = (Vec::new(), answer.bytes_stream());
    while let Some(part) = stream.next().await {
        body.extend_from_slice(&part.map_err(why)?);
        if body.len() > MAX_BODY {
            body.truncate(MAX_BODY);
            return Ok(Answered { status, head, body, whole: false });
        }
    }
    Ok(Answered { status, head, body, whole: true })
}

/// What of the expected values is not there, one line each.
async fn values(
    world: &World,
    expected: impl Iterator<Item = (&String, &Value)> + Clone,
    document: Value,
) -> Result<Vec<String>, String> {
    let question = Question::Paths { paths: expected.clone().map(|(path, _)| path.clone()).collect(), document };
    let Answer::Found { found } = evaluator::ask(world, &question).await? else {
        return Err("the evaluator answered something else".into());
    };
    let mut out = Vec::new();
    for ((path, wanted), found) in expected.zip(found) {
        let found = found.map_err(|why| format!("{path}: {why}"))?;
        let shown = |value: &Value| expect::excerpt(value.to_string().as_bytes());
        match (is_singular(path), found.as_slice()) {
            (true, []) => out.push(format!("there is nothing at {path}, expected {}", shown(wanted))),
            (true, [one]) if same(one, wanted) => {}
            (true, [one, ..]) => out.push(format!("{} is at {path}, expected {}", shown(one), shown(wanted))),
            (false, all) => {
                let all = Value::Array(all.to_vec());
                if !same(&all, wanted) {
                    out.push(format!("{} are at {path}, expected {}", shown(&all), shown(wanted)));
                }
            }
        }
    }
    Ok(out)
}

/// Whether a path can find one value at most (RFC 9535, section 2.3.5.1): only names and indices. What others find is a list.
fn is_singular(path: &str) -> bool {
    let (mut quote, mut chars) = (None, path.chars().peekable());
    while let Some(c) = chars.next() {
        match quote {
            Some(_) if c == '\\' => drop(chars.next()),
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None if matches!(c, '*' | '?' | ',' | ':') || c == '.' && chars.peek() == Some(&'.') => return false,
            None => {}
        }
    }
    true
}

/// Whether two values are equal; numbers by their value, however they are written.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_of_names_and_indices_find_one_value() {
        for (path, one) in [
            ("$", true),
            ("$.a.b[0]", true),
            ("$['a*b']", true),
            ("$[\"x\\\",y\"].z", true),
            ("$[-1]", true),
            ("$.a[*]", false),
            ("$..a", false),
            ("$[0,1]", false),
            ("$[1:2]", false),
            ("$[?@.a]", false),
            ("$.a.*", false),
        ] {
            assert_eq!(is_singular(path), one, "{path}");
        }
    }

    #[test]
    fn numbers_are_equal_by_value_and_objects_in_any_order() {
        assert!(same(&json!({"a": 1, "b": [2.0]}), &json!({"b": [2], "a": 1.0})));
        for (a, b) in [(json!(1), json!("1")), (json!([1]), json!([1, 1])), (json!(null), json!(false))] {
            assert!(!same(&a, &b), "{a} {b}");
        }
        assert!(!same(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
    }

    #[test]
    fn a_request_stays_with_its_service() {
        let client = http::builder().build().unwrap();
        let kind = |path: &str, body| CheckKind::ApiProbe {
            service: "web".into(),
            method: "POST".into(),
            path: path.into(),
            headers: [("X-One".to_owned(), "1".to_owned())].into(),
            body,
            expect_status: 200,
            expect_body_contains: None,
            expect_json: Default::default(),
        };
        let base = "http://127.0.0.1:8080";
        for path in ["//elsewhere.example/x", "/\\elsewhere.example", "http://elsewhere.example", "x", ""] {
            assert!(request(&client, &kind(path, None), base).is_err(), "{path}");
        }
        let (sent, shown) = request(&client, &kind("/notes?x=1", Some(json!({"text": "a"}))), base).unwrap();
        assert_eq!(sent.url().as_str(), "http://127.0.0.1:8080/notes?x=1");
        assert!(shown.starts_with("POST /notes?x=1\n") && shown.contains("x-one: 1"), "{shown}");
        assert!(shown.contains("content-type: application/json") && shown.contains("{\"text\":\"a\"}"), "{shown}");
        let (_, shown) = request(&client, &kind("/", Some(json!("plain"))), base).unwrap();
        assert!(shown.contains("text/plain") && shown.contains("\nplain\n"), "{shown}");
    }
}
