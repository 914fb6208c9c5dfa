//! `diff`, `log`, `show`: what became of a spec, in words.

use super::*;

/// Four records: compile, approve, and two amendments.
fn four() -> Sandbox {
    let s = approved();
    amend(&s, "/title=Some words");
    amend(&s, r#"/slices/0/checks/0/stdout="1\n""#);
    s
}

#[test]
fn two_versions_are_compared_however_they_are_named() {
    let s = four();
    let title = "title\n  - Words\n  + Some words\n";
    let check = "check `one-1` of slice `one`\n  - `cat one.txt` exits 0 and prints exactly \"one\".\n  + `cat one.txt` exits 0 and prints exactly \"1\".\n";
    let commit = |n: usize| s.git(&["rev-parse", &format!("refs/otto/specs/words~{n}")]);
    let same = format!("words@{{3}} ({}) and words@{{2}} ({}) say the same\n", &commit(3)[..10], &commit(2)[..10]);
    let both = format!("{title}{check}");
    let (old, new) = (commit(2), commit(0));
    for (args, said) in [
        (&["diff"][..], check),
        (&["diff", "words"], check),
        (&["diff", "words@{0}"], check),
        (&["diff", "words@{1}"], title),
        (&["diff", "words@{2}"], &same),
        (&["diff", "words@{2}", "words"], &both),
        (&["diff", "words@{3}", "@{1}"], title),
        (&["diff", "words@{2}.."], &both),
        (&["diff", "words@{2}..@{1}"], title),
        (&["diff", &old, &new[..12]], &both),
        (&["diff", &format!("{old}..{new}")], &both),
    ] {
        assert_eq!(s.otto(args).exits(0).stdout, said, "{args:?}");
    }
    let first = format!("words@{{3}} ({}) is the first version: there is nothing before it\n", &commit(3)[..10]);
    assert_eq!(s.otto(&["diff", "words@{3}"]).exits(0).stdout, first);
    let colored = s.otto(&["diff", "words@{1}", "--color", "always"]).exits(0).stdout;
    assert_eq!(colored, "\u{1b}[1mtitle\u{1b}[0m\n  \u{1b}[31m- Words\u{1b}[0m\n  \u{1b}[32m+ Some words\u{1b}[0m\n");
    let json = s.otto(&["diff", "words@{2}..", "--json"]).exits(0).json();
    assert_eq!(json["schema"], "otto.diff/1");
    assert_eq!((&json["from"]["commit"], &json["to"]["back"]), (&old.into(), &0.into()));
    assert_eq!((&json["tier"], &json["next_run"]["again"][0]), (&2.into(), &"one".into()));
    assert_eq!(json["changes"][0]["lines"][0]["text"], "Words");
    // Back again is the opposite.
    let back = s.otto(&["diff", "words", "words@{1}", "--json"]).exits(0).json();
    assert_eq!(back["changes"][0]["before"], json["changes"][1]["after"]);
}

#[test]
fn what_is_no_version_is_told() {
    let s = four();
    let head = s.git(&["rev-parse", "HEAD"]);
    for (args, said) in [
        (&["diff", "words@{9}"][..], "words has 4 records, so there is no words@{9}".to_owned()),
        (&["diff", "other"], "there is no spec \"other\" here, and no version of one".into()),
        (&["diff", &head], format!("there is no spec {head:?} here, and no version of one")),
        (&["diff", "words", "--by"], "unexpected argument '--by' found".into()),
        (&["diff", "words..", "words"], "words.. names two versions already".into()),
    ] {
        let out = s.otto(args).exits(2);
        assert!(out.stderr.contains(&said), "{out}");
        assert!(out.stderr.contains("hint: ") || out.stderr.contains("Usage: "), "{out}");
    }
}

#[test]
fn the_history_says_what_each_record_changed() {
    let s = four();
    let log = s.otto(&["log", "words"]).exits(0).stdout;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 6, "{log}");
    assert!(lines[0].contains("@{0} amend (tier 3) by user:ann@example.org, ") && lines[0].ends_with(" UTC: Because."));
    assert_eq!((lines[1], lines[3]), ("    check `one-1` of slice `one`", "    title"));
    assert!(lines[4].contains("@{2} approve by ") && lines[5].contains("@{3} compile by otto, "), "{log}");
    let patch = s.otto(&["log", "-p", "words@{1}"]).exits(0).stdout;
    assert!(patch.contains("Because.\n    title\n      - Words\n      + Some words\n"), "{patch}");
    assert_eq!(s.otto(&["log", "--oneline"]).exits(0).stdout.lines().count(), 4);
    let json = s.otto(&["log", "--json"]).exits(0).json();
    assert_eq!(json["records"][0]["changes"][0]["place"], "check `one-1` of slice `one`");
    assert!(s.otto(&["show", "words@{2}"]).exits(0).stdout.starts_with("# Words\n"));
    assert!(s.otto(&["show", "words"]).exits(0).stdout.starts_with("# Some words\n"));
}
