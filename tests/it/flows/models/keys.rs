//! Where keys come from, and whether an endpoint takes them.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    thread,
};

use super::*;

/// Sets a credential helper up that writes down what it was asked.
fn helper(s: &Sandbox, says: &str) -> PathBuf {
    let asked = s.path("asked");
    let script = format!("#!/bin/sh\n[ \"$1\" = get ] || exit 0\ncat >> '{}'\n{says}\n", asked.display());
    let helper = s.script("bin/helper", &script);
    s.git(&["config", "--global", "credential.helper", helper.to_str().unwrap()]);
    asked
}

#[test]
fn a_key_of_a_credential_helper_is_used_and_kept_nowhere() {
    for provider in BOTH {
        let model = Model::start(right_at_once);
        let s = reaching(provider, &model);
        // The helper itself has to know it.
        s.write("secret", KEY);
        let asked = helper(&s, &format!("echo username=me; echo password=$(cat '{}')", s.path("secret").display()));
        let args = ["run", "--yes", "--json", "--text", PROSE, "--agent", provider, "--model", "m"];
        let out = s.otto(&args);
        keeps_the_key(&s, &[&out]);
        Run::read(out).ends(0);
        let header = |t: &Turn| t.header("x-api-key").or(t.header("authorization")).map(str::to_owned);
        assert!(model.requests().iter().all(|t| header(t).is_some_and(|value| value.contains(KEY))));
        let asked = std::fs::read_to_string(asked).unwrap();
        assert!(asked.contains(&format!("host={}", model.url().trim_start_matches("http://"))), "{asked}");
        // The environment goes first.
        std::fs::remove_file(s.path("asked")).unwrap();
        Run::read(otto(&s, provider, &args)).ends(0);
        assert!(!s.path("asked").exists());
    }
}

#[test]
fn a_key_in_the_configuration_is_none_and_nobody_is_asked_at_the_terminal() {
    let model = Model::start(right_at_once);
    let s = reaching("anthropic", &model);
    write_intent(&s, &["a"]);
    for key in ["otto.anthropic.key", "otto.anthropic.apiKey", "anthropic.key"] {
        s.git(&["config", key, KEY]);
    }
    s.write("repo/.env", format!("ANTHROPIC_API_KEY={KEY}\n"));
    let marker = s.path("was-asked");
    let asks = s.script("bin/asks", &format!("#!/bin/sh\ntouch '{}'\necho {KEY}\n", marker.display()));
    let asks = asks.to_str().unwrap();
    s.git(&["config", "core.askPass", asks]);
    helper(&s, "exit 1");
    let args = ["run", "--yes", "--agent", "anthropic", "--model", "m", "../intent.md"];
    let vars = [("SSH_ASKPASS", asks), ("GIT_ASKPASS", asks), ("DISPLAY", ":0"), ("GIT_TERMINAL_PROMPT", "1")];
    let out = s.otto_with(&args, &vars, None).exits(7);
    assert!(out.stderr.contains("has no key: ANTHROPIC_API_KEY is not set"), "{out}");
    assert!(out.stderr.contains("export ANTHROPIC_API_KEY"), "{out}");
    assert!(!marker.exists() && s.path("asked").exists());
    assert_eq!(model.requests().len(), 0);
}

/// Answers one request with a status, and nothing after it.
fn once(status: u16) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let body = format!("{{\"error\":{{\"message\":\"no, not {KEY}\"}}}}");
        let answer = format!("HTTP/1.1 {status} \r\ncontent-length: {}\r\n\r\n{body}", body.len());
        (&stream).write_all(answer.as_bytes()).unwrap();
        head.join("\n")
    });
    (url, served)
}

/// What `agents --probe` says of a provider.
fn probed(s: &Sandbox, provider: &str, vars: &[(&str, &str)]) -> (bool, String) {
    let out = s.otto_with(&["agents", "--probe", "--json"], vars, None).exits(0);
    assert!(!out.stdout.contains(KEY) && !out.stderr.contains(KEY), "{out}");
    let all = out.json();
    let found = all["agents"].as_array().unwrap().iter().find(|a| a["agent"] == provider).unwrap().clone();
    (found["usable"].as_bool().unwrap(), found["endpoint"].as_str().unwrap_or_else(|| panic!("{found}")).to_owned())
}

#[test]
fn a_probe_says_whether_the_endpoint_answers_and_takes_the_key_and_spends_nothing() {
    for provider in BOTH {
        let key = [(key_variable(provider), KEY)];
        let model = Model::start(|_| panic!("no model is asked"));
        let s = reaching(provider, &model);
        let host = model.url().replace("http://", "");
        assert_eq!(probed(&s, provider, &key), (true, format!("{host} answers and takes the key")));
        assert_eq!(model.others(), ["GET /v1/models"]);
        let words = s.otto_with(&["agents", "--probe"], &key, None).exits(0);
        assert!(words.stdout.contains("answers and takes the key"), "{words}");
        // Without it, nobody is asked over the network.
        let plain = s.otto_with(&["agents", "--json"], &key, None).exits(0);
        assert!(!plain.stdout.contains("endpoint") && model.others().len() == 2, "{plain}");

        for (status, usable, words) in [
            (401, false, "refuses the key: no, not [redacted]"),
            (403, false, "refuses the key"),
            (404, true, "answers, but does not say which models it has"),
            (503, false, "answers with status 503"),
            (302, false, "answers with status 302"),
        ] {
            let (url, served) = once(status);
            s.git(&["config", &format!("otto.{provider}.url"), &url]);
            let (can, said) = probed(&s, provider, &key);
            assert!(can == usable && said.contains(words), "{status}: {said}");
            let head = served.join().unwrap();
            assert!(head.starts_with("GET /v1/models ") && head.contains(KEY), "{head}");
        }
        // Nobody listens.
        let (can, said) = {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let url = format!("http://{}", listener.local_addr().unwrap());
            drop(listener);
            s.git(&["config", &format!("otto.{provider}.url"), &url]);
            probed(&s, provider, &key)
        };
        assert!(!can && said.contains("does not answer"), "{said}");
    }
    // A local server may have no key, and a public one must.
    let model = Model::start(|_| panic!("no model is asked"));
    let s = reaching("openai", &model);
    let (can, said) = probed(&s, "openai", &[]);
    assert!(can && said.ends_with("answers, without a key"), "{said}");
    let (can, said) = probed(&s, "anthropic", &[]);
    assert!(!can && said.contains("ANTHROPIC_API_KEY is not set"), "{said}");
}
