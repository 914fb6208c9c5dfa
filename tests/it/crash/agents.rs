//! Processes beside each other: two runs at once, and agents that outlive the run that started them.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{Running, Sandbox};

/// A product of one slice that an agent writes.
fn intent(title: &str) -> String {
    format!(
        "# {title}\n\nA word in a file.\n\nKind: `cli`, started as `./word`.\n\n## Slice `word`: The word\n\n\
         **R1** It prints the word.\n\nOwns: `word`.\n\nCheck: `./word` prints `hello`.\n"
    )
}

/// An agent that says that it is there, waits for a word, and writes the product.
fn agent(s: &Sandbox, name: &str, steps: &[Value]) -> String {
    let wait = [json!({"touch": s.path(format!("{name}.there"))})];
    let write = json!({"write": {"path": "word", "content": "#!/bin/sh\necho hello\n", "executable": true}});
    let steps: Vec<&Value> = wait.iter().chain(steps).chain([&write]).collect();
    let script = json!({"slices": {"word": {"*": steps}}});
    let path = s.write(&format!("{name}.json"), script.to_string());
    format!("command:{} {}", env!("CARGO_BIN_EXE_git-otto-fake-agent"), path.display())
}

fn start(s: &Sandbox, title: &str, agent: &str) -> Running {
    let path = s.write(&format!("{title}.md"), intent(title));
    s.start(&["run", "--yes", "--agent", agent, path.to_str().unwrap()], &[])
}

fn go(s: &Sandbox, marker: &str) {
    s.write(marker, "");
}

#[test]
fn a_second_run_of_a_spec_says_who_has_it() {
    let s = Sandbox::new();
    let waiting = agent(&s, "one", &[json!({"wait_for": s.path("go")})]);
    let mut first = start(&s, "word", &waiting);
    assert!(first.wait_for(&s.path("one.there")));
    for args in [&["run", "--yes", "word"][..], &["resume"]] {
        let second = s.otto(args).exits(6);
        assert!(second.stderr.contains(&format!("process {} ", first.pid())), "{second}");
    }
    go(&s, "go");
    first.wait().exits(0);
    s.otto(&["run", "--yes", "word"]).exits(0);
    assert_eq!(s.git(&["rev-list", "--count", "--first-parent", "main..otto/word"]), "1");
}

#[test]
fn runs_of_two_specs_do_not_meet() {
    let s = Sandbox::new();
    let waiting = agent(&s, "one", &[json!({"wait_for": s.path("go")})]);
    let mut first = start(&s, "word", &waiting);
    assert!(first.wait_for(&s.path("one.there")));
    let also = agent(&s, "two", &[json!({"wait_for": s.path("go")})]);
    let mut second = start(&s, "other", &also);
    assert!(second.wait_for(&s.path("two.there")), "both are in the middle of their work");
    go(&s, "go");
    first.wait().exits(0);
    second.wait().exits(0);
    for spec in ["word", "other"] {
        assert_eq!(s.git(&["show", &format!("otto/{spec}:word")]), "#!/bin/sh\necho hello");
    }
    s.otto(&["verify", "--all"]).exits(0);
}

/// Whether that process runs; one that ended and was not collected does not.
fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .next()
        .is_some_and(|state| state != "Z" && state != "X")
}

fn until_written(path: &Path) -> String {
    loop {
        // Written by a shell in two steps: made, then filled.
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        std::thread::yield_now();
    }
}

/// A run that is killed while its agent has started a shell script as `step` does it and waits for `go`; the script has
/// written its parent's process id and its own. Both end with the run that started them, wherever they went.
fn killed_at_work(s: &Sandbox, step: &str, script: &str) {
    let script = format!("echo $PPID $$ > '{}'; {script}", s.path("pids").display());
    let steps = [json!({(step): ["sh", "-c", script]}), json!({"wait_for": s.path("go")})];
    let waiting = agent(s, "one", &steps);
    let mut first = start(s, "word", &waiting);
    assert!(first.wait_for(&s.path("one.there")));
    let pids = until_written(&s.path("pids"));
    let (agent, child) = pids.split_once(' ').unwrap();
    assert!(lives(child));
    first.kill();
    for pid in [agent, child] {
        while lives(pid) {
            std::thread::yield_now();
        }
    }
}

/// Goes on with an agent that does its work.
fn go_on(s: &Sandbox) {
    let able = agent(s, "two", &[]);
    s.otto(&["resume", "--agent", &able]).exits(0);
    assert_eq!(s.git(&["show", "otto/word:word"]), "#!/bin/sh\necho hello");
    assert_eq!(s.git(&["for-each-ref", "refs/otto/lease", "refs/otto/pin"]), "");
    s.otto(&["verify", "--all"]).exits(0);
}

#[test]
fn an_agent_ends_with_the_run_that_started_it() {
    let s = Sandbox::new();
    killed_at_work(&s, "spawn", "exec sleep 600");
    go_on(&s);
}

#[test]
fn a_daemon_that_left_its_group_ends_too_and_writes_for_nobody() {
    let s = Sandbox::new();
    let write = "i=0; while [ -d . ] && [ $i -lt 1000000 ]; do i=$((i + 1)); echo bad > word; echo bad > file$i; done 2>/dev/null";
    killed_at_work(&s, "daemon", write);
    go_on(&s);
}
