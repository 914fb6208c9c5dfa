//! After a run: what it landed is delivered, taken back and delivered again, checked by hand, judged once more, explained.

use super::*;

/// A repository in which a run of one slice `a` has passed, on `otto/one`; the run.
fn built(s: &Sandbox) -> String {
    let agent = agent(s, json!({"a": {"1": [right("a")]}}));
    let text = intent("One", "", &[("a", &[], plain("a"))], "");
    run(s, &text, &agent, &[]).ends(0).run().to_owned()
}

fn at(s: &Sandbox, rev: &str) -> String {
    s.git(&["rev-parse", rev])
}

/// What the checkout differs in from HEAD, untracked files too.
fn dirt(s: &Sandbox) -> String {
    s.git(&["--no-optional-locks", "status", "--porcelain"])
}

#[test]
fn a_product_is_delivered_taken_back_and_delivered_again() {
    let s = sandbox();
    let run = built(&s);
    let (before, landed) = (at(&s, "main"), at(&s, "otto/one"));
    s.script("repo/.git/hooks/post-merge", "#!/bin/sh\ntouch ../merged\n");
    let planned = s.otto(&["deliver", "-n"]).exits(0);
    assert!(planned.stdout.starts_with(&format!("would be delivered: {run} into main")), "{planned}");
    assert!(planned.stderr.contains("tested already"), "{planned}");
    assert_eq!((at(&s, "main"), s.git(&["for-each-ref", "refs/otto/undo"])), (before.clone(), String::new()));

    let told = s.otto(&["deliver"]).exits(0);
    assert!(told.stdout.contains("fast-forward"), "{told}");
    assert!(told.stderr.contains("git otto undo\n") && told.stderr.contains("git otto close one\n"), "{told}");
    assert_eq!((at(&s, "main"), dirt(&s)), (landed.clone(), String::new()), "exactly what was tested");
    assert_eq!(std::fs::read_to_string(s.path("repo/a.txt")).unwrap(), "a\n");
    assert!(s.path("merged").exists(), "the user's hooks run as in any merge");
    assert!(s.otto(&["deliver"]).exits(0).stdout.contains("already"));

    let list = s.otto(&["undo", "--list", "--json"]).exits(0).json();
    let way = &list["undo"][0];
    assert_eq!((&way["name"], &way["possible"]), (&json!(format!("refs/otto/undo/{run}/1")), &json!(true)));
    assert_eq!(at(&s, &format!("refs/otto/undo/{run}/1^1")), before, "git alone knows the way back, too");
    let undone = s.otto(&["undo"]).exits(0);
    assert!(undone.stdout.starts_with(&format!("taken back: {run} (main from ")), "{undone}");
    assert_eq!((at(&s, "main"), dirt(&s)), (before.clone(), String::new()));
    assert!(!s.path("repo/a.txt").exists());
    refuses(&s, "repo", &["undo"], 8, "nothing was delivered into main", "--list");

    // The move back is a move that can be taken back, and the product can be delivered anew.
    s.otto(&["undo", &format!("{run}/2")]).exits(0);
    assert_eq!(at(&s, "main"), landed);
    s.otto(&["undo", "--json"]).exits(0);
    let again = s.otto(&["deliver", "one", "--json"]).exits(0).json();
    assert_eq!((&again["how"], &again["after"]), (&json!("fast-forward"), &json!(landed)));
    assert_eq!((at(&s, "main"), dirt(&s)), (landed, String::new()));

    // Once there is more, going back would lose it.
    s.commit("More", &[("more.txt", "more\n")]);
    refuses(&s, "repo", &["undo"], 8, "main has moved on", "git revert -m 1");
    s.otto(&["discard", &run, "--yes"]).exits(0);
    assert_eq!(s.git(&["for-each-ref", "refs/otto/undo"]), "");
    assert!(s.otto(&["undo", "--list"]).exits(0).stdout.contains("nothing"));
}

#[test]
fn nothing_of_the_users_is_put_at_risk() {
    let s = sandbox();
    let before = at(&s, "main");
    let run = built(&s);
    s.write("repo/README.md", "Changed.\n");
    refuses(&s, "repo", &["deliver"], 8, "README.md", "git stash");
    s.git(&["add", "README.md"]);
    refuses(&s, "repo", &["deliver"], 8, "README.md", "git otto deliver one");
    s.git(&["restore", "--staged", "--worktree", "README.md"]);
    // Ignored or not, a file that git does not have is nowhere else.
    for ignored in [false, true] {
        s.write("repo/.git/info/exclude", if ignored { "a.txt\n" } else { "" });
        s.write("repo/a.txt", "mine\n");
        refuses(&s, "repo", &["deliver"], 8, "a.txt", "move them elsewhere");
        assert_eq!(std::fs::read_to_string(s.path("repo/a.txt")).unwrap(), "mine\n");
    }
    std::fs::remove_file(s.path("repo/a.txt")).unwrap();

    s.git(&["switch", "-q", "--detach"]);
    refuses(&s, "repo", &["deliver"], 8, "HEAD is detached", "git switch <branch> && git otto deliver one");
    s.git(&["switch", "-q", "main"]);
    let head = at(&s, "HEAD");
    s.write("repo/.git/MERGE_HEAD", format!("{head}\n"));
    refuses(&s, "repo", &["deliver"], 9, "a merge is under way", "git otto recover");
    std::fs::remove_file(s.path("repo/.git/MERGE_HEAD")).unwrap();

    // Where git itself refuses, nothing is left of the attempt.
    s.write("repo/.git/index.lock", "");
    refuses(&s, "repo", &["deliver"], 8, "git did not move main", "git merge --ff-only");
    std::fs::remove_file(s.path("repo/.git/index.lock")).unwrap();
    assert_eq!((at(&s, "main"), dirt(&s)), (before, String::new()));

    s.otto(&["deliver"]).exits(0);
    s.write("repo/a.txt", "edited\n");
    refuses(&s, "repo", &["undo"], 8, "a.txt", "git otto undo");
    s.git(&["restore", "a.txt"]);

    // Another branch, which nobody has checked out, and one that somebody has.
    s.git(&["branch", "release", "main~1"]);
    s.git(&["worktree", "add", "-q", "-b", "other", "../tree", "release"]);
    refuses(&s, "repo", &["deliver", "--into", "other"], 8, "checked out in ", "git -C ");
    let said = s.otto(&["deliver", "--into", "release", "--json"]).exits(0).json();
    assert_eq!((&said["branch"], at(&s, "release")), (&json!("refs/heads/release"), at(&s, "otto/one")));
    s.otto(&["undo", said["undo"].as_str().unwrap()]).exits(0);
    assert_ne!(at(&s, "release"), at(&s, "otto/one"));
    refuses(&s, "repo", &["deliver", "--into", "nowhere"], 2, "no branch", "git branch");
    assert!(!run.is_empty());
    assert_sound(&s);
}

#[test]
fn a_branch_that_moved_on_is_merged_only_when_the_merged_tree_is_green() {
    let s = sandbox();
    let both =
        "## Across `a` and `c`\n\nProves: `R1`.\n\nCheck `both`: `cat a.txt c.txt && ! grep -qs bad b.txt` exits 0.";
    let text = intent("One", "", &[("a", &[], plain("a")), ("c", &[], plain("c"))], both);
    let agent = agent(&s, json!({"a": {"1": [right("a")]}, "c": {"1": [right("c")]}}));
    run(&s, &text, &agent, &[]).ends(0);
    let mine = s.commit("Mine", &[("b.txt", "bad\n")]);
    refuses(&s, "repo", &["deliver"], 8, "main has 1 commit", "git otto deliver one --merge");
    let out = s.otto(&["deliver", "--merge"]).exits(8);
    assert!(out.stderr.contains("1 check is not green: nothing was moved"), "{out}");
    assert_eq!((at(&s, "main"), dirt(&s)), (mine, String::new()));
    assert_eq!(s.git(&["for-each-ref", "refs/otto/undo"]), "");

    let mended = s.commit("Mend", &[("b.txt", "good\n")]);
    let said = s.otto(&["deliver", "--merge", "--json"]).exits(0).json();
    assert_eq!((&said["how"], said["checks"].as_array().unwrap().len()), (&json!("merge"), 3));
    assert_eq!((at(&s, "main^1"), at(&s, "main^2")), (mended.clone(), at(&s, "otto/one")));
    assert_eq!((s.git(&["show", "main:a.txt"]), s.git(&["show", "main:b.txt"])), ("a".into(), "good".into()));
    assert_eq!(dirt(&s), "");
    s.otto(&["undo"]).exits(0);
    assert_eq!((at(&s, "main"), dirt(&s)), (mended, String::new()));
    // Nothing of the checks stays.
    let of_repo = std::fs::read_dir(s.path("state/git-otto")).unwrap().next().unwrap().unwrap().path();
    let left: Vec<_> = std::fs::read_dir(of_repo).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("by-hand")), "{left:?}");

    s.commit("Against it", &[("a.txt", "mine\n")]);
    refuses(&s, "repo", &["deliver", "--merge"], 8, "a.txt", "git otto check one");
    assert_sound(&s);
}

#[test]
fn checks_are_run_by_hand_on_whatever_is_there() {
    let s = sandbox();
    s.commit("Ignore", &[(".gitignore", "secret.txt\n")]);
    built(&s);
    let nothing = s.otto(&["check"]).exits(5);
    assert!(nothing.stdout.contains("none green of 1 check"), "{nothing}");
    s.otto(&["check", "--tree", "otto/one"]).exits(0);
    // Not added, not committed: seen. Ignored: not seen. And nothing is touched.
    s.write("repo/a.txt", "a\n");
    s.write("repo/secret.txt", "x\n");
    let (before, dirty) = (s.snapshot(), dirt(&s));
    let green = s.otto(&["check", "one", "--json"]).exits(0).json();
    assert_eq!((&green["schema"], &green["passed"]), (&json!("otto.check/1"), &json!(true)));
    let tree = green["tree"].as_str().unwrap();
    assert_eq!(s.git(&["ls-tree", "--name-only", tree]), ".gitignore\nREADME.md\na.txt");
    assert_eq!(dirt(&s), dirty);
    assert_eq!(s.snapshot(), before);
    s.write("repo/a.txt", "b\n");
    let red = s.otto(&["check", "-v"]).exits(5);
    assert!(red.stdout.contains("red") && red.stdout.contains("stdout: b"), "{red}");
    refuses(&s, "repo", &["check", "--slice", "x"], 2, "no slice \"x\"", "a");
    refuses(&s, "repo", &["check", "--check", "x"], 2, "no check \"x\"", "a");
    refuses(&s, "repo", &["check", "two"], 2, "\"two\"", "git otto status");
    s.write("draft.md", intent("Draft", "", &[("a", &[], plain("a"))], ""));
    s.otto(&["compile", "../draft.md"]).exits(0);
    refuses(&s, "repo", &["check", "draft"], 8, "a draft", "git otto approve draft");
}

#[test]
fn a_slice_that_is_blocked_is_explained_and_what_is_there_delivered_only_on_demand() {
    let s = sandbox();
    s.git(&["config", "otto.attempts", "1"]);
    let parts: [Part<'_>; 3] = [("a", &[], plain("a")), ("b", &[], plain("b")), ("c", &["b"], plain("c"))];
    let agent = agent(&s, json!({"a": {"1": [right("a")]}, "b": {"1": [write("b.txt", "wrong\n")]}}));
    let ended = run(&s, &intent("Three", "", &parts, ""), &agent, &[]);
    assert!([4, 5].contains(&ended.out.code), "{}", ended.out);
    let run = ended.run();
    let landed = s.otto(&["why", "a"]).exits(0);
    assert!(landed.stdout.contains("landed on otto/three as ") && landed.stdout.contains("1 check passed"), "{landed}");
    let why = s.otto(&["why", "b", "--run", "three"]).exits(0);
    assert!(why.stdout.starts_with(&format!("b: blocked in {run}\n")), "{why}");
    assert!(why.stdout.contains("all attempts are used up") && why.stdout.contains("git otto evidence show "), "{why}");
    assert!(why.stdout.contains(&format!("next: git otto retry b --run {run} -m <hint>\n")), "{why}");
    let shown = why.stdout.lines().find_map(|l| l.split("git otto ").nth(1).filter(|c| c.starts_with("evidence")));
    s.otto(&shown.unwrap().split(' ').collect::<Vec<_>>()).exits(0);
    let json = s.otto(&["why", "c", "--json"]).exits(0).json();
    assert_eq!((&json["schema"], &json["standing"]), (&json!("otto.why/1"), &json!("finished")));
    assert_eq!(json["because"][1]["slice"], "b");
    assert_eq!(json["next"], json!({"do": "retry", "slices": ["b"]}));
    refuses(&s, "repo", &["why", "d"], 2, "no slice `d`", "a, b, c");

    refuses(&s, "repo", &["deliver"], 8, "was not delivered", "--partial");
    let said = s.otto(&["deliver", "--partial"]).exits(0);
    assert!(said.stdout.contains("delivered"), "{said}");
    assert_eq!(s.git(&["show", "main:a.txt"]), "a");
}

#[test]
fn a_finished_run_is_judged_once_more_with_what_people_added() {
    let s = sandbox();
    let without = at(&s, "main^{tree}");
    let run = built(&s);
    let first = s.otto(&["audit", "-n"]).exits(0);
    assert!(first.stdout.contains("would run 1 check"), "{first}");
    s.git(&["worktree", "add", "-q", "../tree", "otto/one"]);
    s.write("tree/hand.txt", "mine\n");
    s.git_in("tree", &["add", "hand.txt"]);
    s.git_in("tree", &["commit", "-q", "-m", "By hand"]);
    s.git(&["worktree", "remove", "../tree"]);
    let told = s.otto(&["deliver", "-n"]).exits(0);
    assert!(told.stderr.contains("not delivered: 1 commit on otto/one"), "{told}");
    s.otto(&["audit"]).exits(0);
    let told = s.otto(&["deliver"]).exits(0);
    assert!(told.stderr.contains("with 1 commit on otto/one") && told.stderr.contains("no receipt"), "{told}");
    assert_eq!(s.git(&["show", "main:hand.txt"]), "mine");

    // A red product is told as what it is.
    let tip = at(&s, "otto/one");
    let broken = s.git(&["commit-tree", &without, "-p", &tip, "-m", "Broken"]);
    s.git(&["update-ref", "refs/heads/otto/one", &broken, &tip]);
    let red = Run::read(s.otto(&["audit", &run, "--json"])).ends(4);
    assert_eq!(red.run(), run);
    assert_eq!(s.otto(&["status", "--json"]).exits(0).json()["verdict"], "partial");
    assert_sound(&s);
}
