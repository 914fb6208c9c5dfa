//! The checked-in copy of a spec: brought up to date after the spec, never instead of it, never over somebody's edits.

use super::*;

const COPY: &str = ".otto/specs/words.json";

fn copy(s: &Sandbox) -> String {
    std::fs::read_to_string(s.repo().join(COPY)).unwrap()
}

fn stored(s: &Sandbox) -> String {
    s.git(&["cat-file", "blob", "refs/otto/specs/words:spec.json"]) + "\n"
}

#[test]
fn the_copy_follows_where_it_is_and_comes_where_it_is_asked_for() {
    let s = drafted();
    let refused = s.otto(&["show", "words", "--write"]).exits(8);
    assert!(refused.stderr.contains("only approved specs have copies in checkouts"), "{refused}");
    s.otto(&["approve", "words", "--yes"]).exits(0);
    amend(&s, "/title=One");
    assert!(!s.repo().join(COPY).exists(), "nobody asked for it");
    let out = s.otto(&["amend", "words", "--write", "-m", "x", "--set", "/title=Two"]).exits(0);
    assert!(out.stderr.contains("written: .otto/specs/words.json\n"), "{out}");
    assert_eq!(copy(&s), stored(&s));
    s.git(&["add", "."]);
    s.git(&["commit", "-q", "-m", "The copy"]);
    let index = std::fs::read(s.repo().join(".git/index")).unwrap();
    amend(&s, "/title=Three");
    assert_eq!(copy(&s), stored(&s));
    assert_eq!(s.git(&["--no-optional-locks", "status", "--porcelain"]), format!(" M {COPY}"));
    assert_eq!(index, std::fs::read(s.repo().join(".git/index")).unwrap(), "the index is the user's");
    // From any folder of the checkout, and again without a change.
    std::fs::create_dir(s.repo().join("deep")).unwrap();
    let again = s.otto_in("repo/deep", &["show", "words", "--write"]).exits(0);
    assert_eq!(again.stdout, format!("unchanged: {COPY} says what the spec says\n"));
    let old = s.otto(&["show", "words@{1}", "--write"]).exits(2);
    assert!(old.stderr.contains("holds the newest version, not words@{1}"), "{old}");
    // An older version of the spec is no edit.
    s.git(&["checkout", "-q", "--", COPY]);
    let out = s.otto(&["show", "words", "--write", "--json"]).exits(0).json();
    assert_eq!((&out["path"], &out["working_copy"]), (&COPY.into(), &"written".into()));
    assert_eq!(copy(&s), stored(&s));
}

#[test]
fn an_edited_copy_is_left_until_it_is_made_an_amendment() {
    let s = drafted();
    s.otto(&["approve", "words", "--yes", "--write"]).exits(0);
    s.git(&["add", "."]);
    s.git(&["commit", "-q", "-m", "The copy"]);
    // Layout is nobody's business, content is.
    let mut value: Value = serde_json::from_str(&copy(&s)).unwrap();
    s.write(&format!("repo/{COPY}"), value.to_string());
    let out = amend(&s, "/slices/0/title=First");
    assert!(out.stderr.contains("written: "), "{out}");
    value = serde_json::from_str(&copy(&s)).unwrap();
    value["title"] = "Mine".into();
    let mine = serde_json::to_string(&value).unwrap();
    s.write(&format!("repo/{COPY}"), &mine);
    for out in [amend(&s, "/slices/1/title=Second"), s.otto(&["show", "words", "--write"]).exits(8)] {
        let hint = "to make them an amendment: git otto amend words --file .otto/specs/words.json -m <reason>\n\
                    to drop them: rm .otto/specs/words.json && git otto show words --write\n";
        assert!(out.stderr.contains("holds edits that are in no version of the spec: it is left as it is\n"), "{out}");
        assert!(out.stderr.contains("  title\n    - Words\n    + Mine\n") && out.stderr.contains(hint), "{out}");
        assert_eq!(copy(&s), mine);
    }
    // It was made from the version before: what came in between stays.
    let out = s.otto(&["amend", "words", "-m", "Mine.", "--file", COPY]).exits(0);
    assert!(out.stdout.starts_with("title\n  - Words\n  + Mine\namended: "), "{out}");
    assert!(out.stderr.contains("both changes go together\n"), "{out}");
    value["slices"][1]["title"] = "Second".into();
    assert_eq!(copy(&s), stored(&s), "the copy is as git otto writes it");
    assert_eq!(spec(&s), value);
    // What is no spec is somebody's too.
    s.write(&format!("repo/{COPY}"), "{");
    let out = s.otto(&["show", "words", "--write"]).exits(8);
    assert!(out.stderr.contains("  it is no valid spec: EOF while parsing an object at line 1 column 1\n"), "{out}");
    assert_eq!(copy(&s), "{");
}

#[test]
fn no_copy_is_written_where_none_belongs() {
    let s = drafted();
    s.git(&["config", "otto.workingCopy", "off"]);
    let out = s.otto(&["approve", "words", "--yes", "--write"]).exits(2);
    assert_eq!(
        refusal(&out),
        ["otto.workingCopy is off: checkouts hold no copies of specs", "hint: git config otto.workingCopy target"]
    );
    assert_eq!(newest(&s)["kind"], "compile", "nothing was done halfway");
    s.write(&format!("repo/{COPY}"), "mine\n");
    s.otto(&["approve", "words", "--yes"]).exits(0);
    amend(&s, "/title=x");
    assert_eq!(copy(&s), "mine\n");
    s.git(&["config", "--unset", "otto.workingCopy"]);
    // A link is not followed and not replaced.
    std::fs::remove_file(s.repo().join(COPY)).unwrap();
    s.write("elsewhere", "mine\n");
    std::os::unix::fs::symlink("../../../elsewhere", s.repo().join(COPY)).unwrap();
    let out = amend(&s, "/title=y");
    assert!(out.stderr.contains(".otto/specs/words.json is left alone: "), "{out}");
    assert_eq!(std::fs::read_to_string(s.path("elsewhere")).unwrap(), "mine\n");
    s.git_in(".", &["clone", "-q", "--mirror", "repo", "bare"]);
    s.git_in("bare", &["config", "user.name", "Ann"]);
    let bare = s.otto_in("bare", &["show", "words", "--write"]).exits(2);
    assert!(bare.stderr.contains("a bare repository has no checkout"), "{bare}");
    s.otto_in("bare", &["amend", "words", "-m", "x", "--set", "/title=z"]).exits(0);
}
