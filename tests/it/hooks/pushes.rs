//! A server: bad pushes change no ref and leave no object, good ones pass.

use std::fs;

use super::*;

/// What a push does that must not be: shell that makes it and prints the refspecs. `$SPEC`, `$RUN`, `$SLICE`, `$TARGET`,
/// `$EVIDENCE` and `$NOTES` are refs that the server has, `$ID` is the run.
const BAD: &[(&str, &str)] = &[
    ("a spec's history, removed", "echo :$SPEC"),
    ("a spec's history, rewound", "echo +$SPEC~1:$SPEC"),
    ("a spec's history, replaced by a branch", "echo +refs/heads/main:$SPEC"),
    ("a spec's history, replaced by its root", "echo +$(git rev-list --max-parents=0 $SPEC):$SPEC"),
    ("a second spec with the first one's history", "echo $SPEC:refs/otto/specs/other"),
    ("a record that says nothing new", "echo $(git commit-tree -p $SPEC -m x $SPEC^{tree}):$SPEC"),
    ("a record with another reason", "echo $(record 's/Said better/Said worse/'):$SPEC"),
    ("a record with another date", "echo $(record 's/\"secs\": 1/\"secs\": 2/'):$SPEC"),
    ("a record that is no record", "echo $(git commit-tree -p $SPEC -m x main^{tree}):$SPEC"),
    ("a record with an edited spec", "echo $(spec 's/alone/gone/'):$SPEC"),
    ("a fork merged by hand", "echo $(git commit-tree -p $SPEC -p $SPEC~1 -m x $SPEC^{tree}):$SPEC"),
    ("a history that begins anew", "echo +$(git commit-tree -m x $SPEC^{tree}):$SPEC"),
    ("a spec that is a file", "echo $(git rev-parse main:a.txt):refs/otto/specs/file"),
    ("a spec of no good name", "echo $SPEC:refs/otto/specs/Word"),
    ("a spec below another", "echo $SPEC:refs/otto/specs/word/two"),
    ("our names in capitals", "echo $SPEC:refs/OTTO/specs/word"),
    ("a name that nothing has", "echo main:refs/otto/x/y"),
    ("a run, removed", "echo :$RUN"),
    ("a run, moved", "echo +main:$RUN"),
    ("a run that is none", "echo main:refs/otto/runs/word-20240102t030405z-0a1b2c"),
    ("an attempt, moved", "echo +main:$SLICE"),
    ("an attempt, removed", "echo :$SLICE"),
    ("a target, rewound", "echo +$TARGET~1:$TARGET"),
    ("a target, removed", "echo :$TARGET"),
    ("evidence, replaced", "echo +$(git commit-tree -m x main^{tree}):$EVIDENCE"),
    (
        "evidence, taken away on top",
        "echo $(git commit-tree -p $EVIDENCE -m x $(git hash-object -t tree -w /dev/null)):$EVIDENCE",
    ),
    ("a journal, replaced", "echo +$(git commit-tree -m x $NOTES^{tree}):$NOTES"),
    (
        "a journal, emptied on top",
        "echo $(git commit-tree -p $NOTES -m x $(git hash-object -t tree -w /dev/null)):$NOTES",
    ),
    ("a journal, removed", "echo :$NOTES"),
    ("a lease that is none", "echo main:refs/otto/lease/$ID"),
    ("a pin", "echo main:refs/otto/pin/$ID/$(git rev-parse main)"),
    ("what was rescued", "echo main:refs/otto/rescue/$ID/$(git rev-parse main)"),
    ("a way back", "echo main:refs/otto/undo/$ID"),
    ("what was fetched", "echo $SPEC:refs/otto-remote/origin/specs/word"),
    ("an edited copy", "git checkout -q main; sed -i 's/alone/gone/' $COPY; git commit -qam x; echo main"),
    (
        "an edited copy on a new branch",
        "git checkout -q -b new; sed -i 's/alone/gone/' $COPY; git commit -qam x; echo new",
    ),
    (
        "an edited copy in a tag",
        "git checkout -q -b new; sed -i 's/alone/gone/' $COPY; git commit -qam x; git tag -a -m x t; echo t",
    ),
    (
        "an edited copy, put back later",
        "git checkout -q main; sed -i 's/alone/gone/' $COPY; git commit -qam x; git revert --no-edit HEAD >&2; echo main",
    ),
    ("a removed copy", "git checkout -q main; git rm -q $COPY; git commit -qm x; echo main"),
    ("a renamed copy", "git checkout -q main; git mv $COPY .otto/specs/other.json; git commit -qm x; echo main"),
];

/// Functions of the scripts: a record on top of the history whose record or spec is edited.
const FUNCTIONS: &str = r#"
on_top() {
    export GIT_INDEX_FILE="$PWD/.git/other-index"
    git read-tree $SPEC^{tree}
    id=$(git cat-file blob $SPEC:$1 | sed "$2" | git hash-object -w --stdin)
    git update-index --cacheinfo 100644,$id,$1
    git commit-tree -p $SPEC -m x $(git write-tree)
    rm "$GIT_INDEX_FILE"
    unset GIT_INDEX_FILE
}
record() { on_top record.json "$1"; }
spec() { on_top spec.json "$1"; }
"#;

/// Everything that a push could change: refs, and the files of the store of objects.
fn state(t: &Team) -> (String, Vec<String>) {
    let refs = t.s.git_in("server.git", &["for-each-ref"]);
    let (mut files, mut todo) = (Vec::new(), vec![t.s.path("server.git/objects")]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { todo.push(path) } else { files.push(path.display().to_string()) }
        }
    }
    files.sort();
    (refs, files)
}

/// A team with a run and a server, and a clone without hooks, in `evil`.
fn attacked() -> Team {
    let t = Team::new();
    t.otto("repo", &["run", "-q", "--yes", "word"]).exits(0);
    t.server();
    t.sh("", "cp -R repo evil", &[]).exits(0);
    t
}

/// The variables of the scripts.
fn vars(t: &Team) -> Vec<(&'static str, String)> {
    let first = |prefix: &str| t.s.git(&["for-each-ref", "--count=1", "--format=%(refname)", prefix]);
    let run = first("refs/otto/runs/");
    vec![
        ("SPEC", "refs/otto/specs/word".into()),
        ("ID", run.rsplit('/').next().unwrap().into()),
        ("RUN", run),
        ("SLICE", first("refs/otto/slices/")),
        ("TARGET", first("refs/otto/targets/")),
        ("EVIDENCE", first("refs/otto/evidence/")),
        ("NOTES", first("refs/notes/otto/")),
        ("COPY", COPY.into()),
    ]
}

#[test]
fn bad_pushes_change_no_ref_and_leave_no_object() {
    let t = attacked();
    let vars = vars(&t);
    let vars: Vec<(&str, &str)> = vars.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let before = state(&t);
    assert!(BAD.len() >= 30);
    for (what, make) in BAD {
        t.sh("", "rm -rf evil; cp -R repo evil", &[]).exits(0);
        let made = t.sh("evil", &format!("{FUNCTIONS}\n{make}"), &vars).exits(0);
        let bad = made.stdout.trim();
        assert!(!bad.is_empty(), "{what}: {made}");
        t.s.git_in("evil", &["branch", "good", "HEAD~1"]);
        for atomic in [&[][..], &["--atomic"]] {
            let push = ["push", "origin", "good", bad];
            let args = [&["-c", "core.hooksPath=/dev/null"], &push[..1], atomic, &push[1..]].concat();
            let said = t.git("evil", &args);
            assert_ne!(said.code, 0, "{what}: {said}");
            let ours = said.stderr.contains("remote: refused: ") || said.stderr.contains("deny updating a hidden ref");
            assert!(ours, "{what}: {said}");
            if !said.stderr.contains("hidden ref") || !atomic.is_empty() {
                assert_eq!(state(&t), before, "{what}");
            }
            t.s.git_in("server.git", &["update-ref", "-d", "refs/heads/good"]);
        }
    }
    t.s.git_in("server.git", &["fsck", "--strict"]);
}

#[test]
fn mirrors_and_prunes_remove_nothing() {
    let t = attacked();
    t.s.git(&["clone", "-q", "../server.git", "../fresh"]);
    let before = state(&t);
    let plain = ["refs/heads/*:refs/heads/*"];
    for args in [
        &["push", "--mirror", "origin"][..],
        &["push", "--prune", "origin", "refs/otto/*:refs/otto/*", plain[0]],
        &["push", "--prune", "--force", "origin", "refs/otto/specs/*:refs/otto/specs/*", plain[0]],
        &["push", "--prune", "origin", "refs/notes/*:refs/notes/*", plain[0]],
        &["push", "--atomic", "--mirror", "origin"],
    ] {
        let said = t.git("fresh", args);
        assert!(said.code != 0 && said.stderr.contains("remote: refused: "), "{said}");
        assert_eq!(state(&t), before, "{args:?}");
    }
}

#[test]
fn good_pushes_pass() {
    let t = attacked();
    let good = |dir: &str, args: &[&str]| t.git(dir, args).exits(0);
    // The same again, a branch, a tag, and a history that grew with its copy.
    good(
        "repo",
        &["push", "-q", "origin", "refs/otto/specs/*:refs/otto/specs/*", "refs/notes/otto/*:refs/notes/otto/*"],
    );
    t.s.commit("Something else", &[("b.txt", "b\n")]);
    t.s.git(&["tag", "v1"]);
    good("repo", &["push", "-q", "--atomic", "origin", "main", "v1"]);
    t.amend("It is there, and nothing else.");
    t.s.commit("The copy follows", &[(COPY, &t.version(0))]);
    good("repo", &["push", "-q", "--atomic", "origin", "main", "refs/otto/specs/word"]);
    // Force and removal are nobody's concern where the refs are not ours.
    good("repo", &["push", "-q", "--force", "origin", "main~1:refs/heads/side"]);
    good("repo", &["push", "-q", "--force", "origin", "main~2:refs/heads/side", ":v1"]);
    good("repo", &["push", "-q", "origin", ":side"]);
    t.s.git(&["clone", "-q", "../server.git", "../fresh"]);
    t.s.git_in("server.git", &["gc", "-q", "--prune=now"]);
    t.otto("server.git", &["verify", "--all"]).exits(0);
}

#[test]
fn a_copy_that_came_before_its_history_is_refused() {
    let t = Team::new();
    t.s.git(&["init", "-q", "--bare", "-b", "main", "../server.git"]);
    t.otto("server.git", &["hooks", "install", "--server", "--yes"]).exits(0);
    let said = t.git("repo", &["push", "../server.git", "main"]);
    assert!(said.code != 0 && said.stderr.contains("remote: refused: .otto/specs/word.json"), "{said}");
    t.git("repo", &["push", "-q", "../server.git", "main", "refs/otto/specs/word"]).exits(0);
}

#[test]
fn a_server_without_the_program_takes_nothing() {
    let t = Team::new();
    t.server();
    t.s.commit("More", &[("b.txt", "b\n")]);
    let before = state(&t);
    let said = t.s.try_git("repo", &["push", "origin", "main"]);
    assert!(said.code != 0 && said.stderr.contains("not on this server's PATH"), "{said}");
    assert_eq!(state(&t), before);
}
