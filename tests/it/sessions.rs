//! Conversations go on: over the attempts at a slice, and over the death of the run; what they cost is counted once.
#![cfg(feature = "faults")]

use std::fs;

use serde_json::{Value, json};

use crate::support::Sandbox;

const INTENT: &str = "# Word\n\nA word in a file.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n\
                      ## Slice `word`\n\n**R1** It is there.\n\nOwns: `word.txt`.\n\nCheck: `cat word.txt` prints `word`.\n";

/// A stand-in for `claude`: it writes down how it was called, says which conversation it is in, does as `steps` say for
/// its n-th call, and ends with the cost of the whole conversation so far.
fn stand_in(s: &Sandbox, steps: &[&str], totals: &[(&str, u64, u64)]) -> String {
    let mut script = "#!/bin/sh\ncat > /dev/null\necho \"$*\" >> \"$SEEN\"\nn=$(grep -c '' \"$SEEN\")\n".to_owned();
    script += "id=$(echo \"$*\" | sed -n 's/.*--\\(session-id\\|resume\\) \\([0-9a-f-]*\\).*/\\2/p')\n";
    script += "echo '{\"type\":\"system\",\"subtype\":\"init\",\"session_id\":\"'$id'\"}'\ncase $n in\n";
    for (i, step) in steps.iter().enumerate() {
        let (usd, input, output) = totals.get(i).copied().unwrap_or_default();
        let result = json!({
            "type": "result", "subtype": "success", "is_error": false, "result": "done", "num_turns": 1,
            "total_cost_usd": "USD", "permission_denials": [], "terminal_reason": "completed",
            "modelUsage": {"m": {"inputTokens": input, "outputTokens": output, "cacheReadInputTokens": 0,
                "cacheCreationInputTokens": 0, "costUSD": "USD"}},
        });
        let result = result.to_string().replace("\"USD\"", usd);
        script += &format!("{}) {step}\necho '{result}' ;;\n", i + 1);
    }
    script += "*) exit 9 ;;\nesac\n";
    s.script("bin/claude", &script);
    s.git(&["config", "otto.agentEnv", "SEEN"]);
    s.write("intent.md", INTENT);
    format!("{}:{}", s.path("bin").display(), std::env::var("PATH").unwrap())
}

/// The name of the conversation in each call, with the flag that gave it.
fn conversations(s: &Sandbox) -> Vec<(String, String)> {
    let seen = fs::read_to_string(s.path("seen")).unwrap();
    let of = |line: &str| {
        let mut words = line.split(' ').skip_while(|w| *w != "--session-id" && *w != "--resume");
        (words.next().unwrap().to_owned(), words.next().unwrap().to_owned())
    };
    seen.lines().map(of).collect()
}

fn packet(out: &crate::support::Output) -> Value {
    let answer: Value = serde_json::from_str(out.stdout.lines().last().unwrap()).unwrap();
    serde_json::from_str(&fs::read_to_string(answer["packet_json"].as_str().unwrap()).unwrap()).unwrap()
}

#[test]
fn the_next_attempt_goes_on_with_the_conversation_and_its_cost_is_a_difference() {
    let s = Sandbox::new();
    let path = stand_in(
        &s,
        &["echo wrong > word.txt", "echo word > word.txt"],
        &[("0.0016", 200, 40), ("0.0024000000000000002", 300, 60)],
    );
    let seen = s.path("seen").display().to_string();
    let vars = [("PATH", path.as_str()), ("SEEN", seen.as_str())];
    let out = s.otto_with(&["run", "--json", "--yes", "--agent", "claude", "../intent.md"], &vars, None).exits(0);
    let [(first, id), (second, again)] = conversations(&s).try_into().unwrap();
    assert_eq!((first.as_str(), second.as_str(), &id), ("--session-id", "--resume", &again));
    let cost = &packet(&out)["built_by"]["cost"];
    assert_eq!(*cost, json!({"usd_micros": 2400, "input_tokens": 300, "output_tokens": 60}));
}

#[test]
fn a_run_that_was_killed_in_the_middle_of_a_call_goes_on_with_that_conversation() {
    let s = Sandbox::new();
    let there = s.path("there").display().to_string();
    let steps = [
        &format!("echo half > word.txt; touch '{there}'; exec sleep 600")[..],
        // What it had written is there.
        "grep -q half word.txt || exit 7; echo word > word.txt",
    ];
    let path = stand_in(&s, &steps, &[("0", 0, 0), ("0.0024", 300, 60)]);
    let seen = s.path("seen").display().to_string();
    let vars = [("PATH", path.as_str()), ("SEEN", seen.as_str())];
    let mut run = s.start(&["run", "--yes", "--agent", "claude", "../intent.md"], &vars);
    assert!(run.wait_for(&s.path("there")));
    run.kill();
    let out = s.otto_with(&["resume", "--json"], &vars, None).exits(0);
    let [(first, id), (second, again)] = conversations(&s).try_into().unwrap();
    assert_eq!((first.as_str(), second.as_str(), &id), ("--session-id", "--resume", &again));
    let packet = packet(&out);
    let cost = &packet["built_by"]["cost"];
    assert_eq!(*cost, json!({"usd_micros": 2400, "input_tokens": 300, "output_tokens": 60}));
    assert_eq!(packet["slices"][0]["attempts"].as_array().unwrap().len(), 1);
    s.otto(&["verify", "--all"]).exits(0);
}

/// The content of a file of the newest snapshot of the slice, where there is one.
fn snapshot(s: &Sandbox, path: &str) -> Option<String> {
    let name = s.git(&["for-each-ref", "--format=%(refname)", "refs/otto/wip"]);
    let shown = s.try_git("repo", &["show", &format!("{name}:{path}")]);
    (!name.is_empty() && shown.code == 0).then(|| shown.stdout.trim().to_owned())
}

#[test]
fn what_an_agent_wrote_before_its_last_event_outlives_the_machine() {
    let s = Sandbox::new();
    let stirs = "echo '{\"type\":\"system\"}'";
    let steps = [
        &format!("echo half > word.txt; {stirs}; exec sleep 30")[..],
        "grep -q half word.txt || exit 7; echo word > word.txt",
    ];
    let path = stand_in(&s, &steps, &[("0", 0, 0), ("0.0024", 300, 60)]);
    let seen = s.path("seen").display().to_string();
    let vars = [("PATH", path.as_str()), ("SEEN", seen.as_str())];
    let mut run = s.start(&["run", "--yes", "--agent", "claude", "../intent.md"], &vars);
    assert!(run.wait_until(|| snapshot(&s, "word.txt").as_deref() == Some("half")));
    run.kill();
    // Only what refs hold is left.
    fs::remove_dir_all(s.path("state")).unwrap();
    s.otto_with(&["resume"], &vars, None).exits(0);
    assert_eq!(conversations(&s)[1].0, "--resume");
    s.otto(&["verify", "--all"]).exits(0);
}

#[test]
fn whoever_begins_anew_finds_the_base_and_what_was_written_before_stays_behind() {
    let s = Sandbox::new();
    s.write("intent.md", INTENT);
    let command = format!("command:{}", s.path("agent").display());
    for n in ["1", "2"] {
        let steps = format!("[ -e word.txt ] && exit 7\necho {n} > word.txt\necho here\nexec sleep 600\n");
        s.script("agent", &format!("#!/bin/sh\ncat > /dev/null\n{steps}"));
        let args: &[&str] = if n == "1" { &["run", "--yes", "--agent", &command, "../intent.md"] } else { &["resume"] };
        let mut run = s.start(args, &[]);
        assert!(run.wait_until(|| snapshot(&s, "word.txt").as_deref() == Some(n)), "{n}");
        run.kill();
    }
    let name = s.git(&["for-each-ref", "--format=%(refname)", "refs/otto/wip"]);
    let kept: Vec<String> = s
        .git(&["log", "--format=%H", "--grep", "has written", &name])
        .lines()
        .map(|commit| s.git(&["show", &format!("{commit}:word.txt")]))
        .collect();
    assert_eq!((kept.first().unwrap().as_str(), kept.last().unwrap().as_str()), ("2", "1"));
    s.otto(&["verify", "--all"]).exits(0);
}

#[test]
fn a_conversation_that_is_gone_is_begun_anew() {
    let s = Sandbox::new();
    let gone = r#"echo '{"type":"result","subtype":"error_during_execution","is_error":true,"errors":["No conversation found with session ID: x"],"total_cost_usd":0,"permission_denials":[]}'; exit 1"#;
    let steps = ["echo wrong > word.txt", gone, "echo word > word.txt"];
    let path = stand_in(&s, &steps, &[("0.001", 100, 20), ("0", 0, 0), ("0.001", 100, 20)]);
    let seen = s.path("seen").display().to_string();
    let vars = [("PATH", path.as_str()), ("SEEN", seen.as_str())];
    let out = s.otto_with(&["run", "--json", "--yes", "--agent", "claude", "../intent.md"], &vars, None).exits(0);
    let [(_, first), (resumed, again), (begun, other)] = conversations(&s).try_into().unwrap();
    assert_eq!((resumed.as_str(), &first, begun.as_str()), ("--resume", &again, "--session-id"));
    assert_ne!(first, other);
    assert_eq!(packet(&out)["built_by"]["cost"]["usd_micros"], 2000);
    assert_eq!(packet(&out)["slices"][0]["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn an_agent_that_is_not_logged_in_stops_the_run_which_can_go_on() {
    let s = Sandbox::new();
    let out_of_login = r#"echo '{"type":"result","subtype":"success","is_error":true,"api_error_status":401,"result":"Invalid API key","total_cost_usd":0,"permission_denials":[]}'; exit 1"#;
    let path = stand_in(&s, &[out_of_login, "echo word > word.txt"], &[("0", 0, 0), ("0.001", 100, 20)]);
    let seen = s.path("seen").display().to_string();
    let vars = [("PATH", path.as_str()), ("SEEN", seen.as_str())];
    let out = s.otto_with(&["run", "--yes", "--agent", "claude", "../intent.md"], &vars, None).exits(7);
    assert!(out.stderr.contains("Invalid API key") && out.stderr.contains("git otto resume word-"), "{out}");
    let out = s.otto_with(&["resume", "--json"], &vars, None).exits(0);
    assert_eq!(packet(&out)["slices"][0]["attempts"].as_array().unwrap().len(), 1);
}
