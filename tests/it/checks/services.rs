//! Services: started, found ready or not, started once more, ended with all that they started.

use std::net::TcpListener;

use git_otto::{
    checks::model::{Cause, Outcome},
    sandbox,
};
use serde_json::{Value, json};

use super::{Bench, get, web, web_with};

/// The only outcome of a request to a service.
fn one(bench: &Bench, service: Value) -> Outcome {
    bench.outcomes(service, &[get("/notes", json!({}))], &[]).remove(0)
}

#[track_caller]
fn judged(outcome: &Outcome, cause: Cause, said: &[&str]) {
    let evidence = &outcome.evidence;
    assert_eq!(evidence.cause, cause, "{evidence:#?}");
    assert!(said.iter().all(|said| evidence.detail.contains(said)), "{said:?}: {evidence:#?}");
}

#[test]
fn each_way_of_being_ready_is_waited_for() {
    for ready in [
        json!({"http": "/health", "timeout_s": 60}),
        json!({"tcp": true, "timeout_s": 60}),
        json!({"log": "^listen", "timeout_s": 60}),
        json!({"log": "ing", "tcp": true, "http": "/health", "timeout_s": 60}),
    ] {
        let bench = Bench::new();
        judged(&one(&bench, web_with(json!({ "ready": ready }))), Cause::Holds, &["everything"]);
        assert_eq!(bench.starts(), 1);
    }
    // A server that listens on IPv6 only is found too.
    let bench = Bench::new();
    judged(&one(&bench, web_with(json!({"env": {"HOST": "::1"}}))), Cause::Holds, &["everything"]);
}

#[test]
fn one_that_never_gets_ready_has_a_clear_cause() {
    let ready = |ready: Value| json!({"ready": ready});
    let mode = |mode: &str| json!({"env": {"MODE": mode}, "ready": {"http": "/health", "timeout_s": 1}});
    for (fields, cause, said) in [
        (
            mode("silent"),
            Cause::Timeout,
            &["was not ready within 1 s", "nobody listens on port", "waiting for a database"][..],
        ),
        (mode("broken"), Cause::Error, &["ended with exit code 1 before it was ready", "no database"]),
        (mode("away"), Cause::Error, &["ended with exit code 0 before it was ready"]),
        (ready(json!({"http": "/nowhere", "timeout_s": 1})), Cause::Timeout, &["GET /nowhere answers 404"]),
        (ready(json!({"log": "never", "timeout_s": 1})), Cause::Timeout, &["nothing that it printed matches never"]),
        (ready(json!({"log": "(", "timeout_s": 1})), Cause::Timeout, &["it is no pattern"]),
        (json!({"command": ["python3", "absent.py"]}), Cause::Missing, &["absent.py"]),
        (json!({"command": ["./absent"]}), Cause::Missing, &["./absent does not exist"]),
        (json!({"command": ["no-such-program-here"]}), Cause::Unknown, &["no-such-program-here is not on PATH"]),
        (json!({"id": "other"}), Cause::Unknown, &["the spec has no service `web`"]),
    ] {
        let bench = Bench::new();
        let outcomes = bench.outcomes(web_with(fields), &[get("/notes", json!({})), get("/text", json!({}))], &[]);
        // What could not be started for one check is not tried again for the next one.
        outcomes.iter().for_each(|outcome| judged(outcome, cause, said));
        assert!(bench.starts() <= 2, "one start, and for `away` the process that it left");
    }
}

#[test]
fn one_that_broke_off_is_started_again_for_the_next_check() {
    let bench = Bench::new();
    let requests = [get("/notes", json!({})), get("/crash", json!({})), get("/notes", json!({}))];
    let outcomes = bench.outcomes(web(), &requests, &[]);
    judged(&outcomes[0], Cause::Holds, &[]);
    judged(&outcomes[1], Cause::Error, &["it was not answered", "service `web` ended during the request"]);
    assert!(String::from_utf8_lossy(&outcomes[1].stderr).contains("out of luck"));
    judged(&outcomes[2], Cause::Holds, &[]);
    assert_eq!(bench.starts(), 2);
}

#[test]
#[cfg(target_os = "linux")]
fn what_left_its_group_ends_with_it() {
    let mut bench = Bench::new();
    let available = std::sync::Arc::new(bench.runtime.block_on(sandbox::probe(&bench.world)));
    let (level, network) = (sandbox::Level::None, sandbox::Network::All);
    let sandbox = sandbox::Sandbox { available, level, network, read: Vec::new(), write: Vec::new() };
    let tmp = bench.scratch.path().to_owned();
    bench.world = sandbox.around(&bench.world, sandbox::Whose::Check, tmp, Vec::new());
    judged(&one(&bench, web_with(json!({"env": {"MODE": "children"}}))), Cause::Holds, &[]);
    assert_eq!(bench.starts(), 2, "the server and its child");
}

#[test]
fn rounds_that_want_one_port_wait_for_each_other() {
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let ports = Bench::new().ports;
    let add = get("/notes", json!({"method": "POST", "body": {"text": "milk"}, "expect_status": 201}));
    let requests = [add, get("/notes", json!({"expect_json": {"$.count": 1}}))];
    std::thread::scope(|threads| {
        for _ in 0..3 {
            threads.spawn(|| {
                let bench = Bench { ports: ports.clone(), ..Bench::new() };
                let outcomes = bench.outcomes(web_with(json!({ "port": port })), &requests, &[]);
                outcomes.iter().for_each(|outcome| judged(outcome, Cause::Holds, &[]));
                assert_eq!(bench.starts(), 1);
            });
        }
    });
}

#[test]
fn it_ends_with_all_that_it_started_and_its_port_is_free() {
    let bench = Bench::new();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let stop = ["sh", "-c", "echo $PORT > stopped"];
    judged(&one(&bench, web_with(json!({"port": port, "stop": stop}))), Cause::Holds, &[]);
    assert_eq!(std::fs::read_to_string(bench.dir.path().join("stopped")).unwrap(), format!("{port}\n"));
    assert_eq!(bench.starts(), 1);
    assert!(TcpListener::bind(("127.0.0.1", port)).is_ok());
}
