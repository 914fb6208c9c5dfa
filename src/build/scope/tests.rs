//! Scope, rule by rule.

use super::*;

fn id(n: u8) -> Oid {
    Oid(gix::ObjectId::from_bytes_or_panic(&[n; 20]))
}

fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(|s| (*s).to_owned()).collect()
}

/// Contents by id: 1 old lines, 2 lines added, 3 lines changed, 4 binary, 5 and 6 links.
fn read(id: Oid) -> Option<Vec<u8>> {
    Some(match id.0.as_bytes()[0] {
        1 => b"a\nb\n".to_vec(),
        2 => b"a\nnew\nb\nmore".to_vec(),
        3 => b"a\nB\n".to_vec(),
        4 => b"a\nb\n\0".to_vec(),
        5 => b"../lib/x".to_vec(),
        6 => b"../../etc/passwd".to_vec(),
        _ => return None,
    })
}

fn change(path: &str, old: Option<u8>, new: Option<u8>) -> Change {
    let side = |n: Option<u8>| n.map(|n| (Mode::Plain, id(n)));
    Change { path: path.into(), old: side(old), new: side(new) }
}

fn why(c: &Change) -> Option<String> {
    let owned = strings(&["notes", "src/**", "docs/", "mine/*.txt", "ci.py", ".github/workflows/mine.yml", "[id].tsx"]);
    let scaffold = strings(&["shared/*.txt", "package.json"]);
    let others = strings(&["theirs/**", "src/core.py"]);
    let rules = Rules { owned: &owned, bounded: false, adding: &scaffold, others: &others };
    judge(&rules, std::slice::from_ref(c), read).pop().map(|v| v.why)
}

#[test]
fn own_paths_and_new_files_that_nobody_owns_are_in_scope() {
    for c in [
        change("notes", Some(1), Some(3)),
        change("notes", Some(1), None),
        change("src/a/b.py", None, Some(1)),
        change("src/core.py", Some(1), Some(3)), // owned by both: one depends on the other
        change("src/Makefile", None, Some(1)),
        change("docs/x/y.md", Some(1), Some(3)),
        change("mine/a.txt", Some(1), None),
        change("[id].tsx", Some(1), Some(3)),
        change("brand/new", None, Some(1)),
        change("shared/a.txt", Some(1), Some(2)),
        change("shared/new.txt", None, Some(2)),
        change("package.json", Some(1), Some(2)),
        change(".github/workflows/mine.yml", None, Some(1)),
    ] {
        assert_eq!(why(&c), None, "{c:?}");
    }
}

#[test]
fn everything_else_is_a_violation() {
    for (c, part) in [
        (change("other", Some(1), Some(3)), "does not own"),
        (change("other", Some(1), None), "does not own"),
        (change("mine/a/b.txt", Some(1), Some(3)), "does not own"),
        (change("Notes", Some(1), Some(3)), "does not own"),
        (change("i.tsx", Some(1), Some(3)), "does not own"),
        (change("theirs/new", None, Some(1)), "another slice"),
        (change("conftest.py", None, Some(1)), "configures"),
        (change("tests/conftest.py", None, Some(1)), "configures"),
        (change("MAKEFILE", None, Some(1)), "configures"),
        (change("jest.config.mjs", None, Some(1)), "configures"),
        (change("sub/.cargo/config.toml", None, Some(1)), "configures"),
        (change(".otto/specs/x.json", None, Some(1)), "judged"),
        (change(".OTTO/config", None, Some(1)), "judged"),
        (change(".github/workflows/other.yml", None, Some(1)), "judged"),
        (change("src/.gitattributes", None, Some(1)), "judged"),
        (change(".gitmodules", None, Some(1)), "judged"),
        (change("shared/a.txt", Some(1), Some(3)), "only be added"),
        (change("shared/a.txt", Some(1), Some(4)), "only be added"),
        (change("shared/a.txt", Some(1), None), "only be added"),
        (change("shared/a.txt", Some(1), Some(9)), "only be added"),
    ] {
        let told = why(&c);
        assert!(told.as_ref().is_some_and(|w| w.contains(part)), "{c:?}: {told:?}");
    }
}

#[test]
fn a_change_of_mode_is_no_added_line() {
    let mut c = change("shared/a.txt", Some(1), Some(2));
    c.new = Some((Mode::Executable, id(2)));
    assert!(why(&c).is_some());
}

#[test]
fn a_wildcard_does_not_own_what_judges() {
    let owned = strings(&["**"]);
    let rules = Rules { owned: &owned, ..Rules::default() };
    let all = [".otto/specs/x.json", ".gitattributes", "a/.gitmodules", ".github/x"].map(|p| change(p, None, Some(1)));
    assert_eq!(judge(&rules, &all, read).len(), 4);
    assert!(judge(&rules, &[change("conftest.py", Some(1), Some(3))], read).is_empty());
}

#[test]
fn links_stay_inside() {
    let link = |path: &str, to: u8| {
        let c = Change { path: path.into(), old: None, new: Some((Mode::Symlink, id(to))) };
        why(&c)
    };
    assert_eq!(link("src/x", 5), None);
    assert_eq!(link("brand/new", 5), None);
    for (path, to) in [("x", 5), ("src/x", 6), ("src/x", 9)] {
        assert!(link(path, to).unwrap().contains("leads outside"), "{path}");
    }
    assert!(!stays_inside("a".into(), b"/etc/passwd") && !stays_inside("a".into(), b".Git/config"));
    assert!(!stays_inside("a/b".into(), b"../../a/b") && stays_inside("a/b".into(), b"../c/./d"));
    // `deep/l` may be a link to `..`: then this is the folder around the tree.
    assert!(!stays_inside("a".into(), b"deep/l/../.."));
    assert!(stays_inside("a/b/c".into(), b"../../x") && !stays_inside("a/b".into(), b"../../x"));
    let c = Change { path: "src/sub".into(), old: None, new: Some((Mode::Submodule, id(1))) };
    assert!(why(&c).is_some());
}

#[test]
fn a_path_is_refused_before_anything_is_written() {
    let (owned, scaffold, others) = (strings(&["src/**"]), strings(&["shared.txt"]), strings(&["theirs/"]));
    let rules = Rules { owned: &owned, bounded: false, adding: &scaffold, others: &others };
    let old = Some((Mode::Plain, id(1)));
    for (path, old) in [("src/a", None), ("src/a", old), ("shared.txt", old), ("shared.txt", None), ("new", None)] {
        assert_eq!(may_write(&rules, path, old), Ok(()), "{path}");
    }
    for (path, old, part) in [
        ("theirs/a", None, "another slice"),
        ("other", old, "does not own"),
        ("Makefile", None, "configures"),
        (".otto/specs/x.json", None, "judged"),
        ("src/.git/config", None, ".git"),
        ("../x", None, "leaves"),
        ("/etc/passwd", None, "absolute"),
    ] {
        let why = may_write(&rules, path, old).unwrap_err();
        assert!(why.contains(part), "{path}: {why}");
    }
}
