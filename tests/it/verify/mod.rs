//! `git otto verify` as CI and auditors use it.

mod forge;

use serde_json::Value;

use crate::support::{EXAMPLE, Output, Sandbox};

/// A repository in which the example was run.
fn example() -> Sandbox {
    let s = Sandbox::new();
    s.write("jot.md", EXAMPLE);
    s.otto(&["run", "--yes", "../jot.md"]).exits(0);
    s
}

fn codes(out: &Output) -> Vec<String> {
    let all = out.json()["violations"].as_array().unwrap().clone();
    all.iter().map(|v| v["code"].as_str().unwrap().to_owned()).collect()
}

/// Commits the copy of the spec, with one text replaced.
fn commit_copy(s: &Sandbox, from: &str, to: &str) -> String {
    let copy = s.git(&["cat-file", "blob", "refs/otto/specs/jot:spec.json"]);
    assert!(copy.contains(from), "{copy}");
    s.commit("copy", &[(".otto/specs/jot.json", &copy.replacen(from, to, 1))])
}

#[test]
fn ci_finds_an_edited_copy_in_any_commit_and_says_how_to_amend() {
    let s = example();
    let base = s.git(&["rev-parse", "HEAD"]);
    let ci = |base: &str| s.otto(&["verify", "--json", "--ci", &format!("{base}..HEAD")]);
    commit_copy(&s, "", "");
    let good = ci(&base).exits(0).json();
    assert_eq!((&good["ok"], &good["checked"][0]["commits"]), (&Value::Bool(true), &1.into()));

    let bad = commit_copy(&s, "\"title\": \"", "\"title\": \"Not ");
    commit_copy(&s, "", "");
    let out = ci(&base).exits(8);
    assert_eq!(codes(&out), ["copy_not_in_chain"]);
    let found = &out.json()["violations"][0];
    assert_eq!((&found["commit"], &found["place"]), (&Value::from(bad.clone()), &".otto/specs/jot.json".into()));
    assert_eq!(found["hint"], "git otto amend jot --file .otto/specs/jot.json -m '<why>'");
    assert!(found["message"].as_str().unwrap().contains("\n  title: - "), "{found}");
    ci(&bad).exits(0);
    let text = s.otto(&["verify", "--ci", &format!("{base}..HEAD")]).exits(8);
    assert!(text.stderr.contains("edited without an amendment; against jot@{0}:\n  title: - "), "{text}");

    // A new branch: everything that it has. What `git otto verify` takes besides.
    let zeros = "0".repeat(40);
    assert_eq!(codes(&ci(&zeros).exits(8)), ["copy_not_in_chain"]);
    s.otto(&["verify", &format!("{base}..{bad}")]).exits(8);
    s.otto(&["verify", &bad]).exits(8);
    s.otto(&["verify", "HEAD"]).exits(0);
    for wrong in [&["verify", "--ci", "HEAD"][..], &["verify", "no..HEAD"], &["verify", "jot..HEAD"], &["verify", "-x"]]
    {
        s.otto(wrong).exits(2);
    }
}

#[test]
fn ci_without_the_histories_or_with_half_a_branch_fails_and_says_what_to_fetch() {
    let s = example();
    commit_copy(&s, "", "");
    s.commit("more", &[("a", "1")]);
    let base = s.git(&["rev-parse", "HEAD~1"]);
    let url = format!("file://{}", s.repo().display());
    s.git_in(".", &["clone", "-q", &url, "whole"]);
    let range = format!("{base}..HEAD");
    let out = s.otto_in("whole", &["verify", "--json", "--ci", &range]).exits(8);
    assert_eq!(codes(&out), ["no_chain"]);
    let hint = out.json()["violations"][0]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("git fetch <remote> 'refs/otto/specs/*:refs/otto/specs/*'"), "{hint}");
    s.git_in("whole", &["fetch", "-q", "origin", "refs/otto/specs/*:refs/otto/specs/*"]);
    s.otto_in("whole", &["verify", "--ci", &range]).exits(0);

    s.git_in(".", &["clone", "-q", "--depth=1", &url, "half"]);
    s.git_in("half", &["fetch", "-q", "origin", "refs/otto/specs/*:refs/otto/specs/*"]);
    for base in [base.as_str(), &"0".repeat(40)] {
        let out = s.otto_in("half", &["verify", "--json", "--ci", &format!("{base}..HEAD")]).exits(8);
        assert!(codes(&out).contains(&"shallow".into()), "{out}");
        assert!(out.json()["violations"][0]["hint"].as_str().unwrap().contains("git fetch --unshallow"), "{out}");
    }
}

#[test]
fn what_an_auditor_noted_is_held_against_what_is_there() {
    let s = example();
    s.otto(&["verify", "jot@{1}..jot"]).exits(0);
    let noted = s.git(&["rev-parse", "refs/otto/specs/jot"]);
    s.otto(&["verify", &format!("{noted}..jot")]).exits(0);
    // As in a clone, where no reflog tells: without the note nobody could know.
    s.git(&["update-ref", "-d", "refs/otto/specs/jot"]);
    s.git(&["update-ref", "refs/otto/specs/jot", &format!("{noted}~1")]);
    let out = s.otto(&["verify", "--json", &format!("{noted}..jot")]).exits(8);
    assert_eq!(codes(&out), ["rewound"]);
    assert_eq!(out.json()["violations"][0]["commit"], noted);
}

#[test]
fn a_history_that_was_tampered_with_fails_and_its_first_bad_record_is_named() {
    let s = example();
    let name = "refs/otto/specs/jot";
    let rev = |rev: &str| s.git(&["rev-parse", rev]);
    let (tip, first) = (rev(name), rev("refs/otto/specs/jot~1"));
    let fails = |code: &str, commit: &str| {
        let out = s.otto(&["verify", "jot", "--json"]).exits(8);
        let found = &out.json()["violations"][0];
        assert_eq!((&found["code"], &found["commit"]), (&code.into(), &commit.into()), "{out}");
        let error: Value = serde_json::from_str(&out.stderr).unwrap();
        assert!(error["error"]["message"].as_str().unwrap().contains(&commit[..10]), "{out}");
    };
    let good = || s.otto(&["verify", "jot"]).exits(0);
    good();

    s.git(&["replace", &tip, &first]);
    fails("replaced", &tip);
    s.git(&["replace", "-d", &tip]);

    s.write("repo/.git/shallow", format!("{tip}\n"));
    fails("shallow", &tip);
    std::fs::remove_file(s.path("repo/.git/shallow")).unwrap();

    let commit = format!("{}\n", s.git(&["--no-replace-objects", "cat-file", "commit", &tip]));
    let tree = (rev(&format!("{tip}^{{tree}}")), rev("HEAD^{tree}"));
    for forged in [
        commit.replace(" +0000\n", " +0100\n"),
        commit.replace(&format!("parent {first}\n"), ""),
        commit.replace(&tree.0, &tree.1),
    ] {
        let forged = s.git_with_input(&["hash-object", "-t", "commit", "-w", "--stdin"], forged.as_bytes());
        let forged = forged.trim();
        s.git(&["update-ref", name, forged]);
        let out = s.otto(&["verify", "jot", "--json"]).exits(8);
        assert_eq!(out.json()["violations"][0]["commit"], forged, "{out}");
        s.git(&["update-ref", name, &tip]);
    }

    let loose = |id: &str| s.path(format!("repo/.git/objects/{}/{}", &id[..2], &id[2..]));
    let honest = std::fs::read(loose(&tip)).unwrap();
    std::fs::remove_file(loose(&tip)).unwrap();
    std::fs::copy(loose(&first), loose(&tip)).unwrap();
    fails("unreadable", &tip);
    std::fs::remove_file(loose(&tip)).unwrap();
    std::fs::write(loose(&tip), honest).unwrap();
    good();
}
