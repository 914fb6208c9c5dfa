//! What cannot work is refused before anything is written, with the reason and the way out.

use super::*;

fn ready() -> Sandbox {
    let s = sandbox();
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    s
}

#[test]
fn without_an_identity() {
    let s = Sandbox::without_identity();
    s.write("home/.gitconfig", "[user]\n\tuseConfigOnly = true\n");
    s.git(&["init", "-q", "."]);
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    for args in [&["run", "--yes", "../intent.md", "--agent", "command:true"][..], &["compile", "../intent.md"]] {
        refuses(&s, "repo", args, 2, "", "git config --global user.name");
        refuses(&s, "repo", args, 2, "", "git config --global user.email");
    }
}

#[test]
fn outside_a_repository() {
    let s = Sandbox::without_identity();
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    for args in [&["run", "--yes", "../intent.md"][..], &["compile", "../intent.md"], &["approve", "one"], &["resume"]]
    {
        refuses(&s, "repo", args, 2, "repository", "git init");
    }
}

#[test]
fn what_this_version_cannot_run() {
    let s = sandbox();
    let head = "Service `web`: `node` `server.js` is ready when it listens.";
    let journey =
        r#"{"id": "look", "kind": "browser_journey", "service": "web", "steps": [{"do": "goto", "path": "/"}]}"#;
    let body = "Owns: `a.txt`.\n\nCheck: `cat a.txt` prints `a`.\n\nRequest: `GET /` to `web` answers 200.\n\n"
        .to_owned()
        + &format!("Check, in full:\n\n```json\n{journey}\n```");
    s.write("intent.md", intent("One", head, &[("a", &[], body)], ""));
    let args = ["run", "--yes", "../intent.md", "--agent", "command:true"];
    refuses(&s, "repo", &args, 2, "check `look` is of kind `browser_journey`, with steps", "repo_test");
}

#[test]
fn without_anybody_who_builds() {
    let s = ready();
    refuses(&s, "repo", &["run", "--yes", "../intent.md"], 7, "no files for `a`", "git config otto.agent");
    refuses(
        &s,
        "repo",
        &["run", "--yes", "../intent.md", "--agent", "claude9"],
        7,
        "\"claude9\" is no agent",
        "git otto agents",
    );
    s.git(&["config", "otto.agent", "command:"]);
    refuses(&s, "repo", &["run", "--yes", "../intent.md"], 7, "no program is named", "git otto agents");
    s.git(&["config", "otto.build.agent", "nobody"]);
    refuses(&s, "repo", &["run", "--yes", "../intent.md"], 7, "\"nobody\" is no agent", "git otto agents");
}

#[test]
fn a_secret_on_the_agents_command_line() {
    let s = ready();
    let agent = "command:my-agent --api-key=abcdefghijklmnopqrstuvwx API_KEY=abcdefghijklmnopqrst";
    let args = ["run", "--yes", "../intent.md", "--agent", agent];
    refuses(&s, "repo", &args, 8, "what looks like a secret", "variable");
    let out = s.otto(&args);
    assert!(!out.stderr.contains("abcdefghijkl"), "{out}");
}

#[test]
fn prose_and_names_of_nothing() {
    let s = ready();
    refuses(&s, "repo", &["run", "--yes", "a keeper of notes"], 7, "prose needs an agent", "docs/intent.md");
    refuses(&s, "repo", &["run", "--yes", "--text", "../intent.md"], 7, "prose needs an agent", "docs/intent.md");
    refuses(&s, "repo", &["run", "--yes", "missing.md"], 2, "missing.md", "git otto status");
    refuses(&s, "repo", &["run", "--yes", "nothing"], 2, "neither a file nor a spec", "git otto status");
    refuses(&s, "repo", &["resume", "nothing"], 2, "neither a run nor a spec", "git otto status");
    refuses(&s, "repo", &["approve", "nothing"], 2, "there is no spec nothing", "git otto compile");
}

#[test]
fn a_branch_in_the_way() {
    let s = ready();
    let args = ["run", "--yes", "../intent.md", "--agent", "command:true"];
    for (branch, pack) in [("otto", false), ("otto", true), ("otto/one/deeper", true)] {
        s.git(&["branch", branch]);
        if pack {
            s.git(&["pack-refs", "--all"]);
        }
        let out = s.otto(&args);
        assert!([2, 8].contains(&out.code), "{out}");
        refuses(&s, "repo", &args, out.code, &format!("refs/heads/{branch}"), &format!("git branch -m {branch} "));
        s.git(&["branch", "-D", branch]);
    }
}

#[test]
fn values_that_mean_nothing() {
    let s = ready();
    let args = ["run", "--yes", "../intent.md", "--agent", "command:true"];
    for (key, value) in [
        ("otto.jobs", "0"),
        ("otto.jobs", "many"),
        ("otto.attempts", "0"),
        ("otto.attempts", "-1"),
        ("otto.repairs", "-1"),
        ("otto.slice.wall", "0"),
        ("otto.slice.wall", "1h"),
        ("otto.agent.idle", "never"),
        ("otto.budget.usd", "ten"),
        ("otto.budget.usd", "-1"),
        ("otto.slice.budget.usd", "NaN"),
        ("otto.slice.budget.usd", ""),
        ("otto.fsync", "perhaps"),
        ("otto.workingCopy", "both"),
    ] {
        let global = ["config", "--global", "--unset-all", "otto.fsync"];
        if key == "otto.fsync" {
            s.git(&global);
        }
        s.git(&["config", key, value]);
        refuses(&s, "repo", &args, 2, key, "git config");
        s.git(&["config", "--unset", key]);
    }
    for (more, message) in [
        (&["--target", "a..b"][..], "a..b"),
        (&["--target=-x"], "-x"),
        (&["--target", "HEAD"], "HEAD"),
        (&["--target", "@{-1}"], "@{-1}"),
        (&["--jobs", "0"], "--jobs"),
        (&["--jobs", "x"], "--jobs"),
        (&["--id", "Not An Id"], "--id"),
        (&["--frobnicate"], "--frobnicate"),
    ] {
        let all = [&args[..], more].concat();
        let before = refs(&s);
        let out = s.otto(&all).exits(2);
        assert!(out.stderr.contains(message), "{out}");
        let out = s.otto(&[&["--json"], &all[..]].concat()).exits(2);
        let said: Value = serde_json::from_str(&out.stderr).unwrap_or_else(|e| panic!("{e}: {out}"));
        assert_eq!(said["error"]["code"], "usage", "{out}");
        assert!(said["error"]["message"].as_str().unwrap().contains(message), "{out}");
        assert_eq!(refs(&s), before);
    }
}

#[test]
fn an_intent_with_errors_names_each_place() {
    let s = sandbox();
    s.write("intent.md", "# One\n\nText.\n\nKind: `cli`, started as `./x`.\n\nCommand `x`: prints.\n\n## Slice `a`\n\n**R1** x\n\nCheck: soon.\n");
    let before = refs(&s);
    for args in
        [&["run", "--yes", "../intent.md"][..], &["compile", "../intent.md"], &["compile", "-n", "../intent.md"]]
    {
        let out = s.otto(args).exits(3);
        assert!(out.stderr.contains("intent.md:13:8"), "{out}");
        let out = s.otto(&[&["--json"], args].concat()).exits(3);
        let said: Value = serde_json::from_str(&out.stderr).unwrap_or_else(|e| panic!("{e}: {out}"));
        assert_eq!(said["error"]["code"], "invalid", "{out}");
        assert!(said["error"]["causes"][0].as_str().unwrap().starts_with("13:8: "), "{out}");
    }
    assert_eq!(refs(&s), before);
}
