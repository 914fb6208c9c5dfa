//! What nobody needs any more goes; whatever is not merged, not finished or in use stays, and both are told.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use super::*;

fn refs(s: &Sandbox) -> Vec<String> {
    s.git(&["for-each-ref", "--format=%(refname) %(objectname)"]).lines().map(str::to_owned).collect()
}

/// The folder of a run's workspaces.
fn folder(s: &Sandbox, run: &str) -> PathBuf {
    let state = s.path("state/git-otto");
    let mut repos = fs::read_dir(state).unwrap().map(|e| e.unwrap().path());
    repos.find(|repo| repo.join(run).is_dir()).unwrap().join(run)
}

/// Names, each with why.
fn told<'v>(answer: &'v Value, which: &str) -> Vec<(&'v str, &'v str)> {
    let items = answer[which].as_array().unwrap();
    items.iter().map(|i| (i["name"].as_str().unwrap(), i["why"].as_str().unwrap())).collect()
}

#[test]
fn what_a_finished_run_needs_no_more_goes_and_what_did_not_land_stays() {
    let s = sandbox();
    let half = |id: &str| json!([write(&format!("{id}.txt"), "half\n"), {"exit": 3}]);
    let agent = agent(&s, json!({"a": {"1": half("a"), "*": [right("a")]}, "b": {"*": half("b")}}));
    let parts = [("a", &[][..], plain("a")), ("b", &[], plain("b"))];
    let run = run(&s, &intent("Two", "", &parts, ""), &agent, &[]).ends(4).run().to_owned();
    let [wip_a, wip_b] = ["a", "b"].map(|id| format!("refs/otto/wip/{run}/{id}"));
    let (pin, old, young) =
        (format!("refs/otto/pin/{run}/x"), format!("refs/otto/undo/{run}/7"), "refs/otto/rescue/two/x");
    let long_ago = s.git(&["-c", "user.name=A", "commit-tree", "-m", "old", "HEAD^{tree}"]);
    let raw = s.git(&["cat-file", "commit", &long_ago]);
    let aged: Vec<String> = raw
        .lines()
        .map(|l| match l.split_once("> ") {
            Some((who, _)) if l.starts_with("committer") => format!("{who}> 1000000000 +0000"),
            _ => l.to_owned(),
        })
        .collect();
    let text = format!("{}\n", aged.join("\n"));
    let aged = s.git_with_input(&["hash-object", "-t", "commit", "-w", "--stdin"], text.as_bytes());
    for (name, at) in [(&*pin, "HEAD"), (&*old, aged.trim()), (young, "HEAD")] {
        s.git(&["update-ref", name, at]);
    }
    let lost = s.git_with_input(&["hash-object", "-w", "--stdin"], b"reachable from nothing");
    let checkout = folder(&s, &run).join("check-a-0000/tree");
    fs::create_dir_all(&checkout).unwrap();
    let transcripts = folder(&s, &run).join("transcripts");
    fs::create_dir_all(&transcripts).unwrap();
    let [stale, fresh] = ["stale.txt", "fresh.txt"].map(|name| transcripts.join(name));
    for (file, days) in [(&stale, 91), (&fresh, 1)] {
        fs::write(file, "said").unwrap();
        let when = SystemTime::now() - Duration::from_secs(days * 24 * 3600);
        fs::File::options().write(true).open(file).unwrap().set_modified(when).unwrap();
    }

    let before = refs(&s);
    let plan = s.otto(&["gc", "-n", "--json"]).exits(0).json();
    assert_eq!((refs(&s), checkout.exists(), stale.exists()), (before.clone(), true, true), "nothing was done");
    let done = s.otto(&["gc", "--json"]).exits(0).json();
    assert_eq!((&plan["removed"], &plan["kept"]), (&done["removed"], &done["kept"]));
    let gone: Vec<&str> = told(&done, "removed").iter().map(|(name, _)| *name).collect();
    for name in [&wip_a, &pin, &old] {
        assert!(gone.contains(&name.as_str()) && !refs(&s).iter().any(|r| r.starts_with(name)), "{name}: {gone:?}");
    }
    assert!(!checkout.exists() && !stale.exists() && fresh.exists());
    let kept = told(&done, "kept");
    assert!(kept.iter().any(|(name, why)| *name == wip_b && why.contains("did not land")), "{kept:?}");
    assert!(kept.iter().any(|(name, why)| *name == young && why.contains("0 of 90 days")), "{kept:?}");
    assert_eq!(refs(&s).len(), before.len() - 3);
    s.git(&["cat-file", "-e", lost.trim()]);
    assert!(told(&s.otto(&["gc", "--json"]).exits(0).json(), "removed").is_empty(), "all of it went at once");
    let restore = done["restore"].as_str().unwrap();
    s.spawn(s.command("sh", "repo").args(["-c", restore]), None).wait().exits(0);
    assert_eq!(refs(&s), before);
    assert_sound(&s);
}

#[test]
fn what_is_at_work_is_not_touched_and_what_died_is_kept_in_git_first() {
    let s = sandbox();
    let waits = json!([write("a.txt", "half\n"), {"touch": s.path("at")}, {"wait_for": s.path("go")}]);
    let agent = agent(&s, json!({"a": {"1": waits, "*": [right("a")]}}));
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    let running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent], &[]);
    let running = await_marker(running, &s.path("at"));
    let run = s.git(&["for-each-ref", "--format=%(refname:lstrip=3)", "refs/otto/runs"]);
    let workspace = folder(&s, &run).join("agent-a");
    let live = s.otto(&["gc", "--json"]).exits(0).json();
    assert!(workspace.join("tree/a.txt").exists() && told(&live, "removed").is_empty(), "{live:#}");
    assert!(told(&live, "kept").iter().any(|(name, why)| *name == run && why.contains("process")), "{live:#}");
    running.kill();
    s.write("go", "");
    let quiet = || {
        let answer = s.otto(&["gc", "--json"]).exits(0).json();
        let text = answer["kept"].to_string();
        (!text.contains("still runs")).then_some(answer)
    };
    let dead = loop {
        if let Some(answer) = quiet() {
            break answer;
        }
    };
    assert!(!workspace.exists());
    assert!(told(&dead, "kept").iter().any(|(name, why)| *name == run && why.contains("git otto resume")), "{dead:#}");
    assert_eq!(s.git(&["show", &format!("refs/otto/wip/{run}/a:a.txt")]), "half");
    Run::read(s.otto(&["resume", "--json"])).ends(0);
    assert_sound(&s);
}

#[test]
fn a_workspace_that_cannot_be_kept_stays_aside() {
    let s = sandbox();
    let waits = json!([write("a.txt", "half\n"), {"touch": s.path("at")}, {"wait_for": s.path("go")}]);
    let agent = agent(&s, json!({"a": {"1": waits, "*": [right("a")]}}));
    s.write("intent.md", intent("One", "", &[("a", &[], plain("a"))], ""));
    let running = s.start(&["run", "--yes", "--json", "../intent.md", "--agent", &agent], &[]);
    await_marker(running, &s.path("at")).kill();
    s.write("go", "");
    let run = s.git(&["for-each-ref", "--format=%(refname:lstrip=3)", "refs/otto/runs"]);
    fs::write(folder(&s, &run).join("agent-a/attempt"), "torn").unwrap();
    let resumed = Run::read(s.otto(&["resume", "--json"])).ends(0);
    let recovered = resumed.events.iter().find(|e| e["kind"] == "recovery.performed").unwrap();
    assert!(recovered["data"].to_string().contains("stays as aside-a-"), "{recovered:#}");
    let answer = s.otto(&["gc", "--json"]).exits(0).json();
    let kept = told(&answer, "kept");
    let (aside, _) = kept.iter().find(|(name, _)| name.contains("/aside-a-")).unwrap();
    assert_eq!(fs::read_to_string(PathBuf::from(aside).join("tree/a.txt")).unwrap(), "half\n");
    assert_sound(&s);
}
