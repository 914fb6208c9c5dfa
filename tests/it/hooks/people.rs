//! What happens to a person who works with git as ever, in a checkout with the hooks.

use super::*;

/// What a person does, and what comes of it.
enum Then {
    /// It works.
    Works,
    /// It works, and something is told.
    Told(&'static str),
    /// It is refused, with this in the message.
    Refused(&'static str),
}

/// What a script finds: `$EDITED`, `$OLD` and `$NEW` are copies: one of no version, of the version before, of the newest.
const TABLE: &[(&str, &str, Then)] = &[
    ("a commit of something else", "echo b > a.txt; git commit -qam x", Then::Works),
    ("an edited copy", "cat $EDITED > $COPY; git commit -qam x", Then::Refused("git otto amend")),
    (
        "an edited copy that is only staged",
        "cat $EDITED > $COPY; git add .; cat $NEW > $COPY; git commit -qm x",
        Then::Refused("word.json"),
    ),
    (
        "an edited copy that is not staged",
        "cat $EDITED > $COPY; echo b > a.txt; git add a.txt; git commit -qm x",
        Then::Works,
    ),
    (
        "part of an edit, staged through the index",
        "id=$(git hash-object -w $EDITED); git update-index --cacheinfo 100644,$id,$COPY; git commit -qm x",
        Then::Refused("word.json"),
    ),
    (
        "only another path of an edited tree",
        "cat $EDITED > $COPY; echo b > a.txt; git commit -qm x -- a.txt",
        Then::Works,
    ),
    (
        "the edited path alone",
        "cat $EDITED > $COPY; echo b > a.txt; git commit -qm x -- $COPY",
        Then::Refused("word.json"),
    ),
    (
        "another layout of the same content",
        "python3 -c 'import json,sys; print(json.dumps(json.load(open(sys.argv[1]))))' $NEW > $COPY; git commit -qam x",
        Then::Works,
    ),
    ("an older version", "cat $OLD > $COPY; git commit -qam x", Then::Told("older version")),
    ("a removed copy", "git rm -q $COPY; git commit -qm x", Then::Refused("word.json")),
    (
        "a removed copy, where none is kept",
        "git config otto.workingCopy off; git rm -q $COPY; git commit -qm x",
        Then::Works,
    ),
    ("a renamed copy", "git mv $COPY .otto/specs/other.json; git commit -qm x", Then::Refused("other.json")),
    (
        "a copy of another spec's name",
        "cp $COPY .otto/specs/other.json; git add .; git commit -qm x",
        Then::Refused("other.json"),
    ),
    ("something that is no copy", "echo x > .otto/specs/README; git add .; git commit -qm x", Then::Works),
    ("no JSON", "echo x > $COPY; git commit -qam x", Then::Refused("word.json")),
    ("an amended commit", "echo b > a.txt; git commit -qa --amend -m x", Then::Works),
    ("an edit in an amended commit", "cat $EDITED > $COPY; git commit -qa --amend -m x", Then::Refused("word.json")),
    (
        "a merge of a stale branch",
        "git checkout -q -b stale HEAD~1; mkdir -p .otto/specs; cat $OLD > $COPY; git add .; git commit -qm x; git checkout -q main; git merge -q -X ours --no-edit stale",
        Then::Works,
    ),
    (
        "a merge that brings an edit",
        "git checkout -q -b bad; cat $EDITED > $COPY; git commit -qnam x; git checkout -q main; git commit -q --allow-empty -m y; git merge -q --no-edit bad",
        Then::Works,
    ),
    (
        "a merge that makes an edit",
        "git checkout -q -b side; echo b > b.txt; git add .; git commit -qm x; git checkout -q main; git commit -q --allow-empty -m y; git merge -q --no-commit side; cat $EDITED > $COPY; git add .; git commit -qm z",
        Then::Refused("word.json"),
    ),
    (
        "a conflict, resolved to a version",
        "git checkout -q -b side; cat $OLD > $COPY; echo s > a.txt; git commit -qam x; git checkout -q main; echo m > a.txt; git commit -qam y; git merge -q side || true; cat $NEW > $COPY; echo both > a.txt; git add .; git commit -qm z",
        Then::Works,
    ),
    ("a revert of something else", "echo b > a.txt; git commit -qam x; git revert --no-edit HEAD", Then::Works),
    (
        "a revert that goes back to the version before",
        "cat $OLD > $COPY; git commit -qam x; cat $NEW > $COPY; git commit -qam y; git revert --no-edit HEAD",
        Then::Works,
    ),
    (
        "a cherry-pick of something else",
        "git checkout -q -b side; echo b > b.txt; git add .; git commit -qm x; git checkout -q main; git cherry-pick side",
        Then::Works,
    ),
    (
        "a rebase",
        "git checkout -q -b side; echo b > b.txt; git add .; git commit -qm x; git checkout -q main; git commit -q --allow-empty -m y; git checkout -q side; git rebase -q main",
        Then::Works,
    ),
    (
        "a linked worktree",
        "git worktree add -q ../linked -b linked; cd ../linked; echo b > a.txt; git commit -qam x",
        Then::Works,
    ),
    (
        "an edit in a linked worktree",
        "git worktree add -q ../linked -b linked; cd ../linked; cat $EDITED > $COPY; git commit -qam x",
        Then::Refused("word.json"),
    ),
    ("a stash", "echo b > a.txt; git stash -q; git stash pop -q", Then::Works),
    (
        "a branch without any copy",
        "git checkout -q -b empty HEAD~1; echo b > b.txt; git add .; git commit -qm x",
        Then::Works,
    ),
    (
        "an orphan branch",
        "git checkout -q --orphan fresh; git rm -rfq .; echo b > b.txt; git add .; git commit -qm x",
        Then::Works,
    ),
    ("packing refs and tidying", "git pack-refs --all; git gc -q --prune=now; git otto verify --all", Then::Works),
    (
        "packing them again, and a commit",
        "git pack-refs --all; git pack-refs --all; echo b > a.txt; git commit -qam x",
        Then::Works,
    ),
    ("a spec's history, removed", "git update-ref -d refs/otto/specs/word", Then::Refused("refs/otto/specs/word")),
    (
        "a spec's history, rewound",
        "git update-ref refs/otto/specs/word refs/otto/specs/word~1",
        Then::Refused("refs/otto/specs/word"),
    ),
    (
        "a spec's history, made a symbolic ref",
        "git symbolic-ref refs/otto/specs/word refs/heads/main",
        Then::Refused("refs/otto/specs/word"),
    ),
    (
        "a spec's history, fetched over",
        "git init -q ../theirs; cd ../theirs; git commit -q --allow-empty -m x; git update-ref refs/otto/specs/word HEAD; cd ../repo; git fetch -q ../theirs '+refs/otto/*:refs/otto/*'",
        Then::Refused("refs/otto/specs/word"),
    ),
    (
        "what was fetched, kept and dropped",
        "git fetch -q . '+refs/otto/specs/*:refs/otto-remote/origin/specs/*'; git update-ref -d refs/otto-remote/origin/specs/word",
        Then::Works,
    ),
    ("a clone", "git clone -q . ../cloned; cd ../cloned; echo b > a.txt; git commit -qam x", Then::Works),
    (
        "a bare clone and a mirror",
        "git clone -q --bare . ../bare.git; git clone -q --mirror . ../mirror.git; git -C ../mirror.git gc -q",
        Then::Works,
    ),
    (
        "a submodule",
        "git init -q ../sub; git -C ../sub commit -q --allow-empty -m x; git -c protocol.file.allow=always submodule --quiet add ../sub sub; git commit -qm x; cd sub; git commit -q --allow-empty -m y",
        Then::Works,
    ),
];

#[test]
fn the_sensible_thing_happens() {
    for (what, script, then) in TABLE {
        let t = Team::hooked();
        t.s.git(&["config", "--global", "merge.conflictStyle", "merge"]);
        for (name, text) in [("edited", t.edited()), ("old", t.version(1)), ("new", t.version(0))] {
            t.s.write(name, text);
        }
        let path = |name: &str| t.s.path(name).display().to_string();
        let (edited, old, new) = (path("edited"), path("old"), path("new"));
        let vars = [("EDITED", &*edited), ("OLD", &*old), ("NEW", &*new), ("COPY", COPY)];
        let specs = t.s.git(&["rev-parse", "refs/otto/specs/word"]);
        let said = t.sh("repo", script, &vars);
        match then {
            Then::Works => assert_eq!(said.code, 0, "{what}: {said}"),
            Then::Told(word) => assert!(said.code == 0 && said.stderr.contains(word), "{what}: {said}"),
            Then::Refused(word) => {
                assert!(said.code != 0 && said.stderr.contains("refused:"), "{what}: {said}");
                assert!(said.stderr.contains(word), "{what}: {said}");
            }
        }
        assert_eq!(t.s.git(&["rev-parse", "refs/otto/specs/word"]), specs, "{what}");
    }
}

#[test]
fn without_the_program_a_line_is_said_and_work_goes_on() {
    let t = Team::hooked();
    t.s.write("repo/a.txt", "b\n");
    let said = t.s.try_git("repo", &["commit", "-qam", "x"]).exits(0);
    assert_eq!(said.stderr, "git-otto is not on PATH: specs were not checked\n");
    t.s.write("repo/a.txt", "c\n");
    assert_eq!(t.git("repo", &["commit", "-qam", "x"]).exits(0).stderr, "");
}

#[test]
fn a_repository_without_specs_hears_nothing() {
    let t = Team { s: Sandbox::new() };
    t.otto("repo", &["hooks", "install", "--yes"]).exits(0);
    t.s.git(&["init", "-q", "--bare", "../server.git"]);
    t.s.write("repo/a.txt", "a\n");
    let script = "git add .; git commit -qm x; git checkout -q -b side HEAD~1; git commit -q --allow-empty -m y; \
                  git merge -q --no-edit main; git push -q ../server.git HEAD:refs/heads/x; git tag v1; git pack-refs --all";
    let said = t.sh("repo", script, &[]).exits(0);
    assert_eq!((said.stdout, said.stderr), (String::new(), String::new()));
}
