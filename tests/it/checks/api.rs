//! Requests to a service.

use git_otto::checks::model::{Cause, Outcome};
use serde_json::json;

use super::{Bench, get, web, web_with};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn judged(outcome: &Outcome, cause: Cause, said: &str) {
    let evidence = &outcome.evidence;
    assert!(evidence.cause == cause && evidence.detail.contains(said), "{evidence:#?}");
    assert_eq!(evidence.passed, cause == Cause::Holds);
}

#[test]
fn every_expectation_is_judged() {
    let post = |body, more: serde_json::Value| {
        let mut fields = json!({"method": "POST", "body": body, "expect_status": 201});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        get("/notes", fields)
    };
    let json = |value| json!({ "expect_json": value });
    let requests = [
        (get("/notes", json(json!({"$.notes": [], "$.count": 0}))), Cause::Holds, "everything"),
        (post(json!({"text": "milk"}), json(json!({"$.id": 1.0}))), Cause::Holds, "everything"),
        // What one check brought about is there for the next one.
        (get("/notes", json(json!({"$.notes[*].text": ["milk"], "$['count']": 1}))), Cause::Holds, "everything"),
        (get("/notes", json(json!({"$.notes[?@.id == 1].text": ["milk"]}))), Cause::Holds, "everything"),
        (get("/notes", json(json!({"$.notes[0].text": ["milk"]}))), Cause::Assertion, "is at $.notes[0].text"),
        (get("/notes", json(json!({"$.notes[1]": null}))), Cause::Assertion, "there is nothing at $.notes[1]"),
        (get("/notes", json(json!({"$..id": [2]}))), Cause::Assertion, "[1]\" are at $..id, expected \"[2]"),
        (get("/text", json!({"expect_body_contains": "Notes</h1>"})), Cause::Holds, "everything"),
        (get("/text", json!({"expect_body_contains": "Pages"})), Cause::Assertion, "the body lacks \"Pages\""),
        (get("/text", json(json!({"$": 1}))), Cause::Assertion, "the body is no JSON"),
        (get("/error", json!({})), Cause::Assertion, "status 500, expected 200"),
        (get("/error", json!({"expect_status": 500})), Cause::Holds, "everything"),
        (get("/nowhere", json!({})), Cause::Missing, "status 404"),
        (get("/nowhere", json!({"expect_status": 404, "expect_body_contains": "no such page"})), Cause::Holds, ""),
        (get("/notes", json(json!({"$.[": 1}))), Cause::Unknown, "it is no JSONPath"),
        (get("//elsewhere.example/", json!({})), Cause::Unknown, "is no path of a service"),
        (get("/notes", json!({"method": "GET IT"})), Cause::Unknown, "is no method"),
        (get("/notes", json!({"headers": {"a b": "c"}})), Cause::Unknown, "cannot be sent"),
    ];
    let bench = Bench::new();
    let sent: Vec<_> = requests.iter().map(|(request, ..)| request.clone()).collect();
    let outcomes = bench.outcomes(web(), &sent, &[]);
    for (outcome, (_, cause, said)) in outcomes.iter().zip(&requests) {
        judged(outcome, *cause, said);
    }
    assert_eq!(bench.starts(), 1);
    let (sent, log) = (text(&outcomes[1].stdout), text(&outcomes[1].stderr));
    for part in ["POST /notes\n", "content-type: application/json", "{\"text\":\"milk\"}", "\n201\n", "\"id\": 1"] {
        assert!(sent.contains(part), "{part}: {sent}");
    }
    assert!(log.contains("request \"POST /notes") && !log.contains("GET /notes"), "only what belongs to it: {log}");
    assert!(text(&outcomes[0].stderr).contains("listening"), "the first has its beginning");
}

#[test]
fn texts_and_headers_are_sent_as_they_stand() {
    let fields = json!({"method": "POST", "body": "plain", "headers": {"X-Mark": "7"},
        "expect_json": {"$.text": "plain", "$.mark": "7"}});
    judged(&Bench::new().outcomes(web(), &[get("/any", fields)], &[])[0], Cause::Holds, "everything");
}

#[test]
fn cookies_last_as_long_as_the_round() {
    let who = |name: &str| get("/me", json!({"expect_body_contains": name}));
    let bench = Bench::new();
    for outcome in bench.outcomes(web(), &[who("nobody"), get("/login", json!({})), who("who=ann")], &[]) {
        judged(&outcome, Cause::Holds, "everything");
    }
    judged(&bench.outcomes(web(), &[who("nobody")], &[])[0], Cause::Holds, "everything");
}

#[test]
fn redirects_are_followed_to_our_services_only() {
    let elsewhere = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://localhost:{}/", elsewhere.local_addr().unwrap().port());
    let service = web_with(json!({"env": {"ELSEWHERE": url}}));
    let requests = [
        get("/moved", json!({"expect_json": {"$.count": 0}})),
        get("/moved", json!({"expect_status": 302})),
        get("/away", json!({})),
        get("/round", json!({})),
    ];
    let bench = Bench::new();
    let outcomes = bench.outcomes(service.clone(), &requests, &[]);
    judged(&outcomes[0], Cause::Holds, "everything");
    assert!(text(&outcomes[0].stdout).contains("redirected to /notes"));
    judged(&outcomes[1], Cause::Holds, "everything");
    judged(&outcomes[2], Cause::Assertion, "status 302, expected 200");
    judged(&outcomes[3], Cause::Error, "redirects too often");
    elsewhere.set_nonblocking(true).unwrap();
    assert!(elsewhere.accept().is_err(), "nobody came");
    // The user may allow a host by its name.
    elsewhere.set_nonblocking(false).unwrap();
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = elsewhere.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi").unwrap();
    });
    judged(&bench.outcomes(service, &[get("/away", json!({}))], &["LOCALHOST"])[0], Cause::Holds, "everything");
    server.join().unwrap();
}

#[test]
fn what_has_no_end_is_bounded_and_what_is_secret_is_not_kept() {
    let bench = Bench::new();
    let requests = [
        get("/flood", json!({})),
        get("/noise", json!({})),
        get("/slow", json!({"timeout_s": 1})),
        get("/secret", json!({"expect_status": 500})),
    ];
    let outcomes = bench.outcomes(web(), &requests, &[]);
    judged(&outcomes[0], Cause::Error, "longer than 8 MiB");
    judged(&outcomes[1], Cause::Holds, "everything");
    assert!(text(&outcomes[1].stderr).contains("bytes left out]") && outcomes[1].stderr.len() < 3 << 20);
    judged(&outcomes[2], Cause::Timeout, "not answered within 1 s");
    judged(&outcomes[3], Cause::Assertion, "status 200, expected 500");
    let Outcome { evidence, stdout, stderr, .. } = &outcomes[3];
    for place in [&evidence.detail, &text(stdout), &text(stderr)] {
        assert!(!place.contains("ghp_aaaa") && !place.contains("ghp_bbbb"), "{place}");
    }
    assert!(text(stderr).contains("[redacted]") && outcomes[0].stdout.len() < 2 << 20);
    assert_eq!(bench.starts(), 1);
}
