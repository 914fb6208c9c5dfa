//! What git has left half done in somebody's checkouts: told, left alone by everything else, and given up at a word.

use super::*;

/// A repository in which `topic` and `main` both changed `a.txt`.
fn parted() -> Sandbox {
    let s = sandbox();
    s.commit("base", &[("a.txt", "base\n"), ("b.txt", "b\n")]);
    s.git(&["switch", "-q", "-c", "topic"]);
    s.commit("topic", &[("a.txt", "topic\n"), ("new.txt", "new\n")]);
    s.git(&["switch", "-q", "main"]);
    s.commit("main", &[("a.txt", "main\n")]);
    s
}

#[test]
fn what_is_half_done_is_told_in_every_checkout_and_given_up_in_one() {
    let s = parted();
    let told = s.otto(&["recover"]).exits(0);
    assert_eq!(told.stdout, "nothing is half done in this repository\n");
    refuses(&s, "repo", &["recover", "--abort"], 8, "nothing is half done", "git otto recover");

    s.git(&["worktree", "add", "-q", "-b", "side", "../side"]);
    assert_eq!(s.try_git("side", &["merge", "topic"]).code, 1);
    let told = s.otto(&["recover"]).exits(0);
    for part in [
        "a merge in ",
        "in conflict: a.txt",
        "to go on: git otto recover --continue --worktree '",
        "--abort --worktree '",
    ] {
        assert!(told.stdout.contains(part), "{part}: {told}");
    }
    refuses(&s, "repo", &["recover", "--abort"], 8, "a merge is in another", "--worktree");
    refuses(&s, "repo", &["recover", "--worktree", "nowhere", "--abort"], 2, "no checkout", "git worktree list");

    let answer = s.otto(&["recover", "--json"]).exits(0).json();
    assert_eq!(answer["paused"][0]["kind"], "merge", "{answer}");
    assert_eq!(answer["paused"][0]["unmerged"], json!(["a.txt"]));
    assert_eq!(answer["paused"][0]["at_risk"], json!(["a.txt"]));

    let before = s.snapshot();
    s.otto(&["recover", "--abort", "-n", "--worktree", "../side"]).exits(0);
    assert_eq!(s.snapshot(), before, "a plan touches nothing");
    s.write("side/b.txt", "mine\n");
    let done = s.otto(&["recover", "--abort", "--worktree", "../side", "--json"]).exits(0).json();
    assert_eq!((&done["done"], &done["kept"]), (&json!(true), &json!(["b.txt"])), "{done}");
    assert_eq!(std::fs::read_to_string(s.path("side/a.txt")).unwrap(), "main\n");
    assert_eq!(std::fs::read_to_string(s.path("side/b.txt")).unwrap(), "mine\n");
    assert_eq!(s.git_in("side", &["status", "--porcelain"]).trim(), "M b.txt");
    let work = done["rescue"].as_object().unwrap().keys().find(|name| name.ends_with("/work")).unwrap().clone();
    assert!(s.git(&["show", &format!("{work}:a.txt")]).contains("<<<<<<<"), "what was half resolved is kept");
    assert_eq!(s.otto(&["recover"]).exits(0).stdout, "nothing is half done in this repository\n");
}

#[test]
fn what_is_resolved_is_gone_on_with_and_what_is_not_is_named() {
    let s = parted();
    refuses(&s, "repo", &["recover", "--continue"], 8, "nothing is half done", "git otto recover");
    assert_eq!(s.try_git("repo", &["merge", "topic"]).code, 1);
    refuses(&s, "repo", &["recover", "--continue"], 8, "still in conflict: a.txt", "git add -- 'a.txt'");
    s.write("repo/a.txt", "both\n");
    s.git(&["add", "a.txt"]);
    s.write("repo/b.txt", "mine\n");
    let before = s.snapshot();
    let told = s.otto(&["recover", "--continue", "-n"]).exits(0);
    assert_eq!(told.stdout, "would be gone on with: a merge, with one commit\n");
    assert_eq!(s.snapshot(), before, "a plan touches nothing");
    let told = s.otto(&["recover", "--continue"]).exits(0);
    let head = s.git(&["rev-parse", "HEAD"]);
    assert!(told.stdout.starts_with("ended: a merge, with ") && head.starts_with(&told.stdout[21..28]), "{told}");
    assert_eq!(s.git(&["rev-parse", "HEAD^2"]), s.git(&["rev-parse", "topic"]));
    assert_eq!(s.git(&["status", "--porcelain"]), " M b.txt");

    // Further steps are git's, which stops again where it would.
    s.git(&["switch", "-q", "-c", "next", "HEAD^", "--discard-changes"]);
    s.commit("more", &[("a.txt", "more\n")]);
    assert_eq!(s.try_git("repo", &["cherry-pick", "topic", "main^"]).code, 1);
    s.git(&["add", "a.txt"]);
    let told = s.otto(&["recover", "--continue", "--json"]).exits(9).json();
    assert_eq!(
        (&told["by"], &told["done"], &told["left"]),
        (&json!("git"), &json!(false), &json!("cherry-pick")),
        "{told}"
    );
    s.otto(&["recover", "--abort"]).exits(0);
    assert_eq!(s.git(&["log", "-1", "--format=%s"]), "more");
}

#[test]
fn a_lock_file_that_somebody_left_is_told_with_its_age_and_left_there() {
    let s = parted();
    assert_eq!(s.try_git("repo", &["merge", "topic"]).code, 1);
    s.write("repo/.git/index.lock", "");
    let told = s.otto(&["recover"]).exits(0);
    assert!(told.stdout.contains("index.lock, since 20") && told.stdout.contains("rm '"), "{told}");
    refuses(&s, "repo", &["recover", "--abort"], 9, "is locked", "git otto recover");
    assert!(s.path("repo/.git/index.lock").exists());
    std::fs::remove_file(s.path("repo/.git/index.lock")).unwrap();
    s.otto(&["recover", "--abort"]).exits(0);
    assert_eq!(s.git(&["status", "--porcelain"]), "");
}
