//! Ways around the hooks of people: a server that has hooks of its own refuses what comes of each, and where there is none,
//! `verify --ci` flags it.

use std::path::PathBuf;

use git_otto::git::{Mode, NewCommit, Old, RefEdit};

use super::*;

/// How an edited copy comes onto `main` though the hooks are in place. `../bad` is a clone without hooks whose `main` has the
/// edit in one commit and takes it back in the next; `$EDITED` is the copy that is of no version.
const WAYS: &[(&str, &str)] = &[
    // Innocent commands.
    ("a fast-forward merge", "git fetch -q ../bad main~1; git merge -q --ff-only FETCH_HEAD"),
    ("a merge", "git commit -q --allow-empty -m mine; git fetch -q ../bad main~1; git merge -q --no-edit FETCH_HEAD"),
    ("a pull", "git pull -q --ff-only ../bad edited"),
    ("a cherry-pick", "git fetch -q ../bad main~1; git cherry-pick FETCH_HEAD"),
    ("a revert", "git pull -q --ff-only ../bad main; git revert --no-edit HEAD"),
    ("a reset", "git fetch -q ../bad main~1; git reset -q --hard FETCH_HEAD"),
    ("checkout -B", "git fetch -q ../bad main~1; git checkout -q -B main FETCH_HEAD"),
    ("a rebase", "git commit -q --allow-empty -m mine; git fetch -q ../bad edited; git rebase -q FETCH_HEAD"),
    ("am", "git -C ../bad format-patch -q -1 --stdout edited | git am -q"),
    // On purpose.
    ("commit -n", "cat $EDITED > $COPY; git commit -qnam x"),
    (
        "commit --no-verify --amend",
        "git commit -q --allow-empty -m mine; cat $EDITED > $COPY; git commit -qa --no-verify --amend -m x",
    ),
    ("am --no-verify", "git -C ../bad format-patch -q -1 --stdout edited | git am -q --no-verify"),
    (
        "-c core.hooksPath",
        "cat $EDITED > $COPY; git -c core.hooksPath=/dev/null -c hook.otto-pre-commit.enabled=false commit -qam x",
    ),
    (
        "GIT_CONFIG_COUNT",
        "cat $EDITED > $COPY; GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0=/dev/null \
         GIT_CONFIG_KEY_1=hook.otto-pre-commit.enabled GIT_CONFIG_VALUE_1=false git commit -qam x",
    ),
    (
        "GIT_CONFIG_PARAMETERS",
        "cat $EDITED > $COPY; GIT_CONFIG_PARAMETERS=\"'core.hooksPath=/dev/null' 'hook.otto-pre-commit.enabled=false'\" git commit -qam x",
    ),
    ("hooks that are taken away", "git otto hooks uninstall --yes >&2; cat $EDITED > $COPY; git commit -qam x"),
    ("a PATH without the program", "cat $EDITED > $COPY; PATH=$PLAIN git commit -qam x"),
    (
        "commit-tree and update-ref",
        "cat $EDITED > $COPY; git add .; git update-ref refs/heads/main $(git commit-tree -p main -m x $(git write-tree))",
    ),
    (
        "fast-import",
        "{ echo 'commit refs/heads/main'; echo 'committer A <a@example.org> 1700000000 +0000'; echo 'data 1'; echo x; \
      echo 'from refs/heads/main^0'; echo \"M 100644 inline $COPY\"; echo \"data $(wc -c < $EDITED)\"; cat $EDITED; } | git fast-import --quiet",
    ),
    (
        "a bundle",
        "git -C ../bad bundle create -q ../b.bundle edited; git fetch -q ../b.bundle edited:other; git update-ref refs/heads/main other",
    ),
    ("symbolic-ref", "git fetch -q ../bad edited:other; git symbolic-ref refs/heads/main refs/heads/other"),
    (
        "a file written in place of a ref",
        "git fetch -q ../bad edited; cp .git/FETCH_HEAD ../fetched; cut -c1-40 ../fetched > .git/refs/heads/main",
    ),
    ("a replaced object", "cat $EDITED > $COPY; git commit -qnam x; git replace HEAD:$COPY HEAD~1:$COPY"),
];

/// Through libraries that know of no hooks: a script of Python, and what it needs.
const PYTHON: &[(&str, &str, &str)] = &[
    (
        "libgit2",
        "pygit2",
        "import os, pygit2\nr = pygit2.Repository('.')\nopen(os.environ['COPY'], 'w').write(open(os.environ['EDITED']).read())\n\
         r.index.add(os.environ['COPY'])\nwho = pygit2.Signature('A', 'a@example.org')\n\
         r.create_commit('refs/heads/main', who, who, 'x', r.index.write_tree(), [r.head.target])\n",
    ),
    (
        "dulwich",
        "dulwich",
        "import os\nfrom dulwich import porcelain\nopen(os.environ['COPY'], 'w').write(open(os.environ['EDITED']).read())\n\
         porcelain.add('.', [os.environ['COPY']])\n\
         porcelain.commit('.', message=b'x', author=b'A <a@example.org>', committer=b'A <a@example.org>', no_verify=True)\n",
    ),
];

/// A person with hooks, a server, and a clone whose `main` is bad.
fn scene() -> (Team, Vec<(&'static str, String)>) {
    let t = Team::hooked();
    t.server();
    let edited = t.s.write("edited", t.edited()).display().to_string();
    let vars = vec![("EDITED", edited), ("COPY", COPY.to_owned()), ("PLAIN", std::env::var("PATH").unwrap())];
    let script = "git clone -q server.git bad; cd bad; cat $EDITED > $COPY; git commit -qam edited; git branch edited; \
                  git revert --no-edit HEAD; git config uploadpack.allowAnySHA1InWant true";
    let borrowed: Vec<(&str, &str)> = vars.iter().map(|(k, v)| (*k, v.as_str())).collect();
    t.sh("", script, &borrowed).exits(0);
    (t, vars)
}

/// What came of a way is refused by the server, which has what it had, and flagged.
fn is_prevented(t: &Team, what: &str) {
    let history = t.s.git(&["--no-replace-objects", "log", "--format=%H", "origin/main..main", "--", COPY]);
    assert!(!history.is_empty(), "{what}: the edit is not there");
    let before = t.s.git_in("server.git", &["for-each-ref"]);
    for push in ["git push --no-verify origin main", "git send-pack ../server.git main:refs/heads/main"] {
        let said = t.sh("repo", push, &[]);
        assert!(said.code != 0 && said.stderr.contains("remote: refused: .otto/specs/word.json"), "{what}: {said}");
    }
    assert_eq!(t.s.git_in("server.git", &["for-each-ref"]), before, "{what}");
    let flagged = t.otto("repo", &["verify", "--ci", "origin/main..main"]);
    assert!(flagged.code == 8 && flagged.stderr.contains(COPY), "{what}: {flagged}");
}

#[test]
fn every_way_around_the_hooks_ends_at_the_server() {
    for (what, script) in WAYS {
        let (t, vars) = scene();
        let vars: Vec<(&str, &str)> = vars.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let script = script.replace("main~1", "edited");
        t.sh("repo", &script, &vars).exits(0);
        is_prevented(&t, what);
    }
}

#[test]
fn so_does_a_library_that_calls_no_hooks() {
    let (t, _) = scene();
    let repo = t.open();
    let head = repo.resolve("refs/heads/main").unwrap();
    let blob = repo.write_blob(t.edited().as_bytes()).unwrap();
    let tree = repo.read_commit(head).unwrap().tree;
    let tree = repo.write_tree(Some(tree), &[(COPY.into(), Some((Mode::Plain, blob)))]).unwrap();
    let (author, committer) = repo.identity(git_otto::base::Timestamp::from_secs(1_700_000_000)).unwrap();
    let new = NewCommit { tree, parents: vec![head], author: &author, committer: &committer, message: "x\n".into() };
    let edit =
        RefEdit { name: "refs/heads/main".into(), old: Old::Is(head), new: Some(repo.write_commit(&new).unwrap()) };
    repo.refs().swap(&[edit], &committer, "x").unwrap();
    is_prevented(&t, "gix");
}

#[test]
fn so_do_the_libraries_of_others() {
    for (what, module, script) in PYTHON {
        let Some(python) = managers::python(module) else { continue };
        let (t, vars) = scene();
        let python: PathBuf = python;
        let mut command = t.command(python.to_str().unwrap(), "repo", &["-c", script]);
        t.s.spawn(command.envs(vars.iter().map(|(k, v)| (*k, v.as_str()))), None).wait().exits(0);
        is_prevented(&t, what);
    }
}
