//! A run works wherever git does, and running again is the normal case.

use super::*;
use crate::support::EXAMPLE;

fn runs(s: &Sandbox, dir: &str, args: &[&str]) -> Run {
    s.write("jot.md", EXAMPLE);
    let intent = s.path("jot.md").display().to_string();
    Run::read(s.otto_in(dir, &[&["run", "--yes", "--json", &intent], args].concat())).ends(0)
}

fn works(s: &Sandbox, dir: &str) {
    for (path, text) in [("cmd/find", "grep -ns"), ("jot", "usage: jot")] {
        assert!(s.git_in(dir, &["show", &format!("otto/jot:{path}")]).contains(text));
    }
}

fn empty(args: &[&str]) -> Sandbox {
    let s = Sandbox::without_identity();
    s.write("home/.gitconfig", "[user]\n\tname = Ann\n\temail = ann@example.org\n[otto]\n\tfsync = false\n");
    s.git(&[&["init", "-q", "-b", "main"], args, &["."]].concat());
    s
}

#[test]
fn in_a_repository_without_commits() {
    let s = empty(&[]);
    runs(&s, "repo", &[]);
    works(&s, "repo");
    s.try_git("repo", &["rev-parse", "-q", "--verify", "HEAD"]).exits(1);
    assert_eq!(s.git(&["status", "--porcelain"]), "");
    // Another run starts from what is there.
    assert_eq!(runs(&s, "repo", &[]).events, Vec::<Value>::new());
    assert_sound(&s);
}

#[test]
fn in_a_bare_repository() {
    let s = empty(&["--bare"]);
    let run = runs(&s, "repo", &["--target", "main"]);
    assert_eq!(run.packet["target"]["name"], "refs/heads/main");
    assert_eq!(s.git(&["show", "main:cmd/list"]).lines().next(), Some("#!/bin/sh"));
    assert_sound(&s);
}

#[test]
fn in_a_repository_with_sha_256_and_with_reftables() {
    for args in [&["--object-format=sha256"][..], &["--ref-format=reftable"]] {
        let s = empty(args);
        s.commit("Begin", &[("README.md", "x\n")]);
        let before = s.git(&["--no-optional-locks", "status", "--porcelain=v2", "--branch"]);
        runs(&s, "repo", &[]);
        works(&s, "repo");
        assert_eq!(landings(&s, "main", "otto/jot").len(), 4, "{args:?}");
        assert_eq!(s.git(&["--no-optional-locks", "status", "--porcelain=v2", "--branch"]), before);
        assert_sound(&s);
    }
}

#[test]
fn from_a_detached_head_a_subfolder_and_another_place() {
    let s = sandbox();
    s.commit("More", &[("deep/er/file", "x\n")]);
    s.git(&["switch", "-q", "--detach", "HEAD~1"]);
    let (base, before) = (s.git(&["rev-parse", "HEAD"]), s.snapshot());
    let run = runs(&s, "repo", &[]);
    assert_eq!(run.packet["base"], base.as_str());
    before.assert_same(&s.snapshot());
    s.git(&["switch", "-q", "main"]);
    assert_eq!(runs(&s, "repo/deep/er", &[]).run(), run.run());
    s.write("elsewhere/jot.md", EXAMPLE);
    let repo = s.repo().display().to_string();
    let out = s.otto_in("elsewhere", &["-C", &repo, "run", "--json", "--yes", "../jot.md"]);
    assert_eq!(Run::read(out).ends(0).run(), run.run());
}

#[test]
fn in_a_linked_worktree() {
    let s = sandbox();
    s.git(&["worktree", "add", "-q", "-b", "side", "../tree"]);
    s.write("tree/dirty", "x\n");
    let (before, main) =
        (s.git_in("tree", &["--no-optional-locks", "status", "--porcelain=v2", "--branch"]), s.snapshot());
    runs(&s, "tree", &[]);
    works(&s, "repo");
    assert_eq!(s.git_in("tree", &["--no-optional-locks", "status", "--porcelain=v2", "--branch"]), before);
    main.assert_same(&s.snapshot());
}

#[test]
fn running_again_says_that_nothing_changed() {
    let s = sandbox();
    s.write("jot.md", EXAMPLE);
    let first = s.otto(&["run", "--yes", "../jot.md"]).exits(0);
    assert!(first.stdout.starts_with("passed: 4 slices landed on otto/jot ("), "{first}");
    assert!(first.stderr.contains("No model was used"), "{first}");
    let refs_before = refs(&s);
    for args in [&["run", "../jot.md"][..], &["run", "jot"], &["run", "--yes", "jot"]] {
        let again = s.otto(args).exits(0);
        assert!(again.stderr.contains("nothing changed since it passed"), "{again}");
        assert_eq!(again.stdout, first.stdout);
    }
    assert_eq!(refs(&s), refs_before);
}

#[test]
fn what_was_approved_changes_only_on_purpose() {
    let s = sandbox();
    s.write("jot.md", EXAMPLE);
    s.otto(&["run", "--yes", "../jot.md"]).exits(0);
    s.write(
        "jot.md",
        EXAMPLE.replace(
            "exits 1.\n\nCheck: `./jot add tea >&2; ./jot find te`",
            "exits 0.\n\nCheck: `./jot add tea >&2; ./jot find te`",
        ),
    );
    refuses(&s, "repo", &["run", "--yes", "../jot.md"], 8, "the spec jot is approved", "run ../jot.md -m <reason>");
    refuses(&s, "repo", &["compile", "../jot.md"], 8, "the spec jot is approved", "--id <id>");
    // As another spec it is welcome, and starts from HEAD: nothing of the first is in its way.
    let out = s.otto(&["compile", "--json", "--id", "jot-lenient", "../jot.md"]).exits(0).json();
    assert_eq!((&out["spec"], &out["approved"]), (&json!("jot-lenient"), &json!(false)));
}

#[test]
fn a_draft_may_change_until_it_is_approved() {
    let s = sandbox();
    let first = intent("One", "", &[("a", &[], plain("a"))], "");
    s.write("intent.md", &first);
    let agent = agent(&s, json!({"b": {"*": [right("b")]}}));
    let args = ["run", "../intent.md", "--agent", &agent];
    let out = s.otto(&args).exits(8);
    assert!(out.stderr.contains("the spec one is not approved; its draft is kept"), "{out}");
    assert!(out.stderr.contains("hint: git otto run one"), "{out}");
    let draft = s.git(&["rev-parse", "refs/otto/specs/one"]);
    let json = s.otto(&[&["--json"], &args[..]].concat()).exits(8);
    let said: Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!(said["error"]["code"], "refused", "{json}");
    assert_eq!(s.git(&["rev-parse", "refs/otto/specs/one"]), draft, "the same draft is no new record");

    s.write("intent.md", intent("One", "", &[("b", &[], plain("b"))], ""));
    s.otto(&args).exits(8);
    assert_eq!(s.git(&["rev-parse", "refs/otto/specs/one^"]), draft);
    // Approved by its id, from another folder, it is the newest draft that is built.
    let approved = s.otto(&["approve", "--yes", "--json", "one"]).exits(0).json();
    assert_eq!(approved["new"], true);
    assert_eq!(s.otto(&["approve", "--json", "one"]).exits(0).json()["new"], false);
    let run = Run::read(s.otto(&["run", "--json", "one", "--agent", &agent])).ends(0);
    run.stands("b", "landed", 1);
    assert_sound(&s);
}

#[test]
fn compiling_names_specs_by_their_titles() {
    let s = sandbox();
    let text = intent("Two words", "", &[("a", &[], plain("a"))], "");
    s.write("intent.md", &text);
    let dry = s.otto(&["compile", "--dry-run", "../intent.md"]).exits(0);
    assert_eq!(dry.json()["id"], "two-words");
    assert_eq!(refs(&s).lines().count(), 1, "a dry run writes nothing");

    let first = s.otto(&["compile", "--json", "../intent.md"]).exits(0).json();
    assert_eq!((&first["schema"], &first["new"]), (&json!("otto.compile/1"), &json!(true)));
    assert_eq!(s.git(&["cat-file", "blob", "refs/otto/specs/two-words:spec.json"]) + "\n", dry.stdout);
    // The same title is the same spec, another one with the same slug is not.
    let same = s.otto_with(&["compile", "--json", "-"], &[], Some(text.as_bytes())).exits(0).json();
    assert_eq!((&same["commit"], &same["new"]), (&first["commit"], &json!(false)));
    let other = intent("Two: words!", "", &[("a", &[], plain("a"))], "");
    let numbered = s.otto_with(&["compile", "--json", "-"], &[], Some(other.as_bytes())).exits(0).json();
    assert_eq!(numbered["spec"], "two-words-2");
    let again = s.otto_with(&["compile", "--json", "-"], &[], Some(other.as_bytes())).exits(0).json();
    assert_eq!((&again["spec"], &again["new"]), (&json!("two-words-2"), &json!(false)));
    let named = s.otto(&["compile", "--json", "--id", "mine", "../intent.md"]).exits(0).json();
    assert_eq!(named["spec"], "mine");

    // A spec as JSON is the same spec.
    s.write("spec.json", &dry.stdout);
    let spec = s.otto(&["compile", "--json", "--spec", "../spec.json"]).exits(0).json();
    assert_eq!((&spec["commit"], &spec["new"]), (&first["commit"], &json!(false)));
    let out = s.otto_with(&["compile", "--spec", "-", "--dry-run"], &[], Some(dry.stdout.as_bytes())).exits(0);
    assert_eq!(out.stdout, dry.stdout);
    s.otto(&["compile", "--spec", "../spec.json", "--id", "other"]).exits(2);
    assert_sound(&s);
}

#[test]
fn a_spec_as_json_runs_like_its_intent() {
    let s = sandbox();
    let text = intent("One", "", &[("a", &[], plain("a"))], "");
    s.write("intent.md", &text);
    let spec = s.otto(&["compile", "-n", "../intent.md"]).exits(0).stdout;
    s.write("spec.json", spec);
    let agent = agent(&s, json!({"a": {"1": [right("a")]}}));
    let run = Run::read(s.otto(&["run", "--yes", "--json", "../spec.json", "--agent", &agent])).ends(0);
    run.stands("a", "landed", 1);
}

#[test]
fn in_clones_that_lack_objects_or_borrow_them() {
    let s = sandbox();
    s.history(30);
    let url = format!("file://{}", s.repo().display());
    for (args, dir) in [
        (&["clone", "-q", "--depth", "1", &url][..], "with space é"),
        (&["clone", "-q", "--shared", "repo"], "shared"),
        (&["clone", "-q", "--depth", "3", "--bare", &url], "bare"),
    ] {
        s.git_in("", &[args, &[dir]].concat());
        s.git_in(dir, &["config", "user.name", "Ann"]);
        runs(&s, dir, &[]);
        works(&s, dir);
        assert_eq!(s.git_in(dir, &["fsck", "--full", "--strict", "--no-dangling"]), "", "{dir}");
        s.otto_in(dir, &["verify", "--all"]).exits(0);
    }
}

#[test]
fn as_a_subcommand_of_git_with_its_settings_and_variables() {
    let s = sandbox();
    s.write("jot.md", EXAMPLE);
    let before = s.snapshot();
    let program = Path::new(env!("CARGO_BIN_EXE_git-otto")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let git = |args: &[&str], vars: &[(&str, &str)]| {
        let mut command = s.command("git", "repo");
        s.spawn(command.args(args).env("PATH", &path).envs(vars.iter().copied()), None).wait()
    };
    let out = git(&["-c", "otto.jobs=0", "otto", "run", "--yes", "../jot.md"], &[]).exits(2);
    assert!(out.stderr.contains("otto.jobs is 0"), "{out}");
    // As in a hook, which has a repository and an index in its environment.
    let (dir, index) = (s.path("repo/.git"), s.path("repo/.git/other-index"));
    let vars = [("GIT_DIR", dir.to_str().unwrap()), ("GIT_INDEX_FILE", index.to_str().unwrap()), ("GIT_PREFIX", "x/")];
    git(&["otto", "run", "--yes", "../jot.md"], &vars).exits(0);
    works(&s, "repo");
    before.assert_same(&s.snapshot());
}

#[test]
fn on_the_branch_that_was_asked_for() {
    let s = sandbox();
    let feature = {
        s.git(&["switch", "-q", "-c", "feature"]);
        let at = s.commit("Ahead", &[("ahead", "x\n")]);
        s.git(&["switch", "-q", "main"]);
        at
    };
    let run = runs(&s, "repo", &["--target", "feature"]);
    assert_eq!((&run.packet["base"], landings(&s, &feature, "feature").len()), (&json!(feature), 4));
    s.try_git("repo", &["rev-parse", "-q", "--verify", "refs/heads/otto/jot"]).exits(1);
    let other =
        Run::read(s.otto(&["run", "--yes", "--json", "../jot.md", "--id", "other", "--target", "refs/heads/new"]));
    assert_eq!(other.ends(0).packet["target"]["name"], "refs/heads/new");
    assert_eq!(landings(&s, "main", "new").len(), 4);
}

#[test]
fn landings_are_written_as_the_user_has_it() {
    let s = sandbox();
    let gpg = "#!/bin/sh\necho \"$@\" > \"$HOME/asked\"\ncat > /dev/null\necho '[GNUPG:] SIG_CREATED D' >&2\n\
               printf -- '-----BEGIN PGP SIGNATURE-----\\n\\nabc\\n-----END PGP SIGNATURE-----\\n'\n";
    let gpg = s.script("gpg", gpg);
    for (key, value) in [
        ("commit.gpgSign", "true"),
        ("gpg.program", gpg.to_str().unwrap()),
        ("format.signOff", "true"),
        ("otto.workingCopy", "off"),
    ] {
        s.git(&["config", key, value]);
    }
    runs(&s, "repo", &[]);
    for (commit, _) in landings(&s, "main", "otto/jot") {
        let text = s.git(&["cat-file", "commit", &commit]);
        assert!(text.contains("gpgsig -----BEGIN PGP SIGNATURE-----"), "{text}");
        assert!(text.ends_with("Signed-off-by: Ann Author <ann@example.org>"), "{text}");
    }
    let asked = std::fs::read_to_string(s.path("home/asked")).unwrap();
    assert!(asked.contains("Ann Author <ann@example.org>"), "the committer names the key: {asked}");
    assert!(!s.git(&["ls-tree", "-r", "--name-only", "otto/jot"]).contains(".otto"));
    assert_sound(&s);
}

#[test]
fn with_nobody_reading_what_it_says() {
    let s = sandbox();
    s.write("jot.md", EXAMPLE);
    let script = format!("'{}' run --yes --json ../jot.md | head -n 1", env!("CARGO_BIN_EXE_git-otto"));
    s.spawn(s.command("sh", "repo").args(["-c", &script]), None).wait().exits(0);
    let quiet = s.otto(&["run", "--quiet", "jot"]).exits(0);
    assert!(quiet.stderr.is_empty() && quiet.stdout.starts_with("passed: 4 slices"), "{quiet}");
}
